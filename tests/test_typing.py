"""Type checkers know the package as users have it: right programs pass mypy --strict and pyright strict, wrong do not.

The right programs are the blocks of the docs, the sample and what else a notebook has; the wrong ones are single lines,
each of which both checkers must refuse. One run of each checker.
"""

from __future__ import annotations

import inspect
import json
import re
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

import pytest

import azure_batch_endpoints as abe
from tests.docs.test_pages import BLOCK, RUNNABLE
from tests.local.scripts import unmeasured

ROOT = Path(__file__).parent.parent
OF_THE_OFFICIAL_CLIENT = {"official-client"}
"""Pages whose programs are about the types of azure-ai-ml."""

NOTEBOOK = """
from pathlib import Path

import azure_batch_endpoints as abe
import pandas as pd
from azure_batch_endpoints import BatchClient, BatchDeployment, BatchEndpoint, DeploymentSpec, Job, RunSettings


def made(client: BatchClient) -> tuple[BatchEndpoint, BatchDeployment]:
    client.computes.create(abe.ComputeSpec(name="cluster", max_instances=2))
    model = client.models.create(abe.ModelSpec(name="digits", path=Path("model"), tags={"team": "vision"}))
    client.environments.create(abe.EnvironmentSpec(name="plain", image="image:1", conda_file="conda.yml"))
    endpoint = client.endpoints.create(abe.EndpointSpec(name="numbers", description="digits"), timeout=60)
    settings = RunSettings(mini_batch_size=5, output_action="append_row", retry_settings=abe.RetrySettings(timeout=9))
    blue = DeploymentSpec(
        name="blue", model=model.id, code=Path("code"), scoring_script="score.py", settings=settings, compute="cluster"
    )
    green = blue.changed(name="green", mini_batch_size=20, description=None)
    red = green.changed({"settings.retry_settings.timeout": 60}, settings=settings.changed(error_threshold=3))
    DeploymentSpec.from_yaml("deployment.yml", name="black", **{"settings.mini_batch_size": 5}).to_yaml(Path("b.yml"))
    for finding in red.check():
        print(finding.severity, finding.message, finding.path, finding.line)
    deployment = endpoint.deployments.create(green, set_default=True)
    endpoint.set_default("green")
    return endpoint, deployment.update(description="better", tags={})


def scored(endpoint: BatchEndpoint) -> Job:
    endpoint.invoke("data")
    endpoint.invoke(Path("data"), mini_batch_size=3, job_name="one")
    endpoint.invoke(abe.file("https://host/data.csv"), tags={"a": "b"})
    endpoint.invoke(inputs={"first": abe.folder("azureml://datastores/d/paths/p/"), "count": 3, "flag": True})
    job = endpoint.invoke(abe.dataset("heart", version="3"), deployment="green", retry_settings=abe.RetrySettings())
    try:
        return job.wait(timeout=600, progress=False)
    except abe.JobFailedError as error:
        failed: pd.DataFrame = error.job.failed_items()
        print(failed, error.job.error)
    except abe.WaitTimeoutError as error:
        print(error.resource)
    except abe.ServiceError as error:
        print(error.status_code, error.code, error.request_id)
    except abe.BatchEndpointsError as error:
        print(error)
    return job.retry_failed(mini_batch_size=1)


def looked_at(job: Job) -> pd.DataFrame:
    if job.progress is not None:
        print(job.progress.items_done, job.progress.eta, job.status is abe.JobStatus.COMPLETED, job.created_at)
    for entry in job.stream(timeout=None):
        print(entry.timestamp, entry.source, entry.message)
    for item in job.items(status="failed"):
        print(item.path, item.attempts, item.error_type, item.seconds)
    paths: list[Path] = job.results.download("out", overwrite=True)
    print(paths, [file.size for file in job.results.files()])
    return job.results.to_pandas(columns=["file", "digit"], source_file=True)


def together(endpoint: BatchEndpoint, jobs: list[Job]) -> None:
    first: Job = abe.wait_any(jobs, timeout=60)
    first.add_done_callback(lambda ended: print(ended.name))
    ended: list[Job] = abe.wait_all(jobs, raise_on_failure=False, on_done=lambda job: print(job.status))
    print(first, [(one.number, one.status, one.seconds) for one in ended[0].watch(timeout=60).mini_batches()])
    for row in ended[0].results.iter_rows(columns=["file", "digit"], source_file=True):
        print(row["file"], row["digit"])
    compared: abe.Comparison = endpoint.compare("data", "blue", "green", tolerance=0.01)
    print(compared.agreement > 0.99, compared.differing.head())
    try:
        endpoint.update(tags={"a": "b"})
    except abe.NotKeptError as error:
        print([(one.field, one.asked, one.kept) for one in error.fields])


with BatchClient.local(".abe", workers=2) as local:
    table = looked_at(scored(made(local)[0]))
    print(table["digit"].mean(), [job.name for job in local.jobs.list(status=abe.JobStatus.FAILED)])
    official = abe.ml_client(local, show_progress=False)
cloud = BatchClient(subscription_id="s", resource_group="g", workspace="w", cloud="AzureChinaCloud")
print(BatchClient.from_config(), cloud.datastores.get_default().account_name)
"""

