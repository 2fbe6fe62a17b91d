"""What scripts written for ``az ml`` rely on beyond the how-to's story, against the real local service."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from azure_batch_endpoints.local import running
from tests.local.cli_fixtures import DEPLOYMENT, SECONDS, Abe, project, staying

__all__ = ["project", "staying"]  # fixtures


def test_the_secrets_of_a_service_are_told_only_on_demand_and_bare(staying: Abe) -> None:
    record = running.find(staying.root)
    assert record is not None

    assert staying("local", "token").stdout == f"{record.token}\n"
    assert staying.json("local", "token") == {"token": record.token}
    assert staying("local", "connection-string").stdout == f"{record.store.connection_string}\n"
    assert staying("local", "status", "--query", "base_url", "-o", "tsv").stdout == f"{record.base_url}\n"


def test_a_token_of_no_service_exits_1_and_prints_nothing(tmp_path: Path) -> None:
    answer = Abe(tmp_path)("local", "token", code=1)

    assert answer.stdout == ""
    assert "abe local start --detach" in answer.stderr


def test_a_deployment_is_changed_by_yaml_and_by_single_settings(staying: Abe, project: Path, tmp_path: Path) -> None:
    staying("endpoint", "create", "changed")
    staying("deployment", "create", "one", "-e", "changed", "--file", project / "deployment.yml")
    by_set = staying.json(
        "batch-deployment", "update", "-n", "one", "-e", "changed", "--set", "mini_batch_size=5", "tags.team=a"
    )
    changed = project / "changed.yml"
    changed.write_text(DEPLOYMENT.replace("mini_batch_size: 2", "mini_batch_size: 9"))
    by_yaml = staying.json(
        "deployment", "update", "--name", "one", "-e", "changed", "-f", changed, "--set", "error_threshold=4"
    )
    unclear = staying("batch-deployment", "update", "-n", "one", "-e", "changed", code=1)

    assert (by_set["mini_batch_size"], by_set["error_threshold"], by_set["tags"]) == (5, -1, {"team": "a"})
    assert (by_yaml["mini_batch_size"], by_yaml["error_threshold"], by_yaml["tags"]) == (9, 4, {})
    assert "Nothing to change" in unclear.stderr


def test_the_default_is_changed_as_az_does_and_a_wrong_one_is_refused(staying: Abe, project: Path) -> None:
    staying("endpoint", "create", "defaults")
    staying("deployment", "create", "one", "-e", "defaults", "--file", project / "deployment.yml")
    set_ = staying.json(
        "batch-endpoint", "update", "-n", "defaults", "--set", "defaults.deployment_name=one", "tags.a=1"
    )
    more = staying.json("batch-endpoint", "update", "-n", "defaults", "--set", "tags.b=2", "--description", "d")
    refused = staying("batch-endpoint", "update", "-n", "defaults", "--defaults", "deployment_name=two", code=1)

    assert (set_["defaults"], set_["tags"]) == ({"deployment_name": "one"}, {"a": "1"})
    assert (more["defaults"], more["tags"], more["description"]) == (set_["defaults"], {"a": "1", "b": "2"}, "d")
    assert "'two'" in refused.stderr


def test_a_download_as_az_does_replaces_files_and_ours_does_not(staying: Abe, project: Path, tmp_path: Path) -> None:
    job = staying("endpoint", "invoke", "digits", "--input-local-path", project / "data", "--wait").stdout.strip()
    for _ in range(2):
        staying("job", "download", "--name", job, "--output-name", "score", "--download-path", tmp_path)

    staying("job", "download", job, "--dest", tmp_path)  # the same files are there: nothing to replace
    (tmp_path / "predictions.csv").write_text("of my own")
    assert "is there already" in staying("job", "download", job, "--dest", tmp_path, code=1).stderr
    assert (tmp_path / "predictions.csv").read_text() == "of my own"
    wrong = staying("job", "download", job, "--output-name", "scor", code=1)
    assert "Name 'score', or leave --output-name out" in wrong.stderr
    steps = json.loads(staying("job", "list", "--parent-job-name", job).stdout)
    assert [(step["display_name"], step["status"]) for step in steps] == [("batchscoring", "Completed")]


def test_where_everything_lies_is_shown_without_secrets(staying: Abe) -> None:
    record = running.find(staying.root)
    assert record is not None

    shown = staying.json("workspace", "show")
    stores = staying("datastore", "list", "-o", "json").stdout

    assert (shown["location"], shown["resource_group"]) == ("local", "local")
    assert "workspaceblobstore" in staying("datastore", "show", "workspaceblobstore", "-o", "quiet").stdout
    assert record.key not in stores
    assert "Leave out the name" in staying("workspace", "show", "other", code=1).stderr


PUBLISHED = """
set -euo pipefail
az extension add -n ml -y
az account set --subscription mine
az configure --defaults group=g workspace=w location=l
SUBSCRIPTION_ID=$(az account show --query id -o tsv | tr -d '\\r"')
RESOURCE_GROUP=$(az group show --query name | tr -d '\\r"')
WORKSPACE=$(az config get --query "defaults[?name == 'workspace'].value" | tr -d '[:space:]"[]')
TOKEN=$(az account get-access-token --resource https://management.azure.com --query accessToken -o tsv)
az ml batch-endpoint create --name by-shim --set tags.a=1
curl --fail --silent --header "Authorization: Bearer $TOKEN" "https://management.azure.com/subscriptions/$SUBSCRIPTION_ID\
/resourceGroups/$RESOURCE_GROUP/providers/Microsoft.MachineLearningServices/workspaces/$WORKSPACE/batchEndpoints/by-shim\
?api-version=2022-05-01" | grep -o '"name": *"by-shim"'
az vm list || echo refused
"""


def test_the_function_of_the_page_answers_a_published_script_in_place_of_az(staying: Abe, tmp_path: Path) -> None:
    page = (Path(__file__).parents[2] / "docs" / "cli.md").read_text()
    function = re.search(r"^az\(\) \{\n.*?^\}\n", page, flags=re.MULTILINE | re.DOTALL)
    run = re.search(r"^url=.*\n(^cat az.sh .*)\n", page, flags=re.MULTILINE)
    assert function is not None
    assert run is not None
    (tmp_path / "az.sh").write_text(function[0])
    (tmp_path / "batch-score.sh").write_text(PUBLISHED)
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"

    ran = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", run[0]],
        cwd=tmp_path,
        env={**os.environ, "ABE_ROOT": str(staying.root), "PATH": path},
        capture_output=True,
        text=True,
        timeout=SECONDS,
    )

    assert ran.returncode == 0, ran.stderr
    assert json.loads(ran.stdout[: ran.stdout.rindex("}") + 1])["tags"] == {"a": "1"}
    assert ran.stdout.split()[-1] == "refused"
    assert "az vm list is not there" in ran.stderr


def test_an_endpoint_created_again_keeps_its_default_only(staying: Abe, project: Path) -> None:
    staying("endpoint", "create", "again", "--tag", "a=1", "--description", "first")
    staying("deployment", "create", "one", "-e", "again", "--file", project / "deployment.yml", "--set-default")

    made = staying.json("batch-endpoint", "create", "-n", "again")

    assert (made["description"], made["tags"], made["defaults"]) == (None, {}, {"deployment_name": "one"})


@pytest.mark.parametrize("noun", ["model", "data"])
def test_a_version_and_a_whole_asset_leave_the_list_and_come_back(staying: Abe, project: Path, noun: str) -> None:
    def listed(*name: str) -> bool:
        found = staying(noun, "list", *name, "-o", "quiet").stdout.split()
        return any(one.startswith("kept:") for one in found)

    staying(noun, "create", "--name", "kept", "--path", project / "data", "--version", "1")
    seen = []
    for what in (["kept:1"], ["kept"]):
        for word in ("archive", "restore"):
            staying(noun, word, *what)
            seen.append(listed())

    assert seen == [False, True, False, True]


def test_a_job_leaves_the_list_and_comes_back(staying: Abe, project: Path) -> None:
    job = staying("endpoint", "invoke", "digits", "--input-local-path", project / "data", "--wait").stdout.strip()

    staying("job", "archive", job)
    archived = staying("job", "list", "-o", "quiet").stdout.split()
    staying("job", "restore", "-n", job)
    back = staying("job", "list", "-o", "quiet").stdout.split()

    assert job not in archived
    assert job in back
    assert staying.json("job", "show", job)["status"] == "Completed"


def test_inputs_by_name_come_from_set_and_from_a_file(staying: Abe, project: Path, tmp_path: Path) -> None:
    file = project / "inputs.yml"
    file.write_text(
        "inputs:\n  letters:\n    type: uri_folder\n    path: data\n"
        "outputs:\n  score:\n    type: uri_file\n    path: azureml://datastores/workspaceblobstore/paths/named/n.csv\n"
    )
    by_file = staying(
        "batch-endpoint", "invoke", "-n", "digits", "--file", file, "--wait", "-o", "quiet"
    ).stdout.strip()
    by_set = staying(
        "endpoint",
        "invoke",
        "digits",
        "--set",
        "inputs.x.type=uri_folder",
        f"inputs.x.path={project / 'data'}",
        "--wait",
    ).stdout.strip()

    for job in (by_file, by_set):
        staying("job", "download", job, "--dest", tmp_path / job)
    assert (tmp_path / by_file / "n.csv").read_text().split() == ["a.txt", "b.txt", "c.txt"]
    assert (tmp_path / by_set / "predictions.csv").read_text().split() == ["a.txt", "b.txt", "c.txt"]


def test_a_job_that_could_not_begin_is_not_said_to_be_retried(staying: Abe) -> None:
    gone = "azureml://datastores/workspaceblobstore/paths/not/there/"

    failed = staying("endpoint", "invoke", "digits", "--input", gone, "--wait", code=2)

    assert f"abe job logs {failed.stdout.strip()}" in failed.stderr
    assert "invoke again" in failed.stderr
    assert "retry-failed" not in failed.stderr
    assert "job.logs()" not in failed.stderr


def test_a_request_without_a_token_is_told_the_command_that_prints_it(staying: Abe) -> None:
    record = running.find(staying.root)
    assert record is not None

    url = f"{record.base_url}/subscriptions?api-version=2022-12-01"
    ran = subprocess.run(
        ["curl", "-s", "-H", "Authorization: Bearer wrong", url], capture_output=True, text=True, timeout=SECONDS
    )

    assert "abe local token" in ran.stdout
