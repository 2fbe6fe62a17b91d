"""A service that is played: routes with answers over the fake transport, a fake clock, and a blob store in a dict."""

from __future__ import annotations

import hashlib
import json
import re
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, cast

import requests
from azure.core.credentials import AccessToken

from azure_batch_endpoints._http import Session
from azure_batch_endpoints._storage.blobs import BlobItem, Container
from azure_batch_endpoints._wire.routes import API_VERSION, WorkspacePath
from azure_batch_endpoints._wire.uris import storage_place
from azure_batch_endpoints._workspace import Workspace
from tests.unit.fake_clock import FakeClock
from tests.unit.fake_transport import FakeTransport, Step, reply

ARM = "https://management.azure.com"
LOCAL = "http://127.0.0.1:5099"
API = "https://westeurope.api.azureml.ms"
PATH = WorkspacePath("sub-1", "group-1", "space-1")
SCORING = "https://heart.westeurope.inference.ml.azure.com/jobs"
JOB = "batchjob-11"
_SCOPES = {"management": f"{ARM}/.default", "ml": "https://ml.azure.com/.default"}


class Credential:
    def get_token(self, *scopes: str, **_options: object) -> AccessToken:
        return AccessToken(f"token of {scopes[0]}", int(time.time()) + 3600)


class FakeContainer:
    """What of :class:`Container` the results need."""

    url = "https://store.blob.core.windows.net/box"
    credential = None

    def __init__(self, blobs: Mapping[str, bytes]) -> None:
        self.blobs = dict(blobs)
        self.asked: list[str] = []

    def list(self, prefix: str = "") -> Iterator[BlobItem]:
        self.asked.append(f"list {prefix}")
        found = sorted(name for name in self.blobs if name.startswith(prefix))
        return (BlobItem(one, len(self.blobs[one]), hashlib.md5(self.blobs[one]).digest(), None, {}) for one in found)

    def read(self, name: str, offset: int = 0, length: int | None = None, *, etag: str = "") -> bytes:
        self.asked.append(f"read {name}")
        return self.blobs[name][offset:] if length is None else self.blobs[name][offset : offset + length]

    def download(self, name: str, dest: Path) -> None:
        dest.parent.mkdir(parents=True, exist_ok=True)
        dest.write_bytes(self.blobs[name])


class PlayedWorkspace(Workspace):
    """A workspace whose blobs are in a dict."""

    blobs: FakeContainer | None = None

    def container_of(self, uri: str) -> tuple[Container, str]:
        place = storage_place(uri)
        assert place is not None, uri
        assert self.blobs is not None, "no blob store was given"
        return cast("Container", self.blobs), place.path


class Desk:
    """A workspace over played routes. ``METHOD path`` (a regular expression at the end of the path) to its answers;
    the last answer stays. A route that is not there fails the test."""

    keeps = True
    """Whether what is put and posted is kept, as a service does: laid over what the played answers say of it."""

    def __init__(
        self, routes: Mapping[str, Step | Sequence[Step]], *, base: str = ARM, version: str = API_VERSION
    ) -> None:
        self._put: dict[str, Any] = {}
        self._routes = {key: list(value) if isinstance(value, Sequence) else [value] for key, value in routes.items()}
        self.transport = FakeTransport(self._answer)
        self.clock = FakeClock()
        session = Session(base, Credential(), _SCOPES, clock=self.clock, transport=self.transport)
        self.workspace = PlayedWorkspace(session, PATH, api_version=version)

    def _answer(self, request: requests.PreparedRequest) -> requests.Response:
        path = (request.url or "").split("?", 1)[0]
        if self.keeps and request.body and (request.method == "PUT" or path == SCORING):
            self._put[path] = _json(request)
        for key, answers in self._routes.items():
            method, _, pattern = key.partition(" ")
            if request.method == method and re.search(f"{pattern}$", path):
                step = answers.pop(0) if len(answers) > 1 else answers[0]
                if isinstance(step, BaseException):
                    raise step
                return keeping(step(request), self._put.get(path))
        raise AssertionError(f"no route for {request.method} {request.url}")

    @property
    def sent(self) -> list[str]:
        """What was sent: method and the last part of the path that tells it apart."""
        return [f"{one.method} {_short(one.url or '')}" for one in self.transport.requests]

    def body(self, number: int = -1) -> dict[str, Any]:
        """The JSON of a request."""
        return _json(self.transport.requests[number])

    def bodies(self, method: str) -> list[dict[str, Any]]:
        """The JSON of every request of a method."""
        return [_json(one) for one in self.transport.requests if one.method == method and one.body]

    def blobs(self, blobs: Mapping[str, bytes]) -> FakeContainer:
        self.workspace.blobs = FakeContainer(blobs)
        return self.workspace.blobs


def keeping(response: requests.Response, put: Mapping[str, Any] | None) -> requests.Response:
    """Return an answer about something that was put or posted, with what was asked for in it."""
    if put is None or response.status_code >= 300:
        return response
    content = response.raw.read()
    said = json.loads(content) if content[:1] == b"{" else None
    posted = response.request.method == "POST"
    body = laid_over(said, {"properties": echoed(put["properties"])} if posted else put) if said else content or None
    return reply(response.status_code, body, {**response.headers, "Content-Length": "", **_length(body)})(
        response.request
    )


def echoed(job: Mapping[str, Any]) -> dict[str, Any]:
    """What a job's answer says of its request: all but the name, which is the answer's own."""
    return {name: value for name, value in job.items() if name != "name"}


