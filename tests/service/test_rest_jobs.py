"""Jobs on the management route: bodies, filters, pages, cancel, the ledger; and the run history with its logs."""

from __future__ import annotations

import json

import pytest

from azure_batch_endpoints._wire.routes import ERROR_PROPERTY, PROGRESS_PROPERTY, ROWS_PROPERTY
from azure_batch_endpoints.local.job import JobRow
from azure_batch_endpoints.states import JobStatus
from tests.service.in_process import BASE, PLACE, Service, said
from tests.service.test_rest_scoring import end


@pytest.fixture
def ready(service: Service) -> Service:
    service.with_deployment("blue")
    service.invoke(name="job-1", tags={"team": "a"})
    return service


def row(service: Service, name: str = "job-1") -> JobRow:
    found = service.context.state.job(name)
    assert found is not None
    return found


def history(service: Service, run: str, rest: str = "") -> str:
    return f"/history/v1.0{service.workspace}/runs/{run}{rest}"


def test_the_management_route_calls_the_same_things_by_its_own_names(ready: Service) -> None:
    body = ready.get("/jobs/job-1?api-version=2024-01-01-preview").json()
    inner = body["properties"]

    assert body["id"] == f"{ready.workspace}/jobs/job-1"
    assert inner["description"] == "Pipeline submission for endpoint: heart, deployment: blue."
    assert (inner["jobType"], inner["experimentName"], inner["status"]) == ("Pipeline", "heart", "Queued")
    assert inner["services"]["Tracking"]["jobServiceType"] == "Tracking"
    assert inner["tags"]["azureml.batchrun"] == "true" and inner["tags"]["team"] == "a"
    assert inner["inputs"] is None and inner["jobs"] is None and inner["computeId"] is None
    assert inner["outputs"]["score"] == {
        "jobOutputType": "uri_folder",
        "uri": row(ready).request.output_uri,
        "mode": None,
        "description": None,
    }
    assert PROGRESS_PROPERTY not in inner["properties"]


def test_progress_error_and_kinds_of_rows_are_properties(ready: Service) -> None:
    state = ready.context.state
    state.note_progress("job-1", '{"done": 1}')
    state.note_rows("job-1", '[{"kind": "list", "columns": []}]')
    state.move_job("job-1", JobStatus.FAILED, error="KeyError: 'age' in score.py:31")

    found = ready.get("/jobs/job-1").json()["properties"]

    assert found["status"] == "Failed"
    assert found["properties"][PROGRESS_PROPERTY] == '{"done": 1}'
    assert found["properties"][ROWS_PROPERTY] == '[{"kind": "list", "columns": []}]'
    assert found["properties"][ERROR_PROPERTY] == "KeyError: 'age' in score.py:31"
    details = ready.get(history(ready, "job-1", "/details")).json()
    assert details["error"]["error"]["message"] == "KeyError: 'age' in score.py:31"


def test_a_completed_job_tells_its_stages(ready: Service) -> None:
    end(ready, "job-1", failed=())

    stages = json.loads(ready.get("/jobs/job-1").json()["properties"]["properties"]["stages"])

    assert stages["Execution"]["Status"] == "Finished"
    assert stages["Execution"]["EndTime"] >= stages["Execution"]["StartTime"]
    assert ready.get(history(ready, "job-1")).json()["duration"].startswith("00:00:0")


def test_an_unknown_job_is_not_found(ready: Service) -> None:
    for answer in (ready.get("/jobs/none"), ready.post("/jobs/none/cancel"), ready.get("/jobs/none/items")):
        assert answer.status_code == 404
        assert "'none'" in said(answer)


def test_the_step_of_a_job_has_null_properties(ready: Service) -> None:
    child = row(ready).child

    found = ready.get(f"/jobs/{child}").json()

    assert found["name"] == child
    assert found["properties"] is None


@pytest.mark.parametrize(
    ("query", "names"),
    [
        ("", ["job-3", "job-2", "job-1"]),
        ("listViewType=ActiveOnly", ["job-3", "job-2", "job-1"]),
        ("listViewType=ArchivedOnly", []),
        ("listViewType=all", ["job-3", "job-2", "job-1"]),
        ("scheduled=true", []),
        ("scheduleId=nightly", []),
        ("jobType=Pipeline", ["job-3", "job-2", "job-1"]),
        ("jobType=Command", []),
        ("status=Failed", ["job-2"]),
        ("status=queued", ["job-3", "job-1"]),
        ("tag=team", ["job-3", "job-1"]),
        ("tag=team=a", ["job-1"]),
        ("tag=team=a%27 OR 1=1", []),
        ("tag=none", []),
        ("endpoint=HEART&deployment=blue", ["job-3", "job-2", "job-1"]),
        ("endpoint=other", []),
        ("experimentName=trial", ["job-3"]),
        ("status=Failed&tag=team", []),
    ],
)
def test_jobs_are_listed_newest_first_and_filtered(ready: Service, query: str, names: list[str]) -> None:
    ready.invoke(name="job-2")
    ready.invoke(name="job-3", tags={"team": "b"}, properties={"experimentName": "trial"})
    ready.context.state.move_job("job-2", JobStatus.FAILED, error="x")

    assert [one["name"] for one in ready.get(f"/jobs?{query}").json()["value"]] == names


