"""The local service answers each pair's request as the pair says: status, header names, keys and fixed values."""

from __future__ import annotations

import pytest

from tests.contract.pair_files import NAMES, Pair, differences, pair
from tests.service.conftest import context, service
from tests.service.in_process import Service

__all__ = ["context", "service"]

DIFFERS = {
    "compute-put": [".properties.properties.virtualMachineImage is missing"],
    "datastore-get": [".systemData is missing"],
}
"""What the local service leaves out of the recorded answers."""


def send(service: Service, one: Pair, links: dict[str, str]) -> list[str]:
    path = links.get(one.path.strip("<>"), one.path)
    answer = service.http.request(one.method, path, json=one.body, headers=one.headers)
    links.update(answer.headers)
    body = answer.json() if answer.content else None
    wrong = differences(one.answer, body)
    wrong += [f"header {name} is missing" for name in one.answer_headers if name not in answer.headers]
    return wrong + (
        [] if answer.status_code == one.status else [f"status {answer.status_code}, not {one.status}: {body}"]
    )


@pytest.mark.parametrize("name", NAMES)
def test_the_local_service_answers_as_the_pair_says(service: Service, name: str) -> None:
    one, links = pair(name, service.context.workspace), dict[str, str]()
    for before in one.after:
        assert not [w for w in send(service, pair(before, service.context.workspace), links) if w.startswith("status")]

    assert send(service, one, links) == DIFFERS.get(name, [])
