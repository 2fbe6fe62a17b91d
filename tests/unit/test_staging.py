"""Inputs on their way to the workers: the window, names that collide or lead astray, eviction, stores that fail."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from azure_batch_endpoints.errors import LocalPathError, LocalServiceError, NotFoundError, TransportError
from azure_batch_endpoints.local import staging as staging_module
from azure_batch_endpoints.local.blobstore import BlobStore
from azure_batch_endpoints.local.buckets import EmbeddedBucket, StoredFile
from azure_batch_endpoints.local.paths import inside
from azure_batch_endpoints.local.plan import MiniBatch, number_inputs, plan
from azure_batch_endpoints.local.staging import Staging
from azure_batch_endpoints.local.stores import parse_connection_string


class Shelf:
    """A bucket of texts that counts what is fetched and can refuse."""

    def __init__(self, texts: dict[str, str]) -> None:
        self.texts = texts
        self.url = "shelf"
        self.fetched: list[str] = []
        self.failures: dict[str, list[Exception]] = {}

    def list(self, prefix: str = "") -> Iterator[StoredFile]:
        return iter(())

    def find(self, name: str) -> StoredFile | None:
        return None

    def fetch(self, name: str, dest: Path) -> None:
        self.fetched.append(name)
        if self.failures.get(name):
            raise self.failures[name].pop(0)
        dest.write_text(self.texts[name])

    def upload(self, name: str, path: Path, *, metadata: object = None, overwrite: bool) -> None:
        raise AssertionError("staging does not write")


def batches_of(names: list[str], size: int = 1) -> list[MiniBatch]:
    return list(plan(number_inputs((name, name, 1) for name in names), size))


def stage(shelf: Shelf, folder: Path, window: int = 2, cancel: threading.Event | None = None) -> Staging:
    return Staging(folder, shelf, window=window, cancel=cancel or threading.Event())


def test_mini_batches_arrive_in_order_with_their_files(tmp_path: Path) -> None:
    shelf = Shelf({f"d/{n}.txt": f"text {n}" for n in range(7)})
    staged = list(stage(shelf, tmp_path / "in").batches(batches_of(list(shelf.texts), 3)))
    assert [batch.number for batch in staged] == [0, 1, 2]
    assert [Path(file).read_text() for batch in staged for file in batch.files] == list(shelf.texts.values())
    assert staged[0].files[0] == str(tmp_path / "in/d/0.txt")


def test_no_more_than_the_window_is_fetched_ahead(tmp_path: Path) -> None:
    shelf = Shelf({str(n): "x" for n in range(50)})
    taken = []

    def pending() -> Iterator[MiniBatch]:
        for batch in batches_of(list(shelf.texts)):
            taken.append(batch.number)
            yield batch

    batches = stage(shelf, tmp_path / "in", window=4).batches(pending())
    next(batches)
    assert max(taken) == 3
    batches.close()


def test_finished_mini_batches_are_removed_and_close_removes_the_rest(tmp_path: Path) -> None:
    staging = stage(Shelf({"a": "1", "b": "2"}), tmp_path / "in")
    first, second = staging.batches(batches_of(["a", "b"]))
    Path(first.files[0]).unlink()  # the script may have done so
    staging.evict([first.number, 99])
    assert not Path(first.files[0]).exists() and Path(second.files[0]).exists()
    staging.close()
    assert not (tmp_path / "in").exists()


def test_what_an_earlier_run_left_is_removed_first(tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    (tmp_path / "in/old").write_text("left behind")
    stage(Shelf({}), tmp_path / "in")
    assert list((tmp_path / "in").iterdir()) == []


def test_a_file_and_a_folder_of_one_name_get_different_places(tmp_path: Path) -> None:
    shelf = Shelf({"a": "file", "a/b": "below"})
    staged = list(stage(shelf, tmp_path / "in", window=1).batches(batches_of(["a", "a/b"])))
    assert [Path(batch.files[0]).read_text() for batch in staged] == ["file", "below"]
    assert [Path(batch.files[0]).name for batch in staged] == ["a", "b"]


@pytest.mark.parametrize(
    "name",
    [
        "../up",
        "/etc/passwd",
        "a//b",
        ".",
        "x/../../y",
        "n" * 300 + ".png",
        "ü" * 130,
        "d/" * 511 + "x",
        "ü/" * 500 + "x.png",
    ],
)
def test_no_name_leads_out_of_the_folder_or_fails(tmp_path: Path, name: str) -> None:
    shelf = Shelf({name: "text"})
    (batch,) = stage(shelf, tmp_path / "in").batches(batches_of([name]))
    path = Path(batch.files[0])
    assert path.read_text() == "text"
    assert path.resolve().is_relative_to(tmp_path / "in")
    assert path.suffix == Path(name).suffix


def test_different_names_have_different_places(tmp_path: Path) -> None:
    names = ["a/b", "a//b", "a/./b", "a/../b", "b", "n" * 300, "n" * 301, "d/" * 800 + "x", "e/" * 800 + "x"]
    assert len({inside(tmp_path, name) for name in names}) == len(names)


def test_a_base_name_that_the_file_system_takes_is_kept_however_deep_it_lies(tmp_path: Path) -> None:
    for name in ("ü" * 120 + ".txt", "d/" * 800 + "x.txt", "trailing dot.", " spaces ", ".hidden", "new\nline"):
        assert inside(tmp_path, name).name == name.rpartition("/")[2]
        inside(tmp_path, name).parent.mkdir(parents=True, exist_ok=True)
        inside(tmp_path, name).write_text("kept")


def test_names_that_the_file_system_takes_for_one_get_different_places(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    names = ["A.txt", "a.txt", "\u00e4", "a\u0308"]  # the last two are two spellings of one letter
    shelf = Shelf({name: name for name in names})
    (tmp_path / "in").mkdir()
    (tmp_path / "IN").mkdir(exist_ok=True)  # as if the file system took it for 'in'
    staged = list(stage(shelf, tmp_path / "in").batches(batches_of(names)))
    assert [Path(batch.files[0]).read_text() for batch in staged] == names
    assert [Path(batch.files[0]).name for batch in staged] == names
    places = {str(Path(batch.files[0])).casefold() for batch in staged}
    assert len(places) == len(names)


def test_a_path_too_long_for_this_machine_is_set_aside(tmp_path: Path) -> None:
    root = tmp_path
    while len(str(root)) < 3600:  # so deep that a whole path passes what the system takes
        root = root / ("deep" * 40)
    root.mkdir(parents=True)
    name = "/".join(["part" * 20] * 12) + "/end.txt"
    (staged,) = stage(Shelf({name: "text"}), root / "in").batches(batches_of([name]))
    assert Path(staged.files[0]).read_text() == "text"
    assert Path(staged.files[0]).name == "end.txt"


def test_a_mini_batch_whose_file_is_gone_fails_with_the_reason_and_the_others_arrive(tmp_path: Path) -> None:
    shelf = Shelf({"a": "1", "b": "2", "c": "3"})
    shelf.failures["b"] = [NotFoundError("There is no blob 'b'.", status_code=404)]
    staging = stage(shelf, tmp_path / "in")
    assert [batch.number for batch in staging.batches(batches_of(["a", "b", "c"]))] == [0, 2]
    (failed,) = staging.take_failed()
    assert (failed.number, failed.status, failed.failed, failed.attempts) == (1, "failed", (1,), 0)
    assert failed.failure is not None and failed.failure.message == "There is no blob 'b'."
    assert staging.take_failed() == ()


def test_a_store_that_is_back_soon_costs_no_file(tmp_path: Path) -> None:
    shelf = Shelf({"a": "1"})
    shelf.failures["a"] = [TransportError("no answer"), TransportError("no answer")]
    assert len(list(stage(shelf, tmp_path / "in").batches(batches_of(["a"])))) == 1
    assert shelf.fetched == ["a"] * 3


def test_a_store_that_stays_away_fails_the_mini_batch_in_the_end(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(staging_module, "STORE_SECONDS", 0.2)
    shelf = Shelf({"a": "1"})
    shelf.failures["a"] = [TransportError("no answer")] * 100
    staging = stage(shelf, tmp_path / "in")
    assert list(staging.batches(batches_of(["a"]))) == []
    assert staging.take_failed()[0].failure


def test_a_cancelled_job_does_not_wait_for_the_store(tmp_path: Path) -> None:
    shelf, cancel = Shelf({"a": "1"}), threading.Event()
    shelf.failures["a"] = [TransportError("no answer")] * 10_000
    threading.Timer(0.1, cancel.set).start()
    assert list(stage(shelf, tmp_path / "in", cancel=cancel).batches(batches_of(["a"]))) == []
    assert shelf.failures["a"], "it went on asking"


def test_a_disk_that_takes_nothing_more_ends_the_staging(tmp_path: Path) -> None:
    shelf = Shelf({"a": "1"})
    shelf.failures["a"] = [OSError(28, "No space left on device")]
    with pytest.raises(OSError, match="No space left"):
        list(stage(shelf, tmp_path / "in").batches(batches_of(["a"])))


def test_a_download_that_this_machines_disk_refuses_ends_the_staging_and_is_no_fault_of_the_input(
    tmp_path: Path,
) -> None:
    shelf = Shelf({"a": "1"})
    shelf.failures["a"] = [LocalPathError("no space left", path=tmp_path)] * 2
    staging = stage(shelf, tmp_path / "in")
    with pytest.raises(LocalPathError, match="no space left"):
        list(staging.batches(batches_of(["a"])))
    assert staging.take_failed() == ()


def test_a_download_whose_place_is_a_folder_is_set_aside(tmp_path: Path) -> None:
    shelf = Shelf({"a": "1"})
    shelf.failures["a"] = [LocalPathError("it is a folder", path=tmp_path)]
    (staged,) = stage(shelf, tmp_path / "in").batches(batches_of(["a"]))
    assert Path(staged.files[0]).read_text() == "1"


def test_what_is_fetched_from_the_embedded_store_can_be_overwritten_without_damage(tmp_path: Path) -> None:
    with BlobStore(tmp_path / "blobs") as blobs:
        blobs.create_container("data")
        contents = {"small": b"s", "large": b"l" * 100_000, "empty": b""}
        bucket = EmbeddedBucket(blobs, "data", "http://127.0.0.1/a/data")
        for name, content in contents.items():
            blobs.put("data", name, content)
            bucket.fetch(name, tmp_path / name)
            assert (tmp_path / name).read_bytes() == content
            try:
                (tmp_path / name).write_bytes(b"spoilt")
            except PermissionError:  # a link, and we are not root
                (tmp_path / name).unlink()
            assert blobs.read("data", name) == content
        blobs.append("data", "log", b"line\n")
        bucket.fetch("log", tmp_path / "log")
        assert (tmp_path / "log").read_bytes() == b"line\n"
        with pytest.raises(NotFoundError):
            bucket.fetch("missing", tmp_path / "missing")


@pytest.mark.parametrize(
    ("text", "wrong"),
    [
        ("azurit", "has no AccountName"),
        ("", "has no AccountName"),
        ("AccountName=mine", "has no AccountKey"),
        ("AccountName=mine;AccountKey=hunter2!", "'mine' is not base64"),
        ("AccountName=mine;AccountKey=aHVudGVyMg==;BlobEndpoint=hunter2.example", "is not a URL"),
    ],
)
def test_a_wrong_connection_string_is_refused_without_showing_its_key(text: str, wrong: str) -> None:
    with pytest.raises(LocalServiceError, match=wrong) as error:
        parse_connection_string(text)
    assert "hunter2!" not in str(error.value) and "aHVudGVyMg" not in str(error.value)


def test_connection_strings_of_azure_and_of_the_emulator_are_understood() -> None:
    azure = parse_connection_string(
        "DefaultEndpointsProtocol=https;AccountName=mine;AccountKey=aHVudGVyMg==;EndpointSuffix=core.windows.net"
    )
    own = parse_connection_string("AccountName=a;AccountKey=aHVudGVyMg==;BlobEndpoint=http://127.0.0.1:1/a;")
    assert (azure.account, azure.endpoint, azure.key) == ("mine", "https://mine.blob.core.windows.net", "aHVudGVyMg==")
    assert own.endpoint == "http://127.0.0.1:1/a"
    assert parse_connection_string("UseDevelopmentStorage=true").account == "devstoreaccount1"
