"""The client's storage rooms against the embedded blob endpoint, over HTTP."""

from __future__ import annotations

import os
import subprocess
import sys
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest

from azure_batch_endpoints._storage import upload as upload_module
from azure_batch_endpoints._storage.blobs import BLOCK, Container, ContainerCredential, container_sas
from azure_batch_endpoints._storage.hashing import scan
from azure_batch_endpoints._storage.steps import TransferStep
from azure_batch_endpoints._storage.swift import SMALL, SwiftWriter
from azure_batch_endpoints._storage.upload import Destination, Uploaded, upload, upload_folder
from azure_batch_endpoints.errors import (
    ConflictError,
    LocalPathError,
    NotFoundError,
    PermissionDeniedError,
    UploadError,
)
from azure_batch_endpoints.local.buckets import RemoteBucket
from tests.local.storage_server import ACCOUNT, KEY, blob_server

AWKWARD = ["a b.png", "a#b", "a?b", "a%41b", "é/ü", "日本", "a+b&c=d", "a*b:c|d", "[x]{y}", "q'q\"q", "trail ", "😀"]


@pytest.fixture(scope="module")
def account(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with blob_server(tmp_path_factory.mktemp("blobs")) as url:
        yield url


@pytest.fixture(params=["account_key", "sas"])
def container(account: str, request: pytest.FixtureRequest) -> Iterator[Container]:
    """A fresh container, opened with the key or with a signature."""
    name = f"c{uuid.uuid4().hex[:12]}"
    with Container(f"{account}/{name}", ContainerCredential(account_key=KEY)) as opened:
        opened.create()
        opened.create()
    sas = container_sas(ACCOUNT, KEY, name, hours=1, permissions="rcwld")
    given = ContainerCredential(account_key=KEY) if request.param == "account_key" else ContainerCredential(sas=sas)
    with Container(f"{account}/{name}", given) as opened:
        yield opened


def test_what_is_written_is_found_read_listed_and_deleted(container: Container) -> None:
    container.write("a/one.txt", b"hello", metadata={"kind": "text"})
    container.write("a/empty", b"")
    container.write("b", b"x")

    found = container.find("a/one.txt")

    assert found is not None and (found.size, dict(found.metadata)) == (5, {"kind": "text"})
    assert found.md5 is not None and found.modified is not None
    assert container.read("a/one.txt") == b"hello" and container.read("a/one.txt", 1, 3) == b"ell"
    assert container.read("a/one.txt", 5) == b"" == container.read("a/empty")
    assert [one.name for one in container.list("a/")] == ["a/empty", "a/one.txt"]
    container.delete("b")
    container.delete("b")
    assert container.find("b") is None and [one.name for one in container.list("b")] == []


def test_what_is_there_is_replaced_only_when_asked(container: Container) -> None:
    container.write("a", b"1")
    container.write("a", b"2")

    with pytest.raises(ConflictError, match="Could not write blob 'a'"):
        container.write("a", b"3", overwrite=False)

    assert container.read("a") == b"2"


def test_what_is_not_there_is_not_found(container: Container, tmp_path: Path) -> None:
    with pytest.raises(NotFoundError, match="Could not read blob 'ghost' in container"):
        container.read("ghost")
    with pytest.raises(NotFoundError):
        container.download("ghost", tmp_path / "ghost")

    assert list(tmp_path.iterdir()) == []


def test_a_large_file_comes_back_whole_and_replaces_the_old_one(container: Container, tmp_path: Path) -> None:
    big, back = tmp_path / "big.bin", tmp_path / "deep" / "back.bin"
    big.write_bytes(os.urandom(2 * BLOCK + 12345))
    told: list[int] = []

    container.upload("big.bin", big, metadata={"kind": "big"}, on_bytes=told.append)
    container.download("big.bin", back)
    container.download("big.bin", back)

    assert back.read_bytes() == big.read_bytes() and max(told) == big.stat().st_size
    assert list(back.parent.iterdir()) == [back]
    with pytest.raises(ConflictError):
        container.upload("big.bin", big)


def test_a_local_file_that_cannot_be_used_is_named(container: Container, tmp_path: Path) -> None:
    container.write("a", b"1")
    (tmp_path / "taken").mkdir()

    with pytest.raises(LocalPathError, match="nowhere' failed"):
        container.upload("b", tmp_path / "nowhere")
    with pytest.raises(LocalPathError, match="Could not download blob 'a'"):
        container.download("a", tmp_path / "taken")


def test_a_signature_that_does_not_allow_it_is_refused(account: str) -> None:
    with Container(f"{account}/rights", ContainerCredential(account_key=KEY)) as owner:
        owner.create()
        sas = container_sas(ACCOUNT, KEY, "rights", hours=1, permissions="r")
        with (
            Container(owner.url, ContainerCredential(sas=sas)) as reader,
            pytest.raises(PermissionDeniedError, match="Could not write blob 'a'") as caught,
        ):
            reader.write("a", b"1")

    assert "sig=" not in str(caught.value)


@pytest.mark.parametrize("name", AWKWARD)
def test_awkward_names_are_the_same_by_either_way(container: Container, tmp_path: Path, name: str) -> None:
    source = tmp_path / "source"
    source.write_bytes(b"content")

    assert SwiftWriter(container).put(f"swift/{name}", b"content")
    container.upload(f"slow/{name}", source)

    assert {one.name for one in container.list()} == {f"swift/{name}", f"slow/{name}"}


def test_names_the_swift_way_does_not_take_are_left_to_the_other(container: Container) -> None:
    writer = SwiftWriter(container)

    assert not writer.put("a\x01b", b"")
    assert writer.put("fine", b"") and writer.put("fine", b"")
    assert container.read("fine") == b""


def test_many_small_files_arrive_with_their_contents_and_only_once(container: Container, tmp_path: Path) -> None:
    folder = tmp_path / "data"
    folder.mkdir()
    for number in range(200):
        (folder / f"{number:03}.txt").write_text(f"content {number}")
    tree = scan(folder)
    to = Destination(container, upload_folder(tree), "digits", "1")
    steps: list[TransferStep] = []

    place = upload(tree, to, steps.append).path

    assert (steps[-1].files_done, steps[-1].bytes_done) == (200, tree.size)
    assert len(list(container.list(f"{place}/"))) == 200
    assert container.read(f"{place}/123.txt") == b"content 123"
    marked = container.find(f"{place}/000.txt")
    assert marked is not None and marked.metadata["upload_status"] == "completed"
    steps.clear()
    assert upload(tree, to, steps.append) == Uploaded(place, was_there=True) and steps == []


def test_small_and_large_files_go_together(
    container: Container, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(upload_module, "BLOCK", 1000)
    folder = tmp_path / "data"
    folder.mkdir()
    for number in range(10):
        (folder / f"{number}.bin").write_bytes(os.urandom(number * 300))
    tree = scan(folder)

    place = upload(tree, Destination(container, "", "digits", "1", fresh=True)).path

    assert place == "data"
    assert {one.name: one.size for one in container.list()} == {f"data/{n}.bin": n * 300 for n in range(10)}


def test_an_upload_to_a_container_that_is_gone_names_file_and_address(container: Container, tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("a")
    (tmp_path / "b.txt").write_text("b")
    (tmp_path / "c.txt").write_text("c")
    gone = Container(f"{container.account_url}/gone", container.credential)
    tree = scan(tmp_path)

    with gone, pytest.raises(UploadError, match="0 of 3 files are there already") as caught:
        upload(tree, Destination(gone, "x", "digits", "1", fresh=True))

    assert caught.value.uri.startswith(f"{container.account_url}/gone/x/") and "sig=" not in str(caught.value)


def test_neither_proxies_nor_storage_variables_of_the_environment_come_in_between(
    container: Container, monkeypatch: pytest.MonkeyPatch
) -> None:
    script = (
        "import sys\n"
        "from azure_batch_endpoints._storage.blobs import Container, ContainerCredential\n"
        "from azure_batch_endpoints._storage.swift import SwiftWriter\n"
        "key = sys.stdin.read()\n"
        "c = Container(sys.argv[1], ContainerCredential(account_key=key))\n"
        "c.write('slow', b'1'); print(SwiftWriter(c).put('swift', b'x'))\n"
    )
    nowhere = "http://127.0.0.1:9"
    environment = {
        **os.environ,
        "HTTP_PROXY": nowhere,
        "http_proxy": nowhere,
        "ALL_PROXY": nowhere,
        "AZURE_STORAGE_SAS_KEY": "sv=1&sig=other",
        "AZURE_STORAGE_TOKEN": "other",
        "AZURE_STORAGE_USE_EMULATOR": "true",
    }

    done = subprocess.run(
        [sys.executable, "-c", script, container.url],
        input=KEY,
        env=environment,
        capture_output=True,
        text=True,
        timeout=60,
    )

    assert (done.returncode, done.stdout.strip()) == (0, "True"), done.stderr


@pytest.mark.parametrize("name", [*AWKWARD, "/leading", "trailing/", "a//b"])
def test_a_bucket_fetches_what_was_written_whatever_its_name(container: Container, tmp_path: Path, name: str) -> None:
    container.write(name.strip("/"), b"another")
    container.write(name, f"of {name}".encode())

    RemoteBucket(container).fetch(name, tmp_path / "new/folder/file")

    assert (tmp_path / "new/folder/file").read_text() == f"of {name}"
    assert (tmp_path / "new/folder/file").stat().st_mode & 0o777 == 0o444


@pytest.mark.parametrize("size", [0, 1, SMALL, SMALL + 1])
def test_a_bucket_fetches_small_and_large_files(container: Container, tmp_path: Path, size: int) -> None:
    content = os.urandom(size)
    container.write("file", content)

    RemoteBucket(container).fetch("file", tmp_path / "file")

    assert (tmp_path / "file").read_bytes() == content


def test_a_bucket_says_of_a_file_that_is_gone_what_the_account_said(container: Container, tmp_path: Path) -> None:
    with pytest.raises(NotFoundError, match="blob 'gone'"):
        RemoteBucket(container).fetch("gone", tmp_path / "file")
    assert not (tmp_path / "file").exists()


def test_a_listing_goes_on_page_by_page_from_its_marker(container: Container, monkeypatch: pytest.MonkeyPatch) -> None:
    names = [f"d/{number}" for number in range(5)]
    for name in [*names, "other"]:
        container.write(name, b"x")
    library = type(container._open())
    listed = library.list_blob_names
    monkeypatch.setattr(library, "list_blob_names", lambda *given, **more: listed(*given, results_per_page=2, **more))
    bucket = RemoteBucket(container)

    first = bucket.page("d/")
    second = bucket.page("d/", first.marker)

    assert [file.name for file in first.files] == names[:2]
    assert [file.name for file in second.files] == names[2:4]
    assert [file.name for file in bucket.list("d/")] == names
    assert bucket.page("nothing/").files == () and bucket.page("nothing/").marker == ""
