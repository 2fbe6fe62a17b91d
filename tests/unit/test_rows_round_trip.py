"""DataFrames through the worker's text and what it tells of their columns, and back: nothing is lost on the way."""

from __future__ import annotations

import string
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from azure_batch_endpoints import _rows
from azure_batch_endpoints._rows import Run
from azure_batch_endpoints.local.worker.columns import columns_of
from azure_batch_endpoints.local.worker.rows import frame_text, list_texts

ODD = [
    "",
    "NA",
    "nan",
    "None",
    "007",
    "1.0",
    "true",
    "a b",
    'say "x"',
    '"',
    "two\nlines",
    "cr\rlf\r\n",
    "\t",
    "é☃𝄞",
    " ",
]
TEXTS = st.sampled_from(ODD) | st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\x00"), max_size=8)
NUMBERS = st.floats(allow_nan=True, allow_infinity=True)


def integers(kind: str) -> st.SearchStrategy[int]:
    limits = np.iinfo(kind.lower())
    return st.integers(int(limits.min), int(limits.max))


def column(kind: str, size: int) -> st.SearchStrategy[Any]:
    """Columns of one type."""
    several: dict[str, st.SearchStrategy[Any]] = {
        "str": TEXTS,
        "str or None": TEXTS | st.none(),
        "string": TEXTS | st.none(),
        "bool": st.booleans(),
        "boolean": st.booleans() | st.none(),
        "float64": NUMBERS,
        "float32": st.floats(width=32),
        "float16": st.floats(width=16),
        "Float64": st.floats(allow_nan=False) | st.none(),
        "datetime64[ns]": st.datetimes(min_value=pd.Timestamp(1700, 1, 1), max_value=pd.Timestamp(2200, 1, 1))
        | st.none(),
        "timedelta64[ns]": st.timedeltas(min_value=-pd.Timedelta(9999, "D"), max_value=pd.Timedelta(9999, "D"))
        | st.none(),
        "objects of int": st.integers() | st.none(),
        "objects of bool": st.booleans() | st.none(),
        "objects of float": NUMBERS,
        "objects of Decimal": st.decimals(allow_nan=False) | st.none(),
        "objects of date": st.dates() | st.none(),
        "category": TEXTS | st.none(),
    }
    whole = kind not in several
    found = (integers(kind) if kind[0] in "iu" else integers(kind) | st.none()) if whole else several[kind]
    return st.lists(found, min_size=size, max_size=size).map(lambda values: made(kind, values))


def made(kind: str, values: list[Any]) -> pd.Series[Any]:
    if kind.startswith("objects"):
        return pd.Series(values, dtype=object)
    if kind.startswith("str") and kind != "string":
        return pd.Series(values, dtype=pd.Series(["a"]).dtype)
    if kind == "category":
        return pd.Series(pd.Categorical(values))
    return pd.Series(values, dtype=kind)


KINDS = [
    *("int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64", "Int8", "Int64", "UInt64"),
    *("float64", "float32", "float16", "Float64", "bool", "boolean"),
    *("str", "str or None", "string", "datetime64[ns]", "timedelta64[ns]", "category"),
    *("objects of int", "objects of bool", "objects of float", "objects of Decimal", "objects of date"),
]


@st.composite
def frames(draw: st.DrawFn, kinds: list[str], *, empty: bool = False) -> pd.DataFrame:
    size = draw(st.integers(0 if empty else 1, 5))
    names = st.lists(st.text(string.ascii_letters, min_size=1, max_size=3), min_size=len(kinds), max_size=len(kinds))
    columns = [draw(column(kind, size)) for kind in kinds]
    frame = pd.concat(columns, axis=1) if columns else pd.DataFrame(index=range(size))
    frame.columns = pd.Index(draw(names | st.just(list(range(len(kinds))))))
    return frame


