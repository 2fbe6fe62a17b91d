"""The blob store of a local service: embedded, Azurite, or an account given by its connection string.

Opens it, makes the two containers, and says which container a datastore or URL means. Not here: moving files.
"""

from __future__ import annotations

import contextlib
import re
import socket
import threading
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias
from urllib.parse import urlsplit

from azure_batch_endpoints._storage.blobs import Container, ContainerCredential
from azure_batch_endpoints._wire.uris import StoragePlace, shown, storage_place, web_address
from azure_batch_endpoints.errors import BatchEndpointsError, InvalidInputError, LocalServiceError
from azure_batch_endpoints.local.buckets import Bucket, EmbeddedBucket, RemoteBucket
from azure_batch_endpoints.local.job import StoreAddress, container_names
from azure_batch_endpoints.local.places import datastore_container, own_container
from azure_batch_endpoints.local.web_file import WebFile

if TYPE_CHECKING:
    from starlette.types import ASGIApp

    from azure_batch_endpoints.local.blobstore import BlobStore

FindDatastore: TypeAlias = Callable[[str], "Mapping[str, Any] | None"]
"""Looks up the record of a datastore that a user made, by its name in lower case."""

EMBEDDED_ACCOUNT = "abelocal"
_CONNECT_SECONDS = 5.0
_DEVELOPMENT = StoreAddress(
    "devstoreaccount1",
    "http://127.0.0.1:10000/devstoreaccount1",
    # The emulator's account and key are documented for everyone ("Use the Azurite emulator").
    "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw==",
)
_REMEDY = "Pass storage=<connection string> as the portal shows it, storage='azurite', or leave it out."


class Store:
    """An open blob store.

    Attributes:
        address: how clients reach it.
        app: ASGI app that answers below ``/{account}/``, or None when the store is a server of its own.
    """

    def __init__(
        self,
        address: StoreAddress,
        containers: dict[str, str],
        *,
        embedded: BlobStore | None = None,
        app: ASGIApp | None = None,
        closing: Callable[[], None] = lambda: None,
    ) -> None:
        self.address = address
        self.app = app
        self._containers = containers
        self._embedded = embedded
        self._closing = closing
        self._find_datastore: FindDatastore = lambda _name: None
        self._open: dict[tuple[str, str | None], Container] = {}
        self._lock = threading.Lock()

    def __repr__(self) -> str:
        return f"Store({self.address.endpoint!r})"

    def look_up(self, find: FindDatastore) -> None:
        """Say where datastores that users made are looked up."""
        self._find_datastore = find

    def open(self, uri: str) -> tuple[Bucket, str]:
        """Return the container a URI leads to, and the name or prefix in it.

        Raises:
            InvalidInputError: the URI does not name a place in storage, or names an unknown datastore.
        """
        place = storage_place(uri)
        if place is None:
            raise InvalidInputError(
                f"'{shown(uri)}' is no place the local service can read. Write azureml://datastores/<name>/paths/"
                "<path>, https://<account>.blob.core.windows.net/<container>/<path>, wasbs://… or abfss://…."
            )
        return self._bucket(place), place.path

    def open_file(self, uri: str) -> tuple[Bucket, str]:
        """Like :meth:`open`, for one file, which may also be anywhere in the web."""
        place, address = storage_place(uri), web_address(uri)
        if address is None or place is None or self._own_container(place) is not None:
            return self.open(uri)
        file = WebFile(address)
        return file, file.name

    def _bucket(self, place: StoragePlace) -> Bucket:
        if place.datastore is not None:
            return self._datastore(place.datastore)
        own, signed = self._own_container(place), "sig=" in place.sas
        if own is not None and not signed:
            return self._own(own)
        # What a signature does not allow is refused in our own account, too.
        url = str(place.container_url) if own is None else f"{self.address.endpoint}/{own}"
        return RemoteBucket(self._remote(url, ContainerCredential(sas=place.sas) if signed else None))

    def _datastore(self, name: str) -> Bucket:
        container = next((one for known, one in self._containers.items() if known.lower() == name.lower()), None)
        if container is not None:
            return self._own(container)
        record = self._find_datastore(name.lower())
        if record is None:
            known = ", ".join(f"'{known}'" for known in self._containers)
            raise InvalidInputError(f"There is no datastore '{name}'. Name one that the local service has: {known}.")
        found = datastore_container(record)
        own = own_container(self.address, found.url)
        return self._own(own) if own is not None else RemoteBucket(self._remote(found.url, found.credential))

    def create_containers(self) -> None:
        """Make the datastores' containers; those that are there are fine."""
        for name in self._containers.values():
            if self._embedded is not None:
                self._embedded.create_container(name)
            else:
                self._remote_own(name).create()

    def close(self) -> None:
        """Close it; a server that was started for it is ended, which waits for connections that are left open."""
        with self._lock:
            for container in self._open.values():
                container.close()
        self._closing()

    def _own(self, container: str) -> Bucket:
        if self._embedded is not None:
            return EmbeddedBucket(self._embedded, container, f"{self.address.endpoint}/{container}")
        return RemoteBucket(self._remote_own(container))

    def _remote_own(self, container: str) -> Container:
        return self._remote(f"{self.address.endpoint}/{container}", ContainerCredential(account_key=self.address.key))

    def _remote(self, url: str, credential: ContainerCredential | None) -> Container:
        """Return a container of any account; its connections are kept for the next one who asks."""
        key = url, None if credential is None else credential.account_key or credential.sas
        with self._lock:
            if key not in self._open:
                self._open[key] = Container(url, credential)
            return self._open[key]

    def _own_container(self, place: StoragePlace) -> str | None:
        return None if place.container_url is None else own_container(self.address, place.container_url)


