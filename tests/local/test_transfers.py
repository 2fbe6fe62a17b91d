"""Uploads and downloads that are killed, spoilt and repeated, on the embedded endpoint and on Azurite."""

from __future__ import annotations

import os
import subprocess
import sys
import time
import uuid
from collections.abc import Iterator
from pathlib import Path
from threading import Event, Lock

import pytest

from azure_batch_endpoints._storage import blobs, connection
from azure_batch_endpoints._storage import download as download_module
from azure_batch_endpoints._storage.blobs import Container, ContainerCredential
from azure_batch_endpoints._storage.download import download
from azure_batch_endpoints._storage.hashing import scan
from azure_batch_endpoints._storage.landing import places
from azure_batch_endpoints._storage.steps import TransferStep
from azure_batch_endpoints._storage.upload import Destination, upload, upload_folder
from azure_batch_endpoints.errors import ConflictError, TransportError, UploadError
from tests.local.blob_fixtures import Endpoint, azurite, embedded, endpoint
from tests.local.blob_server import KEY
from tests.local.meddling_proxy import Meddler, flipped, meddling

__all__ = ["azurite", "embedded", "endpoint"]

PIECE = 64 * 1024
"""Bytes of a block and of a range in these tests."""
COUNT = 24
FILES = 60


@pytest.fixture
def proxy(endpoint: Endpoint) -> Iterator[Meddler]:
    with meddling(endpoint.url) as meddler:
        yield meddler


@pytest.fixture
def container(proxy: Meddler) -> Iterator[Container]:
    """A fresh container behind the proxy."""
    with Container(f"{proxy.url}/c{uuid.uuid4().hex[:12]}", ContainerCredential(account_key=KEY)) as opened:
        opened.create()
        yield opened


