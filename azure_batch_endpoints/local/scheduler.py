"""Which job runs when, and the only writer of a job's status.

Jobs start in the order they came, as long as worker slots are free. What a job does is the runner's business.
"""

from __future__ import annotations

import logging
import sqlite3
import threading
import time
from collections import deque
from collections.abc import Callable
from typing import TYPE_CHECKING, TypeAlias

from azure_batch_endpoints.errors import BatchEndpointsError
from azure_batch_endpoints.local.control import Interrupted, JobControl, JobFailed
from azure_batch_endpoints.local.job import JobRow
from azure_batch_endpoints.states import JobStatus

if TYPE_CHECKING:
    from azure_batch_endpoints.local.state import State

RunJob: TypeAlias = Callable[[JobRow, int, JobControl], None]
"""Runs one job with a number of workers; raises `JobFailed` or `Interrupted`."""
_AGAIN_SECONDS = 1.0
"""Between tries to write down that a job has ended."""
_log = logging.getLogger(__name__)


class _Running:
    """A job that has its workers: the scheduler's side of `JobControl`."""

    def __init__(self, name: str, workers: int, state: State, lock: threading.Condition) -> None:
        self.name = name
        self.workers = workers
        self.cancel = threading.Event()
        self.canceled = False  # by the user; else it is the service that ends
        self.thread: threading.Thread | None = None
        self._state = state
        self._lock = lock

    def check(self) -> None:
        if self.cancel.is_set():
            raise Interrupted(self.name)

    def enter(self, status: JobStatus) -> None:
        with self._lock:
            self.check()
            self._state.move_job(self.name, status)

    def note_progress(self, text: str) -> None:
        self._state.note_progress(self.name, text)

    def note_rows(self, text: str) -> None:
        self._state.note_rows(self.name, text)


class Scheduler:
    """Runs the jobs of one service; its methods may be called from any thread and return at once.

    Args:
        state: where jobs are kept.
        run: what running a job means.
        workers: most worker processes at once, over all jobs.
    """

    def __init__(self, state: State, run: RunJob, workers: int) -> None:
        self._state = state
        self._run = run
        self._free = workers
        self._waiting: deque[str] = deque()
        self._running: dict[str, _Running] = {}
        self._closing = False
        self._lock = threading.Condition(threading.RLock())

    def resume(self) -> None:
        """Take up the jobs that an earlier service left unfinished, oldest first."""
        with self._lock:
            for job in self._state.unfinished_jobs():
                if job.status is JobStatus.CANCEL_REQUESTED:
                    self._start(job, 0, canceled=True)  # only to leave its account
                    continue
                if job.status is not JobStatus.QUEUED:
                    self._state.requeue(job.name)
                self._waiting.append(job.name)
            self._start_what_fits()

    def submit(self, name: str) -> None:
        """Run a queued job as soon as there is a free worker; a job that is known already is not run twice."""
        with self._lock:
            if name not in self._waiting and name not in self._running:
                self._waiting.append(name)
                self._start_what_fits()

    def cancel(self, name: str) -> None:
        """Stop a job: it is CancelRequested or Canceled when this returns; one that has ended stays as it is."""
        with self._lock:
            job, running = self._state.job(name), self._running.get(name)
            if job is None or job.status.is_terminal or job.status is JobStatus.CANCEL_REQUESTED:
                return
            if running is not None:
                running.canceled = True
                running.cancel.set()  # first: a full disk must not keep a job from being stopped
            try:
                self._state.move_job(name, JobStatus.CANCEL_REQUESTED)
            except sqlite3.Error:
                if running is None:
                    raise
                _log.exception("that job %s is to stop cannot be written down", name)
            if running is not None or self._closing:  # the next service finishes what this one has no time for
                return
            if job.started_at is None:  # it waits, or is not submitted yet: it has left nothing behind
                self._state.move_job(name, JobStatus.CANCELED)
            else:
                self._start(job, 0, canceled=True)

    def begin_close(self) -> None:
        """Tell all jobs to stop; they are taken up again by the next service."""
        with self._lock:
            self._closing = True
            self._lock.notify_all()
            for running in self._running.values():
                running.cancel.set()

    def close(self, seconds: float) -> bool:
        """Stop all jobs and wait for them.

        Returns:
            whether all of them have stopped in time.
        """
        self.begin_close()
        deadline = time.monotonic() + seconds
        with self._lock:
            threads = [running.thread for running in self._running.values() if running.thread]
        for thread in threads:
            thread.join(max(0.0, deadline - time.monotonic()))
        return not any(thread.is_alive() for thread in threads)

    def _start_what_fits(self) -> None:
        while self._waiting and self._free and not self._closing:
            name = self._waiting.popleft()
            job = self._state.job(name)
            if job is None or job.status is not JobStatus.QUEUED:
                continue
            settings = job.request.settings
            workers = min(self._free, settings.instance_count * settings.max_concurrency_per_instance)
            self._start(job, workers)

    def _start(self, job: JobRow, workers: int, *, canceled: bool = False) -> None:
        running = self._running[job.name] = _Running(job.name, workers, self._state, self._lock)
        if canceled:
            running.canceled = True
            running.cancel.set()
        self._free -= workers
        running.thread = threading.Thread(
            target=self._work, args=(job, running), name=f"job {job.name}", daemon=True
        )  # daemon: a download that hangs must not keep the service from ending
        running.thread.start()

    def _work(self, job: JobRow, running: _Running) -> None:
        error: str | None = None
        stopped = False
        try:
            self._run(job, running.workers, running)
        except Interrupted:
            stopped = running.cancel.is_set()
            error = None if stopped else "The local service stopped the job by itself. Invoke the deployment anew."
        except (JobFailed, BatchEndpointsError) as failure:
            error = str(failure)
        except Exception as failure:  # noqa: BLE001 - whatever breaks, the job must not seem to run for ever
            _log.exception("job %s", job.name)
            error = f"The local service could not go on with the job: {type(failure).__name__}: {failure}"
        with self._lock:
            while not self._end(running, error, stopped=stopped) and not self._closing:
                self._lock.wait(_AGAIN_SECONDS)
            del self._running[job.name]
            self._free += running.workers
            self._start_what_fits()

    def _end(self, running: _Running, error: str | None, *, stopped: bool) -> bool:
        """Write the end of a job down; False: it could not be, the disk is full perhaps."""
        try:
            if running.canceled:
                job = self._state.job(running.name)
                if job is not None and job.status is not JobStatus.CANCEL_REQUESTED:  # the disk was full when it was
                    self._state.move_job(running.name, JobStatus.CANCEL_REQUESTED)
                self._state.move_job(running.name, JobStatus.CANCELED)
            elif error is not None and not self._closing:  # what breaks while the service ends is no fault of the job
                self._state.move_job(running.name, JobStatus.FAILED, error=error)
            elif error is None and not stopped:
                self._state.move_job(running.name, JobStatus.COMPLETED)
        except Exception as failure:  # noqa: BLE001 - a job that has ended must not seem to run for ever
            _log.error("the end of job %s cannot be written down: %s", running.name, failure)
            return False
        return True
