"""Operations on single blobs: put, get, head, metadata, properties, append, delete. From request to response."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TypeVar

from azure_batch_endpoints.local.blobstore import bodies, changes, copy_routes, replies, trait_changes, traits
from azure_batch_endpoints.local.blobstore.changes import AppendLimits, Body, Target
from azure_batch_endpoints.local.blobstore.checksums import crc64, crc64_text
from azure_batch_endpoints.local.blobstore.commits import Change, Transaction
from azure_batch_endpoints.local.blobstore.conditions import Conditions
from azure_batch_endpoints.local.blobstore.encoding import base64_text, encode_headers, md5_bytes, metadata_of
from azure_batch_endpoints.local.blobstore.failures import BlobError
from azure_batch_endpoints.local.blobstore.http import Response, Slice
from azure_batch_endpoints.local.blobstore.index import APPEND_BLOB, BLOCK_BLOB, Blob
from azure_batch_endpoints.local.blobstore.service import Call
from azure_batch_endpoints.local.blobstore.trait_routes import traits_of

T = TypeVar("T")
_MIB = 1 << 20
MAX_PUT = 5000 * _MIB
MAX_APPEND = 100 * _MIB
_MAX_RANGE_SUM = 4 * _MIB
INLINE = 256 * 1024
_KEPT = ("content-encoding", "content-language", "content-disposition", "cache-control")


def target_of(call: Call) -> Target:
    """Which blob a request writes and how it describes it.

    A content type comes in ``x-ms-blob-content-type``; a Put Blob may also use the plain headers.
    """
    headers = call.request.headers
    plain = call.request.query.get("comp") is None
    kept = {
        name: value
        for name in _KEPT
        if (value := headers.get(f"x-ms-blob-{name}") or (headers.get(name) if plain else None))
    }
    content_type = headers.get("x-ms-blob-content-type") or (headers.get("content-type") if plain else None)
    return Target(
        call.request.container,
        call.request.blob,
        content_type or "application/octet-stream",
        encode_headers(kept),
        metadata_of(headers),
        Conditions.of(headers),
        call.grant.has("w"),
        traits_of(call),
    )


async def put_blob(call: Call) -> Response:
    """Put Blob: a whole block blob, or an empty append blob; with ``x-ms-copy-source`` a copy."""
    kind, target = call.request.headers.get("x-ms-blob-type"), target_of(call)
    if "x-ms-copy-source" in call.request.headers:
        return await (copy_routes.copy_blob(call, target) if kind is None else copy_routes.put_from_url(call, target))
    if kind is None:
        raise BlobError("MissingRequiredHeader", "'x-ms-blob-type' is missing.")
    if kind == "PageBlob":
        raise BlobError("NotImplemented", "Page blobs are not kept here; use block blobs or append blobs.")
    if kind not in (BLOCK_BLOB, APPEND_BLOB):
        raise BlobError("InvalidHeaderValue", f"'x-ms-blob-type' is '{kind}'.")
    body = await _put_body(call, kind)
    own = call.request.headers.get("x-ms-blob-content-md5")
    if own and kind == BLOCK_BLOB and md5_bytes(own) != body.md5:
        call.service.store.files.remove(body.content)
        raise BlobError("Md5Mismatch", "'x-ms-blob-content-md5' is of other bytes.")
    return replies.written(await store_body(call, body, lambda t: changes.put(t, target, body, kind)), 201, body)


async def _put_body(call: Call, kind: str) -> Body:
    service = call.service
    if kind == APPEND_BLOB and call.request.number("content-length"):
        raise BlobError("InvalidHeaderValue", "An append blob is made empty: 'Content-Length' must be 0.")
    body = await bodies.receive(service.store, service.threads, call.request, limit=MAX_PUT, hashed=True)
    # An append blob's file is made by its first append: it must not be one of the read-only kind.
    return body if kind == BLOCK_BLOB else body._replace(data=None, md5=None)


async def store_body(call: Call, body: Body, change: Change[T]) -> T:
    """Run the change that makes a received body part of the store; remove the body's file when it is refused.

    Not when we are cancelled: the change may yet be committed, and a file too many is swept at the next start.
    """
    try:
        return await call.service.store.commits.run(change)
    except Exception:
        call.service.store.files.remove(body.content)
        raise


async def append_block(call: Call) -> Response:
    """Append Block."""
    service, request = call.service, call.request
    target = target_of(call)
    limits = AppendLimits(
        request.number("x-ms-blob-condition-appendpos"), request.number("x-ms-blob-condition-maxsize")
    )
    if "x-ms-copy-source" in request.headers:
        body = await copy_routes.part(call)
    else:
        body = await bodies.receive(service.store, service.threads, request, limit=MAX_APPEND, hashed=False)
    if not body.size:
        raise BlobError("InvalidHeaderValue", "An append needs at least one byte.")
    data = Path(service.store.files.path(body.content)) if body.data is None else body.data
    try:
        blob, position = await service.store.commits.run(
            lambda transaction: changes.append(transaction, target, data, body.size, limits)
        )
    finally:
        if body.data is None:
            service.store.files.remove(body.content)
    response = replies.written(blob)
    response.headers.update(asked_checksums(call, body))
    response.headers["x-ms-blob-append-offset"] = str(position)
    response.headers["x-ms-blob-committed-block-count"] = str(blob.appends)
    return response


def asked_checksums(call: Call, body: Body) -> dict[str, str]:
    """The checksums that the request itself carried; of a part of a blob no other is told."""
    return replies.checksums(body if "content-md5" in call.request.headers else body._replace(md5=None))


async def get_blob(call: Call) -> Response:
    """Get Blob, whole or a range."""
    request = call.request
    blob, fd = call.service.store.open_content(request.container, request.blob, request.snapshot)
    try:
        Conditions.of(request.headers).check_read(blob)
        if blob.traits and traits.decode(blob.traits).tier == "Archive":
            raise BlobError("BlobArchived")
        return _content(call, blob, fd)
    except BaseException:
        if fd >= 0:
            os.close(fd)
        raise


def _content(call: Call, blob: Blob, fd: int) -> Response:
    wanted = call.request.byte_range
    if wanted is None:
        headers, first, length = replies.blob_headers(blob, told=False), 0, blob.size
    else:
        if wanted.first >= blob.size:
            raise BlobError("InvalidRange", headers={"content-range": f"bytes */{blob.size}"})
        last = blob.size - 1 if wanted.last is None else min(wanted.last, blob.size - 1)
        headers, first, length = (
            replies.blob_headers(blob, md5_header="x-ms-blob-content-md5", told=False),
            wanted.first,
            0,
        )
        length = last - first + 1
        headers["content-range"] = f"bytes {first}-{last}/{blob.size}"
    headers["content-length"] = str(length)
    headers.update(call.grant.overrides)
    status = 200 if wanted is None else 206
    asked = [name for name in _RANGE_SUMS if call.request.headers.get(name, "").lower() == "true"]
    if asked and length > _MAX_RANGE_SUM:
        raise BlobError("OutOfRangeInput", "The checksum of a range is given for ranges of at most 4 MiB.")
    if len(asked) > 1 or (asked and wanted is None):
        raise BlobError("InvalidHeaderValue", f"'{asked[0]}' goes with a range, and without the other of its kind.")
    if length > INLINE and not asked:
        return Response(status, headers, content=Slice(fd, first, length))
    body = _read_and_close(fd, first, length)
    for name in asked:
        headers.update(_RANGE_SUMS[name](body))
    return Response(status, headers, body)


def _md5_header(data: bytes) -> dict[str, str]:
    return {"content-md5": base64_text(hashlib.md5(data, usedforsecurity=False).digest())}


def _crc64_header(data: bytes) -> dict[str, str]:
    return {"x-ms-content-crc64": crc64_text(crc64(data))}


_RANGE_SUMS: Mapping[str, Callable[[bytes], dict[str, str]]] = {
    "x-ms-range-get-content-md5": _md5_header,
    "x-ms-range-get-content-crc64": _crc64_header,
}


def _read_and_close(fd: int, first: int, length: int) -> bytes:
    if fd < 0:
        return b""
    data = os.pread(fd, length, first)
    if len(data) != length:
        raise BlobError("InternalError", "A content file is shorter than the index says.")
    os.close(fd)
    return data


async def head_blob(call: Call) -> Response:
    """Get Blob Properties."""
    request = call.request
    blob = call.service.store.look_up(request.container, request.blob, request.snapshot)
    Conditions.of(request.headers).check_read(blob)
    headers = replies.blob_headers(blob)
    headers["content-length"] = str(blob.size)
    headers.update(call.grant.overrides)
    return Response(200, headers)


async def get_metadata(call: Call) -> Response:
    """Get Blob Metadata."""
    request = call.request
    blob = call.service.store.look_up(request.container, request.blob, request.snapshot)
    Conditions.of(request.headers).check_read(blob)
    headers = {**replies.version_headers(blob.version), **replies.metadata_headers(blob.metadata)}
    return Response(200, {**headers, "content-length": "0"})


async def set_metadata(call: Call) -> Response:
    """Set Blob Metadata: replaces all of it."""
    target = target_of(call)
    blob = await call.service.store.commits.run(lambda t: changes.describe(t, target, metadata=target.metadata))
    return replies.written(blob, 200)


async def set_properties(call: Call) -> Response:
    """Set Blob Properties: replaces content type, encoding, language, disposition, cache control and MD5."""
    target = target_of(call)
    sent = call.request.headers.get("x-ms-blob-content-md5")
    md5 = md5_bytes(sent) if sent else None
    properties = (target.content_type, target.headers, md5)
    blob = await call.service.store.commits.run(lambda t: changes.describe(t, target, properties=properties))
    return replies.written(blob, 200)


async def delete_blob(call: Call) -> Response:
    """Delete Blob: at once and for good; with its snapshots, only them, or one of them."""
    request, conditions = call.request, Conditions.of(call.request.headers)
    snapshots = request.headers.get("x-ms-delete-snapshots")
    if snapshots is not None and snapshots.lower() not in ("include", "only"):
        raise BlobError("InvalidHeaderValue", "'x-ms-delete-snapshots' is 'include' or 'only'.")
    if request.snapshot and snapshots is not None:
        raise BlobError("InvalidHeaderValue", "'x-ms-delete-snapshots' does not go with one snapshot.")
    place = (request.container, request.blob)

    def change(transaction: Transaction) -> None:
        if request.snapshot:
            trait_changes.delete_snapshot(transaction, place, request.snapshot, conditions)
        else:
            changes.delete(transaction, *place, conditions, snapshots and snapshots.lower())

    await call.service.store.commits.run(change)
    return Response(202, {"content-length": "0", "x-ms-delete-type-permanent": "true"})
