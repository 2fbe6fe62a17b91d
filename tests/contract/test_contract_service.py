"""The local service answers each pair's request as the pair says: status, header names, keys and fixed values."""

from __future__ import annotations

import json
from typing import Any

import pytest

from azure_batch_endpoints.local.handlers import codes
from tests.contract.pair_files import NAMES, Pair, differences, pair
from tests.service.conftest import context, service
from tests.service.in_process import Service

__all__ = ["context", "service"]


def send(service: Service, one: Pair, links: dict[str, str]) -> list[str]:
    path = links.get(one.path.strip("<>"), one.path)
    content = None if one.body is None else json.dumps(one.body).replace("{child}", links.get("child", ""))
    answer = service.http.request(one.method, path, content=content, headers=one.headers)
    links.update(answer.headers)
    body: Any = answer.json() if answer.content else "<empty>"
    if path.partition("?")[0].endswith("/children"):
        links["child"] = body["value"][0]["runId"]
    wrong = differences(one.answer, body)
    wrong += [f"header {name} is missing" for name in one.answer_headers if name not in answer.headers]
    return wrong + (
        [] if answer.status_code == one.status else [f"status {answer.status_code}, not {one.status}: {body}"]
    )


@pytest.mark.parametrize("name", NAMES)
def test_the_local_service_answers_as_the_pair_says(
    service: Service, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Making a container in a store has a test of its own, with a store.
    monkeypatch.setattr(codes, "_make_container", lambda _context, _name: "sv=1&sig=x")
    one, links = pair(name, service.context.workspace), dict[str, str]()
    for before in one.after:
        assert not [w for w in send(service, pair(before, service.context.workspace), links) if w.startswith("status")]

    assert send(service, one, links) == []
