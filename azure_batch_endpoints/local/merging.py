"""The rows of a job, or of a chain of retries, in the order of their output file: where they are, of which files.

Here: the order, and how it is found without holding it. Not here: copying rows, which is `writer`'s matter.
"""

from __future__ import annotations

import heapq
import os
from bisect import bisect_right
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from itertools import accumulate, groupby
from pathlib import Path

from azure_batch_endpoints.local.engines.base import Part, RowFormat
from azure_batch_endpoints.local.ledger_reader import LedgerReader
from azure_batch_endpoints.local.ledger_values import LedgerConflict, RowUnit

WINDOW = 1000
"""Inputs looked up at once."""
MOST_CUT = 64 * 1024 * 1024
"""Bytes of rows of one mini-batch that are read to be cut; more stay together."""


@dataclass(frozen=True)
class Scored:
    """What a job has scored.

    Attributes:
        ledger: its account.
        parts: folder of its segments.
    """

    ledger: LedgerReader
    parts: Path


@dataclass(frozen=True, slots=True)
class RowRun:
    """Rows that stand together in an output file."""

    key: int
    """Their place: no run has a smaller one than the run before it."""
    part: Part
    """Where they are; `file` is a whole path."""
    row_format: RowFormat | None
    paths: tuple[str, ...]
    """The files they came of, in order."""
    sources: tuple[int, ...] | None
    """For each row the place of its file in `paths`, as in `Outcome.sources`."""


def chain_of(name: str, folder: Callable[[str], Path], stack: ExitStack, child: str | None = None) -> list[Scored]:
    """Return a job and those that it retries, first job first.

    Args:
        name: the last job.
        folder: gives a job's folder.
        stack: closes the ledgers.
        child: run id of the last job's step, by which it is known from a later job of its name; None: not known.

    Raises:
        LedgerConflict: the account of one of them is gone.
    """
    chain: list[Scored] = []
    current: str | None = name
    while current is not None:
        if any(one.parts == folder(current) / "parts" for one in chain):  # its name was given to a later job
            raise LedgerConflict(f"The account of job '{current}' is gone: another job has that name now.")
        try:
            ledger = stack.enter_context(LedgerReader(folder(current) / "ledger.sqlite"))
        except LedgerConflict as error:
            raise LedgerConflict(f"The account of job '{current}' is gone.") from error
        ledger.require_child(current, child)
        chain.insert(0, Scored(ledger, folder(current) / "parts"))
        facts = ledger.facts()
        current, child = facts.get("retry_of"), facts.get("retry_child")
    return chain


def own_runs(scored: Scored, after: int = -1) -> Iterator[RowRun]:
    """Yield the rows of one job in plan order.

    Args:
        scored: the job.
        after: only runs with a greater key.
    """
    inputs, folder = _Inputs(scored.ledger), f"{scored.parts}{os.sep}"
    for unit in scored.ledger.units(after):
        paths = tuple([path for path, _ in inputs.between(unit.first, unit.last)])
        yield RowRun(unit.first, _whole(unit, folder), unit.row_format, paths, unit.sources)


def merged_runs(chain: Sequence[Scored], after: int = -1) -> Iterator[RowRun]:
    """Yield the rows of a job and of those that scored again what was left over, each input's once.

    They come in the order of the first job's inputs: rows of a mini-batch stand where its first file stood. A
    mini-batch that is not made of neighbours, or has rows for some of its files only, is cut when each row is known to
    be a line of one file, and the files to follow each other; so the rows of the others find their place between.

    Args:
        chain: first job first.
        after: only runs with a greater key.
    """
    return heapq.merge(*(_in_first_order(scored, after) for scored in chain), key=lambda run: run.key)


def counts_rows(row_format: RowFormat | None) -> bool:
    """Whether a format says something of single rows ("object gaps@1,5"), counted from the first one it is said of."""
    return row_format is not None and any("@" in dtype for _, dtype in row_format.columns)


def _in_first_order(scored: Scored, after: int) -> Iterator[RowRun]:
    ledger, inputs, folder = scored.ledger, _Inputs(scored.ledger), f"{scored.parts}{os.sep}"
    start = -1
    if after >= 0:  # indices in the first job ascend
        start = bisect_right(range(ledger.listed), after, key=lambda index: ledger.inputs(index, index)[0][1])
        start = max(-1, start - 1 - ledger.mini_batch_size)
    for unit in ledger.units(start):
        for run in _cut(unit, folder, inputs.between(unit.first, unit.last)):
            if run.key > after:
                yield run


def _cut(unit: RowUnit, folder: str, inputs: Sequence[tuple[str, int]]) -> Iterator[RowRun]:
    paths, origins = tuple([path for path, _ in inputs]), [origin for _, origin in inputs]
    part, sources = _whole(unit, folder), unit.sources
    neighbours = origins[-1] - origins[0] == unit.last - unit.first
    to_be_cut = (unit.failed or not neighbours) and not counts_rows(unit.row_format)
    places = _ascending(sources, part.rows, len(paths)) if to_be_cut else None
    ends = _line_ends(part, len(places)) if places else None
    if places is None or ends is None:
        of_one = sources[0] if sources is not None and len(sources) == 1 and sources[0] >= 0 else 0
        yield RowRun(origins[of_one], part, unit.row_format, paths, sources)
        return
    begin = row = 0
    for place, run in groupby(places):
        count = sum(1 for _ in run)
        end = ends[row + count - 1]
        piece = replace(part, offset=part.offset + begin, length=end - begin, rows=count)
        yield RowRun(origins[place], piece, unit.row_format, (paths[place],), (0,))
        begin, row = end, row + count


def _ascending(sources: tuple[int, ...] | None, rows: int, files: int) -> Sequence[int] | None:
    """Return for each row the place of its file, if all are known and none comes before that of the row above."""
    if sources == () and rows <= files:
        return range(rows)
    if sources is None or len(sources) != rows or sources[0] < 0 or list(sources) != sorted(sources):
        return None
    return sources


def _line_ends(part: Part, rows: int) -> list[int] | None:
    """Return where each row ends, if each is a line."""
    if part.length > MOST_CUT or not Path(part.file).is_file():  # whoever copies it will miss it
        return None
    with Path(part.file).open("rb") as segment:
        segment.seek(part.offset)
        lines = segment.read(part.length).split(b"\n")
    if len(lines) != rows + 1 or lines[-1]:
        return None
    return list(accumulate(len(line) + 1 for line in lines[:-1]))


def _whole(unit: RowUnit, folder: str) -> Part:
    part = unit.part
    return Part(folder + part.file, part.offset, part.length, part.rows)


class _Inputs:
    """Path and place in the first job of inputs, looked up a window at a time by somebody who goes forward."""

    def __init__(self, ledger: LedgerReader) -> None:
        self._ledger = ledger
        self._first = 0
        self._known: list[tuple[str, int]] = []

    def between(self, first: int, last: int) -> list[tuple[str, int]]:
        if not self._first <= first <= last < self._first + len(self._known):
            self._first, self._known = first, self._ledger.inputs(first, max(last, first + WINDOW - 1))
        return self._known[first - self._first : last - self._first + 1]
