"""`instrument=True`: the same predictions file as without it, and an account that says what the ledger says.

Each script runs bare and wrapped on the local service; the account is read through a client that is told that there is
no ledger, as in the cloud.
"""

from __future__ import annotations

import textwrap
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import pytest

from azure_batch_endpoints import (
    BatchClient,
    BatchEndpoint,
    DeploymentSpec,
    Job,
    ResultsError,
    RetrySettings,
    _cloud,
    _retry,
)
from azure_batch_endpoints._cloud import FOLDER
from tests.local.pretending import as_in_the_cloud
from tests.local.scripts import deployment, numbers

HEAD = "import os, sys\nfrom os.path import basename\ndef init(): pass\n"
SCRIPTS = {
    "lists": "def run(batch): return [basename(path) for path in batch]",
    "tuples": "def run(batch): return tuple((basename(path), len(path) > 0, 0.1) for path in batch)",
    "numbers": """
        import numpy
        def run(batch): return numpy.arange(2.0 * len(batch)).reshape(-1, 2) / 3
    """,
    "tables": """
        import pandas as pd
        def run(batch):
            names = [basename(path) for path in batch]
            if names[0] == "09.txt":
                return pd.DataFrame({"name": names * 4, "row": range(4)})
            frame = pd.DataFrame({"name": names, "n": [int(one[:2]) for one in names], "text": ["a b", "", None]})
            return frame.astype({"n": "int16" if names[0] == "00.txt" else "float32"})
    """,
    "line breaks": "def run(batch): return [basename(path) + ': a\\nb' for path in batch]",
    "short": "def run(batch): return [basename(path) for path in batch if basename(path) != '04.txt']",
    "raising": """
        def run(batch):
            if "04.txt" in map(basename, batch):
                raise ValueError("cannot read " + basename(batch[1]))
            return [basename(path) for path in batch]
    """,
    "sometimes": """
        tried = set()
        def run(batch):
            marker = os.environ["AZUREML_BI_OUTPUT_PATH"] + "/" + basename(batch[0]) + ".tried"
            if not os.path.exists(marker):
                open(marker, "w").close()
                raise RuntimeError("first try of " + basename(batch[0]))
            return [basename(path) for path in batch]
    """,
    "nothing": "def run(batch): return None if basename(batch[0]) == '03.txt' else [basename(path) for path in batch]",
    "yielding": """
        def run(batch):
            if basename(batch[0]) == "03.txt":
                return (path for path in batch)
            return [basename(path) for path in batch]
    """,
    "leaving": """
        def run(batch):
            if basename(batch[0]) == "03.txt": sys.exit(3)
            return [basename(path) for path in batch]
    """,
    "slow": """
        import time
        def run(batch):
            if basename(batch[0]) == "03.txt": time.sleep(60)
            return [basename(path) for path in batch]
    """,
    "dying": """
        import signal
        def run(batch):
            if basename(batch[0]) == "03.txt": os.kill(os.getpid(), signal.SIGKILL)
            return [basename(path) for path in batch]
    """,
    "forking": """
        def run(batch):
            child = os.fork()
            if child == 0:
                return ["of the child"]
            os.waitpid(child, 0)
            return [basename(path) for path in batch]
    """,
    "counting its texts": """
        class Row:
            made = 0
            def __str__(self):
                Row.made += 1
                return str(Row.made)
        def run(batch): return [Row() for _ in batch]
    """,
    "looking around": """
        import argparse, logging, pickle
        class Own:
            pass
        def run(batch):
            given, _ = argparse.ArgumentParser().parse_known_args()
            parser = argparse.ArgumentParser()
            parser.add_argument("--logging_level")
            logging.getLogger().info("logged %s", basename(batch[0]))
            print("printed", basename(batch[0]))
            seen = [__name__, basename(__file__), basename(sys.argv[0]), parser.parse_known_args()[0].logging_level]
            same = pickle.loads(pickle.dumps(Own())).__class__ is Own and sys.modules[__name__].Own is Own
            paths = [os.path.relpath(path, os.path.dirname(__file__)) for path in sys.path[:2]]
            return [(*seen, Own.__module__, same, paths[0], logging.getLogger().level, run.__qualname__)] * len(batch)
        if __name__ == "__main__":
            raise SystemExit("not the main program")
    """,
    "decorated since init": """
        import functools
        def named(function):
            @functools.wraps(function)
            def call(batch): return function(batch)
            return call
        def init():
            global run
            @named
            def run(batch): return [basename(path) for path in batch][:2]
        def run(batch): return batch
    """,
    "replacing functions": """
        import builtins, json, threading, time
        opened, own_open = [], builtins.open
        def counting(*arguments, **keywords):
            opened.append(arguments[0])
            return own_open(*arguments, **keywords)
        builtins.open = counting
        def __getattr__(name): raise RuntimeError("asked for " + name)
        json.dumps = time.time = time.monotonic = None
        def run(batch):
            for thread in threading.enumerate():
                if thread is not threading.current_thread():
                    thread.join()
            return [(basename(path), len(opened), threading.active_count()) for path in batch]
    """,
    "categories that count": """
        import pandas as pd
        class Label:
            made = 0
            def __init__(self, name): self.name = name
            def __hash__(self): return hash(self.name)
            def __eq__(self, other): return self.name == other.name
            def __lt__(self, other): return self.name < other.name
            def __str__(self):
                Label.made += 1
                return f"{self.name} {Label.made}"
        def run(batch): return pd.DataFrame({"label": pd.Categorical([Label(basename(path)) for path in batch])})
    """,
    "values of many kinds": """
        import datetime, decimal
        import pandas as pd
        def run(batch):
            texts = [None, 'q"u,o te', 'new\\nline', 'ü中', float("nan"), ""]
            own = [datetime.date(2020, 1, 1), decimal.Decimal("1.50")]
            rows = [[basename(path), n, *texts, *own, pd.NaT] for n, path in enumerate(batch)]
            frame = pd.DataFrame(rows, columns=list("aabcdefghij"))
            frame["cut"] = pd.cut(list(range(len(rows))), 2)
            frame["kind"] = pd.Categorical(["x y"] * len(rows))
            return frame.set_index("f", append=True, drop=False)
    """,
    "vectors": """
        import numpy as np
        def run(batch):
            rows = [(basename(path), n, n / 3) for n, path in enumerate(batch)]
            if rows[0][0] == "00.txt":
                return np.array(rows, dtype=[("name", "U10"), ("n", "i4"), ("share", "f8")])
            return [{"row": row, "parts": [np.arange(3) / 3, {"k": (1, None)}]} for row in rows]
    """,
    "changing itself": """
        def init():
            global run
            run = lambda batch: ["replaced"] * len(batch)
        def run(batch): return ["first"] * len(batch)
    """,
}
READ_BACK = [
    "lists",
    "numbers",
    "tables",
    "line breaks",
    "short",
    "values of many kinds",
    "vectors",
    "replacing functions",
]
HELPERS = {"zlib.py": "WORD = 'own zlib'", "helper.py": "WORD = 'helper'", "src/beside.py": "WORD = 'beside'"}
BELOW = """
    import helper
    import src.beside
    import {own}
    def run(batch): return [(helper.WORD, src.beside.WORD, getattr({own}, "WORD", "library"), __name__)] * len(batch)
"""


