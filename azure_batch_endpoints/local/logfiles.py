"""A job's log files, in the layout that Azure documents for batch scoring jobs.

Here: which file a line goes to and what a line looks like. Not here: when something is worth a line.
"""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from datetime import datetime, timezone
from pathlib import Path
from typing import BinaryIO

from azure_batch_endpoints.items import JobProgress
from azure_batch_endpoints.local.engines.base import Failure
from azure_batch_endpoints.local.job import EXECUTION_LOG
from azure_batch_endpoints.local.log_file import MOST_BYTES, LogFile
from azure_batch_endpoints.local.perflog import PerfLog

README = """Layout of the logs of a batch scoring job

Start with logs/job_error.txt: why the job failed, with the traceback of the scoring script.

logs/azureml/executionlogs.txt                      when the job's one step began and ended
user_logs/std_log_0.txt                             the controller: what the job did, and why it ended
logs/job_progress_overview.<time>.txt               mini-batches and files done so far; a new file each day
logs/job_result.txt                                 how the job ended
logs/job_error.txt                                  why it failed, if it did
logs/sys/master_role.txt                            the orchestrator: workers coming and going, progress, result
logs/sys/node/<node>/<process>.txt                  a line for each mini-batch that a worker tried
logs/sys/error/<node>/<process>.txt                 what went wrong outside of the scoring script: a worker that died
logs/user/error.txt                                 a line for each error in the scoring script
logs/user/error/<node>/<process>.txt                the full tracebacks
logs/user/stdout/<node>/<process>.stdout.txt        what the script printed, and Python's logging
logs/user/stderr/<node>/<process>.stderr.txt        what the script wrote to stderr
logs/user/entry_script_log/<node>/<process>.log.txt what it wrote with azureml_user.parallel_run.EntryScript().logger
logs/perf/<node>/node_resource_usage.csv            load and memory of the machine, every ten minutes
logs/perf/<node>/node_disk_usage.csv                the disk that the job works on
logs/perf/<node>/processes_resource_usage.csv       processor time and memory of the workers
logs/perf/<node>/os/<hour>/processes_<minute>       all processes

A worker that ended is replaced by one with the next number. A file takes 64 MiB (errors: 16); the ledger holds it all.
"""
FAILED = (
    "User program failed with Exception: Run failed. Please check logs for details. "
    "You can check logs/readme.txt for the layout of logs."
)
"""The service's own words, like the next ones."""
EXITED = (
    "Execution failed. User process '{}' exited with status code 42. "
    "Please check log file 'user_logs/std_log_0.txt' for error details."
)
MOST_ERRORS = 16 << 20
"""Bytes of a file of errors."""
PROGRESS_SECONDS = 5.0
"""Between two lines of progress once the job has run for as long."""
SYSTEM = {"WorkerDied", "MemoryLimit", "RowsNotWritten", "InputUnavailable"}
"""Failures that are none of the scoring script's."""


def now() -> datetime:
    """Return the time, aware, in UTC."""
    return datetime.now(timezone.utc)


