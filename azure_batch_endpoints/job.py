"""A batch scoring job: status, progress, waiting, logs, items, results, retry. The collection is in ``jobs``."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from datetime import datetime
from typing import TYPE_CHECKING, Any

from typing_extensions import Self

from azure_batch_endpoints import (
    _accounts,
    _callbacks,
    _live,
    _mini_batches,
    _progress,
    _render,
    _retry,
    _stopping,
    _submit,
    _waiting,
)
from azure_batch_endpoints._arguments import require_count
from azure_batch_endpoints._entity import Entity, Snapshot, named
from azure_batch_endpoints._http import Deadline
from azure_batch_endpoints._wire import kept_job
from azure_batch_endpoints._wire.jobview import JobView, job_view
from azure_batch_endpoints.errors import InvalidInputError
from azure_batch_endpoints.items import ItemOutcome, ItemStatus, JobProgress, MiniBatchOutcome, frame
from azure_batch_endpoints.logs import LogEntry, LogReader
from azure_batch_endpoints.results import JobResults
from azure_batch_endpoints.states import JobStatus

if TYPE_CHECKING:
    import pandas as pd

    from azure_batch_endpoints._workspace import Workspace


class Job(Entity[JobView]):
    """One run of a deployment over its inputs.

    Properties show the job as it was when last asked; :meth:`refresh`, :meth:`wait`, :meth:`stream` and :meth:`cancel`
    ask again. A job is found again by its name from any process: ``client.jobs.get(name)``.
    """

    _noun = "job"
    _asked_pause: float | None = None
    _asked_for: kept_job.Comparing | None = None

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
        """How far it was when last asked; None where nobody tells. In the cloud after refresh() or under a bar only."""
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
        return JobResults(self._workspace, self._snapshot.body, self)

    def refresh(self) -> Self:
        """Ask the service again (1 request; in the cloud some more, at most every 10 s: for progress, for the reason).

        Returns:
            this object, refreshed.

        Raises:
            NotFoundError: there is no such job.
        """
        return self._refresh(None)._told()

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
            progress: True draws a bar, or writes plain lines where stderr is no terminal; False nothing; None: a bar
                in a notebook or on a terminal, else nothing.

        Returns:
            this object, refreshed.

        Raises:
            JobFailedError: it ended Failed; the message names the first cause. JobCanceledError: it was cancelled.
            NotKeptError: it ended, but the service did not do what the call that started it asked for.
            WaitTimeoutError: the time was over.
        """
        told = self._told if _progress.wanted(progress) else lambda: self
        with _progress.job_bar(self.name, show=progress) as draw:
            _waiting.until_ended(self, timeout, poll_interval, lambda: draw(told().progress, self.status.value))
        if raise_on_failure:
            _waiting.raise_if_failed(self)
        return self._compare()

    def watch(
        self, *, timeout: float | None = None, poll_interval: float | None = None, raise_on_failure: bool = True
    ) -> Self:
        """Show a live view in a notebook until it has ended; elsewhere the same as ``wait(progress=True)``.

        The view has progress, causes of failure, the last log lines and, on this machine, a timeline of mini-batches
        by worker. It stays in the notebook as a record. Stopping the cell stops watching; the job goes on.

        Args:
            timeout: seconds; None: as long as it takes. The job goes on when the time is over.
            poll_interval: as of :meth:`wait`.
            raise_on_failure: as of :meth:`wait`.

        Returns:
            this object, refreshed.

        Raises:
            JobFailedError: it ended Failed. JobCanceledError: it was cancelled.
            NotKeptError: as of :meth:`wait`.
            WaitTimeoutError: the time was over.
        """
        if not _progress.in_notebook():
            return self.wait(
                timeout=timeout, poll_interval=poll_interval, raise_on_failure=raise_on_failure, progress=True
            )
        with _live.view(self) as seen:
            _waiting.until_ended(self, timeout, poll_interval, seen)
        return self.wait(raise_on_failure=raise_on_failure, progress=False)

    def add_done_callback(self, fn: Callable[[Job], object], /) -> None:
        """Call a function with this job, once, when it has ended, well or not; returns at once.

        One background thread a client looks at all such jobs, through outages too, and calls their functions one after
        the other; what they raise is logged (``azure_batch_endpoints.callbacks``). It does not keep the interpreter
        alive, and ends with the client: a warning in the log names the jobs that had not ended then.

        Args:
            fn: called with this object, refreshed; at once, in this thread, if the job is known to have ended.
        """
        _callbacks.watch(self, fn)

    def stream(self, *, timeout: float | None = None) -> Iterator[LogEntry]:
        """Yield log lines, the driver's and the workers', as they are written, until the job has ended.

        No line is repeated or lost when a connection breaks. Does not raise when the job failed: look at
        :attr:`status` afterwards, or call :meth:`wait`.

        Args:
            timeout: seconds; None: as long as it takes.

        Raises:
            WaitTimeoutError: the time was over; the job goes on.
            TransportError, ServerError: no answer for half an hour (with ``timeout``: until then); the job goes on.
            AuthenticationError: the login ended and was not renewed; the job goes on.
        """
        return _waiting.lines(self, timeout)

    def logs(self, *, tail: int | None = None) -> list[LogEntry]:
        """Return the log lines written so far.

        Args:
            tail: at most this many of the last lines; None: all.
        """
        require_count("tail", tail, "a number of lines")
        entries = _render.Rows(LogReader(self._workspace, self.name).read(last=True))
        return entries if tail is None else _render.Rows(entries[max(0, len(entries) - tail) :])

    def cancel(self) -> Self:
        """Ask the service to stop it and wait until the service has taken note.

        A job that has ended already stays as it is. What was scored before counts: :attr:`progress` says how much,
        ``job.results.to_pandas(partial=True)`` reads it, ``retry_failed(include_pending=True)`` scores the rest.

        Returns:
            this object, refreshed; perhaps still ``CancelRequested``: :meth:`wait` waits for the end.

        Raises:
            ConflictError: the service could not; the job goes on.
        """
        _stopping.stop(self)
        return self._refresh(None)

    def items(self, *, status: ItemStatus | None = None) -> Iterator[ItemOutcome]:
        """Yield what became of each input file, in the order of the plan; asks page by page.

        Args:
            status: ``succeeded``, ``failed`` or ``pending``; None: all.

        Raises:
            InvalidInputError: another status was asked for.
            ResultsError: nobody keeps account of the job: in the cloud a deployment with ``instrument=True`` does, and
                without it log files tell of failures only.
        """
        if status not in (None, "succeeded", "failed", "pending"):
            raise InvalidInputError(f"status is '{status}'; it can be 'succeeded', 'failed' or 'pending'.")
        found = _accounts.items(self._workspace, self._snapshot.body, status)
        return _render.Noted(found, f"items of job '{self.name}'")

    def mini_batches(self) -> Iterator[MiniBatchOutcome]:
        """Yield what became of each mini-batch that is finished, in the order of the plan; asks page by page.

        Raises:
            ResultsError: this service keeps no account of them; only the local one does.
        """
        found = _mini_batches.mini_batches(self._workspace, self.name)
        return _render.Noted(found, f"mini-batches of job '{self.name}'")

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
            ResultsError: nobody keeps account of the job, or not any more; no job was started. In the cloud a
                deployment with ``instrument=True`` does; the failed files are copied to the default datastore.
            ServiceError: nothing failed; the text says so, and whether files were never scored.
        """
        if not self.status.is_terminal:
            raise InvalidInputError(
                f"Job '{self.name}' is still {self.status.value}. Wait for its end first: job.wait()."
            )
        answer = _retry.start(
            self._workspace,
            replace(self._snapshot.body, endpoint=self.endpoint_name),
            deployment=self.deployment_name,
            include_pending=include_pending,
            overrides=overrides,
        )
        new = Job(self._workspace, Snapshot.take(job_view, answer))
        over = _submit.overrides_from(overrides, "retry_failed()")
        named = overrides.get("job_name") is not None
        exact = self._workspace.session.is_local
        retry_of = self.name if exact else None  # Azure may not keep the tag that says so
        asked = kept_job.AskedJob(over, {}, self.deployment_name, named=named, retry_of=retry_of, exact=exact)
        return new._started_as(asked)

    def _started_as(self, asked: kept_job.AskedJob) -> Self:
        self._asked_for = kept_job.Comparing(asked)
        return self._compare()

    def _compare(self) -> Self:
        if self._asked_for is not None:
            self._asked_for.judge(self, self.name, self.raw, ended=self.status.is_terminal)
        return self

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
        return snapshot.with_body(_accounts.explained(self._workspace, snapshot.body, deadline))

    def _told(self) -> Self:
        """Add how far it is where only its own files tell."""
        self._snapshot = self._snapshot.with_body(_accounts.told(self._workspace, self._snapshot.body))
        return self

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
