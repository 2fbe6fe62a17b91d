"""Whether an error means that the disk is full, and what to tell the user then. Pure."""

from __future__ import annotations

import errno
import sqlite3
from pathlib import Path


def is_full(error: BaseException) -> bool:
    """Whether the file system, or SQLite on it, had no space left."""
    if isinstance(error, OSError):
        return error.errno in (errno.ENOSPC, errno.EDQUOT)
    return isinstance(error, sqlite3.OperationalError) and "disk is full" in str(error)


def advice(folder: Path) -> str:
    """Say what happened and what to do.

    Args:
        folder: what could not be written to.
    """
    return f"There is no space left on the disk of '{folder}'. Make room there, then do the same again."
