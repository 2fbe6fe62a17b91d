"""A job's log lines: read once, or followed while the job runs, also through its child run."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime, timezone
from typing import TYPE_CHECKING

from azure_batch_endpoints import _render, _runs
from azure_batch_endpoints._http import Deadline, Patience, ShorterThanThat, pauses
from azure_batch_endpoints._wire.scalars import time_from_wire
from azure_batch_endpoints.errors import (
    AuthenticationError,
    ForeignHostError,
    NotFoundError,
    PermissionDeniedError,
    ServiceError,
    TransportError,
)
from azure_batch_endpoints.states import JobStatus

if TYPE_CHECKING:
    from azure_batch_endpoints._workspace import Workspace

_DRIVER = re.compile(r"^(user_logs/std_log\w*\.txt|azureml-logs/70_driver_log.*\.txt|logs/azureml/executionlogs\.txt)$")
_WORKER = re.compile(
    r"^logs/user/(?:stdout|stderr|entry_script_log)/[^/]+/(?P<worker>[^/]+?)\.(?:stdout|stderr|log)\.txt$"
)
_TRIES = 3
"""How often in a row a file may fail without a new byte of it."""
_STAMP = re.compile(r"^\[?(?P<time>\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d(?:[.,]\d+)?)(?P<zone>Z|\+00:00)?\]?[ :|]+")


@dataclass(frozen=True)
class LogEntry(_render.Card):
    """One line of a job's logs."""

    timestamp: datetime
    """Time written in the line, else when it was read; aware UTC."""
    source: str
    """``driver``, or the worker's name, e.g. ``process001``."""
    message: str
    """The line, without its time."""


@dataclass
class _File:
    """One log file, as far as it was read.

    Attributes:
        offset: bytes read.
        piece: what was read of a line whose end is not there yet.
        refused: looks in a row that its address was refused in.
    """

    source: str
    offset: int = 0
    piece: bytes = b""
    refused: int = 0


class LogReader:
    """Reads what was added to a job's log files since the last look; a broken connection repeats and loses nothing.

    What was read is known by the file, not by its address, which is signed anew for every look.
    """

    def __init__(self, workspace: Workspace, job: str) -> None:
        self._workspace = workspace
        self._job = job
        self._child: str | None = None
        self._files: dict[str, dict[str, _File]] = {}
        """By run and path: a job's own log and its child's may have the same name."""

    def read(self, *, last: bool = False, deadline: Deadline | None = None) -> Iterator[LogEntry]:
        """Yield the new complete lines; with ``last`` also a line without its end.

        It can be called again after an error: it goes on where it was.
        """
        try:
            self._child = self._child or _runs.child_run(self._workspace, self._job, deadline)
            # A log of the job itself that was begun before it had a child is read to its end, too.
            own = self._files.get(self._job, {}) if self._child else {}
            begun = [self._job] if any(file.offset for file in own.values()) else []
            for run in (*begun, self._child or self._job):
                yield from self._read_run(run, deadline)
        except NotFoundError:
            pass  # the run history learns of a job a little later than the job's own route
        if last:
            yield from self._pieces()

    def _read_run(self, run: str, deadline: Deadline | None) -> Iterator[LogEntry]:
        addresses = dict(_runs.details(self._workspace, run, deadline).log_files)
        files = self._files.setdefault(run, {})
        for path in sorted(addresses, key=lambda one: (not _DRIVER.match(one), one)):
            source = _source(path)
            if source is None:
                continue
            if run == self._job and self._child and not (path in files and files[path].offset):
                continue  # later, the service copies logs of the child there
            try:
                yield from self._new_lines(path, addresses[path], files.setdefault(path, _File(source)), deadline)
            except NotFoundError:
                continue  # announced, but not there yet

    def _new_lines(self, path: str, url: str, file: _File, deadline: Deadline | None) -> Iterator[LogEntry]:
        """Yield the lines that are new; what came before a connection broke is not asked for again."""
        action = f"read log '{path}' of job '{self._job}'"
        failures = 0
        while True:
            before = file.offset
            try:
                chunks = self._workspace.session.stream_bytes(
                    url, file.offset, named_by="the run's logFiles", action=action, deadline=deadline
                )
                for chunk in chunks:
                    file.offset += len(chunk)
                    *lines, file.piece = (file.piece + chunk).split(b"\n")
                    yield from (_entry(line, file.source) for line in lines)
            except ShorterThanThat:
                yield from _cut(file)
                continue  # begun anew: read from its beginning
            except ForeignHostError:
                raise
            except TransportError:
                failures = 0 if file.offset > before else failures + 1
                if failures > _TRIES:
                    raise
                continue
            except (PermissionDeniedError, AuthenticationError):
                file.refused += 1
                if file.refused > _TRIES:
                    raise
                return  # the next look brings an address that is signed anew
            file.refused = 0
            return

    def _pieces(self) -> Iterator[LogEntry]:
        for files in self._files.values():
            for file in files.values():
                yield from _ended(file)


def _ended(file: _File) -> Iterator[LogEntry]:
    """Yield a line without its end."""
    piece, file.piece = file.piece, b""
    if piece:
        yield _entry(piece, file.source)


def _cut(file: _File) -> Iterator[LogEntry]:
    file.offset = 0
    return _ended(file)


def follow(
    reader: LogReader,
    refresh: Callable[[Deadline], JobStatus],
    deadline: Deadline,
    pause: tuple[float, float],
    patience: Patience,
) -> Iterator[LogEntry]:
    """Yield log lines until the job has ended.

    Args:
        reader: of the job.
        refresh: reads the job again and returns its status.
        deadline: DeadlinePassed is raised after it.
        pause: seconds between looks, first and longest.
        patience: bears with the looks that fail.
    """
    for seconds in pauses(*pause):
        ended = patience.ask(lambda: refresh(deadline)).is_terminal
        yield from _all(reader, patience, deadline, last=ended)
        if ended:
            return
        deadline.sleep(seconds)


def _all(reader: LogReader, patience: Patience, deadline: Deadline, *, last: bool) -> Iterator[LogEntry]:
    while True:
        try:
            yield from reader.read(last=last, deadline=deadline)
        except (TransportError, ServiceError) as error:
            patience.bear(error)
        else:
            patience.answered()
            return


def _source(path: str) -> str | None:
    if _DRIVER.match(path):
        return "driver"
    found = _WORKER.match(path)
    return found["worker"] if found else None


def _entry(text: bytes, source: str) -> LogEntry:
    line = text.decode("utf-8", "replace").rstrip("\r")
    found = _STAMP.match(line)
    moment = time_from_wire(found["time"].replace(" ", "T").replace(",", ".") + "Z") if found else None
    if found is None or moment is None:
        return LogEntry(datetime.now(timezone.utc), source, line)
    return LogEntry(moment, source, line[found.end() :])
