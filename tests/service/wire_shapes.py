"""The check that each answer of the service is what the wire's models read: nothing lost, no name in another case."""

from __future__ import annotations

import re
from typing import Any

import httpx

from azure_batch_endpoints._wire import models
from azure_batch_endpoints._wire.body import Body

WORKSPACE = r"(?:/mferp/managementfrontend)?/subscriptions/[^/]+/resourceGroups/[^/]+/providers/[^/]+/workspaces/[^/]+"
_ONE = "/[^/]+"
_ASSETS = "/(?:codes|models|environments|data|datasets)"
_SHAPES: tuple[tuple[str, str, type[Body]], ...] = (
    ("/batchEndpoints", _ONE, models.EndpointBody),
    (f"/batchEndpoints{_ONE}/deployments", _ONE, models.DeploymentBody),
    (f"/batchEndpoints{_ONE}(?:/deployments{_ONE})?/jobs", _ONE, models.BatchJobBody),
    (_ASSETS, _ONE, models.AssetBody),
    (f"{_ASSETS}{_ONE}/versions", _ONE, models.AssetBody),
    ("/computes", _ONE, models.ComputeBody),
    ("/datastores", _ONE, models.DatastoreBody),
    ("/jobs", _ONE, models.JobBody),
)
_KINDS: list[tuple[re.Pattern[str], bool, type[Body]]] = [
    *((re.compile(f"{WORKSPACE}{many}", re.IGNORECASE), True, kind) for many, _, kind in _SHAPES),
    *((re.compile(f"{WORKSPACE}{many}{one}", re.IGNORECASE), False, kind) for many, one, kind in _SHAPES),
    (re.compile("/scoring/[^/]+/jobs"), True, models.BatchJobBody),
    (re.compile("/scoring/[^/]+/jobs/[^/]+"), False, models.BatchJobBody),
]
seen: set[str] = set()
"""Models that an answer has been read by in this run."""


def check(answer: httpx.Response) -> None:
    """Hook of an httpx client: fail when an answer is not what the wire's models say."""
    answer.read()
    if not answer.is_success or not answer.content or "json" not in answer.headers.get("content-type", ""):
        return
    body, path = answer.json(), answer.request.url.path
    for pattern, many, kind in _KINDS:
        if isinstance(body, dict) and pattern.fullmatch(path):
            for one in _items(body) if many and answer.request.method == "GET" else [body]:
                lossless(kind, one)


def _items(body: dict[str, Any]) -> list[dict[str, Any]]:
    assert set(body) <= {"value", "nextLink"}, body.keys()
    assert str(body.get("nextLink", "http://")).startswith("http://"), body["nextLink"]
    items: list[dict[str, Any]] = body["value"]
    return items


def lossless(kind: type[Body], body: dict[str, Any]) -> None:
    """Fail when reading a body and writing it again does not give the same."""
    seen.add(kind.__name__)
    if body.get("properties") is None:  # the step of a job
        assert kind is models.JobBody, body
        body = {name: value for name, value in body.items() if name != "properties"}
    again = kind.read(body).body()
    assert again == body, f"{kind.__name__} reads it as {again}, not {body}"
