"""Two tables of rows held against each other: keys, tolerance, what is missing, values of every kind."""

from __future__ import annotations

import math
from collections.abc import Sequence
from decimal import Decimal
from typing import Any

import pandas as pd
import pytest

from azure_batch_endpoints import Comparison, InvalidInputError, Job, ResultsError
from azure_batch_endpoints._entity import Snapshot
from azure_batch_endpoints._rows.agreeing import Agreement, agreement
from azure_batch_endpoints._wire.jobview import job_view
from tests.unit.fake_service import BASICS, Desk, job_body

NAMES = ("blue", "green")


def held(first: dict[str, Any], second: dict[str, Any], key: tuple[str, ...] = (), tolerance: float = 0.0) -> Agreement:
    tables = (pd.DataFrame(first), pd.DataFrame(second))
    return agreement(*tables, names=NAMES, key=key, tolerance=tolerance)


@pytest.mark.parametrize(
    ("one", "other", "tolerance", "same"),
    [
        (1.0, 1.0, 0, True),
        (1.0, 1.0000001, 0, False),
        (0.001, 0.002, 0.001, True),
        (1000.0, 1000.5, 0.001, True),
        (1000.0, 1002.0, 0.001, False),
        (math.nan, math.nan, 0, True),
        (math.nan, 1.0, 9, False),
        (math.inf, math.inf, 0.1, True),
        (math.inf, -math.inf, 0.1, False),
        ([math.inf], [1.0], 0.1, False),
        (2**60, 2**60 + 1, 0, False),
        (1, 1.0, 0, True),
        (True, False, 0, False),
        (None, None, 0, True),
        (None, "None", 0, False),
        ("1", 1, 0, False),
        ("a", "a", 0, True),
        ([0.1, 0.9], [0.1, 0.9000001], 1e-6, True),
        ([0.1, 0.9], [0.1], 1e-6, False),
        ({"p": [1.0]}, {"p": [1.0]}, 0, True),
        ({"p": 1}, {"q": 1}, 0, False),
        (Decimal("1.10"), Decimal("1.1"), 0, True),
        (pd.Timestamp("2026-01-02"), pd.Timestamp("2026-01-02"), 0, True),
        (pd.NaT, pd.NaT, 0, True),
        (1 + 2j, 1 + 2j, 0, True),
    ],
)
def test_two_values_are_equal_or_not(one: object, other: object, tolerance: float, *, same: bool) -> None:
    for kind in ("as it is", "among others"):
        rows: list[list[Any]] = [[one, other], ["zero", "zero"]] if kind == "among others" else [[one, other]]
        found = held({"v": [a for a, _ in rows]}, {"v": [b for _, b in rows]}, tolerance=tolerance)
        assert (found.equal == len(rows)) is same


def test_nullable_columns_and_columns_of_one_name_are_compared() -> None:
    whole = pd.array([1, None, 3], dtype="Int64")
    found = held({"v": whole}, {"v": pd.array([1, None, 4], dtype="Int64")})
    assert (found.equal, len(found.differing)) == (2, 1)
    twice = pd.DataFrame([[1, 2]], columns=["a", "a"]), pd.DataFrame([[1, 3]], columns=["a", "a"])
    found = agreement(*twice, names=NAMES, key=(), tolerance=0)
    assert list(found.differing.columns) == ["row", "a.1 (blue)", "a.1 (green)"]


def test_rows_are_matched_by_their_file_and_place_and_those_of_one_table_are_kept_apart() -> None:
    first = {"source file": ["b", "a", "a"], "label": [1, 2, 3]}
    second = {"source file": ["a", "a", "c"], "label": [2, 9, 4]}

    found = held(first, second)

    assert (found.matched, found.equal, found.matched_by) == (2, 1, "source file and place in it")
    assert found.differing.to_dict("list") == {
        "source file": ["a"],
        "row": [1],
        "label (blue)": [3],
        "label (green)": [9],
    }
    assert found.only["blue"]["source file"].tolist() == ["b"] and found.only["green"]["label"].tolist() == [4]
    assert found.columns == ["label"] and found.notes == []


def test_rows_whose_file_is_not_known_are_matched_by_place_and_it_is_said() -> None:
    found = held({"source file": [None, "a"], "label": [1, 2]}, {"source file": [None, "a"], "label": [1, 2]})
    assert found.equal == 2 and "source file is not known" in found.notes[0]


def test_a_key_of_several_columns_matches_rows_in_any_order_and_of_any_type() -> None:
    found = held(
        {"id": [1, 2, 2], "part": ["x", "x", "x"], "label": [5, 6, 7]},
        {"id": ["2", "1", "2"], "part": ["x", "x", "x"], "label": [6, 5, 7]},
        key=("id", "part"),
    )
    assert (found.matched, found.equal, found.matched_by) == (3, 3, "key id, part")


