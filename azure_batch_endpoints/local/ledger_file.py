"""The SQLite file under a ledger: one connection for all threads, transactions, and reading in pages.

Here: how to read and write. Not here: what.
"""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeAlias

PAGE = 1000
"""Rows read at once: bounds memory and how long the lock is held."""

Row: TypeAlias = tuple[Any, ...]


class LedgerFile:
    """A SQLite file in WAL mode; what a transaction wrote is on disk when it ends."""

    def __init__(self, path: Path) -> None:
        self._lock = threading.RLock()
        self._connection = sqlite3.connect(path, isolation_level=None, check_same_thread=False, timeout=30)
        self._connection.execute("PRAGMA journal_mode = WAL")
        self._connection.execute("PRAGMA synchronous = FULL")

    def close(self) -> None:
        """Close the file."""
        with self._lock:
            self._connection.close()

    @contextmanager
    def alone(self) -> Iterator[None]:
        """Keep other threads away from the file."""
        with self._lock:
            yield

    @contextmanager
    def transaction(self) -> Iterator[sqlite3.Connection]:
        """Begin to write; all of it counts, or nothing if the block raises."""
        with self._lock:
            self._connection.execute("BEGIN IMMEDIATE")
            try:
                yield self._connection
                self._connection.execute("COMMIT")
            except BaseException:
                if self._connection.in_transaction:
                    self._connection.execute("ROLLBACK")
                raise

    def rows(self, query: str, values: Row = ()) -> list[Row]:
        """Return all rows of a query."""
        with self._lock:
            return self._connection.execute(query, values).fetchall()

    def number(self, query: str, values: Row = ()) -> int:
        """Return the number that a query gives."""
        return int(self.rows(query, values)[0][0])

    def pages(self, query: str, after: int) -> Iterator[Row]:
        """Yield rows of a query on ?1 (key, the first column, must be greater) and ?2 (most rows), a page at a time."""
        while rows := self.rows(query, (after, PAGE)):
            yield from rows
            after = rows[-1][0]
