"""The content files of a blob store: where they lie and how they are written. Knows nothing of names, rows or HTTP.

A content file is named by a generated number, never by a blob's name, and is never changed once it is complete
(append blobs excepted: their file grows behind the length the index vouches for).
"""

from __future__ import annotations

import contextlib
import ctypes
import errno
import functools
import hashlib
import itertools
import os
import platform
import re
import sys
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

from azure_batch_endpoints.local.blobstore.checksums import crc64

_SHARDS = 16
_COUNTER_BITS = 40
_COPY_STEP = 1 << 30
_READ_STEP = 1 << 20
_MANY = 64
"""Files that are synced by one call for the whole file system: some 20 µs each, where one by one it is 500 and more."""


class ContentFiles:
    """Content files below one folder.

    Args:
        folder: Where they lie; made when missing.
        generation: A number that is larger at each opening of the store. It is part of every file's number, so a
            file of this opening is never taken for one that an earlier process left behind.
    """

    def __init__(self, folder: Path, generation: int) -> None:
        for shard in range(_SHARDS):
            (folder / f"{shard:x}").mkdir(parents=True, exist_ok=True)
        _sync_folder(str(folder))
        _sync_folder(str(folder.parent))
        self._folder = str(folder)
        self._first = generation << _COUNTER_BITS
        self._counter = itertools.count(self._first + 1)

    def new(self) -> int:
        """A number no content file has had."""
        return next(self._counter)

    def path(self, content: int) -> str:
        """Where the content file of that number lies."""
        return f"{self._folder}/{content % _SHARDS:x}/{content:016x}"

    def write(self, content: int, data: bytes) -> None:
        """Write a small file in one go, not yet synced: its bytes are in the index's journal until they are."""
        fd = os.open(self.path(content), os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o400)
        try:
            _write_all(fd, data)
        finally:
            os.close(fd)

    def restore(self, content: int, data: bytes) -> None:
        """Write a small file again unless it is there and whole, not synced. For recovery after a crash."""
        with contextlib.suppress(FileNotFoundError):
            if self.read(content, 0, len(data) + 1) == data:
                return
        self.remove(content)
        self.write(content, data)

    def read(self, content: int, offset: int, length: int) -> bytes:
        """Up to ``length`` bytes from ``offset``.

        Raises:
            FileNotFoundError: The content was removed since its number was looked up.
        """
        fd = os.open(self.path(content), os.O_RDONLY)
        try:
            return os.pread(fd, length, offset)
        finally:
            os.close(fd)

    def append(self, content: int, position: int, data: bytes | Path) -> int:
        """Write behind ``position``, cutting off what an interrupted append left there.

        Returns:
            The open file descriptor, for the caller to sync and close.
        """
        fd = os.open(self.path(content), os.O_WRONLY | os.O_CREAT, 0o600)
        try:
            if position == 0:
                self._sync_folders([content])
            os.ftruncate(fd, position)
            os.lseek(fd, position, os.SEEK_SET)
            if isinstance(data, bytes):
                _write_all(fd, data)
            else:
                _copy_into(fd, str(data), 0, data.stat().st_size)
        except BaseException:
            os.close(fd)
            raise
        return fd

    def join(self, content: int, parts: Iterable[tuple[int, int, int]], *, growing: bool = False) -> None:
        """Make one synced file of ``(content, offset, length)`` parts in order; ``growing`` for an append blob's."""
        with Upload(self, content, hashed=False, mode=0o600 if growing else 0o400) as upload:
            for part, offset, length in parts:
                _copy_into(upload.fd, self.path(part), offset, length)
            upload.finish()

    def link(self, source: int, content: int) -> None:
        """Give an immutable file a second number without copying it where the file system can; synced."""
        try:
            os.link(self.path(source), self.path(content))
        except OSError as error:
            if error.errno not in (errno.EMLINK, errno.EPERM, errno.ENOTSUP, errno.EXDEV):
                raise
            self.join(content, [(source, 0, Path(self.path(source)).stat().st_size)])
        self.sync([content])  # the source may be a small file whose bytes are only in the journal as yet

    def remove(self, content: int) -> None:
        """Remove a content file; readers that hold it open are not disturbed."""
        Path(self.path(content)).unlink(missing_ok=True)

    def sync(self, contents: Iterable[int]) -> None:
        """Bring files written with :meth:`write` safely to the disk; those removed meanwhile are passed over."""
        contents = list(contents)
        if len(contents) >= _MANY and _sync_file_system(self._folder):
            return
        present = []
        for content in contents:
            with contextlib.suppress(FileNotFoundError):
                fd = os.open(self.path(content), os.O_RDONLY)
                try:
                    sync_fd(fd)
                finally:
                    os.close(fd)
                present.append(content)
        self._sync_folders(present)

    def earlier(self) -> Iterator[int]:
        """The numbers of all files that were there before this opening of the store."""
        for shard in Path(self._folder).iterdir():
            for entry in shard.iterdir():
                with contextlib.suppress(ValueError):  # what others put there (".DS_Store") is none of ours
                    number = int(entry.name, 16)
                    if number <= self._first:
                        yield number

    def _sync_folders(self, contents: Iterable[int]) -> None:
        for shard in {content % _SHARDS for content in contents}:
            _sync_folder(f"{self._folder}/{shard:x}")


