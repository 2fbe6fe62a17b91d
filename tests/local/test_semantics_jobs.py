"""Whole jobs as the documents have them: what workers are given, output, logs, exit texts. Index: `test_semantics`."""

from __future__ import annotations

import ast
import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from azure_batch_endpoints.local.logfiles import README
from azure_batch_endpoints.states import JobStatus
from tests.local.service_bench import Bench

DOCUMENTED = (
    "logs/readme.txt",
    "logs/azureml/executionlogs.txt",
    "user_logs/std_log_0.txt",
    "logs/job_progress_overview.*.txt",
    "logs/job_result.txt",
    "logs/job_error.txt",
    "logs/sys/master_role.txt",
    "logs/sys/node/node0/process*.txt",
    "logs/sys/error/node0/process*.txt",
    "logs/user/error.txt",
    "logs/user/error/node0/process*.txt",
    "logs/user/stdout/node0/process*.stdout.txt",
    "logs/user/stderr/node0/process*.stderr.txt",
    "logs/user/entry_script_log/node0/process*.log.txt",
    "logs/perf/node0/node_disk_usage.csv",
    "logs/perf/node0/node_resource_usage.csv",
    "logs/perf/node0/processes_resource_usage.csv",
    "logs/perf/node0/os/??????????/processes_??",
)


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    bench = Bench.open(tmp_path / "root")
    yield bench
    bench.close()


def run_folder(bench: Bench, job: str) -> Path:
    return bench.settings.job_folder(job) / "run"


def test_a_mini_batch_is_a_list_of_absolute_paths_with_the_files_own_names_and_the_last_one_is_shorter(
    bench: Bench,
) -> None:
    names = ["a b.txt", "deep/er/c.txt", "empty.bin", "large.bin", "ünï-数.txt"]
    for name in names:
        bench.put(f"data/{name}", b"x" * (3_000_000 if name == "large.bin" else 0 if name == "empty.bin" else 2))
    job = bench.score(
        """
        import os
        def init(): pass
        def run(mini_batch):
            assert type(mini_batch) is list and all(type(path) is str for path in mini_batch)
            assert all(os.path.isabs(path) and os.path.isfile(path) for path in mini_batch)
            return [(len(mini_batch), os.path.basename(path), os.path.getsize(path)) for path in mini_batch]
        """,
        mini_batch_size=2,
    )
    assert [ast.literal_eval(line) for line in bench.output(job).splitlines()] == [
        *((2, "a b.txt", 2), (2, "c.txt", 2)),
        *((2, "empty.bin", 0), (2, "large.bin", 3_000_000)),
        (1, "ünï-数.txt", 2),
    ]
    assert json.loads(job.progress or "")["total"] == 3


def test_summary_only_workers_write_below_the_output_folder_at_the_same_time_and_a_retry_writes_again(
    bench: Bench,
) -> None:
    for number in range(24):
        bench.put(f"data/{number:02}.txt", str(number))
    job = bench.score(
        """
        import os, pathlib
        out = pathlib.Path(os.environ["AZUREML_BI_OUTPUT_PATH"])
        def init(): pass
        def run(mini_batch):
            for path in map(pathlib.Path, mini_batch):
                for folder in (out, out / path.stem[0] / "nested" / path.stem):
                    folder.mkdir(parents=True, exist_ok=True)
                    with (folder / path.name).open("a" if folder == out else "w") as file:
                        file.write(path.read_text() + "|")
                with (out / "shared.log").open("a") as file:
                    file.write(path.name + "\\n")
                if path.name == "07.txt" and (out / "shared.log").read_text().count("07.txt") == 1:
                    os._exit(1)
            return mini_batch
        """,
        output_action="summary_only",
        max_concurrency_per_instance=2,
        mini_batch_size=1,
    )
    assert (job.status, job.error) == (JobStatus.COMPLETED, None)
    files = bench.names(f"out/{job.name}/")
    nested = {f"{n:02}"[0] + f"/nested/{n:02}/{n:02}.txt" for n in range(24)}
    assert nested | {f"{n:02}.txt" for n in range(24)} | {"shared.log"} == {n for n in files if not n.startswith("_")}
    assert bench.output(job, "0/nested/07/07.txt") == "7|"
    assert bench.output(job, "07.txt") == "7|7|"  # what a script adds to a file, a try adds again
    shared = bench.output(job, "shared.log").splitlines()
    assert sorted(set(shared)) == [f"{n:02}.txt" for n in range(24)]
    assert len(shared) == 25


