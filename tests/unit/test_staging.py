"""Inputs on their way to the workers: the window, names that collide or lead astray, eviction, stores that fail."""

from __future__ import annotations

import threading
from collections.abc import Callable, Generator, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import pytest

from azure_batch_endpoints.errors import LocalPathError, LocalServiceError, NotFoundError, TransportError
from azure_batch_endpoints.local.blobstore import BlobStore
from azure_batch_endpoints.local.buckets import EmbeddedBucket, Page, StoredFile
from azure_batch_endpoints.local.control import Interrupted
from azure_batch_endpoints.local.engines.base import Outcome, StagedBatch
from azure_batch_endpoints.local.paths import inside
from azure_batch_endpoints.local.patience import Patience
from azure_batch_endpoints.local.patient_store import PatientBucket
from azure_batch_endpoints.local.plan import InputItem, MiniBatch, number_inputs, plan
from azure_batch_endpoints.local.staging import Staging, staging_ended
from azure_batch_endpoints.local.stores import parse_connection_string


class Shelf:
    """A bucket of texts that counts what is fetched and can refuse."""

    def __init__(self, texts: dict[str, str]) -> None:
        self.texts = texts
        self.url = "shelf"
        self.fetched: list[str] = []
        self.failures: dict[str, list[Exception]] = {}
        self.parallel = 0

    def page(self, prefix: str, marker: str = "") -> Page:
        return Page((), "")

    def list(self, prefix: str = "") -> Iterator[StoredFile]:
        return iter(())

    def find(self, name: str) -> StoredFile | None:
        return None

    def fetch(self, name: str, dest: Path, check: Callable[[], None] | None = None) -> None:
        self.fetched.append(name)
        if self.failures.get(name):
            raise self.failures[name].pop(0)
        dest.write_text(self.texts[name])

    def upload(self, *_given: object, **_options: object) -> None:
        raise AssertionError("staging does not write")


def batches_of(names: list[str], size: int = 1) -> list[MiniBatch]:
    return list(plan(number_inputs((name, name, 1) for name in names), size))


@dataclass
class Stage:
    """Staging from a shelf, and what it told: failed outcomes, and lines for the log."""

    staging: Staging
    failed: list[Outcome]
    said: list[str]
    patience: Patience

    def batches(self, pending: Iterable[MiniBatch | None]) -> Generator[StagedBatch, None, None]:
        return self.staging.batches(pending)


def stage(
    shelf: Shelf,
    folder: Path,
    window: int = 2,
    cancel: threading.Event | None = None,
    most_bytes: int | None = None,
    seconds: float = 20.0,
) -> Stage:
    failed: list[Outcome] = []
    said: list[str] = []
    patience = Patience(cancel or threading.Event(), said.append, folder, seconds)
    bucket = PatientBucket(shelf, patience, known=True)
    staging = Staging(folder, bucket, patience, failed.extend, window=window, most_bytes=most_bytes)
    return Stage(staging, failed, said, patience)


def test_mini_batches_arrive_in_order_with_their_files(tmp_path: Path) -> None:
    shelf = Shelf({f"d/{n}.txt": f"text {n}" for n in range(7)})
    staged = list(stage(shelf, tmp_path / "in").batches(batches_of(list(shelf.texts), 3)))
    assert [batch.number for batch in staged] == [0, 1, 2]
    assert [Path(file).read_text() for batch in staged for file in batch.files] == list(shelf.texts.values())
    assert staged[0].files[0] == str(tmp_path / "in/d/0.txt")


@pytest.mark.parametrize(("parallel", "most"), [(4, 3), (0, 0)])
def test_no_more_than_the_window_is_fetched_ahead(tmp_path: Path, parallel: int, most: int) -> None:
    shelf = Shelf({str(n): "x" for n in range(50)})
    shelf.parallel = parallel
    taken = []

    def pending() -> Iterator[MiniBatch]:
        for batch in batches_of(list(shelf.texts)):
            taken.append(batch.number)
            yield batch

    batches = stage(shelf, tmp_path / "in", window=4).batches(pending())
    next(batches)
    assert max(taken) == most
    batches.close()


