"""A service without a process: the real application, the real state, and a queue that only writes down."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import anyio.from_thread
import httpx
from starlette.types import ASGIApp

from azure_batch_endpoints.local.context import ServiceContext
from azure_batch_endpoints.local.state import State
from azure_batch_endpoints.states import JobStatus

TOKEN = "a-token-of-this-test"
WORKSPACE_ID = "86530095-7f96-4be1-8b1d-000000000001"
BASE = "http://127.0.0.1:5999"


@dataclass
class RecordingQueue:
    """Takes jobs and does nothing with them, but a cancel is seen at once."""

    state: State
    submitted: list[str] = field(default_factory=list)

    def submit(self, name: str) -> None:
        self.submitted.append(name)

    def cancel(self, name: str) -> None:
        self.state.move_job(name, JobStatus.CANCEL_REQUESTED)


class InProcess(httpx.BaseTransport):
    """Speaks to an ASGI application in an event loop of its own."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = httpx.ASGITransport(app, raise_app_exceptions=False)
        self._entered = anyio.from_thread.start_blocking_portal()
        self._portal = self._entered.__enter__()

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        return self._portal.call(self._send, request)

    async def _send(self, request: httpx.Request) -> httpx.Response:
        again = httpx.Request(request.method, request.url, headers=request.headers, content=request.read())
        answer = await self._app.handle_async_request(again)
        return httpx.Response(answer.status_code, headers=answer.headers, content=await answer.aread())

    def close(self) -> None:
        self._entered.__exit__(None, None, None)


@dataclass
class Service:
    """What a test drives: paths below the workspace are given without it."""

    context: ServiceContext
    queue: RecordingQueue
    http: httpx.Client

    @property
    def workspace(self) -> str:
        return str(self.context.workspace)

    def url(self, path: str) -> str:
        """Return where a request goes; below the workspace with an api-version, which it must have."""
        if path.startswith(("http", "/scoring", "/history", "/data/v1.0", "/logs")):
            return path
        version = "" if "api-version=" in path.lower() else ("&" if "?" in path else "?") + "api-version=2024-10-01"
        return self.workspace + path + version

    def get(self, path: str, **options: Any) -> httpx.Response:
        return self.http.get(self.url(path), **options)

    def put(self, path: str, body: object) -> httpx.Response:
        return self.http.put(self.url(path), json=body)

    def patch(self, path: str, body: object) -> httpx.Response:
        return self.http.patch(self.url(path), json=body)

    def post(self, path: str, body: object = None, **options: Any) -> httpx.Response:
        return self.http.post(self.url(path), json=body, **options)

    def delete(self, path: str) -> httpx.Response:
        return self.http.delete(self.url(path))

    def with_assets(self) -> Service:
        """Register a model, code and environment."""
        assert self.put(
            "/models/digits/versions/1", {"properties": {"modelUri": PLACE + "LocalUpload/m/model"}}
        ).is_success
        assert self.put("/codes/score/versions/1", {"properties": {"codeUri": PLACE + "LocalUpload/c/code"}}).is_success
        conda = "dependencies:\n- pip\n"
        environment = {"properties": {"image": "mcr/x:1", "condaFile": conda}}
        assert self.put("/environments/env/versions/1", environment).is_success
        return self

    def with_deployment(self, name: str = "blue", **properties: Any) -> Service:
        """Make the endpoint ``heart`` with a default deployment."""
        self.with_assets()
        assert self.put("/batchEndpoints/heart", {"properties": {}}).is_success
        assert self.put(f"/batchEndpoints/heart/deployments/{name}", self.deployment(**properties)).is_success
        default = {"properties": {"defaults": {"deploymentName": name}}}
        assert self.put("/batchEndpoints/heart", default).is_success
        return self

    def deployment(self, **properties: Any) -> dict[str, Any]:
        """Return the body of a deployment."""
        own = {
            "model": {"referenceType": "Id", "assetId": f"{self.workspace}/models/digits/versions/1"},
            "codeConfiguration": {"codeId": f"{self.workspace}/codes/score/versions/1", "scoringScript": "score.py"},
            "environmentId": f"{self.workspace}/environments/env/versions/1",
            "compute": f"{self.workspace}/computes/local",
        }
        return {"location": "local", "properties": {**own, **properties}}

    def invoke(self, *, headers: dict[str, str] | None = None, **properties: Any) -> httpx.Response:
        """Post a job with one folder as input."""
        body = {"properties": {"inputData": FOLDER, **properties}}
        return self.post("/scoring/heart/jobs", body, headers=headers)


PLACE = "azureml://datastores/workspaceblobstore/paths/"
FOLDER = {"any": {"jobInputType": "UriFolder", "uri": PLACE + "images/"}}


def error(answer: httpx.Response) -> dict[str, Any]:
    """Return the error of an envelope."""
    found: dict[str, Any] = answer.json()["error"]
    return found


def said(answer: httpx.Response) -> str:
    """Return all that an error says."""
    found = error(answer)
    return " ".join([found["message"], *(one["message"] for one in found["details"])])
