"""A job's inputs as a stream: scored while they are listed, listed on after an interruption, taken from another job."""

from __future__ import annotations

import base64
import json
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from azure_batch_endpoints.errors import PermissionDeniedError, TransportError
from azure_batch_endpoints.local.buckets import EmbeddedBucket, Page
from azure_batch_endpoints.local.job import JobRow
from azure_batch_endpoints.states import JobStatus
from tests.local.service_bench import Bench, put_empty

NAMES = """
    from pathlib import Path
    def init(): pass
    def run(mini_batch): return [Path(file).name for file in mini_batch]
"""
PAGE = 50
"""Files in a page of a listing, here."""
FILES = 60


@dataclass
class Listing:
    """What happens to the second page of every listing of inputs; pages are short."""

    gate: threading.Event = field(default_factory=threading.Event)
    failures: list[Exception] = field(default_factory=list)
    pages: int = 0

    def open(self) -> None:
        self.gate.set()


@pytest.fixture
def listing(monkeypatch: pytest.MonkeyPatch) -> Iterator[Listing]:
    listing = Listing()
    page = EmbeddedBucket.page

    def watched(bucket: EmbeddedBucket, prefix: str, marker: str = "") -> Page:
        if prefix.startswith("data/"):
            listing.pages += 1
            if marker and listing.failures:
                raise listing.failures.pop(0)
            if marker:
                listing.gate.wait(60)
        found = page(bucket, prefix, marker)
        if not prefix.startswith("data/") or len(found.files) <= PAGE:
            return found
        return Page(found.files[:PAGE], base64.urlsafe_b64encode(found.files[PAGE].name.encode()).decode())

    monkeypatch.setattr(EmbeddedBucket, "page", watched)
    yield listing
    listing.open()


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    bench = Bench.open(tmp_path / "root")
    yield bench
    bench.close()


def listing_threads() -> list[str]:
    return [thread.name for thread in threading.enumerate() if thread.name.startswith("listing")]


def progress(job: JobRow) -> dict[str, float | None]:
    found: dict[str, float | None] = json.loads(job.progress or "{}")
    return found


def all_names(count: int = FILES) -> str:
    return "".join(f"{number:07}\n" for number in range(count))


def halfway(job: JobRow) -> bool:
    """Whether all is scored that the first page had, but for the mini-batch that is not full yet."""
    return progress(job).get("items_done") == 49


SLICED = {"mini_batch_size": 7}
"""50 files are seven mini-batches of 7, and one file."""


def test_scoring_begins_before_the_listing_ends_and_totals_are_not_told_before(bench: Bench, listing: Listing) -> None:
    put_empty(bench, FILES)
    row = bench.submit(NAMES, **SLICED)
    job = bench.wait_for(row, halfway)
    assert (job.status, progress(job)["total"], progress(job)["items_total"]) == (JobStatus.RUNNING, None, None)
    assert "input files." not in bench.log(row)
    listing.open()
    job = bench.wait(row)
    assert (job.status, job.error) == (JobStatus.COMPLETED, None)
    assert (progress(job)["total"], progress(job)["items_total"]) == (9, FILES)
    assert f"{FILES} input files." in bench.log(row)
    assert bench.output(job) == all_names()
    assert listing_threads() == []


def test_a_job_is_cancelled_at_once_while_it_lists(bench: Bench, listing: Listing) -> None:
    put_empty(bench, FILES)
    row = bench.submit(NAMES, **SLICED)
    bench.wait_for(row, halfway)
    bench.scheduler.cancel(row.name)
    assert bench.wait(row, seconds=10).status is JobStatus.CANCELED
    assert listing_threads() == []


def test_a_listing_that_is_refused_in_the_middle_fails_the_job_and_says_so(bench: Bench, listing: Listing) -> None:
    listing.failures = [PermissionDeniedError("You may not.", status_code=403)]
    put_empty(bench, FILES)
    job = bench.score(NAMES, **SLICED)
    assert job.status is JobStatus.FAILED
    assert job.error and "cannot be listed: You may not." in job.error
    assert listing_threads() == []


def test_a_store_that_is_away_for_a_while_costs_no_file_and_the_listing_goes_on_where_it_was(
    bench: Bench, listing: Listing
) -> None:
    listing.failures = [TransportError("no answer")] * 3
    listing.open()
    put_empty(bench, FILES)
    job = bench.score(NAMES, **SLICED)
    assert (job.status, job.error) == (JobStatus.COMPLETED, None)
    assert bench.output(job) == all_names()
    assert listing.pages == 5  # the first page, and the second one four times
    log = bench.log(job)
    assert log.count("does not answer: the job waits for it. no answer") == 1
    assert log.count("answers again, after") == 1


