"""Batch deployments: PUT, PATCH, GET, list, DELETE; what a PUT must hold, and the defaults it takes."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Mapping
from typing import Any

from azure_batch_endpoints import checks
from azure_batch_endpoints._wire import convert, models
from azure_batch_endpoints.local.context import ServiceContext
from azure_batch_endpoints.local.exchange import WORKSPACE, Call, Entry, Reply, empty, read
from azure_batch_endpoints.local.faults import ServiceFault, bad_request, existing, job_refused, not_found
from azure_batch_endpoints.local.handlers import endpoints, shapes
from azure_batch_endpoints.local.handlers.endpoints import merged
from azure_batch_endpoints.local.handlers.paging import page
from azure_batch_endpoints.local.handlers.references import find_version, is_curated
from azure_batch_endpoints.local.job import LOCATION
from azure_batch_endpoints.local.resources import Change, Key, OwnerGone, Resource, Resources
from azure_batch_endpoints.specs import RunSettings

_SERVICE_KEYS = ("azureml.onlineendpointid", "AzureAsyncOperationUri")
_EMPTY_REFERENCE = (
    "The Deployment request provided has the following validation errors. Please resolve them and try again.\n"
    'Errors:\n[\n  {{\n    "PropertyName": "{property}",\n'
    '    "ErrorMessage": "\'{label}\' must not be empty.",\n    "ErrorCode": "ArgumentNullOrEmpty"\n  }}\n]\n'
)
"""As recorded, with its braces."""


def key(endpoint: str, name: str) -> Key:
    """Return what a deployment is found by."""
    return Key("deployments", name.lower(), endpoint.lower())


def find(context: ServiceContext, endpoint: str, name: str) -> Resource:
    """Return a deployment.

    Raises:
        ServiceFault: 404 ``NoSuchEndpoint`` or ``NoSuchDeployment``.
    """
    owner = endpoints.find(context, endpoint)
    found = context.state.resources.get(key(endpoint, name))
    if found is None:
        there = existing(context.state.resources.names("deployments", owner.key.name))
        said = f"There is no deployment with name: {name} in endpoint {owner.body['name']}. {there}"
        raise not_found("NoSuchDeployment", said)
    return found


def put(call: Call) -> Reply:
    """Make or replace a deployment."""
    endpoint, name = call.names["endpoint"], call.names["deployment"]
    owner = endpoints.find(call.context, endpoint)
    shapes.check_deployment_name(name)
    kept = _kept(call.context, name, owner, call.read(models.DeploymentBody))
    operation = shapes.operation_id(call.context, "bdbes")
    resource, new = _store(call, key(endpoint, name), kept, Change(owner.key, operation))
    location = shapes.own_url(call, call.context.workspace.deployment(kept["endpoint"], kept["name"]))
    headers = shapes.operation_headers(call, operation, location=location)
    # A deployment starts as Updating, even a new one.
    return Reply(_body(call, resource, "Updating"), 201 if new else 200, headers)


def _store(
    call: Call, place: Key, kept: Mapping[str, Any] | Callable[[Resource | None], Mapping[str, Any]], change: Change
) -> tuple[Resource, bool]:
    try:
        return call.context.state.resources.put(place, kept, change)
    except OwnerGone:  # deleted meanwhile
        owner = endpoints.find(call.context, call.names["endpoint"])
        if change.within != owner.key:
            find(call.context, call.names["endpoint"], call.names["deployment"])
        raise


def _kept(context: ServiceContext, name: str, owner: Resource, asked: models.DeploymentBody) -> dict[str, Any]:
    """Return what is kept of a deployment, checked, with the service's defaults filled in."""
    inner = asked.properties
    model = _check_model(context, inner)
    _check_code(context, inner, model)
    if inner.environment_id and not is_curated(inner.environment_id):
        find_version(context, "environments", inner.environment_id)
    earlier = context.state.resources.get(key(owner.key.name, name))
    return {
        "name": earlier.body["name"] if earlier else name,
        "endpoint": owner.body["name"],
        "location": asked.location or LOCATION,
        "tags": asked.tags or {},
        "own": {key: value for key, value in (inner.properties or {}).items() if key not in _SERVICE_KEYS},
        "properties": _properties(inner, settings_of(inner)),
    }


def _check_model(context: ServiceContext, inner: models.DeploymentProperties) -> Resource:
    if (inner.model_extra or {}).get("deploymentConfiguration"):
        raise bad_request(
            "Pipeline component deployments are not supported by the local service. "
            "Send a model deployment: 'model', 'codeConfiguration', 'environmentId' and 'compute'."
        )
    if inner.model is None or not inner.model.asset_id:
        raise _must_not_be_empty("ModelConfiguration.ModelReference", "Model Reference")
    return find_version(context, "models", inner.model.asset_id)


def _check_code(context: ServiceContext, inner: models.DeploymentProperties, model: Resource) -> None:
    code = inner.code_configuration
    if code is not None and code.code_id:
        find_version(context, "codes", code.code_id)
    if model.body["modelType"] == "mlflow_model" and code is None:
        return
    if code is None or not code.scoring_script:
        raise _must_not_be_empty("CodeConfiguration.ScoringScript", "Scoring Script")
    if not code.code_id:
        raise _must_not_be_empty("CodeConfiguration.CodeId", "Code Id")
    if checks.leads_outside(code.scoring_script):
        said = f"'Scoring Script' leads out of the code folder. {checks.INSIDE}"
        raise job_refused("CodeConfiguration.ScoringScript", said, code.scoring_script, kind="Deployment")


