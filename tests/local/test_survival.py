"""Kills, hostile scripts and broken connections: the result is that of an undisturbed run, and nothing stays behind."""

from __future__ import annotations

import contextlib
import errno
import os
import signal
import socket
import sqlite3
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from azure_batch_endpoints import BatchClient, EndpointSpec, JobStatus, RetrySettings, local_path
from azure_batch_endpoints.local import patience, scheduler, scoring
from azure_batch_endpoints.local.job import JobRow
from azure_batch_endpoints.local.ledger import Ledger
from azure_batch_endpoints.local.service import LocalService
from azure_batch_endpoints.local.state import State
from tests.local.scripts import deployment, numbers
from tests.local.service_bench import Bench
from tests.local.test_service_process import request, runs, started_by, wait_until

pytestmark = pytest.mark.usefixtures("services_unmeasured")

COUNT = 24
SLOW = """
    import os, time
    def init(): pass
    def run(mini_batch):
        time.sleep(0.03)
        return [os.path.basename(path) + " " + open(path).read() for path in mini_batch]
"""
UNDISTURBED = "".join(f"{number:02}.txt {number}\n" for number in range(COUNT))


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    bench = Bench.open(tmp_path / "root")
    yield bench
    bench.close()


def ends(pid: int) -> None:
    wait_until(lambda: not runs(pid))


def port_of(base_url: str) -> socket.socket:
    """Listen in the place of a killed service, whose last thread may hold the port a moment longer."""
    bound: list[socket.socket] = []

    def bind() -> bool:
        with contextlib.suppress(OSError):
            bound.append(socket.create_server(("127.0.0.1", int(base_url.rpartition(":")[2]))))
        return bool(bound)

    wait_until(bind)
    return bound[0]


def submitted(client: BatchClient, folder: Path) -> str:
    """Make a deployment of `SLOW` and start a job of it."""
    endpoint = client.endpoints.create(EndpointSpec(name="survivor"))
    endpoint.deployments.create(deployment(folder, "blue", SLOW, mini_batch_size=1))
    # A killed worker costs its mini-batch a try.
    patient = RetrySettings(max_retries=20, timeout=10)
    data = local_path(numbers(folder / "data", COUNT))
    return endpoint.invoke(data, deployment="blue", retry_settings=patient).name


def assert_undisturbed(client: BatchClient, name: str, folder: Path) -> None:
    job = client.jobs.get(name)
    job.wait(timeout=90)
    job.results.download(folder / "results")
    assert (folder / "results/predictions.csv").read_text() == UNDISTURBED
    assert [item.status for item in job.items()] == ["succeeded"] * COUNT
    assert job.progress is not None and job.progress.items_done == job.progress.items_total == COUNT


def test_a_service_killed_again_and_again_in_a_job_ends_it_with_the_undisturbed_result(tmp_path: Path) -> None:
    root = tmp_path / "root"
    with BatchClient.local(root, workers=2) as client:
        name = submitted(client, tmp_path)
    with contextlib.ExitStack() as taken:
        for moment in (0, 1, 2):
            with LocalService.open(root, workers=2) as service:  # unlike a client, it starts none again
                wait_until(partial(has_finished, root / "jobs" / name / "ledger.sqlite", 3 * moment))
                workers = started_by(service.pid)
                os.kill(service.pid, signal.SIGKILL)
                for pid in (service.pid, *workers):
                    ends(pid)
                if moment == 1:  # the next one has another port; code and inputs were registered under this one
                    taken.enter_context(port_of(service.base_url))
        with BatchClient.local(root) as last:
            assert_undisturbed(last, name, tmp_path)
            assert [job.status for job in last.jobs.list()] == [JobStatus.COMPLETED]


def has_finished(ledger: Path, mini_batches: int) -> bool:
    if not ledger.exists():
        return False
    with contextlib.closing(sqlite3.connect(ledger)) as database, contextlib.suppress(sqlite3.OperationalError):
        return bool(database.execute("SELECT done >= ? FROM job", (mini_batches,)).fetchone()[0])
    return False


@pytest.mark.parametrize("whom", ["workers", "those that keep them"])
def test_all_workers_killed_several_times_cost_no_row_and_double_none(tmp_path: Path, whom: str) -> None:
    with BatchClient.local(tmp_path / "root", workers=2) as client:
        name = submitted(client, tmp_path)
        service = client.local_service
        assert service is not None

        def workers() -> list[int]:
            keepers = started_by(service.pid)
            return keepers if whom != "workers" else [worker for keeper in keepers for worker in started_by(keeper)]

        for moment in (2, 5):
            wait_until(partial(has_finished, tmp_path / "root/jobs" / name / "ledger.sqlite", moment))
            wait_until(workers)
            for pid in workers():
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
                ends(pid)
        assert_undisturbed(client, name, tmp_path)


