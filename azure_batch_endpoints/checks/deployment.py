"""A whole deployment, looked at: each subject's findings, joined."""

from __future__ import annotations

from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING

from azure_batch_endpoints import _render
from azure_batch_endpoints._spec_base import is_reference
from azure_batch_endpoints.checks import (
    contract,
    folders,
    habits,
    imports,
    mlflow,
    model_use,
    newer,
    online,
    packages,
    settings,
)
from azure_batch_endpoints.checks.findings import Finding, listed
from azure_batch_endpoints.checks.paths import INSIDE, is_mlflow, leads_outside, lies_inside, missing
from azure_batch_endpoints.checks.source import Script
from azure_batch_endpoints.specs import EnvironmentSpec

if TYPE_CHECKING:
    from azure_batch_endpoints.specs import DeploymentSpec, ModelSpec


def check(spec: DeploymentSpec) -> list[Finding]:
    """Look for mistakes in a deployment, errors first; see :meth:`DeploymentSpec.check`."""
    return _render.Rows(sorted(_all(spec), key=lambda one: one.severity != "error"))


def _all(spec: DeploymentSpec) -> list[Finding]:
    model = _model_path(spec.model)
    found = _missing_files(spec) + _check_model(spec, model) + settings.check_settings(spec)
    if spec.code is None:
        return found
    if leads_outside(spec.scoring_script or ""):
        text = f"The scoring script {spec.scoring_script!r}{spec.named_in('scoring_script')} cannot be used. {INSIDE}"
        return [*found, Finding("error", text, blocks=True)]
    if is_reference(spec.code):
        return found
    code, name = Path(spec.code), spec.scoring_script or ""
    absent = _no_script(code, name, spec.named_in("code"), spec.named_in("scoring_script"))
    if absent is not None:
        return [*found, absent]
    script = _parsed(code / name, code)
    if isinstance(script, Finding):
        return [*found, script]
    return found + _check_code(spec, script, model) + folders.check_code_folder(code, name)


def _check_model(spec: DeploymentSpec, path: Path | None) -> list[Finding]:
    if path is None or not path.exists():
        return []
    if is_mlflow(path):
        found = mlflow.check_mlflow(path, scripted=spec.code is not None, environment=spec.environment is not None)
    elif spec.code is None:
        text = (
            f"The model '{path}' is no MLflow folder (it has no file 'MLmodel'), so it needs a scoring script. "
            "Give code and scoring_script."
        )
        found = [Finding("error", text, path, blocks=True)]
    else:
        found = []
    return found + (folders.check_model_folder(path) if path.is_dir() else [])


def _check_code(spec: DeploymentSpec, script: Script, model: Path | None) -> list[Finding]:
    """Look at the scoring script, and at what it takes from the model and the environment."""
    scripts = imports.local_scripts(script)
    environment = packages.Environment.of(spec)
    unknown = is_reference(spec.environment) if isinstance(spec.environment, str) else False
    found = _check_script(script, scripts)
    found += imports.check_imports(scripts, environment, str(spec.environment) if unknown else "")
    found += newer.check_syntax(scripts, environment)
    if spec.settings.output_action == "summary_only" and not habits.writes_output(scripts):
        text = (
            "output_action is summary_only, which keeps no rows, and the code never looks at AZUREML_BI_OUTPUT_PATH, "
            "where it could write files of its own. Use append_row, unless the results go elsewhere."
        )
        found.append(Finding("warning", text, script.path))
    if model is not None and model.exists():
        found += model_use.check_model(script, scripts, model)
    return found


def _check_script(script: Script, scripts: list[Script]) -> list[Finding]:
    found = contract.check_contract(script) + online.check_online(script)
    return found + [one for each in scripts for one in habits.check_habits(each)]


def check_script(code: Path, script: str, code_named: str = "", script_named: str = "") -> list[Finding]:
    """Look at a scoring script: it exists, parses, defines ``init()`` and ``run(mini_batch)`` and returns rows.

    Args:
        code: its folder.
        script: its path in there.
        code_named: where the folder is named, as it follows a text; or empty.
        script_named: where the script is named, likewise.
    """
    absent = _no_script(code, script, code_named, script_named)
    if absent is not None:
        return [absent]
    parsed = _parsed(code / script, code)
    return [parsed] if isinstance(parsed, Finding) else _check_script(parsed, imports.local_scripts(parsed))


def _no_script(code: Path, script: str, code_named: str, script_named: str) -> Finding | None:
    if not code.is_dir():
        text = f"The code '{code}' is a file. Give the folder it is in as code." if code.is_file() else ""
        return Finding("error", text or missing("code folder", code, code_named), code, blocks=True)
    path = code / script
    if not path.is_file():
        others = listed([one.name for one in sorted(code.glob("*.py"))]) or "no Python file"
        place = f"is not in '{code}' (it has: {others})"
        text = f"The scoring script '{script}'{script_named} {place}. Correct scoring_script."
        return Finding("error", text, path, blocks=True)
    if not lies_inside(code, script):
        text = f"The scoring script {script!r}{script_named} leads out of '{code}'. {INSIDE}"
        return Finding("error", text, blocks=True)
    return None


def _parsed(path: Path, code: Path) -> Script | Finding:
    try:
        return Script.read(path, code)
    except (SyntaxError, ValueError) as error:
        reason = error.msg if isinstance(error, SyntaxError) else str(error)
        return Finding(
            "error", f"SyntaxError, {reason}. Correct that line.", path, getattr(error, "lineno", None), blocks=True
        )
    except (OSError, RecursionError) as error:
        return Finding(
            "error",
            f"The scoring script '{path}' cannot be read: {error}. Check its permissions and that it is text.",
            path,
            blocks=True,
        )


def _missing_files(spec: DeploymentSpec) -> list[Finding]:
    """Model, conda file and environment file that are local and not there."""
    model, environment = spec.model, spec.environment
    where = spec.named_in("model") if isinstance(model, str | Path) else model.named_in("path")
    files = [("model", _model_path(model), where)]
    if isinstance(environment, EnvironmentSpec):
        if isinstance(environment.conda_file, str | PathLike):
            files.append(("conda file", Path(environment.conda_file), environment.named_in("conda_file")))
    elif environment is not None and not is_reference(environment):
        files.append(("environment", Path(environment), spec.named_in("environment")))
    return [
        Finding("error", missing(what, path, named), path, blocks=True)
        for what, path, named in files
        if path is not None and not path.exists()
    ]


def _model_path(model: str | Path | ModelSpec) -> Path | None:
    path = model if isinstance(model, str | Path) else model.path
    return None if is_reference(path) else Path(path)
