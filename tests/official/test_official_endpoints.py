"""Endpoints and deployments through the official client."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from azure.ai.ml import MLClient
from azure.ai.ml.constants import BatchDeploymentOutputAction
from azure.ai.ml.entities import (
    BatchDeployment,
    BatchEndpoint,
    BatchRetrySettings,
    CodeConfiguration,
    Environment,
    Model,
    ResourceConfiguration,
)
from azure.ai.ml.exceptions import MlException
from azure.core.exceptions import HttpResponseError, ResourceNotFoundError

from tests.official.driving import IMAGE, Files, deployment, made


@pytest.fixture
def heart(ml: MLClient) -> Iterator[str]:
    """An endpoint of one test."""
    made(ml, BatchEndpoint(name="heart", description="d", tags={"a": "b"}, properties={"p": "q"}))
    yield "heart"
    ml.batch_endpoints.begin_delete("heart").result()


@pytest.fixture(scope="module")
def registered(ml: MLClient, files: Files) -> tuple[Any, Any]:
    """A registered model and environment."""
    model = ml.models.create_or_update(Model(name="for-deployments", version="1", path=str(files.model)))
    return model, ml.environments.create_or_update(Environment(name="for-deployments", version="1", image=IMAGE))


def test_an_endpoint_keeps_what_it_was_made_with(ml: MLClient, heart: str) -> None:
    found = ml.batch_endpoints.get(heart)

    assert (found.name, found.location, found.auth_mode) == ("heart", "local", "aad_token")
    assert (found.description, found.tags, found.properties["p"]) == ("d", {"a": "b"}, "q")
    assert found.provisioning_state == "Succeeded"
    assert found.scoring_uri.endswith("/jobs")
    assert heart in [one.name for one in ml.batch_endpoints.list()]


def test_an_endpoint_is_changed_by_sending_it_back(ml: MLClient, heart: str) -> None:
    one = ml.batch_endpoints.get(heart)
    one.description, one.tags = "e", {"c": "d"}

    changed = made(ml, one)

    assert (changed.description, changed.tags, changed.properties["p"]) == ("e", {"c": "d"}, "q")
    with pytest.raises(MlException, match="at least 3 and at most 32"):
        made(ml, BatchEndpoint(name="x"))


def test_a_deployment_keeps_every_setting(ml: MLClient, heart: str, files: Files) -> None:
    settings: dict[str, Any] = {
        "mini_batch_size": 3,
        "max_concurrency_per_instance": 2,
        "instance_count": 4,
        "output_action": BatchDeploymentOutputAction.APPEND_ROW,
        "output_file_name": "x.csv",
        "retry_settings": BatchRetrySettings(max_retries=2, timeout=90),
        "error_threshold": 5,
        "logging_level": "debug",
        "environment_variables": {"COLOUR": "blue"},
    }
    made(ml, deployment(files, heart, "full", tags={"k": "v"}, description="dd", settings=settings))

    found = ml.batch_deployments.get("full", heart)

    assert (found.mini_batch_size, found.max_concurrency_per_instance, found.error_threshold) == (3, 2, 5)
    assert (found.output_action, found.output_file_name, found.logging_level) == ("append_row", "x.csv", "Debug")
    assert (found.retry_settings.max_retries, found.retry_settings.timeout) == (2, 90)
    assert (found.environment_variables, found.tags, found.description) == ({"COLOUR": "blue"}, {"k": "v"}, "dd")
    assert (found.resources.instance_count, found.provisioning_state) == (4, "Succeeded")
    assert found.code_configuration.scoring_script == "score.py"
    assert found.compute.endswith("/computes/local")


def test_a_deployment_of_the_older_class_takes_the_services_defaults(ml: MLClient, heart: str, files: Files) -> None:
    old = BatchDeployment(
        name="old",
        endpoint_name=heart,
        model=Model(path=str(files.model)),
        code_configuration=CodeConfiguration(code=str(files.code), scoring_script="score.py"),
        environment=Environment(image=IMAGE),
        compute="azureml:local",
        resources=ResourceConfiguration(instance_count=2),
    )

    made(ml, old)

    found = ml.batch_deployments.get("old", heart)
    assert (found.mini_batch_size, found.max_concurrency_per_instance, found.error_threshold) == (10, 1, -1)
    assert (found.output_action, found.output_file_name, found.logging_level) == (
        "append_row",
        "predictions.csv",
        "Info",
    )
    assert (found.retry_settings.max_retries, found.retry_settings.timeout) == (3, 30)
    assert found.resources.instance_count == 2


@pytest.mark.parametrize("form", ["azureml:{}:1", "{}@latest", "{}:1", "object"])
def test_registered_things_are_named_in_every_form(
    ml: MLClient, heart: str, files: Files, registered: tuple[Any, Any], form: str
) -> None:
    model, environment = registered if form == "object" else (form.format("for-deployments"),) * 2

    one = made(ml, deployment(files, heart, "named", model=model, environment=environment))

    assert one.model.endswith("/models/for-deployments/versions/1")
    assert one.environment.endswith("/environments/for-deployments/versions/1")


@pytest.mark.parametrize(
    "environment",
    [
        "azureml:AzureML-sklearn-1.0-ubuntu20.04-py38-cpu:33",
        "azureml:AzureML-sklearn-1.0-ubuntu20.04-py38-cpu@latest",
        "azureml://registries/azureml/environments/sklearn-1.5/versions/1",
    ],
)
def test_curated_environments_are_recorded(ml: MLClient, heart: str, files: Files, environment: str) -> None:
    one = made(ml, deployment(files, heart, "curated", environment=environment))

    assert environment.rpartition("/")[2].removeprefix("azureml:").split(":")[0].split("@")[0] in one.environment


def test_deployments_are_listed_and_deleted_one_by_one(ml: MLClient, heart: str, files: Files) -> None:
    for name in ("one", "two"):
        made(ml, deployment(files, heart, name))

    listed = [one.name for one in ml.batch_deployments.list(heart)]
    ml.batch_deployments.begin_delete("one", heart).result()

    assert listed == ["one", "two"]
    assert [one.name for one in ml.batch_deployments.list(heart)] == ["two"]
    with pytest.raises(ResourceNotFoundError, match="There is no deployment with name: one in endpoint heart"):
        ml.batch_deployments.get("one", heart)


def test_the_default_is_set_and_lost_with_its_deployment(ml: MLClient, heart: str, files: Files) -> None:
    made(ml, deployment(files, heart, "first"))
    assert ml.batch_endpoints.get(heart).defaults.deployment_name is None
    one = ml.batch_endpoints.get(heart)
    one.defaults.deployment_name = "first"

    assert made(ml, one).defaults.deployment_name == "first"
    ml.batch_deployments.begin_delete("first", heart).result()

    assert ml.batch_endpoints.get(heart).defaults.deployment_name is None
    one.defaults.deployment_name = "nobody"
    with pytest.raises(HttpResponseError, match="'nobody' of endpoint 'heart' does not exist"):
        made(ml, one)


def test_an_endpoint_takes_its_deployments_along(ml: MLClient, files: Files) -> None:
    made(ml, BatchEndpoint(name="going"))
    made(ml, deployment(files, "going", "with"))

    ml.batch_endpoints.begin_delete("going").result()

    with pytest.raises(ResourceNotFoundError, match="There is no endpoint with name: going"):
        ml.batch_endpoints.get("going")
    with pytest.raises(ResourceNotFoundError, match="There is no endpoint with name: going"):
        ml.batch_deployments.get("with", "going")


def test_what_a_deployment_names_must_be_there(ml: MLClient, heart: str, files: Files) -> None:
    with pytest.raises(ResourceNotFoundError, match="Model 'nobody' not found"):
        made(ml, deployment(files, heart, "bad", model="azureml:nobody:1"))
    with pytest.raises(ResourceNotFoundError, match="There is no endpoint with name: nowhere"):
        made(ml, deployment(files, "nowhere", "bad"))
    with pytest.raises(HttpResponseError, match="'Model Reference' must not be empty"):
        made(ml, deployment(files, heart, "bad", model=None))
    with pytest.raises(ResourceNotFoundError, match="There is no endpoint with name: nowhere"):
        list(ml.batch_deployments.list("nowhere"))
