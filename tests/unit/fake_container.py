"""A container in memory, for what decides which requests are sent; every request is written down."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Mapping
from datetime import datetime, timezone
from pathlib import Path
from threading import Lock

from azure_batch_endpoints._storage.blobs import BlobItem, Container
from azure_batch_endpoints.errors import ConflictError, PermissionDeniedError


class FakeContainer(Container):
    """Keeps blobs as bytes; ``breaks`` maps a blob's name to the error its upload raises."""

    def __init__(self, url: str = "https://acct.blob.core.windows.net/store") -> None:
        super().__init__(url)
        self.blobs: dict[str, tuple[bytes, dict[str, str], datetime]] = {}
        self.requests: list[str] = []
        self.breaks: dict[str, Exception] = {}
        self.keeps_md5 = True
        self.refuses_to_list = False
        self._guard = Lock()

    def find(self, name: str) -> BlobItem | None:
        self.requests.append(f"HEAD {name}")
        return self._item(name) if name in self.blobs else None

    def list(self, prefix: str = "") -> Iterator[BlobItem]:
        self.requests.append(f"LIST {prefix}")
        if self.refuses_to_list:
            raise PermissionDeniedError("no right to list", status_code=403)
        yield from [self._item(name) for name in sorted(self.blobs) if name.startswith(prefix)]

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
        with self._guard:
            self.requests.append(f"PUT {name}")
            if name in self.breaks:
                raise self.breaks[name]
            if name in self.blobs and not overwrite:
                raise ConflictError("it is there", status_code=409)
            data = path.read_bytes()
            if check is not None:
                check()
            self.blobs[name] = (data, dict(metadata or {}), datetime.now(timezone.utc))
        if on_bytes is not None:
            on_bytes(len(data))

    def write(
        self, name: str, data: bytes, *, overwrite: bool = True, metadata: Mapping[str, str] | None = None
    ) -> None:
        with self._guard:
            self.blobs[name] = (data, dict(metadata or {}), datetime.now(timezone.utc))

    def _item(self, name: str) -> BlobItem:
        data, metadata, modified = self.blobs[name]
        md5 = hashlib.md5(data, usedforsecurity=False).digest() if self.keeps_md5 else None
        return BlobItem(name, len(data), md5, modified, metadata)