def test_what_a_script_starts_in_a_session_of_its_own_ends_with_its_worker(bench: Bench) -> None:
    bench.put("data/0.txt", "n")
    job = bench.score(
        """
        import subprocess
        def init(): pass
        def run(mini_batch): return [subprocess.Popen(["sleep", "600"], start_new_session=True).pid]
        """
    )
    assert job.status is JobStatus.COMPLETED, job.error
    ends(int(bench.output(job)))


def test_what_a_killed_service_left_of_a_job_ends_when_the_job_goes_on(tmp_path: Path) -> None:
    root = tmp_path / "root"
    bench = Bench.open(root)
    bench.put("data/0.txt", "n")
    row = bench.state.add_job(
        bench.row(
            f"""
            import os, subprocess, time
            def init(): pass
            def run(mini_batch):
                if os.path.exists({str(tmp_path / "pid")!r}): return ["second"]
                child = subprocess.Popen(["sleep", "600"], start_new_session=True)
                open({str(tmp_path / "draft")!r}, "w").write(str(child.pid))
                os.rename({str(tmp_path / "draft")!r}, {str(tmp_path / "pid")!r})
                time.sleep(60)
            """
        )
    )
    bench.close()
    with LocalService.open(root) as service:
        wait_until((tmp_path / "pid").exists)
        stray = int((tmp_path / "pid").read_text())
        wardens = started_by(service.pid)  # each would end what its worker's script has started
        os.kill(service.pid, signal.SIGSTOP)
        for pid in [*wardens, service.pid]:
            os.kill(pid, signal.SIGKILL)
        ends(service.pid)
        assert runs(stray)
    with LocalService.open(root):
        ends(stray)
        wait_until(lambda: list((root / "jobs" / row.name / "run/logs").glob("job_result.txt")))


@pytest.mark.parametrize(
    "damage",
    [
        "json.dumps = json.loads = lambda *_: 'no'",
        "time.monotonic = lambda: float('nan')",
        "os.getpid = lambda: 1",
        "signal.signal(signal.SIGTERM, signal.SIG_IGN)",
        "sys.stdout.close(); sys.stderr.close(); os.chdir('/')",
    ],
)
def test_a_script_that_replaces_what_a_worker_is_made_of_is_scored_all_the_same(bench: Bench, damage: str) -> None:
    bench.put("data/0.txt", "n")
    job = bench.score(
        f"""
        import json, os, signal, sys, time
        def init(): pass
        def run(mini_batch):
            {damage}
            return ["fine"]
        """
    )
    assert job.status is JobStatus.COMPLETED, job.error
    assert bench.output(job) == "fine\n"


@pytest.mark.parametrize(
    "garbage", ["b'x' * 100", "bytes([255]) * 100", "struct.pack('!I', 13) + b'{\"op\": \"done\"}'"]
)
def test_a_worker_that_speaks_nonsense_costs_its_mini_batch_not_the_job(bench: Bench, garbage: str) -> None:
    for number in range(4):
        bench.put(f"data/{number}.txt", "n")
    job = bench.score(
        f"""
        import os, socket, stat, struct, sys
        def init(): pass
        def run(mini_batch):
            if "0.txt" in mini_batch[0]:
                os.write(int(sys.orig_argv[-4]), {garbage})  # the way to the engine is the first of four
            return ["fine"] * len(mini_batch)
        """,
        retry={"max_retries": 2},
    )
    assert job.status is JobStatus.COMPLETED, job.error
    assert bench.output(job) == "fine\nfine\n"
    assert "sent what is no answer" in (bench.settings.job_folder(job.name) / "run/logs/user/error.txt").read_text()


def test_a_script_that_changes_and_removes_its_inputs_leaves_the_store_as_it_was(bench: Bench) -> None:
    large = "large" * 40_000
    bench.put("data/0.txt", large)
    bench.put("data/1.txt", "small")
    vandal = """
        import os
        def init(): pass
        def run(mini_batch):
            for path in mini_batch:
                os.chmod(path, 0o666)
                with open(path, "r+") as file: file.write("DAMAGED")
                os.chmod(path, 0)
                os.remove(path)
            return ["done"] * len(mini_batch)
    """
    assert bench.score(vandal).status is JobStatus.COMPLETED
    job = bench.score("def init(): pass\ndef run(mini_batch): return [open(path).read() for path in mini_batch]")
    assert bench.output(job) == f"{large}\nsmall\n", job.error


def test_an_output_file_whose_name_is_no_text_fails_the_job_with_its_name(bench: Bench) -> None:
    bench.put("data/0.txt", "n")
    job = bench.score(
        """
        import os
        def init(): pass
        def run(mini_batch):
            open(os.fsencode(os.environ["AZUREML_BI_OUTPUT_PATH"]) + b"/\\xff.bin", "w").close()
            return ["fine"]
        """
    )
    assert job.status is JobStatus.FAILED
    assert job.error and "name is not UTF-8: '\\udcff.bin'" in job.error