def open_store(root: Path, storage: str | None, workspace_id: str, key: str, base_url: str) -> Store:
    """Open the store a service was told to use, with its containers made.

    Args:
        root: the service's root folder.
        storage: None, ``azurite`` or a connection string.
        workspace_id: part of a container's name.
        key: account key of the embedded store.
        base_url: address of the service, where the embedded store answers.

    Raises:
        LocalServiceError: it cannot be opened, reached or used; the text shows no secret.
    """
    names = container_names(workspace_id)
    if storage is None:
        store = _embedded(root, StoreAddress(EMBEDDED_ACCOUNT, f"{base_url}/{EMBEDDED_ACCOUNT}", key), names)
    elif storage == "azurite":
        store = _azurite(root, key, names)
    else:
        store = _account(parse_connection_string(storage), names)
    try:
        store.create_containers()
    except BatchEndpointsError as error:
        store.close()
        raise LocalServiceError(
            f"The storage account '{store.address.account}' at '{store.address.endpoint}' "
            f"cannot be used: {error} Check the storage."
        ) from error
    return store


def parse_connection_string(text: str) -> StoreAddress:
    """Read a connection string with an account key.

    Raises:
        LocalServiceError: it is none, or has no account key. The text is not repeated.
    """
    pairs = re.findall(r"\s*(\w+)=([^;]*?)\s*(?:;|$)", text)
    values = {name.lower(): value for name, value in pairs}
    if values.get("usedevelopmentstorage", "").lower() == "true":
        return _DEVELOPMENT
    account, key = values.get("accountname", ""), values.get("accountkey", "")
    if not account or not key:
        lacking = "AccountName" if not account else "AccountKey"
        raise LocalServiceError(f"The connection string given as storage has no {lacking}. {_REMEDY}")
    if not re.fullmatch(r"[A-Za-z0-9+/]+={0,2}", key) or len(key) % 4:
        raise LocalServiceError(f"The AccountKey in the connection string of '{account}' is not base64. {_REMEDY}")
    suffix = values.get("endpointsuffix", "core.windows.net")
    endpoint = (
        values.get("blobendpoint") or f"{values.get('defaultendpointsprotocol', 'https')}://{account}.blob.{suffix}"
    )
    if urlsplit(endpoint).scheme not in {"http", "https"} or not urlsplit(endpoint).hostname:
        raise LocalServiceError(f"The BlobEndpoint '{endpoint}' of account '{account}' is not a URL. {_REMEDY}")
    return StoreAddress(account, endpoint.rstrip("/"), key)


def _embedded(root: Path, address: StoreAddress, names: dict[str, str]) -> Store:
    from azure_batch_endpoints.local.blobstore import BlobStore, StoreInUseError, blob_app

    try:
        blobs = BlobStore(root / "blobs").open()
    except (StoreInUseError, OSError) as error:
        raise LocalServiceError(
            f"The blob store of '{root}' cannot be opened: {error} Check its permissions, "
            "or use another root: BatchClient.local(root)."
        ) from error
    app = blob_app(blobs, address.account, address.key)
    return Store(address, names, embedded=blobs, app=app, closing=blobs.close)


def _azurite(root: Path, key: str, names: dict[str, str]) -> Store:
    from azure_batch_endpoints.local.azurite import KeptAzurite

    made: list[Store] = []

    def again() -> None:
        made[0].create_containers()  # they may be among what it lost

    azurite = KeptAzurite(root / "azurite", account=EMBEDDED_ACCOUNT, key=key, again=again)
    address = StoreAddress(EMBEDDED_ACCOUNT, azurite.start().endpoint, key)
    made.append(Store(address, names, closing=azurite.stop))
    return made[0]


def _account(address: StoreAddress, names: dict[str, str]) -> Store:
    place = urlsplit(address.endpoint)
    port = place.port or (443 if place.scheme == "https" else 80)
    try:
        with contextlib.closing(socket.create_connection((str(place.hostname), port), _CONNECT_SECONDS)):
            pass
    except OSError as error:
        raise LocalServiceError(
            f"The storage account '{address.account}' does not answer at '{address.endpoint}': {error}. "
            f"Check that it runs and can be reached from here. {_REMEDY}"
        ) from error
    return Store(address, names)
