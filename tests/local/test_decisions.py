"""What the documents leave open, as docs/local-service.md says it is decided: a test for each row, by its name.

``tests/docs/test_pages.py`` fails when a row of that table has no test here.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pandas as pd
import pytest

from azure_batch_endpoints import (
    BatchClient,
    BatchEndpoint,
    ComputeSpec,
    DeploymentSpec,
    EnvironmentSpec,
    Job,
    JobStatus,
    NotFoundError,
    ProvisioningState,
    RetrySettings,
)
from tests.local.scripts import deployment, numbers

NAMES = """
    import os
    def init(): pass
    def run(mini_batch): return [os.path.basename(path) for path in mini_batch]
"""
FAIL_TWO = """
    import os
    def init(): pass
    def run(mini_batch):
        assert os.path.basename(mini_batch[0]) not in ("01.txt", "03.txt")
        return [os.path.basename(path) for path in mini_batch]
"""
COUNTED = """
    import os, pathlib
    calls = pathlib.Path(os.environ["AZUREML_BI_OUTPUT_PATH"], "calls.txt")
    def init(): pass
    def run(mini_batch):
        with calls.open("a") as file:
            file.write("x")
        {body}
"""
ALONE = {"mini_batch_size": 1, "max_concurrency_per_instance": 1}


class Site:
    """A local service with one endpoint and four files, 00.txt to 03.txt."""

    def __init__(self, client: BatchClient, endpoint: BatchEndpoint, folder: Path) -> None:
        self.client, self.endpoint, self.folder = client, endpoint, folder
        self.data = numbers(folder / "data", 4)
        self._made = 0

    def spec(self, script: str, **settings: Any) -> DeploymentSpec:
        self._made += 1
        return deployment(self.folder, f"try-{self._made}", script, **{**ALONE, **settings})

    def score(self, script: str, *, output: str | None = None, **settings: Any) -> Job:
        made = self.endpoint.deployments.create(self.spec(script, **settings))
        return self.endpoint.invoke(self.data, deployment=made, output=output).wait(
            timeout=150, raise_on_failure=False, progress=False
        )

    def written(self, job: Job, name: str) -> str:
        folder = self.folder / "results" / job.name
        job.results.download(folder)
        return (folder / name).read_text()


def rows(job: Job) -> list[str]:
    return [str(value) for value in job.results.to_pandas()[0]]


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    folder = tmp_path_factory.mktemp("decisions")
    with BatchClient.local(folder / "root", workers=2) as client:
        yield Site(client, client.endpoints.create("decisions"), folder)


@pytest.mark.parametrize(("max_retries", "tries"), [(0, 1), (1, 1), (3, 3)])
def test_max_retries_counts_tries(site: Site, max_retries: int, tries: int) -> None:
    script = COUNTED.format(body='if "02.txt" in mini_batch[0]: raise OSError("not yet")\n        return mini_batch')

    job = site.score(script, retry_settings=RetrySettings(max_retries=max_retries, timeout=10))

    assert {one.path: one.attempts for one in job.items()}["02.txt"] == tries
    assert len(site.written(job, "calls.txt")) == 3 + tries


@pytest.mark.parametrize(("error_threshold", "status"), [(1, "Failed"), (2, "Completed"), (-1, "Completed")])
def test_error_threshold_is_strict(site: Site, error_threshold: int, status: str) -> None:
    job = site.score(FAIL_TWO, error_threshold=error_threshold)

    assert job.status == JobStatus(status), job.error
    if status == "Failed":
        assert job.error is not None and "2 files failed, error_threshold is 1" in job.error


@pytest.mark.parametrize("error_threshold", [-1, 100])
def test_nothing_succeeded_fails(site: Site, error_threshold: int) -> None:
    job = site.score("def init(): pass\ndef run(mini_batch): raise ValueError('bad')", error_threshold=error_threshold)

    assert job.status is JobStatus.FAILED
    assert job.error is not None and "There is no succeeded mini batch item" in job.error


def test_a_worker_above_its_memory_is_ended(tmp_path: Path) -> None:
    script = """
        import os, time
        def init(): pass
        def run(mini_batch):
            if "02.txt" in mini_batch[0]:
                hoard = b"x" * (200 << 20)
                time.sleep(60)
            return [os.path.basename(path) for path in mini_batch]
    """
    with BatchClient.local(tmp_path / "root", workers=1, worker_memory="150MiB") as client:
        job = Site(client, client.endpoints.create("eaters"), tmp_path).score(script)

        assert [one.status for one in job.items()] == ["succeeded", "succeeded", "failed", "succeeded"]
        (failed,) = job.items(status="failed")
        assert (failed.attempts, failed.error_type) == (2, "MemoryLimit")
        assert failed.error_message is not None and "may hold 150 MiB. Lower mini_batch_size" in failed.error_message
        assert rows(job) == ["00.txt", "01.txt", "03.txt"]


def test_isolate_failures_finds_the_files_that_fail(site: Site) -> None:
    script = """
        import os
        def init(): pass
        def run(mini_batch):
            if any("01.txt" in path for path in mini_batch):
                os._exit(1)
            return [os.path.basename(path) for path in mini_batch]
    """

    whole = site.score(script, mini_batch_size=4)
    pieces = site.score(script, mini_batch_size=4, isolate_failures=True)

    assert [one.status for one in whole.items()] == ["failed"] * 4
    assert [one.path for one in pieces.items(status="failed")] == ["01.txt"]
    assert rows(pieces) == ["00.txt", "02.txt", "03.txt"]


def test_short_results_are_retried(site: Site) -> None:
    once = COUNTED.format(body="return mini_batch[: len(calls.read_text())]")
    never = COUNTED.format(body="return [os.path.basename(mini_batch[0])]")

    in_the_end = site.score(once, mini_batch_size=4, retry_settings=RetrySettings(max_retries=4))
    short = site.score(never, mini_batch_size=4, retry_settings=RetrySettings(max_retries=2))

    assert [(one.status, one.attempts) for one in in_the_end.items()] == [("succeeded", 4)] * 4
    assert [one.status for one in short.items()] == ["succeeded", "failed", "failed", "failed"]
    assert {(one.attempts, one.error_type) for one in short.items(status="failed")} == {(2, "ShortReturn")}
    assert rows(short) == ["00.txt"]


def test_a_short_result_fails_the_files_it_does_not_name(site: Site) -> None:
    script = "def init(): pass\ndef run(mini_batch): return [mini_batch[3], {'of': mini_batch[1]}]"

    job = site.score(script, mini_batch_size=4, retry_settings=RetrySettings(max_retries=1))

    assert [one.path for one in job.items(status="failed")] == ["00.txt", "02.txt"]


def test_arrays_are_rows_too(site: Site) -> None:
    script = """
        import os, numpy as np
        def init(): pass
        def run(mini_batch):
            number = int(os.path.basename(mini_batch[0])[:2])
            return [np.array([number + 0.5]), np.array([[1, 2]]), ("a tuple",), np.array(7)][number]
    """

    job = site.score(script, retry_settings=RetrySettings(max_retries=1))

    assert site.written(job, "predictions.csv") == "0.5\n[1, 2]\na tuple\n"
    (failed,) = job.items(status="failed")
    assert failed.error_message is not None and failed.error_message.endswith("actual type of output is ndarray.")


def test_texts_are_written_as_they_are(site: Site) -> None:
    script = """
        import os, pandas as pd
        def init(): pass
        def run(mini_batch):
            text = 'two\\nlines, "quoted"'
            return [text] if "00.txt" in mini_batch[0] else pd.DataFrame({"t": [text]})
    """

    job = site.score(script)

    assert site.written(job, "predictions.csv") == 'two\nlines, "quoted"\n' + '"two\nlines, ""quoted"""\n' * 3


