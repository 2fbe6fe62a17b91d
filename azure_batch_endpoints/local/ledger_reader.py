"""What a job's ledger is asked: what is to do, what became of the inputs, where the rows are, counts and causes.

Here: questions only. Writing is `ledger`'s matter, counting it all again `reconciling`'s.
Nothing is held in memory but a page of rows, however many inputs the job has.
"""

from __future__ import annotations

import heapq
import json
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING

from azure_batch_endpoints.items import JobProgress
from azure_batch_endpoints.local.engines.base import Failure, Part, RowFormat, Try
from azure_batch_endpoints.local.ledger_file import LedgerFile, Row
from azure_batch_endpoints.local.ledger_schema import prepare
from azure_batch_endpoints.local.ledger_values import (
    Cause,
    FailedTry,
    FirstError,
    ItemRow,
    LedgerConflict,
    MiniBatchRow,
    Reconciliation,
    RowUnit,
)
from azure_batch_endpoints.local.plan import InputItem, MiniBatch, mini_batch_count, plan
from azure_batch_endpoints.local.reconciling import reconcile
from azure_batch_endpoints.local.timeline import timeline

if TYPE_CHECKING:
    from typing_extensions import Self

    from azure_batch_endpoints._render.timeline import Timeline

_INPUT = "i.idx, i.path, i.source, i.size"
_PLACE = "failed, part, part_offset, part_length, row_count, row_format, sources"
ITEMS = {
    None: "SELECT * FROM items WHERE idx > ?1 ORDER BY idx LIMIT ?2",
    "pending": "SELECT * FROM items WHERE idx > ?1 AND status = 'pending' ORDER BY idx LIMIT ?2",
    "succeeded": "SELECT * FROM items WHERE idx > ?1 AND status = 'succeeded' ORDER BY idx LIMIT ?2",
    "failed": "SELECT i.* FROM (SELECT idx FROM failures WHERE idx > ?1 ORDER BY idx LIMIT ?2) f"
    " CROSS JOIN items i ON i.idx = f.idx ORDER BY f.idx",
}
"""By status."""
_SAME = ("path", "status", "size", "mini_batch", "attempts", "worker", "seconds")
_ERROR = ("error_type", "error_message", "error_place", "traceback")
LINE = {"index": "idx", **{name: name for name in _SAME}, "rows": "row_count", **{name: name for name in _ERROR}}
"""What a line tells of an input, and the column that says it."""
KNOWN_FORMATS = 256
"""Kinds of rows remembered while rows are gone through."""