@dataclass(frozen=True)
class Pair:
    """The same script, bare and wrapped, each job ended."""

    bare: Job
    wrapped: Job
    seen: Job
    """The wrapped job through a client that knows of no ledger."""
    asked: list[str]
    """What was asked for `seen`."""


@pytest.fixture(scope="module")
def client(tmp_path_factory: pytest.TempPathFactory) -> Iterator[BatchClient]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_CACHE_HOME", str(tmp_path_factory.mktemp("cache")))  # the driver waits there to be uploaded
        with BatchClient.local(tmp_path_factory.mktemp("service"), workers=2) as client:
            yield client


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("scripts")


@pytest.fixture(scope="module")
def data(folder: Path) -> Path:
    return numbers(folder / "data", 10)


@pytest.fixture(scope="module")
def jobs(client: BatchClient, folder: Path, data: Path) -> Mapping[str, tuple[Job, Job]]:
    """All jobs of all scripts, started together."""
    endpoint = client.endpoints.create("wrapping")
    started = {kind: invoked(endpoint, specification(folder, kind, text), data) for kind, text in SCRIPTS.items()}
    return {
        kind: (bare.wait(raise_on_failure=False), own.wait(raise_on_failure=False))
        for kind, (bare, own) in started.items()
    }


def specification(folder: Path, kind: str, text: str) -> DeploymentSpec:
    limit = 1.5 if kind == "slow" else 30
    script = HEAD + textwrap.dedent(text)
    retry = RetrySettings(max_retries=2, timeout=limit)
    return deployment(folder, kind.replace(" ", "-"), script, retry_settings=retry, max_concurrency_per_instance=1)