def full(*_: object) -> None:
    raise OSError(errno.ENOSPC, "No space left on device")


def test_a_job_waits_while_the_disk_is_full_and_goes_on_when_there_is_room(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    bench.put("data/0.txt", "n")
    with monkeypatch.context() as patch:
        patch.setattr(scoring, "sync_parts", full)
        row = bench.submit()
        wait_until(lambda: "the job waits for room" in all_logs(bench, row))
    assert bench.wait(row).status is JobStatus.COMPLETED
    assert bench.output(row) == "0.txt: n\n"


def test_a_disk_that_stays_full_fails_the_job_and_says_where(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    bench.put("data/0.txt", "n")
    monkeypatch.setattr(patience, "LONG_SECONDS", 0.2)
    monkeypatch.setattr(scoring, "sync_parts", full)
    job = bench.score()
    assert job.status is JobStatus.FAILED
    folder = bench.settings.job_folder(job.name)
    assert job.error and f"There is no space left on the disk of '{folder}'." in job.error


def all_logs(bench: Bench, row: JobRow) -> str:
    files = [file for file in (bench.settings.job_folder(row.name) / "run").rglob("*") if file.is_file()]
    return "".join(file.read_text(errors="replace") for file in files)


def test_the_end_of_a_job_is_written_down_as_soon_as_there_is_room(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    bench.put("data/0.txt", "n")
    move = State.move_job
    refused: list[JobStatus] = []

    def sometimes(self: State, name: str, to: JobStatus, *, error: str | None = None) -> object:
        if to is JobStatus.COMPLETED and len(refused) < 2:
            refused.append(to)
            raise sqlite3.OperationalError("database or disk is full")
        return move(self, name, to, error=error)

    monkeypatch.setattr(State, "move_job", sometimes)
    monkeypatch.setattr(scheduler, "_AGAIN_SECONDS", 0.01)
    assert bench.score().status is JobStatus.COMPLETED
    assert len(refused) == 2


@pytest.mark.parametrize("whose", [(State, "note_rows"), (Ledger, "note_facts"), (Ledger, "reconcile")])
def test_whatever_the_job_writes_last_or_first_waits_for_room(
    bench: Bench, monkeypatch: pytest.MonkeyPatch, whose: tuple[type, str]
) -> None:
    bench.put("data/0.txt", "n")
    owner, name = whose
    plain, refused = getattr(owner, name), list[str]()

    def sometimes(self: object, *given: object, **named: object) -> object:
        if len(refused) < 2:
            refused.append(name)
            raise sqlite3.OperationalError("database or disk is full")
        return plain(self, *given, **named)

    monkeypatch.setattr(owner, name, sometimes)
    job = bench.score()
    assert (job.status, job.error, len(refused)) == (JobStatus.COMPLETED, None, 2)
    assert bench.output(job) == "0.txt: n\n"


def test_a_program_that_took_the_port_of_a_killed_service_is_not_asked(tmp_path: Path) -> None:
    with LocalService.open(tmp_path) as first:
        os.kill(first.pid, signal.SIGKILL)
        ends(first.pid)
        with port_of(first.base_url) as other:
            other.setblocking(False)
            with LocalService.open(tmp_path) as second:
                assert second.started and second.base_url != first.base_url
            with pytest.raises(BlockingIOError):
                other.accept()


def test_a_client_that_leaves_in_the_middle_of_a_body_is_no_error_of_the_service(tmp_path: Path) -> None:
    with LocalService.open(tmp_path) as service:
        address = urlsplit(service.base_url)
        for path in ("/subscriptions/s/resourceGroups/g/providers/x", f"/{service.store.account}/azureml/blob"):
            with socket.create_connection((str(address.hostname), int(address.port or 0))) as connection:
                head = f"PUT {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: Bearer {service.token}\r\n"
                connection.sendall(f"{head}Content-Length: 1000\r\n\r\nshort".encode())
        assert request(service.base_url, "GET", "/local/health", service.token) == 200
    assert "Traceback" not in (tmp_path / "service.log").read_text()


def test_a_root_that_others_may_enter_shows_them_no_job(tmp_path: Path) -> None:
    tmp_path.chmod(0o755)
    with LocalService.open(tmp_path):
        modes = {path.name: path.stat().st_mode & 0o777 for path in tmp_path.iterdir()}
    private = ("blobs", "jobs", "cache", "state.sqlite", "state.sqlite-wal", "service.log", "service.json")
    assert {name: modes[name] & 0o077 for name in private} == dict.fromkeys(private, 0)
