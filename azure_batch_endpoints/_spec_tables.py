"""Where each key of a YAML file belongs: the spelling of 2021 and today's, one table a noun.

Source: CLI (v2) batch endpoint, batch deployment, model, environment, data and compute YAML schemas of October 2021
and of today, and the preview before them. In a table, left: keys as written; right: the spec's field. ``_ignored``
takes keys that change nothing here: what the service fills in and ``az ml … show`` prints. ``…_REFUSED``: keys that the
schemas know and this package cannot honour, each with what to do instead. ``…_WRITTEN``: the keys of today's spelling
in the order in which a file is written.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TypeAlias

_Paths: TypeAlias = "Mapping[tuple[str, ...], tuple[str, ...]]"
_Reasons: TypeAlias = "Mapping[tuple[str, ...], str]"
_Keys: TypeAlias = "tuple[tuple[str, ...], ...]"


def _ignored(*names: str) -> dict[tuple[str, ...], tuple[str, ...]]:
    return {(name,): ("_ignored", name) for name in names}


def _same(*names: str) -> dict[tuple[str, ...], tuple[str, ...]]:
    return {(name,): (name,) for name in names}


def _because(reason: str, *names: str) -> dict[tuple[str, ...], str]:
    return {(name,): reason for name in names}


def _under(prefix: str, table: _Paths) -> dict[tuple[str, ...], tuple[str, ...]]:
    return {(prefix, *key): (target if target[0] == "_ignored" else (prefix, *target)) for key, target in table.items()}


def _all_under(prefix: str, reasons: _Reasons) -> dict[tuple[str, ...], str]:
    return {(prefix, *key): reason for key, reason in reasons.items()}


_FILLED = _ignored("$schema", "id", "creation_context", "provisioning_state", "resourceGroup")
_COMMON: _Paths = {**_FILLED, **_same("name", "description", "tags", "properties")}
_VERSIONED: _Paths = {**_COMMON, **_same("version"), **_ignored("latest_version")}
_STORE = "uploads go to the workspace's default datastore. Leave it out, or upload first and give path as a URI."
_ASSET_REFUSED = _because(_STORE, "datastore")
_NOT_KEPT = "this package does not set it. Leave it out and set it in the studio, or use 'az ml'."

MODEL: _Paths = {
    **_VERSIONED,
    **_same("path", "type"),
    ("local_path",): ("path",),
    ("model_uri",): ("path",),
    ("model_format",): ("type",),
    **_ignored("flavors", "job_name", "utc_time_created"),
}
MODEL_REFUSED: _Reasons = {**_ASSET_REFUSED, **_because(_NOT_KEPT, "stage", "system_metadata")}
MODEL_WRITTEN: _Keys = tuple((key,) for key in ("name", "version", "type", "path", "description", "tags", "properties"))

ENVIRONMENT: _Paths = {
    **_VERSIONED,
    **_same("image", "conda_file"),
    ("docker", "image"): ("image",),
    ("path",): ("_ignored", "path"),  # of the preview, beside conda_file
    **_ignored("os_type", "inference_config"),
}
_BUILD = "an environment made from a Dockerfile is not supported. Build and push the image, and name it as 'image'."
_CONDA = "this is a conda file. Name it as conda_file in an environment YAML, or as the deployment's environment."
ENVIRONMENT_REFUSED: _Reasons = {
    **_ASSET_REFUSED,
    **_because(_BUILD, "build"),
    **_because(_CONDA, "dependencies", "channels", "prefix"),
}
ENVIRONMENT_WRITTEN: _Keys = tuple(
    (key,) for key in ("name", "version", "image", "conda_file", "description", "tags", "properties")
)

DATASET: _Paths = {**_VERSIONED, **_same("path", "paths", "type"), ("local_path",): ("path",)}
DATASET_REFUSED: _Reasons = {**_ASSET_REFUSED, **_because(_NOT_KEPT, "auto_delete_setting")}
DATASET_WRITTEN: _Keys = MODEL_WRITTEN

_CLUSTER = (
    "this package does not set it. Make the compute with 'az ml compute create --file' or in the studio; "
    "deployments then name it."
)
COMPUTE: _Paths = {
    **_FILLED,
    **_same("name", "description", "tags", "location", "type", "size", "tier", "min_instances", "max_instances"),
    **_same("idle_time_before_scale_down", "address"),
    **_ignored("provisioning_errors", "created_on"),
}
COMPUTE_REFUSED: _Reasons = _because(
    _CLUSTER,
    "identity",
    "ssh_settings",
    "ssh_public_access_enabled",
    "network_settings",
    "enable_node_public_ip",
    "resource_id",
)
COMPUTE_WRITTEN: _Keys = tuple(
    (key,)
    for key in (
        *("name", "description", "type", "location", "size", "tier", "min_instances", "max_instances"),
        *("idle_time_before_scale_down", "address", "tags"),
    )
)

ENDPOINT: _Paths = {
    **_COMMON,
    **_same("auth_mode"),
    ("defaults", "deployment_name"): ("default_deployment",),
    ("type",): ("_type",),
    **_ignored("location", "scoring_uri", "openapi_uri", "swagger_uri"),
}
_APART = "deployments have files of their own: one with endpoint_name, model and compute for each. Take it out of here."
_OF_DEPLOYMENT = "that belongs to a deployment. Read the file with DeploymentSpec, or 'abe deployment create --file'."
ENDPOINT_REFUSED: _Reasons = {
    **_because(_APART, "deployments"),
    **_because("a batch endpoint has no traffic split. Write 'defaults: {deployment_name: <name>}'.", "traffic"),
    **_because("batch endpoints act as their caller; this package sets no identity. Leave it out.", "identity"),
    **_because("that is a key of online endpoints; batch endpoints have none.", "mirror_traffic", "compute"),
    **_because(_OF_DEPLOYMENT, "endpoint_name", "model", "code_configuration", "environment", "settings", "resources"),
}
ENDPOINT_WRITTEN: _Keys = (
    *((key,) for key in ("name", "description", "auth_mode", "tags", "properties")),
    ("defaults", "deployment_name"),
)

_RETRY: _Paths = _same("max_retries", "timeout")
SETTINGS: _Paths = {
    **_same("mini_batch_size", "max_concurrency_per_instance", "instance_count", "error_threshold"),
    **_under("retry_settings", _RETRY),
    **_same("output_action", "output_file_name", "logging_level", "environment_variables", "isolate_failures"),
}
SETTINGS_WRITTEN: _Keys = tuple(SETTINGS)
RETRY, RETRY_WRITTEN = _RETRY, tuple(_RETRY)

PIPELINE = (
    "this is a pipeline component deployment, and here batch endpoints run models. Write 'type: model' with model, "
    "code_configuration, environment and compute; for a pipeline use azure-ai-ml or 'az ml batch-deployment create'."
)
_ONLINE = "that is a key of online deployments; batch deployments have none. Leave it out."
_NODES = "batch deployments run on the nodes of their compute. Leave it out; the compute's size says what a node is."
DEPLOYMENT: _Paths = {
    **_COMMON,
    **_ignored("endpoint_name"),
    ("type",): ("_type",),
    ("model",): ("model",),
    **_under("model", MODEL),
    ("code_configuration", "code"): ("code",),
    ("code_configuration", "code", "local_path"): ("code",),
    ("code_configuration", "code", "path"): ("code",),
    ("code_configuration", "scoring_script"): ("scoring_script",),
    **_same("instrument"),
    ("environment",): ("environment",),
    **_under("environment", ENVIRONMENT),
    ("compute",): ("compute",),
    ("compute", "target"): ("compute",),
    ("resources", "instance_count"): ("settings", "instance_count"),
    ("compute", "instance_count"): ("settings", "instance_count"),
    **{path: ("settings", *target) for path, target in SETTINGS.items() if path != ("instance_count",)},
    **{("settings", *path): ("settings", *target) for path, target in SETTINGS.items()},
}
_OF_ENDPOINT = "that belongs to an endpoint. Read the file with EndpointSpec, or 'abe endpoint create --file'."
DEPLOYMENT_REFUSED: _Reasons = {
    **_because(_OF_ENDPOINT, "auth_mode", "defaults", "traffic"),
    **_all_under("model", MODEL_REFUSED),
    **_all_under("environment", ENVIRONMENT_REFUSED),
    **_because(PIPELINE, "component", "job_definition", "job", "jobs", "inputs", "outputs"),
    **_all_under("settings", _because(PIPELINE, "default_compute", "continue_on_step_failure", "force_rerun")),
    **_all_under("settings", _because(PIPELINE, "default_datastore", "continue_on_failed_optional_input")),
    **_because(_ONLINE, "instance_type", "request_settings", "scale_settings", "liveness_probe", "readiness_probe"),
    **_because(_ONLINE, "app_insights_enabled", "model_mount_path", "egress_public_network_access", "data_collector"),
    **_all_under("resources", _because(_NODES, "instance_type", "properties", "locations", "shm_size")),
    **_all_under("resources", _because(_NODES, "max_instance_count", "docker_args")),
    **_all_under("compute", _because(_NODES, "instance_type", "location", "properties")),
}
DEPLOYMENT_WRITTEN: _Keys = (
    ("name",),
    ("description",),
    ("type",),
    ("model",),
    ("code_configuration", "code"),
    ("code_configuration", "scoring_script"),
    ("instrument",),
    ("environment",),
    ("compute",),
    ("resources", "instance_count"),
    *(("settings", *path) for path in SETTINGS if path != ("instance_count",)),
    ("tags",),
    ("properties",),
)
