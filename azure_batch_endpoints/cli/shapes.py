"""What programs see of each thing: the keys of its YAML schema in snake case, as ``az ml`` prints them.

Source of the keys: ``_to_dict()`` of the official client's entities (azure-ai-ml 1.35.2), and ``interactionEndpoints``
of an invoked job in the how-to of 2021. Reads the service's answers as they came; sends nothing.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from azure_batch_endpoints._wire import scalars
from azure_batch_endpoints.assets import Dataset, Environment, Model
from azure_batch_endpoints.cli.output import Shown, plain
from azure_batch_endpoints.computes import Compute
from azure_batch_endpoints.datastores import Datastore
from azure_batch_endpoints.deployments import BatchDeployment
from azure_batch_endpoints.endpoints import BatchEndpoint
from azure_batch_endpoints.job import Job

_WORDS = re.compile(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])")
_GROUP = re.compile(r"/resourceGroups/([^/]+)", re.IGNORECASE)


def endpoint(one: BatchEndpoint) -> Shown:
    """Return a batch endpoint."""
    inside = _inside(one.raw)
    own = {
        "auth_mode": _snake(inside.get("authMode")),
        "scoring_uri": one.scoring_uri or None,
        "openapi_uri": inside.get("swaggerUri"),
        "location": one.raw.get("location"),
        "defaults": {"deployment_name": one.default_deployment_name},
        "provisioning_state": one.provisioning_state.value,
    }
    return Shown(one._rows(), {**_common(one.raw, inside), "tags": dict(one.tags), **own})


def deployment(one: BatchDeployment) -> Shown:
    """Return a batch deployment."""
    inside, spec = _inside(one.raw), one.spec
    code = {"code": spec.code, "scoring_script": spec.scoring_script}
    settings = spec.settings
    own = {
        "endpoint_name": one.endpoint_name,
        "model": _reference(spec.model),
        "code_configuration": {name: plain(value) for name, value in code.items()} if spec.code else None,
        "instrument": spec.instrument,
        "environment": _reference(spec.environment),
        "environment_variables": dict(settings.environment_variables),
        "compute": _reference(spec.compute),
        "resources": {"instance_count": settings.instance_count},
        "max_concurrency_per_instance": settings.max_concurrency_per_instance,
        "mini_batch_size": settings.mini_batch_size,
        "output_action": settings.output_action,
        "output_file_name": settings.output_file_name,
        "retry_settings": {
            "max_retries": settings.retry_settings.max_retries,
            "timeout": _whole(settings.retry_settings.timeout),
        },
        "error_threshold": settings.error_threshold,
        "logging_level": settings.logging_level,
        "isolate_failures": settings.isolate_failures,
        "provisioning_state": one.provisioning_state.value,
        "creation_context": _created(one.raw),
    }
    return Shown(_deployment_rows(one), {**_common(one.raw, inside), "tags": dict(one.tags), **own})


def job(one: Job) -> Shown:
    """Return a job, whichever of its two answers it was read from."""
    inside = _inside(one.raw)
    services = inside.get("services") or inside.get("interactionEndpoints") or {}
    reached = {name: service.get("endpoint") for name, service in services.items() if isinstance(service, dict)}
    own: dict[str, Any] = {
        "name": one.name,
        "id": f"azureml:{one.id}",
        "resourceGroup": _group(one.id),
        "display_name": one.display_name,
        "description": inside.get("description"),
        "status": inside.get("status") or one.status.value,
        "type": "pipeline",
        "experiment_name": inside.get("experimentName") or one.endpoint_name,
        "endpoint_name": one.endpoint_name,
        "deployment_name": one.deployment_name,
        "progress": plain(one.progress),
        "retry_of": one.retry_of,
        "error": one.error,
        "services": {name: {"endpoint": url, "type": name} for name, url in reached.items()},
        "interactionEndpoints": {name: {"endpoint": url} for name, url in reached.items()},
        "outputs": _outputs(inside.get("outputs") or inside.get("outputData")),
        "tags": dict(one.tags),
        "properties": inside.get("properties") or {},
        "creation_context": _created(one.raw),
    }
    return Shown(one._rows(), own)


def asset(one: Model | Environment | Dataset) -> Shown:
    """Return a version of a model, an environment or a data set."""
    inside = _inside(one.raw)
    own: dict[str, Any] = {
        **_common(one.raw, inside),
        "name": one.name,
        "version": one.version,
        "tags": dict(one.tags),
        "creation_context": _created(one.raw),
    }
    found: dict[str, Any]
    if isinstance(one, Environment):
        system = str(inside.get("osType") or "linux").lower()
        found = {"image": one.image, "conda_file": plain(one.conda_file), "os_type": system}
    else:
        found = {"type": one.type, "path": one.uri}
    prefix = "" if isinstance(one, Dataset) else "azureml:"
    return Shown(one._rows(), {**own, "id": f"{prefix}{one.id}", **found})


def compute(one: Compute) -> Shown:
    """Return a compute."""
    inside = _inside(one.raw)
    inner = inside.get("properties") or {}
    own = {
        "type": one.type,
        "location": one.raw.get("location"),
        "created_on": inside.get("createdOn"),
        "provisioning_state": one.provisioning_state.value,
        "size": inner.get("vmSize"),
        "tier": _snake(inner.get("vmPriority")),
        "min_instances": one.min_instances,
        "max_instances": one.max_instances,
        "idle_time_before_scale_down": _seconds((inner.get("scaleSettings") or {}).get("nodeIdleTimeBeforeScaleDown")),
    }
    common = {name: value for name, value in _common(one.raw, inside).items() if name != "properties"}
    return Shown(one._rows(), {**common, **own})


def datastore(one: Datastore) -> Shown:
    """Return a datastore, without its secret."""
    inside = _inside(one.raw)
    own: dict[str, Any] = {
        "type": _snake(one.type),
        "account_name": one.account_name,
        "container_name": one.container_name,
        "endpoint": inside.get("endpoint"),
        "protocol": inside.get("protocol"),
        "is_default": one.is_default,
        "credentials": {},
    }
    return Shown(one._rows(), {**_common(one.raw, inside), **own})


def workspace(raw: Mapping[str, Any]) -> Shown:
    """Return a workspace, given the service's answer."""
    inside = _inside(raw)
    common = {name: value for name, value in _common(raw, inside).items() if name != "properties"}
    own = {
        "display_name": inside.get("friendlyName"),
        "location": raw.get("location"),
        "resource_group": _group(str(raw.get("id"))),
        "storage_account": inside.get("storageAccount"),
        "key_vault": inside.get("keyVault"),
        "application_insights": inside.get("applicationInsights"),
        "discovery_url": inside.get("discoveryUrl"),
        "mlflow_tracking_uri": inside.get("mlFlowTrackingUri"),
        "workspace_id": inside.get("workspaceId"),
        "public_network_access": inside.get("publicNetworkAccess"),
        "hbi_workspace": inside.get("hbiWorkspace"),
        "enable_data_isolation": inside.get("enableDataIsolation"),
    }
    data = {**common, **own}
    names = ("name", "location", "resource_group", "id", "storage_account", "discovery_url")
    return Shown([(name, data[name]) for name in names], data)


