"""The engine of one machine: worker processes, each with a mini-batch in work and perhaps one waiting.

Here: which mini-batch goes to which worker, time limits, tries, replacement of workers. Not here: how one process is
talked to (`child`), where mini-batches come from (`feed`), what is kept of an outcome (the ledger).

One thread, one selector: results, time limits, dead workers and the end are all seen in one loop, which runs between
two `next()` of the caller.
"""

from __future__ import annotations

import selectors
import threading
import time
import uuid
from collections import deque
from collections.abc import Generator, Iterable, Iterator
from contextlib import closing, suppress
from dataclasses import replace
from pathlib import Path

from azure_batch_endpoints.local.engines.base import (
    EngineError,
    Failure,
    InitFailed,
    Limits,
    Outcome,
    ScriptInvalid,
    StagedBatch,
    WorkerSetup,
)
from azure_batch_endpoints.local.engines.child import GARBLED, Attempt, Child
from azure_batch_endpoints.local.engines.feed import Feed
from azure_batch_endpoints.local.engines.verdict import Reply, failure_of, lost, reported, scored, too_long
from azure_batch_endpoints.local.logfiles import JobLogs

TICK = 0.05
"""Seconds after which cancelling and silent deaths are noticed at the latest."""
STACK_SECONDS = 0.05
"""What a worker over its time has to write down where it is before it is killed."""
SHORT = 0.1
"""Mini-batches shorter than this, in seconds, are handed out one ahead; of longer ones none waits behind another."""
INIT_TRIES = 3
"""Failed starts in a row that end the job; once a worker was ready, and of dead ones, this many for each worker."""


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
    """One call of `ProcessEngine.run`: its workers, and where each mini-batch is."""

    def __init__(self, setup: WorkerSetup, limits: Limits, logs: JobLogs, batches: Iterable[StagedBatch]) -> None:
        self._setup, self._limits, self._logs = setup, limits, logs
        self._token = uuid.uuid4().hex[:8]
        self._next_worker = logs.next_worker()
        self._children: list[Child] = []
        self._again: deque[Attempt] = deque()
        self._group: list[Outcome] = []
        self._group_since = 0.0
        self._pace: float | None = None
        self._ever_ready, self._bad_starts = False, 0
        self._broken: EngineError | None = None
        self._look_at = 0.0
        self._selector = selectors.DefaultSelector()
        self._feed = Feed(batches, limits.ahead or 4 * limits.workers)
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
                if self._broken:
                    raise self._broken
                self._feed.check()
                self._stop_workers(cancel)
                return
            else:
                self._wait()
                self._look_after_workers()
        self._kill_all()
        if self._group:
            yield self._take_group()

    def close(self) -> None:
        """Leave no process behind."""
        self._kill_all()
        for child in list(self._children):
            child.wait(10)
            self._forget(child)
        self._feed.close()
        self._selector.close()
        self._logs.flush()

    def _is_done(self) -> bool:
        if self._broken:
            return True
        return self._feed.finished and not self._again and not any(child.queue for child in self._children)

    def _group_is_due(self) -> bool:
        age = time.monotonic() - self._group_since
        return len(self._group) >= self._limits.group_size or age >= self._limits.group_seconds

    def _take_group(self) -> tuple[Outcome, ...]:
        group, self._group = tuple(self._group), []
        self._logs.flush()
        return group

    def _wait(self) -> None:
        now = time.monotonic()
        until = [now + TICK] + [self._deadline(child) for child in self._children]
        if self._group:
            until.append(self._group_since + self._limits.group_seconds)
        for key, events in self._selector.select(max(0.0, min(until) - now)):
            if key.fileobj is self._feed:
                self._feed.answer()
            elif isinstance(key.fileobj, Child):
                self._attend(key.fileobj, events)

    def _deadline(self, child: Child) -> float:
        if child.ending or child.left_at is not None:
            return 0.005 + time.monotonic()  # it is gone in a moment
        if child.kill_at is not None:
            return child.kill_at
        if not child.ready:
            return child.since + self._init_timeout
        return child.since + self._limits.timeout if child.queue else float("inf")

    @property
    def _init_timeout(self) -> float:
        return 3 * self._limits.timeout + 30 if self._limits.init_timeout is None else self._limits.init_timeout

    # ------------------------------------------------------------------ handing out

    def _hand_out(self) -> None:
        if self._broken:
            return
        workers = [child for child in self._children if child.ready and child.is_up]
        for depth in (1, 2):
            for child in workers:
                if len(child.queue) < depth and (depth == 1 or self._may_queue_up()):
                    self._give(child)
        starting = sum(not child.ready and not child.ending for child in self._children)
        wanted = max(self._waiting, 0 if self._children or self._feed.finished else 1)
        for _ in range(min(wanted - starting, self._limits.workers - len(self._children))):
            self._start_worker()

    @property
    def _waiting(self) -> int:
        return len(self._again) + self._feed.waiting

    def _may_queue_up(self) -> bool:
        """Whether one may wait behind another: not if it could be long, nor near the end, when others would be idle."""
        return self._pace is not None and self._pace < SHORT and self._waiting >= self._limits.workers

    def _give(self, child: Child) -> None:
        attempt = self._again.popleft() if self._again else None
        if attempt is None:
            batch = self._feed.take()
            if batch is None:
                return
            attempt = Attempt(batch)
        if not child.queue:
            child.since = time.monotonic()
        child.queue.append(attempt)
        child.send({"op": "score", "number": attempt.batch.number, "files": attempt.batch.files})
        if child.has_unsent:
            self._selector.modify(child, selectors.EVENT_READ | selectors.EVENT_WRITE)

    def _start_worker(self) -> None:
        name = f"process{self._next_worker:03d}"
        self._next_worker += 1
        streams = self._logs.worker_streams(name)
        segment = Path(self._setup.parts_dir, f"{self._token}.{name}.rows")
        try:
            child = Child(name, self._setup, segment, streams)
        except OSError as error:
            failure = Failure(type(error).__name__, str(error))
            message = f"Worker processes cannot be started with the interpreter '{self._setup.python}': {error}."
            raise InitFailed(message, failure) from error
        finally:
            for stream in streams:
                stream.close()
        self._children.append(child)
        self._selector.register(child, selectors.EVENT_READ)
        self._logs.attempt(name, f"started, pid {child.pid}")

    # ------------------------------------------------------------------ what workers say

    def _attend(self, child: Child, events: int) -> None:
        if events & selectors.EVENT_WRITE:
            child.flush()
            if not child.has_unsent:
                self._selector.modify(child, selectors.EVENT_READ)
        if not events & selectors.EVENT_READ:
            return
        try:
            messages = child.receive()
            for message in messages or ():
                self._hear(child, message)
        except ValueError:
            messages = None
            child.expel(GARBLED)
        if messages is None and child.left_at is None:
            child.left_at = time.monotonic()
            self._selector.unregister(child)  # at its end it would be readable all the time

    def _hear(self, child: Child, message: Reply) -> None:
        if not child.is_up:
            return  # too late: this try is a time-out already
        if message["op"] == "ready":
            child.ready, child.since = True, time.monotonic()
            self._ever_ready, self._bad_starts = True, 0
        elif message["op"] == "unusable":
            child.failure, child.invalid = reported(message), message["invalid"]
            child.kill()
        elif not child.queue or child.queue[0].batch.number != message["number"]:
            raise ValueError(message)
        else:
            attempt = child.queue.popleft()
            child.since = time.monotonic()
            seconds = message["seconds"]
            self._pace = seconds if self._pace is None else 0.8 * self._pace + 0.2 * seconds
            failure = failure_of(message, len(attempt.batch.items), self._limits.timeout)
            came = failure is None or failure.type == "ShortReturn"
            outcome = scored(attempt.batch, message, child.segment) if came else lost(attempt.batch, seconds)
            self._judge(child, attempt, outcome, failure)

    def _judge(self, child: Child, attempt: Attempt, outcome: Outcome, failure: Failure | None) -> None:
        """End a try: the mini-batch is done, or goes back to be tried again."""
        attempt.tries += 1
        name = f"mini-batch {outcome.number}, try {attempt.tries} of {self._limits.max_tries}"
        self._logs.attempt(
            child.name,
            f"{name}: {outcome.items} files, {outcome.succeeded} succeeded, {len(outcome.failed)} failed,"
            f" {outcome.rows} rows, {outcome.seconds:.3f} s, pid {child.pid}",
        )
        if failure:
            self._logs.error(child.name, name, failure)
            if attempt.tries < self._limits.max_tries:
                self._again.append(attempt)
                return
        if not self._group:
            self._group_since = time.monotonic()
        self._group.append(replace(outcome, attempts=attempt.tries, worker=child.name, failure=failure))

    # ------------------------------------------------------------------ time limits and deaths

    def _look_after_workers(self) -> None:
        now = time.monotonic()
        look = now >= self._look_at
        if look:
            self._look_at = now + TICK
        for child in list(self._children):
            if (look or child.ending or child.left_at is not None) and child.gone():
                self._replace(child)
            elif child.left_at is not None:
                child.hurry(now)
            elif not child.ending and now >= self._deadline(child):
                self._out_of_time(child, now)

    def _out_of_time(self, child: Child, now: float) -> None:
        if child.kill_at is None:
            child.ask_for_stacks()
            child.kill_at = now + STACK_SECONDS
        else:
            child.kill()

    def _replace(self, child: Child) -> None:
        """Take note of a worker's end; the next `_hand_out` starts another if there is work."""
        if child.ready:
            self._take_back(child)
        else:
            self._bad_start(child)
        self._forget(child)

    def _take_back(self, child: Child) -> None:
        """Charge a try to the mini-batch that was being scored; the one behind it goes back as it came."""
        running = child.queue.popleft() if child.queue else None
        self._again.extendleft(reversed(child.queue))
        child.queue.clear()
        if running is None:
            self._logs.attempt(child.name, "ended while it had nothing to do")
            return
        late = child.kill_at is not None
        failure = child.stuck(too_long(self._limits.timeout)) if late else child.death()
        self._judge(child, running, lost(running.batch, time.monotonic() - child.since), failure)

    def _bad_start(self, child: Child) -> None:
        late = f"Loading the script and init() took longer than {self._init_timeout:g} s"
        died = child.failure is None and child.kill_at is None  # whatever killed one may have killed all at once
        failure = child.failure or (child.death() if died else child.stuck(late))
        if self._broken:
            return
        self._bad_starts += 1
        self._logs.error(child.name, "init()", failure)
        script = self._setup.script
        if child.invalid:
            self._broken = ScriptInvalid(f"The scoring script '{script}' cannot be used: {failure.summary}.", failure)
        elif self._bad_starts >= INIT_TRIES * (self._limits.workers if self._ever_ready or died else 1):
            self._broken = InitFailed(
                f"init() of the scoring script '{script}' failed in {self._bad_starts} workers one after the other:"
                f" {failure.summary}. Mend it and run the job again.",
                failure,
            )

    def _forget(self, child: Child) -> None:
        with suppress(KeyError):
            self._selector.unregister(child)
        child.close()
        self._children.remove(child)
        self._logs.worker_ended(child.name)

    def _stop_workers(self, cancel: threading.Event) -> None:
        """Let workers end by themselves; those that are not ready, or take too long, are killed by `close`."""
        until = time.monotonic() + self._limits.shutdown_seconds
        for child in self._children:
            if child.ready:
                child.send({"op": "stop"})
            else:
                child.kill()
        while self._children and time.monotonic() < until and not cancel.is_set():
            for child in self._children:
                child.wait(0.02)
            for child in [child for child in self._children if child.gone()]:
                self._forget(child)

    def _kill_all(self) -> None:
        for child in self._children:
            child.kill()
