"""What scripts written for ``az ml`` rely on beyond the how-to's story, against the real local service."""

from __future__ import annotations

import json
from pathlib import Path

from azure_batch_endpoints.local import running
from tests.local.cli_fixtures import DEPLOYMENT, Abe, project, staying

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

    assert "is there already" in staying("job", "download", job, "--dest", tmp_path, code=1).stderr
    assert "Its output is 'score'" in staying("job", "download", job, "--output-name", "scor", code=1).stderr
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
