"""Which files a job reads: its input as a stream of entries in a fixed order. Nothing is fetched here."""

from __future__ import annotations

from collections.abc import Iterator

from azure_batch_endpoints.errors import ServiceError, TransportError
from azure_batch_endpoints.local.buckets import Bucket
from azure_batch_endpoints.local.control import JobFailed
from azure_batch_endpoints.local.job import JobInputSource
from azure_batch_endpoints.local.stores import Store

Entry = tuple[str, str, int]
"""Path below the input folder (a single file: its own name), name in the bucket, size in bytes."""


class InputFiles:
    """The files of one input.

    Attributes:
        bucket: where they are.
    """

    def __init__(self, store: Store, given: JobInputSource) -> None:
        """Find where the input is; nothing is asked yet.

        Raises:
            InvalidInputError: the URI leads nowhere the service can read.
        """
        self._uri = given.uri.partition("?")[0]
        self._is_file = given.kind == "file"
        self.bucket: Bucket
        self.bucket, self._path = store.open_file(given.uri) if self._is_file else store.open(given.uri)

    def __iter__(self) -> Iterator[Entry]:
        """Yield the files: every one below a folder, at any depth, by name; the same order each time.

        Raises:
            JobFailed: there is none, or the place cannot be listed.
        """
        yield from self._file() if self._is_file else self._folder()

    def _file(self) -> Iterator[Entry]:
        found = self.bucket.find(self._path)
        if found is None:
            is_folder = next(self.bucket.list(f"{self._path.rstrip('/')}/"), None) is not None
            remedy = (
                f'It is a folder: write folder("{self._uri}").' if is_folder else "Check its name, or upload it first."
            )
            raise JobFailed(f"There is no file '{self._uri}' to score. {remedy}")
        yield self._path.rstrip("/").rpartition("/")[2], found.name, found.size

    def _folder(self) -> Iterator[Entry]:
        prefix = f"{self._path.rstrip('/')}/" if self._path.strip("/") else ""
        empty = True
        try:
            for found in self.bucket.list(prefix):
                if not found.name.endswith("/"):  # a folder marker of some tools
                    empty = False
                    yield found.name[len(prefix) :], found.name, found.size
        except (ServiceError, TransportError) as error:
            raise JobFailed(
                f"The input folder '{self._uri}' cannot be listed: {error} "
                "A folder must be in a datastore or a public blob container; elsewhere name single files."
            ) from error
        if empty:
            is_file = bool(prefix) and self.bucket.find(prefix.rstrip("/")) is not None
            remedy = (
                f'It is a file: write file("{self._uri.rstrip("/")}").'
                if is_file
                else "Check its name, or upload files first."
            )
            raise JobFailed(f"The input folder '{self._uri}' holds no files. {remedy}")
