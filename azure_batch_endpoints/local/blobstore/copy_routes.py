"""Operations that read another blob: Copy Blob, and Put Blob, Put Block and Append Block from a URL."""

from __future__ import annotations

import contextlib
import hashlib
import uuid
from pathlib import Path
from urllib.parse import SplitResult, unquote, urlsplit

from azure_batch_endpoints.local.blobstore import bodies, changes, replies
from azure_batch_endpoints.local.blobstore.changes import Body, Kept, Source, Target
from azure_batch_endpoints.local.blobstore.commits import Transaction, now_ticks
from azure_batch_endpoints.local.blobstore.conditions import Conditions, http_date
from azure_batch_endpoints.local.blobstore.encoding import encode_headers, md5_bytes
from azure_batch_endpoints.local.blobstore.failures import BlobError
from azure_batch_endpoints.local.blobstore.files import ContentFiles
from azure_batch_endpoints.local.blobstore.http import Range, Request, Response, byte_range
from azure_batch_endpoints.local.blobstore.index import Blob
from azure_batch_endpoints.local.blobstore.service import Call

_LOOKS = 5
_STEP = 1 << 20


async def copy_blob(call: Call, target: Target) -> Response:
    """Copy Blob, and with ``x-ms-requires-sync`` Copy Blob From URL; either is finished when it is answered."""
    request = call.request
    waits = request.headers.get("x-ms-requires-sync", "").lower() == "true"
    source, copy_id = _source(call, trusted=not waits), str(uuid.uuid4())
    made = {
        "x-ms-copy-id": copy_id,
        "x-ms-copy-status": "success",
        "x-ms-copy-source": request.headers["x-ms-copy-source"].partition("?")[0],  # no signature is kept
        "x-ms-copy-completion-time": http_date(now_ticks()),
    }

    expected = _expected_md5(request)

    def change(transaction: Transaction) -> Blob:
        size = _checked(transaction, source, expected).size
        headers = encode_headers({**made, "x-ms-copy-progress": f"{size}/{size}"})
        return changes.copy(transaction, source, target._replace(headers=headers), _kept(request))

    blob = await call.service.store.commits.run(change)
    headers = {"content-length": "0", "x-ms-copy-id": copy_id, "x-ms-copy-status": "success"}
    return Response(202, {**replies.version_headers(blob.version), **headers})


async def put_from_url(call: Call, target: Target) -> Response:
    """Put Blob From URL."""
    request, source = call.request, _source(call, trusted=False)
    kept = _kept(request)._replace(
        properties=request.headers.get("x-ms-copy-source-blob-properties", "true").lower() != "false"
    )
    expected = _expected_md5(request)

    def change(transaction: Transaction) -> Blob:
        _checked(transaction, source, expected)
        return changes.copy(transaction, source, target, kept)

    blob = await call.service.store.commits.run(change)
    return replies.written(blob, 201, Body(0, 0, blob.md5, None))


def _expected_md5(request: Request) -> bytes | None:
    sent = request.headers.get("x-ms-source-content-md5")
    return md5_bytes(sent) if sent else None


def _checked(transaction: Transaction, source: Source, expected: bytes | None) -> Blob:
    blob = source.find(transaction.connection)
    if expected is not None and _md5(transaction.files.path(blob.content), blob.size) != expected:
        raise BlobError("Md5Mismatch")
    return blob


async def part(call: Call) -> Body:
    """The bytes a Put Block or Append Block From URL names, as if they had been sent.

    Raises:
        BlobError: ``InvalidRange`` for bytes the source does not have, and what the source is refused for.
    """
    source, store = _source(call, trusted=False), call.service.store
    if call.request.number("content-length"):
        raise BlobError("InvalidHeaderValue", "A request that copies has no body.")
    wanted = byte_range(call.request.headers.get("x-ms-source-range") or "") or Range(0, None)
    expected = _expected_md5(call.request)
    for _ in range(_LOOKS):
        with store.reading() as connection:
            blob = source.find(connection)
        last = blob.size - 1 if wanted.last is None else wanted.last
        if last >= blob.size or wanted.first > last:
            raise BlobError("InvalidRange", headers={"content-range": f"bytes */{blob.size}"})
        piece = (blob.content, wanted.first, last - wanted.first + 1)
        with contextlib.suppress(FileNotFoundError):  # it was replaced between looking and reading: look again
            content = await bodies.in_thread(call.service.threads, _copied, store.files, piece, expected)
            return Body(content, piece[2], None, None)
    raise BlobError("CannotVerifyCopySource", "It was being replaced while it was read.", status=409)


def _copied(files: ContentFiles, piece: tuple[int, int, int], expected: bytes | None) -> int:
    # The number of a new content file with the part in it; only where that is the MD5 of its bytes.
    content = files.new()
    files.join(content, [piece])
    if expected is not None and _md5(files.path(content), piece[2]) != expected:
        files.remove(content)
        raise BlobError("Md5Mismatch")
    return content


def _md5(path: str, size: int) -> bytes:
    digest = hashlib.md5(usedforsecurity=False)
    if size:  # of an append blob there is no file before its first append
        with Path(path).open("rb", buffering=0) as file:
            while data := file.read(min(_STEP, size)):
                digest.update(data)
                size -= len(data)
    return digest.digest()


def _kept(request: Request) -> Kept:
    return Kept(tags=request.headers.get("x-ms-copy-source-tag-option", "").upper() == "COPY")


def _source(call: Call, *, trusted: bool) -> Source:
    # Only a blob of this very account: nothing is ever fetched from elsewhere.
    request = call.request
    url = _url(request.headers["x-ms-copy-source"])
    source = Request("GET", (url.path or "/", url.query), {}, request.receive)
    if unquote(source.account) != call.service.account or not source.blob:
        raise BlobError("CannotVerifyCopySource", "Only a blob of this same account can be copied.")
    source.client, source.secure = request.client, request.secure
    call.service.authenticator.check_source(source, trusted=trusted and call.grant.permissions is None)
    conditions = Conditions.of(request.headers, "x-ms-source-")
    return Source(source.container, source.blob, source.snapshot, conditions)


def _url(text: str) -> SplitResult:
    try:
        url = urlsplit(text)
    except ValueError:
        url = urlsplit("")
    if url.scheme not in ("http", "https") or not url.path.startswith("/"):
        raise BlobError("InvalidHeaderValue", f"'x-ms-copy-source' is no URL of a blob: '{text.partition('?')[0]}'.")
    return url
