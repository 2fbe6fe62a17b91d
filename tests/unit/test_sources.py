"""Which input file each row is of, as the worker makes it out."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from azure_batch_endpoints.local.worker.sources import MOST_ROWS, missing, per_line, sources_of

PNGS = ["/job/in/1.png", "/job/in/11.png", "/job/in/2.png"]
SAME = ["/job/in/a/1.png", "/job/in/b/1.png", "/job/in/c.png"]


@pytest.mark.parametrize(
    ("result", "sources"),
    [
        pytest.param(["x", "y", "z"], [], id="as many rows as files"),
        pytest.param([0.1, 0.2, 0.3], [], id="numbers"),
        pytest.param(["1.png: 7", "11.png: 3", "2.png: 1"], [], id="each names its own"),
        pytest.param(["2.png: 7", "11.png: 3", "1.png: 1"], [2, 1, 0], id="each names another"),
        pytest.param(["2.png", "y", "z"], [], id="not each names one"),
        pytest.param(["1.png", "11.png"], [0, 1], id="a short return"),
        pytest.param(["11.png: 0", "11.png: 1", "1.png: 2", "2.png: 3"], [1, 1, 0, 2], id="several rows a file"),
        pytest.param(["11.png", "x", "2.png", "2.png"], [1, -1, 2, 2], id="a row that names none"),
        pytest.param(["1.png 2.png", "1.png", "2.png", "2.png"], [-1, 0, 2, 2], id="a row that names two"),
        pytest.param(["p", "q"], None, id="nothing is known"),
        pytest.param([("1.png", 7), ("11.png", 3)], [0, 1], id="tuples"),
        pytest.param([{"file": "2.png", "like": "1.png"}, {"file": "11.png", "like": "1.png"}], [2, 1], id="dicts"),
        pytest.param([[7, {"deep": ["2.png"]}], [3, {"deep": ["1.png"]}]], [2, 0], id="nested"),
        pytest.param(["/job/in/2.png", "/job/in/11.png"], [2, 1], id="full paths"),
        pytest.param([Path("/job/in/2.png"), Path("/job/in/11.png")], [2, 1], id="Path objects"),
        pytest.param(["elsewhere/2.png", "../11.png"], [2, 1], id="other paths to the same name"),
        pytest.param(["result of 2.png.", "'11.png', 5"], [2, 1], id="within a sentence"),
        pytest.param(["21.png", "2.png.gz"], None, id="names that are only alike"),
        pytest.param(np.array(["2.png", "1.png", "11.png"]), [2, 0, 1], id="an array of texts"),
        pytest.param(np.array([("2.png", 1.5), ("1.png", 2.5)], dtype="U9,f8"), [2, 0], id="a structured array"),
        pytest.param(np.zeros((2, 4)), None, id="an array of numbers"),
        pytest.param(pd.DataFrame({"n": [1, 2], "file": ["2.png", "11.png"]}), [2, 1], id="a column of names"),
        pytest.param(pd.DataFrame({"p": ["/job/in/2.png"] * 5}), [2] * 5, id="a column of paths"),
        pytest.param(pd.DataFrame({"n": [1, 2]}, index=["2.png", "1.png"]), [2, 0], id="the index"),
        pytest.param(pd.DataFrame({"t": ["of 2.png", "of 1.png"]}), [2, 0], id="a column of sentences"),
        pytest.param(pd.DataFrame([["2.png", 1], ["1.png", 2]], columns=["a", "a"]), [2, 0], id="equal column names"),
        pytest.param(pd.DataFrame({"f": pd.Categorical(["2.png", "1.png"])}), [2, 0], id="categories"),
        pytest.param(pd.DataFrame({"f": ["2.png", None]}), [2, -1], id="a gap"),
        pytest.param(pd.DataFrame({"n": [1, 2]}), None, id="a table without texts"),
    ],
)
def test_rows_are_of_the_file_at_their_place_or_of_the_one_they_name(result: object, sources: list[int] | None) -> None:
    assert sources_of(result, PNGS) == sources


@pytest.mark.parametrize(("rows", "sources"), [(["x"], []), (["x", "y", "z"], [0]), (["other.png"] * 2, [0])])
def test_rows_of_a_mini_batch_of_one_file_are_all_of_it(rows: list[str], sources: list[int]) -> None:
    assert sources_of(rows, PNGS[:1]) == sources


def test_names_that_several_files_have_tell_nothing_unless_the_folder_is_named_too() -> None:
    assert sources_of(["1.png", "c.png"], SAME) == [-1, 2]
    assert sources_of(["b/1.png", "c.png"], SAME) == [1, 2]
    assert sources_of(["at /job/in/b/1.png", "c.png"], SAME) == [1, 2]


def test_predictions_that_look_like_files_named_by_a_number_do_not_move_rows() -> None:
    files = ["/job/in/0", "/job/in/1", "/job/in/7"]

    assert sources_of(["7", "0", "1"], files) == []
    assert sources_of(["7", "0"], files) == [2, 0]


def test_names_are_looked_up_in_large_mini_batches_not_compared_one_by_one() -> None:
    # comparing each name with each row would take this test an hour
    files = [f"/job/in/{n:x}-{'y' * (n % 97)}.png" for n in range(20_000)]
    rows = [f"score of {Path(file).name} is {n}" for n, file in enumerate(files)] * 2

    assert sources_of(rows, files) == list(range(20_000)) * 2
    assert sources_of(["no name at all, " * 100] * 40_000, files) is None


def test_more_rows_than_anybody_looks_at_are_known_by_their_number_only() -> None:
    rows = ["1.png"] * (MOST_ROWS + 1)

    assert sources_of(rows, PNGS) is None
    assert sources_of(rows, PNGS[:1]) == [0]


@pytest.mark.parametrize(
    ("rows", "sources", "lost"),
    [(2, None, [2]), (2, [0, 1], [2]), (2, [2, -1], [1]), (1, [1], [0, 2]), (0, None, [0, 1, 2])],
)
def test_files_without_a_row_are_those_that_no_row_names(rows: int, sources: list[int] | None, lost: list[int]) -> None:
    assert missing(3, rows, sources) == lost


def test_a_row_with_line_breaks_is_several_lines_of_one_file() -> None:
    texts = ["one", "two\nlines", "x"]

    assert per_line([], texts) == [0, 1, 1, 2]
    assert per_line([5], texts) == [5, 5, 5, 5]
    assert per_line([2, -1, 0], texts) == [2, -1, -1, 0]
    assert per_line(None, texts) == [-1] * 4
