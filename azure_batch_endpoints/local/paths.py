"""From names in storage, where anything goes, to paths on this machine. Pure."""

from __future__ import annotations

import hashlib
import re
from pathlib import Path, PurePosixPath

_LONGEST = 255
"""Bytes of one part that file systems take."""
_DEEPEST = 1024
"""Bytes of a name that is laid out in folders; systems take 4,096 for a whole path (macOS 1,024), its root included."""
_ODD = re.compile(r"(?:^|/)\.{0,2}(?:/|$)|\0")


def inside(folder: Path, name: str) -> Path:
    """Return where a relative name lies below a folder, never outside it.

    Parts that mean another folder ("..", ".", an empty one) or are too long are written differently, and of a name that
    is too long as a whole only the last part is kept; two different names give two different paths.
    """
    if name.isascii() and len(name) <= _LONGEST and not _ODD.search(name):  # most names: no part of it can be odd
        return folder / name
    if len(name.encode("utf-8", "surrogatepass")) > _DEEPEST:
        return folder / ".deep" / _digest(name) / _part(name.rpartition("/")[2])
    return folder.joinpath(*(_part(part) for part in name.split("/")))


def set_aside(folder: Path, index: int, name: str) -> Path:
    """Return a place for a name that collides with another, a file where the other needs a folder."""
    return folder / ".aside" / str(index) / _part(name.rpartition("/")[2])


def _part(part: str) -> str:
    if part not in {"", ".", ".."} and "\0" not in part and len(part.encode("utf-8", "surrogatepass")) <= _LONGEST:
        return part
    suffix = PurePosixPath(part).suffix if 1 < len(PurePosixPath(part).suffix) < 16 else ""
    return f"_{_digest(part)}{suffix}"


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:16]
