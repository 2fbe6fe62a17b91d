"""Where in storage a URI points: a datastore's path, or a container of some account. Pure; nothing is looked up.

``azureml://`` paths are taken as they are written, as the official client writes and reads them (azure-ai-ml 1.35.2
quotes nothing): ``%20`` is three characters. ``https``, ``wasbs`` and ``abfss`` are URLs and percent-decoded.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from urllib.parse import quote, unquote, urlsplit

from azure_batch_endpoints._loopback import leads_here

_WORKSPACE = (
    r"subscriptions/(?P<subscription>[^/]+)/resourcegroups/(?P<group>[^/]+)/(?:providers/[^/]+/)?"
    r"workspaces/(?P<workspace>[^/]+)/"
)
_FLAGS = re.IGNORECASE | re.DOTALL
_DATASTORE = re.compile(
    rf"(?:azureml:/{{0,2}})?/(?:{_WORKSPACE})?datastores/(?P<store>[^/]+)(?:/paths(?:/(?P<path>.*))?|/)?", _FLAGS
)
_AT = re.compile(r"(?:wasbs?|abfss?)://(?P<container>[^@/]+)@(?P<host>[^/@\s]+)(?:/(?P<path>.*))?", _FLAGS)
_WEB = re.compile(
    r"(?P<scheme>https?)://(?P<host>(?:\[[0-9a-f:.]+\]|[^\[\]\s/?#@:\\]+)(?::(?P<port>[0-9]{1,5}))?)"
    r"(?:/(?P<path>[^?]*))?(?:\?(?P<query>.*))?",
    _FLAGS,
)
_ASSET = re.compile(
    rf"(?:(?:azureml:/{{0,2}})?/(?:{_WORKSPACE}|locations/[^/]+/workspaces/(?P<id>[^/]+)/)|azureml://)"
    r"(?P<kind>data|datasets|models|codes|environments)/(?P<name>[^/]+)"
    r"/(?:(?:versions/)?labels/(?P<label>[^/]+)|versions/(?P<version>[^/]+))/?",
    _FLAGS,
)
_SHORT_ASSET = re.compile(
    r"azureml:/?(?P<name>[^:@/]+)(?:(?::|/versions/)(?P<version>[^:@/][^/]*)|@(?P<label>[^:@/]+))?/?", re.IGNORECASE
)
_REGISTRY = re.compile(r"(?:azureml:/{0,2})?/(?:[^?]*/)?registries/", re.IGNORECASE)
_LAKE = re.compile(r"^([^./]+)\.dfs\.", re.IGNORECASE)


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


@dataclass(frozen=True)
class NamedWorkspace:
    """The workspace that a long id or URI names.

    Attributes:
        subscription: its subscription, or None where the id does not say (``azureml://locations/…``).
        group: its resource group, or None likewise.
        name: its name; in ids without subscription also its GUID.
    """

    subscription: str | None
    group: str | None
    name: str


@dataclass(frozen=True)
class WebAddress:
    """A web address in its parts, nothing decoded.

    Attributes:
        scheme: ``http`` or ``https``.
        host: host, with its port if one is given.
        path: behind the host's slash; ``#`` has no meaning in storage, so it is part of the path.
        query: behind the question mark. Secret: it may be a signature.
    """

    scheme: str
    host: str
    path: str
    query: str

    def __repr__(self) -> str:
        """Show the address without its query."""
        return f"WebAddress({self.scheme}://{self.host}/{self.path})"

    @property
    def request_url(self) -> str:
        """The URL to ask for: what a URL cannot hold is percent-encoded, what is encoded already stays.

        Raises:
            UnicodeError: the host is no name of a host.
        """
        host = self.host if self.host.isascii() else self.host.encode("idna").decode("ascii")
        path = quote(re.sub("%(?![0-9A-Fa-f]{2})", "%25", self.path), safe="/%:@!$&'()*+,;=~")
        query = quote(self.query, safe="/%:@!$&'()*+,;=~?")
        return f"{self.scheme}://{host}/{path}" + (f"?{query}" if query else "")


def storage_place(uri: str) -> StoragePlace | None:
    """Say where a storage URI points, or None when it is not one.

    Understands ``azureml://datastores/…/paths/…`` short and long, the ARM form of it, ``https://`` and loopback
    ``http://`` blob URLs, ``wasbs://`` and ``abfss://``; their words in any case.
    """
    if found := _DATASTORE.fullmatch(uri):
        return StoragePlace(found["store"], None, found["path"] or "")
    if (found := _AT.fullmatch(uri)) and _is_host(found["host"]):
        return StoragePlace(
            None, f"https://{_blob_host(found['host'])}/{found['container']}", unquote(found["path"] or "")
        )
    address = web_address(uri)
    if address is None:
        return None
    # A loopback address carries the account in its path, as the emulator does: /account/container/blob.
    depth = 2 if leads_here(f"//{address.host}") else 1
    segments = address.path.lstrip("/").split("/", depth)
    container = "/".join(segments[:depth])
    path = segments[depth] if len(segments) > depth else ""
    return StoragePlace(
        None, f"{address.scheme}://{_blob_host(address.host)}/{container}", unquote(path), address.query
    )


def web_address(uri: str) -> WebAddress | None:
    """Return the parts of an ``http`` or ``https`` URL, or None when it is none."""
    found = _WEB.fullmatch(uri)
    if found is None or int(found["port"] or 0) > 65535 or not _is_host(found["host"]):
        return None
    return WebAddress(found["scheme"].lower(), found["host"], found["path"] or "", found["query"] or "")


def asset_name(uri: str) -> AssetName | None:
    """Return the asset an ARM id, ``azureml://locations/…`` id or ``azureml:name:version`` names, or None.

    A short form says nothing about the kind: it comes back as ``""``.
    """
    if found := _ASSET.fullmatch(uri):
        kind = "data" if found["kind"].lower() == "datasets" else found["kind"].lower()
        version, label = (part and unquote(part) for part in (found["version"], found["label"]))
        return AssetName(kind, unquote(found["name"]), version, label)
    if found := _SHORT_ASSET.fullmatch(uri):
        label = None if found["version"] else found["label"] or "latest"
        return AssetName("", found["name"], found["version"], label)
    return None


def named_workspace(uri: str) -> NamedWorkspace | None:
    """Return the workspace that a datastore URI or an asset's id names, or None when it names none."""
    found = _DATASTORE.fullmatch(uri) or _ASSET.fullmatch(uri)
    named = found.groupdict() if found else {}
    name = named.get("workspace") or named.get("id")
    return NamedWorkspace(named.get("subscription"), named.get("group"), name) if name else None


def is_in_registry(uri: str) -> bool:
    """Whether an id names an asset of a registry, which belongs to no workspace."""
    return _REGISTRY.match(uri) is not None and storage_place(uri) is None


def shown(uri: str) -> str:
    """Return a URI as messages may show it: a web address without its query, which may be a signature."""
    return uri.partition("?")[0] if uri[:4].lower() == "http" else uri


def datastore_uri(datastore: str, path: str) -> str:
    """Return the short URI of a path on a datastore."""
    return f"azureml://datastores/{datastore}/paths/{path}"


def _blob_host(host: str) -> str:
    """Return the blob endpoint's host of an account that is named by its data lake endpoint."""
    return _LAKE.sub(r"\1.blob.", host)


def _is_host(host: str) -> bool:
    """Whether a URL can have this host: no broken IPv6 address, no part of a name that is empty or too long."""
    try:
        name = urlsplit(f"//{host}").hostname or ""
        return bool(name) and bool(name.encode("idna"))
    except ValueError:
        return False