def laid_over(said: Any, asked: Any) -> Any:  # noqa: ANN401 (JSON of any shape)
    if not isinstance(said, dict) or not isinstance(asked, dict):
        return asked
    return {**said, **{key: laid_over(said.get(key), value) for key, value in asked.items()}}


def _length(body: object) -> dict[str, str]:
    return {"Content-Length": str(len(body if isinstance(body, bytes) else json.dumps(body).encode() if body else b""))}


def _json(request: requests.PreparedRequest) -> dict[str, Any]:
    assert isinstance(request.body, str | bytes)
    decoded: dict[str, Any] = json.loads(request.body)
    return decoded


def _short(url: str) -> str:
    path = url.split("?", 1)[0]
    return path.replace(ARM, "").replace(LOCAL, "").replace(str(PATH), "WS")


def broken() -> requests.exceptions.ConnectionError:
    """What the wire says when a connection is cut."""
    return requests.exceptions.ConnectionError(ConnectionResetError(104, "reset"))


# ------------------------------------------------------------------ answers, as the service shapes them


def workspace_body() -> dict[str, Any]:
    return {
        "id": str(PATH),
        "name": PATH.name,
        "location": "westeurope",
        "properties": {"workspaceId": "0b1c", "discoveryUrl": f"{API}/discovery"},
    }


BASICS: dict[str, Step | Sequence[Step]] = {
    "GET workspaces/space-1": reply(body=workspace_body()),
    "GET /discovery": reply(body={"api": API}),
}


def endpoint_body(default: str | None = None, *, state: str | None = "Succeeded", **more: Any) -> dict[str, Any]:
    properties = {
        "authMode": "AADToken",
        "description": "of hearts",
        "properties": {"kept": "yes"},
        "scoringUri": SCORING,
        "defaults": {"deploymentName": default},
        "provisioningState": state,
        **more,
    }
    identity = {"id": PATH.endpoint("heart"), "name": "heart", "location": "westeurope", "tags": {"team": "a"}}
    return {**identity, "properties": {key: value for key, value in properties.items() if value is not None}}


def deployment_body(name: str = "blue", *, state: str = "Succeeded", **more: Any) -> dict[str, Any]:
    properties = {
        "description": "first",
        "model": {"referenceType": "Id", "assetId": PATH.asset("models", "m", "1")},
        "codeConfiguration": {"codeId": PATH.asset("codes", "c", "1"), "scoringScript": "score.py"},
        "environmentId": PATH.asset("environments", "e", "1"),
        "environmentVariables": {"A": "1"},
        "compute": PATH.compute("cluster"),
        "resources": {"instanceCount": 2, "instanceType": None, "properties": None},
        "miniBatchSize": 5,
        "maxConcurrencyPerInstance": 3,
        "errorThreshold": 7,
        "retrySettings": {"maxRetries": 2, "timeout": "PT1M"},
        "outputAction": "AppendRow",
        "outputFileName": "rows.csv",
        "loggingLevel": "Info",
        "provisioningState": state,
        **more,
    }
    identity = {"id": PATH.deployment("heart", name), "name": name, "location": "westeurope", "tags": {"k": "v"}}
    return {**identity, "properties": properties}


def job_body(
    status: str = "Running", *, name: str = JOB, kept: Mapping[str, Any] | None = None, **more: Any
) -> dict[str, Any]:
    """A job as the management route shows it."""
    parameters = json.dumps({"append_row_file_name": "predictions.csv", "mini_batch_size": "10"})
    properties = {
        "description": "Pipeline submission for endpoint: heart, deployment: blue.",
        "displayName": "brave_pear_1",
        "status": status,
        "experimentName": "heart",
        "tags": {"azureml.batchrun": "true", "azureml.deploymentname": "blue"},
        "properties": {"azureml.parameters": parameters, **(kept or {})},
        "services": {"Studio": {"endpoint": f"https://ml.azure.com/runs/{name}"}},
        "inputs": None,
        "outputs": {"score": {"jobOutputType": "uri_folder", "uri": "azureml://datastores/store/paths/out/"}},
        **more,
    }
    created = {"createdAt": "2026-01-02T03:04:05.1234567+00:00"}
    return {"id": PATH.job(name), "name": name, "properties": properties, "systemData": created}


def invoked_body(name: str = JOB, *, deployment: str = "blue") -> dict[str, Any]:
    """A job as the scoring URI answers."""
    return {
        "id": f"{PATH.deployment('heart', deployment)}/jobs/{name}",
        "name": name,
        "properties": {
            "status": "Preparing",
            "name": "brave_pear_1",
            "inputData": {"UriFolder": {"uri": "https://a/b/", "jobInputType": "UriFolder"}},
            "tags": {"azureml.deploymentname": deployment},
            "properties": {},
            "interactionEndpoints": {"Studio": {"endpoint": f"https://ml.azure.com/runs/{name}"}},
        },
        "systemData": {"createdAt": "2026-01-02T03:04:05+00:00"},
    }


def not_found(code: str = "NoSuchThing", message: str = "There is no such thing") -> Step:
    return reply(
        404, {"error": {"code": "NotFound", "message": "Not found.", "details": [{"code": code, "message": message}]}}
    )


def operation(status: str, **more: Any) -> Step:
    return reply(body={"id": "op-1", "name": "op-1", "status": status, **more})


OPERATION = {"Azure-AsyncOperation": f"{ARM}/operations/op-1?api-version=1"}
