"""Where each key of a YAML file belongs: the spelling of 2021 and today's, one table a noun.

Source: CLI (v2) batch endpoint, batch deployment, model, environment, data and compute YAML schemas of October 2021
and of today. Left: keys as written; right: the spec's field. ``_ignored`` takes keys that change nothing here.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TypeAlias

_Paths: TypeAlias = "Mapping[tuple[str, ...], tuple[str, ...]]"
_IGNORED: _Paths = {("$schema",): ("_ignored", "schema")}
_COMMON: _Paths = {**_IGNORED, ("name",): ("name",), ("description",): ("description",), ("tags",): ("tags",)}
_VERSIONED: _Paths = {**_COMMON, ("version",): ("version",)}
_MODEL_KEYS: _Paths = {
    ("path",): ("path",),
    ("local_path",): ("path",),
    ("model_uri",): ("path",),
    ("type",): ("type",),
    ("model_format",): ("type",),
    ("flavors",): ("_ignored", "flavors"),
}
_ENVIRONMENT_KEYS: _Paths = {
    ("image",): ("image",),
    ("conda_file",): ("conda_file",),
    ("os_type",): ("_ignored", "os_type"),
}
_RETRY = ("retry_settings",)
_SETTINGS = (
    ("max_concurrency_per_instance",),
    ("mini_batch_size",),
    ("output_action",),
    ("output_file_name",),
    (*_RETRY, "max_retries"),
    (*_RETRY, "timeout"),
    ("error_threshold",),
    ("logging_level",),
    ("environment_variables",),
)


def _under(prefix: str, table: _Paths) -> dict[tuple[str, ...], tuple[str, ...]]:
    return {(prefix, *key): (target if target[0] == "_ignored" else (prefix, *target)) for key, target in table.items()}


MODEL: _Paths = {**_VERSIONED, **_MODEL_KEYS}
ENVIRONMENT: _Paths = {**_VERSIONED, **_ENVIRONMENT_KEYS}
DATASET: _Paths = {
    **_VERSIONED,
    ("path",): ("path",),
    ("local_path",): ("path",),
    ("paths",): ("paths",),
    ("type",): ("type",),
}
COMPUTE: _Paths = {
    **_COMMON,
    ("location",): ("_ignored", "location"),
    ("type",): ("type",),
    ("size",): ("size",),
    ("tier",): ("tier",),
    ("min_instances",): ("min_instances",),
    ("max_instances",): ("max_instances",),
    ("idle_time_before_scale_down",): ("idle_time_before_scale_down",),
    ("address",): ("address",),
}
ENDPOINT: _Paths = {
    **_COMMON,
    ("auth_mode",): ("auth_mode",),
    ("defaults", "deployment_name"): ("default_deployment",),
}
DEPLOYMENT: _Paths = {
    **_COMMON,
    ("endpoint_name",): ("_ignored", "endpoint_name"),
    ("type",): ("_type",),
    ("model",): ("model",),
    **_under("model", {**_VERSIONED, **_MODEL_KEYS}),
    ("code_configuration", "code"): ("code",),
    ("code_configuration", "code", "local_path"): ("code",),
    ("code_configuration", "code", "path"): ("code",),
    ("code_configuration", "scoring_script"): ("scoring_script",),
    ("environment",): ("environment",),
    **_under("environment", {**_VERSIONED, **_ENVIRONMENT_KEYS}),
    ("compute",): ("compute",),
    ("resources", "instance_count"): ("settings", "instance_count"),
    ("settings", "instance_count"): ("settings", "instance_count"),
    **{path: ("settings", *path) for path in _SETTINGS},
    **{("settings", *path): ("settings", *path) for path in _SETTINGS},
}
