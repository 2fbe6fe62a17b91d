"""Rows of real jobs one by one, while they run and across a restart of the service; inputs beside them; Parquet."""

from __future__ import annotations

import io
from collections.abc import Iterator
from contextlib import redirect_stdout
from itertools import islice
from pathlib import Path

import pandas as pd
import pytest

from azure_batch_endpoints import BatchClient, BatchEndpoint, JobStatus, ResultsError, RetrySettings, WaitTimeoutError
from azure_batch_endpoints.cli.rows import write
from tests.local.scripts import deployment, numbers

GATED = """
    import os, time
    import pandas as pd

    def init():
        pass

    def run(mini_batch):
        rows = []
        for path in mini_batch:
            name = os.path.basename(path)
            while name in {held!r} and not os.path.exists({released!r}):
                time.sleep(0.02)
            number = int(open(path).read())
            if number == 7:
                raise ValueError("seven")
            rows.append((name, number, "two\\nlines" if number % 2 else None))
        return pd.DataFrame(rows, columns=["file", "number", "note"])
"""
WRITES = """
    import os
    import pandas as pd

    def init():
        pass

    def run(mini_batch):
        for path in mini_batch:
            number = int(open(path).read())
            if number == {bad}:
                raise ValueError("bad")
            stem = os.path.splitext(os.path.basename(path))[0]
            table = pd.DataFrame({{"number": [number] * number, "half": number / 2}})
            table.to_parquet(os.path.join(os.environ["AZUREML_BI_OUTPUT_PATH"], stem + ".parquet"))
        return mini_batch
"""
ONCE = RetrySettings(max_retries=1)


@pytest.fixture(scope="module")
def endpoint(tmp_path_factory: pytest.TempPathFactory) -> Iterator[BatchEndpoint]:
    with BatchClient.local(tmp_path_factory.mktemp("service"), workers=2) as client:
        yield client.endpoints.create("flow")


def gated(folder: Path, *held: str) -> tuple[str, Path]:
    released = folder / "released"
    return GATED.format(held=held, released=str(released)), released


def test_rows_come_while_the_job_runs_each_once_and_afterwards_in_the_order_of_the_inputs(
    endpoint: BatchEndpoint, tmp_path: Path
) -> None:
    script, released = gated(tmp_path, "00.txt")
    made = endpoint.deployments.create(deployment(tmp_path, "gated", script, mini_batch_size=2, retry_settings=ONCE))
    job = endpoint.invoke(numbers(tmp_path / "data", 12), deployment=made)

    rows = job.results.iter_rows(source_file=True, timeout=60)
    early = list(islice(rows, 8))
    assert {row["number"] for row in early} == {2, 3, 4, 5, 8, 9, 10, 11}  # 0 and 1 are held, 6 and 7 failed
    assert not job.refresh().status.is_terminal
    released.touch()
    rest = list(rows)

    assert [row["number"] for row in rest] == [0, 1]
    assert job.status is JobStatus.COMPLETED, "whoever has read all rows looks at the status next"
    frame = job.results.to_pandas(source_file=True)
    again = list(job.results.iter_rows(source_file=True))
    pd.testing.assert_frame_equal(pd.DataFrame(again), frame)
    assert [row["source file"] for row in again] == [row["file"] for row in again]
    assert [row["x"] for row in job.results.iter_rows(columns=["x", "y", "z"])] == frame["file"].tolist()
    with pytest.raises(ResultsError, match="3 columns, but 1 names"):
        next(job.results.iter_rows(columns=["x"]))


