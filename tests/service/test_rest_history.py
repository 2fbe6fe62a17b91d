"""The run history's routes: a run below its experiment, what a step says, the workspace's own routes."""

from __future__ import annotations

import pytest

from tests.service.in_process import Service


@pytest.fixture
def history(service: Service) -> str:
    return f"/history/v1.0{service.workspace}"


@pytest.mark.parametrize("below", ["", "/experiments/heart", "/experimentids/any"])
def test_a_run_is_found_with_and_without_its_experiment(service: Service, history: str, below: str) -> None:
    job = service.with_deployment().invoke().json()["name"]
    run = f"{history}{below}/runs/{job}"

    assert service.get(run).json()["runId"] == job
    assert service.get(run + "/details").json()["logFiles"] == {}
    assert [one["name"] for one in service.get(run + "/children").json()["value"]] == ["batchscoring"]
    assert service.get(run + "/serviceinstances/0").json() == {"instances": {}}
    assert service.get(f"{history}{below}/runs/nobody/serviceinstances/0").status_code == 404


def test_a_step_has_the_users_tags_only(service: Service, history: str) -> None:
    job = service.with_deployment().invoke(tags={"mine": "1"}).json()["name"]

    (step,) = service.get(f"{history}/runs/{job}/children").json()["value"]

    assert step["tags"] == {"mine": "1"}
    assert service.get(f"{history}/runs/{job}").json()["tags"]["azureml.batchrun"] == "true"


def test_the_workspace_is_listed_in_its_group_and_its_subscription(service: Service) -> None:
    whole, _, _ = service.workspace.rpartition("/")
    subscription = whole.replace("/resourceGroups/local", "")

    for path in (whole, subscription):
        (found,) = service.http.get(f"{path}?api-version=2024-10-01").json()["value"]
        assert found == service.get("").json()
    assert service.http.get(f"{whole.replace('/local/', '/other/')}?api-version=2024-10-01").status_code == 404


def test_the_keys_of_the_workspace_name_its_store(service: Service) -> None:
    keys = service.post("/listKeys").json()

    assert keys["userStorageKey"] == service.context.store.key
    assert keys["userStorageResourceId"] == service.get("").json()["properties"]["storageAccount"]
