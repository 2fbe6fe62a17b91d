"""Scoring engines side by side: what a mini-batch costs beyond the user's `run()`, and how near the ideal they come.

    python benchmarks/engine.py [--rounds 5] [--mini-batches 3000] [--workers 2]

"ours" is the engine alone; "ours, exactly once" also brings rows to the disk, commits each group to the ledger, joins
the result and counts it again. The peers only call a function (joblib keeps its workers from one call to the next). All
take turns within a round; start-up, a run of one mini-batch, is taken off.
"""

from __future__ import annotations

import argparse
import concurrent.futures
import importlib
import importlib.util
import multiprocessing
import statistics
import tempfile
import time
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from azure_batch_endpoints.local.engines.base import Limits, StagedBatch, WorkerSetup
from azure_batch_endpoints.local.engines.process import ProcessEngine
from azure_batch_endpoints.local.ledger import Ledger
from azure_batch_endpoints.local.logfiles import JobLogs
from azure_batch_endpoints.local.plan import MiniBatch, number_inputs, plan
from azure_batch_endpoints.local.writer import sync_parts, write_rows

SCRIPT = """
import time

def init():
    pass

def run(mini_batch):
    time.sleep({seconds})
    return mini_batch
"""
NAP = 0.02

Contender = Callable[[int, float, int], None]
"""Scores so many mini-batches of one file, of so many seconds each, with so many workers."""


@dataclass(frozen=True)
class Figures:
    """Seconds, a round each: start-up, one empty mini-batch, all the naps."""

    start: list[float]
    empty: list[float]
    naps: list[float]


def nap(file: str, seconds: float) -> list[str]:
    """What a peer does for one mini-batch."""
    if seconds:
        time.sleep(seconds)
    return [file]


def staged(batch: MiniBatch) -> StagedBatch:
    return StagedBatch(batch.number, batch.items, tuple(f"/data/{item.path}" for item in batch.items))


def engine_in(folder: Path, seconds: float, workers: int) -> ProcessEngine:
    code = folder / "code"
    code.mkdir()
    body = SCRIPT.format(seconds=seconds) if seconds else SCRIPT.replace("    time.sleep({seconds})\n", "")
    (code / "score.py").write_text(body)
    setup = WorkerSetup(code, "score.py", folder / "out", folder / "parts")
    return ProcessEngine(setup, Limits(workers=workers), JobLogs(folder / "job"))


def files(count: int) -> Iterator[tuple[str, str, int]]:
    return ((f"{number}.png", "", 0) for number in range(count))


def ours(count: int, seconds: float, workers: int) -> None:
    with tempfile.TemporaryDirectory() as name:
        engine = engine_in(Path(name), seconds, workers)
        scored = sum(len(group) for group in engine.run(map(staged, plan(number_inputs(files(count)), 1))))
    assert scored == count


def ours_exactly_once(count: int, seconds: float, workers: int) -> None:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        engine = engine_in(folder, seconds, workers)
        with Ledger(folder / "ledger.db", 1) as ledger:
            ledger.add_inputs(number_inputs(files(count)))
            ledger.seal()
            for group in engine.run(map(staged, ledger.pending())):
                sync_parts((outcome.part for outcome in group if outcome.part), folder / "parts")
                ledger.record(group)
            written = write_rows(ledger.parts(), folder / "parts", folder / "predictions.csv")
            assert ledger.reconcile(written.rows).ok
            assert written.rows == count


def process_pool(count: int, seconds: float, workers: int) -> None:
    context = multiprocessing.get_context("spawn")
    window: deque[concurrent.futures.Future[list[str]]] = deque()
    with concurrent.futures.ProcessPoolExecutor(workers, mp_context=context) as pool:
        for number in range(count):
            window.append(pool.submit(nap, str(number), seconds))
            if len(window) >= 2 * workers:
                window.popleft().result()
        for future in window:
            future.result()


def joblib_parallel(count: int, seconds: float, workers: int) -> None:
    joblib = importlib.import_module("joblib")
    jobs = (joblib.delayed(nap)(str(number), seconds) for number in range(count))
    parallel = joblib.Parallel(n_jobs=workers, batch_size=1, return_as="generator_unordered")
    assert sum(1 for _ in parallel(jobs)) == count


def plain_loop(count: int, seconds: float, workers: int) -> None:
    for number in range(count):
        nap(str(number), seconds)


def contenders() -> dict[str, Contender]:
    found: dict[str, Contender] = {"ours": ours, "ours, exactly once": ours_exactly_once}
    found["ProcessPoolExecutor"] = process_pool
    if importlib.util.find_spec("joblib"):
        found["joblib"] = joblib_parallel
    found["plain loop"] = plain_loop
    return found


def timed(contender: Contender, count: int, seconds: float, workers: int) -> float:
    began = time.perf_counter()
    contender(count, seconds, workers)
    return time.perf_counter() - began


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--mini-batches", type=int, default=3000)
    parser.add_argument("--naps", type=int, default=500)
    parser.add_argument("--workers", type=int, default=2)
    options = parser.parse_args()
    workers, figures = options.workers, {name: Figures([], [], []) for name in contenders()}
    for _ in range(options.rounds):
        for name, contender in contenders().items():
            start = timed(contender, 1, 0.0, workers)
            empty = (timed(contender, options.mini_batches, 0.0, workers) - start) / options.mini_batches
            naps = timed(contender, options.naps, NAP, workers) - start
            figures[name].start.append(start)
            figures[name].empty.append(empty)
            figures[name].naps.append(naps)
    report(figures, ideal=options.naps * NAP / workers)


def report(figures: dict[str, Figures], ideal: float) -> None:
    base = statistics.median(figures["ours, exactly once"].empty)
    print(f"{'':22}{'start s':>9}{'empty us':>10}{'x ours':>8}{'20 ms: % of ideal':>20}")
    for name, figure in figures.items():
        start, empty, naps = map(statistics.median, (figure.start, figure.empty, figure.naps))
        print(f"{name:22}{start:9.2f}{empty * 1e6:10.0f}{empty / base:8.2f}{100 * ideal / naps:20.1f}")


if __name__ == "__main__":
    main()
