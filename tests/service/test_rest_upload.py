"""The address for an upload of code, with the real blob endpoint beside the application on one real socket."""

from __future__ import annotations

import base64
import socket
import threading
from collections.abc import Iterator
from dataclasses import replace

import httpx
import pytest
import uvicorn
from starlette.types import Receive, Scope, Send

from azure_batch_endpoints._storage.blobs import Container, ContainerCredential
from azure_batch_endpoints.errors import PermissionDeniedError
from azure_batch_endpoints.local.app import create_app
from azure_batch_endpoints.local.blobstore import BlobStore, blob_app
from azure_batch_endpoints.local.context import ServiceContext
from azure_batch_endpoints.local.job import StoreAddress
from tests.service.in_process import TOKEN

KEY = base64.b64encode(b"k" * 64).decode()


class _InThread(uvicorn.Server):
    def install_signal_handlers(self) -> None:
        """Leave signals to pytest."""


@pytest.fixture
def address(context: ServiceContext) -> Iterator[str]:
    listener = socket.create_server(("127.0.0.1", 0))
    url = f"http://127.0.0.1:{listener.getsockname()[1]}"
    with BlobStore(context.settings.root / "blobs") as blobs:
        rest = create_app(replace(context, base_url=url, store=StoreAddress("acct", f"{url}/acct", KEY)))
        store = blob_app(blobs, "acct", KEY)

        async def both(scope: Scope, receive: Receive, send: Send) -> None:
            await (store if scope["path"].startswith("/acct") else rest)(scope, receive, send)

        server = _InThread(uvicorn.Config(both, lifespan="off", log_config=None))
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
        thread.start()
        yield url
        server.should_exit = True
        thread.join(60)
        listener.close()
        assert not thread.is_alive()


def test_an_older_client_gets_the_same_container_for_the_same_id(address: str, context: ServiceContext) -> None:
    asset = f"azureml://locations/local/workspaces/{context.workspace_id}/codes/one/versions/1"
    body = {
        "assetId": asset,
        "temporaryDataReferenceId": "0f8e",
        "temporaryDataReferenceType": "TemporaryBlobReference",
    }
    path = f"{address}/assetstore/v1.0/temporaryDataReference/createOrGet"
    with httpx.Client(headers={"Authorization": f"Bearer {TOKEN}"}, timeout=30) as http:
        first, again = (http.post(path, json=body) for _ in range(2))

    assert (first.status_code, again.status_code) == (200, 200)
    found = first.json()
    assert (found["temporaryDataReferenceId"], found["temporaryDataReferenceType"]) == ("0f8e", None)
    assert found["imageReferenceForConsumption"] is None
    reference = found["blobReferenceForConsumption"]
    assert reference["blobUri"] == again.json()["blobReferenceForConsumption"]["blobUri"]
    assert (reference["credential"]["credentialType"], reference["credential"]["wasbsUri"]) == ("SAS", None)
    url, _, sas = reference["credential"]["sasUri"].partition("?")
    with Container(url, ContainerCredential(sas=sas)) as container:
        container.write("src/score.py", b"def run(): ...")
        assert container.read("src/score.py") == b"def run(): ..."


def test_code_can_be_written_to_the_address_and_to_no_other_container(address: str, context: ServiceContext) -> None:
    headers = {"Authorization": f"Bearer {TOKEN}"}
    path = f"{context.workspace}/codes/one/versions/1/startPendingUpload?api-version=2023-04-01"
    body = {"pendingUploadType": "TemporaryBlobReference"}
    with httpx.Client(base_url=address, headers=headers, timeout=30) as http:
        first, second = (http.post(path, json=body) for _ in range(2))

    assert (first.status_code, second.status_code) == (200, 200)
    assert first.json()["pendingUploadType"] == "None"
    reference, other = (one.json()["blobReferenceForConsumption"] for one in (first, second))
    assert reference["blobUri"] != other["blobUri"]
    assert reference["blobUri"].startswith(f"{address}/acct/{context.workspace_id[:10]}-")
    assert reference["credential"]["credentialType"] == "SAS"
    url, _, sas = reference["credential"]["sasUri"].partition("?")
    assert url == reference["blobUri"]
    with Container(url, ContainerCredential(sas=sas)) as container:
        container.write("src/score.py", b"def run(): ...")
        assert container.read("src/score.py") == b"def run(): ..."
    with Container(other["blobUri"], ContainerCredential(sas=sas)) as wrong, pytest.raises(PermissionDeniedError):
        wrong.write("src/score.py", b"")