def test_rows_end_without_an_error_when_the_job_failed_and_can_be_left(endpoint: BatchEndpoint, tmp_path: Path) -> None:
    script, released = gated(tmp_path, "07.txt")
    spec = deployment(tmp_path, "failing", script, mini_batch_size=1, retry_settings=ONCE, error_threshold=0)
    made = endpoint.deployments.create(spec)
    job = endpoint.invoke(numbers(tmp_path / "data", 9), deployment=made)

    left = job.results.iter_rows()
    assert next(left)["number"] in range(9)
    left.close()  # type: ignore[attr-defined]
    with pytest.raises(WaitTimeoutError, match=r"still runs after 0\.5 s") as late:
        list(job.results.iter_rows(timeout=0.5))
    assert late.value.resource is job
    released.touch()
    found = [row["number"] for row in job.results.iter_rows(timeout=60)]

    assert job.refresh().status is JobStatus.FAILED
    assert sorted(found) == job.results.to_pandas(partial=True)["number"].tolist()


def test_rows_go_on_where_they_were_when_the_service_starts_again(tmp_path: Path) -> None:
    script, released = gated(tmp_path, "03.txt")
    root = tmp_path / "root"
    with BatchClient.local(root, workers=2) as client:
        endpoint = client.endpoints.create("again")
        endpoint.deployments.create(deployment(tmp_path, "gated", script, mini_batch_size=1), set_default=True)
        job = endpoint.invoke(numbers(tmp_path / "data", 6))
        rows = job.results.iter_rows(timeout=120)
        early = [next(rows)["number"] for _ in range(5)]
        assert sorted(early) == [0, 1, 2, 4, 5]

        with BatchClient.local(root, workers=2):
            pass
        released.touch()

        assert [row["number"] for row in rows] == [3]


def test_a_mini_batch_of_many_rows_comes_in_parts(endpoint: BatchEndpoint, tmp_path: Path) -> None:
    script = """
        import pandas as pd

        def init():
            pass

        def run(mini_batch):
            texts = ["", None, 'say "x"', "two\\nlines", "x" * 50] * 20000
            return pd.DataFrame({"number": range(len(texts)), "text": texts})
    """
    made = endpoint.deployments.create(deployment(tmp_path, "long", script))
    job = endpoint.invoke(numbers(tmp_path / "data", 1), deployment=made).wait(timeout=60)

    rows = list(job.results.iter_rows(source_file=True))

    pd.testing.assert_frame_equal(pd.DataFrame(rows), job.results.to_pandas(source_file=True))
    assert len(rows) == 100_000


def test_the_command_line_prints_rows_as_they_come(endpoint: BatchEndpoint, tmp_path: Path) -> None:
    script, released = gated(tmp_path, "01.txt")
    spec = deployment(tmp_path, "printed", script, mini_batch_size=1, max_concurrency_per_instance=1)
    job = endpoint.invoke(numbers(tmp_path / "data", 3), deployment=endpoint.deployments.create(spec))
    released.touch()
    job.wait(timeout=60)
    lines = io.StringIO()
    with redirect_stdout(lines):
        assert write(job.results.iter_rows(), "csv") == 3
        assert write(job.results.iter_rows(columns=["a", "b", "c"]), "jsonl") == 3

    assert lines.getvalue().splitlines()[:5] == [
        "file,number,note",
        "00.txt,0,",
        '01.txt,1,"two',
        'lines"',
        "02.txt,2,",
    ]
    assert lines.getvalue().splitlines()[5:7] == [
        '{"a": "00.txt", "b": 0, "c": null}',
        '{"a": "01.txt", "b": 1, "c": "two\\nlines"}',
    ]


def test_parquet_files_of_a_script_make_one_table(endpoint: BatchEndpoint, tmp_path: Path) -> None:
    spec = deployment(tmp_path, "writes", WRITES.format(bad=99), output_action="summary_only")
    made = endpoint.deployments.create(spec)
    job = endpoint.invoke(numbers(tmp_path / "data", 4), deployment=made).wait(timeout=60)

    frame = job.results.to_pandas(source_file=True)

    assert frame["number"].tolist() == [1, 2, 2, 3, 3, 3]
    assert str(frame["half"].dtype) == "float64"
    assert frame["source file"].tolist() == ["01.parquet", *["02.parquet"] * 2, *["03.parquet"] * 3]
    assert job.results.to_arrow(columns=["n", "h"]).column_names == ["n", "h"]
    assert next(job.results.iter_rows()) == {"number": 1, "half": 0.5}
    with pytest.raises(ResultsError, match=r"sep= is for rows written as text"):
        job.results.to_pandas(sep=",")


