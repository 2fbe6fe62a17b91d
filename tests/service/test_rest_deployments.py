"""Batch deployments: the defaults of the service, what a PUT must hold, what it is checked against."""

from __future__ import annotations

from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from azure_batch_endpoints.local.resources import Change, Key, Resource
from tests.service.in_process import Service, error, said

BLUE = "/batchEndpoints/heart/deployments/blue"


@pytest.fixture
def ready(service: Service) -> Service:
    service.put("/batchEndpoints/heart", {"properties": {}})
    return service.with_assets()


def test_a_new_deployment_is_updating_and_then_ready(ready: Service) -> None:
    made = ready.put(BLUE, ready.deployment())
    operation = ready.get(made.headers["azure-asyncoperation"]).json()

    assert made.status_code == 201
    assert made.json()["properties"]["provisioningState"] == "Updating"
    assert operation["status"] == "Succeeded" and operation["name"].startswith("bdbes:")
    assert made.headers["location"].split("?")[0] == ready.context.base_url + ready.workspace + BLUE
    assert ready.get(BLUE).json()["properties"]["provisioningState"] == "Succeeded"


def test_what_is_left_out_takes_the_defaults_of_the_service(ready: Service) -> None:
    found = ready.put(BLUE, ready.deployment()).json()["properties"]

    expected = {
        "description": None,
        "errorThreshold": -1,
        "retrySettings": {"maxRetries": 3, "timeout": "PT30S"},
        "miniBatchSize": 10,
        "loggingLevel": "Info",
        "maxConcurrencyPerInstance": 1,
        "outputAction": "AppendRow",
        "outputFileName": "predictions.csv",
        "resources": {"instanceCount": 1, "instanceType": None, "properties": None},
        "environmentVariables": {},
    }
    assert {name: found[name] for name in expected} == expected


def test_numbers_as_text_and_keys_in_any_case_are_understood(ready: Service) -> None:
    body = ready.deployment(
        **{
            "ErrorThreshold": "10",
            "miniBatchSize": "5",
            "loggingLevel": "info",
            "Resources": {"InstanceCount": "2", "properties": {}},
            "retrySettings": {"maxRetries": "1", "timeout": "90"},
            "outputAction": "summaryOnly",
        }
    )
    found = ready.put(BLUE, body).json()["properties"]

    assert (found["errorThreshold"], found["miniBatchSize"], found["loggingLevel"]) == (10, 5, "Info")
    assert found["resources"] == {"instanceCount": 2, "instanceType": None, "properties": None}
    assert found["retrySettings"] == {"maxRetries": 1, "timeout": "PT1M30S"}
    assert found["outputAction"] == "SummaryOnly"


def test_a_deployment_without_model_is_refused_in_the_recorded_words(ready: Service) -> None:
    answer = ready.put(BLUE, {"properties": {}})

    assert answer.status_code == 400
    assert error(answer)["code"] == "UserError"
    assert '"PropertyName": "ModelConfiguration.ModelReference"' in error(answer)["message"]
    inner = next(one["info"]["value"] for one in error(answer)["additionalInfo"] if one["type"] == "InnerError")
    assert inner["innerError"]["innerError"] == {"code": "InvalidInputArguments", "innerError": None}
    assert ready.get(BLUE).status_code == 404


def test_models_without_a_name_of_their_own_are_not_offered_instead(ready: Service) -> None:
    content = "0123456789abcdef" * 4
    ready.put(f"models/{content}/versions/1", {"properties": {"modelUri": "azureml://datastores/d/paths/m"}})
    answer = ready.put(BLUE, ready.deployment(model={"assetId": "azureml:mnist:1"}))

    assert "There are: 'digits'." in said(answer)


@pytest.mark.parametrize(
    ("properties", "status", "words"),
    [
        ({"model": {"assetId": "azureml:digits:9"}}, 404, "Model 'digits' has no version '9'. There are: '1'."),
        ({"model": {"assetId": "azureml:mnist:1"}}, 404, "Model 'mnist' not found. There are: 'digits'."),
        ({"model": {"assetId": "what is this"}}, 400, "is not the id of a model"),
        ({"environmentId": "azureml:env:7"}, 404, "Environment 'env' has no version '7'"),
        ({"codeConfiguration": {"codeId": "azureml:nope:1", "scoringScript": "s.py"}}, 404, "Code 'nope' not found"),
        ({"codeConfiguration": {"codeId": "azureml:score:1"}}, 400, "Scoring Script"),
        ({"codeConfiguration": None}, 400, "Scoring Script"),
        ({"codeConfiguration": {"scoringScript": "s.py"}}, 400, "Code Id"),
        ({"miniBatchSize": 0}, 400, "mini_batch_size is 0"),
        ({"miniBatchSize": "many"}, 400, "miniBatchSize"),
        ({"errorThreshold": -2}, 400, "error_threshold is -2"),
        ({"outputAction": "AppendColumn"}, 400, "output_action"),
        ({"outputFileName": "../x.csv"}, 400, "output_file_name"),
        ({"retrySettings": {"timeout": "soon"}}, 400, "'soon' is not a duration"),
        ({"retrySettings": {"timeout": "inf"}}, 400, "settings"),
        ({"deploymentConfiguration": {"deploymentConfigurationType": "PipelineComponent"}}, 400, "not supported"),
    ],
)
def test_what_cannot_work_is_refused_at_the_put_and_nothing_is_kept(
    ready: Service, properties: dict[str, Any], status: int, words: str
) -> None:
    answer = ready.put(BLUE, ready.deployment(**properties))

    assert answer.status_code == status
    assert words in said(answer)
    assert ready.get(BLUE).status_code == 404


