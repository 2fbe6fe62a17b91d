"""Syntax that is newer than the Python of the deployment's environment."""

from __future__ import annotations

import ast
import sys
import warnings
from collections.abc import Iterator

from azure_batch_endpoints.checks.findings import Finding
from azure_batch_endpoints.checks.packages import Environment
from azure_batch_endpoints.checks.source import PARSING, Script


def check_syntax(scripts: list[Script], environment: Environment) -> list[Finding]:
    """Read the scripts as the environment's Python would, if it is an older one."""
    wanted = environment.python
    if wanted is None or wanted >= sys.version_info[:2] or wanted < (3, 7):
        return []
    return [one for script in scripts for one in _newer(script, wanted)]


def _newer(script: Script, wanted: tuple[int, int]) -> Iterator[Finding]:
    version = f"{wanted[0]}.{wanted[1]}"
    try:
        with PARSING, warnings.catch_warnings():
            warnings.simplefilter("ignore")
            ast.parse(script.path.read_bytes(), filename=str(script.path), feature_version=wanted)
    except SyntaxError as error:
        matches = [one.lineno for one in ast.walk(script.tree) if isinstance(one, ast.Match)]
        line = matches[0] if matches and wanted < (3, 10) else error.lineno
        text = (
            f"The environment has Python {version}, for which this is no syntax: {error.msg}. "
            "Raise its version, or write it otherwise."
        )
        yield Finding("warning", text, script.path, line)
