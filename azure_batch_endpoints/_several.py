"""Waiting for several jobs at once, of one client or of several: in turn, under one deadline, without a thread."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

from azure_batch_endpoints import _progress, _waiting
from azure_batch_endpoints._arguments import require_callable, require_seconds
from azure_batch_endpoints._http import Deadline, DeadlinePassed, Patience, pauses
from azure_batch_endpoints.errors import (
    InvalidInputError,
    JobCanceledError,
    JobFailedError,
    ServiceError,
    TransportError,
    WaitTimeoutError,
)
from azure_batch_endpoints.job import Job
from azure_batch_endpoints.states import JobStatus

_MOST_NAMED = 10
"""Jobs that a message names; of more it says how many."""


def wait_any(
    jobs: Iterable[Job],
    *,
    timeout: float | None = None,
    poll_interval: float | None = None,
    progress: bool | None = None,
) -> Job:
    """Wait until one of several jobs has ended, well or not; the others go on.

    Jobs of several clients may be mixed. They are looked at in turn, in the order given; no thread is started.

    Args:
        jobs: at least one; one that is named twice is looked at once.
        timeout: seconds for all of it; None: as long as it takes.
        poll_interval: longest pause between two looks at one job, in seconds; None: 10, locally 0.5.
        progress: as for :meth:`Job.wait`: one bar for all of them.

    Returns:
        the job that ended, refreshed; of several the one that comes first in ``jobs``. Look at its ``status``: a failed
        or cancelled job is returned, too.

    Raises:
        InvalidInputError: ``jobs`` is empty, or holds something else.
        WaitTimeoutError: none has ended in time; they go on.
    """
    given = _jobs(jobs, "wait_any()")
    if not given:
        raise InvalidInputError("wait_any() got no job, so none can end. Pass at least one job.")
    turn = _Turn(given, timeout, poll_interval)
    turn.run(progress, lambda _ended: True)
    return next(job for job in given if job.status.is_terminal)


def wait_all(
    jobs: Iterable[Job],
    *,
    timeout: float | None = None,
    poll_interval: float | None = None,
    raise_on_failure: bool = True,
    progress: bool | None = None,
    on_done: Callable[[Job], object] | None = None,
) -> list[Job]:
    """Wait until several jobs have ended.

    Jobs of several clients may be mixed. They are looked at in turn; no thread is started. All of them are waited for,
    also when one failed before.

    Args:
        jobs: which; one that is named twice is looked at once. None at all is fine.
        timeout: seconds for all of it; None: as long as it takes.
        poll_interval: longest pause between two looks at one job, in seconds; None: 10, locally 0.5.
        raise_on_failure: False returns failed and cancelled jobs like the others.
        progress: as for :meth:`Job.wait`: one bar for all of them.
        on_done: called with each job as it ends, once, in this thread; what it raises ends the wait.

    Returns:
        the jobs, refreshed, in the order they were given.

    Raises:
        InvalidInputError: ``jobs`` holds something else than jobs.
        JobFailedError: all have ended, and some failed; ``error.jobs`` holds those. JobCanceledError: these were all
            cancelled.
        NotKeptError: all have ended well, but the service did not do what a call that started one asked for.
        WaitTimeoutError: the time was over; the text names those that still run.
    """
    given = _jobs(jobs, "wait_all()")
    if on_done is not None:
        require_callable("on_done", on_done)
    if not given:
        return []

    def ended(job: Job) -> bool:
        if on_done is not None:
            on_done(job)
        return False

    _Turn(given, timeout, poll_interval).run(progress, ended)
    if raise_on_failure:
        raise_if_any_failed(given)
    for job in given:
        job._compare()
    return given


def raise_if_any_failed(jobs: Sequence[Job]) -> None:
    """Raise when jobs that have ended did not complete.

    Raises:
        JobFailedError: one or more failed. JobCanceledError: all that did not complete were cancelled.
    """
    every: dict[tuple[str, str], Job] = {}
    for job in jobs:
        every.setdefault(_key(job), job)
    bad = [job for job in every.values() if job.status is not JobStatus.COMPLETED]
    if len(bad) == 1:
        _waiting.raise_if_failed(bad[0])
    if not bad:
        return
    told = [f"- {_waiting.first_cause(job)}" for job in bad[:_MOST_NAMED]]
    if len(bad) > _MOST_NAMED:
        told.append(f"- and {len(bad) - _MOST_NAMED:,} more")
    text = f"{len(bad):,} of {len(every):,} jobs did not complete:\n" + "\n".join(told)
    kind = JobCanceledError if all(job.status is JobStatus.CANCELED for job in bad) else JobFailedError
    raise kind(f"{text}\nSee job.logs() of each; they are in error.jobs.", *bad)


def _jobs(jobs: Iterable[Job], call: str) -> list[Job]:
    given: list[Job] = list(jobs) if isinstance(jobs, Iterable) else [jobs]
    for one in given:
        if not isinstance(one, Job):
            raise InvalidInputError(
                f"{call} got something of type {type(one).__name__}, which is no job. "
                "Pass jobs: what invoke() returned, or client.jobs.get(name)."
            )
    return given


def _key(job: Job) -> tuple[str, str]:
    """Tell jobs apart, those of two services, too, whose ids may be alike."""
    return job._workspace.session.base_url, job.id.lower()


class _Watched:
    """One job, however often it was given, and when it is to be looked at next."""

    def __init__(self, jobs: list[Job], deadline: Deadline, poll_interval: float | None) -> None:
        self.job, self._others = jobs[0], jobs[1:]
        session = self.job._workspace.session
        longest = _waiting.longest_pause(session, poll_interval)
        self._pauses = pauses(min(session.first_pause, longest), longest)
        self._clock, self._deadline = session.clock, deadline
        self._later = _Later(session.clock, None if deadline.seconds == float("inf") else deadline.seconds)
        self._patience = Patience(session, self._later, _waiting.goes_on(self.job))
        self.due = self._clock.monotonic()

    def look(self) -> bool:
        """Look once; an outage is borne, so that the others are not kept waiting. Tells whether the job has ended."""
        job = self.job
        try:
            job._refresh(self._deadline)
        except (TransportError, ServiceError) as error:
            self._patience.bear(error)
            self.due = self._clock.monotonic() + self._later.pause
            return False
        self._patience.answered()
        for other in self._others:
            other._snapshot = job._snapshot
            other.endpoint_name, other.deployment_name = job.endpoint_name, job.deployment_name
        asked = job._asked_pause
        self.due = self._clock.monotonic() + (next(self._pauses) if asked is None else asked)
        return job.status.is_terminal


class _Later(Deadline):
    """A deadline that takes note of a pause in place of sleeping: somebody else is looked at in the meantime."""

    pause = 0.0

    def sleep(self, pause: float) -> None:
        """Take note of the pause."""
        self.check()
        self.pause = pause


class _Turn:
    """Looks at jobs in turn until it is enough."""

    def __init__(self, jobs: Sequence[Job], timeout: float | None, poll_interval: float | None) -> None:
        require_seconds("timeout", timeout)
        self._clock = jobs[0]._workspace.session.clock
        self._timeout = timeout
        self._deadline = Deadline(self._clock, timeout)
        alike: dict[tuple[str, str], list[Job]] = {}
        for job in jobs:
            alike.setdefault(_key(job), []).append(job)
        self._all = [_Watched(same, self._deadline, poll_interval) for same in alike.values()]

    def run(self, progress: bool | None, enough: Callable[[Job], bool]) -> None:  # noqa: FBT001 (the user's own switch)
        """Look until all have ended, or ``enough``, called with each that ended, says so.

        Raises:
            WaitTimeoutError: the time was over before.
        """
        left = list(self._all)
        names = list(dict.fromkeys(one.job.name for one in left))
        is_shown = _progress.wanted(progress)
        with _progress.jobs_bar(names, show=progress) as draw:
            try:
                while left:
                    for one in sorted(left, key=lambda one: one.due):
                        if one.due > self._clock.monotonic():
                            break
                        ended = one.look()
                        if is_shown:
                            one.job._told()  # in the cloud, only the job's own files tell how far it is
                        draw(one.job.name, one.job.progress, one.job.status.value)
                        if ended:
                            left.remove(one)
                            if enough(one.job):
                                return
                    if left:
                        self._deadline.sleep(max(0.0, min(one.due for one in left) - self._clock.monotonic()))
            except DeadlinePassed as passed:
                raise WaitTimeoutError(self._still([one.job for one in left]), left[0].job) from passed

    def _still(self, jobs: Sequence[Job]) -> str:
        if len(self._all) == 1:
            return _waiting.still(jobs[0], self._timeout)
        named = [_waiting.standing(job) for job in jobs[:_MOST_NAMED]]
        if len(jobs) > _MOST_NAMED:
            named.append(f"and {len(jobs) - _MOST_NAMED:,} more")
        have = "has" if len(jobs) == 1 else "have"
        return (
            f"{len(jobs):,} of {len(self._all):,} jobs {have} not ended after {self._timeout:g} s: {', '.join(named)}. "
            "They go on; wait for them again, or return to one with client.jobs.get(name)."
        )