def test_files_at_any_depth_by_name(site: Site) -> None:
    data = site.folder / "deep"
    for name in ("b.txt", "a/z.txt", "a/b/c/deep.txt", "B.txt"):
        (data / name).parent.mkdir(parents=True, exist_ok=True)
        (data / name).touch()
    made = site.endpoint.deployments.create(site.spec(NAMES))

    job = site.endpoint.invoke(data, deployment=made).wait(timeout=150)

    assert [one.path for one in job.items()] == ["B.txt", "a/b/c/deep.txt", "a/z.txt", "b.txt"]


def test_an_account_among_the_outputs(site: Site) -> None:
    job = site.score(FAIL_TWO)
    reader = site.endpoint.deployments.create(site.spec(NAMES))
    again = site.endpoint.invoke(job.results.uri, deployment=reader)

    lines = [json.loads(line) for line in site.written(job, "_ledger.jsonl").splitlines()]
    assert [(line["path"], line["status"]) for line in lines] == [(one.path, one.status) for one in job.items()]
    assert rows(again.wait(timeout=150)) == ["predictions.csv"]


def test_what_was_scored_can_be_read(site: Site) -> None:
    job = site.score(FAIL_TWO, error_threshold=0)

    assert job.status is JobStatus.FAILED
    assert [one.name for one in job.results.files()] == ["_ledger.jsonl", "partial/predictions.csv"]
    scored = site.written(job, "partial/predictions.csv").split()
    assert "00.txt" in scored and "01.txt" not in scored


