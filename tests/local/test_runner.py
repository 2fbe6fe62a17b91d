"""Jobs from Queued to their end: real store, state, scheduler, engine and worker processes, without HTTP."""

from __future__ import annotations

import json
import os
import socket
import sqlite3
import sys
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from azure_batch_endpoints.local.buckets import EmbeddedBucket
from azure_batch_endpoints.states import JobStatus
from tests.local.service_bench import Bench, uri


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    bench = Bench.open(tmp_path / "root")
    yield bench
    bench.close()


def put_files(bench: Bench, count: int, folder: str = "data") -> None:
    for number in range(count):
        bench.put(f"{folder}/{number:03}.txt", f"n{number}")


def lines(count: int) -> str:
    return "".join(f"{number:03}.txt: n{number}\n" for number in range(count))


def test_a_folder_is_scored_in_listing_order_with_files_at_any_depth(bench: Bench) -> None:
    bench.put("data/b/deep.txt", "two")
    bench.put("data/a.txt", "one")
    bench.put("data/z.txt", "three")
    bench.put("database/not-mine.txt", "no")
    job = bench.score()
    assert (job.status, job.error) == (JobStatus.COMPLETED, None)
    assert bench.output(job) == "a.txt: one\ndeep.txt: two\nz.txt: three\n"
    assert json.loads(job.rows or "") == [{"kind": "list", "columns": [[0, "str"]]}]
    progress = json.loads(job.progress or "")
    assert (progress["done"], progress["total"], progress["items_done"], progress["items_failed"]) == (2, 2, 3, 0)
    assert job.started_at and job.ended_at


def test_a_hundred_small_files_are_scored_in_ten_mini_batches_and_written_in_order(bench: Bench) -> None:
    put_files(bench, 100)
    job = bench.score(mini_batch_size=10)
    assert (job.status, job.error) == (JobStatus.COMPLETED, None)
    assert bench.output(job) == lines(100)
    progress = json.loads(job.progress or "")
    assert (progress["done"], progress["total"], progress["items_done"]) == (10, 10, 100)


def test_a_single_file_is_one_input(bench: Bench) -> None:
    put_files(bench, 3)
    job = bench.score(data="data/001.txt", kind="file")
    assert bench.output(job) == "001.txt: n1\n"


def test_the_script_finds_the_model_by_its_own_name_and_the_run_in_its_environment(bench: Bench) -> None:
    put_files(bench, 1)
    job = bench.score(
        """
        import os
        def init(): pass
        def run(mini_batch):
            model = open(os.environ["AZUREML_MODEL_DIR"] + "/m.pkl").read()
            return [" ".join([model, os.environ["AZUREML_RUN_ID"], os.environ["MINE"], str(len(mini_batch))])]
        """,
        environment_variables={"MINE": "yes"},
    )
    assert bench.output(job) == f"model {job.child} yes 1\n", job.error


def test_an_empty_folder_fails_before_anything_is_scored(bench: Bench) -> None:
    job = bench.score(data="nothing/here/")
    assert job.status is JobStatus.FAILED
    assert job.error and "nothing/here/' holds no files" in job.error


def test_a_file_given_as_folder_and_a_folder_given_as_file_say_what_to_write(bench: Bench) -> None:
    put_files(bench, 2)
    as_folder = bench.score(data="data/001.txt/")
    as_file = bench.score(data="data", kind="file")
    assert as_folder.error and f'write file("{uri("data/001.txt")}")' in as_folder.error
    assert as_file.error and f'write folder("{uri("data")}")' in as_file.error


def test_an_output_file_that_exists_fails_the_job_before_anything_is_scored(bench: Bench) -> None:
    put_files(bench, 1)
    bench.put("taken/predictions.csv", "old")
    job = bench.score(output="taken/")
    assert job.status is JobStatus.FAILED
    assert job.error and "taken/predictions.csv' exists already; nothing was scored" in job.error
    assert bench.read("taken/predictions.csv") == "old"
    assert not (bench.settings.job_folder(job.name) / "parts").exists()


