"""Operations on single blobs: put, get, head, metadata, properties, append, copy, delete. From request to response."""

from __future__ import annotations

import hashlib
import os
import uuid
from pathlib import Path
from typing import TypeVar
from urllib.parse import unquote, urlsplit

from azure_batch_endpoints.local.blobstore import bodies, changes, replies
from azure_batch_endpoints.local.blobstore.changes import AppendLimits, Body, Target
from azure_batch_endpoints.local.blobstore.commits import Change
from azure_batch_endpoints.local.blobstore.conditions import Conditions
from azure_batch_endpoints.local.blobstore.encoding import base64_text, encode_headers, md5_bytes, metadata_of
from azure_batch_endpoints.local.blobstore.failures import BlobError
from azure_batch_endpoints.local.blobstore.http import Request, Response, Slice
from azure_batch_endpoints.local.blobstore.index import APPEND_BLOB, BLOCK_BLOB, Blob
from azure_batch_endpoints.local.blobstore.service import Call

T = TypeVar("T")
_MIB = 1 << 20
MAX_PUT = 5000 * _MIB
MAX_APPEND = 100 * _MIB
_MAX_RANGE_MD5 = 4 * _MIB
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
    )


async def put_blob(call: Call) -> Response:
    """Put Blob: a whole block blob, or an empty append blob; with ``x-ms-copy-source`` a copy."""
    if "x-ms-copy-source" in call.request.headers:
        return await _copy(call)
    kind = call.request.headers.get("x-ms-blob-type")
    if kind is None:
        raise BlobError("MissingRequiredHeader", "'x-ms-blob-type' is missing.")
    if kind not in (BLOCK_BLOB, APPEND_BLOB):
        raise BlobError("InvalidHeaderValue", f"Blobs of type '{kind}' are not kept here.")
    target = target_of(call)
    body = await _put_body(call, kind)
    own = call.request.headers.get("x-ms-blob-content-md5")
    if own:
        body = body._replace(md5=md5_bytes(own))
    return replies.written(await store_body(call, body, lambda t: changes.put(t, target, body, kind)))


async def _put_body(call: Call, kind: str) -> Body:
    service = call.service
    limit = MAX_PUT if kind == BLOCK_BLOB else 0
    body = await bodies.receive(service.store, service.threads, call.request, limit=limit, hashed=True)
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
    if body.md5 is not None and "content-md5" in request.headers:
        response.headers["content-md5"] = base64_text(body.md5)
    response.headers["x-ms-blob-append-offset"] = str(position)
    response.headers["x-ms-blob-committed-block-count"] = str(blob.appends)
    return response


async def get_blob(call: Call) -> Response:
    """Get Blob, whole or a range."""
    request = call.request
    blob, fd = call.service.store.open_content(request.container, request.blob)
    try:
        Conditions.of(request.headers).check_read(blob.version)
        return _content(call, blob, fd)
    except BaseException:
        if fd >= 0:
            os.close(fd)
        raise


def _content(call: Call, blob: Blob, fd: int) -> Response:
    wanted = call.request.byte_range
    if wanted is None:
        headers, first, length = replies.blob_headers(blob), 0, blob.size
    else:
        if wanted.first >= blob.size:
            raise BlobError("InvalidRange", headers={"content-range": f"bytes */{blob.size}"})
        last = blob.size - 1 if wanted.last is None else min(wanted.last, blob.size - 1)
        headers, first, length = replies.blob_headers(blob, md5_header="x-ms-blob-content-md5"), wanted.first, 0
        length = last - first + 1
        headers["content-range"] = f"bytes {first}-{last}/{blob.size}"
    headers["content-length"] = str(length)
    headers.update(call.grant.overrides)
    status = 200 if wanted is None else 206
    if length > INLINE and not _wants_range_md5(call.request):
        return Response(status, headers, content=Slice(fd, first, length))
    body = _read_and_close(fd, first, length)
    if wanted is not None and _wants_range_md5(call.request):
        headers["content-md5"] = base64_text(hashlib.md5(body, usedforsecurity=False).digest())
    return Response(status, headers, body)


def _wants_range_md5(request: Request) -> bool:
    wanted = request.byte_range
    if wanted is None or request.headers.get("x-ms-range-get-content-md5", "").lower() != "true":
        return False
    if wanted.last is None or wanted.last - wanted.first + 1 > _MAX_RANGE_MD5:
        raise BlobError("OutOfRangeInput", "The MD5 of a range is given for ranges of at most 4 MiB.")
    return True


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
    blob = call.service.store.look_up(request.container, request.blob)
    Conditions.of(request.headers).check_read(blob.version)
    headers = replies.blob_headers(blob)
    headers["content-length"] = str(blob.size)
    headers.update(call.grant.overrides)
    return Response(200, headers)


async def get_metadata(call: Call) -> Response:
    """Get Blob Metadata."""
    request = call.request
    blob = call.service.store.look_up(request.container, request.blob)
    Conditions.of(request.headers).check_read(blob.version)
    headers = {**replies.version_headers(blob.version), **replies.metadata_headers(blob.metadata)}
    return Response(200, {**headers, "content-length": "0"})


async def set_metadata(call: Call) -> Response:
    """Set Blob Metadata: replaces all of it."""
    target = target_of(call)
    blob = await call.service.store.commits.run(lambda t: changes.describe(t, target, metadata=target.metadata))
    return replies.written(blob._replace(md5=None), 200)


async def set_properties(call: Call) -> Response:
    """Set Blob Properties: replaces content type, encoding, language, disposition, cache control and MD5."""
    target = target_of(call)
    sent = call.request.headers.get("x-ms-blob-content-md5")
    md5 = md5_bytes(sent) if sent else None
    properties = (target.content_type, target.headers, md5)
    blob = await call.service.store.commits.run(lambda t: changes.describe(t, target, properties=properties))
    return replies.written(blob._replace(md5=None), 200)


async def delete_blob(call: Call) -> Response:
    """Delete Blob: at once and for good, there are no snapshots."""
    request, conditions = call.request, Conditions.of(call.request.headers)
    await call.service.store.commits.run(
        lambda transaction: changes.delete(transaction, request.container, request.blob, conditions)
    )
    return Response(202, {"content-length": "0", "x-ms-delete-type-permanent": "true"})


async def _copy(call: Call) -> Response:
    source = _source(call)
    copy_id = str(uuid.uuid4())
    shown = call.request.headers["x-ms-copy-source"].partition("?")[0]  # a signature in it is not kept
    target = target_of(call)._replace(
        headers=encode_headers({"x-ms-copy-id": copy_id, "x-ms-copy-status": "success", "x-ms-copy-source": shown})
    )
    conditions = Conditions.of(call.request.headers, "x-ms-source-")
    blob = await call.service.store.commits.run(
        lambda transaction: changes.copy(transaction, (source.container, source.blob, conditions), target)
    )
    headers = {"content-length": "0", "x-ms-copy-id": copy_id, "x-ms-copy-status": "success"}
    return Response(202, {**replies.version_headers(blob.version), **headers})


def _source(call: Call) -> Request:
    # Only a blob of this very account: nothing is ever fetched from elsewhere.
    url = urlsplit(call.request.headers["x-ms-copy-source"])
    source = Request("GET", (url.path or "/", ""), {}, call.request.receive)
    if unquote(source.account) != call.service.account or not source.blob:
        raise BlobError("CannotVerifyCopySource", "Only a blob of this same account can be copied.")
    source.client, source.secure = call.request.client, call.request.secure
    call.service.authenticator.check_source(url.query, source, call.grant)
    return source
