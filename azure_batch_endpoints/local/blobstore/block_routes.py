"""Operations on blocks: Put Block, Put Block List, Get Block List. From request to response."""

from __future__ import annotations

import base64
import binascii
import hashlib

from azure_batch_endpoints.local.blobstore import blocks, bodies, copy_routes, replies, xml
from azure_batch_endpoints.local.blobstore.blob_routes import asked_checksums, store_body, target_of
from azure_batch_endpoints.local.blobstore.blocks import Block, Plan
from azure_batch_endpoints.local.blobstore.changes import Body, Target
from azure_batch_endpoints.local.blobstore.conditions import Conditions
from azure_batch_endpoints.local.blobstore.encoding import md5_bytes
from azure_batch_endpoints.local.blobstore.failures import BlobError
from azure_batch_endpoints.local.blobstore.http import Response
from azure_batch_endpoints.local.blobstore.index import Blob
from azure_batch_endpoints.local.blobstore.service import Call

_MAX_BLOCK = 4000 << 20
_MAX_LIST = 16 << 20
_MAX_BLOCK_ID = 64
_TRIES = 5


async def put_block(call: Call) -> Response:
    """Put Block."""
    service, request = call.service, call.request
    block, target = _block_id(request.query.get("blockid", "")), target_of(call)
    if "x-ms-copy-source" in request.headers:
        body = await copy_routes.part(call)
    else:
        body = await bodies.receive(service.store, service.threads, request, limit=_MAX_BLOCK, hashed=False)
    if not body.size:
        raise BlobError("InvalidHeaderValue", "A block has at least one byte.")
    await store_body(call, body, lambda transaction: blocks.stage(transaction, target, block, body))
    sums = asked_checksums(call, body)
    return Response(201, {"content-length": "0", "x-ms-request-server-encrypted": "true", **sums})


async def put_block_list(call: Call) -> Response:
    """Put Block List."""
    target = target_of(call)
    document = await bodies.receive_checked(call.request, _MAX_LIST)
    wanted = xml.read_block_list(document)
    sent = call.request.headers.get("x-ms-blob-content-md5")
    md5 = md5_bytes(sent) if sent else None
    for _ in range(_TRIES):
        blob = await _commit(call, target, wanted, md5)
        if blob is not None:
            told = hashlib.md5(document, usedforsecurity=False).digest()  # of the list, not of the blob
            return replies.written(blob, 201, Body(0, 0, told, None))
    raise BlobError("InvalidBlockList", "Its blocks were being replaced while they were joined.")


async def _commit(call: Call, target: Target, wanted: list[tuple[str, str]], md5: bytes | None) -> Blob | None:
    store = call.service.store
    with store.reading() as connection:
        planned = blocks.plan(connection, target, wanted)
    try:
        body = await _join(call, planned, md5)
    except FileNotFoundError:
        return None
    if planned.single is not None:  # its file is the staged block's, which stays when the commit is refused
        return await store.commits.run(lambda t: blocks.commit(t, target, wanted, planned, body))
    blob = await store_body(call, body, lambda t: blocks.commit(t, target, wanted, planned, body))
    if blob is None:
        store.files.remove(body.content)
    return blob


async def _join(call: Call, planned: Plan, md5: bytes | None) -> Body:
    files = call.service.store.files
    if planned.single is not None:
        return Body(planned.single, planned.size, md5, None)
    content = files.new()
    if not planned.blocks:
        return Body(content, 0, md5, b"")
    parts = [(block.content, block.offset, block.size) for block in planned.blocks]
    await bodies.in_thread(call.service.threads, files.join, content, parts)
    return Body(content, planned.size, md5, None)


async def get_block_list(call: Call) -> Response:
    """Get Block List."""
    kind = call.request.query.get("blocklisttype", "committed")
    if kind not in ("committed", "uncommitted", "all"):
        raise BlobError("InvalidQueryParameterValue", f"'blocklisttype' is '{kind}'.")
    place = (call.request.container, call.request.blob)
    blob: Blob | None
    staged: list[Block] = []
    with call.service.store.reading() as connection:
        if call.request.snapshot:
            blob, committed = blocks.of_snapshot(connection, (*place, call.request.snapshot))
        else:
            blob, committed, staged = blocks.listed(connection, *place)
    if blob is not None:
        Conditions.of(call.request.headers).check_read(blob)
    if blob is None and kind == "committed":
        committed = []
    response = replies.document(
        xml.block_list(committed if kind != "uncommitted" else None, staged if kind != "committed" else None)
    )
    if blob is not None:
        response.headers.update(replies.version_headers(blob.version))
    response.headers["x-ms-blob-content-length"] = str(blob.size if blob else 0)
    return response


def _block_id(text: str) -> str:
    try:
        decoded = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        decoded = b""
    if not 0 < len(decoded) <= _MAX_BLOCK_ID:
        raise BlobError("InvalidQueryParameterValue", "'blockid' must be base64 of 1 to 64 bytes.")
    return text
