"""Which rows of a merged file are of which mini-batch: found by the digests that the driver took of their texts. Pure.

The service promises neither order nor single delivery of rows; found again, they are put into the order of the inputs,
each once, with their types and the files that they came from.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias
from zlib import adler32, crc32

from azure_batch_endpoints._cloud.account import Account, Try
from azure_batch_endpoints._cloud.outcomes import Outcomes
from azure_batch_endpoints._rows import differ
from azure_batch_endpoints._rows.runs import Run, distinct


@dataclass(frozen=True)
class CloudRows:
    """The rows of an instrumented job.

    Attributes:
        data: their text: in the order of the inputs and each once where every one was found again, else as it was.
        runs: which of them are of which form, and of which files; empty when some row was not found again.
        formats: the forms that occur.
    """

    data: bytes
    runs: Sequence[Run]
    formats: Sequence[Mapping[str, Any]]


_Names: TypeAlias = tuple[str, ...]
"""The files of a mini-batch below the input folder: what tells one from another."""


@dataclass(frozen=True)
class _Found:
    first: int
    start: int
    run: Run


class _Texts:
    """The texts of the mini-batches' rows by their digests, and which of them were found."""

    def __init__(self, tries: Sequence[Try], outcomes: Outcomes) -> None:
        self._waiting: dict[tuple[int, str], deque[_Names]] = {}
        self._sizes: dict[tuple[int, int], set[int]] = {}
        self._tries: dict[tuple[_Names, tuple[int, str]], Try] = {}
        self.taken: set[_Names] = set()
        for one in tries:
            end, names = one.end or {}, tuple(outcomes.names_of(one))
            size, head = int(end["size"]), end.get("head") or [0, 0]
            key = (size, str(end["digest"]))
            self._waiting.setdefault(key, deque()).append(names)
            self._tries.setdefault((names, key), one)
            self._sizes.setdefault((int(head[0]), int(head[1])), set()).add(size)

    def at(self, view: memoryview, start: int, line: int) -> list[tuple[int, str]]:
        """Return the texts that may begin here, the longest first; `line` bytes are the first line."""
        sizes = self._sizes.get((line, crc32(view[start : start + line])), ())
        keys = [_key(view, start, one) for one in sorted(sizes, reverse=True)]
        return [key for key in keys if key in self._waiting]

    def take(self, key: tuple[int, str]) -> Try | None:
        """Return a try with this text whose mini-batch was not found yet, and note that it is; None if there is none.

        In all, each try is looked at once: thousands of mini-batches may have the same text.
        """
        waiting = self._waiting[key]
        while waiting:
            names = waiting.popleft()
            if names not in self.taken:
                self.taken.add(names)
                return self._tries[names, key]
        return None


def rows_of(data: bytes, account: Account, outcomes: Outcomes) -> CloudRows:
    """Find the rows of each mini-batch in the text of a merged file."""
    ended = [one for one in account.tries if one.end and one.end.get("rows")]
    formats = distinct([_run(one, outcomes) for one in ended])
    found = None
    if all(one.end and one.end.get("digest") and one.end.get("size") for one in ended):
        expected = _expected(account, outcomes)
        # A short text may be how a longer one begins: which of the two stands there shows when all are found.
        searches = (_search(data, _Texts(ended, outcomes), outcomes, expected, new=new) for new in (True, False))
        found = next((one for one in searches if one is not None), None)
    if found is None:  # forms that differ cannot be told apart then
        return CloudRows(data, [], [] if differ(formats) else formats)
    found.sort(key=lambda one: one.first)
    text = b"".join([data[one.start : one.start + one.run.size] for one in found])
    return CloudRows(text, [one.run for one in found], formats)


def _expected(account: Account, outcomes: Outcomes) -> set[_Names]:
    """Return the mini-batches whose rows must be there: of one that came back whole, or as it did the last time."""
    last = {tuple(outcomes.names_of(one)): one for one in account.tries}
    counted = [one for one in account.tries if (one.end or {}).get("rows") and not outcomes.failed(one)]
    named = [(tuple(outcomes.names_of(one)), one) for one in counted]
    return {names for names, one in named if "missing" not in (one.end or {}) or last[names] is one}


def _search(data: bytes, texts: _Texts, outcomes: Outcomes, expected: set[_Names], *, new: bool) -> list[_Found] | None:
    """Go through the text; None when a row is of no mini-batch that was noted, or a mini-batch was not found.

    Args:
        data: the text.
        texts: of the mini-batches; none was found yet.
        outcomes: what the files are called.
        expected: mini-batches that must be found.
        new: where several texts fit, take one that was not found yet, and else the longest.
    """
    found: list[_Found] = []
    view, start = memoryview(data), 0
    while start < len(data):
        fitting = texts.at(view, start, (data.find(b"\n", start) + 1 or len(data)) - start)
        if not fitting:
            return None
        one = next(filter(None, map(texts.take, fitting if new else fitting[:1])), None)
        if one is not None:  # else it came twice
            found.append(_Found(outcomes.order[outcomes.names_of(one)[0]], start, _run(one, outcomes)))
        start += found[-1].run.size if one is not None else fitting[0][0]
    return found if expected <= texts.taken else None


def _key(view: memoryview, start: int, size: int) -> tuple[int, str]:
    part = view[start : start + size]
    return size, f"{crc32(part):08x}{adler32(part):08x}"


def _run(one: Try, outcomes: Outcomes) -> Run:
    end = one.end or {}
    form = {"kind": end.get("kind"), "columns": end.get("columns") or []}
    return Run(int(end.get("rows") or 0), int(end.get("size") or 0), form, outcomes.names_of(one), end.get("sources"))
