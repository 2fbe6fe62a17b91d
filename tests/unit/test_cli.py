"""The command line without a service: what it reads, what it prints where, and its exit codes."""

from __future__ import annotations

import json
import warnings
from collections.abc import Callable
from contextlib import nullcontext
from datetime import datetime, timezone
from types import SimpleNamespace
from typing import cast

import click
import pytest
from click.testing import CliRunner, Result

from azure_batch_endpoints import errors
from azure_batch_endpoints.cli.__main__ import app
from azure_batch_endpoints.cli.output import Output, Rows, Style
from azure_batch_endpoints.cli.settings import of_job
from azure_batch_endpoints.cli.workspace import Connect, Target, _told
from azure_batch_endpoints.client import BatchClient
from azure_batch_endpoints.errors import NotKeptWarning
from azure_batch_endpoints.items import JobProgress
from azure_batch_endpoints.job import Job
from azure_batch_endpoints.specs import RetrySettings
from azure_batch_endpoints.states import JobStatus

ROWS: Rows = [
    ("name", "j1"),
    ("status", JobStatus.RUNNING),
    ("progress", JobProgress(items_done=1, items_total=2)),
    ("created at", datetime(2026, 1, 2, tzinfo=timezone.utc)),
    ("tags", {"a": "b"}),
]


def refusing(error: BaseException) -> Connect:
    """A way to a workspace that ends in an error."""

    def connect(target: Target) -> BatchClient:
        raise error

    return connect


def run(*arguments: str, connect: Connect | None = None, **variables: str) -> Result:
    return CliRunner().invoke(app, arguments, obj=connect, env={"ABE_ROOT": None, "ABE_CLOUD": None, **variables})


def shown(style: Style, show: Callable[[Output], None]) -> Result:
    """What an output prints, apart by stream."""
    return CliRunner().invoke(click.Command("show", callback=lambda: show(Output(style))))


def all_commands(group: click.Group, path: tuple[str, ...] = ()) -> list[tuple[str, ...]]:
    found: list[tuple[str, ...]] = []
    for name, command in group.commands.items():
        found += all_commands(command, (*path, name)) if isinstance(command, click.Group) else [(*path, name)]
    return found


def test_there_is_every_noun_with_its_verbs() -> None:
    verbs: dict[str, set[str]] = {}
    for noun, verb in all_commands(app):
        verbs.setdefault(noun, set()).add(verb)

    asset = {"create", "show", "list", "archive", "restore"}
    endpoint = {"create", "show", "list", "update", "delete", "invoke", "compare", "list-jobs", "set-default"}
    deployment = {"create", "show", "list", "update", "delete", "list-jobs", "check", "dry-run"}
    assert verbs == {
        "endpoint": endpoint,
        "batch-endpoint": endpoint,
        "deployment": deployment,
        "batch-deployment": deployment,
        "job": {
            *("show", "list", "stream", "logs", "wait", "cancel", "items", "retry-failed", "rows", "download"),
            *("archive", "restore"),
        },
        "model": asset,
        "environment": asset,
        "dataset": asset,
        "data": asset,
        "datastore": {"show", "list"},
        "workspace": {"show"},
        "compute": {"create", "show", "list", "delete"},
        "local": {"start", "status", "stop", "token", "connection-string"},
    }


@pytest.mark.parametrize("command", all_commands(app), ids=" ".join)
def test_every_command_explains_itself(command: tuple[str, ...]) -> None:
    answer = run(*command, "--help")

    assert answer.exit_code == 0
    assert len(answer.stdout.splitlines()) > 5


def test_one_thing_is_a_name_and_a_value_a_line() -> None:
    answer = shown("table", lambda out: out.one(ROWS))

    assert answer.stdout.splitlines() == [
        "name        j1",
        "status      Running",
        "progress    1 of 2 files",
        "created at  2026-01-02 00:00:00 UTC",
        "tags        a=b",
    ]


def test_json_has_plain_values_under_names_without_spaces() -> None:
    answer = json.loads(shown("json", lambda out: out.one(ROWS)).stdout)

    assert answer["status"] == "Running"
    assert answer["progress"]["items_total"] == 2
    assert answer["created_at"] == "2026-01-02T00:00:00+00:00"
    assert answer["tags"] == {"a": "b"}


@pytest.mark.parametrize("count", [0, 1, 3])
def test_a_json_list_is_one_array(count: int) -> None:
    answer = shown("json", lambda out: out.many([ROWS] * count, ["name"]))

    assert [one["name"] for one in json.loads(answer.stdout)] == ["j1"] * count


