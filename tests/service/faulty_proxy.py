"""A TCP proxy that breaks what passes through it, request by request, and a service behind it that listens for real."""

from __future__ import annotations

import contextlib
import re
import socket
import struct
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

import uvicorn
from starlette.types import ASGIApp

Forward = Callable[[bytes], bytes]
Fault = Callable[[bytes, Forward, socket.socket], None]
"""Takes a request, a way to the service and the client's connection."""
_LENGTH = re.compile(rb"(?i)\r\ncontent-length: *(\d+)")


@contextlib.contextmanager
def serving(app: ASGIApp) -> Iterator[int]:
    """Serve an application from a thread of this process; gives the port."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        config = uvicorn.Config(app, log_config=None, access_log=False, lifespan="off", server_header=False)
        server = uvicorn.Server(config)
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]}, daemon=True)
        thread.start()
        try:
            yield listener.getsockname()[1]
        finally:
            server.should_exit = server.force_exit = True
            thread.join()


@dataclass
class FaultyProxy:
    """Listens from the start; ``upstream`` is named before the first request.

    Attributes:
        upstream: port of the service.
        faults: the next ones, for requests that ``meets``; without any left all goes through.
        meets: which requests faults are for, by their first line.
        seen: first lines of all requests.
    """

    upstream: int = 0
    faults: list[Fault] = field(default_factory=list)
    meets: Callable[[str], bool] = lambda line: line.startswith("POST ")
    seen: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=50)
        self._open: set[socket.socket] = set()
        self._lock = threading.Lock()
        self.late: list[threading.Thread] = []
        threading.Thread(target=self._accept, daemon=True).start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._listener.getsockname()[1]}"

    def close(self) -> None:
        """Stop listening and cut all connections."""
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        with self._lock:
            for one in self._open:
                with contextlib.suppress(OSError):
                    one.shutdown(socket.SHUT_RDWR)

    def settle(self) -> None:
        """Wait for the requests that arrive late."""
        for thread in self.late:
            thread.join(30)

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            threading.Thread(target=self._serve, args=(client,), daemon=True).start()

    def _serve(self, client: socket.socket) -> None:
        with self._lock:
            self._open.add(client)
        try:
            with client, Upstream(self.upstream) as service:
                while request := read_message(client):
                    line = request.partition(b"\r\n")[0].decode()
                    with self._lock:
                        self.seen.append(line)
                        fault = self.faults.pop(0) if self.faults and self.meets(line) else None
                    if fault is None:
                        client.sendall(service.forward(request))
                        continue
                    fault(request, service.forward, client)
                    return
        except OSError:
            pass
        finally:
            with self._lock:
                self._open.discard(client)


class Upstream:
    """A connection to the service, made when it is needed."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._socket: socket.socket | None = None

    def __enter__(self) -> Upstream:
        return self

    def __exit__(self, *_: object) -> None:
        if self._socket is not None:
            self._socket.close()

    def forward(self, request: bytes) -> bytes:
        """Give the service a request, or a part of one; returns its answer, or b"" of a part."""
        if self._socket is None:
            self._socket = socket.create_connection(("127.0.0.1", self._port))
            self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._socket.sendall(request)
        if not is_whole(request):
            self._socket.close()
            self._socket = None
            return b""
        return read_message(self._socket)


def read_message(connection: socket.socket) -> bytes:
    """Read one request or answer, whole; b"" at the end of the connection."""
    data = b""
    while not is_whole(data):
        more = connection.recv(65536)
        if not more:
            return b""
        data += more
    return data


def is_whole(data: bytes) -> bool:
    head, found, body = data.partition(b"\r\n\r\n")
    if not found:
        return False
    length = _LENGTH.search(head)
    return len(body) >= (int(length[1]) if length else 0)


def end(client: socket.socket, *, reset: bool) -> None:
    """Close a connection in order (FIN) or not (RST)."""
    if reset:
        client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        client.close()
    else:
        client.shutdown(socket.SHUT_RDWR)


# ------------------------------------------------------------------ faults


def cut_request(at: int, *, reset: bool = False) -> Fault:
    """Only the first bytes of the request arrive."""

    def fault(request: bytes, forward: Forward, client: socket.socket) -> None:
        if at:
            forward(request[:at])
        end(client, reset=reset)

    return fault


def cut_answer(at: int, *, reset: bool = False) -> Fault:
    """The request is carried out; only the first bytes of the answer come back."""

    def fault(request: bytes, forward: Forward, client: socket.socket) -> None:
        client.sendall(forward(request)[:at])
        end(client, reset=reset)

    return fault


def repeated(which: int) -> Fault:
    """The request is delivered twice; one of the two answers comes back."""

    def fault(request: bytes, forward: Forward, client: socket.socket) -> None:
        client.sendall([forward(request), forward(request)][which])

    return fault


def answered(status: int, headers: str = "", *, after: bool) -> Fault:
    """Something in between answers, before the request went on or after it was carried out."""

    def fault(request: bytes, forward: Forward, client: socket.socket) -> None:
        if after:
            forward(request)
        body = b"<html>not the service</html>"
        head = f"HTTP/1.1 {status} Faulty\r\nContent-Type: text/html\r\nContent-Length: {len(body)}\r\n{headers}\r\n"
        client.sendall(head.encode() + body)

    return fault


def late(proxy: FaultyProxy) -> Fault:
    """No answer comes; the request arrives after the client has given up."""

    def fault(request: bytes, forward: Forward, client: socket.socket) -> None:
        proxy.late.append(threading.current_thread())
        client.recv(1)  # b"": the client is gone
        forward(request)

    return fault


def silent(request: bytes, forward: Forward, client: socket.socket) -> None:
    """The request is carried out; no answer comes until the client has given up."""
    forward(request)
    client.recv(1)
