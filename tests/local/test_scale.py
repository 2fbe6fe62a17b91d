"""A job of very many files: it holds a window of them, not all, in memory and on the disk."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from azure_batch_endpoints.local.ledger import Ledger
from azure_batch_endpoints.states import JobStatus
from tests.local.service_bench import Bench, put_empty

FILES = 100_000
MINI_BATCH = 20
GATED = """
    import os, time
    def init(): pass
    def run(mini_batch):
        while not os.path.exists({gate!r}):
            time.sleep(0.01)
        return [file.rpartition("/")[2] for file in mini_batch]
"""


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    bench = Bench.open(tmp_path / "root")
    yield bench
    bench.close()


def staged_files(bench: Bench, job: str) -> int:
    return sum(len(files) for _, _, files in os.walk(bench.settings.job_folder(job) / "inputs"))


def test_a_hundred_thousand_files_are_never_all_in_memory_on_the_disk_or_in_open_files(
    bench: Bench, tmp_path: Path
) -> None:
    put_empty(bench, FILES)
    gate = tmp_path / "gate"
    before = sys.getallocatedblocks()
    row = bench.submit(GATED.format(gate=str(gate)), mini_batch_size=MINI_BATCH, max_concurrency_per_instance=2)
    blocks, staged, descriptors = [], [], []

    def look() -> None:
        blocks.append(sys.getallocatedblocks() - before)
        staged.append(staged_files(bench, row.name))
        descriptors.append(len(os.listdir("/proc/self/fd")))

    def done() -> tuple[bool, int]:
        look()
        with Ledger(bench.settings.job_folder(row.name) / "ledger.sqlite") as ledger:
            return ledger.sealed, ledger.progress().done

    bench.wait_for(row, lambda job: job.status is JobStatus.RUNNING)
    bench.wait_for(row, lambda _job: done()[0], seconds=100)  # all of them are listed, none is scored
    gate.touch()
    bench.wait_for(row, lambda _job: done()[1] > 200, seconds=100)
    bench.scheduler.cancel(row.name)
    assert bench.wait(row, seconds=60).status is JobStatus.CANCELED
    look()
    assert max(blocks) < 2 * FILES  # a page and a piece of the ledger; each file held would be four and more
    assert 0 < max(staged) < 100 * MINI_BATCH
    assert staged[-1] == 0
    assert max(descriptors) < 200
