"""A blob store in a folder: opening and closing it, and its use from Python in the same process.

Contents are plain immutable files under generated numbers, names and properties are rows of a SQLite index. What was
acknowledged survives a killed process and a power loss. Safe to use from several threads.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import sqlite3
from collections import deque
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

from filelock import FileLock, Timeout
from typing_extensions import Self

from azure_batch_endpoints.local.blobstore import changes, container_changes, encoding, index, pages, upkeep
from azure_batch_endpoints.local.blobstore.changes import AppendLimits, Body, Target
from azure_batch_endpoints.local.blobstore.commits import GroupCommit, Transaction
from azure_batch_endpoints.local.blobstore.conditions import NO_CONDITIONS, Conditions, etag
from azure_batch_endpoints.local.blobstore.failures import BlobError, StoreInUseError
from azure_batch_endpoints.local.blobstore.files import ContentFiles, Upload
from azure_batch_endpoints.local.blobstore.index import APPEND_BLOB, Blob

SMALL = 64 * 1024
_PIECE = 1 << 20
_LOOKS = 5


class BlobInfo(NamedTuple):
    """What the store knows of a blob; ``etag`` without quotes, ``size`` in bytes."""

    name: str
    size: int
    etag: str
    content_type: str
    metadata: dict[str, str]


class BlobStore:
    """Containers of blobs in a folder.

    Args:
        root: The folder; made at :meth:`open` when missing. One process may have it open at a time.
    """

    def __init__(self, root: Path) -> None:
        self.root = root
        self._lock = FileLock(root / "lock", timeout=0)
        self._readers: deque[sqlite3.Connection] = deque()

    def __enter__(self) -> Self:
        return self.open()

    def __exit__(self, *_: object) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"BlobStore({str(self.root)!r})"

    def open(self) -> Self:
        """Open the store, after a crash also put it in order.

        Returns:
            The store itself.

        Raises:
            StoreInUseError: Another process has it open.
        """
        self.root.mkdir(parents=True, exist_ok=True, mode=0o700)
        try:
            self._lock.acquire()
        except Timeout as error:
            raise StoreInUseError(
                f"The blob store in '{self.root}' is open in another process. End that one, or use another folder."
            ) from error
        try:
            self._start()
        except BaseException:
            self._lock.release()
            raise
        return self

    def _start(self) -> None:
        self._closing = False
        self._writer = index.connect(self.root / "index.db")
        index.create(self._writer)
        generation = index.setting(self._writer, "generation") + 1
        index.set_setting(self._writer, "generation", generation)
        tidy = bool(index.setting(self._writer, "tidy"))
        index.set_setting(self._writer, "tidy", 0)
        self.files = ContentFiles(self.root / "contents", generation)
        self._upkeep = upkeep.Upkeep(self.files, upkeep.recover(self._writer, self.files))
        self.commits = GroupCommit(self._writer, self.files, self._upkeep.committed)
        self._upkeep.start(self.commits, None if tidy else self._sweep)

    def close(self) -> None:
        """Finish what was begun and close; calling it again does nothing."""
        if not self._lock.is_locked:
            return
        self._closing = True
        self._upkeep.close()
        self.commits.close()
        index.set_setting(self._writer, "tidy", 1)
        while self._readers:
            self._readers.pop().close()
        self._writer.close()
        self._lock.release()

    @contextlib.contextmanager
    def reading(self) -> Iterator[sqlite3.Connection]:
        """A connection for looking things up; it sees all that was acknowledged."""
        try:
            connection = self._readers.pop()
        except IndexError:
            connection = index.connect(self.root / "index.db")
        try:
            yield connection
        finally:
            self._readers.append(connection)

    def create_container(self, name: str) -> None:
        """Make a container unless it is there.

        Raises:
            BlobError: ``InvalidResourceName``.
        """
        encoding.check_container_name(name)
        try:
            self.commits.call(lambda transaction: container_changes.create(transaction, name, ""))
        except BlobError as error:
            if error.code != "ContainerAlreadyExists":
                raise

    def put(
        self,
        container: str,
        name: str,
        data: bytes | Path,
        *,
        content_type: str = "application/octet-stream",
        metadata: dict[str, str] | None = None,
        overwrite: bool = True,
        check: Callable[[], None] | None = None,
    ) -> BlobInfo:
        """Store a blob, from bytes or from a file (which is copied). Durable when this returns.

        ``check`` is called for each MiB of a file and stops the copying by raising.

        Raises:
            BlobError: ``ContainerNotFound``, or ``BlobAlreadyExists`` where ``overwrite`` is False.
        """
        encoding.check_blob_name(name)
        conditions = NO_CONDITIONS if overwrite else Conditions(if_none_match="*")
        described = encoding.encode_headers(metadata or {})
        target = Target(container, name, content_type, "", described, conditions)
        body = self._stored(data, check)
        try:
            return _info(self.commits.call(lambda transaction: changes.put(transaction, target, body)))
        except Exception:  # not on Ctrl-C: the change may yet be committed
            self.files.remove(body.content)
            raise

    def append(self, container: str, name: str, data: bytes) -> BlobInfo:
        """Append to an append blob, making it when it is missing. Durable when this returns.

        Raises:
            BlobError: ``ContainerNotFound``, or ``InvalidBlobType`` when a block blob has that name.
        """
        encoding.check_blob_name(name)
        target = Target(container, name, "text/plain")
        body = Body(self.files.new(), 0, None, None)

        def change(transaction: Transaction) -> Blob:
            if index.look_up(transaction.connection, container, name)[1] is None:
                changes.put(transaction, target, body, APPEND_BLOB)
            return changes.append(transaction, target, data, len(data), AppendLimits())[0]

        return _info(self.commits.call(change))

    def stat(self, container: str, name: str) -> BlobInfo | None:
        """What is known of a blob; None when it or the container is not there."""
        with self.reading() as connection:
            if index.find_container(connection, container) is None:
                return None
            blob = index.look_up(connection, container, name)[1]
        return _info(blob) if blob else None

    def read(self, container: str, name: str, offset: int = 0, length: int | None = None) -> bytes:
        """A blob's bytes, or a part of them.

        Raises:
            BlobError: ``ContainerNotFound`` or ``BlobNotFound``.
        """
        blob, fd = self.open_content(container, name)
        if fd < 0:
            return b""
        with os.fdopen(fd, "rb") as file:
            file.seek(offset)
            rest = max(0, blob.size - offset)
            return file.read(rest if length is None else min(length, rest))

    def page(self, container: str, prefix: str = "", marker: str = "") -> tuple[list[BlobInfo], str]:
        """Some of the blobs whose names begin with ``prefix``, by name, and the marker of the next ones or ``""``.

        Raises:
            BlobError: ``ContainerNotFound``.
        """
        with self.reading() as connection:
            found = index.require_container(connection, container)
            page = pages.blobs(connection, found.id, pages.Wanted(prefix, "", marker))
        return [_info(entry) for entry in page.entries if not isinstance(entry, str)], page.marker

    def list(self, container: str, prefix: str = "") -> Iterator[BlobInfo]:
        """All blobs whose names begin with ``prefix``, by name.

        Raises:
            BlobError: ``ContainerNotFound``, at the first step.
        """
        found, marker = self.page(container, prefix)
        yield from found
        while marker:
            found, marker = self.page(container, prefix, marker)
            yield from found

    def delete(self, container: str, name: str) -> bool:
        """Delete a blob.

        Returns:
            Whether there was one.
        """
        try:
            self.commits.call(lambda transaction: changes.delete(transaction, container, name, NO_CONDITIONS))
        except BlobError as error:
            if error.status != 404:
                raise
            return False
        return True

    def open_content(self, container: str, name: str, snapshot: str = "") -> tuple[Blob, int]:
        """The row and the content file, opened, of a blob or of its snapshot; -1 for the file of an empty one.

        Raises:
            BlobError: ``ContainerNotFound`` or ``BlobNotFound``.
        """
        for _ in range(_LOOKS):
            blob = self.look_up(container, name, snapshot)
            if not blob.size:
                return blob, -1
            with contextlib.suppress(FileNotFoundError):  # it was replaced between looking and opening: look again
                return blob, os.open(self.files.path(blob.content), os.O_RDONLY)
        raise BlobError("InternalError", f"The content of blob '{name}' is not in the store's folder.")

    def look_up(self, container: str, name: str, snapshot: str = "") -> Blob:
        """The row of a blob or of its snapshot.

        Raises:
            BlobError: ``ContainerNotFound`` or ``BlobNotFound``.
        """
        with self.reading() as connection:
            if snapshot:
                return index.find_snapshot(connection, container, name, snapshot)
            return index.require_blob(connection, container, name)

    def _stored(self, data: bytes | Path, check: Callable[[], None] | None) -> Body:
        content = self.files.new()
        if isinstance(data, bytes) and len(data) <= SMALL:
            return Body(content, len(data), hashlib.md5(data, usedforsecurity=False).digest(), data)
        with Upload(self.files, content, hashed=True) as upload:
            size = _write(upload, data, check)
            upload.finish()
        return Body(content, size, upload.md5(), None)

    def _sweep(self) -> None:
        with self.reading() as connection:
            upkeep.sweep(connection, self.files, lambda: self._closing)


def _write(upload: Upload, data: bytes | Path, check: Callable[[], None] | None) -> int:
    if isinstance(data, bytes):
        upload.write([data])
        return len(data)
    size = 0
    with data.open("rb") as file:
        while piece := file.read(_PIECE):
            upload.write([piece])
            size += len(piece)
            if check is not None:
                check()
    return size


def _info(blob: Blob) -> BlobInfo:
    return BlobInfo(blob.name, blob.size, etag(blob.version), blob.content_type, encoding.decode_headers(blob.metadata))
