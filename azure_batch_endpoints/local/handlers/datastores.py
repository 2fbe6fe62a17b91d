"""Datastores: the two of the workspace, and those that users attach; only ``listSecrets`` tells what opens them."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlsplit

from azure_batch_endpoints._wire import models
from azure_batch_endpoints.local.context import ServiceContext
from azure_batch_endpoints.local.exchange import WORKSPACE, Call, Entry, Reply, empty
from azure_batch_endpoints.local.faults import ServiceFault, bad_request
from azure_batch_endpoints.local.handlers import datastore_bodies, shapes
from azure_batch_endpoints.local.handlers.paging import listed
from azure_batch_endpoints.local.handlers.references import BUILT_IN_DATASTORES, datastore_name
from azure_batch_endpoints.local.handlers.workspace import made_at
from azure_batch_endpoints.local.job import DEFAULT_DATASTORE, container_names
from azure_batch_endpoints.local.resources import Key, Resource

_ALL = 2**31
"""More datastores than anybody attaches."""


def _key(name: str) -> Key:
    return Key("datastores", name.lower())


def put(call: Call) -> Reply:
    """Attach a datastore, or change one; nothing is asked of the account, and nothing is made there."""
    name = call.names["datastore"]
    _refuse_built_in(name, "changed")
    datastore_bodies.check_name(name)
    table = call.context.state.resources
    asked = call.read(models.DatastoreBody)

    def kept(earlier: Resource | None) -> dict[str, Any]:
        return datastore_bodies.kept(earlier.body["name"] if earlier else name, asked, earlier)

    resource, new = table.put(_key(name), kept)
    body = _attached(call.context, resource)
    more = f"&skipValidation={call.query['skipvalidation']}" if "skipvalidation" in call.query else ""
    headers = {"Location": shapes.own_url(call, body["id"]) + more} if new else {}
    return Reply(body, 201 if new else 200, headers)


def get(call: Call) -> Reply:
    """Answer with one datastore, without what opens it."""
    return Reply(_body(call.context, datastore_name(call.context, call.names["datastore"])))


def list_all(call: Call) -> Reply:
    """Answer with the datastores: those of the workspace, then the others as they were attached."""
    context = call.context
    attached = context.state.resources.page("datastores", "", 0, _ALL)
    bodies = [_built_in(context, name) for name in BUILT_IN_DATASTORES]
    bodies += [_attached(context, one) for one in attached]
    found = [body for body in bodies if _is_wanted(call, body)]
    start, size = call.cursor or 0, call.page_size
    return listed(call, found[start : start + size], start + size if len(found) > start + size else None)


def _is_wanted(call: Call, body: dict[str, Any]) -> bool:
    only_default, names = call.query.get("isdefault", "").lower(), call.query.get("names", "").lower()
    text, name = call.query.get("searchtext", "").lower(), body["name"].lower()
    if only_default in ("true", "false") and body["properties"]["isDefault"] != (only_default == "true"):
        return False
    return (not names or name in [one.strip() for one in names.split(",")]) and text in name


def delete(call: Call) -> Reply:
    """Forget a datastore; the account and its data stay."""
    name = call.names["datastore"]
    _refuse_built_in(name, "deleted")
    return empty(200 if call.context.state.resources.delete(_key(name)) else 204)


def _refuse_built_in(name: str, verb: str) -> None:
    if name.lower() in BUILT_IN_DATASTORES:
        said = f"The datastore '{name}' belongs to the workspace and cannot be {verb}. Attach one of another name."
        raise ServiceFault(409, "Conflict", said)


def list_secrets(call: Call) -> Reply:
    """Answer with what opens a datastore."""
    name = datastore_name(call.context, call.names["datastore"])
    found = call.context.state.resources.get(_key(name))
    if found is None:
        return Reply({"secretsType": "AccountKey", "key": call.context.store.key})
    secrets = found.body["secrets"]
    if secrets is None:
        raise bad_request(
            f"The datastore '{name}' has no credentials: there are no secrets to list. Use your own credential."
        )
    return Reply(dict(secrets))


def _body(context: ServiceContext, name: str) -> dict[str, Any]:
    found = context.state.resources.get(_key(name))
    return _built_in(context, name) if found is None else _attached(context, found)


def _attached(context: ServiceContext, resource: Resource) -> dict[str, Any]:
    kept = resource.body
    return {
        "id": context.workspace.datastore(kept["name"]),
        "name": kept["name"],
        "type": f"{shapes.TYPE}/datastores",
        "properties": kept["properties"],
        "systemData": {**shapes.system_data(resource), "createdByType": "User"},
    }


def _built_in(context: ServiceContext, name: str) -> dict[str, Any]:
    address = urlsplit(context.store.endpoint)
    host = address.netloc.removeprefix(f"{context.store.account}.blob.")
    made = made_at(context)
    return {
        "id": context.workspace.datastore(name),
        "name": name,
        "type": f"{shapes.TYPE}/datastores",
        "properties": {
            "description": None,
            "tags": None,
            "properties": None,
            "isDefault": name == DEFAULT_DATASTORE,
            "credentials": {"credentialsType": "AccountKey"},
            "datastoreType": "AzureBlob",
            "accountName": context.store.account,
            "containerName": container_names(context.workspace_id)[name],
            # A store on this machine: its host and port; the account is the first part of the path.
            "endpoint": host,
            "protocol": address.scheme,
            "serviceDataAccessAuthIdentity": "WorkspaceSystemAssignedIdentity",
        },
        "systemData": {
            **{"createdAt": made, "createdBy": shapes.SERVICE, "createdByType": "Application"},
            "lastModifiedAt": made,
        },
    }


_ONE = WORKSPACE + "/datastores/{datastore}"
ENTRIES = (
    Entry("GET", WORKSPACE + "/datastores", list_all),
    Entry("PUT", _ONE, put),
    Entry("GET", _ONE, get),
    Entry("DELETE", _ONE, delete),
    Entry("POST", _ONE + "/listSecrets", list_secrets),
)
