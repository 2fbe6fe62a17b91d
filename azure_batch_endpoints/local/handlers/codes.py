"""Code assets: found by their hash whatever their name, uploaded into a container of their own.

Clients up to 1.5 ask two services of the data plane for the same (``content``, ``assetstore``).
"""

from __future__ import annotations

import uuid
from typing import Any

from azure_batch_endpoints.local.context import ServiceContext
from azure_batch_endpoints.local.exchange import WORKSPACE, Call, Entry, Reply
from azure_batch_endpoints.local.faults import ServiceFault, bad_request
from azure_batch_endpoints.local.handlers import assets, shapes
from azure_batch_endpoints.local.handlers.belonging import check_here
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
    return Reply({"value": [assets.version_body(call, assets.CODES, one) for one in found]})


def start_upload(call: Call) -> Reply:
    """Make a container for a code version and answer with an address that can be written to."""
    shapes.check_asset_name("code", call.names["name"])
    return Reply(
        {
            "blobReferenceForConsumption": _reference(call.context, uuid.uuid4()),
            "pendingUploadId": str(uuid.uuid4()),
            # As recorded, although a TemporaryBlobReference was asked for.
            "pendingUploadType": "None",
        }
    )


def snapshot_by_hash(call: Call) -> Reply:
    """Answer with the name and version of the code that has a hash: all that those clients read."""
    sha256 = call.query.get("hash", "")
    found = call.context.state.resources.marked("codes", sha256)
    if not found:
        said = f"Snapshot with hash {sha256} was not found"
        raise ServiceFault(404, "UserError", said, inner=("NotFoundError",))
    return Reply({"name": found[0].key.parent, "version": found[0].key.name, "hash": sha256})


def temporary_reference(call: Call) -> Reply:
    """Answer with an address that can be written to, the same container for the same id."""
    asked = {name.lower(): value for name, value in call.json().items()}
    asset, given = asked.get("assetid"), asked.get("temporarydatareferenceid")
    if not isinstance(asset, str) or not isinstance(given, str) or not given:
        raise bad_request("'assetId' and 'temporaryDataReferenceId' of the request must be texts. Send both.")
    check_here(call.context, asset)
    reference = _reference(call.context, uuid.uuid5(uuid.NAMESPACE_URL, f"{asset} {given}"))
    reference["credential"] |= {"wasbsUri": None}
    return Reply(
        {
            "blobReferenceForConsumption": reference,
            "imageReferenceForConsumption": None,
            "temporaryDataReferenceId": given,
            "temporaryDataReferenceType": None,
        }
    )


def _reference(context: ServiceContext, number: uuid.UUID) -> dict[str, Any]:
    container = f"{context.workspace_id[:10]}-{number}"
    url = f"{context.store.endpoint}/{container}"
    return {
        "blobUri": url,
        "storageAccountArmId": storage_account_id(context),
        "credential": {"credentialType": "SAS", "sasUri": f"{url}?{_make_container(context, container)}"},
    }


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
    Entry("GET", "/content/v2.0" + WORKSPACE + "/snapshots/getByHash", snapshot_by_hash),
    Entry("POST", "/assetstore/v1.0/temporaryDataReference/createOrGet", temporary_reference),
)
