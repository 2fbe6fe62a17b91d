"""Batch endpoints: PUT, PATCH, GET, list, DELETE."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from azure_batch_endpoints._wire import models
from azure_batch_endpoints.local.context import ServiceContext
from azure_batch_endpoints.local.exchange import WORKSPACE, Call, Entry, Reply, empty, read
from azure_batch_endpoints.local.faults import ServiceFault, bad_request, existing, not_found
from azure_batch_endpoints.local.handlers import shapes
from azure_batch_endpoints.local.handlers.paging import page
from azure_batch_endpoints.local.job import LOCATION
from azure_batch_endpoints.local.resources import Change, Key, OwnerGone, Resource

_NOBODY = "00000000-0000-0000-0000-000000000000"
_NO_IDENTITY = {"type": "None", "principalId": _NOBODY, "tenantId": _NOBODY}
_SERVICE_KEYS = ("BatchEndpointCreationApiVersion", "azureml.onlineendpointid", "AzureAsyncOperationUri")
"""Keys the service adds to the user's own ``properties.properties``; clients send them back on a full PUT."""


def key(name: str) -> Key:
    """Return what an endpoint is found by."""
    return Key("endpoints", name.lower())


def find(context: ServiceContext, name: str) -> Resource:
    """Return an endpoint.

    Raises:
        ServiceFault: 404 ``NoSuchEndpoint``.
    """
    found = context.state.resources.get(key(name))
    if found is None:
        there = existing(context.state.resources.names("endpoints"))
        said = f"There is no endpoint with name: {name} in {context.workspace.name}. {there}"
        raise not_found("NoSuchEndpoint", said)
    return found


def put(call: Call) -> Reply:
    """Make or replace an endpoint."""
    name = call.names["endpoint"]
    shapes.check_dns_name("an endpoint", name)
    asked = call.read(models.EndpointBody)
    if "properties" not in asked.model_fields_set:
        raise bad_request("'properties' of the request must not be empty. Send {\"properties\": {}} at least.")
    operation = shapes.operation_id(call.context, "bebes")
    resource, new = call.context.state.resources.put(
        key(name), lambda earlier: _kept(call, name, asked, earlier), Change(operation=operation)
    )
    location = shapes.own_url(call, call.context.workspace.endpoint(resource.body["name"]))
    headers = shapes.operation_headers(call, operation, location=location)
    return Reply(_body(call, resource, "Creating" if new else "Updating"), 201 if new else 200, headers=headers)


def _kept(call: Call, name: str, asked: models.EndpointBody, earlier: Resource | None) -> dict[str, Any]:
    """Return what is kept of an endpoint, checked."""
    inner = asked.properties
    _check_mode(inner.auth_mode)
    before = earlier.body if earlier else {}
    default = before.get("default")
    if "defaults" in inner.model_fields_set:
        default = (inner.defaults.deployment_name if inner.defaults else None) or None
        _check_default(call, name, default)
    own = {key: value for key, value in (inner.properties or {}).items() if key not in _SERVICE_KEYS}
    return {
        "name": before.get("name", name),
        "location": asked.location or LOCATION,
        "tags": asked.tags or {},
        "description": inner.description,
        "properties": own,
        # A body without `defaults` (an update from YAML) keeps the default deployment; null takes it away.
        "default": default,
        "api_version": before.get("api_version", call.api_version),
    }


def _check_mode(mode: str | None) -> None:
    if mode is not None and mode.replace("_", "").lower() != "aadtoken":
        raise bad_request(f"authMode '{mode}' is not supported by batch endpoints. Use 'AADToken'.")


def _check_default(call: Call, name: str, default: str | None) -> None:
    resources = call.context.state.resources
    if default is not None and resources.get(Key("deployments", default.lower(), name.lower())) is None:
        there = existing(resources.names("deployments", name.lower()))
        raise bad_request(
            f"The default deployment '{default}' of endpoint '{name}' does not exist. {there} "
            "Create the deployment first, then make it the default."
        )


