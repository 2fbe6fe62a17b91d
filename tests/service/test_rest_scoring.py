"""The scoring URI: every form of an invoke, what a job takes from where, and one job for one POST."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any

import pytest

from azure_batch_endpoints._wire.routes import RETRY_PROPERTY
from azure_batch_endpoints.local.engines.base import Failure, Outcome
from azure_batch_endpoints.local.job import JobRow
from azure_batch_endpoints.local.ledger import Ledger
from azure_batch_endpoints.local.plan import InputItem
from azure_batch_endpoints.states import JobStatus
from tests.service.in_process import BASE, FOLDER, PLACE, Service, error, said

STORE = {"datastoreId": "azureml:workspaceblobstore"}
STORE_ID = {"datastoreId": "{ws}/datastores/workspaceblobstore"}
URL = "https://pipelinedata.blob.core.windows.net/sampledata/mnist"


@pytest.fixture
def ready(service: Service) -> Service:
    return service.with_deployment("blue", miniBatchSize=7, errorThreshold=5, retrySettings={"timeout": "PT60S"})


def row(service: Service, name: str) -> JobRow:
    found = service.context.state.job(name)
    assert found is not None
    return found


def test_an_invoke_makes_a_queued_job_at_once(ready: Service) -> None:
    answer = ready.invoke()
    body = answer.json()

    assert answer.status_code == 201
    assert answer.headers["azureml-model-deployment"] == "blue"
    assert answer.headers["location"] == (
        f"{BASE}/mferp/managementfrontend{ready.workspace}/batchEndpoints/heart/deployments/blue"
        "?api-version=2020-09-01-dataplanepreview"
    )
    assert ready.get(answer.headers["location"]).json()["name"] == "blue"
    assert body["name"].startswith("batchjob-")
    assert body["id"] == f"{ready.workspace}/batchEndpoints/heart/deployments/blue/jobs/{body['name']}"
    assert body["properties"]["status"] == "Queued"
    assert ready.queue.submitted == [body["name"]]


def test_the_answer_is_filled_in_as_recorded(ready: Service) -> None:
    inner = ready.invoke().json()["properties"]

    assert inner["inputData"] == {
        "any": {"description": None, "uri": PLACE + "images/", "mode": "ReadOnlyMount", "jobInputType": "UriFolder"}
    }
    assert inner["retrySettings"] == {"maxRetries": 3, "timeout": "PT1M"}
    assert inner["tags"]["azureml.batchrun"] == "true"
    assert inner["tags"]["azureml.deploymentname"] == "blue"
    assert inner["tags"]["azureml.jobtype"] == "azureml.batchjob"
    assert '"run_invocation_timeout": "60"' in inner["properties"]["azureml.parameters"]
    assert '"mini_batch_size": "7"' in inner["properties"]["azureml.parameters"]
    assert "/studio/runs/batchjob-" in inner["interactionEndpoints"]["Studio"]["endpoint"]
    assert inner["provisioningState"] == "Succeeded"


def test_a_job_takes_all_it_needs_from_the_deployment_as_it_is_now(ready: Service) -> None:
    name = ready.invoke().json()["name"]
    ready.delete("/batchEndpoints/heart")

    request = row(ready, name).request

    assert (request.endpoint, request.deployment, request.compute) == ("heart", "blue", "local")
    assert request.model_uri.endswith("/datastores/workspaceblobstore/paths/LocalUpload/m/model")
    assert request.code_uri == PLACE + "LocalUpload/c/code"
    assert request.scoring_script == "score.py"
    assert request.image == "mcr/x:1" and '"pip"' in (request.conda_file or "")
    assert request.settings.mini_batch_size == 7 and request.settings.retry_settings.timeout == 60
    assert [(one.kind, one.uri) for one in request.inputs] == [("folder", PLACE + "images/")]
    assert request.output_uri == f"{PLACE}azureml/{row(ready, name).child}/score/"


def test_everything_can_be_overridden_for_one_job(ready: Service) -> None:
    answer = ready.invoke(
        name="my-job",
        miniBatchSize="2",
        errorThreshold=0,
        loggingLevel="debug",
        maxConcurrencyPerInstance=3,
        outputFileName="mine.csv",
        retrySettings={"maxRetries": 1},
        compute={"instanceCount": "4", "isLocal": True},
        tags={"who": "me"},
        properties={"experimentName": "trial"},
    )

    job = row(ready, "my-job")
    settings = job.request.settings
    assert answer.json()["name"] == "my-job"
    assert (settings.mini_batch_size, settings.error_threshold, settings.logging_level) == (2, 0, "debug")
    assert (settings.max_concurrency_per_instance, settings.instance_count) == (3, 4)
    assert (settings.retry_settings.max_retries, settings.retry_settings.timeout) == (1, 60)
    assert settings.output_file_name == "mine.csv"
    assert job.tags["who"] == "me" and job.experiment == "trial"
    assert answer.json()["properties"]["compute"]["instanceCount"] == 4


@pytest.mark.parametrize(
    ("properties", "kind", "uri"),
    [
        ({"inputData": {"UriFile": {"jobInputType": "UriFile", "uri": URL + "/0.png"}}}, "file", URL + "/0.png"),
        ({"InputData": {"x": {"JobInputType": "uri_folder", "Uri": URL}}}, "folder", URL),
        ({"inputData": {"x": {"uri": "azureml:images@latest"}}}, "folder", PLACE + "images/"),
        ({"inputData": {"x": {"jobInputType": "UriFile", "uri": "azureml:images:1"}}}, "folder", PLACE + "images/"),
        ({"inputData": {"x": {"uri": "{ws}/data/images/versions/1"}}}, "folder", PLACE + "images/"),
        ({"inputData": {"x": {"uri": "{ws}/datastores/WorkspaceBlobStore/paths/a b/ü/"}}}, "folder", PLACE + "a b/ü/"),
        ({"inputData": {"x": {"uri": "wasbs://c@acct.blob.core.windows.net/p"}}}, "folder", "wasbs://c@acct.blob.core.windows.net/p"),
        ({"dataset": {"dataInputType": "DataUrl", "Path": URL}}, "folder", URL),
        ({"dataset": {"dataInputType": "DataUrl", "path": URL + "/a.csv"}}, "file", URL + "/a.csv"),
        ({"dataset": {"datasetName": "images", "datasetVersion": "1"}}, "folder", PLACE + "images/"),
        ({"dataset": {"datasetName": "images"}}, "folder", PLACE + "images/"),
        ({"dataset": {"datasetId": "{ws}/datasets/images/versions/1"}}, "folder", PLACE + "images/"),
    ],
)  # fmt: skip
def test_every_documented_form_of_an_input_is_understood(
    ready: Service, properties: dict[str, Any], kind: str, uri: str
) -> None:
    ready.put("/data/images/versions/1", {"properties": {"dataType": "uri_folder", "dataUri": PLACE + "images"}})
    text = str(properties).replace("{ws}", ready.workspace)

    answer = ready.http.post("/scoring/heart/jobs", content=f'{{"properties": {text},}}')

    assert answer.status_code == 201
    (one,) = row(ready, answer.json()["name"]).request.inputs
    assert (one.kind, one.uri) == (kind, uri)


def test_the_output_of_a_job_is_an_input_of_the_next(ready: Service) -> None:
    first = ready.invoke().json()["name"]
    uri = f"azureml://jobs/{first}/outputs/score/paths/predictions.csv"
    early = ready.invoke(inputData={"x": {"jobInputType": "UriFile", "uri": uri}})
    assert early.status_code == 409
    assert "is Queued. Wait until it has completed: then its output can be an input." in said(early)
    for status in (JobStatus.PREPARING, JobStatus.RUNNING, JobStatus.FINALIZING, JobStatus.COMPLETED):
        ready.context.state.move_job(first, status)

    second = ready.invoke(inputData={"x": {"jobInputType": "UriFile", "uri": uri}}).json()["name"]

    (one,) = row(ready, second).request.inputs
    assert one.uri == row(ready, first).request.output_uri + "predictions.csv"


@pytest.mark.parametrize(
    ("properties", "folder", "file"),
    [
        ({"outputData": {"s": {"jobOutputType": "UriFile", "uri": PLACE + "out/f.txt"}}}, PLACE + "out/", "f.txt"),
        ({"OutputData": {"s": {"JobOutputType": "UriFile", "Uri": PLACE + "/out"}}}, PLACE + "out/", "predictions.csv"),
        ({"outputData": {"s": {"uri": PLACE + "out/"}}, "outputFileName": "f.txt"}, PLACE + "out/", "f.txt"),
        ({"outputData": {"s": {"uri": "{ws}/datastores/workspaceblobstore/paths/o/f.txt"}}}, PLACE + "o/", "f.txt"),
        ({"outputDataset": {**STORE, "path": "/o"}, "outputFileName": "f.txt"}, PLACE + "o/", "f.txt"),
        ({"outputDataset": {**STORE_ID, "path": "o/p"}}, PLACE + "o/p/", "predictions.csv"),
        ({"outputDataset": {"path": "o/p"}}, PLACE + "o/p/", "predictions.csv"),
    ],
)  # fmt: skip
def test_every_documented_form_of_an_output_is_understood(
    ready: Service, properties: dict[str, Any], folder: str, file: str
) -> None:
    text = str({**properties, "inputData": FOLDER}).replace("{ws}", ready.workspace)

    answer = ready.http.post("/scoring/heart/jobs", content=f'{{"properties": {text}}}')

    request = row(ready, answer.json()["name"]).request
    assert (request.output_uri, request.settings.output_file_name) == (folder, file)


@pytest.mark.parametrize(
    ("properties", "status", "words"),
    [
        ({"inputData": None}, 400, "The job has no input"),
        ({"inputData": {}}, 400, "The job has no input"),
        ({"inputData": {"x": {"jobInputType": "Literal", "value": 5}}}, 400, "type 'LiteralJobInput' is not supported"),
        ({"inputData": {"x": {"jobInputType": "MLTable", "uri": URL}}}, 400, "'MLTableJobInput' is not supported"),
        ({"inputData": {"x": {"jobInputType": "UriFile"}}}, 400, "Input 'x' has no 'uri'"),
        ({"inputData": {"x": {"uri": "./images"}}}, 400, "'./images'"),
        ({"inputData": {"x": {"uri": "azureml:images:1"}}}, 404, "Data asset 'images' not found. There are: 'other'."),
        ({"inputData": {"x": {"uri": "azureml:other:7"}}}, 404, "'other' has no version '7'. There are: '1'."),
        ({"inputData": {"x": {"uri": "azureml:other@best"}}}, 404, "has no label 'best'"),
        ({"inputData": {"x": {"uri": "azureml://datastores/mine/paths/x"}}}, 404, "Could not find datastore: mine."),
        ({"inputData": {"x": {"uri": "azureml://jobs/none/outputs/score"}}}, 404, "There is no job 'none'"),
        ({"inputData": None, "dataset": {}}, 400, "'dataset' names nothing"),
        ({"inputData": None, "dataset": {"datasetId": "x"}}, 400, "datasetId 'x'"),
        ({"outputData": {"s": {"jobOutputType": "UriFolder", "uri": PLACE}}}, 400, "type must be 'uri_file'."),
        ({"outputData": {"s": {"uri": URL}}}, 400, "is not on a datastore"),
        ({"outputData": {"s": {"uri": PLACE}, "t": {"uri": PLACE}}}, 400, "one output"),
        ({"outputDataset": {"datastoreId": "azureml:mine", "path": "p"}}, 404, "Could not find datastore: mine."),
        ({"miniBatchSize": 0}, 400, "mini_batch_size is 0"),
        ({"outputFileName": "a/b"}, 400, "output_file_name"),
        ({"retrySettings": {"timeout": "never"}}, 400, "'never' is not a duration"),
        ({"compute": {"target": "azureml:gone"}}, 404, "Compute 'gone' not found. There are: 'local'."),
        ({"name": "../../etc"}, 400, "'../../etc' cannot be the name"),
        ({"properties": {"experimentName": "a/b"}}, 400, "'a/b'"),
    ],
)  # fmt: skip
def test_what_cannot_be_scored_is_refused_and_makes_no_job(
    ready: Service, properties: dict[str, Any], status: int, words: str
) -> None:
    ready.put("/data/other/versions/1", {"properties": {"dataUri": PLACE + "o"}})

    answer = ready.invoke(**properties)

    assert answer.status_code == status
    assert words in said(answer)
    assert ready.queue.submitted == []
    assert ready.get("/jobs").json() == {"value": []}


def test_an_mltable_is_not_scored(ready: Service) -> None:
    ready.put("/data/table/versions/1", {"properties": {"dataType": "mltable", "dataUri": PLACE + "t"}})

    answer = ready.invoke(inputData={"x": {"uri": "azureml:table:1"}})

    assert answer.status_code == 400
    assert "mltable" in said(answer)


def test_the_header_names_the_deployment_and_changes_no_default(ready: Service) -> None:
    ready.put("/batchEndpoints/heart/deployments/green", ready.deployment())

    named = ready.invoke(headers={"azureml-model-deployment": "GREEN"})
    default = ready.invoke()

    assert named.headers["azureml-model-deployment"] == "green"
    assert default.headers["azureml-model-deployment"] == "blue"


def test_an_unknown_deployment_is_not_found_and_those_there_are_named(ready: Service) -> None:
    answer = ready.invoke(headers={"azureml-model-deployment": "red"})

    assert answer.status_code == 404
    assert error(answer)["details"][0]["code"] == "NoSuchDeployment"
    assert "red" in said(answer) and "'blue'" in said(answer)


def test_without_a_default_there_is_nothing_to_route_to(ready: Service) -> None:
    ready.put("/batchEndpoints/heart", {"properties": {"defaults": {"deploymentName": None}}})

    answer = ready.invoke()

    assert answer.status_code == 404
    assert error(answer)["message"].startswith("No valid deployments to route to. Please check")
    assert "'blue'" in said(answer)
    assert "retry-after" not in answer.headers


def test_an_unknown_endpoint_is_not_found(ready: Service) -> None:
    answer = ready.post("/scoring/hart/jobs", {"properties": {"inputData": FOLDER}})

    assert answer.status_code == 404
    assert error(answer)["details"][0]["code"] == "NoSuchEndpoint"


@pytest.mark.parametrize("header", ["repeatability-request-id", "repeatability_request-id"])
def test_a_post_sent_again_answers_with_the_job_it_made(ready: Service, header: str) -> None:
    first, again = (ready.invoke(headers={header: "6b1f"}) for _ in range(2))

    assert (first.status_code, again.status_code) == (201, 200)
    assert again.json() == first.json()
    assert ready.queue.submitted == [first.json()["name"]]


def test_a_name_sent_again_answers_with_the_job_it_made_even_if_the_deployment_is_gone(ready: Service) -> None:
    first = ready.invoke(name="my-job")
    ready.delete("/batchEndpoints/heart/deployments/blue")

    again = ready.invoke(name="my-job")

    assert again.status_code == 200
    assert again.json() == first.json()


def test_a_post_sent_by_many_at_once_makes_one_job(ready: Service) -> None:
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda _: ready.invoke(name="my-job", tags={"a": "b"}), range(16)))

    assert sorted(one.status_code for one in answers) == [200] * 15 + [201]
    assert ready.queue.submitted == ["my-job"]


@pytest.mark.parametrize(
    ("properties", "headers"),
    [
        ({"name": "my-job", "miniBatchSize": 3}, {}),
        ({"name": "my-job"}, {"azureml-model-deployment": "green"}),
        ({}, {"repeatability-request-id": "6b1f"}),
    ],
)
def test_a_name_or_id_that_belongs_to_another_job_is_a_conflict(
    ready: Service, properties: dict[str, Any], headers: dict[str, str]
) -> None:
    ready.put("/batchEndpoints/heart/deployments/green", ready.deployment())
    ready.invoke(name="my-job", headers={"repeatability-request-id": "6b1f"})

    answer = ready.invoke(headers=headers, **properties)

    assert answer.status_code == 409
    assert "'my-job'" in said(answer)
    assert ready.queue.submitted == ["my-job"]


def test_the_jobs_of_an_endpoint_and_of_a_deployment_are_listed(ready: Service) -> None:
    ready.put("/batchEndpoints/heart/deployments/green", ready.deployment())
    for name, deployment in (("one", "blue"), ("two", "green"), ("three", "blue")):
        ready.invoke(name=name, headers={"azureml-model-deployment": deployment})
    prefix = f"{BASE}/mferp/managementfrontend{ready.workspace}/batchEndpoints/Heart"
    version = "?api-version=2020-09-01-dataplanepreview"

    def names(url: str) -> list[str]:
        return [one["name"] for one in ready.get(url).json()["value"]]

    assert names(f"{prefix}/jobs{version}") == ["three", "two", "one"]
    assert names(f"{prefix}/deployments/Blue/jobs{version}") == ["three", "one"]
    assert names("/scoring/heart/jobs?deployment=green") == ["two"]
    assert ready.get("/scoring/none/jobs").status_code == 404
    assert ready.get(f"{prefix}/jobs/one{version}").json()["properties"]["status"] == "Queued"


def test_the_scoring_uri_answers_after_one_job(ready: Service) -> None:
    ready.invoke(name="my-job")

    found = ready.get("/scoring/heart/jobs/my-job").json()

    assert (found["status"], found["properties"]["status"]) == ("Queued", "Queued")
    assert ready.get("/scoring/other/jobs/my-job").status_code == 404
    assert ready.get("/scoring/heart/jobs/none").status_code == 404


def end(service: Service, name: str, *, failed: tuple[int, ...]) -> None:
    """Make the ledger of a job with two inputs, and end it."""
    state, folder = service.context.state, service.context.settings.job_folder(name)
    folder.mkdir(parents=True)
    with Ledger(folder / "ledger.sqlite", 1) as ledger:
        ledger.add_inputs([InputItem(0, "a.png", "a.png", 1), InputItem(1, "b.png", "b.png", 1)])
        ledger.seal()
        for number in (0, 1):
            bad = (number,) if number in failed else ()
            failure = Failure("KeyError", "'age'", "Traceback …") if bad else None
            outcome = Outcome(number, "succeeded", 1, bad, 3 if bad else 1, "worker-0", 0.5, failure=failure)
            ledger.record([replace(outcome, status="failed") if bad else outcome])
    for status_now in (JobStatus.PREPARING, JobStatus.RUNNING, JobStatus.FINALIZING, JobStatus.COMPLETED):
        state.move_job(name, status_now)


def test_a_retry_scores_failed_inputs_with_the_deployment_as_it_is_now(ready: Service) -> None:
    ready.invoke(name="first", miniBatchSize=2)
    end(ready, "first", failed=(1,))

    answer = ready.invoke(inputData=None, name="second", properties={RETRY_PROPERTY: "first"}, errorThreshold=0)

    assert answer.status_code == 201
    request, before = row(ready, "second").request, row(ready, "first").request
    assert request.retry_of == "first"
    assert request.inputs == before.inputs and request.model_uri == before.model_uri
    assert (request.settings.mini_batch_size, request.settings.error_threshold) == (2, 0)
    assert request.output_uri != before.output_uri
    ready.delete("/batchEndpoints/heart/deployments/blue")
    gone = ready.invoke(inputData=None, name="third", properties={RETRY_PROPERTY: "first"})
    assert (gone.status_code, "blue" in gone.text) == (404, True)


def test_only_a_job_that_has_ended_with_failures_can_be_retried(ready: Service) -> None:
    ready.invoke(name="going")
    ready.invoke(name="well")
    end(ready, "well", failed=())

    def retry(name: str) -> int:
        return ready.invoke(inputData=None, properties={RETRY_PROPERTY: name}).status_code

    assert (retry("none"), retry("going"), retry("well")) == (404, 409, 400)


def test_an_mlflow_model_in_a_curated_environment_on_a_cluster_makes_a_job(service: Service) -> None:
    model = {"modelType": "mlflow_model", "modelUri": PLACE + "m"}
    service.put("/models/heart/versions/1", {"properties": model})
    service.put("/computes/Cluster", {"properties": {}})
    service.put("/batchEndpoints/heart", {"properties": {}})
    curated = "azureml:AzureML-sklearn-1.0:33"
    properties = {"model": {"assetId": "azureml:heart@latest"}, "environmentId": curated, "compute": "azureml:cluster"}
    service.put("/batchEndpoints/heart/deployments/blue", {"properties": properties})

    name = service.invoke(headers={"azureml-model-deployment": "blue"}).json()["name"]

    request = row(service, name).request
    assert (request.model_type, request.code_uri, request.scoring_script) == ("mlflow_model", None, None)
    assert (request.image, request.conda_file, request.compute) == (curated, None, "Cluster")


# ------------------------------------------------------------------ the page of a job


def test_the_page_of_a_job_opens_by_its_address_alone(ready: Service) -> None:
    ready.invoke(name="shown")
    address = ready.get("/jobs/shown").json()["properties"]["services"]["Studio"]["endpoint"]

    answer = ready.http.get(address, headers={"Authorization": ""})

    assert answer.status_code == 200
    assert answer.headers["content-type"].startswith("text/html")
    assert "default-src 'none'" in answer.headers["content-security-policy"]
    assert "shown" in answer.text and "Queued" in answer.text and 'http-equiv="refresh"' in answer.text
    assert "<script" not in answer.text


def test_the_page_of_a_job_does_not_show_the_signature_of_its_input(ready: Service) -> None:
    ready.invoke(name="shown", inputData={"x": {"uri": "https://other.blob.core.windows.net/c/in?sv=1&sig=c2VjcmV0"}})
    address = ready.get("/jobs/shown").json()["properties"]["services"]["Studio"]["endpoint"]

    page = ready.http.get(address).text

    assert "https://other.blob.core.windows.net/c/in" in page
    assert "c2VjcmV0" not in page


def test_a_page_without_its_signature_or_with_that_of_another_job_is_refused(ready: Service) -> None:
    for name in ("one", "two"):
        ready.invoke(name=name)
    address = ready.get("/jobs/one").json()["properties"]["services"]["Studio"]["endpoint"]

    for wrong in (address.split("?")[0], address.replace("/one?", "/two?"), address + "0"):
        assert ready.http.get(wrong, headers={"Authorization": ""}).status_code == 403


@pytest.mark.parametrize(
    ("owner", "text"),
    [
        ("batchEndpoints/nope/jobs", "There is no endpoint with name: nope in"),
        ("batchEndpoints/nope/deployments/blue/jobs", "There is no endpoint with name: nope in"),
        ("batchEndpoints/heart/deployments/nope/jobs", "There is no deployment with name: nope in endpoint heart"),
    ],
)
def test_the_jobs_of_what_is_not_there_and_never_was_are_no_empty_list(ready: Service, owner: str, text: str) -> None:
    prefix = f"{BASE}/mferp/managementfrontend{ready.workspace}"
    answer = ready.get(f"{prefix}/{owner}?api-version=2020-09-01-dataplanepreview")

    assert answer.status_code == 404
    assert text in said(answer)
