"""The division of a job's input files into mini-batches: pure values and functions.

Here: what an input and a mini-batch are, and which mini-batch an input belongs to. Not here: listing, staging, state.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import groupby


@dataclass(frozen=True, slots=True)
class InputItem:
    """One input file of a job."""

    index: int
    """Place in the listing, from 0; the input's identity within the job."""
    path: str
    """Relative to the input folder, '/' separated; the file's own name for a single-file input."""
    source: str
    """Where staging finds it: a blob name or a URI."""
    size: int
    """Bytes."""
    origin: int | None = None
    """Of a job that scores inputs of an earlier one again: its index in the first job of that chain; None: `index`."""


@dataclass(frozen=True, slots=True)
class MiniBatch:
    """The files of one `run(mini_batch)` call."""

    number: int
    """From 0, in listing order."""
    items: tuple[InputItem, ...]
    """In listing order; only the last mini-batch of a job may be shorter than the others."""


def mini_batch_number(index: int, size: int) -> int:
    """Return the number of the mini-batch that the input at `index` belongs to, for mini-batches of `size` files."""
    return index // size


def mini_batch_count(items: int, size: int) -> int:
    """Return how many mini-batches of `size` files `items` inputs make (the last may be shorter)."""
    return -(-items // size)


def number_inputs(entries: Iterable[tuple[str, str, int]]) -> Iterator[InputItem]:
    """Number (path, source, size in bytes) entries in the order they come, from 0."""
    for index, (path, source, size) in enumerate(entries):
        yield InputItem(index, path, source, size)


def plan(items: Iterable[InputItem], size: int) -> Iterator[MiniBatch]:
    """Group inputs into mini-batches of `size` files, lazily.

    The same listing gives the same plan, whichever inputs are left out: the number depends on the index alone.

    Args:
        items: inputs with ascending indices.
        size: files in a mini-batch, at least 1.

    Raises:
        ValueError: `size` is below 1.
    """
    if size < 1:
        raise ValueError(f"mini_batch_size is {size}; it must be at least 1.")
    for number, group in groupby(items, key=lambda item: mini_batch_number(item.index, size)):
        yield MiniBatch(number, tuple(group))
