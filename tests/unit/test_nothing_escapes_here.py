"""What goes wrong on this machine and at the store is this package's error too: disks, YAML, rows, the terminal."""

from __future__ import annotations

import errno
import http.client
import io
import os
import xml.etree.ElementTree as ElementTree
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, cast

import pytest
from azure.core import exceptions as azure
from azure.core.pipeline.transport import RequestsTransport
from click.testing import CliRunner

from azure_batch_endpoints import BatchClient, DatasetSpec, DeploymentSpec, EndpointSpec, ModelSpec, RunSettings, inputs
from azure_batch_endpoints._storage.blobs import Container, ContainerCredential
from azure_batch_endpoints._storage.hashing import scan
from azure_batch_endpoints._wire.jobview import job_view
from azure_batch_endpoints.cli.__main__ import app, main
from azure_batch_endpoints.errors import BatchEndpointsError, LocalPathError, TransportError
from azure_batch_endpoints.results import JobResults
from tests.test_messages import REMEDY
from tests.unit.fake_service import ARM, BASICS, Desk, FakeContainer, job_body
from tests.unit.test_nothing_escapes import BROKEN, judged

Readable = EndpointSpec | DeploymentSpec | ModelSpec | DatasetSpec
SAS = "sv=2024&sig=SECRETSIGNATURE"


def caught(call: Callable[[], object]) -> BaseException | None:
    try:
        call()
    except BaseException as error:  # noqa: BLE001 (it is what the test looks at)
        return error
    return None


# ------------------------------------------------------------------ the store


@pytest.fixture(params=["key", "sas"])
def container(request: pytest.FixtureRequest) -> Iterator[Container]:
    secret = ContainerCredential(sas=SAS) if request.param == "sas" else ContainerCredential(account_key="c2VjcmV0")
    with Container("http://127.0.0.1:9/acct/box", secret) as made:
        yield made


STORE_BREAKS: dict[str, BaseException] = {
    **BROKEN,
    "ParseError": ElementTree.ParseError("x"),
    "KeyError": KeyError("Content-Length"),
    "TypeError": TypeError("int() argument"),
    "DeserializationError": azure.DeserializationError("x"),
    "HTTPException": http.client.HTTPException("x"),
}


def uses(container: Container, tmp_path: Path) -> dict[str, Callable[[], object]]:
    file = tmp_path / "a.txt"
    file.write_text("a")
    return {
        "list": lambda: list(container.list("a/")),
        "find": lambda: container.find("a"),
        "read": lambda: container.read("a"),
        "write": lambda: container.write("a", b"1"),
        "upload": lambda: container.upload("a", file),
        "download": lambda: container.download("a", tmp_path / "b.txt"),
        "create": container.create,
        "delete": lambda: container.delete("a"),
    }


