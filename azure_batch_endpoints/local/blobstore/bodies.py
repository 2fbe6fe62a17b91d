"""Request bodies on their way to the store: small ones in memory, others straight to disk, checked by MD5 or CRC64."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import AsyncIterator, Callable
from concurrent.futures import Executor
from typing import NamedTuple, TypeVar

from azure_batch_endpoints.local.blobstore.changes import Body
from azure_batch_endpoints.local.blobstore.checksums import crc64, crc64_of_text
from azure_batch_endpoints.local.blobstore.encoding import md5_bytes
from azure_batch_endpoints.local.blobstore.failures import BlobError
from azure_batch_endpoints.local.blobstore.files import Upload
from azure_batch_endpoints.local.blobstore.http import Receive, Request
from azure_batch_endpoints.local.blobstore.store import SMALL, BlobStore

T = TypeVar("T")
_PIECE = 1 << 20


async def receive(store: BlobStore, threads: Executor, request: Request, *, limit: int, hashed: bool) -> Body:
    """Take in a request's body.

    Args:
        store: Where it goes.
        threads: Where files are written.
        request: The request.
        limit: The most bytes allowed.
        hashed: Whether its MD5 is wanted even when the client sends none.

    Raises:
        BlobError: ``Md5Mismatch``, ``Crc64Mismatch``, ``RequestBodyTooLarge``, ``MissingContentLengthHeader``,
            ``UnsupportedHeader``.
    """
    size = _announced_size(request, limit)
    expected = _Expected.of(request)
    content = store.files.new()
    if size <= SMALL:
        data = await gather(request, limit)
        _check_length(len(data), size)
        return Body(content, size, expected.check(data), data, expected.crc64)
    md5_large = await _to_file(store, threads, request, (content, size, hashed or expected.md5 is not None), expected)
    return Body(content, size, md5_large, None, expected.crc64)


async def receive_checked(request: Request, limit: int) -> bytes:
    """A small body in memory, checked against its length and checksum. Raises as :func:`receive`."""
    size = _announced_size(request, limit)
    expected = _Expected.of(request)
    data = await gather(request, limit)
    _check_length(len(data), size)
    expected.check(data)
    return data


class _Expected(NamedTuple):
    """The checksums that came with a request."""

    md5: bytes | None
    crc64: int | None

    @classmethod
    def of(cls, request: Request) -> _Expected:
        md5, crc = request.headers.get("content-md5"), request.headers.get("x-ms-content-crc64")
        if md5 and crc:
            raise BlobError("BothCrc64AndMd5HeaderPresent")
        return cls(md5_bytes(md5) if md5 else None, crc64_of_text(crc) if crc else None)

    def check(self, data: bytes) -> bytes:
        md5 = hashlib.md5(data, usedforsecurity=False).digest()
        _check_md5(md5, self.md5)
        if self.crc64 is not None:
            _check_crc64(crc64(data), self.crc64)
        return md5


async def gather(request: Request, limit: int) -> bytes:
    """A small body as it is. Raises ``RequestBodyTooLarge`` above ``limit`` bytes."""
    pieces: list[bytes] = []
    size = 0
    async for piece in _Pieces(request.receive):
        pieces.append(piece)
        size += len(piece)
        if size > limit:
            raise BlobError("RequestBodyTooLarge")
    return pieces[0] if len(pieces) == 1 else b"".join(pieces)


async def in_thread(threads: Executor, function: Callable[..., T], *arguments: object) -> T:
    """Run a function in a thread and wait for its end, also when we are cancelled: it may be using an open file."""
    running = asyncio.get_running_loop().run_in_executor(threads, function, *arguments)
    try:
        return await asyncio.shield(running)
    finally:
        await asyncio.wait([running])


async def _to_file(
    store: BlobStore, threads: Executor, request: Request, about: tuple[int, int, bool], expected: _Expected
) -> bytes | None:
    content, size, hashed = about
    upload = Upload(store.files, content, hashed=hashed, summed=expected.crc64 is not None)
    try:
        received = await _write_pieces(threads, upload, request)
        _check_length(received, size)
        _check_md5(upload.md5(), expected.md5)
        _check_crc64(upload.crc64, expected.crc64)
        await in_thread(threads, upload.finish)
    finally:
        upload.abort()
    return upload.md5()


async def _write_pieces(threads: Executor, upload: Upload, request: Request) -> int:
    # One piece is hashed and written while the next comes in; never more than two are in memory.
    writing: asyncio.Task[None] | None = None
    received = 0
    try:
        async for pieces in _grouped(_Pieces(request.receive)):
            received += sum(map(len, pieces))
            if writing is not None:
                await writing
            writing = asyncio.create_task(in_thread(threads, upload.write, pieces))
    finally:
        if writing is not None:
            await asyncio.wait([writing])
    if writing is not None:
        await writing
    return received


async def _grouped(pieces: _Pieces) -> AsyncIterator[list[bytes]]:
    group: list[bytes] = []
    size = 0
    async for piece in pieces:
        group.append(piece)
        size += len(piece)
        if size >= _PIECE:
            yield group
            group, size = [], 0
    yield group


class _Pieces:
    """The pieces of a body as they come; ends early when the client goes away."""

    def __init__(self, receive: Receive) -> None:
        self._receive = receive
        self._more = True

    def __aiter__(self) -> _Pieces:
        return self

    async def __anext__(self) -> bytes:
        if not self._more:
            raise StopAsyncIteration
        message = await self._receive()
        self._more = bool(message.get("more_body", False))
        piece: bytes = message.get("body", b"")
        return piece


def _announced_size(request: Request, limit: int) -> int:
    if "x-ms-structured-body" in request.headers:
        raise BlobError("UnsupportedHeader", "Structured bodies are not read here; send 'x-ms-content-crc64' instead.")
    size = request.number("content-length")
    if size is None:
        raise BlobError("MissingContentLengthHeader")
    if size > limit:
        raise BlobError("RequestBodyTooLarge", f"At most {limit:,} bytes are taken.")
    return size


def _check_length(received: int, announced: int) -> None:
    if received != announced:
        raise BlobError("InvalidInput", f"{announced:,} bytes were announced and {received:,} came.")


def _check_md5(actual: bytes | None, expected: bytes | None) -> None:
    if expected is not None and actual != expected:
        raise BlobError("Md5Mismatch")


def _check_crc64(actual: int, expected: int | None) -> None:
    if expected is not None and actual != expected:
        raise BlobError("Crc64Mismatch")
