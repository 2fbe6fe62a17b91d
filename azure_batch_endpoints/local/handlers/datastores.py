"""The two datastores of the workspace, both containers of the blob store."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlsplit

from azure_batch_endpoints.local.context import ServiceContext
from azure_batch_endpoints.local.exchange import WORKSPACE, Call, Entry, Reply
from azure_batch_endpoints.local.handlers import shapes
from azure_batch_endpoints.local.job import DEFAULT_DATASTORE, container_names


def get(call: Call) -> Reply:
    """Answer with one datastore, without its key."""
    return Reply(_body(call.context, shapes.datastore_name(call.names["datastore"])))


def list_all(call: Call) -> Reply:
    """Answer with the datastores, or the default one alone."""
    only_default = call.query.get("isdefault", "").lower() == "true"
    names = (DEFAULT_DATASTORE,) if only_default else shapes.DATASTORES
    return Reply({"value": [_body(call.context, name) for name in names]})


def list_secrets(call: Call) -> Reply:
    """Answer with the account key."""
    shapes.datastore_name(call.names["datastore"])
    return Reply({"secretsType": "AccountKey", "key": call.context.store.key})


def _body(context: ServiceContext, name: str) -> dict[str, Any]:
    address = urlsplit(context.store.endpoint)
    host = address.netloc.removeprefix(f"{context.store.account}.blob.")
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
            "serviceDataAccessAuthIdentity": "None",
        },
    }


_ONE = WORKSPACE + "/datastores/{datastore}"
ENTRIES = (
    Entry("GET", WORKSPACE + "/datastores", list_all),
    Entry("GET", _ONE, get),
    Entry("POST", _ONE + "/listSecrets", list_secrets),
)
