"""The two blob endpoints the suite runs against, and what its tests share."""

from __future__ import annotations

import subprocess
import sys
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http.client import HTTPConnection, HTTPResponse
from pathlib import Path
from types import TracebackType
from typing import Any
from urllib.parse import urlsplit

import pytest
from azure.core.exceptions import HttpResponseError
from azure.storage.blob import BlobServiceClient, ContainerClient

from azure_batch_endpoints.local.azurite import Azurite
from tests.local.blob_server import ACCOUNT, KEY


@dataclass(frozen=True)
class Endpoint:
    """A running blob endpoint; ``name`` is ``embedded`` or ``azurite``."""

    name: str
    url: str

    @property
    def connection_string(self) -> str:
        return f"DefaultEndpointsProtocol=http;AccountName={ACCOUNT};AccountKey={KEY};BlobEndpoint={self.url}"

    def service(self, **options: Any) -> BlobServiceClient:
        return BlobServiceClient.from_connection_string(self.connection_string, retry_total=0, **options)

    def request(self, method: str, url: str, body: bytes = b"", headers: dict[str, str] | None = None) -> Answer:
        """A request no client library has touched."""
        parts = urlsplit(url)
        connection = HTTPConnection(str(parts.hostname), parts.port, timeout=30)
        try:
            connection.request(
                method, f"{parts.path}?{parts.query}", body, {"x-ms-version": "2021-12-02", **(headers or {})}
            )
            answer = connection.getresponse()
            return Answer(answer.status, _headers(answer), answer.read())
        finally:
            connection.close()


@dataclass(frozen=True)
class Answer:
    """What came back; header names in lower case."""

    status: int
    headers: dict[str, str]
    body: bytes


def _headers(answer: HTTPResponse) -> dict[str, str]:
    return {name.lower(): value for name, value in answer.getheaders()}


class EmbeddedServer:
    """The embedded endpoint in a child process."""

    def __init__(self, folder: Path) -> None:
        self.process = subprocess.Popen(
            [sys.executable, str(Path(__file__).parent / "blob_server.py"), str(folder)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        assert self.process.stdout is not None
        self.endpoint = Endpoint("embedded", f"http://127.0.0.1:{int(self.process.stdout.readline())}/{ACCOUNT}")

    def __enter__(self) -> EmbeddedServer:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.end()

    def end(self) -> None:
        if self.process.stdin is not None and not self.process.stdin.closed:
            self.process.stdin.close()
        self.process.wait(30)
        if self.process.stdout is not None:
            self.process.stdout.close()

    def kill(self) -> None:
        self.process.kill()
        self.end()


@pytest.fixture(scope="session")
def embedded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Endpoint]:
    with EmbeddedServer(tmp_path_factory.mktemp("embedded")) as server:
        yield server.endpoint


@pytest.fixture(scope="session")
def azurite(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Endpoint]:
    with Azurite(tmp_path_factory.mktemp("azurite"), account=ACCOUNT, key=KEY) as server:
        yield Endpoint("azurite", server.endpoint)


@pytest.fixture(params=["embedded", pytest.param("azurite", marks=pytest.mark.azurite)])
def endpoint(request: pytest.FixtureRequest) -> Endpoint:
    found = request.getfixturevalue(request.param)
    assert isinstance(found, Endpoint)
    return found


@pytest.fixture
def container(endpoint: Endpoint) -> Iterator[ContainerClient]:
    with endpoint.service() as service, service.get_container_client(f"c-{uuid.uuid4().hex}") as client:
        client.create_container()
        yield client
        if client.exists():
            client.delete_container()


@contextmanager
def refused(status: int, code: str) -> Iterator[None]:
    """Expect the service to refuse with a status and an error code."""
    with pytest.raises(HttpResponseError) as caught:
        yield
    headers: Any = getattr(caught.value.response, "headers", {})
    assert (caught.value.status_code, headers.get("x-ms-error-code")) == (status, code)
