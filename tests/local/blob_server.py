"""The embedded blob endpoint as a process: ``blob_server.py FOLDER`` prints its port and ends when stdin closes."""

from __future__ import annotations

import base64
import socket
import sys
from pathlib import Path
from threading import Thread

import uvicorn

from azure_batch_endpoints.local.blobstore import BlobStore, blob_app
from azure_batch_endpoints.local.blobstore.protocol import BlobProtocol

ACCOUNT = "testaccount"
KEY = base64.b64encode(b"a key for tests only").decode()


def main(folder: Path) -> None:
    """Serve the store in ``folder`` until stdin closes."""
    with BlobStore(folder) as store, socket.socket(proto=socket.IPPROTO_TCP) as listening:
        listening.bind(("127.0.0.1", 0))
        listening.listen()  # before the port is told, so that nobody comes too early
        config = uvicorn.Config(blob_app(store, ACCOUNT, KEY), http=BlobProtocol, log_level="critical", lifespan="off")
        server = uvicorn.Server(config)

        def end_with_stdin() -> None:
            sys.stdin.read()
            server.should_exit = True

        Thread(target=end_with_stdin, daemon=True).start()
        print(listening.getsockname()[1], flush=True)
        server.run(sockets=[listening])


if __name__ == "__main__":
    main(Path(sys.argv[1]))
