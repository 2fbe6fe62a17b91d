"""The beginning of a large file beside its place: what an interrupted download brought, and which pieces that is."""

from __future__ import annotations

import hashlib
import os
import time
import uuid
from contextlib import suppress
from pathlib import Path
from threading import Lock
from urllib.parse import quote

from typing_extensions import Buffer

from azure_batch_endpoints._storage.listing import BlobItem


class Part:
    """A hidden file beside the place of a large one, and a second one that tells which pieces of it are there.

    Their names are made of the file's name and of the blob's state, so no two states come into one file. A second
    process that brings the same file at the same time takes names of its own.
    """

    def __init__(self, path: Path, item: BlobItem, width: int) -> None:
        """Open what there is, or begin; parts of other states are removed.

        Args:
            path: where the file will be; its folder is there.
            item: its blob.
            width: bytes of a piece.

        Raises:
            OSError: it cannot be written there.
        """
        self._of = "\t".join([quote(item.name), item.etag, str(item.size), str(width), _boot()])
        known_by = f".{_short(path.name)}-"  # the name itself may be as long as names can be
        self._name_it(path, known_by, _short(self._of))
        handle = _taken(self.path)
        if handle is None:
            self._name_it(path, known_by, uuid.uuid4().hex[:16])
            handle = os.open(self.path, _FLAGS | os.O_EXCL, 0o666)
            _is_free(handle)  # and no longer so for those who look for what was left
        self._file, self._lock, self._gone = handle, Lock(), False
        self._remove_others(known_by)
        there = self._there(item.size)
        os.ftruncate(self._file, item.size)
        if not there:
            self._list.unlink(missing_ok=True)  # also where somebody put a link
            self._list.write_text(f"{self._of}\n", "utf-8")
        every = range(0, item.size, width)
        self.missing = [(start, min(start + width, item.size)) for start in every if start not in there]

    def keep(self, start: int, data: Buffer) -> None:
        """Write a piece, then note that it is there."""
        with memoryview(data) as view:
            done = 0
            while done < len(view):
                done += self._write(view[done:], start + done)
        with self._lock:
            if not self._gone:
                with self._list.open("a", encoding="utf-8") as listed:
                    listed.write(f"{start}\n")

    def close(self) -> None:
        """Stop writing; twice is fine."""
        with self._lock:
            handle, self._file = self._file, -1
        if handle >= 0:
            os.close(handle)

    def become(self, path: Path) -> None:
        """Put what is whole now in its place; the list goes first, so that nobody takes another file for it."""
        with self._lock:
            self._gone = True
        self._list.unlink(missing_ok=True)
        if os.name == "nt":  # where an open file cannot be renamed, nor be taken by another
            self.close()
        self.path.replace(path)

    def forget(self) -> None:
        """Remove what is left of both files."""
        with self._lock:
            self._gone = True
        self.path.unlink(missing_ok=True)
        self._list.unlink(missing_ok=True)

    def _name_it(self, path: Path, known_by: str, state: str) -> None:
        self.path = path.with_name(f"{known_by}{state}.part")
        self._list = path.with_name(f"{known_by}{state}.pieces")

    def _remove_others(self, known_by: str) -> None:
        with os.scandir(self.path.parent) as entries:
            names = [one.name for one in entries if one.name.startswith(known_by) and one.name.endswith(".part")]
        for name in names:
            other = self.path.with_name(name)
            handle = None if other == self.path else _taken(other)
            if handle is not None:
                with suppress(OSError):
                    other.unlink()
                    other.with_suffix(".pieces").unlink(missing_ok=True)
                os.close(handle)

    def _there(self, size: int) -> set[int]:
        with suppress(OSError, ValueError):
            of, *pieces = self._list.read_text("utf-8").split("\n")[:-1]  # a line without its end was not written whole
            if of == self._of and os.fstat(self._file).st_size == size:
                return {int(one) for one in pieces if one.isdigit()}
        return set()

    def _write(self, data: memoryview, start: int) -> int:
        if hasattr(os, "pwrite"):
            return os.pwrite(self._file, data, start)
        with self._lock:  # Windows has no way to do both at once
            os.lseek(self._file, start, os.SEEK_SET)
            return os.write(self._file, data)


_FLAGS = os.O_RDWR | os.O_CREAT | getattr(os, "O_BINARY", 0) | getattr(os, "O_NOFOLLOW", 0)


def _taken(path: Path) -> int | None:
    """Open a part for this process alone; None when another has it. A link there is removed, not followed."""
    if path.is_symlink():
        path.unlink()
    handle = os.open(path, _FLAGS, 0o666)
    try:
        if _is_free(handle) and os.path.samestat(os.fstat(handle), path.stat()):
            return handle
    except FileNotFoundError:  # the other has just put it in its place
        pass
    os.close(handle)
    return None


def _is_free(handle: int) -> bool:
    try:
        import fcntl
    except ImportError:  # Windows, where nobody can replace a file that is open
        return True
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError:  # a file system without locks
        return True
    return True


def _short(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def _boot() -> str:
    """What this start of the machine is called: what was written before it went down may not have reached the disk."""
    with suppress(OSError):
        return Path("/proc/sys/kernel/random/boot_id").read_text("ascii").strip()
    return str(int(time.time() - time.monotonic()) // 600)
