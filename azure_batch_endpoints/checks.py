"""Static findings about a deployment before anything is sent: paths, scoring script. Reads files; runs nothing."""

from __future__ import annotations

import ast
import re
import warnings
from dataclasses import dataclass
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from azure_batch_endpoints._spec_base import is_reference
from azure_batch_endpoints._spelling import nearest
from azure_batch_endpoints.errors import InvalidInputError, LocalPathError, ScoringScriptError
from azure_batch_endpoints.specs import EnvironmentSpec

if TYPE_CHECKING:
    from azure_batch_endpoints.specs import DeploymentSpec, ModelSpec

_OUTSIDE = re.compile(r"/|[a-zA-Z]:|(?:.*/)?\.\.(?:/|$)|.*[\\\x00-\x1f\x7f-\x9f]", re.DOTALL)
INSIDE = "It must be a path inside the code folder, with '/' between folders, such as 'score.py' or 'sub/score.py'."
_FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef)


@dataclass(frozen=True)
class Finding:
    """One thing that is, or may be, wrong."""

    severity: Literal["error", "warning"]
    """``error``: it cannot work."""
    message: str
    """What, and what to do."""
    path: Path | None = None
    """File it is about."""
    line: int | None = None
    """Line in it, from 1."""


def check(spec: DeploymentSpec) -> list[Finding]:
    """Look for mistakes in a deployment; see :meth:`DeploymentSpec.check`."""
    model, found = _model_path(spec.model), _missing_files(spec)
    if spec.code is None:
        if model is not None and model.exists() and not is_mlflow(model):
            text = (
                f"The model '{model}' is no MLflow folder (it has no file 'MLmodel'), so it needs a scoring script. "
                "Give code and scoring_script."
            )
            found.append(Finding("error", text, model))
        return found
    if leads_outside(spec.scoring_script or ""):
        text = f"The scoring script {spec.scoring_script!r}{spec.named_in('scoring_script')} cannot be used. {INSIDE}"
        return [*found, Finding("error", text)]
    if is_reference(spec.code):
        return found
    place = (spec.named_in("code"), spec.named_in("scoring_script"))
    return found + check_script(Path(spec.code), spec.scoring_script or "", *place)


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
        Finding("error", _missing(what, path, named), path)
        for what, path, named in files
        if path is not None and not path.exists()
    ]


def require_script(spec: DeploymentSpec, *, otherwise: str = "was not created") -> None:
    """Refuse a deployment that cannot work, before anything is uploaded.

    Args:
        spec: the deployment.
        otherwise: what becomes of the deployment, as it continues "The deployment 'blue' …".

    Raises:
        LocalPathError: model, code folder or the script in it does not exist.
        ScoringScriptError: syntax error, or no ``init`` or ``run``.
        InvalidInputError: no script, and the model is no MLflow folder; or the script is not in the code folder.
    """
    first = next((one for one in check(spec) if one.severity == "error"), None)
    if first is None:
        return
    text = f"{first.message} The deployment '{spec.name}' {otherwise}; nothing was uploaded."
    path = first.path or Path()
    script = None if spec.code is None else Path(spec.code) / (spec.scoring_script or "")
    if path == script and path.is_file():
        raise ScoringScriptError(text, path=path, line=first.line)
    if first.path is None or (path.exists() and spec.code is None):
        raise InvalidInputError(text)
    raise LocalPathError(text, path=path)


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


def check_script(code: Path, script: str, code_named: str = "", script_named: str = "") -> list[Finding]:
    """Look at a scoring script: it exists, parses, defines ``init()`` and ``run(mini_batch)`` and returns rows.

    Args:
        code: its folder.
        script: its path in there.
        code_named: where the folder is named, as it follows a text; or empty.
        script_named: where the script is named, likewise.
    """
    if not code.is_dir():
        text = f"The code '{code}' is a file. Give the folder it is in as code." if code.is_file() else ""
        return [Finding("error", text or _missing("code folder", code, code_named), code)]
    path = code / script
    if not path.is_file():
        others = ", ".join(f"'{one.name}'" for one in sorted(code.glob("*.py"))[:5]) or "no Python file"
        place = f"is not in '{code}' (it has: {others})"
        text = f"The scoring script '{script}'{script_named} {place}. Correct scoring_script."
        return [Finding("error", text, path)]
    if not lies_inside(code, script):
        text = f"The scoring script {script!r}{script_named} leads out of '{code}'. {INSIDE}"
        return [Finding("error", text)]
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of a script that Python would complain about but run
            tree = ast.parse(path.read_bytes(), filename=str(path))
    except (SyntaxError, ValueError) as error:
        reason = error.msg if isinstance(error, SyntaxError) else str(error)
        return [Finding("error", f"SyntaxError, {reason}.", path, getattr(error, "lineno", None))]
    return _check_functions(tree, path)