def _must_not_be_empty(name: str, label: str) -> ServiceFault:
    inner = ("BadArgument", "ArgumentInvalid", "InvalidInputArguments")
    return ServiceFault(400, "UserError", _EMPTY_REFERENCE.format(property=name, label=label), inner=inner)


def settings_of(inner: models.DeploymentProperties) -> RunSettings:
    """Return the settings of a deployment's body.

    Raises:
        ServiceFault: 400, a value is out of range or no value at all.
    """
    try:
        return convert.settings_from(inner)
    except (ValueError, OverflowError) as error:
        raise bad_request(f"The deployment's settings cannot be used: {error}") from error


def _properties(inner: models.DeploymentProperties, settings: RunSettings) -> dict[str, Any]:
    code = inner.code_configuration
    model = inner.model.asset_id if inner.model else None
    resources = inner.resources
    return {
        "description": inner.description,
        "codeConfiguration": code and {"codeId": code.code_id, "scoringScript": code.scoring_script},
        "environmentId": inner.environment_id,
        "compute": inner.compute,
        "model": {"referenceType": "Id", "assetId": model},
        **convert.settings_body(settings),
        "loggingLevel": settings.logging_level.title(),
        "resources": {
            "instanceCount": settings.instance_count,
            "instanceType": resources.instance_type if resources else None,
            "properties": (resources.properties or None) if resources else None,
        },
    }


def patch(call: Call) -> Reply:
    """Change what the body names of a deployment, and leave the rest."""
    endpoint, name = call.names["endpoint"], call.names["deployment"]
    found = find(call.context, endpoint, name)
    changes = call.read(models.DeploymentBody).body()

    def changed(earlier: Resource | None) -> dict[str, Any]:
        before = _body(call, earlier or found, "Succeeded")
        asked = read(models.DeploymentBody, merged(before, changes))
        return _kept(call.context, name, endpoints.find(call.context, endpoint), asked)

    resource, _ = _store(call, found.key, changed, Change(found.key, found.operation))
    return Reply(_body(call, resource, "Succeeded"))


def get(call: Call) -> Reply:
    """Answer with one deployment."""
    return Reply(_body(call, find(call.context, call.names["endpoint"], call.names["deployment"]), "Succeeded"))


def list_all(call: Call) -> Reply:
    """Answer with an endpoint's deployments, in the order of creation."""
    owner = endpoints.find(call.context, call.names["endpoint"])
    return page(call, "deployments", owner.key.name, lambda resource: _body(call, resource, "Succeeded"))


def delete(call: Call) -> Reply:
    """Remove a deployment; its jobs stay, and an endpoint loses it as its default."""
    endpoint, name = call.names["endpoint"], call.names["deployment"]
    owner = endpoints.find(call.context, endpoint)
    resources = call.context.state.resources
    operation = shapes.operation_id(call.context, "bdbes")
    if not resources.delete(key(endpoint, name), operation=operation):
        return empty(204)
    _end_default(resources, resources.get(owner.key) or owner, name)  # it may have become the default just before
    return Reply(None, 202, shapes.operation_headers(call, operation))


def _end_default(resources: Resources, owner: Resource, name: str) -> None:
    """Take a deployment that is gone from its endpoint's default."""

    def without(now: Resource | None) -> Mapping[str, Any]:
        body = (now or owner).body
        return {**body, "default": None} if (body["default"] or "").lower() == name.lower() else body

    if (owner.body["default"] or "").lower() == name.lower():
        with contextlib.suppress(OwnerGone):  # the endpoint is gone, too
            resources.put(owner.key, without, Change(owner.key, owner.operation))


def _body(call: Call, resource: Resource, state: str) -> dict[str, Any]:
    kept, ids = resource.body, call.context.workspace
    operation = shapes.operation_url(call, "mfeOperationsStatus", resource.operation or "")
    service = dict(zip(_SERVICE_KEYS, (ids.endpoint(kept["endpoint"]), operation), strict=True))
    inner = dict(kept["properties"])
    return {
        "id": ids.deployment(kept["endpoint"], kept["name"]),
        "name": kept["name"],
        "type": f"{shapes.TYPE}/batchEndpoints/deployments",
        "properties": {
            "description": inner.pop("description"),
            "properties": {**kept["own"], **service},
            **inner,
            "provisioningState": state,
        },
        "systemData": shapes.system_data(resource),
        "tags": kept["tags"],
        "location": kept["location"],
    }


_ALL = WORKSPACE + "/batchEndpoints/{endpoint}/deployments"
_ONE = _ALL + "/{deployment}"
ENTRIES = (
    Entry("GET", _ALL, list_all),
    Entry("PUT", _ONE, put),
    Entry("PATCH", _ONE, patch),
    Entry("GET", _ONE, get),
    Entry("DELETE", _ONE, delete),
)
