"""The account of a job's mini-batches, as the local service keeps it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from azure_batch_endpoints import _retry
from azure_batch_endpoints._http import paged
from azure_batch_endpoints._wire.scalars import time_from_wire
from azure_batch_endpoints.errors import NotFoundError, ResultsError
from azure_batch_endpoints.items import MiniBatchOutcome

if TYPE_CHECKING:
    from azure_batch_endpoints._workspace import Workspace


def mini_batches(workspace: Workspace, job: str) -> Iterator[MiniBatchOutcome]:
    """Yield what became of each finished mini-batch of a job, in the order of the plan; asks page by page.

    Raises:
        ResultsError: this service keeps no account of them.
    """
    entries: Iterator[MiniBatchOutcome] = paged(
        workspace.session,
        workspace.path.job_mini_batches(job),
        _outcome,
        params=workspace.params,
        action=f"read the mini-batches of job '{job}'",
    )
    try:
        yield from entries
    except NotFoundError as error:
        if error.code == _retry.LEDGER_GONE:
            raise ResultsError(str(error)) from error
        if workspace.session.is_local:
            raise
        raise ResultsError(
            f"Job '{job}' ran in the cloud, where nobody keeps an account of its mini-batches: only the local service "
            "does. How far it is: job.refresh().progress; its logs: job.logs()."
        ) from error


def _outcome(body: dict[str, Any]) -> MiniBatchOutcome:
    return MiniBatchOutcome(
        number=int(body.get("number", 0)),
        status=body.get("status", "succeeded"),
        items=int(body.get("items", 0)),
        attempts=int(body.get("attempts", 0)),
        worker=body.get("worker"),
        started_at=time_from_wire(body.get("startedAt")),
        seconds=body.get("seconds"),
        error_type=body.get("errorType"),
    )
