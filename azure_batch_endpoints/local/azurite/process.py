"""The Azurite process: started until it answers, ended in a way that saves its data, never left behind."""

from __future__ import annotations

import contextlib
import os
import re
import subprocess
import threading
from collections import deque
from pathlib import Path

from typing_extensions import Self

from azure_batch_endpoints.errors import LocalServiceError
from azure_batch_endpoints.local.azurite.install import azurite_program
from azure_batch_endpoints.local.azurite.node import find_node

_LIFELINE = Path(__file__).parent / "lifeline.js"
_LISTENS = re.compile(r"successfully listens on http://127\.0\.0\.1:(\d+)")
_STOP_SECONDS = 15.0
_LAST_WORDS = 10


class Azurite:
    """Azurite's blob service on a free port of 127.0.0.1, with one account of its own.

    Azurite keeps its index in memory and writes it every few seconds and when it ends in good order; so it is always
    ended with SIGTERM. It also ends when the process that started it is gone, however that went.

    Args:
        folder: Where it keeps its data; made when missing.
        account: The account's name.
        key: The account's key, base64.
        port: Where it listens; 0: on a free port, which it keeps when it is started again.
        timeout: Seconds to wait for it to answer once it is installed.
    """

    def __init__(self, folder: Path, *, account: str, key: str, port: int = 0, timeout: float = 60.0) -> None:
        self._folder = folder
        self._account = account
        self._key = key
        self._timeout = timeout
        self._port = port
        self._process: subprocess.Popen[str] | None = None

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(self, *_: object) -> None:
        self.stop()

    def __repr__(self) -> str:
        return f"Azurite(folder={str(self._folder)!r}, account={self._account!r}, running={self._process is not None})"

    @property
    def endpoint(self) -> str:
        """The account's URL, without a slash at the end; meaningful while it runs."""
        return f"http://127.0.0.1:{self._port}/{self._account}"

    @property
    def port(self) -> int:
        """Where it listens."""
        return self._port

    @property
    def connection_string(self) -> str:
        """What azure-storage-blob's ``from_connection_string`` takes. It holds the key."""
        return (
            f"DefaultEndpointsProtocol=http;AccountName={self._account};AccountKey={self._key};"
            f"BlobEndpoint={self.endpoint};"
        )

    @property
    def pid(self) -> int | None:
        """The process id, None when it does not run."""
        return self._process.pid if self._process else None

    def start(self) -> Self:
        """Start it, installing it first when this user never had it, and wait until it listens.

        Returns:
            The same object.

        Raises:
            LocalServiceError: Node.js is missing or too old, the installation failed, or Azurite did not listen within
                ``timeout`` seconds; the message ends with its last words.
        """
        if self._process is not None and self._process.poll() is None:
            return self
        self.stop()
        node = find_node()
        program = azurite_program(node)
        self._folder.mkdir(parents=True, exist_ok=True)
        output = _Output()
        self._process = self._spawn(node.program, program)
        threading.Thread(target=output.follow, args=(self._process,), name="azurite-output", daemon=True).start()
        output.settled.wait(self._timeout)
        if output.port is None:
            raise self._given_up(self._process, output)
        self._port = output.port
        return self

    def wait(self, seconds: float | None = None) -> int | None:
        """Wait for its end.

        Args:
            seconds: How long at most; None: as long as it runs.

        Returns:
            Its exit code, negative for the signal that ended it; None when it runs on, or was never started.
        """
        process = self._process
        try:
            return None if process is None else process.wait(seconds)
        except subprocess.TimeoutExpired:
            return None

    def stop(self) -> None:
        """End it and wait until it has saved its data; after 15 seconds it is killed. Nothing when it has ended."""
        process, self._process = self._process, None
        if process is None:
            return
        process.terminate()
        try:
            process.wait(_STOP_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        finally:
            if process.stdin is not None:
                process.stdin.close()

    def _given_up(self, process: subprocess.Popen[str], output: _Output) -> LocalServiceError:
        with contextlib.suppress(subprocess.TimeoutExpired):  # its output may end a moment before it does
            process.wait(1)
        code = process.poll()
        late = f"did not listen within {self._timeout:g} s"
        what = late if code is None else f"ended with code {code} instead of listening"
        self.stop()
        return LocalServiceError(
            f"Azurite in '{self._folder}' {what}. Look at what it said, or leave storage=\"azurite\" out to use the "
            f"embedded blob store. It said: {output.words or 'nothing'}"
        )

    def _spawn(self, node: str, program: Path) -> subprocess.Popen[str]:
        options = ["--disableTelemetry", "--skipApiVersionCheck", "--silent"]
        place = ["--blobHost", "127.0.0.1", "--blobPort", str(self._port), "--location", str(self._folder)]
        return subprocess.Popen(  # noqa: S603  the programs were found by us, the arguments are ours
            [node, "--require", str(_LIFELINE), str(program), *options, *place],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            encoding="utf-8",
            errors="replace",
            start_new_session=True,  # Ctrl-C in the terminal is for us; we end it in good order
            env={**os.environ, "AZURITE_ACCOUNTS": f"{self._account}:{self._key}"},
        )


class _Output:
    """What Azurite says: followed to its end, so that it never waits for a reader; its port and last words are kept."""

    def __init__(self) -> None:
        self.settled = threading.Event()
        self.port: int | None = None
        self._lines: deque[str] = deque(maxlen=_LAST_WORDS)

    @property
    def words(self) -> str:
        return " | ".join(self._lines)

    def follow(self, process: subprocess.Popen[str]) -> None:
        if process.stdout is None:
            return
        with process.stdout as lines:
            for line in lines:
                self._lines.append(line.strip())
                if match := _LISTENS.search(line):
                    self.port = int(match[1])
                    self.settled.set()
        self.settled.set()
