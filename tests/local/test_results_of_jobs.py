"""The rows of real jobs as tables: mini-batches that differ, source files, retries merged, what an early end left."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pandas as pd
import pytest

from azure_batch_endpoints import (
    BatchClient,
    BatchEndpoint,
    JobCanceledError,
    JobFailedError,
    JobStatus,
    ResultsError,
    RetrySettings,
    ServiceError,
)
from tests.local.scripts import deployment, numbers

TABLES = """
    import os
    import pandas as pd

    def init():
        pass

    def run(mini_batch):
        rows = []
        for path in mini_batch:
            number = int(open(path).read())
            if number in (3, 8) and not os.path.exists({mended!r}):
                raise KeyError("age")
            note = "" if number % 3 == 0 else None if number % 3 == 1 else "007"
            rows.append({{"number": number, "half": number / 2, "note": note}})
        frame = pd.DataFrame(rows)
        return frame[["note", "half", "number"]] if rows[0]["number"] % 4 == 0 else frame
"""
WAITS = """
    import os, time

    def init():
        pass

    def run(mini_batch):
        name = os.path.basename(mini_batch[0])
        while name > "03.txt" and not os.path.exists({released!r}):
            time.sleep(0.02)
        return [name]
"""


@pytest.fixture(scope="module")
def endpoint(tmp_path_factory: pytest.TempPathFactory) -> Iterator[BatchEndpoint]:
    with BatchClient.local(tmp_path_factory.mktemp("service"), workers=2) as client:
        yield client.endpoints.create("tables")


def notes(frame: pd.DataFrame) -> list[str | None]:
    return [None if pd.isna(note) else note for note in frame["note"]]


def test_rows_come_back_by_name_with_their_files_and_after_a_retry_as_one_table(
    endpoint: BatchEndpoint, tmp_path: Path
) -> None:
    mended, data = tmp_path / "mended", numbers(tmp_path / "data", 10)
    once = RetrySettings(max_retries=1)
    spec = deployment(tmp_path, "tables", TABLES.format(mended=str(mended)), mini_batch_size=4, retry_settings=once)
    made = endpoint.deployments.create(spec.changed(isolate_failures=True), set_default=True)
    assert made.refresh().settings.isolate_failures

    job = endpoint.invoke(data).wait(timeout=150)

    good = [number for number in range(10) if number not in (3, 8)]
    frame = job.results.to_pandas(source_file=True)
    assert frame["number"].tolist() == good
    assert frame["half"].tolist() == [number / 2 for number in good]
    assert notes(frame) == [["", None, "007"][number % 3] for number in good]
    assert frame["source file"].tolist() == [f"{number:02}.txt" for number in good]
    assert job.failed_items()["path"].tolist() == ["03.txt", "08.txt"]
    assert set(job.failed_items()["error_place"]) == {"score.py:13"}

    mended.touch()
    again = job.retry_failed().wait(timeout=150)

    assert again.retry_of == job.name
    assert again.results.to_pandas()["number"].tolist() == [3, 8]
    whole = again.results.to_pandas(merged=True, source_file=True)
    assert whole["number"].tolist() == list(range(10))
    assert notes(whole) == [["", None, "007"][number % 3] for number in range(10)]
    assert whole["source file"].tolist() == [f"{number:02}.txt" for number in range(10)]
    assert again.results.to_arrow(merged=True).column("half").to_pylist() == [number / 2 for number in range(10)]
    with pytest.raises(ServiceError, match="Nothing failed in job"):
        again.retry_failed()


def test_a_job_can_turn_isolation_off(endpoint: BatchEndpoint, tmp_path: Path) -> None:
    once = RetrySettings(max_retries=1)
    script = TABLES.format(mended=str(tmp_path / "never"))
    spec = deployment(tmp_path, "off", script, mini_batch_size=4, retry_settings=once, isolate_failures=True)
    off = endpoint.deployments.create(spec)

    job = endpoint.invoke(numbers(tmp_path / "data", 10), deployment=off, isolate_failures=False).wait(timeout=150)

    assert len(job.failed_items()) == 6  # the mini-batches of 3 and of 8, whole
    assert len(job.retry_failed(isolate_failures=True).wait(timeout=150, raise_on_failure=False).failed_items()) == 2


def test_a_cancelled_job_tells_what_it_scored_and_the_rest_is_scored_later(
    endpoint: BatchEndpoint, tmp_path: Path
) -> None:
    released, data = tmp_path / "released", numbers(tmp_path / "data", 8)
    spec = deployment(tmp_path, "waits", WAITS.format(released=str(released)), mini_batch_size=1)
    waits = endpoint.deployments.create(spec)
    job = endpoint.invoke(data, deployment=waits)
    while job.progress is None or job.progress.items_done < 4:
        job.refresh()

    job.cancel()
    with pytest.raises(JobCanceledError, match=r"cancelled after 4 of 8 files\. Rows scored before: .*partial=True"):
        job.wait(timeout=150)

    assert job.results.to_pandas(partial=True, source_file=True).to_numpy().tolist() == [
        [f"{number:02}.txt"] * 2 for number in range(4)
    ]
    with pytest.raises(ResultsError, match=r"did not complete.*It ended after 4 of 8 files.*with partial=True"):
        job.results.to_pandas()
    with pytest.raises(ServiceError, match=r"4 files were never scored\. Retry them too: include_pending=True"):
        job.retry_failed()

    released.touch()
    rest = job.retry_failed(include_pending=True).wait(timeout=150)

    assert rest.results.to_pandas()[0].tolist() == [f"{number:02}.txt" for number in range(4, 8)]
    assert rest.results.to_pandas(merged=True)[0].tolist() == [f"{number:02}.txt" for number in range(8)]


def test_a_failed_job_leaves_the_rows_of_what_succeeded(endpoint: BatchEndpoint, tmp_path: Path) -> None:
    script = TABLES.format(mended=str(tmp_path / "never"))
    once = RetrySettings(max_retries=1)
    spec = deployment(tmp_path, "fails", script, mini_batch_size=1, retry_settings=once, error_threshold=1)
    fails = endpoint.deployments.create(spec)
    job = endpoint.invoke(numbers(tmp_path / "data", 10), deployment=fails)

    with pytest.raises(JobFailedError, match=r"KeyError.*score\.py.*(?s:.*)Rows scored before: .*partial=True"):
        job.wait(timeout=150)

    scored = job.results.to_pandas(partial=True)["number"].tolist()
    assert job.status is JobStatus.FAILED and set(scored) <= set(range(10)) - {3, 8}
    assert scored == sorted(scored) != []
