"""Specs and inputs to bodies, and a body's settings to specs. Every request body is built here.

Used by the client to send and by the local service to read; both run on the same pairs in ``tests/contract``. What the
client makes of the service's answers is in ``readback``.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from azure_batch_endpoints._wire import bodies_2021, models, routes, scalars, versions
from azure_batch_endpoints.errors import InvalidInputError
from azure_batch_endpoints.inputs import Input
from azure_batch_endpoints.instrument import driver_path
from azure_batch_endpoints.specs import (
    ComputeSpec,
    DatasetSpec,
    DeploymentSpec,
    EndpointSpec,
    EnvironmentSpec,
    ModelSpec,
    RetrySettings,
    RunSettings,
)

_OUTPUT_ACTION = {"append_row": "AppendRow", "summary_only": "SummaryOnly"}
COMPUTE_TYPES = {"amlcompute": "AmlCompute", "ray": "Ray"}
_PRIORITY = {"dedicated": "Dedicated", "low_priority": "LowPriority"}
JsonBody = dict[str, Any]


@dataclass(frozen=True)
class DeploymentAssets:
    """What a deployment names, as ids of the workspace.

    Attributes:
        model_id: model version.
        code_id: code version, or None.
        environment_id: environment version, or None.
        compute_id: compute.
    """

    model_id: str
    code_id: str | None
    environment_id: str | None
    compute_id: str


@dataclass(frozen=True)
class JobOverrides:
    """What one job asks for beside its inputs; None: the deployment's own value.

    Attributes:
        name: the job's name, chosen by the client.
        output_uri: folder that takes the output, or None for the service's own place.
        output_file_name: name of the merged file.
        settings: any of ``mini_batch_size``, ``instance_count``, ``max_concurrency_per_instance``,
            ``error_threshold``, ``logging_level``, ``isolate_failures``.
        retry_settings: tries and time limit.
        experiment_name: experiment.
        tags: tags of the job.
    """

    name: str
    output_uri: str | None = None
    output_file_name: str | None = None
    settings: Mapping[str, Any] = field(default_factory=dict)
    retry_settings: RetrySettings | None = None
    experiment_name: str | None = None
    tags: Mapping[str, str] | None = None


def _present(**values: object) -> JsonBody:
    return {key: value for key, value in values.items() if value is not None}


def endpoint_body(spec: EndpointSpec, location: str, *, properties: Mapping[str, str] | None = None) -> JsonBody:
    """Return the body that creates or replaces an endpoint; ``properties`` are those that the service has put there."""
    kept = {**(properties or {}), **spec.properties}
    inner = _present(authMode="aadToken", description=spec.description, properties=kept)
    if spec.default_deployment is not None:
        inner["defaults"] = {"deploymentName": spec.default_deployment}
    return {"location": location, "tags": dict(spec.tags), "properties": inner}


def deployment_body(spec: DeploymentSpec, assets: DeploymentAssets, location: str) -> JsonBody:
    """Return the body that creates or replaces a deployment."""
    inner = _present(
        description=spec.description,
        model={"referenceType": "Id", "assetId": assets.model_id},
        environmentId=assets.environment_id,
        compute=assets.compute_id,
        resources={"instanceCount": spec.settings.instance_count, "properties": {}},
        **settings_body(spec.settings),
        properties={**spec.properties, **_kept_for_us(spec)},
    )
    if assets.code_id is not None:
        script = driver_path(spec.scoring_script or "") if spec.instrument else spec.scoring_script
        inner["codeConfiguration"] = {"codeId": assets.code_id, "scoringScript": script}
    return {"location": location, "tags": dict(spec.tags), "properties": inner}


def _kept_for_us(spec: DeploymentSpec) -> JsonBody:
    """Return what the service does not know and keeps among a deployment's properties."""
    isolate, script = spec.settings.isolate_failures, spec.scoring_script if spec.instrument else None
    return _present(**{routes.ISOLATE_PROPERTY: "true" if isolate else None, routes.INSTRUMENT_PROPERTY: script})


def settings_body(settings: RunSettings) -> JsonBody:
    """Return the settings as a deployment's properties.

    ``instance_count`` goes into its ``resources``, ``isolate_failures`` into the texts that the service keeps for us.
    """
    return {
        "miniBatchSize": settings.mini_batch_size,
        "maxConcurrencyPerInstance": settings.max_concurrency_per_instance,
        "outputAction": _OUTPUT_ACTION.get(settings.output_action, settings.output_action),
        "outputFileName": settings.output_file_name,
        "errorThreshold": settings.error_threshold,
        "loggingLevel": settings.logging_level,
        "retrySettings": retry_body(settings.retry_settings),
        "environmentVariables": dict(settings.environment_variables),
    }


