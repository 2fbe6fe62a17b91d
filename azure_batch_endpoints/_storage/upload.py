"""A local file or folder to a container, by content: what is there already is not sent again.

The place and the mark that it is complete are those of the official client (azure-ai-ml 1.35.2): the first file in
sorted order carries the metadata ``upload_status=completed``, so each client recognises the other's uploads. The mark
is set last, when all the others are known to be there as they are here: the account checked their MD5 while they came,
or, where many small files took the fast way, what it lists is compared with what was read.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from azure_batch_endpoints._storage.blobs import BLOCK, BlobItem, Container
from azure_batch_endpoints._storage.hashing import LocalFile, LocalTree, md5_of
from azure_batch_endpoints._storage.steps import Meter, Progress, TransferStep
from azure_batch_endpoints._storage.swift import SMALL, SwiftWriter
from azure_batch_endpoints._storage.threads import each
from azure_batch_endpoints.errors import (
    BatchEndpointsError,
    ConflictError,
    PermissionDeniedError,
    ServiceError,
    UploadError,
)

COMPLETED = {"upload_status": "completed"}
THREADS = 8
"""Small files in flight; more gain nothing (measured)."""
FEW = 16
"""Small files that are sent with their MD5 one by one, which is slower, rather than looked at afterwards."""
_SPOILT = "Md5Mismatch"
"""What the account says of bytes that are not those that were sent."""


@dataclass(frozen=True)
class Destination:
    """Where a file or folder goes, and the asset it is for.

    Attributes:
        container: the container.
        folder: folder that takes it, named by the content; empty: the container's top.
        name: name of the asset, kept with the first file.
        version: its version.
        fresh: the container is known to be empty, so nothing is looked for.
    """

    container: Container
    folder: str
    name: str
    version: str
    fresh: bool = False


def upload_folder(tree: LocalTree, progress: Progress | None = None) -> str:
    """Return the folder of a datastore's container that is named by the content: ``LocalUpload/{hash}``.

    Args:
        tree: what is to be uploaded; it is read whole.
        progress: told how far the reading is.

    Raises:
        LocalPathError: a file cannot be read.
    """
    return f"LocalUpload/{tree.upload_hash(progress)}"


@dataclass(frozen=True)
class Uploaded:
    """Where an upload is.

    Attributes:
        path: in the container, without trailing slash.
        was_there: whether nothing had to be sent.
    """

    path: str
    was_there: bool


def upload(tree: LocalTree, to: Destination, progress: Progress | None = None) -> Uploaded:
    """Bring a file or folder to ``{folder}/{its name}`` unless it is there whole.

    Args:
        tree: what to upload.
        to: where to.
        progress: told after each file and block, never by two threads at once; not at all when nothing is sent.

    Raises:
        UploadError: a file did not get there; repeating the call goes on with the rest.
    """
    return _Upload(tree, to, progress).run()


class _Upload:
    """One upload under way."""

    def __init__(self, tree: LocalTree, to: Destination, progress: Progress | None) -> None:
        self._container = to.container
        self._is_folder = tree.is_folder
        self._top = f"{to.folder}/{tree.name}".lstrip("/")
        self._fresh = to.fresh
        self._mark = {"name": to.name, "version": to.version, **COMPLETED}
        self._first, *self._rest = tree.files
        self._meter = Meter(TransferStep(tree.name, 0, len(self._rest) + 1, 0, tree.size), progress)
        self._read: dict[str, tuple[int, bytes]] = {}
        self._wrong: set[str] = set()

    def run(self) -> Uploaded:
        """Send what is missing, the first file last, since it carries the mark."""
        there = None if self._fresh else self._container.find(self._name(self._first))
        if there is not None and COMPLETED.items() <= there.metadata.items():
            return Uploaded(self._top, was_there=True)
        self._send_all(self._missing({} if self._fresh or not self._rest else self._present()))
        self._check_read()
        for file in (*self._rest, self._first):
            self._require_unchanged(file)
        self._send(self._first, metadata=self._mark)  # which looks again: a mark on other content would stay for ever
        return Uploaded(self._top, was_there=False)

    def _name(self, file: LocalFile) -> str:
        return f"{self._top}/{file.name}" if self._is_folder else self._top

    def _present(self) -> dict[str, BlobItem]:
        """What an interrupted upload of the same content left."""
        return {blob.name: blob for blob in self._listing()}

    def _listing(self) -> Iterator[BlobItem]:
        """What is there now; nothing where a signature does not give the right to list."""
        with suppress(PermissionDeniedError):
            yield from self._container.list(f"{self._top}/")

    def _missing(self, present: Mapping[str, BlobItem]) -> list[LocalFile]:
        left = [file for file in self._rest if self._name(file) in present]
        same: set[str] = set()

        def compare(file: LocalFile) -> None:
            if self._is_same(file, present[self._name(file)]):
                same.add(file.name)
                self._meter.done(file.name, file.size)

        with each(left, compare, threads=THREADS, name="compare"):
            pass
        self._wrong = {file.name for file in left} - same
        return [file for file in self._rest if file.name not in same]

    def _is_same(self, file: LocalFile, blob: BlobItem) -> bool:
        """Whether a blob found under the same content's name holds this file."""
        if blob.size != file.size:
            return False
        if blob.md5 is not None:
            with suppress(OSError):  # else it is sent, and that tells what is wrong with it
                return md5_of(file.path) == blob.md5
            return False
        told = self._container.holds(blob.name, file.path) if file.size > BLOCK else None
        if told is None:  # of another client's blocks only the time tells
            return blob.modified is not None and blob.modified.timestamp() * 1e9 > file.modified
        return told

    def _send_all(self, files: Sequence[LocalFile]) -> None:
        small = [file for file in files if file.size <= SMALL]
        writer = SwiftWriter(self._container) if len(small) > FEW else None
        single = [*small, *(file for file in files if SMALL < file.size <= BLOCK)]
        with each(single, lambda file: self._send_single(file, writer), threads=THREADS, name="upload") as failed:
            for file in files:
                if file.size > BLOCK and not failed.is_set():  # its blocks fill the line already
                    self._send(file)

    def _send_single(self, file: LocalFile, writer: SwiftWriter | None) -> None:
        if writer is None or file.size > SMALL or file.name in self._wrong:
            self._send(file)
            return
        try:
            data = file.path.read_bytes()
        except OSError:
            data = b""
        name = self._name(file)
        if len(data) != file.size or not writer.put(name, data):
            self._send(file)  # whose errors are the ones to read
            return
        self._read[name] = len(data), hashlib.md5(data, usedforsecurity=False).digest()
        self._meter.done(file.name, file.size)

    def _check_read(self) -> None:
        """Compare what went the fast way, without MD5, with what the account has; send again what differs."""
        if not self._read:
            return
        for blob in self._listing():
            if self._arrived(blob):
                del self._read[blob.name]
        for file in self._rest:
            name = self._name(file)
            if name in self._read and not self._arrived(self._container.find(name)):
                self._send(file, again=True)

    def _arrived(self, blob: BlobItem | None) -> bool:
        known = None if blob is None else self._read.get(blob.name)
        if blob is None or known is None:
            return False
        size, md5 = known
        return blob.size == size and blob.md5 in (None, md5)

    def _send(self, file: LocalFile, *, metadata: Mapping[str, str] | None = None, again: bool = False) -> None:
        def told(sent: int) -> None:
            if not again:
                self._meter.sending(file.name, sent)

        # The mark replaces what an interrupted upload left; the content is the same by its name.
        replaces = again or metadata is not None or file.name in self._wrong
        check = None if metadata is None else lambda: self._require_unchanged(file)
        try:
            self._try_twice(file, metadata=metadata, overwrite=replaces, on_bytes=told, check=check)
        except UploadError:
            raise
        except ConflictError as error:
            if replaces:
                raise self._failed(file, str(error)) from error
        except BatchEndpointsError as error:
            raise self._failed(file, str(error)) from error
        if not again:
            self._meter.done(file.name, file.size)

    def _try_twice(self, file: LocalFile, **how: Any) -> None:
        try:
            self._container.upload(self._name(file), file.path, **how)
        except ServiceError as error:
            if error.code != _SPOILT:
                raise
            self._container.upload(self._name(file), file.path, **how)

    def _require_unchanged(self, file: LocalFile) -> None:
        if not file.unchanged:
            uri = f"{self._container.url}/{self._name(file)}"
            raise self._failed(file, f"'{file.path}' changed while it was being uploaded to '{uri}'.")

    def _failed(self, file: LocalFile, what: str) -> UploadError:
        step = self._meter.step
        return UploadError(
            f"{what} {step.files_done:,} of {step.files_total:,} files are there already; "
            "do the same again and it goes on with the rest.",
            path=file.path,
            uri=f"{self._container.url}/{self._name(file)}",
        )
