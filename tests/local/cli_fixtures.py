"""The command line on a root folder of its own, with the how-to's files, small: for tests against a real service."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from azure_batch_endpoints.cli.__main__ import app
from tests.local.scripts import unmeasured

SECONDS = 200
SCRIPT = """
import os, pathlib, time
def init():
    pass
def run(mini_batch):
    rows = []
    for path in mini_batch:
        text = pathlib.Path(path).read_text()
        if text == "slow":
            time.sleep(30)
        if text == "bad":
            raise ValueError("cannot read it")
        rows.append(os.path.basename(path))
    return rows
"""
DEPLOYMENT = """
name: first
endpoint_name: digits
model:
  local_path: ./model.txt
code_configuration:
  code:
    local_path: ./code
  scoring_script: score.py
environment:
  conda_file: ./conda.yml
  image: some-image
compute: azureml:batch-cluster
mini_batch_size: 2
retry_settings:
  max_retries: 1
  timeout: 45
error_threshold: -1
"""


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a deployment and inputs, as the how-to has them."""
    folder = tmp_path_factory.mktemp("project")
    for name, text in {
        "model.txt": "a model",
        "conda.yml": "name: none\ndependencies:\n  - python=3.11\n",
        "deployment.yml": DEPLOYMENT,
        "endpoint.yml": "name: from-yaml\ndescription: of a file\n",
        "code/score.py": SCRIPT,
        "data/a.txt": "a",
        "data/b.txt": "b",
        "data/c.txt": "c",
        "mixed/a.txt": "a",
        "mixed/bad.txt": "bad",
        "bad/bad.txt": "bad",
        "slow/slow.txt": "slow",
    }.items():
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_text(text)
    return folder


class Abe:
    """The command line on one root folder."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def __call__(self, *arguments: str | Path, code: int = 0) -> Result:
        answer = CliRunner().invoke(app, [str(one) for one in arguments], env={"ABE_ROOT": str(self.root)})
        assert answer.exit_code == code, answer.output
        return answer

    def json(self, *arguments: str | Path) -> dict[str, Any]:
        value = json.loads(self(*arguments, "-o", "json").stdout)
        assert isinstance(value, dict)
        return value

    def process(self, *arguments: str | Path) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [sys.executable, "-m", "azure_batch_endpoints.cli", *map(str, arguments)],
            env={**unmeasured(), "ABE_ROOT": str(self.root)},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def deploy(self, project: Path) -> None:
        self("compute", "create", "batch-cluster")
        self("endpoint", "create", "digits", "--tag", "team=vision")
        self("deployment", "create", "--file", project / "deployment.yml", "--set-default")


def ended(process: subprocess.Popen[str]) -> tuple[int, str, str]:
    stdout, stderr = process.communicate(timeout=SECONDS)
    return process.returncode, stdout, stderr


def reads(process: subprocess.Popen[str], stream: str) -> str:
    """Read a line of a process, or fail after a while."""
    timer = threading.Timer(SECONDS, process.kill)
    timer.start()
    try:
        pipe = process.stdout if stream == "stdout" else process.stderr
        assert pipe is not None
        return pipe.readline().strip()
    finally:
        timer.cancel()


@pytest.fixture(scope="module")
def staying(project: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Abe]:
    """The command line on a service that runs in the background, with the deployment of the how-to."""
    abe = Abe(tmp_path_factory.mktemp("staying"))
    done, _, stderr = ended(abe.process("local", "start", "--detach", "--workers", "2"))
    assert done == 0, stderr
    try:
        abe.deploy(project)
        yield abe
    finally:
        abe("local", "stop")
        abe("local", "status", code=1)
