"""A service that dies under its client: started again by it, once, as it was; unless it was told to end."""

from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from azure.core.exceptions import ServiceRequestError

from azure_batch_endpoints import BatchClient, EndpointSpec, JobStatus, local_path
from azure_batch_endpoints._storage.failures import translated
from azure_batch_endpoints.errors import TransportError
from azure_batch_endpoints.local import keeper, running
from azure_batch_endpoints.local.service import LocalService
from tests.local.scripts import deployment, numbers
from tests.local.test_service_process import runs, started_by, wait_until
from tests.local.test_survival import COUNT, UNDISTURBED, assert_undisturbed, ends, has_finished, submitted

pytestmark = pytest.mark.usefixtures("services_unmeasured")


@pytest.fixture
def client(tmp_path: Path) -> Iterator[BatchClient]:
    with BatchClient.local(tmp_path / "root", workers=2) as client:
        yield client


def pid_of(client: BatchClient) -> int:
    assert client.local_service is not None
    return client.local_service.pid


def killed(client: BatchClient) -> int:
    """Kill a client's service; return the process id it had."""
    pid = pid_of(client)
    os.kill(pid, signal.SIGKILL)
    ends(pid)
    return pid


def test_a_wait_goes_on_while_its_service_is_killed_again_and_again(client: BatchClient, tmp_path: Path) -> None:
    job = client.jobs.get(submitted(client, tmp_path))
    ledger = tmp_path / "root/jobs" / job.name / "ledger.sqlite"
    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(job.wait, timeout=150)
        for number in range(3):
            wait_until(partial(has_finished, ledger, 4 * number))
            before = killed(client)
            wait_until(lambda before=before: pid_of(client) != before)  # type: ignore[misc] # a bool
        assert waiting.result().status is JobStatus.COMPLETED
    job.results.download(tmp_path / "results")
    assert (tmp_path / "results/predictions.csv").read_text() == UNDISTURBED
    assert [item.status for item in job.items()] == ["succeeded"] * COUNT


def test_jobs_go_on_though_their_client_asks_nothing(client: BatchClient, tmp_path: Path) -> None:
    name = submitted(client, tmp_path)
    killed(client)
    wait_until(lambda: has_finished(tmp_path / "root/jobs" / name / "ledger.sqlite", COUNT), 100)


def test_each_call_finds_the_service_there_again_reads_and_writes_alike(client: BatchClient) -> None:
    for name in ("first", "second"):
        killed(client)
        client.endpoints.create(EndpointSpec(name=name))
        killed(client)
        assert name in [endpoint.name for endpoint in client.endpoints.list()]


def test_an_upload_that_the_service_dies_under_ends_whole_and_the_job_is_started_once(
    client: BatchClient, tmp_path: Path
) -> None:
    script = "def init(): pass\ndef run(mini_batch): return [open(one).read() for one in mini_batch]"
    endpoint = client.endpoints.create(EndpointSpec(name="upload"))
    endpoint.deployments.create(deployment(tmp_path, "blue", script, mini_batch_size=50))
    data = numbers(tmp_path / "data", 600)
    contents = tmp_path / "root/blobs/contents"

    def stored() -> int:
        return sum(1 for file in contents.rglob("*") if file.is_file())

    before = stored()
    with ThreadPoolExecutor(1) as pool:
        invoked = pool.submit(endpoint.invoke, local_path(data), deployment="blue")
        for number in (1, 2):
            wait_until(lambda number=number: stored() > before + 150 * number)  # type: ignore[misc] # a bool
            killed(client)
        job = invoked.result().wait(timeout=150)
    job.results.download(tmp_path / "results")
    rows = (tmp_path / "results/predictions.csv").read_text().split()
    assert sorted(map(int, rows)) == list(range(600))
    assert len(list(client.jobs.list())) == 1


def test_clients_of_one_root_bring_back_one_service(tmp_path: Path) -> None:
    with BatchClient.local(tmp_path, workers=1) as one, BatchClient.local(tmp_path) as other:
        before = killed(one)
        with ThreadPoolExecutor(2) as pool:
            assert [list(found) for found in pool.map(lambda each: each.endpoints.list(), (one, other))] == [[], []]
        wait_until(lambda: before != pid_of(one) == pid_of(other))
        assert one.local_service is not None and other.local_service is not None
        assert one.local_service.started is not other.local_service.started
        LocalService.open(tmp_path, workers=1).close()  # the settings are those of before: no refusal


