"""What a dry run says about many files, and what it refuses. The real worker is in tests/local."""

from __future__ import annotations

from pathlib import Path

import pytest

from azure_batch_endpoints.dryrun import DryRun
from azure_batch_endpoints.errors import InvalidInputError, LocalPathError, ResultsError
from azure_batch_endpoints.items import ItemOutcome
from azure_batch_endpoints.specs import DeploymentSpec, RetrySettings, RunSettings

FAILED = ItemOutcome("a.png", "failed", 0, 1, None, None, "KeyError", "'age'", None)


def test_an_estimate_counts_mini_batches_and_rounds_of_workers() -> None:
    run = DryRun((), 0.5, 0, RunSettings(mini_batch_size=10, max_concurrency_per_instance=2))

    estimate = run.estimate(files=95, settings=None)

    assert (estimate.mini_batches, estimate.seconds, estimate.warnings) == (10, 25.0, ())
    assert run.estimate(files=0).seconds == 0.0


def test_an_estimate_warns_of_mini_batches_that_are_too_long_or_too_few() -> None:
    run = DryRun((), 5.0, 0, RunSettings())

    slow, few = run.estimate(
        files=10, settings=RunSettings(instance_count=4, retry_settings=RetrySettings(timeout=30))
    ).warnings

    assert "A mini-batch of 10 files would need 50.0 s, longer than retry_settings.timeout (30 s)" in slow
    assert "1 mini-batches for 4 workers: some stay idle" in few


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
    (tmp_path / "model" / "MLmodel").write_text("flavors: {}")
    (tmp_path / "score.py").write_text("def init(): ...\ndef run(b): return b\n")
    scripted = {"code": tmp_path, "scoring_script": "score.py"}

    remote = DeploymentSpec(name="blue", model="azureml:m:1", code=tmp_path, scoring_script="score.py")
    with pytest.raises(LocalPathError, match=r"holds no file\. Nothing was scored"):
        remote.dry_run(tmp_path / "data")
    with pytest.raises(LocalPathError, match=r"does not exist .* Nothing was scored"):
        remote.dry_run(tmp_path / "none")
    with pytest.raises(InvalidInputError, match="limit is 0; it must be 1 or more"):
        remote.dry_run(tmp_path, limit=0)
    with pytest.raises(InvalidInputError, match="the model 'azureml:m:1' is not local"):
        remote.dry_run(tmp_path / "score.py")
    with pytest.raises(InvalidInputError, match="a dry run needs the scoring script as a local folder"):
        DeploymentSpec(name="blue", model=tmp_path / "model").dry_run(tmp_path / "score.py")
    with pytest.raises(LocalPathError, match="The deployment 'blue' was not tried"):
        DeploymentSpec(name="blue", model=tmp_path / "gone", **scripted).dry_run(tmp_path / "score.py")