def test_no_more_bytes_are_staged_than_allowed_but_one_mini_batch_always(tmp_path: Path) -> None:
    shelf = Shelf({str(n): "x" for n in range(6)})
    job = stage(shelf, tmp_path / "in", most_bytes=100)
    sizes = [40, 40, 40, 500, 10, 10]
    items = [InputItem(n, str(n), str(n), size) for n, size in enumerate(sizes)]
    staged, held = [], []
    for batch in job.batches(plan(items, 1)):
        staged.append(batch.number)
        held.append(job.staging.held)
        if len(held) > 1:  # a worker is always one behind
            job.staging.evict([batch.number - 1])
            job.staging.evict([batch.number] if sizes[batch.number] > 40 or batch.number == 2 else [])
    assert staged == [0, 1, 2, 3, 4, 5]
    assert [held_bytes for _, held_bytes in held] == [40, 80, 80, 500, 10, 20]


def test_where_nothing_is_evicted_staging_waits_at_the_bytes_allowed_and_goes_on_when_there_is_room(
    tmp_path: Path,
) -> None:
    shelf = Shelf({str(n): "x" for n in range(3)})
    job = stage(shelf, tmp_path / "in", most_bytes=100)
    batches = job.batches(plan([InputItem(n, str(n), str(n), 60) for n in range(3)], 1))
    first = next(batches)
    threading.Timer(0.05, lambda: job.staging.evict([first.number])).start()
    assert next(batches).number == 1
    assert shelf.fetched == ["0", "1"]
    assert job.staging.held == (1, 60)


def test_what_is_staged_is_handed_over_while_nothing_more_is_listed_yet(tmp_path: Path) -> None:
    shelf = Shelf({"a": "1", "b": "2"})
    shelf.parallel = 2
    first, second = batches_of(["a", "b"])
    asked = []

    def pending() -> Iterator[MiniBatch | None]:
        yield first
        asked.append("more")
        yield None
        asked.append("still more")
        yield second

    batches = stage(shelf, tmp_path / "in", window=10).batches(pending())
    assert next(batches).number == 0
    assert asked == ["more"]
    assert [batch.number for batch in batches] == [1]


def test_finished_mini_batches_are_removed_with_their_folders_and_close_removes_the_rest(tmp_path: Path) -> None:
    job = stage(Shelf({"x/a": "1", "y/z/b": "2", "c": "3"}), tmp_path / "in")
    first, second, third = job.batches(batches_of(["x/a", "y/z/b", "c"]))
    Path(first.files[0]).unlink()  # the script may have done so
    job.staging.evict([first.number, second.number, 99])
    assert [path.name for path in (tmp_path / "in").iterdir()] == ["c"]
    assert Path(third.files[0]).exists() and job.staging.held == (1, 1)
    job.staging.close()
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


@pytest.mark.parametrize("parallel", [0, 3])
def test_a_mini_batch_whose_file_is_gone_fails_with_the_reason_and_the_others_arrive(
    tmp_path: Path, parallel: int
) -> None:
    names = [f"{number:02}" for number in range(60)]
    shelf = Shelf(dict.fromkeys(names, "x"))
    shelf.parallel = parallel
    shelf.failures["29"] = [NotFoundError("There is no blob '29'.", status_code=404)]
    job = stage(shelf, tmp_path / "in")
    assert [batch.number for batch in job.batches(batches_of(names, 20))] == [0, 2]
    (failed,) = job.failed
    assert (failed.number, failed.status, failed.failed, failed.attempts) == (1, "failed", tuple(range(20, 40)), 0)
    assert failed.failure is not None and failed.failure.message == "There is no blob '29'."
    assert len(list((tmp_path / "in").iterdir())) == 40  # nothing of the failed one stays


