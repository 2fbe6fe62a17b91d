"""Versions of assets: the latest, the next number, and what a reference names."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from contextlib import suppress
from typing import Any
from urllib.parse import quote

from azure_batch_endpoints._wire import bodies_2021, kept, versions
from azure_batch_endpoints._wire.models import AssetBody
from azure_batch_endpoints._wire.routes import AssetKind
from azure_batch_endpoints._wire.uris import AssetName, StoragePlace, asset_name, named_workspace, storage_place
from azure_batch_endpoints._workspace import Workspace, understood
from azure_batch_endpoints.errors import InvalidInputError, NotFoundError
from azure_batch_endpoints.specs import DatasetSpec, ModelSpec

NOUNS: Mapping[str, str] = {"models": "model", "environments": "environment", "data": "data set", "codes": "code"}

CURATED = "azureml-"
"""How the names of the service's own environments begin, in any case."""


def asset_params(workspace: Workspace) -> dict[str, str]:
    """Return the query of every request about assets."""
    return {"api-version": versions.of_assets(workspace.api_version)}


def asset_word(workspace: Workspace, kind: AssetKind) -> AssetKind:
    """Return the word of a kind in paths: data assets were ``datasets`` in 2021."""
    return versions.kind_of_data(workspace.api_version) if kind == "data" else kind


def send_asset(
    workspace: Workspace,
    method: str,
    url: str,
    *,
    action: str,
    json: object = None,
    params: Mapping[str, str | int | bool | None] | None = None,
) -> dict[str, Any]:
    """Send a request about an asset and return the answer's body."""
    query = {**asset_params(workspace), **(params or {})}
    body = workspace.send(method, url, json=json, params=query, retry_post=True, action=action).body
    return body if isinstance(body, dict) else {}


def put_version(
    workspace: Workspace, kind: AssetKind, name: str, version: str, body: Mapping[str, Any], *, action: str
) -> AssetBody:
    """Register a version and return what the service made of it.

    Raises:
        NotKeptError: it is there, but the service did not keep what was asked for; ``.resource`` is its body.
    """
    url = workspace.path.asset(asset_word(workspace, kind), name, version)
    sent = bodies_2021.asset(body) if versions.is_2021(workspace.api_version) else body
    answer = send_asset(workspace, "PUT", url, json=sent, action=action)
    read = understood(AssetBody.read, answer)
    made = read if read.id else read.model_copy(update={"id": url})
    called = f"{NOUNS.get(kind, kind)} '{name}:{version}'"
    remedy = "Register it as another version; if it is dropped again, leave it out."
    kept.judge(kept.losses(sent, answer), made, called=called, remedy=remedy)
    return made


def latest(workspace: Workspace, kind: AssetKind, name: str) -> AssetBody:
    """Return the newest version of an asset; 1 request.

    Raises:
        NotFoundError: there is none.
    """
    noun = NOUNS.get(kind, kind)
    action = f"find the latest version of {noun} '{name}'"
    params: dict[str, str | int | bool | None] = {"$orderBy": "createdtime desc", "$top": 1}
    url = workspace.path.asset_versions(asset_word(workspace, kind), name)
    answer = send_asset(workspace, "GET", url, params=params, action=action)
    found = answer.get("value") or []
    if not found:
        raise NotFoundError(
            f"Could not {action}: there is none. Check the name, or register it first.", status_code=404
        )
    return understood(AssetBody.read, found[0])


def next_version(workspace: Workspace, kind: AssetKind, name: str) -> str:
    """Return the number the next version of an asset takes; ``1`` for a new one. 1 request."""
    action = f"find the next version of {NOUNS.get(kind, kind)} '{name}'"
    url = workspace.path.asset_versions(asset_word(workspace, kind), name).removesuffix("/versions")
    try:
        answer = send_asset(workspace, "GET", url, action=action)
    except NotFoundError:
        return "1"
    return str((answer.get("properties") or {}).get("nextVersion") or "1")