class Upload:
    """A content file being written piece by piece; removed again unless finished.

    Args:
        files: Where it belongs.
        content: Its number.
        hashed: Whether the MD5 of the bytes is wanted.
        summed: Whether their CRC64 is wanted.
        mode: The file's permissions; read-only, so that a script that is given a link to it cannot damage the store.
    """

    def __init__(
        self, files: ContentFiles, content: int, *, hashed: bool, summed: bool = False, mode: int = 0o400
    ) -> None:
        self._files = files
        self._content = content
        # An MD5 is what the protocol carries; it guards against accidents, not against attackers.
        self._digest = hashlib.md5(usedforsecurity=False) if hashed else None
        self._summed = summed
        self.crc64 = 0
        self.fd = os.open(files.path(content), os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)

    def __enter__(self) -> Upload:
        return self

    def __exit__(self, *_: object) -> None:
        self.abort()

    def write(self, pieces: list[bytes]) -> None:
        """Write the pieces in order."""
        for piece in pieces:
            if self._digest is not None:
                self._digest.update(piece)
            if self._summed:
                self.crc64 = crc64(piece, self.crc64)
            _write_all(self.fd, piece)

    def finish(self) -> None:
        """Sync the file and the folder it is in; after this it survives a power loss."""
        sync_fd(self.fd)
        os.close(self.fd)
        self.fd = -1
        self._files._sync_folders([self._content])

    def md5(self) -> bytes | None:
        """The MD5 of all bytes written, when it was asked for."""
        return None if self._digest is None else self._digest.digest()

    def abort(self) -> None:
        """Remove the file unless it was finished."""
        if self.fd >= 0:
            os.close(self.fd)
            self.fd = -1
            self._files.remove(self._content)


def sync_fd(fd: int) -> None:
    """Bring an open file's bytes to the disk. On macOS only a stronger call than fsync does."""
    if sys.platform == "darwin":
        import fcntl

        fcntl.fcntl(fd, fcntl.F_FULLFSYNC)
    else:
        os.fsync(fd)


def _sync_file_system(folder: str) -> bool:
    """Bring all that was written to a folder's file system to the disk; False where this system cannot."""
    call = _syncfs()
    if call is None:
        return False
    fd = os.open(folder, os.O_RDONLY)
    try:
        if call(fd):
            raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()), folder)
    finally:
        os.close(fd)
    return True


@functools.cache
def _syncfs() -> Callable[[int], int] | None:
    """The kernel's call, where it tells of bytes that could not be written: since Linux 5.8."""
    release = [int(number) for number in re.findall(r"\d+", platform.release())[:2]]
    if not sys.platform.startswith("linux") or release < [5, 8]:
        return None
    return getattr(ctypes.CDLL(None, use_errno=True), "syncfs", None)


def _write_all(fd: int, data: bytes) -> None:
    written = os.write(fd, data)
    while written < len(data):
        written += os.write(fd, memoryview(data)[written:])


def _copy_into(fd: int, source: str, offset: int, length: int) -> None:
    source_fd = os.open(source, os.O_RDONLY)
    try:
        while length > 0:
            count = _copy_step(source_fd, fd, offset, length)
            if not count:
                raise OSError(errno.EIO, "content file shorter than its index says", source)
            offset += count
            length -= count
    finally:
        os.close(source_fd)


def _copy_step(source: int, target: int, offset: int, length: int) -> int:
    if hasattr(os, "copy_file_range"):
        return os.copy_file_range(source, target, min(length, _COPY_STEP), offset)
    piece = os.pread(source, min(length, _READ_STEP), offset)
    _write_all(target, piece)
    return len(piece)


def _sync_folder(folder: str) -> None:
    fd = os.open(folder, os.O_RDONLY)
    try:
        sync_fd(fd)
    finally:
        os.close(fd)
