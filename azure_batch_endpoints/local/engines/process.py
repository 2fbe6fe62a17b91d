"""The engine of one machine: worker processes, each with a mini-batch in work and perhaps some waiting.

Here: which mini-batch goes to which worker, and what workers say. Not here: how one process is talked to (`child`),
how many there are and their limits (`crew`), tries (`work`), where mini-batches come from (`feed`), what is kept of an
outcome (the ledger).

One thread, one selector: results, time limits, dead workers and the end are all seen in one loop, which runs between
two `next()` of the caller.
"""

from __future__ import annotations

import selectors
import threading
import time
from collections import deque
from collections.abc import Generator, Iterable, Iterator
from contextlib import closing

from azure_batch_endpoints.local.engines.base import Failure, Limits, Outcome, StagedBatch, WorkerSetup
from azure_batch_endpoints.local.engines.child import GARBLED, Child
from azure_batch_endpoints.local.engines.crew import Crew
from azure_batch_endpoints.local.engines.feed import Feed
from azure_batch_endpoints.local.engines.room import RoomWatch, is_for_want_of_room
from azure_batch_endpoints.local.engines.verdict import Reply, failure_of, lost, reported, scored
from azure_batch_endpoints.local.engines.work import Task, begin, end_try
from azure_batch_endpoints.local.logfiles import JobLogs

SHORT = 0.1
"""Mini-batches shorter than this, in seconds, are handed out ahead; of longer ones none waits behind another."""
AHEAD_SECONDS = 0.005
"""Work that waits in a worker's queue, if that is more than one mini-batch."""
MOST_AHEAD = 16
"""Mini-batches in a worker's queue."""
MOST_OPEN = 32
"""Mini-batches for each worker that have begun and have no outcome; above it those that failed once go first."""


class ProcessEngine:
    """Runs mini-batches in processes of this machine."""

    def __init__(self, setup: WorkerSetup, limits: Limits, logs: JobLogs) -> None:
        self._setup, self._limits, self._logs = setup, limits, logs

    def run(
        self, batches: Iterable[StagedBatch], cancel: threading.Event | None = None
    ) -> Generator[tuple[Outcome, ...], None, None]:
        """Score `batches`; see `Engine.run`. To stop early, close this generator or set `cancel`."""
        self._setup.parts_dir.mkdir(parents=True, exist_ok=True)
        self._setup.output_dir.mkdir(parents=True, exist_ok=True)
        with closing(_Run(self._setup, self._limits, self._logs, batches)) as run:
            yield from run.groups(cancel or threading.Event())