def retry_body(retry: RetrySettings) -> JsonBody:
    """Return ``retrySettings``."""
    return {"maxRetries": retry.max_retries, "timeout": scalars.duration_to_wire(retry.timeout)}


def settings_from(properties: models.DeploymentProperties) -> RunSettings:
    """Return a deployment's settings; what the body leaves out takes the service's defaults.

    Raises:
        SpecError: a value is out of range.
    """
    values = {**setting_values(properties), "retry_settings": retry_from(properties.retry_settings)}
    return RunSettings(**_present(**values))


def setting_values(properties: models.DeploymentProperties) -> JsonBody:
    """Return a deployment's settings as they stand in its body, under the names of :class:`RunSettings`; no retries."""
    isolate = (properties.properties or {}).get(routes.ISOLATE_PROPERTY)
    return {
        "mini_batch_size": properties.mini_batch_size,
        "max_concurrency_per_instance": properties.max_concurrency_per_instance,
        "instance_count": properties.resources.instance_count if properties.resources else None,
        "error_threshold": properties.error_threshold,
        "output_action": properties.output_action,
        "output_file_name": properties.output_file_name,
        "logging_level": properties.logging_level,
        "environment_variables": properties.environment_variables,
        "isolate_failures": None if isolate is None else str(isolate).lower() == "true",  # a text nobody has checked
    }


def retry_from(retry: models.Retry | None, base: RetrySettings | None = None) -> RetrySettings:
    """Return retry settings; what the body leaves out comes from ``base``, else from the service's defaults."""
    base = base or RetrySettings()
    if retry is None:
        return base
    return RetrySettings(
        max_retries=base.max_retries if retry.max_retries is None else retry.max_retries,
        timeout=base.timeout if retry.timeout is None else scalars.duration_from_wire(retry.timeout),
    )


def job_settings_from(job: models.BatchJobProperties, base: RunSettings) -> RunSettings:
    """Return the settings of one job: the deployment's, with the job's overrides laid over them.

    Raises:
        SpecError: a value is out of range.
    """
    over = _present(
        mini_batch_size=job.mini_batch_size,
        max_concurrency_per_instance=job.max_concurrency_per_instance,
        instance_count=_instances(job),
        error_threshold=job.error_threshold,
        output_file_name=job.output_file_name,
        logging_level=job.logging_level,
        retry_settings=retry_from(job.retry_settings, base.retry_settings),
        isolate_failures=(job.properties or {}).get(routes.ISOLATE_PROPERTY),
    )
    return RunSettings(**{name: over.get(name, getattr(base, name)) for name in RunSettings.model_fields})


def _instances(job: models.BatchJobProperties) -> int | None:
    """Return the nodes a job asks for: ``compute`` says so, or ``resources`` as a deployment does."""
    if job.compute is not None and job.compute.instance_count is not None:
        return job.compute.instance_count
    return job.resources.instance_count if job.resources else None


def model_body(spec: ModelSpec, uri: str, model_type: str, *, anonymous: bool = False) -> JsonBody:
    """Return the body that registers a model version."""
    return _asset(spec, {"modelType": model_type, "modelUri": uri}, anonymous=anonymous)


def code_body(uri: str, sha256: str) -> JsonBody:
    """Return the body that registers code; its hash is how it is found again (``hashVersion`` 202208)."""
    inner = {"codeUri": uri, "isAnonymous": True, "isArchived": False}
    return {"properties": {**inner, "properties": {"hash_sha256": sha256, "hash_version": "202208"}}}


def environment_body(spec: EnvironmentSpec, conda: str | None, *, anonymous: bool = False) -> JsonBody:
    """Return the body that registers an environment version; ``conda`` is the text of its conda file."""
    return _asset(spec, _present(image=spec.image, condaFile=conda), anonymous=anonymous)


def data_body(spec: DatasetSpec, uri: str, data_type: str, *, anonymous: bool = False) -> JsonBody:
    """Return the body that registers a data set version."""
    return _asset(spec, {"dataType": data_type, "dataUri": uri}, anonymous=anonymous)


def _asset(spec: ModelSpec | EnvironmentSpec | DatasetSpec, own: JsonBody, *, anonymous: bool) -> JsonBody:
    kept = {"tags": dict(spec.tags), "properties": dict(spec.properties)}
    common = {"isAnonymous": anonymous, "isArchived": False, **kept}
    return {"properties": {**_present(description=spec.description), **common, **own}}


