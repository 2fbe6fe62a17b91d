"""What the Azure CLI takes for granted on this machine: its default group, workspace, cloud and subscription.

Files are read, ``az`` itself is not run. Where the files are and which wins: knack's ``CLIConfig`` and the CLI's
documents (environment, then ``.azure/config`` of the working folder and those above, then the user's own).
"""

from __future__ import annotations

import configparser
import json
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from azure_batch_endpoints.errors import InvalidInputError


@dataclass(frozen=True)
class AzDefaults:
    """What was found, None where nothing was.

    Attributes:
        subscription_id: the CLI's current subscription in its current cloud.
        resource_group: ``az configure --defaults group=…``.
        workspace: ``az configure --defaults workspace=…``.
        cloud: ``az cloud set --name …``.
        other_cloud: the cloud of the current subscription, where it is not the CLI's current one.
        folder: the CLI's own folder, whether it is there or not.
    """

    subscription_id: str | None
    resource_group: str | None
    workspace: str | None
    cloud: str | None
    folder: Path
    other_cloud: str | None = None


def read(*, only_cloud: bool = False) -> AzDefaults:
    """Read the CLI's defaults as they are for the working folder.

    Args:
        only_cloud: leave the rest alone, and None.

    Raises:
        InvalidInputError: a file of the CLI cannot be read.
    """
    folder = Path(os.environ.get("AZURE_CONFIG_DIR") or _home() / ".azure")
    everyones = _sections(folder / "config")
    cloud = _option([everyones], "cloud", "name")  # of no single folder: signing in is not either
    if only_cloud:
        return AzDefaults(None, None, None, cloud, folder)
    subscription, other_cloud = _subscription(folder / "azureProfile.json", cloud)
    chain = [_sections(one / "config") for one in _local_folders(folder)] + [everyones]
    return AzDefaults(
        subscription_id=subscription,
        resource_group=_option(chain, "defaults", "group"),
        workspace=_option(chain, "defaults", "workspace"),
        cloud=cloud,
        folder=folder,
        other_cloud=other_cloud,
    )


def _home() -> Path:
    try:
        return Path.home()
    except RuntimeError:  # a container's user without a name has none
        return Path("~")


def _local_folders(own: Path) -> Iterator[Path]:
    here = Path.cwd()
    for folder in (here, *here.parents):
        candidate = folder / own.name
        if os.path.normcase(os.path.normpath(candidate)) == os.path.normcase(os.path.normpath(own)):
            return
        yield candidate


def _sections(file: Path) -> configparser.ConfigParser:
    parser = configparser.ConfigParser(interpolation=None, strict=False)
    try:
        if file.is_file():
            parser.read_string(file.read_text(encoding="utf-8-sig"))
    except (OSError, ValueError, configparser.Error) as error:
        raise InvalidInputError(
            f"'{file}' is not a configuration of the Azure CLI: {' '.join(str(error).split())}. Mend it, or pass "
            "subscription_id, resource_group and workspace to BatchClient."
        ) from error
    return parser


def _option(chain: list[configparser.ConfigParser], section: str, option: str) -> str | None:
    given = os.environ.get(f"AZURE_{section}_{option}".upper())
    found = (one.get(section, option, fallback=None) for one in chain)
    return given or next((value.strip() for value in found if value and value.strip()), None)


def _subscription(file: Path, cloud: str | None) -> tuple[str | None, str | None]:
    """Return the current subscription, or else the cloud that it belongs to instead."""
    try:
        profile = json.loads(file.read_text(encoding="utf-8-sig")) if file.is_file() else {}
    except (OSError, ValueError) as error:
        raise InvalidInputError(
            f"'{file}' is not the profile of the Azure CLI: {error}. Sign in again (az login), or pass subscription_id."
        ) from error
    known = profile.get("subscriptions") if isinstance(profile, dict) else None
    current = [one for one in known or [] if isinstance(one, dict) and one.get("isDefault")]
    found = next((str(one["id"]) for one in current if _is_in(one, cloud) and one.get("id")), None)
    elsewhere = next((str(one["environmentName"]) for one in current if not _is_in(one, cloud)), None)
    return found, None if found else elsewhere


def _is_in(subscription: dict[str, Any], cloud: str | None) -> bool:
    name = subscription.get("environmentName")
    return not name or str(name).lower() == (cloud or "AzureCloud").lower()
