"""The forms in which the command line answers, ``--query``, ``--set``, and what it says of a wrong command line."""

from __future__ import annotations

import io
import json
from collections import OrderedDict
from collections.abc import Callable, Mapping
from contextlib import nullcontext
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import click
import jmespath
import pytest
import yaml
from click.testing import CliRunner, Result

from azure_batch_endpoints import errors
from azure_batch_endpoints._entity import Snapshot
from azure_batch_endpoints._wire.models import AssetBody, ComputeBody
from azure_batch_endpoints.assets import Model
from azure_batch_endpoints.cli import formats, settings, shapes
from azure_batch_endpoints.cli.__main__ import app
from azure_batch_endpoints.cli.job import open_page
from azure_batch_endpoints.cli.output import STYLES, Output, Shown, Style
from azure_batch_endpoints.client import BatchClient
from azure_batch_endpoints.computes import Compute
from azure_batch_endpoints.specs import ComputeSpec, DeploymentSpec, EndpointSpec

JOB = Shown([("name", "j1")], {"name": "j1", "status": "Completed", "tags": {"b": "2", "a": "1"}, "steps": [1, 2]})
NONE = Shown([("name", "j2")], {"name": "j2", "status": None, "done": True})


def printed(show: Callable[[Output], None], style: Style = "json", query: str | None = None) -> Result:
    out = Output(style, jmespath.compile(query) if query else None)
    return CliRunner().invoke(click.Command("show", callback=lambda: show(out)))


def run(*arguments: str, endpoint: object | None = None) -> Result:
    """Run a command line on a workspace that has one endpoint, or on none at all."""

    def connect(_target: object) -> BatchClient:
        assert endpoint is not None, "a workspace was asked for"
        endpoints = SimpleNamespace(get=lambda _name: endpoint)
        names = {"subscription_id": "s", "resource_group": "local", "workspace": "local"}
        return cast("BatchClient", nullcontext(SimpleNamespace(endpoints=endpoints, local_service=None, **names)))

    return CliRunner().invoke(app, arguments, obj=connect, env={"ABE_ROOT": None, "ABE_CLOUD": None})


@pytest.mark.parametrize(
    ("query", "style", "expected"),
    [
        ("name", "tsv", "j1\n"),
        ("name", "json", '"j1"\n'),
        ("name", "yaml", "j1\n"),
        ("nothing", "tsv", ""),
        ("nothing", "json", ""),
        ("name", "none", ""),
        ("[name,status]", "tsv", "j1\nCompleted\n"),
        ("{s:status,n:name}", "tsv", "Completed\tj1\n"),
        ("{s:status,n:name}", "table", "S          N\n---------  --\nCompleted  j1\n"),
        ("tags", "tsv", "1\t2\n"),
    ],
)
def test_a_query_picks_from_one_thing_as_az_does(query: str, style: Style, expected: str) -> None:
    assert printed(lambda out: out.one(JOB), style, query).stdout == expected


@pytest.mark.parametrize(
    ("query", "style", "expected"),
    [
        ("[].name", "tsv", "j1\nj2\n"),
        ("[].name", "json", '[\n  "j1",\n  "j2"\n]\n'),
        ("[?status=='Completed'].name | [0]", "tsv", "j1\n"),
        ("length(@)", "tsv", "2\n"),
        ("[].[name,status]", "tsv", "j1\tCompleted\nj2\tNone\n"),
        ("[].[name,steps,tags]", "tsv", "j1\t2\t\nj2\tNone\tNone\n"),
        ("[].done", "tsv", "true\n"),
        ("[].{n:name,t:tags}", "table", "N\n--\nj1\nj2\n"),
        ("[].name", "table", "Result\n------\nj1\nj2\n"),
        ("[].[name,done]", "table", "Column1  Column2\n-------  -------\nj1       None\nj2       True\n"),
        ("[9:]", "table", ""),
    ],
)
def test_a_query_picks_from_a_list_as_az_does(query: str, style: Style, expected: str) -> None:
    assert printed(lambda out: out.many([JOB, NONE], ["name"]), style, query).stdout == expected


