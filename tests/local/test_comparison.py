"""Two deployments compared on the local service, then the switch; several jobs waited for and told of as they end."""

from __future__ import annotations

import math
import threading
import warnings
from collections.abc import Iterator
from pathlib import Path

import pytest

from azure_batch_endpoints import (
    BatchClient,
    BatchEndpoint,
    Comparison,
    InvalidInputError,
    Job,
    JobFailedError,
    JobStatus,
    NotFoundError,
    NotKeptWarning,
    RetrySettings,
    WaitTimeoutError,
    wait_all,
    wait_any,
)
from tests.local.cli_fixtures import Abe
from tests.local.scripts import deployment, numbers

SCORES = """
    import os
    import pandas as pd

    def init():
        pass

    def run(mini_batch):
        rows = []
        for path in mini_batch:
            number = int(open(path).read())
            if number in {failing}:
                raise ValueError("no such digit: " + str(number))
            rows.append({{"label": number % {base}, "score": number / 10 + {shift}}})
        return pd.DataFrame(rows)
"""
WAITS = """
    import os, time

    def init():
        pass

    def run(mini_batch):
        while not os.path.exists({released!r}):
            time.sleep(0.02)
        return [os.path.basename(path) for path in mini_batch]
"""
QUICK = {"mini_batch_size": 1, "max_concurrency_per_instance": 1, "retry_settings": RetrySettings(max_retries=1)}


@pytest.fixture(scope="module")
def client(tmp_path_factory: pytest.TempPathFactory) -> Iterator[BatchClient]:
    with BatchClient.local(tmp_path_factory.mktemp("service"), workers=2) as found:
        yield found


@pytest.fixture(scope="module")
def endpoint(client: BatchClient, tmp_path_factory: pytest.TempPathFactory) -> BatchEndpoint:
    folder, made = tmp_path_factory.mktemp("digits"), client.endpoints.create("digits")
    scripts = {
        "blue": SCORES.format(base=10, shift=0, failing=[]),
        "green": SCORES.format(base=9, shift=1e-9, failing=[]),
        "weak": SCORES.format(base=10, shift=0, failing=[4]),
        "broken": SCORES.format(base=10, shift=0, failing=list(range(100))),
        "broken-too": SCORES.format(base=10, shift=0, failing=list(range(100))),
    }
    for name, script in scripts.items():
        made.deployments.create(deployment(folder, name, script, **QUICK), set_default=name == "blue")
    return made


@pytest.fixture(scope="module")
def jobs(endpoint: BatchEndpoint, data: Path) -> dict[str, Job]:
    """A job of every deployment, ended."""
    started = [endpoint.invoke(data, deployment=one) for one in endpoint.deployments.list()]
    return {str(job.deployment_name): job for job in wait_all(started, timeout=240, raise_on_failure=False)}


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return numbers(tmp_path_factory.mktemp("inputs") / "data", 12)


def test_rows_that_differ_are_told_with_their_file_and_both_values_and_the_switch_is_one_call(
    endpoint: BatchEndpoint, data: Path
) -> None:
    found = endpoint.compare(data, "blue", "green", tolerance=1e-6, timeout=120)

    assert (found.agreement, found.rows, len(found.differing)) == (0.75, 12, 3)
    assert found.matched_by == "source file and place in it" and found.notes == []
    assert found.differing.to_dict("list") == {
        "source file": ["09.txt", "10.txt", "11.txt"],
        "row": [0, 0, 0],
        "label (blue)": [9, 0, 1],
        "label (green)": [0, 1, 2],
    }
    assert list(found.jobs) == ["blue", "green"] and all(len(rows) == 0 for rows in found.only_in.values())
    assert all(job.status is JobStatus.COMPLETED for job in found.jobs.values())
    assert all(found.seconds[name] and found.files_per_second[name] for name in found.jobs)
    assert dict(found.failed) == {"blue": 0, "green": 0}
    text, page = repr(found), found._repr_html_()
    assert "75.00% (9 of 12 rows)" in text and 'endpoint.set_default("green")' in text
    assert "label (blue)" in page and "<script" not in page

    assert endpoint.default_deployment_name == "blue"
    assert endpoint.set_default("green").default_deployment_name == "green"
    endpoint.set_default("blue")


def test_without_tolerance_a_score_that_moved_by_a_billionth_differs(jobs: dict[str, Job]) -> None:
    first, second = jobs["blue"], jobs["green"]

    assert Comparison.of(first, second).agreement == 0.0
    assert Comparison.of(first, second, tolerance=1e-6).agreement == 0.75
    by_key = Comparison.of(first, second, key="score", tolerance=1e-6)
    assert (by_key.rows, len(by_key.only_in["blue"])) == (0, 12)
    with pytest.raises(InvalidInputError, match=r"The rows of 'blue' have no column 'id', which key= names"):
        Comparison.of(first, second, key="id")


def test_files_that_one_deployment_fails_are_rows_that_only_the_other_has(jobs: dict[str, Job]) -> None:
    found = Comparison.of(jobs["blue"], jobs["weak"])

    assert (found.rows, len(found.differing)) == (11, 0)
    assert found.agreement == 11 / 12
    assert found.only_in["blue"]["source file"].tolist() == ["04.txt"] and len(found.only_in["weak"]) == 0
    assert dict(found.failed) == {"blue": 0, "weak": 1}