def test_more_failed_files_than_the_threshold_fail_the_job_with_script_line_file_and_count(bench: Bench) -> None:
    put_files(bench, 4)
    job = bench.score(
        """
        def init(): pass
        def run(mini_batch):
            if "002" in mini_batch[0]:
                raise KeyError("age")
            return mini_batch
        """,
        error_threshold=1,
        max_concurrency_per_instance=1,
        retry={"max_retries": 2},
    )
    assert job.status is JobStatus.FAILED
    assert job.error and job.error.startswith(
        "run() raised KeyError: 'age' (score.py, line 5, on '002.txt' of mini-batch 1, 2 tries)."
        " 2 files failed, error_threshold is 1."
    )
    assert "Traceback" in job.error


def test_failures_within_the_threshold_complete_the_job(bench: Bench) -> None:
    put_files(bench, 4)
    job = bench.score(
        "def init(): pass\ndef run(m):\n    assert '002' not in m[0]\n    return ['ok'] * len(m)",
        error_threshold=2,
    )
    assert job.status is JobStatus.COMPLETED, job.error
    assert bench.output(job) == "ok\nok\n"


def test_nothing_succeeded_fails_an_append_row_job_with_the_documented_text(bench: Bench) -> None:
    put_files(bench, 2)
    job = bench.score("def init(): pass\ndef run(mini_batch): raise ValueError('bad')", retry={"max_retries": 1})
    assert job.status is JobStatus.FAILED
    assert (
        job.error
        and "run() raised ValueError: bad (score.py, line 2, on '000.txt' of mini-batch 0, 1 try)." in job.error
    )
    assert "There is no succeeded mini batch item returned from run()" in job.error


def test_an_init_that_raises_fails_the_job_with_the_users_traceback(bench: Bench) -> None:
    put_files(bench, 2)
    job = bench.score("def init(): raise RuntimeError('no weights')\ndef run(mini_batch): return []")
    assert job.status is JobStatus.FAILED
    assert job.error and "init() raised RuntimeError: no weights (score.py, line 1)" in job.error
    assert "Traceback" in job.error


def test_a_script_without_run_fails_the_job(bench: Bench) -> None:
    put_files(bench, 1)
    job = bench.score("def init(): pass")
    assert job.error and "'score.py' defines no function run()" in job.error


def test_summary_only_uploads_what_the_script_wrote_and_merges_nothing(bench: Bench) -> None:
    put_files(bench, 4)
    job = bench.score(
        """
        import os, pathlib
        def init(): pass
        def run(mini_batch):
            for file in map(pathlib.Path, mini_batch):
                target = pathlib.Path(os.environ["AZUREML_BI_OUTPUT_PATH"], "sub", file.name)
                target.parent.mkdir(exist_ok=True)
                target.write_text(file.read_text().upper())
            return mini_batch
        """,
        output_action="summary_only",
        max_concurrency_per_instance=2,
    )
    assert job.status is JobStatus.COMPLETED, job.error
    written = [name for name in bench.names(f"out/{job.name}/") if name != "_ledger.jsonl"]
    assert written == [f"sub/{number:03}.txt" for number in range(4)]
    assert bench.output(job, "sub/003.txt") == "N3"


def test_blobs_that_are_a_file_and_a_folder_of_one_name_are_both_scored(bench: Bench) -> None:
    bench.put("data/a", "file")
    bench.put("data/a/b", "below")
    bench.put("data/../up", "outside")
    job = bench.score(mini_batch_size=1)
    assert job.status is JobStatus.COMPLETED, job.error
    assert sorted(line.split(": ")[1] for line in bench.output(job).splitlines()) == ["below", "file", "outside"]
    assert not (bench.root / "jobs" / job.name / "up").exists()


