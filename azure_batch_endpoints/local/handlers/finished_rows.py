"""The rows of mini-batches as they finish, each once: what was read is in a cursor that outlives client and service."""

from __future__ import annotations

import base64
import os
import re
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from itertools import islice
from pathlib import Path
from typing import Any

from azure_batch_endpoints.local.exchange import WORKSPACE, Call, Entry, Reply
from azure_batch_endpoints.local.faults import ServiceFault, bad_request
from azure_batch_endpoints.local.handlers.jobs import find, ledger_of
from azure_batch_endpoints.local.ledger_reader import LedgerReader
from azure_batch_endpoints.local.ledger_values import RowUnit

_MOST_BYTES = 1024 * 1024
"""Of rows, in one answer."""
_MOST_ENTRIES = 1000
_CURSOR = re.compile(r"(?P<seen>\d+-\d+(?:,\d+-\d+)*)?(?:;(?P<first>\d+):(?P<offset>\d+))?")


@dataclass
class Cursor:
    """What was read of a job.

    Attributes:
        seen: mini-batches read whole, as ranges that neither touch nor overlap, ascending.
        first: first file of the mini-batch, or piece of one, that was read in part or comes next in it; None: no part.
        offset: bytes read of its rows.
    """

    seen: list[tuple[int, int]] = field(default_factory=list)
    first: int | None = None
    offset: int = 0

    @classmethod
    def read(cls, text: str) -> Cursor:
        """Read what an answer said.

        Raises:
            ServiceFault: 400, no answer said it.
        """
        found = _CURSOR.fullmatch(text)
        if found is None:
            raise bad_request(f"'after={text[:100]}' is no cursor. Send the 'cursor' of the last answer, or none.")
        ranges = [one.split("-") for one in filter(None, (found["seen"] or "").split(","))]
        first = None if found["first"] is None else int(found["first"])
        return cls([(int(low), int(high)) for low, high in ranges], first, int(found["offset"] or 0))

    def __str__(self) -> str:
        """Return it as text."""
        at = "" if self.first is None else f";{self.first}:{self.offset}"
        return ",".join(f"{low}-{high}" for low, high in self.seen) + at

    def add(self, number: int) -> None:
        """Note that a mini-batch was read whole."""
        self.first, self.offset = None, 0
        joined: list[tuple[int, int]] = []
        for low, high in sorted([*self.seen, (number, number)]):
            if joined and low <= joined[-1][1] + 1:
                joined[-1] = (joined[-1][0], max(joined[-1][1], high))
            else:
                joined.append((low, high))
        self.seen = joined

    def gaps(self) -> Iterator[tuple[int, int]]:
        """Yield the ranges of mini-batches that were not read whole, the last one without end."""
        start = 0
        for low, high in self.seen:
            if start < low:
                yield start, low - 1
            start = high + 1
        yield start, 2**62


def finished(call: Call) -> Reply:
    """Answer with rows of finished mini-batches that were not read yet, in plan order, and the cursor behind them.

    `more` says that there are more already; `status` is that of the job before anything was looked up.
    """
    row = find(call.context, call.names["job"])
    cursor = Cursor.read(call.query.get("after", ""))
    sources = call.query.get("sources", "").lower() == "true"
    status = row.status.value
    ledger = ledger_of(call.context, row.name)
    if ledger is None:
        return Reply({"value": [], "cursor": str(cursor), "more": False, "status": status})
    with ledger:
        page = _Page(ledger, call.context.settings.job_folder(row.name) / "parts", cursor, sources=sources)
        more = page.fill()
    return Reply({"value": page.entries, "cursor": str(cursor), "more": more, "status": status})


class _Page:
    """One answer."""

    def __init__(self, ledger: LedgerReader, parts: Path, cursor: Cursor, *, sources: bool) -> None:
        self.entries: list[dict[str, Any]] = []
        self._ledger, self._parts, self._cursor, self._sources = ledger, parts, cursor, sources
        self._left = _MOST_BYTES

    @property
    def _full(self) -> bool:
        return self._left <= 0 or len(self.entries) >= _MOST_ENTRIES

    def fill(self) -> bool:
        """Take up rows; return whether there are more."""
        size = self._ledger.mini_batch_size
        if self._cursor.first is not None:  # what was begun first: whoever reads waits for the rest of it
            number = self._cursor.first // size
            if not self._take(number, self._ledger.units(self._cursor.first - 1)):
                return True
        for low, high in list(self._cursor.gaps()):
            # The numbers first: rows of what finishes after that are passed over, and come with the next answer.
            numbers = [one for one in islice(self._ledger.finished(low - 1), _MOST_ENTRIES) if one <= high]
            if numbers and self._gap(numbers, self._ledger.units(low * size - 1)):
                return True
        return False

    def _gap(self, numbers: list[int], units: Iterator[RowUnit]) -> bool:
        size, coming = self._ledger.mini_batch_size, next(units, None)
        for number in numbers:
            mine: list[RowUnit] = []
            while coming is not None and coming.first < (number + 1) * size:
                if coming.first >= number * size:
                    mine.append(coming)
                coming = next(units, None)
            if not self._take(number, iter(mine)):
                return True
        return len(numbers) == _MOST_ENTRIES

    def _take(self, number: int, units: Iterator[RowUnit]) -> bool:
        """Take the rows of a mini-batch; return whether all of them found room."""
        end = (number + 1) * self._ledger.mini_batch_size
        for unit in units:
            if unit.first >= end:
                break
            offset = self._cursor.offset if self._cursor.first == unit.first else 0
            while offset < unit.part.length:
                if self._full:
                    self._cursor.first, self._cursor.offset = unit.first, offset
                    return False
                length = min(unit.part.length - offset, max(self._left, 1))
                self._add(unit, offset, length)
                offset += length
        self._cursor.add(number)
        return True

    def _add(self, unit: RowUnit, offset: int, length: int) -> None:
        data = _read(self._parts / unit.part.file, unit.part.offset + offset, length)
        self._left -= length
        told: dict[str, Any] = {
            **{"rows": unit.part.rows, "bytes": unit.part.length, "offset": offset},
            "last": offset + length == unit.part.length,
            "format": None if unit.row_format is None else asdict(unit.row_format),
            "data": base64.b64encode(data).decode(),
        }
        if self._sources:
            told["files"] = [path for path, _ in self._ledger.inputs(unit.first, unit.last)]
            told["sources"] = None if unit.sources is None else list(unit.sources)
        self.entries.append(told)


def _read(path: Path, offset: int, length: int) -> bytes:
    try:
        descriptor = os.open(path, os.O_RDONLY)
        try:
            data = os.pread(descriptor, length, offset)
        finally:
            os.close(descriptor)
    except FileNotFoundError:
        data = b""
    if len(data) != length:
        text = f"The rows in '{path.name}' are gone: read the job's output, or invoke the deployment again."
        raise ServiceFault(404, "LedgerGone", text)
    return data


ENTRIES = (Entry("GET", WORKSPACE + "/jobs/{job}/rows/finished", finished),)
