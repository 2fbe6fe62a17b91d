"""What a job leaves in its output folder, whichever way it ended: rows under their right name, and its account."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from azure_batch_endpoints.errors import ConflictError, NotFoundError, TransportError
from azure_batch_endpoints.local import explain, runner
from azure_batch_endpoints.local.buckets import EmbeddedBucket
from azure_batch_endpoints.local.control import Interrupted
from azure_batch_endpoints.local.job import JobRow
from azure_batch_endpoints.local.scheduler import Scheduler
from azure_batch_endpoints.states import JobStatus
from tests.local.service_bench import Bench

COUNT = 6
PREDICTIONS = "".join(f"{number}.txt: n{number}\n" for number in range(COUNT))
FAILS = """
    from pathlib import Path
    def init(): pass
    def run(mini_batch):
        for file in mini_batch:
            if Path(file).stem in {wrong!r}:
                raise KeyError("age")
        return [Path(file).name + ": " + Path(file).read_text() for file in mini_batch]
"""
WAITS = """
    from pathlib import Path
    import os, time
    def init(): pass
    def run(mini_batch):
        if mini_batch[0].endswith("4.txt"):
            Path({there!r}).touch()
            time.sleep(60)
        (Path(os.environ["AZUREML_BI_OUTPUT_PATH"]) / (Path(mini_batch[0]).stem + ".out")).write_text("mine")
        return [Path(file).name + ": " + Path(file).read_text() for file in mini_batch]
