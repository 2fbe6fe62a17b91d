"""What the Azure CLI keeps: which file wins, and which subscription is the current one."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from azure_batch_endpoints import _az_defaults
from azure_batch_endpoints.errors import InvalidInputError


@pytest.fixture(autouse=True)
def home(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    for name in ("AZURE_CONFIG_DIR", "AZURE_DEFAULTS_GROUP", "AZURE_DEFAULTS_WORKSPACE", "AZURE_CLOUD_NAME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(Path, "home", lambda: tmp_path / "home")
    (tmp_path / "work" / "deep").mkdir(parents=True)
    monkeypatch.chdir(tmp_path / "work" / "deep")
    return tmp_path / "home" / ".azure"


def config(folder: Path, text: str) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "config").write_text(text, encoding="utf-8")


def profile(folder: Path, *subscriptions: Any) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "azureProfile.json").write_text(json.dumps({"subscriptions": subscriptions}), encoding="utf-8-sig")


def test_nothing_is_found_where_the_cli_never_was(home: Path) -> None:
    assert _az_defaults.read() == _az_defaults.AzDefaults(None, None, None, None, home)


def test_the_users_own_defaults_and_subscription_are_read(home: Path) -> None:
    config(home, "\ufeff[defaults]\ngroup = g%1\nworkspace=w\n[cloud]\nname = AzureChinaCloud\n")
    profile(
        home,
        {"id": "public", "isDefault": True, "environmentName": "AzureCloud"},
        {"id": "other", "isDefault": False, "environmentName": "AzureChinaCloud"},
        {"id": "china", "isDefault": True, "environmentName": "AzureChinaCloud"},
        "nonsense",
    )

    assert _az_defaults.read() == _az_defaults.AzDefaults("china", "g%1", "w", "AzureChinaCloud", home)


def test_a_folders_own_defaults_win_over_those_above_and_the_users(home: Path, tmp_path: Path) -> None:
    config(home, "[defaults]\ngroup=users\nworkspace=users\n[cloud]\nname=AzureCloud\n")
    config(tmp_path / "work" / ".azure", "[defaults]\ngroup=above\nworkspace=above\n[cloud]\nname=ignored\n")
    config(tmp_path / "work" / "deep" / ".azure", "[defaults]\ngroup=here\nworkspace=\n")

    found = _az_defaults.read()

    assert (found.resource_group, found.workspace, found.cloud) == ("here", "above", "AzureCloud")


def test_variables_of_the_cli_win_over_its_files(home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AZURE_CONFIG_DIR", str(tmp_path / "elsewhere"))
    monkeypatch.setenv("AZURE_DEFAULTS_GROUP", "variable")
    config(home, "[defaults]\nworkspace=users\n")
    config(tmp_path / "elsewhere", "[defaults]\ngroup=file\nworkspace=file\n")
    profile(tmp_path / "elsewhere", {"id": "s", "isDefault": True})

    found = _az_defaults.read()

    assert (found.subscription_id, found.resource_group, found.workspace) == ("s", "variable", "file")


def test_a_user_without_a_home_has_no_defaults(monkeypatch: pytest.MonkeyPatch) -> None:
    def homeless() -> Path:
        raise RuntimeError("Could not determine home directory.")

    monkeypatch.setattr(Path, "home", homeless)

    assert _az_defaults.read().workspace is None


def test_files_that_cannot_be_read_are_named_with_what_to_do(home: Path) -> None:
    config(home, "group=g\n")
    with pytest.raises(InvalidInputError, match=r"config' is not a configuration of the Azure CLI.*Mend it, or pass"):
        _az_defaults.read()

    config(home, "")
    (home / "azureProfile.json").write_text("{")
    with pytest.raises(InvalidInputError, match=r"azureProfile\.json' is not the profile of the Azure CLI.*az login"):
        _az_defaults.read()
