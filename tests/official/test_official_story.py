"""The whole story with the official client, from nothing to nothing: what a team's automation does, step by step."""

from __future__ import annotations

from pathlib import Path

import pytest
from azure.ai.ml import (
    Input,
    MLClient,
    load_batch_deployment,
    load_batch_endpoint,
    load_compute,
    load_data,
    load_environment,
    load_model,
)
from azure.core.exceptions import ResourceNotFoundError

from tests.official.driving import Files, downloaded

YAML = {
    "compute.yml": "name: story-cluster\ntype: amlcompute\nsize: STANDARD_DS3_v2\nmin_instances: 0\nmax_instances: 5\n",
    "endpoint.yml": (
        "$schema: https://azuremlschemas.azureedge.net/latest/batchEndpoint.schema.json\n"
        "name: story\ndescription: from nothing to nothing\nauth_mode: aad_token\ntags:\n  kind: story\n"
    ),
    "model.yml": (
        "$schema: https://azuremlschemas.azureedge.net/latest/model.schema.json\n"
        "name: story-model\ntype: custom_model\npath: model\n"
    ),
    "environment.yml": (
        "$schema: https://azuremlschemas.azureedge.net/latest/environment.schema.json\n"
        "name: story-env\nimage: mcr.microsoft.com/azureml/openmpi4.1.0-ubuntu22.04:latest\n"
        "conda_file: environment/conda.yml\n"
    ),
    "data.yml": (
        "$schema: https://azuremlschemas.azureedge.net/latest/data.schema.json\n"
        "name: story-data\ntype: uri_folder\npath: inputs\n"
    ),
    "deployment.yml": (
        "$schema: https://azuremlschemas.azureedge.net/latest/batchDeployment.schema.json\n"
        "name: story-dpl\nendpoint_name: story\nmodel: azureml:story-model@latest\n"
        "environment: azureml:story-env@latest\ncompute: azureml:story-cluster\n"
        "code_configuration:\n  code: code\n  scoring_script: score.py\n"
        "resources:\n  instance_count: 1\nmax_concurrency_per_instance: 2\nmini_batch_size: 2\n"
        "output_action: append_row\noutput_file_name: predictions.csv\n"
        "retry_settings:\n  max_retries: 3\n  timeout: 30\nerror_threshold: -1\nlogging_level: info\n"
    ),
    "inline.yml": (
        "$schema: https://azuremlschemas.azureedge.net/latest/batchDeployment.schema.json\n"
        "name: inline-dpl\nendpoint_name: story\nmodel:\n  path: model\n"
        "environment:\n  image: mcr.microsoft.com/azureml/openmpi4.1.0-ubuntu22.04:latest\n"
        "  conda_file: environment/conda.yml\ncompute: azureml:story-cluster\n"
        "code_configuration:\n  code: code\n  scoring_script: score.py\nmini_batch_size: 10\n"
    ),
}


@pytest.fixture
def project(files: Files) -> Path:
    """The files' folder with the YAML of a project beside them."""
    for name, text in YAML.items():
        (files.root / name).write_text(text, encoding="utf-8")
    return files.root


def test_from_nothing_to_nothing(
    ml: MLClient, project: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    ml.compute.begin_create_or_update(load_compute(project / "compute.yml")).result()
    assert ml.compute.get("story-cluster").max_instances == 5
    model = ml.models.create_or_update(load_model(project / "model.yml"))
    environment = ml.environments.create_or_update(load_environment(project / "environment.yml"))
    data = ml.data.create_or_update(load_data(project / "data.yml"))
    assert (model.version, environment.version, data.version) == ("1", "1", "1")

    ml.batch_endpoints.begin_create_or_update(load_batch_endpoint(project / "endpoint.yml")).result()
    for name in ("deployment.yml", "inline.yml"):
        ml.batch_deployments.begin_create_or_update(load_batch_deployment(project / name)).result()
    made = ml.batch_deployments.get("story-dpl", "story")
    assert made.model.endswith("/models/story-model/versions/1")
    assert made.environment.endswith("/environments/story-env/versions/1")
    assert made.compute.endswith("/computes/story-cluster")
    endpoint = ml.batch_endpoints.get("story")
    endpoint.defaults.deployment_name = "story-dpl"
    ml.batch_endpoints.begin_create_or_update(endpoint).result()
    assert [one.name for one in ml.batch_deployments.list("story")] == ["story-dpl", "inline-dpl"]

    first = ml.batch_endpoints.invoke("story", input=Input(type="uri_folder", path=data.id))
    ml.jobs.stream(first.name)
    assert "3 of 3 files succeeded" in capsys.readouterr().out
    rows = downloaded(ml, first.name, tmp_path / "first", output_name="score")
    assert rows == {"predictions.csv": "a.txt w1 plain 2\nb.txt w1 plain 2\nc.txt w1 plain 1\n"}

    second = ml.batch_endpoints.invoke(
        "story", deployment_name="inline-dpl", input=Input(type="uri_folder", path=str(project / "inputs"))
    )
    ml.jobs.stream(second.name)
    rows = downloaded(ml, second.name, tmp_path / "second", output_name="score")
    assert rows == {"predictions.csv": "a.txt w1 plain 3\nb.txt w1 plain 3\nc.txt w1 plain 3\n"}
    assert [one.name for one in ml.batch_endpoints.list_jobs("story")] == [second.name, first.name]

    ml.batch_deployments.begin_delete("inline-dpl", "story").result()
    ml.batch_endpoints.begin_delete("story").result()
    ml.compute.begin_delete("story-cluster").result()
    for operations, name in ((ml.models, "story-model"), (ml.environments, "story-env"), (ml.data, "story-data")):
        operations.archive(name)
        assert name not in [one.name for one in operations.list()]
    for gone in (lambda: ml.batch_endpoints.get("story"), lambda: ml.compute.get("story-cluster")):
        with pytest.raises(ResourceNotFoundError):
            gone()  # type: ignore[no-untyped-call]
    assert ml.jobs.get(first.name).status == "Completed"