def test_a_retry_is_merged_with_what_it_retries(site: Site) -> None:
    first = site.score(FAIL_TWO, mini_batch_size=1)
    site.endpoint.deployments.create(deployment(site.folder / "mended", str(first.deployment_name), NAMES, **ALONE))
    again = first.retry_failed().wait(timeout=150)

    assert site.written(again, "merged/predictions.csv") == "00.txt\n01.txt\n02.txt\n03.txt\n"
    assert rows(again) == ["01.txt", "03.txt"]


def test_init_has_three_tries(site: Site) -> None:
    script = """
        import os, pathlib
        def init():
            with pathlib.Path(os.environ["AZUREML_BI_OUTPUT_PATH"], "starts.txt").open("a") as file:
                file.write("x")
            raise OSError("no weights")
        def run(mini_batch): return mini_batch
    """

    job = site.score(script)

    assert job.status is JobStatus.FAILED
    assert job.error is not None and "init() raised OSError: no weights (score.py, line 6)" in job.error
    assert {(one.status, one.attempts) for one in job.items()} == {("pending", 0)}
    (starts,) = (site.folder / "root/jobs" / job.name).rglob("starts.txt")
    assert starts.read_text() == "xxx"


def test_a_run_has_what_was_asked_of_logging(site: Site) -> None:
    script = """
        import logging, sys
        def init(): pass
        def run(mini_batch):
            logging.info("an info"); logging.warning("a warning")
            return [sys.argv[1:]]
    """

    job = site.score(script, logging_level="warning")

    assert site.written(job, "predictions.csv") == "['--logging_level', 'warning']\n" * 4
    (printed,) = (site.folder / "root/jobs" / job.name).rglob("process000.stdout.txt")
    assert "a warning" in printed.read_text() and "an info" not in printed.read_text()
    assert any("Scoring with 1 worker process" in line.message for line in job.logs())


def test_shutdown_is_called(site: Site) -> None:
    script = """
        import os, pathlib
        def init(): pass
        def run(mini_batch): return mini_batch
        def shutdown(): pathlib.Path(os.environ["AZUREML_BI_OUTPUT_PATH"], "bye.txt").touch()
    """

    assert "bye.txt" in [one.name for one in site.score(script).results.files()]


