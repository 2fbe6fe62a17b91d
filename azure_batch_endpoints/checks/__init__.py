"""Static findings about a deployment before anything is sent: paths, scoring script, model, environment, settings.

Reads files; runs nothing, unpickles nothing. A module a subject; ``deployment`` joins them, and is loaded when needed.
"""

from __future__ import annotations

import logging
from pathlib import Path
from typing import TYPE_CHECKING

from azure_batch_endpoints.checks.findings import Finding
from azure_batch_endpoints.checks.paths import INSIDE, is_mlflow, leads_outside, lies_inside
from azure_batch_endpoints.errors import InvalidInputError, LocalPathError, ScoringScriptError

if TYPE_CHECKING:
    from azure_batch_endpoints.specs import DeploymentSpec

__all__ = [
    "INSIDE",
    "Finding",
    "check",
    "check_script",
    "is_mlflow",
    "leads_outside",
    "lies_inside",
    "require_script",
]
_log = logging.getLogger(__name__)
_log.addHandler(logging.NullHandler())  # silent until somebody sets logging up


def check(spec: DeploymentSpec) -> list[Finding]:
    """Look for mistakes in a deployment; see :meth:`DeploymentSpec.check`."""
    from azure_batch_endpoints.checks import deployment

    return deployment.check(spec)


def check_script(code: Path, script: str, code_named: str = "", script_named: str = "") -> list[Finding]:
    """Look at a scoring script: it exists, parses, defines ``init()`` and ``run(mini_batch)`` and returns rows.

    Args:
        code: its folder.
        script: its path in there.
        code_named: where the folder is named, as it follows a text; or empty.
        script_named: where the script is named, likewise.
    """
    from azure_batch_endpoints.checks import deployment

    return deployment.check_script(code, script, code_named, script_named)


def require_script(spec: DeploymentSpec, *, otherwise: str = "was not created") -> None:
    """Refuse a deployment of which no job could begin, before anything is uploaded; the rest is logged as a warning.

    What ``run`` returns, say, is known for sure only when it runs: the service takes such a script, and so do we.

    Args:
        spec: the deployment.
        otherwise: what becomes of the deployment, as it continues "The deployment 'blue' …".

    Raises:
        LocalPathError: model, code folder or the script in it does not exist.
        ScoringScriptError: no job could begin: syntax error, no ``init`` or ``run``.
        InvalidInputError: no script, and the model is no MLflow folder; the script is not in the code folder.
    """
    found = check(spec)
    first = next((one for one in found if one.blocks), None)
    if first is None:
        for one in found:
            _log.warning("Deployment '%s': %s", spec.name, one)
        return
    text = f"{first.message} The deployment '{spec.name}' {otherwise}; nothing was uploaded."
    path = first.path
    if path is not None and spec.code is not None and path.suffix == ".py" and path.is_file():
        raise ScoringScriptError(text, path=path, line=first.line)
    if path is None or (path.exists() and path != spec.code and path != Path(spec.code or "")):
        raise InvalidInputError(text)
    raise LocalPathError(text, path=path)
