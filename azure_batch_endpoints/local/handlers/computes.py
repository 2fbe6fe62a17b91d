"""Computes: AmlCompute is recorded and never made, Ray clusters are refused as yet, ``local`` is always there."""

from __future__ import annotations

import uuid
from typing import Any

from azure_batch_endpoints._wire import models
from azure_batch_endpoints.local.exchange import WORKSPACE, Call, Entry, Reply, empty, read
from azure_batch_endpoints.local.faults import ServiceFault, bad_request
from azure_batch_endpoints.local.handlers import compute_bodies, shapes
from azure_batch_endpoints.local.handlers.endpoints import merged
from azure_batch_endpoints.local.handlers.paging import page
from azure_batch_endpoints.local.handlers.workspace import made_at
from azure_batch_endpoints.local.job import LOCAL_COMPUTE
from azure_batch_endpoints.local.resources import Change, Key, OwnerGone, Resource

_ACTIONS = ("delete", "detach")


def _key(name: str) -> Key:
    return Key("computes", name.lower())


def put(call: Call) -> Reply:
    """Make or change a compute; both answer 201 and ``Creating``."""
    name = call.names["compute"]
    if name.lower() == LOCAL_COMPUTE:
        raise _built_in("changed")
    earlier = call.context.state.resources.get(_key(name))
    kept = compute_bodies.kept(earlier.body["name"] if earlier else name, call.read(models.ComputeBody))
    operation = str(uuid.uuid4())
    resource, _ = call.context.state.resources.put(_key(name), kept, Change(operation=operation))
    return Reply(_body(call, resource, "Creating"), 201, _headers(call, operation))


def patch(call: Call) -> Reply:
    """Change what the body names of a compute (its scale settings, its tags), and leave the rest."""
    name = call.names["compute"]
    if name.lower() == LOCAL_COMPUTE:
        raise _built_in("changed")
    found = _find(call, name)
    changes = call.read(models.ComputeBody).body()

    def changed(earlier: Resource | None) -> dict[str, Any]:
        before = (earlier or found).body
        return compute_bodies.kept(
            before["name"], read(models.ComputeBody, merged(compute_bodies.asked(before), changes))
        )

    try:
        resource, _ = call.context.state.resources.put(found.key, changed, Change(found.key, found.operation))
    except OwnerGone:  # deleted meanwhile
        _find(call, name)
        raise
    return Reply(_body(call, resource, "Succeeded"))


def _find(call: Call, name: str) -> Resource:
    found = call.context.state.resources.get(_key(name))
    if found is None:
        raise ServiceFault(404, "NotFound", f"Compute '{name}' not found.", bare=True)
    return found


def get(call: Call) -> Reply:
    """Answer with one compute; the answer for an unknown one has no body at all, as the real one's."""
    name = call.names["compute"]
    if name.lower() == LOCAL_COMPUTE:
        return Reply(_local(call))
    return Reply(_body(call, _find(call, name), "Succeeded"))


def list_all(call: Call) -> Reply:
    """Answer with all computes, the built-in one first."""
    answer = page(call, "computes", "", lambda one: _body(call, one, "Succeeded"))
    first = [_local(call)] if call.cursor is None else []
    return Reply({**answer.body, "value": first + answer.body["value"]})


def delete(call: Call) -> Reply:
    """Remove a compute; the answer has no body and no Location."""
    name, action = call.names["compute"], call.query.get("underlyingresourceaction") or "Delete"
    if name.lower() == LOCAL_COMPUTE:
        raise _built_in("deleted")
    if action.lower() not in _ACTIONS:
        raise bad_request(f"underlyingResourceAction '{action}' is not known. Use Delete or Detach.")
    operation = str(uuid.uuid4())
    found = call.context.state.resources.delete(_key(name), operation=operation)
    return empty(202, _headers(call, operation)) if found else empty(204)


def list_nodes(call: Call) -> Reply:
    """Answer with the nodes of a compute: none, for a cluster is never made."""
    if call.names["compute"].lower() != LOCAL_COMPUTE:
        _find(call, call.names["compute"])
    return Reply({"nodes": []})


def refuse_power(call: Call) -> Reply:
    """Say that only compute instances are started and stopped."""
    name = call.names["compute"]
    if name.lower() != LOCAL_COMPUTE:
        _find(call, name)
    raise bad_request(
        f"Compute '{name}' cannot be started, stopped or restarted: only compute instances can, which batch "
        "endpoints do not use. Leave it as it is."
    )


def _headers(call: Call, operation: str) -> dict[str, str]:
    return {
        "Azure-AsyncOperation": shapes.operation_url(call, "computeOperationsStatus", operation, more="&service=new")
    }


def _built_in(verb: str) -> ServiceFault:
    said = f"The compute '{LOCAL_COMPUTE}' is this machine and cannot be {verb}. Choose another name."
    return ServiceFault(409, "Conflict", said)


def _local(call: Call) -> dict[str, Any]:
    """Return the built-in compute: one node, which is always there."""
    made = made_at(call.context)
    kept = compute_bodies.this_machine(LOCAL_COMPUTE)
    return _body(call, Resource(0, _key(LOCAL_COMPUTE), None, kept, made, made), "Succeeded")


def _body(call: Call, resource: Resource, state: str) -> dict[str, Any]:
    return compute_bodies.body(call.context.workspace.compute(resource.body["name"]), resource, state)


_ONE = WORKSPACE + "/computes/{compute}"
ENTRIES = (
    Entry("GET", WORKSPACE + "/computes", list_all),
    Entry("PUT", _ONE, put),
    Entry("PATCH", _ONE, patch),
    Entry("GET", _ONE, get),
    Entry("DELETE", _ONE, delete),
    Entry("POST", _ONE + "/listNodes", list_nodes),
    *(Entry("POST", f"{_ONE}/{verb}", refuse_power) for verb in ("start", "stop", "restart")),
)
