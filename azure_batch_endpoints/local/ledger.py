"""The account of a job: every input file, every mini-batch's outcome and where its rows are, in one SQLite file.

Here: writing outcomes down in groups, what is still to do, counts and causes. Not here: scoring, files, a job's status.
Nothing is held in memory but a page of rows, however many inputs the job has.
"""

from __future__ import annotations

import json
import math
import sqlite3
import time
from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING

from azure_batch_endpoints.items import JobProgress
from azure_batch_endpoints.local.engines.base import Failure, Outcome, Part, RowFormat
from azure_batch_endpoints.local.ledger_file import LedgerFile
from azure_batch_endpoints.local.ledger_values import (
    SCHEMA,
    VERSION,
    Cause,
    FirstError,
    ItemRow,
    LedgerConflict,
    Reconciliation,
)
from azure_batch_endpoints.local.plan import InputItem, MiniBatch, mini_batch_count, plan

if TYPE_CHECKING:
    from typing_extensions import Self

CHUNK = 5000
"""Inputs written in one transaction."""
RATE_SECONDS = 30.0
"""How far back the rate of scoring looks."""
ITEMS = {
    None: "SELECT * FROM items WHERE idx > ?1 ORDER BY idx LIMIT ?2",
    "pending": "SELECT * FROM items WHERE idx > ?1 AND status = 'pending' ORDER BY idx LIMIT ?2",
    "succeeded": "SELECT * FROM items WHERE idx > ?1 AND status = 'succeeded' ORDER BY idx LIMIT ?2",
    "failed": "SELECT * FROM items WHERE idx > ?1 AND idx IN (SELECT idx FROM failures) ORDER BY idx LIMIT ?2",
}
"""By status."""