def test_a_table_lines_its_columns_up_and_keeps_a_row_on_one_line() -> None:
    rows: list[Rows] = [
        [("name", "a"), ("why", "two\nlines")],
        [("name", "longer"), ("why", "/subscriptions/s/computes/c")],
    ]

    answer = shown("table", lambda out: out.many(rows, ["name", "why"]))

    assert answer.stdout.splitlines() == ["NAME    WHY", "a       two lines", "longer  c"]


def test_a_long_list_is_printed_as_it_comes() -> None:
    taken: list[int] = []

    def rows(number: int) -> Rows:
        taken.append(number)
        return [("name", f"row-{number}")]

    def show(out: Output) -> None:
        out.many((rows(number) for number in range(1000)), ["name"])

    answer = shown("table", show)

    assert len(answer.stdout.splitlines()) == 1001
    assert len(taken) == 1000


@pytest.mark.parametrize(
    ("rows", "label"), [(ROWS, "j1"), ([("name", "digits"), ("version", "3")], "digits:3")], ids=["job", "asset"]
)
def test_quiet_prints_bare_names_and_no_words(rows: Rows, label: str) -> None:
    def show(out: Output) -> None:
        out.one(rows)
        out.many([rows], ["name"])
        out.name(rows)
        out.word("a word")
        out.hint("a hint")

    answer = shown("quiet", show)

    assert answer.stdout.split() == [label] * 3
    assert answer.stderr == ""


def test_words_hints_and_errors_go_to_stderr_without_colour() -> None:
    def show(out: Output) -> None:
        out.word("done")
        out.hint("abe next")
        out.error("wrong")

    answer = shown("table", show)

    assert answer.stdout == ""
    assert answer.stderr == "done\nabe next\nError: wrong\n"


def test_a_text_of_several_lines_stays_beside_its_name() -> None:
    answer = shown("table", lambda out: out.one([("name", "j1"), ("error", "KeyError\n\n  in score.py")]))

    assert answer.stdout == "name   j1\nerror  KeyError\n       \n         in score.py\n"


def test_set_reads_the_settings_of_the_how_to() -> None:
    settings = of_job(
        ["output_file_name=p_1.csv", "retry_settings.max_retries=2", "retry_settings.timeout=1.5", "error_threshold=-1"]
    )

    assert settings == {
        "output_file_name": "p_1.csv",
        "retry_settings": RetrySettings(max_retries=2, timeout=1.5),
        "error_threshold": -1,
    }
    assert of_job(["settings.isolate_failures=true"]) == {"isolate_failures": True}


@pytest.mark.parametrize(
    ("pair", "said"),
    [
        ("mini_batch_sise=3", "Did you mean 'mini_batch_size'?"),
        ("error_threshold", "error_threshold=<value>"),
        ("output_action=append_row", "there is no 'output_action'"),
        ("mini_batch_size=many", "mini_batch_size is 'many'"),
        ("retry_settings.timeout=0", "retry_settings.timeout is '0'"),
        ("isolate_failures=maybe", "isolate_failures is 'maybe'"),
    ],
)
def test_set_names_what_is_wrong(pair: str, said: str) -> None:
    with pytest.raises(errors.InvalidInputError, match=said.replace("?", r"\?")):
        of_job([pair])


@pytest.mark.parametrize(
    ("arguments", "variables", "target"),
    [
        ([], {}, Target(False, None, None)),
        (["--root", "r"], {}, Target(False, "r", None)),
        ([], {"ABE_ROOT": "r"}, Target(False, "r", None)),
        ([], {"ABE_CLOUD": "1"}, Target(True, None, None)),
        (["--cloud"], {"ABE_ROOT": "r"}, Target(True, None, None)),
        (["--root", "r"], {"ABE_CLOUD": "1"}, Target(False, "r", None)),
        (["--local"], {"ABE_CLOUD": "1"}, Target(False, None, None)),
        (["--config", "c"], {"ABE_ROOT": "r"}, Target(True, None, "c")),
        (["-g", "g", "-w", "w"], {}, Target(False, None, None, {"resource_group": "g", "workspace": "w"})),
        (["--cloud", "--subscription", "s"], {}, Target(True, None, None, {"subscription_id": "s"})),
    ],
)
def test_the_workspace_is_what_the_command_line_says_then_the_environment(
    arguments: list[str], variables: dict[str, str], target: Target
) -> None:
    asked: list[Target] = []

    def connect(target: Target) -> BatchClient:
        asked.append(target)
        raise errors.TransportError("enough")

    run("endpoint", "list", *arguments, connect=connect, **variables)

    assert asked == [target]


