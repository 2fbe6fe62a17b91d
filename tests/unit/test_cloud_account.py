"""The driver's account: which files are read, what tries come to, and how rows are found again in the merged file."""

from __future__ import annotations

import ast
import json
import subprocess
import sys
from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import Any
from unittest.mock import Mock
from zlib import adler32, crc32

import pytest

from azure_batch_endpoints import DeploymentSpec, SpecError
from azure_batch_endpoints._cloud.account import Account, AccountReader, Try
from azure_batch_endpoints._cloud.matching import rows_of
from azure_batch_endpoints._cloud.outcomes import Outcomes, Plan
from azure_batch_endpoints.instrument import driver_path, driver_text, is_driver
from azure_batch_endpoints.local.worker.account import MOST_LINES, most_of
from tests.unit.fake_service import FakeContainer

ROOT = "/mnt/input/"


def scored(*files: str, number: int = 1, worker: str = "w", text: str = "", at: float = 0.0, **more: Any) -> Try:
    """A try that came back; its text is what the service writes of the rows."""
    data, first = text.encode(), text.encode()[: text.find("\n") + 1]
    seen = {
        "size": len(data),
        "digest": f"{crc32(data):08x}{adler32(data):08x}",
        "head": [len(first), crc32(first)],
        "rows": text.count("\n"),
        "kind": "list",
        "sources": [],
    }
    end = {"seconds": 1.0, **(seen if text else {}), **more}
    return Try(worker, "process001", number, tuple(ROOT + file for file in files), at, end)


def begun(*files: str, **more: Any) -> Try:
    """A try that never ended."""
    return Try("w", "process001", 9, tuple(ROOT + file for file in files), 5.0, None, more.get("late"))


def statuses(*tries: Try, names: list[str] | None = None, ended: bool = True, most: int = 2) -> dict[str, str]:
    found = Outcomes(Account(tries), Plan(names, 2, most, ended))
    return {one.path: f"{one.status} {one.error_type or ''}".strip() for one in found.items}


# ------------------------------------------------------------------ files


def written(mini_batches: int) -> dict[str, bytes]:
    """The files of one worker, as the driver writes them."""
    blobs, lines = dict[str, bytes](), list[str]()
    for number in range(1, mini_batches + 1):
        told = {"root": ROOT, "files": [f"{number}.txt"], "number": number, "at": float(number), "rows": 1}
        lines.append(json.dumps(told))
        back = min(number & -number, 256)
        name = f"out/_abe/job/node-w/{{}}{number:07d}"
        blobs[name.format("b") + ".json"] = json.dumps(told).encode()
        blobs[f"{name.format('e')}-{number - back + 1:07d}.jsonl"] = "\n".join(lines[-back:]).encode()
    return blobs


def reader(blobs: dict[str, bytes]) -> tuple[AccountReader, FakeContainer]:
    container = FakeContainer(blobs)
    return AccountReader(container, "out/", "job"), container  # type: ignore[arg-type]


@pytest.mark.parametrize("mini_batches", [1, 2, 3, 7, 64, 300, 1000])
def test_a_worker_of_many_mini_batches_is_read_with_a_few_requests(mini_batches: int) -> None:
    own, container = reader(written(mini_batches))

    account = own.read()

    assert account is not None
    assert [one.number for one in account.tries] == list(range(1, mini_batches + 1))
    assert len(container.asked) <= 1 + mini_batches // 256 + 9


def test_what_was_read_before_is_not_read_again() -> None:
    own, container = reader(written(5))
    own.read()
    container.blobs.update(written(6))
    container.asked.clear()

    account = own.read()

    assert account is not None and len(account.tries) == 6
    assert [one.partition(" ")[0] for one in container.asked] == ["list", "read"]


def test_an_end_that_was_not_written_is_found_in_a_later_file_or_counts_as_none() -> None:
    blobs = written(4)
    del blobs["out/_abe/job/node-w/e0000003-0000003.jsonl"]
    account = reader(blobs)[0].read()
    assert account is not None and all(one.end for one in account.tries)

    del blobs["out/_abe/job/node-w/e0000004-0000001.jsonl"]
    blobs["out/_abe/job/node-w/e0000002-0000001.jsonl"] += b'\n{"number": 3, "cut o'
    account = reader(blobs)[0].read()
    assert account is not None and [bool(one.end) for one in account.tries] == [True, True, False, False]
    assert reader({"out/predictions.csv": b"1\n"})[0].read() is None


