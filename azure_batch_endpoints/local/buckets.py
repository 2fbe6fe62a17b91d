"""A container of blobs as scoring needs it: list, find, fetch, upload.

Two kinds: of the embedded store, used within the process, and of any account over HTTP.
"""

from __future__ import annotations

import contextlib
import errno
import os
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from typing_extensions import Buffer

from azure_batch_endpoints._storage.swift import SwiftReader
from azure_batch_endpoints.errors import ConflictError, NotFoundError, ServiceError

if TYPE_CHECKING:
    from azure_batch_endpoints._storage.blobs import BlobItem, Container
    from azure_batch_endpoints.local.blobstore import BlobInfo, BlobStore
    from azure_batch_endpoints.local.blobstore.failures import BlobError

_STEP = 16 << 20
"""Bytes copied at once."""
READ_ONLY = 0o444
"""Mode of a fetched file, as Azure mounts inputs; a second try finds what the first one found."""
_SMALL = 64 << 10
"""Bytes of a file that is read and written in one go."""
_FOLDER_MARK = "hdi_isfolder"
"""Metadata of the empty blobs by which tools of Hadoop and of data lakes keep folders; `Container` knows it, too."""


@dataclass(frozen=True)
class StoredFile:
    """A blob.

    Attributes:
        name: full name in the container.
        size: bytes.
        mark: changes when the content does.
        metadata: the headers kept with it.
    """

    name: str
    size: int
    mark: str
    metadata: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Page:
    """A piece of a listing.

    Attributes:
        files: blobs, by name.
        marker: where the next page begins; empty when there is none.
    """

    files: tuple[StoredFile, ...]
    marker: str


class Bucket(Protocol):
    """A container; its errors are those of `errors`. A transfer calls ``check`` now and then, which may stop it."""

    @property
    def url(self) -> str:
        """Address without query."""
        ...

    @property
    def parallel(self) -> int:
        """How many threads bring many small files fastest; 0: none but the caller's own."""
        ...

    def page(self, prefix: str, marker: str = "") -> Page:
        """Return one page of the blobs below a prefix: the first one, or the one at a marker."""
        ...

    def list(self, prefix: str = "") -> Iterator[StoredFile]:
        """Yield the blobs below a prefix, by name."""
        ...

    def find(self, name: str) -> StoredFile | None:
        """Return one blob, or None."""
        ...

    def fetch(self, name: str, dest: Path, check: Callable[[], None] | None = None) -> None:
        """Put a blob's content at a path that is free, as a file to be read only; its folder exists.

        A script may not damage the store by it.
        """
        ...

    def upload(
        self,
        name: str,
        path: Path,
        *,
        metadata: Mapping[str, str] | None = None,
        overwrite: bool,
        check: Callable[[], None] | None = None,
    ) -> None:
        """Make a blob of a file, in one step."""
        ...


class Buckets(Protocol):
    """What leads from a URI to its container: a store, or a job's patient way to it."""

    def open(self, uri: str) -> tuple[Bucket, str]:
        """Return the container a URI leads to, and the name or prefix in it.

        Raises:
            InvalidInputError: the URI does not name a place in storage, or names an unknown datastore.
        """
        ...


def all_pages(bucket: Bucket, prefix: str) -> Iterator[StoredFile]:
    """Yield the blobs of all pages of a listing."""
    page = bucket.page(prefix)
    yield from page.files
    while page.marker:
        page = bucket.page(prefix, page.marker)
        yield from page.files


class EmbeddedBucket:
    """A container of the store in this process: nothing goes over HTTP."""

    parallel = 0  # measured: a second thread makes copying small files slower, for all of it is Python and the kernel

    def __init__(self, blobs: BlobStore, name: str, url: str) -> None:
        self._blobs = blobs
        self._name = name
        self.url = url

    def __repr__(self) -> str:
        return f"EmbeddedBucket({self.url!r})"

    def page(self, prefix: str, marker: str = "") -> Page:
        """Return one page of the blobs below a prefix."""
        with self._translated():
            blobs, after = self._blobs.page(self._name, prefix, marker)
        return Page(tuple(_stored(blob) for blob in blobs if blob.metadata.get(_FOLDER_MARK) != "true"), after)

    def list(self, prefix: str = "") -> Iterator[StoredFile]:
        """Yield the blobs below a prefix, by name."""
        return all_pages(self, prefix)

    def find(self, name: str) -> StoredFile | None:
        """Return one blob, or None."""
        blob = self._blobs.stat(self._name, name)
        return None if blob is None else _stored(blob)

    def fetch(self, name: str, dest: Path, check: Callable[[], None] | None = None) -> None:
        """Copy a blob's content to a path."""
        with self._translated():
            blob, content = self._blobs.open_content(self._name, name)
        if content < 0:
            os.close(_created(dest))
            return
        try:
            _copy(content, dest, blob.size, check)
        finally:
            os.close(content)

    def upload(
        self,
        name: str,
        path: Path,
        *,
        metadata: Mapping[str, str] | None = None,
        overwrite: bool,
        check: Callable[[], None] | None = None,
    ) -> None:
        """Make a blob of a file, in one step."""
        with self._translated():
            described = dict(metadata or {})
            self._blobs.put(self._name, name, path, metadata=described, overwrite=overwrite, check=check)

    @contextlib.contextmanager
    def _translated(self) -> Iterator[None]:
        from azure_batch_endpoints.local.blobstore.failures import BlobError

        try:
            yield
        except BlobError as error:
            raise _service_error(error, self._name) from error


