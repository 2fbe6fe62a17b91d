"""Which workspace is meant, and in which cloud: arguments, ``config.json``, environment, the Azure CLI's defaults.

Reads files; sends nothing. What the CLI keeps where is ``_az_defaults``' matter.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from inspect import iscoroutinefunction
from os import PathLike
from pathlib import Path
from typing import Any

from azure_batch_endpoints import _az_defaults
from azure_batch_endpoints._az_defaults import AzDefaults
from azure_batch_endpoints._clouds import CLOUDS, PUBLIC, Cloud, cloud_at, cloud_named
from azure_batch_endpoints._spelling import suggestion
from azure_batch_endpoints.errors import InvalidInputError, LocalPathError

FIELDS = ("subscription_id", "resource_group", "workspace")
CLOUD_VARIABLE = "AZUREML_CURRENT_CLOUD"
"""The variable by which the official client chooses its cloud (azure-ai-ml 1.35.2)."""

# The names of Azure's samples first; then those that Azure Machine Learning sets in its own jobs.
_VARIABLES: tuple[Mapping[str, str], ...] = (
    dict(zip(FIELDS, ("AZURE_SUBSCRIPTION_ID", "AZURE_RESOURCE_GROUP", "AZUREML_WORKSPACE_NAME"), strict=True)),
    dict(
        zip(
            FIELDS,
            ("AZUREML_ARM_SUBSCRIPTION", "AZUREML_ARM_RESOURCEGROUP", "AZUREML_ARM_WORKSPACE_NAME"),
            strict=True,
        )
    ),
)
_IN_FILE: Mapping[str, str] = dict(zip(FIELDS, ("subscription_id", "resource_group", "workspace_name"), strict=True))
_AZ: Mapping[str, str] = {
    "subscription_id": "az account set --subscription …",
    "resource_group": "az configure --defaults group=…",
    "workspace": "az configure --defaults workspace=…",
}
_SCOPE = re.compile(r"/subscriptions/([^/]+)/resourceGroups/([^/]+)/providers/[^/]+/workspaces/([^/]+)/?$", re.I)
_FOLDERS = (".azureml", "aml_config", "")


@dataclass(frozen=True)
class WorkspaceConfig:
    """Names of a workspace, and of the cloud it is in when something says so.

    Attributes:
        subscription_id: subscription.
        resource_group: resource group.
        workspace: workspace.
        cloud: name of the cloud, or None.
        cloud_source: what named the cloud, for errors.
    """

    subscription_id: str
    resource_group: str
    workspace: str
    cloud: str | None = None
    cloud_source: str = ""


def find(
    path: str | PathLike[str] | None, given: Mapping[str, str | None] | None = None, *, cloud: str | None = None
) -> WorkspaceConfig:
    """Find out which workspace is meant.

    Args:
        path: a ``config.json``, or the folder from which it is looked for upwards; None: the working folder.
        given: values that are known already, by the names of :class:`WorkspaceConfig`.
        cloud: the cloud, when it is known already.

    Raises:
        InvalidInputError: nothing names one, or a value is missing; it says what was looked for where.
    """
    known = {name: value for name, value in (given or {}).items() if value}
    file = next((one for one in _candidates(path) if one.is_file()), None)
    if file is None and path is not None:
        raise InvalidInputError(
            f"There is no config.json at '{path}'. Download it from the workspace's page in the studio."
        )
    said = cloud or os.environ.get(CLOUD_VARIABLE)
    # The CLI's files are left alone when nothing of theirs is needed.
    az = None if file is not None and said else _az_defaults.read(only_cloud=file is not None)
    values = _from_file(file, known) if file is not None else _from_surroundings(az or _az_defaults.read(), known)
    if said or az is None or az.cloud is None:
        return WorkspaceConfig(**values, cloud=said, cloud_source=f"The variable {CLOUD_VARIABLE}")
    return WorkspaceConfig(**values, cloud=az.cloud, cloud_source=f"The cloud of the Azure CLI in '{az.folder}'")


def _candidates(path: str | PathLike[str] | None) -> Iterator[Path]:
    start = Path(path) if path is not None else Path.cwd()
    if path is not None and (start.suffix == ".json" or start.is_file()):
        yield start
        return
    for folder in (start.absolute(), *start.absolute().parents):
        yield from (folder / inner / "config.json" for inner in _FOLDERS)


def _from_file(file: Path, known: Mapping[str, str]) -> dict[str, str]:
    try:
        read = json.loads(file.read_text(encoding="utf-8-sig"))
    except OSError as error:
        reason = error.strerror or type(error).__name__
        raise LocalPathError(f"'{file}' cannot be read ({reason}). Check its permissions.", path=file) from error
    except (ValueError, RecursionError) as error:
        raise InvalidInputError(
            f"'{file}' is not a workspace's config.json: {error}. Download it again from the workspace's page."
        ) from error
    data = _with_names(read) if isinstance(read, dict) else {}
    values = {name: _value(file, key, data[key]) for name, key in _IN_FILE.items() if data.get(key) is not None}
    values = {**{name: value for name, value in values.items() if value}, **known}
    missing = [_IN_FILE[name] for name in FIELDS if name not in values]
    if missing:
        other = [str(key) for key in data if key not in _IN_FILE.values()]
        near = f" It has the key '{other[0]}'. {suggestion(other[0], missing)}" if other else ""
        raise InvalidInputError(
            f"'{file}' does not say {', '.join(missing)}.{near} Add what is missing, or pass it to BatchClient."
        )
    return values


def _with_names(data: dict[str, Any]) -> dict[str, Any]:
    """The first SDK wrote the workspace's id as ``Scope``, and the official client still reads it."""
    found = _SCOPE.match(str(data.get("Scope") or ""))
    return data if found is None else dict(zip(_IN_FILE.values(), found.groups(), strict=True))


