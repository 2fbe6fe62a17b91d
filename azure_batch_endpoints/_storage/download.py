"""Blobs to local files: many small ones at once, large ones in ranges, each of them whole or not at all.

A file comes under another name and is put in its place when its size, and its MD5 where the account keeps one, are
those of the blob. Every range is asked for in the state that was listed (``If-Match``), so no file is made of two.
What a large file's interrupted download brought stays beside it and is not fetched again. A file gets the time of its
blob: that, its size and its MD5 tell at the next call that it is there.
"""

from __future__ import annotations

import hashlib
import os
import uuid
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from functools import partial
from pathlib import Path
from threading import Lock

from typing_extensions import Buffer

from azure_batch_endpoints._storage.blobs import BlobItem, Container
from azure_batch_endpoints._storage.hashing import md5_of
from azure_batch_endpoints._storage.parts import Part
from azure_batch_endpoints._storage.steps import Meter, Progress, TransferStep
from azure_batch_endpoints._storage.swift import SMALL, SwiftReader
from azure_batch_endpoints._storage.threads import each
from azure_batch_endpoints.errors import ConflictError, LocalPathError, NotFoundError, TransportError

RANGE = 8 * 1024 * 1024
"""Bytes of one piece of a large file; with eight in flight better than 16 MiB with four on both stores (measured)."""
THREADS = 8
"""Small files and pieces of large ones in flight."""
LOOKING = 4
"""Files compared at once with what they should be."""


def download(
    container: Container,
    wanted: Mapping[Path, BlobItem],
    *,
    name: str,
    replace: bool = True,
    progress: Progress | None = None,
) -> None:
    """Bring blobs to files; one that is there already as it is in the container is not fetched.

    Args:
        container: where they are.
        wanted: each file and its blob as it was listed.
        name: what all of it is called, for the progress.
        replace: replace files that are there and are others.
        progress: told after each file and piece, never by two threads at once.

    Raises:
        ConflictError: a blob changed since it was listed.
        TransportError: a blob did not come as it is.
        LocalPathError: a file cannot be written, or is another and is not to be replaced, and nothing was fetched.
    """
    _Download(container, wanted, name, progress).run(replace=replace)


def is_there(path: Path, item: BlobItem) -> bool:
    """Whether a file is what its blob is: by size and MD5, or, where the account keeps none, by size and time."""
    try:
        about = path.stat()
        if about.st_size != item.size or not path.is_file():
            return False
        if item.md5 is None:
            return item.modified is not None and int(about.st_mtime) == int(item.modified.timestamp())
        return md5_of(path) == item.md5
    except OSError:
        return False


