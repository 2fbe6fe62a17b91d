"""Each benchmark program runs, in its quick form and without peers: real services, workers and files, in seconds."""

from __future__ import annotations

import subprocess
import sys
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.local.scripts import unmeasured

ROOT = Path(__file__).parent.parent
OWN_ROWS = {
    "engine": ["ours, exactly once", "plain loop"],
    "recovery": ["ours, exactly once: all"],
    "end_to_end": ["ours, from the store", "ours, with the upload"],
    "scale": ["100 files", "ours"],
    "profile_job": ["service us/file"],
    "quickstart": ["100 small files"],
    "blob_store": ["puts of 1 KiB"],
    "results": ["ours, to_pandas", "ours, to_arrow"],
    "client": ["import: seconds", "invoke a known endpoint: requests", "whole story: processor seconds"],
    "transfers": ["60 x 1 KiB, up: ours", "1 x 20 MiB, down: ours"],
}
"""Program -> words of rows that it prints of us."""
ALONE = {"profile_job": ["--no-samples"], "quickstart": [], "blob_store": []}
"""Program -> how it is told to leave others out, where not by `--peers none`."""


Runs = dict[str, "Future[subprocess.CompletedProcess[str]]"]


@pytest.fixture(scope="module")
def runs(
    tmp_path_factory: pytest.TempPathFactory, two_at_once: ThreadPoolExecutor, request: pytest.FixtureRequest
) -> Runs:
    """The quick forms that are asked for."""
    asked = {item.callspec.params.get("program") for item in request.session.items if hasattr(item, "callspec")}
    programs = [program for program in OWN_ROWS if program in asked]
    return {program: two_at_once.submit(run, program, tmp_path_factory.mktemp(program)) for program in programs}


def run(program: str, folder: Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", f"benchmarks.{program}", "--quick", *ALONE.get(program, ["--peers", "none"])]
    environment = {**unmeasured(), "TMPDIR": str(folder)}
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=280, env=environment)
    assert list(folder.iterdir()) == [], "it left something"
    return done


@pytest.mark.skipif(sys.platform != "linux", reason="memory and processor time are read from /proc")
@pytest.mark.parametrize("program", OWN_ROWS)
def test_a_benchmark_runs_in_its_quick_form(program: str, runs: Runs) -> None:
    done = runs[program].result()

    assert done.returncode == 0, done.stderr
    assert [words for words in OWN_ROWS[program] if words not in done.stdout] == []


@pytest.mark.parametrize("program", OWN_ROWS)
def test_a_benchmark_says_what_it_does(program: str) -> None:
    command = [sys.executable, "-m", f"benchmarks.{program}", "--help"]

    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=150, check=True, env=unmeasured())

    assert f"python -m benchmarks.{program}" in done.stdout
    assert "--quick" in done.stdout
