"""Many jobs at once: in order, as slots come free; and a cancel that ends a job whatever it is at."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from azure_batch_endpoints.errors import TransportError
from azure_batch_endpoints.local import buckets, runner
from azure_batch_endpoints.local.buckets import EmbeddedBucket, StoredFile
from azure_batch_endpoints.local.control import Interrupted, JobControl
from azure_batch_endpoints.local.job import JobRow
from azure_batch_endpoints.local.scheduler import Scheduler
from azure_batch_endpoints.states import JobStatus
from tests.local.service_bench import Bench

SOON = 8.0
"""Seconds in which a cancelled job has ended, on a machine that has other things to do as well."""


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    bench = Bench.open(tmp_path / "root")
    yield bench
    bench.close()


def cancelled(bench: Bench, row: JobRow) -> JobRow:
    bench.scheduler.cancel(row.name)
    return bench.wait(row, SOON)


def test_twenty_jobs_queued_at_once_are_scored_in_the_order_they_came(bench: Bench) -> None:
    bench.put("data/a.txt", "one")
    rows = [bench.submit() for _ in range(20)]
    jobs = [bench.wait(row, 60) for row in rows]
    assert {job.status for job in jobs} == {JobStatus.COMPLETED}
    assert [bench.output(job) for job in jobs] == ["a.txt: one\n"] * 20
    started = [job.started_at or "" for job in jobs]
    assert all(one < later for one, later in zip(started, started[3:], strict=False))  # two go on at once


def test_two_hundred_jobs_start_in_order_never_more_than_there_are_slots_and_all_end(bench: Bench) -> None:
    began: list[str] = []
    at_once: list[int] = []
    running: set[str] = set()
    lock = threading.Lock()

    def run(job: JobRow, _workers: int, control: JobControl) -> None:
        with lock:
            began.append(job.name)
            running.add(job.name)
            at_once.append(len(running))
        for status in (JobStatus.PREPARING, JobStatus.RUNNING, JobStatus.FINALIZING):
            control.enter(status)
        with lock:
            running.remove(job.name)

    scheduler = Scheduler(bench.state, run, 2)
    template = bench.row()
    names = [f"job-{number:03}" for number in range(200)]
    for name in names:
        bench.state.add_job(JobRow(name, f"run-{name}", name, "e", JobStatus.QUEUED, template.request, "2026-01-01"))
    for name in names:
        scheduler.submit(name)
    deadline = time.monotonic() + 150
    while not all(bench.job(name).status is JobStatus.COMPLETED for name in names):
        assert time.monotonic() < deadline
        time.sleep(0.02)
    assert began == names
    assert max(at_once) <= 2
    assert scheduler.close(60)


def test_closing_with_many_jobs_waiting_starts_none_of_them_and_leaves_them_for_the_next_service(bench: Bench) -> None:
    began: list[str] = []

    def run(job: JobRow, _workers: int, control: JobControl) -> None:
        began.append(job.name)
        control.cancel.wait(30)
        raise Interrupted

    scheduler = Scheduler(bench.state, run, 2)
    rows = [bench.state.add_job(bench.row()) for _ in range(10)]
    for row in rows:
        scheduler.submit(row.name)
    assert scheduler.close(60)
    assert began == [row.name for row in rows[:2]]
    assert {bench.job(row.name).status for row in rows} == {JobStatus.QUEUED}


def test_a_job_that_waits_for_its_store_is_cancelled_at_once(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    def silent(_bucket: EmbeddedBucket, _name: str) -> StoredFile | None:
        raise TransportError("no answer")

    bench.put("data/a.txt", "one")
    row = bench.row()
    with monkeypatch.context() as away:
        away.setattr(EmbeddedBucket, "find", silent)
        bench.state.add_job(row)
        bench.scheduler.submit(row.name)
        log = bench.settings.job_folder(row.name) / "run/user_logs/std_log_0.txt"
        bench.wait_for(row, lambda _job: log.exists() and "does not answer" in log.read_text())
        assert cancelled(bench, row).status is JobStatus.CANCELED


def test_a_job_whose_store_says_nothing_at_all_is_cancelled_at_once(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked, gate = threading.Event(), threading.Event()
    monkeypatch.setattr(runner, "SILENT_SECONDS", 1.0)

    def hanging(_bucket: EmbeddedBucket, _name: str) -> StoredFile | None:
        asked.set()
        gate.wait(60)
        return None

    bench.put("data/a.txt", "one")
    row = bench.row()
    with monkeypatch.context() as away:
        away.setattr(EmbeddedBucket, "find", hanging)
        bench.state.add_job(row)
        bench.scheduler.submit(row.name)
        assert asked.wait(60)
        bench.scheduler.cancel(row.name)
        bench.wait_for(row, lambda job: job.status is JobStatus.CANCELED, SOON)
        gate.set()


def test_a_job_that_stages_a_huge_file_is_cancelled_in_the_middle_of_it(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    bench.put("data/huge.bin", b"x" * (4 << 20))
    row = bench.row()
    monkeypatch.setattr(buckets, "_STEP", 8)  # as if it were a million times as large
    monkeypatch.setattr(buckets, "_SMALL", 1 << 20)
    bench.state.add_job(row)
    bench.scheduler.submit(row.name)
    staged = bench.settings.job_folder(row.name) / "inputs/huge.bin"
    bench.wait_for(row, lambda _job: staged.exists())
    assert cancelled(bench, row).status is JobStatus.CANCELED
    assert not staged.exists()
    assert not [thread.name for thread in threading.enumerate() if thread.name.startswith(("abe-feed", "staging"))]


def test_a_job_whose_environment_is_being_made_is_cancelled_and_takes_the_installer_with_it(tmp_path: Path) -> None:
    bench = Bench.open(tmp_path / "root", environments="build")
    bench.put("data/a.txt", "one")
    with socket.create_server(("127.0.0.1", 0)) as index:  # takes the installer's call, and never answers
        address = f"http://127.0.0.1:{index.getsockname()[1]}/simple"
        conda = f"dependencies:\n- pip:\n  - --index-url {address}\n  - no-such-package-anywhere\n"
        row = bench.submit(conda_file=conda)
        index.settimeout(30)
        call = index.accept()[0]
        assert cancelled(bench, row).status is JobStatus.CANCELED
        call.settimeout(SOON)
        while call.recv(1000):  # until the installer's end of it is closed: the process is gone
            pass
        call.close()
    bench.close()


def test_a_job_that_was_to_stop_when_its_service_ended_is_canceled_by_the_next_one_and_leaves_its_account(
    bench: Bench,
) -> None:
    for number in range(4):
        bench.put(f"data/{number}.txt", "x")
    row = bench.submit(
        "import time\ndef init(): pass\ndef run(m):\n    time.sleep(60 if '2.txt' in m[0] else 0)\n    return m"
    )
    bench.wait_for(row, lambda job: '"done": 1' in (job.progress or ""))
    assert bench.scheduler.close(60)
    bench.state.move_job(row.name, JobStatus.CANCEL_REQUESTED)  # as a service would have that is killed just then
    again = Bench(bench.root, bench.settings, bench.store, bench.state, bench.anew())
    again.scheduler.resume()
    assert again.wait(row).status is JobStatus.CANCELED
    assert again.read(f"out/{row.name}/_ledger.jsonl").count("\n") == 4
    assert "predictions.csv" not in again.names(f"out/{row.name}/")
    assert again.scheduler.close(60)


def test_a_job_that_waits_to_go_on_after_an_interruption_leaves_its_account_when_it_is_cancelled(bench: Bench) -> None:
    for number in range(4):
        bench.put(f"data/{number}.txt", "x")
    slow = "import time\ndef init(): pass\ndef run(m):\n    time.sleep(60 if '2.txt' in m[0] else 0)\n    return m"
    first = bench.submit(slow, max_concurrency_per_instance=2)
    second = bench.submit(slow)
    bench.wait_for(first, lambda job: '"done": 1' in (job.progress or ""))
    assert bench.scheduler.close(60)
    scheduler = bench.anew()
    bench.state.requeue(first.name)
    scheduler.cancel(first.name)
    assert bench.wait(first).status is JobStatus.CANCELED
    assert bench.read(f"out/{first.name}/_ledger.jsonl").count("\n") == 4
    scheduler.cancel(second.name)
    assert bench.job(second.name).status is JobStatus.CANCELED  # at once: it had not begun
    assert scheduler.close(60)
