"""The assets that hold versions: made with the first version or put by themselves, archived, listed, deleted whole."""

from __future__ import annotations

import contextlib
from functools import partial
from typing import Any

from azure_batch_endpoints._wire import models
from azure_batch_endpoints.local.context import ServiceContext
from azure_batch_endpoints.local.exchange import WORKSPACE, Call, Entry, Reply, empty
from azure_batch_endpoints.local.faults import Detail, ServiceFault, existing
from azure_batch_endpoints.local.handlers import asset_bodies, asset_lists, shapes
from azure_batch_endpoints.local.handlers.asset_lists import container_key
from azure_batch_endpoints.local.handlers.assets import KINDS, Kind
from azure_batch_endpoints.local.handlers.paging import listed
from azure_batch_endpoints.local.handlers.references import WITH_ARTICLE, WORDS, latest
from azure_batch_endpoints.local.resources import Resource


def put(call: Call, kind: Kind) -> Reply:
    """Make an asset without versions, or change or archive one."""
    name = call.names["name"]
    shapes.check_asset_name(WITH_ARTICLE[kind.kept], name)
    asked = call.read(models.AssetBody).properties
    kept = {word: value for word, value in asset_bodies.common(asked).items() if word != "isAnonymous"}
    if kind.kept == "data":
        kept["dataType"] = asset_bodies.data_type(asked)
    table = call.context.state.resources
    had_versions = bool(table.newest(kind.kept, name))
    _, new = table.put(container_key(kind.kept, name), kept)
    body = _body(call.context, kind, name)
    if not new or had_versions:
        return Reply(body)
    return Reply(body, 201, {"Location": shapes.own_url(call, body["id"])})


def get(call: Call, kind: Kind) -> Reply:
    """Answer with an asset: its latest version, and the number the next one would get."""
    name = call.names["name"]
    table = call.context.state.resources
    if not table.newest(kind.kept, name) and table.get(container_key(kind.kept, name)) is None:
        word = WORDS[kind.kept].capitalize()
        there = existing(asset_lists.container_names(table, kind.kept))
        said = f"{word} container with name: {name} not found. {there}"
        code = f"{word.replace(' asset', '')}NotFound"
        raise ServiceFault(404, "UserError", "The specified resource was not found.", details=[Detail(code, said)])
    return Reply(_body(call.context, kind, name))


def list_all(call: Call, kind: Kind) -> Reply:
    """Answer with all assets of a kind, by name."""
    start, size = call.cursor or 0, call.page_size
    table, archived = call.context.state.resources, asset_lists.view(call)
    names = asset_lists.container_names(table, kind.kept, archived=archived)
    items = []
    for name in names[start : start + size]:
        with contextlib.suppress(ServiceFault):  # deleted since the names were read
            items.append(_body(call.context, kind, name))
    return listed(call, items, start + size if len(names) > start + size else None)


def delete(call: Call, kind: Kind) -> Reply:
    """Forget an asset with all its versions; what they name in storage stays."""
    holder = container_key(kind.kept, call.names["name"])
    return empty(200 if call.context.state.resources.delete_contents(holder, kind.kept) else 204)


def _body(context: ServiceContext, kind: Kind, name: str) -> dict[str, Any]:
    table = context.state.resources
    newest, own = latest(context, kind.kept, name), table.get(container_key(kind.kept, name))
    numbers = [int(one) for one in table.names(kind.kept, name) if one.isascii() and one.isdigit()]
    properties: dict[str, Any] = {
        **(own.body if own else {"description": None, "tags": {}, "properties": {}, "isArchived": False}),
        "latestVersion": newest.key.name if newest else None,
        "nextVersion": str(max(numbers, default=0) + 1),
    }
    if kind.kept == "data":
        # As recorded: what nobody said is null here, where other kinds have empty maps.
        properties |= {name: properties[name] or None for name in ("description", "tags", "properties")}
        properties |= {"dataType": newest.body["dataType"]} if newest else {}
    return {
        "id": f"{context.workspace.assets(kind.word)}/{name}",
        "name": name,
        "type": f"{shapes.TYPE}/{kind.word}",
        "properties": properties,
        "systemData": shapes.asset_system_data(_dated(own, newest)),
    }


def _dated(own: Resource | None, newest: Resource | None) -> Resource:
    """Return the row whose times an asset shows: its own, else its newest version's."""
    found = own or newest
    if found is None:  # deleted since it was looked for
        raise ServiceFault(404, "NotFound", "The asset has just been deleted. Read the list again.")
    return found


def _entries(kind: Kind) -> tuple[Entry, ...]:
    one = f"{WORKSPACE}/{kind.word}/{{name}}"
    return (
        Entry("GET", f"{WORKSPACE}/{kind.word}", partial(list_all, kind=kind)),
        Entry("PUT", one, partial(put, kind=kind)),
        Entry("GET", one, partial(get, kind=kind)),
        Entry("DELETE", one, partial(delete, kind=kind)),
    )


ENTRIES = tuple(entry for kind in KINDS for entry in _entries(kind))
