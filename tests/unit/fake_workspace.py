"""A workspace over a played wire: answers by method and path, in the shapes the real service uses."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any
from urllib.parse import parse_qs, urlsplit

import requests

from azure_batch_endpoints._http import Session
from azure_batch_endpoints._wire.routes import WorkspacePath
from azure_batch_endpoints._workspace import Workspace
from tests.unit.fake_clock import FakeClock
from tests.unit.fake_transport import FakeTransport, reply

BASE = "https://management.azure.com"
PATH = WorkspacePath("sub", "rg", "ws")
DISCOVERY = "https://westeurope.api.azureml.ms/discovery"


def datastore(name: str = "workspaceblobstore", **properties: object) -> dict[str, Any]:
    """Return a datastore's body; ``properties`` replace its own."""
    own = {
        "isDefault": True,
        "credentials": {"credentialsType": "AccountKey"},
        "datastoreType": "AzureBlob",
        "accountName": "acct",
        "containerName": "store",
        "endpoint": "core.windows.net",
        "protocol": "https",
    }
    return {"id": PATH.datastore(name), "name": name, "properties": {**own, **properties}}


class FakeService:
    """Answers from ``answers``: ``"GET models/digits"`` (a path below the workspace) to a body or (status, body)."""

    def __init__(self, answers: Mapping[str, object] | None = None) -> None:
        self.answers: dict[str, object] = {
            "GET": {"location": "westeurope", "properties": {"discoveryUrl": DISCOVERY}},
            f"GET {DISCOVERY}": {"api": "https://westeurope.api.azureml.ms"},
            "GET datastores": {"value": [datastore()]},
            "GET datastores/workspaceblobstore": datastore(),
            "POST datastores/workspaceblobstore/listSecrets": {"secretsType": "AccountKey", "key": "c2VjcmV0"},
            **(answers or {}),
        }
        self.clock = FakeClock()
        self.transport = FakeTransport(self._answer)
        self.session = Session(BASE, None, {}, clock=self.clock, transport=self.transport)

    def workspace(self, **options: Any) -> Workspace:
        """Return a workspace of this service."""
        return Workspace(self.session, PATH, **options)

    @property
    def lines(self) -> list[str]:
        """What was asked, as ``METHOD path below the workspace``, without queries."""
        return [self._line(sent) for sent in self.transport.requests]

    def query(self, index: int = -1) -> dict[str, str]:
        """Return the query of a request."""
        found = parse_qs(urlsplit(str(self.transport.requests[index].url)).query)
        return {name: values[0] for name, values in found.items()}

    def sent(self, index: int = -1) -> Any:  # noqa: ANN401 (JSON)
        """Return the decoded body of a request."""
        return json.loads(_text(self.transport.requests[index]))

    def _line(self, sent: requests.PreparedRequest) -> str:
        url = str(sent.url).split("?", 1)[0].removeprefix(BASE + str(PATH)).lstrip("/")
        return f"{sent.method} {url}".rstrip()

    def _answer(self, sent: requests.PreparedRequest) -> requests.Response:
        line = self._line(sent)
        default = {"id": urlsplit(str(sent.url)).path, **json.loads(_text(sent))} if sent.method == "PUT" else None
        found = self.answers.get(line, default)
        if found is None:
            known = line.split("/", 1)[0]
            if known not in self.answers:
                return reply(404, {"error": {"code": "NotFound", "message": f"nothing at {line}"}})(sent)
            found = self.answers[known]
        status, body = found if isinstance(found, tuple) else (200, found)
        return reply(status, body)(sent)


def _text(sent: requests.PreparedRequest) -> str:
    return sent.body.decode() if isinstance(sent.body, bytes) else str(sent.body or "null")