def test_a_store_that_stays_away_fails_the_job_in_the_end(
    bench: Bench, listing: Listing, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("azure_batch_endpoints.local.patience.LONG_SECONDS", 0.3)
    listing.failures = [TransportError("no answer")] * 1000
    put_empty(bench, FILES)
    job = bench.score(NAMES, **SLICED)
    assert job.status is JobStatus.FAILED
    assert job.error and "cannot be listed: no answer" in job.error


@dataclass
class InterruptedJob:
    """A job that the end of its service has interrupted in the middle of its listing, and the next service."""

    row: JobRow
    bench: Bench

    def resume(self) -> JobRow:
        self.bench.scheduler.resume()
        return self.bench.wait(self.row)


@pytest.fixture
def interrupted(tmp_path: Path, listing: Listing) -> Iterator[InterruptedJob]:
    bench = Bench.open(tmp_path / "root")
    put_empty(bench, FILES)
    row = bench.submit(NAMES, **SLICED)
    bench.wait_for(row, halfway)
    bench.close()
    listing.open()
    again = Bench.open(tmp_path / "root")
    yield InterruptedJob(row, again)
    again.close()


def test_a_job_interrupted_in_its_listing_goes_on_with_it(interrupted: InterruptedJob) -> None:
    job = interrupted.resume()
    assert (job.status, job.error) == (JobStatus.COMPLETED, None)
    assert interrupted.bench.output(job) == all_names()
    assert progress(job)["items_total"] == FILES


def test_inputs_that_changed_while_a_job_was_interrupted_in_its_listing_fail_it(interrupted: InterruptedJob) -> None:
    interrupted.bench.put("data/0000000-new", "a new one")
    job = interrupted.resume()
    assert job.status is JobStatus.FAILED
    assert job.error and "Input 1 was '0000001' and is now '0000000-new': the input has changed." in job.error


def test_a_job_cancelled_in_its_listing_is_taken_up_by_one_that_wants_what_was_never_scored(
    bench: Bench, listing: Listing
) -> None:
    put_empty(bench, FILES)
    row = bench.submit(NAMES, **SLICED)
    bench.wait_for(row, halfway)
    bench.scheduler.cancel(row.name)
    bench.wait(row)
    listing.open()
    again = bench.score(NAMES, retry_of=row.name, retry_pending=True, mini_batch_size=100)
    assert (again.status, again.error) == (JobStatus.COMPLETED, None)
    assert bench.output(again) == all_names()[8 * 49 :]
    once_more = bench.score(NAMES, retry_of=again.name, retry_pending=True)
    assert once_more.error and f"Job '{again.name}' has no input left to score again" in once_more.error


def test_a_job_cancelled_in_its_listing_is_not_taken_up_when_its_input_has_changed(
    bench: Bench, listing: Listing
) -> None:
    put_empty(bench, FILES)
    row = bench.submit(NAMES, **SLICED)
    bench.wait_for(row, halfway)
    bench.scheduler.cancel(row.name)
    bench.wait(row)
    listing.open()
    bench.put("data/0000000-new", "a new one")
    again = bench.score(NAMES, retry_of=row.name, retry_pending=True)
    assert again.status is JobStatus.FAILED
    assert again.error and f"The input has changed since job '{row.name}' was stopped" in again.error
    assert "number 50 was '0000049'" in again.error


def test_a_retry_takes_its_inputs_from_the_earlier_job_and_lists_nothing(bench: Bench, listing: Listing) -> None:
    put_empty(bench, 40)
    first = bench.score(
        "def init(): pass\ndef run(m):\n    assert '0000012' not in m[0]\n    return m", retry={"max_retries": 1}
    )
    listed = listing.pages
    again = bench.score(NAMES, retry_of=first.name)
    assert bench.output(again) == "0000012\n0000013\n", again.error
    assert listing.pages == listed


def test_a_job_that_never_began_is_retried_from_its_listing(bench: Bench) -> None:
    put_empty(bench, 10)
    row = bench.state.add_job(bench.row())
    bench.scheduler.cancel(row.name)
    again = bench.score(NAMES, retry_of=row.name, retry_pending=True)
    assert bench.output(again) == all_names(10), again.error


def test_an_empty_folder_starts_no_worker(bench: Bench) -> None:
    job = bench.score(NAMES, data="nothing/")
    assert job.error and "holds no files" in job.error
    assert not (bench.settings.job_folder(job.name) / "parts").exists()
