"""Which workspace is meant: ``config.json`` and environment variables. Reads files; sends nothing."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from os import PathLike
from pathlib import Path
from typing import Any

from azure_batch_endpoints.errors import InvalidInputError

_VARIABLES = {
    "subscription_id": ("AZURE_SUBSCRIPTION_ID", "AZUREML_ARM_SUBSCRIPTION"),
    "resource_group": ("AZURE_RESOURCE_GROUP", "AZUREML_ARM_RESOURCEGROUP"),
    "workspace": ("AZUREML_WORKSPACE_NAME", "AZUREML_ARM_WORKSPACE_NAME"),
}
_IN_FILE = {"subscription_id": "subscription_id", "resource_group": "resource_group", "workspace": "workspace_name"}


@dataclass(frozen=True)
class WorkspaceConfig:
    """Names of a workspace."""

    subscription_id: str
    resource_group: str
    workspace: str


def find(path: str | PathLike[str] | None) -> WorkspaceConfig:
    """Find out which workspace is meant.

    Raises:
        InvalidInputError: nothing names one, or a value is missing.
    """
    file = next((one for one in _candidates(path) if one.is_file()), None)
    if file is not None:
        data = _read(file)
        return _complete({name: data.get(key) for name, key in _IN_FILE.items()}, f"'{file}'", _IN_FILE)
    if path is not None:
        raise InvalidInputError(
            f"There is no config.json at '{path}'. Download it from the workspace's page in the studio."
        )
    values = {
        name: next((os.environ[v] for v in names if os.environ.get(v)), None) for name, names in _VARIABLES.items()
    }
    if not any(values.values()):
        raise InvalidInputError(
            f"No config.json in '{Path.cwd()}' or above, and no AZURE_SUBSCRIPTION_ID in the environment. "
            "Pass subscription_id, resource_group and workspace to BatchClient, or use BatchClient.local()."
        )
    return _complete(values, "The environment", {name: names[0] for name, names in _VARIABLES.items()})


def _candidates(path: str | PathLike[str] | None) -> Iterator[Path]:
    start = Path(path) if path is not None else Path.cwd()
    if path is not None and start.suffix == ".json":
        yield start
        return
    for folder in [start, *start.absolute().parents] if path is None else [start]:
        yield folder / "config.json"
        yield folder / ".azureml" / "config.json"


def _read(file: Path) -> Mapping[str, Any]:
    try:
        data = json.loads(file.read_text(encoding="utf-8-sig"))
    except (OSError, ValueError) as error:
        raise InvalidInputError(f"'{file}' is not a workspace's config.json: {error}.") from error
    return data if isinstance(data, dict) else {}


def _complete(values: Mapping[str, Any], where: str, keys: Mapping[str, str]) -> WorkspaceConfig:
    missing = [keys[name] for name, value in values.items() if not value]
    if missing:
        raise InvalidInputError(f"{where} does not say {', '.join(missing)}. Add it, or pass it to BatchClient.")
    return WorkspaceConfig(**{name: str(value) for name, value in values.items()})