def test_without_anything_that_tells_rows_are_matched_by_place_when_there_are_as_many() -> None:
    found = held({"a": [1, 2]}, {"a": [1, 3], "b": [0, 0]})
    assert (found.equal, found.matched_by) == (1, "place in the results")
    assert "by their place in the results alone" in found.notes[0]
    assert found.notes[1] == "Only 'green' has the columns b; they were not compared."
    with pytest.raises(ResultsError, match=r"'blue' returned 2 rows and 'green' 1, .*Pass key="):
        held({"a": [1, 2]}, {"a": [1]})
    with pytest.raises(InvalidInputError, match=r"The rows of 'green' have no column 'id'"):
        held({"id": [1]}, {"a": [1]}, key=("id",))


def cloud_job(desk: Desk, name: str, deployment: str, output: str) -> Job:
    outputs = {"score": {"jobOutputType": "uri_folder", "uri": f"azureml://datastores/store/paths/{output}/"}}
    stages = '{"Execution": {"StartTime": "2026-01-02T03:00:00Z", "EndTime": "2026-01-02T03:00:20Z"}}'
    tags = {"azureml.deploymentname": deployment}
    body = job_body("Completed", name=name, outputs=outputs, tags=tags, kept={"stages": stages})
    return Job(desk.workspace, Snapshot.take(job_view, body))


def test_jobs_of_the_cloud_are_matched_by_a_key_or_by_place_and_their_seconds_are_the_services() -> None:
    desk = Desk(BASICS)
    desk.blobs({"one/predictions.csv": b"a.png 1\nb.png 2\n", "two/predictions.csv": b"b.png 2\na.png 1\n"})
    jobs = cloud_job(desk, "j1", "blue", "one"), cloud_job(desk, "j2", "green", "two")

    by_place, by_key = Comparison.of(*jobs), Comparison.of(*jobs, key="0")

    assert by_place.agreement == 0.0 and by_place.matched_by == "place in the results"
    assert dict(by_place.seconds) == {"blue": 20.0, "green": 20.0} and dict(by_place.failed) == {
        "blue": None,
        "green": None,
    }
    assert (by_key.agreement, by_key.matched_by, by_key.notes) == (1.0, "key 0", [])
    with pytest.raises(InvalidInputError, match="would be compared with itself"):
        Comparison.of(jobs[0], jobs[0])


@pytest.mark.parametrize("name", ["row", "_merge", "_first", "_key0", "_nth", "source file"])
def test_a_key_column_may_have_any_name(name: str) -> None:
    first = pd.DataFrame({name: [0, 1, 2], "x": [1, 2, 3]})
    second = pd.DataFrame({name: [2, 1, 0], "x": [3, 9, 1]})

    found = agreement(first, second, names=("blue", "green"), key=[name, name], tolerance=0)

    assert (found.matched, found.equal, found.differing[name].tolist()) == (3, 2, [1])
    assert found.differing[["x (blue)", "x (green)"]].to_numpy().tolist() == [[2, 9]]


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ([1, 2, 3], [3.0, 2.0, 1.0]),
        ([1, 2, 3], [3.0, 2.0, 1.0, None]),
        ([1, 2, 3], ["3", "2", "1"]),
        ([1.0, 2.0, 3.0], ["3", "2", "1"]),
        (pd.Categorical(["a", "b", "c"]), ["c", "b", "a"]),
        ([[1], [2], [3]], [[3], [2], [1]]),
        ([2**53, 2**53 + 1, 5], pd.array([5, 2**53 + 1, 2**53], dtype="Int64")),
        (["a", None, "c"], pd.array(["c", None, "a"], dtype="string")),
        ([True, False], [0, 1]),
    ],
)
def test_keys_meet_whatever_the_types_of_their_columns(one: Sequence[object], other: Sequence[object]) -> None:
    first, second = pd.DataFrame({"id": one}), pd.DataFrame({"id": other})
    first["x"] = range(len(first))
    second["x"] = [len(first) - 1 - at for at in range(len(second))]

    found = agreement(first, second, names=("blue", "green"), key=["id"], tolerance=0)

    assert (found.matched, found.equal) == (len(first), len(first))


def test_rows_that_differ_come_in_the_order_of_the_first_table() -> None:
    first, second = pd.DataFrame({"id": ["z", "b", "m"], "x": 0}), pd.DataFrame({"id": ["b", "m", "z"], "x": 1})

    found = agreement(first, second, names=("blue", "green"), key=["id"], tolerance=0)

    assert found.differing["id"].tolist() == ["z", "b", "m"]
