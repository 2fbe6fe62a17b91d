"""Local paths of a deployment: which lead out of the code folder, which are not there, which hold an MLflow model."""

from __future__ import annotations

import re
from pathlib import Path

from azure_batch_endpoints._spelling import nearest

_OUTSIDE = re.compile(r"/|[a-zA-Z]:|(?:.*/)?\.\.(?:/|$)|.*[\\\x00-\x1f\x7f-\x9f]", re.DOTALL)
INSIDE = "It must be a path inside the code folder, with '/' between folders, such as 'score.py' or 'sub/score.py'."


def is_mlflow(path: Path) -> bool:
    """Whether a folder holds an MLflow model."""
    return (path / "MLmodel").is_file()


def leads_outside(script: str) -> bool:
    """Whether a script's path is none inside the code folder: absolute, with '..', a backslash or control character."""
    return _OUTSIDE.match(script) is not None


def lies_inside(code: Path, script: str) -> bool:
    """Whether a script is in the code folder, links followed."""
    try:
        return not leads_outside(script) and (code / script).resolve().is_relative_to(code.resolve())
    except (OSError, RuntimeError):  # links in a circle
        return False


def missing(what: str, path: Path, named: str = "") -> str:
    """Say that a local path is not there, and what was probably meant."""
    near = nearest(path)
    remedy = f"Did you mean '{near}'?" if near else "Correct the path."
    if what in {"model", "environment"}:
        remedy += f" A registered {what} is named 'azureml:<name>:<version>'."
    if "$" in str(path):
        remedy += " Environment variables are not replaced."
    return f"The {what} '{path}'{named} does not exist (looked in '{Path.cwd()}'). {remedy}"
