"""What can be told of a job where the service keeps no ledger: by the driver's account, else by the job's log files.

The door to the other modules here, which are imported when they are needed: with jobs in the cloud, not before.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING
from weakref import WeakKeyDictionary

from azure_batch_endpoints.errors import ResultsError

if TYPE_CHECKING:
    from azure_batch_endpoints._cloud.inputs import JobInputPlace as JobInputPlace
    from azure_batch_endpoints._cloud.job import CloudJob
    from azure_batch_endpoints._cloud.matching import CloudRows as CloudRows
    from azure_batch_endpoints._http import Deadline
    from azure_batch_endpoints._wire.jobview import JobView
    from azure_batch_endpoints._workspace import Workspace
    from azure_batch_endpoints.items import ItemOutcome, JobProgress

FOLDER = "_abe/"
"""Where the driver writes, in the output folder."""
_MOST_JOBS = 64
"""Jobs of one client of which something is remembered."""
_known: WeakKeyDictionary[Workspace, dict[str, CloudJob]] = WeakKeyDictionary()
INSTRUMENT = (
    "Deploy with instrument=True for an account of every input: "
    "deployment.spec.changed(instrument=True, code=<folder of the script>)."
)


def items(workspace: Workspace, job: JobView, status: str | None) -> Iterator[ItemOutcome]:
    """Yield what became of each input file: the driver's account of all, or the failures that log files name.

    Raises:
        ResultsError: there is no account, and more than failures was asked for; or there are no log files.
    """
    seen = _seen(workspace, job.name)
    found = seen.outcomes(job)
    if found is not None:
        yield from (one for one in found[1].items if status in (None, one.status))
        return
    if status != "failed":
        asked = f"'{status}'" if status else "each"
        raise ResultsError(
            f"What became of {asked} input file of job '{job.name}' is not known: the service keeps no ledger, and log "
            f'files name only what failed: job.items(status="failed"). {INSTRUMENT}'
        )
    yield from seen.failed(job)


def progress(workspace: Workspace, job: JobView) -> JobProgress | None:
    """Return how far a job is, as far as it tells; never raises for what cannot be had now."""
    return _seen(workspace, job.name).progress(job)


def why_failed(workspace: Workspace, job: JobView, deadline: Deadline | None) -> str | None:
    """Return why a job failed, with the script's first traceback; None when that cannot be had now (3 requests)."""
    return _seen(workspace, job.name).why(job, deadline)


def rows_of(workspace: Workspace, job: JobView, output: str, data: bytes) -> CloudRows | None:
    """Return the rows of a job's merged file with what the driver noted of them, or None when it noted nothing."""
    return _seen(workspace, job.name).rows(job, output, data)


def input_of(workspace: Workspace, job: JobView) -> JobInputPlace | None:
    """Return where a job's input lies, or None when that cannot be found out."""
    return _seen(workspace, job.name).input(job)


def failed_files(workspace: Workspace, job: JobView, *, include_pending: bool) -> tuple[JobInputPlace, list[str]]:
    """Return where a job's input lies and which of its files failed, by the driver's account.

    Raises:
        ResultsError: the driver kept none, or the input cannot be found.
    """
    seen = _seen(workspace, job.name)
    found = seen.outcomes(job)
    if found is None:
        raise ResultsError(
            f"Which input files of job '{job.name}' failed is not known for sure: the service keeps no ledger, and log "
            f"files do not name them all. {INSTRUMENT}"
        )
    place = seen.input(job)
    if place is None:
        raise ResultsError(
            f"Where the input of job '{job.name}' lies cannot be found out, so its failed files cannot be had again. "
            'Pass them to invoke(): job.items(status="failed") names them.'
        )
    wanted = ("failed", "pending") if include_pending else ("failed",)
    return place, [one.path for one in found[1].items if one.status in wanted]


def _seen(workspace: Workspace, job: str) -> CloudJob:
    from azure_batch_endpoints._cloud.job import CloudJob

    jobs = _known.setdefault(workspace, {})
    if job not in jobs:
        while len(jobs) >= _MOST_JOBS:
            del jobs[next(iter(jobs))]
        jobs[job] = CloudJob(workspace)
    return jobs[job]