def test_two_readings_at_once_each_have_all_tries() -> None:
    own, container = reader(written(2))
    read, during = container.read, list[Account | None]()

    def interrupted(name: str) -> bytes:
        data = read(name)
        if not during:
            during.append(None)
            before = dict(container.blobs)
            container.blobs.update(written(4))  # the file that the first reading needs is not needed any more
            during[0] = own.read()
            container.blobs = before
        return data

    container.read = interrupted  # type: ignore[method-assign,assignment]
    first = own.read()

    assert first is not None and [one.number for one in first.tries] == [1, 2]
    assert during[0] is not None and [one.number for one in during[0].tries] == [1, 2, 3, 4]


def test_ends_that_are_long_are_not_kept_by_the_hundred() -> None:
    assert most_of(["x"] * 1_000) == MOST_LINES
    assert most_of(["x" * 400_000] * 9) == 2
    assert most_of(["x", "x" * 2_000_000]) == 1


# ------------------------------------------------------------------ outcomes


def test_the_last_success_wins_and_a_lost_worker_counts_when_the_job_has_ended() -> None:
    failed = scored("a", "b", type="KeyError", message="'age'", traceback="T", file="score.py", line=3)
    again = scored("a", "b", worker="other", text="a\nb\n", at=9.0)

    assert statuses(failed) == {"a": "failed KeyError", "b": "failed KeyError"}
    assert statuses(failed, again) == {"a": "succeeded", "b": "succeeded"}
    assert statuses(failed, ended=False) == {"a": "pending", "b": "pending"}  # one more try to come
    assert statuses(begun("a")) == {"a": "failed WorkerDied"}
    assert statuses(begun("a", late={"limit": 2, "stack": "S"})) == {"a": "failed Timeout"}
    assert statuses(begun("a"), ended=False) == {"a": "pending"}
    assert statuses(scored("a", "b", text="a\n", missing=[1])) == {"a": "succeeded", "b": "failed ShortReturn"}
    assert statuses(scored("a"), names=["a", "b", "_abe/j/w/init.json"]) == {"a": "succeeded", "b": "pending"}


def test_paths_count_from_wherever_a_node_mounted_the_input() -> None:
    here = Try("w1", "p", 1, ("/mnt/one/in/x/a", "/mnt/one/in/b"), 0.0, {"rows": 2})
    there = Try("w2", "p", 1, ("/mnt/two/in/x/c",), 0.0, {"rows": 1})

    known = Outcomes(Account([here, there]), Plan(["b", "x/a", "x/c"], 2))
    assert [(one.path, one.mini_batch) for one in known.items] == [("b", 0), ("x/a", 0), ("x/c", 1)]
    unknown = Outcomes(Account([here]), Plan(None, None))
    assert [(one.path, one.mini_batch) for one in unknown.items] == [("b", 0), ("x/a", 0)]
    assert unknown.progress.items_total is None and known.progress.items_total == 3


# ------------------------------------------------------------------ rows


def found(text: str, *tries: Try) -> tuple[str, list[list[str]]]:
    account = Account(tries)
    rows = rows_of(text.encode(), account, Outcomes(account, Plan(["a", "b", "c", "d"], 2)))
    return rows.data.decode(), [list(run.files) for run in rows.runs]


def test_rows_come_back_in_the_order_of_the_inputs_and_once() -> None:
    first, second = scored("a", "b", text="1\n2\n"), scored("c", "d", number=2, text="3\n4\n")

    assert found("3\n4\n1\n2\n", first, second) == ("1\n2\n3\n4\n", [["a", "b"], ["c", "d"]])
    again = scored("a", "b", worker="other", text="1\n2\n")
    assert found("1\n2\n3\n4\n1\n2\n", first, again, second)[0] == "1\n2\n3\n4\n"  # delivered twice
    same = scored("c", "d", number=2, text="1\n2\n")
    assert found("1\n2\n1\n2\n", first, same) == ("1\n2\n1\n2\n", [["a", "b"], ["c", "d"]])


def test_a_short_text_that_begins_a_longer_one_costs_no_row() -> None:
    first, second = scored("a", "b", text="0\n1\n"), scored("c", "d", number=2, text="1\n0\n")
    last = scored("e", number=3, text="0\n")

    for merged in ("0\n1\n0\n1\n0\n", "0\n0\n1\n1\n0\n", "1\n0\n0\n1\n0\n"):
        assert found(merged, first, second, last)[0] == "0\n1\n1\n0\n0\n"
    twice = found("0\n1\n0\n1\n1\n0\n0\n", first, second, last)[0]
    assert twice == "0\n1\n1\n0\n0\n"


def test_thousands_of_mini_batches_with_the_same_text_are_each_looked_at_once() -> None:
    names = [f"{number:05}" for number in range(3_000)]
    tries = [scored(name, number=number, text="0\n") for number, name in enumerate(names, 1)]
    outcomes = Outcomes(Account(tries), Plan(names, 1))
    outcomes.names_of = Mock(side_effect=outcomes.names_of)  # type: ignore[method-assign]

    rows = rows_of(b"0\n" * 3_000, Account(tries), outcomes)

    assert [run.files for run in rows.runs] == [[name] for name in names]
    assert outcomes.names_of.call_count < 40_000


