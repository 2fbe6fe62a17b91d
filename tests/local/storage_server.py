"""The embedded blob endpoint behind a real server, for tests that talk to it over HTTP."""

from __future__ import annotations

import base64
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Thread

import uvicorn

from azure_batch_endpoints.local.blobstore import BlobStore, blob_app

ACCOUNT = "storageacct"
KEY = base64.b64encode(b"a key for tests only").decode()


@contextmanager
def blob_server(root: Path) -> Iterator[str]:
    """Serve a fresh store from a thread; yields the account's URL."""
    with BlobStore(root) as store, socket.socket(proto=socket.IPPROTO_TCP) as listening:
        listening.bind(("127.0.0.1", 0))
        config = uvicorn.Config(blob_app(store, ACCOUNT, KEY), log_level="critical", lifespan="off")
        server = uvicorn.Server(config)
        thread = Thread(target=server.run, kwargs={"sockets": [listening]}, daemon=True)
        thread.start()
        deadline = time.monotonic() + 60
        while not server.started:
            assert thread.is_alive() and time.monotonic() < deadline, "the blob endpoint did not start"
            time.sleep(0.01)
        try:
            yield f"http://127.0.0.1:{listening.getsockname()[1]}/{ACCOUNT}"
        finally:
            server.should_exit = True
            thread.join(10)
