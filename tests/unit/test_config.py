"""Which workspace is meant."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from azure_batch_endpoints import _config
from azure_batch_endpoints.errors import InvalidInputError

WHOLE = {"subscription_id": "s", "resource_group": "g", "workspace_name": "w"}


@pytest.fixture(autouse=True)
def nothing_in_the_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for names in _config._VARIABLES.values():
        for name in names:
            monkeypatch.delenv(name, raising=False)
    monkeypatch.chdir(tmp_path)


def written(path: Path, data: object = WHOLE) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(data if isinstance(data, str) else json.dumps(data), encoding="utf-8")
    return path


def test_config_json_is_found_here_or_in_a_folder_above(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    written(tmp_path / ".azureml" / "config.json")
    (tmp_path / "a" / "b").mkdir(parents=True)
    monkeypatch.chdir(tmp_path / "a" / "b")

    assert _config.find(None) == _config.WorkspaceConfig("s", "g", "w")


def test_a_file_or_a_folder_can_be_named(tmp_path: Path) -> None:
    file = written(tmp_path / "x" / "config.json")

    assert _config.find(file) == _config.find(str(tmp_path / "x")) == _config.WorkspaceConfig("s", "g", "w")


def test_both_sets_of_variables_are_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AZUREML_ARM_SUBSCRIPTION", "s2")
    monkeypatch.setenv("AZURE_RESOURCE_GROUP", "g2")
    monkeypatch.setenv("AZUREML_ARM_WORKSPACE_NAME", "w2")

    assert _config.find(None) == _config.WorkspaceConfig("s2", "g2", "w2")


def test_nothing_at_all_says_where_was_looked_and_what_to_pass(tmp_path: Path) -> None:
    with pytest.raises(InvalidInputError) as caught:
        _config.find(None)

    assert f"No config.json in '{tmp_path}' or above" in str(caught.value)
    assert "Pass subscription_id, resource_group and workspace" in str(caught.value)


def test_a_named_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(InvalidInputError, match=r"There is no config\.json at .*no\.json'\. Download it"):
        _config.find(tmp_path / "no.json")


@pytest.mark.parametrize("data", [{"subscription_id": "s", "workspace_name": ""}, [], "[1]"])
def test_a_missing_value_is_named(tmp_path: Path, data: object) -> None:
    file = written(tmp_path / "config.json", data)

    with pytest.raises(
        InvalidInputError, match=r"does not say .*resource_group.*Add it, or pass it to BatchClient"
    ) as caught:
        _config.find(file)
    assert str(file) in str(caught.value)


def test_a_missing_variable_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AZURE_SUBSCRIPTION_ID", "s")

    with pytest.raises(InvalidInputError, match="The environment does not say AZURE_RESOURCE_GROUP, AZUREML_WORKSPACE"):
        _config.find(None)


def test_what_is_no_json_is_said_with_the_file(tmp_path: Path) -> None:
    file = written(tmp_path / "config.json", "{")

    with pytest.raises(InvalidInputError, match=r"is not a workspace's config\.json: Expecting"):
        _config.find(file)