def test_rows_of_a_mini_batch_that_is_not_there_are_not_given_to_another() -> None:
    first, second = scored("a", text="0\n"), scored("b", "c", number=2, text="0\n1\n")

    assert found("0\n", first, second) == ("0\n", [])
    assert found("0\n0\n1\n", second, first) == ("0\n0\n1\n", [["a"], ["b", "c"]])


def test_what_came_back_within_the_engines_own_delay_counts() -> None:
    late = {"limit": 60, "stack": "S"}
    slow = scored("a", text="1\n", seconds=65.0)
    slower = scored("a", text="1\n", seconds=91.0)

    assert statuses(replace(slow, late=late)) == {"a": "succeeded"}
    assert statuses(replace(slower, late=late)) == {"a": "failed Timeout"}


def test_rows_that_are_not_found_again_leave_the_file_as_it_is() -> None:
    first, second = scored("a", "b", text="1\n2\n"), scored("c", "d", number=2, text="3\n4\n")

    assert found("3\n1\n4\n2\n", first, second) == ("3\n1\n4\n2\n", [])  # cut into each other
    assert found("1\n2\nx\n", first) == ("1\n2\nx\n", [])
    assert found("1\n2\n", scored("a", "b", text="1\n2\n", digest=None)) == ("1\n2\n", [])


# ------------------------------------------------------------------ the driver's text


def test_the_driver_is_one_file_for_old_pythons_in_which_no_name_stands_twice() -> None:
    text = driver_text("./src/score.py")
    tree = ast.parse(text, feature_version=(3, 7))

    names = [one.name for one in tree.body if isinstance(one, ast.FunctionDef | ast.ClassDef)]
    names += [
        to.id for one in tree.body if isinstance(one, ast.Assign) for to in one.targets if isinstance(to, ast.Name)
    ]
    assert [name for name, times in Counter(names).items() if times > 1 and name != "HERE"] == []
    imported = {one.module or "" for one in ast.walk(tree) if isinstance(one, ast.ImportFrom)}
    imported |= {alias.name for one in ast.walk(tree) if isinstance(one, ast.Import) for alias in one.names}
    assert {one.partition(".")[0] for one in imported} <= set(sys.stdlib_module_names)
    assert "SCRIPT = 'src/score.py'" in text and driver_text("src/score.py") == text
    assert driver_path("src/score.py") == "src/_abe_driver.py" and is_driver("src/_abe_driver.py")
    assert not is_driver("score.py") and not is_driver(None)


def test_a_job_whose_account_cannot_be_written_goes_on(tmp_path: Path) -> None:
    (tmp_path / "score.py").write_text("def init(): pass\ndef run(batch): return list(batch)\n")
    (tmp_path / "_abe_driver.py").write_text(driver_text("score.py"))
    program = "import _abe_driver as d; d.init(); print(d.run(['/in/a', '/in/b']), d.run(['/in/c']), d.run.__name__)"
    environment = {"PYTHONPATH": str(tmp_path), "AZUREML_BI_OUTPUT_PATH": "/proc/none"}

    done = subprocess.run([sys.executable, "-c", program], env=environment, capture_output=True, text=True, check=True)

    assert done.stdout == "['/in/a', '/in/b'] ['/in/c'] run\n"
    assert "the account of this worker cannot be written" in done.stderr


def test_only_a_scoring_script_can_be_instrumented(tmp_path: Path) -> None:
    with pytest.raises(SpecError, match="instrument is True, but there is no scoring script to wrap"):
        DeploymentSpec(name="blue", model=tmp_path, instrument=True)


def test_code_that_went_up_without_the_driver_has_to_go_up_again(tmp_path: Path) -> None:
    (tmp_path / "score.py").write_text("def init(): pass\ndef run(batch): return list(batch)\n")
    bare = DeploymentSpec(name="blue", model="azureml:m:1", code="azureml:own:1", scoring_script="score.py")
    wrapped = bare.changed(instrument=True, code=tmp_path)
    there = DeploymentSpec(**{**dict(wrapped), "code": "azureml:own:2"})  # as it is read back

    assert wrapped.instrument and there.changed(name="green", mini_batch_size=3).instrument
    assert not there.changed(instrument=False).instrument
    for spec, changes in ((bare, {"instrument": True}), (there, {"scoring_script": "other.py"})):
        with pytest.raises(SpecError, match="went up without the driver that runs"):
            spec.changed(changes)
    assert there.changed(scoring_script="other.py", code="azureml:own:3").scoring_script == "other.py"
