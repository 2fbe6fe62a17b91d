"""When which worker had which mini-batch in work: kept by the ledger, grouped so that a drawing holds it."""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from azure_batch_endpoints.local.engines.base import Failure, Outcome, Piece, Try
from azure_batch_endpoints.local.ledger import Ledger
from azure_batch_endpoints.local.ledger_file import LedgerFile
from azure_batch_endpoints.local.plan import InputItem
from azure_batch_endpoints.local.timeline import MOST_BARS, timeline

WRONG = Failure("KeyError", "'age'", None, "score.py", 31)
BEGAN = 1_700_000_000.0


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[Ledger]:
    with Ledger(tmp_path / "ledger.sqlite", 2) as ledger:
        ledger.add_inputs(InputItem(index, f"{index}.png", "", 1) for index in range(40_000))
        ledger.seal()
        yield ledger


def done(number: int, worker: str = "process000", *, after: float = 0.0, seconds: float = 0.5) -> Outcome:
    return Outcome(number, "succeeded", 2, (), 1, worker, seconds, started=BEGAN + after)


def lost(number: int, worker: str, *, after: float) -> Try:
    return Try(number, worker, 0.25, WRONG, BEGAN + after)


def test_mini_batches_tell_worker_start_and_why_they_failed_in_plan_order(ledger: Ledger) -> None:
    last = lost(2, "process001", after=1.0)
    bad = replace(
        done(1, "process001", after=1.0), status="failed", failed=(2, 3), attempts=2, failure=WRONG, tries=(last,)
    )
    ledger.record([bad, done(0), replace(done(3), worker=None, started=None, attempts=0)])

    found = list(ledger.mini_batches())

    assert [(one.number, one.status, one.worker, one.started, one.error_type) for one in found] == [
        (0, "succeeded", "process000", BEGAN, None),
        (1, "failed", "process001", BEGAN + 1.0, "KeyError"),
        (3, "succeeded", None, None, None),
    ]
    assert [one.number for one in ledger.mini_batches(after=0, limit=1)] == [1]


def test_a_timeline_has_every_try_once(ledger: Ledger) -> None:
    first, last = lost(1, "process000", after=0.0), lost(2, "process001", after=1.0)
    ended = done(0, "process001", after=1.0, seconds=0.25)
    failed = replace(ended, status="failed", failed=(0, 1), attempts=2, failure=WRONG, tries=(first, last))
    saved = replace(done(1, after=2.0), attempts=2, tries=(lost(1, "process001", after=1.5),))
    ledger.record([failed, saved])

    found = ledger.timeline()

    told = [(bar.worker, bar.started - BEGAN, bar.first, bar.mini_batches, bar.failed, bar.lost) for bar in found.bars]
    assert told == [
        ("process000", 0.0, 0, 0, 0, 1),
        ("process000", 2.0, 1, 1, 0, 0),
        ("process001", 1.0, 0, 1, 1, 0),
        ("process001", 1.5, 1, 0, 0, 1),
    ]
    assert found.workers == 2


def test_a_mini_batch_that_was_split_is_drawn_by_its_pieces_and_the_tries_before(ledger: Ledger) -> None:
    whole, last = lost(1, "process001", after=0.0), lost(1, "process000", after=2.0)
    pieces = (
        Piece(0, 0, (0,), 2, "process000", 0.25, failure=WRONG, started=BEGAN + 2.0),
        Piece(1, 1, (), 2, "process001", 0.5, 1, started=BEGAN + 1.0),
    )
    split = replace(done(0, seconds=0.75, after=2.0), status="partial", failed=(0,), attempts=2, failure=WRONG)
    ledger.record([replace(split, tries=(whole, last), pieces=pieces), done(1, after=3.0)])

    found = ledger.timeline().bars

    told = [(bar.worker, bar.started - BEGAN, bar.items, bar.failed, bar.partial, bar.lost) for bar in found]
    assert told == [
        ("process000", 2.0, 1, 1, 0, 0),
        ("process000", 3.0, 2, 0, 0, 0),
        ("process001", 0.0, 0, 0, 0, 1),
        ("process001", 1.0, 1, 0, 0, 0),
    ]
    assert sum(bar.mini_batches for bar in found) == 2


def test_many_tries_become_few_bars_that_sum_them_up(ledger: Ledger) -> None:
    ledger.record([done(number, f"process{number % 4:03}", after=number * 0.01) for number in range(20_000)])

    found = ledger.timeline()

    assert MOST_BARS / 2 <= len(found.bars) <= MOST_BARS + 8
    assert sum(bar.mini_batches for bar in found.bars) == 20_000
    assert sum(bar.items for bar in found.bars) == 40_000
    assert all(bar.started < bar.ended and bar.first <= bar.last for bar in found.bars)


def test_there_are_lanes_of_the_first_workers_only(ledger: Ledger) -> None:
    ledger.record([done(number, f"process{number % 100:03}", after=number * 0.01) for number in range(2000)])

    found = ledger.timeline()

    assert found.workers == 100
    assert sorted({bar.worker for bar in found.bars}) == [f"process{number:03}" for number in range(40)]
    assert len(found.bars) <= MOST_BARS + 80


def test_a_job_that_has_not_begun_has_no_bars(ledger: Ledger) -> None:
    assert ledger.timeline().bars == ()
    ledger.record([replace(done(0), worker=None, started=None)])
    assert ledger.timeline().bars == ()


def test_a_ledger_of_the_release_before_is_brought_up_to_date_and_has_no_times(tmp_path: Path) -> None:
    path = tmp_path / "ledger.sqlite"
    with Ledger(path, 2) as ledger:
        ledger.add_inputs([InputItem(0, "0.png", "", 1), InputItem(1, "1.png", "", 1)])
        ledger.record([done(0)])
    with contextlib.closing(sqlite3.connect(path)) as database:
        database.executescript(
            "ALTER TABLE mini_batches DROP COLUMN started; ALTER TABLE tries DROP COLUMN started;"
            " ALTER TABLE pieces DROP COLUMN started;"
            " PRAGMA user_version = 2;"
        )

    with Ledger(path) as ledger:
        assert [one.started for one in ledger.mini_batches()] == [None]
        assert ledger.timeline().bars == ()
        ledger.add_inputs([InputItem(2, "2.png", "", 1), InputItem(3, "3.png", "", 1)])
        ledger.record([done(1)])
        assert [bar.first for bar in ledger.timeline().bars] == [1]


def test_a_timeline_of_a_file_is_grouped_as_far_as_asked(ledger: Ledger, tmp_path: Path) -> None:
    ledger.record([done(number, after=number * 1.0) for number in range(50)])
    file = LedgerFile(tmp_path / "ledger.sqlite")
    with contextlib.closing(file):
        assert len(timeline(file, 50).bars) == 50
        assert len(timeline(file, 10).bars) <= 11


def test_of_very_many_mini_batches_every_so_manieth_is_read_and_every_failure(
    ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("azure_batch_endpoints.local.timeline.MOST_READ", 100)
    outcomes = [done(number, after=number * 0.01) for number in range(1000)]
    outcomes[501] = replace(outcomes[501], status="failed", failed=(1002, 1003), failure=WRONG)
    ledger.record(outcomes)

    found = ledger.timeline()

    assert found.every == 10
    assert sum(bar.mini_batches for bar in found.bars) == 1001  # in about: the failed one counts for itself
    assert sum(bar.failed for bar in found.bars) == 1
