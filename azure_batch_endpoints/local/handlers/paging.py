"""Lists of resources: a page at a time, with an absolute ``nextLink`` while there is more."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from azure_batch_endpoints.local.exchange import Call, Reply
from azure_batch_endpoints.local.resources import Resource


def page(call: Call, kind: str, parent: str, body: Callable[[Resource], dict[str, Any]]) -> Reply:
    """Return one page of resources; newest first when ``$orderBy`` says so."""
    table, size = call.context.state.resources, call.page_size
    if "desc" in call.query.get("$orderby", "").lower():
        found = table.newest(kind, parent, call.cursor, size + 1)
    else:
        found = table.page(kind, parent, call.cursor or 0, size + 1)
    return listed(call, [body(one) for one in found[:size]], found[size - 1].number if len(found) > size else None)


def listed(call: Call, items: list[dict[str, Any]], cursor: int | None) -> Reply:
    """Return a list's answer; ``cursor`` is where the next page begins, None when this was the last."""
    more = {} if cursor is None else {"nextLink": call.next_link(cursor)}
    return Reply({"value": items, **more})