@pytest.mark.parametrize(
    "arguments",
    [
        ["endpoint", "list", "--local", "--config", "c"],
        ["endpoint", "list", "--cloud", "--root", "r"],
        ["endpoint", "list", "--config", "c", "--root", "r"],
        ["endpoint", "show"],
        ["endpoint", "show", "a", "--name", "b"],
        ["endpoint", "delete", "a", "--cloud"],
        ["endpoint", "delete", "a", "--config", "c"],
        ["endpoint", "create", "a", "--tag", "novalue"],
        ["job", "items", "j", "--status", "lost"],
        ["nonsense"],
        ["--nonsense"],
    ],
    ids=" ".join,
)
def test_a_wrong_command_line_exits_1_before_anything_is_connected(arguments: list[str]) -> None:
    answer = run(*arguments, connect=refusing(AssertionError("connected")))

    assert answer.exit_code == 1
    assert "Error:" in answer.stderr
    assert answer.stdout == ""


def test_a_script_may_delete_on_this_machine_without_being_asked() -> None:
    answer = run("endpoint", "delete", "a", connect=refusing(errors.TransportError("it got here")))

    assert "it got here" in answer.stderr


def failed_job(failed: int | None = 1) -> Job:
    progress = None if failed is None else JobProgress(items_failed=failed)
    return cast("Job", SimpleNamespace(name="j1", progress=progress))


@pytest.mark.parametrize("failed", [None, 0])
def test_a_job_in_which_no_file_failed_is_not_said_to_be_retried(failed: int | None) -> None:
    answer = run("endpoint", "list", connect=refusing(errors.JobFailedError("no input", failed_job(failed))))

    assert "abe job logs j1" in answer.stderr
    assert "invoke again" in answer.stderr
    assert "retry-failed" not in answer.stderr


@pytest.mark.parametrize(
    ("error", "code", "hint"),
    [
        (errors.InvalidInputError("what, which, remedy"), 1, ""),
        (errors.JobFailedError("what, which, remedy", failed_job()), 2, "abe job retry-failed j1"),
        (errors.JobCanceledError("what, which, remedy", failed_job(None)), 2, "abe job logs j1"),
        (errors.WaitTimeoutError("what, which, remedy", Job.__new__(Job)), 3, "abe job wait"),
        (errors.WaitTimeoutError("what, which, remedy", object()), 3, ""),
        (PermissionError("what, which, remedy"), 1, ""),
    ],
)
def test_an_error_prints_its_text_and_has_its_exit_code(
    error: Exception, code: int, hint: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Job, "name", "j1")

    answer = run("endpoint", "list", connect=refusing(error))

    assert answer.exit_code == code
    assert answer.stderr.startswith("Error: what, which, remedy\n")
    assert hint in answer.stderr


