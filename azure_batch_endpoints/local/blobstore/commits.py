"""Group commit: one thread runs all changes of the index, many in one transaction. Knows nothing of what they do.

A change is a function of a :class:`Transaction`. Whoever asked for it hears of its success only once the transaction
that holds it is safely on the disk; the requests that arrive meanwhile form the next group, so the cost of syncing
is shared among all who wait.
"""

from __future__ import annotations

import asyncio
import concurrent.futures
import contextlib
import os
import queue
import sqlite3
import threading
import time
from collections.abc import Callable, Iterable
from typing import Any, TypeVar

from azure_batch_endpoints.local.blobstore.failures import BlobError
from azure_batch_endpoints.local.blobstore.files import ContentFiles, sync_fd

T = TypeVar("T")
_TICKS_1970 = 621_355_968_000_000_000
_GROUP = 256


class Transaction:
    """What a change may use: the connection, the content files, the time, and what is to happen around the commit.

    A change looks first and writes afterwards: a :class:`BlobError` must be raised before its first write. ``made`` are
    the content files it wrote, which go when the transaction fails.
    """

    def __init__(
        self, connection: sqlite3.Connection, files: ContentFiles, journal: str, now: Callable[[], int]
    ) -> None:
        self.connection = connection
        self.files = files
        self.now = now
        self.made: list[int] = []
        self.journaled: list[int] = []
        self.journaled_bytes = 0
        self.discarded: list[int] = []
        self._insert = f"INSERT INTO {journal} VALUES (?, ?)"  # noqa: S608  one of two constant table names
        self._open: list[int] = []

    def write(self, content: int, data: bytes) -> None:
        """Write a small content file. The transaction itself makes its bytes durable."""
        self.made.append(content)
        self.journaled.append(content)
        self.journaled_bytes += len(data)
        self.files.write(content, data)
        self.connection.execute(self._insert, (content, data))

    def discard(self, content: int) -> None:
        """Remove a content file, but only after the commit."""
        self.discarded.append(content)

    def sync_before_commit(self, fd: int) -> None:
        """Sync and close a file before the commit says that its bytes are there."""
        self._open.append(fd)

    def sync(self) -> None:
        """Sync and close what was handed to :meth:`sync_before_commit`."""
        while self._open:
            fd = self._open.pop()
            try:
                sync_fd(fd)
            finally:
                os.close(fd)


Change = Callable[[Transaction], T]


class _Task:
    """A change on its way, and who waits for it."""

    __slots__ = ("change", "error", "future", "loop", "result")

    def __init__(self, change: Change[Any], loop: asyncio.AbstractEventLoop | None) -> None:
        self.change = change
        self.loop = loop
        self.future: asyncio.Future[Any] | concurrent.futures.Future[Any]
        self.future = concurrent.futures.Future() if loop is None else loop.create_future()
        self.result: Any = None
        self.error: BaseException | None = None

    def resolve(self) -> None:
        if self.future.done():
            return
        if self.error is not None:
            self.future.set_exception(self.error)
        else:
            self.future.set_result(self.result)


