"""The account of a job's input files: the ledger that the local service keeps."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from azure_batch_endpoints import _retry
from azure_batch_endpoints._http import paged
from azure_batch_endpoints.errors import NotFoundError, ResultsError
from azure_batch_endpoints.items import ItemOutcome

if TYPE_CHECKING:
    from azure_batch_endpoints._workspace import Workspace


def items(workspace: Workspace, job: str, status: str | None) -> Iterator[ItemOutcome]:
    """Yield what became of each input file of a job, in the order of the plan; asks page by page.

    Args:
        workspace: way to the service.
        job: its name.
        status: ``succeeded``, ``failed`` or ``pending``; None: all.

    Raises:
        ResultsError: this service keeps no ledger of the job.
    """
    entries: Iterator[ItemOutcome] = paged(
        workspace.session,
        workspace.path.job_items(job),
        ItemOutcome.from_wire,
        params={**workspace.params, "status": status},
        action=f"read the items of job '{job}'",
    )
    try:
        yield from entries
    except NotFoundError as error:
        if error.code == _retry.LEDGER_GONE:
            raise ResultsError(str(error)) from error
        if workspace.session.is_local:
            raise
        raise ResultsError(_retry.no_ledger(job)) from error
