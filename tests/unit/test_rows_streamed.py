"""Rows of a file on the disk, read in pieces: the same table as of the same bytes in memory, whatever they hold."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeAlias

import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from azure_batch_endpoints import _rows
from azure_batch_endpoints._rows import Run, arrow, streamed
from azure_batch_endpoints._rows.columns import column
from azure_batch_endpoints.errors import ResultsError
from azure_batch_endpoints.local.worker.columns import columns_of
from azure_batch_endpoints.local.worker.rows import frame_text, list_texts
from tests.unit.test_rows_round_trip import KINDS, TEXTS, frames

Rows: TypeAlias = Callable[..., str]
SOME = settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
NUMBERS = st.integers() | st.floats() | st.none()
ELEMENTS = {
    "texts": TEXTS,
    "numbers": NUMBERS,
    "whole numbers": st.integers(-(2**70), 2**70),
    "lists": st.lists(st.integers() | st.floats() | TEXTS, max_size=3),
    "rows": st.tuples(st.integers(), st.floats(allow_nan=False)).map(list),
    "dicts": st.dictionaries(st.sampled_from("abc"), NUMBERS, min_size=1),
    "anything": TEXTS | NUMBERS | st.lists(st.integers(), max_size=2),
}


@pytest.fixture
def rows(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Rows:
    """Reads bytes twice, from memory and from a file in pieces of some bytes, and compares."""

    def read(data: bytes, formats: list[Any], size: int, parts: list[Run] | None = None, **given: Any) -> str:
        monkeypatch.setattr(streamed, "BLOCK", size)
        monkeypatch.setattr(arrow, "BLOCK", size)
        path = tmp_path / "rows"
        path.write_bytes(data)
        asked = {"columns": None, "sep": None, "parts": parts or [], **given}
        try:
            whole = _rows.to_frame(data, formats, **asked)
        except ResultsError as error:
            with pytest.raises(ResultsError) as caught:
                _rows.to_frame(path, formats, **asked)
            assert str(caught.value) == str(error)
            return "refused"
        pd.testing.assert_frame_equal(_rows.to_frame(path, formats, **asked), whole, check_exact=True)
        if parts and parts[0].files:
            table = _rows.with_sources(_rows.to_frame(path, formats, **asked), path, parts)
            pd.testing.assert_frame_equal(table, _rows.with_sources(whole, data, parts))
        return "read"

    return read


SIZES = st.sampled_from([24, 100, 400, 4000])


@given(st.data(), SIZES)
@SOME
def test_typed_rows(rows: Rows, data: st.DataObject, size: int) -> None:
    kinds = data.draw(st.lists(st.sampled_from(KINDS), min_size=1, max_size=4))
    frame = pd.concat([data.draw(frames(kinds))] * data.draw(st.integers(1, 30)))

    form = {"kind": "dataframe", "columns": columns_of(frame)}

    assert rows(frame_text(frame).encode(), [form], size) == "read"


@given(st.data(), SIZES)
@SOME
def test_rows_of_several_forms_and_their_files(rows: Rows, data: st.DataObject, size: int) -> None:
    runs: list[Run] = []
    text, told = b"", list[Any]()
    for number in range(3):
        frame = data.draw(frames([data.draw(st.sampled_from(KINDS))]))
        form = {"kind": "dataframe", "columns": columns_of(frame)}
        piece = frame_text(frame).encode()
        runs.append(Run(len(frame), len(piece), form, [f"{number}.png"], [0]))
        text, told = text + piece, [*told, form]

    rows(text, _rows.distinct(runs), size, runs)


@pytest.mark.parametrize("kind", ELEMENTS)
@given(st.data(), SIZES)
@SOME
def test_elements_of_lists(rows: Rows, kind: str, data: st.DataObject, size: int) -> None:
    values = data.draw(st.lists(ELEMENTS[kind], min_size=1, max_size=5)) * data.draw(st.integers(1, 10))
    text = "".join(f"{one}\n" for one in list_texts(values)).encode("utf-8", "replace")

    rows(text, [{"kind": "list", "columns": columns_of(values)}], size)
    rows(text, [{"kind": "list", "columns": []}], size)
    rows(text, [], size)


@given(st.data(), SIZES, st.sampled_from([" ", ",", "\t", "::"]))
@SOME
def test_rows_of_which_nobody_told_anything(rows: Rows, data: st.DataObject, size: int, sep: str) -> None:
    table = pd.DataFrame(data.draw(st.lists(st.tuples(NUMBERS, TEXTS, st.booleans()), min_size=1, max_size=6)) * 7)
    text = table.to_csv(sep=sep[0], header=False, index=False).encode()

    rows(text, [], size)
    rows(text, [{"kind": "csv", "columns": []}], size)
    rows(text, [], size, sep=sep)


@given(st.binary(min_size=1, max_size=60), SIZES)
@SOME
def test_bytes_that_are_no_rows_of_the_form_told(rows: Rows, data: bytes, size: int) -> None:
    columns = [["a", "int64"], ["b", "object"]]

    rows(data, [{"kind": "dataframe", "columns": columns}], size)
    rows(data, [], size)


def test_a_byte_order_mark_of_the_first_value_stays(rows: Rows) -> None:
    frame = pd.DataFrame({"text": ["\ufeffa", "\ufeffb"], "number": [1, 2]})
    form = {"kind": "dataframe", "columns": columns_of(frame)}
    data = frame_text(frame).encode()

    assert rows(data, [form], 400) == "read"
    assert _rows.to_frame(data, [form], columns=None, sep=None)["text"].tolist() == ["\ufeffa", "\ufeffb"]


@pytest.mark.parametrize(
    "text",
    ["a 1\nb 2\n", '"x\ny" 1\nb 2\n', '"" 1\n"say ""x""" 2\n', "a 1\nb 2"],
    ids=["plain", "break", "quote", "end"],
)
def test_what_the_service_writes_is_read_by_several_threads(text: str, tmp_path: Path) -> None:
    (tmp_path / "rows").write_text(text)
    columns = [column("t", "str"), column("n", "int64")]

    found = arrow.series(tmp_path / "rows", columns)

    assert found is not None
    assert found[1].tolist() == [1, 2]
