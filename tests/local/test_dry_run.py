"""A dry run with real workers: what it measures and warns of, and that it leaves everything as it was."""

from __future__ import annotations

import os
import pickle
import signal
import subprocess
import sys
import tempfile
import textwrap
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from azure_batch_endpoints.dryrun import DryRun
from azure_batch_endpoints.errors import ResultsError, ScoringScriptError
from azure_batch_endpoints.local import trial
from azure_batch_endpoints.specs import DeploymentSpec, RetrySettings, RunSettings
from tests.local.scripts import unmeasured

Make = Callable[..., DeploymentSpec]
INIT = "import os, time\nfrom pathlib import Path\n\ndef init():\n    global model\n    model = 1\n\n"


@pytest.fixture
def make(tmp_path: Path) -> Make:
    def deployment(script: str, *, files: int = 5, **settings: object) -> DeploymentSpec:
        (tmp_path / "code").mkdir()
        (tmp_path / "code" / "score.py").write_text(INIT + textwrap.dedent(script), encoding="utf-8")
        (tmp_path / "model").mkdir()
        (tmp_path / "model" / "weights.bin").write_bytes(b"w")
        (tmp_path / "data").mkdir()
        for number in range(files):
            (tmp_path / "data" / f"{number}.txt").write_text(str(number), encoding="utf-8")
        return DeploymentSpec(
            name="blue",
            model=tmp_path / "model",
            code=tmp_path / "code",
            scoring_script="score.py",
            settings=RunSettings(**settings),
        )

    return deployment


@pytest.fixture(autouse=True)
def nothing_is_left(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Every test: no temporary folder remains, and the user's folders hold what they held."""
    (tmp_path / "tmp").mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "tmp"))
    yield
    assert list((tmp_path / "tmp").iterdir()) == []


def held(folder: Path) -> dict[str, bytes]:
    return {str(one.relative_to(folder)): one.read_bytes() for one in folder.rglob("*") if one.is_file()}


def test_rows_come_back_typed_with_times_and_memory(make: Make, tmp_path: Path) -> None:
    spec = make("""
        import pandas as pd

        def run(mini_batch):
            time.sleep(0.02 * len(mini_batch))
            print("scoring", len(mini_batch))
            return pd.DataFrame({"file": [Path(one).name for one in mini_batch], "length": [3] * len(mini_batch)})
    """)

    found = spec.dry_run(tmp_path / "data", limit=3)

    assert [(one.path, one.status, one.mini_batch) for one in found.outcomes] == [
        ("0.txt", "succeeded", 0),
        ("1.txt", "succeeded", 0),
        ("2.txt", "succeeded", 0),
    ]
    frame = found.to_pandas()
    assert list(frame.columns) == ["file", "length"]
    assert frame["length"].dtype == "int64"
    assert 0.02 <= found.seconds_per_file < 5
    assert found.init_seconds > 0
    assert [one.path for one in found.alone] == ["0.txt", "1.txt", "2.txt"]
    assert found.longest is not None
    assert found.longest[1] >= 0.02
    assert found.rows_per_file == 1.0
    assert found.estimate(files=1000).rows == 1000
    assert "scoring 3" in found.printed
    assert found.warnings == ()


def test_the_peak_memory_is_that_of_the_worker_itself(make: Make, tmp_path: Path) -> None:
    hog = "import subprocess, sys; x = bytearray(400_000_000)"
    subprocess.run([sys.executable, "-c", hog], check=True)  # a child of ours that was larger
    spec = make("def run(mini_batch):\n    held = b'x' * 60_000_000\n    return [str(len(held))] * len(mini_batch)\n")

    found = spec.dry_run(tmp_path / "data", limit=1)

    assert 60_000_000 < found.peak_memory < 300_000_000


def test_a_file_that_fails_is_found_though_it_took_its_mini_batch_along(make: Make, tmp_path: Path) -> None:
    spec = make("""
        def run(mini_batch):
            return [10 / int(Path(one).read_text()) for one in mini_batch]
    """)

    found = spec.dry_run(tmp_path / "data")

    assert {one.status for one in found.outcomes} == {"failed"}
    first = found.outcomes[0]
    assert (first.error_type, first.error_place) == ("ZeroDivisionError", "score.py:10")
    assert first.traceback is not None
    assert f'"{tmp_path / "code" / "score.py"}", line 10' in first.traceback
    assert [one.path for one in found.alone if one.status == "failed"] == ["0.txt"]
    assert found.warnings[0] == "5 of 5 files failed: ZeroDivisionError: division by zero (score.py:10)."
    assert found.warnings[1].startswith("Scored alone '0.txt' failed; 4 more failed only for sharing a mini-batch.")
    with pytest.raises(ResultsError, match=r"gave no rows: ZeroDivisionError division by zero on '0\.txt'"):
        found.to_pandas()


