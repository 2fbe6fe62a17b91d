"""How the tests drive the official client: files to send, deployments to make, waiting, and its one bad habit."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any, TypeAlias

from azure.ai.ml import MLClient
from azure.ai.ml.constants._endpoint import EndpointInvokeFields
from azure.ai.ml.entities import (
    BatchJob,
    CodeConfiguration,
    Environment,
    Job,
    Model,
    ModelBatchDeployment,
    ModelBatchDeploymentSettings,
)

Entity: TypeAlias = Any
"""Whatever the official client makes: it hands out other classes than its annotations say."""
ENDED = ("Completed", "Failed", "Canceled")
IMAGE = "mcr.microsoft.com/azureml/openmpi4.1.0-ubuntu22.04:latest"
CONDA = "name: scoring\nchannels: [conda-forge]\ndependencies:\n- python=3.11\n- pip\n- pip: [pillow]\n"
SCORE = """
import os

def init():
    global model
    with open(os.path.join(os.environ["AZUREML_MODEL_DIR"], "model", "weights.txt")) as file:
        model = file.read()

def run(mini_batch):
    colour = os.environ.get("COLOUR", "plain")
    return [f"{os.path.basename(path)} {model} {colour} {len(mini_batch)}" for path in mini_batch]
"""
WAIT = """
import os, pathlib, time

def init():
    print("waiting for", os.environ["GATE"])

def run(mini_batch):
    while not pathlib.Path(os.environ["GATE"]).exists():
        time.sleep(0.02)
    return [os.path.basename(path) for path in mini_batch]
"""
FAIL = """
def init():
    pass

def run(mini_batch):
    raise ValueError("these files are no good")
"""


class Files:
    """Folders to send: a model, scripts, three inputs and one more."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.model = self._folder("model", {"weights.txt": "w1"})
        self.code = self._folder("code", {"score.py": SCORE, "wait.py": WAIT, "fail.py": FAIL})
        self.inputs = self._folder("inputs", {f"{name}.txt": name for name in "abc"})
        self.file = self._folder("one", {"one file.txt": "1"}) / "one file.txt"
        self.conda = self._folder("environment", {"conda.yml": CONDA}) / "conda.yml"

    def _folder(self, name: str, files: dict[str, str]) -> Path:
        folder = self.root / name
        folder.mkdir()
        for file, text in files.items():
            (folder / file).write_text(text, encoding="utf-8")
        return folder

    def more(self, name: str, files: dict[str, str]) -> Path:
        """Return a folder of other files."""
        return self._folder(name, files)


def forget_deployment() -> None:
    """Undo what ``invoke(deployment_name=...)`` leaves behind.

    azure-ai-ml writes the deployment into a module constant, so every later invoke of the process names it too.
    """
    EndpointInvokeFields.DEFAULT_HEADER.pop("azureml-model-deployment", None)


def deployment(files: Files, endpoint: str, name: str, **changed: Any) -> ModelBatchDeployment:
    """Return a deployment of local files; ``settings`` are those of the constructor's ``settings``."""
    settings = {"mini_batch_size": 1, "output_file_name": "rows.csv", **changed.pop("settings", {})}
    script = changed.pop("script", "score.py")
    given: dict[str, Any] = {
        "model": Model(path=str(files.model)),
        "environment": Environment(image=IMAGE, conda_file=str(files.conda)),
        "code_configuration": CodeConfiguration(code=str(files.code), scoring_script=script),
        "compute": "local",
        **changed,
    }
    return ModelBatchDeployment(
        name=name, endpoint_name=endpoint, settings=ModelBatchDeploymentSettings(**settings), **given
    )


def made(ml: MLClient, one: Entity) -> Entity:
    """Create an endpoint or a deployment and return what the service says of it."""
    operations = ml.batch_deployments if hasattr(one, "endpoint_name") else ml.batch_endpoints
    return operations.begin_create_or_update(one).result()


def ended(ml: MLClient, job: BatchJob) -> Job:
    """Return a job when it has ended."""
    deadline = time.monotonic() + 150
    while time.monotonic() < deadline:
        found = ml.jobs.get(job.name)
        if found.status in ENDED:
            return found
        time.sleep(0.05)
    raise AssertionError(f"job {job.name} is {found.status} still")


def downloaded(ml: MLClient, job: str, folder: Path, **options: Any) -> dict[str, str]:
    """Download a job's output; return each file's text by its path below the folder, but for the job's account."""
    folder.mkdir(parents=True, exist_ok=True)
    ml.jobs.download(job, download_path=str(folder), **options)
    found = [path for path in folder.rglob("*") if path.is_file() and path.name != "_ledger.jsonl"]
    return {str(path.relative_to(folder)): path.read_text() for path in found}