@pytest.mark.parametrize("kind", STORE_BREAKS)
def test_whatever_breaks_at_a_store_is_our_error(
    kind: str, container: Container, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def send(*_given: object, **_more: object) -> object:
        raise STORE_BREAKS[kind].with_traceback(None)

    monkeypatch.setattr(RequestsTransport, "send", send)
    monkeypatch.setattr("time.sleep", lambda _seconds: None)
    wrong = []
    for name, use in uses(container, tmp_path).items():
        error = caught(use)
        wrong += judged(error, f"{name} {kind}") + ([] if error is not None else [f"{name}: nothing was raised"])
        if error is not None and error.__cause__ is None:
            wrong.append(f"{name} {kind}: no cause is chained")
        if "SECRET" in f"{error} {error!r} {getattr(error, '__cause__', '')}":
            wrong.append(f"{name} {kind}: shows the signature")

    assert not wrong, "\n".join(wrong[:8])


@pytest.mark.parametrize("kind", ["ConnectionResetError", "OSError", "socket.timeout", "SSLCertVerificationError"])
def test_a_network_that_fails_at_a_store_is_not_taken_for_a_file(
    kind: str, container: Container, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def send(*_given: object, **_more: object) -> object:
        raise STORE_BREAKS[kind].with_traceback(None)

    monkeypatch.setattr(RequestsTransport, "send", send)
    monkeypatch.setattr("time.sleep", lambda _seconds: None)
    errors = {name: caught(use) for name, use in uses(container, tmp_path).items() if name != "upload"}

    assert {name: error for name, error in errors.items() if not isinstance(error, TransportError)} == {}


# ------------------------------------------------------------------ the disk


DISK = {
    "permission denied": errno.EACCES,
    "disk full": errno.ENOSPC,
    "name too long": errno.ENAMETOOLONG,
    "input/output error": errno.EIO,
    "too many open files": errno.EMFILE,
    "read-only": errno.EROFS,
}


@pytest.mark.parametrize("kind", DISK)
def test_a_disk_that_fails_is_a_local_path_error_with_the_path(
    kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    good = tmp_path / "deployment.yml"
    good.write_text("name: blue\nmodel: ./m\n")
    (tmp_path / "config.json").write_text("{}")
    broken = OSError(DISK[kind], os.strerror(DISK[kind]), str(good))
    spec = EndpointSpec(name="heart")
    calls: dict[str, Callable[[], object]] = {
        "from_yaml": lambda: DeploymentSpec.from_yaml(good),
        "to_yaml": lambda: spec.to_yaml(tmp_path / "out.yml"),
        "a scan": lambda: [one.name for one in scan(good, role="Input").files],
        "config": lambda: BatchClient.from_config(tmp_path / "config.json"),
    }

    def fails(*_given: object, **_more: object) -> object:
        raise broken

    wrong = []
    with monkeypatch.context() as patch:
        for name in ("open", "read_text", "read_bytes", "write_text", "write_bytes"):
            patch.setattr(Path, name, fails)
        patch.setattr(io, "open", fails)
        for name, call in calls.items():
            wrong += judged(caught(call), f"{name} {kind}")

    assert not wrong, "\n".join(wrong)


def test_a_download_to_a_place_that_cannot_be_written_names_it(tmp_path: Path) -> None:
    desk = Desk(BASICS, base=ARM)
    desk.blobs({"out/predictions.csv": b"1\n"})
    (tmp_path / "file").write_text("")
    results = JobResults(desk.workspace, job_view(job_body("Completed")))

    error = caught(lambda: results.download(tmp_path / "file"))

    assert isinstance(error, LocalPathError) and "file" in str(error) and REMEDY.search(str(error))


# ------------------------------------------------------------------ YAML and keywords


YAML = (
    "",
    "name: [",
    "name: blue\nname: green\nmodel: x\n",
    "\x00",
    "name: !!python/object/apply:os.system ['x']\nmodel: x\n",
    "&a [*a]",
    "- 1\n- 2\n",
    "name: {1: 2}\nmodel: [1, 2]\n",
    "name: blue\nmodel: {path: {a: b}}\n",
    "name: 2026-01-01\nmodel: 1e999\n",
    "name: blue\nmodel: x\nretry_settings: {timeout: [1]}\n",
    "name: blue\nmodel: x\nmini_batch_size: .nan\n",
    "name: blue\nmodel: x\nmini_batch_size: 1e400\n",
    "name: blue\nmodel: x\ntags: [1]\n",
    "name: blue\nmodel: x\nenvironment: {conda_file: 7, image: [x]}\n",
    "name: blue\nmodel: x\ncode_configuration: {code: 7, scoring_script: {a: b}}\n",
    "name: blue\nmodel: x\nsettings: 7\nresources: x\ncompute: [1]\n",
    "? [a, b]\n: c\n",
    "a" * 1_100_000,
    "{" * 1200,
    "name: blue\nmodel: x\noutput_action: [append_row]\n",
    "name: 0777\nmodel: 12:30:45\nerror_threshold: yes\n",
)


@pytest.mark.parametrize("number", range(len(YAML)))
@pytest.mark.parametrize("kind", [DeploymentSpec, EndpointSpec, ModelSpec, DatasetSpec])
def test_yaml_of_any_kind_is_read_or_refused_with_file_and_remedy(
    number: int, kind: type[Readable], tmp_path: Path
) -> None:
    file = tmp_path / "given.yml"
    file.write_text(YAML[number], encoding="utf-8")

    error = caught(lambda: kind.from_yaml(file))

    assert judged(error, YAML[number][:60]) == []
    assert error is None or "given.yml" in str(error)


ODD: tuple[Any, ...] = (None, 7, 1.5, b"x", [], {}, object(), "", " ", "\x00", "a" * 5000, "\ud800", Path("/none"), ...)


@pytest.mark.parametrize("value", ODD, ids=lambda value: repr(value)[:20])
def test_an_argument_of_any_kind_is_refused_in_words(value: Any) -> None:  # noqa: ANN401 (what no type allows)
    calls: dict[str, Callable[[], object]] = {
        "folder": lambda: inputs.folder(value),
        "file": lambda: inputs.file(value),
        "dataset": lambda: inputs.dataset(value),
        "local_path": lambda: inputs.local_path(value),
        "parse": lambda: inputs.parse(value),
        "EndpointSpec": lambda: EndpointSpec(name=value),
        "DeploymentSpec": lambda: DeploymentSpec(name="blue", model=value),
        "settings": lambda: RunSettings(mini_batch_size=value),
        "from_yaml": lambda: DeploymentSpec.from_yaml(value),
    }
    errors = {name: caught(call) for name, call in calls.items()}
    wrong = [one for name, error in errors.items() if not isinstance(error, TypeError) for one in judged(error, name)]

    assert not wrong, "\n".join(wrong)


# ------------------------------------------------------------------ rows


ROWS = (b"", b"\n\n", b"\x00\x01", b"\xff\xfe\xfa", b'"a\n', b"a b\nc\n", b"1 2 3\n4 5\n", b"x" * 100_000, b'" \n "')


@pytest.mark.parametrize("number", range(len(ROWS)))
@pytest.mark.parametrize("how", [one for one in ("to_pandas", "to_arrow", "iter_rows") if hasattr(JobResults, one)])
@pytest.mark.parametrize("more", [{}, {"sep": ","}, {"columns": ["a", "b"]}, {"sep": "[", "columns": ["a"]}])
def test_rows_of_any_kind_are_read_or_refused(number: int, how: str, more: dict[str, Any]) -> None:
    desk = Desk(BASICS, base=ARM)
    desk.workspace.blobs = cast("Any", FakeContainer({"out/predictions.csv": ROWS[number]}))
    results = JobResults(desk.workspace, job_view(job_body("Completed")))

    error = caught(lambda: list(cast("Any", getattr(results, how)(**more))))

    assert judged(error, f"{ROWS[number][:20]!r} {how} {more}") == []


# ------------------------------------------------------------------ the command line


@pytest.mark.parametrize(
    "given",
    [
        ["deployment", "check", "none.yml"],
        ["deployment", "create", "--file", "none.yml", "--endpoint-name", "e"],
        ["endpoint", "create", "--file", "\x01"],
        ["endpoint", "create", "--file", "."],
        ["endpoint", "shwo"],
        ["endpont"],
        ["job", "list", "--query", "[["],
        ["endpoint", "create", "e", "--set", "nonsense"],
        ["endpoint", "list", "--cloud", "--config", "none.json"],
    ],
)
def test_the_command_line_says_what_is_wrong_in_one_block_and_ends_with_one(
    given: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)

    answer = CliRunner().invoke(app, [*given], catch_exceptions=False)

    assert answer.exit_code == 1
    assert answer.stdout == "" and "Traceback" not in answer.stderr
    assert answer.stderr.count("Error:") == 1 and REMEDY.search(answer.stderr)


def test_what_nobody_foresaw_is_told_in_one_line_without_a_trace_or_a_secret(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def fails(**_given: object) -> object:
        raise TypeError(f"unexpected https://a/b?{SAS}")

    monkeypatch.setattr("azure_batch_endpoints.cli.__main__.app", fails)
    with pytest.raises(SystemExit) as ended:
        main()

    said = capsys.readouterr().err
    assert (
        ended.value.code == 1 and said.count("\n") == 1 and said.startswith("Error: abe itself failed with TypeError")
    )
    assert "SECRET" not in said and "ABE_DEBUG=1" in said


def test_every_error_of_the_tree_is_caught_by_its_base() -> None:
    assert all(issubclass(type(one), BatchEndpointsError) for one in [caught(lambda: EndpointSpec(name=""))])


def test_a_field_of_a_spec_can_neither_be_set_nor_taken_away() -> None:
    spec = EndpointSpec(name="heart")
    errors = [caught(lambda: setattr(spec, "name", "x")), caught(lambda: delattr(spec, "name"))]

    assert all(isinstance(one, BatchEndpointsError) and "spec.changed(name=...)" in str(one) for one in errors)
    assert spec.name == "heart"


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"mini_batch_size": "x"}, "mini_batch_size is 'x'; it should be a valid integer."),
        ({"mini_batch_size": 1.5}, "mini_batch_size is 1.5; it should be a valid integer."),
        ({"mini_batch_size": 0}, "mini_batch_size is 0; it should be at least 1."),
        ({"isolate_failures": "maybe"}, "isolate_failures is 'maybe'; it should be true or false."),
        ({"retry_settings": 3}, "retry_settings is 3; it should be 'name: value' pairs or a RetrySettings."),
    ],
)
def test_a_value_that_does_not_fit_is_told_in_the_users_words(given: dict[str, Any], said: str) -> None:
    assert str(caught(lambda: RunSettings(**given))) == said
