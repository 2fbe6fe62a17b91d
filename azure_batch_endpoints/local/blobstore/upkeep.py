"""Upkeep of a blob store beside its work: syncing journaled files, removing discarded ones, sweeping after a crash.

Small contents are durable through the index's journal (one sync for the whole group of puts); this thread later
syncs their plain files and empties the journal, so that it stays small. Blocks abandoned for a week go, too.
"""

from __future__ import annotations

import logging
import sqlite3
import threading
import time
from collections.abc import Callable

from azure_batch_endpoints.local.blobstore import index
from azure_batch_endpoints.local.blobstore.commits import GroupCommit, Transaction, now_ticks
from azure_batch_endpoints.local.blobstore.files import ContentFiles

_log = logging.getLogger("azure_batch_endpoints.local.blobstore")

_FLUSH_SECONDS = 5.0
_FLUSH_COUNT = 20_000
_FLUSH_BYTES = 64 << 20
_TIDY_SECONDS = 3600.0
_ABANDONED_TICKS = 7 * 24 * 3600 * 10_000_000
JOURNALS = ("journal_0", "journal_1")


class Upkeep:
    """The thread that tidies up.

    Args:
        files: The content files.
        journaled: Contents that are still in the journal from before.
    """

    def __init__(self, files: ContentFiles, journaled: list[int]) -> None:
        self._files = files
        self._lock = threading.Lock()
        self._journaled = journaled
        self._bytes = 0
        self._discarded: list[int] = []
        self._wake = threading.Event()
        self._ending = False
        self._thread: threading.Thread | None = None

    def committed(self, transaction: Transaction) -> None:
        """Take note of what a transaction wrote by journal and what it discarded."""
        with self._lock:
            self._journaled += transaction.journaled
            self._bytes += transaction.journaled_bytes
            self._discarded += transaction.discarded
        if transaction.discarded or self._is_full():
            self._wake.set()

    def start(self, commits: GroupCommit, first: Callable[[], None] | None) -> None:
        """Begin; ``first`` is done before anything else (the sweep after a crash)."""
        self._thread = threading.Thread(target=self._run, args=(commits, first), name="blob-store-upkeep", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """End the thread. What is in the journal stays there, safely, for the next opening."""
        self._ending = True
        self._wake.set()
        if self._thread is not None:
            self._thread.join()
        self._guarded(self._remove)

    def _run(self, commits: GroupCommit, first: Callable[[], None] | None) -> None:
        if first is not None:
            self._guarded(first)
        flushed = time.monotonic()
        tidied = -_TIDY_SECONDS
        while not self._ending:
            if time.monotonic() - tidied >= _TIDY_SECONDS:
                self._guarded(lambda: commits.call(_drop_abandoned))
                tidied = time.monotonic()
            self._wake.wait(_FLUSH_SECONDS)
            self._wake.clear()
            self._guarded(self._remove)
            if time.monotonic() - flushed >= _FLUSH_SECONDS or self._is_full():
                self._guarded(lambda: self._flush(commits))
                flushed = time.monotonic()

    def _is_full(self) -> bool:
        return len(self._journaled) > _FLUSH_COUNT or self._bytes > _FLUSH_BYTES

    def _guarded(self, work: Callable[[], None]) -> None:
        # What fails here (a full disk, say) loses nothing and is done again later or at the next start.
        try:
            work()
        except (OSError, sqlite3.Error):
            _log.warning("upkeep of the blob store failed; it will be tried again", exc_info=True)

    def _remove(self) -> None:
        with self._lock:
            discarded, self._discarded = self._discarded, []
        for content in discarded:
            self._files.remove(content)

    def _flush(self, commits: GroupCommit) -> None:
        if not self._journaled or self._ending:
            return
        journal = commits.switch_journal()
        with self._lock:
            journaled, self._journaled, self._bytes = self._journaled, [], 0
        try:
            self._files.sync(journaled)
        except OSError:
            with self._lock:
                self._journaled += journaled
            raise
        commits.call(lambda transaction: _empty(transaction.connection, journal))


def recover(connection: sqlite3.Connection, files: ContentFiles) -> list[int]:
    """Write again the small contents whose files did not reach the disk.

    Returns:
        The contents that are in the journal; their files are there now, but not synced.
    """
    journaled: list[int] = []
    for journal in JOURNALS:
        rows = connection.execute(f"SELECT content, data FROM {journal}")  # noqa: S608  a constant name
        for content, data in rows:
            if index.is_live(connection, content):
                files.restore(content, data)
                journaled.append(content)
    return journaled


def _drop_abandoned(transaction: Transaction) -> None:
    """Drop the blocks that nobody made a blob of for a week."""
    before = (now_ticks() - _ABANDONED_TICKS,)
    rows = transaction.connection.execute("SELECT content FROM staged_blocks WHERE version < ?", before).fetchall()
    if rows:
        transaction.discarded.extend(row[0] for row in rows)
        transaction.connection.execute("DELETE FROM staged_blocks WHERE version < ?", before)


def sweep(connection: sqlite3.Connection, files: ContentFiles, stopped: Callable[[], bool]) -> int:
    """Remove the content files of earlier openings that no row points at.

    Returns:
        How many were removed.
    """
    removed = 0
    for content in files.earlier():
        if stopped():
            break
        if not index.is_live(connection, content):
            files.remove(content)
            removed += 1
    return removed


def _empty(connection: sqlite3.Connection, journal: str) -> None:
    connection.execute(f"DELETE FROM {journal}")  # noqa: S608  a constant name
