from __future__ import annotations

import contextlib
import sqlite3
import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from azure_batch_endpoints.local.engines.base import Failure, Outcome, Part, Piece, RowFormat, Try
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
    with pytest.raises(LedgerConflict, match="is of version 7; this release reads version 3"):
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
        "KeyError 'age' in score.py:31: 4 files",
        "WorkerDied the worker process was killed by SIGKILL: 1 file",
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


# ---------------------------------------------------------------------- pieces, tries, sources, places


def split(number: int, *pieces: Piece, size: int = 6) -> Outcome:
    """A mini-batch that was split."""
    failed = tuple(index for piece in pieces for index in piece.failed)
    rows = sum(piece.rows for piece in pieces)
    return Outcome(number, "partial" if rows else "failed", size, failed, 4, "w", 0.1, rows, pieces=pieces)


def piece(first: int, last: int, *failed: int, offset: int = 0, attempts: int = 2) -> Piece:
    rows = last - first + 1 - len(failed)
    part = Part("p.rows", offset, 10 * rows, rows) if rows else None
    kind = RowFormat("list") if rows else None
    failure = KEY_ERROR if failed else None
    return Piece(first, last, failed, attempts, f"process{first:03}", 0.2, rows, part, kind, (), failure)


@pytest.fixture
def six(tmp_path: Path) -> Iterator[Ledger]:
    with Ledger(tmp_path / "six.db", 6) as ledger:
        ledger.add_inputs(inputs(18))
        ledger.seal()
        yield ledger


def test_each_file_of_a_mini_batch_that_was_split_has_the_outcome_of_its_piece(six: Ledger) -> None:
    six.record([good(0, 6), split(1, piece(6, 8, offset=0), piece(9, 9, 9, attempts=5), piece(10, 11, offset=30))])

    rows = list(six.items())[6:12]
    assert [(row.status, row.attempts, row.worker, row.rows) for row in rows] == [
        *[("succeeded", 2, "process006", 3)] * 3,
        ("failed", 5, "process009", 0),
        *[("succeeded", 2, "process010", 2)] * 2,
    ]
    assert [row.error_place for row in rows] == [None] * 3 + ["score.py:31"] + [None] * 2
    assert six.progress().items_failed == 1


def test_the_rows_of_pieces_stand_where_their_mini_batch_stands(six: Ledger) -> None:
    six.record([good(2, 6)])
    six.record([split(1, piece(6, 8, offset=0), piece(9, 9, 9), piece(10, 11, offset=30)), good(0, 6)])

    assert [(unit.first, unit.last, unit.part.rows) for unit in six.units()] == [
        *[(0, 5, 6), (6, 8, 3), (10, 11, 2)],
        (12, 17, 6),
    ]
    assert [unit.first for unit in six.units(after=6)] == [10, 12]
    assert [unit.first for unit in six.units(after=0)] == [6, 10, 12]
    assert six.reconcile(17).ok


def test_tries_that_failed_are_kept_also_of_what_succeeded_in_the_end(ledger: Ledger) -> None:
    ledger.add_inputs(inputs(6))
    died = Failure("WorkerDied", "killed")
    first, second = Try(1, "process000", 0.5, KEY_ERROR), Try(2, "process003", 1.5, died)
    ledger.record([replace(good(1), tries=(first, second)), good(0)])
    ledger.record([replace(bad(2, 4, 5), tries=(first,))])

    found = list(ledger.tries())
    assert [(one.mini_batch, one.attempt) for one in found] == [(1, first), (1, second), (2, first)]
    assert list(ledger.tries(after=found[0].id, limit=1)) == [found[1]]
    assert [row.status for row in ledger.items()] == ["succeeded"] * 4 + ["failed"] * 2


def test_an_error_that_comes_again_and_again_is_kept_once(tmp_path: Path) -> None:
    with Ledger(tmp_path / "ledger.db", 2) as ledger:
        ledger.add_inputs(inputs(200))
        again = Try(1, "process000", 0.5, KEY_ERROR)
        ledger.record([replace(bad(number, 2 * number, 2 * number + 1), tries=(again,)) for number in range(100)])

        assert [cause.items for cause in ledger.causes()] == [200]
        assert sum(1 for _ in ledger.tries()) == 100
    with contextlib.closing(sqlite3.connect(tmp_path / "ledger.db")) as database:
        assert database.execute("SELECT count(*) FROM errors").fetchone() == (1,)


