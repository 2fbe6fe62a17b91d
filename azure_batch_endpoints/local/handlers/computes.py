"""Computes: AmlCompute is recorded and never made, Ray clusters are refused as yet, ``local`` is always there."""

from __future__ import annotations

import uuid
from typing import Any

from azure_batch_endpoints._wire import convert, models
from azure_batch_endpoints.local.exchange import WORKSPACE, Call, Entry, Reply, empty
from azure_batch_endpoints.local.faults import ServiceFault, bad_request
from azure_batch_endpoints.local.handlers import shapes
from azure_batch_endpoints.local.handlers.paging import page
from azure_batch_endpoints.local.job import LOCAL_COMPUTE, LOCATION
from azure_batch_endpoints.local.resources import Change, Key, Resource
from azure_batch_endpoints.specs import ComputeSpec

_NODES = ("preparing", "running", "idle", "unusable", "leaving", "preempted")


def _key(name: str) -> Key:
    return Key("computes", name.lower())


def put(call: Call) -> Reply:
    """Make or change a compute; both answer 201 and ``Creating``."""
    name = call.names["compute"]
    if name.lower() == LOCAL_COMPUTE:
        raise _built_in("changed")
    kept = _kept(name, call.read(models.ComputeBody))
    operation = str(uuid.uuid4())
    resource, _ = call.context.state.resources.put(_key(name), kept, Change(operation=operation))
    return Reply(_body(call, resource, "Creating"), 201, _headers(call, operation))


def _kept(name: str, asked: models.ComputeBody) -> dict[str, Any]:
    kind = convert.COMPUTE_TYPES.get((asked.properties.compute_type or "AmlCompute").lower())
    if kind is None:
        raise bad_request(
            f"computeType '{asked.properties.compute_type}' is not supported by the local service. Use 'AmlCompute'."
        )
    try:
        spec = convert.compute_spec(name, asked.properties)
    except (ValueError, OverflowError) as error:
        raise bad_request(f"Compute '{name}' cannot be made: {error}") from error
    if spec.type == "ray":  # recorded but not used, jobs would run here without a word
        raise bad_request(
            f"Compute '{name}' is a Ray cluster, which this version of the local service cannot score on yet. "
            f"Use an AmlCompute, or the compute '{LOCAL_COMPUTE}': both score on this machine."
        )
    body = convert.compute_body(spec, asked.location or LOCATION)["properties"]["properties"]
    body["vmSize"] = body["vmSize"].upper()
    return {
        "name": name,
        "location": asked.location or LOCATION,
        "tags": asked.tags or {},
        "description": asked.properties.description,
        "computeType": kind,
        "inner": body,
    }


def get(call: Call) -> Reply:
    """Answer with one compute; the answer for an unknown one has no body at all, as the real one's."""
    name = call.names["compute"]
    if name.lower() == LOCAL_COMPUTE:
        return Reply(_local(call))
    found = call.context.state.resources.get(_key(name))
    if found is None:
        raise ServiceFault(404, "NotFound", f"Compute '{name}' not found.", bare=True)
    return Reply(_body(call, found, "Succeeded"))


def list_all(call: Call) -> Reply:
    """Answer with all computes, the built-in one first."""
    answer = page(call, "computes", "", lambda one: _body(call, one, "Succeeded"))
    first = [_local(call)] if call.cursor is None else []
    return Reply({**answer.body, "value": first + answer.body["value"]})


def delete(call: Call) -> Reply:
    """Remove a compute; the answer has no body and no Location."""
    name = call.names["compute"]
    if name.lower() == LOCAL_COMPUTE:
        raise _built_in("deleted")
    operation = str(uuid.uuid4())
    found = call.context.state.resources.delete(_key(name), operation=operation)
    return empty(202, _headers(call, operation)) if found else empty(204)


def _headers(call: Call, operation: str) -> dict[str, str]:
    return {
        "Azure-AsyncOperation": shapes.operation_url(call, "computeOperationsStatus", operation, more="&service=new")
    }


def _built_in(verb: str) -> ServiceFault:
    said = f"The compute '{LOCAL_COMPUTE}' is this machine and cannot be {verb}. Choose another name."
    return ServiceFault(409, "Conflict", said)


def _local(call: Call) -> dict[str, Any]:
    """Return the built-in compute: one node, which is always there."""
    spec = ComputeSpec(name=LOCAL_COMPUTE, min_instances=1, max_instances=1)
    kept = {
        "name": LOCAL_COMPUTE,
        "location": LOCATION,
        "tags": {},
        "description": "This machine.",
        "computeType": "AmlCompute",
        "inner": {**convert.compute_body(spec, LOCATION)["properties"]["properties"], "vmSize": "LOCAL"},
    }
    started = "1970-01-01T00:00:00+00:00"
    return _body(call, Resource(0, _key(LOCAL_COMPUTE), None, kept, started, started), "Succeeded")


def _body(call: Call, resource: Resource, state: str) -> dict[str, Any]:
    kept = resource.body
    ready = state == "Succeeded"
    inner: dict[str, Any] = {
        **kept["inner"],
        "subnet": None,
        "remoteLoginPortPublicAccess": "NotSpecified",
        "currentNodeCount": 0 if ready else None,
        "targetNodeCount": 0 if ready else None,
        "nodeStateCounts": {f"{word}NodeCount": 0 for word in _NODES} if ready else None,
        "allocationState": "Steady" if ready else None,
        "errors": None,
        "isolatedNetwork": False,
    }
    return {
        "id": call.context.workspace.compute(kept["name"]),
        "name": kept["name"],
        "type": f"{shapes.TYPE}/computes",
        "location": kept["location"],
        "tags": kept["tags"] if ready else None,
        "properties": {
            "description": kept["description"],
            "computeType": kept["computeType"],
            "computeLocation": kept["location"],
            "provisioningState": state,
            "provisioningErrors": None,
            "createdOn": resource.created,
            "modifiedOn": resource.modified,
            "disableLocalAuth": False,
            "resourceId": None,
            "isAttachedCompute": kept["computeType"] != "AmlCompute",
            "properties": inner,
        },
    }


_ONE = WORKSPACE + "/computes/{compute}"
ENTRIES = (
    Entry("GET", WORKSPACE + "/computes", list_all),
    Entry("PUT", _ONE, put),
    Entry("GET", _ONE, get),
    Entry("DELETE", _ONE, delete),
)