def test_every_documented_log_file_is_there_in_the_readme_and_in_storage(bench: Bench) -> None:
    for number in range(4):
        bench.put(f"data/{number}.txt", "n")
    job = bench.score(
        """
        import os
        from azureml_user.parallel_run import EntryScript
        def init(): EntryScript().logger.info("ready")
        def run(mini_batch):
            if "2.txt" in mini_batch[0]: os._exit(3)
            if "1.txt" in mini_batch[0]: raise ValueError("bad")
            return mini_batch
        """,
        mini_batch_size=1,
        error_threshold=1,
        max_concurrency_per_instance=1,
        retry={"max_retries": 1},
    )
    assert job.status is JobStatus.FAILED
    folder = run_folder(bench, job.name)
    missing = [pattern for pattern in DOCUMENTED if not list(folder.glob(pattern))]
    assert missing == []
    found = {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}
    known = {path.relative_to(folder).as_posix() for pattern in DOCUMENTED for path in folder.glob(pattern)}
    assert found == known
    for pattern in DOCUMENTED[1:]:
        assert pattern.partition("*")[0].partition("node0")[0].partition("<")[0] in README

    bucket, root = bench.store.open("azureml://datastores/workspaceartifactstore/paths/ExperimentRun/")
    kept = {blob.name.removeprefix(root).partition("/")[2] for blob in bucket.list(root)}
    assert found <= kept


def test_a_failed_jobs_error_begins_with_the_users_cause_and_its_logs_with_the_exit_texts(bench: Bench) -> None:
    for number in range(6):
        bench.put(f"data/{number}.txt", "n")
    job = bench.score(
        """
        def init(): pass
        def run(mini_batch):
            if "5.txt" in mini_batch[0]: {}["other"]
            raise KeyError("age")
        """,
        mini_batch_size=1,
        max_concurrency_per_instance=1,
        retry={"max_retries": 2},
    )
    assert job.error is not None
    first, _, traceback = job.error.partition("\n\n")
    assert first.startswith("run() raised KeyError: 'age' (score.py, line 5, on '0.txt' of mini-batch 0, 2 tries).")
    assert "All 6 files failed. There is no succeeded mini batch item returned from run()." in first
    assert "KeyError 'age' in score.py:5: 5 files" in first and "KeyError 'other' in score.py:4: 1 file" in first
    assert 'raise KeyError("age")' in traceback

    folder = run_folder(bench, job.name)
    told = (folder / "logs/job_error.txt").read_text()
    assert "run() raised KeyError: 'age'" in told.partition("\n")[0]
    for text in (
        "User program failed with Exception: Run failed. Please check logs for details. "
        "You can check logs/readme.txt for the layout of logs.",
        "exited with status code 42. Please check log file 'user_logs/std_log_0.txt'",
    ):
        assert text in told
    assert "User program failed with Exception: Run failed." in bench.log(job)
    assert (folder / "logs/user/error.txt").read_text().count("KeyError: 'age' in score.py:5") == 10
    assert "try 2 of 2" in (folder / "logs/sys/node/node0/process000.txt").read_text()


def test_a_run_finds_the_names_of_its_job_and_the_deployments_variables(bench: Bench) -> None:
    bench.put("data/0.txt", "n")
    job = bench.score(
        """
        import os
        names = ["AZUREML_RUN_ID", "AZUREML_ROOT_RUN_ID", "AZUREML_EXPERIMENT_NAME", "AZUREML_BI_TEXT_COLUMN",
                 "AZURE_STORAGE_CONNECTION_STRING"]
        workspace = ["AZUREML_ARM_SUBSCRIPTION", "AZUREML_ARM_RESOURCEGROUP", "AZUREML_ARM_WORKSPACE_NAME"]
        def init(): pass
        def run(mini_batch): return [*map(os.environ.get, names), all(map(os.environ.get, workspace))]
        """,
        environment_variables={"AZUREML_BI_TEXT_COLUMN": "text"},
    )
    assert bench.output(job).splitlines() == [job.child, job.name, job.experiment, "text", "None", "True"]