BEFORE = """
import azure_batch_endpoints as abe
from azure_batch_endpoints import BatchClient, BatchEndpoint, DeploymentSpec, Job, RunSettings


def wrong(client: BatchClient, endpoint: BatchEndpoint, job: Job, spec: DeploymentSpec) -> None:
"""
WRONG = [
    'DeploymentSpec(name="blue", model="m", modle="m")',
    'DeploymentSpec(name="blue")',
    'DeploymentSpec("blue", "m")',
    'RunSettings(output_action="append")',
    'RunSettings(mini_batch_size="many")',
    'spec.name = "green"',
    "spec.settings.mini_batch_size = 3",
    "spec.changed(mini_batch_sise=3)",
    'spec.changed(mini_batch_size="3")',
    "spec.changed(name=None)",
    'spec.settings.changed(model="m")',
    'abe.EndpointSpec(name="e", auth_mode="key")',
    'abe.EndpointSpec(name="e").changed(model="m")',
    'abe.ModelSpec(name="m", path="p").changed(type="pickle")',
    'endpoint.invoke("data", mini_batch=3)',
    "endpoint.invoke(3.5)",
    'endpoint.invoke("data", tags=["a"])',
    'job.wait("60")',
    'job.wait(timeout="60")',
    "job.status.is_over",
    "abe.wait_all(job)",
    "abe.wait_any([job], timout=3)",
    "job.add_done_callback(3)",
    'job.results.iter_rows(colums=["a"])',
    'endpoint.compare("data", "blue")',
    'job.items(status="faild")',
    "job.results.to_pandas(column=['a'])",
    "job.result",
    "client.endpoints.get()",
    'client.jobs.list(statuss="Failed")',
    'BatchClient.local(workers="2")',
    'BatchClient.local(storage="azurite", port=1)',
    "abe.ml_client(client, show_progres=False)",
    "abe.BatchKlient",
    'abe.dataset(name="d", labels="l")',
]
"""Each is one line that both checkers must refuse."""
LEFT_OUT = {"from_yaml", "Job.retry_failed"}
"""What may take any keyword: what they replace has dotted names, or is whatever `invoke` takes."""


Said = list[tuple[str, int, str]]
"""File, line and text of each error."""
Found = dict[str, "Future[Said]"]


def programs(folder: Path) -> list[Path]:
    """Write the right programs."""
    blocks = {page.stem: "\n".join(BLOCK.findall(page.read_text(encoding="utf-8"))) for page in RUNNABLE}
    texts = {name: text for name, text in blocks.items() if name not in OF_THE_OFFICIAL_CLIENT} | {"notebook": NOTEBOOK}
    texts |= {f"sample-{file.stem}": file.read_text(encoding="utf-8") for file in (ROOT / "samples").rglob("run.py")}
    files = [folder / f"{name.replace('-', '_').lower()}_program.py" for name in texts]
    for file, text in zip(files, texts.values(), strict=True):
        file.write_text(text, encoding="utf-8")
    return files