class RemoteBucket:
    """A container of an account."""

    parallel = 8

    def __init__(self, container: Container) -> None:
        self._container = container
        self._swift = SwiftReader(container)
        self.url = container.url

    def __repr__(self) -> str:
        return f"RemoteBucket({self.url!r})"

    def page(self, prefix: str, marker: str = "") -> Page:
        """Return one page of the blobs below a prefix."""
        items, after = self._container.page(prefix, marker)
        return Page(tuple(map(_described, items)), after)

    def list(self, prefix: str = "") -> Iterator[StoredFile]:
        """Yield the blobs below a prefix, by name."""
        return all_pages(self, prefix)

    def find(self, name: str) -> StoredFile | None:
        """Return one blob, or None."""
        found = self._container.find(name)
        return None if found is None else _described(found)

    def fetch(self, name: str, dest: Path, check: Callable[[], None] | None = None) -> None:
        """Download a blob to a path."""
        content = self._swift.read(name)
        if content is None:
            self._container.download(name, dest, check)
            dest.chmod(READ_ONLY)
            return
        dest.parent.mkdir(parents=True, exist_ok=True)
        copy = _created(dest)
        try:
            _write(copy, content)
        except BaseException:
            dest.unlink(missing_ok=True)
            raise
        finally:
            os.close(copy)

    def upload(
        self,
        name: str,
        path: Path,
        *,
        metadata: Mapping[str, str] | None = None,
        overwrite: bool,
        check: Callable[[], None] | None = None,
    ) -> None:
        """Make a blob of a file, in one step."""
        on_bytes = None if check is None else lambda _sent: check()
        self._container.upload(name, path, metadata=metadata, overwrite=overwrite, on_bytes=on_bytes)


def _copy(content: int, dest: Path, size: int, check: Callable[[], None] | None) -> None:
    """Copy an open content file; where the file system can (XFS, Btrfs), its bytes are shared until a side changes.

    A hard link would be cheaper everywhere, but a script may change its input's mode, and then write into the store.
    Only ``size`` bytes: the file of an append blob goes on growing. A copy that cannot be finished is removed.
    """
    copy = _created(dest)
    try:
        _copy_bytes(content, copy, size, check)
    except BaseException:
        dest.unlink(missing_ok=True)
        raise
    finally:
        os.close(copy)


def _created(dest: Path) -> int:
    return os.open(dest, os.O_WRONLY | os.O_CREAT | os.O_EXCL, READ_ONLY)


def _copy_bytes(content: int, copy: int, size: int, check: Callable[[], None] | None) -> None:
    left = size
    if size > _SMALL:  # for a small file two plain calls are quicker
        with contextlib.suppress(AttributeError, OSError):  # not on macOS, not on every file system
            while done := os.copy_file_range(content, copy, min(left, _STEP)):
                left -= done
                if check is not None:
                    check()
    while left:  # what is left, most often nothing
        piece = os.read(content, min(left, _STEP))
        if not piece:
            raise OSError(errno.EIO, "a content file is shorter than its index says")
        left -= len(piece)
        _write(copy, piece)
        if check is not None and left:
            check()


def _write(copy: int, piece: Buffer) -> None:
    left = memoryview(piece)
    while left:
        left = left[os.write(copy, left) :]


def _stored(blob: BlobInfo) -> StoredFile:
    return StoredFile(blob.name, blob.size, blob.etag, blob.metadata)


def _described(item: BlobItem) -> StoredFile:
    mark = item.md5.hex() if item.md5 else f"{item.modified}"
    return StoredFile(item.name, item.size, mark, item.metadata)


def _service_error(error: BlobError, container: str) -> ServiceError:
    kind = {404: NotFoundError, 409: ConflictError, 412: ConflictError}.get(error.status, ServiceError)
    return kind(f"Container '{container}': {error}", status_code=error.status, code=error.code)
