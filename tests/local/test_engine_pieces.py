"""Tries as they are told, and mini-batches taken apart to find the files that fail, with real worker processes."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from azure_batch_endpoints.local.engines.base import Limits, Outcome
from tests.local.engine_bench import Bench, batches, bench_in

ISOLATE = Limits(workers=2, timeout=20, max_tries=2, group_seconds=0.02, isolate=True)


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    yield from bench_in(tmp_path)


def poison(deed: str, *guilty: int) -> str:
    names = [f"/data/{n}.png" for n in guilty]
    return f"""
        import ctypes, os, sys, time
        def init(): pass
        def run(mini_batch):
            for file in mini_batch:
                if file in {names}:
                    {deed}
            return mini_batch
    """


def test_every_failed_try_is_told_also_of_what_succeeded_in_the_end(bench: Bench) -> None:
    bench.script("""
        from pathlib import Path
        def init(): pass
        def run(mini_batch):
            marks = [Path(__file__).with_name(name) for name in ("once", "twice")]
            for mark in marks:
                if not mark.exists():
                    mark.touch()
                    raise KeyError(mark.name)
            return mini_batch
    """)
    bench.limits = Limits(workers=1, max_tries=3)

    (outcome,) = bench.score(batches(1))

    assert (outcome.status, outcome.attempts, outcome.failure) == ("succeeded", 3, None)
    assert [(one.number, one.worker, one.failure.summary) for one in outcome.tries] == [
        (1, "process000", "KeyError: 'once' in score.py:9"),
        (2, "process000", "KeyError: 'twice' in score.py:9"),
    ]
    assert all(0 <= one.seconds < 5 for one in outcome.tries)


def test_the_last_failed_try_is_told_with_the_others(bench: Bench) -> None:
    bench.script(poison("os._exit(3)", 0))

    (outcome,) = bench.score(batches(1))

    assert [one.failure.type for one in outcome.tries] == ["WorkerDied", "WorkerDied"]
    assert len({one.worker for one in outcome.tries}) == 2
    assert outcome.failure == outcome.tries[-1].failure


@pytest.mark.parametrize(
    ("deed", "failure"),
    [
        ("raise ValueError(file)", "ValueError"),
        ("os._exit(1)", "WorkerDied"),
        ("ctypes.string_at(0)", "WorkerDied"),
        ("return None", "WrongReturnType"),
        ("return [one for one in mini_batch if one != file]", "ShortReturn"),
    ],
)
def test_the_guilty_files_are_found_and_their_neighbours_keep_their_rows(bench: Bench, deed: str, failure: str) -> None:
    bench.script(poison(deed, 3, 9))
    bench.limits = ISOLATE

    first, second = bench.score(batches(12, size=8))

    assert (first.status, first.failed, first.rows, first.part) == ("partial", (3,), 7, None)
    assert (second.status, second.failed, second.rows) == ("partial", (9,), 3)
    guilty = [piece for piece in first.pieces if piece.failed]
    assert [(piece.first, piece.last) for piece in guilty] == [(3, 3)]
    assert guilty[0].failure is not None
    assert guilty[0].failure.type == failure
    assert bench.rows([first, second]) == "".join(f"/data/{n}.png\n" for n in range(12) if n not in {3, 9})


def test_a_file_that_hangs_is_found_too(bench: Bench) -> None:
    bench.script(poison("time.sleep(60)", 2))
    bench.limits = Limits(workers=2, timeout=1, max_tries=1, isolate=True)

    (outcome,) = bench.score(batches(4, size=4))

    assert (outcome.failed, outcome.rows) == ((2,), 3)
    assert {one.failure.type for one in outcome.tries} == {"Timeout"}


def test_pieces_cover_the_mini_batch_in_order_and_sum_up_to_it(bench: Bench) -> None:
    bench.script(poison("raise ValueError(file)", 1, 6))
    bench.limits = ISOLATE

    (outcome,) = bench.score(batches(7, size=7))

    spans = [(piece.first, piece.last) for piece in outcome.pieces]
    assert [index for first, last in spans for index in range(first, last + 1)] == list(range(7))
    assert outcome.failed == (1, 6)
    assert outcome.rows == sum(piece.rows for piece in outcome.pieces) == 5
    assert outcome.attempts == max(piece.attempts for piece in outcome.pieces)
    assert outcome.seconds == pytest.approx(sum(piece.seconds for piece in outcome.pieces))
    assert (outcome.failure, outcome.row_format, outcome.sources) == (None, None, None)


def test_a_single_file_has_all_its_tries_and_a_piece_of_several_has_one(bench: Bench) -> None:
    bench.script(poison("raise ValueError(len(mini_batch))", 0))
    bench.limits = Limits(workers=1, max_tries=3, isolate=True)

    (outcome,) = bench.score(batches(4, size=4))

    assert [(one.number, one.failure.message) for one in outcome.tries] == [
        *((number, "4") for number in (1, 2, 3)),
        (1, "2"),
        *((number, "1") for number in (1, 2, 3)),
    ]
    assert [(piece.first, piece.last, piece.attempts) for piece in outcome.pieces] == [(0, 0, 7), (1, 1, 5), (2, 3, 4)]
    assert outcome.attempts == 7
    assert "mini-batch 0, file 0 alone, try 3 of 3: ValueError: 1" in bench.log("logs/user/error.txt")
    assert "mini-batch 0, files 0 to 1, try 1 of 1: ValueError: 2" in bench.log("logs/user/error.txt")


def test_what_fails_only_together_succeeds_in_pieces(bench: Bench) -> None:
    bench.script("""
        def init(): pass
        def run(mini_batch):
            if len(mini_batch) > 1:
                raise MemoryError("too many at once")
            return mini_batch
    """)
    bench.limits = ISOLATE

    (outcome,) = bench.score(batches(4, size=4))

    assert (outcome.status, outcome.failed, outcome.rows) == ("succeeded", (), 4)
    assert {one.failure.type for one in outcome.tries} == {"MemoryError"}


def test_nothing_is_taken_apart_unless_asked(bench: Bench) -> None:
    bench.script(poison("raise ValueError(file)", 1))

    (outcome,) = bench.score(batches(4, size=4))

    assert (outcome.status, outcome.failed, outcome.pieces) == ("failed", (0, 1, 2, 3), ())


def test_rows_of_a_short_return_are_used_once_only(bench: Bench) -> None:
    bench.script("def init(): pass\ndef run(files): return [f for f in files if '/5.' not in f]")
    bench.limits = ISOLATE

    outcomes = bench.score(batches(8, size=8))

    assert bench.rows(outcomes) == "".join(f"/data/{n}.png\n" for n in range(8) if n != 5)
    assert outcomes[0].failed == (5,)


def test_a_file_whose_rows_are_missing_even_alone_fails(bench: Bench) -> None:
    bench.script("def init(): pass\ndef run(files): return []")
    bench.limits = ISOLATE

    (outcome,) = bench.score(batches(3, size=3))

    assert (outcome.status, outcome.failed, outcome.rows) == ("failed", (0, 1, 2), 0)
    assert {piece.failure and piece.failure.type for piece in outcome.pieces} == {"ShortReturn"}


def test_other_mini_batches_are_scored_while_pieces_of_one_hang(bench: Bench) -> None:
    bench.script(poison("time.sleep(60)", *range(8)))
    bench.limits = Limits(workers=2, timeout=0.4, max_tries=1, group_seconds=0, isolate=True)
    order: list[int] = []

    for group in bench.engine().run(batches(80, size=8)):
        order += [outcome.number for outcome in group]

    assert sorted(order) == list(range(10))
    assert order[-1] == 0


def test_cancelling_and_closing_end_a_search_in_the_middle(bench: Bench) -> None:
    bench.script(poison("time.sleep(.05); raise ValueError(file)", *range(1, 64)))
    bench.limits = Limits(workers=2, max_tries=2, group_seconds=0, isolate=True)
    cancel = threading.Event()
    outcomes: list[Outcome] = []

    for group in bench.engine().run(batches(65, size=64), cancel):
        outcomes += group
        cancel.set()
    with closing(bench.engine().run(batches(65, size=64))) as groups:
        outcomes += next(groups)

    assert [outcome.number for outcome in outcomes] == [1, 1]
    assert bench.no_process_is_left()


def test_retries_leave_half_of_the_workers_to_others(bench: Bench) -> None:
    bench.script(poison("time.sleep(60)", 0, 1))
    bench.limits = Limits(workers=2, timeout=1, max_tries=3, group_seconds=0)
    began, ended = time.monotonic(), {}

    for group in bench.engine().run(batches(7)):
        ended.update({outcome.number: time.monotonic() - began for outcome in group})

    assert max(ended[number] for number in range(2, 7)) < min(ended[0], ended[1])
