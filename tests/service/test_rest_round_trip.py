"""What the service answers, a client can send back; and every answer is one that the wire's models read."""

from __future__ import annotations

from typing import Any

import httpx
import pytest

from azure_batch_endpoints._wire import models
from tests.service import wire_shapes
from tests.service.in_process import PLACE, Service

MOVING = ("lastModifiedAt", "modifiedOn", "AzureAsyncOperationUri", "allocationStateTransitionTime")
KINDS = {
    "/batchEndpoints": models.EndpointBody,
    "/batchEndpoints/heart/deployments": models.DeploymentBody,
    "/batchEndpoints/heart/jobs": models.BatchJobBody,
    "/models": models.AssetBody,
    "/models/digits/versions": models.AssetBody,
    "/codes/score/versions": models.AssetBody,
    "/environments/env/versions": models.AssetBody,
    "/data/images/versions": models.AssetBody,
    "/datasets/images/versions": models.AssetBody,
    "/computes": models.ComputeBody,
    "/datastores": models.DatastoreBody,
    "/jobs": models.JobBody,
}


@pytest.fixture
def ready(service: Service) -> Service:
    service.put("/computes/cluster", {"properties": {"computeType": "AmlCompute", "description": "nodes"}})
    service.put("/data/images/versions/1", {"properties": {"dataType": "uri_folder", "dataUri": PLACE + "i"}})
    service.with_deployment("blue", miniBatchSize=7, errorThreshold=5, environmentVariables={"A": "1"})
    assert service.invoke(name="job-1", tags={"team": "a"}).status_code == 201
    return service


def still(body: Any) -> Any:  # noqa: ANN401 - JSON of any shape
    """A body without what a change moves."""
    if isinstance(body, dict):
        return {name: still(value) for name, value in body.items() if name not in MOVING}
    return [still(one) for one in body] if isinstance(body, list) else body


@pytest.mark.parametrize(
    "path",
    [
        "/batchEndpoints/heart",
        "/batchEndpoints/heart/deployments/blue",
        "/models/digits/versions/1",
        "/codes/score/versions/1",
        "/environments/env/versions/1",
        "/data/images/versions/1",
        "/datasets/images/versions/1",
        "/computes/cluster",
        "/jobs/job-1",
    ],
)
def test_an_answer_sent_back_whole_changes_nothing(ready: Service, path: str) -> None:
    before = ready.get(path).json()
    others = {place: still(ready.get(place).json()) for place in KINDS}

    answer = ready.put(path, before)

    assert answer.status_code in (200, 201), answer.text
    assert still(ready.get(path).json()) == still(before)
    assert {place: still(ready.get(place).json()) for place in KINDS} == others


def test_an_answer_is_found_again_by_its_own_id_in_any_case_and_with_a_slash(ready: Service) -> None:
    for path in ("/batchEndpoints/heart", "/batchEndpoints/heart/deployments/blue", "/jobs/job-1", "/computes/cluster"):
        body = ready.get(path).json()
        for url in (body["id"], body["id"].replace("/workspaces/", "/WORKSPACES/"), body["id"] + "/"):
            assert ready.http.get(f"{url}?api-version=2024-10-01").json()["id"] == body["id"]


def test_every_kind_of_answer_is_read_by_the_models_of_the_wire(ready: Service) -> None:
    # The client of these tests checks each answer of every one of them; here each kind is asked for once.
    wire_shapes.seen.clear()
    for path in KINDS:
        items = ready.get(path).json()["value"]
        assert items, path
        for item in items:
            wire_shapes.lossless(KINDS[path], item)

    assert wire_shapes.seen == {kind.__name__ for kind in KINDS.values()}


def test_the_check_notices_a_name_in_another_case_and_a_value_that_is_lost() -> None:
    request = httpx.Request(
        "GET", "http://127.0.0.1/subscriptions/s/resourceGroups/g/providers/p/workspaces/w/computes/c"
    )
    good = {"name": "c", "properties": {"computeType": "AmlCompute", "properties": {"vmSize": "X", "new": None}}}
    wire_shapes.check(httpx.Response(200, json=good, request=request))

    for bad in (
        {"Name": "c", "properties": {}},
        {"name": "c", "properties": {"computetype": "AmlCompute"}},
        {"name": "c", "tags": {"a": None}, "properties": {}},
        {"name": 7, "properties": {}},
    ):
        with pytest.raises(AssertionError):
            wire_shapes.check(httpx.Response(200, json=bad, request=request))
