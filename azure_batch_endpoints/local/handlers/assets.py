"""Versions of code, models, environments and data, and the containers that hold them.

Here: PUT, GET and lists, the same for every kind. Not here: what each kind keeps (``asset_bodies``), code's look-up by
hash and its upload (``codes``).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any, Literal

from azure_batch_endpoints._wire import models
from azure_batch_endpoints._wire.routes import AssetKind
from azure_batch_endpoints._wire.uris import AssetName
from azure_batch_endpoints.local.context import ServiceContext
from azure_batch_endpoints.local.exchange import WORKSPACE, Call, Entry, Reply
from azure_batch_endpoints.local.faults import Detail, ServiceFault, existing
from azure_batch_endpoints.local.handlers import asset_bodies, shapes
from azure_batch_endpoints.local.handlers.paging import listed, page
from azure_batch_endpoints.local.handlers.references import WORDS, version_of
from azure_batch_endpoints.local.resources import Change, Key, Resource


@dataclass(frozen=True)
class Kind:
    """A kind of asset.

    Attributes:
        word: its word in paths.
        kept: the kind in the state; 2021's ``datasets`` are ``data``.
        uri: the property that may not change once the version is there, or None.
        keep: returns what is kept of the properties sent.
        again: status of a PUT that repeats one.
    """

    word: AssetKind
    kept: str
    uri: str | None
    keep: Callable[[ServiceContext, models.AssetProperties], dict[str, Any]]
    again: Literal[200, 201] = 200


CODES = Kind("codes", "codes", "codeUri", asset_bodies.code)
MODELS = Kind("models", "models", "modelUri", asset_bodies.model)
# An environment that is there already was recorded to answer 201 again.
ENVIRONMENTS = Kind("environments", "environments", None, asset_bodies.environment, 201)
DATA = Kind("data", "data", "dataUri", asset_bodies.data)
DATASETS = Kind("datasets", "data", "dataUri", asset_bodies.data)
_KINDS = (CODES, MODELS, ENVIRONMENTS, DATA, DATASETS)


def put(call: Call, kind: Kind) -> Reply:
    """Register a version, or change what may change of it."""
    name, version = call.names["name"], call.names["version"]
    shapes.check_asset_name(f"a {WORDS[kind.kept]}", name)
    shapes.check_asset_name(f"a {WORDS[kind.kept]}", version)
    kept = kind.keep(call.context, call.read(models.AssetBody).properties)
    place = Key(kind.kept, version, name)
    _refuse_other_uri(call.context, kind, place, kept)
    mark = kept["properties"].get("hash_sha256") if kind is CODES else None
    resource, new = call.context.state.resources.put(place, kept, Change(mark=mark))
    body = version_body(call.context, kind, resource)
    headers = {"Location": shapes.own_url(call, body["id"])} if new else {}
    return Reply(body, 201 if new else kind.again, headers)


def _refuse_other_uri(context: ServiceContext, kind: Kind, place: Key, kept: Mapping[str, Any]) -> None:
    earlier = context.state.resources.get(place) if kind.uri else None
    if earlier is None or kind.uri is None or context.current(earlier.body[kind.uri]) == kept[kind.uri]:
        return
    said = (
        f"{WORDS[kind.kept].capitalize()} '{place.parent}' has a version '{place.name}' already, "
        f"with another {kind.uri}. Register a new version."
    )
    raise ServiceFault(409, "UserError", "Asset paths cannot be updated.", details=[Detail("AssetPathImmutable", said)])


def get(call: Call, kind: Kind) -> Reply:
    """Answer with one version."""
    named = AssetName(kind.kept, call.names["name"], call.names["version"])
    return Reply(version_body(call.context, kind, version_of(call.context, named)))


def list_versions(call: Call, kind: Kind) -> Reply:
    """Answer with the versions of an asset; an unknown one has none."""
    return page(call, kind.kept, call.names["name"], lambda one: version_body(call.context, kind, one))


def get_container(call: Call, kind: Kind) -> Reply:
    """Answer with an asset: its latest version, and the number the next one would get."""
    name = call.names["name"]
    resources = call.context.state.resources
    if not resources.newest(kind.kept, name):
        word = WORDS[kind.kept].capitalize()
        said = f"{word} container with name: {name} not found. {existing(resources.parents(kind.kept))}"
        code = f"{word.replace(' asset', '')}NotFound"
        raise ServiceFault(404, "UserError", "The specified resource was not found.", details=[Detail(code, said)])
    return Reply(_container(call.context, kind, name))


def list_containers(call: Call, kind: Kind) -> Reply:
    """Answer with all assets of a kind, by name."""
    start, size = call.cursor or 0, call.page_size
    names = call.context.state.resources.parents(kind.kept)
    items = [_container(call.context, kind, name) for name in names[start : start + size]]
    return listed(call, items, start + size if len(names) > start + size else None)


def version_body(context: ServiceContext, kind: Kind, resource: Resource) -> dict[str, Any]:
    """Return the body of one version."""
    properties = dict(resource.body)
    if kind.uri is not None:
        properties[kind.uri] = context.current(properties[kind.uri])
    if kind is DATASETS:
        word = "file" if properties["dataType"] == "uri_file" else "folder"
        properties["paths"] = [{word: properties["dataUri"]}]
    return {
        "id": context.workspace.asset(kind.word, resource.key.parent, resource.key.name),
        "name": resource.key.name,
        "type": f"{shapes.TYPE}/{kind.word}/versions",
        "properties": properties,
        "systemData": shapes.asset_system_data(resource),
    }


def _container(context: ServiceContext, kind: Kind, name: str) -> dict[str, Any]:
    resources = context.state.resources
    versions = resources.names(kind.kept, name)
    newest = resources.newest(kind.kept, name)[0]
    numbers = [int(one) for one in versions if one.isascii() and one.isdigit()]
    properties: dict[str, Any] = {
        "description": None,
        "tags": {},
        "properties": {},
        "isArchived": False,
        "latestVersion": newest.key.name,
        "nextVersion": str(max(numbers, default=0) + 1),
    }
    if kind.kept == "data":
        properties["dataType"] = newest.body["dataType"]
    return {
        "id": f"{context.workspace.assets(kind.word)}/{name}",
        "name": name,
        "type": f"{shapes.TYPE}/{kind.word}",
        "properties": properties,
        "systemData": shapes.asset_system_data(newest),
    }


def _entries(kind: Kind) -> tuple[Entry, ...]:
    one = f"{WORKSPACE}/{kind.word}/{{name}}"
    return (
        Entry("GET", f"{WORKSPACE}/{kind.word}", partial(list_containers, kind=kind)),
        Entry("GET", one, partial(get_container, kind=kind)),
        Entry("GET", f"{one}/versions", partial(list_versions, kind=kind)),
        Entry("PUT", f"{one}/versions/{{version}}", partial(put, kind=kind)),
        Entry("GET", f"{one}/versions/{{version}}", partial(get, kind=kind)),
    )


ENTRIES = tuple(entry for kind in _KINDS for entry in _entries(kind))