def test_retries_do_not_count_as_failures_of_their_files(bench: Bench) -> None:
    for number in range(3):
        bench.put(f"data/{number}.txt", "n")
    job = bench.score(
        """
        import os, pathlib
        def init(): pass
        def run(mini_batch):
            mark = pathlib.Path(os.environ["AZUREML_BI_OUTPUT_PATH"], os.path.basename(mini_batch[0]) + ".mark")
            if mark.exists(): return mini_batch
            mark.touch()
            raise OSError("the first time always")
        """,
        mini_batch_size=1,
        error_threshold=0,
        retry={"max_retries": 2},
    )
    assert (job.status, job.error) == (JobStatus.COMPLETED, None)
    assert json.loads(job.progress or "")["items_failed"] == 0


@pytest.mark.parametrize(
    ("script", "told"),
    [
        ("def init(): raise OSError('no weights')\ndef run(m): return m", "init() raised OSError: no weights"),
        ("def init():\n    import sys; sys.exit(9)\ndef run(m): return m", "init() raised SystemExit"),
        ("import os\ndef init(): os._exit(9)\ndef run(m): return m", "exit code 9"),
        ("import none_such\n", "Importing the script raised ModuleNotFoundError: No module named 'none_such'"),
        ("def init(): pass\ndef run(m)\n", "The scoring script cannot be used:"),
        ("def run(m): return m", "'score.py' defines no function init()"),
    ],
    ids=["raises", "exits", "dies", "import", "syntax", "no init"],
)
def test_an_init_that_never_succeeds_stops_the_job_and_no_file_is_charged(bench: Bench, script: str, told: str) -> None:
    for number in range(3):
        bench.put(f"data/{number}.txt", "n")
    job = bench.score(script, mini_batch_size=1)
    assert job.status is JobStatus.FAILED
    assert job.error is not None and told in job.error.partition("\n")[0]
    assert json.loads(job.progress or "")["items_done"] == 0
    assert told in (run_folder(bench, job.name) / "logs/job_error.txt").read_text()


def test_a_summary_only_job_in_which_nothing_succeeded_completes_and_its_account_says_so(bench: Bench) -> None:
    bench.put("data/0.txt", "n")
    job = bench.score(
        "def init(): pass\ndef run(mini_batch): raise ValueError('bad')",
        output_action="summary_only",
        retry={"max_retries": 1},
    )
    assert (job.status, job.error) == (JobStatus.COMPLETED, None)
    assert json.loads(job.progress or "")["items_failed"] == 1
    assert "0 of 1 files succeeded, 1 failed" in (run_folder(bench, job.name) / "logs/job_result.txt").read_text()


@pytest.mark.parametrize("level", ["debug", "warning"])
def test_the_services_own_logs_do_not_depend_on_the_logging_level(bench: Bench, level: str) -> None:
    bench.put("data/0.txt", "n")
    job = bench.score(logging_level=level)
    assert "Scoring with 1 worker process" in bench.log(job)
    assert "1 of 1 files succeeded" in bench.log(job)


def test_an_input_that_cannot_be_brought_is_in_the_logs_of_errors(bench: Bench) -> None:
    for number in range(40):
        bench.put(f"data/{number:02}.txt", "n")
    gate = bench.root / "gate"
    row = bench.submit(
        f"""
        import os, time
        def init(): pass
        def run(mini_batch):
            while not os.path.exists({str(gate)!r}): time.sleep(0.01)
            return mini_batch
        """,
        mini_batch_size=1,
    )
    bench.wait_for(row, lambda job: job.status is JobStatus.RUNNING)
    bench.remove("data/39.txt")
    gate.touch()
    job = bench.wait(row)
    assert json.loads(job.progress or "")["items_failed"] == 1
    for name in ("user/error.txt", "user/error/node0/staging.txt", "sys/error/node0/staging.txt"):
        text = (run_folder(bench, job.name) / "logs" / name).read_text()
        assert "staging: mini-batch 39: InputUnavailable" in text
