"""Waiting for jobs to end, and what is said when one ended badly or has not ended in time."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

from azure_batch_endpoints import _retry
from azure_batch_endpoints._arguments import require_seconds
from azure_batch_endpoints._http import Deadline, DeadlinePassed, Patience, pauses
from azure_batch_endpoints.errors import JobCanceledError, JobFailedError, WaitTimeoutError
from azure_batch_endpoints.logs import LogEntry, LogReader, follow
from azure_batch_endpoints.states import JobStatus

if TYPE_CHECKING:
    from azure_batch_endpoints._http import Session
    from azure_batch_endpoints.job import Job


def until_ended(job: Job, timeout: float | None, poll_interval: float | None, seen: Callable[[], None]) -> None:
    """Look at a job until it has ended.

    Args:
        job: refreshed with each look.
        timeout: seconds; None: as long as it takes.
        poll_interval: longest pause between looks, in seconds; None: the session's.
        seen: called after each look.

    Raises:
        InvalidInputError: ``timeout`` or ``poll_interval`` is no number of seconds.
        WaitTimeoutError: the time was over; the job goes on.
    """
    require_seconds("timeout", timeout)
    session = job._workspace.session
    deadline = Deadline(session.clock, timeout)
    longest = longest_pause(session, poll_interval)
    patience = Patience(session, deadline, goes_on(job))
    try:
        for pause in pauses(min(session.first_pause, longest), longest):
            patience.ask(lambda: job._refresh(deadline))
            seen()
            if job.status.is_terminal:
                return
            deadline.sleep(pause if job._asked_pause is None else job._asked_pause)
    except DeadlinePassed as passed:
        if not job.status.is_terminal:
            raise WaitTimeoutError(still(job, timeout), job) from passed


def longest_pause(session: Session, poll_interval: float | None) -> float:
    """Return the longest pause between two looks at a job, in seconds.

    Raises:
        InvalidInputError: ``poll_interval`` is negative or no number.
    """
    require_seconds("poll_interval", poll_interval, endless=False)
    return poll_interval or session.longest_pause


def lines(job: Job, timeout: float | None) -> Iterator[LogEntry]:
    """Yield a job's log lines until it has ended; see ``Job.stream``.

    Raises:
        InvalidInputError: ``timeout`` is no number of seconds.
        WaitTimeoutError: the time was over; the job goes on.
    """
    require_seconds("timeout", timeout)
    session = job._workspace.session
    deadline = Deadline(session.clock, timeout)
    pause = (session.first_pause, min(5.0, session.longest_pause))
    reader, patience = LogReader(job._workspace, job.name), Patience(session, deadline, goes_on(job))
    try:
        yield from follow(reader, lambda until: job._refresh(until).status, deadline, pause, patience)
    except DeadlinePassed as passed:
        if job.status.is_terminal:
            text = f"Job '{job.name}' is {job.status.value}, but its last log lines were not read within {timeout:g} s."
            raise WaitTimeoutError(f"{text} Read them with job.logs().", job) from passed
        raise WaitTimeoutError(still(job, timeout), job) from passed


def raise_if_failed(job: Job) -> None:
    """Raise what a job's end means.

    Raises:
        JobFailedError: it ended Failed; the message names the first cause. JobCanceledError: it was cancelled.
    """
    if job.status is JobStatus.CANCELED:
        scored = job._snapshot.body.scored
        after = f" after {scored}" if scored else ""
        remedy = _retry.what_is_left(job._snapshot.body) or "Start it again with invoke()."
        raise JobCanceledError(f"Job '{job.name}' was cancelled{after}. {remedy}", job)
    if job.status is not JobStatus.COMPLETED:
        reason = (job.error or "the service gave no reason").rstrip(".")
        verb = "failed" if job.status is JobStatus.FAILED else f"ended {job.status.value}"
        # The reason may end with the script's traceback: what to do then stands on a line of its own.
        remedy = "\n\nLogs: job.logs()." if "\n" in reason else ". Logs: job.logs()."
        left = _retry.what_is_left(job._snapshot.body)
        raise JobFailedError(f"Job '{job.name}' {verb}: {reason.rstrip()}{remedy} {left}".rstrip(), job)


def first_cause(job: Job) -> str:
    """Return how a job that did not complete ended, on one line: its first cause, without the traceback."""
    if job.status is JobStatus.CANCELED:
        return f"Job '{job.name}' was cancelled."
    verb = "failed" if job.status is JobStatus.FAILED else f"ended {job.status.value}"
    reason = (job.error or "the service gave no reason").strip().splitlines()[0]
    return f"Job '{job.name}' {verb}: {reason.rstrip('.:')}."


def standing(job: Job) -> str:
    """Return where a job stands, e.g. ``'nightly' (Running, 412 of 1,000 files)``."""
    done = f", {job.progress.counts}" if job.progress else ""
    return f"'{job.name}' ({job.status.value}{done})"


def still(job: Job, timeout: float | None) -> str:
    """Say that a job goes on though the time to wait is over."""
    done = f" ({job.progress.counts} done)" if job.progress else ""
    return f"Job '{job.name}' is still {job.status.value} after {timeout:g} s{done}. {goes_on(job)}"


def goes_on(job: Job) -> str:
    """Say that a job goes on without whoever waited for it, and how to come back."""
    return f'It goes on; return to it with client.jobs.get("{job.name}").'
