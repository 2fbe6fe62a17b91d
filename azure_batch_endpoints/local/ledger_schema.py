"""The tables of a ledger file, and how a file of an earlier layout becomes one of today's.

Only what went wrong costs a row of its own. An input is pending while its mini-batch is not in `mini_batches`, failed
when `failures` has it, else succeeded: a mini-batch that went well is one insert, however many files it has. One that
was split has a row in `pieces` for each run of its files. The view `items` shows it all to any tool.
"""

from __future__ import annotations

import sqlite3

from azure_batch_endpoints.local.ledger_file import LedgerFile
from azure_batch_endpoints.local.ledger_values import LedgerConflict

VERSION = 3
"""Of the layout below; kept in the file."""
_NEW_IN_2 = """
CREATE TABLE facts (name TEXT PRIMARY KEY, value TEXT) WITHOUT ROWID;
CREATE TABLE errors (
    id INTEGER PRIMARY KEY, type TEXT NOT NULL, message TEXT NOT NULL, traceback TEXT, file TEXT, line INTEGER);
CREATE TABLE failures (idx INTEGER PRIMARY KEY, error INTEGER NOT NULL REFERENCES errors (id));
CREATE TABLE tries (
    id INTEGER PRIMARY KEY, mini_batch INTEGER NOT NULL, number INTEGER NOT NULL, worker TEXT, seconds REAL NOT NULL,
    error INTEGER NOT NULL REFERENCES errors (id));
CREATE TABLE pieces (
    first INTEGER PRIMARY KEY, last INTEGER NOT NULL, mini_batch INTEGER NOT NULL, failed INTEGER NOT NULL,
    attempts INTEGER NOT NULL, worker TEXT, seconds REAL NOT NULL, row_count INTEGER NOT NULL,
    part TEXT, part_offset INTEGER, part_length INTEGER, row_format INTEGER REFERENCES row_formats (id), sources TEXT);
CREATE VIEW items AS
    SELECT i.idx AS idx, i.path AS path,
           CASE WHEN m.number IS NULL THEN 'pending' WHEN f.idx IS NULL THEN 'succeeded' ELSE 'failed' END
           AS status,
           i.idx / j.mini_batch_size AS mini_batch, coalesce(p.attempts, m.attempts, 0) AS attempts,
           CASE WHEN p.first IS NULL THEN m.worker ELSE p.worker END AS worker,
           coalesce(p.seconds, m.seconds) AS seconds, e.type AS error_type, e.message AS error_message,
           e.traceback AS traceback, e.file || coalesce(':' || e.line, '') AS error_place, i.size AS size,
           coalesce(p.row_count, m.row_count) AS row_count
    FROM inputs i CROSS JOIN job j LEFT JOIN mini_batches m ON m.number = i.idx / j.mini_batch_size
    LEFT JOIN pieces p ON p.first = (SELECT max(q.first) FROM pieces q WHERE q.first <= i.idx) AND p.last >= i.idx
    LEFT JOIN failures f ON f.idx = i.idx LEFT JOIN errors e ON e.id = f.error"""
_FROM_2 = """
ALTER TABLE mini_batches ADD COLUMN started REAL;
ALTER TABLE tries ADD COLUMN started REAL;
ALTER TABLE pieces ADD COLUMN started REAL;
PRAGMA user_version = 3"""
_LAYOUT = (
    """
CREATE TABLE job (
    id INTEGER PRIMARY KEY CHECK (id = 0), mini_batch_size INTEGER NOT NULL, sealed INTEGER NOT NULL DEFAULT 0,
    listed INTEGER NOT NULL DEFAULT 0, done INTEGER NOT NULL DEFAULT 0, failed INTEGER NOT NULL DEFAULT 0,
    items_done INTEGER NOT NULL DEFAULT 0, items_failed INTEGER NOT NULL DEFAULT 0,
    row_count INTEGER NOT NULL DEFAULT 0, rate REAL, first_failed INTEGER);
CREATE TABLE inputs (
    idx INTEGER PRIMARY KEY, path TEXT NOT NULL, source TEXT NOT NULL, size INTEGER NOT NULL, origin INTEGER);
CREATE TABLE mini_batches (
    number INTEGER PRIMARY KEY, status TEXT NOT NULL, items INTEGER NOT NULL, failed INTEGER NOT NULL,
    attempts INTEGER NOT NULL, worker TEXT, seconds REAL NOT NULL, row_count INTEGER NOT NULL,
    part TEXT, part_offset INTEGER, part_length INTEGER, row_format INTEGER REFERENCES row_formats (id), sources TEXT);
CREATE TABLE row_formats (id INTEGER PRIMARY KEY, kind TEXT NOT NULL, columns TEXT NOT NULL, UNIQUE (kind, columns));"""
    + _NEW_IN_2
    + ";"
    + _FROM_2
)
_FROM_1 = (
    """
DROP VIEW items;
ALTER TABLE errors RENAME TO errors_1;
ALTER TABLE failures RENAME TO failures_1;
ALTER TABLE job ADD COLUMN first_failed INTEGER;
ALTER TABLE inputs ADD COLUMN origin INTEGER;
ALTER TABLE mini_batches ADD COLUMN sources TEXT;
UPDATE mini_batches SET sources = CASE WHEN items = 1 THEN '0' ELSE '?' END WHERE part IS NOT NULL;"""
    + _NEW_IN_2
    + """;
INSERT INTO errors SELECT id, type, message, traceback, file, line FROM errors_1 ORDER BY id;
INSERT INTO failures SELECT idx, error FROM failures_1 ORDER BY idx;
UPDATE job SET first_failed = (SELECT min(idx) FROM failures WHERE error = (SELECT min(id) FROM errors));
DROP TABLE failures_1;
DROP TABLE errors_1;"""
    + _FROM_2
)


def prepare(file: LedgerFile, mini_batch_size: int | None) -> int:
    """Lay out a new file, or bring an older one up to date, in one transaction.

    Args:
        file: the ledger's.
        mini_batch_size: files in a mini-batch; None: as the file says.

    Returns:
        the size of the file's mini-batches.

    Raises:
        LedgerConflict: the file is of another size, or of a layout that is not known.
    """
    if _version(file) != VERSION:
        with file.transaction() as database:  # and look again: another one may have been quicker
            _lay_out(database, _version(file), mini_batch_size)
    size = file.number("SELECT mini_batch_size FROM job")
    if mini_batch_size not in (None, size):
        raise LedgerConflict(f"The ledger has mini-batches of {size} files, the job {mini_batch_size}.")
    return size


def _lay_out(database: sqlite3.Connection, version: int, mini_batch_size: int | None) -> None:
    if version == 0 and mini_batch_size is not None:
        _run(database, _LAYOUT)
        database.execute("INSERT INTO job (id, mini_batch_size) VALUES (0, ?)", (mini_batch_size,))
    elif version == 1:
        _run(database, _FROM_1)
    elif version == 2:
        _run(database, _FROM_2)
    elif version != VERSION:
        raise LedgerConflict(f"The ledger is of version {version}; this release reads version {VERSION}.")


def _run(database: sqlite3.Connection, script: str) -> None:
    for statement in script.split(";\n"):  # executescript() would commit
        database.execute(statement)


def _version(file: LedgerFile) -> int:
    return file.number("PRAGMA user_version")
