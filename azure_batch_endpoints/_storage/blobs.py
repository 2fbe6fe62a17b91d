"""One container of a storage account: list, find, read, download, write, upload. The one home of azure-storage-blob.

The library is imported when the first request leaves (0.4 s), never by importing this module. Many small files at
once are the business of ``swift``; where things go is decided in ``upload`` and ``_workspace``.
"""

from __future__ import annotations

import os
import uuid
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from datetime import datetime, timedelta, timezone
from pathlib import Path
from threading import Lock
from types import TracebackType
from typing import TYPE_CHECKING
from urllib.parse import unquote, urlsplit

from typing_extensions import Self

from azure_batch_endpoints._loopback import leads_here
from azure_batch_endpoints._storage.credentials import ContainerCredential
from azure_batch_endpoints._storage.failures import NOT_AN_ACCOUNT, translated
from azure_batch_endpoints.errors import ConflictError, InvalidInputError, NotFoundError

if TYPE_CHECKING:
    from azure.storage.blob import BlobProperties, ContainerClient

    from azure_batch_endpoints._http.reviving import Reviver

__all__ = ["BLOCK", "NOT_AN_ACCOUNT", "BlobItem", "Container", "ContainerCredential", "container_sas"]

BLOCK = 16 * 1024 * 1024
"""Bytes above which a file travels in pieces of that size; the same in ``connection``."""
CONCURRENCY = 4
"""Pieces of one file in flight at once."""


@dataclass(frozen=True)
class BlobItem:
    """One blob as the account describes it.

    Attributes:
        name: full name in the container.
        size: bytes.
        md5: MD5 of the content; None when the account keeps none (a file that came in blocks).
        modified: time of the last change.
        metadata: the user's own headers.
    """

    name: str
    size: int
    md5: bytes | None = None
    modified: datetime | None = None
    metadata: Mapping[str, str] = field(default_factory=dict)


def container_sas(account: str, key: str, container: str, *, hours: float, permissions: str = "rcwl") -> str:
    """Return a shared access signature of a container, as query text without ``?``. Secret.

    Args:
        account: name of the account.
        key: its key.
        container: name of the container.
        hours: how long it holds; it begins 15 minutes ago, for clocks that differ.
        permissions: letters as the service defines them; r read, c create, w write, l list, d delete.
    """
    from azure.storage.blob import ContainerSasPermissions, generate_container_sas

    now = datetime.now(timezone.utc)
    return generate_container_sas(
        account,
        container,
        account_key=key,
        permission=ContainerSasPermissions.from_string(permissions),
        start=now - timedelta(minutes=15),
        expiry=now + timedelta(hours=hours),
    )


