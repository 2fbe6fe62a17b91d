"""One POST, one job: overrides, the deployment's header, and the same request sent again and by many."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from azure_batch_endpoints.local.job import JobRow
from tests.service.in_process import FOLDER, PLACE, Service, error, said

ID = "repeatability-request-id"


@pytest.fixture
def ready(service: Service) -> Service:
    service.with_deployment("blue", miniBatchSize=7)
    service.put("/batchEndpoints/heart/deployments/green", service.deployment(miniBatchSize=9))
    return service


def row(service: Service, name: str) -> JobRow:
    found = service.context.state.job(name)
    assert found is not None
    return found


@pytest.mark.parametrize(
    ("properties", "setting", "value"),
    [
        ({"miniBatchSize": "5"}, "mini_batch_size", 5),
        ({"MINIBATCHSIZE": 5}, "mini_batch_size", 5),
        ({"errorThreshold": "-1"}, "error_threshold", -1),
        ({"compute": {"instanceCount": "3"}}, "instance_count", 3),
        ({"Compute": {"InstanceCount": 3, "Target": "local", "IsLocal": True}}, "instance_count", 3),
        ({"resources": {"instanceCount": 3}}, "instance_count", 3),
        ({"maxConcurrencyPerInstance": "4"}, "max_concurrency_per_instance", 4),
        ({"loggingLevel": "Warning"}, "logging_level", "warning"),
        ({"outputFileName": "p.csv"}, "output_file_name", "p.csv"),
        ({"miniBatchSize": None, "errorThreshold": None, "compute": None}, "mini_batch_size", 7),
        ({}, "mini_batch_size", 7),
    ],
)
def test_a_job_can_say_otherwise_than_its_deployment(
    ready: Service, properties: dict[str, Any], setting: str, value: object
) -> None:
    answer = ready.invoke(**properties)

    assert answer.status_code == 201
    assert getattr(row(ready, answer.json()["name"]).request.settings, setting) == value


def test_the_answer_says_what_the_job_will_do(ready: Service) -> None:
    inner = ready.invoke(loggingLevel="debug", resources={"instanceCount": 2}, maxConcurrencyPerInstance=3).json()

    found = inner["properties"]
    assert (found["loggingLevel"], found["maxConcurrencyPerInstance"]) == ("Debug", 3)
    assert found["compute"]["instanceCount"] == 2
    assert found["compute"]["target"] == f"{ready.workspace}/computes/local"
    assert set(inner["systemData"]) == {"createdAt", "createdBy", "lastModifiedAt", "lastModifiedBy"}
    assert "description" not in found and list(found["outputData"]) == ["score"]


def test_description_and_output_come_back_as_they_were_sent(ready: Service) -> None:
    sent = {"rows": {"jobOutputType": "UriFile", "uri": f"{PLACE}out/rows.csv"}}

    job = ready.invoke(description="nightly", outputData=sent).json()

    assert job["properties"]["description"] == "nightly"
    ((name, output),) = job["properties"]["outputData"].items()
    assert (name, output["uri"]) == ("rows", f"{PLACE}out/rows.csv")
    assert list(ready.get(f"/jobs/{job['name']}").json()["properties"]["outputs"]) == ["score"]


def test_the_properties_of_a_job_are_kept_beside_the_services(ready: Service) -> None:
    own = {"experimentName": "trial", "run-by": "ana", "azureml.runsource": "mine"}

    answer = ready.invoke(name="my-job", properties=own).json()["properties"]

    assert answer["properties"]["run-by"] == "ana"
    assert "experimentName" not in answer["properties"]
    assert answer["properties"]["azureml.runsource"] == "azureml.PipelineRun"
    assert ready.get("/jobs/my-job").json()["properties"]["properties"]["run-by"] == "ana"


def test_several_inputs_make_no_job_because_a_model_deployment_reads_one(ready: Service) -> None:
    sent = {f"part{n}": {"jobInputType": "UriFile", "uri": f"{PLACE}p{n}.csv"} for n in (3, 1, 2)}

    answer = ready.invoke(inputData=sent)

    assert answer.status_code == 400
    assert "exactly one input; this job has 'part3', 'part1', 'part2'" in said(answer)
    assert ready.get("/jobs").json()["value"] == []


@pytest.mark.parametrize(
    ("header", "deployment"), [("blue", "blue"), ("BLUE", "blue"), ("Green", "green"), ("", "blue")]
)
def test_the_header_finds_a_deployment_in_any_case(ready: Service, header: str, deployment: str) -> None:
    answer = ready.invoke(headers={"AzureML-Model-Deployment": header})

    assert answer.headers["azureml-model-deployment"] == deployment
    assert row(ready, answer.json()["name"]).request.settings.mini_batch_size == {"blue": 7, "green": 9}[deployment]


@pytest.mark.parametrize("header", ["red", "../blue", "blue,green", "x" * 300])
def test_a_header_that_names_no_deployment_makes_no_job(ready: Service, header: str) -> None:
    answer = ready.invoke(headers={"azureml-model-deployment": header})

    assert answer.status_code == 404
    assert error(answer)["details"][0]["code"] == "NoSuchDeployment"
    assert ready.queue.submitted == []


@pytest.mark.parametrize("header", [ID, "repeatability_request-id", "Repeatability-Request-ID"])
def test_twenty_that_send_one_id_at_once_make_one_job(ready: Service, header: str) -> None:
    with ThreadPoolExecutor(20) as pool:
        answers = list(pool.map(lambda _: ready.invoke(headers={header: "0f8e"}), range(20)))

    assert sorted(one.status_code for one in answers) == [200] * 19 + [201]
    assert {one.json()["name"] for one in answers} == set(ready.queue.submitted)
    assert len(ready.queue.submitted) == 1
    assert len(ready.get("/jobs").json()["value"]) == 1


def test_both_spellings_of_the_id_are_one_id(ready: Service) -> None:
    first = ready.invoke(headers={ID: "0f8e"})

    again = ready.invoke(headers={"repeatability_request-id": "0f8e"})

    assert (again.status_code, again.json()["name"]) == (200, first.json()["name"])


def test_a_request_id_for_tracing_repeats_nothing(ready: Service) -> None:
    for _ in range(2):
        assert ready.invoke(headers={"x-ms-client-request-id": "0f8e"}).status_code == 201

    assert len(set(ready.queue.submitted)) == 2


def test_an_id_of_a_refused_request_can_be_used_again(ready: Service) -> None:
    refused = ready.invoke(headers={ID: "0f8e"}, miniBatchSize=0)

    assert refused.status_code == 400
    assert ready.invoke(headers={ID: "0f8e"}).status_code == 201


def test_an_id_goes_with_the_deployment_it_was_sent_for(ready: Service) -> None:
    ready.invoke(headers={ID: "0f8e", "azureml-model-deployment": "blue"})

    other = ready.invoke(headers={ID: "0f8e", "azureml-model-deployment": "green"})

    assert other.status_code == 409
    assert "another body" in said(other)


@pytest.mark.parametrize("prefix", ["", "/mferp/managementfrontend"])
def test_the_jobs_of_an_endpoint_are_listed_in_pages(ready: Service, prefix: str) -> None:
    version = "api-version=2020-09-01-dataplanepreview"
    for number in range(5):
        ready.invoke(name=f"job-{number}")
    lists = [f"{prefix}{ready.workspace}/batchEndpoints/heart{owner}/jobs" for owner in ("", "/deployments/blue")]

    for url in lists:
        names, link = [], f"{url}?{version}&$top=2"
        while link:
            page = ready.http.get(link).json()
            names += [one["name"] for one in page["value"]]
            link = page.get("nextLink")
            assert link is None or (prefix in link and version in link and "$skipToken=" in link)
        assert names == [f"job-{number}" for number in (4, 3, 2, 1, 0)]
        one = ready.http.get(f"{url}/job-3?{version}")
        assert one.json()["properties"]["inputData"]["any"]["uri"] == FOLDER["any"]["uri"]
        assert ready.http.get(f"{url}/none?{version}").status_code == 404


def test_a_job_can_be_posted_to_its_deployment_through_the_data_plane(ready: Service) -> None:
    url = f"/mferp/managementfrontend{ready.workspace}/batchEndpoints/heart/deployments/green/jobs"

    answer = ready.http.post(
        f"{url}?api-version=2020-09-01-dataplanepreview", json={"properties": {"inputData": FOLDER}}
    )

    assert answer.status_code == 201
    assert answer.headers["azureml-model-deployment"] == "green"