def _value(file: Path, key: str, value: Any) -> str:  # noqa: ANN401 (JSON of any kind)
    if not isinstance(value, str) or value.startswith("<"):
        raise InvalidInputError(f"'{key}' in '{file}' is {value!r}. Write the name itself, as text.")
    return value.strip()


def _from_surroundings(az: AzDefaults, known: Mapping[str, str]) -> dict[str, str]:
    """Environment and CLI complete each other, value by value; a set of variables that is whole is not mixed."""
    sets = [
        {name: os.environ[variable] for name, variable in names.items() if os.environ.get(variable)}
        for names in _VARIABLES
    ]
    first, second = sets
    whole = next((one for one in sets if len(one) == len(FIELDS)), {**second, **first})
    from_az = {name: getattr(az, name) for name in FIELDS if getattr(az, name)}
    values: dict[str, str] = {**from_az, **whole, **known}
    missing = [name for name in FIELDS if name not in values]
    if missing:
        raise InvalidInputError(_nothing(missing, az))
    return values


def _nothing(missing: list[str], az: AzDefaults) -> str:
    looked = "; ".join(
        f"{name} in the variables {_VARIABLES[0][name]} and {_VARIABLES[1][name]} and in '{az.folder}' ({_AZ[name]})"
        for name in missing
    )
    clouds = _about_clouds(az) if "subscription_id" in missing else ""
    return (
        f"No config.json in '{Path.cwd()}' or above, and not everything elsewhere. Looked for {looked}. {clouds}"
        "Set what is missing, pass subscription_id, resource_group and workspace to BatchClient, "
        "or use BatchClient.local()."
    )


def _about_clouds(az: AzDefaults) -> str:
    """Say why the Azure CLI's current subscription does not count, if it is of another cloud than the current one."""
    if az.other_cloud is None:
        return ""
    current, known = az.cloud or PUBLIC.name, [one.name for one in CLOUDS]
    no_cloud = "" if current.lower() in map(str.lower, known) else f", which is not known here ({', '.join(known)} are)"
    return (
        f"The Azure CLI's current subscription is of the cloud '{az.other_cloud}', but its current cloud is "
        f"'{current}'{no_cloud}: az cloud set --name {az.other_cloud}, or az account set for one of '{current}'. "
    )


def chosen_cloud(name: str | None, base_url: str | None) -> Cloud:
    """Return the cloud that is named, else the one whose management address ``base_url`` is, else the variable's.

    Raises:
        InvalidInputError: there is no such cloud, or the two contradict each other.
    """
    at = cloud_at(base_url) if base_url else None
    if name is not None:
        asked = cloud_named(name, "cloud")
        if at not in (None, asked):
            raise InvalidInputError(
                f"cloud is '{asked.name}', but base_url '{base_url}' is the management service of another. "
                "Leave one of them out."
            )
        return asked
    said = os.environ.get(CLOUD_VARIABLE)
    return at or (cloud_named(said, f"The variable {CLOUD_VARIABLE}") if said else PUBLIC)


def require_names(**names: object) -> None:
    """Refuse a name that is none.

    Raises:
        InvalidInputError: it says which one.
    """
    for what, name in names.items():
        if not isinstance(name, str) or not name.strip():
            raise InvalidInputError(
                f"{what} is {name!r}. Pass the name of yours, or use BatchClient.from_config(), which finds it."
            )


def require_credential(credential: object) -> None:
    """Refuse what gives no tokens, or gives them to ``await``; None is fine.

    Raises:
        InvalidInputError: it is no credential for this client.
    """
    get_token = getattr(credential, "get_token", None) or getattr(credential, "get_token_info", None)
    if credential is not None and (get_token is None or iscoroutinefunction(get_token)):
        what = "is of azure.identity.aio" if get_token is not None else "gives no tokens"
        raise InvalidInputError(
            f"The credential ({type(credential).__name__}) {what}. Pass one of azure.identity, e.g. "
            "DefaultAzureCredential(), or None."
        )
