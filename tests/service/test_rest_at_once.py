"""Many clients at once: no change is lost, and nothing that was deleted comes back."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest

from azure_batch_endpoints.local.context import ServiceContext
from azure_batch_endpoints.local.handlers import asset_lists, deployments, endpoints
from azure_batch_endpoints.local.resources import Resource
from tests.service.in_process import PLACE, Service

DEPLOYMENT = "/batchEndpoints/heart/deployments/blue"


@pytest.mark.parametrize("path", ["/batchEndpoints/heart", DEPLOYMENT])
def test_changes_by_many_at_once_are_all_kept(service: Service, path: str) -> None:
    service.with_deployment()

    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda n: service.patch(path, {"tags": {f"t{n}": "x"}}), range(16)))

    assert {one.status_code for one in answers} == {200}
    assert service.get(path).json()["tags"] == {f"t{n}": "x" for n in range(16)}


def test_a_put_without_defaults_never_undoes_a_default_that_is_set_at_the_same_time(service: Service) -> None:
    service.with_deployment()
    for name in ("green", "red"):
        service.put(f"/batchEndpoints/heart/deployments/{name}", service.deployment())

    def put(number: int) -> int:
        default = {"defaults": {"deploymentName": "green"}} if number == 3 else {}
        return service.put("/batchEndpoints/heart", {"properties": default}).status_code

    with ThreadPoolExecutor(8) as pool:
        assert set(pool.map(put, range(16))) == {200}

    assert service.get("/batchEndpoints/heart").json()["properties"]["defaults"]["deploymentName"] == "green"


def test_of_many_that_register_one_version_one_says_what_it_is(service: Service) -> None:
    def put(number: int) -> int:
        body = {"properties": {"modelUri": f"{PLACE}m{number}"}}
        return service.put("/models/same/versions/1", body).status_code

    with ThreadPoolExecutor(8) as pool:
        statuses = list(pool.map(put, range(16)))

    assert sorted(statuses) == [201] + [409] * 15
    uri = service.get("/models/same/versions/1").json()["properties"]["modelUri"]
    assert uri.endswith(f"/paths/m{statuses.index(201)}")


def goes_when_found(monkeypatch: pytest.MonkeyPatch, service: Service, path: str) -> None:
    """Let another client delete ``path`` right after a handler has found its endpoint."""
    real: Callable[[ServiceContext, str], Resource] = endpoints.find

    def find(context: ServiceContext, name: str) -> Resource:
        found = real(context, name)
        monkeypatch.setattr(endpoints, "find", real)
        if path == DEPLOYMENT:
            assert context.state.resources.delete(deployments.key("heart", "blue"))
        else:
            assert context.state.resources.delete(endpoints.key("heart"), contents="deployments")
        return found

    monkeypatch.setattr(endpoints, "find", find)


def test_a_change_does_not_bring_back_an_endpoint_that_was_deleted_meanwhile(
    service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    service.with_deployment()
    goes_when_found(monkeypatch, service, "/batchEndpoints/heart")

    assert service.patch("/batchEndpoints/heart", {"tags": {"a": "b"}}).status_code == 404
    assert service.get("/batchEndpoints").json() == {"value": []}


@pytest.mark.parametrize("gone", ["/batchEndpoints/heart", DEPLOYMENT])
def test_a_change_does_not_bring_back_a_deployment_that_was_deleted_meanwhile(
    service: Service, monkeypatch: pytest.MonkeyPatch, gone: str
) -> None:
    service.with_deployment()
    found = deployments.find(service.context, "heart", "blue")

    def find_and_lose(*_: object) -> Resource:
        monkeypatch.undo()
        goes_when_found(monkeypatch, service, gone)
        endpoints.find(service.context, "heart")
        return found

    monkeypatch.setattr(deployments, "find", find_and_lose)

    assert service.patch(DEPLOYMENT, {"tags": {"a": "b"}}).status_code == 404
    assert service.context.state.resources.names("deployments", "heart") == []


def test_a_default_deployment_and_its_endpoint_can_be_deleted_at_the_same_time(
    service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    service.with_deployment()
    delete = service.context.state.resources.delete

    def both(*arguments: object, **options: object) -> bool:
        monkeypatch.undo()
        assert delete(*arguments, **options)  # type: ignore[arg-type]  # as it was called
        return delete(endpoints.key("heart"), contents="deployments")

    monkeypatch.setattr(service.context.state.resources, "delete", both)

    assert service.delete(DEPLOYMENT).status_code == 202
    assert service.get("/batchEndpoints").json() == {"value": []}


def test_a_deployment_that_becomes_the_default_while_it_is_deleted_is_not_left_as_the_default(
    service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    service.with_deployment()
    service.patch("/batchEndpoints/heart", {"properties": {"defaults": None}})
    delete = service.context.state.resources.delete

    def late(*arguments: object, **options: object) -> bool:
        monkeypatch.undo()
        default = {"properties": {"defaults": {"deploymentName": "blue"}}}
        assert service.patch("/batchEndpoints/heart", default).status_code == 200
        return delete(*arguments, **options)  # type: ignore[arg-type]  # as it was called

    monkeypatch.setattr(service.context.state.resources, "delete", late)

    assert service.delete(DEPLOYMENT).status_code == 202
    assert service.get("/batchEndpoints/heart").json()["properties"]["defaults"] == {"deploymentName": None}


def test_an_asset_that_is_deleted_while_it_is_listed_is_left_out(
    service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    service.with_assets()
    monkeypatch.setattr(asset_lists, "container_names", lambda *_, **__: ["digits", "gone"])

    answer = service.get("/models")

    assert [one["name"] for one in answer.json()["value"]] == ["digits"]
