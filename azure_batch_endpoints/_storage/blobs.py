"""One container of a storage account: list, find, read, download, write, upload. The one home of azure-storage-blob.

The library is imported when the first request leaves (0.4 s), never by importing this module. Many small files at
once are the business of ``swift``; where things go is decided in ``upload`` and ``_workspace``.
"""

from __future__ import annotations

import os
import uuid
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager
from datetime import datetime, timedelta, timezone
from pathlib import Path
from threading import Lock
from types import TracebackType
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote, urlsplit

from typing_extensions import Self

from azure_batch_endpoints._loopback import leads_here
from azure_batch_endpoints._storage.credentials import ContainerCredential
from azure_batch_endpoints._storage.failures import NOT_AN_ACCOUNT, translated
from azure_batch_endpoints._storage.listing import BlobItem, described, page
from azure_batch_endpoints.errors import ConflictError, InvalidInputError, NotFoundError

if TYPE_CHECKING:
    from azure.storage.blob import ContainerClient

    from azure_batch_endpoints._http.reviving import Reviver

__all__ = ["BLOCK", "NOT_AN_ACCOUNT", "BlobItem", "Container", "ContainerCredential", "container_sas"]

BLOCK = 16 * 1024 * 1024
"""Bytes above which a file travels in pieces of that size; the same in ``connection``."""
CONCURRENCY = 4
"""Pieces of one file in flight at once."""


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
        what = f"'{prefix}' in container" if prefix else "container"
        with self._translated(f"list {what} '{self.name}'"):
            return page(self._open(), prefix, marker)

    def list(self, prefix: str = "") -> Iterator[BlobItem]:
        """Yield the blobs whose names begin with ``prefix``, in the order of their names, page by page.

        The folder markers that an account with a hierarchical namespace lists are left out.
        """
        found, marker = self.page(prefix)
        yield from found
        while marker:
            found, marker = self.page(prefix, marker)
            yield from found

    def find(self, name: str) -> BlobItem | None:
        """Return one blob's description, or None when there is none: one HEAD."""
        try:
            with self._translated(f"look for blob '{name}' in container '{self.name}'"):
                return described(self._open().get_blob_client(name).get_blob_properties())
        except NotFoundError:
            return None

    def read(self, name: str, offset: int = 0, length: int | None = None, *, etag: str = "") -> bytes:
        """Return a blob's content, or a piece of it; an offset at or behind the end gives nothing.

        Args:
            name: the blob.
            offset: first byte.
            length: bytes; None: up to the end.
            etag: the state it must be in; empty: any.

        Raises:
            NotFoundError: there is no such blob.
            ConflictError: it is in another state.
        """
        if length == 0:
            return b""
        from azure.core import MatchConditions
        from azure.core.exceptions import HttpResponseError

        if_match = {"etag": f'"{etag}"', "match_condition": MatchConditions.IfNotModified}
        state: dict[str, Any] = if_match if etag else {}
        with self._translated(f"read blob '{name}' in container '{self.name}'"):
            try:
                content: bytes = self._open().download_blob(name, offset=offset, length=length, **state).readall()
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
        check: Callable[[], None] | None = None,
    ) -> None:
        """Bring a local file to a blob: one PUT, or above 16 MiB blocks of that size, four at once; with MD5.

        Blocks that an upload of the same content left behind are not sent again.

        Args:
            name: the blob.
            path: the file.
            metadata: kept with the blob.
            overwrite: replace a blob that is there.
            on_bytes: told the bytes sent so far, from any thread.
            check: called when all of the file was read and nothing is there yet; prevents the blob by raising.

        Raises:
            ConflictError: the blob is there and ``overwrite`` is off.
            LocalPathError: the file cannot be read.
        """
        with self._translated(f"upload '{path}' to '{self.url}/{name}'"), path.open("rb") as file:
            size = os.fstat(file.fileno()).st_size
            if size > BLOCK:
                from azure_batch_endpoints._storage import blocks

                blob = self._open().get_blob_client(name)
                blocks.send(
                    blob, path, size, BLOCK, metadata=metadata, overwrite=overwrite, on_bytes=on_bytes, check=check
                )
                return
            content = file.read(size) if check is not None else file
            if check is not None:
                check()
            self._open().upload_blob(
                name,
                content,
                length=size,
                metadata=dict(metadata) if metadata else None,
                overwrite=overwrite,
                validate_content=True,
                progress_hook=None if on_bytes is None else _hook(on_bytes),
            )

    def holds(self, name: str, path: Path) -> bool | None:
        """Return whether a blob that came in blocks holds a file's content; None when its blocks do not tell.

        One request, and the file is read.
        """
        from azure_batch_endpoints._storage import blocks

        with self._translated(f"compare '{path}' with '{self.url}/{name}'"):
            return blocks.holds(self._open().get_blob_client(name), path, path.stat().st_size, BLOCK)

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

    def copy(self, name: str, url: str) -> bool:
        """Let the account copy a blob from a URL that it can read; whether the copy was there at once, else none is."""
        with self._translated(f"copy a blob to '{name}' in container '{self.name}'"):
            blob = self._open().get_blob_client(name)
            begun = blob.start_copy_from_url(url)
            if begun["copy_status"] == "pending":
                blob.abort_copy(begun)
            return bool(begun["copy_status"] == "success")

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
            reviver=self._reviver,
            account=self.account,
            credential="" if self.credential is None else self.credential.kind,
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