def test_parquet_files_of_a_job_that_failed_are_read_with_partial(endpoint: BatchEndpoint, tmp_path: Path) -> None:
    once = {"retry_settings": ONCE, "mini_batch_size": 1, "error_threshold": 0, "max_concurrency_per_instance": 1}
    spec = deployment(tmp_path, "early", WRITES.format(bad=3), output_action="summary_only", **once)
    made = endpoint.deployments.create(spec)
    job = endpoint.invoke(numbers(tmp_path / "data", 4), deployment=made).wait(timeout=60, raise_on_failure=False)

    with pytest.raises(ResultsError, match="read the rows that were scored with partial=True"):
        job.results.to_pandas()
    assert job.results.to_pandas(partial=True)["number"].tolist() == [1, 2, 2]


def test_inputs_stand_beside_the_rows_that_came_of_them(endpoint: BatchEndpoint, tmp_path: Path) -> None:
    script = """
        import pandas as pd

        def init():
            pass

        def run(mini_batch):
            path = mini_batch[0]
            if path.endswith(".txt"):
                return [open(path).read()]
            table = pd.read_csv(path) if path.endswith(".csv") else pd.read_parquet(path)
            return pd.DataFrame({"a": table["a"] * 10, "sum": table["a"] + table["b"]})
    """
    made = endpoint.deployments.create(deployment(tmp_path, "beside", script, mini_batch_size=1))
    data = tmp_path / "data"
    data.mkdir()
    pd.DataFrame({"a": [1, 2], "b": [3, 4]}).to_csv(data / "one.csv", index=False)
    pd.DataFrame({"a": [5], "b": [6]}).to_parquet(data / "two.parquet")
    job = endpoint.invoke(data, deployment=made).wait(timeout=60)

    frame = job.results.to_pandas(inputs=True)

    assert list(frame.columns) == ["a (input)", "b", "a", "sum"]
    assert frame.to_numpy().tolist() == [[1, 3, 10, 4], [2, 4, 20, 6], [5, 6, 50, 11]]
    assert job.results.to_arrow(inputs=True, source_file=True).column_names[-1] == "source file"

    plain = endpoint.invoke(numbers(tmp_path / "texts", 2), deployment=made).wait(timeout=60)
    texts = plain.results.to_pandas(inputs=True, source_file=True)
    assert list(texts.columns) == ["source file", "source uri", 0]
    assert texts["source uri"].str.endswith(("/00.txt", "/01.txt")).all()


def test_inputs_that_do_not_match_say_which_and_how_many(endpoint: BatchEndpoint, tmp_path: Path) -> None:
    script = """
        def init():
            pass

        def run(mini_batch):
            return ["x"] * 3
    """
    data = tmp_path / "data"
    data.mkdir()
    for name in ("one.csv", "two.csv"):
        pd.DataFrame({"a": [1, 2]}).to_csv(data / name, index=False)
    made = endpoint.deployments.create(deployment(tmp_path, "three", script, mini_batch_size=1))
    job = endpoint.invoke(data, deployment=made).wait(timeout=60)
    together = endpoint.invoke(data, deployment=made, mini_batch_size=2).wait(timeout=60)

    with pytest.raises(ResultsError, match=r"'one\.csv' has 2 rows, and 3 rows of the result came of it"):
        job.results.to_pandas(inputs=True)
    with pytest.raises(ResultsError, match=r"Of 3 of the 3 rows of job .* it is not known .* mini_batch_size=1"):
        together.results.to_pandas(inputs=True)
