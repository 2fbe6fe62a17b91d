"""The local service as its clients see it: find the one that runs on a root folder or start it, hold it, let it go.

Not here: what the service does (`server`), how long it stays (`leases`).
"""

from __future__ import annotations

import contextlib
import os
import subprocess
import time
from collections.abc import Iterator
from os import PathLike
from pathlib import Path

from typing_extensions import Self

from azure_batch_endpoints.errors import LocalServiceError
from azure_batch_endpoints.local.job import StoreAddress
from azure_batch_endpoints.local.lease import Lease
from azure_batch_endpoints.local.record import ServiceRecord, StorageKind, read_record
from azure_batch_endpoints.local.starting import Environments, Wishes, last_words, start

START_SECONDS = 60.0
"""For a start, which takes about a second."""
AZURITE_SECONDS = 600.0
"""For a start with Azurite, which the first time is installed from the network."""
_END_SECONDS = 3.0
_AZURITE_END_SECONDS = 18.0
"""Azurite saves its data when it ends."""
_PAUSE = 0.02


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
        worker_memory: bytes that one worker process may hold.
        environments: ``host`` or ``build``.
        started: whether this client started it; False: it ran already and was joined.
    """

    def __init__(
        self, record: ServiceRecord, lease: Lease, process: subprocess.Popen[bytes] | None, storage: str | None = None
    ) -> None:
        self._storage_wish = storage
        self._take(record, lease, process)

    def _take(self, record: ServiceRecord, lease: Lease, process: subprocess.Popen[bytes] | None) -> None:
        self.root = Path(record.root)
        self.base_url = record.base_url
        self.token = record.token
        self.store: StoreAddress = record.store
        self.pid = record.pid
        self.workers = record.workers
        self.worker_memory = record.worker_memory
        self.storage: StorageKind = record.storage
        self.environments: Environments = record.environments
        self.started = process is not None
        self._stay = record.stay
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
        worker_memory: int | str | None = None,
    ) -> LocalService:
        """Join the service that runs on a root folder, or start one.

        Args:
            root: folder that keeps everything, made when missing; None: one per user.
            workers: most worker processes at once; None: what runs, else the number of cores.
            storage: ``azurite`` or a connection string; None: what runs, else the embedded blob endpoint.
            environments: None: what runs, else ``host``.
            stay: it goes on without clients, until it is stopped (`running.stop`).
            worker_memory: bytes, or text as "2GiB", that one worker process with all it starts may hold; None: what
                runs, else its share of 90 % of the machine's memory.

        Raises:
            InvalidInputError: `workers`, `environments` or `worker_memory` is not possible.
            LocalServiceError: the folder cannot be used, what runs there differs from what was asked for, or the
                service did not become ready; with its last log lines.
        """
        wishes = Wishes(workers, storage, environments, stay, worker_memory)
        wishes.check()
        return cls(*_obtained(_prepared(root), wishes), storage)

    @property
    def log(self) -> Path:
        """What the service itself has to say."""
        return self.root / "service.log"

    @property
    def alive(self) -> bool:
        """Whether the service still runs; sends nothing. False after :meth:`close`."""
        return self._lease is not None and self._lease.held

    def lost(self, seconds: float) -> bool:
        """Whether the service is gone; one that is just going is waited for that long. False after :meth:`close`."""
        return self._lease is not None and self._lease.lost(seconds)

    def ended_in_order(self) -> bool:
        """Whether a service that is gone was told to end; False: it died (killed, out of memory, a crash)."""
        return self._lease is not None and self._lease.ended_in_order()

    def restore(self) -> None:
        """Start the service again as it was, after it died; or join the one that another client has started meanwhile.

        Raises:
            LocalServiceError: it cannot be started, its root folder was removed, or it is at another address now.
        """
        self._require_root()
        known = {"azurite": "azurite", "account": self.store.connection_string}.get(self.storage)
        storage = self._storage_wish or known
        wishes = Wishes(self.workers, storage, self.environments, self._stay, self.worker_memory)
        self._settle(*_obtained(_prepared(self.root), wishes))

    def rejoin(self) -> bool:
        """Join the service that somebody started on the root since this one ended; False: there is none.

        Raises:
            LocalServiceError: its root folder was removed, or it is at another address.
        """
        self._require_root()
        joined = _join(_prepared(self.root), Wishes(None, None, None), time.monotonic() + self._end_seconds)
        if joined is not None:
            self._settle(*joined, None)
        return joined is not None

    def _require_root(self) -> None:
        if not self.root.is_dir():
            raise LocalServiceError(
                f"The root folder '{self.root}' was removed, and with it all that the local service kept. "
                "Make a new client: BatchClient.local(root)."
            )

    def _settle(self, record: ServiceRecord, lease: Lease, process: subprocess.Popen[bytes] | None) -> None:
        moved = (record.base_url, record.endpoint) != (self.base_url, self.store.endpoint)
        if self._lease is not None:
            self._lease.release()
        self._take(record, lease, process)
        if moved:
            raise LocalServiceError(
                f"The local service on '{self.root}' runs again, at another address ({self.base_url}): another program "
                "took its port. Its jobs go on. Make a new client: BatchClient.local(root)."
            )

    def close(self) -> None:
        """Let the service go; when this was its last client, wait until it has ended. Twice is fine.

        It takes a third of a second, with Azurite one or two; a service that hangs is waited for 3 s (18 s).
        """
        lease, self._lease = self._lease, None
        if lease is not None and lease.release():
            self._await_end(time.monotonic() + self._end_seconds)

    @property
    def _end_seconds(self) -> float:
        return _AZURITE_END_SECONDS if self.storage == "azurite" else _END_SECONDS

    def _await_end(self, deadline: float) -> None:
        while time.monotonic() < deadline and _runs(self.pid, self._process):
            time.sleep(_PAUSE)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"LocalService({self.base_url}, root='{self.root}', pid={self.pid}, workers={self.workers})"


def _obtained(folder: Path, wishes: Wishes) -> tuple[ServiceRecord, Lease, subprocess.Popen[bytes] | None]:
    """Join the service that runs, or start one; with its process when it was started here."""
    seconds = AZURITE_SECONDS if wishes.storage == "azurite" else START_SECONDS
    deadline = time.monotonic() + seconds
    with _one_start_at_a_time(folder, seconds):
        joined = _join(folder, wishes, deadline)
        if joined is not None:
            return *joined, None
        process = start(folder, wishes, deadline)
        joined = _join(folder, wishes, deadline)
    if joined is None:
        raise LocalServiceError(
            f"The local service on '{folder}' ended right after its start. Look at what "
            f"it said, or use another root. {last_words(folder)}"
        )
    return *joined, process


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
    except Timeout as error:
        raise LocalServiceError(
            f"Another client has been starting a service on '{folder}' for {seconds:.0f} s. "
            "Look at its service.log, end that client, or use another root: BatchClient.local(root)."
        ) from error
    try:
        yield
    finally:
        lock.release()


def _join(folder: Path, wishes: Wishes, deadline: float) -> tuple[ServiceRecord, Lease] | None:
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
                f"End that process, or use another root: BatchClient.local(root). {last_words(folder)}"
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


def _runs(pid: int, process: subprocess.Popen[bytes] | None) -> bool:
    if process is not None:
        return process.poll() is None
    try:
        os.kill(pid, 0)
    except OSError as error:
        return isinstance(error, PermissionError)
    return True
