"""Bodies to specs: what the service answers, as the spec that would make it again.

Lenient, because the service is older and newer than this package: what it leaves out takes the defaults; names that a
spec would refuse, and words that no version here knows, stay as they came. The local service reads requests with
``convert``, which is strict.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeVar, cast

from azure_batch_endpoints import _documents
from azure_batch_endpoints._spec_base import Spec
from azure_batch_endpoints._spec_values import own
from azure_batch_endpoints._wire import convert, models, routes, scalars, uris
from azure_batch_endpoints.errors import SpecError
from azure_batch_endpoints.instrument import is_driver
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

_AnySpec = TypeVar("_AnySpec", bound=Spec)
_NEEDED = {"name": "any", "path": "any", "model": "any"}
_OURS = (routes.ISOLATE_PROPERTY, routes.INSTRUMENT_PROPERTY)
ANONYMOUS_ENVIRONMENT = "CliV2AnonymousEnvironment"
"""Name under which the official client keeps environments that are only part of a deployment (public recordings)."""


def endpoint_spec(body: models.EndpointBody) -> EndpointSpec:
    """Return what an endpoint is."""
    properties = body.properties
    return _read(
        EndpointSpec,
        name=body.name or "",
        description=properties.description,
        auth_mode=properties.auth_mode,
        tags=body.tags,
        properties=own(properties.properties or {}),
        default_deployment=(properties.defaults.deployment_name if properties.defaults else None) or None,
    )


def deployment_spec(body: models.DeploymentBody) -> DeploymentSpec:
    """Return what a deployment is; model, code, environment and compute as ids of the workspace."""
    properties = body.properties
    code, kept = properties.code_configuration, properties.properties or {}
    script = code.scoring_script if code else None
    wrapped = kept.get(routes.INSTRUMENT_PROPERTY) if is_driver(script) else None
    return _read(
        DeploymentSpec,
        name=body.name or "",
        model=_model_of(properties.model),
        code=code.code_id if code else None,
        scoring_script=wrapped or script,
        instrument=bool(wrapped),
        environment=properties.environment_id,
        compute=properties.compute or "",
        settings=settings(properties),
        description=properties.description,
        tags=body.tags,
        properties={name: one for name, one in own(kept).items() if name not in _OURS},
    )


def settings(properties: models.DeploymentProperties) -> RunSettings:
    """Return a deployment's settings."""
    retry = properties.retry_settings or models.Retry()
    return _read(
        RunSettings,
        **convert.setting_values(properties),
        retry_settings=_read(RetrySettings, max_retries=retry.max_retries, timeout=_seconds(retry.timeout)),
    )


def model_spec(body: models.AssetBody) -> ModelSpec:
    """Return what a model version is; also of api-version 2021-10-01, whose ``modelFormat`` says the type."""
    inner = body.properties
    kind = inner.model_type or inner.model_format
    return _read(ModelSpec, **_version(body), path=inner.model_uri or "", type=kind)


def environment_spec(body: models.AssetBody) -> EnvironmentSpec:
    """Return what an environment version is, its conda file as values; an anonymous one has no name again."""
    inner, named = body.properties, _version(body)
    if named["name"] == ANONYMOUS_ENVIRONMENT or not named["name"]:
        named = {**named, "name": None, "version": None}
    return _read(EnvironmentSpec, **named, image=inner.image, conda_file=conda(inner.conda_file))


def dataset_spec(body: models.AssetBody) -> DatasetSpec:
    """Return what a data set version is; also of api-version 2021-10-01, which lists ``paths``."""
    inner = body.properties
    kind, uri = inner.data_type, inner.data_uri
    for word, path in (inner.paths or [{}])[0].items():
        if uri is None and path:
            kind, uri = f"uri_{word.lower()}", str(path)
    return _read(DatasetSpec, **_version(body), path=uri or "", type=kind)


def compute_spec(body: models.ComputeBody) -> ComputeSpec:
    """Return what a compute is."""
    inner = body.properties.properties or models.ComputeInner()
    scale = inner.scale_settings or models.ScaleSettings()
    return _read(
        ComputeSpec,
        name=body.name or "",
        type=body.properties.compute_type,
        location=body.location,
        size=inner.vm_size,
        tier=inner.vm_priority,
        min_instances=scale.min_node_count,
        max_instances=scale.max_node_count,
        idle_time_before_scale_down=_seconds(scale.node_idle_time_before_scale_down),
        address=inner.address,
        description=body.properties.description,
        tags=body.tags,
    )


def conda(text: str | None) -> Mapping[str, Any] | None:
    """Return a conda file (the service gives it back as JSON text), or None when there is none or it is not YAML."""
    try:
        read = _documents.parse(text) if text else None
    except SpecError:
        return None
    return read if isinstance(read, dict) else None


def _version(body: models.AssetBody) -> dict[str, Any]:
    inner, named = body.properties, uris.asset_name(body.id or "")
    return {
        "name": named.name if named else body.name or "",
        "version": named.version if named else None,
        "description": inner.description,
        "tags": inner.tags,
        "properties": own(inner.properties or {}),
    }


def _model_of(reference: models.AssetReference | None) -> str:
    if reference is None:
        return ""
    store = (reference.datastore_id or "").rpartition("/")[2]
    path = (reference.path or "").lstrip("/")
    if store:
        return uris.datastore_uri(store, path)
    job = (reference.job_id or "").rpartition("/")[2]
    return reference.asset_id or (f"azureml://jobs/{job}/outputs/artifacts/paths/{path}" if job else "")


def _seconds(duration: str | None) -> float | None:
    try:
        return None if duration is None else scalars.duration_from_wire(duration)
    except (ValueError, OverflowError):
        return None


def _read(kind: type[_AnySpec], **given: Any) -> _AnySpec:
    values = {name: value for name, value in given.items() if value is not None}
    try:
        return kind(**values)
    except SpecError:
        fields: dict[str, Any] = {name: _field(kind, name, value) for name, value in values.items()}
        return cast("_AnySpec", kind.model_construct(**fields))


def _field(kind: type[Spec], name: str, value: object) -> object:
    """One field as a spec would have it, or as it came."""
    needed = {one: text for one, text in _NEEDED.items() if one in kind.model_fields}
    try:
        return getattr(kind(**{**needed, name: value}), name)
    except SpecError:
        return value
