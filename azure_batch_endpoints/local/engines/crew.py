"""The workers of a run: started, watched, replaced and ended.

Here: how many run, their time and memory limits, what bad starts mean. Not here: which mini-batch goes where.
"""

from __future__ import annotations

import errno
import selectors
import threading
import time
import uuid
from contextlib import ExitStack, suppress
from pathlib import Path

from azure_batch_endpoints.local.engines.base import (
    EngineError,
    Failure,
    InitFailed,
    Limits,
    ScriptInvalid,
    WorkerSetup,
)
from azure_batch_endpoints.local.engines.child import Child, Doom
from azure_batch_endpoints.local.engines.memory import MemoryWatch
from azure_batch_endpoints.local.engines.printed import PrintedBound
from azure_batch_endpoints.local.engines.verdict import too_long, too_much
from azure_batch_endpoints.local.logfiles import JobLogs

TICK = 0.05
"""Seconds after which silent deaths are noticed at the latest."""
SOON = 0.003
"""Seconds between two looks at a worker that is about to be gone."""
TALK_SECONDS = 1.0
"""No worker is out of time so shortly after a piece of its answer came; the answer tells how long it took."""
INIT_TRIES = 3
"""Failed starts in a row that end the job; once a worker was ready, and of dead ones, this many for each worker."""
SCARCE = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EMFILE, errno.ENFILE, errno.EAGAIN, errno.ENOMEM})
"""Errors of a machine that is short of something now, and may not be soon."""
AGAIN_SECONDS = 1.0
"""Between two attempts to start a worker where the machine is short of something."""
PATIENCE_SECONDS = 600.0
"""How long that goes on before it ends the run."""
KILLS = 30
"""Starts in a row, for each worker, that somebody else ended by SIGKILL: that is not the script's fault."""


