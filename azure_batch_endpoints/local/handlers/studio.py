"""The page of a job: what the studio shows in the cloud, for a browser on this machine."""

from __future__ import annotations

from dataclasses import dataclass, field

from azure_batch_endpoints import _render
from azure_batch_endpoints._wire import scalars
from azure_batch_endpoints._wire.uris import shown
from azure_batch_endpoints.local.context import ServiceContext
from azure_batch_endpoints.local.exchange import Call, Entry, PageReply
from azure_batch_endpoints.local.faults import ServiceFault
from azure_batch_endpoints.local.handlers.jobs import find, ledger_of
from azure_batch_endpoints.local.handlers.logs import log_files
from azure_batch_endpoints.local.open_routes import STUDIO, signed

_MOST_FAILED = 100
"""Failed input files shown; the rest are counted."""


def page(call: Call) -> PageReply:
    """Answer with the page of a job; it loads itself again until the job has ended."""
    job = call.names["job"]
    if not signed(call.context.token, f"studio/{job}", call.query.get("sig", "")):
        raise ServiceFault(403, "AuthenticationFailed", "The signature of this address is not valid. Ask for it again.")
    row = find(call.context, job)
    times = {"created": row.created_at, "started": row.started_at, "ended": row.ended_at}
    rows: list[tuple[str, object]] = [
        ("status", row.status),
        ("endpoint", row.request.endpoint),
        ("deployment", row.request.deployment),
        *((name, scalars.time_from_wire(moment)) for name, moment in times.items()),
        ("inputs", ", ".join(shown(one.uri) for one in row.request.inputs)),
        ("output", row.request.output_uri),
        ("error", row.error),
    ]
    account = _account(call.context, job)
    return PageReply(
        _render.job_page(
            title=f"{row.display_name} ({row.name})",
            rows=rows,
            progress=row.progress,
            causes=account.causes,
            first=account.first,
            failed=account.failed,
            logs=log_files(call.context, job),
            timeline=account.timeline,
            again=None if row.status.is_terminal else 2,
        )
    )


@dataclass(frozen=True)
class _Account:
    """Why input files of a job failed, as far as its ledger is there.

    Attributes:
        causes: grouped, a line each.
        first: what failed first, and its traceback.
        failed: path, error and traceback of input files that failed, the first ones.
        timeline: of its mini-batches, as SVG.
    """

    causes: list[str] = field(default_factory=list)
    first: tuple[str, str] | None = None
    failed: list[tuple[str, str, str]] = field(default_factory=list)
    timeline: str = ""


def _account(context: ServiceContext, job: str) -> _Account:
    try:
        ledger = ledger_of(context, job)
    except ServiceFault:  # it is gone; the rest can be shown all the same
        ledger = None
    if ledger is None:
        return _Account()
    with ledger:
        causes, error = [str(cause) for cause in ledger.causes()], ledger.first_error()
        rows = list(ledger.items("failed", limit=_MOST_FAILED))
        timeline = _render.timeline_svg(ledger.timeline())
    failed = [(row.path, f"{row.error_type} {row.error_message or ''}".strip(), row.traceback or "") for row in rows]
    if error is None:
        return _Account(causes, timeline=timeline)
    what = f"{error.failure.summary}, on {error.path} of mini-batch {error.mini_batch}"
    return _Account(causes, (what, error.failure.traceback or ""), failed, timeline)


ENTRIES = (Entry("GET", STUDIO + "{job}", page),)
