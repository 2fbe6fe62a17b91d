"""The embedded store, killed or without room: what was acknowledged is there, what was not is whole or absent."""

from __future__ import annotations

import contextlib
import errno
import random
import sqlite3
import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from azure.core.exceptions import AzureError, HttpResponseError
from azure.storage.blob import BlobBlock, ContainerClient

from azure_batch_endpoints.local.blobstore import BlobStore, files
from tests.local.blob_fixtures import EmbeddedServer
from tests.local.test_service_process import wait_until

WRITERS = 6
SIZES = (0, 10, 3_000, 70_000, 300_000)
"""To both sides of the size up to which a content travels through the journal."""


@dataclass
class Writer:
    """One client's own blobs: what was acknowledged of each, and what each may also hold by now."""

    number: int
    rng: random.Random
    sure: dict[str, bytes | None] = field(default_factory=dict)
    open: dict[str, bytes | None] = field(default_factory=dict)
    acknowledged: int = 0

    def work(self, container: ContainerClient, killed: threading.Event) -> None:
        """Change blobs until the server is gone."""
        while not killed.is_set():
            try:
                self._step(container)
            except AzureError:  # the server is gone, or going: what was asked last may have happened
                return
            self.sure.update(self.open)
            self.open.clear()
            self.acknowledged += 1

    def _step(self, container: ContainerClient) -> None:
        name = f"{self.number}/{self.rng.randrange(4)}"
        blob, data = container.get_blob_client(name), self.rng.randbytes(self.rng.choice(SIZES))
        action = self.rng.choice(["put", "blocks", "append", "copy", "delete"])
        other = f"{self.number}/{self.rng.randrange(4)}"
        if action == "put":
            self.open[name] = data
            blob.upload_blob(data, overwrite=True)
        elif action == "blocks":
            blocks = [data[:1_000] or b"-", data[1_000:] or b"+"]
            self.open[name] = b"".join(blocks)
            for place, block in enumerate(blocks):
                blob.stage_block(f"{place:04}", block)
            blob.commit_block_list([BlobBlock(f"{place:04}") for place in range(len(blocks))])
        elif action == "append":
            self._append(container, f"{self.number}/log", data[:5_000] or b"line")
        elif action == "copy" and self.sure.get(other) is not None:
            self.open[name] = self.sure[other]
            blob.start_copy_from_url(f"{container.url}/{other}")
        elif action == "delete" and self.sure.get(name) is not None:
            self.open[name] = None
            blob.delete_blob()

    def _append(self, container: ContainerClient, name: str, data: bytes) -> None:
        blob = container.get_blob_client(name)
        if self.sure.get(name) is None:
            self.open[name] = b""
            blob.create_append_blob()
            self.sure.update(self.open)
        self.open[name] = (self.sure[name] or b"") + data
        blob.append_block(data)

    def check(self, store: BlobStore) -> None:
        """What is there now is what was acknowledged, or what was asked last: whole. From here on it is sure."""
        for name in {*self.sure, *self.open}:
            there = store.stat("data", name)
            content = None if there is None else store.read("data", name)
            allowed = [self.sure.get(name), *([self.open[name]] if name in self.open else [])]
            assert content in allowed, f"{name}: {content and len(content)} bytes"
            self.sure[name] = content
        self.open.clear()


@pytest.mark.parametrize("seed", [1, 2])
def test_writers_of_all_kinds_lose_nothing_acknowledged_to_kills_at_any_moment(tmp_path: Path, seed: int) -> None:
    rng = random.Random(seed)
    writers = [Writer(number, random.Random(seed * 100 + number)) for number in range(WRITERS)]
    for _ in range(4):
        killed, before = threading.Event(), sum(writer.acknowledged for writer in writers)
        server = EmbeddedServer(tmp_path)
        with server.endpoint.service(connection_timeout=30, read_timeout=30) as service:
            with contextlib.suppress(HttpResponseError):
                service.create_container("data")
            container = service.get_container_client("data")
            with ThreadPoolExecutor(WRITERS) as threads:
                running = [threads.submit(writer.work, container, killed) for writer in writers]
                moment = before + rng.randrange(20, 150)
                wait_until(lambda moment=moment: sum(writer.acknowledged for writer in writers) >= moment, 100)  # type: ignore[misc] # a bool
                server.process.kill()
                killed.set()
                for one in running:
                    one.result()
        server.end()
        with BlobStore(tmp_path) as store:
            for writer in writers:
                writer.check(store)
    with contextlib.closing(sqlite3.connect(tmp_path / "index.db")) as index:
        assert index.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
    assert all(writer.acknowledged for writer in writers)


@pytest.mark.parametrize("size", [100, 100_000])
def test_a_put_without_room_leaves_what_was_there_and_the_store_goes_on_when_there_is_some(
    tmp_path: Path, size: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    write = files._write_all

    def half(fd: int, data: bytes) -> None:
        write(fd, data[: len(data) // 2])
        raise OSError(errno.ENOSPC, "No space left on device")

    with BlobStore(tmp_path) as store:
        store.create_container("data")
        store.put("data", "a", b"old")
        with monkeypatch.context() as patch:
            patch.setattr(files, "_write_all", half)
            for name in ("a", "new"):
                with pytest.raises(OSError, match="No space left"):
                    store.put("data", name, b"x" * size)
            with pytest.raises(OSError, match="No space left"):
                store.append("data", "log", b"x" * size)
            assert store.read("data", "a") == b"old" and store.stat("data", "new") is None
        store.put("data", "a", b"y" * size)
        store.append("data", "log", b"line")
        assert (store.read("data", "a"), store.read("data", "log")) == (b"y" * size, b"line")
        wait_until(lambda: len([file for file in (tmp_path / "contents").rglob("*") if file.is_file()]) == 2)


def test_an_index_without_room_refuses_and_goes_on_when_there_is_some(tmp_path: Path) -> None:
    with BlobStore(tmp_path) as store:
        store.create_container("data")
        store.put("data", "a", b"old")

        def limited(pages: int) -> None:
            store.commits.call(lambda change: change.connection.execute(f"PRAGMA max_page_count = {pages}"))

        limited(1)  # as many as it has: SQLite says "database or disk is full"
        stored = 0
        with pytest.raises(sqlite3.OperationalError, match="disk is full"):
            for stored in range(200):
                store.put("data", f"{stored}", b"x" * 9_000)
        assert store.read("data", "a") == b"old"
        assert [store.read("data", f"{number}") for number in range(stored)] == [b"x" * 9_000] * stored
        assert store.stat("data", f"{stored}") is None
        limited(1 << 30)
        store.put("data", "a", b"new")
        assert store.read("data", "a") == b"new"


def test_nothing_that_fails_ends_the_thread_that_commits(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with BlobStore(tmp_path) as store:
        store.create_container("data")

        def broken(*_: object) -> None:
            raise OSError(errno.EIO, "Input/output error")

        with monkeypatch.context() as patch:
            patch.setattr(files.ContentFiles, "write", broken)
            patch.setattr(files.ContentFiles, "remove", broken)
            with pytest.raises(OSError, match="Input/output error"):
                store.put("data", "a", b"lost")
        store.put("data", "a", b"kept")
        assert store.read("data", "a") == b"kept"
