"""A storage account that answers with a redirect: neither signature nor key goes to where it points."""

from __future__ import annotations

import http.server
import threading
from collections.abc import Iterator

import pytest

from azure_batch_endpoints._storage.blobs import Container, ContainerCredential
from azure_batch_endpoints.errors import ServiceError, TransportError


class Servers:
    """An account that sends everybody elsewhere, and what arrived elsewhere."""

    def __init__(self) -> None:
        self.arrived: list[str] = []
        self._threads: list[threading.Thread] = []
        self.elsewhere = self._start(200, None)
        self.account = self._start(307, f"http://127.0.0.1:{self.elsewhere.server_port}/acct/box/stolen")
        self._all = [self.elsewhere, self.account]

    def _start(self, status: int, location: str | None) -> http.server.ThreadingHTTPServer:
        arrived = self.arrived

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                if location is None:
                    arrived.append(f"{self.path} {self.headers}")
                self.send_response(status)
                self.send_header("Content-Length", "0")
                if location is not None:
                    self.send_header("Location", location)
                self.end_headers()

            do_HEAD = do_GET

            def log_message(self, *_args: object) -> None:
                pass

        server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        self._threads.append(thread)
        return server

    def stop(self) -> None:
        for server in self._all:
            server.shutdown()
            server.server_close()
        for thread in self._threads:
            thread.join()


@pytest.fixture
def servers() -> Iterator[Servers]:
    made = Servers()
    yield made
    made.stop()


@pytest.mark.parametrize(
    "credential", [ContainerCredential(sas="sv=1&sig=S1GN"), ContainerCredential(account_key="a2V5"), None]
)
def test_a_redirect_of_a_storage_account_is_not_followed(
    servers: Servers, credential: ContainerCredential | None
) -> None:
    url = f"http://127.0.0.1:{servers.account.server_port}/acct/box"

    with Container(url, credential) as container:
        for look in (lambda: container.read("a.txt"), lambda: list(container.list()), lambda: container.find("a.txt")):
            with pytest.raises((ServiceError, TransportError)) as caught:
                look()
            assert "S1GN" not in str(caught.value)

    assert servers.arrived == []


def test_a_web_server_that_is_no_storage_account_is_said_to_be_none(servers: Servers) -> None:
    url = f"http://127.0.0.1:{servers.elsewhere.server_port}/acct/box"

    with Container(url) as container, pytest.raises(TransportError, match="does not answer as a storage account"):
        container.read("a.txt")
