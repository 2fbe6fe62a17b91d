"""What an upload sends, in which order, and what it says when it cannot go on."""

from __future__ import annotations

from pathlib import Path

import pytest

from azure_batch_endpoints._storage import upload as upload_module
from azure_batch_endpoints._storage.blobs import Container, ContainerCredential
from azure_batch_endpoints._storage.hashing import scan
from azure_batch_endpoints._storage.steps import TransferStep
from azure_batch_endpoints._storage.swift import SwiftWriter
from azure_batch_endpoints._storage.upload import Destination, upload, upload_folder
from azure_batch_endpoints.errors import LocalPathError, TransportError, UploadError
from tests.unit.fake_container import FakeContainer

MARK = {"name": "digits", "version": "1", "upload_status": "completed"}


@pytest.fixture
def container() -> FakeContainer:
    return FakeContainer()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    root = tmp_path / "data"
    (root / "deep").mkdir(parents=True)
    for name in ("a.txt", "b.txt", "deep/c.txt"):
        (root / name).write_text(f"content of {name}")
    return root


def send(path: Path, container: FakeContainer, steps: list[TransferStep] | None = None, *, fresh: bool = False) -> str:
    tree = scan(path)
    to = Destination(container, "" if fresh else upload_folder(tree), "digits", "1", fresh=fresh)
    return upload(tree, to, None if steps is None else steps.append).path


def test_a_file_is_one_look_and_one_put_that_carries_the_mark(folder: Path, container: FakeContainer) -> None:
    place = send(folder / "a.txt", container)

    assert container.requests == [f"HEAD {place}", f"PUT {place}"]
    assert place == f"LocalUpload/{scan(folder / 'a.txt').upload_hash()}/a.txt"
    assert container.blobs[place][:2] == (b"content of a.txt", MARK)


def test_a_folder_is_sent_with_the_marked_file_last(folder: Path, container: FakeContainer) -> None:
    place = send(folder, container)

    assert container.requests[:2] == [f"HEAD {place}/a.txt", f"LIST {place}/"]
    assert container.requests[-1] == f"PUT {place}/a.txt"
    assert sorted(container.blobs) == [f"{place}/{name}" for name in ("a.txt", "b.txt", "deep/c.txt")]
    assert container.blobs[f"{place}/a.txt"][1] == MARK and container.blobs[f"{place}/b.txt"][1] == {}


@pytest.mark.parametrize("name", ["", "a.txt"])
def test_the_same_again_is_one_request(folder: Path, container: FakeContainer, name: str) -> None:
    place = send(folder / name, container)
    container.requests.clear()
    steps: list[TransferStep] = []

    assert send(folder / name, container, steps) == place
    assert container.requests == [f"HEAD {place}/a.txt" if not name else f"HEAD {place}"]
    assert steps == []


def test_into_a_fresh_container_nothing_is_looked_for(folder: Path, container: FakeContainer) -> None:
    assert send(folder, container, fresh=True) == "data"
    assert sorted(container.requests) == ["PUT data/a.txt", "PUT data/b.txt", "PUT data/deep/c.txt"]


def test_an_interrupted_upload_goes_on_with_the_rest(folder: Path, container: FakeContainer) -> None:
    place = f"{upload_folder(scan(folder))}/data"
    container.breaks[f"{place}/deep/c.txt"] = TransportError("Could not upload: the line is down.")
    with pytest.raises(UploadError) as caught:
        send(folder, container)
    assert caught.value.path == folder / "deep" / "c.txt"
    assert caught.value.uri == f"https://acct.blob.core.windows.net/store/{place}/deep/c.txt"
    assert "the line is down. " in str(caught.value)
    assert "of 3 files are there already; do the same again and it goes on with the rest." in str(caught.value)
    assert f"{place}/a.txt" not in container.blobs
    send_first = set(container.blobs)
    container.breaks.clear()
    container.requests.clear()
    steps: list[TransferStep] = []

    send(folder, container, steps)

    puts = [one for one in container.requests if one.startswith("PUT")]
    assert set(puts).isdisjoint(f"PUT {name}" for name in send_first)
    assert len(container.blobs) == 3 and steps[-1].files_done == 3


def test_a_leftover_of_another_content_is_not_taken_for_the_file(folder: Path, container: FakeContainer) -> None:
    place = f"{upload_folder(scan(folder))}/data"
    other = folder.parent / "other"
    other.write_text("CONTENT OF b.txt")
    container.upload(f"{place}/b.txt", other)
    container.breaks[f"{place}/a.txt"] = TransportError("never reached")

    with pytest.raises(UploadError):
        send(folder, container)

    assert f"PUT {place}/b.txt" in container.requests[2:]
    assert container.blobs[f"{place}/b.txt"][0] == b"content of b.txt"


