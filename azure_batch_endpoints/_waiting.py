"""Waiting for jobs to end, and what is said when one ended badly or has not ended in time."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from azure_batch_endpoints import _retry
from azure_batch_endpoints._http import Deadline, DeadlinePassed, pauses
from azure_batch_endpoints.errors import JobCanceledError, JobFailedError, WaitTimeoutError
from azure_batch_endpoints.states import JobStatus

if TYPE_CHECKING:
    from azure_batch_endpoints.job import Job


def until_ended(job: Job, timeout: float | None, poll_interval: float | None, seen: Callable[[], None]) -> None:
    """Look at a job until it has ended.

    Args:
        job: refreshed with each look.
        timeout: seconds; None: as long as it takes.
        poll_interval: longest pause between looks, in seconds; None: the session's.
        seen: called after each look.

    Raises:
        WaitTimeoutError: the time was over; the job goes on.
    """
    session = job._workspace.session
    deadline = Deadline(session.clock, timeout)
    longest = poll_interval or session.longest_pause
    try:
        for pause in pauses(min(session.first_pause, longest), longest):
            job._refresh(deadline)
            seen()
            if job.status.is_terminal:
                return
            deadline.sleep(pause if job._asked_pause is None else job._asked_pause)
    except DeadlinePassed as passed:
        if not job.status.is_terminal:
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


def still(job: Job, timeout: float | None) -> str:
    """Say that a job goes on though the time to wait is over."""
    done = f" ({job.progress.counts} done)" if job.progress else ""
    return (
        f"Job '{job.name}' is still {job.status.value} after {timeout:g} s{done}. "
        f'It goes on; return to it with client.jobs.get("{job.name}").'
    )
