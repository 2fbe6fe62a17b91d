"""What the service knows: jobs here, everything else in ``resources``; one SQLite file, one transaction a method.

Here: writing a job's status down, by the one table of moves. Not here: deciding it (``scheduler``).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from sqlite3 import Connection

from azure_batch_endpoints._wire import scalars
from azure_batch_endpoints.local import job_rows, resources
from azure_batch_endpoints.local.job import JobRow
from azure_batch_endpoints.local.job_rows import IllegalMove, JobChange, UnknownJob
from azure_batch_endpoints.local.ledger_file import LedgerFile
from azure_batch_endpoints.states import JobStatus

__all__ = ["IllegalMove", "JobChange", "JobFilter", "State", "UnknownJob"]

_SELECT = f"SELECT {job_rows.COLUMNS} FROM jobs "
_TAGGED = "EXISTS (SELECT 1 FROM json_each(jobs.tags) t WHERE t.key = ? AND (? IS NULL OR t.value = ?))"


@dataclass(frozen=True)
class JobFilter:
    """Which jobs a list shows; None: all.

    Attributes:
        endpoint: of this endpoint, in any case.
        deployment: of this deployment, in any case.
        status: in this status.
        tag: with this tag: ``key`` or ``key=value``.
        experiment: of this experiment.
        archived: archived or not.
    """

    endpoint: str | None = None
    deployment: str | None = None
    status: JobStatus | None = None
    tag: str | None = None
    experiment: str | None = None
    archived: bool | None = None

    def where(self) -> tuple[list[str], list[str | None]]:
        """Return the conditions and their values."""
        equal = {
            "endpoint": self.endpoint,
            "deployment": self.deployment,
            "status": self.status and self.status.value,
            "experiment": self.experiment,
        }
        conditions = [f"{column} = ?" for column, value in equal.items() if value is not None]
        values: list[str | None] = [value for value in equal.values() if value is not None]
        if self.archived is not None:
            conditions.append("archived" if self.archived else "NOT archived")
        if self.tag is not None:
            key, equals, value = self.tag.partition("=")
            wanted = value if equals else None
            conditions.append(_TAGGED)
            values += [key, wanted, wanted]
        return conditions, values


class State:
    """The file ``state.sqlite``. Thread-safe; what a method wrote is on disk when it returns.

    Attributes:
        resources: endpoints, deployments, assets, computes and operations.
    """

    def __init__(self, path: Path) -> None:
        """Open or make the file; its two companions (-wal, -shm) belong to it."""
        self._file = LedgerFile(path)
        with self._file.transaction() as database:
            for statement in (resources.SCHEMA + job_rows.SCHEMA).split(";"):
                database.execute(statement)
            job_rows.add_missing_columns(database)
        self.resources = resources.Resources(self._file)

    def close(self) -> None:
        """Close the file."""
        self._file.close()

    def add_job(self, row: JobRow, request_ids: Sequence[str] = ()) -> JobRow:
        """Add a job, or return the one that is there already by its name or by one of the repeatability ids."""
        with self._file.transaction() as database:
            earlier = _find_earlier(database, row.name, request_ids)
            if earlier is not None:
                return earlier
            database.execute(job_rows.INSERT, job_rows.to_row(row))
            database.executemany("INSERT INTO repeatability VALUES (?, ?)", [(one, row.name) for one in request_ids])
        return row

    def earlier_job(self, name: str | None, request_ids: Sequence[str]) -> JobRow | None:
        """Return the job that an invoke with this name or these repeatability ids has made before, or None."""
        with self._file.transaction() as database:
            return _find_earlier(database, name, request_ids)

    def job(self, name: str) -> JobRow | None:
        """Return a job, or None."""
        return self._one("WHERE name = ?", (name,))

    def job_of_run(self, run: str) -> JobRow | None:
        """Return the job of a run of the run history: its own, or its ``batchscoring`` child's; None: no such run."""
        return self._one("WHERE name = ? OR child = ?", (run, run))

    def jobs(self, wanted: JobFilter, before: int | None, limit: int) -> list[tuple[int, JobRow]]:
        """Return jobs with their order of creation, the newest first, those with a number below ``before``."""
        conditions, values = wanted.where()
        where = " AND ".join([*conditions, "number < ?"])
        query = f"SELECT {job_rows.COLUMNS}, number FROM jobs WHERE {where} ORDER BY number DESC LIMIT ?"
        rows = self._file.rows(query, (*values, 2**62 if before is None else before, limit))
        return [(row[-1], job_rows.from_row(row[:-1])) for row in rows]

    def unfinished_jobs(self) -> list[JobRow]:
        """Return the jobs that have not ended, the oldest first."""
        open_statuses = tuple(status.value for status in job_rows.MOVES)
        marks = ", ".join("?" * len(open_statuses))
        return self._jobs(f"WHERE status IN ({marks}) ORDER BY number", open_statuses)

    def move_job(self, name: str, to: JobStatus, *, error: str | None = None) -> JobRow:
        """Give a job its next status; sets ``started_at`` when it begins to prepare and ``ended_at`` at its end.

        Args:
            name: the job.
            to: the status.
            error: why it failed.

        Raises:
            IllegalMove: it cannot go there from where it is.
            UnknownJob: there is no such job.
        """
        with self._file.transaction() as database:
            now = scalars.now()
            job_rows.check_move(name, _job(database, name).status, to)
            started = now if to is JobStatus.PREPARING else None
            ended = now if to.is_terminal else None
            database.execute(
                "UPDATE jobs SET status = ?, error = coalesce(?, error), started_at = coalesce(started_at, ?),"
                " ended_at = coalesce(ended_at, ?) WHERE name = ?",
                (to.value, error, started, ended, name),
            )
            return _job(database, name)

    def change_job(self, name: str, change: JobChange) -> JobRow:
        """Change what may change of a job beside its status; return it.

        Raises:
            UnknownJob: there is no such job.
        """
        with self._file.transaction() as database:
            database.execute(job_rows.UPDATE, job_rows.changed_values(_job(database, name), change))
            return _job(database, name)

    def delete_job(self, name: str, operation: str, set_aside: Callable[[JobRow], object]) -> JobRow | None:
        """Forget a job that has ended; return it, None when it was not there.

        Args:
            name: the job.
            operation: id of the operation that this is.
            set_aside: takes its folder away, called before another job can have the name, and before it is certain
                that the job is forgotten.

        Raises:
            IllegalMove: it goes on.
        """
        with self._file.transaction() as database:
            row = database.execute(_SELECT + "WHERE name = ?", (name,)).fetchone()
            if row is None:
                return None
            job = job_rows.from_row(row)
            if not job.status.is_terminal:
                raise IllegalMove(f"Job '{name}' is {job.status.value}. Cancel it, and delete it when it has ended.")
            database.execute("DELETE FROM repeatability WHERE job = ?", (name,))
            database.execute("DELETE FROM jobs WHERE name = ?", (name,))
            self.resources.note_operation(database, operation)
            set_aside(job)
        return job

    def requeue(self, name: str) -> JobRow:
        """Put a job that a killed service left behind back to Queued.

        Raises:
            IllegalMove: it has ended.
            UnknownJob: there is no such job.
        """
        with self._file.transaction() as database:
            now = _job(database, name).status
            if now not in job_rows.REQUEUED:
                raise IllegalMove(f"Job '{name}' is {now.value}; it cannot be queued again.")
            database.execute("UPDATE jobs SET status = ? WHERE name = ?", (JobStatus.QUEUED.value, name))
            return _job(database, name)

    def note_progress(self, name: str, progress: str) -> None:
        """Write down how far a job is: the fields of ``JobProgress`` as JSON text."""
        self._note("progress", name, progress)

    def note_rows(self, name: str, rows: str) -> None:
        """Write down what kind of rows a job returned: kind, columns and dtypes as JSON text."""
        self._note("row_kinds", name, rows)

    def _note(self, column: str, name: str, text: str) -> None:
        with self._file.transaction() as database:
            if not database.execute(f"UPDATE jobs SET {column} = ? WHERE name = ?", (text, name)).rowcount:
                raise UnknownJob(name)

    def _jobs(self, where: str, values: tuple[str, ...]) -> list[JobRow]:
        return [job_rows.from_row(row) for row in self._file.rows(_SELECT + where, values)]

    def _one(self, where: str, values: tuple[str, ...]) -> JobRow | None:
        found = self._jobs(where, values)
        return found[0] if found else None


def _job(database: Connection, name: str) -> JobRow:
    row = database.execute(_SELECT + "WHERE name = ?", (name,)).fetchone()
    if row is None:
        raise UnknownJob(name)
    return job_rows.from_row(row)


def _find_earlier(database: Connection, name: str | None, request_ids: Sequence[str]) -> JobRow | None:
    for one in request_ids:
        found = database.execute("SELECT job FROM repeatability WHERE id = ?", (one,)).fetchone()
        if found:
            return _job(database, found[0])
    row = database.execute(_SELECT + "WHERE name = ?", (name,)).fetchone() if name else None
    return job_rows.from_row(row) if row else None
