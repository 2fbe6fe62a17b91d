"""What became of each input file, and how far a job is."""

from __future__ import annotations

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


def test_outcomes_make_a_table_with_the_same_columns_when_there_are_none() -> None:
    one = frame([ItemOutcome.from_wire({"path": "a"})])

    assert list(one.columns) == list(frame([]).columns)
    assert one["path"].tolist() == ["a"]