def compute_body(spec: ComputeSpec, location: str) -> JsonBody:
    """Return the body that creates or changes a compute, in ``location`` unless it names its own."""
    scale = {
        "minNodeCount": spec.min_instances,
        "maxNodeCount": spec.max_instances,
        "nodeIdleTimeBeforeScaleDown": scalars.duration_to_wire(spec.idle_time_before_scale_down),
    }
    inner = {
        "osType": "Linux",
        "vmSize": spec.size,
        "vmPriority": _PRIORITY.get(spec.tier, spec.tier),
        "scaleSettings": scale,
    }
    if spec.address is not None:
        inner["address"] = spec.address
    kind = COMPUTE_TYPES.get(spec.type, spec.type)
    properties = _present(computeType=kind, description=spec.description, properties=inner)
    return {"location": spec.location or location, "tags": dict(spec.tags), "properties": properties}


def compute_spec(name: str, properties: models.ComputeProperties) -> ComputeSpec:
    """Return what a compute is, as the spec that would make it; what the body leaves out takes the spec's defaults.

    Raises:
        SpecError: a value is out of range.
        ValueError: the idle time is not a duration.
    """
    inner = properties.properties or models.ComputeInner()
    scale = inner.scale_settings or models.ScaleSettings()
    priority, idle = (inner.vm_priority or "dedicated").lower(), scale.node_idle_time_before_scale_down
    given = _present(
        type=properties.compute_type or None,
        size=inner.vm_size or None,
        tier="low_priority" if priority.startswith("low") else "dedicated",
        min_instances=scale.min_node_count,
        max_instances=scale.max_node_count,
        idle_time_before_scale_down=scalars.duration_from_wire(idle) if idle else None,
        address=inner.address,
    )
    return ComputeSpec(name=name, **given)


def job_body(inputs: Mapping[str, Input], overrides: JobOverrides, *, api_version: str, datastores: str) -> JsonBody:
    """Return the body of an invoke in the form of the api-version (2021-10-01 knows ``dataset`` only).

    Args:
        inputs: by name; local paths are uploaded by now.
        overrides: what the job asks for beside its inputs.
        api_version: version the client works with.
        datastores: id of the workspace's datastores; the form of 2021 names the output's store by its id.

    Raises:
        InvalidInputError: 2021-10-01 takes exactly one input.
    """
    settings = dict(overrides.settings)
    instance_count, isolate = settings.pop("instance_count", None), settings.pop("isolate_failures", None)
    texts = _present(
        experimentName=overrides.experiment_name or None,
        **{routes.ISOLATE_PROPERTY: None if isolate is None else str(isolate).lower()},
    )
    inner = _present(
        name=overrides.name,
        tags=dict(overrides.tags) if overrides.tags else None,
        properties=texts or None,
        compute={"instanceCount": instance_count} if instance_count is not None else None,
        retrySettings=retry_body(overrides.retry_settings) if overrides.retry_settings else None,
        **{_camel(name): value for name, value in settings.items()},
    )
    old = versions.is_2021(api_version)
    data = _job_data_2021(inputs, overrides, datastores) if old else _job_data(inputs, overrides)
    return {"properties": {**data, **inner}}


def _job_data(inputs: Mapping[str, Input], overrides: JobOverrides) -> JsonBody:
    data = _present(
        inputData={name: _job_input(one) for name, one in inputs.items()}, outputFileName=overrides.output_file_name
    )
    if overrides.output_uri is not None:
        # A model deployment takes one output of type UriFile: the folder and the file name in one URI.
        name = overrides.output_file_name or "predictions.csv"
        data["outputData"] = {
            "score": {"jobOutputType": "UriFile", "uri": f"{overrides.output_uri.rstrip('/')}/{name}"}
        }
    return data


def _job_input(one: Input) -> JsonBody:
    if one.kind == "literal":
        return {"jobInputType": "Literal", "value": one.value}
    return {"jobInputType": "UriFile" if one.kind == "file" else "UriFolder", "uri": one.value}


def _job_data_2021(inputs: Mapping[str, Input], overrides: JobOverrides, datastores: str) -> JsonBody:
    if len(inputs) != 1:
        raise InvalidInputError(
            f"The api-version 2021-10-01 takes exactly one input, not {len(inputs)}. Use a later api_version."
        )
    (one,) = inputs.values()
    return bodies_2021.job_data(
        dataset_id=one.value if one.kind == "dataset" else None,
        url=one.value,
        output_uri=overrides.output_uri,
        file_name=overrides.output_file_name,
        datastores=datastores,
    )


def conda_text(conda: Mapping[str, Any]) -> str:
    """Return a conda mapping as text; JSON is YAML too, and what the service itself answers with."""
    return json.dumps(conda, indent=2, sort_keys=False)


def _camel(name: str) -> str:
    head, *rest = name.split("_")
    return head + "".join(part.title() for part in rest)
