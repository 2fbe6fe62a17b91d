"""The calls of the REST how-to, one by one, in the bodies that its published samples have had since 2021."""

from __future__ import annotations

import json

import httpx
import pytest

from azure_batch_endpoints.local.job import JobRequest
from tests.service.in_process import BASE, PLACE, Service, said

VERSIONS = ["2021-10-01", "2022-05-01", "2024-10-01"]
MNIST = "https://pipelinedata.blob.core.windows.net/sampledata/mnist"
CONDA = json.dumps({"dependencies": ["python=3.8", "pip", {"pip": ["numpy"]}], "name": "mnist-env"})
COMPUTE = """{
    "properties":{
        "computeType": "AmlCompute",
        "properties": {
            "osType": "Linux",
            "vmSize": "STANDARD_D2_V2",
            "scaleSettings": {"maxNodeCount": 3, "minNodeCount": 0},
            "remoteLoginPortPublicAccess": "NotSpecified"
        },
    },
    "location": "local"
}"""
DEPLOYMENT = """{
    "location": "local",
    "properties": {
        "model": {"referenceType": "Id", "assetId": "{ws}/models/mnist/versions/1"},
        "codeConfiguration": {"codeId": "{ws}/codes/score-mnist/versions/1", "scoringScript": "digits.py"},
        "environmentId": "{ws}/environments/mnist-env/versions/7",
        "compute": "{ws}/computes/cpu-cluster",
        "resources": {"instanceCount": 1},
        "maxConcurrencyPerInstance": "4",
        "retrySettings": {"maxRetries": 3, "timeout": "PT30S"},
        "errorThreshold": "10",
        "loggingLevel": "info",
        "miniBatchSize": "5",
    }
}"""


class Curl:
    """Sends text as it is, with the headers that the how-to's curl sends."""

    def __init__(self, service: Service, version: str) -> None:
        self.service, self.version = service, version

    def __call__(self, method: str, path: str, text: str | None = None) -> httpx.Response:
        if path.startswith("http"):
            url = path
        else:
            url = f"{self.service.workspace}{path}{'&' if '?' in path else '?'}api-version={self.version}"
        content = None if text is None else text.replace("{ws}", self.service.workspace).replace("{mnist}", MNIST)
        return self.service.http.request(method, url, content=content, headers={"Content-Type": "application/json"})

    def made(self, path: str, text: str) -> dict[str, object]:
        answer = self("PUT", path, text)
        assert answer.status_code == 201, answer.text
        found: dict[str, object] = answer.json()["properties"]
        return found

    def request(self, body: str, scoring: str = f"{BASE}/scoring/endpt/jobs") -> JobRequest:
        answer = self("POST", scoring, body)
        assert answer.status_code == 201, answer.text
        # The sample takes what stands behind the last slash of the id.
        row = self.service.context.state.job(answer.json()["id"].rpartition("/")[2])
        assert row is not None
        return row.request


@pytest.fixture
def curl(service: Service, request: pytest.FixtureRequest) -> Curl:
    return Curl(service, getattr(request, "param", VERSIONS[1]))


@pytest.fixture
def ready(curl: Curl) -> Curl:
    store = curl("GET", "/datastores?isDefault=true").json()["value"][0]["properties"]
    root = f"{store['protocol']}://{store['accountName']}.blob.{store['endpoint']}/{store['containerName']}"
    curl.made(
        "/codes/score-mnist/versions/1", f'{{"properties": {{"description": "Score", "codeUri": "{root}/score"}}}}'
    )
    long = curl.service.workspace.replace("/providers/Microsoft.MachineLearningServices", "")
    uri = f"azureml:/{long}/datastores/workspaceblobstore/paths/model"
    curl.made("/models/mnist/versions/1", f'{{"properties": {{"modelUri":"{uri}"}}}}')
    curl.made(
        "/environments/mnist-env/versions/7", f'{{"properties":{{"condaFile": {json.dumps(CONDA)}, "image": "x:1"}}}}'
    )
    curl.made("/computes/cpu-cluster", COMPUTE)
    curl.made("/batchEndpoints/endpt", '{"properties": {"authMode": "aadToken"}, "location": "local"}')
    curl.made("/batchEndpoints/endpt/deployments/nonmlflowedp", DEPLOYMENT)
    default = (
        '{"properties": {"authMode": "aadToken", "defaults": {"deploymentName": "nonmlflowedp"}}, "location": "local"}'
    )
    assert curl("PUT", "/batchEndpoints/endpt", default).status_code == 200
    return curl


