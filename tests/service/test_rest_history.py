"""The run history's routes: a run below its experiment, what a step says, the workspace's own routes."""

from __future__ import annotations

import pytest

from azure_batch_endpoints.states import JobStatus
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


def test_the_log_of_the_job_itself_is_no_log_of_its_step(service: Service, history: str) -> None:
    job = service.with_deployment().invoke().json()["name"]
    folder = service.context.settings.job_folder(job) / "run"
    for name in ("logs/azureml/executionlogs.txt", "user_logs/std_log_0.txt"):
        (folder / name).parent.mkdir(parents=True)
        (folder / name).write_text("a line\n")
    (step,) = service.get(f"{history}/runs/{job}/children").json()["value"]

    both = [service.get(f"{history}/runs/{run}/details").json()["logFiles"] for run in (job, step["runId"])]

    assert list(both[0]) == ["logs/azureml/executionlogs.txt", "user_logs/std_log_0.txt"]
    assert list(both[1]) == ["user_logs/std_log_0.txt"]
    assert service.http.get(both[0]["logs/azureml/executionlogs.txt"], headers={"Authorization": ""}).is_success


def test_revisions_count_what_became_of_a_run(service: Service, history: str) -> None:
    job = service.with_deployment().invoke().json()["name"]
    seen = []
    for status in (None, JobStatus.PREPARING, JobStatus.FAILED):
        if status is not None:
            service.context.state.move_job(job, status)
        run = service.get(f"{history}/runs/{job}").json()
        seen.append((run["revision"], run["statusRevision"]))

    assert seen == [(1, 0), (2, 1), (3, 2)]


def test_the_scorer_of_a_step_is_told_the_jobs_own_settings(service: Service, history: str) -> None:
    service.with_deployment(environmentVariables={"COLOUR": "red"})
    job = service.invoke(miniBatchSize=7, errorThreshold=3, retrySettings={"maxRetries": 2, "timeout": "PT9S"})
    (step,) = service.get(f"{history}/runs/{job.json()['name']}/children").json()["value"]

    body = {"runId": step["runId"], "selectRunDefinition": True}
    found = service.post(f"{history}/rundata", body).json()["runDefinition"]

    told = dict(zip(found["arguments"][::2], found["arguments"][1::2], strict=True))
    assert (told["--model_name"], told["--model_version"]) == ("digits", "1")
    assert (told["--scoring_module_name"], told["--error_threshold"]) == ("score.py", "3")
    assert told["--mini_batch_size"] == "$AML_PARAMETER_mini_batch_size"
    variables = found["environmentVariables"]
    assert (variables["COLOUR"], variables["AML_PARAMETER_mini_batch_size"]) == ("red", "7")
    assert (variables["AML_PARAMETER_run_max_try"], variables["AML_PARAMETER_run_invocation_timeout"]) == ("2", "9")
    assert found["dataReferences"]["score"]["pathOnDataStore"] == f"azureml/{step['runId']}/score"


def test_the_workspace_tells_its_times_in_utc_and_leads_nowhere_else(service: Service) -> None:
    found = service.get("").json()
    inner = found["properties"]
    keys = service.http.get("/discovery").json()

    assert {
        one[-1] for one in (inner["creationTime"], *(found["systemData"][n] for n in ("createdAt", "lastModifiedAt")))
    } == {"Z"}
    tracking = service.with_deployment().invoke().json()["properties"]["interactionEndpoints"]["Tracking"]["endpoint"]
    assert tracking == inner["mlFlowTrackingUri"] + "?"
    for name in ("storageAccount", "keyVault", "applicationInsights"):
        assert inner[name].startswith(service.workspace.partition("/providers/")[0] + "/providers/")
    assert inner["sdkTelemetryAppInsightsKey"] == "00000000-0000-0000-0000-000000000000"
    assert {url for name, url in keys.items() if name != "studio"} == {service.context.base_url}


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
