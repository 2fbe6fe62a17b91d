"""Jobs as the management routes show them: GET, list, cancel; and the ledger of their input files."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict
from typing import Any

from azure_batch_endpoints.local.context import ServiceContext
from azure_batch_endpoints.local.exchange import WORKSPACE, Call, Entry, Reply
from azure_batch_endpoints.local.faults import ServiceFault, bad_request
from azure_batch_endpoints.local.handlers import job_bodies, operations, shapes
from azure_batch_endpoints.local.handlers.paging import listed
from azure_batch_endpoints.local.job import JobRow
from azure_batch_endpoints.local.ledger_reader import LedgerReader
from azure_batch_endpoints.local.ledger_values import ItemRow, LedgerConflict
from azure_batch_endpoints.local.state import JobFilter
from azure_batch_endpoints.states import JobStatus

_ITEM_STATUSES = ("succeeded", "failed", "pending")
_ITEMS_PAGE = 1000
_ITEM = {
    **{name: name for name in ("path", "status", "attempts", "worker", "seconds", "traceback")},
    **{"mini_batch": "miniBatch", "error_type": "errorType", "error_message": "errorMessage"},
    "error_place": "errorPlace",
}
"""Field of a row of the ledger, and its name on the wire."""
_VIEWS = {"activeonly": False, "archivedonly": True, "all": None}


def find(context: ServiceContext, name: str) -> JobRow:
    """Return a job.

    Raises:
        ServiceFault: 404.
    """
    row = context.state.job(name)
    if row is None:
        raise ServiceFault(404, "NotFound", f"There is no job '{name}'. Look for its name in the list of jobs.")
    return row


def get(call: Call) -> Reply:
    """Answer with one job, or with its step."""
    name = call.names["job"]
    row = call.context.state.job_of_run(name)
    if row is not None and row.child == name:
        return Reply(job_bodies.management_child(call.context, row))
    return Reply(job_bodies.management_job(call.context, find(call.context, name)))


def list_all(call: Call) -> Reply:
    """Answer with jobs, the newest first."""
    wanted = JobFilter(
        endpoint=call.query.get("endpoint"),
        deployment=call.query.get("deployment"),
        status=_status(call.query.get("status")),
        tag=call.query.get("tag"),
        experiment=call.query.get("experimentname"),
        archived=_view(call.query.get("listviewtype") or "ActiveOnly"),
    )
    other_type = call.query.get("jobtype", "Pipeline").lower() != "pipeline"
    if other_type or call.query.get("scheduled", "").lower() == "true" or call.query.get("scheduleid"):
        return Reply({"value": []})  # every job here is a batch job, and none comes from a schedule
    return listed_jobs(call, wanted, job_bodies.management_job)


def _view(word: str) -> bool | None:
    """Return whether a list shows archived jobs only, active ones only, or (None) both."""
    try:
        return _VIEWS[word.lower()]
    except KeyError as error:
        raise bad_request(f"There is no listViewType '{word}'. Use ActiveOnly, ArchivedOnly or All.") from error


def _status(word: str | None) -> JobStatus | None:
    status = JobStatus(word) if word else None
    if status is JobStatus.UNKNOWN:
        known = ", ".join(one.value for one in JobStatus if one is not JobStatus.UNKNOWN)
        raise bad_request(f"There is no job status '{word}'. Use one of: {known}.")
    return status


def listed_jobs(call: Call, wanted: JobFilter, body: Callable[[ServiceContext, JobRow], dict[str, Any]]) -> Reply:
    """Answer with a page of jobs."""
    size = call.page_size
    found = call.context.state.jobs(wanted, call.cursor, size + 1)
    items = [body(call.context, row) for _, row in found[:size]]
    return listed(call, items, found[size - 1][0] if len(found) > size else None)


def cancel(call: Call) -> Reply:
    """Ask for a job's end; its ``Location`` tells when it has come."""
    row = find(call.context, call.names["job"])
    if not row.status.is_terminal:
        call.context.queue.cancel(row.name)
    operation = f"{operations.CANCEL}:{call.context.workspace_id}:{row.name}"
    location = shapes.operation_url(call, "mfeOperationResults", operation)
    return Reply(None, 202, {"Location": location, "x-ms-async-operation-timeout": "PT1H"})


def items(call: Call) -> Reply:
    """Answer with what became of each input file, in the order of the inputs."""
    row = find(call.context, call.names["job"])
    status = call.query.get("status") or None
    if status is not None and status not in _ITEM_STATUSES:
        raise bad_request(f"There is no status '{status}' of an input. Use one of: {', '.join(_ITEM_STATUSES)}.")
    size = call.number("$top", _ITEMS_PAGE, low=1, high=10_000)
    found = _items(call.context, row.name, status, -1 if call.cursor is None else call.cursor, size + 1)
    return listed(call, [_item(one) for one in found[:size]], found[size - 1].index if len(found) > size else None)


def _items(context: ServiceContext, job: str, status: str | None, after: int, limit: int) -> list[ItemRow]:
    """Return rows of a job's ledger; a job that has not begun has none."""
    ledger = ledger_of(context, job)
    if ledger is None:
        return []
    with ledger:
        return list(ledger.items(status, after, limit))


def ledger_of(context: ServiceContext, job: str) -> LedgerReader | None:
    """Open a job's ledger; None while it has none yet, and for a job that never began.

    Raises:
        ServiceFault: 404, it had one, and it is gone.
    """
    try:
        return LedgerReader(context.settings.job_folder(job) / "ledger.sqlite")
    except LedgerConflict as error:
        row = find(context, job)
        if not row.status.is_terminal or row.started_at is None:
            return None
        raise ServiceFault(
            404,
            "LedgerGone",
            f"The ledger of job '{job}' is gone: {error} Its output and its logs are all "
            "that is known of it: read those.",
        ) from error


def _item(row: ItemRow) -> dict[str, Any]:
    values = asdict(row)
    return {wire: values[name] for name, wire in _ITEM.items()}


_ONE = WORKSPACE + "/jobs/{job}"
ENTRIES = (
    Entry("GET", WORKSPACE + "/jobs", list_all),
    Entry("GET", _ONE, get),
    Entry("POST", _ONE + "/cancel", cancel),
    Entry("GET", _ONE + "/items", items),
)