def test_an_unknown_status_is_a_bad_request_that_lists_the_known_ones(ready: Service) -> None:
    answer = ready.get("/jobs?status=Done")

    assert answer.status_code == 400
    assert "'Done'" in said(answer) and "Completed" in said(answer)


def test_pages_of_jobs_stay_whole_while_new_jobs_arrive(ready: Service) -> None:
    for number in range(2, 6):
        ready.invoke(name=f"job-{number}")
    first = ready.get("/jobs?api-version=2024-01-01&tag=azureml.batchrun=true&$top=2").json()
    ready.invoke(name="job-6")

    second = ready.get(first["nextLink"]).json()
    third = ready.get(second["nextLink"]).json()

    names = [one["name"] for page in (first, second, third) for one in page["value"]]
    assert names == ["job-5", "job-4", "job-3", "job-2", "job-1"]
    assert "nextLink" not in third
    assert "tag=azureml.batchrun" in first["nextLink"]


def test_a_cancel_is_over_when_the_job_has_ended(ready: Service) -> None:
    asked = ready.post("/jobs/job-1/cancel?api-version=2023-04-01-preview")
    going = ready.get(asked.headers["location"])
    ready.context.state.move_job("job-1", JobStatus.CANCELED)
    over = ready.get(going.headers["location"])

    assert (asked.status_code, asked.content) == (202, b"null")
    assert "azure-asyncoperation" not in asked.headers
    assert (
        asked.headers["location"].split("?")[0].endswith(f"/mfeOperationResults/jc:{ready.context.workspace_id}:job-1")
    )
    assert (going.status_code, going.json(), going.headers["retry-after-ms"]) == (202, {}, "200")
    assert (over.status_code, over.content) == (200, b"")


def test_cancelling_a_job_that_has_ended_changes_nothing(ready: Service) -> None:
    end(ready, "job-1", failed=())

    asked = ready.post("/jobs/job-1/cancel")

    assert asked.status_code == 202
    assert ready.get(asked.headers["location"]).status_code == 200
    assert row(ready).status is JobStatus.COMPLETED


def test_the_cancel_of_an_unknown_job_never_began(ready: Service) -> None:
    region = "/subscriptions/x/providers/Microsoft.MachineLearningServices/locations/local"

    assert ready.http.get(f"{region}/mfeOperationResults/jc:ws:none?api-version=2024-10-01").status_code == 404


def test_the_ledger_tells_what_became_of_each_input(ready: Service) -> None:
    before = ready.get("/jobs/job-1/items").json()
    end(ready, "job-1", failed=(1,))

    items = ready.get("/jobs/job-1/items").json()["value"]
    failed = ready.get("/jobs/job-1/items?status=failed").json()["value"]

    assert before == {"value": []}
    assert [(one["path"], one["status"]) for one in items] == [("a.png", "succeeded"), ("b.png", "failed")]
    assert failed == [
        {
            "path": "b.png",
            "status": "failed",
            "miniBatch": 1,
            "attempts": 3,
            "worker": "worker-0",
            "seconds": 0.5,
            "errorType": "KeyError",
            "errorMessage": "'age'",
            "errorPlace": None,
            "traceback": "Traceback …",
        }
    ]
    assert ready.get("/jobs/job-1/items?status=lost").status_code == 400


def test_the_ledger_comes_in_pages(ready: Service) -> None:
    end(ready, "job-1", failed=())

    first = ready.get("/jobs/job-1/items?$top=1").json()
    second = ready.get(first["nextLink"]).json()

    assert [one["path"] for one in first["value"] + second["value"]] == ["a.png", "b.png"]
    assert "nextLink" not in second


# ------------------------------------------------------------------ run history


def test_a_job_has_one_step_named_batchscoring(ready: Service) -> None:
    (step,) = ready.get(history(ready, "job-1", "/children?api-version=v1.0")).json()["value"]

    assert step["name"] == "batchscoring"
    assert step["runId"] == row(ready).child
    assert step["parentRunId"] == step["rootRunId"] == "job-1"
    assert ready.get(history(ready, step["runId"])).json()["runType"] == "azureml.StepRun"
    assert ready.get(history(ready, step["runId"], "/children")).json() == {"value": []}
    assert ready.get(history(ready, "job-1")).json()["runType"] == "azureml.PipelineRun"
    assert ready.get(history(ready, "none")).status_code == 404