def test_a_script_that_overwrites_its_inputs_damages_neither_the_store_nor_the_next_job(bench: Bench) -> None:
    bench.put("data/big.bin", b"x" * 200_000)
    spoil = """
        import os
        def init(): pass
        def run(mini_batch):
            for path in [*mini_batch, os.environ["AZUREML_MODEL_DIR"] + "/m.pkl", "score.py"]:
                try:
                    open(path, "w").write("spoilt")
                except PermissionError:
                    pass
            return mini_batch
    """
    assert bench.score(spoil).status is JobStatus.COMPLETED
    assert bench.read("data/big.bin") == "x" * 200_000
    job = bench.score(
        "import os\ndef init(): pass\ndef run(m): return [open(os.environ['AZUREML_MODEL_DIR'] + '/m.pkl').read()]"
    )
    assert bench.output(job) == "model\n"


def test_staged_inputs_are_taken_away_again(bench: Bench) -> None:
    put_files(bench, 20)
    job = bench.score()
    assert job.status is JobStatus.COMPLETED
    assert not (bench.settings.job_folder(job.name) / "inputs").exists()


def test_a_running_job_can_be_cancelled_and_keeps_its_finished_parts(bench: Bench) -> None:
    put_files(bench, 6)
    row = bench.submit(
        "import time\ndef init(): pass\ndef run(m):\n    time.sleep(60 if '002' in m[0] else 0)\n    return m"
    )
    bench.wait_for(row, lambda job: '"done": 1' in (job.progress or ""))
    bench.scheduler.cancel(row.name)
    assert bench.job(row.name).status in {JobStatus.CANCEL_REQUESTED, JobStatus.CANCELED}
    job = bench.wait(row)
    assert (job.status, job.error) == (JobStatus.CANCELED, None)  # long before the script's minute is over
    assert any((bench.settings.job_folder(job.name) / "parts").iterdir())


def test_jobs_start_in_order_as_slots_come_free_and_a_waiting_one_is_cancelled_at_once(bench: Bench) -> None:
    put_files(bench, 2)
    gate = bench.root / "gate"
    slow = f"""
        import os, time
        def init(): pass
        def run(mini_batch):
            while not os.path.exists({str(gate)!r}):
                time.sleep(0.01)
            return mini_batch
    """
    first = bench.submit(slow, max_concurrency_per_instance=5)  # takes both slots
    second, third = bench.submit(), bench.submit()
    bench.wait_for(first, lambda job: job.status is JobStatus.RUNNING)
    assert bench.job(second.name).status is JobStatus.QUEUED
    bench.scheduler.cancel(third.name)
    assert bench.job(third.name).status is JobStatus.CANCELED
    gate.touch()
    assert bench.wait(first).status is JobStatus.COMPLETED
    assert bench.wait(second).status is JobStatus.COMPLETED
    assert "2 worker processes (of 5 asked for" in bench.log(first)


def test_a_job_that_is_cancelled_before_it_is_submitted_never_runs(bench: Bench) -> None:
    put_files(bench, 1)
    row = bench.state.add_job(bench.row())
    bench.scheduler.cancel(row.name)
    bench.scheduler.submit(row.name)
    assert bench.score().status is JobStatus.COMPLETED
    assert bench.job(row.name).status is JobStatus.CANCELED
    assert not bench.settings.job_folder(row.name).exists()


