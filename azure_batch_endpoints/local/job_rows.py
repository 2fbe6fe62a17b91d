"""A job as a row of SQLite, and the moves its status may make.

Here: the table, the conversions and the table of moves. Not here: reading and writing, which is `state`.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from sqlite3 import Connection
from typing import Any, TypeAlias

from azure_batch_endpoints.local.job import JobInputSource, JobRequest, JobRow
from azure_batch_endpoints.specs import RunSettings
from azure_batch_endpoints.states import JobStatus

SCHEMA = """
CREATE TABLE IF NOT EXISTS jobs (
    number INTEGER PRIMARY KEY AUTOINCREMENT, name TEXT NOT NULL UNIQUE, child TEXT NOT NULL UNIQUE,
    display_name TEXT NOT NULL, experiment TEXT NOT NULL, status TEXT NOT NULL, request TEXT NOT NULL,
    created_at TEXT NOT NULL, started_at TEXT, ended_at TEXT, error TEXT, progress TEXT, row_kinds TEXT,
    tags TEXT NOT NULL, body TEXT NOT NULL, endpoint TEXT NOT NULL COLLATE NOCASE,
    deployment TEXT NOT NULL COLLATE NOCASE, description TEXT, properties TEXT NOT NULL DEFAULT '{}',
    archived INTEGER NOT NULL DEFAULT 0);
CREATE INDEX IF NOT EXISTS jobs_of_endpoint ON jobs (endpoint, deployment, number);
CREATE INDEX IF NOT EXISTS jobs_by_status ON jobs (status, number);
CREATE TABLE IF NOT EXISTS repeatability (id TEXT PRIMARY KEY, job TEXT NOT NULL) WITHOUT ROWID;
"""
ADDED = ("description TEXT", "properties TEXT NOT NULL DEFAULT '{}'", "archived INTEGER NOT NULL DEFAULT 0")
"""Columns that a file of an earlier version may lack."""
COLUMNS = (
    "name, child, display_name, experiment, status, request, created_at, started_at, ended_at, error, progress,"
    " row_kinds, tags, body, description, properties, archived"
)
INSERT = f"INSERT INTO jobs ({COLUMNS}, endpoint, deployment) VALUES ({', '.join('?' * 19)})"
UPDATE = "UPDATE jobs SET display_name = ?, description = ?, tags = ?, properties = ?, archived = ? WHERE name = ?"
"""Writes what may change of a job beside its status."""

Row: TypeAlias = tuple[Any, ...]
_OPEN = (JobStatus.QUEUED, JobStatus.PREPARING, JobStatus.RUNNING, JobStatus.FINALIZING)
_NEXT = {
    JobStatus.QUEUED: JobStatus.PREPARING,
    JobStatus.PREPARING: JobStatus.RUNNING,
    JobStatus.RUNNING: JobStatus.FINALIZING,
    JobStatus.FINALIZING: JobStatus.COMPLETED,
}
MOVES: Mapping[JobStatus, frozenset[JobStatus]] = {
    **{status: frozenset({_NEXT[status], JobStatus.CANCEL_REQUESTED, JobStatus.FAILED}) for status in _OPEN},
    JobStatus.CANCEL_REQUESTED: frozenset({JobStatus.CANCELED, JobStatus.FAILED}),
}
"""Where a status may go; a status that is no key is an end."""
REQUEUED = frozenset(MOVES)
"""Statuses in which a service that was killed may have left a job; the next one starts it again."""


@dataclass(frozen=True)
class JobChange:
    """What to change of a job; None leaves it.

    Attributes:
        display_name: friendly name.
        description: in the user's words.
        tags: laid over the ones there are.
        properties: added to the ones there are; none is ever changed.
        archived: whether lists leave it out.
    """

    display_name: str | None = None
    description: str | None = None
    tags: Mapping[str, str] | None = None
    properties: Mapping[str, str] | None = None
    archived: bool | None = None


class IllegalMove(ValueError):
    """A job cannot go from the status it has to the one asked for."""


class UnknownJob(KeyError):
    """There is no job of this name."""

    def __str__(self) -> str:
        return f"There is no job '{self.args[0]}'."


def check_move(name: str, now: JobStatus, to: JobStatus) -> None:
    """Let a legal move pass.

    Raises:
        IllegalMove: it is not one.
    """
    if to not in MOVES.get(now, frozenset()):
        raise IllegalMove(f"Job '{name}' is {now.value}; it cannot become {to.value}.")


def to_row(job: JobRow) -> Row:
    """Return the values of ``INSERT``."""
    return (
        *(job.name, job.child, job.display_name, job.experiment, job.status.value, _request_text(job.request)),
        *(job.created_at, job.started_at, job.ended_at, job.error, job.progress, job.rows),
        *(json.dumps(dict(job.tags)), json.dumps(dict(job.body))),
        *(job.description, json.dumps(dict(job.properties)), job.archived),
        *(job.request.endpoint, job.request.deployment),
    )


def add_missing_columns(database: Connection) -> None:
    """Give the table of an earlier version the columns that it lacks."""
    there = {row[1] for row in database.execute("PRAGMA table_info(jobs)")}
    for column in ADDED:
        if column.split()[0] not in there:
            database.execute(f"ALTER TABLE jobs ADD COLUMN {column}")


def changed_values(job: JobRow, change: JobChange) -> Row:
    """Return the values of ``UPDATE``."""
    return (
        job.display_name if change.display_name is None else change.display_name,
        job.description if change.description is None else change.description,
        json.dumps({**job.tags, **(change.tags or {})}),
        json.dumps({**(change.properties or {}), **job.properties}),
        job.archived if change.archived is None else change.archived,
        job.name,
    )


def from_row(row: Row) -> JobRow:
    """Return the job of a row of ``COLUMNS``."""
    name, child, display_name, experiment, status, request, *times = row[:9]
    error, progress, rows, tags, body, description, properties, archived = row[9:]
    return JobRow(
        name=name,
        child=child,
        display_name=display_name,
        experiment=experiment,
        status=JobStatus(status),
        request=_request(json.loads(request)),
        created_at=times[0],
        started_at=times[1],
        ended_at=times[2],
        error=error,
        progress=progress,
        rows=rows,
        tags=json.loads(tags),
        body=json.loads(body),
        description=description,
        properties=json.loads(properties),
        archived=bool(archived),
    )


def _request_text(request: JobRequest) -> str:
    # asdict copies the pydantic settings as they are; they have their own dump.
    return json.dumps({**asdict(request), "settings": request.settings.model_dump(mode="json")})


def _request(values: dict[str, Any]) -> JobRequest:
    inputs = tuple(JobInputSource(**one) for one in values.pop("inputs"))
    settings = RunSettings(**values.pop("settings"))
    return JobRequest(**values, inputs=inputs, settings=settings)
