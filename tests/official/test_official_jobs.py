"""Jobs through the official client: look, list, stream, download, cancel, archive, change, delete."""

from __future__ import annotations

import re
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest
from azure.ai.ml import Input, MLClient
from azure.ai.ml.constants import ListViewType
from azure.ai.ml.entities import BatchEndpoint, Data
from azure.ai.ml.exceptions import JobException
from azure.core.exceptions import HttpResponseError, ResourceNotFoundError

from azure_batch_endpoints import BatchClient, LocalServiceInfo
from tests.official.driving import Files, deployment, downloaded, ended, made


def letters() -> Input:
    """The client writes into the inputs it is given, so each invoke gets its own."""
    return Input(type="uri_folder", path="azureml:letters:1")


@pytest.fixture(scope="module")
def done(ml: MLClient, endpoint: str, data: Data) -> str:
    """A job that has completed."""
    job = ml.batch_endpoints.invoke(endpoint, input=letters(), job_name="done", experiment_name="looks")
    assert ended(ml, job).status == "Completed"
    return "done"


@dataclass
class Gate:
    """A deployment whose jobs wait until it is opened."""

    endpoint: str
    path: Path

    def open(self) -> None:
        self.path.touch()


@pytest.fixture
def gate(ml: MLClient, files: Files, data: Data, tmp_path: Path) -> Iterator[Gate]:
    made(ml, BatchEndpoint(name="gated"))
    settings = {"environment_variables": {"GATE": str(tmp_path / "gate")}}
    made(ml, deployment(files, "gated", "waits", script="wait.py", settings=settings))
    found = Gate("gated", tmp_path / "gate")
    yield found
    found.open()
    ml.batch_endpoints.begin_delete("gated").result()


def test_a_job_says_what_it_is(ml: MLClient, done: str, endpoint: str) -> None:
    found = ml.jobs.get(done)

    assert (found.name, found.type, found.status, found.experiment_name) == (done, "pipeline", "Completed", "looks")
    assert (found.tags["azureml.batchrun"], found.tags["azureml.deploymentname"]) == ("true", "scores")
    assert found.description == f"Pipeline submission for endpoint: {endpoint}, deployment: scores."
    assert found.services["Studio"].endpoint.startswith("http://127.0.0.1:")
    assert found.creation_context.created_by
    assert ml.jobs.show_services(done) is None


def test_a_jobs_one_child_is_listed_and_looked_at(ml: MLClient, done: str) -> None:
    (child,) = ml.jobs.list(parent_job_name=done)

    found = ml.jobs.get(child.name)

    assert (found.name, found.display_name, found.status) == (child.name, "batchscoring", "Completed")
    assert child.name != done


def test_results_are_downloaded_from_the_job_and_from_its_child(ml: MLClient, done: str, tmp_path: Path) -> None:
    rows = "a.txt w1 red 1\nb.txt w1 red 1\nc.txt w1 red 1\n"
    (child,) = ml.jobs.list(parent_job_name=done)

    assert downloaded(ml, done, tmp_path / "a", output_name="score") == {"rows.csv": rows}
    assert downloaded(ml, done, tmp_path / "b") == {"rows.csv": rows}
    assert downloaded(ml, done, tmp_path / "c", all=True) == {"rows.csv": rows}
    assert downloaded(ml, child.name, tmp_path / "d", output_name="score") == {"named-outputs/score/rows.csv": rows}


def test_logs_are_downloaded_from_a_jobs_child(ml: MLClient, done: str, tmp_path: Path) -> None:
    (child,) = ml.jobs.list(parent_job_name=done)

    logs = downloaded(ml, child.name, tmp_path / "logs")
    everything = downloaded(ml, child.name, tmp_path / "all", all=True)

    assert "3 of 3 files succeeded" in logs["artifacts/user_logs/std_log_0.txt"]
    assert everything == {**logs, "named-outputs/score/rows.csv": everything["named-outputs/score/rows.csv"]}


def test_a_stream_shows_the_log_while_the_job_runs(
    ml: MLClient, gate: Gate, capsys: pytest.CaptureFixture[str]
) -> None:
    job = ml.batch_endpoints.invoke(gate.endpoint, deployment_name="waits", input=letters())
    opener = threading.Timer(1.5, gate.open)
    opener.start()

    ml.jobs.stream(job.name)

    opener.join()
    shown = capsys.readouterr().out
    assert shown.startswith(f"RunId: {job.name}")
    assert "Streaming user_logs/std_log_0.txt" in shown and "executionlogs" not in shown
    assert "3 input files." in shown and "3 of 3 files succeeded" in shown
    assert "Execution Summary" in shown