def test_an_existing_output_fails(site: Site) -> None:
    place = "azureml://datastores/workspaceblobstore/paths/taken/"

    first, second = (site.score(COUNTED.format(body="return mini_batch"), output=place) for _ in range(2))

    assert (first.status, second.status) == (JobStatus.COMPLETED, JobStatus.FAILED)
    assert second.error is not None and "exists already; nothing was scored" in second.error
    assert len(site.written(first, "calls.txt")) == 4


def test_summary_only_merges_nothing(site: Site) -> None:
    job = site.score(COUNTED.format(body="return mini_batch"), output_action="summary_only")

    assert job.status is JobStatus.COMPLETED
    assert [one.name for one in job.results.files() if one.name != "_ledger.jsonl"] == ["calls.txt"]


def test_timeout_is_strict(site: Site) -> None:
    script = """
        import time
        def init(): pass
        def run(mini_batch):
            if "01.txt" in mini_batch[0]:
                time.sleep(1000)
            return mini_batch
    """

    job = site.score(script, retry_settings=RetrySettings(max_retries=1, timeout=2))

    assert [(one.path, one.error_type) for one in job.items(status="failed")] == [("01.txt", "Timeout")]


def test_creating_makes_no_default(site: Site) -> None:
    endpoint = site.client.endpoints.create("no-default")

    endpoint.deployments.create(site.spec(NAMES))
    assert endpoint.refresh().default_deployment_name is None

    asked = endpoint.deployments.create(site.spec(NAMES), set_default=True)
    assert endpoint.refresh().default_deployment_name == asked.name


def test_each_row_exactly_once_in_order(site: Site) -> None:
    script = """
        import os, pathlib, time
        def init(): pass
        def run(mini_batch):
            name = os.path.basename(mini_batch[0])
            seen = pathlib.Path(os.environ["AZUREML_BI_OUTPUT_PATH"], name)
            if name == "00.txt" and not seen.exists():
                seen.touch()
                os._exit(1)
            return [name]
    """

    job = site.score(script, max_concurrency_per_instance=2)

    assert rows(job) == ["00.txt", "01.txt", "02.txt", "03.txt"]
    assert next(job.items()).attempts == 2


def test_names_and_types_are_kept(site: Site) -> None:
    script = """
        import pandas as pd
        def init(): pass
        def run(mini_batch):
            return pd.DataFrame({"code": ["007"] * len(mini_batch), "share": [0.5] * len(mini_batch)})
    """

    frame = site.score(script).results.to_pandas()

    pd.testing.assert_frame_equal(frame, pd.DataFrame({"code": ["007"] * 4, "share": [0.5] * 4}), check_dtype=False)
    assert frame["share"].dtype == "float64"


def test_every_file_accounted_for(site: Site) -> None:
    job = site.score(FAIL_TWO)

    assert [(one.path, one.status) for one in job.items()] == [
        ("00.txt", "succeeded"),
        ("01.txt", "failed"),
        ("02.txt", "succeeded"),
        ("03.txt", "failed"),
    ]
    assert job.progress is not None
    assert (job.progress.items_done, job.progress.items_failed, job.progress.items_total) == (4, 2, 4)


def test_one_machine(site: Site) -> None:
    job = site.score(NAMES, instance_count=3, max_concurrency_per_instance=2)

    assert job.status is JobStatus.COMPLETED
    assert any("2 worker processes (of 6 asked for" in line.message for line in job.logs())


def test_environments(site: Site) -> None:
    spec = site.spec(NAMES).model_copy(update={"environment": EnvironmentSpec(image="example.azurecr.io/none:1")})

    made = site.endpoint.deployments.create(spec)

    assert site.endpoint.invoke(site.data, deployment=made).wait(timeout=150).status is JobStatus.COMPLETED