def test_a_store_that_is_back_soon_costs_no_file_and_the_log_says_so_once(tmp_path: Path) -> None:
    shelf = Shelf({"a": "1", "b": "2"})
    shelf.failures["a"] = [TransportError("no answer"), TransportError("no answer")]
    job = stage(shelf, tmp_path / "in")
    assert len(list(job.batches(batches_of(["a", "b"])))) == 2
    assert shelf.fetched == ["a"] * 3 + ["b"]
    began, ended = job.said
    assert "does not answer: the job waits for it. no answer" in began
    assert "answers again, after" in ended


def test_a_store_that_stays_away_fails_its_mini_batches_in_the_end_and_is_waited_for_only_once(tmp_path: Path) -> None:
    names = [str(number) for number in range(30)]
    shelf = Shelf(dict.fromkeys(names, "x"))
    shelf.failures = {name: [TransportError("no answer")] * 100 for name in names}
    job = stage(shelf, tmp_path / "in", seconds=0.2)
    assert list(job.batches(batches_of(names))) == []
    assert [failed.number for failed in job.failed] == list(range(30))
    assert all(failed.failure and failed.failure.type == "InputUnavailable" for failed in job.failed)
    assert all(len(shelf.failures[name]) > 90 for name in names[1:])  # each is asked for, none waited for


@pytest.mark.parametrize("parallel", [0, 2])
def test_a_cancelled_job_does_not_wait_for_the_store_and_gives_nothing_up(tmp_path: Path, parallel: int) -> None:
    shelf, cancel = Shelf({"a": "1"}), threading.Event()
    shelf.parallel = parallel
    shelf.failures["a"] = [TransportError("no answer")] * 10_000
    threading.Timer(0.1, cancel.set).start()
    job = stage(shelf, tmp_path / "in", cancel=cancel)
    with pytest.raises(Interrupted):
        list(job.batches(batches_of(["a"])))
    assert shelf.failures["a"], "it went on asking"
    assert job.failed == []


@pytest.mark.parametrize(
    "full", [OSError(28, "No space left on device"), LocalPathError("no space left", path=Path("x"))]
)
def test_a_full_disk_is_waited_for_and_the_log_says_so_once(tmp_path: Path, full: Exception) -> None:
    full.__cause__ = OSError(28, "No space left on device")
    shelf = Shelf({"a": "1", "b": "2"})
    shelf.failures["a"] = [full, full]
    job = stage(shelf, tmp_path / "in")
    assert [Path(batch.files[0]).read_text() for batch in job.batches(batches_of(["a", "b"]))] == ["1", "2"]
    assert ["the job waits for room" in job.said[0], "There is room on the disk again" in job.said[1]] == [True, True]
    assert len(job.said) == 2 and job.failed == []


def test_a_disk_that_takes_nothing_more_ends_the_staging(tmp_path: Path) -> None:
    shelf = Shelf({"a": "1"})
    shelf.failures["a"] = [OSError(28, "No space left on device")] * 100
    with pytest.raises(OSError, match="No space left"):
        list(stage(shelf, tmp_path / "in", seconds=0.2).batches(batches_of(["a"])))


def test_a_download_that_this_machines_disk_refuses_ends_the_staging_and_is_no_fault_of_the_input(
    tmp_path: Path,
) -> None:
    shelf = Shelf({"a": "1"})
    shelf.failures["a"] = [LocalPathError("no space left", path=tmp_path)] * 2
    job = stage(shelf, tmp_path / "in")
    with pytest.raises(LocalPathError, match="no space left"):
        list(job.batches(batches_of(["a"])))
    assert job.failed == []


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


def test_a_transfer_that_hangs_is_seen_at_the_end_of_the_service() -> None:
    goes_on = threading.Event()
    with ThreadPoolExecutor(1, "staging") as pool:
        pool.submit(goes_on.wait)
        pool.shutdown(wait=False)
        assert not staging_ended(0.01)
        goes_on.set()
        assert staging_ended(10)
