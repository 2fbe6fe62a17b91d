"""A scoring script, the engine that runs it with real worker processes, and what they leave behind."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from textwrap import dedent

from azure_batch_endpoints.local.engines.base import Limits, Outcome, StagedBatch, WorkerSetup
from azure_batch_endpoints.local.engines.process import ProcessEngine
from azure_batch_endpoints.local.logfiles import JobLogs
from azure_batch_endpoints.local.plan import MiniBatch, number_inputs, plan
from azure_batch_endpoints.local.writer import read_rows

ECHO = """
from pathlib import Path

def init():
    pass

def run(mini_batch):
    return [Path(file).name for file in mini_batch]
"""


def eventually(condition: Callable[[], bool], seconds: float = 50.0) -> bool:
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.01)
    return True


def staged(batch: MiniBatch) -> StagedBatch:
    return StagedBatch(batch.number, batch.items, tuple(f"/data/{item.path}" for item in batch.items))


def batches(files: int, size: int = 1) -> list[StagedBatch]:
    return [staged(batch) for batch in plan(number_inputs((f"{n}.png", "", 0) for n in range(files)), size)]


class Bench:
    """A scoring script and the engine that runs it."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.code = folder, folder / "code"
        self.code.mkdir()
        self.setup = WorkerSetup(
            code_dir=self.code, script="score.py", output_dir=folder / "out", parts_dir=folder / "parts"
        )
        self.limits = Limits(workers=2, timeout=20, max_tries=2, group_seconds=0.02)
        self.logs = JobLogs(folder / "job")

    def script(self, text: str) -> None:
        (self.code / "score.py").write_text(dedent(text))

    def engine(self) -> ProcessEngine:
        return ProcessEngine(self.setup, self.limits, self.logs)

    def score(self, work: list[StagedBatch]) -> list[Outcome]:
        outcomes = [outcome for group in self.engine().run(work) for outcome in group]
        return sorted(outcomes, key=lambda outcome: outcome.number)

    def rows(self, outcomes: list[Outcome]) -> str:
        results = [result for outcome in outcomes for result in (outcome.pieces or (outcome,))]
        parts = (result.part for result in results if result.part)
        return b"".join(read_rows(parts, self.setup.parts_dir)).decode()

    def log(self, pattern: str) -> str:
        return "".join(path.read_text() for path in sorted((self.folder / "job").glob(pattern)))

    def pids(self) -> list[int]:
        return [int(pid) for pid in re.findall(r"started, pid (\d+)", self.log("logs/sys/node/node0/*.txt"))]

    def no_process_is_left(self) -> bool:
        return not any(group_lives(pid) for pid in self.pids())


def group_lives(pid: int) -> bool:
    """Whether a process of the group `pid` runs; ended ones that nobody has waited for do not count."""
    for file in Path("/proc").glob("[0-9]*/stat"):
        with suppress(OSError):  # it has ended just now
            state, _, group = file.read_text().rpartition(") ")[2].split()[:3]
            if int(group) == pid and state != "Z":
                return True
    return False


def bench_in(folder: Path) -> Iterator[Bench]:
    """Yield a bench with a script that gives back the names of its files; in the end no worker is left."""
    bench = Bench(folder)
    bench.script(ECHO)
    yield bench
    bench.logs.close()
    assert bench.pids(), "no worker was started"
    assert eventually(bench.no_process_is_left)
