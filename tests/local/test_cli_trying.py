"""`abe deployment check` and `dry-run`: what people and programs see, exit codes, and that no service is started."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from azure_batch_endpoints.cli.__main__ import app
from azure_batch_endpoints.cli.workspace import Target
from azure_batch_endpoints.client import BatchClient

SCRIPT = """
from pathlib import Path

def init():
    pass

def run(mini_batch):
    return [f"{Path(one).name} {10 // int(Path(one).read_text())}" for one in mini_batch]
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "code").mkdir()
    (tmp_path / "code" / "score.py").write_text(SCRIPT, encoding="utf-8")
    (tmp_path / "model.bin").write_bytes(b"m")
    (tmp_path / "data").mkdir()
    for number in range(1, 4):
        (tmp_path / "data" / f"{number}.txt").write_text(str(number), encoding="utf-8")
    (tmp_path / "blue.yml").write_text(
        "name: blue\nendpoint_name: digits\nmodel: {path: model.bin}\n"
        "code_configuration: {code: code, scoring_script: score.py}\n",
        encoding="utf-8",
    )
    return tmp_path


def abe(*words: object) -> Result:
    def no_client(_target: Target) -> BatchClient:
        raise AssertionError("a client is needed for nothing here")

    return CliRunner().invoke(app, ["deployment", *map(str, words)], obj=no_client)


def test_a_check_that_finds_nothing_says_so_and_exits_0(folder: Path) -> None:
    result = abe("check", folder / "blue.yml")

    assert (result.exit_code, result.stdout) == (0, "")
    assert result.stderr == "Deployment 'blue': 0 errors, 0 warnings.\n"


def test_a_check_shows_each_finding_on_a_line_and_exits_1_on_errors(folder: Path) -> None:
    (folder / "code" / "score.py").write_text(SCRIPT.replace("return [", "yield [") + "x = '/home/me/x.txt'\n")

    people = abe("check", "--file", folder / "blue.yml", "--set", "endpoint_name=other")
    programs = abe("check", folder / "blue.yml", "-o", "json")

    assert people.exit_code == programs.exit_code == 1
    first, second = people.stdout.splitlines()
    assert first.startswith("error: score.py, line 8: run() is a generator (it yields)")
    assert second.startswith("warning: score.py, line 9: '/home/me/x.txt' is a path of one machine")
    assert people.stderr == "Deployment 'blue': 1 error, 1 warning.\n"
    found = json.loads(programs.stdout)
    assert [(one["severity"], one["line"]) for one in found] == [("error", 8), ("warning", 9)]
    assert found[0]["path"] == str(folder / "code" / "score.py")


def test_warnings_alone_exit_0(folder: Path) -> None:
    result = abe("check", folder / "blue.yml", "--set", "mini_batch_size=5000")

    assert result.exit_code == 0
    assert "A mini-batch of 5000 files has 30 s" in result.stdout


def test_a_dry_run_shows_rows_times_and_an_estimate(folder: Path) -> None:
    result = abe("dry-run", folder / "blue.yml", "--input", folder / "data", "--files", 50)

    assert result.exit_code == 0
    lines = result.stdout.splitlines()
    assert "1.txt" in lines[1]
    shown = {line[:14].strip(): line[16:] for line in lines if line[:14].strip() and not line[0].isdigit()}
    assert shown["files"] == "3 of 3 succeeded"
    assert "(longest '" in shown["seconds a file"]
    assert shown["peak memory"].endswith(" MB")
    assert shown["estimate"].startswith("50 files in ")
    assert shown["estimate"].endswith(", 5 mini-batches")


def test_a_dry_run_in_which_a_file_fails_exits_1_with_its_traceback(folder: Path) -> None:
    (folder / "data" / "2.txt").write_text("0", encoding="utf-8")

    people = abe("dry-run", folder / "blue.yml", "--input", folder / "data")
    programs = abe("dry-run", folder / "blue.yml", "--input", folder / "data", "-o", "json", "--limit", 1)

    assert people.exit_code == 1
    assert people.stderr.count("ZeroDivisionError: integer") == 2  # the traceback once, and the warning
    assert "warning: Scored alone '2.txt' failed; 2 more failed only for sharing a mini-batch." in people.stderr
    assert "files           0 of 3 succeeded" in people.stdout
    assert programs.exit_code == 0
    told = json.loads(programs.stdout)
    assert [one["path"] for one in told["outcomes"]] == ["1.txt"]
    assert told["estimate"]["files"] == 1000


def test_what_is_wrong_with_the_call_is_an_error_and_exits_1(folder: Path) -> None:
    for words, said in (
        (("check",), "Name the deployment's YAML file once"),
        (("check", folder / "no.yml"), "There is no file"),
        (("dry-run", folder / "blue.yml"), "Missing option '--input'"),
        (("dry-run", folder / "blue.yml", "--input", folder / "none"), "Nothing was scored"),
        (("dry-run", folder / "blue.yml", "--input", folder / "data", "--limit", 0), "0 is not in the range"),
    ):
        result = abe(*words)
        assert result.exit_code == 1
        assert said in result.stderr
