"""The text of an append_row file to a table."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest

from azure_batch_endpoints import _rows
from azure_batch_endpoints._rows import Run
from azure_batch_endpoints.errors import ResultsError
from azure_batch_endpoints.local.worker.columns import columns_of

LIST: list[dict[str, Any]] = [{"kind": "list", "columns": []}]


def as_written(frame: pd.DataFrame) -> bytes:
    """What the service writes of a DataFrame."""
    return str(frame.to_csv(sep=" ", header=False, index=False)).encode()


def formats(frame: pd.DataFrame) -> list[dict[str, Any]]:
    return [{"kind": "dataframe", "columns": columns_of(frame)}]


def read(data: bytes | str, known: list[dict[str, Any]] | None = None, **given: Any) -> pd.DataFrame:
    raw = data if isinstance(data, bytes) else data.encode()
    return _rows.to_frame(raw, known or [], columns=given.get("columns"), sep=given.get("sep"))


def test_a_dataframe_comes_back_with_names_types_and_every_string_as_it_was() -> None:
    frame = pd.DataFrame(
        {
            "file": ["a b.png", "007", "NA", "", "nan", 'x"y', "None", "two\nlines"],
            "class": [1, 2, 3, 4, 5, 6, 7, 8],
            "score": [0.5, 1.0, np.nan, 1e-9, np.inf, 0.25, 2.0, 3.0],
            "sure": [True, False] * 4,
            "code": ["01", "1.0", "true", "", "1e5", "null", "-", "N/A"],
        }
    )

    pd.testing.assert_frame_equal(read(as_written(frame), formats(frame)), frame)


def test_numbers_times_and_categories_come_back_with_their_types() -> None:
    frame = pd.DataFrame(
        {
            "time": pd.to_datetime(["2026-01-02 03:04:05", "2026-01-03"], format="ISO8601"),
            "zone": pd.to_datetime(["2026-01-02", "2026-07-02"], utc=True).tz_convert("Europe/Berlin"),
            "gap": pd.array([1, None], dtype="Int64"),
            "small": np.array([1, 2], dtype="float32"),
            "took": pd.to_timedelta([1, 2], unit="s"),
            "kind": pd.Categorical(["a", "b"]),
        }
    )

    back = read(as_written(frame), formats(frame))

    assert list(map(str, back.dtypes)) == list(map(str, frame.dtypes))
    pd.testing.assert_frame_equal(back, frame)


def run_of(result: pd.DataFrame | list[Any], **more: Any) -> Run:
    """What the service tells of the rows of one mini-batch."""
    if isinstance(result, pd.DataFrame):
        return Run(len(result), len(as_written(result)), formats(result)[0], **more)
    text = "".join(f"{element}\n" for element in result)
    return Run(len(result), len(text.encode()), {"kind": "list", "columns": columns_of(result)}, **more)


def in_pieces(*results: pd.DataFrame | list[Any], **given: Any) -> pd.DataFrame:
    """What comes back of what each mini-batch returned."""
    runs = [run_of(result) for result in results if len(result)]
    text = [
        as_written(one) if isinstance(one, pd.DataFrame) else "".join(f"{element}\n" for element in one).encode()
        for one in results
    ]
    told: list[Any] = [one.format for one in runs]
    distinct = [one for i, one in enumerate(told) if one not in told[:i]]
    parts = runs if _rows.differ(distinct) else []
    return _rows.to_frame(b"".join(text), distinct, columns=given.get("columns"), sep=given.get("sep"), parts=parts)


def test_mini_batches_whose_types_differ_keep_their_names_and_get_the_type_of_both() -> None:
    whole = pd.DataFrame({"file": ["a", "b"], "count": [1, 2]})
    gap = pd.DataFrame({"file": ["c"], "count": [np.nan]})

    pd.testing.assert_frame_equal(in_pieces(whole, gap), pd.concat([whole, gap], ignore_index=True))


def test_a_mini_batch_without_any_value_leaves_the_type_to_the_others() -> None:
    back = in_pieces(pd.DataFrame({"file": ["a"], "box": [None]}), pd.DataFrame({"file": ["b"], "box": [0.5]}))

    assert back["file"].tolist() == ["a", "b"]
    assert (str(back["box"].dtype), back["box"].isna().tolist()) == ("float64", [True, False])


def test_columns_of_mini_batches_are_put_together_by_name_whatever_their_order_and_number() -> None:
    one, two = pd.DataFrame({"a": [1, 2], "b": [3.5, 4.5]}), pd.DataFrame({"b": [5.5], "a": [6]})
    more = pd.DataFrame({"c": ["x"], "a": [7]})

    back = in_pieces(one, two, more, one)

    pd.testing.assert_frame_equal(back, pd.concat([one, two, more, one], ignore_index=True))
    assert back["a"].tolist() == [1, 2, 6, 7, 1, 2]


def test_columns_of_the_same_name_are_put_together_one_after_the_other() -> None:
    twice = pd.DataFrame([[1, "x"], [2, "y"]], columns=["a", "a"])
    other = pd.DataFrame([[0.5, "z"]], columns=["a", "a"])

    back = in_pieces(twice, other)

    assert (list(back.columns), back.to_numpy().tolist()) == (["a", "a"], [[1.0, "x"], [2.0, "y"], [0.5, "z"]])


def test_mini_batches_without_rows_and_of_lists_stand_beside_tables() -> None:
    back = in_pieces(pd.DataFrame({"a": [1]}), pd.DataFrame({"a": []}), ["x", "y z"], pd.DataFrame({"a": [2]}))

    assert back["a"].isna().tolist() == [False, True, True, False]
    assert back[0].tolist()[1:3] == ["x", "y z"]


def test_columns_are_not_mixed_up_where_nobody_tells_whose_rows_are_whose() -> None:
    one, two = pd.DataFrame({"a": [1], "b": [2]}), pd.DataFrame({"b": [1], "a": [2]})
    text = as_written(one) + as_written(two)

    with pytest.raises(ResultsError, match=r"returned different columns.*sep=' '; or download\(\)"):
        read(text, [*formats(one), *formats(two)])
    assert read(text, [*formats(one), *formats(two)], sep=" ").to_dict("list") == {0: [1, 1], 1: [2, 2]}


def test_types_alone_that_differ_are_taken_from_the_text_where_nobody_tells_whose_rows_are_whose() -> None:
    one, two = pd.DataFrame({"a": [1], "b": ["007"]}), pd.DataFrame({"a": [0.5], "b": [7]})

    back = read(as_written(one) + as_written(two), [*formats(one), *formats(two)])

    assert back.to_dict("list") == {"a": [1.0, 0.5], "b": ["007", "7"]}


def test_a_file_that_was_changed_since_is_not_read_by_what_the_service_tells() -> None:
    one, two = pd.DataFrame({"a": [1]}), pd.DataFrame({"b": [1]})
    told = [*formats(one), *formats(two)]

    with pytest.raises(ResultsError, match=r"has 7 bytes, and its rows should have 4: it was changed since"):
        _rows.to_frame(b"1\n1\n77\n", told, columns=None, sep=None, parts=[run_of(one), run_of(two)])
    with pytest.raises(ResultsError, match=r"2 rows were read where the service tells of 1\."):
        _rows.to_frame(b"\n1\n2\n"[1:], told, columns=None, sep=None, parts=[Run(1, 4, told[0]), Run(0, 0, told[1])])


# ------------------------------------------------------------------ which file a row is of


def test_each_row_tells_its_file() -> None:
    frame = pd.DataFrame({"n": range(2)})
    runs = [
        run_of(frame, files=["a", "b"], sources=[]),
        run_of(frame, files=["c", "d"], sources=[0]),
        run_of(frame, files=["e", "f"], sources=[1, -1]),
        run_of(frame, files=["g", "h"], sources=None),
    ]
    data = as_written(frame) * 4

    back = _rows.with_sources(read(data, formats(frame)), data, runs)

    assert list(back.columns) == ["n", "source file"]
    assert back["source file"].fillna("?").tolist() == ["a", "b", "c", "c", "f", "?", "?", "?"]


def test_each_line_of_a_list_tells_its_file() -> None:
    data = b"a 1\na 2\nb\n"
    runs = [Run(2, len(data), {"kind": "list", "columns": [[0, "str"]]}, ["a", "b"], [0, 0, 1])]

    back = _rows.with_sources(read(data, [{"kind": "list", "columns": [[0, "str"]]}]), data, runs)

    assert back["source file"].tolist() == ["a", "a", "b"]


def test_source_files_are_refused_where_they_would_be_wrong() -> None:
    frame = pd.DataFrame({"source file": [1]})
    with pytest.raises(ResultsError, match=r"have a column 'source file' already.*columns="):
        _rows.with_sources(frame, b"1\n", [run_of(frame)])
    with pytest.raises(ResultsError, match=r"2 rows were read, and the service tells of 1: their source files"):
        _rows.with_sources(pd.DataFrame({"a": [1, 2]}), b"1\n2\n", [Run(1, 4, {"kind": "dataframe"})])


def test_a_missing_string_is_missing_and_an_empty_one_empty() -> None:
    back = in_pieces(pd.DataFrame({"gap": ["a", None], "text": ["", "b"], "both": ["", None]}))

    assert back["gap"].isna().tolist() == [False, True]
    assert back["text"].tolist() == ["", "b"]
    assert (back["both"].isna().tolist(), back["both"][0]) == ([False, True], "")


def test_columns_named_by_numbers_keep_them() -> None:
    assert in_pieces(pd.DataFrame([[1, "a"], [2, "b"]])).to_dict("list") == {0: [1, 2], 1: ["a", "b"]}


@pytest.mark.parametrize("values", [["1", "007", "nan"], ["[1, 2]"], ["True", "x"], [True, False]], ids=str)
def test_a_list_of_strings_or_truth_values_comes_back_as_it_was(values: list[object]) -> None:
    written = "".join(f"{value}\n" for value in values)

    assert read(written, [{"kind": "list", "columns": columns_of(values)}])[0].tolist() == values


def test_one_column_of_strings_keeps_the_empty_ones() -> None:
    frame = pd.DataFrame({"file": ["x y", "", "z"]})

    assert read(as_written(frame), formats(frame))["file"].tolist() == ["x y", "", "z"]


def test_a_type_that_does_not_fit_leaves_the_column_as_it_was_read() -> None:
    known = [{"kind": "dataframe", "columns": [["a", "int64"], ["b", "datetime64[ns]"]]}]

    assert read("x y\n", known).to_dict("list") == {"a": ["x"], "b": ["y"]}


def test_columns_that_do_not_fit_the_known_ones_stay_numbered() -> None:
    assert list(read("1 2 3\n", [{"kind": "dataframe", "columns": [["a", "int64"]]}]).columns.to_numpy().tolist()) == [
        0,
        1,
        2,
    ]


@pytest.mark.parametrize(
    ("text", "values"),
    [
        ("0.png: 7\n1.png: 3\n", ["0.png: 7", "1.png: 3"]),
        ("1\n2\n", [1, 2]),
        ("1.5\n-2e-05\n", [1.5, -2e-05]),
        ("007\n008\n", ["007", "008"]),
        ("1.50\n2.25\n", ["1.50", "2.25"]),
        ("NA\nx\n", ["NA", "x"]),
        ("\nx\n", ["", "x"]),
        ("True\nFalse\n", ["True", "False"]),
        ("a\u2028b\nc\n", ["a\u2028b", "c"]),
        ("a 1\r\nb 2\r\n", ["a 1", "b 2"]),
        ("['a']\nplain\n", ["['a']", "plain"]),
        ("{broken\n", ["{broken"]),
        ("[f(x for x in y)]\n", ["[f(x for x in y)]"]),
    ],
)
def test_list_elements_come_back_one_a_row(text: str, values: list[object]) -> None:
    assert read(text, LIST)[0].tolist() == values


def test_numbers_with_gaps_are_numbers() -> None:
    assert read("1\nNone\nnan\n", LIST)[0].isna().tolist() == [False, True, True]


@pytest.mark.parametrize("known", [LIST, []])
@pytest.mark.parametrize(
    ("text", "table"),
    [
        ("['a', 1]\n['b', 2]\n", {0: ["a", "b"], 1: [1, 2]}),
        ("('a', 1)\n", {0: ["a"], 1: [1]}),
        ("{'file': 'a b', 'p': 0.5}\n{'file': 'c', 'p': 1}\n", {"file": ["a b", "c"], "p": [0.5, 1.0]}),
        ("['a', np.int64(7), np.True_]\n", {0: ["a"], 1: [7], 2: [True]}),
        ("{'p': array([1, 2], dtype=int32)}\n", {"p": [[1, 2]]}),
        ("{1, 2}\n", {0: [{1, 2}]}),
        ("[1, [2, 3]]\n", {0: [1], 1: [[2, 3]]}),
    ],
)
def test_lists_and_dicts_are_read_as_the_python_that_was_written(
    text: str, table: dict[object, object], known: list[dict[str, Any]]
) -> None:
    assert read(text, known).to_dict("list") == table


def test_nan_within_a_dict_is_a_gap_and_not_the_end_of_reading() -> None:
    assert read("{'p': nan}\n{'p': -inf}\n{'p': 1}\n")["p"].fillna(9).tolist() == [9, -np.inf, 1]


def test_rows_of_an_mlflow_model_are_split_at_commas() -> None:
    assert read("0,1,a.csv\n1,0,a.csv\n").to_dict("list") == {0: [0, 1], 1: [1, 0], 2: ["a.csv", "a.csv"]}


def test_rows_of_a_custom_script_are_split_at_spaces_outside_quotes() -> None:
    assert read('"a b.png" 1\nc.png 2\n').to_dict("list") == {0: ["a b.png", "c.png"], 1: [1, 2]}


def test_names_are_given_left_to_right_and_their_number_must_fit() -> None:
    assert list(read("a 1\nb 2\n", columns=["file", "class"]).columns) == ["file", "class"]
    with pytest.raises(ResultsError, match=r"The rows have 2 columns, but 1 names were given \(file\)\. Give one name"):
        read("a 1\nb 2\n", columns=["file"])


def test_a_separator_that_is_given_is_used() -> None:
    assert read("a;b c\n", sep=";").to_dict("list") == {0: ["a"], 1: ["b c"]}
    assert read("a::b\n", sep="::").to_dict("list") == {0: ["a"], 1: ["b"]}


def test_rows_that_do_not_fit_the_separator_are_said_to() -> None:
    with pytest.raises(
        ResultsError, match=r"cannot be read with the separator ' ': .*line 2.*\. Pass sep=, or download"
    ):
        read("a b\nc d e\n", sep=" ")


def test_ragged_and_binary_text_is_one_column() -> None:
    assert read("a b\nc\n")[0].tolist() == ["a b", "c"]
    assert len(read(b"\xff\xfe\x00\n")) == 1
