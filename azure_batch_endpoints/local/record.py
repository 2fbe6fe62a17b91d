"""`service.json`: how clients find and recognise the service of a root folder.

Shared by the service, which writes it, and its clients, which read it. Secrets are in it: only the user can read it.
"""

from __future__ import annotations

import hashlib
import json
import os
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any, Literal

from azure_batch_endpoints.errors import LocalServiceError
from azure_batch_endpoints.local.job import ServiceSettings, StoreAddress

StorageKind = Literal["embedded", "azurite", "account"]
NAME = "service.json"
_MARK = "azure_batch_endpoints local service"


@dataclass(frozen=True)
class ServiceRecord:
    """A running service.

    Attributes:
        root: folder that keeps everything, resolved: a copied folder must not lead to the original's service.
        pid: process id.
        base_url: management address.
        token: bearer token. Secret.
        account: storage account.
        endpoint: blob endpoint.
        key: account key. Secret.
        workers: most worker processes at once.
        worker_memory: bytes that one of them may hold.
        storage: kind of the blob store.
        storage_mark: digest that tells one connection string from another.
        environments: ``host`` or ``build``.
        stay: whether it goes on without clients.
        version: version of this package.
    """

    root: str
    pid: int
    base_url: str
    token: str = field(repr=False)
    account: str
    endpoint: str
    key: str = field(repr=False)
    workers: int
    worker_memory: int | None
    storage: StorageKind
    storage_mark: str
    environments: Literal["host", "build"]
    stay: bool
    version: str

    @property
    def store(self) -> StoreAddress:
        """How to reach the blob store."""
        return StoreAddress(self.account, self.endpoint, self.key)

    def differences(
        self, workers: int | None, storage: str | None, environments: str | None, worker_memory: int | None
    ) -> list[str]:
        """Return the wishes of a client (None: no wish) that this service does not meet, without secrets."""
        asked = []
        if workers is not None and workers != self.workers:
            asked.append(f"workers={workers}")
        if worker_memory is not None and worker_memory != self.worker_memory:
            asked.append(f"worker_memory={worker_memory}")
        if storage is not None and storage_mark(storage) != self.storage_mark:
            asked.append(f"storage={storage_kind(storage)}" if storage == "azurite" else "storage=<another account>")
        if environments is not None and environments != self.environments:
            asked.append(f"environments={environments}")
        return asked

    def __str__(self) -> str:
        """Return what the service does, for messages."""
        return (
            f"workers={self.workers}, worker_memory={self.worker_memory}, storage={self.storage}, "
            f"environments={self.environments}"
        )


def storage_kind(storage: str | None) -> StorageKind:
    """Return the kind of store that a `storage` setting names."""
    if storage is None:
        return "embedded"
    return "azurite" if storage == "azurite" else "account"


def storage_mark(storage: str | None) -> str:
    """Return a digest that tells `storage` settings apart without showing a key."""
    return hashlib.sha256((storage or "").encode()).hexdigest()


def make_record(
    settings: ServiceSettings, base_url: str, token: str, store: StoreAddress, version: str
) -> ServiceRecord:
    """Describe this process."""
    return ServiceRecord(
        root=str(settings.root.resolve()),
        pid=os.getpid(),
        base_url=base_url,
        token=token,
        account=store.account,
        endpoint=store.endpoint,
        key=store.key,
        workers=settings.workers,
        worker_memory=settings.worker_memory,
        storage=storage_kind(settings.storage),
        storage_mark=storage_mark(settings.storage),
        environments=settings.environments,
        stay=settings.stay,
        version=version,
    )


def write_record(root: Path, record: ServiceRecord) -> None:
    """Put `service.json` in place in one step, readable by the user only."""
    write_private(root / NAME, json.dumps({"kind": _MARK, **asdict(record)}, indent=1))


def write_private(path: Path, text: str) -> None:
    """Write a file that only the user can read, in one step."""
    draft = path.with_name(f".{path.name}.{os.getpid()}")
    draft.unlink(missing_ok=True)
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        file.write(text)
        file.flush()
        os.fsync(descriptor)
    draft.replace(path)


def remove_record(root: Path) -> None:
    """Forget the service of a root folder; a file that is not ours stays.

    Raises:
        LocalServiceError: `service.json` was written by another program.
    """
    _read(root)
    (root / NAME).unlink(missing_ok=True)


def read_record(root: Path) -> ServiceRecord | None:
    """Return what `service.json` says, or None when it is absent or came here with a copy of another root folder.

    The service it describes may be gone.

    Raises:
        LocalServiceError: `service.json` cannot be read or was written by another program.
    """
    values = _read(root)
    if values is None or values.get("root") != str(root.resolve()):
        return None
    try:
        return ServiceRecord(**{one.name: values[one.name] for one in fields(ServiceRecord)})
    except KeyError as error:  # another version of this package wrote it
        raise LocalServiceError(
            f"'{root / NAME}' was written by version {values.get('version')} of azure_batch_endpoints. "
            "Close the clients of that version, delete the file, or use another root."
        ) from error


def _read(root: Path) -> dict[str, Any] | None:
    path = root / NAME
    try:
        values = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return None
    except OSError as error:
        raise LocalServiceError(
            f"'{path}' cannot be read: {error.strerror}. Use a root folder of your own: BatchClient.local(root)."
        ) from error
    except ValueError:
        if (root / "identity.json").exists():  # the folder is ours; a crash of the machine left the file half-written
            return None
        values = None
    if not isinstance(values, dict) or values.get("kind") != _MARK:
        raise LocalServiceError(
            f"'{path}' was not written by azure_batch_endpoints, so '{root}' belongs to something else. "
            "Use another root: BatchClient.local(root)."
        )
    return values
