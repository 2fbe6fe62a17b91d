"""Whether an error means that the disk is full, and what to tell the user then. Pure."""

from __future__ import annotations

import errno
import sqlite3
from pathlib import Path


def is_full(error: BaseException) -> bool:
    """Whether the file system, or SQLite on it, had no space left; an error that was made of such a one counts, too."""
    if isinstance(error, sqlite3.OperationalError):
        return "disk is full" in str(error)
    if isinstance(error, OSError) and error.errno is not None:
        return error.errno in (errno.ENOSPC, errno.EDQUOT)
    return error.__cause__ is not None and is_full(error.__cause__)


def advice(folder: Path) -> str:
    """Say what happened and what to do.

    Args:
        folder: what could not be written to.
    """
    return f"There is no space left on the disk of '{folder}'. Make room there, then do the same again."
