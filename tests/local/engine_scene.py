"""A scoring script over real small files, run by the engine in real workers: for tests of what scripts may do."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from textwrap import dedent

from azure_batch_endpoints.local.engines.base import Limits, Outcome, StagedBatch, WorkerSetup
from azure_batch_endpoints.local.engines.process import ProcessEngine
from azure_batch_endpoints.local.logfiles import JobLogs
from azure_batch_endpoints.local.plan import number_inputs, plan
from azure_batch_endpoints.local.writer import read_rows


class Scene:
    """Files 0.txt, 1.txt, … (each holds its number), a script, and what the engine makes of them."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.code, self.data = folder, folder / "code", folder / "data"
        self.code.mkdir()
        self.data.mkdir()
        self.setup = WorkerSetup(
            code_dir=self.code, script="score.py", output_dir=folder / "out", parts_dir=folder / "parts"
        )
        self.limits = Limits(workers=1, timeout=20, max_tries=1, group_seconds=0.02)

    def score(self, script: str, files: int = 1, size: int = 1, **setup: object) -> list[Outcome]:
        """Score so many files; return the outcomes in plan order."""
        (self.code / "score.py").write_text(dedent(script))
        for number in range(files):
            (self.data / f"{number}.txt").write_text(str(number))
        inputs = number_inputs((f"{n}.txt", str(self.data / f"{n}.txt"), 1) for n in range(files))
        work = [
            StagedBatch(one.number, one.items, tuple(item.source for item in one.items)) for one in plan(inputs, size)
        ]
        logs = JobLogs(self.folder / "job")
        engine = ProcessEngine(replace(self.setup, **setup), self.limits, logs)  # type: ignore[arg-type] # fields of it
        try:
            outcomes = [outcome for group in engine.run(work) for outcome in group]
        finally:
            logs.close()
        return sorted(outcomes, key=lambda outcome: outcome.number)

    def text(self, outcome: Outcome) -> str:
        """Return the rows of a mini-batch as they go into the output file."""
        return b"".join(read_rows([outcome.part] if outcome.part else [], self.setup.parts_dir)).decode()

    def log(self, pattern: str) -> str:
        """Return what the log files of a pattern hold."""
        return "".join(path.read_text() for path in sorted((self.folder / "job").glob(pattern)))

    def printed(self) -> str:
        """Return what the script printed, in all workers."""
        return self.log("logs/user/stdout/node0/*.txt")

    @property
    def workers(self) -> int:
        """Worker processes that were started."""
        return len(list((self.folder / "job/logs/user/stdout/node0").iterdir()))