"""


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    bench = Bench.open(tmp_path / "root")
    for number in range(COUNT):
        bench.put(f"data/{number}.txt", f"n{number}")
    yield bench
    bench.close()


def failing(*wrong: int) -> str:
    return FAILS.format(wrong=[str(number) for number in wrong])


def account(bench: Bench, job: JobRow, name: str = "_ledger.jsonl") -> list[dict[str, Any]]:
    return [json.loads(line) for line in bench.output(job, name).splitlines()]


def names(bench: Bench, job: JobRow) -> list[str]:
    return bench.names(f"out/{job.name}/")


def once(bench: Bench, script: str, **options: Any) -> JobRow:
    return bench.score(script, retry={"max_retries": 1}, max_concurrency_per_instance=1, **options)


def canceled(bench: Bench, tmp_path: Path, **options: Any) -> JobRow:
    """Cancel a job that has scored four of six files."""
    script = WAITS.format(there=str(tmp_path / "there"))
    job = bench.submit(script, max_concurrency_per_instance=1, retry={"timeout": 100}, **options)
    bench.wait_for(job, lambda one: '"items_done": 4' in (one.progress or "") and (tmp_path / "there").exists())
    bench.scheduler.cancel(job.name)
    job = bench.wait(job)
    assert job.status is JobStatus.CANCELED
    return job


def test_a_completed_job_leaves_its_account_beside_its_rows(bench: Bench) -> None:
    job = once(bench, failing(3))

    assert job.status is JobStatus.COMPLETED, job.error
    assert names(bench, job) == ["_ledger.jsonl", "predictions.csv"]
    lines = account(bench, job)
    assert [line["path"] for line in lines] == [f"{number}.txt" for number in range(COUNT)]
    assert [line["status"] for line in lines] == ["succeeded"] * 2 + ["failed"] * 2 + ["succeeded"] * 2
    assert [line["size"] for line in lines] == [2] * COUNT
    assert [line["rows"] for line in lines] == [2, 2, 0, 0, 2, 2]
    assert (lines[3]["error_type"], lines[3]["error_place"]) == ("KeyError", "score.py:7")
    assert "KeyError: 'age'" in lines[3]["traceback"]


def test_a_failed_job_leaves_the_rows_that_were_scored_and_never_under_the_real_name(bench: Bench) -> None:
    job = once(bench, failing(4), error_threshold=1)

    assert job.status is JobStatus.FAILED
    assert names(bench, job) == ["_ledger.jsonl", "partial/predictions.csv"]
    assert bench.output(job, "partial/predictions.csv") == "".join(PREDICTIONS.splitlines(keepends=True)[:4])
    assert [line["status"] for line in account(bench, job)] == ["succeeded"] * 4 + ["failed"] * 2
    assert [one["kind"] for one in json.loads(job.rows or "")] == ["list"]


def test_a_cancelled_job_leaves_the_rows_that_were_scored_and_says_what_was_not(bench: Bench, tmp_path: Path) -> None:
    job = canceled(bench, tmp_path)

    assert names(bench, job) == ["_ledger.jsonl", "partial/predictions.csv"]
    assert bench.output(job, "partial/predictions.csv") == "".join(PREDICTIONS.splitlines(keepends=True)[:4])
    assert [line["status"] for line in account(bench, job)] == ["succeeded"] * 4 + ["pending"] * 2
    assert "4 of 6 files were scored, 0 failed, 2 were not." in bench.log(job)


def test_a_cancelled_summary_only_job_leaves_what_the_script_wrote(bench: Bench, tmp_path: Path) -> None:
    job = canceled(bench, tmp_path, output_action="summary_only")

    assert names(bench, job) == ["0.out", "2.out", "_ledger.jsonl"]
    assert job.rows is None


def test_a_job_that_scored_nothing_leaves_no_rows(bench: Bench) -> None:
    job = once(bench, "def init(): raise ValueError('no model')\ndef run(mini_batch): return mini_batch")

    assert job.status is JobStatus.FAILED
    assert names(bench, job) == ["_ledger.jsonl"]
    assert {line["status"] for line in account(bench, job)} == {"pending"}
    assert job.rows is None


def test_a_job_without_a_single_input_leaves_nothing(bench: Bench) -> None:
    job = bench.score(data="nothing/here/")

    assert job.status is JobStatus.FAILED
    assert names(bench, job) == []


def test_jobs_that_share_an_output_folder_leave_their_accounts_and_rows_side_by_side(bench: Bench) -> None:
    bench.put("shared/_ledger.jsonl", "somebody's")
    one = once(bench, failing(5), error_threshold=0, output="shared/")
    two = once(bench, failing(5), error_threshold=0, output="shared/")
    three = once(bench, failing(), output="shared/")

    assert (one.status, two.status, three.status) == (JobStatus.FAILED, JobStatus.FAILED, JobStatus.COMPLETED)
    assert bench.names("shared/") == sorted(
        [
            "_ledger.jsonl",
            *(f"_ledger.{job.name}.jsonl" for job in (one, two, three)),
            "partial/predictions.csv",
            f"partial/{two.name}.predictions.csv",
            "predictions.csv",
        ]
    )
    assert bench.read("shared/_ledger.jsonl") == "somebody's"


def test_the_account_may_be_missing_but_the_rows_are_there(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    refuse(
        monkeypatch,
        lambda name: name.endswith("_ledger.jsonl"),
        NotFoundError("The account is not allowed.", status_code=404),
    )
    job = once(bench, failing())

    assert job.status is JobStatus.COMPLETED, job.error
    assert names(bench, job) == ["predictions.csv"]
    assert "The account of the input files is not among the output: The account is not allowed." in bench.log(job)


def test_a_file_of_the_scripts_that_is_named_like_the_account_stays_and_the_account_is_beside_it(bench: Bench) -> None:
    job = once(
        bench,
        """
        import os
        from pathlib import Path
        def init(): pass
        def run(mini_batch):
            (Path(os.environ["AZUREML_BI_OUTPUT_PATH"]) / "_ledger.jsonl").write_text("mine")
            return mini_batch
        """,
    )

    assert bench.output(job, "_ledger.jsonl") == "mine"
    assert len(account(bench, job, f"_ledger.{job.name}.jsonl")) == COUNT


def test_rows_that_are_to_be_named_like_the_account_are_rows(bench: Bench) -> None:
    job = once(bench, failing(), output_file_name="_ledger.jsonl")

    assert bench.output(job, "_ledger.jsonl") == PREDICTIONS
    assert len(account(bench, job, f"_ledger.{job.name}.jsonl")) == COUNT


def refuse(monkeypatch: pytest.MonkeyPatch, which: Callable[[str], bool], error: BaseException) -> None:
    upload = EmbeddedBucket.upload

    def refusing(self: EmbeddedBucket, name: str, path: Path, **options: Any) -> None:
        if which(name):
            raise error
        upload(self, name, path, **options)

    monkeypatch.setattr(EmbeddedBucket, "upload", refusing)


def test_rows_that_something_else_is_in_the_way_of_do_not_count_as_put_there(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    refuse(
        monkeypatch,
        lambda name: name.endswith("/predictions.csv") and "/partial/" not in name,
        ConflictError("The container is being deleted.", status_code=409),
    )
    job = once(bench, failing())

    assert (job.status, job.error) == (JobStatus.FAILED, "The container is being deleted.")
    assert bench.output(job, "partial/predictions.csv") == PREDICTIONS


def test_an_account_that_something_else_is_in_the_way_of_gets_the_other_name(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    refuse(monkeypatch, lambda name: name.endswith("/_ledger.jsonl"), ConflictError("It is held.", status_code=409))
    job = once(bench, failing())

    assert job.status is JobStatus.COMPLETED, job.error
    assert names(bench, job) == [f"_ledger.{job.name}.jsonl", "predictions.csv"]


def test_the_account_of_a_job_is_no_input_of_the_job_that_reads_its_output(bench: Bench) -> None:
    first = once(bench, failing(3))
    second = bench.score(data=f"out/{first.name}/")

    assert second.status is JobStatus.COMPLETED, second.error
    assert [line["path"] for line in account(bench, second)] == ["predictions.csv"]


def test_a_job_whose_store_is_gone_is_cancelled_all_the_same_and_says_what_it_could_not_leave(
    bench: Bench, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(runner, "LAST_SECONDS", 0.2)
    refuse(monkeypatch, lambda name: name.startswith("out/"), TransportError("The store could not be reached."))
    job = canceled(bench, tmp_path)

    assert names(bench, job) == []
    assert "What was scored could not be left in the output folder: The store could not be reached." in bench.log(job)
    assert job.rows is None


def test_a_mini_batch_that_is_split_loses_the_guilty_file_alone_and_the_retry_puts_it_in_its_place(
    bench: Bench,
) -> None:
    first = once(bench, failing(1, 4), mini_batch_size=3, isolate_failures=True)
    second = once(bench, failing(), retry_of=first.name)

    assert first.status is JobStatus.COMPLETED, first.error
    assert [line["status"] for line in account(bench, first)].count("failed") == 2
    assert bench.output(first) == "".join(f"{number}.txt: n{number}\n" for number in (0, 2, 3, 5))
    assert bench.output(second, "merged/predictions.csv") == PREDICTIONS


# ---------------------------------------------------------------------- results over several jobs


def test_what_is_scored_again_gives_the_undisturbed_result_under_merged(bench: Bench) -> None:
    first = once(bench, failing(2), mini_batch_size=2)
    second = once(bench, failing(), retry_of=first.name, mini_batch_size=2)

    assert bench.output(second) == "2.txt: n2\n3.txt: n3\n"
    assert bench.output(second, "merged/predictions.csv") == PREDICTIONS
    assert names(bench, second) == ["_ledger.jsonl", "merged/predictions.csv", "predictions.csv"]


def test_a_chain_of_three_is_merged_whatever_its_mini_batches(bench: Bench) -> None:
    first = once(bench, failing(1, 4), mini_batch_size=3)
    second = once(bench, failing(4), retry_of=first.name, mini_batch_size=2, error_threshold=5)
    third = once(bench, failing(), retry_of=second.name, mini_batch_size=1)

    assert first.status is JobStatus.FAILED  # in each mini-batch there was a file that failed
    assert bench.output(third, "merged/predictions.csv") == PREDICTIONS


def test_the_rows_of_a_cancelled_job_are_merged_with_those_scored_later(bench: Bench, tmp_path: Path) -> None:
    first = canceled(bench, tmp_path)
    row = bench.row(retry_of=first.name)
    row = bench.state.add_job(replace(row, request=replace(row.request, retry_pending=True)))
    bench.scheduler.submit(row.name)
    second = bench.wait(row)

    assert second.status is JobStatus.COMPLETED, second.error
    assert bench.output(second, "merged/predictions.csv") == PREDICTIONS


def test_without_the_account_of_an_earlier_job_nothing_is_merged_and_the_log_says_why(bench: Bench) -> None:
    first = once(bench, failing(2))
    second = once(bench, failing(3), retry_of=first.name, mini_batch_size=1)
    (bench.settings.job_folder(first.name) / "ledger.sqlite").unlink()
    third = once(bench, failing(), retry_of=second.name)

    assert third.status is JobStatus.COMPLETED, third.error
    assert names(bench, third) == ["_ledger.jsonl", "predictions.csv"]
    assert "'merged/predictions.csv' is left out" in bench.log(third)
    assert f"The account of job '{first.name}' is gone." in bench.log(third)


def test_a_job_that_was_given_the_name_of_a_deleted_one_is_not_retried_in_its_place(bench: Bench) -> None:
    first = once(bench, failing(2))
    row = bench.row(failing(), retry_of=first.name)
    row = bench.state.add_job(replace(row, request=replace(row.request, retry_child="that of a deleted job")))
    bench.scheduler.submit(row.name)
    second = bench.wait(row)

    assert second.status is JobStatus.FAILED
    assert second.error == f"The account of job '{first.name}' is gone: another job has that name now."


def test_a_retry_of_a_job_whose_account_is_gone_says_so(bench: Bench) -> None:
    first = once(bench, failing(2))
    (bench.settings.job_folder(first.name) / "ledger.sqlite").unlink()
    second = once(bench, failing(), retry_of=first.name)

    assert second.error == f"The account of job '{first.name}' is gone."


def test_without_the_rows_of_an_earlier_job_nothing_is_merged(bench: Bench) -> None:
    first = once(bench, failing(2))
    for segment in (bench.settings.job_folder(first.name) / "parts").iterdir():
        segment.unlink()
    second = once(bench, failing(), retry_of=first.name)

    assert second.status is JobStatus.COMPLETED, second.error
    assert names(bench, second) == ["_ledger.jsonl", "predictions.csv"]


def test_rows_that_an_earlier_job_did_not_keep_are_not_merged(bench: Bench) -> None:
    first = once(bench, failing(2), output_action="summary_only")
    second = once(bench, failing(), retry_of=first.name)

    assert names(bench, second) == ["_ledger.jsonl", "predictions.csv"]
    assert "6 rows were returned, 2 are kept (summary_only keeps none)." in bench.log(second)


# ---------------------------------------------------------------------- a crash between any two steps


class Crash:
    """The end of the service at one upload of a job's end, before or after it."""

    def __init__(self, patch: pytest.MonkeyPatch, prefix: str) -> None:
        self.happened = False
        self._upload, self._prefix = EmbeddedBucket.upload, prefix
        self._seen, self._at, self._after = 0, -1, False
        patch.setattr(EmbeddedBucket, "upload", lambda bucket, name, *args, **kw: self._do(bucket, name, *args, **kw))

    def prepare(self, at: int, service: Scheduler, *, after: bool) -> None:
        self.happened, self._seen, self._at, self._after, self._service = False, 0, at, after, service

    def _do(self, bucket: EmbeddedBucket, name: str, path: Path, **options: Any) -> None:
        now = name.startswith(self._prefix) and self._seen == self._at
        self._seen += name.startswith(self._prefix)
        if not now or self._after:
            self._upload(bucket, name, path, **options)
        if now:
            self._service.begin_close()
            self.happened = True
            raise Interrupted


