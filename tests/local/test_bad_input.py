"""What a user gets for each mistake: what happened, which input, what to do; and nothing is lost or left running."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import textwrap
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

import azure_batch_endpoints as abe
from azure_batch_endpoints import BatchClient, BatchEndpoint, JobStatus, RetrySettings
from tests.local.scripts import NAMES, deployment, numbers, unmeasured


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("bad")
    numbers(folder / "data", 12)
    (folder / "empty").mkdir()
    return folder


@pytest.fixture(scope="module")
def client(folder: Path) -> Iterator[BatchClient]:
    with BatchClient.local(folder / "root", workers=2) as client:
        yield client


@pytest.fixture(scope="module")
def endpoint(client: BatchClient, folder: Path) -> BatchEndpoint:
    endpoint = client.endpoints.create("mistakes")
    endpoint.deployments.create(deployment(folder, "good", NAMES))
    return endpoint


SLOW = "import time\ndef init(): pass\ndef run(mini_batch):\n    time.sleep(1000)\n    return mini_batch\n"
Act = Callable[[BatchClient, BatchEndpoint, Path], object]
MISTAKES: dict[str, tuple[Act, type[Exception], list[str]]] = {
    "no default deployment": (
        lambda c, e, f: e.invoke(f / "data"),
        abe.InvalidInputError,
        ["'mistakes' has no default deployment", 'deployment="good"', 'set_default("good")'],
    ),
    "a path that does not exist": (
        lambda c, e, f: e.invoke(f / "dat", deployment="good"),
        abe.LocalPathError,
        ["dat'", "does not exist", "Did you mean", "data'", "Nothing was sent"],
    ),
    "an empty folder": (
        lambda c, e, f: e.invoke(f / "empty", deployment="good"),
        abe.LocalPathError,
        ["empty'", "empty folder", "Nothing was sent"],
    ),
    "a local file given as folder:": (
        lambda c, e, f: e.invoke(f"folder:{f}/data/00.txt", deployment="good"),
        abe.InvalidInputError,
        ["00.txt", "needs a URI", "local_path("],
    ),
    "an unknown deployment": (
        lambda c, e, f: e.invoke(f / "data", deployment="god"),
        abe.NotFoundError,
        ["god", "mistakes", "'good'"],
    ),
    "an unknown data set": (
        lambda c, e, f: e.invoke("azureml:nothing:1", deployment="good"),
        abe.NotFoundError,
        ["'nothing'", "not found"],
    ),
    "an unknown version of a data set": (
        lambda c, e, f: e.invoke(abe.dataset("nothing"), deployment="good"),
        abe.NotFoundError,
        ["'nothing'"],
    ),
    "an unknown datastore": (
        lambda c, e, f: e.invoke("folder:azureml://datastores/nowhere/paths/x/", deployment="good"),
        abe.NotFoundError,
        ["nowhere", "workspaceblobstore"],
    ),
    "an unknown model version": (
        lambda c, e, f: e.deployments.create(deployment(f, "odd", NAMES).model_copy(update={"model": "azureml:no:7"})),
        abe.NotFoundError,
        ["'odd'", "'no'"],
    ),
    "an output that is no datastore": (
        lambda c, e, f: e.invoke(f / "data", deployment="good", output="./out"),
        abe.InvalidInputError,
        ["'./out'", "azureml://datastores/"],
    ),
    "a setting out of range": (
        lambda c, e, f: e.invoke(f / "data", deployment="good", mini_batch_size=0),
        abe.SpecError,
        ["mini_batch_size is 0"],
    ),
    "a name the service forbids": (
        lambda c, e, f: c.endpoints.create("1st!"),
        abe.SpecError,
        ["'1st!'", "starts with a letter"],
    ),
    "an unknown endpoint": (lambda c, e, f: c.endpoints.get("nobody"), abe.NotFoundError, ["nobody", "'mistakes'"]),
    "an unknown job": (lambda c, e, f: c.jobs.get("nothing"), abe.NotFoundError, ["'nothing'"]),
    "an unknown compute": (
        lambda c, e, f: c.computes.get("nothing"),
        abe.NotFoundError,
        ["'nothing'", "no such thing"],
    ),
}


@pytest.mark.parametrize("mistake", MISTAKES)
def test_a_mistake_is_named_with_its_remedy(
    mistake: str, client: BatchClient, endpoint: BatchEndpoint, folder: Path
) -> None:
    act, kind, parts = MISTAKES[mistake]
    with pytest.raises(kind) as caught:
        act(client, endpoint, folder)
    assert [part for part in parts if part not in str(caught.value)] == [], str(caught.value)


BROKEN = {
    "a syntax error": ("def init() pass\n", "line 1"),
    "no init": ("def run(mini_batch): return mini_batch\n", "init()"),
    "no run": ("def init(): pass\n", "run(mini_batch)"),
}


@pytest.mark.parametrize("broken", BROKEN)
def test_a_script_no_job_can_begin_with_is_refused_before_anything_is_sent(
    broken: str, endpoint: BatchEndpoint, folder: Path
) -> None:
    script, part = BROKEN[broken]
    with pytest.raises(abe.ScoringScriptError, match=r"score\.py") as caught:
        endpoint.deployments.create(deployment(folder, "broken", script))
    assert part in str(caught.value)
    assert "nothing was uploaded" in str(caught.value)
    with pytest.raises(abe.NotFoundError):
        endpoint.deployments.get("broken")


def of_seven(then: str) -> str:
    """A script that misbehaves on file 07.txt only."""
    return f"""
        import os, time

        def init(): pass

        def run(mini_batch):
            if any(path.endswith("07.txt") for path in mini_batch):
                {then}
            return mini_batch
    """


MISBEHAVING = {
    "raising": (of_seven("raise KeyError('age')"), "KeyError"),
    "returning None": (of_seven("return None"), "WrongReturnType"),
    "hanging": (of_seven("time.sleep(1000)"), "Timeout"),
    "calling os._exit": (of_seven("os._exit(7)"), "WorkerDied"),
    "killed from outside": (of_seven("os.kill(os.getpid(), 9)"), "WorkerDied"),
    "returning too little": (of_seven("return mini_batch[:0]"), "ShortReturn"),
}


@pytest.mark.parametrize("how", MISBEHAVING)
def test_a_mini_batch_that_fails_is_accounted_for_and_the_others_are_scored(
    how: str, endpoint: BatchEndpoint, folder: Path
) -> None:
    script, error_type = MISBEHAVING[how]
    retry = RetrySettings(max_retries=2, timeout=2.0)
    made = endpoint.deployments.create(deployment(folder, "partly", script, retry_settings=retry))

    job = endpoint.invoke(folder / "data", deployment=made).wait(timeout=150)

    failed = list(job.items(status="failed"))
    assert [item.path for item in failed] == ["06.txt", "07.txt", "08.txt"]
    assert {(item.error_type, item.attempts) for item in failed} == {(error_type, 2)}
    assert len(job.results.to_pandas()) == 9
    assert sum(1 for _ in job.items()) == 12


def test_megabytes_of_print_do_not_disturb(endpoint: BatchEndpoint, folder: Path) -> None:
    script = "def init(): pass\ndef run(mini_batch):\n    print('x' * 5_000_000)\n    return mini_batch\n"
    made = endpoint.deployments.create(deployment(folder, "loud", script))
    assert len(endpoint.invoke(folder / "data", deployment=made).wait(timeout=150).results.to_pandas()) == 12


def test_a_job_over_its_error_threshold_fails_and_only_what_failed_is_retried(
    endpoint: BatchEndpoint, folder: Path
) -> None:
    made = endpoint.deployments.create(
        deployment(folder, "strict", of_seven("raise ValueError('seven')"), error_threshold=2)
    )
    job = endpoint.invoke(folder / "data", deployment=made)
    with pytest.raises(abe.JobFailedError) as caught:
        job.wait(timeout=150)
    text = str(caught.value)
    for part in (
        job.name,
        "ValueError",
        "seven",
        "score.py, line 8",
        "3 files failed, error_threshold is 2",
        "job.logs()",
    ):
        assert part in text, text

    (folder / "strict" / "code" / "score.py").write_text("def init(): pass\ndef run(mini_batch): return mini_batch\n")
    endpoint.deployments.create(deployment(folder, "strict", NAMES, error_threshold=0))
    again = caught.value.job.retry_failed(mini_batch_size=1).wait(timeout=150)
    assert again.results.to_pandas()[0].tolist() == ["06.txt", "07.txt", "08.txt"]
    assert [item.path for item in again.items()] == ["06.txt", "07.txt", "08.txt"]


def test_init_that_raises_stops_the_job_with_the_users_traceback(endpoint: BatchEndpoint, folder: Path) -> None:
    script = "def init():\n    raise RuntimeError('no model here')\ndef run(mini_batch): return mini_batch\n"
    made = endpoint.deployments.create(deployment(folder, "unready", script))
    with pytest.raises(abe.JobFailedError, match="no model here") as caught:
        endpoint.invoke(folder / "data", deployment=made).wait(timeout=150)
    assert "score.py, line 2" in str(caught.value)
    assert "Traceback" in str(caught.value)


def test_an_output_file_that_exists_fails_the_job_before_anything_is_scored(
    endpoint: BatchEndpoint, folder: Path
) -> None:
    output = "azureml://datastores/workspaceblobstore/paths/taken/"
    endpoint.invoke(folder / "data", deployment="good", output=output).wait(timeout=150)
    second = endpoint.invoke(folder / "data", deployment="good", output=output)
    with pytest.raises(abe.JobFailedError, match="exists already; nothing was scored"):
        second.wait(timeout=150)
    assert second.progress is None or second.progress.items_done == 0


def test_an_input_folder_without_files_fails_the_job(endpoint: BatchEndpoint) -> None:
    job = endpoint.invoke("folder:azureml://datastores/workspaceblobstore/paths/nothing/here/", deployment="good")
    with pytest.raises(abe.JobFailedError, match="holds no files"):
        job.wait(timeout=150)


def test_cancel_stops_a_job_and_says_how_far_it_was(endpoint: BatchEndpoint, folder: Path) -> None:
    made = endpoint.deployments.create(deployment(folder, "slow", SLOW))
    job = endpoint.invoke(folder / "data", deployment=made)
    with pytest.raises(abe.WaitTimeoutError, match="It goes on") as late:
        job.wait(timeout=0.5)
    assert late.value.resource is job
    job.cancel()
    with pytest.raises(abe.JobCanceledError, match="cancelled"):
        job.wait(timeout=150)
    assert job.status is JobStatus.CANCELED


def test_a_job_goes_on_after_its_service_was_killed(tmp_path: Path) -> None:
    data = numbers(tmp_path / "data", 12)
    script = "import os, time\ndef init(): pass\ndef run(mini_batch):\n    time.sleep(0.3)\n"
    rows = "    return [os.path.basename(path) for path in mini_batch]\n"
    with BatchClient.local(tmp_path / "root", workers=1) as client:
        endpoint = client.endpoints.create("survivor")
        endpoint.deployments.create(deployment(tmp_path, "blue", script + rows, mini_batch_size=1), set_default=True)
        job = endpoint.invoke(data)
        deadline = time.monotonic() + 150
        while not (job.refresh().progress and job.progress and job.progress.items_done) and time.monotonic() < deadline:
            time.sleep(0.05)
        service = client.local_service
        assert service is not None
        os.kill(service.pid, signal.SIGKILL)
        job.wait(timeout=150)

        assert job.results.to_pandas()[0].tolist() == [f"{number:02}.txt" for number in range(12)]
        again = client.local_service
        assert again is not None
        assert again.pid != service.pid


@pytest.mark.parametrize("moment", ["waiting", "uploading"])
def test_ctrl_c_leaves_no_process_behind(moment: str, tmp_path: Path) -> None:
    numbers(tmp_path / "data", 50)
    deployment(tmp_path, "blue", SLOW)
    program = f"""
        import sys
        from azure_batch_endpoints import BatchClient, DeploymentSpec
        with BatchClient.local(r"{tmp_path / "root"}", workers=2) as client:
            print(client.local_service.pid, flush=True)
            endpoint = client.endpoints.create("stopped")
            spec = DeploymentSpec(name="blue", model=r"{tmp_path / "blue" / "model"}",
                                  code=r"{tmp_path / "blue" / "code"}", scoring_script="score.py")
            {"print('now', flush=True)" if moment == "uploading" else ""}
            endpoint.deployments.create(spec, set_default=True)
            job = endpoint.invoke(r"{tmp_path / "data"}")
            print("now", flush=True)
            job.wait()
    """
    started = subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(program)],
        env=unmeasured(),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert started.stdout is not None
    service = int(started.stdout.readline())
    assert started.stdout.readline().strip() == "now"
    started.send_signal(signal.SIGINT)
    _, errors = started.communicate(timeout=100)
    assert started.returncode != 0
    assert "KeyboardInterrupt" in errors
    deadline = time.monotonic() + 150
    while _alive(service) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not _alive(service)


def test_a_service_with_other_settings_on_the_same_root_is_refused(client: BatchClient, folder: Path) -> None:
    with pytest.raises(abe.LocalServiceError, match="workers=2") as caught:
        BatchClient.local(folder / "root", workers=3)
    assert "you asked for workers=3" in str(caught.value)


@pytest.mark.parametrize(
    ("storage", "part"),
    [
        ("AccountName=someone;AccountKey=not-base64!", "someone"),
        (
            "DefaultEndpointsProtocol=http;AccountName=someone;AccountKey=c2VjcmV0;BlobEndpoint=http://127.0.0.1:9/someone;",
            "127.0.0.1:9",
        ),
        ("nonsense", "storage="),
    ],
)
def test_a_wrong_connection_string_is_named_without_its_key(storage: str, part: str, tmp_path: Path) -> None:
    with pytest.raises(abe.LocalServiceError) as caught:
        BatchClient.local(tmp_path / "root", storage=storage)
    assert part in str(caught.value)
    assert "c2VjcmV0" not in str(caught.value)


def _alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True
