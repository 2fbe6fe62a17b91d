"""One job as it can be seen in the cloud: its account where the driver kept one, else its log files."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from itertools import islice
from typing import TYPE_CHECKING, Any

from azure_batch_endpoints import _runs
from azure_batch_endpoints._cloud import logs, matching
from azure_batch_endpoints._cloud.account import AccountReader
from azure_batch_endpoints._cloud.inputs import JobInputPlace, place_of
from azure_batch_endpoints._cloud.outcomes import Outcomes, Plan
from azure_batch_endpoints._http import DeadlinePassed, ShorterThanThat
from azure_batch_endpoints.errors import BatchEndpointsError, NotFoundError, ResultsError, ServiceError, TransportError

if TYPE_CHECKING:
    from azure_batch_endpoints._cloud.account import Account
    from azure_batch_endpoints._http import Deadline
    from azure_batch_endpoints._wire.jobview import JobView
    from azure_batch_endpoints._workspace import Workspace
    from azure_batch_endpoints.items import ItemOutcome, JobProgress

MOST_ERROR_FILES = 32
"""Workers' error logs that are read: the first ones by name."""
MOST_OF_A_LOG = 4 * 1024 * 1024
"""Bytes of a worker's error log that are read: thousands of tracebacks. Of the overview, the end counts."""
BETWEEN_LOOKS = 10.0
"""Seconds for which what was found out about a running job holds."""


class CloudJob:
    """What one job can tell; remembers what does not change."""

    def __init__(self, workspace: Workspace) -> None:
        self._workspace = workspace
        self._reader: AccountReader | None = None
        self._input: JobInputPlace | None = None
        self._names: list[str] | None = None
        self._asked_input = False
        self._texts: dict[str, bytes] = {}
        self._child: str | None = None
        self._progress: JobProgress | None = None
        self._looked: float | None = None

    def outcomes(self, job: JobView) -> tuple[Account, Outcomes] | None:
        """Return what the driver noted, and what became of the inputs; None when it noted nothing."""
        account = self._account(job)
        if account is None:
            return None
        told = job.parameters
        plan = Plan(
            self.names(job), _number(told, "mini_batch_size"), _number(told, "run_max_try"), job.status.is_terminal
        )
        return account, Outcomes(account, plan)

    def progress(self, job: JobView) -> JobProgress | None:
        """Return how far the job is; what was found out lately where it cannot be asked now or was asked just now."""
        now = self._workspace.session.clock.monotonic()
        if self._looked is not None and now - self._looked < BETWEEN_LOOKS and not job.status.is_terminal:
            return self._progress
        self._looked = now
        try:
            found = self.outcomes(job)
            self._progress = found[1].progress if found else self._logged_progress(job) or self._progress
        except BatchEndpointsError:
            return self._progress
        return self._progress

    def failed(self, job: JobView) -> list[ItemOutcome]:
        """Return what the log files say that failed.

        Raises:
            ResultsError: the job has no log files that could tell.
        """
        files = self._files(job)
        if not files:
            raise ResultsError(f"Job '{job.name}' has no log files yet, so what failed is not known. Wait: job.wait().")
        table = "".join(self._read(job, name, files[name]) for name in files if logs.TABLE.fullmatch(name))
        errors = list(self._errors(job, files))
        return logs.failures(errors, logs.processed(table), self.names(job))

    def why(self, job: JobView, deadline: Deadline | None) -> str | None:
        """Return why a job failed: the first traceback of its script with its place, and what the service says."""
        try:
            self._child = self._child or _runs.child_run(self._workspace, job.name, deadline)
            details = _runs.details(self._workspace, self._child or job.name, deadline)
        except (ServiceError, TransportError, DeadlinePassed):
            return None  # that it failed is known, and what matters
        try:
            first = next(self._errors(job, details.log_files, deadline), None)
        except (BatchEndpointsError, DeadlinePassed):
            first = None
        if first is None or (details.error and _TRACED in details.error):
            return details.error
        said = f" The service says: {details.error}" if details.error else ""
        return f"{str(first).rstrip('.')}.{said}\n\n{first.told}"

    def names(self, job: JobView) -> list[str] | None:
        """Return the names of the input files, or None when they cannot be listed; asked once."""
        place = self.input(job)
        if place is not None and self._names is None:
            try:
                self._names = place.names()
            except BatchEndpointsError:
                return None
        return self._names

    def input(self, job: JobView) -> JobInputPlace | None:
        """Return where the input lies; asked once."""
        if not self._asked_input:
            self._asked_input, self._input = True, place_of(self._workspace, job)
        return self._input

    def rows(self, job: JobView, output: str, data: bytes) -> matching.CloudRows | None:
        """Return the rows of a merged file with their forms and files, or None when nothing was noted of them."""
        self._reader = self._reader or self._opened(job, output)
        found = self.outcomes(job)
        return matching.rows_of(data, *found) if found else None

    def _account(self, job: JobView) -> Account | None:
        if self._reader is None:
            output = job.output_uri or _runs.output_uri(self._workspace, job.name)
            if output is None:
                return None
            self._reader = self._opened(job, output)
        return self._reader.read()

    def _opened(self, job: JobView, output: str) -> AccountReader:
        container, path = self._workspace.container_of(output)
        return AccountReader(container, f"{path.rstrip('/')}/" if path.strip("/") else "", job.name)

    def _files(self, job: JobView) -> Mapping[str, str]:
        try:
            self._child = self._child or _runs.child_run(self._workspace, job.name)
            return _runs.details(self._workspace, self._child or job.name).log_files
        except NotFoundError:
            return {}  # the run history learns of a job a little later than the job's own route

    def _logged_progress(self, job: JobView) -> JobProgress | None:
        files = self._files(job)
        overviews = sorted(name for name in files if logs.OVERVIEW.fullmatch(name))
        text = "\n".join(self._read(job, name, files[name]) for name in overviews)
        return logs.progress(text)

    def _errors(
        self, job: JobView, files: Mapping[str, str], deadline: Deadline | None = None
    ) -> Iterator[logs.LoggedError]:
        matches = filter(None, map(logs.ERRORS.fullmatch, sorted(files)))
        for match in islice(matches, MOST_ERROR_FILES):
            text = self._read(job, match[0], files[match[0]], MOST_OF_A_LOG, deadline)
            yield from logs.errors(text, match["worker"])

    def _read(self, job: JobView, name: str, url: str, most: float = math.inf, deadline: Deadline | None = None) -> str:
        """Return a log file, or about its first `most` bytes; only what was added since the last time is asked for."""
        known = self._texts.get(name, b"")
        if len(known) < most:
            try:
                known += self._more(job, name, url, len(known), most, deadline)
            except ShorterThanThat:  # written anew
                known = self._more(job, name, url, 0, most, deadline)
            except NotFoundError:
                pass
            self._texts[name] = known
        return known.decode("utf-8", "replace")

    def _more(self, job: JobView, name: str, url: str, offset: int, most: float, deadline: Deadline | None) -> bytes:
        session, action = self._workspace.session, f"read log '{name}' of job '{job.name}'"
        chunks = session.stream_bytes(url, offset, named_by="the run's logFiles", action=action, deadline=deadline)
        found, size = list[bytes](), offset
        for chunk in chunks:
            found.append(chunk)
            size += len(chunk)
            if size >= most:
                break  # the rest of the answer is let go with the generator
        return b"".join(found)


_TRACED = "Traceback (most recent call last)"


def _number(told: Mapping[str, Any], name: str) -> int | None:
    text = str(told.get(name) or "")
    return int(text) if text.isdigit() and int(text) > 0 else None
