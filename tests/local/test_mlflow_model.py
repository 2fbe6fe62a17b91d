"""An MLflow model as a deployment with nothing but a name: tables are scored by the service's own driver."""

from __future__ import annotations

import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

import azure_batch_endpoints as abe
from azure_batch_endpoints import BatchClient, DeploymentSpec

SAVE = """
    import sys, warnings
    warnings.simplefilter("ignore")
    import mlflow.pyfunc, pandas as pd
    from mlflow.models import infer_signature
    from mlflow.pyfunc import PythonModel

    class Total(PythonModel):
        def predict(self, context, model_input, params=None):
            return model_input["fare"] + model_input["tip"]

    example = pd.DataFrame({"fare": [1.5], "tip": [0.5]})
    mlflow.pyfunc.save_model(sys.argv[1], python_model=Total(), signature=infer_signature(example, example["fare"]))
"""


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("mlflow") / "total"
    subprocess.run([sys.executable, "-c", textwrap.dedent(SAVE), str(folder)], check=True, timeout=250)
    return folder


def test_an_mlflow_model_scores_tables_without_a_script(model: Path, tmp_path: Path) -> None:
    data = tmp_path / "data"
    data.mkdir()
    (data / "one.csv").write_text("fare,tip\n1,2\n3,4\n")
    (data / "two.csv").write_text("fare,tip\n10,0.5\n")
    with BatchClient.local(tmp_path / "root", workers=1) as client:
        endpoint = client.endpoints.create("taxi")
        made = endpoint.deployments.create(DeploymentSpec(name="mlflowdp", model=model), set_default=True)
        job = endpoint.invoke(data).wait(timeout=200)

        rows = job.results.to_pandas(columns=["row", "prediction", "file"])
        assert rows.to_dict("list") == {
            "row": [0, 1, 0],
            "prediction": [3.0, 7.0, 10.5],
            "file": ["one.csv", "one.csv", "two.csv"],
        }
        assert made.spec.code is None

        (data / "three.avro").write_text("not a table")
        with pytest.raises(abe.JobFailedError, match=r"File type '\.avro' is not supported") as caught:
            endpoint.invoke(data).wait(timeout=200)
        assert "three.avro" in str(caught.value)


def test_another_model_without_a_script_is_refused_before_anything_is_sent(tmp_path: Path) -> None:
    (tmp_path / "model").mkdir()
    (tmp_path / "model" / "weights").write_text("x")
    with BatchClient.local(tmp_path / "root", workers=1) as client:
        endpoint = client.endpoints.create("plain")
        with pytest.raises(abe.InvalidInputError, match="nothing was uploaded"):
            endpoint.deployments.create(DeploymentSpec(name="plain", model=tmp_path / "model"))