class LedgerReader:
    """One job's account, to be asked. Thread-safe."""

    def __init__(self, path: Path, mini_batch_size: int | None = None) -> None:
        """Open or make the ledger at `path`; one of an earlier release is brought up to date.

        Args:
            path: the file; it and its two companions (-wal, -shm) belong to the ledger.
            mini_batch_size: files in a mini-batch; None: the ledger must exist.

        Raises:
            LedgerConflict: no ledger there and no size given, or a ledger of another size or version.
        """
        if mini_batch_size is None and not path.exists():
            raise LedgerConflict(f"There is no ledger '{path}'.")
        self._file = LedgerFile(path)
        try:
            self.mini_batch_size = prepare(self._file, mini_batch_size)
        except BaseException:
            self._file.close()
            raise

    def close(self) -> None:
        """Close the file."""
        self._file.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.close()

    # ------------------------------------------------------------------ the job and its inputs

    def facts(self) -> dict[str, str | None]:
        """What the job is, as it was noted."""
        return dict(self._file.rows("SELECT name, value FROM facts"))

    def require_child(self, name: str, child: str | None) -> None:
        """Check that this is the account of the job that is meant, not of a later one that was given its name.

        Args:
            name: the job's name.
            child: run id of its step; None: not known. Ledgers of an earlier version do not know their own.

        Raises:
            LedgerConflict: it is another job's.
        """
        if child is not None and (self.facts().get("child") or child) != child:
            raise LedgerConflict(f"The account of job '{name}' is gone: another job has that name now.")

    @property
    def listed(self) -> int:
        """Inputs recorded so far."""
        return self._file.number("SELECT listed FROM job")

    @property
    def sealed(self) -> bool:
        """Whether all inputs are recorded."""
        return bool(self._file.number("SELECT sealed FROM job"))

    def pending(self, after: int = -1) -> Iterator[MiniBatch]:
        """Yield the mini-batches that are not finished, in plan order; while the listing goes on only full ones.

        Args:
            after: only mini-batches with a greater number.
        """
        size = self.mini_batch_size
        query = (
            f"SELECT {_INPUT}, i.origin FROM inputs i CROSS JOIN job j WHERE i.idx > ?1"
            " AND NOT EXISTS (SELECT 1 FROM mini_batches m WHERE m.number = i.idx / j.mini_batch_size)"
            " AND (j.sealed OR i.idx < j.listed / j.mini_batch_size * j.mini_batch_size) ORDER BY i.idx LIMIT ?2"
        )
        return plan((InputItem(*row) for row in self._file.pages(query, (after + 1) * size - 1)), size)

    def unfinished(self, *, include_pending: bool) -> Iterator[InputItem]:
        """Yield the inputs that failed, in listing order, each with its index in the first job of the chain.

        Args:
            include_pending: also those that were listed and never scored.
        """
        failed = (
            f"SELECT {_INPUT}, coalesce(i.origin, i.idx) FROM failures f CROSS JOIN inputs i ON i.idx = f.idx"
            " WHERE f.idx > ?1 ORDER BY f.idx LIMIT ?2"
        )
        both = (
            f"SELECT {_INPUT}, coalesce(i.origin, i.idx) FROM inputs i CROSS JOIN job j"
            " LEFT JOIN mini_batches m ON m.number = i.idx / j.mini_batch_size LEFT JOIN failures f ON f.idx = i.idx"
            " WHERE i.idx > ?1 AND (m.number IS NULL OR f.idx IS NOT NULL) ORDER BY i.idx LIMIT ?2"
        )
        return (InputItem(*row) for row in self._file.pages(both if include_pending else failed, -1))

    def inputs(self, first: int, last: int) -> list[tuple[str, int]]:
        """Return path and index in the first job of the chain of the inputs from `first` to `last`."""
        query = "SELECT path, coalesce(origin, idx) FROM inputs WHERE idx BETWEEN ? AND ? ORDER BY idx"
        return [(path, origin) for path, origin in self._file.rows(query, (first, last))]

    # ------------------------------------------------------------------ what became of them

    def progress(self) -> JobProgress:
        """Return the counts; one row is read, however large the job is."""
        query = "SELECT sealed, listed, mini_batch_size, done, failed, items_done, items_failed, rate FROM job"
        sealed, listed, size, done, failed, items_done, items_failed, rate = self._file.rows(query)[0]
        left = listed - items_done
        return JobProgress(
            done=done,
            failed=failed,
            total=mini_batch_count(listed, size) if sealed else None,
            items_done=items_done,
            items_failed=items_failed,
            items_total=listed if sealed else None,
            items_per_second=rate,
            eta=left / rate if sealed and rate else None,
        )

    def items(self, status: str | None = None, after: int = -1, limit: int | None = None) -> Iterator[ItemRow]:
        """Yield what became of the inputs, in listing order, lazily.

        Args:
            status: only those "pending", "succeeded" or "failed"; None: all.
            after: only inputs with a greater index.
            limit: most rows; None: no limit.
        """
        return (ItemRow(*row) for row in islice(self._file.pages(ITEMS[status], after), limit))

    def mini_batches(self, after: int = -1, limit: int | None = None) -> Iterator[MiniBatchRow]:
        """Yield what became of the mini-batches that are finished, in plan order, lazily.

        Args:
            after: only mini-batches with a greater number.
            limit: most rows; None: no limit.
        """
        first, size = "f.idx BETWEEN m.number * ?3 AND m.number * ?3 + m.items - 1", self.mini_batch_size
        query = (
            "SELECT m.number, m.status, m.items, m.attempts, m.worker, m.started, m.seconds, (SELECT e.type"
            f" FROM failures f JOIN errors e ON e.id = f.error WHERE {first} ORDER BY f.idx LIMIT 1)"
            " FROM mini_batches m WHERE m.number > ?1 ORDER BY m.number LIMIT ?2"
        ).replace("?3", str(size))
        return (MiniBatchRow(*row) for row in islice(self._file.pages(query, after), limit))

    def timeline(self) -> Timeline:
        """Return when which worker had which mini-batch in work."""
        return timeline(self._file)

    def item_lines(self) -> Iterator[tuple[int, str]]:
        """Yield index and account of each input, the account as a line of JSON made by SQLite itself."""
        told = ", ".join(f"'{name}', {column}" for name, column in LINE.items())
        query = f"SELECT idx, json_object({told}) FROM items WHERE idx > ?1 ORDER BY idx LIMIT ?2"
        return ((index, line) for index, line in self._file.pages(query, -1))

    def first_error(self) -> FirstError | None:
        """Return the failure that was recorded first."""
        rows = self._file.rows(
            "SELECT e.type, e.message, e.traceback, e.file, e.line, i.mini_batch, i.path, i.attempts"
            " FROM job j JOIN failures f ON f.idx = j.first_failed JOIN errors e ON e.id = f.error"
            " JOIN items i ON i.idx = f.idx"
        )
        return FirstError(Failure(*rows[0][:5]), *rows[0][5:]) if rows else None

    def causes(self, limit: int = 20) -> list[Cause]:
        """Return failures grouped by type and place in the user's code, those of the most files first."""
        rows = self._file.rows(
            "SELECT e.type, e.message, NULL, e.file, e.line, sum(f.items), min(e.id)"  # message: of min()'s row
            " FROM (SELECT error, count(*) AS items FROM failures GROUP BY error) f JOIN errors e ON e.id = f.error"
            " GROUP BY e.type, e.file, e.line ORDER BY sum(f.items) DESC, min(e.id) LIMIT ?",
            (limit,),
        )
        return [Cause(Failure(*row[:5]), row[5]) for row in rows]

    def tries(self, after: int = 0, limit: int | None = None) -> Iterator[FailedTry]:
        """Yield every try that failed, in the order they were recorded, lazily.

        Args:
            after: only tries with a greater id.
            limit: most of them; None: no limit.
        """
        query = (
            "SELECT t.id, t.mini_batch, t.number, t.worker, t.seconds, e.type, e.message, e.traceback, e.file, e.line"
            " FROM tries t JOIN errors e ON e.id = t.error WHERE t.id > ?1 ORDER BY t.id LIMIT ?2"
        )
        for number, mini_batch, attempt, worker, seconds, *failure in islice(self._file.pages(query, after), limit):
            yield FailedTry(number, mini_batch, Try(attempt, worker, seconds, Failure(*failure)))

    def reconcile(
        self, rows_written: int | None = None, *, parts: Path | None = None, ended_early: bool = False
    ) -> Reconciliation:
        """Count everything again, row by row, and compare; see `reconciling.reconcile`."""
        return reconcile(self._file, rows_written=rows_written, parts=parts, ended_early=ended_early)

    # ------------------------------------------------------------------ rows

    def units(self, after: int = -1) -> Iterator[RowUnit]:
        """Yield the rows of each mini-batch, or of each piece of one that was split, in plan order, lazily.

        Args:
            after: only those whose first file has a greater index.
        """
        size = self.mini_batch_size
        batches = (
            f"SELECT number, number * {size}, number * {size} + items - 1, {_PLACE} FROM mini_batches"
            " WHERE number > ?1 AND part IS NOT NULL ORDER BY number LIMIT ?2"
        )
        pieces = (
            f"SELECT first, first, last, {_PLACE} FROM pieces"
            " WHERE first > ?1 AND part IS NOT NULL ORDER BY first LIMIT ?2"
        )
        known: dict[int, RowFormat] = {}

        def unit(row: Row) -> RowUnit:
            _, first, last, failed, file, offset, length, count, number, sources = row
            if number is not None and number not in known:
                if len(known) == KNOWN_FORMATS:
                    known.clear()
                known[number] = self._formats("WHERE id = ?", (number,))[0]
            row_format = None if number is None else known[number]
            return RowUnit(first, last, failed, Part(file, offset, length, count), row_format, sources)

        found = (self._file.pages(batches, after // size), self._file.pages(pieces, after))
        return heapq.merge(*(map(unit, rows) for rows in found), key=lambda one: one.first)

    def finished(self, after: int = -1) -> Iterator[int]:
        """Yield the numbers of the mini-batches that are finished, ascending, lazily."""
        query = "SELECT number FROM mini_batches WHERE number > ?1 ORDER BY number LIMIT ?2"
        return (number for (number,) in self._file.pages(query, after))

    def parts(self) -> Iterator[Part]:
        """Yield where the rows are, in plan order."""
        return (unit.part for unit in self.units())

    @property
    def row_count(self) -> int:
        """Rows that `run()` returned, kept or not."""
        return self._file.number("SELECT row_count FROM job")

    def row_formats(self, limit: int = -1) -> list[RowFormat]:
        """Return the different kinds of rows that came, the first seen first; at most `limit`, -1: all."""
        return self._formats("ORDER BY id LIMIT ?", (limit,))

    def _formats(self, which: str, values: Row) -> list[RowFormat]:
        rows = self._file.rows(f"SELECT kind, columns FROM row_formats {which}", values)
        return [RowFormat(kind, tuple((name, dtype) for name, dtype in json.loads(columns))) for kind, columns in rows]
