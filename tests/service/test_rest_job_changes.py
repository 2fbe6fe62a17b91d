"""What clients change of a job: names, tags, archiving and deleting, by the management route and by the run history."""

from __future__ import annotations

import shutil
import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from azure_batch_endpoints.local import job_rows
from azure_batch_endpoints.local.deleting import settle_all
from azure_batch_endpoints.local.job import JobRow
from azure_batch_endpoints.local.state import JobFilter, State
from azure_batch_endpoints.states import JobStatus
from tests.service.in_process import Service, error, said
from tests.service.test_rest_scoring import end


@pytest.fixture
def ready(service: Service) -> Service:
    service.with_deployment("blue")
    for name in ("job-1", "job-2"):
        service.invoke(name=name, tags={"team": "a"}, properties={"run-by": "ana", "experimentName": "trial"})
    return service


def names(service: Service, query: str = "") -> list[str]:
    return [one["name"] for one in service.get(f"/jobs{query}").json()["value"]]


def shown(service: Service, name: str = "job-1") -> dict[str, Any]:
    found: dict[str, Any] = service.get(f"/jobs/{name}").json()["properties"]
    return found


def run(service: Service, name: str, experiment: str = "trial") -> str:
    return f"/history/v1.0{service.workspace}/experiments/{experiment}/runs/{name}"


def test_a_job_sent_back_whole_changes_nothing(ready: Service) -> None:
    before = ready.get("/jobs/job-1").json()

    answer = ready.put("/jobs/job-1", before)

    assert answer.status_code == 200
    assert answer.json() == before == ready.get("/jobs/job-1").json()


def test_a_put_changes_what_may_change_and_keeps_the_services_own(ready: Service) -> None:
    body = ready.get("/jobs/job-1").json()
    body["properties"] |= {"displayName": "monday", "description": "of monday", "status": "Completed"}
    body["properties"]["tags"] = {"team": "b", "azureml.batchrun": "true"}
    body["properties"]["properties"] |= {"note": "x", "azureml.runsource": "other", "run-by": "eve"}

    inner = ready.put("/jobs/job-1", body).json()["properties"]

    assert (inner["displayName"], inner["description"], inner["status"]) == ("monday", "of monday", "Queued")
    assert inner["tags"]["team"] == "b" and inner["tags"]["azureml.deploymentname"] == "blue"
    # A property that is there is never changed, one that is new is added.
    assert inner["properties"]["note"] == "x" and inner["properties"]["run-by"] == "ana"
    assert inner["properties"]["azureml.runsource"] == "azureml.PipelineRun"
    assert ready.get("/scoring/heart/jobs/job-1").json()["properties"]["name"] == "monday"
    assert shown(ready, "job-2")["displayName"] != "monday"


@pytest.mark.parametrize("way", ["put", "run history"])
def test_an_archived_job_is_out_of_lists_and_comes_back(ready: Service, way: str) -> None:
    def archive(flag: bool) -> None:
        if way == "put":
            body = ready.get("/jobs/job-1").json()
            body["properties"]["isArchived"] = flag
            assert ready.put("/jobs/job-1", body).status_code == 200
        else:
            assert ready.patch(run(ready, "job-1"), {"hidden": flag}).json()["hidden"] is flag

    archive(True)

    assert shown(ready)["isArchived"] is True
    assert names(ready) == names(ready, "?listViewType=ActiveOnly") == ["job-2"]
    assert names(ready, "?listViewType=ArchivedOnly") == ["job-1"]
    assert names(ready, "?listViewType=All") == ["job-2", "job-1"]
    archive(False)
    assert names(ready) == ["job-2", "job-1"] and shown(ready)["isArchived"] is False


def test_a_run_is_renamed_and_tagged_and_the_rest_stays(ready: Service) -> None:
    sent = {"displayName": "monday", "tags": {"best": "yes"}, "properties": shown(ready)["properties"], "hidden": None}

    answer = ready.patch(run(ready, "job-1", experiment="any"), sent)

    assert answer.status_code == 200
    inner = shown(ready)
    assert inner["displayName"] == answer.json()["displayName"] == "monday"
    assert (inner["tags"]["best"], inner["tags"]["team"], inner["isArchived"]) == ("yes", "a", False)
    assert inner["description"] == "Pipeline submission for endpoint: heart, deployment: blue."


def test_the_description_of_an_invoke_is_shown(ready: Service) -> None:
    ready.invoke(name="job-3", description="of tuesday")

    assert shown(ready, "job-3")["description"] == "of tuesday"


def test_what_is_no_job_cannot_be_changed(ready: Service) -> None:
    child = ready.context.state.job("job-1")
    assert child is not None

    put, patch = ready.put("/jobs/none", {"properties": {}}), ready.patch(run(ready, "none"), {"hidden": True})
    step = ready.patch(run(ready, child.child), {"hidden": True})

    assert (put.status_code, patch.status_code, step.status_code) == (400, 404, 400)
    assert "'none'" in said(put) and "'job-1'" in said(step)
    assert ready.get("/jobs?listViewType=Some").status_code == 400
    assert names(ready) == ["job-2", "job-1"]


