"""Between a client and the local service: counts requests, and lets one endpoint take its time. Bytes pass as they are.

Used by `client`. It is a port of this machine that leads to the service. The service names its own address in answers;
on the way through, that becomes the tap's, so that whatever the client asks next comes through here, too.
"""

from __future__ import annotations

import re
import socket
import threading
import time
from contextlib import suppress

SLOW_SECONDS = 2.0
"""How long an endpoint whose name begins with `slow` takes until it is ready."""
_REQUEST = re.compile(rb"(?:^|(?<=\n)|(?<=\}))(?:GET|PUT|POST|PATCH|DELETE|HEAD|OPTIONS) /\S* HTTP/1\.1\r\n")
_SLOW = re.compile(rb"PUT /\S*/batchEndpoints/slow", re.IGNORECASE)
_ASK = b"COUNT\n"


class Tap:
    """A port that leads to the service.

    Attributes:
        port: where it listens; it has as many digits as the service's, so that no answer changes its length.
        count: requests that went through.
    """

    def __init__(self, port: int) -> None:
        """Listen.

        Args:
            port: the service's.
        """
        self.count = 0
        self._slow_until = 0.0
        self._target = port
        self._listener = _listener(len(str(port)))
        self.port: int = self._listener.getsockname()[1]
        self._lock = threading.Lock()
        threading.Thread(target=self._accept, daemon=True).start()

    def close(self) -> None:
        """Listen no longer."""
        self._listener.close()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                client, _ = self._listener.accept()
                threading.Thread(target=self._serve, args=(client,), daemon=True).start()

    def _serve(self, client: socket.socket) -> None:
        with suppress(OSError), client:
            first = client.recv(1 << 16)
            if first == _ASK:
                client.sendall(str(self.count).encode())
                return
            with socket.create_connection(("127.0.0.1", self._target)) as service:
                for one in (client, service):
                    one.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                back = threading.Thread(target=self._back, args=(service, client), daemon=True)
                back.start()
                while first:
                    service.sendall(self._there(first))
                    first = client.recv(1 << 16)
                with suppress(OSError):
                    service.shutdown(socket.SHUT_WR)
                back.join()

    def _there(self, data: bytes) -> bytes:
        with self._lock:
            self.count += len(_REQUEST.findall(data))
            if _SLOW.search(data):
                self._slow_until = time.monotonic() + SLOW_SECONDS
        return data.replace(_address(self.port), _address(self._target))

    def _back(self, service: socket.socket, client: socket.socket) -> None:
        with suppress(OSError):
            while data := service.recv(1 << 16):
                if time.monotonic() < self._slow_until:
                    data = data.replace(b'"Succeeded"', b'"Updating" ')  # as long: a blank after it is still JSON
                client.sendall(data.replace(_address(self._target), _address(self.port)))
            client.shutdown(socket.SHUT_WR)


def counted(port: int) -> int:
    """Return how many requests went through the tap at a port."""
    with socket.create_connection(("127.0.0.1", port)) as asking:
        asking.sendall(_ASK)
        return int(asking.recv(100))


def _address(port: int) -> bytes:
    return f"127.0.0.1:{port}".encode()


def _listener(digits: int) -> socket.socket:
    kept: list[socket.socket] = []
    try:
        while True:
            one = socket.create_server(("127.0.0.1", 0))
            if len(str(one.getsockname()[1])) == digits:
                return one
            kept.append(one)
    finally:
        for other in kept:
            other.close()
