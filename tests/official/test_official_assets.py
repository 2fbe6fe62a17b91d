"""Models, environments, data and code through the official client."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from azure.ai.ml import Input, MLClient
from azure.ai.ml.constants import AssetTypes, ListViewType
from azure.ai.ml.entities import BuildContext, Data, Environment, Model
from azure.ai.ml.entities._assets import Code
from azure.ai.ml.exceptions import ValidationException
from azure.core.exceptions import ResourceExistsError, ResourceNotFoundError

from azure_batch_endpoints import LocalServiceInfo
from tests.official.driving import CONDA, IMAGE, Entity, Files, ended

MLMODEL = """
flavors:
  python_function:
    loader_module: mlflow.sklearn
    python_version: 3.11
    env: conda.yaml
model_uuid: 1234
run_id: r1
"""


def versions(operations: Entity, name: str, **options: Any) -> list[str]:
    return [one.version for one in operations.list(name=name, **options)]


def names(operations: Entity, **options: Any) -> set[str]:
    return {one.name for one in operations.list(**options)}


def test_models_of_folders_and_files_get_versions_of_their_own(ml: MLClient, files: Files) -> None:
    other = files.more("other-model", {"weights.txt": "w2"})

    first = ml.models.create_or_update(
        Model(name="m", version="1", path=str(files.model), description="d", tags={"a": "1"}, properties={"p": "q"})
    )
    second = ml.models.create_or_update(Model(name="m", path=str(other)))
    file = ml.models.create_or_update(Model(name="m-file", path=str(files.file)))

    found = ml.models.get("m", version="1")
    assert (first.version, second.version, file.version) == ("1", "2", "1")
    assert (found.description, found.tags, found.properties, found.type) == (
        "d",
        {"a": "1"},
        {"p": "q"},
        "custom_model",
    )
    assert "/resourceGroups/local/workspaces/local/datastores/workspaceblobstore/paths/LocalUpload/" in found.path
    assert found.creation_context.created_by_type == "User"
    assert ml.models.get("m", label="latest").version == "2"
    assert versions(ml.models, "m") == ["1", "2"]
    assert ("m", "2") in [(one.name, one.latest_version) for one in ml.models.list()]


def test_a_models_text_can_change_but_not_its_path(ml: MLClient, files: Files) -> None:
    fixed = Model(name="fixed", version="1", path=str(files.model), tags={"a": "1"})
    ml.models.create_or_update(fixed)

    again = ml.models.create_or_update(
        Model(name="fixed", version="1", path=str(files.model), tags={"a": "2"}, stage="Production")
    )

    assert (again.tags, again.stage) == ({"a": "2"}, "Production")
    assert [one.version for one in ml.models.list("fixed", stage="Production")] == ["1"]
    assert list(ml.models.list("fixed", stage="Archived")) == []
    with pytest.raises(ResourceExistsError, match="Asset paths cannot be updated"):
        ml.models.create_or_update(Model(name="fixed", version="1", path=str(files.code)))


def test_an_mlflow_model_and_a_path_on_a_datastore_are_taken(ml: MLClient, files: Files) -> None:
    folder = files.more("mlflow-model", {"MLmodel": MLMODEL, "conda.yaml": CONDA})

    flow = ml.models.create_or_update(Model(name="flow", path=str(folder), type=AssetTypes.MLFLOW_MODEL))
    there = ml.models.create_or_update(
        Model(name="there", version="v7", path="azureml://datastores/workspaceblobstore/paths/some/model")
    )

    assert flow.type == "mlflow_model"
    assert (there.version, there.path.endswith("/datastores/workspaceblobstore/paths/some/model")) == ("v7", True)


def test_what_a_job_wrote_becomes_a_model_and_data(ml: MLClient, endpoint: str, data: Data) -> None:
    job = ml.batch_endpoints.invoke(endpoint, input=Input(type="uri_folder", path=data.id))
    assert ended(ml, job).status == "Completed"
    written = f"azureml://jobs/{job.name}/outputs/score/paths/"

    model = ml.models.create_or_update(Model(name="of-job", version="1", path=written, type="custom_model"))
    rows = ml.data.create_or_update(Data(name="of-job", version="1", path=written + "rows.csv", type="uri_file"))

    assert (model.job_name, "/paths/azureml/" in model.path) == (job.name, True)
    assert rows.path.endswith("/score/rows.csv")
    with pytest.raises(ResourceNotFoundError, match="There is no job 'nobody'"):
        ml.models.create_or_update(Model(name="x", version="1", path="azureml://jobs/nobody/outputs/score/paths/"))


def test_another_definition_of_an_environment_is_a_new_version(ml: MLClient, files: Files) -> None:
    first = ml.environments.create_or_update(Environment(name="grows", image=IMAGE, description="a"))
    again = ml.environments.create_or_update(Environment(name="grows", image=IMAGE, description="b"))
    second = ml.environments.create_or_update(Environment(name="grows", image="other:1"))
    third = ml.environments.create_or_update(Environment(name="grows", image="other:1", conda_file=str(files.conda)))

    assert [one.version for one in (first, again, second, third)] == ["1", "1", "2", "3"]
    assert (again.description, ml.environments.get("grows", "1").image) == ("b", IMAGE)
    with pytest.raises(ResourceExistsError, match="Environment grows with version 1 is already registered"):
        ml.environments.create_or_update(Environment(name="grows", version="1", image="another:1"))


def test_environments_are_an_image_a_conda_file_or_a_folder_to_build(ml: MLClient, files: Files) -> None:
    context = files.more("context", {"Dockerfile": f"FROM {IMAGE}\n"})

    ml.environments.create_or_update(
        Environment(name="env", version="1", image=IMAGE, description="d", tags={"a": "b"})
    )
    ml.environments.create_or_update(Environment(name="env", version="2", image=IMAGE, conda_file=str(files.conda)))
    third = ml.environments.create_or_update(
        Environment(name="env", image=IMAGE, conda_file={"dependencies": ["python=3.10"]})
    )
    built = ml.environments.create_or_update(
        Environment(name="built", version="1", build=BuildContext(path=str(context)))
    )

    assert ml.environments.get("env", "1").image == IMAGE
    assert ml.environments.get("env", "2").conda_file["name"] == "scoring"
    assert (third.version, ml.environments.get("env", label="latest").version) == ("3", "3")
    assert built.build.dockerfile_path == "Dockerfile"
    assert versions(ml.environments, "env") == ["1", "2", "3"]


@pytest.mark.parametrize(
    ("kind", "path"),
    [
        ("uri_file", "https://azureopendatastorage.blob.core.windows.net/a/b.csv"),
        ("uri_folder", "wasbs://container@account.blob.core.windows.net/folder/"),
        ("uri_folder", "abfss://container@account.dfs.core.windows.net/folder/"),
    ],
)
def test_data_anywhere_keeps_its_address(ml: MLClient, kind: str, path: str) -> None:
    assert ml.data.create_or_update(Data(name=f"at-{path[:5].strip(':')}", path=path, type=kind)).path == path


def test_data_of_files_folders_and_tables(ml: MLClient, files: Files, service: LocalServiceInfo) -> None:
    table = files.more("table", {"MLTable": "paths:\n- file: ./rows.csv\n", "rows.csv": "a\n1\n"})

    folder = ml.data.create_or_update(Data(name="d", path=str(files.inputs), type="uri_folder", tags={"a": "1"}))
    again = ml.data.create_or_update(Data(name="d", path=str(files.inputs), type="uri_folder"))
    file = ml.data.create_or_update(Data(name="d-file", path=str(files.file), type="uri_file"))
    rows = ml.data.create_or_update(
        Data(name="d-table", path=str(table), type="mltable", mltable_schema_url=f"{service.base_url}/none")
    )

    assert (folder.version, again.version) == ("1", "2")
    assert (folder.path[-1], file.path.endswith("/one file.txt"), rows.type) == ("/", True, "mltable")
    assert (ml.data.get("d", label="latest").version, ml.data.get("d", "1").tags) == ("2", {"a": "1"})
    assert versions(ml.data, "d") == ["1", "2"]


def test_code_is_found_again_by_its_content(ml: MLClient, files: Files) -> None:
    folder = files.more("some-code", {"main.py": "x = 1\n"})

    first = ml._code.create_or_update(Code(path=str(folder)))
    second = ml._code.create_or_update(Code(path=str(folder)))

    found = ml._code.get(first.name, first.version)
    assert (second.id, found.version) == (first.id, "1")
    assert found.path.endswith("/some-code")


def test_a_model_comes_back_as_it_was_sent(ml: MLClient, files: Files, tmp_path: Path) -> None:
    ml.models.create_or_update(Model(name="back", version="1", path=str(files.model)))

    ml.models.download("back", "1", download_path=str(tmp_path))

    assert (tmp_path / "back" / "model" / "weights.txt").read_text() == "w1"


def example(ml: MLClient, kind: str, files: Files) -> tuple[Any, str]:
    """Register two versions of something; return its operations and its name."""
    name = f"archived-{kind}"
    for version in ("1", "2"):
        if kind == "model":
            ml.models.create_or_update(Model(name=name, version=version, path=str(files.model)))
        elif kind == "environment":
            ml.environments.create_or_update(Environment(name=name, version=version, image=IMAGE))
        else:
            ml.data.create_or_update(Data(name=name, version=version, path=str(files.inputs), type="uri_folder"))
    return {"model": ml.models, "environment": ml.environments, "data": ml.data}[kind], name


@pytest.mark.parametrize("kind", ["model", "environment", "data"])
def test_an_archived_version_is_hidden_until_it_is_restored(ml: MLClient, kind: str, files: Files) -> None:
    operations, name = example(ml, kind, files)

    operations.archive(name, version="2")

    assert versions(operations, name) == ["1"]
    assert versions(operations, name, list_view_type=ListViewType.ARCHIVED_ONLY) == ["2"]
    assert versions(operations, name, list_view_type=ListViewType.ALL) == ["1", "2"]
    assert operations.get(name, label="latest").version == "1"
    assert operations.get(name, version="2").version == "2"

    operations.restore(name, version="2")

    assert versions(operations, name) == ["1", "2"]


@pytest.mark.parametrize("kind", ["model", "environment", "data"])
def test_an_archived_asset_is_hidden_with_all_its_versions(ml: MLClient, kind: str, files: Files) -> None:
    operations, name = example(ml, kind, files)

    operations.archive(name)

    assert name not in names(operations)
    assert name in names(operations, list_view_type=ListViewType.ARCHIVED_ONLY)
    assert name in names(operations, list_view_type=ListViewType.ALL)
    assert versions(operations, name) == []

    operations.restore(name)

    assert name in names(operations)
    assert versions(operations, name) == ["1", "2"]


@pytest.mark.parametrize("kind", ["models", "environments", "data"])
def test_what_is_not_registered_is_not_found(ml: MLClient, kind: str) -> None:
    operations = getattr(ml, kind)

    with pytest.raises(ResourceNotFoundError, match="The specified resource was not found"):
        operations.get("nobody", version="1")
    with pytest.raises(Exception, match="does not exist in workspace") as raised:
        operations.get("nobody", label="latest")
    assert isinstance(raised.value, ValidationException) or kind == "data"
