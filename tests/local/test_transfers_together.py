"""Uploads and downloads side by side, broken off, without an account key, and with odd names; on both endpoints."""

from __future__ import annotations

import os
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import pytest

from azure_batch_endpoints._storage import swift
from azure_batch_endpoints._storage.blobs import BlobItem, Container, ContainerCredential
from azure_batch_endpoints._storage.download import download
from azure_batch_endpoints._storage.hashing import LocalFile, LocalTree, scan
from azure_batch_endpoints._storage.landing import places
from azure_batch_endpoints._storage.steps import TransferStep
from azure_batch_endpoints._storage.upload import Destination, upload, upload_folder
from azure_batch_endpoints.errors import ConflictError, LocalPathError, UploadError
from tests.local.blob_fixtures import Endpoint, azurite, embedded, endpoint
from tests.local.blob_server import KEY

__all__ = ["azurite", "embedded", "endpoint"]

PIECE = 64 * 1024
SMALLER = ("connection.BLOCK", "blobs.BLOCK", "upload.BLOCK", "upload.SMALL", "swift.SMALL")


@pytest.fixture(autouse=True)
def small_pieces(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in (*SMALLER, "download.RANGE", "download.SMALL"):
        monkeypatch.setattr(f"azure_batch_endpoints._storage.{name}", PIECE)


@pytest.fixture
def container(endpoint: Endpoint) -> Iterator[Container]:
    with Container(f"{endpoint.url}/c{uuid.uuid4().hex[:12]}", ContainerCredential(account_key=KEY)) as opened:
        opened.create()
        yield opened


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    made = tmp_path / "data"
    made.mkdir()
    for number in range(30):
        (made / f"{number:02}.bin").write_bytes(os.urandom(500))
    for name in ("a.big", "z.big"):
        (made / name).write_bytes(os.urandom(5 * PIECE + 3))
    return made


def send(container: Container, tree: LocalTree, tell: Callable[[TransferStep], None] | None = None) -> str:
    return upload(tree, Destination(container, upload_folder(tree), "n", "1"), tell).path


def contents(folder: Path) -> dict[str, bytes]:
    return {one.relative_to(folder).as_posix(): one.read_bytes() for one in folder.rglob("*") if one.is_file()}


def stored(container: Container, place: str) -> dict[str, bytes]:
    return {one.name.removeprefix(f"{place}/"): container.read(one.name) for one in container.list(f"{place}/")}


def fetch(container: Container, dest: Path, tell: Callable[[TransferStep], None] | None = None) -> None:
    download(container, places(dest, [(one.name, one) for one in container.list()]), name="out", progress=tell)


def test_two_that_send_the_same_at_once_both_succeed(container: Container, folder: Path) -> None:
    together = threading.Barrier(2)

    def one(_number: int) -> str:
        together.wait(60)
        return send(container, scan(folder))

    with ThreadPoolExecutor(2) as pool:
        first, second = pool.map(one, range(2))

    assert first == second and stored(container, first) == contents(folder)
    assert [bool(one.metadata) for one in container.list()] == [True] + [False] * 31


def test_two_that_fetch_the_same_at_once_both_succeed(container: Container, folder: Path, tmp_path: Path) -> None:
    place = send(container, scan(folder))
    dest, together = tmp_path / "out", threading.Barrier(2)

    def one(_number: int) -> None:
        together.wait(60)
        fetch(container, dest)

    with ThreadPoolExecutor(2) as pool:
        list(pool.map(one, range(2)))

    assert contents(dest / place) == contents(folder)
    assert not [name for name in contents(dest) if ".part" in name or ".pieces" in name]


def test_the_slow_way_of_a_token_brings_the_same(
    container: Container, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(swift, "_store", lambda *_given, **_also: None)
    (folder / "empty").touch()
    place = send(container, scan(folder))
    fetch(container, tmp_path / "out")

    assert stored(container, place) == contents(folder) == contents(tmp_path / "out" / place)


def test_a_folder_of_empty_files_goes_up_and_comes_back(container: Container, tmp_path: Path) -> None:
    folder = tmp_path / "hollow"
    folder.mkdir()
    for number in range(20):
        (folder / f"{number:02}").touch()
    steps: list[TransferStep] = []
    place = send(container, scan(folder), steps.append)
    assert (steps[-1].files_done, steps[-1].bytes_total) == (20, 0)

    fetch(container, tmp_path / "out", steps.append)
    assert contents(tmp_path / "out" / place) == contents(folder)
    assert (steps[-1].files_done, steps[-1].files_total) == (20, 20)


AWKWARD = [
    "a b.png",
    "a#b",
    "a?b",
    "a%41b",
    "100%",
    "é/ü",
    "日本",
    "a+b&c=d",
    "a*b:c|d",
    "[x]{y}",
    "q'q\"q",
    "😀",
    "~",
    "...",
    "x" * 255,
    "ü" * 127,
    "/".join(["deep" * 10] * 12),
    "n\u0303",
    "\u00f1",
    "tail. ",
    " lead",
]
CONTROL = ["tab\there", "line\nbreak", "\u0085next", "\u2028", "a&amp;b", "<x>", "\u200b"]


def test_awkward_and_long_names_come_back_as_they_were(container: Container, tmp_path: Path) -> None:
    folder = tmp_path / "data"
    for name in (*AWKWARD, *CONTROL):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(f"content of {name}")
    place = send(container, scan(folder))
    fetch(container, tmp_path / "out")

    assert contents(tmp_path / "out" / place) == contents(folder)


@pytest.mark.parametrize("size", [100, 3 * PIECE])
def test_a_file_that_changes_under_way_never_becomes_a_marked_blob(
    container: Container, tmp_path: Path, size: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "model.bin"
    path.write_bytes(os.urandom(size))
    tree = scan(path)
    looks = iter([True, False])  # as before the upload, but not at its end
    monkeypatch.setattr(LocalFile, "unchanged", property(lambda _self: next(looks)))

    with pytest.raises(UploadError, match=r"model\.bin' changed while it was being uploaded") as caught:
        send(container, tree)

    assert str(caught.value).count("files are there already") == 1
    assert list(container.list()) == []
    monkeypatch.undo()
    assert container.read(send(container, scan(path))) == path.read_bytes()


@pytest.mark.parametrize("what", ["up", "down"])
def test_breaking_off_leaves_no_thread_and_nothing_open(
    container: Container, folder: Path, tmp_path: Path, what: str
) -> None:
    tree = scan(folder)
    if what == "down":
        send(container, tree)
    before = set(threading.enumerate())

    def broken(step: TransferStep) -> None:
        if step.bytes_done > PIECE and step.doing != "hashing":
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        if what == "up":
            send(container, tree, broken)
        else:
            fetch(container, tmp_path / "out", broken)

    deadline = time.monotonic() + 60
    while left := set(threading.enumerate()) - before:
        assert time.monotonic() < deadline, left
        time.sleep(0.01)
    assert not any(_is_in(handle, tmp_path) for handle in os.listdir("/proc/self/fd"))


def _is_in(handle: str, folder: Path) -> bool:
    try:
        return os.readlink(f"/proc/self/fd/{handle}").startswith(str(folder))
    except OSError:
        return False


def test_several_large_files_are_fetched_at_once_and_put_together_right(
    container: Container, folder: Path, tmp_path: Path
) -> None:
    for number in range(12):
        (folder / f"{number}.middle").write_bytes(os.urandom(PIECE + 100 + number))
    place = send(container, scan(folder))
    fetch(container, tmp_path / "out")

    assert contents(tmp_path / "out" / place) == contents(folder)


def test_a_blob_that_is_replaced_meanwhile_leaves_nothing_of_either(container: Container, tmp_path: Path) -> None:
    (tmp_path / "one").write_bytes(os.urandom(4 * PIECE))
    container.upload("big", tmp_path / "one")
    listed = places(tmp_path / "out", [("big", one) for one in container.list()])
    (tmp_path / "one").write_bytes(os.urandom(4 * PIECE))
    container.upload("big", tmp_path / "one", overwrite=True)

    with pytest.raises(ConflictError):
        download(container, listed, name="out")

    assert list((tmp_path / "out").iterdir()) == []


def test_a_file_where_a_folder_must_be_is_said_in_our_words(container: Container, tmp_path: Path) -> None:
    container.write("sub/small", b"1")
    out = tmp_path / "out"
    out.mkdir()
    (out / "sub").write_text("a file")

    with pytest.raises(LocalPathError, match=r"sub/small' cannot be written"):
        fetch(container, out)


def test_another_file_there_is_not_replaced_unless_asked_and_nothing_is_fetched(
    container: Container, tmp_path: Path
) -> None:
    for name in ("a", "b"):
        container.write(name, b"new")
    wanted: dict[Path, BlobItem] = places(tmp_path, [(one.name, one) for one in container.list()])
    (tmp_path / "b").write_text("old")

    with pytest.raises(LocalPathError, match="is there already; nothing was downloaded"):
        download(container, wanted, name="out", replace=False)
    assert contents(tmp_path) == {"b": b"old"}
    download(container, wanted, name="out")
    assert contents(tmp_path) == {"a": b"new", "b": b"new"}
    download(container, {path: replace(item, etag="x") for path, item in wanted.items()}, name="out", replace=False)
