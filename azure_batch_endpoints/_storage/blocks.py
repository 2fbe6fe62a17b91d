"""One large file to a blob in blocks: several at once, each checked by the account, none sent twice.

A block's id is made of its place and the MD5 of its content. So what an interrupted upload has staged is known again
for certain, and a blob that is there can be compared with a file without reading it back. The account checks every
block against the MD5 that is sent with it; MD5 is also what keeps Azurite from computing a slow checksum of its own.
"""

from __future__ import annotations

import hashlib
from base64 import b64encode
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor, as_completed
from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING, Any

from azure.core import MatchConditions
from azure.core.exceptions import ClientAuthenticationError, HttpResponseError, ResourceNotFoundError
from azure.storage.blob import BlobBlock

from azure_batch_endpoints.errors import ConflictError, LocalPathError, TransportError

if TYPE_CHECKING:
    from azure.storage.blob import BlobClient

CONCURRENCY = 4
"""Blocks of one file in flight at once."""
_MOST_BLOCKS = 50_000
"""Of one blob, as the service documents it."""
_MIB = 1024 * 1024


def send(
    blob: BlobClient,
    path: Path,
    size: int,
    width: int,
    *,
    metadata: Mapping[str, str] | None,
    overwrite: bool,
    on_bytes: Callable[[int], None] | None,
    check: Callable[[], None] | None = None,
) -> None:
    """Bring a file to a blob; blocks that are staged already are not sent again.

    Args:
        blob: the blob.
        path: the file.
        size: its bytes.
        width: bytes of a block.
        metadata: kept with the blob.
        overwrite: replace a blob that is there.
        on_bytes: told the bytes that are there so far, from any thread.
        check: called when all blocks are there and the blob is not; prevents it by raising.

    Raises:
        ConflictError: the blob is there and ``overwrite`` is off.
        LocalPathError: the file changed meanwhile.
        TransportError: the blob is not as long as the file.
    """
    committed, staged = _known(blob)
    if committed and not overwrite:
        raise ConflictError(
            f"Blob '{blob.blob_name}' is there already. Upload it with overwrite, or under another name.",
            status_code=409,
            code="BlobAlreadyExists",
        )
    names = _Sending(blob, path, _Cut(size, width), staged, on_bytes).run()
    if check is not None:
        check()
    condition: dict[str, Any] = {} if overwrite else {"match_condition": MatchConditions.IfMissing}
    blob.commit_block_list([BlobBlock(name) for name in names], metadata=dict(metadata or {}) or None, **condition)
    there = blob.get_blob_properties().size
    if there != size:
        raise TransportError(
            f"Blob '{blob.blob_name}' has {there:,} bytes, and '{path}' has {size:,}. Upload it again with overwrite."
        )


def holds(blob: BlobClient, path: Path, size: int, width: int) -> bool | None:
    """Return whether a blob holds a file's content; None when its blocks do not tell (another client's)."""
    committed, _ = _known(blob)
    cut = _Cut(size, width)
    if len(committed) != len(cut) or not all(_is_ours(name) for name in committed):
        return None
    return all(name == _id(number, cut.read(path, number)) for number, name in enumerate(committed))


class _Cut:
    """A file cut into blocks: as wide as asked for, or as it takes to get by with as many as a blob may have."""

    def __init__(self, size: int, width: int) -> None:
        self._size = size
        self._width = width if size <= width * _MOST_BLOCKS else -(-size // _MOST_BLOCKS // _MIB) * _MIB

    def __len__(self) -> int:
        return -(-self._size // self._width)

    def read(self, path: Path, number: int) -> bytes:
        """Return a block of a file."""
        offset = number * self._width
        length = min(self._width, self._size - offset)
        with path.open("rb") as file:  # unbuffered, a read may give less than there is
            file.seek(offset)
            data = file.read(length)
        if len(data) != length:
            raise LocalPathError(
                f"The file '{path}' became shorter while it was read. Wait until nothing writes to it, then try again.",
                path=path,
            )
        return data


class _Sending:
    """One file under way."""

    def __init__(
        self, blob: BlobClient, path: Path, cut: _Cut, staged: Mapping[str, int], on_bytes: Callable[[int], None] | None
    ) -> None:
        self._blob, self._path, self._cut = blob, path, cut
        self._staged, self._on_bytes = staged, on_bytes
        self._done, self._lock = 0, Lock()

    def run(self) -> list[str]:
        """Stage what is missing and return the names of all blocks in order."""
        pool = ThreadPoolExecutor(CONCURRENCY, thread_name_prefix="blocks")
        try:
            sent = [pool.submit(self._stage, number) for number in range(len(self._cut))]
            for one in as_completed(sent):
                one.result()
            return [one.result() for one in sent]
        finally:
            pool.shutdown(cancel_futures=True)

    def _stage(self, number: int) -> str:
        data = self._cut.read(self._path, number)
        name = _id(number, data)
        if self._staged.get(name) != len(data):
            md5 = b64encode(bytes.fromhex(name.rpartition("-")[2])).decode()
            self._blob.stage_block(name, data, length=len(data), headers={"Content-MD5": md5})
        with self._lock:
            self._done += len(data)
            if self._on_bytes is not None:
                self._on_bytes(self._done)
        return name


def _known(blob: BlobClient) -> tuple[list[str], dict[str, int]]:
    """Names of the blocks the blob consists of, and names and sizes of those that wait to be put together."""
    try:
        committed, staged = blob.get_block_list("all")
    except ResourceNotFoundError:
        return [], {}
    except (HttpResponseError, ValueError) as error:  # a signature without the right to read; ids that are no text
        if isinstance(error, ValueError | ClientAuthenticationError) or error.status_code == 403:
            return [], {}
        raise
    return [str(one.id) for one in committed], {str(one.id): int(one.size) for one in staged}


def _id(number: int, data: bytes) -> str:
    # 48 characters, as those of azure-storage-blob: all blocks of a blob must have ids of one length.
    return f"{number:015d}-{hashlib.md5(data, usedforsecurity=False).hexdigest()}"


def _is_ours(name: str) -> bool:
    number, _, digest = name.partition("-")
    return len(number) == 15 and number.isdigit() and len(digest) == 32
