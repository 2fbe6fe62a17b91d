"""The Azurite process: ready or an error, its data kept, never left behind."""

from __future__ import annotations

import base64
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from azure.storage.blob import BlobServiceClient

from azure_batch_endpoints.errors import LocalServiceError
from azure_batch_endpoints.local.azurite import Azurite, install
from azure_batch_endpoints.local.azurite.node import Node, find_node

ACCOUNT = "someaccount"
KEY = base64.b64encode(b"a key for tests").decode()

OWNER = """
import sys, time
from pathlib import Path
from azure_batch_endpoints.local.azurite import Azurite
azurite = Azurite(Path(sys.argv[1]), account="someaccount", key="QUFBQQ==").start()
print(azurite.pid, flush=True)
time.sleep(60)
"""


def is_running(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text(encoding="ascii").rpartition(")")[2].split()[0]
    except OSError:
        return False
    return state != "Z"


def wait_for_end(pid: int) -> None:
    deadline = time.monotonic() + 20
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
        owner.wait(10)
        wait_for_end(pid)


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
