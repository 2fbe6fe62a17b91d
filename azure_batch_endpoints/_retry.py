"""The second job over what failed in a first one: only the local service, which keeps a ledger, can start it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from azure_batch_endpoints import _submit
from azure_batch_endpoints._wire import routes
from azure_batch_endpoints._wire.models import EndpointBody
from azure_batch_endpoints._workspace import understood
from azure_batch_endpoints.errors import InvalidInputError, NotFoundError, ResultsError
from azure_batch_endpoints.items import JobProgress

if TYPE_CHECKING:
    from azure_batch_endpoints._wire.jobview import JobView
    from azure_batch_endpoints._workspace import Workspace

LEDGER_GONE = "LedgerGone"
"""Error code of the local service: the job is there, the account of its input files is not."""


def no_ledger(job: str) -> str:
    """Say that a service keeps no account of a job's input files."""
    return f"The service keeps no ledger of the input files of job '{job}'. Its logs tell: job.logs()."


def what_is_left(job: JobView) -> str:
    """Say how to read what a job scored that did not complete, and how to score the rest; empty if it left nothing."""
    if not job.has_partial_rows:
        return ""
    progress = JobProgress.from_wire(job.progress or {})
    all_scored = progress.items_done == progress.items_total
    rest = "the failed files: job.retry_failed()" if all_scored else "the rest: job.retry_failed(include_pending=True)"
    return f"Rows scored before: job.results.to_pandas(partial=True); {rest}."


def start(
    workspace: Workspace,
    job: str,
    *,
    endpoint: str,
    deployment: str | None,
    include_pending: bool,
    overrides: Mapping[str, Any],
) -> object:
    """Post the job and return the service's answer.

    Args:
        workspace: way to the service.
        job: job that has ended.
        endpoint: its endpoint.
        deployment: its deployment; scores as it is now.
        include_pending: score the inputs that were never scored, too.
        overrides: keyword arguments of ``invoke`` other than inputs and deployment.

    Raises:
        InvalidInputError: no such override.
        ResultsError: the service keeps no ledger, or not this one any more.
        ServiceError: nothing failed.
    """
    asked = _submit.overrides_from(overrides, "retry_failed()")
    if not workspace.session.is_local:
        raise ResultsError(no_ledger(job))
    pending = {routes.RETRY_PENDING_PROPERTY: "true"} if include_pending else {}
    submission = _submit.Submission(
        endpoint=endpoint,
        scoring_uri=_scoring_uri(workspace, endpoint, job),
        deployment=deployment,
        inputs={},
        overrides=asked,
        properties={routes.RETRY_PROPERTY: job, **pending},
    )
    try:
        return _submit.submit(workspace, submission)
    except NotFoundError as error:
        if error.code == LEDGER_GONE:
            raise ResultsError(str(error)) from error
        raise


def _scoring_uri(workspace: Workspace, endpoint: str, job: str) -> str:
    answer = workspace.send("GET", workspace.path.endpoint(endpoint), action=f"read endpoint '{endpoint}'")
    uri = understood(EndpointBody.read, answer.body).properties.scoring_uri
    if not uri:
        text = f"Endpoint '{endpoint}' of job '{job}' has no scoring URI. Wait until it is ready."
        raise InvalidInputError(text)
    return uri
