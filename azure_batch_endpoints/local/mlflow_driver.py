"""The scoring script of an MLflow model that came without one: tables in, rows with file name out.

Copied into the job's code folder and run there by a worker, under whatever interpreter the deployment has; imports
nothing of this package. Rows are written as the service writes them for such models: comma-separated, the row's
number within its file first, the file's name last.
"""

from __future__ import annotations

import logging
import os
from pathlib import Path
from typing import Any

TABULAR = (".csv", ".parquet", ".pqt")
"""Endings that are read; in lower case only, as the service's own driver has it."""
QUOTED_ROWS = True
"""Tells the worker that a row with line breaks in it is read back as one: they are within quotes."""
_log = logging.getLogger("azureml")
_held: dict[str, Any] = {}


def init() -> None:
    """Load the model: the one folder in AZUREML_MODEL_DIR."""
    import mlflow.pyfunc

    root = sorted(Path(os.environ["AZUREML_MODEL_DIR"]).iterdir())[0]
    _held["model"] = mlflow.pyfunc.load_model(str(root))


def run(mini_batch: list[str]) -> list[str]:
    """Score each file; a bad one fails the mini-batch, and says which it was."""
    rows: list[str] = []
    errors: dict[str, str] = {}
    for path in mini_batch:
        name = Path(path).name
        try:
            rows.extend(_score(path, name))
        except Exception as error:  # noqa: BLE001 - the user's model and data: every file is tried, then all are told
            _log.error("Error processing input file: '%s'. Exception: %s", path, error)
            errors[name] = f"{type(error).__name__}: {error}"
    if errors:
        listed = "; ".join("{}: {}".format(*pair) for pair in sorted(errors.items()))
        raise RuntimeError(f"Not all input files were processed successfully. Record of errors by filename: {listed}")
    return rows


def _score(path: str, name: str) -> list[str]:
    import pandas as pd

    predicted = _held["model"].predict(_read(path))
    frame = predicted.copy() if isinstance(predicted, pd.DataFrame) else pd.DataFrame(predicted)
    frame["_azureml_filename"] = name
    text: str = frame.reset_index(drop=True).to_csv(header=False, lineterminator="\n")
    return _records(text)


def _records(text: str) -> list[str]:
    """Return the rows: a row ends at the line break after which its quotes are closed."""
    rows: list[str] = []
    held = ""
    for line in text.split("\n")[:-1]:  # only this one: a text may hold other line breaks
        held += line
        if held.count('"') % 2:
            held += "\n"
        else:
            rows.append(held)
            held = ""
    return rows


def _read(path: str) -> Any:  # noqa: ANN401 (a DataFrame; pandas is the user's)
    import pandas as pd

    ending = Path(path).suffix
    if ending not in TABULAR:
        raise ValueError(f"File type '{ending}' is not supported. Current accepted filetypes are: {list(TABULAR)}")
    return pd.read_csv(path, dtype=_types()) if ending == ".csv" else pd.read_parquet(path)


def _types() -> dict[str, Any] | None:
    """Types of the columns by the model's signature; None where it has none, or tensors."""
    schema = _held["model"].metadata.get_input_schema()
    if schema is None or not schema.has_input_names() or schema.is_tensor_spec():
        return None
    names: list[str] = schema.input_names()
    return {name: schema.pandas_types()[position] for position, name in enumerate(names)}
