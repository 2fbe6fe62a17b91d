"""What the official client reads and sends back, odd names, several threads, and an MLflow model without a script."""

from __future__ import annotations

import subprocess
import sys
import textwrap
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from azure.ai.ml import Input, MLClient
from azure.ai.ml.constants import AssetTypes
from azure.ai.ml.entities import BatchEndpoint, Data, Environment, Model, ModelBatchDeployment

from tests.official.driving import IMAGE, Files, deployment, downloaded, ended, made

SAVE = """
    import sys, warnings
    warnings.simplefilter("ignore")
    import mlflow.pyfunc, pandas as pd
    from mlflow.models import infer_signature
    from mlflow.pyfunc import PythonModel

    class Double(PythonModel):
        def predict(self, context, model_input, params=None):
            return model_input["x"] * 2

    example = pd.DataFrame({"x": [1.5]})
    mlflow.pyfunc.save_model(sys.argv[1], python_model=Double(), signature=infer_signature(example, example["x"]))
"""
NAMES = ("ä ö.txt", "a#b.txt", "c%20d.txt", "e&f=g.txt", "empty")


def test_assets_are_changed_by_sending_them_back(ml: MLClient, files: Files) -> None:
    ml.models.create_or_update(Model(name="round", version="1", path=str(files.model)))
    ml.data.create_or_update(Data(name="round", version="1", path=str(files.inputs), type="uri_folder"))
    ml.environments.create_or_update(
        Environment(name="round", version="1", image=IMAGE, conda_file=str(files.conda), tags={"old": "1"})
    )

    for operations in (ml.models, ml.data, ml.environments):
        one = operations.get("round", version="1")
        one.description, one.tags = "seen", {"new": "1"}
        operations.create_or_update(one)

        found = operations.get("round", version="1")
        assert (found.description, found.tags) == ("seen", {"new": "1"})
        assert [each.version for each in operations.list(name="round")] == ["1"]


def test_a_deployment_is_changed_by_sending_it_back(ml: MLClient, files: Files, endpoint: str) -> None:
    made(ml, deployment(files, endpoint, "rounded", tags={"a": "1"}))
    one = ml.batch_deployments.get("rounded", endpoint)
    before = one.code_configuration.code
    one.mini_batch_size, one.tags = 7, {"b": "2"}

    made(ml, one)

    found = ml.batch_deployments.get("rounded", endpoint)
    assert (found.mini_batch_size, found.tags, found.code_configuration.code) == (7, {"b": "2"}, before)


def test_the_clients_general_verbs_reach_the_same_places(ml: MLClient, files: Files) -> None:
    model = ml.create_or_update(Model(name="general", path=str(files.model)))
    one = ml.begin_create_or_update(BatchEndpoint(name="general", tags={"ключ": "значение"})).result()
    poller = ml.begin_create_or_update(deployment(files, "general", "first"))
    poller.wait()

    assert (model.version, one.tags) == ("1", {"ключ": "значение"})
    assert (poller.done(), poller.status(), poller.result().name) == (True, "Succeeded", "first")
    ml.batch_endpoints.begin_delete("general").result()


def test_odd_names_of_files_arrive_as_they_are(ml: MLClient, files: Files, endpoint: str, tmp_path: Path) -> None:
    folder = files.more("Grüße & Co #1 100%", dict.fromkeys(NAMES, "x"))
    (folder / "tief drin").mkdir()
    (folder / "tief drin" / "日本.txt").write_text("x")
    (folder / "empty").write_text("")

    whole = ml.batch_endpoints.invoke(endpoint, input=Input(type="uri_folder", path=str(folder)))
    single = ml.batch_endpoints.invoke(endpoint, input=Input(type="uri_file", path=str(folder / "c%20d.txt")))

    ended(ml, whole), ended(ml, single)
    rows = downloaded(ml, whole.name, tmp_path / "a")["rows.csv"].splitlines()
    assert {row.removesuffix(" w1 red 1") for row in rows} == {*NAMES, "日本.txt"}
    assert downloaded(ml, single.name, tmp_path / "b") == {"rows.csv": "c%20d.txt w1 red 1\n"}


def test_threads_invoke_side_by_side(ml: MLClient, endpoint: str, data: Data) -> None:
    def invoke(_: int) -> str:
        job = ml.batch_endpoints.invoke(endpoint, input=Input(type="uri_folder", path=data.id))
        return str(job.name)

    with ThreadPoolExecutor(4) as pool:
        names = list(pool.map(invoke, range(8)))

    assert len(set(names)) == 8
    assert {ended(ml, ml.jobs.get(name)).status for name in names} == {"Completed"}


@pytest.fixture(scope="module")
def flow(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An MLflow model that doubles."""
    folder = tmp_path_factory.mktemp("flow") / "double"
    subprocess.run([sys.executable, "-c", textwrap.dedent(SAVE), str(folder)], check=True, timeout=250)
    return folder


def test_an_mlflow_model_needs_no_script(ml: MLClient, flow: Path, files: Files, tmp_path: Path) -> None:
    model = ml.models.create_or_update(Model(name="double", path=str(flow), type=AssetTypes.MLFLOW_MODEL))
    made(ml, BatchEndpoint(name="flows"))
    made(ml, ModelBatchDeployment(name="simple", endpoint_name="flows", model=model, compute="local"))
    tables = files.more("tables", {"one.csv": "x\n1\n2\n"})

    job = ml.batch_endpoints.invoke("flows", deployment_name="simple", input=Input(type="uri_folder", path=str(tables)))

    assert ended(ml, job).status == "Completed"
    (rows,) = downloaded(ml, job.name, tmp_path).values()
    assert rows.split() == ["0,2.0,one.csv", "1,4.0,one.csv"]
    ml.batch_endpoints.begin_delete("flows").result()
