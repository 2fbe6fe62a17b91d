"""A proxy in front of a blob endpoint that counts what passes, and spoils or stops it when a test says so."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.client import HTTPConnection
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Event, Lock, Thread
from urllib.parse import urlsplit


@dataclass(frozen=True)
class Passed:
    """One exchange: what was asked for, how much went each way."""

    method: str
    path: str
    sent: int
    status: int
    got: int


@dataclass
class Meddler:
    """What the proxy saw, and what it does.

    Attributes:
        url: address of the account behind the proxy.
        spoil: told method, path and body of a request; returns the body to pass on.
        spoil_answer: likewise for the body of an answer.
    """

    url: str = ""
    spoil: Callable[[str, str, bytes], bytes] = lambda _method, _path, body: body
    spoil_answer: Callable[[str, str, bytes], bytes] = lambda _method, _path, body: body
    seen: list[Passed] = field(default_factory=list)
    lock: Lock = field(default_factory=Lock)
    news: Event = field(default_factory=Event)

    def note(self, one: Passed) -> None:
        with self.lock:
            self.seen.append(one)
        self.news.set()

    def passed(self, method: str, word: str = "") -> list[Passed]:
        """The exchanges of a method whose path has a word and which ended well."""
        with self.lock:
            return [one for one in self.seen if one.method == method and word in one.path and one.status < 300]

    def forget(self) -> None:
        with self.lock:
            self.seen.clear()


def flipped(body: bytes) -> bytes:
    """The same with one bit changed."""
    return bytes([body[0] ^ 1]) + body[1:] if body else body


@contextmanager
def meddling(account: str) -> Iterator[Meddler]:
    """Run a proxy in front of an account; yields what it saw."""
    meddler, upstream = Meddler(), urlsplit(account)

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def log_message(self, format: str, *args: object) -> None:
            return

        def do_GET(self) -> None:
            method, path = self.command, self.path
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            connection = HTTPConnection(str(upstream.hostname), upstream.port, timeout=60)
            try:
                connection.request(method, path, meddler.spoil(method, path, body) or None, dict(self.headers.items()))
                answer = connection.getresponse()
                data = meddler.spoil_answer(method, path, answer.read())
                meddler.note(Passed(method, path, len(body), answer.status, len(data)))
                self._reply(answer.status, answer.getheaders(), data)
            finally:
                connection.close()

        do_PUT = do_HEAD = do_POST = do_DELETE = do_GET

        def _reply(self, status: int, headers: list[tuple[str, str]], data: bytes) -> None:
            with suppress(OSError):  # the client was killed
                self.send_response_only(status)
                for name, value in headers:
                    if name.lower() not in {"transfer-encoding", "connection", "content-length"}:
                        self.send_header(name, value)
                length = dict((name.lower(), value) for name, value in headers).get("content-length", "0")
                self.send_header("Content-Length", length if self.command == "HEAD" else str(len(data)))
                self.end_headers()
                self.wfile.write(data)

    class Server(ThreadingHTTPServer):
        daemon_threads = True
        request_queue_size = 64

        def handle_error(self, request: object, client_address: object) -> None:
            return

    server = Server(("127.0.0.1", 0), Handler)
    thread = Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    meddler.url = f"http://127.0.0.1:{server.server_port}{upstream.path}"
    try:
        yield meddler
    finally:
        server.shutdown()
        server.server_close()
        thread.join(10)
