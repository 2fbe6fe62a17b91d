"""stdout and stderr of a worker: what a script prints goes to the job's logs, and is never why a mini-batch fails."""

from __future__ import annotations

import errno
import io
import sys
from typing import Any

LET_GO = (errno.ENOSPC, errno.EDQUOT, errno.EBADF)
"""A full disk, and a descriptor that the script closed."""


class LogStream(io.FileIO):
    """A descriptor that lets go of what it does not take: the disk is full, or the script closed it."""

    def write(self, data: Any) -> int:
        """Write as much as goes."""
        try:
            return super().write(data) or 0
        except OSError as error:
            if error.errno not in LET_GO:
                raise
            return memoryview(data).nbytes


def redirect() -> None:
    """Put text streams over the inherited descriptors 1 and 2: UTF-8, seen line by line."""
    sys.stdout = sys.__stdout__ = text(1, "<stdout>")  # type: ignore[misc] # as Python itself sets it at its start
    sys.stderr = sys.__stderr__ = text(2, "<stderr>")  # type: ignore[misc]


def text(descriptor: int, name: str) -> io.TextIOWrapper:
    """Return a text stream over a descriptor."""
    raw = LogStream(descriptor, "w", closefd=False)
    raw.name = name
    buffer = io.BufferedWriter(raw)
    return io.TextIOWrapper(buffer, encoding="utf-8", errors="backslashreplace", line_buffering=True)
