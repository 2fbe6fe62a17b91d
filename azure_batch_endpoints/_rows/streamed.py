"""Rows of a large file, read from the disk in pieces: the same table as of its bytes, in less memory and less time.

Where pieces cannot be put together for sure, the file is read whole, as a small one is.
"""

from __future__ import annotations

import mmap
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

from azure_batch_endpoints._rows import guesses

if TYPE_CHECKING:
    import pandas as pd

BLOCK = 8 * 1024 * 1024
"""Bytes read at once."""
_SURE = ({"int64", "float64"}, {"str"}, {"bool"}, {"uint64"})
"""Types that pieces of a column may have: put together they are what all of it at once would be."""


def guessed(path: Path, kind: str | None) -> pd.DataFrame:
    """Return rows of which at most the kind is known, as ``guesses.guessed`` does."""
    if kind in ("csv", "dataframe"):
        return guesses.separated(path, "," if kind == "csv" else " ")
    head = list(islice((line for block in blocks(path) for line in _lines(block)), guesses.PROBE))
    found: pd.DataFrame | None = None
    if guesses.literals(head[:1]) is not None:
        found = _put_together(path, _literal_rows)
    elif kind is None and (sep := guesses.separator(head)) is not None:
        return guesses.separated(path, sep)
    elif all(guesses.numbers(_lines(block)) for block in blocks(path)):
        found = _put_together(path, lambda block: guesses.plain(_lines(block)))
    else:
        found = _put_together(path, _texts, sure=True)
    return guesses.guessed(path.read_bytes(), kind) if found is None else found


def elements(path: Path, kind: str) -> pd.DataFrame:
    """Return the elements of a list that were all texts or all truth values, as ``guesses.elements`` does."""
    found = _put_together(path, lambda block: guesses.elements(block, kind), sure=True)
    return guesses.elements(path.read_bytes(), kind) if found is None else found


@contextmanager
def mapped(path: Path) -> Iterator[Any]:
    """Give the bytes of a file, of which those that are looked at are read."""
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
        yield data


def blocks(path: Path) -> Iterator[bytes]:
    """Yield the text of a file in pieces of whole lines."""
    with path.open("rb") as file:
        while block := file.read(BLOCK):
            yield block + (b"" if block.endswith(b"\n") else file.readline())


def _lines(block: bytes) -> list[str]:
    return [line.removesuffix("\r") for line in guesses.lines(block)]


def _literal_rows(block: bytes) -> pd.DataFrame | None:
    values = guesses.literals(_lines(block))
    return None if values is None else guesses.from_literals(values)


def _texts(block: bytes) -> pd.DataFrame:
    import pandas as pd

    return pd.Series(_lines(block), name=0).to_frame()


def _put_together(
    path: Path, read: Callable[[bytes], pd.DataFrame | None], *, sure: bool = False
) -> pd.DataFrame | None:
    """Return the rows of all pieces; None where they might differ from what all of it at once would be.

    Args:
        path: the file.
        read: makes a table of a piece, or says None.
        sure: they never differ.
    """
    import pandas as pd

    frames: list[pd.DataFrame] = []
    for block in blocks(path):
        frame = read(block)
        if frame is None or (not sure and frames and list(frame.columns) != list(frames[0].columns)):
            return None
        frames.append(frame)
    if not frames:
        return None
    kinds = zip(*([str(kind) for kind in frame.dtypes] for frame in frames), strict=True)
    if not sure and not all(any(set(column) <= known for known in _SURE) for column in kinds):
        return None
    return pd.concat(frames, ignore_index=True)