@pytest.mark.parametrize(
    "sources", [None, (), (3,), (0, 1, 2), (0, 0, 0, 2, 1, 1), (-1, -1, 4), (5,) * 1000, (10, 2, 2, -1, 7)]
)
def test_which_row_is_of_which_file_is_told_as_it_was_said(ledger: Ledger, sources: tuple[int, ...] | None) -> None:
    ledger.add_inputs(inputs(2))
    ledger.record([replace(good(0), sources=sources)])

    assert [unit.sources for unit in ledger.units()] == [sources]


def test_a_mini_batch_that_went_well_is_one_row_and_nothing_else(tmp_path: Path) -> None:
    with Ledger(tmp_path / "ledger.db", 2) as ledger:
        ledger.add_inputs(inputs(20))
        ledger.record([replace(good(number), sources=()) for number in range(10)])
    with contextlib.closing(sqlite3.connect(tmp_path / "ledger.db")) as database:
        counts = {
            table: database.execute(f"SELECT count(*) FROM {table}").fetchone()[0]
            for table in ("mini_batches", "pieces", "tries", "errors", "failures")
        }
        kept = database.execute("SELECT DISTINCT sources FROM mini_batches").fetchall()
    assert counts == {"mini_batches": 10, "pieces": 0, "tries": 0, "errors": 0, "failures": 0}
    assert kept == [(None,)]


def test_what_is_left_over_keeps_its_place_in_the_first_job_along_a_chain(tmp_path: Path) -> None:
    with Ledger(tmp_path / "1.db", 2) as first, Ledger(tmp_path / "2.db", 2) as second:
        first.add_inputs(inputs(10))
        first.record([good(0), bad(1, 3), bad(3, 6, 7)])
        assert [item.index for item in first.unfinished(include_pending=False)] == [3, 6, 7]
        assert [item.index for item in first.unfinished(include_pending=True)] == [3, 4, 5, 6, 7, 8, 9]

        again = first.unfinished(include_pending=False)
        second.add_inputs(replace(item, index=index) for index, item in enumerate(again))
        second.seal()
        second.record([bad(0, 1)])
        assert [
            (item.index, item.path, item.source, item.size, item.origin)
            for item in second.unfinished(include_pending=True)
        ] == [(1, "6.png", "in/6.png", 10, 6), (2, "7.png", "in/7.png", 10, 7)]
        assert second.inputs(0, 2) == [("3.png", 3), ("6.png", 6), ("7.png", 7)]


def test_what_the_job_is_is_kept_and_can_be_noted_again(ledger: Ledger) -> None:
    ledger.note_facts(name="a", retry_of=None)
    ledger.note_facts(name="b")

    assert ledger.facts() == {"name": "b", "retry_of": None}


def test_outcomes_that_could_not_be_written_can_be_written_again(ledger: Ledger) -> None:
    ledger.add_inputs(inputs(6))
    frame = RowFormat("dataframe", (("a", "int64"),))
    well = replace(good(0), row_format=frame)
    failed = bad(1, 2)
    with pytest.raises(sqlite3.IntegrityError):
        ledger.record([well, failed, bad(2, 4, 4)])  # the same input twice

    ledger.record([well, failed])

    assert ledger.row_formats() == [frame]
    error = ledger.first_error()
    assert error is not None
    assert error.failure == KEY_ERROR
    assert [unit.row_format for unit in ledger.units()] == [frame]


# ---------------------------------------------------------------------- reconciling


def changed(ledger: Ledger, path: Path, *statements: str) -> tuple[str, ...]:
    """Change a ledger behind its back and return what its reconciliation says."""
    with contextlib.closing(sqlite3.connect(path)) as database:
        for statement in statements:
            database.execute(statement)
        database.commit()
    return ledger.reconcile(parts=path.parent).problems