def test_a_deployment_that_fails_is_told_with_its_cause_and_the_other_ones_rows(jobs: dict[str, Job]) -> None:
    found = Comparison.of(jobs["blue"], jobs["broken"])

    assert math.isnan(found.agreement) and found.rows == 0
    assert len(found.only_in["blue"]) == 12 and len(found.only_in["broken"]) == 0
    (note,) = found.notes
    assert "'broken' did not complete" in note and "no such digit" in note and "It left no rows." in note
    assert "not known" in repr(found) and "broken" in found._repr_html_()
    assert "set_default" not in repr(found) + found._repr_html_(), "nobody switches to what does not work"
    with pytest.raises(
        JobFailedError, match=r"(?s)2 of 2 jobs did not complete:.*no such digit.*job\.logs\(\)"
    ) as both:
        Comparison.of(jobs["broken"], jobs["broken-too"])
    assert [job.deployment_name for job in both.value.jobs] == ["broken", "broken-too"]


def test_what_cannot_be_compared_is_refused_before_anything_is_scored(endpoint: BatchEndpoint, data: Path) -> None:
    before = [job.name for job in endpoint.list_jobs()]

    with pytest.raises(InvalidInputError, match=r"'blue' of endpoint 'digits' would be compared with itself"):
        endpoint.compare(data, "blue", "blue")
    with pytest.raises(NotFoundError):
        endpoint.compare(data, "blue", "red")
    with pytest.raises(InvalidInputError, match="tolerance is -1"):
        endpoint.compare(data, "blue", "green", tolerance=-1)
    assert [job.name for job in endpoint.list_jobs()] == before


def test_jobs_of_two_services_are_waited_for_together_and_told_of_as_they_end(
    client: BatchClient, endpoint: BatchEndpoint, data: Path, tmp_path: Path
) -> None:
    released = tmp_path / "released"
    slow = deployment(tmp_path, "slow", WAITS.format(released=str(released)), mini_batch_size=1)
    with BatchClient.local(tmp_path / "other", workers=1) as other:
        made = other.endpoints.create("other")
        made.deployments.create(slow, set_default=True)
        waits, quick = made.invoke(data), endpoint.invoke(data)
        ended: list[str] = []

        assert wait_any([waits, quick], timeout=60) is quick
        with pytest.raises(WaitTimeoutError, match=rf"1 of 2 jobs has not ended after .*'{waits.name}' \(") as late:
            wait_all([waits, quick], timeout=0.2, on_done=lambda job: ended.append(job.name))
        assert late.value.resource is waits and ended == [quick.name]

        released.touch()
        again = other.jobs.get(waits.name)
        assert wait_all([waits, quick, again], timeout=60) == [waits, quick, again]
        assert again.status is waits.status is JobStatus.COMPLETED


def test_a_callback_is_called_once_with_the_job_from_a_thread_of_the_client_and_at_once_when_it_has_ended(
    endpoint: BatchEndpoint, data: Path
) -> None:
    job, told, happened = endpoint.invoke(data), list[tuple[Job, str]](), threading.Event()

    def tell(ended: Job) -> None:
        told.append((ended, threading.current_thread().name))
        happened.set()

    job.add_done_callback(tell)
    assert happened.wait(60)
    assert told[0][0] is job and job.status is JobStatus.COMPLETED
    assert told[0][1] != threading.current_thread().name

    job.add_done_callback(tell)
    assert told[1:] == [(job, threading.current_thread().name)]


def test_everything_that_a_real_service_keeps_raises_and_warns_of_nothing(
    endpoint: BatchEndpoint, data: Path, tmp_path: Path
) -> None:
    spec = deployment(tmp_path, "full", WAITS.format(released=str(data)), environment_variables={"A": "b c"})
    with warnings.catch_warnings():
        warnings.simplefilter("error", NotKeptWarning)
        made = endpoint.deployments.create(spec.changed(tags={"Team": "A"}, description="full", isolate_failures=True))
        made.update(description="new", tags={"Team": "B"}, wait=False).wait(timeout=60)
        job = endpoint.invoke(
            data,
            deployment="full",
            output="folder:azureml://datastores/workspaceblobstore/paths/Kept/here/",
            output_file_name="rows.txt",
            mini_batch_size=2,
            instance_count=2,
            max_concurrency_per_instance=1,
            error_threshold=3,
            retry_settings=RetrySettings(max_retries=2, timeout=30),
            logging_level="debug",
            isolate_failures=True,
            experiment_name="trial",
            tags={"Run": "1"},
        )
        assert job.wait(timeout=60).status is JobStatus.COMPLETED


def test_the_command_line_compares_and_waits_for_several_jobs(
    client: BatchClient, jobs: dict[str, Job], data: Path, tmp_path: Path
) -> None:
    assert client.local_service is not None
    abe, written = Abe(client.local_service.root), tmp_path / "differing.csv"

    said = abe.json(
        *("endpoint", "compare", "digits", "--input", data, "--deployments", "blue", "green"),
        *("--tolerance", "1e-6", "--differing", written),
    )
    assert (said["agreement"], said["differing"], list(said["jobs"])) == (0.75, 3, ["blue", "green"])
    assert written.read_text().splitlines()[1] == "09.txt,0,9,0"

    good, bad = (jobs[name].name for name in ("blue", "broken"))
    assert [line.split()[0] for line in abe("job", "wait", good, good, "--name", bad, code=2).stdout.splitlines()] == [
        *("NAME", good, bad)
    ]
    assert abe("job", "wait", bad, good, "--any").stdout.split()[1] in (good, bad)
    two = abe("job", "wait", bad, jobs["broken-too"].name, code=2).stderr
    assert "2 of 2 jobs did not complete" in two and "See the logs of each: abe job logs <job>" in two
