"""A job's log lines: read once, or followed while the job runs, also through its child run."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime, timezone
from typing import TYPE_CHECKING

from azure_batch_endpoints import _runs
from azure_batch_endpoints._http import Deadline, pauses
from azure_batch_endpoints._wire.scalars import time_from_wire
from azure_batch_endpoints.errors import ForeignHostError, NotFoundError, ServerError, TransportError
from azure_batch_endpoints.states import JobStatus

if TYPE_CHECKING:
    from azure_batch_endpoints._workspace import Workspace

_DRIVER = re.compile(r"^(user_logs/std_log\w*\.txt|azureml-logs/70_driver_log.*\.txt|logs/azureml/executionlogs\.txt)$")
_WORKER = re.compile(
    r"^logs/user/(?:stdout|stderr|entry_script_log)/[^/]+/(?P<worker>[^/]+?)\.(?:stdout|stderr|log)\.txt$"
)
_STAMP = re.compile(r"^\[?(?P<time>\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d(?:[.,]\d+)?)(?P<zone>Z|\+00:00)?\]?[ :|]+")


@dataclass(frozen=True)
class LogEntry:
    """One line of a job's logs."""

    timestamp: datetime
    """Time written in the line, else when it was read; aware UTC."""
    source: str
    """``driver``, or the worker's name, e.g. ``process001``."""
    message: str
    """The line, without its time."""


class LogReader:
    """Reads what was added to a job's log files since the last look; a broken connection repeats and loses nothing."""

    def __init__(self, workspace: Workspace, job: str) -> None:
        self._workspace = workspace
        self._job = job
        self._child: str | None = None
        self._offsets: dict[str, int] = {}
        self._pieces: dict[str, bytes] = {}

    def read(self, *, last: bool = False, deadline: Deadline | None = None) -> Iterator[LogEntry]:
        """Yield the new complete lines; with ``last`` also a line without its end."""
        try:
            self._child = self._child or _runs.child_run(self._workspace, self._job)
            run = self._child or self._job
            files = dict(_runs.details(self._workspace, run, deadline).log_files)
        except NotFoundError:
            return  # the run history learns of a job a little later than the job's own route
        for path in sorted(files, key=lambda one: (not _DRIVER.match(one), one)):
            source = _source(path)
            if source is not None:
                yield from self._new_lines(f"{run}/{path}", files[path], source, last=last)

    def _new_lines(self, path: str, url: str, source: str, *, last: bool) -> Iterator[LogEntry]:
        """``path`` begins with the run: a job's own log and its child's may have the same name."""
        offset = self._offsets.get(path, 0)
        try:
            action = f"read log '{path}' of job '{self._job}'"
            data = self._workspace.session.get_bytes(url, offset, named_by="the run's logFiles", action=action)
        except NotFoundError:
            return
        self._offsets[path] = offset + len(data)
        *lines, rest = (self._pieces.get(path, b"") + data).split(b"\n")
        if last and rest:
            lines, rest = [*lines, rest], b""
        self._pieces[path] = rest
        for line in lines:
            yield _entry(line.decode("utf-8", "replace").rstrip("\r"), source)


def follow(
    reader: LogReader, refresh: Callable[[Deadline], JobStatus], deadline: Deadline, pause: tuple[float, float]
) -> Iterator[LogEntry]:
    """Yield log lines until the job has ended.

    Args:
        reader: of the job.
        refresh: reads the job again and returns its status.
        deadline: DeadlinePassed is raised after it.
        pause: seconds between looks, first and longest.
    """
    lost = 0
    for seconds in pauses(*pause):
        try:
            ended = refresh(deadline).is_terminal
            yield from reader.read(last=ended, deadline=deadline)
            lost = 0
        except ForeignHostError:
            raise
        except (TransportError, ServerError):
            lost += 1
            if lost > 3:
                raise
            ended = False
        if ended:
            return
        deadline.sleep(seconds)


def _source(path: str) -> str | None:
    if _DRIVER.match(path):
        return "driver"
    found = _WORKER.match(path)
    return found["worker"] if found else None


def _entry(line: str, source: str) -> LogEntry:
    found = _STAMP.match(line)
    moment = time_from_wire(found["time"].replace(" ", "T").replace(",", ".") + "Z") if found else None
    if found is None or moment is None:
        return LogEntry(datetime.now(timezone.utc), source, line)
    return LogEntry(moment, source, line[found.end() :])