@pytest.fixture
def small_pieces(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in SMALLER.items():
        module, _, constant = name.rpartition(".")
        monkeypatch.setattr(f"azure_batch_endpoints._storage.{module}.{constant}", value)


SMALLER = {
    "connection.BLOCK": PIECE,
    "blobs.BLOCK": PIECE,
    "upload.BLOCK": PIECE,
    "upload.SMALL": PIECE,
    "download.RANGE": PIECE,
    "download.SMALL": PIECE,
    "swift.SMALL": PIECE,
}
KILLED = f"""
import importlib, sys
from pathlib import Path
for name, value in {SMALLER}.items():
    module, _, constant = name.rpartition(".")
    setattr(importlib.import_module("azure_batch_endpoints._storage." + module), constant, value)
from azure_batch_endpoints._storage.blobs import Container, ContainerCredential
from azure_batch_endpoints._storage.download import download
from azure_batch_endpoints._storage.hashing import scan
from azure_batch_endpoints._storage.landing import places
from azure_batch_endpoints._storage.upload import Destination, upload, upload_folder
url, local, what = sys.argv[1:]
container = Container(url, ContainerCredential(account_key=sys.stdin.read()))
if what == "up":
    tree = scan(local)
    upload(tree, Destination(container, upload_folder(tree), "n", "1"))
else:
    download(container, places(Path(local), [(one.name, one) for one in container.list()]), name="n")
"""


def killed_after(proxy: Meddler, method: str, word: str, count: int, *arguments: str) -> None:
    """Run a transfer in a process, let ``count`` exchanges through, hold those that follow, and kill the process."""
    begun, killed, lock = [0], Event(), Lock()

    def hold(asked: str, path: str, body: bytes) -> bytes:
        if asked == method and word in path:
            with lock:
                begun[0] += 1
                late = begun[0] > count
            if late:
                killed.wait(60)
                raise ConnectionAbortedError  # nobody is there to be answered
        return body

    proxy.spoil = hold
    process = subprocess.Popen([sys.executable, "-c", KILLED, *arguments], stdin=subprocess.PIPE, text=True)
    try:
        assert process.stdin
        process.stdin.write(KEY)
        process.stdin.close()
        deadline = time.monotonic() + 120
        while len(proxy.passed(method, word)) < count or begun[0] <= count:
            assert process.poll() is None, f"it ended before it was killed: {proxy.seen}"
            assert time.monotonic() < deadline
            proxy.news.wait(0.05)
            proxy.news.clear()
    finally:
        process.kill()
        process.wait()
        killed.set()
        proxy.spoil = lambda _method, _path, body: body


def send(container: Container, path: Path, steps: list[TransferStep] | None = None) -> str:
    tree = scan(path)
    to = Destination(container, upload_folder(tree), "n", "1")
    return upload(tree, to, None if steps is None else steps.append).path


def test_a_large_file_goes_on_in_the_middle_after_the_process_was_killed(
    proxy: Meddler, container: Container, tmp_path: Path, small_pieces: None
) -> None:
    big = tmp_path / "big.bin"
    big.write_bytes(os.urandom(COUNT * PIECE - 100))
    killed_after(proxy, "PUT", "blockid=", 8, container.url, str(big), "up")
    before = proxy.passed("PUT", "blockid=")
    proxy.forget()
    steps: list[TransferStep] = []
    place = send(container, big, steps)

    # one that the killed process had on its way may have come through since
    first, second = {one.path for one in before}, {one.path for one in proxy.passed("PUT", "blockid=")}
    assert (len(first), len(second), first & second) == (8, COUNT - 8, set())
    assert container.read(place) == big.read_bytes()
    assert steps[-1].bytes_done == big.stat().st_size
    proxy.forget()
    assert send(container, big) == place
    assert [one.method for one in proxy.seen] == ["HEAD"]


def test_a_folder_goes_on_with_the_rest_after_the_process_was_killed(
    proxy: Meddler, container: Container, tmp_path: Path, small_pieces: None
) -> None:
    folder = tmp_path / "data"
    folder.mkdir()
    for number in range(FILES):
        (folder / f"{number:02}.bin").write_bytes(os.urandom(500))
    (folder / "big.bin").write_bytes(os.urandom(3 * PIECE))
    killed_after(proxy, "PUT", ".bin", 20, container.url, str(folder), "up")
    there = {one.name for one in container.list()}
    proxy.forget()
    place = send(container, folder)

    sent = {one.path.split("?")[0] for one in proxy.passed("PUT", "/data/")}
    assert 16 <= len(there) <= 20
    assert len(sent & {f"/{path_of(container)}/{name}" for name in there}) == 0
    assert {one.name: one.size for one in container.list()} == {
        f"{place}/{one.name}": one.stat().st_size for one in folder.iterdir()
    }


def path_of(container: Container) -> str:
    return f"{container.account}/{container.name}"


def test_what_was_spoilt_on_the_way_up_is_noticed_and_sent_again(
    proxy: Meddler, container: Container, tmp_path: Path, small_pieces: None
) -> None:
    folder = tmp_path / "data"
    folder.mkdir()
    for number in range(40):
        (folder / f"{number:02}.bin").write_bytes(os.urandom(500))
    (folder / "big.bin").write_bytes(os.urandom(3 * PIECE))
    spoilt: list[str] = []

    def once(method: str, path: str, body: bytes) -> bytes:
        if method == "PUT" and any(one in path for one in ("/07.bin", "/00.bin", "blockid=")):
            name = path.split("?")[0]
            if name not in spoilt:
                spoilt.append(name)
                return flipped(body)
        return body

    proxy.spoil = once
    place = send(container, folder)

    assert len(spoilt) == 3
    for one in folder.iterdir():
        assert container.read(f"{place}/{one.name}") == one.read_bytes()


@pytest.mark.parametrize("name", ["07.bin", "00.bin", "big.bin"])
def test_what_is_spoilt_every_time_is_an_error_and_leaves_no_mark(
    proxy: Meddler, container: Container, tmp_path: Path, small_pieces: None, name: str
) -> None:
    folder = tmp_path / "data"
    folder.mkdir()
    for number in range(20):
        (folder / f"{number:02}.bin").write_bytes(os.urandom(500))
    (folder / "big.bin").write_bytes(os.urandom(3 * PIECE))
    proxy.spoil = lambda method, path, body: flipped(body) if method == "PUT" and name in path else body

    with pytest.raises(UploadError) as caught:
        send(container, folder)

    assert caught.value.path == folder / name
    assert not any(one.metadata for one in container.list())


def filled(container: Container, tmp_path: Path) -> dict[str, bytes]:
    contents = {"big.bin": os.urandom(COUNT * PIECE + 7), "small.bin": os.urandom(100), "empty": b""}
    (tmp_path / "source").write_bytes(contents["big.bin"])
    container.upload("big.bin", tmp_path / "source")
    for name in ("small.bin", "empty"):
        container.write(name, contents[name])
    return contents


def fetch(container: Container, dest: Path, steps: list[TransferStep] | None = None) -> None:
    wanted = places(dest, [(one.name, one) for one in container.list()])
    download(container, wanted, name="out", progress=None if steps is None else steps.append)


def test_a_download_goes_on_in_the_middle_after_the_process_was_killed(
    proxy: Meddler, container: Container, tmp_path: Path, small_pieces: None
) -> None:
    contents, dest = filled(container, tmp_path), tmp_path / "out"
    killed_after(proxy, "GET", "/big.bin", 8, container.url, str(dest), "down")
    assert not (dest / "big.bin").exists()
    proxy.forget()
    steps: list[TransferStep] = []
    fetch(container, dest, steps)

    got = sum(one.got for one in proxy.passed("GET", "/big.bin"))
    assert PIECE <= got < COUNT * PIECE
    assert {one.name: one.read_bytes() for one in dest.iterdir()} == contents
    assert (steps[-1].files_done, steps[-1].bytes_done) == (3, sum(map(len, contents.values())))
    proxy.forget()
    fetch(container, dest)
    assert [one.path for one in proxy.seen if "comp=list" not in one.path] == []


def test_a_blob_that_changed_is_fetched_anew_and_never_mixed(
    container: Container, tmp_path: Path, small_pieces: None
) -> None:
    filled(container, tmp_path)
    dest = tmp_path / "out"
    listed = places(dest, [(one.name, one) for one in container.list("big")])

    def broken_off(step: TransferStep) -> None:
        if step.bytes_done > 8 * PIECE:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        download(container, listed, name="out", progress=broken_off)
    assert len(list(dest.iterdir())) == 2
    other = os.urandom(COUNT * PIECE + 7)
    (tmp_path / "source").write_bytes(other)
    container.upload("big.bin", tmp_path / "source", overwrite=True)

    with pytest.raises(ConflictError):
        download(container, listed, name="out")
    assert list(dest.iterdir()) == []

    fetch(container, dest)
    assert (dest / "big.bin").read_bytes() == other
    assert sorted(one.name for one in dest.iterdir()) == ["big.bin", "empty", "small.bin"]


def test_what_was_spoilt_on_the_way_down_is_fetched_again_or_an_error(
    proxy: Meddler, container: Container, tmp_path: Path
) -> None:
    content = os.urandom(5000)
    container.write("small.bin", content)
    spoilt: list[str] = []

    def once(method: str, path: str, body: bytes) -> bytes:
        if method == "GET" and "small.bin" in path and "comp=list" not in path and not spoilt:
            spoilt.append(path)
            return flipped(body)
        return body

    proxy.spoil_answer = once
    fetch(container, tmp_path / "one")
    assert spoilt and (tmp_path / "one" / "small.bin").read_bytes() == content

    proxy.spoil_answer = lambda _method, path, body: body if "comp=list" in path else flipped(body)
    with pytest.raises(TransportError, match=r"Blob 'small\.bin' came with another MD5"):
        fetch(container, tmp_path / "two")
    assert not list(tmp_path.rglob("two/*"))


def test_a_large_blob_with_an_md5_is_compared_with_it(
    proxy: Meddler, container: Container, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(download_module, "SMALL", PIECE)
    monkeypatch.setattr(download_module, "RANGE", PIECE)
    content = os.urandom(5 * PIECE)
    container.write("large.bin", content)
    fetch(container, tmp_path / "one")
    assert (tmp_path / "one" / "large.bin").read_bytes() == content

    proxy.spoil_answer = lambda _method, path, body: body if "comp=list" in path else flipped(body)
    with pytest.raises(TransportError, match="came with another MD5"):
        fetch(container, tmp_path / "two")
    assert not list(tmp_path.rglob("two/*"))


def test_pieces_are_as_wide_as_the_client_is_told() -> None:
    assert connection.BLOCK == blobs.BLOCK == 2 * download_module.RANGE == 16 * 1024 * 1024
