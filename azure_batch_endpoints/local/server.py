"""The service process: one uvicorn for the REST app, the blob endpoint and the clients' leases; start and orderly end.

What is put together here is made elsewhere: app, store, scheduler.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import signal
import socket
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import uvicorn
from filelock import FileLock, Timeout

from azure_batch_endpoints._version import __version__
from azure_batch_endpoints.errors import LocalServiceError
from azure_batch_endpoints.local import deleting, leases, record
from azure_batch_endpoints.local.app import create_app
from azure_batch_endpoints.local.asset_cache import AssetCache
from azure_batch_endpoints.local.blobstore.protocol import BlobProtocol
from azure_batch_endpoints.local.context import ServiceContext
from azure_batch_endpoints.local.environments import Environments
from azure_batch_endpoints.local.identity import bearer_token, identity, keep_to_store
from azure_batch_endpoints.local.job import ServiceSettings
from azure_batch_endpoints.local.jobrun import ServiceParts
from azure_batch_endpoints.local.leases import Leases
from azure_batch_endpoints.local.resources import Key
from azure_batch_endpoints.local.runner import run_job
from azure_batch_endpoints.local.scheduler import Scheduler
from azure_batch_endpoints.local.staging import staging_ended
from azure_batch_endpoints.local.state import State
from azure_batch_endpoints.local.stores import Store, open_store

_LOCK_SECONDS = 2.0
"""A client that looks whether the root is taken holds the lock for a moment."""
_LOCK = "service.lock"
_ROOT_SECONDS = 1.0
_JOBS_END_SECONDS = 8.0
_TRANSFERS_END_SECONDS = 1.0
_REQUESTS_END_SECONDS = 1
_log = logging.getLogger(__name__)


def serve(settings: ServiceSettings, ready: Callable[[], None]) -> bool:
    """Be the service of a root folder until it is told to end.

    Args:
        settings: how it was started.
        ready: called when requests are taken.

    Returns:
        whether everything has ended as it should; False: a thread hangs.

    Raises:
        LocalServiceError: another service holds the root, or something needed cannot be opened.
    """
    with contextlib.ExitStack() as closing:
        closing.enter_context(_alone_on(settings.root))
        _keep_private(settings.root)
        listener = closing.enter_context(_listener(settings.root))
        base_url = f"http://127.0.0.1:{listener.getsockname()[1]}"
        workspace_id, key = identity(settings.root)
        store = open_store(settings.root, settings.storage, workspace_id, key, base_url)
        closing.callback(store.close)
        keep_to_store(settings.root, _store_kind(settings, store.address.account))
        state = State(settings.root / "state.sqlite")
        closing.callback(state.close)
        deleting.settle_all(settings, state)
        store.look_up(lambda name: made.body if (made := state.resources.get(Key("datastores", name))) else None)
        parts = ServiceParts(settings, store, AssetCache(settings.root / "cache"), Environments(settings))
        scheduler = Scheduler(
            state, lambda job, workers, control: run_job(job, workers, control, parts), settings.workers
        )
        token = bearer_token(key)
        context = ServiceContext(settings, state, store.address, base_url, token, workspace_id, scheduler)
        server = _Server(create_app(context), store, scheduler, token, settings)
        record.write_record(settings.root, record.make_record(settings, base_url, token, store.address, __version__))
        scheduler.resume()
        ready()
        for number in (signal.SIGTERM, signal.SIGINT):  # uvicorn raises them once more when it has ended
            signal.signal(number, lambda *_: None)
        server.run(sockets=[listener])
        record.remove_record(settings.root)
        return scheduler.close(_JOBS_END_SECONDS) and staging_ended(_TRANSFERS_END_SECONDS)


class _Server(uvicorn.Server):
    """uvicorn with the service's routes: leases, blobs, and the REST app for everything else."""

    def __init__(
        self,
        rest: Any,  # noqa: ANN401 - an ASGI app
        store: Store,
        scheduler: Scheduler,
        token: str,
        settings: ServiceSettings,
    ) -> None:
        self._rest = rest
        self._blobs = store.app
        self._blob_path = f"/{store.address.account}"
        self._scheduler = scheduler
        self._leases = Leases(token, stay=settings.stay, end=self._end)
        self._root = settings.root
        super().__init__(
            uvicorn.Config(
                self._answer,
                interface="asgi3",
                http=BlobProtocol,
                lifespan="on",
                proxy_headers=False,
                server_header=False,  # the REST app names the front door it stands for
                access_log=False,  # addresses of logs carry a signature
                log_config=None,
                timeout_keep_alive=60,
                timeout_graceful_shutdown=_REQUESTS_END_SECONDS,
            )
        )

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """End the leases, tell the jobs, finish what is being answered."""
        _log.info("ending")
        self._leases.finish()
        self._scheduler.begin_close()
        await super().shutdown(sockets)

    def _end(self) -> None:
        self.should_exit = True

    async def _answer(self, scope: dict[str, Any], receive: Any, send: Any) -> None:  # noqa: ANN401 - as ASGI has them
        path = scope.get("path", "")
        if scope["type"] == "lifespan":
            await self._live(receive, send)
        elif path.startswith(leases.PREFIX):
            await self._leases(scope, receive, send)
        elif self._blobs is not None and (path == self._blob_path or path.startswith(f"{self._blob_path}/")):
            await self._blobs(scope, receive, send)
        else:
            await self._rest(scope, receive, send)

    async def _live(self, receive: Any, send: Any) -> None:  # noqa: ANN401 - as ASGI has them
        await receive()
        self._leases.begin()
        watching = asyncio.create_task(self._end_with_root())
        await send({"type": "lifespan.startup.complete"})
        await receive()
        watching.cancel()
        await send({"type": "lifespan.shutdown.complete"})

    async def _end_with_root(self) -> None:
        """End when the root folder is removed: nothing can be kept, and the next service will not know of this one."""
        held = _inode(self._root / _LOCK)
        while _inode(self._root / _LOCK) == held:
            await asyncio.sleep(_ROOT_SECONDS)
        _log.error("'%s' was removed, or its file '%s'. The service ends.", self._root, _LOCK)
        self._end()


