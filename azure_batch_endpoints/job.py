"""A batch scoring job: status, progress, waiting, logs, items, results, retry. The collection is in ``jobs``."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from datetime import datetime
from typing import TYPE_CHECKING, Any

from typing_extensions import Self

from azure_batch_endpoints import _accounts, _progress, _retry, _runs, _waiting
from azure_batch_endpoints._entity import Entity, Snapshot, named
from azure_batch_endpoints._http import Deadline, DeadlinePassed, Operation, OperationEnded
from azure_batch_endpoints._wire.jobview import JobView, job_view
from azure_batch_endpoints.errors import ConflictError, InvalidInputError, ServiceError, WaitTimeoutError
from azure_batch_endpoints.items import ItemOutcome, JobProgress, frame
from azure_batch_endpoints.logs import LogEntry, LogReader, follow
from azure_batch_endpoints.results import JobResults
from azure_batch_endpoints.states import JobStatus

if TYPE_CHECKING:
    import pandas as pd

    from azure_batch_endpoints._workspace import Workspace

_CANCEL_SECONDS = 60.0


class Job(Entity[JobView]):
    """One run of a deployment over its inputs.

    Properties show the job as it was when last asked; :meth:`refresh`, :meth:`wait`, :meth:`stream` and :meth:`cancel`
    ask again. A job is found again by its name from any process: ``client.jobs.get(name)``.
    """

    _noun = "job"
    _asked_pause: float | None = None

    def __init__(self, workspace: Workspace, snapshot: Snapshot[JobView]) -> None:
        super().__init__(workspace, snapshot)
        self.endpoint_name: str = snapshot.body.endpoint
        """Endpoint it was sent to."""
        self.deployment_name: str | None = snapshot.body.deployment
        """Deployment that scores it, or None when the service does not say."""

    @property
    def id(self) -> str:
        """ARM id, the same whichever answer the job was read from (an invoke's own id names the deployment)."""
        return self._path() if self.name else ""

    @property
    def status(self) -> JobStatus:
        """Status when last asked."""
        return self._snapshot.body.status

    @property
    def error(self) -> str | None:
        """Why it failed: the first cause with script line and file. Of a list in the cloud only after refresh()."""
        return self._snapshot.body.error

    @property
    def progress(self) -> JobProgress | None:
        """How far it was when last asked; None where the service does not tell."""
        body = self._snapshot.body.progress
        found = None if body is None else JobProgress.from_wire(body)
        # an ended job has no rate any more, and nothing to go
        return replace(found, items_per_second=None, eta=None) if found and self.status.is_terminal else found

    @property
    def retry_of(self) -> str | None:
        """Name of the job whose failed files this one scores again, or None; see :meth:`retry_failed`."""
        return self._snapshot.body.retry_of

    @property
    def display_name(self) -> str | None:
        """Friendly name the service made up."""
        return self._snapshot.body.display_name

    @property
    def tags(self) -> Mapping[str, str]:
        """Tags, the service's own (``azureml.…``) included."""
        return self._snapshot.body.tags

    @property
    def created_at(self) -> datetime | None:
        """When it was created, aware UTC."""
        return self._snapshot.body.created_at

    @property
    def studio_url(self) -> str:
        """Page of the job: the studio's, or the local service's own."""
        return self._snapshot.body.studio_url or self._workspace.studio_url(self.name)

    @property
    def results(self) -> JobResults:
        """What it wrote. Reading it sends requests; this does not."""
        return JobResults(self._workspace, self._snapshot.body)

    def refresh(self) -> Self:
        """Ask the service again (1 request; 2 more when it failed in the cloud, for the reason).

        Returns:
            this object, refreshed.

        Raises:
            NotFoundError: there is no such job.
        """
        return self._refresh(None)

    def wait(
        self,
        *,
        timeout: float | None = None,
        poll_interval: float | None = None,
        raise_on_failure: bool = True,
        progress: bool | None = None,
    ) -> Self:
        """Wait until it has ended.

        Args:
            timeout: seconds; None: as long as it takes. The job goes on when the time is over.
            poll_interval: longest pause between looks, in seconds; None: 10, locally 0.5. The first ones are short.
            raise_on_failure: False returns a failed or cancelled job instead of raising.
            progress: True draws a bar on stderr, False nothing; None: a bar in a notebook or on a terminal.

        Returns:
            this object, refreshed.

        Raises:
            JobFailedError: it ended Failed; the message names the first cause. JobCanceledError: it was cancelled.
            WaitTimeoutError: the time was over.
        """
        with _progress.job_bar(self.name, show=progress) as draw:
            _waiting.until_ended(self, timeout, poll_interval, lambda: draw(self.progress, self.status.value))
        if raise_on_failure:
            _waiting.raise_if_failed(self)
        return self

    def stream(self, *, timeout: float | None = None) -> Iterator[LogEntry]:
        """Yield log lines, the driver's and the workers', as they are written, until the job has ended.

        No line is repeated or lost when a connection breaks. Does not raise when the job failed: look at
        :attr:`status` afterwards, or call :meth:`wait`.

        Args:
            timeout: seconds; None: as long as it takes.

        Raises:
            WaitTimeoutError: the time was over; the job goes on.
        """
        session = self._workspace.session
        deadline = Deadline(session.clock, timeout)
        pause = (session.first_pause, min(5.0, session.longest_pause))

        def status(until: Deadline) -> JobStatus:
            return self._refresh(until).status

        try:
            yield from follow(LogReader(self._workspace, self.name), status, deadline, pause)
        except DeadlinePassed as passed:
            raise WaitTimeoutError(_waiting.still(self, timeout), self) from passed

    def logs(self, *, tail: int | None = None) -> list[LogEntry]:
        """Return the log lines written so far.

        Args:
            tail: at most this many of the last lines; None: all.
        """
        entries = list(LogReader(self._workspace, self.name).read(last=True))
        return entries if tail is None else entries[max(0, len(entries) - tail) :]

    def cancel(self) -> Self:
        """Ask the service to stop it and wait until the service has taken note.

        A job that has ended already stays as it is. What was scored before counts: :attr:`progress` says how much,
        ``job.results.to_pandas(partial=True)`` reads it, ``retry_failed(include_pending=True)`` scores the rest.

        Returns:
            this object, refreshed; perhaps still ``CancelRequested``: :meth:`wait` waits for the end.

        Raises:
            ConflictError: the service could not; the job goes on.
        """
        action = f"cancel job '{self.name}'"
        try:
            answer = self._workspace.send("POST", f"{self._path()}/cancel", action=action, retry_post=True)
            Operation.start(self._workspace.session, answer, action=action).wait(_CANCEL_SECONDS)
        except DeadlinePassed:
            return self.refresh()
        except OperationEnded as ended:
            reason = (ended.message or "the service gave no reason").rstrip(".")
            if not self.refresh().status.is_terminal:
                raise ConflictError(f"Could not {action}: {reason}. It goes on.", status_code=409) from ended
        except ServiceError:
            if not self.refresh().status.is_terminal:
                raise
        return self.refresh()

    def items(self, *, status: str | None = None) -> Iterator[ItemOutcome]:
        """Yield what became of each input file, in the order of the plan; asks page by page.

        Args:
            status: ``succeeded``, ``failed`` or ``pending``; None: all.

        Raises:
            InvalidInputError: another status was asked for.
            ResultsError: this service keeps no ledger of the job.
        """
        if status not in (None, "succeeded", "failed", "pending"):
            raise InvalidInputError(f"status is '{status}'; it can be 'succeeded', 'failed' or 'pending'.")
        return _accounts.items(self._workspace, self.name, status)

    def failed_items(self) -> pd.DataFrame:
        """Return the input files that failed, a row each; columns are those of :class:`ItemOutcome`."""
        return frame(self.items(status="failed"))

    def retry_failed(self, *, include_pending: bool = False, **overrides: Any) -> Job:
        """Start a new job over exactly the input files that failed in this one.

        The deployment scores as it is now, so a mended script counts; what this job overrode still does too. The rows
        of both jobs together are ``job.results.to_pandas(merged=True)`` of the new one.

        Args:
            include_pending: the files too that were never scored, because this job was cancelled or stopped early.
            overrides: keyword arguments of ``BatchEndpoint.invoke`` other than inputs and deployment.

        Returns:
            the new job, not waited for.

        Raises:
            InvalidInputError: no such override, or this job has not ended.
            ResultsError: this service keeps no ledger of the job, or not any more; no job was started.
            ServiceError: nothing failed; the text says so, and whether files were never scored.
        """
        if self._workspace.session.is_local and not self.status.is_terminal:
            raise InvalidInputError(
                f"Job '{self.name}' is still {self.status.value}. Wait for its end first: job.wait()."
            )
        answer = _retry.start(
            self._workspace,
            self.name,
            endpoint=self.endpoint_name,
            deployment=self.deployment_name,
            include_pending=include_pending,
            overrides=overrides,
        )
        return Job(self._workspace, Snapshot.take(job_view, answer))

    def _path(self) -> str:
        return self._workspace.path.job(self.name)

    def _refresh(self, deadline: Deadline | None) -> Self:
        answer = self._workspace.send("GET", self._path(), action=f"read job '{self.name}'", deadline=deadline)
        self._asked_pause = answer.retry_after
        snapshot = Snapshot.take(job_view, named(answer.body, self._path()))
        self.endpoint_name = snapshot.body.endpoint or self.endpoint_name
        self.deployment_name = snapshot.body.deployment or self.deployment_name
        self._snapshot = self._explained(snapshot, deadline)
        return self

    def _explained(self, snapshot: Snapshot[JobView], deadline: Deadline | None) -> Snapshot[JobView]:
        """Fetch the reason of a failure from the run history: the management route does not tell it."""
        if snapshot.body.error or snapshot.body.status is not JobStatus.FAILED:
            return snapshot
        return snapshot.with_body(replace(snapshot.body, error=_runs.why_failed(self._workspace, self.name, deadline)))

    def _rows(self) -> list[tuple[str, object]]:
        return [
            ("name", self.name),
            ("status", self.status),
            ("endpoint", self.endpoint_name),
            ("deployment", self.deployment_name),
            ("progress", self.progress),
            ("retry of", self.retry_of),
            ("error", self.error),
            ("created", self.created_at),
            ("studio", None if self._workspace.session.is_local else self.studio_url),  # the local one is signed
        ]