def invoked(endpoint: BatchEndpoint, spec: DeploymentSpec, data: Path) -> tuple[Job, Job]:
    bare = endpoint.deployments.create(spec)
    wrapped = endpoint.deployments.create(spec.changed(name=f"{spec.name}-wrapped", instrument=True))
    return endpoint.invoke(data, deployment=bare), endpoint.invoke(data, deployment=wrapped)


def predictions(job: Job, folder: Path) -> bytes:
    target = folder / job.name
    job.results.download(target)
    return (target / "predictions.csv").read_bytes()


def told(job: Job, *, of_same_job: bool = False) -> list[dict[str, Any]]:
    """What became of the inputs, without what differs from one job, or reader, to the next."""
    known = [asdict(one) for one in job.items()]
    left = {"seconds", "source"} if of_same_job else {"seconds", "source", "worker", "traceback"}
    return [{name: value for name, value in one.items() if name not in left} for one in known]


@pytest.mark.parametrize("kind", SCRIPTS)
def test_the_wrapped_script_gives_the_same_predictions_file(
    kind: str, jobs: Mapping[str, tuple[Job, Job]], tmp_path: Path
) -> None:
    bare, wrapped = jobs[kind]

    assert (bare.status, wrapped.status) == ("Completed", "Completed"), (bare.error, wrapped.error)
    assert predictions(wrapped, tmp_path) == predictions(bare, tmp_path)
    assert told(wrapped) == told(bare)


@pytest.mark.parametrize("kind", SCRIPTS)
def test_the_account_says_of_every_input_what_the_ledger_says(
    kind: str, jobs: Mapping[str, tuple[Job, Job]], client: BatchClient
) -> None:
    _, wrapped = jobs[kind]
    ledger, progress = told(wrapped, of_same_job=True), wrapped.refresh().progress

    with as_in_the_cloud(client) as asked:
        job = client.jobs.get(wrapped.name)
        account = told(job, of_same_job=True)
        seen = job.refresh().progress
        sources = {one.source for one in job.items()}

    if kind in ("slow", "dying"):  # the engine saw it happen: its words, and the stacks, are others
        ledger, account = ([without_words(one) for one in found] for found in (ledger, account))
    assert account == ledger
    assert sources == {"instrument"}
    assert seen is not None
    assert progress is not None
    assert {**asdict(seen), "source": "ledger"} == asdict(progress)
    assert len(asked) <= 15  # however many mini-batches there are; storage not counted


def without_words(one: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in one.items() if name not in ("error_message", "traceback", "error_place")}


