"""A job's log files, in the layout that Azure documents for batch scoring jobs.

Here: which file a line goes to and what a line looks like. Not here: when something is worth a line.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timezone
from pathlib import Path
from typing import BinaryIO, TextIO

from azure_batch_endpoints.items import JobProgress
from azure_batch_endpoints.local.engines.base import Failure
from azure_batch_endpoints.local.job import EXECUTION_LOG

README = """Layout of the logs of a batch scoring job

logs/azureml/executionlogs.txt                      when the job's one step began and ended
user_logs/std_log_0.txt                             the controller: what the job did, and why it ended
logs/job_progress_overview.<time>.txt               mini-batches and files done so far
logs/job_result.txt                                 how the job ended
logs/job_error.txt                                  why it failed, if it did
logs/sys/node/<node>/<process>.txt                  a line for each mini-batch that a worker tried
logs/user/error.txt                                 a line for each error in the scoring script
logs/user/error/<node>/<process>.txt                the full tracebacks
logs/user/stdout/<node>/<process>.stdout.txt        what the script printed, and Python's logging
logs/user/stderr/<node>/<process>.stderr.txt        what the script wrote to stderr

A worker that ended is replaced by one with the next number.
"""


def now() -> datetime:
    """Return the time, aware, in UTC."""
    return datetime.now(timezone.utc)


class JobLogs:
    """The open log files of one job. Not thread-safe, but for `controller`."""

    def __init__(self, folder: Path, node: str = "node0", clock: Callable[[], datetime] = now) -> None:
        """Open the logs of a job.

        Args:
            folder: gets `logs/` and `user_logs/`; lines are added to logs of an earlier run of the same job.
            node: name of this machine in the file names.
            clock: what tells the time.
        """
        self._folder, self._node, self._clock = folder, node, clock
        self._files: dict[str, TextIO] = {}
        readme = self._path("logs/readme.txt")
        readme.write_text(README, encoding="utf-8")
        self._overview = f"logs/job_progress_overview.{clock():%Y%m%d%H}.txt"

    def controller(self, text: str) -> None:
        """Add a line to the controller's log, which a client streams; seen at once."""
        self._write("user_logs/std_log_0.txt", f"{self._time()} {text}\n").flush()

    def execution(self, text: str) -> None:
        """Add a line to the log of the job itself, in the form of those of pipelines; seen at once."""
        self._write(EXECUTION_LOG, f"[{self._clock():%Y-%m-%d %H:%M:%S}Z] {text}\n").flush()

    def progress(self, progress: JobProgress) -> None:
        """Add a line on how far the job is."""
        total = "?" if progress.total is None else progress.total
        items = "?" if progress.items_total is None else progress.items_total
        line = (
            f"{self._time()} mini-batches: {progress.done} of {total} done, {progress.failed} failed;"
            f" files: {progress.items_done} of {items} done, {progress.items_failed} failed\n"
        )
        self._write(self._overview, line).flush()

    def result(self, text: str, *, failed: bool) -> None:
        """Write how the job ended."""
        names = ["logs/job_result.txt", "logs/job_error.txt"] if failed else ["logs/job_result.txt"]
        for name in names:
            self._write(name, f"{self._time()} {text}\n").flush()

    def next_worker(self) -> int:
        """Return the first number that no worker of this job has had, in an earlier run either."""
        folder = self._folder / "logs/user/stdout" / self._node
        numbers = [int(path.name[7:].split(".")[0]) for path in folder.glob("process*.stdout.txt")]
        return max(numbers, default=-1) + 1

    def worker_streams(self, worker: str) -> tuple[BinaryIO, BinaryIO]:
        """Open the files for a worker's stdout and stderr; the caller closes them."""
        streams = [
            self._path(f"logs/user/{name}/{self._node}/{worker}.{name}.txt").open("ab", buffering=0)
            for name in ("stdout", "stderr")
        ]
        return streams[0], streams[1]

    def attempt(self, worker: str, text: str) -> None:
        """Add a line to what the worker did; seen after `flush`."""
        self._write(f"logs/sys/node/{self._node}/{worker}.txt", f"{self._time()} {text}\n")

    def error(self, worker: str, what: str, failure: Failure) -> None:
        """Add an error in the scoring script: a line to the summary and the traceback to the worker's own file.

        Args:
            worker: name of the worker.
            what: what failed, e.g. "mini-batch 7, try 2 of 3".
            failure: why.
        """
        head = f"{self._time()} {worker}: {what}: {failure.summary}\n"
        self._write("logs/user/error.txt", head)
        text = f"{head}{failure.traceback or failure.message}\n\n"
        self._write(f"logs/user/error/{self._node}/{worker}.txt", text)

    def flush(self) -> None:
        """Bring all lines into the files."""
        for file in self._files.values():
            file.flush()

    def worker_ended(self, worker: str) -> None:
        """Close the files of a worker."""
        for name in (f"logs/sys/node/{self._node}/{worker}.txt", f"logs/user/error/{self._node}/{worker}.txt"):
            file = self._files.pop(name, None)
            if file:
                file.close()

    def close(self) -> None:
        """Close all files."""
        for file in self._files.values():
            file.close()
        self._files.clear()

    def _write(self, name: str, text: str) -> TextIO:
        file = self._files.get(name)
        if file is None:
            file = self._files[name] = self._path(name).open("a", encoding="utf-8", errors="backslashreplace")
        file.write(text)
        return file

    def _path(self, name: str) -> Path:
        path = self._folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        return path

    def _time(self) -> str:
        return self._clock().isoformat(timespec="milliseconds").replace("+00:00", "Z")