def _deployment_rows(one: BatchDeployment) -> list[tuple[str, object]]:
    settings = one.spec.settings.model_dump(exclude={"mini_batch_size"})
    retry = settings.pop("retry_settings")
    flat = {**settings, **{f"retry_settings.{name}": value for name, value in retry.items()}}
    return [*one._rows(), *flat.items()]


def _inside(raw: Mapping[str, Any]) -> dict[str, Any]:
    inside = raw.get("properties")
    return inside if isinstance(inside, dict) else {}


def _common(raw: Mapping[str, Any], inside: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "name": raw.get("name"),
        "id": raw.get("id"),
        "resourceGroup": _group(str(raw.get("id"))),
        "description": inside.get("description"),
        "tags": raw.get("tags") or inside.get("tags") or {},
        "properties": inside.get("properties") or {},
    }


def _created(raw: Mapping[str, Any]) -> dict[str, Any]:
    found = {str(_snake(name)): value for name, value in (raw.get("systemData") or {}).items()}
    return {name: _time(value) if name.endswith("_at") else value for name, value in found.items()}


def _time(value: str) -> str:
    """Return a time in Python's form, as the official client prints it: the service drops zeros at the end."""
    moment = scalars.time_from_wire(value)
    return value if moment is None else moment.isoformat()


def _outputs(found: object) -> dict[str, Any]:
    if not isinstance(found, dict):
        return {}
    outputs = {name: one for name, one in found.items() if isinstance(one, dict)}
    return {
        name: {"type": _snake(one.get("jobOutputType")), "path": one.get("uri"), "mode": _snake(one.get("mode"))}
        for name, one in outputs.items()
    }


def _reference(value: object) -> object:
    text = plain(value)
    return f"azureml:{text}" if isinstance(text, str) and text.startswith("/subscriptions/") else text or None


def _group(arm_id: str) -> str | None:
    found = _GROUP.search(arm_id)
    return found[1] if found else None


def _snake(word: object) -> str | None:
    return None if word is None else _WORDS.sub("_", str(word)).lower()


def _seconds(duration: str | None) -> float | int | str | None:
    try:
        return None if duration is None else _whole(scalars.duration_from_wire(duration))
    except (ValueError, OverflowError):
        return duration  # as it came, such as months


def _whole(seconds: float | None) -> float | int | None:
    return int(seconds) if seconds is not None and seconds == int(seconds) else seconds
