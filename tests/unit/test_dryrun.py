"""What a dry run says about many files, and what it refuses. The real worker is in tests/local."""

from __future__ import annotations

from pathlib import Path

import pytest

from azure_batch_endpoints.dryrun import DryRun, _read
from azure_batch_endpoints.errors import InvalidInputError, LocalPathError, ResultsError
from azure_batch_endpoints.items import ItemOutcome
from azure_batch_endpoints.local.trial import TrialResult
from azure_batch_endpoints.specs import DeploymentSpec, RetrySettings, RunSettings

FAILED = ItemOutcome("a.png", "failed", 0, 1, None, None, "KeyError", "'age'", None)


def test_an_estimate_counts_mini_batches_and_rounds_of_workers() -> None:
    run = DryRun((), 0.5, 0, RunSettings(mini_batch_size=10, max_concurrency_per_instance=2))

    estimate = run.estimate(files=95, settings=None)

    assert (estimate.mini_batches, estimate.seconds, estimate.warnings) == (10, 25.0, ())
    assert run.estimate(files=0).seconds == 0.0


def test_an_estimate_warns_of_mini_batches_that_are_too_long_or_too_few() -> None:
    run = DryRun((), 5.0, 0, RunSettings())

    found = run.estimate(files=10, settings=RunSettings(instance_count=2, retry_settings=RetrySettings(timeout=30)))
    slow, few = found.warnings[:2]

    assert "A mini-batch of 10 files would need 50.0 s, longer than retry_settings.timeout (30 s)" in slow
    assert "1 mini-batches for 2 workers: some stay idle" in few
    assert (found.mini_batch_size, found.timeout, found.mini_batch_seconds) == (3, 100.0, 50.0)


def test_rows_are_a_table_and_none_are_explained_by_the_first_failure() -> None:
    assert DryRun((), 0.0, 0, RunSettings(), b"a 1\n", ()).to_pandas().shape == (1, 2)
    with pytest.raises(ResultsError, match=r"gave no rows: KeyError 'age' on 'a\.png'\. See its outcomes"):
        DryRun((FAILED,), 0.0, 0, RunSettings()).to_pandas()
    with pytest.raises(ResultsError, match=r"gave no rows\. See"):
        DryRun((), 0.0, 0, RunSettings()).to_pandas()


def test_it_shows_itself_in_one_line() -> None:
    assert repr(DryRun((FAILED,), 0.04867, 207_560_704, RunSettings())) == (
        "DryRun(0 of 1 files succeeded, 0.0487 s a file, 208 MB at most)"
    )


def test_what_cannot_be_tried_is_refused(tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    (tmp_path / "model").mkdir()
    (tmp_path / "model" / "MLmodel").write_text("flavors: {python_function: {loader_module: m}}")
    (tmp_path / "score.py").write_text("def init(): ...\ndef run(b): return b\n")
    scripted = {"code": tmp_path, "scoring_script": "score.py"}

    remote = DeploymentSpec(name="blue", model="azureml:m:1", code=tmp_path, scoring_script="score.py")
    with pytest.raises(LocalPathError, match=r"holds no file\. Name a folder with files\. Nothing was scored"):
        remote.dry_run(tmp_path / "data")
    with pytest.raises(LocalPathError, match=r"does not exist .* Nothing was scored"):
        remote.dry_run(tmp_path / "none")
    with pytest.raises(LocalPathError, match=r"does not exist .* A dry run takes local files only\."):
        remote.dry_run("azureml://datastores/workspaceblobstore/paths/digits")
    with pytest.raises(InvalidInputError, match="limit is 0; it must be 1 or more"):
        remote.dry_run(tmp_path, limit=0)
    with pytest.raises(InvalidInputError, match="the model 'azureml:m:1' is not local"):
        remote.dry_run(tmp_path / "score.py")
    there = DeploymentSpec(name="blue", model=tmp_path / "model", code="azureml:c:1", scoring_script="score.py")
    with pytest.raises(InvalidInputError, match="a dry run needs the scoring script on this machine"):
        there.dry_run(tmp_path / "score.py")
    with pytest.raises(InvalidInputError, match="files is -1; it must be 0 or more"):
        DryRun((), 0.0, 0, RunSettings()).estimate(files=-1)
    with pytest.raises(LocalPathError, match="The deployment 'blue' was not tried"):
        DeploymentSpec(name="blue", model=tmp_path / "gone", **scripted).dry_run(tmp_path / "score.py")


def test_an_estimate_reckons_with_init_memory_and_the_longest_file() -> None:
    alone = [
        ItemOutcome(name, "succeeded", 0, 1, None, seconds, None, None, None)
        for name, seconds in (("a", 0.1), ("b", 4.0))
    ]
    run = DryRun(
        (),
        0.1,
        600,
        RunSettings(max_concurrency_per_instance=2),
        init_seconds=7.0,
        alone=alone,
        rows_per_file=2.5,
        usable_memory=1000,
    )

    found = run.estimate(files=100)

    assert (found.seconds, found.workers, found.memory, found.rows) == (12.0, 2, 1200, 250)
    assert any(
        "'b' took 4 s by itself; 10 such files in one mini-batch would need 40.0 s" in one for one in found.warnings
    )
    assert any("2 workers of 0 MB need 0 MB" in one and "(here to 1)" in one for one in found.warnings)
    assert found.mini_batch_size == 3


def test_an_estimate_warns_of_a_mini_batch_close_to_the_limit_and_of_one_file_for_all() -> None:
    run = DryRun((), 2.0, 0, RunSettings(max_concurrency_per_instance=2))

    assert "more than half of retry_settings.timeout (30 s)" in run.estimate(files=100).warnings[0]
    assert "1 file for 2 workers: a file is never divided" in run.estimate(files=1).warnings[0]
    assert "no more than handing it out does. Raise mini_batch_size" in str(
        DryRun((), 1e-6, 0, RunSettings()).estimate(files=100).warnings
    )
    assert DryRun((), 0.1, 0, RunSettings()).estimate(files=100).warnings == ()


def test_a_slow_first_mini_batch_and_a_slow_start_are_warned_of() -> None:
    alone = tuple(ItemOutcome(str(one), "succeeded", one, 1, None, 0.01, None, None, None) for one in range(3))
    found = TrialResult(outcomes=alone, alone=alone, mini_batches=((3, 6.0),), init_seconds=100.0, rows=3)

    first, start = _read(found, RunSettings()).warnings

    assert first == "The first mini-batch took 2 s a file, later ones 0.01 s: load in init() what run() loads."
    assert start == "Starting a worker took 100 s of the 120 s that it has. Raise retry_settings.timeout."
