"""Inputs beside the rows that came of them: which column is whose, and that no value changes by it."""

from __future__ import annotations

import pandas as pd
import pytest

from azure_batch_endpoints._rows import with_inputs
from azure_batch_endpoints.errors import ResultsError

LARGE = 2**60 + 1


def test_whole_numbers_of_one_file_stay_as_they_are_where_another_has_no_such_column() -> None:
    rows, sources = pd.DataFrame({"score": [0.1, 0.2, 0.3]}), pd.Series(["x.csv", "y.csv", "x.csv"])
    tables = {"x.csv": pd.DataFrame({"id": [LARGE, LARGE + 1], "n": [1, 2]}), "y.csv": pd.DataFrame({"k": [-LARGE]})}

    table = with_inputs(rows, sources, tables)

    assert list(table.columns) == ["id", "n", "k", "score"]
    assert table["id"].dropna().tolist() == [LARGE, LARGE + 1]
    assert table["k"].dropna().tolist() == [-LARGE]
    assert str(table["n"].dtype) == "float64"
    assert table["score"].tolist() == [0.1, 0.2, 0.3]


def test_columns_of_one_name_and_tables_without_columns_are_put_beside() -> None:
    rows, sources = pd.DataFrame({"d": [7, 8]}), pd.Series(["x.parquet", "y.parquet"])
    twice, none = pd.DataFrame([[1, 2]], columns=["d", "d"]), pd.DataFrame(index=range(1))

    both = with_inputs(rows, sources, {"x.parquet": twice, "y.parquet": twice})
    assert list(both.columns) == ["d (input)", "d (input)", "d"]
    assert both.to_numpy().tolist() == [[1, 2, 7], [1, 2, 8]]
    bare = with_inputs(rows, sources, {"x.parquet": none, "y.parquet": none})
    assert bare.to_dict("list") == {"d": [7, 8]}


def test_another_number_of_rows_than_the_file_has_is_refused() -> None:
    with pytest.raises(ResultsError, match=r"'x\.csv' has 2 rows, and 1 rows of the result came of it"):
        with_inputs(pd.DataFrame({"a": [1]}), pd.Series(["x.csv"]), {"x.csv": pd.DataFrame({"b": [1, 2]})})