class GroupCommit:
    """The thread that changes the index.

    Args:
        connection: The only connection that writes.
        files: The content files.
        committed: Told of each transaction after its commit.
    """

    def __init__(
        self,
        connection: sqlite3.Connection,
        files: ContentFiles,
        committed: Callable[[Transaction], None],
    ) -> None:
        self._connection = connection
        self._files = files
        self._committed = committed
        self._journal = "journal_0"
        self._last_version = 0
        self._tasks: queue.SimpleQueue[_Task | None] = queue.SimpleQueue()
        self._closed = False
        self._thread = threading.Thread(target=self._run, name="blob-store-commit", daemon=True)
        self._thread.start()

    def call(self, change: Change[T]) -> T:
        """Run a change and wait, from any thread but an event loop's.

        Raises:
            BlobError: The change was refused.
            RuntimeError: The store is closed.
        """
        task = self._submit(change, None)
        result: T = task.future.result()
        return result

    async def run(self, change: Change[T]) -> T:
        """Run a change and wait, from an event loop. Raises as :meth:`call`."""
        task = self._submit(change, asyncio.get_running_loop())
        result: T = await task.future  # type: ignore[misc]  # an asyncio future when there is a loop
        return result

    def switch_journal(self) -> str:
        """Let later changes write to the other journal.

        Returns:
            The one written to so far; complete and committed when this returns.
        """

        def change(_: Transaction) -> str:
            previous = self._journal
            self._journal = "journal_1" if previous == "journal_0" else "journal_0"
            return previous

        return self.call(change)

    def close(self) -> None:
        """Finish what was submitted, then end the thread."""
        self._closed = True
        self._tasks.put(None)
        self._thread.join()

    def _submit(self, change: Change[Any], loop: asyncio.AbstractEventLoop | None) -> _Task:
        if self._closed:
            raise RuntimeError("the blob store is closed")
        task = _Task(change, loop)
        self._tasks.put(task)
        return task

    def _run(self) -> None:
        while (task := self._tasks.get()) is not None:
            group, last = self._gather(task)
            self._commit(group)
            _deliver(group)
            if last:
                return

    def _next_version(self) -> int:
        # The time in ticks, but never the same twice: it is also the ETag.
        self._last_version = max(self._last_version + 1, now_ticks())
        return self._last_version

    def _gather(self, first: _Task) -> tuple[list[_Task], bool]:
        group = [first]
        while len(group) < _GROUP:
            try:
                task = self._tasks.get_nowait()
            except queue.Empty:
                break
            if task is None:
                return group, True
            group.append(task)
        return group, False

    def _commit(self, group: list[_Task]) -> None:
        transaction = Transaction(self._connection, self._files, self._journal, self._next_version)
        try:
            self._apply(transaction, group)
        except Exception as error:  # noqa: BLE001  whatever went wrong belongs to whoever waits
            self._undo(transaction)
            self._commit_apart(group, error)
            return
        self._committed(transaction)

    def _undo(self, transaction: Transaction) -> None:
        # What fails here fails no one else: a transaction that is left open is rolled back by the next one's start.
        with contextlib.suppress(sqlite3.Error):
            if self._connection.in_transaction:
                self._connection.execute("ROLLBACK")
        with contextlib.suppress(OSError):  # the sweep of a later start removes them
            _remove(self._files, transaction.made)

    def _commit_apart(self, group: list[_Task], error: Exception) -> None:
        # One change failed for a reason of its own (a full disk, a defect): it must not take the others along.
        if len(group) == 1:
            group[0].error = error
            return
        for task in group:
            self._commit([task])

    def _apply(self, transaction: Transaction, group: list[_Task]) -> None:
        if self._connection.in_transaction:
            self._connection.execute("ROLLBACK")
        self._connection.execute("BEGIN IMMEDIATE")
        try:
            for task in group:
                task.error = None
                try:
                    task.result = task.change(transaction)
                except BlobError as error:
                    task.error = error
        finally:
            transaction.sync()
        self._connection.execute("COMMIT")


def now_ticks() -> int:
    """The time in .NET ticks."""
    return time.time_ns() // 100 + _TICKS_1970


def _remove(files: ContentFiles, contents: Iterable[int]) -> None:
    for content in contents:
        files.remove(content)


def _deliver(group: list[_Task]) -> None:
    waiting: dict[asyncio.AbstractEventLoop, list[_Task]] = {}
    for task in group:
        if task.loop is None:
            task.resolve()
        else:
            waiting.setdefault(task.loop, []).append(task)
    for loop, tasks in waiting.items():
        if not loop.is_closed():
            loop.call_soon_threadsafe(_resolve, tasks)


def _resolve(tasks: list[_Task]) -> None:
    for task in tasks:
        task.resolve()
