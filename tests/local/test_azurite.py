"""The Azurite process: ready or an error, its data kept, never left behind."""

from __future__ import annotations

import base64
import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest
from azure.storage.blob import BlobServiceClient

from azure_batch_endpoints import BatchClient
from azure_batch_endpoints.errors import LocalServiceError, ServerError
from azure_batch_endpoints.local import running
from azure_batch_endpoints.local.azurite import Azurite, KeptAzurite, install, keeping
from azure_batch_endpoints.local.azurite.node import Node, find_node
from tests.local.test_service_process import started_by, wait_until
from tests.local.test_survival import assert_undisturbed, submitted

pytestmark = pytest.mark.usefixtures("services_unmeasured")

ACCOUNT = "someaccount"
KEY = base64.b64encode(b"a key for tests").decode()

OWNER = """
import sys, time
from pathlib import Path
from azure_batch_endpoints.local.azurite import Azurite
azurite = Azurite(Path(sys.argv[1]), account="someaccount", key="QUFBQQ==").start()
print(azurite.pid, flush=True)
time.sleep(600)
"""


def is_running(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text(encoding="ascii").rpartition(")")[2].split()[0]
    except OSError:
        return False
    return state != "Z"


def wait_for_end(pid: int) -> None:
    deadline = time.monotonic() + 60
    while is_running(pid):
        assert time.monotonic() < deadline, "Azurite outlived its owner"
        time.sleep(0.05)


@pytest.mark.azurite
def test_what_was_stored_is_there_after_a_stop_and_a_start(tmp_path: Path) -> None:
    azurite = Azurite(tmp_path, account=ACCOUNT, key=KEY)
    with azurite, BlobServiceClient.from_connection_string(azurite.connection_string) as service:
        service.create_container("data").upload_blob("blob", b"data")
        pid = azurite.pid
    assert pid is not None
    assert not is_running(pid)

    with azurite, BlobServiceClient.from_connection_string(azurite.connection_string) as service:
        assert azurite.endpoint.endswith(f"/{ACCOUNT}")
        assert service.get_blob_client("data", "blob").download_blob().readall() == b"data"
    azurite.stop()


@pytest.mark.azurite
@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGTERM])
def test_it_ends_with_the_process_that_started_it(tmp_path: Path, how: signal.Signals) -> None:
    with subprocess.Popen([sys.executable, "-c", OWNER, str(tmp_path)], stdout=subprocess.PIPE, text=True) as owner:
        assert owner.stdout is not None
        pid = int(owner.stdout.readline())
        assert is_running(pid)
        owner.send_signal(how)
        owner.wait(60)
        wait_for_end(pid)


def killed(kept: KeptAzurite) -> int:
    """Kill Azurite; return the process id it had."""
    pid = kept.pid
    assert pid is not None
    os.kill(pid, signal.SIGKILL)
    return pid


def has_saved(folder: Path, word: str) -> bool:
    """Whether Azurite has saved a blob's properties, and where its content is: it saves the two apart."""
    properties, contents = folder / "__azurite_db_blob__.json", folder / "__azurite_db_blob_extent__.json"
    texts = [file.read_text(encoding="utf-8") if file.exists() else "" for file in (properties, contents)]
    return word in texts[0] and '"locationId"' in texts[1]


