"""What a job's ledger is made of: the tables, and the values that its questions are answered with.

Here: layout and frozen values. Not here: reading or writing them, which is `ledger`.

Only what went wrong costs a row of its own. An input is pending while its mini-batch is not in `mini_batches`, failed
when `failures` has it, else succeeded: a mini-batch that went well is one insert, however many files it has. The view
`items` shows it all to any tool.
"""

from __future__ import annotations

from dataclasses import dataclass

from azure_batch_endpoints.local.engines.base import Failure

VERSION = 1
"""Of the layout below; kept in the file."""
SCHEMA = """
PRAGMA user_version = 1;
CREATE TABLE job (
    id INTEGER PRIMARY KEY CHECK (id = 0), mini_batch_size INTEGER NOT NULL, sealed INTEGER NOT NULL DEFAULT 0,
    listed INTEGER NOT NULL DEFAULT 0, done INTEGER NOT NULL DEFAULT 0, failed INTEGER NOT NULL DEFAULT 0,
    items_done INTEGER NOT NULL DEFAULT 0, items_failed INTEGER NOT NULL DEFAULT 0,
    row_count INTEGER NOT NULL DEFAULT 0, rate REAL);
CREATE TABLE inputs (idx INTEGER PRIMARY KEY, path TEXT NOT NULL, source TEXT NOT NULL, size INTEGER NOT NULL);
CREATE TABLE mini_batches (
    number INTEGER PRIMARY KEY, status TEXT NOT NULL, items INTEGER NOT NULL, failed INTEGER NOT NULL,
    attempts INTEGER NOT NULL, worker TEXT, seconds REAL NOT NULL, row_count INTEGER NOT NULL,
    part TEXT, part_offset INTEGER, part_length INTEGER, row_format INTEGER REFERENCES row_formats (id));
CREATE TABLE row_formats (id INTEGER PRIMARY KEY, kind TEXT NOT NULL, columns TEXT NOT NULL, UNIQUE (kind, columns));
CREATE TABLE errors (
    id INTEGER PRIMARY KEY, mini_batch INTEGER NOT NULL, type TEXT NOT NULL, message TEXT NOT NULL, traceback TEXT,
    file TEXT, line INTEGER);
CREATE TABLE failures (idx INTEGER PRIMARY KEY, error INTEGER NOT NULL REFERENCES errors (id));
CREATE VIEW items AS
    SELECT i.idx AS idx, i.path AS path,
           CASE WHEN m.number IS NULL THEN 'pending' WHEN f.idx IS NULL THEN 'succeeded' ELSE 'failed' END
           AS status,
           i.idx / j.mini_batch_size AS mini_batch, coalesce(m.attempts, 0) AS attempts, m.worker AS worker,
           m.seconds AS seconds, e.type AS error_type, e.message AS error_message, e.traceback AS traceback
    FROM inputs i CROSS JOIN job j LEFT JOIN mini_batches m ON m.number = i.idx / j.mini_batch_size
    LEFT JOIN failures f ON f.idx = i.idx LEFT JOIN errors e ON e.id = f.error;
"""


class LedgerConflict(Exception):
    """The ledger is another than the one wanted: of other inputs, of another plan or of another version."""


@dataclass(frozen=True, slots=True)
class ItemRow:
    """What became of one input file; the fields of the client's `ItemOutcome`."""

    index: int
    path: str
    status: str
    mini_batch: int
    attempts: int
    worker: str | None
    seconds: float | None
    """Of the `run()` call that the file was in, on its last try."""
    error_type: str | None
    error_message: str | None
    traceback: str | None


@dataclass(frozen=True, slots=True)
class FirstError:
    """The failure that was recorded first."""

    failure: Failure
    mini_batch: int
    path: str
    """The first file that failed by it."""
    attempts: int


@dataclass(frozen=True, slots=True)
class Cause:
    """Failures of the same type at the same place."""

    failure: Failure
    """The first of them, without traceback."""
    items: int
    """Input files that failed by it."""

    def __str__(self) -> str:
        return f"{self.failure.summary}: {self.items} {'file' if self.items == 1 else 'files'}"


@dataclass(frozen=True, slots=True)
class Reconciliation:
    """The counts at the end of a job, counted again row by row."""

    inputs: int
    succeeded: int
    failed: int
    pending: int
    rows: int
    """As returned by `run()`."""
    problems: tuple[str, ...]

    @property
    def ok(self) -> bool:
        """Whether inputs = succeeded + failed + pending, rows written = rows returned and the running counts agree."""
        return not self.problems
