"""The page of a job: what the studio shows in the cloud, for a browser on this machine."""

from __future__ import annotations

from azure_batch_endpoints import _render
from azure_batch_endpoints._wire import scalars
from azure_batch_endpoints._wire.uris import shown
from azure_batch_endpoints.local.exchange import Call, Entry, PageReply
from azure_batch_endpoints.local.faults import ServiceFault
from azure_batch_endpoints.local.handlers.jobs import failed_items, find
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
    return PageReply(
        _render.job_page(
            title=f"{row.display_name} ({row.name})",
            rows=rows,
            progress=row.progress,
            failed=failed_items(call.context, job, _MOST_FAILED),
            logs=log_files(call.context, job),
            again=None if row.status.is_terminal else 2,
        )
    )


ENTRIES = (Entry("GET", STUDIO + "{job}", page),)
