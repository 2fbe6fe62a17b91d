"""Operations that few blobs see: tags, tiers, snapshots, seals, undelete. From request to response."""

from __future__ import annotations

from collections.abc import Mapping

from azure_batch_endpoints.local.blobstore import bodies, documents, replies, tags, traits, xml
from azure_batch_endpoints.local.blobstore import trait_changes as change
from azure_batch_endpoints.local.blobstore.changes import AppendLimits
from azure_batch_endpoints.local.blobstore.conditions import Conditions
from azure_batch_endpoints.local.blobstore.encoding import metadata_of
from azure_batch_endpoints.local.blobstore.failures import BlobError
from azure_batch_endpoints.local.blobstore.http import Response
from azure_batch_endpoints.local.blobstore.service import Call
from azure_batch_endpoints.local.blobstore.traits import Traits

_TIERS = ("Hot", "Cool", "Cold", "Archive")
_MAX_BODY = 64 * 1024


def traits_of(call: Call) -> str:
    """Tags and tier of the blob that a request writes, as text of :mod:`.traits`.

    Raises:
        BlobError: They are none, or the signature does not allow tags.
    """
    headers = call.request.headers
    if "x-ms-tags" not in headers and "x-ms-access-tier" not in headers:
        return ""
    if "x-ms-tags" in headers and not call.grant.has("t"):
        raise BlobError("AuthorizationPermissionMismatch")
    tier = tier_of(headers) if "x-ms-access-tier" in headers else ""
    return traits.encode(Traits(tags=tags.of_header(headers.get("x-ms-tags")), tier=tier))


def tier_of(headers: Mapping[str, str]) -> str:
    """The access tier a request names. Raises ``MissingRequiredHeader`` or ``InvalidHeaderValue``."""
    asked = headers.get("x-ms-access-tier")
    if not asked:
        raise BlobError("MissingRequiredHeader", "'x-ms-access-tier' is missing.")
    tier = next((tier for tier in _TIERS if tier.lower() == asked.lower()), None)
    if tier is None:
        raise BlobError("InvalidHeaderValue", f"'x-ms-access-tier' is '{asked}', not one of {', '.join(_TIERS)}.")
    return tier


async def get_tags(call: Call) -> Response:
    """Get Blob Tags."""
    request = call.request
    blob = call.service.store.look_up(request.container, request.blob, request.snapshot)
    Conditions.of(request.headers).check_read(blob)
    return replies.document(xml.tag_set(traits.decode(blob.traits).tags))


async def set_tags(call: Call) -> Response:
    """Set Blob Tags: replaces all of them."""
    top = documents.parse(await bodies.receive_checked(call.request, _MAX_BODY), "Tags")
    found = top.find("TagSet")
    if found is None or any(node.name != "Tag" for node in found.children):
        raise BlobError("InvalidXmlDocument", "Tags are '<Tags><TagSet><Tag><Key/><Value/></Tag></TagSet></Tags>'.")
    wanted = tags.checked([(node.get("Key"), node.get("Value")) for node in found.children])
    conditions, place = Conditions.of(call.request.headers), _place(call)
    await call.service.store.commits.run(lambda t: change.set_tags(t, place, wanted, conditions))
    return Response(204, {})


async def set_tier(call: Call) -> Response:
    """Set Blob Tier."""
    tier, conditions, place = tier_of(call.request.headers), Conditions.of(call.request.headers), _place(call)
    rehydrated = await call.service.store.commits.run(lambda t: change.set_tier(t, place, tier, conditions))
    return Response(202 if rehydrated else 200, {"content-length": "0"})


async def take_snapshot(call: Call) -> Response:
    """Snapshot Blob."""
    request, place = call.request, _place(call)
    metadata, conditions = metadata_of(request.headers), Conditions.of(request.headers)
    taken, name = await call.service.store.commits.run(lambda t: change.snapshot(t, place, metadata, conditions))
    response = replies.written(taken)
    response.headers["x-ms-snapshot"] = name
    return response


async def seal(call: Call) -> Response:
    """Append Blob Seal."""
    place, conditions = _place(call), Conditions.of(call.request.headers)
    limits = AppendLimits(call.request.number("x-ms-blob-condition-appendpos"))
    blob = await call.service.store.commits.run(lambda t: change.seal(t, place, conditions, limits))
    headers = {**replies.version_headers(blob.version), "content-length": "0", "x-ms-blob-sealed": "true"}
    return Response(200, headers)


async def undelete(call: Call) -> Response:
    """Undelete Blob: deleted blobs are not kept, so there is nothing to do for a blob that is there."""
    call.service.store.look_up(*_place(call))
    return Response(200, {"content-length": "0"})


async def abort_copy(call: Call) -> Response:
    """Abort Copy Blob: a copy is finished when its request is answered."""
    call.service.store.look_up(*_place(call))
    raise BlobError("NoPendingCopyOperation")


def _place(call: Call) -> tuple[str, str]:
    return call.request.container, call.request.blob
