"""``abe … -o json`` prints the keys and values that ``az ml`` prints: those of the official client's entities."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from azure_batch_endpoints import (
    BatchClient,
    ComputeSpec,
    DatasetSpec,
    DeploymentSpec,
    EndpointSpec,
    EnvironmentSpec,
    ModelSpec,
)
from azure_batch_endpoints.cli import shapes

NOT_OURS = {
    ("compute", "ssh_public_access_enabled"),
    ("compute", "enable_node_public_ip"),
    ("workspace", "identity"),
}
"""What the service does not have, or has empty."""


@pytest.fixture(scope="module")
def shown(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, tuple[Mapping[str, Any], Mapping[str, Any]]]]:
    """Each kind as the service answers it and as the command line shows it."""
    folder = tmp_path_factory.mktemp("words")
    (folder / "code").mkdir()
    (folder / "code" / "score.py").write_text("def init(): pass\ndef run(batch): return list(batch)\n")
    (folder / "data").mkdir()
    (folder / "data" / "a.txt").write_text("a")
    with BatchClient.local(folder / "root", workers=1) as client:
        compute = client.computes.create(ComputeSpec(name="nodes", max_instances=2))
        model = client.models.create(ModelSpec(name="m", path=folder / "data", tags={"a": "1"}, description="a model"))
        conda = {"name": "e", "dependencies": ["python=3.11"]}
        environment = client.environments.create(
            EnvironmentSpec(name="env", version="3", image="some/image", conda_file=conda)
        )
        data = client.datasets.create(DatasetSpec(name="d", path=folder / "data"))
        endpoint = client.endpoints.create(EndpointSpec(name="words", description="of az", tags={"a": "1"}))
        spec = DeploymentSpec(
            name="first",
            model="azureml:m:1",
            code=folder / "code",
            scoring_script="score.py",
            environment="azureml:env:3",
            compute="azureml:nodes",
            tags={"b": "2"},
        )
        deployment = endpoint.deployments.create(spec, set_default=True)
        job = endpoint.invoke("azureml:d:1").wait(timeout=200)
        workspace = client._workspace.send("GET", str(client._workspace.path), action="read").body
        assert isinstance(workspace, dict)
        store = client.datastores.get_default()
        yield {
            "endpoint": (endpoint.raw, shapes.endpoint(endpoint).data),
            "deployment": (deployment.raw, shapes.deployment(deployment).data),
            "job": (job.raw, shapes.job(job).data),
            "model": (model.raw, shapes.asset(model).data),
            "environment": (environment.raw, shapes.asset(environment).data),
            "data": (data.raw, shapes.asset(data).data),
            "compute": (compute.raw, shapes.compute(compute).data),
            "datastore": (store.raw, shapes.datastore(store).data),
            "workspace": (workspace, shapes.workspace(workspace).data),
        }


def test_the_command_line_prints_what_the_official_client_dumps(
    shown: dict[str, tuple[Mapping[str, Any], Mapping[str, Any]]],
) -> None:
    bodies = json.dumps({kind: dict(raw) for kind, (raw, _) in shown.items()})
    ran = subprocess.run(
        [sys.executable, str(Path(__file__).parent / "official_words.py")],
        input=bodies,
        capture_output=True,
        text=True,
        timeout=250,
        check=True,
    )
    official = json.loads(ran.stdout)

    wrong = [
        one
        for kind, (_, ours) in shown.items()
        for one in differences((kind,), official[kind], json.loads(json.dumps(ours)))
    ]

    assert official.keys() == shown.keys()
    assert wrong == []


def differences(where: tuple[str, ...], official: object, ours: object) -> list[str]:
    """Say where what the official client has is missing or other; what is empty there may be missing."""
    if where in NOT_OURS or official in (None, "", {}, []):
        return []
    if isinstance(official, dict) and isinstance(ours, dict):
        return [one for key, value in official.items() for one in differences((*where, key), value, ours.get(key))]
    return [] if word(official) == word(ours) else [f"{'.'.join(where)}: {official!r}, not {ours!r}"]


def word(value: object) -> object:
    """Return an enumeration's value: this Python writes ``JobStatus.COMPLETED`` where ``az`` prints ``Completed``."""
    if not isinstance(value, str):
        return value
    owner, _, name = value.rpartition(".")
    enumeration = owner.isidentifier() and name.isupper()
    return (name.replace("_", "") if enumeration else value).lower()
