"""Root folders that something has happened to: removed, damaged, left by a crash, wanted by many at once."""

from __future__ import annotations

import contextlib
import http.client
import json
import shutil
import socket
import sqlite3
import subprocess
import sys
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from azure_batch_endpoints import BatchClient
from azure_batch_endpoints.errors import LocalServiceError, TransportError
from azure_batch_endpoints.local.job import RESOURCE_GROUP, SUBSCRIPTION_ID, WORKSPACE
from azure_batch_endpoints.local.service import LocalService
from tests.local.test_service_process import runs, wait_until
from tests.local.test_survival import ends

pytestmark = pytest.mark.usefixtures("services_unmeasured")

PROVIDER = "Microsoft.MachineLearningServices/workspaces"
RACER = """
import sys, time
from azure_batch_endpoints import BatchClient
sys.stdin.readline()
with BatchClient.local(sys.argv[1], workers=1) as client:
    print(client.local_service.pid, client.local_service.started, len(list(client.endpoints.list())), flush=True)
    sys.stdin.readline()
"""


def test_of_many_processes_that_want_one_root_at_once_one_starts_the_service_and_all_use_it(tmp_path: Path) -> None:
    command = [sys.executable, "-c", RACER, str(tmp_path / "root")]
    racers = [
        subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, bufsize=1) for _ in range(6)
    ]
    told = []
    for racer in racers:
        assert racer.stdin is not None
        racer.stdin.write("go\n")
    for racer in racers:
        assert racer.stdout is not None
        told.append(racer.stdout.readline().split())
    assert len({pid for pid, _, _ in told}) == 1
    assert sorted(started for _, started, _ in told) == ["False"] * 5 + ["True"]
    for racer in racers:
        racer.communicate("done\n", timeout=60)
        assert racer.returncode == 0
    wait_until(lambda: not runs(int(told[0][0])))


def test_a_service_whose_root_is_removed_ends_and_its_client_says_so(tmp_path: Path) -> None:
    root = tmp_path / "root"
    with BatchClient.local(root) as client:
        service = client.local_service
        assert service is not None
        shutil.rmtree(root)
        ends(service.pid)
        with pytest.raises(TransportError, match=r"root folder '.*root' was removed"):
            list(client.endpoints.list())
        assert not root.exists(), "asking in vain leaves nothing"
        with BatchClient.local(root) as anew:
            assert list(anew.endpoints.list()) == []


@pytest.mark.parametrize("text", ["", '{"kind": "azure_batch_', "\0" * 200])
def test_a_record_that_a_crash_of_the_machine_cut_off_is_replaced(tmp_path: Path, text: str) -> None:
    LocalService.open(tmp_path).close()
    (tmp_path / "service.json").write_text(text)
    with LocalService.open(tmp_path) as service:
        assert service.started
        assert json.loads((tmp_path / "service.json").read_text())["pid"] == service.pid


def test_a_record_of_before_a_reboot_leads_to_nobody_else(tmp_path: Path) -> None:
    """Its process id is another program's by now, and so is its port; neither is touched."""
    with LocalService.open(tmp_path) as before:
        record = json.loads((tmp_path / "service.json").read_text())
    port = int(before.base_url.rsplit(":", 1)[1])
    with (
        socket.create_server(("127.0.0.1", port)) as taken,
        subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"]) as other,
    ):
        (tmp_path / "service.json").write_text(json.dumps({**record, "pid": other.pid}))
        with BatchClient.local(tmp_path) as client:
            assert list(client.endpoints.list()) == []
            assert client.base_url != before.base_url
        taken.setblocking(False)
        with pytest.raises(BlockingIOError):
            taken.accept()
        assert other.poll() is None
        other.kill()
    assert "ended without notice" in (tmp_path / "service.log").read_text()


def test_a_database_that_is_none_is_named(tmp_path: Path) -> None:
    LocalService.open(tmp_path).close()
    (tmp_path / "state.sqlite").write_bytes(b"this is no database" * 1000)
    for left in ("state.sqlite-wal", "state.sqlite-shm"):
        (tmp_path / left).unlink(missing_ok=True)
    with pytest.raises(LocalServiceError, match=r"databases in '.*' cannot be used: file is not a database"):
        LocalService.open(tmp_path)


def test_after_a_failure_of_its_own_the_service_goes_on_with_the_same_connection(tmp_path: Path) -> None:
    with LocalService.open(tmp_path) as service:
        with contextlib.closing(sqlite3.connect(tmp_path / "state.sqlite")) as database:
            database.execute("ALTER TABLE resources RENAME TO hidden")
        connection = http.client.HTTPConnection(urlsplit(service.base_url).netloc, timeout=60)
        asked = []
        workspace = f"/subscriptions/{SUBSCRIPTION_ID}/resourceGroups/{RESOURCE_GROUP}/providers/{PROVIDER}/{WORKSPACE}"
        for path in (f"{workspace}/batchEndpoints?api-version=2024-10-01", "/local/health") * 2:
            connection.request("GET", path, headers={"Authorization": f"Bearer {service.token}"})
            sockets = connection.sock
            answer = connection.getresponse()
            answer.read()
            asked.append(answer.status)
            assert connection.sock is sockets is not None, "the connection was closed"
        connection.close()
    assert asked == [500, 200, 500, 200]
