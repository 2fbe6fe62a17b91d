"""What became of a job's mini-batches, and what a view of a running job shows: causes of failure, a timeline."""

from __future__ import annotations

from dataclasses import asdict, astuple
from datetime import datetime, timezone
from typing import Any

from azure_batch_endpoints._render.timeline import Timeline
from azure_batch_endpoints._wire import scalars
from azure_batch_endpoints.local.exchange import WORKSPACE, Call, Entry, Reply
from azure_batch_endpoints.local.handlers.jobs import find, ledger_of
from azure_batch_endpoints.local.handlers.paging import listed
from azure_batch_endpoints.local.ledger_values import MiniBatchRow

_PAGE = 1000
_CAUSES = 5
"""Causes of failure of an overview."""
_FIELDS = {
    **{name: name for name in ("number", "status", "items", "attempts", "worker", "seconds")},
    "error_type": "errorType",
}
"""Field of a row, and its name on the wire."""


def mini_batches(call: Call) -> Reply:
    """Answer with what became of each mini-batch that is finished, in the order of the plan."""
    row = find(call.context, call.names["job"])
    size = call.number("$top", _PAGE, low=1, high=10_000)
    ledger = ledger_of(call.context, row.name)
    if ledger is None:
        return listed(call, [], None)
    with ledger:
        found = list(ledger.mini_batches(-1 if call.cursor is None else call.cursor, size + 1))
    return listed(call, [_body(one) for one in found[:size]], found[size - 1].number if len(found) > size else None)


def _body(row: MiniBatchRow) -> dict[str, Any]:
    values = asdict(row)
    started = None if row.started is None else scalars.time_to_wire(datetime.fromtimestamp(row.started, timezone.utc))
    return {**{wire: values[name] for name, wire in _FIELDS.items()}, "startedAt": started}


def overview(call: Call) -> Reply:
    """Answer with the causes of failure and the timeline; a bar is a list, in the order of the fields of a `Bar`."""
    row = find(call.context, call.names["job"])
    ledger = ledger_of(call.context, row.name)
    if ledger is None:
        return Reply(_overview([], Timeline()))
    with ledger:
        return Reply(_overview([str(cause) for cause in ledger.causes(_CAUSES)], ledger.timeline()))


def _overview(causes: list[str], found: Timeline) -> dict[str, Any]:
    bars = [list(astuple(bar)) for bar in found.bars]
    return {"causes": causes, "timeline": {"workers": found.workers, "every": found.every, "bars": bars}}


ENTRIES = (
    Entry("GET", WORKSPACE + "/jobs/{job}/minibatches", mini_batches),
    Entry("GET", WORKSPACE + "/jobs/{job}/overview", overview),
)