class _Download:
    """One download under way."""

    def __init__(
        self, container: Container, wanted: Mapping[Path, BlobItem], name: str, progress: Progress | None
    ) -> None:
        self._container, self._wanted = container, wanted
        total = sum(item.size for item in wanted.values())
        self._meter = Meter(TransferStep(name, 0, len(wanted), 0, total, "downloading"), progress)
        self._swift = SwiftReader(container)
        self._there: set[Path] = set()
        self._open: set[_Large] = set()
        self._made: set[Path] = set()

    def run(self, *, replace: bool) -> None:
        with each(self._wanted, lambda path: self._look(path, replace=replace), threads=LOOKING, name="compare"):
            pass
        for path in self._there:
            self._meter.done(self._wanted[path].name, self._wanted[path].size)
        try:
            with each(self._steps(), lambda step: step(), threads=THREADS, name="download"):
                pass
        finally:
            for large in self._open:
                large.part.close()

    def _look(self, path: Path, *, replace: bool) -> None:
        if not path.exists():
            return
        if is_there(path, self._wanted[path]):
            self._there.add(path)
        elif not replace:
            raise LocalPathError(
                f"'{path}' is there already; nothing was downloaded. Choose another folder, or overwrite it: "
                "overwrite=True, on the command line --overwrite.",
                path=path,
            )

    def _steps(self) -> Iterator[Callable[[], None]]:
        """What there is to do, in the order of the files: a small one, or a piece of a large one."""
        for path, item in self._wanted.items():
            if path in self._there:
                continue
            if item.size <= SMALL:
                yield partial(self._small, path, item)
                continue
            try:
                self._make(path.parent)
                large = _Large(path, item, Part(path, item, RANGE))
            except OSError as error:
                raise _unwritable(path, error) from error
            self._open.add(large)
            for piece in large.part.missing:
                yield partial(self._piece, large, *piece)
            if not large.part.missing:
                yield partial(self._finish, large)

    def _make(self, folder: Path) -> None:
        if folder not in self._made:
            folder.mkdir(parents=True, exist_ok=True)
            self._made.add(folder)

    def _small(self, path: Path, item: BlobItem) -> None:
        data: Buffer | None = self._swift.read(item.name, item.etag)
        if data is None or not _is(data, item):
            data = self._container.read(item.name, etag=item.etag)
        if not _is(data, item):
            raise _broken(item, len(memoryview(data)))
        part = path.with_name(f".{uuid.uuid4().hex}.part")
        try:
            self._make(path.parent)
            part.write_bytes(data)
            _date(part, item)
            part.replace(path)
        except BaseException as error:
            with suppress(OSError):
                part.unlink()
            if isinstance(error, OSError):
                raise _unwritable(path, error) from error
            raise
        self._meter.done(item.name, item.size)

    def _piece(self, large: _Large, start: int, end: int) -> None:
        data: Buffer | None = self._swift.piece(large.item.name, start, end, large.item.etag)
        try:
            data = data if data is not None else self._slow_piece(large.item, start, end)
        except (ConflictError, NotFoundError):
            large.part.forget()  # of a blob that is no more
            raise
        try:
            left = large.keep(start, data)
        except OSError as error:
            raise _unwritable(large.path, error) from error
        self._meter.sending(large.item.name, large.item.size - left)
        if not left:
            self._finish(large)

    def _slow_piece(self, item: BlobItem, start: int, end: int) -> bytes:
        data = self._container.read(item.name, start, end - start, etag=item.etag)
        if len(data) != end - start:
            raise _broken(item, start + len(data))
        return data

    def _finish(self, large: _Large) -> None:
        path, item, part = large.path, large.item, large.part
        try:
            is_whole = item.md5 is None or md5_of(part.path) == item.md5
            if is_whole:
                _date(part.path, item)
                part.become(path)
            else:
                part.forget()
        except OSError as error:
            raise _unwritable(path, error) from error
        if not is_whole:
            raise _broken(item, item.size)
        part.close()
        self._open.discard(large)
        self._meter.done(item.name, item.size)


class _Large:
    """A large file under way."""

    def __init__(self, path: Path, item: BlobItem, part: Part) -> None:
        self.path, self.item, self.part = path, item, part
        self._left, self._lock = sum(end - start for start, end in part.missing), Lock()

    def keep(self, start: int, data: Buffer) -> int:
        """Write a piece; return how many bytes are missing still."""
        self.part.keep(start, data)
        with self._lock:
            self._left -= len(memoryview(data))
            return self._left


def _date(path: Path, item: BlobItem) -> None:
    if item.modified is not None:
        when = item.modified.timestamp()
        os.utime(path, (when, when))


def _is(data: Buffer, item: BlobItem) -> bool:
    if len(memoryview(data)) != item.size:
        return False
    return item.md5 is None or hashlib.md5(data, usedforsecurity=False).digest() == item.md5


def _broken(item: BlobItem, size: int) -> TransportError:
    what = "with another MD5" if size == item.size else f"with {size:,} of {item.size:,} bytes"
    return TransportError(
        f"Blob '{item.name}' came {what} than the account has for it, so no file was made of it. "
        "Try again; what came whole is not fetched again."
    )


def _unwritable(path: Path, error: OSError) -> LocalPathError:
    reason = error.strerror or type(error).__name__
    return LocalPathError(
        f"The file '{path}' cannot be written ({reason}). Check the folder's permissions and the disk's space, "
        "then try again: what came whole is not fetched again.",
        path=path,
    )