def test_without_a_query_a_tab_separated_line_has_the_values_by_their_sorted_keys() -> None:
    assert printed(lambda out: out.one(JOB), "tsv").stdout == "j1\tCompleted\t2\t\n"
    assert list(formats.as_tsv([OrderedDict(z="1", a="2")])) == ["1\t2"]


@pytest.mark.parametrize("count", [0, 1, 3])
def test_a_list_reads_back_from_json_and_yaml(count: int) -> None:
    for style, read in (("json", json.loads), ("jsonc", json.loads), ("yaml", yaml.safe_load)):
        answer = printed(lambda out: out.many([JOB] * count, ["name"]), cast("Style", style))

        assert read(answer.stdout) == [dict(JOB.data)] * count


def test_one_thing_keeps_every_letter_in_json_and_yaml() -> None:
    thing = Shown([("name", "한국어")], {"name": "한국어"})

    assert "한국어" in printed(lambda out: out.one(thing), "json").stdout
    assert "한국어" in printed(lambda out: out.one(thing), "yaml").stdout


def test_nothing_is_printed_with_output_none() -> None:
    def show(out: Output) -> None:
        out.one(JOB)
        out.many([JOB], ["name"])
        out.name(JOB)
        out.line("text", [("message", "text")])

    assert printed(show, "none").stdout == ""


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["job", "sohw", "j"], "abe job has no 'sohw'. Did you mean 'show'?"),
        (["bach-endpoint", "list"], "abe has no 'bach-endpoint'. Did you mean 'batch-endpoint'?"),
        (["online-deployment", "list"], "Online endpoints are not there"),
        (["job", "show", "j", "--querry", "x"], "--query"),
        (["job", "show", "j", "--query", "a["], "'a[' is not JMESPath"),
        (["job", "show", "j", "-o", "xml"], "'json'"),
        (["job", "show", "j", "-o", "quiet", "--query", "name"], "leave out --query"),
        (["endpoint", "update"], "--name"),
        (["deployment", "update", "d"], "--endpoint-name"),
        (["job", "download", "j", "--dest", "a", "--download-path", "b"], "one of --dest"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_a_wrong_command_line_is_told_what_is_right(arguments: list[str], said: str) -> None:
    answer = run(*arguments, endpoint=object())

    assert answer.exit_code == 1
    assert said in " ".join(answer.stderr.split())
    assert answer.stdout == ""


def test_a_query_that_does_not_fit_the_answer_exits_1() -> None:
    endpoint = SimpleNamespace(raw={}, _rows=lambda: [("name", "e")], list_jobs=list)

    answer = run("batch-endpoint", "list-jobs", "e", "--query", "abs(@)", endpoint=endpoint)

    assert answer.exit_code == 1
    assert "--query does not fit the answer" in answer.stderr


def test_the_nouns_of_az_print_json_to_a_program_and_our_own_a_table() -> None:
    endpoint = SimpleNamespace(list_jobs=list)

    official, own = (run(noun, "list-jobs", "e", endpoint=endpoint).stdout for noun in ("batch-endpoint", "endpoint"))

    assert official == "[]\n"
    assert own.split()[:2] == ["NAME", "STATUS"]


def test_what_names_a_workspace_in_azure_is_passed_over_aloud_on_this_machine() -> None:
    endpoint = SimpleNamespace(list_jobs=list)
    asked = ("batch-endpoint", "list-jobs", "-n", "e", "-w", "w", "-g", "g", "--subscription", "s")
    own = ("batch-endpoint", "list-jobs", "-n", "e", "-w", "local", "-g", "local")

    aloud, silent = run(*asked, endpoint=endpoint), run(*asked, "--only-show-errors", endpoint=endpoint)

    assert (aloud.exit_code, silent.exit_code) == (0, 0)
    assert "for Azure add --cloud" in aloud.stderr
    assert silent.stderr == run(*own, endpoint=endpoint).stderr == ""


@pytest.mark.parametrize("style", STYLES)
def test_every_form_is_offered_in_every_help(style: str) -> None:
    assert style in run("data", "show", "--help").stdout


def test_set_takes_several_pairs_behind_one_mention() -> None:
    spec: list[EndpointSpec] = []

    def create(one: EndpointSpec, *, wait: bool) -> object:
        spec.append(one)
        raise errors.InvalidInputError(f"enough, {wait}")

    client = SimpleNamespace(endpoints=SimpleNamespace(create=create), local_service=None)
    pairs = ("--set", "tags.a=1", "tags.b=2", "description=x=y", "--tags", "c=3", "d=4", "--no-wait")
    answer = CliRunner().invoke(
        app, ["batch-endpoint", "create", "-n", "abc", *pairs], obj=lambda _: nullcontext(client)
    )

    assert "enough, False" in answer.stderr
    assert (spec[0].name, spec[0].description, spec[0].tags) == ("abc", "x=y", {"a": "1", "b": "2", "c": "3", "d": "4"})


@pytest.fixture
def deployment(tmp_path: Path) -> str:
    file = tmp_path / "deployment.yml"
    file.write_text(
        "name: abc\nmodel: azureml:m:1\nresources:\n  instance_count: 1\nmini_batch_size: 3\n"
        "environment_variables:\n  A: old\n  B: kept\ntags:\n  t: kept\n"
    )
    return str(file)


@pytest.mark.parametrize(
    ("change", "read", "expected"),
    [
        ("mini_batch_size=7", lambda spec: spec.settings.mini_batch_size, 7),
        ("settings.mini_batch_size=7", lambda spec: spec.settings.mini_batch_size, 7),
        ("resources.instance_count=5", lambda spec: spec.settings.instance_count, 5),
        ("retry_settings.timeout=2.5", lambda spec: spec.settings.retry_settings.timeout, 2.5),
        (
            "settings.environment_variables.A=new",
            lambda spec: spec.settings.environment_variables,
            {"A": "new", "B": "kept"},
        ),
        ("tags.u=added", lambda spec: spec.tags, {"t": "kept", "u": "added"}),
        ('tags={"u": "only"}', lambda spec: spec.tags, {"u": "only"}),
        ("model=azureml:n:2", lambda spec: spec.model, "azureml:n:2"),
    ],
    ids=lambda value: value.split("=")[0] if isinstance(value, str) else "",
)
def test_set_changes_what_the_file_says(
    deployment: str, change: str, read: Callable[[DeploymentSpec], object], expected: object
) -> None:
    assert read(settings.spec_of(DeploymentSpec, deployment, [change])) == expected


@pytest.mark.parametrize(
    ("file", "change", "said"),
    [
        (True, "mini_batch_sise=7", "mini_batch_size"),
        (True, "mini_batch_size", "--set <key>=<value>"),
        (True, "mini_batch_size=many", "mini_batch_size is 'many'"),
        (False, "max_instance=3", "max_instances"),
    ],
)
def test_a_wrong_set_is_told_what_is_right(deployment: str, file: bool, change: str, said: str) -> None:
    with pytest.raises(errors.InvalidInputError) as refused:
        if file:
            settings.spec_of(DeploymentSpec, deployment, [change])
        else:
            settings.spec_of(ComputeSpec, None, [change], name="nodes")

    assert said in str(refused.value)


def test_set_makes_a_thing_without_a_file() -> None:
    spec = settings.spec_of(ComputeSpec, None, ["max_instances=3", "tags.team=a"], name="nodes")

    assert (spec.name, spec.max_instances, dict(spec.tags)) == ("nodes", 3, {"team": "a"})


INVOKED: list[tuple[list[str], list[object], Mapping[str, object]]] = [
    (["--input-path", "folder:https://a/b/c"], ["folder:https://a/b/c"], {}),
    (["--input-dataset", "d:1"], ["azureml:d:1"], {}),
    (["--input", "https://a/b/c.d", "--input-type", "uri_folder"], ["https://a/b/c.d/"], {}),
    (["--input", "https://a/b/c", "--input-type", "uri_file"], ["https://a/b/c"], {}),
    (["--input", "azureml:d@latest", "--input-type", "uri_folder"], ["azureml:d@latest"], {}),
    (["--inputs", "x.path=https://a/b", "x.type=uri_file"], [], {"inputs": {"x": "https://a/b"}}),
    (["--input", "https://a/b/", "--outputs", "score.path=folder:U"], ["https://a/b/"], {"output": "folder:U"}),
    (
        ["--input", "https://a/b/", "--set", "output_dataset.datastore_id=azureml:ds", "output_dataset.path=p/q"],
        ["https://a/b/"],
        {"output": "azureml://datastores/ds/paths/p/q/"},
    ),
    (["--set", "inputs.x.type=uri_file", "inputs.x.path=https://a/b"], [], {"inputs": {"x": "https://a/b"}}),
    (["--set", "inputs.x.type=uri_folder", "inputs.x.path=azureml:d:1"], [], {"inputs": {"x": "azureml:d:1"}}),
    (
        ["--set", "inputs.x.path=https://a/b/", "inputs.n.type=integer", "inputs.n.default=3"],
        [],
        {"inputs": {"x": "https://a/b/", "n": "3"}},
    ),
    (
        ["--input", "https://a/b/", "--set", "outputs.score.type=uri_file", "outputs.score.path=U"],
        ["https://a/b/"],
        {"output": "U"},
    ),
    (
        ["--input", "https://a/b/", "--outputs", "score.path=azureml://datastores/d/paths/p/n.csv"],
        ["https://a/b/"],
        {"output": "azureml://datastores/d/paths/p/", "output_file_name": "n.csv"},
    ),
    (
        ["--inputs", "x.path=//subscriptions/s/resourceGroups/g/providers/p/workspaces/w/data/d/versions/1"],
        [],
        {"inputs": {"x": "/subscriptions/s/resourceGroups/g/providers/p/workspaces/w/data/d/versions/1"}},
    ),
    (["--input", "https://a/b/", "--set", "compute.instance_count=3"], ["https://a/b/"], {"instance_count": 3}),
    (["--input", "https://a/b/", "--set", "settings.mini_batch_size=3"], ["https://a/b/"], {"mini_batch_size": 3}),
    (["--input", "https://a/b/", "--set", "job_name=n"], ["https://a/b/"], {"job_name": "n"}),
]


@pytest.mark.parametrize(("options", "inputs", "others"), INVOKED, ids=[" ".join(one[0][-2:]) for one in INVOKED])
def test_invoke_reads_every_form_of_az(options: list[str], inputs: list[object], others: Mapping[str, object]) -> None:
    asked: list[tuple[tuple[object, ...], dict[str, Any]]] = []

    def invoke(*given: object, **more: Any) -> object:
        asked.append((given, more))
        raise errors.InvalidInputError("enough")

    run("batch-endpoint", "invoke", "-n", "e", *options, endpoint=SimpleNamespace(invoke=invoke))

    (given, more) = asked[0]
    if "inputs" in more:
        more["inputs"] = {name: str(value) for name, value in more["inputs"].items()}
    assert [str(one) for one in given] == inputs
    assert more == others


@pytest.mark.parametrize(
    "options",
    [
        ["--inputs", "x=https://a/b"],
        ["--inputs", "x.type=uri_file"],
        ["--set", "inputs.x.type=uri_file"],
        ["--set", "inputs.x=https://a/b"],
        ["--set", "inputs.x.pth=https://a/b"],
        ["--set", "inputs.n.type=integer"],
        ["--set", "inputs.x.path=https://a/b", "--input", "https://a/b"],
        ["--input", "https://a/b", "--set", "outputs.score.type=uri_file"],
        ["--input", str(Path(__file__).parent), "--input-type", "uri_file"],
        ["--input", __file__, "--input-type", "uri_folder"],
        ["--input-local-path", __file__, "--input-type", "uri_folder"],
        ["--inputs", f"x.path={__file__}", "x.type=uri_folder"],
        ["--input", "https://a/b", "--output-path", "U", "--outputs", "score.path=U"],
        ["--input", "https://a/b", "--set", "output_dataset.name=U"],
        ["--input", "https://a/b", "--set", "job_nam=U"],
        ["--input", "https://a/b", "--input-dataset", "d:1"],
        ["--input", "https://a/b", "--input-type", "mltable"],
    ],
    ids=" ".join,
)
def test_invoke_refuses_what_it_cannot_read_before_anything_is_sent(options: list[str]) -> None:
    answer = run("batch-endpoint", "invoke", "-n", "e", *options, endpoint=object())

    assert answer.exit_code == 1
    assert "Error:" in answer.stderr


def invoked_with(file: Path, *options: str) -> tuple[Result, dict[str, Any]]:
    """Invoke with a file of inputs; return the arguments that the SDK was called with."""
    asked: dict[str, Any] = {}

    def invoke(*_given: object, **more: Any) -> object:
        asked.update(more)
        raise errors.InvalidInputError("enough")

    endpoint = SimpleNamespace(invoke=invoke)
    answer = run("batch-endpoint", "invoke", "-n", "e", "--file", str(file), *options, endpoint=endpoint)
    return answer, asked


def test_invoke_reads_inputs_and_outputs_of_a_file_and_set_wins_over_it(tmp_path: Path) -> None:
    file = tmp_path / "inputs.yml"
    file.write_text(
        "inputs:\n  heart:\n    type: uri_folder\n    path: data\n  mode:\n    type: string\n    default: append\n"
        "outputs:\n  score:\n    type: uri_file\n    path: azureml://datastores/a/paths/b\n"
    )

    _, plain = invoked_with(file)
    _, changed = invoked_with(file, "--set", "inputs.heart.path=azureml:d:1", "outputs.score.path=U")

    assert {name: str(one) for name, one in plain["inputs"].items()} == {
        "heart": str(tmp_path / "data"),
        "mode": "append",
    }
    assert plain["output"] == "azureml://datastores/a/paths/b"
    assert (str(changed["inputs"]["heart"]), changed["output"]) == ("azureml:d:1", "U")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("input:\n  x: {path: a}\n", "it takes inputs and outputs"),
        ("inputs:\n  x: a\n", "under each name path and type"),
        ("inputs:\n  x: {pth: a}\n", "Did you mean 'path'?"),
        ("outputs:\n  score: {path: a}\n", "Give one of --input"),
    ],
)
def test_a_file_of_inputs_that_cannot_be_read_is_refused(tmp_path: Path, text: str, said: str) -> None:
    file = tmp_path / "inputs.yml"
    file.write_text(text)

    answer, asked = invoked_with(file)

    assert (answer.exit_code, asked) == (1, {})
    assert said in answer.stderr