class JobLogs:
    """The log files of one job, for all of its threads.

    Nothing here fails a job: what the disk does not take waits for room. After `close` nothing is written any more.
    """

    def __init__(self, folder: Path, node: str = "node0", clock: Callable[[], datetime] = now) -> None:
        """Open the logs of a job.

        Args:
            folder: gets `logs/` and `user_logs/`; lines are added to logs of an earlier run of the same job.
            node: name of this machine in the file names.
            clock: what tells the time.
        """
        self.node = node
        self.user_folder = folder.absolute() / "logs/user"
        """Where the scoring script's own logs are."""
        self._folder, self._clock = folder, clock
        self._lock = threading.RLock()
        self._closed = False
        self._files: dict[str, LogFile] = {}
        self._pids: dict[str, int] = {}
        self._perf = PerfLog(folder / "logs/perf" / node)
        self._day = clock().date()
        self._overview = f"logs/job_progress_overview.{clock():%Y%m%d%H}.txt"
        self._began, self._next_progress, self._held = time.monotonic(), 0.0, ""
        with suppress(OSError):
            readme = folder / "logs/readme.txt"
            readme.parent.mkdir(parents=True, exist_ok=True)
            readme.write_text(README, encoding="utf-8")

    # ------------------------------------------------------------------ the job

    def controller(self, text: str) -> None:
        """Add a line to the controller's log, which a client streams; seen at once."""
        self._write("user_logs/std_log_0.txt", f"{self._time()} {text}\n", seen=True)

    def execution(self, text: str) -> None:
        """Add a line to the log of the job itself, in the form of those of pipelines; seen at once."""
        self._write(EXECUTION_LOG, f"[{self._clock():%Y-%m-%d %H:%M:%S}Z] {text}\n", seen=True)

    def progress(self, progress: JobProgress) -> None:
        """Add a line on how far the job is: not more than one in some seconds, but the last one in any case."""
        total = "?" if progress.total is None else progress.total
        items = "?" if progress.items_total is None else progress.items_total
        line = (
            f"{self._time()} mini-batches: {progress.done} of {total} done, {progress.failed} failed;"
            f" files: {progress.items_done} of {items} done, {progress.items_failed} failed\n"
        )
        with self._lock:
            self._held = line
            passed = time.monotonic()
            if passed >= self._next_progress or progress.items_done == progress.items_total:
                self._next_progress = passed + min(PROGRESS_SECONDS, max(0.2, passed - self._began))
                self._write_progress()

    def result(self, text: str, *, failed: bool) -> None:
        """Write how the job ended."""
        self._write_progress()
        names = ["logs/job_result.txt", "logs/sys/master_role.txt", self._overview]
        for name in [*names, "logs/job_error.txt"] if failed else names:
            self._write(name, f"{self._time()} {text}\n", seen=True)
        if failed:
            self._write("logs/job_error.txt", f"{FAILED}\n{EXITED.format(sys.executable)}\n", seen=True)
            self.controller(FAILED)

    # ------------------------------------------------------------------ workers

    def next_worker(self) -> int:
        """Return the first number that no worker of this job has had, in an earlier run either."""
        folder = self.user_folder / "stdout" / self.node
        numbers = [int(path.name[7:].split(".")[0]) for path in folder.glob("process*.stdout.txt")]
        return max(numbers, default=-1) + 1

    def worker_streams(self, worker: str) -> tuple[BinaryIO, BinaryIO]:
        """Open the files for a worker's stdout and stderr; the caller closes them.

        Raises:
            OSError: they cannot be made.
        """
        paths = [self.user_folder / f"{name}/{self.node}/{worker}.{name}.txt" for name in ("stdout", "stderr")]
        for path in paths:
            path.parent.mkdir(parents=True, exist_ok=True)
        return paths[0].open("ab", buffering=0), paths[1].open("ab", buffering=0)

    def worker_started(self, worker: str, pid: int) -> None:
        """Note that a worker's process runs."""
        with self._lock:
            self._pids[worker] = pid
            self.attempt(worker, f"started, pid {pid}")
            self._write("logs/sys/master_role.txt", f"{self._time()} {worker} started, pid {pid}\n")
            self._look()

    def worker_ended(self, worker: str) -> None:
        """Note that it does not run any more, and close its files."""
        with self._lock:
            if self._pids.pop(worker, None) is not None:
                self._write("logs/sys/master_role.txt", f"{self._time()} {worker} ended\n")
            for name in self._of_worker(worker):
                file = self._files.get(name)
                if file:
                    file.flush()
                if file and not file.waits:
                    self._files.pop(name).close()

    def attempt(self, worker: str, text: str) -> None:
        """Add a line to what the worker did; seen after `flush`."""
        self._write(self._of_worker(worker)[0], f"{self._time()} {text}\n")

    def error(self, worker: str, what: str, failure: Failure) -> None:
        """Add an error in the scoring script: a line to the summary and the traceback to the worker's own file.

        Args:
            worker: name of the worker.
            what: what failed, e.g. "mini-batch 7, try 2 of 3".
            failure: why.
        """
        head = f"{self._time()} {worker}: {what}: {failure.summary}\n"
        text = f"{head}{failure.traceback or failure.message}\n\n"
        _, user, system = self._of_worker(worker)
        self._write("logs/user/error.txt", head, most=MOST_ERRORS)
        self._write(user, text, most=MOST_ERRORS)
        if failure.type in SYSTEM:
            self._write(system, text, most=MOST_ERRORS)
            self._write("logs/sys/master_role.txt", head)

    # ------------------------------------------------------------------ the files

    def flush(self) -> None:
        """Bring all lines into the files."""
        with self._lock:
            for file in self._files.values():
                file.flush()
            self._look()

    def close(self) -> None:
        """Close all files; later lines go nowhere."""
        with self._lock:
            self._write_progress()
            self._closed = True
            for file in self._files.values():
                file.close()
            self._files.clear()

    def _look(self) -> None:
        if not self._closed:
            self._perf.look(self._clock(), self._pids)

    def _write_progress(self) -> None:
        with self._lock:
            line, self._held = self._held, ""
            if not line:
                return
            if self._clock().date() != self._day:
                self._files.pop(self._overview, LogFile(self._folder)).close()
                self._day = self._clock().date()
                self._overview = f"logs/job_progress_overview.{self._clock():%Y%m%d%H}.txt"
            self._write(self._overview, line, seen=True)
            self._write("logs/sys/master_role.txt", line)

    def _write(self, name: str, text: str, *, most: int = MOST_BYTES, seen: bool = False) -> None:
        with self._lock:
            if self._closed:
                return
            file = self._files.get(name)
            if file is None:
                file = self._files[name] = LogFile(self._folder / name, most)
            file.add(text)
            if seen:
                file.flush()

    def _of_worker(self, worker: str) -> tuple[str, str, str]:
        end = f"{self.node}/{worker}.txt"
        return f"logs/sys/node/{end}", f"logs/user/error/{end}", f"logs/sys/error/{end}"

    def _time(self) -> str:
        return self._clock().isoformat(timespec="milliseconds").replace("+00:00", "Z")
