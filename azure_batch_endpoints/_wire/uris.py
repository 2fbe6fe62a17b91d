"""Where in storage a URI points: a datastore's path, or a container of some account. Pure; nothing is looked up."""

from __future__ import annotations

import re
from dataclasses import dataclass
from urllib.parse import unquote, urlsplit

from azure_batch_endpoints._loopback import leads_here

_DATASTORE = re.compile(
    r"^(?:azureml:/?)?/(?:subscriptions/.+?/)?datastores/(?P<store>[^/]+)(?:/paths(?:/(?P<path>.*))?)?$", re.I
)
_AT = re.compile(r"^(?P<scheme>wasbs?|abfss?)://(?P<container>[^@/]+)@(?P<host>[^/]+)(?:/(?P<path>.*))?$", re.I)
_ASSET = re.compile(
    r"^(?:azureml:/)?/(?:subscriptions/.+/workspaces/[^/]+|locations/.+/workspaces/[^/]+)"
    r"/(?P<kind>data|datasets|models|codes|environments)/(?P<name>[^/]+)/(?:versions/(?P<version>[^/]+)|labels/(?P<label>[^/]+))$",
    re.I,
)


@dataclass(frozen=True)
class StoragePlace:
    """A blob or a prefix of blobs.

    Attributes:
        datastore: name of a datastore of the workspace, or None when ``container_url`` says where.
        container_url: URL of a container without query, or None.
        path: name of the blob, or of the folder (with or without trailing slash); unquoted; empty for the whole.
        sas: query of the URL (a shared access signature), or empty. Secret: never in repr.
    """

    datastore: str | None
    container_url: str | None
    path: str
    sas: str = ""

    def __repr__(self) -> str:
        """Show the place without its signature."""
        return f"StoragePlace({self.datastore or self.container_url}, {self.path!r})"


@dataclass(frozen=True)
class AssetName:
    """A registered asset as an id names it.

    Attributes:
        kind: ``data``, ``models``, ``codes`` or ``environments``.
        name: its name.
        version: its version, or None when a label is given.
        label: e.g. ``latest``, or None.
    """

    kind: str
    name: str
    version: str | None
    label: str | None = None


def storage_place(uri: str) -> StoragePlace | None:
    """Say where a storage URI points, or None when it is not one.

    Understands ``azureml://datastores/…/paths/…`` short and long, the ARM form of it, ``https://`` and loopback
    ``http://`` blob URLs, ``wasbs://`` and ``abfss://``.
    """
    if found := _DATASTORE.match(uri):
        return StoragePlace(found["store"], None, found["path"] or "")
    if found := _AT.match(uri):
        host = found["host"].replace(".dfs.", ".blob.", 1)
        return StoragePlace(None, f"https://{host}/{found['container']}", unquote(found["path"] or ""))
    parts = urlsplit(uri)
    if parts.scheme.lower() not in {"http", "https"} or not parts.netloc:
        return None
    # A loopback address carries the account in its path, as the emulator does: /account/container/blob.
    depth = 2 if leads_here(uri) else 1
    segments = parts.path.lstrip("/").split("/", depth)
    container = "/".join(segments[:depth])
    path = segments[depth] if len(segments) > depth else ""
    return StoragePlace(None, f"{parts.scheme}://{parts.netloc}/{container}", unquote(path), parts.query)


def asset_name(uri: str) -> AssetName | None:
    """Return the asset an ARM id, ``azureml://locations/…`` id or ``azureml:name:version`` names, or None.

    A short form says nothing about the kind: it comes back as ``""``.
    """
    if found := _ASSET.match(uri):
        kind = "data" if found["kind"].lower() == "datasets" else found["kind"].lower()
        return AssetName(kind, unquote(found["name"]), found["version"] and unquote(found["version"]), found["label"])
    text = uri.removeprefix("azureml:")
    if text == uri or text.startswith("/"):
        return asset_name(text) if text != uri else None
    name, colon, version = text.partition(":")
    if colon:
        return AssetName("", name, version)
    name, at, label = text.partition("@")
    return AssetName("", name, None, label if at else "latest")


def datastore_uri(datastore: str, path: str) -> str:
    """Return the short URI of a path on a datastore."""
    return f"azureml://datastores/{datastore}/paths/{path}"
