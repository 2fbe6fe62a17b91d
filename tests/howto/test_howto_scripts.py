"""The how-to's stories as shell scripts of our own, run as a user's would be, on a local service that stays."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from azure_batch_endpoints import BatchClient
from azure_batch_endpoints.local import running
from tests.local.scripts import unmeasured

HERE = Path(__file__).parent
SECONDS = 280
FILES = {
    "code/score.py": """
import os

def init():
    with open(os.path.join(os.environ["AZUREML_MODEL_DIR"], "model", "sizes.txt")) as text:
        assert text.read() == "sizes"

def run(mini_batch):
    return [f"{os.path.basename(path)} {os.path.getsize(path)}" for path in mini_batch]
""",
    "model/sizes.txt": "sizes",
    "conda.json": json.dumps({"name": "plain", "channels": ["conda-forge"], "dependencies": ["python=3.11"]}),
    "conda.yml": "name: plain\ndependencies:\n  - python=3.11\n",
    "pictures/a.png": "a",
    "pictures/deep/b.png": "bb",
    "pictures/c d.png": "ccc",
    "pictures.yml": "name: pictures\ntype: uri_folder\npath: ./pictures\n",
    "table.csv": "fare,tip\n1,2\n3,4\n",
    "scripted.yml": """
$schema: https://azuremlschemas.azureedge.net/latest/batchDeployment.schema.json
name: nonmlflowdp
endpoint_name: another
model:
  local_path: ./model
code_configuration:
  code:
    local_path: ./code
  scoring_script: score.py
environment:
  conda_file: ./conda.yml
  image: some/image:latest
compute: azureml:batch-cluster
max_concurrency_per_instance: 2
mini_batch_size: 10
""",
    "mlflow.yml": "name: mlflowdp\nmodel:\n  local_path: ./flow\ncompute: azureml:batch-cluster\n",
    "flow/MLmodel": """
flavors:
  python_function:
    loader_module: total
    code: code
signature:
  inputs: '[{"name": "fare", "type": "double"}, {"name": "tip", "type": "double"}]'
  outputs: '[{"type": "double"}]'
""",
    "flow/code/total.py": """
class Total:
    def predict(self, table, params=None):
        return table["fare"] + table["tip"]

def _load_pyfunc(path):
    return Total()
""",
}
ROWS = ["a.png 1", "b.png 2", "c d.png 3"]


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """The how-to's files, small."""
    for name, text in FILES.items():
        file = tmp_path / "project" / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
    return tmp_path / "project"


@pytest.fixture
def root(tmp_path: Path) -> Iterator[Path]:
    """A root folder whose service stays, as after `abe local start --detach`."""
    folder = tmp_path / "root"
    subprocess.run(
        [*ABE, "local", "start", "--detach", "--root", str(folder)], check=True, env=unmeasured(), timeout=150
    )
    try:
        yield folder
    finally:
        running.stop(folder)


ABE = (sys.executable, "-m", "azure_batch_endpoints.cli")


def told(script: str, project: Path, root: Path, **variables: str) -> dict[str, str]:
    """Run a script to its end and return what it saw."""
    missing = [program for program in ("bash", "curl", "jq") if shutil.which(program) is None]
    if missing:
        pytest.skip(f"the script needs {' and '.join(missing)}, which this machine has not")
    commands = project / "commands"
    commands.mkdir()
    for name, words in (("abe", ABE), ("python", (sys.executable,))):
        (commands / name).write_text(f'#!/bin/sh\nexec {" ".join(words)} "$@"\n')
        (commands / name).chmod(0o755)
    path = f"{commands}{os.pathsep}{os.environ['PATH']}"
    ran = subprocess.run(
        ["bash", str(HERE / script), "howto"],
        cwd=project,
        env={**unmeasured(), **variables, "PATH": path, "ABE_ROOT": str(root)},
        capture_output=True,
        text=True,
        timeout=SECONDS,
    )
    assert ran.returncode == 0, ran.stdout[-3000:] + ran.stderr[-3000:]
    return dict(line.split("=", 1) for line in (project / "seen").read_text().splitlines())


def test_the_story_in_the_words_of_az_ml(project: Path, root: Path) -> None:
    seen = told("command_line.sh", project, root)

    page = seen.pop("page")
    assert page.startswith("http://127.0.0.1:")
    assert seen == {
        "endpoint": "Succeeded nonmlflowdp",
        "batch": "10",
        "first": "Completed",
        "second": "Completed azureml://datastores/workspaceblobstore/paths/howto/ ",
        "kept": "nonmlflowdp",
        "switched": "mlflowdp",
        "updated": "7 2 ",
        "mlflow": "Completed",
        "scripted": "2",
        "rest": "Completed",
        "left": "mlflowdp",
        "gone": "",
        "jobs": "4",
    }
    assert sorted((project / "mine.csv").read_text().splitlines()) == ROWS


def test_the_story_by_curl_in_the_bodies_of_2021(project: Path, root: Path) -> None:
    service = running.find(root)
    assert service is not None
    with BatchClient.local(root) as client:
        names = {"SUBSCRIPTION": client.subscription_id, "GROUP": client.resource_group, "WORKSPACE": client.workspace}

        seen = told("rest.sh", project, root, BASE_URL=service.base_url, TOKEN=service.token, **names)

        jobs = (project / "jobs").read_text().split()
        ended = {client.jobs.get(name).status.value for name in jobs}
        failed = next(job for job in map(client.jobs.get, jobs) if job.status.value == "Failed")
        container, folder = client._workspace.container_of("azureml://datastores/workspaceblobstore/paths/howto/")
        rows = container.read(f"{folder.rstrip('/')}/mine.csv").decode().splitlines()
    assert seen == {
        "code": "1",
        "model": "1",
        "environment": "7",
        "compute": "AmlCompute",
        "endpoint": "Succeeded",
        "deployment": "Succeeded",
        "default": "Succeeded",
        "url": "Completed",
        "dataset": "4",
        "version": "Completed",
        "id": "Completed",
        "again": "Failed",
        "listed": "4",
        "left": "null",
        "stayed": "Failed",
    }
    assert sorted(rows) == ROWS
    assert ended == {"Completed", "Failed"}
    assert "mine.csv" in (failed.error or "")