def test_fewer_rows_than_files_are_told(make: Make, tmp_path: Path) -> None:
    spec = make("def run(mini_batch):\n    return [Path(one).name for one in mini_batch[:2]]\n")

    found = spec.dry_run(tmp_path / "data")

    assert [one.status for one in found.outcomes] == ["succeeded"] * 2 + ["failed"] * 3
    assert {one.error_type for one in found.outcomes[2:]} == {"ShortReturn"}
    assert found.warnings[0].startswith("3 of 5 files failed: ShortReturn: ")
    assert (
        found.warnings[1] == "Each file succeeds when it is scored alone: run() goes wrong with several files at once."
    )


def test_the_time_limit_is_that_of_the_deployment(make: Make, tmp_path: Path) -> None:
    spec = make(
        "def run(mini_batch):\n    time.sleep(60)\n    return mini_batch\n",
        files=1,
        retry_settings=RetrySettings(timeout=0.3),
    )

    found = spec.dry_run(tmp_path / "data")

    assert [one.error_type for one in found.outcomes] == ["Timeout"]
    assert found.seconds_per_file == 0.0


def test_files_are_not_scored_alone_when_that_would_take_long(
    make: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(trial, "ALONE_SECONDS", 0.0)
    spec = make("def run(mini_batch):\n    time.sleep(0.05)\n    return mini_batch\n")

    found = spec.dry_run(tmp_path / "data")

    assert len(found.outcomes) == 5
    assert len(found.alone) < 5
    assert found.seconds_per_file >= 0.01


def test_mini_batches_are_divided_as_in_a_job(make: Make, tmp_path: Path) -> None:
    spec = make("def run(mini_batch):\n    return [str(len(mini_batch))] * len(mini_batch)\n", mini_batch_size=2)

    found = spec.dry_run(tmp_path / "data", limit=5)

    assert [one.mini_batch for one in found.outcomes] == [0, 0, 1, 1, 2]
    assert found.text == b"2\n2\n2\n2\n1\n"


def test_the_script_sees_what_it_sees_in_a_job(make: Make, tmp_path: Path) -> None:
    spec = make(
        """
        def run(mini_batch):
            here = [Path.cwd() == Path(__file__).parent, sorted(os.listdir(os.environ["AZUREML_MODEL_DIR"]))]
            Path(os.environ["AZUREML_BI_OUTPUT_PATH"], "out.txt").write_text("x")
            return [str(here), os.environ["COLOUR"]]
        """,
        files=2,
        environment_variables={"COLOUR": "blue"},
    )

    found = spec.dry_run(tmp_path / "data")

    assert found.text == b"[True, ['model']]\nblue\n"


def test_what_the_script_does_to_its_folders_is_undone(make: Make, tmp_path: Path) -> None:
    spec = make("""
        import helper

        def run(mini_batch):
            for one in mini_batch:
                Path(one).with_suffix(".done").write_text("x")
                Path(one).write_text("changed")
            (Path(os.environ["AZUREML_MODEL_DIR"]) / "model" / "weights.bin").write_bytes(b"changed")
            Path(__file__).with_name("cache.txt").write_text("x")
            return mini_batch
    """)
    (tmp_path / "code" / "helper.py").write_text("x = 1\n", encoding="utf-8")
    before = held(tmp_path)

    assert {one.status for one in spec.dry_run(tmp_path / "data").outcomes} == {"succeeded"}
    assert held(tmp_path) == before


def test_large_files_are_linked_to_and_not_copied(make: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(trial, "LINKED", 1)
    spec = make("def run(mini_batch):\n    return [str(Path(one).is_symlink()) for one in mini_batch]\n", files=1)

    assert spec.dry_run(tmp_path / "data").text == b"True\n"


def test_a_script_that_does_not_start_is_told_with_its_traceback(make: Make, tmp_path: Path) -> None:
    spec = make("def run(mini_batch):\n    return mini_batch\n\nraise RuntimeError('no luck')\n")

    with pytest.raises(ScoringScriptError, match="no luck") as caught:
        spec.dry_run(tmp_path / "data")

    assert (caught.value.path, caught.value.line) == (tmp_path / "code" / "score.py", 11)
    assert f'"{tmp_path / "code" / "score.py"}", line 11' in str(caught.value)


def test_a_worker_that_dies_is_an_outcome(make: Make, tmp_path: Path) -> None:
    spec = make("def run(mini_batch):\n    os._exit(3)\n", files=1)
    (tmp_path / "code" / "score.py").write_text(
        INIT + "def run(mini_batch):\n    os.kill(os.getpid(), 9)\n    return mini_batch\n", encoding="utf-8"
    )

    found = spec.dry_run(tmp_path / "data")

    assert [one.error_type for one in found.outcomes] == ["WorkerDied"]


def test_a_pattern_chooses_the_files_and_an_ignore_file_leaves_some_out(make: Make, tmp_path: Path) -> None:
    spec = make("def run(mini_batch):\n    return [Path(one).name for one in mini_batch]\n")
    (tmp_path / "data" / "sub").mkdir()
    (tmp_path / "data" / "sub" / "9.txt").write_text("9", encoding="utf-8")

    found = spec.dry_run(tmp_path / "data" / "**" / "[39].txt")
    (tmp_path / "data" / ".amlignore").write_text("sub/\n.amlignore\n[0-3].txt\n", encoding="utf-8")

    assert [one.path for one in found.outcomes] == ["3.txt", "sub/9.txt"]
    assert [one.path for one in spec.dry_run(tmp_path / "data").outcomes] == ["4.txt"]


def test_a_model_in_the_current_folder_has_its_own_name(
    make: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    spec = make('def run(mini_batch):\n    return os.listdir(os.environ["AZUREML_MODEL_DIR"])\n', files=1)
    monkeypatch.chdir(tmp_path / "model")

    assert spec.changed(model=Path()).dry_run(tmp_path / "data").text == b"model\n"


def test_summary_only_gives_no_rows_and_says_so(make: Make, tmp_path: Path) -> None:
    script = 'def run(mini_batch):\n    os.environ["AZUREML_BI_OUTPUT_PATH"]\n    return mini_batch\n'
    found = make(script, output_action="summary_only").dry_run(tmp_path / "data")

    assert {one.status for one in found.outcomes} == {"succeeded"}
    with pytest.raises(ResultsError, match="gave no rows: output_action is summary_only"):
        found.to_pandas()


def test_an_mlflow_model_needs_no_script(tmp_path: Path) -> None:
    pytest.importorskip("mlflow")
    (tmp_path / "flow").mkdir()
    (tmp_path / "code").mkdir()
    (tmp_path / "flow" / "code").mkdir()
    (tmp_path / "flow" / "code" / "doubling.py").write_text(
        "class Model:\n    def predict(self, frame, params=None):\n        return frame['x'] * 2\n\n"
        "def _load_pyfunc(path):\n    return Model()\n",
        encoding="utf-8",
    )
    (tmp_path / "flow" / "MLmodel").write_text(
        "flavors:\n  python_function:\n    loader_module: doubling\n    code: code\n    env: {}\n"
        'signature:\n  inputs: \'[{"name": "x", "type": "long"}]\'\n',
        encoding="utf-8",
    )
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "a.csv").write_text("x\n1\n2\n", encoding="utf-8")

    found = DeploymentSpec(name="flow", model=tmp_path / "flow").dry_run(tmp_path / "data")

    assert [one.error_message for one in found.outcomes] == [None]
    assert found.text == b"0,2,a.csv\n1,4,a.csv\n"
    assert found.to_pandas().iloc[:, 1].tolist() == [2, 4]


def test_ctrl_c_leaves_no_process_and_no_folder(make: Make, tmp_path: Path) -> None:
    spec = make("""
        def run(mini_batch):
            Path(os.environ["SEEN"]).write_text(str(os.getpid()))
            time.sleep(60)
            return mini_batch
    """)
    seen = tmp_path / "seen"
    spec.changed(environment_variables={"SEEN": str(seen)}).to_yaml(tmp_path / "blue.yml")
    code = "import sys, azure_batch_endpoints as abe; abe.DeploymentSpec.from_yaml(sys.argv[1]).dry_run(sys.argv[2])"
    variables = {**unmeasured(), "TMPDIR": str(tmp_path / "tmp")}
    with subprocess.Popen(
        [sys.executable, "-c", code, str(tmp_path / "blue.yml"), str(tmp_path / "data")],
        env=variables,
        stderr=subprocess.PIPE,
    ) as process:
        until = time.monotonic() + 150
        while not (seen.exists() and seen.read_text()) and time.monotonic() < until:
            time.sleep(0.02)
        process.send_signal(signal.SIGINT)
        _, said = process.communicate(timeout=150)

    assert b"KeyboardInterrupt" in said
    with pytest.raises(ProcessLookupError):
        os.kill(int(seen.read_text()), 0)


def test_a_pickled_model_is_loaded_where_the_documents_say(make: Make, tmp_path: Path) -> None:
    spec = make("""
        import pickle

        def init():
            global model
            with open(os.path.join(os.environ["AZUREML_MODEL_DIR"], "model", "m.pkl"), "rb") as stream:
                model = pickle.load(stream)

        def run(mini_batch):
            return [model["answer"] for _ in mini_batch]
    """)
    (tmp_path / "model" / "m.pkl").write_bytes(pickle.dumps({"answer": 42}))

    found: DryRun = spec.dry_run(tmp_path / "data", limit=2)

    assert spec.check() == []
    assert found.to_pandas().iloc[:, 0].tolist() == [42, 42]
