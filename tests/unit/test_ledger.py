from __future__ import annotations

import sqlite3
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from azure_batch_endpoints.local.engines.base import Failure, Outcome, Part, RowFormat
from azure_batch_endpoints.local.ledger import Ledger
from azure_batch_endpoints.local.ledger_values import LedgerConflict
from azure_batch_endpoints.local.plan import InputItem, MiniBatch

KEY_ERROR = Failure("KeyError", "'age'", "Traceback ...", "score.py", 31)


def inputs(count: int, start: int = 0) -> Iterator[InputItem]:
    return (InputItem(index, f"{index}.png", f"in/{index}.png", 10) for index in range(start, count))


def good(number: int, size: int = 2, *, worker: str = "process000") -> Outcome:
    part = Part("s.rows", number * 10, 10, size)
    return Outcome(number, "succeeded", size, (), 1, worker, 0.5, size, part, RowFormat("list"))


def bad(number: int, *failed: int, failure: Failure = KEY_ERROR, size: int = 2) -> Outcome:
    rows = size - len(failed)
    return Outcome(number, "partial" if rows else "failed", size, failed, 3, "process001", 0.1, rows, failure=failure)


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[Ledger]:
    with Ledger(tmp_path / "ledger.db", 2) as ledger:
        yield ledger


def numbers(batches: Iterator[MiniBatch]) -> list[int]:
    return [batch.number for batch in batches]


def test_only_full_mini_batches_are_pending_until_the_listing_is_sealed(ledger: Ledger) -> None:
    ledger.add_inputs(inputs(5))

    assert numbers(ledger.pending()) == [0, 1]
    assert (ledger.progress().total, ledger.progress().items_total) == (None, None)

    ledger.seal()
    assert numbers(ledger.pending()) == [0, 1, 2]
    assert numbers(ledger.pending(after=1)) == [2]
    assert [item.path for batch in ledger.pending() for item in batch.items] == [f"{index}.png" for index in range(5)]


def test_finished_mini_batches_stay_finished_after_a_crash(tmp_path: Path) -> None:
    crashed = Ledger(tmp_path / "ledger.db", 2)
    crashed.add_inputs(inputs(6))
    crashed.seal()
    crashed.record([good(1)])

    with Ledger(tmp_path / "ledger.db") as ledger:  # the other one was never closed
        assert numbers(ledger.pending()) == [0, 2]
        assert ledger.mini_batch_size == 2
        assert ledger.progress().items_done == 2
    crashed.close()


def test_a_mini_batch_that_is_recorded_twice_counts_once(ledger: Ledger) -> None:
    ledger.add_inputs(inputs(2))
    ledger.seal()
    ledger.record([good(0)])
    ledger.record([bad(0, 0, 1), good(0, worker="process009")])

    assert [row.worker for row in ledger.items()] == ["process000", "process000"]
    assert list(ledger.parts()) == [Part("s.rows", 0, 10, 2)]
    assert ledger.reconcile(2).ok


def test_a_listing_that_starts_again_goes_on_where_it_was(ledger: Ledger) -> None:
    ledger.add_inputs(inputs(3))
    ledger.add_inputs(inputs(5))

    assert ledger.listed == 5
    assert not ledger.sealed


def test_inputs_that_changed_while_they_were_listed_are_refused(ledger: Ledger) -> None:
    ledger.add_inputs(inputs(3))

    with pytest.raises(LedgerConflict, match=r"Input 1 was '1.png' and is now 'new.png': the input has changed"):
        ledger.add_inputs([InputItem(1, "new.png", "", 0)])
    with pytest.raises(LedgerConflict, match="numbered on from 3; got 4"):
        ledger.add_inputs(inputs(6, start=4))
    assert ledger.listed == 3


def test_a_ledger_of_another_mini_batch_size_or_version_or_none_is_refused(tmp_path: Path) -> None:
    Ledger(tmp_path / "ledger.db", 2).close()
    with pytest.raises(LedgerConflict, match="has mini-batches of 2 files, the job 3"):
        Ledger(tmp_path / "ledger.db", 3)
    with pytest.raises(LedgerConflict, match="There is no ledger"):
        Ledger(tmp_path / "other.db")

    with sqlite3.connect(tmp_path / "ledger.db") as database:
        database.execute("PRAGMA user_version = 7")
    database.close()
    with pytest.raises(LedgerConflict, match="is of version 7; this release reads version 1"):
        Ledger(tmp_path / "ledger.db", 2)


def test_every_input_has_a_row_with_its_outcome(ledger: Ledger) -> None:
    ledger.add_inputs(inputs(6))
    ledger.record([good(0), bad(1, 3)])

    rows = list(ledger.items())
    assert [(row.path, row.status, row.mini_batch, row.attempts) for row in rows] == [
        ("0.png", "succeeded", 0, 1),
        ("1.png", "succeeded", 0, 1),
        ("2.png", "succeeded", 1, 3),
        ("3.png", "failed", 1, 3),
        ("4.png", "pending", 2, 0),
        ("5.png", "pending", 2, 0),
    ]
    assert (rows[3].error_type, rows[3].error_message, rows[3].traceback) == ("KeyError", "'age'", "Traceback ...")
    assert (rows[2].error_type, rows[2].worker, rows[2].seconds) == (None, "process001", 0.1)


@pytest.mark.parametrize(("status", "indices"), [("succeeded", [0, 1, 2]), ("failed", [3]), ("pending", [4, 5])])
def test_items_are_filtered_by_status(ledger: Ledger, status: str, indices: list[int]) -> None:
    ledger.add_inputs(inputs(6))
    ledger.record([good(0), bad(1, 3)])

    assert [row.index for row in ledger.items(status)] == indices