@pytest.mark.azurite
def test_one_that_is_killed_is_there_again_at_the_same_address_with_what_it_had_saved(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    again: list[int | None] = []
    kept = KeptAzurite(tmp_path / "azurite", account=ACCOUNT, key=KEY, again=lambda: again.append(kept.pid)).start()
    known = f"AccountName={ACCOUNT};AccountKey={KEY};BlobEndpoint={kept.endpoint}"
    try:
        with BlobServiceClient.from_connection_string(known) as service:
            service.create_container("data").upload_blob("blob", b"data")
            wait_until(lambda: has_saved(tmp_path / "azurite", '"blob"'), 60)
            for number in (1, 2):
                pid = killed(kept)
                wait_until(lambda number=number: len(again) == number, 60)  # type: ignore[misc] # a bool
                assert kept.pid not in (pid, None)
                assert service.get_blob_client("data", "blob").download_blob().readall() == b"data"
        assert "ended by itself (code -9)" in caplog.text and "its last seconds may be lost" in caplog.text
    finally:
        last = kept.pid
        kept.stop()
    assert last is not None and not is_running(last)

    endpoint = kept.endpoint
    kept = KeptAzurite(tmp_path / "azurite", account=ACCOUNT, key=KEY).start()
    kept.stop()
    assert kept.endpoint == endpoint, "addresses of a root folder stay valid from start to start"


@pytest.mark.azurite
def test_one_that_does_not_start_again_is_tried_for_a_while_and_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(keeping, "_PAUSES", (0.0, 0.0))
    kept = KeptAzurite(tmp_path / "azurite", account=ACCOUNT, key=KEY).start()
    (tmp_path / "azurite/__azurite_db_blob__.json").write_text("this is no JSON", encoding="utf-8")
    killed(kept)
    wait_until(lambda: "is not started any more" in caplog.text, 60)
    kept.stop()
    assert "instead of listening" in caplog.text and kept.pid is None


@pytest.mark.azurite
def test_what_it_lost_is_made_again_until_that_works(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(keeping, "_AGAIN_PAUSES", (0.0, 0.0, 0.0))
    caplog.set_level("INFO", keeping.__name__)
    tries: list[bool] = []

    def again() -> None:
        tries.append("is there again" in caplog.text)
        if len(tries) < 3:
            raise ServerError("not yet", status_code=500)

    kept = KeptAzurite(tmp_path / "azurite", account=ACCOUNT, key=KEY, again=again).start()
    try:
        killed(kept)
        wait_until(lambda: "Azurite is there again" in caplog.text, 60)
    finally:
        kept.stop()
    assert tries == [False] * 3 and "could not be made again yet: not yet" in caplog.text


@pytest.mark.azurite
def test_a_port_that_another_program_took_is_no_obstacle(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        taken = other.getsockname()[1]
        (tmp_path / "azurite.port").write_text(str(taken))
        kept = KeptAzurite(tmp_path / "azurite", account=ACCOUNT, key=KEY).start()
        kept.stop()
    assert f":{taken}/" not in kept.endpoint


@pytest.mark.azurite
def test_azurite_killed_in_the_middle_of_a_job_costs_it_nothing_and_the_new_one_ends_with_the_service(
    tmp_path: Path,
) -> None:
    root = tmp_path / "root"

    def azurite() -> int | None:
        service = client.local_service
        assert service is not None
        return next((pid for pid in started_by(service.pid) if b"azurite" in command_of(pid)), None)

    with BatchClient.local(root, workers=2, storage="azurite") as client:
        name = submitted(client, tmp_path)
        wait_until(lambda: has_saved(root / "azurite", "23.txt"), 60)
        first = azurite()
        assert first is not None
        os.kill(first, signal.SIGKILL)
        wait_until(lambda: azurite() not in (None, first), 60)
        assert_undisturbed(client, name, tmp_path)
        second, service = azurite(), client.local_service
        assert second is not None and service is not None
        running.stop(root)
        wait_for_end(second)
    assert "started again" in (root / "service.log").read_text(encoding="utf-8")


def command_of(pid: int) -> bytes:
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return b""


@pytest.mark.azurite
def test_an_azurite_that_was_started_again_does_not_outlive_a_killed_owner(tmp_path: Path) -> None:
    owner_program = OWNER.replace("Azurite(", "KeptAzurite(").replace("import Azurite", "import KeptAzurite")
    program = owner_program.replace("time.sleep(600)", AGAIN)
    with subprocess.Popen(
        [sys.executable, "-c", program, str(tmp_path / "a")], stdout=subprocess.PIPE, text=True
    ) as owner:
        assert owner.stdout is not None
        pids = [int(owner.stdout.readline()) for _ in range(2)]
        assert pids[0] != pids[1] and is_running(pids[1])
        owner.kill()
        owner.wait(60)
        wait_for_end(pids[1])


AGAIN = """
import os, signal
first = azurite.pid
os.kill(first, signal.SIGKILL)
while azurite.pid in (first, None): time.sleep(0.02)
print(azurite.pid, flush=True)
time.sleep(600)
"""


@pytest.mark.azurite
def test_a_start_that_fails_says_what_azurite_said(tmp_path: Path) -> None:
    (tmp_path / "__azurite_db_blob__.json").write_text("this is no JSON", encoding="utf-8")
    azurite = Azurite(tmp_path, account=ACCOUNT, key=KEY, timeout=30)

    with pytest.raises(LocalServiceError, match=r"ended with code \d+ instead of listening.*It said: .*JSON"):
        azurite.start()

    assert azurite.pid is None
    assert KEY not in repr(azurite)


def test_without_node_the_error_says_what_to_do(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr("importlib.util.find_spec", lambda _: None)

    with pytest.raises(
        LocalServiceError, match=r'No Node.js.*22 or newer.*pip install "azure-batch-endpoints\[azurite'
    ):
        find_node()


def test_an_old_node_on_the_path_is_not_used(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name, text in (("node", "#!/bin/sh\necho v18.19.0\n"), ("npm", "#!/bin/sh\n")):
        (tmp_path / name).write_text(text, encoding="utf-8")
        (tmp_path / name).chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr("importlib.util.find_spec", lambda _: None)

    with pytest.raises(LocalServiceError, match="on the PATH is version 18"):
        find_node()


def test_a_failed_installation_says_what_npm_said_and_leaves_nothing(tmp_path: Path) -> None:
    npm = tmp_path / "npm"
    npm.write_text("#!/bin/sh\necho 'npm error network' >&2\nexit 1\n", encoding="utf-8")
    npm.chmod(0o755)
    cache = tmp_path / "cache"

    with pytest.raises(LocalServiceError, match=r"could not be installed.*npm error network"):
        install.azurite_program(Node("node", (str(npm),), 22), cache)

    assert [entry.name for entry in cache.iterdir() if entry.is_dir()] == []


def test_an_installation_is_made_once_and_only_whole(tmp_path: Path) -> None:
    npm = tmp_path / "npm"
    script = f"#!/bin/sh\nmkdir -p node_modules/azurite/dist/src/blob; echo >> {tmp_path}/runs\n"
    npm.write_text(script + "touch node_modules/azurite/dist/src/blob/main.js\n", encoding="utf-8")
    npm.chmod(0o755)
    node = Node("node", (str(npm),), 22)

    programs = {install.azurite_program(node, tmp_path / "cache") for _ in range(3)}

    assert [program.is_file() for program in programs] == [True]
    assert (tmp_path / "runs").read_text(encoding="utf-8") == "\n"


def test_the_lock_file_names_no_registry() -> None:
    text = (Path(install.__file__).parent / "package-lock.json").read_text(encoding="utf-8")

    assert '"resolved"' not in text
    assert '"azurite": "3.37.0"' in text


def test_the_cache_folder_is_the_users_own(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))

    if sys.platform == "linux":
        assert install.cache_folder() == tmp_path / "azure_batch_endpoints"
    assert os.fspath(install.cache_folder()).endswith("azure_batch_endpoints")
