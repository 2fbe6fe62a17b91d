"""Scoring engines side by side: what a mini-batch costs beyond the user's `run()`, and how near the ideal they come.

    python -m benchmarks.engine [--rounds 3] [--seconds 2] [--workers 2] [--peers Dask,joblib] [--processor] [--quick]

Mini-batches of one file: empty ones, then such as take 1, 5, 20 and 100 ms. The ideal is files x time / workers. All
engines take turns within a round. Start-up stands apart: the clock starts when all workers stand ready with a file in
hand, and stops when the caller has all results ("ours, exactly once": when the joined output is on the disk and counted
again). Who runs, and in which setting: `peers`.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path

from benchmarks import measuring, peers

MILLISECONDS = (1, 5, 20, 100)


@dataclass
class Figures:
    """What was measured of one engine, a value a round; seconds."""

    start: list[float] = field(default_factory=list)
    empty: list[float] = field(default_factory=list)
    ideal: dict[str, list[float]] = field(default_factory=dict)
    """Work ("s0.02") -> the part of the ideal that was reached."""


def one(contender: peers.Contender, work: str, count: int, workers: int) -> tuple[float, float]:
    """Let an engine score files; return the seconds until its workers were ready, and from there to the end."""
    with measuring.gate(workers) as gate:
        began = time.monotonic()
        end = contender([f"{gate}/{work}/{number}" for number in range(count)], workers)
        ready = measuring.opened(gate)
    return ready - began, end - ready


def measure(name: str, contender: peers.Contender, figures: Figures, options: argparse.Namespace) -> None:
    """Measure one engine once."""
    workers = 1 if name == "plain loop" else options.workers
    start, seconds = one(contender, "s0", options.mini_batches, workers)
    figures.start.append(start)
    figures.empty.append(seconds / options.mini_batches)
    for work in options.works:
        each = float(work[1:])
        count = max(4 * options.workers, round(options.seconds * options.workers / each))
        _, seconds = one(contender, work, count, workers)
        figures.ideal.setdefault(work, []).append(count * each / options.workers / seconds)


def report(figures: dict[str, Figures], works: Sequence[str]) -> None:
    """Print the medians."""
    base = measuring.median(figures["ours, exactly once"].empty)
    heads = ["", "start s", "empty us", "x exactly once", *(f"{float(work[1:]) * 1000:g} ms %" for work in works)]
    rows = []
    for name, found in figures.items():
        empty = measuring.median(found.empty)
        parts = [f"{100 * measuring.median(found.ideal[work]):.1f}" for work in works]
        rows.append([name, measuring.median(found.start), f"{empty * 1e6:.0f}", empty / base, *parts])
    measuring.show(heads, rows)


def parsed() -> argparse.Namespace:
    """Return the options."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--mini-batches", type=int, default=3000, help="empty ones in a round")
    parser.add_argument("--seconds", type=float, default=2.0, help="how long the ideal run of each kind takes")
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--peers", help="names, separated by commas; 'none'; all that are installed by default")
    parser.add_argument("--processor", action="store_true", help="files that compute instead of such that sleep")
    parser.add_argument("--quick", action="store_true", help="one small round, files of 1 and 5 ms")
    options = parser.parse_args()
    if options.quick:
        options.rounds, options.mini_batches, options.seconds = 1, 50, 0.02
    options.peers = options.peers.split(",") if options.peers else None
    each_takes = MILLISECONDS[:2] if options.quick else MILLISECONDS
    options.works = [f"{'c' if options.processor else 's'}{each / 1000}" for each in each_takes]
    return options


def main() -> None:
    """Measure all, and report."""
    options = parsed()
    engines = peers.contenders(options.peers)
    print(measuring.about(Path(tempfile.gettempdir()), peers.PACKAGES))
    for name in peers.missing(options.peers):
        print(f"{name} is not installed and left out: pip install 'azure-batch-endpoints[bench]'")
    figures = {name: Figures() for name in engines}
    with ExitStack() as stack:
        stack.callback(peers.end_joblib)
        if "Ray Data" in engines:
            stack.enter_context(peers.ray_cluster(options.workers))
        for number in range(options.rounds):
            for name, contender in engines.items():
                measuring.note(f"round {number + 1} of {options.rounds}: {name}")
                measure(name, contender, figures[name], options)
    report(figures, options.works)
    kind = "compute" if options.processor else "sleep"
    print(f"Medians of {options.rounds} rounds; files that {kind}; {options.workers} workers; load {measuring.load()}.")


if __name__ == "__main__":
    main()