def test_items_are_read_in_pages_that_join_without_gap(tmp_path: Path) -> None:
    with Ledger(tmp_path / "ledger.db", 100) as ledger:
        ledger.add_inputs(inputs(2500))
        ledger.seal()

        assert [row.index for row in ledger.items()] == list(range(2500))
        assert [row.index for row in ledger.items(after=1200, limit=3)] == [1201, 1202, 1203]
        assert [item.index for batch in ledger.pending() for item in batch.items] == list(range(2500))


def test_parts_come_in_plan_order_whatever_the_order_of_the_outcomes(ledger: Ledger) -> None:
    ledger.add_inputs(inputs(8))
    ledger.record([good(3), good(0)])
    ledger.record([bad(1, 2, 3), good(2)])

    assert [part.offset for part in ledger.parts()] == [0, 20, 30]


def test_progress_counts_mini_batches_and_files(ledger: Ledger) -> None:
    ledger.add_inputs(inputs(7))
    ledger.seal()
    ledger.record([good(0), bad(1, 3)])
    ledger.record([bad(2, 4, 5)])

    progress = ledger.progress()
    assert (progress.done, progress.failed, progress.total) == (3, 2, 4)
    assert (progress.items_done, progress.items_failed, progress.items_total) == (6, 3, 7)
    assert progress.items_per_second is not None
    assert progress.eta == pytest.approx(1 / progress.items_per_second)


def test_there_is_no_rate_before_the_first_outcome(ledger: Ledger) -> None:
    ledger.add_inputs(inputs(2))
    ledger.seal()

    assert (ledger.progress().items_per_second, ledger.progress().eta) == (None, None)
    assert ledger.first_error() is None


def test_causes_are_grouped_by_type_and_place_the_most_frequent_first(ledger: Ledger) -> None:
    ledger.add_inputs(inputs(10))
    died = Failure("WorkerDied", "the worker process was killed by SIGKILL")
    other = Failure("KeyError", "'sex'", None, "score.py", 31)
    ledger.record([bad(0, 1, failure=died), bad(1, 2, 3), bad(2, 4, 5, failure=other)])

    assert [str(cause) for cause in ledger.causes()] == [
        "KeyError: 'age' in score.py:31: 4 files",
        "WorkerDied: the worker process was killed by SIGKILL: 1 file",
    ]
    assert ledger.causes(limit=1)[0].items == 4


def test_the_first_error_names_mini_batch_file_and_tries(ledger: Ledger) -> None:
    ledger.add_inputs(inputs(6))
    ledger.record([good(0), bad(2, 5)])
    ledger.record([bad(1, 2, 3, failure=Failure("ValueError", "late"))])

    error = ledger.first_error()
    assert error is not None
    assert (error.failure, error.mini_batch, error.path, error.attempts) == (KEY_ERROR, 2, "5.png", 3)


def test_kinds_of_rows_are_kept_once_each(tmp_path: Path) -> None:
    frame = RowFormat("dataframe", (("file", "object"), ("score", "float64")))
    outcomes = [Outcome(number, "succeeded", 1, (), 1, "w", 0.1, 1, row_format=frame) for number in range(3)]
    with Ledger(tmp_path / "ledger.db", 1) as ledger:
        ledger.add_inputs(inputs(4))
        ledger.record([*outcomes, Outcome(3, "succeeded", 1, (), 1, "w", 0.1, 1, row_format=RowFormat("list"))])

        assert ledger.row_formats() == [frame, RowFormat("list")]


def test_reconciling_tells_what_does_not_add_up(ledger: Ledger) -> None:
    ledger.add_inputs(inputs(4))
    ledger.record([good(0)])

    result = ledger.reconcile(rows_written=3)
    assert not result.ok
    assert result.problems == ("the listing was not finished", "2 rows were returned, 3 written")

    ledger.seal()
    result = ledger.reconcile(rows_written=2)
    assert (result.ok, result.inputs, result.succeeded, result.failed, result.pending) == (True, 4, 2, 0, 2)


def test_reconciling_finds_a_count_that_somebody_changed(tmp_path: Path) -> None:
    with Ledger(tmp_path / "ledger.db", 2) as ledger:
        ledger.add_inputs(inputs(4))
        ledger.seal()
        ledger.record([good(0), bad(1, 3)])
        with sqlite3.connect(tmp_path / "ledger.db") as database:
            database.execute("DELETE FROM failures")
        database.close()

        assert "0 inputs failed, mini-batches say 1" in ledger.reconcile().problems


def test_a_group_is_written_whole_or_not_at_all(ledger: Ledger) -> None:
    ledger.add_inputs(inputs(4))
    broken = Outcome(1, "failed", 2, (2, 2), 1, None, 0.0, failure=KEY_ERROR)  # the same input twice

    with pytest.raises(sqlite3.IntegrityError):
        ledger.record([good(0), broken])

    assert ledger.progress().done == 0
    assert numbers(ledger.pending()) == [0, 1]


def test_several_threads_may_list_record_and_read_at_once(tmp_path: Path) -> None:
    with Ledger(tmp_path / "ledger.db", 2) as ledger:
        ledger.add_inputs(inputs(200))
        ledger.seal()

        def record(start: int) -> None:
            for number in range(start, 100, 4):
                ledger.record([good(number)])
                ledger.progress()

        threads = [threading.Thread(target=record, args=(start,)) for start in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(30)

        assert ledger.reconcile(200).ok
        assert ledger.progress().items_done == 200
