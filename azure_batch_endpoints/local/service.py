"""The local service as its clients see it: find the one that runs on a root folder or start it, hold it, let it go.

Not here: what the service does (`server`), how long it stays (`leases`).
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
from os import PathLike
from pathlib import Path
from typing import IO, Literal

from typing_extensions import Self

from azure_batch_endpoints.errors import InvalidInputError, LocalServiceError
from azure_batch_endpoints.local.job import StoreAddress
from azure_batch_endpoints.local.lease import Lease, is_readable
from azure_batch_endpoints.local.record import ServiceRecord, StorageKind, read_record

Environments = Literal["host", "build"]
START_SECONDS = 60.0
"""For a start, which takes about a second."""
AZURITE_SECONDS = 600.0
"""For a start with Azurite, which the first time is installed from the network."""
_END_SECONDS = 3.0
_AZURITE_END_SECONDS = 18.0
"""Azurite saves its data when it ends."""
_PAUSE = 0.02
_LOG_LINES = 15
_MOST_LOG = 10 << 20


@dataclass(frozen=True)
class _Wishes:
    """What a client asked for; None: no wish."""

    workers: int | None
    storage: str | None
    environments: Environments | None
    stay: bool = False

    def check(self) -> None:
        if self.workers is not None and (isinstance(self.workers, bool) or self.workers < 1):
            raise InvalidInputError(f"workers is {self.workers!r}; give a number of processes, at least 1.")
        if self.environments not in {None, "host", "build"}:
            raise InvalidInputError(f"environments is {self.environments!r}; it can be 'host' or 'build'.")

    def refuse(self, record: ServiceRecord) -> None:
        asked = record.differences(self.workers, self.storage, self.environments)
        asked += ["stay=True"] if self.stay and not record.stay else []
        if asked:
            raise LocalServiceError(
                f"A local service already runs on '{record.root}' (process {record.pid}) with {record}; "
                f"you asked for {', '.join(asked)}. Leave that out to join it, close its clients first, "
                "or use another root: BatchClient.local(root)."
            )


class LocalService:
    """A running local service and this client's hold on it.

    Attributes:
        root: folder that keeps everything.
        base_url: ``http://127.0.0.1:<port>``.
        token: bearer token. Secret.
        store: how to reach the blob store. Its key is secret.
        pid: process id of the service.
        workers: most worker processes at once.
        storage: kind of the blob store.
        environments: ``host`` or ``build``.
        started: whether this client started it; False: it ran already and was joined.
    """

    def __init__(self, record: ServiceRecord, lease: Lease, process: subprocess.Popen[bytes] | None) -> None:
        self.root = Path(record.root)
        self.base_url = record.base_url
        self.token = record.token
        self.store: StoreAddress = record.store
        self.pid = record.pid
        self.workers = record.workers
        self.storage: StorageKind = record.storage
        self.environments: Environments = record.environments
        self.started = process is not None
        self._lease: Lease | None = lease
        self._process = process

    @classmethod
    def open(
        cls,
        root: str | PathLike[str] | None = None,
        *,
        workers: int | None = None,
        storage: str | None = None,
        environments: Environments | None = None,
        stay: bool = False,
    ) -> LocalService:
        """Join the service that runs on a root folder, or start one.

        Args:
            root: folder that keeps everything, made when missing; None: one per user.
            workers: most worker processes at once; None: what runs, else the number of cores.
            storage: ``azurite`` or a connection string; None: what runs, else the embedded blob endpoint.
            environments: None: what runs, else ``host``.
            stay: it goes on without clients, until it is stopped (`running.stop`).

        Raises:
            InvalidInputError: `workers` or `environments` is not possible.
            LocalServiceError: the folder cannot be used, what runs there differs from what was asked for, or the
                service did not become ready; with its last log lines.
        """
        wishes = _Wishes(workers, storage, environments, stay)
        wishes.check()
        folder = _prepared(root)
        seconds = AZURITE_SECONDS if storage == "azurite" else START_SECONDS
        deadline = time.monotonic() + seconds
        with _one_start_at_a_time(folder, seconds):
            joined = _join(folder, wishes, deadline)
            if joined is not None:
                return cls(*joined, None)
            process = _start(folder, wishes, deadline)
            joined = _join(folder, wishes, deadline)
        if joined is None:
            raise LocalServiceError(
                f"The local service on '{folder}' ended right after its start. {_last_words(folder)}"
            )
        return cls(*joined, process)

    @property
    def log(self) -> Path:
        """What the service itself has to say."""
        return self.root / "service.log"

    @property
    def alive(self) -> bool:
        """Whether the service still runs; sends nothing. False after :meth:`close`."""
        return self._lease is not None and self._lease.held

    def close(self) -> None:
        """Let the service go; when this was its last client, wait until it has ended. Twice is fine.

        It takes a third of a second, with Azurite one or two; a service that hangs is waited for 3 s (18 s).
        """
        lease, self._lease = self._lease, None
        if lease is not None and lease.release():
            seconds = _AZURITE_END_SECONDS if self.storage == "azurite" else _END_SECONDS
            self._await_end(time.monotonic() + seconds)

    def _await_end(self, deadline: float) -> None:
        while time.monotonic() < deadline and _runs(self.pid, self._process):
            time.sleep(_PAUSE)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"LocalService({self.base_url}, root='{self.root}', pid={self.pid}, workers={self.workers})"


def _prepared(root: str | PathLike[str] | None) -> Path:
    folder = Path.home() / ".azure_batch_endpoints" / "local" if root is None else Path(root).expanduser().absolute()
    try:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    except OSError as error:
        what = "is a file" if isinstance(error, FileExistsError) else f"cannot be made: {error.strerror}"
        raise LocalServiceError(f"The root folder '{folder}' {what}. Give another: BatchClient.local(root).") from error
    for path in (folder, folder / "start.lock", folder / "service.lock"):
        # Looked at in this order: another client may be making the file just now.
        if path.exists() and not os.access(path, os.R_OK | os.W_OK):
            raise LocalServiceError(
                f"You may not write to '{path}'. Give another root folder: BatchClient.local(root)."
            )
    return folder


@contextlib.contextmanager
def _one_start_at_a_time(folder: Path, seconds: float) -> Iterator[None]:
    from filelock import FileLock, Timeout

    lock = FileLock(folder / "start.lock", timeout=seconds, poll_interval=_PAUSE)
    try:
        lock.acquire()
    except Timeout:
        raise LocalServiceError(
            f"Another client has been starting a service on '{folder}' for {seconds:.0f} s. "
            "Look at its service.log, end that client, or use another root: BatchClient.local(root)."
        ) from None
    try:
        yield
    finally:
        lock.release()


def _join(folder: Path, wishes: _Wishes, deadline: float) -> tuple[ServiceRecord, Lease] | None:
    """Join what runs, waiting for one that is starting or ending; None when nothing runs."""
    while True:
        record = read_record(folder)
        occupied = _occupied(folder)
        # Without the lock a record is of a service that was killed; its port may be another program's by now.
        lease = Lease.take(record) if record and occupied else None
        if record and lease:
            try:
                wishes.refuse(record)
            except LocalServiceError:
                lease.release()
                raise
            return record, lease
        if not occupied:
            return None
        if time.monotonic() > deadline:
            who = f"process {record.pid}" if record else "a process"
            raise LocalServiceError(
                f"A local service holds '{folder}' ({who}) but does not answer. "
                f"End that process, or use another root: BatchClient.local(root). {_last_words(folder)}"
            )
        time.sleep(_PAUSE)


def _occupied(folder: Path) -> bool:
    """Whether a service process holds the root; the kernel gives the lock back when it dies."""
    from filelock import FileLock, Timeout

    lock = FileLock(folder / "service.lock", timeout=0)
    try:
        lock.acquire()
    except Timeout:
        return True
    lock.release()
    return False


def _start(folder: Path, wishes: _Wishes, deadline: float) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-m", "azure_batch_endpoints.local", "--root", str(folder), "--detached"]
    command += ["--workers", str(wishes.workers)] if wishes.workers is not None else []
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
            raise LocalServiceError(str(report.get("error") or f"The service did not start. {_last_words(folder)}"))
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
            raise LocalServiceError(f"The local service cannot be started: {error}.") from error
        raise LocalServiceError(
            f"'{path}' cannot be written: {error.strerror}. Use another root: BatchClient.local(root)."
        ) from error


def _last_words(folder: Path) -> str:
    path = folder / "service.log"
    try:
        lines = path.read_text(encoding="utf-8", errors="replace").splitlines()[-_LOG_LINES:]
    except OSError:
        return ""
    return f"The end of '{path}':\n" + "\n".join(lines)


def _runs(pid: int, process: subprocess.Popen[bytes] | None) -> bool:
    if process is not None:
        return process.poll() is None
    try:
        os.kill(pid, 0)
    except OSError as error:
        return isinstance(error, PermissionError)
    return True
