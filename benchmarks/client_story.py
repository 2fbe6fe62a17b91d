"""One client's story in a process of its own: connect, create, invoke, wait, download. Started by `client`.

    python -m benchmarks.client_story ours|azure-ai-ml <what it is to know, as JSON>

Prints a JSON object: for each step its seconds and requests; processor seconds and peak memory of this process.
"""

from __future__ import annotations

import json
import resource
import subprocess
import sys
import time
import uuid
import warnings
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, TypeVar

from benchmarks.client_tap import counted

if TYPE_CHECKING:
    from azure_batch_endpoints.local.lease import Lease
    from azure_batch_endpoints.local.record import ServiceRecord

STEPS = (
    "connect",
    "create an endpoint",
    "create one, the service takes 2 s",
    "create a deployment",
    "invoke a known endpoint",
    "wait for the job's end",
    "download the result",
    "invoke with one new local file",
)
SCRIPT = "def init(): pass\ndef run(mini_batch): return [open(path).read() for path in mini_batch]\n"
IMAGE = "mcr.microsoft.com/azureml/openmpi4.1.0-ubuntu22.04:latest"
_Result = TypeVar("_Result")


class Steps:
    """Measures one step after the other."""

    def __init__(self, tap: int) -> None:
        """Begin.

        Args:
            tap: port that counts requests.
        """
        self._tap = tap
        self.found: dict[str, tuple[float, int]] = {}

    def do(self, number: int, action: Callable[[], _Result]) -> _Result:
        """Do a step."""
        before, began = counted(self._tap), time.perf_counter()
        result = action()
        seconds = time.perf_counter() - began
        self.found[STEPS[number]] = seconds, counted(self._tap) - before
        return result


def written(folder: Path) -> Path:
    """Write a model and a script that no one has uploaded before, and an input file."""
    own = folder / uuid.uuid4().hex
    texts = {"model/weights": own.name, "code/score.py": SCRIPT + f"# {own.name}\n", "one.txt": own.name}
    for name, text in texts.items():
        file = own / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
    return own


def ours(known: dict[str, Any], folder: Path, steps: Steps) -> None:
    """Go the way with azure_batch_endpoints."""
    import azure_batch_endpoints as abe
    from azure_batch_endpoints.local.service import LocalService

    take = LocalService._take

    def through_the_tap(
        self: LocalService, record: ServiceRecord, lease: Lease, process: subprocess.Popen[bytes] | None
    ) -> None:
        url = f"http://127.0.0.1:{known['tap']}"
        endpoint = record.endpoint.replace(record.base_url, url)
        take(self, replace(record, base_url=url, endpoint=endpoint), lease, process)

    LocalService._take = through_the_tap  # type: ignore[method-assign] # the one thing that no setting can say
    client = steps.do(0, lambda: abe.BatchClient.local(known["root"]))
    name = f"o-{folder.name[:20]}"
    endpoint = steps.do(1, lambda: client.endpoints.create(name))
    steps.do(2, lambda: client.endpoints.create(f"slow-{name}"))
    spec = abe.DeploymentSpec(
        name="blue",
        model=folder / "model",
        code=folder / "code",
        scoring_script="score.py",
        environment=abe.EnvironmentSpec(image=IMAGE),
        compute=known["compute"],
    )
    steps.do(3, lambda: endpoint.deployments.create(spec, set_default=True))
    job = steps.do(4, lambda: endpoint.invoke(abe.folder(known["data"])))
    steps.do(5, lambda: job.wait(progress=False))
    steps.do(6, lambda: job.results.download(folder / "out"))
    last = steps.do(7, lambda: endpoint.invoke(folder / "one.txt"))
    last.wait(progress=False)
    client.close()


def official(known: dict[str, Any], folder: Path, steps: Steps) -> None:
    """Go the way with azure-ai-ml."""
    warnings.simplefilter("ignore")
    from azure.ai.ml import Input
    from azure.ai.ml.entities import (
        BatchEndpoint,
        CodeConfiguration,
        Environment,
        Model,
        ModelBatchDeployment,
        ModelBatchDeploymentSettings,
    )

    from azure_batch_endpoints.official import ml_client

    # As much of our client as `ml_client` needs, and no more of this package in memory.
    client: Any = SimpleNamespace(**known["names"], local_service=SimpleNamespace(**known["service"]))
    ml: Any = steps.do(0, lambda: ml_client(client, show_progress=False))
    name = f"t-{folder.name[:20]}"
    made = steps.do(1, lambda: ml.batch_endpoints.begin_create_or_update(BatchEndpoint(name=name)).result())
    steps.do(2, lambda: ml.batch_endpoints.begin_create_or_update(BatchEndpoint(name=f"slow-{name}")).result())
    deployment = ModelBatchDeployment(
        name="blue",
        endpoint_name=name,
        model=Model(path=str(folder / "model")),
        code_configuration=CodeConfiguration(code=str(folder / "code"), scoring_script="score.py"),
        environment=Environment(image=IMAGE),
        compute=known["compute"],
        settings=ModelBatchDeploymentSettings(mini_batch_size=10),
    )

    def create() -> None:
        ml.batch_deployments.begin_create_or_update(deployment).result()
        made.defaults.deployment_name = "blue"
        ml.batch_endpoints.begin_create_or_update(made).result()

    steps.do(3, create)
    known_data, new = Input(type="uri_folder", path=known["data"]), Input(type="uri_file", path=str(folder / "one.txt"))
    job = steps.do(4, lambda: ml.batch_endpoints.invoke(name, input=known_data))
    steps.do(5, lambda: ml.jobs.stream(job.name))
    steps.do(6, lambda: ml.jobs.download(job.name, download_path=str(folder / "out"), output_name="score"))
    last = steps.do(7, lambda: ml.batch_endpoints.invoke(name, input=new))
    while ml.jobs.get(last.name).status not in ("Completed", "Failed", "Canceled"):
        time.sleep(0.2)


def main() -> None:
    """Tell the story of one client."""
    out = sys.stdout
    sys.stdout = sys.stderr  # the official client prints
    known = json.loads(sys.argv[2])
    steps = Steps(known["tap"])
    folder = written(Path(known["work"]))
    (ours if sys.argv[1] == "ours" else official)(known, folder, steps)
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(json.dumps({"steps": steps.found, "cpu": time.process_time(), "memory": memory}), file=out)


if __name__ == "__main__":
    main()
