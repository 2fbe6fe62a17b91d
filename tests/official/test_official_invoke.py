"""Every form of ``batch_endpoints.invoke`` through the official client."""

from __future__ import annotations

from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
from azure.ai.ml import Input, MLClient, Output
from azure.ai.ml.entities import AmlCompute, Data
from azure.core.exceptions import HttpResponseError, ResourceNotFoundError
from marshmallow.exceptions import ValidationError

from azure_batch_endpoints import LocalServiceInfo
from tests.official.driving import Files, deployment, downloaded, ended, forget_deployment, made

ALL = "a.txt w1 red 1\nb.txt w1 red 1\nc.txt w1 red 1\n"


def scored(ml: MLClient, endpoint: str, folder: Path, **options: Any) -> tuple[str, dict[str, str]]:
    """Invoke, wait, download; return the job's name and its files."""
    job = ml.batch_endpoints.invoke(endpoint, **options)
    found = ended(ml, job)
    assert found.status == "Completed", found.properties.get("azure_batch_endpoints.error")
    return job.name, downloaded(ml, job.name, folder, output_name="score")


@pytest.fixture
def letters(data: Data) -> Input:
    return Input(type="uri_folder", path="azureml:letters:1")


@pytest.mark.parametrize(
    ("kind", "form", "rows"),
    [
        ("uri_folder", "{id}", "abc"),
        ("uri_folder", "azureml:letters:1", "abc"),
        ("uri_folder", "azureml:letters@latest", "abc"),
        ("uri_folder", "{long}", "abc"),
        ("uri_folder", "azureml://datastores/workspaceblobstore/paths/{path}", "abc"),
        ("uri_file", "azureml://datastores/workspaceblobstore/paths/{path}b.txt", "b"),
        ("uri_folder", "{url}", "abc"),
        ("uri_file", "{url}b.txt", "b"),
        ("uri_folder", "{local}", "abc"),
        ("uri_file", "{local}/b.txt", "b"),
    ],
)
def test_an_input_is_named_in_every_form(
    ml: MLClient,
    service: LocalServiceInfo,
    endpoint: str,
    data: Data,
    files: Files,
    tmp_path: Path,
    kind: str,
    form: str,
    rows: str,
) -> None:
    path = data.path.partition("/paths/")[2]
    url = f"{service.blob_endpoint}/{ml.datastores.get_default().container_name}/{quote(path)}"
    named = form.format(id=data.id, long=data.path, path=path, url=url, local=files.inputs)

    _, found = scored(ml, endpoint, tmp_path, input=Input(type=kind, path=named))

    assert found == {"rows.csv": "".join(f"{letter}.txt w1 red 1\n" for letter in rows)}


def test_a_local_file_may_have_a_space_in_its_name(ml: MLClient, endpoint: str, files: Files, tmp_path: Path) -> None:
    _, found = scored(ml, endpoint, tmp_path, input=Input(type="uri_file", path=str(files.file)))

    assert found == {"rows.csv": "one file.txt w1 red 1\n"}


def test_inputs_have_names_or_a_type_of_their_own(ml: MLClient, endpoint: str, letters: Input, tmp_path: Path) -> None:
    _, named = scored(ml, endpoint, tmp_path / "a", inputs={"heart": letters})
    override = [{"input_data.x.uri": "azureml:letters:1"}, {"input_data.x.job_input_type": "UriFolder"}]
    _, overridden = scored(ml, endpoint, tmp_path / "b", params_override=override)
    _, untyped = scored(ml, endpoint, tmp_path / "c", input=Input(path="azureml:letters:1"))

    assert named == overridden == untyped == {"rows.csv": ALL}


def test_the_output_goes_where_it_is_asked_for(ml: MLClient, endpoint: str, letters: Input, tmp_path: Path) -> None:
    output = Output(type="uri_file", path="azureml://datastores/workspaceblobstore/paths/chosen/here.csv")

    job, found = scored(ml, endpoint, tmp_path, input=letters, outputs={"score": output})

    assert found == {"here.csv": ALL}
    again = ml.batch_endpoints.invoke(
        endpoint, input=Input(type="uri_folder", path="azureml:letters:1"), outputs={"score": output}
    )
    assert again.name != job
    assert "exists already" in ended(ml, again).properties["azure_batch_endpoints.error"]


@pytest.mark.parametrize(
    ("store", "path", "file"),
    [
        ("azureml:workspaceblobstore", "by-name", "file.csv"),
        ("azureml:workspaceblobstore", "/by-slash", "file.csv"),
        ("azureml:{id}", "by-id", "file.csv"),
        ("azureml:workspaceblobstore", "by-folder", None),
    ],
)
def test_an_output_dataset_is_understood(
    ml: MLClient, endpoint: str, letters: Input, tmp_path: Path, store: str, path: str, file: str | None
) -> None:
    named = store.format(id=ml.datastores.get("workspaceblobstore").id)
    override: list[dict[str, Any]] = [{"output_dataset": {"datastore_id": named, "path": path}}]
    override += [{"output_file_name": file}] if file else []

    _, found = scored(ml, endpoint, tmp_path, input=letters, params_override=override)

    assert found == {file or "rows.csv": ALL}


