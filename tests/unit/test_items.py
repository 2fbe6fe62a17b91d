"""What became of each input file, and how far a job is."""

from __future__ import annotations

import pytest

from azure_batch_endpoints.items import ItemOutcome, JobProgress, frame


def test_an_entry_of_the_ledger_is_read() -> None:
    body = {"path": "a.png", "status": "failed", "miniBatch": 2, "attempts": 3, "worker": "process001", "seconds": 0.5}

    item = ItemOutcome.from_wire({**body, "errorType": "KeyError", "errorMessage": "'age'", "traceback": "T", "new": 1})

    assert item == ItemOutcome("a.png", "failed", 2, 3, "process001", 0.5, "KeyError", "'age'", "T")


def test_an_entry_without_anything_is_pending() -> None:
    assert ItemOutcome.from_wire({}) == ItemOutcome("", "pending", 0, 0, None, None, None, None, None)


def test_progress_tells_files_and_failures() -> None:
    assert str(JobProgress(items_done=412, items_total=1000, items_failed=18)) == "412 of 1,000 files, 18 failed"
    assert str(JobProgress()) == "0 of ? files"
    assert JobProgress.from_wire({"done": 1, "unheard": 2}) == JobProgress(done=1)


@pytest.mark.parametrize(
    ("rate", "eta", "text"),
    [
        (35.2, 16.7, "412 of 1,000 files, 35/s, 17 s to go"),
        (0.5, 245.0, "412 of 1,000 files, 0.5/s, 4 min 5 s to go"),
        (0.05, 7800.0, "412 of 1,000 files, 3/min, 2 h 10 min to go"),
        (1 / 1800, 273_600.0, "412 of 1,000 files, 2/h, 3 d 4 h to go"),
        (12345.6, None, "412 of 1,000 files, 12,346/s"),
        (None, None, "412 of 1,000 files"),
        (0.0, None, "412 of 1,000 files"),
    ],
)
def test_progress_tells_rate_and_time_to_go(rate: float | None, eta: float | None, text: str) -> None:
    progress = JobProgress(items_done=412, items_total=1000, items_per_second=rate, eta=eta)

    assert str(progress) == text
    assert progress.counts == "412 of 1,000 files"


def test_progress_of_a_job_that_is_through_tells_no_rate() -> None:
    assert str(JobProgress(items_done=1, items_total=1, items_per_second=3.0, eta=0.0)) == "1 of 1 files"


def test_outcomes_make_a_table_with_the_same_columns_when_there_are_none() -> None:
    one = frame([ItemOutcome.from_wire({"path": "a"})])

    assert list(one.columns) == list(frame([]).columns)
    assert one["path"].tolist() == ["a"]
