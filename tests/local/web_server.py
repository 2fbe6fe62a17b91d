"""A web server of one's own whose answers a test chooses, for what storage accounts never do."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

Answer = Callable[[BaseHTTPRequestHandler], None]


def answer(status: int, content: bytes = b"", **headers: str) -> Answer:
    """Answer with a status, headers (``_`` for ``-``) and a content of known length."""

    def send(request: BaseHTTPRequestHandler) -> None:
        request.send_response(status)
        for name, value in {"Content_Length": str(len(content)), **headers}.items():
            request.send_header(name.replace("_", "-"), value)
        request.end_headers()
        request.wfile.write(content)

    return send


@dataclass
class Web:
    """What the server answers at which path, and what it was asked.

    Attributes:
        url: ``http://127.0.0.1:<port>``.
        pages: by path; several answers are given one after the other, the last one for ever.
        asked: path and headers of each request.
    """

    url: str
    pages: dict[str, list[Answer]] = field(default_factory=dict)
    asked: list[tuple[str, dict[str, str]]] = field(default_factory=list)

    def page(self, path: str, *answers: Answer) -> str:
        """Set what a path answers; return its URL."""
        self.pages[path] = list(answers)
        return self.url + path

    def handle(self, request: BaseHTTPRequestHandler) -> None:
        """Answer one request."""
        self.asked.append((request.path, dict(request.headers.items())))
        left = self.pages.get(request.path.partition("?")[0], [answer(404)])
        (left.pop(0) if len(left) > 1 else left[0])(request)


@contextmanager
def web_server() -> Iterator[Web]:
    """Run a server until the block ends."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            web.handle(self)

        do_HEAD = do_GET

        def log_message(self, *_: object) -> None: ...

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        server.daemon_threads = True
        web = Web(f"http://127.0.0.1:{server.server_port}")
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        try:
            yield web
        finally:
            server.shutdown()
            thread.join()