class Crew:
    """The worker processes of one run."""

    def __init__(self, setup: WorkerSetup, limits: Limits, logs: JobLogs, selector: selectors.BaseSelector) -> None:
        self._setup, self._limits, self._logs, self._selector = setup, limits, logs, selector
        self._token = uuid.uuid4().hex[:8]
        self._next_worker = logs.next_worker()
        self._ever_ready, self._bad_starts, self._kills = False, 0, 0
        self._start_at = 0.0
        self._short_since: float | None = None
        self._memory = MemoryWatch(limits.memory)
        self._printed = PrintedBound()
        self.children: list[Child] = []
        self.broken: EngineError | None = None
        """Why no worker can be had."""
        self.look_at = 0.0
        """When to look after them next."""

    @property
    def ready(self) -> list[Child]:
        """Those that mini-batches can be given to."""
        return [child for child in self.children if child.ready and child.is_up]

    # ------------------------------------------------------------------ starting

    def start(self, waiting: int) -> None:
        """Start workers for mini-batches that wait for one, as far as there is room."""
        starting = sum(not child.ready and not child.ending for child in self.children)
        room = self._limits.workers - sum(map(_takes_room, self.children))
        for _ in range(min(waiting - starting, room)):
            if time.monotonic() >= self._start_at:
                self._start_one()

    def _start_one(self) -> None:
        name = f"process{self._next_worker:03d}"
        segment = Path(self._setup.parts_dir, f"{self._token}.{name}.rows")
        greeting = {"log_folder": str(self._logs.user_folder), "node": self._logs.node}
        try:
            with ExitStack() as opened:
                streams = self._logs.worker_streams(name)
                for stream in streams:
                    opened.enter_context(stream)
                child = Child(name, self._setup, segment, streams, greeting)
        except (OSError, ValueError) as error:  # ValueError: an environment variable that cannot be
            if isinstance(error, OSError) and self._waits_to_start(error):
                return
            failure = Failure(type(error).__name__, str(error))
            folder = self._setup.cwd or self._setup.code_dir
            how = f"with the interpreter '{self._setup.python}' in '{folder}'"
            message = f"Worker processes cannot be started {how}: {error}. Check that both are there."
            raise InitFailed(message, failure) from error
        self._next_worker, self._short_since = self._next_worker + 1, None
        self.children.append(child)
        self._selector.register(child, selectors.EVENT_READ)

    def _waits_to_start(self, error: OSError) -> bool:
        """Take note that the machine is short of what a worker needs; return False when it is no use to wait."""
        if error.errno not in SCARCE:
            return False
        now = time.monotonic()
        if self._short_since is None:
            self._short_since = now
            self._logs.controller(
                f"A worker process cannot be started: {error}. It is tried again, for {PATIENCE_SECONDS:g} s at most."
            )
        self._start_at = now + AGAIN_SECONDS
        return now - self._short_since <= PATIENCE_SECONDS

    def note_birth(self, child: Child, pid: int) -> None:
        """Take note of a worker's own process."""
        child.worker_pid = pid
        self._logs.worker_started(child.name, pid)

    def note_ready(self, child: Child) -> None:
        """Take note that a worker is through `init()`."""
        child.ready, child.since = True, time.monotonic()
        self._ever_ready, self._bad_starts, self._kills = True, 0, 0

    # ------------------------------------------------------------------ watching

    def look_after(self, now: float) -> list[Child]:
        """Kill workers that are over a limit; return those that have ended; `forget` them."""
        for child, used in self._memory.above(child for child in self.children if child.is_up):
            child.condemn(Doom("MemoryLimit", too_much(used, self._limits.memory or 0, in_init=not child.ready)))
        self._printed.look(now, (file for child in self.children for file in child.printed))
        ended, self.look_at = [], now + TICK
        for child in self.children:
            if child.left_at is not None or child.ending:
                child.hurry(now)
            if child.gone():
                ended.append(child)
                continue
            deadline = self._deadline(child)
            if now >= deadline:
                self._out_of_time(child)
                deadline = self._deadline(child)
            self.look_at = min(self.look_at, deadline)
        return ended

    def _deadline(self, child: Child) -> float:
        if child.ending or child.left_at is not None:
            return time.monotonic() + SOON
        if child.doom is not None:
            return child.kill_at
        if not child.ready:
            return child.since + self._init_timeout
        if not child.queue:
            return float("inf")
        talking_until = child.connection.heard_at + TALK_SECONDS if child.connection.heard_at else 0.0
        return max(child.since + self._limits.timeout, talking_until)

    def _out_of_time(self, child: Child) -> None:
        if child.doom is not None:
            child.kill_when_told(time.monotonic())
        else:
            message = too_long(self._limits.timeout)
            if not child.ready:
                message = f"Loading the script and init() took longer than {self._init_timeout:g} s"
            child.condemn(Doom("Timeout", message))

    @property
    def _init_timeout(self) -> float:
        return 3 * self._limits.timeout + 30 if self._limits.init_timeout is None else self._limits.init_timeout

    def note_bad_start(self, child: Child) -> None:
        """Take note of a worker that ended before it was through `init()`."""
        if self.broken:
            return
        failure = child.cause()
        killed = child.killed_from_outside()
        self._kills, self._bad_starts = self._kills + killed, self._bad_starts + (not killed)
        self._logs.error(child.name, "init()", failure)
        script = self._setup.script
        died = child.failure is None and child.doom is None  # whatever killed one may have killed all at once
        if child.invalid:
            self.broken = ScriptInvalid(f"The scoring script '{script}' cannot be used: {failure.summary}.", failure)
            return
        many = INIT_TRIES * (self._limits.workers if self._ever_ready or died else 1)
        if self._bad_starts >= many or self._kills >= KILLS * self._limits.workers:
            starts = self._bad_starts + self._kills
            self.broken = InitFailed(
                f"init() of the scoring script '{script}' failed in {starts} workers one after the other:"
                f" {failure.summary}. Mend it and run the job again.",
                failure,
            )

    # ------------------------------------------------------------------ ending

    def stop(self, cancel: threading.Event) -> None:
        """Let workers end by themselves; those that are not ready, or take too long, are killed by `close`."""
        until = time.monotonic() + self._limits.shutdown_seconds
        for child in self.children:
            if child.ready:
                child.send({"op": "stop"})
            else:
                child.kill()
        while self.children and time.monotonic() < until and not cancel.is_set():
            for child in self.children:
                child.wait(0.02)
            for child in [child for child in self.children if child.gone()]:
                self.forget(child)

    def kill_all(self) -> None:
        """Kill all workers."""
        for child in self.children:
            child.kill()

    def close(self) -> None:
        """Leave no process behind."""
        self.kill_all()
        for child in list(self.children):
            child.wait(10)
            self.forget(child)

    def forget(self, child: Child) -> None:
        """Take leave of a worker that has ended."""
        with suppress(KeyError):
            self._selector.unregister(child)
        child.close()
        self._printed.cut(child.printed)
        self.children.remove(child)
        self._logs.worker_ended(child.name)


def _takes_room(child: Child) -> bool:
    """Whether a worker still counts: of a dying one the successor starts already, unless it needs what that one has."""
    holds = child.device is not None or (child.doom is not None and child.doom.type == "MemoryLimit")
    return child.is_up or holds or not child.ready