@pytest.mark.parametrize("kind", READ_BACK)
def test_rows_have_their_names_types_and_files_without_a_ledger(
    kind: str, jobs: Mapping[str, tuple[Job, Job]], client: BatchClient
) -> None:
    import pandas as pd

    _, wrapped = jobs[kind]
    ledger = wrapped.results.to_pandas(source_file=True)

    with as_in_the_cloud(client):
        results = client.jobs.get(wrapped.name).results
        account = results.to_pandas(source_file=True)
        names = [f"column {place}" for place in range(len(account.columns) - 1)]  # some kinds have one name twice
        rows = list(results.iter_rows(source_file=True, columns=names))

    pd.testing.assert_frame_equal(account, ledger)
    assert str(rows) == str(ledger.set_axis([*names, "source file"], axis=1).to_dict("records"))


def test_a_hanging_run_is_told_by_its_place(jobs: Mapping[str, tuple[Job, Job]], client: BatchClient) -> None:
    with as_in_the_cloud(client):
        failed = client.jobs.get(jobs["slow"][1].name).failed_items()

    assert set(failed["error_type"]) == {"Timeout"}
    assert set(failed["error_place"]) == {"score.py:7"}
    assert "time.sleep(60)" in failed["traceback"][0]
    assert "_abe_driver" not in failed["traceback"][0]


def test_a_bare_job_is_told_of_by_its_log_files(
    jobs: Mapping[str, tuple[Job, Job]], client: BatchClient, folder: Path, data: Path
) -> None:
    bare, _ = jobs["raising"]
    known = bare.refresh().progress
    always = deployment(folder, "always", HEAD + "def run(batch): raise KeyError('age')", error_threshold=0)
    endpoint = client.endpoints.get("wrapping")
    ended = endpoint.invoke(data, deployment=endpoint.deployments.create(always)).wait(raise_on_failure=False)

    with as_in_the_cloud(client) as asked:
        job = client.jobs.get(bare.name)
        seen, failed = job.refresh().progress, job.failed_items()
        with pytest.raises(ResultsError, match="instrument=True"):
            list(job.items(status="succeeded"))
        with pytest.raises(ResultsError, match="instrument=True"):
            job.retry_failed()
        error = client.jobs.get(ended.name).error

    assert seen is not None and known is not None
    assert (seen.source, seen.counts, seen.failed) == ("logs", known.counts, known.failed)
    assert failed[["path", "mini_batch", "attempts", "error_type", "error_place", "source"]].to_numpy().tolist() == [
        ["04.txt", 1, 2, "ValueError", "score.py:7", "logs"]  # the mini-batch failed whole; the error names one file
    ]
    assert "ValueError: cannot read 04.txt" in failed["traceback"][0]
    assert error is not None and "KeyError: 'age'" in error and "score.py" in error
    assert len(asked) <= 30


def test_the_failed_files_are_scored_again_without_a_ledger(
    jobs: Mapping[str, tuple[Job, Job]], client: BatchClient, tmp_path: Path
) -> None:
    _, wrapped = jobs["raising"]
    mended = deployment(tmp_path, "raising", HEAD + SCRIPTS["lists"])

    with as_in_the_cloud(client):
        client.endpoints.get("wrapping").deployments.create(mended.changed(name="raising-wrapped", instrument=True))
        job = client.jobs.get(wrapped.name)
        again = job.retry_failed(mini_batch_size=1).wait(timeout=60)
        scored = [(one.path, one.status) for one in again.items()]
        with pytest.raises(Exception, match="Nothing failed in job"):
            again.retry_failed()

    assert scored == [(name, "succeeded") for name in ("03.txt", "04.txt", "05.txt")]
    assert again.retry_of == wrapped.name
    assert predictions(again, tmp_path) == b"03.txt\n04.txt\n05.txt\n"


def test_a_file_that_was_mended_in_its_place_is_copied_anew_for_a_retry(
    jobs: Mapping[str, tuple[Job, Job]], client: BatchClient, tmp_path: Path
) -> None:
    workspace, mended = client._workspace, tmp_path / "mended.txt"
    mended.write_text("mended")

    with as_in_the_cloud(client):
        view = client.jobs.get(jobs["raising"][1].name)._snapshot.body
        first, again = (_retry._folder_of_failed(workspace, view, include_pending=False) for _ in range(2))
        place = _cloud.input_of(workspace, view)
        assert place is not None
        place.container.upload(place.blob("04.txt"), mended, overwrite=True)
        now = _retry._folder_of_failed(workspace, view, include_pending=False)

    assert first == again != now
    container, folder = workspace.container_of(now.value)
    assert container.read(f"{folder.rstrip('/')}/04.txt") == b"mended"