def test_the_log_of_a_job_itself_says_when_its_step_began_and_ended(
    ml: MLClient, service: LocalServiceInfo, local: BatchClient, done: str
) -> None:
    workspace = ml.workspaces.get(local.workspace).id
    (child,) = ml.jobs.list(parent_job_name=done)
    headers = {"Authorization": f"Bearer {service.token}"}
    run = f"{service.base_url}/history/v1.0{workspace}/runs/{done}/details"

    files = httpx.get(run, headers=headers).json()["logFiles"]

    first, last = httpx.get(files["logs/azureml/executionlogs.txt"]).text.splitlines()
    stamp = r"\[\d{4}-\d\d-\d\d \d\d:\d\d:\d\dZ\] "
    assert re.fullmatch(f"{stamp}Submitting 1 runs, first five are: {child.name[:8]}:{child.name}", first)
    assert re.fullmatch(f"{stamp}Completing processing run id {child.name}\\.", last)


def test_a_stream_of_a_failed_job_raises_with_the_reason(
    ml: MLClient, endpoint: str, files: Files, data: Data, tmp_path: Path
) -> None:
    made(ml, deployment(files, endpoint, "fails", script="fail.py"))
    job = ml.batch_endpoints.invoke(endpoint, deployment_name="fails", input=letters())

    with pytest.raises(JobException, match=r"ValueError: these files are no good \(fail.py, line 6"):
        ml.jobs.stream(job.name)

    assert ml.jobs.get(job.name).status == "Failed"
    assert downloaded(ml, job.name, tmp_path) == {}


def test_a_running_job_is_cancelled_and_downloads_nothing_before(ml: MLClient, gate: Gate, tmp_path: Path) -> None:
    job = ml.batch_endpoints.invoke(gate.endpoint, deployment_name="waits", input=letters())
    with pytest.raises(JobException, match="Download is allowed only in states"):
        ml.jobs.download(job.name, download_path=str(tmp_path))

    ml.jobs.begin_cancel(job.name).result()

    assert ml.jobs.get(job.name).status == "Canceled"
    ml.jobs.begin_cancel(job.name).result()


def test_jobs_are_listed_everywhere_they_belong(ml: MLClient, done: str, endpoint: str) -> None:
    assert done in [one.name for one in ml.jobs.list()]
    assert done in [one.name for one in ml.batch_endpoints.list_jobs(endpoint)]
    assert done in [one.name for one in ml.batch_deployments.list_jobs(endpoint, name="scores")]
    with pytest.raises(ResourceNotFoundError, match="There is no deployment with name: nobody"):
        list(ml.batch_deployments.list_jobs(endpoint, name="nobody"))


def test_an_archived_job_is_hidden_until_it_is_restored(ml: MLClient, done: str) -> None:
    ml.jobs.archive(done)

    assert done not in [one.name for one in ml.jobs.list()]
    assert done in [one.name for one in ml.jobs.list(list_view_type=ListViewType.ARCHIVED_ONLY)]
    assert done in [one.name for one in ml.jobs.list(list_view_type=ListViewType.ALL)]

    ml.jobs.restore(done)

    assert done in [one.name for one in ml.jobs.list()]


def test_a_jobs_words_are_changed(ml: MLClient, done: str) -> None:
    changed = ml.jobs.update(done, display_name="Nice", description="seen", tags={"mine": "1"}, properties={"p": "q"})

    assert (changed.display_name, changed.description, changed.properties["p"]) == ("Nice", "seen", "q")
    assert (changed.tags["mine"], changed.tags["azureml.batchrun"]) == ("1", "true")


def test_a_job_that_has_ended_is_deleted_and_its_results_stay(
    ml: MLClient, endpoint: str, data: Data, gate: Gate
) -> None:
    job = ml.batch_endpoints.invoke(endpoint, input=letters())
    uri = ended(ml, job).outputs["score"].path
    running = ml.batch_endpoints.invoke(gate.endpoint, deployment_name="waits", input=letters())

    with pytest.raises(HttpResponseError) as refused:
        ml.jobs.begin_delete(running.name).result()
    ml.jobs.begin_delete(job.name).result()

    assert refused.value.status_code == 409
    with pytest.raises(ResourceNotFoundError, match=f"There is no job '{job.name}'"):
        ml.jobs.get(job.name)
    rows = ml.data.create_or_update(Data(name="stays", path=f"{uri.rstrip('/')}/rows.csv", type="uri_file"))
    reread = ml.batch_endpoints.invoke(endpoint, input=Input(type="uri_file", path=rows.id), deployment_name="scores")
    assert ended(ml, reread).status == "Completed"


@pytest.mark.parametrize("verb", ["get", "stream", "download", "begin_cancel", "archive"])
def test_an_unknown_job_is_not_found(ml: MLClient, verb: str) -> None:
    with pytest.raises(ResourceNotFoundError, match="There is no job 'nobody'"):
        getattr(ml.jobs, verb)("nobody")


def test_jobs_outlive_their_endpoint(ml: MLClient, files: Files, data: Data) -> None:
    made(ml, BatchEndpoint(name="leaving"))
    made(ml, deployment(files, "leaving", "leaves"))
    job = ml.batch_endpoints.invoke("leaving", deployment_name="leaves", input=letters())
    ended(ml, job)

    ml.batch_endpoints.begin_delete("leaving").result()

    assert ml.jobs.get(job.name).status == "Completed"
    assert [one.name for one in ml.batch_endpoints.list_jobs("leaving")] == [job.name]