def test_a_job_that_has_ended_is_deleted_with_its_folder(ready: Service) -> None:
    end(ready, "job-1", failed=())
    folder = ready.context.settings.job_folder("job-1")
    assert folder.is_dir()

    answer = ready.delete("/jobs/job-1")

    assert (answer.status_code, answer.content) == (202, b"null")
    assert ready.get(answer.headers["azure-asyncoperation"]).json()["status"] == "Succeeded"
    assert ready.get(answer.headers["location"]).status_code == 200
    assert names(ready) == ["job-2"] and not folder.exists()
    assert ready.delete("/jobs/job-1").status_code == 204
    assert ready.invoke(name="job-1").status_code == 201


def test_a_job_that_takes_the_name_of_one_being_deleted_keeps_its_folder(
    ready: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    end(ready, "job-1", failed=())
    folder, rmtree = ready.context.settings.job_folder("job-1"), shutil.rmtree

    def late(*arguments: Any, **options: Any) -> None:
        monkeypatch.undo()
        assert ready.invoke(name="job-1").status_code == 201
        folder.mkdir()
        rmtree(*arguments, **options)

    monkeypatch.setattr(shutil, "rmtree", late)

    assert ready.delete("/jobs/job-1").status_code == 202
    assert list(folder.parent.iterdir()) == [folder] and not any(folder.iterdir())


@pytest.mark.parametrize("way", ["put", "run"])
def test_a_job_that_is_deleted_while_it_is_changed_is_not_found(
    ready: Service, monkeypatch: pytest.MonkeyPatch, way: str
) -> None:
    end(ready, "job-1", failed=())
    change = State.change_job

    def late(*arguments: Any) -> JobRow:
        monkeypatch.undo()
        assert ready.delete("/jobs/job-1").status_code == 202
        return change(*arguments)

    monkeypatch.setattr(State, "change_job", late)
    body = {"properties": {"displayName": "new"}} if way == "put" else {"displayName": "new"}
    answer = ready.put("/jobs/job-1", body) if way == "put" else ready.patch(run(ready, "job-1"), body)

    assert answer.status_code == 404
    assert "'job-1'" in said(answer)


def test_a_job_that_goes_on_is_not_deleted(ready: Service) -> None:
    ready.context.state.move_job("job-1", JobStatus.PREPARING)

    answer = ready.delete("/jobs/job-1")

    assert (answer.status_code, error(answer)["code"]) == (409, "Conflict")
    assert "Cancel it" in said(answer)
    assert names(ready) == ["job-2", "job-1"]


def test_a_state_file_of_an_earlier_version_gets_the_new_columns(ready: Service, tmp_path: Path) -> None:
    row = ready.context.state.job("job-1")
    assert row is not None
    path = tmp_path / "old" / "state.sqlite"
    path.parent.mkdir()
    old = State(path)
    old.add_job(row)
    old.close()
    database = sqlite3.connect(path)
    for column in job_rows.ADDED:
        database.execute(f"ALTER TABLE jobs DROP COLUMN {column.split()[0]}")
    database.commit()
    database.close()

    new = State(path)
    ((_, found),) = new.jobs(JobFilter(archived=False), None, 10)
    new.close()

    assert (found.name, found.description, found.properties, found.archived) == ("job-1", None, {}, False)


def test_a_job_that_could_not_be_forgotten_keeps_its_folder(ready: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    end(ready, "job-1", failed=())
    state, folder = ready.context.state, ready.context.settings.job_folder("job-1")
    held = sorted(path.name for path in folder.iterdir())
    delete = state.delete_job

    def full(name: str, operation: str, set_aside: Callable[[JobRow], object]) -> JobRow | None:
        def and_then(row: JobRow) -> None:
            set_aside(row)
            raise sqlite3.OperationalError("database or disk is full")

        return delete(name, operation, and_then)

    monkeypatch.setattr(state, "delete_job", full)
    assert ready.delete("/jobs/job-1").status_code >= 500
    assert sorted(path.name for path in folder.iterdir()) == held and list(folder.parent.iterdir()) == [folder]
    monkeypatch.undo()
    assert ready.delete("/jobs/job-1").status_code == 202
    assert not any(folder.parent.iterdir())


def test_a_deletion_that_a_kill_cut_short_is_settled_at_the_next_start(ready: Service) -> None:
    settings, state = ready.context.settings, ready.context.state
    end(ready, "job-1", failed=())
    row = state.job("job-1")
    assert row is not None
    folder = settings.job_folder("job-1")
    folder.rename(settings.deleted_folder(row.child))
    forgotten = settings.deleted_folder("that-of-a-job-that-is-gone")
    (forgotten / "run").mkdir(parents=True)

    settle_all(settings, state)

    assert list(folder.parent.iterdir()) == [folder] and (folder / "ledger.sqlite").is_file()
    settle_all(settings, state)
    assert list(folder.parent.iterdir()) == [folder]
