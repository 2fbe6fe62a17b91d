"""The rows that the driver of MLflow models makes, without MLflow."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import pandas as pd
import pytest

from azure_batch_endpoints.local import mlflow_driver


def test_a_prediction_with_line_breaks_and_quotes_is_one_row(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    told = ["plain", "two\nlines", 'a "quoted\nline"', "\r\n", "\u2028"]
    model = SimpleNamespace(
        predict=lambda frame: pd.DataFrame({"text": told[: len(frame)]}),
        metadata=SimpleNamespace(get_input_schema=lambda: None),
    )
    monkeypatch.setitem(mlflow_driver._held, "model", model)
    paths = [tmp_path / "a.csv", tmp_path / "b.csv"]
    paths[0].write_text("x\n1\n2\n3\n4\n5\n")
    paths[1].write_text("x\n1\n")

    rows = mlflow_driver.run([str(path) for path in paths])

    assert rows == [
        "0,plain,a.csv",
        '1,"two\nlines",a.csv',
        '2,"a ""quoted\nline""",a.csv',
        '3,"\r\n",a.csv',
        "4,\u2028,a.csv",
        "0,plain,b.csv",
    ]
