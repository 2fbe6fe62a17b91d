"""The command line against the real local service: commands in this process, and processes of their own for Ctrl-C."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from azure_batch_endpoints.client import BatchClient
from azure_batch_endpoints.local import running
from tests.local.cli_fixtures import DEPLOYMENT, SECONDS, Abe, ended, project, reads, staying

__all__ = ["project", "staying"]  # fixtures


@pytest.fixture(scope="module")
def leaving(project: Path, tmp_path_factory: pytest.TempPathFactory) -> Abe:
    """The command line on a root where no service stays, with the deployment of the how-to."""
    abe = Abe(tmp_path_factory.mktemp("leaving"))
    abe("local", "status", code=1)
    with BatchClient.local(abe.root):
        abe.deploy(project)
    abe("local", "status", code=1)
    return abe


def test_the_how_to_from_invoke_to_results(staying: Abe, project: Path, tmp_path: Path) -> None:
    invoked = staying(
        "endpoint", "invoke", "--name", "digits", "--input-local-path", project / "data", "--mini-batch-size", "1",
        "--instance-count", "1", "--set", "output_file_name=p_1.csv", "--set", "retry_settings.max_retries=2",
    )  # fmt: skip
    name = invoked.stdout.strip()
    streamed = staying("job", "stream", name)
    items = staying("job", "items", name, "--status", "succeeded")
    files = staying("job", "download", name, "--dest", tmp_path / "out", "-o", "quiet")

    assert f"abe job stream {name}" in invoked.stderr
    assert "driver: " in streamed.stdout
    assert f"Job '{name}' is Completed, 3 of 3 files." in streamed.stderr
    assert [line.split()[0] for line in items.stdout.splitlines()] == ["PATH", "a.txt", "b.txt", "c.txt"]
    assert files.stdout.split() == [str(tmp_path / "out" / name) for name in ("_ledger.jsonl", "p_1.csv")]
    assert (tmp_path / "out" / "p_1.csv").read_text().split() == ["a.txt", "b.txt", "c.txt"]
    assert staying.json("job", "show", name)["status"] == "Completed"
    assert name in staying("job", "list", "--endpoint-name", "digits", "--status", "Completed", "-o", "quiet").stdout
    assert staying("job", "logs", name, "--tail", "1").stdout.count("\n") == 1
    assert json.loads(staying("job", "logs", name, "--tail", "1", "-o", "json").stdout)["source"] == "driver"


def test_each_form_of_input_starts_a_job(staying: Abe, project: Path) -> None:
    made = staying.json("dataset", "create", "good", "--path", project / "data", "--version", "1")
    uri = "azureml://datastores/workspaceblobstore/paths/somewhere/"
    jobs = [
        staying("endpoint", "invoke", "digits", *given, "--no-wait").stdout.strip()
        for given in (
            ("--input", str(project / "data")),
            ("--input-dataset", "azureml:good:1"),
            ("--input-dataset", "good:1", "--job-name", "by-name", "--output-path", f"folder:{uri}"),
            ("--input-dataset", "azureml:good@latest", "--tag", "run=cli", "-d", "first"),
        )
    ]
    stored = staying("job", "wait", "by-name", "-o", "quiet").stdout.strip()
    by_file = staying("endpoint", "invoke", "digits", "--input-path", f"file:{uri}predictions.csv", "--wait")

    assert (made["name"], made["version"]) == ("good", "1")
    assert stored == jobs[2] == "by-name"
    assert "Completed, 1 of 1 files" in by_file.stderr
    assert staying("job", "list", "--tag", "run=cli", "-o", "quiet").stdout.split() == [jobs[3]]
    for job in jobs:
        staying("job", "wait", job, "--timeout", str(SECONDS))


def test_the_page_about_the_command_line_runs(project: Path, tmp_path: Path) -> None:
    page = Path(__file__).parents[2] / "docs" / "cli.md"
    script = re.search(r"^```bash\n(.*?)^```$", page.read_text(), flags=re.MULTILINE | re.DOTALL)
    assert script is not None
    variables = {**os.environ, "ABE_ROOT": str(tmp_path), "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"}

    try:
        ran = subprocess.run(
            ["bash", "-euc", script[1]], cwd=project, env=variables, capture_output=True, text=True, timeout=SECONDS
        )
    finally:
        left = Abe(tmp_path)("local", "stop")

    assert ran.returncode == 0, ran.stderr
    assert (project / "results" / "digits.csv").read_text().split() == ["a.txt", "b.txt", "c.txt"]
    assert "No local service runs" in left.stderr


def test_a_job_setting_given_alone_keeps_the_deployments_others(staying: Abe, project: Path) -> None:
    name = staying(
        "endpoint", "invoke", "digits", "--input-local-path", project / "data", "--set", "retry_settings.max_retries=2",
        "--wait",
    ).stdout.strip()  # fmt: skip

    assert "45 s and 2 tries" in staying("job", "logs", name).stdout


def test_a_job_that_failed_exits_2_and_says_how_to_look_and_retry(staying: Abe, project: Path) -> None:
    failed = staying("endpoint", "invoke", "digits", "--input-local-path", project / "bad", "--wait", code=2)
    name = failed.stdout.strip()
    again = staying("job", "wait", name, code=2)
    items = staying("job", "items", name, "--status", "failed", "-o", "json")

    assert "cannot read it" in failed.stderr
    assert f"abe job retry-failed {name}" in again.stderr
    assert [(one["path"], one["error_type"]) for one in json.loads(items.stdout)] == [("bad.txt", "ValueError")]


def test_retry_failed_starts_a_job_over_what_failed(staying: Abe, project: Path) -> None:
    first = staying(
        "endpoint", "invoke", "digits", "--input-local-path", project / "mixed", "--mini-batch-size", "1", "--wait"
    )
    name = first.stdout.strip()

    again = staying("job", "retry-failed", name, "--wait", code=2)

    assert "2 of 2 files, 1 failed" in first.stderr
    assert staying("job", "items", again.stdout.strip(), "-o", "quiet").stdout.split() == ["bad.txt"]


def test_a_wait_that_is_over_exits_3_and_cancel_exits_2(staying: Abe, project: Path) -> None:
    name = staying("endpoint", "invoke", "digits", "--input-local-path", project / "slow").stdout.strip()

    late = staying("job", "wait", name, "--timeout", "0.3", code=3)
    canceled = staying("job", "cancel", name)
    after = staying("job", "wait", name, code=2)
    again = staying("job", "cancel", name)

    assert f"abe job wait {name}" in late.stderr
    assert f"Job '{name}' is Cancel" in canceled.stderr
    assert "was cancelled" in after.stderr
    assert "it is Canceled. Nothing was cancelled." in again.stderr


def test_endpoints_are_made_shown_changed_and_deleted(staying: Abe, project: Path) -> None:
    staying("endpoint", "create", "--file", project / "endpoint.yml", "--tag", "a=1")
    changed = staying.json("endpoint", "update", "from-yaml", "--description", "new")
    listed = staying("endpoint", "list", "-o", "quiet").stdout.split()
    staying("endpoint", "delete", "--name", "from-yaml", "--yes")

    assert (changed["description"], changed["tags"]) == ("new", {"a": "1"})
    assert {"digits", "from-yaml"} <= set(listed)
    assert "from-yaml" in staying("endpoint", "show", "from-yaml", code=1).stderr


def test_deployments_are_made_shown_made_default_and_deleted(staying: Abe, project: Path) -> None:
    spec = project / "deployment.yml"
    staying("endpoint", "create", "other")
    made = staying("deployment", "create", "second", "-e", "other", "--file", spec, "--compute", "local")
    shown = staying.json("deployment", "show", "second", "--endpoint-name", "other")
    staying("endpoint", "set-default", "other", "second")
    listed = staying("deployment", "list", "-e", "other")
    default = staying.json("endpoint", "show", "other")["defaults"]["deployment_name"]
    staying("endpoint", "create", "emptied")
    staying("deployment", "create", "third", "-e", "emptied", "--file", spec)
    staying("deployment", "delete", "third", "-e", "emptied", "--yes")

    assert "abe endpoint invoke other --deployment-name second" in made.stderr
    assert (shown["retry_settings"]["timeout"], shown["mini_batch_size"]) == (45, 2)
    assert listed.stdout.splitlines()[1].split()[:4] == ["second", "Succeeded", "score.py", "local"]
    assert default == "second"
    assert staying("deployment", "list", "-e", "emptied", "-o", "json").stdout == "[]\n"


def test_a_deployment_yaml_without_endpoint_asks_for_it(staying: Abe, project: Path) -> None:
    spec = project / "nowhere.yml"
    spec.write_text(DEPLOYMENT.replace("endpoint_name: digits\n", ""))

    refused = staying("deployment", "create", "--file", spec, code=1)

    assert "pass --endpoint-name" in refused.stderr


def test_assets_and_computes_are_made_and_found(staying: Abe, project: Path) -> None:
    staying("model", "create", "--name", "m", "--path", project / "model.txt")
    staying("environment", "create", "env", "--image", "some-image", "--version", "7")
    staying("compute", "create", "nodes", "--max-instances", "3")

    assert staying("model", "show", "m:1", "-o", "quiet").stdout == "m:1\n"
    assert staying("model", "show", "m", "--version", "1", "-o", "quiet").stdout == "m:1\n"
    assert staying("environment", "list", "env", "-o", "quiet").stdout == "env:7\n"
    nodes = staying.json("compute", "show", "nodes")
    assert (nodes["min_instances"], nodes["max_instances"]) == (0, 3)
    assert "nodes" in staying("compute", "list").stdout
    staying("compute", "delete", "nodes", "--yes")
    assert "'m:9'" in staying("model", "show", "m:9", code=1).stderr


def test_ctrl_c_while_waiting_exits_130_and_the_job_goes_on_in_a_service_that_stays(
    staying: Abe, project: Path
) -> None:
    process = staying.process("endpoint", "invoke", "digits", "--input-local-path", project / "slow", "--wait")
    name = reads(process, "stdout")
    process.send_signal(signal.SIGINT)

    code, _, stderr = ended(process)

    assert (code, "goes on in the service" in stderr) == (130, True), stderr
    assert staying.json("job", "show", name)["status"] in {"Queued", "Preparing", "Running"}
    staying("job", "cancel", name)


def test_status_of_a_service_that_stays_tells_its_address_and_no_secret(staying: Abe) -> None:
    record = running.find(staying.root)
    shown = staying("local", "status")

    assert record is not None
    assert record.base_url in shown.stdout
    assert record.token not in shown.output
    assert record.key not in shown.output


def test_a_local_service_that_ends_with_invoke_has_it_wait_and_say_so(leaving: Abe, project: Path) -> None:
    invoked = leaving("endpoint", "invoke", "digits", "--input-local-path", project / "data")

    assert "the local service ends with this command" in invoked.stderr
    assert "abe local start --detach" in invoked.stderr
    assert "is Completed" in invoked.stderr
    assert running.find(leaving.root) is None


def test_a_job_left_behind_goes_on_with_a_command_that_waits(leaving: Abe, project: Path) -> None:
    left = leaving("endpoint", "invoke", "digits", "--input-local-path", project / "data", "--no-wait")
    name = left.stdout.strip()

    waited = leaving("job", "wait", name)
    after = leaving("job", "list")

    assert "Completed" in waited.stdout
    assert "not ended" not in waited.stderr + after.stderr


def test_a_command_whose_service_ends_with_it_says_that_a_job_stands_still(leaving: Abe, project: Path) -> None:
    left = leaving("endpoint", "invoke", "digits", "--input-local-path", project / "slow", "--no-wait")
    name = left.stdout.strip()

    shown = leaving("job", "show", name)
    leaving("job", "cancel", name)
    leaving("job", "wait", name, code=2)

    for said in (left.stderr, shown.stderr):
        assert f"Job '{name}' has not ended. The local service ends with this command" in said
        assert f"abe local start --detach\nabe job wait {name}\n" in said


def test_ctrl_c_says_that_a_service_of_its_own_ends_and_the_job_goes_on_later(leaving: Abe, project: Path) -> None:
    process = leaving.process("endpoint", "invoke", "digits", "--input-local-path", project / "slow")
    reads(process, "stdout")
    process.send_signal(signal.SIGINT)

    code, _, stderr = ended(process)

    assert (code, "goes on when one runs again: abe local start --detach" in stderr) == (130, True), stderr
    assert running.find(leaving.root) is None


def test_a_service_in_the_foreground_ends_with_ctrl_c(tmp_path: Path) -> None:
    abe = Abe(tmp_path / "front")
    process = abe.process("local", "start")
    first = reads(process, "stdout")
    while "Ctrl-C" not in reads(process, "stderr"):
        assert process.poll() is None
    joined = abe("local", "status")
    process.send_signal(signal.SIGINT)

    code, _, stderr = ended(process)

    assert first.startswith("root")
    assert "False" in joined.stdout
    assert (code, "The local service has ended." in stderr) == (130, True), stderr
    abe("local", "status", code=1)
    assert "No local service runs" in abe("local", "stop").stderr


def test_a_service_that_stays_cannot_be_started_over_one_that_does_not(tmp_path: Path) -> None:
    abe = Abe(tmp_path / "front")
    process = abe.process("local", "start", "--workers", "1")
    while "Ctrl-C" not in reads(process, "stderr"):
        assert process.poll() is None

    refused = abe("local", "start", "--detach", code=1)
    abe("local", "stop")
    code, _, stderr = ended(process)

    assert "you asked for --detach" in refused.stderr
    assert (code, "has ended" in stderr) == (1, True), stderr