def test_an_end_that_is_interrupted_at_any_upload_comes_to_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = tmp_path / "root"
    bench = Bench.open(root)
    for number in range(COUNT):
        bench.put(f"data/{number}.txt", f"n{number}")
    first = once(bench, failing(2))
    row = bench.row(failing(), retry_of=first.name)
    crash = Crash(monkeypatch, f"out/{row.name}/")
    for at, after in [(at, after) for at in range(3) for after in (False, True)]:  # merged rows, account, rows
        crash.prepare(at, bench.scheduler, after=after)
        if at == 0 and not after:
            bench.scheduler.submit(bench.state.add_job(row).name)
        else:
            bench.scheduler.resume()
        bench.wait_for(row, lambda _: crash.happened)
        bench.close()
        bench = Bench.open(root)
        assert ("predictions.csv" in names(bench, row)) == ((at, after) == (2, True))

    crash.prepare(-1, bench.scheduler, after=False)
    bench.scheduler.resume()
    job = bench.wait(row)
    assert job.status is JobStatus.COMPLETED, job.error
    assert names(bench, job) == ["_ledger.jsonl", "merged/predictions.csv", "predictions.csv"]
    assert bench.output(job, "merged/predictions.csv") == PREDICTIONS
    assert bench.output(job) == "2.txt: n2\n3.txt: n3\n"
    assert [line["path"] for line in account(bench, job)] == ["2.txt", "3.txt"]
    assert sorted(path.name for path in bench.settings.job_folder(row.name).glob("*rows*")) == []
    bench.close()


def test_a_job_with_too_many_failures_fails_also_when_its_service_ended_before_that_was_written(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings: dict[str, Any] = {"error_threshold": 1, "mini_batch_size": 1, "max_concurrency_per_instance": 1}
    row = bench.row(failing(4, 5), retry={"max_retries": 1}, **settings)
    ended: list[bool] = []

    def ends(*_: object) -> str:
        bench.scheduler.begin_close()
        ended.append(True)
        raise Interrupted

    with monkeypatch.context() as patch:
        patch.setattr(explain, "too_many_failures", ends)
        bench.scheduler.submit(bench.state.add_job(row).name)
        bench.wait_for(row, lambda _: bool(ended))
        assert bench.scheduler.close(10)
    bench.scheduler = bench.anew()
    bench.scheduler.resume()
    job = bench.wait(row)

    assert job.status is JobStatus.FAILED
    assert job.error and "2 files failed, error_threshold is 1" in job.error
    assert names(bench, job) == ["_ledger.jsonl", "partial/predictions.csv"]
