"""The service killed at each stage of a job: it goes on there, and ends as if nothing had happened."""

from __future__ import annotations

import contextlib
import os
import signal
import sqlite3
from pathlib import Path

import pytest

from azure_batch_endpoints import BatchClient, BatchEndpoint, EndpointSpec, Job, JobStatus, RetrySettings, local_path
from tests.local.scripts import deployment, numbers
from tests.local.test_service_process import runs, wait_until

pytestmark = pytest.mark.usefixtures("services_unmeasured")
COUNT = 60
QUICK = """
    def init(): pass
    def run(mini_batch): return [open(one).read() for one in mini_batch]
"""
SLOW = QUICK.replace("return", "__import__('time').sleep(0.2); return")
HELD = """
    import os, time
    def init(): pass
    def run(mini_batch):
        while not os.path.exists("{gate}"):
            time.sleep(0.01)
        return [open(one).read() for one in mini_batch]
"""
ROWS = "".join(f"{number}\n" for number in range(COUNT))


def ready(client: BatchClient, folder: Path, **scripts: str) -> BatchEndpoint:
    endpoint = client.endpoints.create(EndpointSpec(name="stages"))
    retries = RetrySettings(max_retries=20, timeout=20)
    for name, script in scripts.items():
        endpoint.deployments.create(deployment(folder, name, script, mini_batch_size=2, retry_settings=retries))
    return endpoint


def killed_at(client: BatchClient, root: Path, job: Job, stage: JobStatus) -> bool:
    """Kill the service as soon as a job is at a stage; False: it was too quick, or is past it."""
    service = client.local_service
    assert service is not None
    with contextlib.closing(sqlite3.connect(root / "state.sqlite")) as state:
        while True:
            (status,) = state.execute("SELECT status FROM jobs WHERE name = ?", (job.name,)).fetchone()
            if status == stage.value:
                os.kill(service.pid, signal.SIGKILL)
                (status,) = state.execute("SELECT status FROM jobs WHERE name = ?", (job.name,)).fetchone()
                wait_until(lambda: not runs(service.pid))
                return bool(status == stage.value)
            if JobStatus(status).is_terminal:
                return False


@pytest.mark.parametrize("stage", [JobStatus.PREPARING, JobStatus.RUNNING, JobStatus.FINALIZING])
def test_a_job_whose_service_is_killed_at_a_stage_ends_with_its_undisturbed_result(
    tmp_path: Path, stage: JobStatus
) -> None:
    root, data = tmp_path / "root", numbers(tmp_path / "data", COUNT)
    with BatchClient.local(root, workers=2) as client:
        endpoint = ready(client, tmp_path, quick=QUICK)
        for attempt in range(10):
            job = endpoint.invoke(local_path(data), deployment="quick")
            caught = killed_at(client, root, job, stage)
            job.wait(timeout=150)
            job.results.download(tmp_path / f"{attempt}")
            assert (tmp_path / f"{attempt}/predictions.csv").read_text() == ROWS
            assert [item.status for item in job.items()] == ["succeeded"] * COUNT
            if caught:
                return
        raise AssertionError(f"no job was ever seen {stage.value}")


def test_jobs_that_wait_when_the_service_is_killed_are_scored_after_it(tmp_path: Path) -> None:
    root, data = tmp_path / "root", numbers(tmp_path / "data", COUNT)
    with BatchClient.local(root, workers=1) as client:
        gate = tmp_path / "gate"
        endpoint = ready(client, tmp_path, held=HELD.format(gate=gate), quick=QUICK)
        jobs = [endpoint.invoke(local_path(data), deployment=name) for name in ("held", "quick", "quick")]
        assert killed_at(client, root, jobs[2], JobStatus.QUEUED)
        gate.touch()
        for number, job in enumerate(jobs):
            job.wait(timeout=150)
            job.results.download(tmp_path / f"{number}")
            assert (tmp_path / f"{number}/predictions.csv").read_text() == ROWS
        assert len(list(client.jobs.list())) == 3


def test_a_job_that_was_being_cancelled_when_its_service_went_is_cancelled_by_the_next(tmp_path: Path) -> None:
    root, data = tmp_path / "root", numbers(tmp_path / "data", COUNT)
    with BatchClient.local(root, workers=2) as client:
        job = ready(client, tmp_path, slow=SLOW).invoke(local_path(data), deployment="slow")
        wait_until(lambda: job.refresh().progress is not None and job.progress and job.progress.items_done)
    with contextlib.closing(sqlite3.connect(root / "state.sqlite")) as state, state:  # as a kill would leave it
        state.execute("UPDATE jobs SET status = 'CancelRequested' WHERE name = ?", (job.name,))
    with BatchClient.local(root, workers=2) as client:
        found = client.jobs.get(job.name).wait(timeout=150, raise_on_failure=False)
        assert found.status is JobStatus.CANCELED
        states = [item.status for item in found.items()]
        assert len(states) == COUNT and "succeeded" in states and set(states) <= {"succeeded", "pending"}