def _missing(what: str, path: Path, named: str = "") -> str:
    near = nearest(path)
    remedy = f"Did you mean '{near}'?" if near else "Correct the path."
    if what in {"model", "environment"}:
        remedy += f" A registered {what} is named 'azureml:<name>:<version>'."
    if "$" in str(path):
        remedy += " Environment variables are not replaced."
    return f"The {what} '{path}'{named} does not exist (looked in '{Path.cwd()}'). {remedy}"


def _check_functions(tree: ast.Module, path: Path) -> list[Finding]:
    own = _own_nodes(tree)
    functions = {one.name: one for one in own if isinstance(one, _FUNCTIONS)}
    names = set(functions) | _imported_or_assigned(own)
    found = [
        Finding("error", f"The scoring script has no function {signature}. Define it.", path)
        for name, signature in (("init", "init()"), ("run", "run(mini_batch)"))
        if name not in names and not _star_import(own)
    ]
    run = functions.get("run")
    return found + (_check_run(run, path) if run is not None else [])


def _check_run(run: ast.FunctionDef | ast.AsyncFunctionDef, path: Path) -> list[Finding]:
    own = list(_own_nodes(run))
    arguments = [one.arg for one in (*run.args.posonlyargs, *run.args.args)]
    returns = [one for one in own if isinstance(one, ast.Return) and not _is_none(one.value)]
    yields = next((one for one in own if isinstance(one, ast.Yield | ast.YieldFrom)), None)
    rows = "return a list or a DataFrame with one row a file that was scored"
    if not arguments and run.args.vararg is None:
        return [Finding("error", "run() takes no argument; it must take the mini-batch.", path, run.lineno)]
    if isinstance(run, ast.AsyncFunctionDef):
        return [Finding("error", f"run() is async; it must be a plain function and {rows}.", path, run.lineno)]
    if yields is not None:
        return [Finding("error", f"run() is a generator (it yields); it must {rows}.", path, yields.lineno)]
    if not returns and not any(isinstance(one, ast.Raise) for one in own):
        return [Finding("error", f"run() returns nothing; it must {rows}.", path, run.lineno)]
    return _check_online(run, own, arguments, path)


def _check_online(run: ast.FunctionDef, own: list[ast.AST], arguments: list[str], path: Path) -> list[Finding]:
    loads = any(
        isinstance(one, ast.Call) and ast.unparse(one.func) == "json.loads" and ast.unparse(one.args[0]) in arguments
        for one in own
        if not isinstance(one, ast.Call) or one.args
    )
    if not loads:
        return []
    text = f"run({arguments[0]}) parses JSON as for an online endpoint; a batch script gets a list of file paths."
    return [Finding("warning", text, path, run.lineno)]


def _is_none(value: ast.expr | None) -> bool:
    return value is None or (isinstance(value, ast.Constant) and value.value is None)


def _own_nodes(function: ast.AST) -> list[ast.AST]:
    """Every node of a function or module, without those of functions and classes inside it."""
    found: list[ast.AST] = []
    for child in ast.iter_child_nodes(function):
        found.append(child)
        if not isinstance(child, (*_FUNCTIONS, ast.Lambda, ast.ClassDef)):
            found.extend(_own_nodes(child))
    return found


def _imported_or_assigned(nodes: list[ast.AST]) -> set[str]:
    names: set[str] = set()
    for node in nodes:
        if isinstance(node, ast.Import | ast.ImportFrom):
            names.update(alias.asname or alias.name for alias in node.names)
        elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            names.add(node.id)
    return names


def _star_import(nodes: list[ast.AST]) -> bool:
    return any(isinstance(one, ast.ImportFrom) and one.names[0].name == "*" for one in nodes)


def _model_path(model: str | Path | ModelSpec) -> Path | None:
    path = model if isinstance(model, str | Path) else model.path
    return None if is_reference(path) else Path(path)