@pytest.fixture(scope="module")
def found(tmp_path_factory: pytest.TempPathFactory, two_at_once: ThreadPoolExecutor) -> Found:
    """What each checker says: file, line, text. The folder knows nothing of this project's own settings."""
    folder = tmp_path_factory.mktemp("user")
    files = programs(folder)
    wrong = folder / "wrong.py"
    wrong.write_text(BEFORE + "".join(f"    {line}\n" for line in WRONG))
    (folder / "pyrightconfig.json").write_text(
        '{"typeCheckingMode": "strict", "reportUnusedExpression": false, "reportUnusedImport": false}'
    )
    return {
        "mypy": two_at_once.submit(said_by_mypy, folder, [*files, wrong]),
        "pyright": two_at_once.submit(said_by_pyright, folder),
    }


def said_by_mypy(folder: Path, files: list[Path]) -> Said:
    options = ["--strict", "--config-file=", f"--cache-dir={ROOT / '.mypy_cache' / 'users'}", "--no-error-summary"]
    text = run(folder, "mypy", *options, *(file.name for file in files))
    said = re.findall(r"^(\w+\.py):(\d+): error: (.*)$", text, flags=re.MULTILINE)
    return [(file, int(line), message) for file, line, message in said]


def said_by_pyright(folder: Path) -> Said:
    said = json.loads(run(folder, "pyright", f"--pythonpath={sys.executable}", "--outputjson"))["generalDiagnostics"]
    return [
        (Path(one["file"]).name, one["range"]["start"]["line"] + 1, one["message"])
        for one in said
        if one["severity"] == "error"
    ]


def run(folder: Path, checker: str, *options: str) -> str:
    done = subprocess.run(
        [sys.executable, "-m", checker, *options],
        cwd=folder,
        env=unmeasured(),
        capture_output=True,
        text=True,
        timeout=280,
    )
    assert done.returncode in (0, 1), done.stdout + done.stderr
    return done.stdout


checkers = pytest.mark.parametrize("checker", ["mypy", "pyright"])


@checkers
def test_programs_as_users_write_them_have_no_type_error(checker: str, found: Found) -> None:
    said = found[checker].result()

    assert [one for one in said if one[0] != "wrong.py"] == []


@checkers
def test_each_wrong_line_is_refused(checker: str, found: Found) -> None:
    refused = {line for file, line, _ in found[checker].result() if file == "wrong.py"}
    first = BEFORE.count("\n") + 1

    assert [text for number, text in enumerate(WRONG, first) if number not in refused] == []
    assert refused <= {number for number, _ in enumerate(WRONG, first)}


# ------------------------------------------------------------------ keywords


def public() -> Iterator[tuple[str, object]]:
    """Every public function and method, by its dotted name."""
    for name in abe.__all__:
        thing: object = getattr(abe, name)
        yield name, thing
        if not inspect.isclass(thing):
            continue
        for member in {one for base in thing.__mro__ if is_ours(base) for one in vars(base) if not one.startswith("_")}:
            yield f"{name}.{member}", getattr(thing, member)


def is_ours(cls: type) -> bool:
    return cls.__module__.startswith("azure_batch_endpoints")


def kinds(thing: object) -> list[inspect._ParameterKind]:
    try:
        return [one.kind for one in inspect.signature(thing).parameters.values()]  # type: ignore[arg-type]
    except (TypeError, ValueError):  # no function
        return []


def test_nothing_public_takes_any_keyword_but_what_must() -> None:
    loose = {name for name, thing in public() if inspect.Parameter.VAR_KEYWORD in kinds(thing)}

    assert {name for name in loose if name not in LEFT_OUT and name.partition(".")[2] not in LEFT_OUT} == set()
    assert len(loose) > len(LEFT_OUT), "the walk finds nothing"


@pytest.mark.parametrize("name", [name for name in abe.__all__ if hasattr(getattr(abe, name), "changed")])
def test_a_spec_is_changed_by_the_names_of_its_fields(name: str) -> None:
    kind = getattr(abe, name)
    single = list(abe.RunSettings.model_fields) if kind is abe.DeploymentSpec else []

    assert list(inspect.signature(kind.changed).parameters) == ["self", "values", *kind.model_fields, *single]
    assert list(inspect.signature(kind).parameters) == list(kind.model_fields)
