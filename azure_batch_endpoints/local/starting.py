"""Starting the local service's process: what is asked of it, its first words, its last ones.

Who starts one and who joins one that runs is in `service`.
"""

from __future__ import annotations

import contextlib
import importlib.util
import json
import os
import site
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Literal

from azure_batch_endpoints.errors import InvalidInputError, LocalServiceError
from azure_batch_endpoints.local.lease import is_readable
from azure_batch_endpoints.local.record import ServiceRecord
from azure_batch_endpoints.local.sizes import memory_size

Environments = Literal["host", "build"]
_END_SECONDS = 3.0
_LOG_LINES = 15
_MOST_LOG = 10 << 20


@dataclass(frozen=True)
class Wishes:
    """What a client asks for; None: no wish."""

    workers: int | None
    storage: str | None
    environments: Environments | None
    stay: bool = False
    worker_memory: int | str | None = None

    def check(self) -> None:
        """Raise `InvalidInputError` for what is not possible."""
        count: object = self.workers
        if count is not None and (not isinstance(count, int) or isinstance(count, bool) or count < 1):
            raise InvalidInputError(f"workers is {self.workers!r}; give a number of processes, at least 1.")
        if self.environments not in {None, "host", "build"}:
            raise InvalidInputError(f"environments is {self.environments!r}; it can be 'host' or 'build'.")
        self.memory()

    def memory(self) -> int | None:
        """Return `worker_memory` in bytes.

        Raises:
            InvalidInputError: it is no size.
        """
        try:
            return None if self.worker_memory is None else memory_size(self.worker_memory)
        except ValueError as error:
            raise InvalidInputError(str(error)) from error

    def refuse(self, record: ServiceRecord) -> None:
        """Raise `LocalServiceError` when the service that runs is another than was asked for."""
        asked = record.differences(self.workers, self.storage, self.environments, self.memory())
        asked += ["stay=True"] if self.stay and not record.stay else []
        if asked:
            raise LocalServiceError(
                f"A local service already runs on '{record.root}' (process {record.pid}) with {record}; "
                f"you asked for {', '.join(asked)}. Leave that out to join it, close its clients first, "
                "or use another root: BatchClient.local(root)."
            )


def start(folder: Path, wishes: Wishes, deadline: float) -> subprocess.Popen[bytes]:
    """Start a service on a root folder and return its process once it takes requests.

    Raises:
        LocalServiceError: it did not become ready; with what it said.
    """
    command = [sys.executable, "-m", "azure_batch_endpoints.local", "--root", str(folder), "--detached"]
    command += ["--workers", str(wishes.workers)] if wishes.workers is not None else []
    command += ["--worker-memory", str(wishes.memory())] if wishes.worker_memory is not None else []
    command += ["--environments", wishes.environments] if wishes.environments is not None else []
    command += ["--stay"] if wishes.stay else []
    with _log(folder) as log:
        process = subprocess.Popen(  # noqa: S603 - our own interpreter and module
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=log,
            cwd=folder,  # never the user's folder: a random.py there would be imported
            env=_environment(),
            start_new_session=True,  # Ctrl-C in this terminal is not meant for the service
        )
    try:
        report = _report(process, json.dumps({"storage": wishes.storage}), deadline)
        if report != {"ready": True}:
            raise LocalServiceError(
                str(
                    report.get("error")
                    or "The local service did not start. Look at what it said, or use another root. "
                    f"{last_words(folder)}"
                )
            )
    except BaseException:
        _end(process)
        raise
    # Whenever it ends, somebody takes its exit status: else it would stay behind as a zombie of this process.
    threading.Thread(target=process.wait, name="local service", daemon=True).start()
    return process


def _end(process: subprocess.Popen[bytes]) -> None:
    process.terminate()
    try:
        process.wait(_END_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def _report(process: subprocess.Popen[bytes], secrets: str, deadline: float) -> dict[str, object]:
    """Hand over what must not stand on a command line; return what the service says when it is ready or gives up."""
    assert process.stdin and process.stdout  # noqa: S101 - both are PIPE
    with process.stdin as to_service, contextlib.suppress(BrokenPipeError):
        to_service.write(secrets.encode())
        to_service.flush()
    with process.stdout as from_service:
        line = _first_line(from_service, deadline)
    try:
        report = json.loads(line)
    except ValueError:
        return {}
    return report if isinstance(report, dict) else {}


def _first_line(stream: IO[bytes], deadline: float) -> bytes:
    line = b""
    while not line.endswith(b"\n"):
        if not is_readable(stream, max(0.0, deadline - time.monotonic())):
            return b""
        piece = os.read(stream.fileno(), 65536)
        if not piece:
            break
        line += piece
    return line


def _environment() -> dict[str, str]:
    """This process's environment, in which the service finds this very package even when it is not installed."""
    environment = dict(os.environ)
    spec = importlib.util.find_spec("azure_batch_endpoints")
    parent = str(Path(str(spec and spec.origin)).parent.parent)
    if parent not in [*site.getsitepackages(), site.getusersitepackages()]:
        environment["PYTHONPATH"] = os.pathsep.join(filter(None, [environment.get("PYTHONPATH"), parent]))
    return environment


@contextlib.contextmanager
def _log(folder: Path) -> Iterator[IO[bytes]]:
    path = folder / "service.log"
    try:
        if path.exists() and path.stat().st_size > _MOST_LOG:
            path.replace(path.with_suffix(".log.old"))
        with path.open("ab") as file:
            yield file
    except OSError as error:
        if error.filename != str(path):
            raise LocalServiceError(
                f"The local service cannot be started: {error}. Look at service.log in its root folder."
            ) from error
        raise LocalServiceError(
            f"'{path}' cannot be written: {error.strerror}. Use another root: BatchClient.local(root)."
        ) from error


def last_words(folder: Path) -> str:
    """Return the end of a root folder's `service.log`, introduced."""
    path = folder / "service.log"
    try:
        lines = path.read_text(encoding="utf-8", errors="replace").splitlines()[-_LOG_LINES:]
    except OSError:
        return ""
    return f"The end of '{path}':\n" + "\n".join(lines)
