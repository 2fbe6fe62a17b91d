"""One log file that is added to: a bound to its size, and patience while the disk is full."""

from __future__ import annotations

import os
from pathlib import Path

MOST_BYTES = 64 << 20
"""Size of a log file; a line for each of half a million mini-batches fits."""
MOST_WAITING = 256 << 10
"""Bytes that wait for room on the disk; older lines give way to newer ones."""
WRITE_AT = 64 << 10
"""Bytes that wait for `flush` at most."""
FULL = "This file is full; the job's ledger (job.items(), _ledger.jsonl) goes on.\n"
LOST = b"[... lines lost: there was no room on the disk ...]\n"


class LogFile:
    """Takes lines. A log never fails its job: what cannot be written waits, and is tried again with the next line."""

    def __init__(self, path: Path, most: int = MOST_BYTES) -> None:
        """Name the file; it is opened with the first line, and added to when it is there.

        Args:
            path: of the file; its folder is made.
            most: bytes; after them one last line says that there would be more.
        """
        self._path, self._most = path, most
        self._descriptor: int | None = None
        self._size: int | None = None
        self._waiting = bytearray()

    def add(self, text: str) -> None:
        """Add lines; they are in the file after `flush`."""
        size = self._size_now()
        if size > self._most:
            return
        data = text.encode("utf-8", "backslashreplace")
        if size + len(data) > self._most:
            data, size = FULL.encode(), self._most
        self._size = size + len(data)
        self._waiting += data
        if len(self._waiting) > WRITE_AT:
            self.flush()

    @property
    def waits(self) -> bool:
        """Whether there are lines that the disk has not taken yet."""
        return bool(self._waiting)

    def flush(self) -> None:
        """Bring what waits into the file, as far as it takes it."""
        try:
            while self._waiting:
                del self._waiting[: os.write(self._opened(), self._waiting)]
        except OSError:  # most often no room
            over = len(self._waiting) - MOST_WAITING
            if over > 0:
                cut = self._waiting.find(b"\n", over) + 1
                self._waiting[: cut or over] = LOST

    def close(self) -> None:
        """Flush and close."""
        self.flush()
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None

    def _opened(self) -> int:
        if self._descriptor is None:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC
            self._descriptor = os.open(self._path, flags, 0o666)
        return self._descriptor

    def _size_now(self) -> int:
        if self._size is None:
            try:
                self._size = self._path.stat().st_size
            except OSError:
                self._size = 0
        return self._size
