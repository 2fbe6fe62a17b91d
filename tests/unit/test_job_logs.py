"""The log files of a job: their bounds, a full disk, several threads, a new day."""

from __future__ import annotations

import errno
import os
import threading
from collections.abc import Iterator
from contextlib import closing
from datetime import datetime, timedelta, timezone
from pathlib import Path

import pytest

from azure_batch_endpoints.items import JobProgress
from azure_batch_endpoints.local import log_file
from azure_batch_endpoints.local.engines.base import Failure
from azure_batch_endpoints.local.log_file import LogFile
from azure_batch_endpoints.local.logfiles import JobLogs

NOON = datetime(2026, 1, 2, 12, tzinfo=timezone.utc)


class Clock:
    """Time that goes on when told to."""

    def __init__(self) -> None:
        self.now = NOON

    def __call__(self) -> datetime:
        return self.now


def progress(done: int, total: int | None = 100) -> JobProgress:
    return JobProgress(
        done=done, failed=0, total=total, items_done=done, items_failed=0, items_total=total, items_per_second=1, eta=1
    )


@pytest.fixture
def logs(tmp_path: Path) -> Iterator[JobLogs]:
    with closing(JobLogs(tmp_path)) as logs:
        yield logs


@pytest.fixture
def disk(monkeypatch: pytest.MonkeyPatch) -> dict[str, bool]:
    """A disk that is full when told to be."""
    state, write = {"full": False}, os.write

    def sometimes(descriptor: int, data: bytes) -> int:
        if state["full"]:
            raise OSError(errno.ENOSPC, "No space left on device")
        return write(descriptor, data)

    monkeypatch.setattr("azure_batch_endpoints.local.log_file.os.write", sometimes)
    return state


def test_a_log_file_ends_with_a_word_on_where_to_go_on(tmp_path: Path) -> None:
    path = tmp_path / "deep/er/log.txt"
    with closing(LogFile(path, most=100)) as file:
        for number in range(50):
            file.add(f"line {number:02}\n")
    with closing(LogFile(path, most=100)) as again:
        again.add("one more\n")

    lines = path.read_text().splitlines()
    assert lines == [*(f"line {n:02}" for n in range(12)), log_file.FULL.rstrip()]


def test_lines_wait_for_room_on_the_disk_in_order(tmp_path: Path, disk: dict[str, bool]) -> None:
    with closing(JobLogs(tmp_path)) as logs:
        logs.controller("before")
        disk["full"] = True
        for number in range(3):
            logs.controller(f"during {number}")
            logs.attempt("process000", "a try")
            logs.error("process000", "mini-batch 0", Failure("KeyError", "'age'"))
        logs.flush()
        logs.worker_ended("process000")
        disk["full"] = False
        logs.controller("after")
        logs.flush()

    words = [line.partition(" ")[2] for line in (tmp_path / "user_logs/std_log_0.txt").read_text().splitlines()]
    assert words == ["before", "during 0", "during 1", "during 2", "after"]
    assert (tmp_path / "logs/sys/node/node0/process000.txt").read_text().count("a try") == 3


def test_no_more_than_a_bounded_part_waits_for_room_and_the_newest_lines_are_kept(
    tmp_path: Path, disk: dict[str, bool]
) -> None:
    disk["full"] = True
    with closing(LogFile(tmp_path / "log.txt")) as file:
        for number in range(100_000):
            file.add(f"line {number}\n")
        disk["full"] = False

    text = (tmp_path / "log.txt").read_text()
    assert len(text) < log_file.MOST_WAITING + log_file.WRITE_AT + 1000
    assert text.startswith("[... lines lost: there was no room on the disk ...]\nline ")
    assert text.endswith("line 99998\nline 99999\n")


def test_a_folder_that_cannot_be_made_does_not_fail_a_job(tmp_path: Path) -> None:
    (tmp_path / "logs").write_text("a file where a folder should be")

    with closing(JobLogs(tmp_path)) as logs:
        logs.controller("fine")
        logs.progress(progress(1))
        logs.result("done", failed=True)
        logs.worker_started("process000", os.getpid())

    assert "fine" in (tmp_path / "user_logs/std_log_0.txt").read_text()


