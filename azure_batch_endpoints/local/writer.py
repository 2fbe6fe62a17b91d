"""The rows of a job, from the workers' segments to one output file, in plan order.

Here: reading the byte ranges that the ledger committed and putting them in place in one step. Not here: which count.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path

from azure_batch_endpoints.local.engines.base import Part

BLOCK = 1024 * 1024
"""Bytes read at once, and handed on at once."""
MOST_OPEN = 100
"""Segments open at once."""


_LOST = "rows of the job are lost. Invoke the deployment again."


class PartsDamaged(Exception):
    """Rows that the ledger has committed are not in their segment file."""


@dataclass(frozen=True, slots=True)
class Written:
    """An output file that was put in place."""

    path: Path
    rows: int
    """Rows as `run()` returned them."""
    size: int
    """Bytes."""


def sync_parts(parts: Iterable[Part], folder: Path) -> None:
    """Bring the segments of these parts to the disk; to be done before the ledger commits them."""
    for name in {part.file for part in parts}:
        _sync(folder / name)


def read_rows(parts: Iterable[Part], folder: Path) -> Iterator[bytes]:
    """Yield the rows of `parts`, in the order given, in blocks of at most 1 MiB.

    Raises:
        PartsDamaged: a segment is missing or too short.
    """
    waiting = bytearray()
    for piece in _pieces(parts, folder):
        if len(waiting) + len(piece) > BLOCK:
            yield bytes(waiting)
            waiting.clear()
        waiting += piece
    if waiting:
        yield bytes(waiting)


def write_rows(parts: Iterable[Part], folder: Path, target: Path) -> Written:
    """Write the rows of `parts`, in the order given, into `target`: whole or not at all; on disk when this returns.

    A file that is there already is replaced, so that a job which was interrupted just now can do it again.

    Raises:
        PartsDamaged: a segment is missing or too short.
    """
    rows = size = 0

    def counted() -> Iterator[Part]:
        nonlocal rows
        for part in parts:
            rows += part.rows
            yield part

    temporary = target.with_name(f".{target.name}.tmp")
    with temporary.open("wb") as file:
        for block in read_rows(counted(), folder):
            size += file.write(block)
        file.flush()
        os.fsync(file.fileno())
    temporary.replace(target)
    _sync(target.parent)
    return Written(target, rows, size)


def _pieces(parts: Iterable[Part], folder: Path) -> Iterator[bytes]:
    with ExitStack() as stack:
        segments: dict[str, int] = {}
        for part in _joined(parts):
            if len(segments) == MOST_OPEN and part.file not in segments:
                stack.close()
                segments.clear()
            if part.file not in segments:
                segments[part.file] = _open(folder / part.file)
                stack.callback(os.close, segments[part.file])
            for offset in range(part.offset, part.offset + part.length, BLOCK):
                length = min(BLOCK, part.offset + part.length - offset)
                piece = os.pread(segments[part.file], length, offset)
                if len(piece) != length:
                    raise PartsDamaged(f"'{part.file}' ends before byte {offset + length}; {_LOST}")
                yield piece


def _joined(parts: Iterable[Part]) -> Iterator[Part]:
    """Make one part of parts that follow each other in the same segment."""
    joined: Part | None = None
    for part in parts:
        if joined and part.file == joined.file and part.offset == joined.offset + joined.length:
            joined = replace(joined, length=joined.length + part.length)
            continue
        if joined:
            yield joined
        joined = part
    if joined:
        yield joined


def _open(path: Path) -> int:
    try:
        return os.open(path, os.O_RDONLY)
    except FileNotFoundError as error:
        raise PartsDamaged(f"'{path.name}' is gone; {_LOST}") from error


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