def same_content(
    workspace: Workspace, kind: AssetKind, wanted: ModelSpec | DatasetSpec, name: str, uri: str
) -> AssetBody | None:
    """Return the newest version of an asset if it is what is about to be registered; at most 2 requests.

    The content is the same when it is at the same place, since uploads are named by their content.

    Args:
        workspace: where.
        kind: ``models`` or ``data``.
        wanted: its description, tags and properties; what it leaves out may be anything.
        name: name of the asset.
        uri: where the content is.
    """
    try:
        newest = latest(workspace, kind, name)
    except NotFoundError:
        return None
    of = newest.properties
    here, there = storage_place(uri), storage_place(of.model_uri or of.data_uri or "")
    if here is None or there is None or _spot(here) != _spot(there):
        return None
    told = wanted.description in (None, of.description) and wanted.tags.items() <= (of.tags or {}).items()
    return newest if told and wanted.properties.items() <= (of.properties or {}).items() else None


def _spot(place: StoragePlace) -> tuple[str, str]:
    return (place.datastore or place.container_url or "").lower(), place.path.strip("/")


def referred_id(workspace: Workspace, kind: AssetKind, reference: str) -> str:
    """Return the id of the version a reference names; only the latest is asked for.

    Args:
        workspace: where.
        kind: what it names.
        reference: ``azureml:name:1``, ``azureml:name@latest``, ``azureml:name``, or an id.

    Raises:
        InvalidInputError: it names nothing of that kind, or a label other than ``latest``.
        NotFoundError: there is no version of that name.
    """
    bare = reference.removeprefix("azureml:") if reference.startswith("azureml:/subscriptions/") else reference
    if bare.startswith("azureml://registries/"):
        return bare
    named = asset_name(bare)
    if named is None or (named.kind and named.kind != kind):
        noun = NOUNS.get(kind, kind)
        raise InvalidInputError(
            f"'{reference}' does not name a {noun}. Write azureml:<name>:<version>, azureml:<name>@latest or its id."
        )
    if (bare.startswith("/") and named.version is not None) or _is_elsewhere(workspace, bare):
        return bare  # of another workspace: the service knows whether it may be used
    return _version_id(workspace, kind, reference, named)


def _is_elsewhere(workspace: Workspace, reference: str) -> bool:
    named, here = named_workspace(reference), workspace.path
    if named is None or named.subscription is None:
        return False
    ids = (here.subscription_id, here.resource_group, here.name)
    return [one.lower() for one in (named.subscription, named.group or "", named.name)] != [one.lower() for one in ids]


def _version_id(workspace: Workspace, kind: AssetKind, reference: str, named: AssetName) -> str:
    word = asset_word(workspace, kind)
    if named.version is not None:
        return workspace.path.asset(word, named.name, named.version)
    if kind == "environments" and named.name.lower().startswith(CURATED):
        return _curated_id(workspace, named)
    if named.label != "latest":
        raise InvalidInputError(
            f"'{reference}' has the label '{named.label}'; only 'latest' is understood. Name a version instead."
        )
    found = latest(workspace, kind, named.name)
    return found.id or workspace.path.asset(word, named.name, str(found.name))


def _curated_id(workspace: Workspace, named: AssetName) -> str:
    """Return the id of one of the service's own environments: of the version found, else by its label."""
    if named.label == "latest":
        with suppress(NotFoundError):  # the local service has none of them, and takes them by name
            found = latest(workspace, "environments", named.name)
            if found.id:
                return found.id
    every = workspace.path.asset_versions(asset_word(workspace, "environments"), named.name)
    return f"{every.removesuffix('/versions')}/labels/{quote(str(named.label), safe='')}"


def anonymous_name(content: str) -> str:
    """Return the name of an asset that has none of its own: SHA-256 of what tells it from others."""
    return hashlib.sha256(content.encode()).hexdigest()