@pytest.mark.parametrize(
    ("statement", "problem"),
    [
        (
            "UPDATE pieces SET row_count = 4 WHERE first = 6",
            "mini-batch 1 has 6 files, 1 failed, 5 rows; its pieces have 6 files, 1 failed, 6 rows, and begin 0 files "
            "after it",
        ),
        (
            "UPDATE pieces SET last = 7 WHERE first = 6",
            "mini-batch 1 has 6 files, 1 failed, 5 rows; its pieces have 5 files, 1 failed, 5 rows, and begin 0 files "
            "after it",
        ),
        ("DELETE FROM failures", "0 inputs failed, mini-batches say 1"),
        ("UPDATE pieces SET failed = 0", "0 failed, 5 rows, and begin 0 files after it"),
        ("DELETE FROM mini_batches WHERE number = 1", "input 9 failed, but its mini-batch is not done"),
        ("DELETE FROM mini_batches WHERE number = 1", "there are pieces of mini-batch 1, which is not done"),
        ("DELETE FROM inputs WHERE idx = 3", "17 inputs are recorded, 18 were listed"),
        ("UPDATE job SET row_count = 7", "running counts (3, 18, 1, 7) differ from (3, 18, 1, 17)"),
        ("UPDATE job SET sealed = 0", "the listing was not finished"),
        (
            "UPDATE pieces SET part_offset = 20 WHERE first = 10",
            "rows from byte 20 of 'p.rows' are used twice: 0 to 30 have an owner",
        ),
        ("UPDATE pieces SET part_length = 21 WHERE first = 10", "'p.rows' has 50 bytes, its rows end at byte 51"),
        ("UPDATE pieces SET part = 'q.rows' WHERE first = 10", "'q.rows' has 0 bytes, its rows end at byte 50"),
    ],
)
def test_reconciling_says_exactly_what_differs(tmp_path: Path, statement: str, problem: str) -> None:
    (tmp_path / "p.rows").write_bytes(b"x" * 50)
    (tmp_path / "s.rows").write_bytes(b"x" * 30)
    with Ledger(tmp_path / "ledger.db", 6) as ledger:
        ledger.add_inputs(inputs(18))
        ledger.seal()
        ledger.record([good(0, 6), good(2, 6)])
        ledger.record([split(1, piece(6, 8, offset=0), piece(9, 9, 9), piece(10, 11, offset=30))])
        assert ledger.reconcile(17, parts=tmp_path).problems == ()

        assert any(problem in found for found in changed(ledger, tmp_path / "ledger.db", statement))


def test_an_account_of_a_job_that_ended_early_need_not_be_complete(ledger: Ledger) -> None:
    ledger.add_inputs(inputs(6))
    ledger.record([good(0)])

    account = ledger.reconcile(ended_early=True)
    assert (account.ok, account.inputs, account.succeeded, account.pending) == (True, 6, 2, 4)


# ---------------------------------------------------------------------- an earlier layout

