"""The service as a process: start, join, leases, and that it ends, however its clients or it itself are ended."""

from __future__ import annotations

import http.client
import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from azure_batch_endpoints.errors import InvalidInputError, LocalServiceError
from azure_batch_endpoints.local.engines.memory import fair_share
from azure_batch_endpoints.local.server import _listener
from azure_batch_endpoints.local.service import LocalService
from azure_batch_endpoints.states import JobStatus
from tests.local.service_bench import Bench

CLIENT = """
import sys, time
from azure_batch_endpoints.local.service import LocalService
service = LocalService.open(sys.argv[1])
print(service.pid, flush=True)
{then}
"""


def wait_until(wanted: Callable[[], object], seconds: float = 50.0) -> None:
    deadline = time.monotonic() + seconds
    while not wanted():
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.01)


def runs(pid: int) -> bool:
    """Whether a process runs; one that ended and that nobody has asked for yet does not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):  # gone before it was opened, or before it was read
        return False


def catches(pid: int, number: signal.Signals) -> bool:
    """Whether a process has a handler for a signal."""
    mask = next(line for line in Path(f"/proc/{pid}/status").read_text().splitlines() if line.startswith("SigCgt"))
    return bool(int(mask.split()[1], 16) >> (number - 1) & 1)


def listens(base_url: str) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", int(base_url.rpartition(":")[2]))) == 0


def started_by(pid: int) -> list[int]:
    found = []
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            if int(stat.read_text().rpartition(")")[2].split()[1]) == pid:
                found.append(int(stat.parent.name))
        except FileNotFoundError:
            continue
    return found


def client(root: Path, then: str = "time.sleep(600)") -> tuple[subprocess.Popen[str], int]:
    process = subprocess.Popen(
        [sys.executable, "-c", CLIENT.format(then=then), str(root)],
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    assert process.stdout
    with process.stdout as output:
        return process, int(output.readline())


def request(base_url: str, method: str, path: str, token: str) -> int:
    connection = http.client.HTTPConnection(urlsplit(base_url).netloc, timeout=30)
    connection.request(method, path, headers={"Authorization": f"Bearer {token}"})
    status = connection.getresponse().status
    connection.close()
    return status


@pytest.fixture
def root(tmp_path: Path) -> Iterator[Path]:
    yield tmp_path / "root"
    record = tmp_path / "root/service.json"
    if record.exists():  # a test failed half-way
        os.kill(json.loads(record.read_text())["pid"], signal.SIGTERM)


def test_the_service_is_ready_when_it_is_handed_out_and_gone_when_its_client_closes(root: Path) -> None:
    with LocalService.open(root, workers=3) as service:
        assert service.started and service.alive and listens(service.base_url)
        assert (service.workers, service.storage, service.environments) == (3, "embedded", "host")
        assert request(service.base_url, "GET", "/local/health", service.token) == 200
    assert not service.alive and not runs(service.pid) and not listens(service.base_url)
    assert not (root / "service.json").exists()
    service.close()


def test_token_and_address_of_a_root_are_the_same_at_each_start(root: Path) -> None:
    with LocalService.open(root) as first:
        known = first.base_url, first.token
    with LocalService.open(root) as second, LocalService.open(root.with_name("other")) as elsewhere:
        assert (second.base_url, second.token) == known
        assert request(second.base_url, "GET", "/local/health", known[1]) == 200
        assert elsewhere.token != second.token


def test_a_second_client_joins_and_the_service_ends_with_the_last(root: Path) -> None:
    first = LocalService.open(root)
    second = LocalService.open(root)
    assert (second.pid, second.base_url, second.token) == (first.pid, first.base_url, first.token)
    assert first.started and not second.started
    first.close()
    assert second.alive and runs(second.pid)
    second.close()
    assert not runs(second.pid)


def test_two_starts_at_once_make_one_service(root: Path) -> None:
    with ThreadPoolExecutor(4) as pool:
        services = list(pool.map(lambda _: LocalService.open(root), range(4)))
    assert len({service.pid for service in services}) == 1
    assert [service.started for service in services].count(True) == 1
    for service in services:
        service.close()
    assert not runs(services[0].pid)


def test_processes_that_start_at_once_make_one_service(root: Path) -> None:
    with ThreadPoolExecutor(3) as pool:
        clients = list(pool.map(lambda _: client(root), range(3)))
    pids = {pid for _, pid in clients}
    assert len(pids) == 1
    for process, _ in clients:
        process.kill()
        process.wait()
    wait_until(lambda: not runs(pids.pop()) if pids else True)


def test_a_client_may_come_back_at_once(root: Path) -> None:
    pids = set()
    for _ in range(2):
        with LocalService.open(root) as service:
            pids.add(service.pid)
    assert len(pids) == 2


def test_what_a_worker_may_hold_is_kept_and_shared_out_by_default(root: Path) -> None:
    with LocalService.open(root, workers=2, worker_memory="1.5GiB") as service:
        assert service.worker_memory == 3 << 29
        LocalService.open(root, worker_memory=3 << 29).close()
    with LocalService.open(root, workers=2) as service:
        assert service.worker_memory == fair_share(2)


def test_a_service_with_other_settings_is_not_joined_silently(root: Path) -> None:
    with LocalService.open(root, workers=1) as service:
        with pytest.raises(
            LocalServiceError, match=r"already runs on .* workers=1, .* you asked for workers=2"
        ) as error:
            LocalService.open(root, workers=2)
        with pytest.raises(LocalServiceError, match=r"you asked for worker_memory=2147483648\."):
            LocalService.open(root, worker_memory="2GiB")
        with pytest.raises(LocalServiceError, match="storage=<another account>") as secret:
            LocalService.open(root, storage="AccountName=mine;AccountKey=c2VjcmV0")
        assert "c2VjcmV0" not in str(secret.value) and "another root" in str(error.value)
        LocalService.open(root, workers=1).close()
        assert service.alive


def test_a_killed_client_leaves_no_service(root: Path) -> None:
    process, pid = client(root)
    assert runs(pid)
    process.kill()
    process.wait()
    wait_until(lambda: not runs(pid))


def test_a_child_that_a_client_forked_does_not_keep_the_service(root: Path) -> None:
    process, pid = client(root, "import os\nif os.fork(): os._exit(0)\ntime.sleep(600)")
    process.wait()
    wait_until(lambda: not runs(pid))
    os.killpg(process.pid, signal.SIGKILL)


def test_ctrl_c_in_the_clients_terminal_does_not_reach_the_service(root: Path) -> None:
    process, pid = client(root, "try: time.sleep(600)\nexcept KeyboardInterrupt: time.sleep(600)")
    os.killpg(process.pid, signal.SIGINT)
    assert request_through(root) == 200
    process.kill()
    process.wait()
    wait_until(lambda: not runs(pid))


def request_through(root: Path) -> int:
    with LocalService.open(root) as service:
        return request(service.base_url, "GET", "/local/health", service.token)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_the_service_in_order(root: Path, number: signal.Signals) -> None:
    with LocalService.open(root) as service:
        os.kill(service.pid, number)
        wait_until(lambda: not runs(service.pid))
        assert not service.alive
        assert not (root / "service.json").exists()


def test_a_signal_while_the_service_is_starting_ends_it_without_a_traceback(root: Path) -> None:
    command = [sys.executable, "-m", "azure_batch_endpoints.local", "--root", str(root)]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as process:
        wait_until(lambda: catches(process.pid, signal.SIGTERM))
        process.terminate()
        _, told = process.communicate(timeout=150)

    assert (process.returncode, "Traceback" in told) == (0, False), told


def test_after_a_killed_service_the_next_client_starts_another(root: Path) -> None:
    with LocalService.open(root) as first:
        os.kill(first.pid, signal.SIGKILL)
        wait_until(lambda: not first.alive)
        with LocalService.open(root) as second:
            assert second.started and second.pid != first.pid
            assert (second.store.account, second.store.key) == (first.store.account, first.store.key)


def test_a_service_killed_in_the_middle_of_a_job_leaves_no_worker_and_the_next_one_finishes_the_job(root: Path) -> None:
    bench = Bench.open(root)
    for number in range(6):
        bench.put(f"data/{number}.txt", f"n{number}")
    gate = root / "gate"
    row = bench.state.add_job(
        bench.row(
            f"""
            import os, pathlib, subprocess, time
            def init(): pass
            def run(mini_batch):
                while "4.txt" in mini_batch[0] and not os.path.exists({str(gate)!r}):
                    time.sleep(0.01)
                return [pathlib.Path(f).read_text() for f in mini_batch]
            """,
            max_concurrency_per_instance=2,
        )
    )
    bench.close()

    with LocalService.open(root) as first:
        wait_until(lambda: (root / "jobs" / row.name / "parts").exists())
        workers = started_by(first.pid)
        wait_until(lambda: (workers := started_by(first.pid)) and workers)
        workers = started_by(first.pid)
        os.kill(first.pid, signal.SIGKILL)
        wait_until(lambda: not any(runs(pid) for pid in [first.pid, *workers]))
    gate.touch()
    with LocalService.open(root):
        wait_until(lambda: list((root / "jobs" / row.name / "run/logs").glob("job_result.txt")))
    done = Bench.open(root)
    assert done.job(row.name).status is JobStatus.COMPLETED
    assert done.output(row) == "".join(f"n{number}\n" for number in range(6))
    done.close()


def test_ending_the_service_ends_the_workers_of_a_running_job(root: Path) -> None:
    bench = Bench.open(root)
    bench.put("data/0.txt", "n")
    row = bench.state.add_job(bench.row("import time\ndef init(): pass\ndef run(m): time.sleep(600)"))
    bench.close()
    service = LocalService.open(root)
    wait_until(lambda: started_by(service.pid))
    workers = started_by(service.pid)
    service.close()
    assert not runs(service.pid) and not any(runs(pid) for pid in workers)
    again = Bench.open(root)
    assert again.job(row.name).status in {JobStatus.RUNNING, JobStatus.PREPARING}
    again.close()


def test_secrets_are_for_the_user_alone(root: Path) -> None:
    with LocalService.open(root) as service:
        for name in ("service.json", "identity.json"):
            assert (root / name).stat().st_mode & 0o777 == 0o600
        command = Path(f"/proc/{service.pid}/cmdline").read_text()
        shown = repr(service) + repr(service.store) + (root / "service.log").read_text() + command
        assert service.token not in shown and service.store.key not in shown


def test_a_wrong_token_gets_no_lease(root: Path) -> None:
    with LocalService.open(root) as service:
        assert request(service.base_url, "GET", "/local/lease", "guess") == 401
        assert request(service.base_url, "DELETE", "/local/lease/x", "guess") == 401
        assert request(service.base_url, "DELETE", "/local/lease/x", service.token) == 200
        assert request(service.base_url, "GET", "/local/other", service.token) == 404
        assert service.alive


def test_a_root_that_cannot_be_used_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(LocalServiceError, match="file' is a file"):
        LocalService.open(tmp_path / "file")
    foreign = tmp_path / "foreign"
    foreign.mkdir()
    (foreign / "service.json").write_text('{"name": "something else"}')
    with pytest.raises(LocalServiceError, match="was not written by azure_batch_endpoints"):
        LocalService.open(foreign)
    assert (foreign / "service.json").read_text() == '{"name": "something else"}'


def test_arguments_that_are_not_possible_are_refused_before_anything_starts(tmp_path: Path) -> None:
    with pytest.raises(InvalidInputError, match="workers is 0"):
        LocalService.open(tmp_path / "root", workers=0)
    with pytest.raises(InvalidInputError, match="workers is '2'; give a number of processes"):
        LocalService.open(tmp_path / "root", workers="2")  # type: ignore[arg-type] # that is the mistake
    with pytest.raises(InvalidInputError, match="worker_memory is 'much'; give bytes or a text as '2GiB', at least 64"):
        LocalService.open(tmp_path / "root", worker_memory="much")
    with pytest.raises(InvalidInputError, match="environments is 'conda'"):
        LocalService.open(tmp_path / "root", environments="conda")  # type: ignore[arg-type] # that is the mistake
    assert not (tmp_path / "root").exists()


def closed_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        return int(server.getsockname()[1])


def test_an_account_that_does_not_answer_is_told_without_its_key_and_leaves_nothing(root: Path) -> None:
    storage = f"AccountName=mine;AccountKey=aHVudGVyMg==;BlobEndpoint=http://127.0.0.1:{closed_port()}/mine"
    with pytest.raises(LocalServiceError, match="'mine' does not answer") as error:
        LocalService.open(root, storage=storage)
    assert "aHVudGVyMg" not in str(error.value) + (root / "service.log").read_text()
    assert not (root / "service.json").exists()
    with LocalService.open(root) as service:
        assert service.started


def test_a_service_that_cannot_start_gives_its_last_words(root: Path) -> None:
    root.mkdir()
    (root / "blobs").write_text("not a folder")
    with pytest.raises(LocalServiceError, match=r"blob store of .* cannot be opened"):
        LocalService.open(root)
    (root / "identity.json").write_text("{")
    with pytest.raises(LocalServiceError, match=r"identity.json' cannot be read"):
        LocalService.open(root)


def test_a_service_started_by_hand_to_stay_is_joined_and_outlives_its_clients(root: Path) -> None:
    command = [sys.executable, "-m", "azure_batch_endpoints.local", "--root", str(root), "--workers", "1", "--stay"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    assert process.stdout
    assert "ready" in process.stdout.readline()
    with LocalService.open(root) as service:
        assert service.pid == process.pid and not service.started
    assert process.poll() is None
    process.send_signal(signal.SIGINT)
    assert process.wait(60) == 0
    process.stdout.close()


def test_a_copied_root_does_not_lead_to_the_originals_service(root: Path, tmp_path: Path) -> None:
    with LocalService.open(root) as original:
        (tmp_path / "copy").mkdir()
        (tmp_path / "copy/service.json").write_text((root / "service.json").read_text())
        with LocalService.open(tmp_path / "copy") as other:
            assert other.started and other.pid != original.pid


def test_a_service_listens_where_it_did_last_time_unless_that_port_is_taken(tmp_path: Path) -> None:
    with LocalService.open(tmp_path / "root") as first:
        address = first.base_url
    with LocalService.open(tmp_path / "root") as second:
        assert second.base_url == address
    taken = ("127.0.0.1", int(address.rsplit(":", 1)[1]))
    with socket.create_server(taken), LocalService.open(tmp_path / "root") as third:
        assert third.base_url != address


def test_a_connection_sends_the_end_of_an_answer_without_waiting_for_an_acknowledgement(tmp_path: Path) -> None:
    with _listener(tmp_path) as listener, socket.create_connection(listener.getsockname()) as ours:
        theirs, _ = listener.accept()
        with theirs:
            assert theirs.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY), "each answer would take 40 ms"
        assert ours.getpeername() == listener.getsockname()