@pytest.mark.parametrize("error", [sqlite3.OperationalError("database or disk is full"), OSError("gone")])
def test_a_store_that_cannot_take_the_logs_does_not_fail_the_job(
    bench: Bench, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    put_files(bench, 1)
    upload = EmbeddedBucket.upload

    def refuse(bucket: EmbeddedBucket, name: str, *arguments: Any, **options: Any) -> None:
        if name.startswith("ExperimentRun/"):
            raise error
        upload(bucket, name, *arguments, **options)

    monkeypatch.setattr(EmbeddedBucket, "upload", refuse)
    row = bench.score()
    assert (row.status, row.error) == (JobStatus.COMPLETED, None)
    assert bench.output(row) == lines(1)


def test_submitting_a_job_twice_runs_it_once_and_cancelling_an_ended_one_changes_nothing(bench: Bench) -> None:
    put_files(bench, 2)
    row = bench.submit()
    bench.scheduler.submit(row.name)
    assert bench.wait(row).status is JobStatus.COMPLETED
    bench.scheduler.cancel(row.name)
    bench.scheduler.submit(row.name)
    assert bench.job(row.name).status is JobStatus.COMPLETED


def test_a_job_interrupted_by_the_end_of_the_service_goes_on_and_scores_nothing_twice(tmp_path: Path) -> None:
    bench = Bench.open(tmp_path / "root")
    put_files(bench, 8)
    seen = tmp_path / "seen"
    row = bench.submit(
        f"""
        import pathlib, time
        def init(): pass
        def run(mini_batch):
            names = [pathlib.Path(f).name for f in mini_batch]
            if "004.txt" in names and not pathlib.Path({str(seen)!r} + ".again").exists():
                time.sleep(60)
            open({str(seen)!r}, "a").write("".join(n + "\\n" for n in names))
            return [n + ": " + pathlib.Path(f).read_text() for n, f in zip(names, mini_batch)]
        """,
        max_concurrency_per_instance=1,
    )
    bench.wait_for(row, lambda job: '"done": 2' in (job.progress or ""))
    bench.close()
    Path(f"{seen}.again").touch()
    again = Bench.open(tmp_path / "root")
    again.scheduler.resume()
    job = again.wait(row)
    assert job.status is JobStatus.COMPLETED, job.error
    assert again.output(job) == lines(8)
    assert sorted(seen.read_text().split()) == [f"{number:03}.txt" for number in range(8)]
    again.close()


def test_rows_that_were_lost_between_two_runs_of_a_job_fail_it_and_its_log_says_so(tmp_path: Path) -> None:
    bench = Bench.open(tmp_path / "root")
    put_files(bench, 4)
    again = tmp_path / "again"
    row = bench.submit(
        f"""
        import pathlib, time
        def init(): pass
        def run(mini_batch):
            if "002.txt" in mini_batch[0] and not pathlib.Path({str(again)!r}).exists():
                time.sleep(60)
            return mini_batch
        """,
        max_concurrency_per_instance=1,
    )
    bench.wait_for(row, lambda job: '"done": 1' in (job.progress or ""))
    bench.close()
    for part in (bench.settings.job_folder(row.name) / "parts").iterdir():
        part.unlink()
    again.touch()
    bench = Bench.open(tmp_path / "root")
    bench.scheduler.resume()
    job = bench.wait(row)
    assert job.status is JobStatus.FAILED
    assert job.error and "is gone; rows of the job are lost. Invoke the deployment again." in job.error
    assert "rows of the job are lost" in bench.log(job)
    bench.close()


def test_a_job_interrupted_after_its_output_was_put_in_place_completes(tmp_path: Path) -> None:
    bench = Bench.open(tmp_path / "root")
    put_files(bench, 2)
    row = bench.state.add_job(bench.row())
    bucket, name = bench.store.open(uri(f"out/{row.name}/predictions.csv"))
    (tmp_path / "rows").write_text("as before")
    bucket.upload(name, tmp_path / "rows", metadata={"azure_batch_endpoints_job": row.child}, overwrite=False)
    bench.state.move_job(row.name, JobStatus.PREPARING)
    bench.scheduler.resume()
    assert bench.wait(row).status is JobStatus.COMPLETED
    bench.close()


def test_only_the_inputs_that_failed_in_an_earlier_job_are_scored_again(bench: Bench) -> None:
    put_files(bench, 6)
    first = bench.score(
        "def init(): pass\ndef run(m):\n    assert '002' not in m[0]\n    return m", retry={"max_retries": 1}
    )
    again = bench.score(retry_of=first.name, error_threshold=0)
    assert bench.output(again) == "002.txt: n2\n003.txt: n3\n", again.error


def test_an_input_that_vanishes_from_the_store_fails_its_mini_batch_with_a_reason(bench: Bench) -> None:
    put_files(bench, 400)  # far more than are staged ahead of two workers that stand still
    gate = bench.root / "gate"
    row = bench.submit(
        f"""
        import os, time
        def init(): pass
        def run(mini_batch):
            while not os.path.exists({str(gate)!r}):
                time.sleep(0.01)
            return mini_batch
        """,
        mini_batch_size=1,
        error_threshold=0,
    )
    bench.wait_for(row, lambda job: job.status is JobStatus.RUNNING)
    bench.wait_for(row, lambda job: "400 input files." in bench.log(job))  # all are listed
    bench.remove("data/399.txt")
    gate.touch()
    job = bench.wait(row)
    assert job.status is JobStatus.FAILED
    assert job.error and "The specified blob does not exist" in job.error and "'399.txt'" in job.error


def test_the_log_says_once_how_this_interpreter_differs_from_the_conda_file(bench: Bench) -> None:
    put_files(bench, 1)
    conda = "dependencies:\n- python=2.7\n- pip:\n  - azure-core==0.1\n  - no-such-package>=3\n  - pydantic>=2\n"
    job = bench.score(conda_file=conda)
    assert job.status is JobStatus.COMPLETED, job.error
    log = bench.log(job)
    assert log.count(f"python {sys.version.split()[0]} instead of 2.7") == 1
    assert "no no-such-package" in log and "instead of 0.1" in log and "pydantic" not in log


def test_a_deployment_without_scoring_script_is_told_what_it_needs(bench: Bench) -> None:
    from dataclasses import replace

    row = bench.row()
    row = bench.state.add_job(replace(row, request=replace(row.request, code_uri=None, scoring_script=None)))
    bench.scheduler.submit(row.name)
    error = bench.wait(row).error
    assert error and "no scoring script" in error


def test_an_unknown_datastore_and_a_place_that_is_none_are_named(bench: Bench) -> None:
    unknown = bench.score(data="azureml://datastores/other/paths/x/")
    strange = bench.score(data="adl://account/x/")
    assert unknown.error and "There is no datastore 'other'" in unknown.error
    assert strange.error and "'adl://account/x/' is no place" in strange.error


def test_a_folder_by_the_stores_own_url_of_an_earlier_start_is_found(bench: Bench) -> None:
    put_files(bench, 2)
    url = f"{bench.store.open(uri('data/'))[0].url.replace(':1/', ':54321/')}/data/"
    assert bench.output(bench.score(data=url)) == lines(2)


@pytest.fixture
def web(tmp_path: Path) -> Iterator[str]:
    folder = tmp_path / "web/data"
    folder.mkdir(parents=True)
    (folder / "a b.txt").write_text("from the web")
    handler = partial(SimpleHTTPRequestHandler, directory=str(tmp_path / "web"))
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}/data"
        server.shutdown()
        thread.join()


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def test_a_file_anywhere_in_the_web_is_an_input_and_a_folder_there_is_refused(
    bench: Bench, web: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("azure_batch_endpoints.local.patience.FIRST_SECONDS", 0.2)
    job = bench.score(data=f"{web}/a%20b.txt?sig=hunter2", kind="file")
    assert job.status is JobStatus.COMPLETED, job.error
    assert bench.output(job) == "a b.txt: from the web\n"
    missing = bench.score(data=f"{web}/none.txt", kind="file")
    assert missing.error and f"There is no file '{web}/none.txt' to score." in missing.error
    folder = bench.score(data=f"{web}/", kind="folder")
    assert folder.error and f"The input folder '{web}/' cannot be listed" in folder.error
    assert "as a web server, not as a storage account" in folder.error and "DOCTYPE" not in folder.error
    nobody = bench.score(data=f"http://127.0.0.1:{_free_port()}/data/", kind="folder")
    assert nobody.error and "start the storage service there" in nobody.error
    assert "local service" not in nobody.error
    for file in (bench.settings.job_folder(job.name)).rglob("*"):
        assert not file.is_file() or b"hunter2" not in file.read_bytes()


def test_an_environment_is_made_once_from_the_pip_part_and_scores(tmp_path: Path) -> None:
    bench = Bench.open(tmp_path / "root", environments="build")
    put_files(bench, 1)
    conda = "dependencies:\n- python=2.7\n- cudatoolkit=11\n- pip: []\n"
    script = "import sys\ndef init(): pass\ndef run(m): return [sys.prefix]"
    first, second = bench.score(script, conda_file=conda), bench.score(script, conda_file=conda)
    assert first.status is JobStatus.COMPLETED, first.error
    prefix = bench.output(first).strip()
    assert Path(prefix).parent == tmp_path / "root/environments"
    assert bench.output(second).strip() == prefix
    assert "Making the environment" in bench.log(first) and "Making the environment" not in bench.log(second)
    assert "'cudatoolkit=11' is a conda package" in bench.log(first)
    bench.close()


def test_an_environment_that_cannot_be_made_fails_the_job_with_the_installers_words(tmp_path: Path) -> None:
    bench = Bench.open(tmp_path / "root", environments="build")
    put_files(bench, 1)
    job = bench.score(conda_file="dependencies:\n- pip:\n  - --no-index\n  - no-such-package-anywhere\n")
    assert job.status is JobStatus.FAILED
    assert job.error and "The environment could not be made" in job.error and "no-such-package-anywhere" in job.error
    assert not [path for path in (tmp_path / "root/environments").iterdir() if path.is_dir()]
    bench.close()


@pytest.mark.azurite
@pytest.mark.timeout(600)  # the first time on a machine it is installed
def test_a_job_reads_from_azurite_and_writes_to_it(tmp_path: Path) -> None:
    bench = Bench.open(tmp_path / "root", storage="azurite")
    put_files(bench, 12)
    job = bench.score(max_concurrency_per_instance=2)
    assert job.status is JobStatus.COMPLETED, job.error
    assert bench.output(job) == lines(12)
    taken = bench.score(output=f"out/{job.name}/")
    assert taken.error and "exists already" in taken.error
    bench.close()


def children_of_this_process() -> list[str]:
    return Path(f"/proc/self/task/{os.getpid()}/children").read_text().split()


def test_no_worker_is_left_after_a_job_or_a_cancel(bench: Bench, wait_until: Callable[..., None]) -> None:
    before = set(children_of_this_process())  # the blob stores that other tests share
    put_files(bench, 4)
    bench.score()
    row = bench.submit("import time\ndef init(): pass\ndef run(m): time.sleep(600)")
    bench.wait_for(row, lambda job: job.status is JobStatus.RUNNING)
    bench.scheduler.cancel(row.name)
    bench.wait(row)
    wait_until(lambda: set(children_of_this_process()) <= before)


@pytest.fixture
def wait_until() -> Callable[..., None]:
    def wait(wanted: Callable[[], bool], seconds: float = 50.0) -> None:
        deadline = time.monotonic() + seconds
        while not wanted():
            assert time.monotonic() < deadline
            time.sleep(0.01)

    return wait


@pytest.mark.parametrize("script", ["../elsewhere.py", "{root}/elsewhere.py"])
def test_a_script_outside_the_code_folder_is_not_run_even_if_a_deployment_names_it(bench: Bench, script: str) -> None:
    put_files(bench, 1)
    row = bench.row()
    folder = bench.settings.job_folder(row.name)
    folder.mkdir(parents=True)
    for place in (folder, bench.root):
        (place / "elsewhere.py").write_text("open(__file__ + '.ran', 'w')\ndef init(): ...\ndef run(b): return b\n")
    request = replace(row.request, scoring_script=script.format(root=bench.root))
    bench.state.add_job(replace(row, request=request))
    bench.scheduler.submit(row.name)

    job = bench.wait(row)

    assert job.status == JobStatus.FAILED
    assert "leads out of the code folder and was not run" in (job.error or "")
    assert not list(bench.root.rglob("*.ran"))