def test_a_deployment_of_an_unknown_endpoint_is_not_found(ready: Service) -> None:
    answer = ready.put("/batchEndpoints/other/deployments/blue", ready.deployment())

    assert answer.status_code == 404
    assert error(answer)["details"][0]["code"] == "NoSuchEndpoint"


def test_an_mlflow_model_needs_no_script(ready: Service) -> None:
    model = {"properties": {"modelType": "mlflow_model", "modelUri": "azureml://datastores/workspaceblobstore/paths/m"}}
    ready.put("/models/heart/versions/1", model)
    body = {"properties": {"model": {"assetId": "azureml:heart@latest"}}}

    assert ready.put(BLUE, body).status_code == 201


@pytest.mark.parametrize(
    "environment",
    [
        "azureml:AzureML-sklearn-1.0-ubuntu20.04-py38-cpu:33",
        "azureml:AzureML-sklearn-1.0-ubuntu20.04-py38-cpu@latest",
        "azureml://registries/azureml/environments/x/versions/1",
    ],
)
def test_a_curated_environment_is_taken_and_echoed_untouched(ready: Service, environment: str) -> None:
    answer = ready.put(BLUE, ready.deployment(environmentId=environment))

    assert answer.status_code == 201
    assert answer.json()["properties"]["environmentId"] == environment


def test_an_answer_can_be_sent_back_whole(ready: Service) -> None:
    ready.put(BLUE, ready.deployment(properties={"mine": "1"}))
    read = ready.get(BLUE).json()

    again = ready.put(BLUE, read)

    assert again.status_code == 200
    kept = ready.get(BLUE).json()
    for volatile in ("AzureAsyncOperationUri",):
        kept["properties"]["properties"].pop(volatile)
        read["properties"]["properties"].pop(volatile)
    assert kept["properties"] == read["properties"]


def test_patch_changes_one_setting(ready: Service) -> None:
    ready.put(BLUE, ready.deployment(miniBatchSize=3))

    answer = ready.patch(BLUE, {"properties": {"errorThreshold": 4}})

    assert answer.status_code == 200
    assert (answer.json()["properties"]["miniBatchSize"], answer.json()["properties"]["errorThreshold"]) == (3, 4)
    assert ready.patch(BLUE, {"properties": {"errorThreshold": -9}}).status_code == 400
    assert ready.get(BLUE).json()["properties"]["errorThreshold"] == 4


def test_deployments_are_listed_in_the_order_they_were_made(ready: Service) -> None:
    for name in ("blue", "green", "amber"):
        ready.put(f"/batchEndpoints/heart/deployments/{name}", ready.deployment())

    answer = ready.get("/batchEndpoints/heart/deployments")

    assert [one["name"] for one in answer.json()["value"]] == ["blue", "green", "amber"]
    assert "nextLink" not in answer.json()
    assert ready.get("/batchEndpoints/none/deployments").status_code == 404


def test_a_deleted_default_deployment_is_no_default_any_more(service: Service) -> None:
    service.with_deployment("blue")

    gone = service.delete("/batchEndpoints/heart/deployments/BLUE")

    assert (gone.status_code, gone.content) == (202, b"null")
    assert service.get("/batchEndpoints/heart").json()["properties"]["defaults"] == {"deploymentName": None}
    assert service.delete("/batchEndpoints/heart/deployments/blue").status_code == 204
    missing = service.get("/batchEndpoints/heart/deployments/blue")
    assert error(missing)["details"][0]["code"] == "NoSuchDeployment"


def test_a_default_survives_the_deletion_of_another_deployment(service: Service) -> None:
    service.with_deployment("blue")
    service.put("/batchEndpoints/heart/deployments/green", service.deployment())

    service.delete("/batchEndpoints/heart/deployments/green")

    assert service.get("/batchEndpoints/heart").json()["properties"]["defaults"] == {"deploymentName": "blue"}


def test_a_deployment_never_outlives_an_endpoint_that_is_deleted_meanwhile(ready: Service) -> None:
    for _ in range(8):
        ready.put("/batchEndpoints/heart", {"properties": {}})
        with ThreadPoolExecutor(2) as pool:
            made = pool.submit(ready.put, BLUE, ready.deployment())
            pool.submit(ready.delete, "/batchEndpoints/heart").result()

        assert made.result().status_code in (201, 404)
        assert ready.get("/batchEndpoints/heart").status_code == 404
        assert ready.context.state.resources.names("deployments", "heart") == []


def test_an_endpoint_that_goes_at_the_last_moment_is_not_found(ready: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    resources = ready.context.state.resources
    put = resources.put

    def delete_first(key: Key, body: Mapping[str, Any], change: Change) -> tuple[Resource, bool]:
        resources.delete(Key("endpoints", "heart"))
        return put(key, body, change)

    monkeypatch.setattr(resources, "put", delete_first)
    answer = ready.put(BLUE, ready.deployment())

    assert error(answer)["details"][0]["code"] == "NoSuchEndpoint"
