"""Scoring scripts, small folders and an environment for tests that run whole jobs."""

from __future__ import annotations

import os
import textwrap
from pathlib import Path
from typing import Any

from azure_batch_endpoints import DeploymentSpec, RetrySettings, RunSettings

NAMES = """
    import os

    def init():
        with open(os.path.join(os.environ["AZUREML_MODEL_DIR"], "model", "weights.txt")) as weights:
            assert weights.read() == "weights"

    def run(mini_batch):
        return [os.path.basename(path) for path in mini_batch]
"""
"""Returns the base name of every file, and needs the model."""


def numbers(folder: Path, count: int) -> Path:
    """Write files 00.txt, 01.txt, … and return their folder."""
    folder.mkdir(parents=True, exist_ok=True)
    for number in range(count):
        (folder / f"{number:02}.txt").write_text(str(number))
    return folder


def deployment(folder: Path, name: str, script: str, **settings: Any) -> DeploymentSpec:
    """Write model and script into a folder and return a deployment of them; small mini-batches, two workers."""
    model, code = folder / name / "model", folder / name / "code"
    for made in (model, code):
        made.mkdir(parents=True, exist_ok=True)
    (model / "weights.txt").write_text("weights")
    (code / "score.py").write_text(textwrap.dedent(script))
    quick = {
        "mini_batch_size": 3,
        "max_concurrency_per_instance": 2,
        "retry_settings": RetrySettings(max_retries=2, timeout=10),
    }
    return DeploymentSpec(
        name=name, model=model, code=code, scoring_script="score.py", settings=RunSettings(**{**quick, **settings})
    )


def unmeasured() -> dict[str, str]:
    """Return the environment for a process that gets Ctrl-C: coverage's own lock would hang in it for ever."""
    return {name: value for name, value in os.environ.items() if not name.startswith("COVERAGE_")}