def test_a_service_that_was_told_to_end_is_not_started_again(client: BatchClient, tmp_path: Path) -> None:
    pid = pid_of(client)
    running.stop(tmp_path / "root")
    same_one = re.escape(f"seems to have ended. Start it again with BatchClient.local('{tmp_path / 'root'}').")
    with pytest.raises(TransportError, match=same_one):
        list(client.endpoints.list())
    ends(pid)
    assert running.find(tmp_path / "root") is None


def test_a_client_whose_service_was_told_to_end_goes_on_with_the_next_one(client: BatchClient, tmp_path: Path) -> None:
    running.stop(tmp_path / "root")
    with BatchClient.local(tmp_path / "root"):
        assert list(client.endpoints.list()) == []


def test_a_service_whose_port_was_taken_goes_on_and_the_error_says_what_to_do(
    client: BatchClient, tmp_path: Path
) -> None:
    root = tmp_path / "root"
    name = submitted(client, tmp_path)
    with socket.create_server(("127.0.0.1", 0)) as taken:
        (root / "port").write_text(str(taken.getsockname()[1]))
        killed(client)
        with pytest.raises(TransportError, match=r"at another address .*Its jobs go on\. Make a new client"):
            client.jobs.get(name)
    with BatchClient.local(root) as other:
        assert_undisturbed(other, name, tmp_path)


def test_a_service_that_dies_at_once_each_time_is_given_up_with_the_reason(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(keeper, "_PAUSES", (0.0, 0.0))
    with BatchClient.local(tmp_path) as client:
        for _ in range(2):
            killed(client)
            assert list(client.endpoints.list()) == []
        killed(client)
        with pytest.raises(TransportError, match=r"died again and again.*service\.log.*its jobs go on"):
            list(client.endpoints.list())
    with BatchClient.local(tmp_path) as client:
        assert list(client.endpoints.list()) == []


def test_a_root_that_is_no_more_is_named_when_the_service_cannot_be_started_again(tmp_path: Path) -> None:
    with BatchClient.local(tmp_path / "root") as client:
        (tmp_path / "root/blobs").rename(tmp_path / "moved")
        (tmp_path / "root/blobs").write_text("in its place")
        killed(client)
        with pytest.raises(TransportError, match=r"blob store of .* cannot be opened"):
            list(client.endpoints.list())


def test_a_service_that_could_not_be_started_is_started_when_it_can_be(tmp_path: Path) -> None:
    with BatchClient.local(tmp_path / "root") as client:
        blobs = tmp_path / "root/blobs"
        blobs.rename(tmp_path / "moved")
        blobs.write_text("in its place")
        killed(client)
        with pytest.raises(TransportError, match=r"blob store of .* cannot be opened"):
            list(client.endpoints.list())
        blobs.unlink()
        (tmp_path / "moved").rename(blobs)
        assert list(client.endpoints.list()) == []


def test_a_client_that_nobody_holds_lets_its_service_go(tmp_path: Path) -> None:
    program = """
import sys, time
from azure_batch_endpoints import BatchClient
client = BatchClient.local(sys.argv[1])
print(client.local_service.pid, flush=True)
del client
time.sleep(600)
"""
    command = [sys.executable, "-c", program, str(tmp_path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as holder:
        assert holder.stdout is not None
        pid = int(holder.stdout.readline())
        wait_until(lambda: not runs(pid))
        assert holder.poll() is None
        holder.kill()


def test_a_forked_child_does_not_start_the_service_its_parent_leaves(tmp_path: Path) -> None:
    client = BatchClient.local(tmp_path)
    service = client.local_service
    assert service is not None and client._keeper is not None
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        os.write(writing, b"back" if client._keeper.back(0, 5) else b"not")
        os._exit(0)
    os.waitpid(child, 0)
    assert os.read(reading, 10) == b"not"
    for end in (reading, writing):
        os.close(end)
    client.close()
    assert not runs(service.pid) and not started_by(service.pid)


@pytest.mark.parametrize(
    ("whose", "said", "not_said"),
    [
        ({"of_service": True}, "The local service seems to have ended", "Azurite"),
        ({"beside_service": True}, r"Azurite is started again .* service\.log", "seems to have ended"),
        ({}, "start the storage service there", "local service"),
    ],
)
def test_a_store_that_does_not_answer_is_blamed_for_itself(whose: dict[str, Any], said: str, not_said: str) -> None:
    with (
        pytest.raises(TransportError, match=said) as error,
        translated("127.0.0.1:1", "read blob 'a'", secret_url=False, **whose),
    ):
        raise ServiceRequestError("refused")
    assert not_said not in str(error.value)
