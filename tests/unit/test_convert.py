"""Specs and inputs to bodies, and bodies to specs. The whole bodies are in tests/contract."""

from __future__ import annotations

import json

import pytest

from azure_batch_endpoints import dataset, file, folder
from azure_batch_endpoints._wire import convert, models, readback, routes
from azure_batch_endpoints._wire.convert import JobOverrides
from azure_batch_endpoints.errors import InvalidInputError, SpecError
from azure_batch_endpoints.inputs import Input
from azure_batch_endpoints.specs import (
    ComputeSpec,
    DeploymentSpec,
    EndpointSpec,
    ModelSpec,
    RetrySettings,
    RunSettings,
)
from tests.unit.fake_service import PATH, deployment_body, endpoint_body

STORES = PATH.datastores()
ALL = JobOverrides(
    name="j1",
    output_uri="azureml://datastores/store/paths/out/",
    output_file_name="rows.csv",
    settings={"mini_batch_size": 1, "instance_count": 2, "max_concurrency_per_instance": 3, "error_threshold": 4},
    retry_settings=RetrySettings(max_retries=2, timeout=90),
    experiment_name="trial",
    tags={"a": "b"},
)


def test_the_same_spec_used_twice_is_unchanged_and_gives_the_same_body() -> None:
    spec = DeploymentSpec(name="blue", model="azureml:m:1", tags={"a": "1"})
    before = spec.model_copy(deep=True)
    ids = convert.DeploymentAssets("m", None, None, "c")

    first = convert.deployment_body(spec, ids, "here")
    first["tags"]["a"] = "changed"
    first["properties"]["environmentVariables"]["X"] = "changed"

    assert spec == before
    assert convert.deployment_body(spec, ids, "here")["tags"] == {"a": "1"}
    assert "codeConfiguration" not in first["properties"] and "environmentId" not in first["properties"]


def test_every_override_of_a_job_is_in_its_body() -> None:
    body = convert.job_body({"UriFolder": folder("https://a.net/b")}, ALL, api_version="2024-10-01", datastores=STORES)

    assert body == {
        "properties": {
            "inputData": {"UriFolder": {"jobInputType": "UriFolder", "uri": "https://a.net/b/"}},
            "outputData": {
                "score": {"jobOutputType": "UriFile", "uri": "azureml://datastores/store/paths/out/rows.csv"}
            },
            "outputFileName": "rows.csv",
            "name": "j1",
            "tags": {"a": "b"},
            "properties": {"experimentName": "trial"},
            "compute": {"instanceCount": 2},
            "retrySettings": {"maxRetries": 2, "timeout": "PT1M30S"},
            "miniBatchSize": 1,
            "maxConcurrencyPerInstance": 3,
            "errorThreshold": 4,
        }
    }


def test_a_job_without_overrides_sends_its_input_only() -> None:
    body = convert.job_body(
        {"x": file("https://a.net/b.csv")}, JobOverrides("j1"), api_version="2024-10-01", datastores=""
    )

    inputs = {"x": {"jobInputType": "UriFile", "uri": "https://a.net/b.csv"}}
    assert body == {"properties": {"name": "j1", "inputData": inputs}}


def test_an_output_without_a_file_name_takes_the_default_one() -> None:
    overrides = JobOverrides("j1", output_uri="azureml://datastores/s/paths/o/")
    body = convert.job_body({"x": Input("literal", "3")}, overrides, api_version="2024-10-01", datastores="")

    assert body["properties"]["outputData"]["score"]["uri"].endswith("/o/predictions.csv")
    assert body["properties"]["inputData"]["x"] == {"jobInputType": "Literal", "value": "3"}


