"""What the death of workers costs: `kill -9` in the middle of files of 20 ms, beside peers in the same run.

    python -m benchmarks.recovery [--files 400] [--rounds 1] [--peers Dask] [--quick]

Each engine scores the files three times: in peace, with one worker killed after a quarter of them, and with all workers
killed at once. Told for each: whether all results came; the longest time in which nothing was finished; the time lost
(total less that in peace, start-up apart); and how many files were scored a second time. Workers write down themselves
what they finish and when; a worker that was killed in the middle of a file did not finish it.
"""

from __future__ import annotations

import argparse
import contextlib
import itertools
import os
import signal
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path

from benchmarks import measuring, peers

WORK = "s0.02"
DEATHS = ("none", "one", "all")


@dataclass
class Figures:
    """What was measured of one engine and one kind of death, a value a round."""

    finished: int = 0
    wanted: int = 0
    error: str = ""
    gap: list[float] = field(default_factory=list)
    total: list[float] = field(default_factory=list)
    again: list[int] = field(default_factory=list)


class Killer:
    """Kills workers once enough is finished."""

    def __init__(self, gate: Path, deaths: str, after: int) -> None:
        self.killed: list[int] = []
        self._gate, self._deaths, self._after = gate, deaths, after
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._wait, daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Stop waiting."""
        self._stop.set()
        self._thread.join()

    def _wait(self) -> None:
        while self._deaths != "none" and not self._stop.wait(0.005):
            if len(list(_finished(self._gate))) >= self._after:
                self.killed = _workers(self._gate)[: 1 if self._deaths == "one" else None]
                for pid in self.killed:
                    with contextlib.suppress(ProcessLookupError):
                        os.kill(pid, signal.SIGKILL)
                return


def _workers(gate: Path) -> list[int]:
    return sorted(int(path.stem) for path in gate.glob("*.go"))


def _finished(gate: Path) -> Iterator[tuple[str, float]]:
    for path in gate.glob("*.done"):
        for line in path.read_text().splitlines():
            file, _, moment = line.rpartition(" ")
            yield file, float(moment)


def one(contender: peers.Contender, deaths: str, figures: Figures, options: argparse.Namespace) -> None:
    """Let an engine score the files once, under these deaths."""
    with measuring.gate(options.workers, record=True) as gate:
        killer = Killer(gate, deaths, options.files // 4)
        try:
            end = contender([f"{gate}/{WORK}/{number}" for number in range(options.files)], options.workers)
        except Exception as error:  # noqa: BLE001 - how peers break is what is measured
            figures.error, end = type(error).__name__, time.monotonic()
        finally:
            killer.close()
        found = list(_finished(gate))
        moments = [measuring.opened(gate), *sorted(moment for _, moment in found)]
    files = {file for file, _ in found}
    figures.finished, figures.wanted = figures.finished + len(files), figures.wanted + options.files
    figures.again.append(len(found) - len(files))
    figures.gap.append(max(after - before for before, after in itertools.pairwise(moments)))
    figures.total.append(end - moments[0])


def report(figures: dict[tuple[str, str], Figures], ideal: float) -> None:
    """Print the medians."""
    rows = []
    for (name, deaths), found in figures.items():
        calm = measuring.median(figures[name, "none"].total)
        share = f"{100 * found.finished / found.wanted:.0f} %" + (f", {found.error}" if found.error else "")
        lost = "-" if found.error or deaths == "none" else f"{measuring.median(found.total) - calm:.2f}"
        total, gap = measuring.median(found.total), measuring.median(found.gap)
        rows.append([f"{name}: {deaths}", share, f"{gap:.2f}", f"{total:.2f}", lost, sum(found.again)])
    measuring.show(["killed", "finished", "longest gap s", "total s", "time lost s", "scored again"], rows)
    print(f"Ideal: {ideal:.2f} s; medians; load {measuring.load()}.")


def parsed() -> argparse.Namespace:
    """Return the options."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--files", type=int, default=400)
    parser.add_argument("--rounds", type=int, default=1)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--peers", help="names, separated by commas; 'none'; all that are installed by default")
    parser.add_argument("--quick", action="store_true", help="one round of 20 files")
    options = parser.parse_args()
    if options.quick:
        options.files, options.rounds = 20, 1
    options.peers = options.peers.split(",") if options.peers else None
    return options


def main() -> None:
    """Measure all, and report."""
    options = parsed()
    engines = peers.contenders(options.peers)
    del engines["plain loop"]  # its worker is this process
    print(measuring.about(Path(tempfile.gettempdir()), peers.PACKAGES))
    for name in peers.missing(options.peers):
        print(f"{name} is not installed and left out: pip install 'azure-batch-endpoints[bench]'")
    figures = {(name, deaths): Figures() for name in engines for deaths in DEATHS}
    with ExitStack() as stack:
        stack.callback(peers.end_joblib)
        if "Ray Data" in engines:
            stack.enter_context(peers.ray_cluster(options.workers))
        for number in range(options.rounds):
            for name, deaths in figures:
                measuring.note(f"round {number + 1} of {options.rounds}: {name}, killed: {deaths}")
                one(engines[name], deaths, figures[name, deaths], options)
    report(figures, options.files * 0.02 / options.workers)


if __name__ == "__main__":
    main()