class Container:
    """A container and the right to use it; safe to share between threads. Its repr shows no secret."""

    def __init__(
        self,
        url: str,
        credential: ContainerCredential | None = None,
        *,
        of_service: bool = False,
        beside_service: bool = False,
        reviver: Reviver | None = None,
    ) -> None:
        """Prepare; nothing is sent.

        Args:
            url: ``https://{account}.blob.{suffix}/{container}`` or ``http://127.0.0.1:{port}/{account}/{container}``,
                without a query.
            credential: None for a container that anyone may read.
            of_service: it is the local service's own, so its silence means that the service has ended.
            beside_service: it is the local service's own, answered by a server beside it, which comes back.
            reviver: of the local service, for a container that is its own.

        Raises:
            InvalidInputError: the URL names no container, or a credential would travel unprotected.
        """
        parts = urlsplit(url)
        *before, name = parts.path.strip("/").split("/")
        if not parts.hostname or not name or parts.query:
            raise InvalidInputError(
                f"'{parts.scheme}://{parts.netloc}{parts.path}' is not the URL of a container. "
                "Write https://<account>.blob.core.windows.net/<container>."
            )
        if credential is not None and parts.scheme != "https" and not leads_here(url):
            raise InvalidInputError(
                f"The storage account at '{parts.netloc}' is reached over plain http, so no credential is sent to it. "
                "Use https; plain http is for this machine only."
            )
        self.name = unquote(name)
        self.account = before[-1] if before else parts.hostname.split(".", 1)[0]
        self.account_url = f"{parts.scheme}://{parts.netloc}" + "".join(f"/{one}" for one in before)
        self.url = f"{self.account_url}/{name}"
        self.credential = credential
        self._host, self._of_service, self._beside_service = parts.netloc, of_service, beside_service
        self._reviver = reviver
        self._client: ContainerClient | None = None
        self._lock = Lock()

    def __repr__(self) -> str:
        """Show where it is, without the credential."""
        return f"Container({self.url!r})"

    def page(self, prefix: str = "", marker: str = "") -> tuple[list[BlobItem], str]:
        """Return some of the blobs that :meth:`list` yields, in one request, and the marker of the next ones or ``""``.

        Args:
            prefix: their names begin with it.
            marker: where to go on, as the page before said; empty for the first page.
        """
        with self._translated(f"list '{prefix}' in container '{self.name}'"):
            listing = self._open().list_blobs(name_starts_with=prefix or None, include=["metadata"])
            pages = listing.by_page(marker or None)
            found = [_item(blob) for blob in next(pages, ()) if (blob.metadata or {}).get("hdi_isfolder") != "true"]
            return found, str(getattr(pages, "continuation_token", None) or "")

    def list(self, prefix: str = "") -> Iterator[BlobItem]:
        """Yield the blobs whose names begin with ``prefix``, in the order of their names, page by page.

        The folder markers that an account with a hierarchical namespace lists are left out.
        """
        with self._translated(f"list '{prefix}' in container '{self.name}'"):
            found = self._open().list_blobs(name_starts_with=prefix or None, include=["metadata"])
            for blob in found:
                if (blob.metadata or {}).get("hdi_isfolder") != "true":
                    yield _item(blob)

    def find(self, name: str) -> BlobItem | None:
        """Return one blob's description, or None when there is none: one HEAD."""
        try:
            with self._translated(f"look for blob '{name}' in container '{self.name}'"):
                return _item(self._open().get_blob_client(name).get_blob_properties())
        except NotFoundError:
            return None

    def read(self, name: str, offset: int = 0, length: int | None = None) -> bytes:
        """Return a blob's content, or a piece of it; an offset at or behind the end gives nothing.

        Raises:
            NotFoundError: there is no such blob.
        """
        if length == 0:
            return b""
        from azure.core.exceptions import HttpResponseError

        with self._translated(f"read blob '{name}' in container '{self.name}'"):
            try:
                content: bytes = self._open().download_blob(name, offset=offset, length=length).readall()
            except HttpResponseError as error:
                if error.status_code != 416:
                    raise
                return b""
            return content

    def download(self, name: str, dest: Path, check: Callable[[], None] | None = None) -> None:
        """Bring a blob to a local file, which appears whole or not at all.

        Args:
            name: the blob.
            dest: the file; its folders are made, and a file that is there is replaced.
            check: called for each range that came; stops the download by raising.

        Raises:
            NotFoundError: there is no such blob.
            LocalPathError: the file cannot be written.
        """
        part = dest.with_name(f".{uuid.uuid4().hex}.part")
        with self._translated(f"download blob '{name}' in container '{self.name}' to '{dest}'"):
            hook = None if check is None else _hook(lambda _got: check())
            stream = self._open().download_blob(name, max_concurrency=CONCURRENCY, progress_hook=hook)
            dest.parent.mkdir(parents=True, exist_ok=True)
            try:
                with part.open("wb") as file:
                    stream.readinto(file)
                part.replace(dest)
            finally:
                part.unlink(missing_ok=True)

    def upload(
        self,
        name: str,
        path: Path,
        *,
        metadata: Mapping[str, str] | None = None,
        overwrite: bool = False,
        on_bytes: Callable[[int], None] | None = None,
    ) -> None:
        """Bring a local file to a blob: one PUT, or above 16 MiB blocks of that size, four at once; with MD5.

        Args:
            name: the blob.
            path: the file.
            metadata: kept with the blob.
            overwrite: replace a blob that is there.
            on_bytes: told the bytes sent so far, from any thread.

        Raises:
            ConflictError: the blob is there and ``overwrite`` is off.
            LocalPathError: the file cannot be read.
        """
        hook = None if on_bytes is None else _hook(on_bytes)
        with self._translated(f"upload '{path}' to '{self.url}/{name}'"), path.open("rb") as file:
            self._open().upload_blob(
                name,
                file,
                length=os.fstat(file.fileno()).st_size,
                metadata=dict(metadata) if metadata else None,
                overwrite=overwrite,
                max_concurrency=CONCURRENCY,
                validate_content=True,
                progress_hook=hook,
            )

    def write(
        self, name: str, data: bytes, *, overwrite: bool = True, metadata: Mapping[str, str] | None = None
    ) -> None:
        """Write a blob from memory.

        Raises:
            ConflictError: the blob is there and ``overwrite`` is off.
        """
        with self._translated(f"write blob '{name}' in container '{self.name}'"):
            self._open().upload_blob(
                name,
                data,
                metadata=dict(metadata) if metadata else None,
                overwrite=overwrite,
                max_concurrency=CONCURRENCY,
                validate_content=True,
            )

    def create(self) -> None:
        """Make the container; one that is there already is fine."""
        try:
            with self._translated(f"create container '{self.name}'"):
                self._open().create_container()
        except ConflictError as error:
            if error.code != "ContainerAlreadyExists":
                raise

    def delete(self, name: str) -> None:
        """Delete a blob; none there is fine."""
        try:
            with self._translated(f"delete blob '{name}' in container '{self.name}'"):
                self._open().delete_blob(name)
        except NotFoundError:
            return

    def close(self) -> None:
        """Close the connections; twice is fine, and a later use opens them again."""
        with self._lock:
            client, self._client = self._client, None
        if client is not None:
            client.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _translated(self, action: str) -> AbstractContextManager[None]:
        secret_url = self.credential is not None and self.credential.sas is not None
        return translated(
            self._host,
            action,
            secret_url=secret_url,
            of_service=self._of_service,
            beside_service=self._beside_service,
        )

    def _open(self) -> ContainerClient:
        with self._lock:
            if self._client is None:
                from azure_batch_endpoints._storage import connection

                how = connection.Patience(self._reviver, beside_service=self._beside_service)
                self._client = connection.opened(self.account_url, self.name, self.account, self.credential, how)
            return self._client


def _hook(on_bytes: Callable[[int], None]) -> Callable[[int, int | None], None]:
    return lambda sent, _total: on_bytes(sent)


def _item(blob: BlobProperties) -> BlobItem:
    md5 = blob.content_settings.content_md5
    return BlobItem(
        name=str(blob.name),
        size=int(blob.size),
        md5=bytes(md5) if md5 else None,
        modified=blob.last_modified,
        metadata=dict(blob.metadata or {}),
    )