def _inode(path: Path) -> int | None:
    try:
        return path.stat().st_ino
    except OSError:
        return None


def _listener(root: Path) -> socket.socket:
    """Listen where it did last time, so that addresses stay valid; on another port when that one is taken."""
    kept = root / "port"
    try:
        listener = _bound(int(kept.read_text(encoding="ascii")))
    except (OSError, ValueError, OverflowError):
        listener = _bound(0)
    # Accepted connections inherit it. Without it the body, written after the head, waits 40 ms for an acknowledgement.
    listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    kept.write_text(str(listener.getsockname()[1]), encoding="ascii")
    return listener


def _store_kind(settings: ServiceSettings, account: str) -> str:
    if settings.storage in (None, "azurite"):
        return "Azurite" if settings.storage else "its own blob store"
    return f"the storage account '{account}'"


def _bound(port: int) -> socket.socket:
    return socket.create_server(("127.0.0.1", port), backlog=1024)


def _keep_private(root: Path) -> None:
    """Keep jobs, with the addresses and the data in them, from other users, also in a folder that they may enter."""
    for folder in ("jobs", "cache"):
        (root / folder).mkdir(mode=0o700, exist_ok=True)
        (root / folder).chmod(0o700)
    (root / "state.sqlite").touch(mode=0o600)
    for file in ("state.sqlite", "service.log"):
        with contextlib.suppress(FileNotFoundError):
            (root / file).chmod(0o600)


@contextlib.contextmanager
def _alone_on(root: Path) -> Iterator[None]:
    """Hold the root folder; the kernel lets it go when this process dies."""
    lock = FileLock(root / _LOCK, timeout=_LOCK_SECONDS, poll_interval=0.02)
    try:
        lock.acquire()
    except Timeout as error:
        raise LocalServiceError(
            f"Another local service holds '{root}'. Join it with BatchClient.local('{root}'), or use another root."
        ) from error
    try:
        if (root / record.NAME).exists():
            _log.warning("The service before this one ended without notice. Its jobs go on.")
            record.remove_record(root)
        yield
    finally:
        lock.release()
