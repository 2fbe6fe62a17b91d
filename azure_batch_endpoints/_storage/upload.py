"""A local file or folder to a container, by content: what is there already is not sent again.

The place and the mark that it is complete are those of the official client (azure-ai-ml 1.35.2): the first file in
sorted order carries the metadata ``upload_status=completed``, so each client recognises the other's uploads.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import FIRST_EXCEPTION, ThreadPoolExecutor, wait
from dataclasses import dataclass, replace
from threading import Lock
from typing import TypeAlias

from azure_batch_endpoints._storage.blobs import BLOCK, BlobItem, Container
from azure_batch_endpoints._storage.hashing import LocalFile, LocalTree
from azure_batch_endpoints._storage.swift import SwiftWriter
from azure_batch_endpoints.errors import BatchEndpointsError, ConflictError, PermissionDeniedError, UploadError

COMPLETED = {"upload_status": "completed"}
THREADS = 8
"""Small files in flight; more gain nothing (measured)."""


@dataclass(frozen=True)
class UploadStep:
    """How far an upload is.

    Attributes:
        name: name of the file or folder.
        files_done: files that are there.
        files_total: all of them.
        bytes_done: bytes that are there, those of files that are being sent included.
        bytes_total: all of them.
    """

    name: str
    files_done: int
    files_total: int
    bytes_done: int
    bytes_total: int


Progress: TypeAlias = "Callable[[UploadStep], None]"


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


def upload_folder(tree: LocalTree) -> str:
    """Return the folder of a datastore's container that is named by the content: ``LocalUpload/{hash}``.

    Raises:
        LocalPathError: a file cannot be read.
    """
    return f"LocalUpload/{tree.upload_hash()}"


def upload(tree: LocalTree, to: Destination, progress: Progress | None = None) -> str:
    """Bring a file or folder to ``{folder}/{its name}`` unless it is there whole.

    Args:
        tree: what to upload.
        to: where to.
        progress: told after each file and block, never by two threads at once; not at all when nothing is sent.

    Returns:
        its path in the container, without trailing slash.

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
        self._meter = _Meter(UploadStep(tree.name, 0, len(self._rest) + 1, 0, tree.size), progress)

    def run(self) -> str:
        """Send what is missing, the first file last, since it carries the mark."""
        there = None if self._fresh else self._container.find(self._name(self._first))
        if there is not None and COMPLETED.items() <= there.metadata.items():
            return self._top
        present = {} if self._fresh or not self._rest else self._present()
        missing: list[LocalFile] = []
        for file in self._rest:
            if _is_same(file, present.get(self._name(file))):
                self._meter.done(file)
            else:
                missing.append(file)
        self._send_all(missing)
        for file in (*self._rest, self._first):
            self._require_unchanged(file)
        self._send(self._first, metadata=self._mark)
        self._require_unchanged(self._first)
        return self._top

    def _name(self, file: LocalFile) -> str:
        return f"{self._top}/{file.name}" if self._is_folder else self._top

    def _present(self) -> dict[str, BlobItem]:
        """What an interrupted upload of the same content left there."""
        try:
            return {blob.name: blob for blob in self._container.list(f"{self._top}/")}
        except PermissionDeniedError:  # a SAS without the right to list
            return {}

    def _send_all(self, files: Sequence[LocalFile]) -> None:
        small = [file for file in files if file.size <= BLOCK]
        writer = SwiftWriter(self._container) if len(small) > 1 else None
        pool = ThreadPoolExecutor(THREADS, thread_name_prefix="upload")
        try:
            sent = [pool.submit(self._send_small, file, writer) for file in small]
            for file in files:
                if file.size > BLOCK:  # its blocks fill the line already
                    self._send(file)
            for one in wait(sent, return_when=FIRST_EXCEPTION).done:
                one.result()
        finally:
            pool.shutdown(cancel_futures=True)

    def _send_small(self, file: LocalFile, writer: SwiftWriter | None) -> None:
        if writer is not None and writer.put(self._name(file), file.path):
            self._meter.done(file)
        else:
            self._send(file)

    def _send(self, file: LocalFile, *, metadata: Mapping[str, str] | None = None) -> None:
        def told(sent: int) -> None:
            self._meter.sending(file, sent)

        try:
            # The mark replaces what an interrupted upload left; the content is the same by its name.
            self._container.upload(
                self._name(file), file.path, metadata=metadata, overwrite=metadata is not None, on_bytes=told
            )
        except ConflictError:
            if metadata is not None:
                raise
        except BatchEndpointsError as error:
            raise self._failed(file, str(error)) from error
        self._meter.done(file)

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


class _Meter:
    """Counts files and bytes, and tells one listener one step at a time."""

    def __init__(self, start: UploadStep, progress: Progress | None) -> None:
        self.step = start
        self._progress = progress
        self._under_way: dict[str, int] = {}
        self._settled = 0
        self._lock = Lock()

    def sending(self, file: LocalFile, sent: int) -> None:
        """Note the bytes of a file that are there so far."""
        with self._lock:
            self._under_way[file.name] = max(sent, self._under_way.get(file.name, 0))
            self._tell(self.step.files_done)

    def done(self, file: LocalFile) -> None:
        """Note that a file is there."""
        with self._lock:
            self._under_way.pop(file.name, None)
            self._settled += file.size
            self._tell(self.step.files_done + 1)

    def _tell(self, files: int) -> None:
        self.step = replace(self.step, files_done=files, bytes_done=self._settled + sum(self._under_way.values()))
        if self._progress is not None:
            self._progress(self.step)


def _is_same(file: LocalFile, blob: BlobItem | None) -> bool:
    """Whether a blob found under the same content's name holds this file; one of blocks has no MD5 to compare."""
    if blob is None or blob.size != file.size:
        return False
    if blob.md5 is None:
        return blob.modified is not None and blob.modified.timestamp() * 1e9 > file.modified
    with file.path.open("rb") as stream:
        # hashlib.file_digest needs Python 3.11.
        digest = hashlib.md5(usedforsecurity=False)
        while chunk := stream.read(1024 * 1024):
            digest.update(chunk)
    return digest.digest() == blob.md5
