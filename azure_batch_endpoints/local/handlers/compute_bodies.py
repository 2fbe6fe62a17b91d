"""What is kept of a compute, and what an answer shows of it: everything that was sent but passwords and keys."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from azure_batch_endpoints._wire import convert, models
from azure_batch_endpoints._wire.body import Body
from azure_batch_endpoints.local.faults import bad_request
from azure_batch_endpoints.local.handlers import shapes
from azure_batch_endpoints.local.job import LOCAL_COMPUTE, LOCATION
from azure_batch_endpoints.local.resources import Resource
from azure_batch_endpoints.specs import ComputeSpec

_NODES = ("preparing", "running", "idle", "unusable", "leaving", "preempted")
_INNER = ("subnet", "remoteLoginPortPublicAccess", "enableNodePublicIp", "isolatedNetwork", "virtualMachineImage")
_ACCOUNT = "userAccountCredentials"


def kept(name: str, asked: models.ComputeBody) -> dict[str, Any]:
    """Return what is kept of a compute, checked.

    Raises:
        ServiceFault: 400, it is of a kind that cannot score here, or a value is out of range.
    """
    properties = asked.properties
    kind = convert.COMPUTE_TYPES.get((properties.compute_type or "AmlCompute").lower())
    if kind is None:
        raise bad_request(
            f"computeType '{properties.compute_type}' is not supported by the local service. Use 'AmlCompute'."
        )
    try:
        spec = convert.compute_spec(name, properties)
    except (ValueError, OverflowError) as error:
        raise bad_request(f"Compute '{name}' cannot be made: {str(error).rstrip('.')}. Correct it.") from error
    if spec.type == "ray":  # recorded but not used, jobs would run here without a word
        raise bad_request(
            f"Compute '{name}' is a Ray cluster, which this version of the local service cannot score on yet. "
            f"Use an AmlCompute, or the compute '{LOCAL_COMPUTE}': both score on this machine."
        )
    inner = convert.compute_body(spec, asked.location or LOCATION)["properties"]["properties"]
    inner["vmSize"] = inner["vmSize"].upper()
    more, outer = _any_case(properties.properties), _any_case(properties)
    return {
        "name": name,
        "location": asked.location or LOCATION,
        "tags": asked.tags or {},
        "description": properties.description,
        "computeType": kind,
        "inner": {**inner, **_sent(more)},
        "identity": _identity(name, _any_case(asked).get("identity")),
        "disableLocalAuth": bool(outer.get("disablelocalauth")),
    }


def _identity(name: str, sent: object) -> object:
    if sent is None or isinstance(sent, Mapping):
        return sent
    raise bad_request(
        f"'identity' of compute '{name}' is no object. Send one, such as {{\"type\": \"SystemAssigned\"}}."
    )


def _any_case(body: Body | None) -> dict[str, Any]:
    return {name.lower(): value for name, value in ((body.model_extra if body else None) or {}).items()}


def _sent(more: Mapping[str, Any]) -> dict[str, Any]:
    """Return the inner properties that are only kept; of the nodes' account its name alone."""
    found = {name: more[name.lower()] for name in _INNER if more.get(name.lower()) is not None}
    account = more.get(_ACCOUNT.lower())
    if isinstance(account, Mapping):
        name = next((value for key, value in account.items() if str(key).lower() == "adminusername"), None)
        found[_ACCOUNT] = {"adminUserName": name, "adminUserSshPublicKey": None, "adminUserPassword": None}
    return found


def asked(compute: Mapping[str, Any]) -> dict[str, Any]:
    """Return the body that would make a compute as it is kept."""
    return {
        "location": compute["location"],
        "tags": compute["tags"],
        "identity": compute.get("identity"),
        "properties": {
            "description": compute["description"],
            "computeType": compute["computeType"],
            "disableLocalAuth": compute.get("disableLocalAuth", False),
            "properties": compute["inner"],
        },
    }


def this_machine(name: str) -> dict[str, Any]:
    """Return what would be kept of the built-in compute."""
    spec = ComputeSpec(name=name, min_instances=1, max_instances=1)
    inner = convert.compute_body(spec, LOCATION)["properties"]["properties"]
    return {
        "name": name,
        "location": LOCATION,
        "tags": {},
        "description": "This machine.",
        "computeType": "AmlCompute",
        "inner": {**inner, "vmSize": "LOCAL"},
    }


def body(path: str, resource: Resource, state: str) -> dict[str, Any]:
    """Return the body of an answer.

    Args:
        path: id of the compute.
        resource: the compute.
        state: its provisioning state; one that is not ready yet shows no nodes.
    """
    compute, ready = resource.body, state == "Succeeded"
    properties = {
        "description": compute["description"],
        "computeType": compute["computeType"],
        "computeLocation": compute["location"],
        "provisioningState": state,
        "provisioningErrors": None,
        "createdOn": shapes.moment(resource.created),
        "modifiedOn": shapes.moment(resource.modified),
        "disableLocalAuth": compute.get("disableLocalAuth", False),
        "resourceId": None,
        "isAttachedCompute": compute["computeType"] != "AmlCompute",
        "properties": _inner(resource, ready=ready),
    }
    found: dict[str, Any] = {
        "id": path,
        "name": compute["name"],
        "type": f"{shapes.TYPE}/computes",
        "location": compute["location"],
        "tags": compute["tags"] if ready else None,
        "properties": properties,
    }
    if compute.get("identity"):
        nobody = {"principalId": shapes.NOBODY, "tenantId": shapes.NOBODY}
        found["identity"] = {**nobody, **compute["identity"]}
    return found


def _inner(resource: Resource, *, ready: bool) -> dict[str, Any]:
    defaults = {
        "subnet": None,
        "remoteLoginPortPublicAccess": "NotSpecified",
        "enableNodePublicIp": True,
        "isolatedNetwork": False,
        "virtualMachineImage": None,
    }
    nodes: dict[str, Any] = {
        "currentNodeCount": 0 if ready else None,
        "targetNodeCount": 0 if ready else None,
        "nodeStateCounts": {f"{word}NodeCount": 0 for word in _NODES} if ready else None,
        "allocationState": "Steady" if ready else None,
        "allocationStateTransitionTime": shapes.moment(resource.modified) if ready else None,
        "errors": None,
    }
    return {**defaults, **resource.body["inner"], **nodes, **({"propertyBag": {}} if ready else {})}
