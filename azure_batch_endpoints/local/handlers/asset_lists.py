"""Lists of assets: which of them a request wants to see, in which order, a page at a time."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from azure_batch_endpoints.local.exchange import Call, Reply
from azure_batch_endpoints.local.faults import bad_request
from azure_batch_endpoints.local.handlers.paging import listed
from azure_batch_endpoints.local.resources import Key, Resource, Resources

_VIEWS = {"activeonly": False, "archivedonly": True, "all": None}
_READ = 500
"""Rows read at once while looking for those that a filter lets through."""
_FILTERS = ("version", "stage", "tags", "$tags")


def container_key(kind: str, name: str) -> Key:
    """Return what an asset's container is found by; one that nobody put has no row."""
    return Key(f"{kind} containers", name)


def container_names(table: Resources, kind: str, *, archived: bool | None = None) -> list[str]:
    """Return the names of assets in alphabetical order: those with versions, and those that were put without any."""
    holders = container_key(kind, "").kind
    if archived:
        return sorted(table.names(holders, archived=True))
    names = {*table.parents(kind), *table.names(holders)}
    return sorted(names - set(table.names(holders, archived=True)) if archived is False else names)


def view(call: Call) -> bool | None:
    """Return whether ``listViewType`` asks for archived ones (True), for active ones (False) or for all (None).

    Raises:
        ServiceFault: 400, it is another word.
    """
    word = call.query.get("listviewtype") or "ActiveOnly"
    if word.lower() not in _VIEWS:
        raise bad_request(f"listViewType '{word}' is not known. Use ActiveOnly, ArchivedOnly or All.")
    return _VIEWS[word.lower()]


def versions(call: Call, kind: str, name: str, body: Callable[[Resource], dict[str, Any]]) -> Reply:
    """Return one page of an asset's versions; all are archived with their container."""
    table, archived = call.context.state.resources, view(call)
    holder = table.get(container_key(kind, name))
    if holder is not None and holder.body["isArchived"]:
        if archived is False:
            return listed(call, [], None)
        archived = None
    size = call.page_size
    found: list[Resource] = []
    for one in _rows(call, kind, name, archived=archived):
        if _is_wanted(call, one):
            found.append(one)
        if len(found) > size:
            break
    return listed(call, [body(one) for one in found[:size]], found[size - 1].number if len(found) > size else None)


def _rows(call: Call, kind: str, name: str, *, archived: bool | None) -> Iterator[Resource]:
    """Yield the versions, newest first when ``$orderBy`` says so."""
    table, cursor = call.context.state.resources, call.cursor
    newest_first = "desc" in call.query.get("$orderby", "").lower()
    count = _READ if any(call.query.get(one) for one in _FILTERS) else call.page_size + 1
    while True:
        if newest_first:
            rows = table.newest(kind, name, cursor, count, archived=archived)
        else:
            rows = table.page(kind, name, cursor or 0, count, archived=archived)
        yield from rows
        if len(rows) < count:
            return
        cursor = rows[-1].number


def _is_wanted(call: Call, one: Resource) -> bool:
    """Whether the filters ``version``, ``stage`` and ``tags`` (``tag1,tag2=value2``) let a version through."""
    version, stage = call.query.get("version"), call.query.get("stage")
    if version and version != one.key.name:
        return False
    if stage and stage.lower() != str(one.body.get("stage")).lower():
        return False
    wanted = call.query.get("tags") or call.query.get("$tags") or ""
    tags = one.body["tags"]
    for pair in filter(None, (part.strip() for part in wanted.split(","))):
        tag, equals, value = pair.partition("=")
        if tag not in tags or (equals and tags[tag] != value):
            return False
    return True
