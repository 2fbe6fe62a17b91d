"""Notebooks made of code cells, run by a real kernel."""

from __future__ import annotations

from pathlib import Path
from typing import Any, TypeAlias

import nbformat
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError

Cell: TypeAlias = dict[str, Any]
Notebook: TypeAlias = Any
"""An `nbformat` node: cells as attributes and as keys."""
SECONDS = 250
SETUP = """
import time
from pathlib import Path
from azure_batch_endpoints import BatchClient, DeploymentSpec

Path("code").mkdir(exist_ok=True)
Path("slow").mkdir(exist_ok=True)
for number in range(200):
    Path(f"slow/{{number:04}}.txt").write_text("slow")
Path("data").mkdir(exist_ok=True)
Path("model").mkdir(exist_ok=True)
Path("model/weights.txt").write_text("1")
for number in range({files}):
    Path(f"data/{{number:04}}.txt").write_text("bad" if number % {bad} == 0 else str(number))
Path("code/score.py").write_text('''{script}''')
client = BatchClient.local("abe", workers={workers})
endpoint = client.endpoints.create("digits")
spec = DeploymentSpec(
    name="first", model="model", code="code", scoring_script="score.py",
    settings={{"mini_batch_size": {size}, "max_concurrency_per_instance": {workers},
              "retry_settings": {{"max_retries": 2, "timeout": 60}}}},
)
deployment = endpoint.deployments.create(spec, set_default=True)
"""
SCRIPT = """
import pathlib, time
def init():
    print("model loaded")
def run(mini_batch):
    rows = []
    for path in mini_batch:
        text = pathlib.Path(path).read_text()
        if text == "bad":
            raise ValueError("cannot read <b>it</b>")
        time.sleep(0.5 if text == "slow" else {pause})
        rows.append(text)
    return rows
"""


def setup(*, files: int = 24, size: int = 2, workers: int = 2, bad: int = 12, pause: float = 0.02) -> str:
    """Return the first cell: a local service with a deployment, and files of which every so many cannot be scored."""
    return SETUP.format(files=files, size=size, workers=workers, bad=bad, script=SCRIPT.format(pause=pause))


def executed(folder: Path, *cells: str, allow_errors: bool = False) -> Notebook:
    """Return a notebook of these cells, run in a folder."""
    form: Any = nbformat.v4
    notebook = form.new_notebook(cells=[form.new_code_cell(source=cell) for cell in cells])
    client = NotebookClient(
        notebook,
        timeout=SECONDS,
        kernel_name="python3",
        allow_errors=allow_errors,
        resources={"metadata": {"path": str(folder)}},
    )
    try:
        client.execute()
    except CellExecutionError as error:
        raise AssertionError(str(error)) from error
    return notebook


def html_of(cell: Cell) -> list[str]:
    """Return the HTML that a cell shows, an output each."""
    return [output["data"]["text/html"] for output in cell["outputs"] if "text/html" in output.get("data", {})]


def printed(cell: Cell, name: str) -> str:
    """Return what a cell wrote to ``stdout`` or ``stderr``."""
    return "".join(output["text"] for output in cell["outputs"] if output.get("name") == name)