class Terminal(io.StringIO):
    """A stream somebody sits before."""

    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize(
    ("display", "stream", "opened"),
    [(":0", Terminal(), ["http://page"]), (":0", io.StringIO(), []), ("", Terminal(), [])],
    ids=["desktop", "script", "no windows"],
)
def test_a_page_opens_only_where_somebody_sits_before_windows(
    display: str, stream: io.StringIO, opened: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    pages: list[str] = []
    monkeypatch.setattr("sys.platform", "linux")
    monkeypatch.setattr("sys.stderr", stream)
    monkeypatch.setattr("webbrowser.open", pages.append)
    monkeypatch.setenv("DISPLAY", display)
    monkeypatch.delenv("WAYLAND_DISPLAY", raising=False)

    open_page("http://page", Output())

    assert pages == opened
    assert "http://page" in stream.getvalue()


@pytest.mark.parametrize(("sent", "seen"), [("PT2M", 120), ("P1M", "P1M"), (None, None)])
def test_an_idle_time_is_shown_in_seconds_and_what_is_none_as_it_came(sent: str | None, seen: object) -> None:
    inner = {"scaleSettings": {"nodeIdleTimeBeforeScaleDown": sent}}
    body = {"name": "c", "properties": {"computeType": "AmlCompute", "properties": inner}}

    shown = shapes.compute(Compute(cast("Any", None), Snapshot.take(ComputeBody.read, body)))

    assert shown.data["idle_time_before_scale_down"] == seen


@pytest.mark.parametrize(
    ("sent", "seen"),
    [
        ("2026-11-22T17:25:03.25918+00:00", "2026-11-22T17:25:03.259180+00:00"),
        ("2026-11-22T17:25:03Z", "2026-11-22T17:25:03+00:00"),
        ("some day", "some day"),
    ],
)
def test_a_time_of_creation_is_written_as_the_official_client_writes_it(sent: str, seen: str) -> None:
    body = {"name": "1", "systemData": {"createdAt": sent, "createdBy": "me"}, "properties": {}}

    shown = shapes.asset(Model(cast("Any", None), Snapshot.take(AssetBody.read, body)))

    assert shown.data["creation_context"] == {"created_at": seen, "created_by": "me"}