def test_no_roles_no_prices(site: Site) -> None:
    compute = site.client.computes.create(ComputeSpec(name="dear", size="Standard_NC24", tier="low_priority"))
    spec = site.spec(NAMES).model_copy(update={"compute": compute.name})

    made = site.endpoint.deployments.create(spec)

    assert compute.raw["properties"]["properties"]["vmSize"] == "STANDARD_NC24"
    assert site.endpoint.invoke(site.data, deployment=made).wait(timeout=150).status is JobStatus.COMPLETED


def asked(site: Site, method: str, path: str, body: object = None, **headers: str) -> httpx.Response:
    info = site.client.local_service
    assert info is not None
    return httpx.request(
        method,
        info.base_url + path,
        json=body,
        headers={"Authorization": f"Bearer {info.token}", **headers},
        timeout=30,
    )


def posted(site: Site, request_id: str, uri: str) -> httpx.Response:
    body = {"properties": {"inputData": {"input": {"jobInputType": "UriFolder", "uri": uri}}}}
    return asked(site, "POST", f"/scoring/{site.endpoint.name}/jobs", body, **{"repeatability_request-id": request_id})


def test_a_repeated_post_is_one_job(site: Site) -> None:
    site.endpoint.deployments.create(site.spec(NAMES), set_default=True)
    place = "azureml://datastores/workspaceblobstore/paths/"

    first, again, other = (posted(site, "id-1", place + name) for name in ("one/", "one/", "two/"))

    assert [one.status_code for one in (first, again, other)] == [201, 200, 409]
    assert first.json()["name"] == again.json()["name"]


def test_queued_at_first(site: Site) -> None:
    site.endpoint.deployments.create(site.spec(NAMES), set_default=True)

    answer = posted(site, "id-2", "azureml://datastores/workspaceblobstore/paths/nothing/")

    assert answer.json()["properties"]["status"] == "Queued"


def test_the_arm_job_tells_its_output(site: Site) -> None:
    job = site.score(NAMES, output="azureml://datastores/workspaceblobstore/paths/told/")
    path = f"/subscriptions/{site.client.subscription_id}/resourceGroups/{site.client.resource_group}/providers"
    path += f"/Microsoft.MachineLearningServices/workspaces/{site.client.workspace}/jobs/{job.name}"

    found = asked(site, "GET", f"{path}?api-version=2024-10-01").json()["properties"]

    assert found["outputs"]["score"]["uri"] == "azureml://datastores/workspaceblobstore/paths/told/"
    assert found["inputs"] is None


def test_a_compute_is_looked_up_by_the_job(site: Site) -> None:
    made = site.endpoint.deployments.create(site.spec(NAMES).changed(compute="azureml:not-yet"))
    assert made.provisioning_state is ProvisioningState.SUCCEEDED

    with pytest.raises(NotFoundError, match=r"Compute 'not-yet' not found\. There are: .*'local'"):
        site.endpoint.invoke(site.data, deployment=made)

    site.client.computes.create(ComputeSpec(name="not-yet", min_instances=0, max_instances=1))
    assert site.endpoint.invoke(site.data, deployment=made).wait(timeout=60).status is JobStatus.COMPLETED


def test_nothing_is_throttled(site: Site) -> None:
    path = f"/subscriptions/{site.client.subscription_id}/resourceGroups/{site.client.resource_group}/providers"
    path += f"/Microsoft.MachineLearningServices/workspaces/{site.client.workspace}?api-version=2023-10-01"

    left = {asked(site, "GET", path).headers["x-ms-ratelimit-remaining-subscription-reads"] for _ in range(5)}

    assert len(left) == 1


def test_at_once(site: Site) -> None:
    endpoint = site.client.endpoints.create("at-once", wait=False)
    made = endpoint.deployments.create(site.spec(NAMES), wait=False)

    assert endpoint.refresh().provisioning_state is ProvisioningState.SUCCEEDED
    assert made.refresh().provisioning_state is ProvisioningState.SUCCEEDED
