"""The driver of MLflow models without a script, on a model of its own making."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import pandas as pd
import pytest

from azure_batch_endpoints.local import mlflow_driver


class Echo:
    """A model that answers with a column of its input; without a signature."""

    metadata = SimpleNamespace(get_input_schema=lambda: None)

    def predict(self, table: pd.DataFrame) -> pd.Series[str]:
        return table["text"]


def test_a_prediction_keeps_the_line_breaks_that_end_no_row(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(mlflow_driver._held, "model", Echo())
    pd.DataFrame({"text": ["one\u2028two", "three\x0bfour"]}).to_parquet(tmp_path / "texts.parquet")

    rows = mlflow_driver.run([str(tmp_path / "texts.parquet")])

    assert rows == ["0,one\u2028two,texts.parquet", "1,three\x0bfour,texts.parquet"]


def test_a_table_without_rows_gives_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(mlflow_driver._held, "model", Echo())
    (tmp_path / "empty.csv").write_text("text\n")

    assert mlflow_driver.run([str(tmp_path / "empty.csv")]) == []
