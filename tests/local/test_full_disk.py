"""A disk that is full in the middle of a job: it waits, says so, goes on, and its result is that of any other job."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from azure_batch_endpoints.local import patience, runner
from azure_batch_endpoints.local.logfiles import JobLogs
from azure_batch_endpoints.states import JobStatus
from tests.local.service_bench import Bench
from tests.local.small_disk import SmallDisk, small_disk

GATED = """
    import os, time
    from pathlib import Path
    def init(): pass
    def run(mini_batch):
        names = [Path(file).name for file in mini_batch]
        if "{name}" in names:
            Path({gate!r} + ".reached").touch()
            while not os.path.exists({gate!r}):
                time.sleep(0.01)
        return [name + ": " + Path(file).read_text() for name, file in zip(names, mini_batch)]
"""


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[SmallDisk]:
    with small_disk(tmp_path / "disk", "48m") as disk:
        yield disk


@pytest.fixture
def bench(disk: SmallDisk) -> Iterator[Bench]:
    bench = Bench.open(disk.path / "root")
    yield bench
    bench.close()


@pytest.fixture
def said(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What jobs say, also while it cannot be written to their logs."""
    lines: list[str] = []
    say = JobLogs.controller

    def heard(logs: JobLogs, text: str) -> None:
        lines.append(text)
        say(logs, text)

    monkeypatch.setattr(JobLogs, "controller", heard)
    return lines


def waits(said: list[str]) -> bool:
    return any("waits for room" in line for line in said)


def goes_on(said: list[str]) -> bool:
    return any("There is room on the disk again" in line for line in said)


def put_files(bench: Bench, count: int, content: str = "n") -> str:
    for number in range(count):
        bench.put(f"data/{number:03}.txt", f"{content}{number}")
    return "".join(f"{number:03}.txt: {content}{number}\n" for number in range(count))


@pytest.mark.parametrize("name", ["000.txt", "030.txt", "059.txt"])
def test_a_disk_that_is_full_while_a_mini_batch_is_scored_changes_nothing_of_the_result(
    bench: Bench, disk: SmallDisk, said: list[str], tmp_path: Path, name: str
) -> None:
    expected = put_files(bench, 60)
    gate = tmp_path / "gate"
    row = bench.submit(GATED.format(name=name, gate=str(gate)), max_concurrency_per_instance=2)
    bench.wait_for(row, lambda _job: Path(f"{gate}.reached").exists())
    disk.fill()
    gate.touch()
    bench.wait_for(row, lambda _job: waits(said))
    assert bench.job(row.name).status is JobStatus.RUNNING
    disk.empty()
    job = bench.wait(row)
    assert (job.status, job.error) == (JobStatus.COMPLETED, None)
    assert bench.output(job) == expected
    assert goes_on(said)
    assert json.loads(job.progress or "")["items_failed"] == 0


def test_inputs_and_results_larger_than_the_room_there_is_wait_for_more(
    bench: Bench, disk: SmallDisk, said: list[str]
) -> None:
    expected = put_files(bench, 40, "x" * 200_000)  # 8 MB in the store, as many of rows, of the joined ones, of output
    row = bench.row()
    disk.fill(but=12 << 20)
    bench.state.add_job(row)
    bench.scheduler.submit(row.name)
    bench.wait_for(row, lambda _job: waits(said))
    disk.empty()
    job = bench.wait(row)
    assert (job.status, job.error) == (JobStatus.COMPLETED, None)
    assert bench.output(job) == expected
    log = bench.log(job)
    assert "waits for room" in log and "There is room on the disk again" in log


def test_a_job_that_waits_for_room_is_cancelled_at_once(bench: Bench, disk: SmallDisk, said: list[str]) -> None:
    put_files(bench, 40, "x" * 200_000)
    row = bench.row()
    disk.fill(but=4 << 20)
    bench.state.add_job(row)
    bench.scheduler.submit(row.name)
    bench.wait_for(row, lambda _job: waits(said))
    bench.scheduler.cancel(row.name)
    bench.wait_for(row, lambda _job: any("Stopped before the end" in line for line in said))
    disk.empty()
    assert bench.wait(row).status is JobStatus.CANCELED


def test_a_disk_that_stays_full_fails_the_job_in_the_end_and_says_what_to_do(
    bench: Bench, disk: SmallDisk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(patience, "LONG_SECONDS", 0.5)
    monkeypatch.setattr(runner, "LAST_SECONDS", 0.1)
    put_files(bench, 8, "x" * 1_000_000)
    row = bench.row(mini_batch_size=8)
    disk.fill(but=5 << 20)
    bench.state.add_job(row)
    bench.scheduler.submit(row.name)
    job = bench.wait(row)
    assert job.status is JobStatus.FAILED
    assert job.error and "There is no space left on the disk of" in job.error and "Make room there" in job.error