@pytest.mark.parametrize(
    "output",
    [
        "azureml://datastores/store/paths/out/",
        "azureml://subscriptions/s/resourcegroups/g/workspaces/w/datastores/store/paths/out/",
    ],
)
def test_the_form_of_2021_names_datastore_and_path_of_the_output(output: str) -> None:
    overrides = JobOverrides("j1", output_uri=output, output_file_name="rows.csv")
    inputs = {"x": dataset("/subscriptions/s/resourceGroups/g/data/d/versions/1")}
    body = convert.job_body(inputs, overrides, api_version="2021-10-01", datastores=STORES)

    assert body == {
        "properties": {
            "dataset": {
                "dataInputType": "DatasetId",
                "datasetId": "/subscriptions/s/resourceGroups/g/data/d/versions/1",
            },
            "outputDataset": {"datastoreId": f"{STORES}/store", "path": "out"},
            "outputFileName": "rows.csv",
            "name": "j1",
        }
    }


def test_the_form_of_2021_takes_one_input_and_says_so() -> None:
    with pytest.raises(InvalidInputError, match=r"takes exactly one input, not 2\. Use a later api_version") as caught:
        convert.job_body(
            {"a": folder("https://a.net"), "b": folder("https://b.net")}, ALL, api_version="2021-10-01", datastores=""
        )
    assert isinstance(caught.value, ValueError)


def test_a_deployment_is_read_back_as_the_spec_that_would_make_it_again() -> None:
    spec = readback.deployment_spec(models.DeploymentBody.read(deployment_body()))

    assert spec.settings == RunSettings(
        mini_batch_size=5,
        max_concurrency_per_instance=3,
        instance_count=2,
        error_threshold=7,
        retry_settings=RetrySettings(max_retries=2, timeout=60),
        output_file_name="rows.csv",
        environment_variables={"A": "1"},
    )
    assert (spec.name, spec.scoring_script, spec.description, spec.tags) == ("blue", "score.py", "first", {"k": "v"})
    assert spec.code == PATH.asset("codes", "c", "1")


def test_a_deployment_with_a_name_this_package_would_refuse_is_read_all_the_same() -> None:
    body = {"name": "1_odd_name", "properties": {"outputAction": "SummaryOnly"}}

    spec = readback.deployment_spec(models.DeploymentBody.read(body))

    assert (spec.name, spec.code, spec.settings.output_action) == ("1_odd_name", None, "summary_only")


def test_settings_that_the_service_leaves_out_take_its_defaults() -> None:
    assert convert.settings_from(models.DeploymentProperties.read({})) == RunSettings()


@pytest.mark.parametrize(("name", "value"), [("A=B", "1"), ("", "1"), ("A\0", "1"), ("A", "x\0y")])
def test_variables_that_no_process_can_have_are_refused_of_a_body_too(name: str, value: str) -> None:
    body = models.DeploymentProperties.read({"environmentVariables": {name: value}})

    with pytest.raises(SpecError, match="variable"):
        convert.settings_from(body)


def test_overrides_of_a_job_lie_over_the_deployments_settings() -> None:
    base = RunSettings(mini_batch_size=7, error_threshold=3, retry_settings=RetrySettings(max_retries=5, timeout=9))
    asked = models.BatchJobProperties.read(
        {
            "MiniBatchSize": "2",
            "retrySettings": {"maxRetries": 1},
            "compute": {"instanceCount": 4},
            "loggingLevel": "Debug",
        }
    )

    settings = convert.job_settings_from(asked, base)

    assert (settings.mini_batch_size, settings.error_threshold, settings.instance_count) == (2, 3, 4)
    assert settings.retry_settings == RetrySettings(max_retries=1, timeout=9)
    assert settings.logging_level == "debug"


def test_a_setting_out_of_range_in_a_body_is_refused() -> None:
    with pytest.raises(SpecError, match="mini_batch_size is 0"):
        convert.job_settings_from(models.BatchJobProperties.read({"miniBatchSize": 0}), RunSettings())


def test_bodies_are_read_in_any_case_with_unknown_keys_and_odd_values() -> None:
    body = models.EndpointBody.read(
        {
            "Name": "heart",
            "TAGS": {"n": 3, "none": None, "b": True, "m": {"x": 1}},
            "new": {"x": 1},
            "properties": {"ScoringUri": "u"},
        }
    )

    assert (body.name, body.properties.scoring_uri) == ("heart", "u")
    assert body.tags == {"n": "3", "b": "true", "m": '{"x": 1}'}
    assert body.body()["new"] == {"x": 1}


