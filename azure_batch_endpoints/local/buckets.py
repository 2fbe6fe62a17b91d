"""A container of blobs as scoring needs it: list, find, fetch, upload.

Two kinds: of the embedded store, used within the process, and of any account over HTTP.
"""

from __future__ import annotations

import contextlib
import errno
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from io import FileIO
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from azure_batch_endpoints.errors import ConflictError, NotFoundError, ServiceError

if TYPE_CHECKING:
    from azure_batch_endpoints._storage.blobs import BlobItem, Container
    from azure_batch_endpoints.local.blobstore import BlobInfo, BlobStore
    from azure_batch_endpoints.local.blobstore.failures import BlobError

_STEP = 16 << 20
"""Bytes copied at once."""
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


class Bucket(Protocol):
    """A container; its errors are those of `errors`."""

    @property
    def url(self) -> str:
        """Address without query."""
        ...

    def list(self, prefix: str = "") -> Iterator[StoredFile]:
        """Yield the blobs below a prefix, by name."""
        ...

    def find(self, name: str) -> StoredFile | None:
        """Return one blob, or None."""
        ...

    def fetch(self, name: str, dest: Path) -> None:
        """Put a blob's content at a path that is free; its folder exists. The script may not damage the store by it."""
        ...

    def upload(self, name: str, path: Path, *, metadata: Mapping[str, str] | None = None, overwrite: bool) -> None:
        """Make a blob of a file, in one step."""
        ...


class EmbeddedBucket:
    """A container of the store in this process: nothing goes over HTTP."""

    def __init__(self, blobs: BlobStore, name: str, url: str) -> None:
        self._blobs = blobs
        self._name = name
        self.url = url

    def __repr__(self) -> str:
        return f"EmbeddedBucket({self.url!r})"

    def list(self, prefix: str = "") -> Iterator[StoredFile]:
        """Yield the blobs below a prefix, by name."""
        with self._translated():
            for blob in self._blobs.list(self._name, prefix):
                if blob.metadata.get(_FOLDER_MARK) != "true":
                    yield _stored(blob)

    def find(self, name: str) -> StoredFile | None:
        """Return one blob, or None."""
        blob = self._blobs.stat(self._name, name)
        return None if blob is None else _stored(blob)

    def fetch(self, name: str, dest: Path) -> None:
        """Copy a blob's content to a path."""
        with self._translated():
            blob, content = self._blobs.open_content(self._name, name)
        if content < 0:
            dest.write_bytes(b"")
            return
        with os.fdopen(content, "rb", buffering=0) as source:
            _copy(source, dest, blob.size)

    def upload(self, name: str, path: Path, *, metadata: Mapping[str, str] | None = None, overwrite: bool) -> None:
        """Make a blob of a file, in one step."""
        with self._translated():
            self._blobs.put(self._name, name, path, metadata=dict(metadata or {}), overwrite=overwrite)

    @contextlib.contextmanager
    def _translated(self) -> Iterator[None]:
        from azure_batch_endpoints.local.blobstore.failures import BlobError

        try:
            yield
        except BlobError as error:
            raise _service_error(error, self._name) from error


class RemoteBucket:
    """A container of an account."""

    def __init__(self, container: Container) -> None:
        self._container = container
        self.url = container.url

    def __repr__(self) -> str:
        return f"RemoteBucket({self.url!r})"

    def list(self, prefix: str = "") -> Iterator[StoredFile]:
        """Yield the blobs below a prefix, by name."""
        return map(_described, self._container.list(prefix))

    def find(self, name: str) -> StoredFile | None:
        """Return one blob, or None."""
        found = self._container.find(name)
        return None if found is None else _described(found)

    def fetch(self, name: str, dest: Path) -> None:
        """Download a blob to a path."""
        self._container.download(name, dest)

    def upload(self, name: str, path: Path, *, metadata: Mapping[str, str] | None = None, overwrite: bool) -> None:
        """Make a blob of a file, in one step."""
        self._container.upload(name, path, metadata=metadata, overwrite=overwrite)


def _copy(content: FileIO, dest: Path, size: int) -> None:
    """Copy a content file; where the file system can (XFS, Btrfs), its bytes are shared until a side changes them.

    A hard link would be cheaper everywhere, but a script may change its input's mode, and then write into the store.
    Only ``size`` bytes: the file of an append blob goes on growing.
    """
    left = size
    with dest.open("wb") as copy:
        with contextlib.suppress(AttributeError, OSError):  # not on macOS, not on every file system
            while done := os.copy_file_range(content.fileno(), copy.fileno(), min(left, _STEP)):
                left -= done
        while left:  # what is left, most often nothing
            piece = content.read(min(left, _STEP))
            if not piece:
                raise OSError(errno.EIO, "a content file is shorter than its index says")
            copy.write(piece)
            left -= len(piece)


def _stored(blob: BlobInfo) -> StoredFile:
    return StoredFile(blob.name, blob.size, blob.etag, blob.metadata)


def _described(item: BlobItem) -> StoredFile:
    mark = item.md5.hex() if item.md5 else f"{item.modified}"
    return StoredFile(item.name, item.size, mark, item.metadata)


def _service_error(error: BlobError, container: str) -> ServiceError:
    kind = {404: NotFoundError, 409: ConflictError, 412: ConflictError}.get(error.status, ServiceError)
    return kind(f"Container '{container}': {error}", status_code=error.status, code=error.code)