def test_a_wrapped_script_below_finds_its_modules_as_a_bare_one_does(
    client: BatchClient, folder: Path, data: Path, tmp_path: Path
) -> None:
    endpoint = client.endpoints.create("below")
    spec = deployment(folder, "below", "pass", mini_batch_size=10)
    for name, text in {**HELPERS, "src/score.py": HEAD + textwrap.dedent(BELOW.format(own="zlib"))}.items():
        file = Path(str(spec.code), name)
        file.parent.mkdir(exist_ok=True)
        file.write_text(text)
    bare, wrapped = invoked(endpoint, spec.changed(scoring_script="src/score.py"), data)

    assert predictions(wrapped.wait(timeout=60), tmp_path) == predictions(bare.wait(timeout=60), tmp_path)
    assert not list(Path(str(spec.code)).rglob("_abe*"))


def test_a_script_that_cannot_start_fails_with_the_same_words(client: BatchClient, folder: Path, data: Path) -> None:
    endpoint = client.endpoints.create("starting")
    scripts = {
        "init": "def init(): raise OSError('no weights')\ndef run(batch): return batch",
        "load": HEAD + "import not_there\ndef run(batch): return batch",
        "gone": HEAD + "def run(batch): return batch\ndel run",
    }
    started = {kind: invoked(endpoint, deployment(folder, kind, text), data) for kind, text in scripts.items()}

    for kind, (bare, wrapped) in started.items():
        ended = [one.wait(timeout=60, raise_on_failure=False) for one in (bare, wrapped)]
        errors = [str(one.error).replace(one.name, "JOB").replace(f"{kind}-wrapped", kind) for one in ended]
        assert errors[0] == errors[1]
        if kind == "gone":  # no part of the script ran, so there is nothing to keep account of
            assert "'score.py' defines no function run()" in errors[1]
            continue
        with as_in_the_cloud(client):
            seen = client.jobs.get(wrapped.name)
            assert {one.status for one in seen.items()} == {"pending"}
            assert {"init": "OSError: no weights", "load": "No module named 'not_there'"}[kind] in str(seen.error)


def test_the_spec_comes_back_with_the_users_own_script(client: BatchClient, folder: Path, tmp_path: Path) -> None:
    endpoint = client.endpoints.create("reading-back")
    spec = deployment(folder, "back", HEAD + SCRIPTS["lists"]).changed(instrument=True)
    made = endpoint.deployments.create(spec)

    back = endpoint.deployments.get(made.name).spec
    assert (back.instrument, back.scoring_script) == (True, "score.py")
    assert made.raw["properties"]["codeConfiguration"]["scoringScript"] == "_abe_driver.py"
    assert DeploymentSpec.from_yaml(_written(spec, tmp_path)).instrument
    made.update(description="changed")
    assert made.spec.instrument
    made.update(made.spec.changed(instrument=False))
    assert made.raw["properties"]["codeConfiguration"]["scoringScript"] == "score.py"
    assert not made.spec.instrument


def _written(spec: DeploymentSpec, folder: Path) -> Path:
    spec.to_yaml(folder / "deployment.yml")
    return folder / "deployment.yml"


def test_the_account_is_no_input_of_a_later_job(jobs: Mapping[str, tuple[Job, Job]], client: BatchClient) -> None:
    _, wrapped = jobs["lists"]
    later = client.endpoints.get("wrapping").invoke(wrapped.results.uri, deployment="lists").wait(timeout=60)

    assert [one.path for one in later.items()] == ["predictions.csv"]
    assert not any(one.name.startswith(FOLDER) for one in wrapped.results.files())