VERSION_1 = """
PRAGMA user_version = 1;
CREATE TABLE job (
    id INTEGER PRIMARY KEY CHECK (id = 0), mini_batch_size INTEGER NOT NULL, sealed INTEGER NOT NULL DEFAULT 0,
    listed INTEGER NOT NULL DEFAULT 0, done INTEGER NOT NULL DEFAULT 0, failed INTEGER NOT NULL DEFAULT 0,
    items_done INTEGER NOT NULL DEFAULT 0, items_failed INTEGER NOT NULL DEFAULT 0,
    row_count INTEGER NOT NULL DEFAULT 0, rate REAL);
CREATE TABLE inputs (idx INTEGER PRIMARY KEY, path TEXT NOT NULL, source TEXT NOT NULL, size INTEGER NOT NULL);
CREATE TABLE mini_batches (
    number INTEGER PRIMARY KEY, status TEXT NOT NULL, items INTEGER NOT NULL, failed INTEGER NOT NULL,
    attempts INTEGER NOT NULL, worker TEXT, seconds REAL NOT NULL, row_count INTEGER NOT NULL,
    part TEXT, part_offset INTEGER, part_length INTEGER, row_format INTEGER REFERENCES row_formats (id));
CREATE TABLE row_formats (id INTEGER PRIMARY KEY, kind TEXT NOT NULL, columns TEXT NOT NULL, UNIQUE (kind, columns));
CREATE TABLE errors (
    id INTEGER PRIMARY KEY, mini_batch INTEGER NOT NULL, type TEXT NOT NULL, message TEXT NOT NULL, traceback TEXT,
    file TEXT, line INTEGER);
CREATE TABLE failures (idx INTEGER PRIMARY KEY, error INTEGER NOT NULL REFERENCES errors (id));
CREATE VIEW items AS
    SELECT i.idx AS idx, i.path AS path,
           CASE WHEN m.number IS NULL THEN 'pending' WHEN f.idx IS NULL THEN 'succeeded' ELSE 'failed' END
           AS status,
           i.idx / j.mini_batch_size AS mini_batch, coalesce(m.attempts, 0) AS attempts, m.worker AS worker,
           m.seconds AS seconds, e.type AS error_type, e.message AS error_message, e.traceback AS traceback
    FROM inputs i CROSS JOIN job j LEFT JOIN mini_batches m ON m.number = i.idx / j.mini_batch_size
    LEFT JOIN failures f ON f.idx = i.idx LEFT JOIN errors e ON e.id = f.error;
INSERT INTO job VALUES (0, 2, 1, 6, 2, 1, 4, 1, 3, 12.5);
INSERT INTO inputs VALUES (0, 'a', 'in/a', 1), (1, 'b', 'in/b', 2), (2, 'c', 'in/c', 3), (3, 'd', 'in/d', 4),
    (4, 'e', 'in/e', 5), (5, 'f', 'in/f', 6);
INSERT INTO row_formats VALUES (1, 'list', '[]');
INSERT INTO errors VALUES (1, 1, 'ShortReturn', 'too few', NULL, 'score.py', 7);
INSERT INTO failures VALUES (3, 1);
INSERT INTO mini_batches VALUES (0, 'succeeded', 2, 0, 1, 'process000', 0.1, 2, 's.rows', 0, 8, 1),
    (1, 'partial', 2, 1, 3, 'process001', 0.2, 1, 's.rows', 8, 4, 1);
"""


def version_1(path: Path) -> Path:
    with contextlib.closing(sqlite3.connect(path)) as database:
        database.executescript(VERSION_1)
    return path


@pytest.mark.parametrize("size", [2, None])
def test_a_ledger_of_the_first_layout_is_read_and_goes_on(tmp_path: Path, size: int | None) -> None:
    path = version_1(tmp_path / "ledger.db")
    for _ in range(2):
        with Ledger(path, size) as ledger:
            rows = list(ledger.items())
            assert [row.status for row in rows] == [*["succeeded"] * 3, "failed", *["pending"] * 2]
            assert (rows[3].error_type, rows[3].error_place, rows[3].size) == ("ShortReturn", "score.py:7", 4)
            assert [unit.sources for unit in ledger.units()] == [None, None]
            error = ledger.first_error()
            assert error is not None
            assert (error.path, error.mini_batch, error.attempts) == ("d", 1, 3)
            assert ledger.reconcile(3).ok
            assert ledger.facts() == {}
    with Ledger(path) as ledger:
        ledger.record([bad(2, 4, 5)])
        assert ledger.reconcile(3).ok
        assert [(str(cause), cause.items) for cause in ledger.causes()] == [
            ("KeyError 'age' in score.py:31: 2 files", 2),
            ("ShortReturn too few in score.py:7: 1 file", 1),
        ]


def test_a_first_layout_that_cannot_be_brought_up_to_date_stays_as_it_was(tmp_path: Path) -> None:
    path = version_1(tmp_path / "ledger.db")
    with contextlib.closing(sqlite3.connect(path)) as database:
        database.execute("CREATE TABLE pieces (mine INTEGER)")  # in the way
        database.commit()
        before = list(database.iterdump())

        with pytest.raises(sqlite3.OperationalError, match="pieces already exists"):
            Ledger(path)

        assert list(database.iterdump()) == before
        assert database.execute("PRAGMA user_version").fetchone() == (1,)