def test_a_leftover_without_md5_counts_when_it_is_younger_than_the_file(folder: Path, container: FakeContainer) -> None:
    place = f"{upload_folder(scan(folder))}/data"
    container.upload(f"{place}/b.txt", folder / "b.txt")
    container.keeps_md5 = False
    container.requests.clear()

    send(folder, container)

    assert f"PUT {place}/b.txt" not in container.requests


def test_a_leftover_of_the_marked_file_is_replaced(folder: Path, container: FakeContainer) -> None:
    place = f"{upload_folder(scan(folder))}/data"
    container.upload(f"{place}/a.txt", folder / "a.txt")

    send(folder, container)

    assert container.blobs[f"{place}/a.txt"][1] == MARK


def test_progress_counts_files_and_bytes_and_ends_complete(folder: Path, container: FakeContainer) -> None:
    steps: list[TransferStep] = []

    send(folder, container, steps)

    size = scan(folder).size
    assert steps[-1] == TransferStep("data", 3, 3, size, size)
    assert [one.bytes_done for one in steps] == sorted(one.bytes_done for one in steps)
    assert all(one.name == "data" and one.bytes_total == size for one in steps)


def test_large_files_are_sent_one_by_one(
    folder: Path, container: FakeContainer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(upload_module, "BLOCK", 4)

    send(folder, container)

    assert len(container.blobs) == 3


def test_a_file_that_changes_under_way_leaves_the_upload_unmarked(folder: Path, container: FakeContainer) -> None:
    tree = scan(folder)
    to = Destination(container, upload_folder(tree), "digits", "1")
    (folder / "b.txt").write_text("content of B.txt, rewritten")

    with pytest.raises(UploadError, match=r"b.txt' changed while it was being uploaded"):
        upload(tree, to)

    assert not any(metadata for _, metadata, _ in container.blobs.values())


def test_what_went_the_fast_way_is_compared_with_what_the_account_has(
    tmp_path: Path, container: FakeContainer, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Spoiling:
        def __init__(self, _container: FakeContainer) -> None: ...

        def put(self, name: str, data: bytes) -> bool:
            if not name.endswith("07.txt"):
                container.write(name, b"spoilt" if name.endswith("03.txt") else data)
            return True

    monkeypatch.setattr(upload_module, "SwiftWriter", Spoiling)
    for number in range(20):
        (tmp_path / f"{number:02}.txt").write_text(f"content {number}")

    place = send(tmp_path, container)

    assert {name: kept[0] for name, kept in container.blobs.items()} == {
        f"{place}/{one.name}": one.read_bytes() for one in tmp_path.iterdir()
    }
    sent_again = [one for one in container.requests if one.startswith("PUT") and one.endswith(("03.txt", "07.txt"))]
    assert len(sent_again) == 2

    container.blobs.clear()
    container.refuses_to_list = True
    assert send(tmp_path, container) == place
    assert container.blobs[f"{place}/03.txt"][0] == b"content 3" and len(container.blobs) == 20


def test_a_marked_file_that_changes_while_it_is_read_is_never_put_there(
    folder: Path, container: FakeContainer, monkeypatch: pytest.MonkeyPatch
) -> None:
    real, file = Path.read_bytes, folder / "a.txt"

    def read(path: Path) -> bytes:
        if path == file:
            file.write_text("somebody else's, and longer")
        return real(path)

    tree = scan(file)
    to = Destination(container, upload_folder(tree), "digits", "1")
    monkeypatch.setattr(Path, "read_bytes", read)
    with pytest.raises(UploadError, match=r"a\.txt' changed while it was being uploaded"):
        upload(tree, to)

    assert container.blobs == {}


def test_a_small_file_goes_its_way_when_another_has_given_it_up_meanwhile(monkeypatch: pytest.MonkeyPatch) -> None:
    import obstore

    given: list[object] = []
    monkeypatch.setattr(obstore, "put", lambda store, *_given, **_also: given.append(store))
    writer = SwiftWriter(Container("http://127.0.0.1:9/acct/store", ContainerCredential(account_key="a2V5")))
    looks = [writer._store]
    monkeypatch.setattr(SwiftWriter, "_store", property(lambda _self: looks.pop() if looks else None), raising=False)

    assert writer.put("name", b"1")
    assert not writer.put("name", b"1")
    assert len(given) == 1 and given[0] is not None


def test_a_leftover_whose_file_cannot_be_read_any_more_is_an_upload_error(
    folder: Path, container: FakeContainer
) -> None:
    tree = scan(folder)
    place = upload_folder(tree)
    container.upload(f"{place}/data/b.txt", folder / "b.txt")
    container.breaks[f"{place}/data/b.txt"] = LocalPathError("'b.txt' cannot be read.", path=folder / "b.txt")
    (folder / "b.txt").unlink()

    with pytest.raises(UploadError, match=r"'b\.txt' cannot be read"):
        upload(tree, Destination(container, place, "digits", "1"))
