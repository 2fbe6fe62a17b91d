"""Versions of assets: the latest, the next number, and what a reference names."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Any

from azure_batch_endpoints._wire import bodies_2021, versions
from azure_batch_endpoints._wire.models import AssetBody
from azure_batch_endpoints._wire.routes import AssetKind
from azure_batch_endpoints._wire.uris import AssetName, asset_name, named_workspace
from azure_batch_endpoints._workspace import Workspace, understood
from azure_batch_endpoints.errors import InvalidInputError, NotFoundError

NOUNS: Mapping[str, str] = {"models": "model", "environments": "environment", "data": "data set", "codes": "code"}


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
    """Register a version and return what the service made of it."""
    url = workspace.path.asset(asset_word(workspace, kind), name, version)
    sent = bodies_2021.asset(body) if versions.is_2021(workspace.api_version) else body
    made = understood(AssetBody.read, send_asset(workspace, "PUT", url, json=sent, action=action))
    return made if made.id else made.model_copy(update={"id": url})


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
    if named.label != "latest":
        raise InvalidInputError(
            f"'{reference}' has the label '{named.label}'; only 'latest' is understood. Name a version instead."
        )
    found = latest(workspace, kind, named.name)
    return found.id or workspace.path.asset(word, named.name, str(found.name))


def anonymous_name(content: str) -> str:
    """Return the name of an asset that has none of its own: SHA-256 of what tells it from others."""
    return hashlib.sha256(content.encode()).hexdigest()
