"""A job's way to its store: the buckets of `stores`, each call repeated while the store is silent or the disk is full.

A listing goes on from the page it had come to. Not here: how long, and what the log says (`patience`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import TypeVar
from urllib.parse import urlsplit

from azure_batch_endpoints.local.buckets import Bucket, Page, StoredFile, all_pages
from azure_batch_endpoints.local.patience import Patience
from azure_batch_endpoints.local.stores import Store

_T = TypeVar("_T")


class PatientStore:
    """The store of one run of a job."""

    def __init__(self, store: Store, patience: Patience) -> None:
        self._store, self._patience = store, patience

    def open(self, uri: str) -> tuple[Bucket, str]:
        """Return the container a URI leads to, and the name or prefix in it; see `Store.open`."""
        bucket, path = self._store.open(uri)
        return self._patient(bucket), path

    def open_file(self, uri: str) -> tuple[Bucket, str]:
        """Like :meth:`open`, for one file, which may also be anywhere in the web."""
        bucket, path = self._store.open_file(uri)
        return self._patient(bucket), path

    def _patient(self, bucket: Bucket) -> Bucket:
        own = bucket.url.startswith(f"{self._store.address.endpoint}/")
        return PatientBucket(bucket, self._patience, known=own)


class PatientBucket:
    """A container whose every use waits for its store and for room on the disk, and stops with the job.

    Its methods raise `Interrupted` when the job is to stop.
    """

    def __init__(self, bucket: Bucket, patience: Patience, *, known: bool) -> None:
        self._bucket, self._patience = bucket, patience
        self._place = patience.place(urlsplit(bucket.url).netloc, known=known)
        self.url = bucket.url
        self.parallel = bucket.parallel

    def __repr__(self) -> str:
        return f"PatientBucket({self.url!r})"

    def page(self, prefix: str, marker: str = "") -> Page:
        """Return one page of the blobs below a prefix."""
        return self._asked(lambda: self._bucket.page(prefix, marker))

    def list(self, prefix: str = "") -> Iterator[StoredFile]:
        """Yield the blobs below a prefix, by name."""
        return all_pages(self, prefix)

    def find(self, name: str) -> StoredFile | None:
        """Return one blob, or None."""
        return self._asked(lambda: self._bucket.find(name))

    def fetch(self, name: str, dest: Path, check: Callable[[], None] | None = None) -> None:  # noqa: ARG002 - ours
        """Put a blob's content at a path that is free."""
        stop = self._patience.check
        self._patience.room(lambda: self._place.patiently(lambda: self._bucket.fetch(name, dest, stop)))

    def upload(
        self,
        name: str,
        path: Path,
        *,
        metadata: Mapping[str, str] | None = None,
        overwrite: bool,
        check: Callable[[], None] | None = None,  # noqa: ARG002 - ours
    ) -> None:
        """Make a blob of a file, in one step."""
        stop = self._patience.goes_on
        self._asked(lambda: self._bucket.upload(name, path, metadata=metadata, overwrite=overwrite, check=stop))

    def _asked(self, ask: Callable[[], _T]) -> _T:
        """Ask in a thread of its own: a store that says nothing at all must not hold up a job that is to stop."""
        return self._patience.room(lambda: self._place.patiently(lambda: self._patience.apart(ask)))