SAID = {
    "Could not read job 'j1': refused the connection. The local service seems to have ended. "
    "Start it again with BatchClient.local('/data/abe').": [
        "a job that had not ended goes on: abe local start --detach --root '/data/abe'"
    ],
    "Job 'j1' failed: run() raised KeyError 'age'. Logs: job.logs().": ["raised KeyError 'age'. Logs: abe job logs j1"],
    "The output of job 'j1' (Failed) is empty: 'u' holds no file. See job.error and job.logs().": [
        "See: abe job show j1; abe job logs j1"
    ],
    "Endpoint 'e1' has no default deployment, and invoke() named none. "
    'Pass deployment="blue" or call endpoint.set_default("blue").': [
        "and none was named. Pass --deployment-name blue, or: abe endpoint set-default e1 blue."
    ],
    "Endpoint 'e1' has no default deployment, and invoke() named none. "
    "Pass deployment=<name> or call endpoint.set_default(<name>). There are: a, b.": [
        "Pass --deployment-name <name>, or: abe endpoint set-default e1 <name>. There are: a, b."
    ],
    "It has no deployment at all: create one with endpoint.deployments.create(spec, set_default=True).": [
        "create one: abe deployment create --endpoint-name <endpoint>"
    ],
    "Set what is missing, pass subscription_id, resource_group and workspace to BatchClient, "
    "or use BatchClient.local().": ["pass --subscription, --resource-group and --workspace-name, or leave out --cloud"],
    "Use another root: BatchClient.local(root).": ["Use another root: --root <folder>."],
    "Join it with BatchClient.local('/r').": ["Join it with --root '/r'."],
    "BatchClient.local(environments='build') makes it as written.": ["abe local start --environments build makes it"],
    "EndpointSpec needs 'name'.": ["The endpoint needs a name. Give it as an argument, with --name"],
    "DeploymentSpec needs 'model'.": [
        "The deployment needs 'model'. Say it in the YAML (--file), or with --set model="
    ],
    'jobs.list(deployment="d") needs endpoint= too: x': ["--deployment-name d needs --endpoint-name too: x"],
    'Write dataset("d", version="1") or local_path("d:1").': ["Write azureml:d:1 or --input-local-path d:1."],
    'Write folder("https://a/b/").': ["Write folder:https://a/b/."],
    'It goes on; return to it with client.jobs.get("j1").': ["return to it with abe job show j1."],
    'leave storage="azurite" out': ["leave --storage azurite out"],
    "Job 'j1' was cancelled. Rows scored before: job.results.to_pandas(partial=True); "
    "the rest: job.retry_failed(include_pending=True).": [
        "Rows scored before, in its folder partial: abe job download j1 --dest .; "
        "the rest: abe job retry-failed j1 --include-pending."
    ],
    "2 of 3 jobs did not complete:\n- Job 'j1' failed: boom.\nSee job.logs() of each; they are in error.jobs.": [
        "See the logs of each: abe job logs <job>."
    ],
    "The service accepted job 'j1', but did not keep output (asked 'a', kept 'b'). It is there as the service has it. "
    "Stop it with job.cancel(), unless that will do.": ["Unless that will do, stop it: abe job cancel j1."],
    "Check job.results before you use them. The service accepted job 'j1'.": [
        "before you use them: abe job download j1."
    ],
    "Deployment 'x', endpoint 'e1'. Call endpoint.set_default(\"x\") again, and name the deployment in invoke() "
    "until it is.": ["name it with --deployment-name until it is: abe endpoint set-default e1 x."],
    "1 of 2 jobs has not ended after 3 s: 'j1' (Running). They go on; wait for them again, or return to one with "
    "client.jobs.get(name).": ["They go on: abe job wait …"],
    "Nothing failed in job 'j1', but 3 files were never scored. Retry them too: include_pending=True.": [
        "Retry them too: --include-pending."
    ],
}


@pytest.mark.parametrize("text", SAID, ids=lambda text: text[:40])
def test_an_error_advises_in_commands_not_in_python(text: str) -> None:
    answer = run("endpoint", "list", connect=refusing(errors.InvalidInputError(text)))

    for words in SAID[text]:
        assert words in answer.stderr
    assert "()" not in answer.stderr.replace("run()", "")


def test_an_error_without_advice_in_python_is_printed_as_it_is() -> None:
    text = "Compute '{job}' not found. There are: 'a'."

    assert run("endpoint", "list", connect=refusing(errors.InvalidInputError(text))).stderr == f"Error: {text}\n"


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["ml", "batch-endpoint", "list"], "Leave it out: 'az ml batch-endpoint list' is 'abe batch-endpoint list'."),
        (["online-endpoint", "list"], "Online endpoints are not there"),
        (["account", "get-access-token"], "abe local token"),
    ],
)
def test_a_word_of_az_that_is_not_there_is_told_what_to_do(words: list[str], said: str) -> None:
    answer = run(*words)

    assert answer.exit_code == 1
    assert said in answer.stderr


def test_ctrl_c_before_anything_was_sent_exits_130_and_says_so() -> None:
    answer = run("endpoint", "list", connect=refusing(KeyboardInterrupt()))

    assert answer.exit_code == 130
    assert "Nothing was sent." in answer.stderr


def test_invoke_wants_exactly_one_input() -> None:
    def connect(target: Target) -> BatchClient:
        return cast("BatchClient", nullcontext())

    none = run("endpoint", "invoke", "digits", connect=connect)
    two = run("endpoint", "invoke", "digits", "--input-path", "a", "--input-local-path", "b", connect=connect)

    assert (none.exit_code, two.exit_code) == (1, 1)
    assert "--input-dataset" in none.stderr


def test_what_the_service_did_not_keep_is_said_in_words_of_the_command_line(capsys: pytest.CaptureFixture[str]) -> None:
    with _told(Output()):
        warnings.warn("The tags are gone. Leave them out, or look at it with refresh().", NotKeptWarning, stacklevel=1)
        warnings.warn("The tags are gone. Leave them out, or look at it with refresh().", NotKeptWarning, stacklevel=1)
    said = "Warning: The tags are gone. Leave them out, or look at it with its verb show.\n"
    assert capsys.readouterr() == ("", said * 2)

    with pytest.warns(DeprecationWarning, match="of another library"), _told(Output()):
        warnings.warn("of another library", DeprecationWarning, stacklevel=1)