def test_an_endpoint_body_keeps_properties_and_default() -> None:
    spec = EndpointSpec(name="heart", description="d", tags={"a": "1"}, default_deployment="blue")

    assert convert.endpoint_body(spec, "here", properties={"kept": "yes"}) == {
        "location": "here",
        "tags": {"a": "1"},
        "properties": {
            "authMode": "aadToken",
            "description": "d",
            "properties": {"kept": "yes"},
            "defaults": {"deploymentName": "blue"},
        },
    }
    assert models.EndpointBody.read(endpoint_body()).properties.provisioning_state == "Succeeded"


def test_a_ray_compute_carries_its_address() -> None:
    body = convert.compute_body(ComputeSpec(name="rays", type="ray", address="h:1"), "here")

    assert body["properties"]["computeType"] == "Ray"
    assert body["properties"]["properties"]["address"] == "h:1"


def test_conda_goes_out_as_json_that_is_yaml_too() -> None:
    assert json.loads(convert.conda_text({"name": "x", "dependencies": ["pip"]})) == {
        "name": "x",
        "dependencies": ["pip"],
    }


def test_an_anonymous_model_says_so() -> None:
    assert convert.model_body(ModelSpec(name="", path="x"), "u", "custom_model", anonymous=True)["properties"] == {
        "isAnonymous": True,
        "isArchived": False,
        "tags": {},
        "properties": {},
        "modelType": "custom_model",
        "modelUri": "u",
    }


def deployed(spec: DeploymentSpec) -> models.DeploymentBody:
    body = convert.deployment_body(spec, convert.DeploymentAssets("m", None, None, "c"), "westeurope")
    assert "isolateFailures" not in body["properties"]
    return models.DeploymentBody.read({**body, "name": spec.name})


def test_isolation_travels_as_a_text_that_every_service_keeps() -> None:
    settings = RunSettings(isolate_failures=True)
    read = deployed(DeploymentSpec(name="blue", model="azureml:m:1", settings=settings, properties={"own": "kept"}))

    assert read.properties.properties == {"own": "kept", routes.ISOLATE_PROPERTY: "true"}
    assert convert.settings_from(read.properties).isolate_failures
    assert readback.deployment_spec(read).properties == {"own": "kept"}
    assert readback.deployment_spec(read).settings.isolate_failures


def test_isolation_is_not_mentioned_where_nobody_asked_for_it() -> None:
    assert deployed(DeploymentSpec(name="blue", model="azureml:m:1")).properties.properties == {}


@pytest.mark.parametrize(
    ("said", "base", "isolated"), [("false", True, False), (None, True, True), ("true", False, True)]
)
def test_one_job_can_turn_isolation_on_and_off(said: str | None, base: bool, isolated: bool) -> None:
    job = models.BatchJobProperties.read({"properties": {} if said is None else {routes.ISOLATE_PROPERTY: said}})

    assert convert.job_settings_from(job, RunSettings(isolate_failures=base)).isolate_failures is isolated


def test_a_wrong_word_for_isolation_is_refused() -> None:
    job = models.BatchJobProperties.read({"properties": {routes.ISOLATE_PROPERTY: "perhaps"}})

    with pytest.raises(SpecError, match="isolate_failures is 'perhaps'"):
        convert.job_settings_from(job, RunSettings())


@pytest.mark.parametrize(
    ("said", "isolated"), [("true", True), ("TRUE", True), ("yes", False), ("", False), ("perhaps", False)]
)
def test_only_the_word_true_turns_isolation_on_in_a_deployment(said: str, isolated: bool) -> None:
    read = deployed(DeploymentSpec(name="blue", model="azureml:m:1"))
    assert read.properties.properties is not None
    properties = read.properties.model_copy(update={"properties": {routes.ISOLATE_PROPERTY: said}})

    assert convert.settings_from(properties).isolate_failures is isolated
