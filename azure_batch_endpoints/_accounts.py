"""The account of a job's input files: the ledger that the local service keeps; in the cloud what ``_cloud`` finds."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, replace
from typing import TYPE_CHECKING

from azure_batch_endpoints import _retry
from azure_batch_endpoints._http import paged
from azure_batch_endpoints.errors import NotFoundError, ResultsError
from azure_batch_endpoints.items import ItemOutcome
from azure_batch_endpoints.states import JobStatus

if TYPE_CHECKING:
    from azure_batch_endpoints._http import Deadline
    from azure_batch_endpoints._wire.jobview import JobView
    from azure_batch_endpoints._workspace import Workspace

_NOT_BEGUN = (JobStatus.NOT_STARTED, JobStatus.QUEUED, JobStatus.PREPARING, JobStatus.PROVISIONING, JobStatus.STARTING)


def items(workspace: Workspace, view: JobView, status: str | None) -> Iterator[ItemOutcome]:
    """Yield what became of each input file of a job, in the order of the plan; asks page by page.

    Args:
        workspace: way to the service.
        view: the job.
        status: ``succeeded``, ``failed`` or ``pending``; None: all.

    Raises:
        ResultsError: nobody keeps account of the job, or not any more.
    """
    job = view.name
    entries: Iterator[ItemOutcome] = paged(
        workspace.session,
        workspace.path.job_items(job),
        ItemOutcome.from_wire,
        params={**workspace.params, "status": status},
        action=f"read the items of job '{job}'",
    )
    try:
        yield from entries
        return
    except NotFoundError as error:
        if error.code == _retry.LEDGER_GONE:
            raise ResultsError(str(error)) from error
        if workspace.session.is_local:
            raise
    from azure_batch_endpoints import _cloud  # for jobs in the cloud only: not with the client

    yield from _cloud.items(workspace, view, status)


def told(workspace: Workspace, view: JobView) -> JobView:
    """Return a job with how far it is, where the service itself does not say: in the cloud, at most every 10 s anew."""
    if workspace.session.is_local or view.progress is not None or view.status in _NOT_BEGUN:
        return view
    from azure_batch_endpoints import _cloud

    found = _cloud.progress(workspace, view)
    return view if found is None else replace(view, progress=asdict(found))


def explained(workspace: Workspace, view: JobView, deadline: Deadline | None) -> JobView:
    """Return a failed job with the reason: the management route does not tell it (3 requests in the cloud)."""
    if view.error or view.status is not JobStatus.FAILED:
        return view
    from azure_batch_endpoints import _cloud

    return replace(view, error=_cloud.why_failed(workspace, view, deadline))
