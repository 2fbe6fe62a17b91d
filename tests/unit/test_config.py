"""Which workspace is meant, and what is said when nothing names one."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from azure_batch_endpoints import _config
from azure_batch_endpoints._config import WorkspaceConfig
from azure_batch_endpoints.errors import InvalidInputError

WHOLE = {"subscription_id": "s", "resource_group": "g", "workspace_name": "w"}
FOUND = ("s", "g", "w")
VARIABLES = [name for names in _config._VARIABLES for name in names.values()]


@pytest.fixture(autouse=True)
def az(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """An empty folder of the Azure CLI; nothing in the environment; a working folder without anything."""
    for name in (*VARIABLES, "AZUREML_CURRENT_CLOUD", "AZURE_CLOUD_NAME", "AZURE_DEFAULTS_GROUP"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AZURE_CONFIG_DIR", str(tmp_path / "az"))
    (tmp_path / "work" / "deep").mkdir(parents=True)
    monkeypatch.chdir(tmp_path / "work" / "deep")
    return tmp_path / "az"


def written(path: Path, data: object = WHOLE, encoding: str = "utf-8") -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(data if isinstance(data, str) else json.dumps(data), encoding=encoding)
    return path


def names(found: WorkspaceConfig) -> tuple[str, str, str]:
    return found.subscription_id, found.resource_group, found.workspace


def signed_in(az: Path) -> None:
    written(az / "config", "[defaults]\ngroup=g of az\nworkspace=w of az\n[cloud]\nname=AzureUSGovernment\n")
    mine = {"id": "s of az", "isDefault": True, "environmentName": "AzureUSGovernment"}
    written(az / "azureProfile.json", {"subscriptions": [mine]})


@pytest.mark.parametrize("place", ["config.json", ".azureml/config.json", "aml_config/config.json"])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig"])
def test_config_json_is_found_here_or_in_a_folder_above(tmp_path: Path, place: str, encoding: str) -> None:
    written(tmp_path / place, encoding=encoding)

    assert names(_config.find(None)) == FOUND


def test_the_nearest_file_wins_and_in_one_folder_that_of_azureml(tmp_path: Path) -> None:
    written(tmp_path / ".azureml" / "config.json")
    written(tmp_path / "work" / "config.json", {**WHOLE, "workspace_name": "beside"})
    written(tmp_path / "work" / ".azureml" / "config.json", {**WHOLE, "workspace_name": "near"})

    assert _config.find(None).workspace == "near"


def test_a_file_of_any_name_or_a_folder_can_be_named(tmp_path: Path) -> None:
    file = written(tmp_path / "x" / "team-workspace")
    written(tmp_path / "x" / "config.json")
    (tmp_path / "x" / "below").mkdir()

    for path in (file, str(tmp_path / "x"), tmp_path / "x" / "below"):
        assert names(_config.find(path)) == FOUND


def test_arguments_win_and_complete_a_file(tmp_path: Path) -> None:
    file = written(tmp_path / "config.json", {"subscription_id": "s", "resource_group": "g"})

    found = _config.find(file, {"workspace": "mine", "resource_group": "other", "subscription_id": None})

    assert names(found) == ("s", "other", "mine")


def test_a_file_wins_over_variables_and_variables_over_the_cli(
    az: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    signed_in(az)
    assert names(_config.find(None)) == ("s of az", "g of az", "w of az")

    monkeypatch.setenv("AZURE_SUBSCRIPTION_ID", "s of env")
    monkeypatch.setenv("AZUREML_ARM_WORKSPACE_NAME", "w of job")
    assert names(_config.find(None)) == ("s of env", "g of az", "w of job")

    written(tmp_path / "config.json")
    assert names(_config.find(None)) == FOUND


def test_a_set_of_variables_that_is_whole_is_not_mixed_with_the_other(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AZURE_SUBSCRIPTION_ID", "of something else")
    for name in VARIABLES[3:]:
        monkeypatch.setenv(name, name.lower())
    assert names(_config.find(None)) == tuple(name.lower() for name in VARIABLES[3:])

    for name in VARIABLES[:3]:
        monkeypatch.setenv(name, name.lower())
    assert names(_config.find(None)) == tuple(name.lower() for name in VARIABLES[:3])


def test_the_cloud_is_that_of_the_variable_else_of_the_cli(
    az: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    written(tmp_path / "config.json")
    assert _config.find(None).cloud is None

    signed_in(az)
    found = _config.find(None)
    assert found.cloud == "AzureUSGovernment" and str(az) in found.cloud_source

    monkeypatch.setenv("AZUREML_CURRENT_CLOUD", "AzureChinaCloud")
    found = _config.find(None)
    assert found.cloud == "AzureChinaCloud" and "AZUREML_CURRENT_CLOUD" in found.cloud_source


def test_files_of_the_cli_are_left_alone_when_nothing_of_theirs_is_needed(az: Path, tmp_path: Path) -> None:
    written(az / "config", "no configuration")
    written(tmp_path / "config.json")

    assert names(_config.find(None, cloud="AzureCloud")) == FOUND
    with pytest.raises(InvalidInputError, match="not a configuration of the Azure CLI"):
        _config.find(None)


def test_a_profile_of_the_cli_that_is_broken_does_not_stop_a_whole_file(az: Path, tmp_path: Path) -> None:
    written(tmp_path / "config.json")
    written(az / "config", "[cloud]\nname = AzureChinaCloud\n")
    written(az / "azureProfile.json", "{")

    found = _config.find(tmp_path)

    assert (names(found), found.cloud) == (FOUND, "AzureChinaCloud")


def test_nothing_at_all_says_what_was_looked_for_where(az: Path) -> None:
    with pytest.raises(InvalidInputError) as caught:
        _config.find(None)

    said = str(caught.value)
    assert f"No config.json in '{Path.cwd()}' or above" in said
    assert all(name in said for name in VARIABLES) and f"'{az}'" in said
    assert "az configure --defaults workspace=" in said and "BatchClient.local()" in said


def test_only_what_is_missing_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AZURE_SUBSCRIPTION_ID", "s")

    with pytest.raises(InvalidInputError) as caught:
        _config.find(None, {"workspace": "w"})

    assert "resource_group in the variables AZURE_RESOURCE_GROUP" in str(caught.value)
    assert "AZURE_SUBSCRIPTION_ID" not in str(caught.value) and "WORKSPACE_NAME" not in str(caught.value)


def test_a_named_file_or_folder_without_one_is_named(tmp_path: Path) -> None:
    for path in (tmp_path / "no.json", tmp_path):
        with pytest.raises(InvalidInputError, match=r"There is no config\.json at .*Download it"):
            _config.find(path)


@pytest.mark.parametrize("data", [{"subscription_id": "s", "workspace_name": ""}, [], "[1]", {"resource_group": None}])
def test_a_missing_value_is_named(tmp_path: Path, data: object) -> None:
    file = written(tmp_path / "config.json", data)

    with pytest.raises(InvalidInputError, match=r"does not say .*resource_group.*or pass it to BatchClient") as caught:
        _config.find(file)
    assert str(file) in str(caught.value)


def test_a_misspelt_key_is_named_with_the_right_one(tmp_path: Path) -> None:
    file = written(tmp_path / "config.json", {"subscription_id": "s", "resource_group": "g", "workspace": "w"})

    with pytest.raises(InvalidInputError) as caught:
        _config.find(file)
    assert f"'{file}' does not say workspace_name." in str(caught.value)
    assert "It has the key 'workspace'. Did you mean 'workspace_name'?" in str(caught.value)


def test_a_file_of_the_first_sdk_names_the_workspace_by_its_id(tmp_path: Path) -> None:
    scope = "/subscriptions/s/resourceGroups/g/providers/Microsoft.MachineLearningServices/workspaces/w"

    assert names(_config.find(written(tmp_path / "config.json", {"Id": None, "Scope": scope}))) == FOUND


@pytest.mark.parametrize("value", ["<subscription-id>", 5, ["s"]])
def test_a_value_that_is_no_name_is_refused(tmp_path: Path, value: object) -> None:
    file = written(tmp_path / "config.json", {**WHOLE, "subscription_id": value})

    with pytest.raises(InvalidInputError, match=r"'subscription_id' in .*config\.json' is .*Write the name itself"):
        _config.find(file)


def test_what_is_no_json_is_said_with_the_file(tmp_path: Path) -> None:
    file = written(tmp_path / "config.json", "{")

    with pytest.raises(InvalidInputError, match=r"is not a workspace's config\.json: Expecting"):
        _config.find(file)


@pytest.mark.parametrize(
    ("current", "said"),
    [
        ("AzureChinaCloud", "its current cloud is 'AzureChinaCloud': az cloud set --name AzureCloud"),
        ("MyStack", "'MyStack', which is not known here (AzureCloud, AzureChinaCloud, AzureUSGovernment are)"),
    ],
)
def test_a_subscription_of_another_cloud_is_named_with_both_clouds(az: Path, current: str, said: str) -> None:
    written(az / "config", f"[defaults]\ngroup=g\nworkspace=w\n[cloud]\nname={current}\n")
    mine = {"id": "s", "isDefault": True, "environmentName": "AzureCloud"}
    written(az / "azureProfile.json", {"subscriptions": [mine]})

    with pytest.raises(InvalidInputError) as caught:
        _config.find(None)

    assert "current subscription is of the cloud 'AzureCloud'" in str(caught.value) and said in str(caught.value)
