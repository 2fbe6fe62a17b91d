"""Code assets: found by their hash whatever their name, uploaded into a container of their own."""

from __future__ import annotations

import uuid

from azure_batch_endpoints.local.context import ServiceContext
from azure_batch_endpoints.local.exchange import WORKSPACE, Call, Entry, Reply
from azure_batch_endpoints.local.handlers import assets, shapes
from azure_batch_endpoints.local.handlers.workspace import storage_account_id

_HOURS = 8
"""How long the address of an upload can be used."""


def list_versions(call: Call) -> Reply:
    """Answer with the versions of a name or, when a hash is given, with all code of that hash."""
    sha256 = call.query.get("hash")
    if sha256 is None:
        return assets.list_versions(call, assets.CODES)
    # The name of the path is not looked at; clients ask with a fresh one each time.
    found = call.context.state.resources.marked("codes", sha256)
    return Reply({"value": [assets.version_body(call.context, assets.CODES, one) for one in found]})


def start_upload(call: Call) -> Reply:
    """Make a container for a code version and answer with an address that can be written to."""
    shapes.check_asset_name("code", call.names["name"])
    context = call.context
    container = f"{context.workspace_id[:10]}-{uuid.uuid4()}"
    url = f"{context.store.endpoint}/{container}"
    credential = {"credentialType": "SAS", "sasUri": f"{url}?{_make_container(context, container)}"}
    return Reply(
        {
            "blobReferenceForConsumption": {
                "blobUri": url,
                "storageAccountArmId": storage_account_id(context),
                "credential": credential,
            },
            "pendingUploadId": str(uuid.uuid4()),
            # As recorded, although a TemporaryBlobReference was asked for.
            "pendingUploadType": "None",
        }
    )


def _make_container(context: ServiceContext, name: str) -> str:
    """Make a container in the store; return a shared access signature for it."""
    from azure_batch_endpoints._storage.blobs import Container, ContainerCredential, container_sas

    container = Container(f"{context.store.endpoint}/{name}", ContainerCredential(account_key=context.store.key))
    try:
        container.create()
    finally:
        container.close()
    return container_sas(context.store.account, context.store.key, name, hours=_HOURS)


_VERSION = WORKSPACE + "/codes/{name}/versions/{version}"
ENTRIES = (
    Entry("GET", WORKSPACE + "/codes/{name}/versions", list_versions),
    Entry("POST", _VERSION + "/startPendingUpload", start_upload),
)