class Ledger:
    """One job's account. Thread-safe; what was recorded stays recorded, and opening it again goes on from there."""

    def __init__(self, path: Path, mini_batch_size: int | None = None) -> None:
        """Open or make the ledger at `path`.

        Args:
            path: the file; it and its two companions (-wal, -shm) belong to the ledger.
            mini_batch_size: files in a mini-batch; None: the ledger must exist.

        Raises:
            LedgerConflict: no ledger there and no size given, or a ledger of another size or version.
        """
        if mini_batch_size is None and not path.exists():
            raise LedgerConflict(f"There is no ledger '{path}'.")
        self._formats: dict[RowFormat, int] = {}
        self._opened = self._recorded = time.monotonic()
        self._first_recorded: float | None = None
        self._file = LedgerFile(path)
        try:
            self.mini_batch_size = self._prepare(mini_batch_size)
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

    # ------------------------------------------------------------------ listing

    @property
    def listed(self) -> int:
        """Inputs recorded so far."""
        return self._file.number("SELECT listed FROM job")

    @property
    def sealed(self) -> bool:
        """Whether all inputs are recorded."""
        return bool(self._file.number("SELECT sealed FROM job"))

    def add_inputs(self, items: Iterable[InputItem]) -> None:
        """Record inputs in listing order; those that are there already are passed over, so a listing may start again.

        Raises:
            LedgerConflict: an index is known with another path, or the next index is left out.
        """
        items = iter(items)
        while chunk := list(islice(items, CHUNK)):
            with self._file.transaction() as database:
                listed = self.listed
                self._check_known([item for item in chunk if item.index < listed])
                new = [item for item in chunk if item.index >= listed]
                if [item.index for item in new] != list(range(listed, listed + len(new))):
                    raise LedgerConflict(f"Inputs must be numbered on from {listed}; got {new[0].index}.")
                rows = ((item.index, item.path, item.source, item.size) for item in new)
                database.executemany("INSERT INTO inputs (idx, path, source, size) VALUES (?, ?, ?, ?)", rows)
                database.execute("UPDATE job SET listed = ?", (listed + len(new),))

    def seal(self) -> None:
        """Record that the listing is complete."""
        with self._file.transaction() as database:
            database.execute("UPDATE job SET sealed = 1")

    def pending(self, after: int = -1) -> Iterator[MiniBatch]:
        """Yield the mini-batches that are not finished, in plan order; while the listing goes on only full ones.

        Args:
            after: only mini-batches with a greater number.
        """
        size = self.mini_batch_size
        query = (
            "SELECT i.idx, i.path, i.source, i.size FROM inputs i CROSS JOIN job j WHERE i.idx > ?1"
            " AND NOT EXISTS (SELECT 1 FROM mini_batches m WHERE m.number = i.idx / j.mini_batch_size)"
            " AND (j.sealed OR i.idx < j.listed / j.mini_batch_size * j.mini_batch_size) ORDER BY i.idx LIMIT ?2"
        )
        return plan((InputItem(*row) for row in self._file.pages(query, (after + 1) * size - 1)), size)

    # ------------------------------------------------------------------ outcomes

    def record(self, outcomes: Sequence[Outcome]) -> None:
        """Write outcomes down in one transaction, on disk when this returns; a finished mini-batch stays as it is."""
        with self._file.transaction() as database:
            new = [outcome for outcome in outcomes if self._insert(database, outcome)]
            if new:
                self._count(database, new)

    def _insert(self, database: sqlite3.Connection, outcome: Outcome) -> bool:
        part = outcome.part
        place = (part.file, part.offset, part.length) if part else (None, None, None)
        row_format = None if outcome.row_format is None else self._format_id(database, outcome.row_format)
        cursor = database.execute(
            "INSERT INTO mini_batches VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING",
            (
                *(outcome.number, outcome.status, outcome.items, len(outcome.failed), outcome.attempts, outcome.worker),
                *(outcome.seconds, outcome.rows, *place, row_format),
            ),
        )
        if cursor.rowcount and outcome.failed:
            self._insert_failures(database, outcome)
        return cursor.rowcount > 0

    def _insert_failures(self, database: sqlite3.Connection, outcome: Outcome) -> None:
        failure = outcome.failure or Failure("Unknown", "")
        error = database.execute(
            "INSERT INTO errors (mini_batch, type, message, traceback, file, line) VALUES (?, ?, ?, ?, ?, ?)",
            (outcome.number, failure.type, failure.message, failure.traceback, failure.file, failure.line),
        ).lastrowid
        rows = ((index, error) for index in outcome.failed)
        database.executemany("INSERT INTO failures (idx, error) VALUES (?, ?)", rows)

    def _count(self, database: sqlite3.Connection, new: Sequence[Outcome]) -> None:
        items = sum(outcome.items for outcome in new)
        database.execute(
            "UPDATE job SET done = done + ?, failed = failed + ?, items_done = items_done + ?,"
            " items_failed = items_failed + ?, row_count = row_count + ?, rate = ?",
            (
                len(new),
                sum(outcome.status != "succeeded" for outcome in new),
                items,
                sum(len(outcome.failed) for outcome in new),
                sum(outcome.rows for outcome in new),
                self._rate(items),
            ),
        )

    def _rate(self, items: int) -> float:
        """Return items per second: the mean since the first outcome at first, later of about the last half minute."""
        now, before = time.monotonic(), self._recorded
        current = items / max(now - before, 1e-6)
        self._recorded = now
        if self._first_recorded is None:
            self._first_recorded = now
            return current
        passed = now - before
        weight = max(passed / max(now - self._first_recorded, 1e-6), 1 - math.exp(-passed / RATE_SECONDS))
        (rate,) = self._file.rows("SELECT rate FROM job")[0]
        return float(rate + weight * (current - rate))

    def _format_id(self, database: sqlite3.Connection, row_format: RowFormat) -> int:
        if row_format not in self._formats:
            values = (row_format.kind, json.dumps(row_format.columns))
            database.execute("INSERT INTO row_formats (kind, columns) VALUES (?, ?) ON CONFLICT DO NOTHING", values)
            query = "SELECT id FROM row_formats WHERE kind = ? AND columns = ?"
            self._formats[row_format] = self._file.number(query, values)
        return self._formats[row_format]

    # ------------------------------------------------------------------ questions

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

    def parts(self) -> Iterator[Part]:
        """Yield where the rows are, in plan order."""
        query = (
            "SELECT number, part, part_offset, part_length, row_count FROM mini_batches"
            " WHERE number > ?1 AND part IS NOT NULL ORDER BY number LIMIT ?2"
        )
        return (Part(*row[1:]) for row in self._file.pages(query, -1))

    def row_formats(self) -> list[RowFormat]:
        """Return the different kinds of rows that came, the first seen first."""
        rows = self._file.rows("SELECT kind, columns FROM row_formats ORDER BY id")
        return [RowFormat(kind, tuple((name, dtype) for name, dtype in json.loads(columns))) for kind, columns in rows]

    def first_error(self) -> FirstError | None:
        """Return the failure that was recorded first."""
        rows = self._file.rows(
            "SELECT e.type, e.message, e.traceback, e.file, e.line, e.mini_batch, i.path, m.attempts"
            " FROM errors e JOIN mini_batches m ON m.number = e.mini_batch JOIN failures f ON f.error = e.id"
            " JOIN inputs i ON i.idx = f.idx ORDER BY e.id, f.idx LIMIT 1"
        )
        return FirstError(Failure(*rows[0][:5]), *rows[0][5:]) if rows else None

    def causes(self, limit: int = 20) -> list[Cause]:
        """Return failures grouped by type and place in the user's code, those of the most files first."""
        rows = self._file.rows(
            "SELECT e.type, e.message, NULL, e.file, e.line, count(*), min(e.id)"  # message: SQLite takes min()'s row
            " FROM failures f JOIN errors e ON e.id = f.error GROUP BY e.type, e.file, e.line"
            " ORDER BY count(*) DESC, min(e.id) LIMIT ?",
            (limit,),
        )
        return [Cause(Failure(*row[:5]), row[5]) for row in rows]

    def reconcile(self, rows_written: int | None = None) -> Reconciliation:
        """Count everything again, row by row, and compare.

        Args:
            rows_written: rows that the writer put into the output; None: not compared.
        """
        with self._file.transaction():
            by_status: dict[str, int] = dict(self._file.rows("SELECT status, count(*) FROM items GROUP BY status"))
            counted = self._file.rows("SELECT count(*), sum(items), sum(failed), sum(row_count) FROM mini_batches")[0]
            kept = self._file.rows("SELECT done, items_done, items_failed, row_count, listed, sealed FROM job")[0]
        succeeded, failed, pending = (by_status.get(status, 0) for status in ("succeeded", "failed", "pending"))
        batches, items, items_failed, rows = (value or 0 for value in counted)
        inputs = succeeded + failed + pending
        checks = {
            f"{inputs} inputs are recorded, {kept[4]} were listed": inputs == kept[4],
            "the listing was not finished": bool(kept[5]),
            f"{succeeded + failed} inputs are done, mini-batches say {items}": succeeded + failed == items,
            f"{failed} inputs failed, mini-batches say {items_failed}": failed == items_failed,
            f"running counts {kept[:4]} differ": kept[:4] == (batches, items, items_failed, rows),
            f"{rows} rows were returned, {rows_written} written": rows_written in (None, rows),
        }
        problems = tuple(text for text, fine in checks.items() if not fine)
        return Reconciliation(inputs, succeeded, failed, pending, rows, problems)

    # ------------------------------------------------------------------ SQLite

    def _prepare(self, mini_batch_size: int | None) -> int:
        with self._file.transaction() as database:
            version = self._file.number("PRAGMA user_version")
            if version == 0 and mini_batch_size is not None:
                for statement in SCHEMA.split(";\n"):
                    database.execute(statement)
                database.execute("INSERT INTO job (id, mini_batch_size) VALUES (0, ?)", (mini_batch_size,))
            elif version != VERSION:
                raise LedgerConflict(f"The ledger is of version {version}; this release reads version {VERSION}.")
            size = self._file.number("SELECT mini_batch_size FROM job")
        if mini_batch_size not in (None, size):
            raise LedgerConflict(f"The ledger has mini-batches of {size} files, the job {mini_batch_size}.")
        return size

    def _check_known(self, items: Sequence[InputItem]) -> None:
        query = "SELECT path FROM inputs WHERE idx BETWEEN ? AND ? ORDER BY idx"
        known = self._file.rows(query, (items[0].index, items[-1].index)) if items else []
        for item, (path,) in zip(items, known, strict=True):
            if item.path != path:
                raise LedgerConflict(
                    f"Input {item.index} was '{path}' and is now '{item.path}': the input has changed."
                )