def test_what_a_job_overrides_counts_for_it(ml: MLClient, endpoint: str, letters: Input, tmp_path: Path) -> None:
    ml.compute.begin_create_or_update(AmlCompute(name="target")).result()
    override: list[dict[str, Any]] = [
        {"mini_batch_size": 3},
        {"output_file_name": "o.csv"},
        {"error_threshold": 7},
        {"retry_settings": {"max_retries": 4, "timeout": 45}},
        {"compute.instance_count": 2},
        {"compute.target": "azureml:target"},
        {"properties": {"mine": "1"}},
    ]

    job, found = scored(ml, endpoint, tmp_path, input=letters, params_override=override)

    assert found == {"o.csv": ALL.replace(" 1\n", " 3\n")}
    parameters = ml.jobs.get(job).properties["azureml.parameters"]
    for one in ('"error_threshold": "7"', '"run_max_try": "4"', '"run_invocation_timeout": "45"', '"NodeCount": "2"'):
        assert one in parameters
    assert ml.jobs.get(job).properties["mine"] == "1"


def test_a_job_has_the_name_and_experiment_it_was_given_once(
    ml: MLClient, endpoint: str, letters: Input, tmp_path: Path
) -> None:
    job, _ = scored(ml, endpoint, tmp_path, input=letters, job_name="chosen", experiment_name="trials")
    found = ml.jobs.get("chosen")

    assert (job, found.name, found.experiment_name) == ("chosen", "chosen", "trials")
    with pytest.raises(HttpResponseError, match="belongs to job 'chosen' already"):
        ml.batch_endpoints.invoke(endpoint, input=Input(type="uri_file", path="azureml:letters:1"), job_name="chosen")


def test_a_deployment_is_named_and_remembered_by_the_client(
    ml: MLClient, endpoint: str, files: Files, letters: Input, tmp_path: Path
) -> None:
    made(ml, deployment(files, endpoint, "green", settings={"environment_variables": {"COLOUR": "green"}}))
    _, green = scored(ml, endpoint, tmp_path / "a", input=letters, deployment_name="green")
    # The client's own defect: the name sticks to every later invoke of the process until it is taken away.
    _, sticky = scored(ml, endpoint, tmp_path / "b", input=Input(type="uri_folder", path="azureml:letters:1"))
    forget_deployment()
    _, default = scored(ml, endpoint, tmp_path / "c", input=Input(type="uri_folder", path="azureml:letters:1"))

    assert green == sticky == {"rows.csv": ALL.replace("red", "green")}
    assert default == {"rows.csv": ALL}
    ml.batch_deployments.begin_delete("green", endpoint).result()
    with pytest.raises(Exception, match="Deployment name green not found for this endpoint"):
        ml.batch_endpoints.invoke(endpoint, input=letters, deployment_name="green")


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({}, "The job has no input"),
        ({"input": "./inputs"}, "The job has no input"),
        ({"inputs": {"n": Input(type="integer", default=5)}}, "'LiteralJobInput' is not supported"),
        ({"inputs": {"s": Input(type="string", default="x")}}, "'LiteralJobInput' is not supported"),
        ({"inputs": {"t": Input(type="mltable", path="azureml:letters:1")}}, "'MLTableJobInput' is not supported"),
    ],
)
def test_what_a_model_deployment_cannot_score_is_refused(
    ml: MLClient, endpoint: str, data: Data, options: dict[str, Any], words: str
) -> None:
    with pytest.raises(HttpResponseError, match=words) as raised:
        ml.batch_endpoints.invoke(endpoint, **options)

    assert raised.value.status_code == 400


def test_an_output_must_be_a_file(ml: MLClient, endpoint: str, letters: Input) -> None:
    folder = Output(type="uri_folder", path="azureml://datastores/workspaceblobstore/paths/folder/")

    with pytest.raises(HttpResponseError, match="Job output type must be 'uri_file'"):
        ml.batch_endpoints.invoke(endpoint, input=letters, outputs={"score": folder})


def test_what_an_invoke_names_must_be_there(ml: MLClient, endpoint: str, letters: Input) -> None:
    with pytest.raises(ResourceNotFoundError, match="There is no endpoint with name: nowhere"):
        ml.batch_endpoints.invoke("nowhere", input=letters)
    with pytest.raises(ResourceNotFoundError, match="Data asset 'nobody' not found"):
        ml.batch_endpoints.invoke(endpoint, input=Input(type="uri_folder", path="azureml:nobody:1"))
    with pytest.raises(ResourceNotFoundError, match="Could not find datastore: nobody"):
        ml.batch_endpoints.invoke(endpoint, input=Input(type="uri_folder", path="azureml://datastores/nobody/paths/x/"))
    with pytest.raises(ValidationError, match="Unknown field"):
        ml.batch_endpoints.invoke(endpoint, input=letters, params_override=[{"logging_level": "debug"}])
