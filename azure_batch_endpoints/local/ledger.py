"""The account of a job, written: every input file, every mini-batch's outcome and where its rows are.

Here: writing outcomes down in groups, in one SQLite file. Not here: scoring, files, a job's status; questions are
`ledger_reader`'s, the tables `ledger_schema`'s.
"""

from __future__ import annotations

import json
import math
import sqlite3
import time
from collections.abc import Iterable, Sequence
from itertools import islice
from pathlib import Path

from azure_batch_endpoints.local.engines.base import Failure, Outcome, Piece, RowFormat
from azure_batch_endpoints.local.ledger_file import Row
from azure_batch_endpoints.local.ledger_reader import LedgerReader
from azure_batch_endpoints.local.ledger_values import LedgerConflict, kept
from azure_batch_endpoints.local.plan import InputItem

CHUNK = 5000
"""Inputs written in one transaction."""
RATE_SECONDS = 30.0
"""How far back the rate of scoring looks."""
KNOWN = 256
"""Errors, and kinds of rows, remembered: those that come again and again are kept once and looked up seldom."""


class Ledger(LedgerReader):
    """One job's account. Thread-safe; what was recorded stays recorded, and opening it again goes on from there."""

    def __init__(self, path: Path, mini_batch_size: int | None = None) -> None:
        super().__init__(path, mini_batch_size)
        self._format_ids: dict[RowFormat, int] = {}
        self._errors: dict[Failure, int] = {}
        self._recorded = time.monotonic()
        self._first_recorded: float | None = None

    # ------------------------------------------------------------------ the job, its inputs

    def note_facts(self, **facts: str | None) -> None:
        """Keep what the job is, so that the ledger tells it by itself: its name, its deployment, times."""
        with self._file.transaction() as database:
            database.executemany("INSERT OR REPLACE INTO facts (name, value) VALUES (?, ?)", facts.items())

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
                rows = ((item.index, item.path, item.source, item.size, item.origin) for item in new)
                query = "INSERT INTO inputs (idx, path, source, size, origin) VALUES (?, ?, ?, ?, ?)"
                database.executemany(query, rows)
                database.execute("UPDATE job SET listed = ?", (listed + len(new),))

    def seal(self) -> None:
        """Record that the listing is complete."""
        with self._file.transaction() as database:
            database.execute("UPDATE job SET sealed = 1")

    # ------------------------------------------------------------------ outcomes

    def record(self, outcomes: Sequence[Outcome]) -> None:
        """Write outcomes down in one transaction, on disk when this returns; a finished mini-batch stays as it is.

        If it raises, nothing of them is written, and it can be done again.
        """
        with self._file.alone():  # nobody may use what is remembered of a transaction that was taken back
            try:
                with self._file.transaction() as database:
                    new = [outcome for outcome in outcomes if self._insert(database, outcome)]
                    if new:
                        self._count(database, new)
            except BaseException:
                self._format_ids.clear()
                self._errors.clear()
                raise

    def _insert(self, database: sqlite3.Connection, outcome: Outcome) -> bool:
        cursor = database.execute(
            "INSERT INTO mini_batches (number, status, items, failed, attempts, worker, seconds, row_count, part,"
            " part_offset, part_length, row_format, sources, started)"
            " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING",
            (outcome.number, outcome.status, outcome.items, *self._row(database, outcome), outcome.started),
        )
        if not cursor.rowcount:
            return False
        if outcome.tries:
            self._insert_tries(database, outcome)
        for piece in outcome.pieces:
            database.execute(
                "INSERT INTO pieces VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
                (piece.first, piece.last, outcome.number, *self._row(database, piece), piece.started),
            )
        for one in outcome.pieces or (outcome,):
            if one.failed:
                self._insert_failures(database, one)
        return True

    def _row(self, database: sqlite3.Connection, outcome: Outcome | Piece) -> Row:
        part = outcome.part
        place = (part.file, part.offset, part.length) if part else (None, None, None)
        row_format = None if outcome.row_format is None else self._format_id(database, outcome.row_format)
        sources = kept(outcome.sources) if part else None
        counts = (len(outcome.failed), outcome.attempts, outcome.worker, outcome.seconds, outcome.rows)
        return (*counts, *place, row_format, sources)

    def _insert_tries(self, database: sqlite3.Connection, outcome: Outcome) -> None:
        rows = [
            (outcome.number, one.number, one.worker, one.seconds, self._error_id(database, one.failure), one.started)
            for one in outcome.tries
        ]
        query = "INSERT INTO tries (mini_batch, number, worker, seconds, error, started) VALUES (?, ?, ?, ?, ?, ?)"
        database.executemany(query, rows)

    def _insert_failures(self, database: sqlite3.Connection, outcome: Outcome | Piece) -> None:
        error = self._error_id(database, outcome.failure or Failure("Unknown", ""))
        rows = ((index, error) for index in outcome.failed)
        database.executemany("INSERT INTO failures (idx, error) VALUES (?, ?)", rows)
        query = "UPDATE job SET first_failed = ? WHERE first_failed IS NULL"
        database.execute(query, (outcome.failed[0],))

    def _error_id(self, database: sqlite3.Connection, failure: Failure) -> int:
        """Return the number of an error; one that comes again soon is not kept twice."""
        if failure not in self._errors:
            if len(self._errors) == KNOWN:
                self._errors.clear()
            cursor = database.execute(
                "INSERT INTO errors (type, message, traceback, file, line) VALUES (?, ?, ?, ?, ?)",
                (failure.type, failure.message, failure.traceback, failure.file, failure.line),
            )
            self._errors[failure] = cursor.lastrowid or 0
        return self._errors[failure]

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
        if rate is None:  # what was written before did not find room on the disk
            return current
        return float(rate + weight * (current - rate))

    def _format_id(self, database: sqlite3.Connection, row_format: RowFormat) -> int:
        if row_format not in self._format_ids:
            if len(self._format_ids) == KNOWN:
                self._format_ids.clear()
            values = (row_format.kind, json.dumps(row_format.columns))
            database.execute("INSERT INTO row_formats (kind, columns) VALUES (?, ?) ON CONFLICT DO NOTHING", values)
            query = "SELECT id FROM row_formats WHERE kind = ? AND columns = ?"
            self._format_ids[row_format] = self._file.number(query, values)
        return self._format_ids[row_format]

    def _check_known(self, items: Sequence[InputItem]) -> None:
        query = "SELECT path FROM inputs WHERE idx BETWEEN ? AND ? ORDER BY idx"
        known = self._file.rows(query, (items[0].index, items[-1].index)) if items else []
        for item, (path,) in zip(items, known, strict=True):
            if item.path != path:
                raise LedgerConflict(
                    f"Input {item.index} was '{path}' and is now '{item.path}': the input has changed."
                )
