"""Versions of code, models, environments and data: PUT, GET, lists, DELETE, the same for every kind.

Not here: what each kind keeps (``asset_bodies``), the assets that hold the versions (``containers``), code's look-up by
hash and its upload (``codes``).
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any, Literal

from azure_batch_endpoints._wire import models
from azure_batch_endpoints._wire.routes import AssetKind
from azure_batch_endpoints._wire.uris import AssetName
from azure_batch_endpoints.local.context import ServiceContext
from azure_batch_endpoints.local.exchange import WORKSPACE, Call, Entry, Reply, empty
from azure_batch_endpoints.local.faults import Detail, ServiceFault
from azure_batch_endpoints.local.handlers import asset_bodies, asset_lists, shapes
from azure_batch_endpoints.local.handlers.paging import listed
from azure_batch_endpoints.local.handlers.references import WITH_ARTICLE, WORDS, is_curated, latest, version_of
from azure_batch_endpoints.local.resources import Change, Key, Resource


@dataclass(frozen=True)
class Kind:
    """A kind of asset.

    Attributes:
        word: its word in paths.
        kept: the kind in the state; 2021's ``datasets`` are ``data``.
        fixed: the properties that may not change once the version is there; the first is where it is in storage.
        keep: returns what is kept of the properties sent.
        again: status of a PUT that repeats one.
    """

    word: AssetKind
    kept: str
    fixed: tuple[str, ...]
    keep: Callable[[ServiceContext, models.AssetProperties], dict[str, Any]]
    again: Literal[200, 201] = 200

    @property
    def uri(self) -> str | None:
        """The property that says where in storage it is, or None."""
        return self.fixed[0] if self.fixed[0].endswith("Uri") else None


CODES = Kind("codes", "codes", ("codeUri",), asset_bodies.code)
MODELS = Kind("models", "models", ("modelUri", "modelType"), asset_bodies.model)
# An environment that is there already was recorded to answer 201 again.
ENVIRONMENTS = Kind(
    "environments", "environments", ("image", "condaFile", "build", "docker", "osType"), asset_bodies.environment, 201
)
DATA = Kind("data", "data", ("dataUri", "dataType"), asset_bodies.data)
DATASETS = Kind("datasets", "data", ("dataUri", "dataType"), asset_bodies.data)
KINDS = (CODES, MODELS, ENVIRONMENTS, DATA, DATASETS)


def put(call: Call, kind: Kind) -> Reply:
    """Register a version, or change what may change of it."""
    name, version = call.names["name"], call.names["version"]
    shapes.check_asset_name(WITH_ARTICLE[kind.kept], name)
    shapes.check_asset_name(WITH_ARTICLE[kind.kept], version)
    kept = kind.keep(call.context, call.read(models.AssetBody).properties)
    place = Key(kind.kept, version, name)

    def checked(earlier: Resource | None) -> dict[str, Any]:
        _refuse_other(call.context, kind, earlier, kept)
        return kept

    mark = kept["properties"].get("hash_sha256") if kind is CODES else None
    resource, new = call.context.state.resources.put(place, checked, Change(mark=mark))
    body = version_body(call, kind, resource)
    headers = {"Location": shapes.own_url(call, body["id"])} if new else {}
    return Reply(body, 201 if new else kind.again, headers)


def _refuse_other(context: ServiceContext, kind: Kind, earlier: Resource | None, kept: Mapping[str, Any]) -> None:
    """Refuse another content under a version that is there; the official client then takes the next version."""
    if earlier is None:
        return
    place = earlier.key
    pairs = ((name, earlier.body.get(name), kept.get(name)) for name in kind.fixed)
    other = [name for name, was, new in pairs if _plain(context, name, was) != _plain(context, name, new)]
    if not other:
        return
    if kind is ENVIRONMENTS:
        said = (
            f"Environment {place.parent} with version {place.name} is already registered "
            "and cannot be changed. Register a new version."
        )
        raise ServiceFault(409, "UserError", f"{said} Its {other[0]} differs: register a new version.")
    said = (
        f"{WORDS[kind.kept].capitalize()} '{place.parent}' has a version '{place.name}' already, "
        f"with another {other[0]}. Register a new version."
    )
    raise ServiceFault(409, "UserError", "Asset paths cannot be updated.", details=[Detail("AssetPathImmutable", said)])


def _plain(context: ServiceContext, name: str, value: object) -> object:
    """Return a property so that it can be compared: its URLs of today, a conda file as what it says."""
    if not isinstance(value, str):
        return value
    return json.loads(value) if name == "condaFile" else context.current(value)


def get(call: Call, kind: Kind) -> Reply:
    """Answer with one version."""
    named = AssetName(kind.kept, call.names["name"], call.names["version"])
    return Reply(version_body(call, kind, version_of(call.context, named)))


def delete(call: Call, kind: Kind) -> Reply:
    """Forget a version; what it names in storage stays, and so do deployments that name it."""
    place = Key(kind.kept, call.names["version"], call.names["name"])
    return empty(200 if call.context.state.resources.delete(place) else 204)


def list_versions(call: Call, kind: Kind) -> Reply:
    """Answer with the versions of an asset; an unknown one has none.

    A curated environment is known by its name alone: clients that resolve ``@latest`` find that, and nothing else.
    """
    name = call.names["name"]
    if kind is ENVIRONMENTS and is_curated(f"azureml:{name}") and latest(call.context, kind.kept, name) is None:
        return listed(call, [_curated(call.context, name)], None)
    return asset_lists.versions(call, kind.kept, call.names["name"], lambda one: version_body(call, kind, one))


def _curated(context: ServiceContext, name: str) -> dict[str, Any]:
    said = "The cloud's own environment. It is known by its name here; what is in it only the cloud knows."
    common = {"tags": {}, "properties": {}, "isAnonymous": False, "isArchived": False}
    return {
        "id": context.workspace.asset("environments", name, "latest"),
        "name": "latest",
        "type": f"{shapes.TYPE}/environments/versions",
        "properties": {"description": said, **common, "environmentType": "Curated", "osType": "Linux"},
        "systemData": {},
    }


def version_body(call: Call, kind: Kind, resource: Resource) -> dict[str, Any]:
    """Return the body of one version, in the words of the api-version that is asked with."""
    context, properties = call.context, dict(resource.body)
    if kind.uri is not None:
        properties[kind.uri] = context.current(properties[kind.uri])
    return {
        "id": context.workspace.asset(kind.word, resource.key.parent, resource.key.name),
        "name": resource.key.name,
        "type": f"{shapes.TYPE}/{kind.word}/versions",
        "properties": asset_bodies.as_asked(kind.word, properties, call.api_version),
        "systemData": _system_data(kind, resource),
    }


def _system_data(kind: Kind, resource: Resource) -> dict[str, Any]:
    """Return ``systemData``; that of data was recorded without who changed it."""
    found = shapes.asset_system_data(resource)
    unsaid = ("lastModifiedBy", "lastModifiedByType") if kind.kept == "data" else ()
    return {name: value for name, value in found.items() if name not in unsaid}


def _entries(kind: Kind) -> tuple[Entry, ...]:
    every = f"{WORKSPACE}/{kind.word}/{{name}}/versions"
    one = every + "/{version}"
    return (
        Entry("GET", every, partial(list_versions, kind=kind)),
        Entry("PUT", one, partial(put, kind=kind)),
        Entry("GET", one, partial(get, kind=kind)),
        Entry("DELETE", one, partial(delete, kind=kind)),
    )


ENTRIES = tuple(entry for kind in KINDS for entry in _entries(kind))