def back(*returned: pd.DataFrame) -> pd.DataFrame:
    """What to_pandas gives of what each mini-batch returned."""
    texts = [frame_text(one).encode() for one in returned]
    told = [{"kind": "dataframe", "columns": columns_of(one)} for one in returned]
    runs = [Run(len(one), len(text), form) for one, text, form in zip(returned, texts, told, strict=True) if len(one)]
    kept = [one.format for one in runs if one.format is not None]
    distinct = [one for i, one in enumerate(kept) if one not in kept[:i]]
    parts = runs if _rows.differ(distinct) else []
    return _rows.to_frame(b"".join(texts), distinct, columns=None, sep=None, parts=parts)


@given(st.data())
@settings(max_examples=50, deadline=None)
def test_every_type_comes_back_as_it_was_returned(data: st.DataObject) -> None:
    kinds = data.draw(st.lists(st.sampled_from(KINDS), min_size=1, max_size=4))
    frame = data.draw(frames(kinds))

    pd.testing.assert_frame_equal(back(frame), frame, check_exact=True, check_column_type=False)


@given(st.data())
@settings(max_examples=50, deadline=None)
def test_mini_batches_of_the_same_types_come_back_as_one_table(data: st.DataObject) -> None:
    kinds = data.draw(st.lists(st.sampled_from([one for one in KINDS if one != "category"]), min_size=1, max_size=3))
    pieces = [data.draw(frames(kinds, empty=True)) for _ in range(3)]
    pieces = [one.set_axis(range(len(kinds)), axis=1) for one in pieces]
    if not any(len(one) for one in pieces):
        return

    table = back(*pieces)

    whole = pd.concat([one for one in pieces if len(one)], ignore_index=True)
    pd.testing.assert_frame_equal(table, whole, check_exact=True, check_dtype=False, check_column_type=False)


@given(st.lists(TEXTS.filter(lambda text: "\n" not in text), min_size=1))
def test_a_list_of_texts_comes_back_as_it_was_returned(values: list[str]) -> None:
    data = "".join(f"{text}\n" for text in list_texts(values)).encode()

    table = _rows.to_frame(data, [{"kind": "list", "columns": columns_of(values)}], columns=None, sep=None)

    assert table[0].tolist() == values


@pytest.mark.parametrize(
    "values",
    [
        pd.Series(pd.period_range("2026-01", periods=3, freq="M")),
        pd.Series(pd.to_datetime(["2026-01-02 03:04:05.000000001", "NaT", "2026-07-02"], format="ISO8601")),
        pd.Series(pd.to_datetime(["2026-10-25 00:30", "2026-10-25 01:30"], utc=True)).dt.tz_convert("Europe/Berlin"),
        pd.Series(np.array(["1200-01-01", "9999-12-31", "NaT"], dtype="datetime64[s]")),
        pd.Series(pd.Categorical([3, 1, 3])),
        pd.Series(pd.Categorical(["x", None, ""])),
        pd.Series([1.1, None], dtype="Float32"),
        pd.Series([2**63 + 1, None], dtype="UInt64"),
    ],
    ids=lambda values: str(values.dtype),
)
def test_rarer_types_come_back_as_they_were_returned(values: pd.Series[Any]) -> None:
    frame = pd.DataFrame({"a": values, "b": ["x"] * len(values)})

    pd.testing.assert_frame_equal(back(frame), frame)


def test_values_without_a_type_of_their_own_come_back_as_their_text() -> None:
    frame = pd.DataFrame({"mixed": [1, "a", None], "listed": [[1, 2], {"a": 1}, []], "raw": [b"x", b"", b"\x00"]})

    table = back(frame)

    assert table["mixed"].tolist()[:2] == ["1", "a"]
    assert table["mixed"][2] is None
    assert table["listed"].tolist() == ["[1, 2]", "{'a': 1}", "[]"]
    assert table["raw"].tolist() == ["b'x'", "b''", "b'\\x00'"]


def test_names_of_every_kind_are_kept_as_texts_or_numbers() -> None:
    frame = pd.DataFrame([[1, 2, 3, 4, 5]])
    frame.columns = pd.Index(["a", 7, ("b", 1), None, "a"], tupleize_cols=False)

    assert back(frame).columns.tolist() == ["a", 7, "('b', 1)", "None", "a"]
    assert back(frame).to_numpy().tolist() == [[1, 2, 3, 4, 5]]