class _Run:
    """One call of `ProcessEngine.run`: where each mini-batch is."""

    def __init__(self, setup: WorkerSetup, limits: Limits, logs: JobLogs, batches: Iterable[StagedBatch]) -> None:
        self._limits, self._logs = limits, logs
        self._unsure: deque[Task] = deque()
        """What has failed and is tried again."""
        self._returned: deque[Task] = deque()
        """What waited behind a mini-batch that cost its worker the life."""
        self._open = 0
        """Mini-batches taken from the feed that have no outcome."""
        self._group: list[Outcome] = []
        self._group_since = 0.0
        self._pace: float | None = None
        self._room = RoomWatch(setup.parts_dir, logs)
        self._selector = selectors.DefaultSelector()
        self._crew = Crew(setup, limits, logs, self._selector)
        self._feed = Feed(batches, limits.ahead or max(64, 4 * limits.workers))
        self._selector.register(self._feed, selectors.EVENT_READ)

    # ------------------------------------------------------------------ the loop

    def groups(self, cancel: threading.Event) -> Iterator[tuple[Outcome, ...]]:
        """Yield outcomes until all mini-batches have one, or until `cancel` is set."""
        while not cancel.is_set():
            self._hand_out()
            done = self._is_done()
            if self._group and (done or self._group_is_due()):
                yield self._take_group()
            elif done:
                if self._crew.broken:
                    raise self._crew.broken
                self._feed.check()
                self._crew.stop(cancel)
                return
            else:
                self._wait()
        self._crew.kill_all()
        if self._group:
            yield self._take_group()

    def close(self) -> None:
        """Leave no process behind."""
        self._crew.close()
        self._feed.close()
        self._selector.close()
        self._logs.flush()

    def _is_done(self) -> bool:
        return self._crew.broken is not None or (not self._open and self._feed.finished)

    def _group_is_due(self) -> bool:
        age = time.monotonic() - self._group_since
        return len(self._group) >= self._limits.group_size or age >= self._limits.group_seconds

    def _take_group(self) -> tuple[Outcome, ...]:
        group, self._group = tuple(self._group), []
        self._logs.flush()
        return group

    def _wait(self) -> None:
        until = self._crew.look_at
        if self._group:
            until = min(until, self._group_since + self._limits.group_seconds)
        for key, events in self._selector.select(max(0.0, until - time.monotonic())):
            if isinstance(key.fileobj, Child):
                self._attend(key.fileobj, events)
            else:
                self._feed.answer()
        now = time.monotonic()
        if now >= self._crew.look_at:
            self._look_after_workers(now)

    # ------------------------------------------------------------------ handing out

    def _hand_out(self) -> None:
        crew = self._crew
        if crew.broken or not self._room.enough():
            return
        workers = crew.ready
        for child in workers:
            if not child.queue:
                self._give(child, 1)
        depth, began = self._depth(), time.monotonic() - SHORT
        for child in workers:
            if 2 * len(child.queue) <= depth and child.since > began:
                self._give(child, depth)
            child.connection.flush()
            if child.connection.has_unsent:
                self._selector.modify(child, selectors.EVENT_READ | selectors.EVENT_WRITE)
        if len(workers) < self._limits.workers:
            doomed = sum(bool(child.queue) and not child.is_up for child in crew.children)
            wanted = self._waiting + doomed
            crew.start(wanted or (0 if crew.children or self._feed.finished else 1))

    @property
    def _waiting(self) -> int:
        return len(self._unsure) + len(self._returned) + self._feed.waiting

    def _depth(self) -> int:
        """Return how many a worker may have: one if it could be long, and near the end, when others would be idle."""
        if self._pace is None or self._pace >= SHORT:
            return 1
        ahead = max(2, min(MOST_AHEAD, int(AHEAD_SECONDS / (self._pace + 1e-6))))
        return min(ahead, 1 + self._waiting // self._limits.workers)

    def _give(self, child: Child, depth: int) -> None:
        while len(child.queue) < depth:
            task = self._next_task()
            if task is None:
                return
            child.give(task)
            self._crew.look_at = min(self._crew.look_at, child.since + self._limits.timeout)

    def _next_task(self) -> Task | None:
        """Return what is next; tries that may fail again leave half of the workers to others while there are any."""
        if self._returned:
            return self._returned.popleft()
        if self._unsure and self._is_turn_of_unsure():
            return self._unsure.popleft()
        batch = self._feed.take()
        if batch is not None:
            self._open += 1
            return begin(batch, self._limits)
        return self._unsure.popleft() if self._unsure else None

    def _is_turn_of_unsure(self) -> bool:
        busy = sum(any(task.is_retry for task in child.queue) for child in self._crew.children)
        return 2 * busy < max(2, self._limits.workers) or self._open > MOST_OPEN * self._limits.workers

    # ------------------------------------------------------------------ what workers say

    def _attend(self, child: Child, events: int) -> None:
        if events & selectors.EVENT_WRITE:
            child.connection.flush()
            if not child.connection.has_unsent:
                self._selector.modify(child, selectors.EVENT_READ)
        if not events & selectors.EVENT_READ:
            return
        messages = child.connection.receive()
        for message in messages or ():
            self._hear(child, message)
        if child.connection.garbled:
            messages = None
            child.expel(GARBLED)
        if messages is None and child.left_at is None:
            child.left_at = self._crew.look_at = time.monotonic()
            self._selector.unregister(child)  # at its end it would be readable all the time

    def _hear(self, child: Child, message: Reply) -> None:
        if not child.is_up:
            return  # too late: this try is a time-out already
        if message["op"] == "born":
            self._crew.note_birth(child, message["pid"])
        elif message["op"] == "ready":
            self._crew.note_ready(child)
        elif message["op"] == "unusable":
            child.failure, child.invalid = reported(message), message["invalid"]
            child.kill()
        elif not child.queue or child.queue[0].batch.number != message["number"]:
            child.connection.garbled = True
        else:
            child.memory = message.get("memory")
            self._end_task(child, message)

    def _end_task(self, child: Child, reply: Reply) -> None:
        batch, seconds = child.queue[0].batch, reply["seconds"]
        started = time.time() - seconds
        try:
            failure = failure_of(reply, len(batch.items), self._limits.timeout)
            has_rows = failure is None or failure.type == "ShortReturn"
            outcome = (
                scored(batch, reply, child.segment, child.name, started)
                if has_rows
                else lost(batch, seconds, child.name, child.memory, started)
            )
        except (KeyError, IndexError, TypeError, ValueError):  # of other files, or what is no range
            child.connection.garbled = True
            return
        task = child.queue.popleft()
        child.since = time.monotonic()
        self._pace = seconds if self._pace is None else 0.8 * self._pace + 0.2 * seconds
        if is_for_want_of_room(reply) and self._room.wait():
            self._returned.append(task)
            return
        if outcome.part:
            self._room.found()
        self._judge(child, task, outcome, failure)

    def _judge(self, child: Child, task: Task, outcome: Outcome, failure: Failure | None) -> None:
        """End a try: the mini-batch is done, or it or its pieces go back to be tried again."""
        self._logs.attempt(
            child.name,
            f"{task.name}: {outcome.items} files, {outcome.succeeded} succeeded, {len(outcome.failed)} failed,"
            f" {outcome.rows} rows, {outcome.seconds:.3f} s, pid {child.worker_pid}",
        )
        if failure:
            self._logs.error(child.name, task.name, failure)
        again, done = end_try(task, outcome, failure, self._limits)
        self._unsure.extend(again)
        if done is not None:
            if not self._group:
                self._group_since = time.monotonic()
            self._group.append(done)
            self._open -= 1

    def _look_after_workers(self, now: float) -> None:
        for child in self._crew.children:
            if len(child.queue) > 1 and now - child.since > SHORT:  # what waits behind a long one need not
                self._returned.extend(child.take_back())
        for child in self._crew.look_after(now):
            if child.ready:
                while child.left_at is None and child.connection.has_more():  # what it said before it ended counts
                    self._attend(child, selectors.EVENT_READ)
                self._take_back(child)
            else:
                self._crew.note_bad_start(child)
            self._crew.forget(child)

    def _take_back(self, child: Child) -> None:
        """Charge a try to the mini-batch that was being scored; those behind it go back as they came."""
        running = child.queue.popleft() if child.queue else None
        self._returned.extend(child.queue)
        child.queue.clear()
        if running is None:
            self._logs.attempt(child.name, "ended while it had nothing to do")
            return
        seconds = time.monotonic() - child.since
        outcome = lost(running.batch, seconds, child.name, child.memory, time.time() - seconds)
        self._judge(child, running, outcome, child.cause())