def test_the_url_that_the_sample_makes_of_the_datastore_is_the_stores(ready: Curl) -> None:
    code = ready("GET", "/codes/score-mnist/versions/1").json()["properties"]

    store = ready("GET", "/datastores/workspaceblobstore").json()["properties"]
    assert code["codeUri"] == f"{BASE}/acct/{store['containerName']}/score"


@pytest.mark.parametrize("curl", VERSIONS, indirect=True)
def test_operations_are_followed_by_the_property_that_the_sample_reads(ready: Curl) -> None:
    for path in ("/batchEndpoints/endpt", "/batchEndpoints/endpt/deployments/nonmlflowedp"):
        body = ready("GET", path).json()
        followed = ready("GET", body["properties"]["properties"]["AzureAsyncOperationUri"])
        assert followed.json()["status"] == "Succeeded"


@pytest.mark.parametrize("curl", VERSIONS, indirect=True)
def test_a_container_is_made_before_its_version(curl: Curl) -> None:
    body = '{"properties": {"description":"Container for the mnist model",}}'

    container = curl.made("/models/mnist", body)

    assert container["description"] == "Container for the mnist model"
    assert curl("PUT", "/environments/mnist-env", '{"properties": {}}').status_code == 201
    curl.made("/models/mnist/versions/1", f'{{"properties": {{"modelUri": "{PLACE}model/"}}}}')
    assert curl("GET", "/models/mnist").json()["properties"]["latestVersion"] == "1"


@pytest.mark.parametrize("curl", VERSIONS, indirect=True)
def test_code_and_model_by_datastore_and_path(curl: Curl) -> None:
    body = '{"properties": {"datastoreId": "{ws}/datastores/workspaceblobstore", "path": "model/",}}'

    code, model = curl.made("/codes/c/versions/1", body), curl.made("/models/m/versions/1", body)

    assert str(code["codeUri"]).rstrip("/").endswith("/paths/model")
    assert str(model["modelUri"]).rstrip("/").endswith("/datastores/workspaceblobstore/paths/model")


def dataset(inner: str) -> str:
    return f'{{"properties": {{"dataset": {{{inner}}}}}}}'


def data(inner: str, name: str = "mnistinput") -> str:
    return f'{{"properties": {{"InputData": {{"{name}": {{{inner}}}}}}}}}'


@pytest.mark.parametrize(
    ("body", "kind", "uri"),
    [
        (dataset('"dataInputType": "DataUrl", "Path": "{mnist}"'), "folder", MNIST),
        (dataset('"DATAINPUTTYPE": "dataurl", "PATH": "{mnist}",').replace("dataset", "DATASET"), "folder", MNIST),
        (dataset('"dataInputType": "DatasetVersion", "datasetName": "mnist", "datasetVersion": "7"'), "folder", MNIST),
        (dataset('"dataInputType": "DatasetVersion", "DatasetName": "mnist", "DatasetVersion": 7'), "folder", MNIST),
        (dataset('"dataInputType": "DatasetId", "DatasetId": "{ws}/datasets/mnist/versions/7"'), "folder", MNIST),
        (dataset('"dataInputType": "DatasetId", "datasetId": "{ws}/data/mnist/versions/7"'), "folder", MNIST),
        (data('"JobInputType" : "UriFolder", "Uri":  "{mnist}"'), "folder", MNIST),
        (data('"JobInputType" : "UriFile", "Uri": "{mnist}/0.png"'), "file", f"{MNIST}/0.png"),
        (data('"JobInputType": "UriFolder", "Uri": "{place}/data/mnist/versions/labels/latest"'), "folder", MNIST),
        (data('"JobInputType": "UriFolder", "Uri": "{place}/data/mnist/versions/7/"'), "folder", MNIST),
        (data('"JobInputType": "UriFolder", "Uri": "azureml://data/mnist/versions/7/"'), "folder", MNIST),
        (data('"JobInputType": "UriFolder", "Uri": "azureml:/mnist@latest"'), "folder", MNIST),
        (data('"JobInputType": "UriFolder", "Uri": "azureml:{ws}/{store}/paths/data"'), "folder", PLACE + "data"),
        (data('/* of */ "JobInputType": "UriFolder", // today\n "Uri": "{mnist}",'), "folder", MNIST),
    ],
)
def test_every_published_form_of_an_input_makes_a_job(ready: Curl, body: str, kind: str, uri: str) -> None:
    ready.made("/datasets/mnist/versions/7", '{"properties": {"paths": [{"folder": "{mnist}"}]}}')
    body = body.replace("{place}", "azureml://locations/local/workspaces/local")

    (one,) = ready.request(body.replace("{store}", "datastores/workspaceblobstore")).inputs

    assert (one.kind, one.uri.rstrip("/")) == (kind, uri.rstrip("/"))