def test_lines_of_many_threads_are_whole_and_those_after_the_end_go_nowhere(tmp_path: Path) -> None:
    logs = JobLogs(tmp_path)

    def write(number: int) -> None:
        for _ in range(200):
            logs.controller(f"{number} {'x' * 500}")

    threads = [threading.Thread(target=write, args=(number,)) for number in range(5)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    logs.close()
    logs.controller("late")
    logs.progress(progress(2))
    logs.flush()
    logs.worker_ended("process000")

    lines = (tmp_path / "user_logs/std_log_0.txt").read_text().splitlines()
    assert len(lines) == 1000
    assert {line.partition(" ")[2][1:] for line in lines} == {f" {'x' * 500}"}


def test_the_progress_has_a_new_file_each_day_and_not_a_line_for_each_call(tmp_path: Path) -> None:
    clock = Clock()
    with closing(JobLogs(tmp_path, clock=clock)) as logs:
        for done in range(1000):
            logs.progress(progress(done, None))
        clock.now += timedelta(days=1)
        logs.progress(progress(1000, None))

    first, second = sorted((tmp_path / "logs").glob("job_progress_overview.*.txt"))
    assert (first.name, second.name) == tuple(f"job_progress_overview.2026010{day}12.txt" for day in (2, 3))
    assert 0 < first.read_text().count("\n") < 100
    assert "1000 of ? done" in second.read_text()


def test_the_last_progress_and_that_of_a_finished_job_are_always_there(tmp_path: Path) -> None:
    with closing(JobLogs(tmp_path)) as logs:
        for done in range(100):
            logs.progress(progress(done))
        logs.progress(progress(100))
        logs.result("100 of 100", failed=False)

    (overview,) = (tmp_path / "logs").glob("job_progress_overview.*.txt")
    *_, last, result = overview.read_text().splitlines()
    assert "100 of 100 done" in last and result.endswith("Z 100 of 100")
    assert "100 of 100 done" in (tmp_path / "logs/sys/master_role.txt").read_text()


def test_workers_that_end_leave_no_file_open(tmp_path: Path, logs: JobLogs) -> None:
    def opened() -> int:
        return len(os.listdir("/dev/fd"))

    before = opened()
    for number in range(50):
        name = f"process{number:03}"
        for stream in logs.worker_streams(name):
            stream.close()
        logs.worker_started(name, os.getpid())
        logs.error(name, "mini-batch 0", Failure("WorkerDied", "exit code 1"))
        logs.flush()
        logs.worker_ended(name)

    assert opened() - before <= 3  # those of the whole job
    assert logs.next_worker() == 50


def test_a_death_is_in_the_systems_errors_and_an_exception_is_not(tmp_path: Path, logs: JobLogs) -> None:
    logs.error("process000", "mini-batch 0, try 1 of 2", Failure("ValueError", "bad", "Traceback: bad"))
    logs.error("process000", "mini-batch 1, try 1 of 2", Failure("WorkerDied", "exit code 1"))
    logs.flush()

    system = (tmp_path / "logs/sys/error/node0/process000.txt").read_text()
    assert "exit code 1" in system and "bad" not in system
    assert (tmp_path / "logs/user/error.txt").read_text().count("\n") == 2


def test_what_a_node_and_its_workers_use_is_written_down(tmp_path: Path, logs: JobLogs) -> None:
    logs.worker_started("process000", os.getpid())

    folder = tmp_path / "logs/perf/node0"
    tables = {path.name: path.read_text().splitlines() for path in folder.glob("*.csv")}
    assert {name: len(lines) for name, lines in tables.items()} == {
        "node_disk_usage.csv": 2,
        "node_resource_usage.csv": 2,
        "processes_resource_usage.csv": 2,
    }
    for head, line in tables.values():
        assert head.count(",") == line.count(",")
    _, process, pid, seconds, resident, threads = tables["processes_resource_usage.csv"][1].split(",")
    assert (process, int(pid)) == ("process000", os.getpid())
    assert float(seconds) > 0 and int(resident) > 1 << 20 and int(threads) >= 1
    (listed,) = folder.glob("os/*/processes_*")
    assert str(os.getpid()) in listed.read_text()
