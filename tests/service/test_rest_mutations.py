"""Requests that are nearly right, in many ways wrong: whatever is sent, the service answers and does not fail."""

from __future__ import annotations

import copy
import json
import random
from typing import Any

import pytest

from tests.service.in_process import FOLDER, PLACE, Service

REQUESTS = 200
STRANGE: tuple[Any, ...] = (
    *(None, True, 0, -1, 1.5, 10**30, "", " ", "x", "../..", "\x00", "é" * 300, [], {}, [1], {"a": [{}]}),
    *("azureml:x:1", "azureml:x@latest", "azureml://", "/subscriptions/x", "https://", "https://[::1", "http://a b"),
    *("wasbs://@", "%00", "a/b", "P1Y", "PT", "-PT1S", "1e5", "nan", "0x10", "\u0661"),
)
INVOKE = {
    "inputData": FOLDER,
    "outputData": {"s": {"jobOutputType": "UriFile", "uri": PLACE + "o/p.csv", "mode": "x"}},
    "outputDataset": {"datastoreId": "azureml:workspaceblobstore", "path": "p"},
    "dataset": {"dataInputType": "DataUrl", "path": "https://a.blob.core.windows.net/c/p"},
    "retrySettings": {"maxRetries": 1, "timeout": "PT5S"},
    "compute": {"instanceCount": 1, "target": "local"},
    "properties": {"experimentName": "e"},
    **{"outputFileName": "f.csv", "miniBatchSize": 3, "errorThreshold": 1, "tags": {"a": "b"}, "name": "n"},
}


def mutated(chance: random.Random, value: Any) -> Any:  # noqa: ANN401 - JSON of any shape
    """A body with strange values here and there, names left out, added and in another case."""
    if chance.random() < 0.2:
        return copy.deepcopy(chance.choice(STRANGE))
    if isinstance(value, list):
        return [mutated(chance, one) for one in value]
    if not isinstance(value, dict):
        return value
    kept = {name: one for name, one in value.items() if chance.random() > 0.1}
    made = {name.upper() if chance.random() < 0.1 else name: mutated(chance, one) for name, one in kept.items()}
    if chance.random() < 0.2:
        made[chance.choice(["x", "properties", "name", "tags", "", "\x00"])] = copy.deepcopy(chance.choice(STRANGE))
    return made


@pytest.mark.parametrize("seed", [1, 2])
def test_no_body_makes_the_service_fail_or_its_lists_unreadable(service: Service, seed: int) -> None:
    service.with_deployment().invoke(name="job-1")
    service.put("/computes/cluster", {"properties": {}})
    service.put("/data/images/versions/1", {"properties": {"dataUri": PLACE + "i"}})
    paths = (
        *("/batchEndpoints/heart", "/batchEndpoints/heart/deployments/blue", "/computes/cluster", "/jobs/job-1"),
        *("/models/digits/versions/1", "/codes/score/versions/1", "/environments/env/versions/1"),
        *("/data/images/versions/1", "/datasets/images/versions/1", "/models/digits"),
    )
    sent = [(method, path, service.get(path).json()) for path in paths for method in ("PUT", "PATCH")]
    sent += [
        ("POST", "/scoring/heart/jobs", {"properties": {"inputData": FOLDER, name: INVOKE[name]}}) for name in INVOKE
    ]
    chance = random.Random(seed)

    for _ in range(REQUESTS):
        method, path, body = chance.choice(sent)
        strange = mutated(chance, body)
        answer = service.http.request(method, service.url(path), json=strange)
        assert answer.status_code < 500, (method, path, json.dumps(strange))

    for path in ("/batchEndpoints", "/computes", "/models", "/data", "/codes", "/environments", "/jobs"):
        assert service.get(path).status_code == 200