@pytest.mark.parametrize(
    ("agent", "kind"),
    [("azure-ai-ml/1.35.2 azsdk-python", "uri_folder"), ("azure-ai-ml/1.36.0", "UriFolder"), ("", "UriFolder")],
)
def test_the_output_of_the_step_can_be_found_in_both_ways(ready: Service, agent: str, kind: str) -> None:
    child = row(ready).child
    data = ready.post(
        f"/history/v1.0{ready.workspace}/rundata",
        {"runId": child, "selectRunMetadata": True},
        headers={"User-Agent": agent},
    ).json()
    output = data["runMetadata"]["outputs"]["score"]
    resolved = ready.post(
        f"/data/v1.0{ready.workspace}/dataversion/batchGetResolvedUris?api-version=1.5.0",
        {"values": [output["assetId"]]},
    ).json()["values"][output["assetId"]]

    reference = data["runDefinition"]["dataReferences"]["score"]
    assert reference["dataStoreName"] == "workspaceblobstore"
    assert reference["pathOnDataStore"] == f"azureml/{child}/score"
    assert output["type"] == kind
    assert resolved["uri"].endswith(f"/datastores/workspaceblobstore/paths/azureml/{child}/score/")
    assert resolved["uri"].startswith("azureml://subscriptions/")


def test_registered_data_is_resolved_too(ready: Service) -> None:
    body = {"properties": {"dataType": "uri_file", "dataUri": PLACE + "a.csv"}}
    ready.put("/data/table/versions/1", body)
    asset = f"azureml://locations/local/workspaces/{ready.context.workspace_id}/data/table/versions/1"
    url = f"/data/v1.0{ready.workspace}/dataversion/batchGetResolvedUris"

    found = ready.post(url, {"values": [asset]}).json()["values"][asset]

    assert found["type"] == "UriFile" and found["uri"].endswith("/paths/a.csv")
    assert ready.post(url, {"values": "x"}).status_code == 400
    assert ready.post(url, {"values": ["x"]}).status_code == 400


def test_run_data_of_nothing_is_a_bad_request(ready: Service) -> None:
    url = f"/history/v1.0{ready.workspace}/rundata"

    assert ready.post(url, {}).status_code == 400
    assert ready.post(url, {"RunId": "none"}).status_code == 404


@pytest.fixture
def logged(ready: Service) -> Service:
    folder = ready.context.settings.job_folder("job-1") / "run"
    (folder / "user_logs").mkdir(parents=True)
    (folder / "logs" / "user é").mkdir(parents=True)
    (folder / "user_logs" / "std_log_0.txt").write_bytes(b"0123456789")
    (folder / "logs" / "user é" / "error#1.txt").write_bytes(b"odd name")
    (folder.parent / "ledger.sqlite").write_bytes(b"no log")
    return ready


def log_files(service: Service, run: str = "job-1") -> dict[str, str]:
    found: dict[str, str] = service.get(history(service, run, "/details?api-version=v1.0")).json()["logFiles"]
    return found


def test_log_files_are_read_without_a_token_by_their_signed_address(logged: Service) -> None:
    files = log_files(logged)

    assert list(files) == ["logs/user é/error#1.txt", "user_logs/std_log_0.txt"]
    assert files == log_files(logged, row(logged).child)
    for path, content in (("user_logs/std_log_0.txt", b"0123456789"), ("logs/user é/error#1.txt", b"odd name")):
        assert files[path].startswith(BASE)
        assert logged.http.get(files[path], headers={"Authorization": ""}).content == content


def test_a_growing_log_is_read_from_where_one_left_off(logged: Service) -> None:
    url = log_files(logged)["user_logs/std_log_0.txt"]

    part = logged.http.get(url, headers={"Range": "bytes=4-"})
    nothing = logged.http.get(url, headers={"Range": "bytes=10-"})
    with (logged.context.settings.job_folder("job-1") / "run" / "user_logs" / "std_log_0.txt").open("ab") as file:
        file.write(b"new")
    rest = logged.http.get(url, headers={"Range": "bytes=10-"})

    assert (part.status_code, part.content) == (206, b"456789")
    assert part.headers["content-range"] == "bytes 4-9/10"
    assert nothing.status_code == 416
    assert nothing.headers["content-range"] == "bytes */10"
    assert (rest.status_code, rest.content) == (206, b"new")


def test_a_log_file_that_is_gone_is_not_found(logged: Service) -> None:
    url = log_files(logged)["user_logs/std_log_0.txt"]
    (logged.context.settings.job_folder("job-1") / "run" / "user_logs" / "std_log_0.txt").unlink()

    assert logged.http.get(url).status_code == 404


@pytest.mark.parametrize("change", ["sig=", "sig=00", "other"])
def test_an_address_with_another_signature_opens_nothing(logged: Service, change: str) -> None:
    url = log_files(logged)["user_logs/std_log_0.txt"]
    start = url.split("?")[0]

    assert logged.http.get(f"{start}?{change}", headers={"Authorization": ""}).status_code == 403


def test_a_signature_opens_its_own_file_only(logged: Service) -> None:
    signature = log_files(logged)["user_logs/std_log_0.txt"].split("?")[1]

    for path in ("logs/user é/error#1.txt", "../ledger.sqlite", "..%2fledger.sqlite"):
        answer = logged.http.get(f"/logs/job-1/{path}?{signature}", headers={"Authorization": ""})
        assert answer.status_code in (401, 403, 404)


def test_a_run_that_has_no_logs_yet_has_an_empty_object(ready: Service) -> None:
    details = ready.get(history(ready, "job-1", "/details")).json()

    assert details["logFiles"] == {} and details["warnings"] == []
    assert details["status"] == "Queued"