@pytest.mark.parametrize(
    ("output", "folder", "file"),
    [
        ('"outputDataset": {"datastoreId": "{store}", "path": "endpt"}, "outputFileName": "7.csv"', "endpt/", "7.csv"),
        ('"outputDataset": {"DatastoreId": "{store}", "Path": "/endpt"},', "endpt/", "predictions.csv"),
        (
            '"OutputData": {"score": {"JobOutputType" : "UriFile", "Uri": "azureml:{store}/paths/jobs/8.csv"}}',
            "jobs/",
            "8.csv",
        ),
        (f'"OutputData": {{"any": {{"JobOutputType": "UriFile", "Uri": "{PLACE}a/9.csv"}}}},', "a/", "9.csv"),
    ],
)
def test_every_published_form_of_an_output_is_where_the_job_writes(
    ready: Curl, output: str, folder: str, file: str
) -> None:
    request = ready.request(with_output(output.replace("{store}", "{ws}/datastores/workspaceblobstore")))

    shown = ready("GET", f"{BASE}/scoring/endpt/jobs").json()["value"][0]["properties"]
    assert [one["uri"] for one in shown["outputData"].values()] == [PLACE + folder + file]
    assert (shown["output"]["path"] is not None) is ("outputDataset" in output)
    assert request.output_uri == PLACE + folder
    assert request.settings.output_file_name == file


def with_output(output: str) -> str:
    inputs = '"InputData": {"x": {"JobInputType": "UriFolder", "Uri": "{mnist}"}}'
    return f'{{"properties": {{{inputs}, {output}}}}}'


def test_an_output_that_is_a_folder_is_refused_in_the_services_words(ready: Curl) -> None:
    output = f'"OutputData": {{"score": {{"JobOutputType": "UriFolder", "Uri": "{PLACE}x/"}}}}'

    answer = ready("POST", f"{BASE}/scoring/endpt/jobs", with_output(output))

    assert answer.status_code == 400
    first, _, errors = said(answer).partition("\nErrors:\n")
    assert first == "The Job request provided has the following validation errors. Please resolve them and try again."
    assert json.loads(errors) == [
        {
            "PropertyName": "OutputData.Values[0].JobOutputType",
            "ErrorMessage": "Job output type must be 'uri_file'.",
            "AttemptedValue": "uri_folder",
            "ErrorCode": "PredicateValidator",
        }
    ]


def test_a_literal_is_refused_in_the_services_words(ready: Curl) -> None:
    body = '{"properties": {"InputData": {"score_mode": {"JobInputType" : "Literal", "Value": "append"}}}}'

    answer = ready("POST", f"{BASE}/scoring/endpt/jobs", body)

    assert answer.status_code == 400
    assert json.loads(said(answer).partition("\nErrors:\n")[2]) == [
        {
            "PropertyName": "InputData.Values[0]",
            "ErrorMessage": "The specified job input type 'LiteralJobInput' is not supported. "
            "The supported types are: UriFileJobInput, UriFolderJobInput.",
            "AttemptedValue": {"JobInputType": "Literal", "Value": "append"},
            "ErrorCode": "PredicateValidator",
        }
    ]
    assert ready.service.queue.submitted == []


@pytest.mark.parametrize("curl", VERSIONS, indirect=True)
def test_the_sample_waits_for_a_job_at_the_scoring_uri(ready: Curl) -> None:
    scoring = ready("GET", "/batchEndpoints/endpt").json()["properties"]["scoringUri"]
    body = dataset('"dataInputType": "DataUrl", "Path": "{mnist}"')
    suffix = ready("POST", scoring, body).json()["id"].rpartition("/")[2]

    found = ready("GET", f"{scoring}/{suffix}").json()

    assert found["properties"]["status"] == "Queued"
    assert ready("DELETE", "/batchEndpoints/endpt").status_code == 202