def patch(call: Call) -> Reply:
    """Change what the body names of an endpoint, and leave the rest."""
    name = call.names["endpoint"]
    found = find(call.context, name)
    changes = call.read(models.EndpointBody).body()

    def changed(earlier: Resource | None) -> dict[str, Any]:
        after = merged(_body(call, earlier or found, "Succeeded"), changes)
        after["properties"].setdefault("defaults", None)  # gone only when null was sent
        return _kept(call, name, read(models.EndpointBody, after), earlier)

    try:
        resource, _ = call.context.state.resources.put(found.key, changed, Change(found.key, found.operation))
    except OwnerGone:  # deleted meanwhile
        find(call.context, name)
        raise
    return Reply(_body(call, resource, "Succeeded"))


def merged(before: Mapping[str, Any], changes: Mapping[str, Any]) -> dict[str, Any]:
    """Return a body with changes laid over it as RFC 7396 says: objects merge, null takes away."""
    result = dict(before)
    for name, value in changes.items():
        old = result.get(name)
        if value is None:
            result.pop(name, None)
        elif isinstance(value, Mapping):
            result[name] = merged(old if isinstance(old, Mapping) else {}, value)
        else:
            result[name] = value
    return result


def get(call: Call) -> Reply:
    """Answer with one endpoint."""
    return Reply(_body(call, find(call.context, call.names["endpoint"]), "Succeeded"))


def list_all(call: Call) -> Reply:
    """Answer with all endpoints, in the order of creation."""
    return page(call, "endpoints", "", lambda resource: _body(call, resource, "Succeeded"))


def delete(call: Call) -> Reply:
    """Remove an endpoint with its deployments; its jobs stay."""
    operation = shapes.operation_id(call.context, "bebes")
    found = call.context.state.resources.delete(
        key(call.names["endpoint"]), contents="deployments", operation=operation
    )
    return Reply(None, 202, shapes.operation_headers(call, operation)) if found else empty(204)


def list_keys(call: Call) -> Reply:
    """Say that batch endpoints have no keys."""
    name = call.names["endpoint"]
    find(call.context, name)
    raise ServiceFault(
        400, "UserError", f"Endpoint '{name}' has no keys: batch endpoints take tokens only (AADToken). Send a token."
    )


def scoring_uri(context: ServiceContext, name: str) -> str:
    """Return where jobs of an endpoint are posted."""
    return f"{context.base_url}/scoring/{name}/jobs"


def _body(call: Call, resource: Resource, state: str) -> dict[str, Any]:
    context, kept = call.context, resource.body
    path = context.workspace.endpoint(kept["name"])
    operation = resource.operation or ""
    added = (kept["api_version"], path, shapes.operation_url(call, "mfeOperationsStatus", operation))
    return {
        "id": path,
        "name": kept["name"],
        "type": f"{shapes.TYPE}/batchEndpoints",
        "properties": {
            "description": kept["description"],
            "properties": {**kept["properties"], **dict(zip(_SERVICE_KEYS, added, strict=True))},
            "scoringUri": None if state == "Creating" else scoring_uri(context, kept["name"]),
            "swaggerUri": None,
            "authMode": "AADToken",
            "defaults": {"deploymentName": kept["default"]},
            "provisioningState": state,
        },
        "systemData": shapes.system_data(resource),
        "tags": kept["tags"],
        "location": kept["location"],
        "identity": _NO_IDENTITY,
    }


_ONE = WORKSPACE + "/batchEndpoints/{endpoint}"
ENTRIES = (
    Entry("GET", WORKSPACE + "/batchEndpoints", list_all),
    Entry("PUT", _ONE, put),
    Entry("PATCH", _ONE, patch),
    Entry("GET", _ONE, get),
    Entry("DELETE", _ONE, delete),
    Entry("POST", _ONE + "/listkeys", list_keys),
)
