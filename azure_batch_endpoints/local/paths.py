"""From names in storage, where anything goes, to paths on this machine. Pure."""

from __future__ import annotations

import hashlib
from pathlib import Path, PurePosixPath

_LONGEST = 200
"""Bytes of one part; file systems take 255, and programs like to add an ending."""


def inside(folder: Path, name: str) -> Path:
    """Return where a relative name lies below a folder, never outside it.

    Parts that mean another folder ("..", ".", an empty one) or are too long are written differently; two different
    names give two different paths.
    """
    return folder.joinpath(*(_part(part) for part in name.split("/")))


def set_aside(folder: Path, index: int, name: str) -> Path:
    """Return a place for a name that collides with another, a file where the other needs a folder."""
    return folder / ".aside" / str(index) / _part(name.rpartition("/")[2])


def _part(part: str) -> str:
    if part not in {"", ".", ".."} and "\0" not in part and len(part.encode()) <= _LONGEST:
        return part
    digest = hashlib.sha256(part.encode("utf-8", "surrogatepass")).hexdigest()[:16]
    suffix = PurePosixPath(part).suffix if 1 < len(PurePosixPath(part).suffix) < 16 else ""
    return f"_{digest}{suffix}"
