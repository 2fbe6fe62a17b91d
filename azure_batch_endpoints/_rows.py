"""The text of an ``append_row`` file to a table. The one home of pandas for results; sends nothing.

What the service writes: DataFrame rows with a space between values, without header or index; list elements one
``str()`` a line (so lists and dicts as Python literals); rows of MLflow deployments without a script with a comma.
"""

from __future__ import annotations

import ast
import csv
import io
import re
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from azure_batch_endpoints.errors import ResultsError

if TYPE_CHECKING:
    import pandas as pd

_SEPARATORS = (" ", ",", "\t")
_PROBE = 100
_TEXT = ("object", "str", "string")
_NUMBER = re.compile(r"-?(?:0|[1-9]\d*)(?:\.(?:0|\d*[1-9]))?(?:e[+-]\d\d+)?|nan|-?inf|None")
"""How ``str()`` writes a number or a missing one: "007" and "1.50" were strings."""


def to_frame(
    data: bytes, formats: Sequence[Mapping[str, Any]], *, columns: Sequence[str] | None, sep: str | None
) -> pd.DataFrame:
    """Return the rows of a merged file.

    Args:
        data: the file.
        formats: kinds of rows it holds, with names and dtypes, where known.
        columns: names to give, or None.
        sep: separator, or None.
    """
    kind, known = _joined(formats)
    if sep is None and kind == "csv":
        sep = ","
    if sep is None and kind == "dataframe":
        return _named(_delimited(data, " ", known), columns)
    lines = _lines(data)
    if sep is None and kind == "list" and known:
        return _named(_elements(lines, known[0][1]), columns)
    values = _literals(lines) if sep is None and kind != "dataframe" else None
    if values is not None:
        return _named(_from_literals(values), columns)
    if sep is None:
        sep = _separator(lines[:_PROBE]) if kind is None else None
    return _named(_plain(lines) if sep is None else _delimited(data, sep, []), columns)


def _joined(formats: Sequence[Mapping[str, Any]]) -> tuple[str | None, Sequence[tuple[Any, str]]]:
    """Return the kind and the columns that all mini-batches have together; no columns where names differ."""
    kinds = {one.get("kind") for one in formats}
    if len(kinds) != 1:
        return None, []
    several = [one.get("columns") or [] for one in formats]
    names = {tuple(name for name, _ in columns) for columns in several}
    if len(names) != 1:
        return kinds.pop(), []
    dtypes = zip(*([dtype for _, dtype in columns] for columns in several), strict=True)
    return kinds.pop(), list(zip(names.pop(), map(_common, dtypes), strict=True))


def _common(dtypes: Sequence[str]) -> str:
    """Return the dtype of the pieces of a column put together, as ``pandas.concat`` does."""
    import pandas as pd

    told = {dtype.partition(" ")[2] for dtype in dtypes if _is_text(dtype)}
    # a piece without a single value is of no type: the others decide
    kept = {_plain_dtype(dtype) for dtype in dtypes if not dtype.endswith(" missing")} or {"object"}
    try:
        whole = str(pd.concat([pd.Series([0], dtype=one) for one in sorted(kept)]).dtype)
    except (TypeError, ValueError):
        whole = "object"
    whole = whole if len(kept) > 1 else kept.pop()
    return f"{whole} gaps" if _is_text(whole) and told & {"gaps", "missing"} and "empty" not in told else whole


def _is_text(dtype: str) -> bool:
    return dtype.partition(" ")[0] in _TEXT


def _plain_dtype(dtype: str) -> str:
    return dtype.partition(" ")[0] if _is_text(dtype) else dtype


def _elements(lines: Sequence[str], kind: str) -> pd.DataFrame:
    import pandas as pd

    return pd.DataFrame({0: [line == "True" for line in lines] if kind == "bool" else list(lines)})


def _lines(data: bytes) -> list[str]:
    """Lines as the service ended them; a string that was returned may hold other line breaks of Unicode."""
    text = data.decode("utf-8", "replace").removesuffix("\n")
    return [line.removesuffix("\r") for line in text.split("\n")] if data else []


def _delimited(data: bytes, sep: str, known: Sequence[tuple[Any, str]]) -> pd.DataFrame:
    import pandas as pd

    # A string column holds what the script returned: "NA" and "" are no gaps in it, "007" is no number.
    text_columns = {i: str for i, (_, dtype) in enumerate(known) if _is_text(dtype)}
    gaps = {i: ["", "nan", "NaN", "<NA>"] for i in range(len(known)) if i not in text_columns}
    gaps |= {i: [""] for i in text_columns if known[i][1].endswith(" gaps")}
    options: dict[str, Any] = {"na_values": gaps, "keep_default_na": False} if text_columns else {}
    try:
        frame: pd.DataFrame = pd.read_csv(
            io.BytesIO(data),
            sep=sep,
            header=None,
            dtype=text_columns,
            encoding_errors="replace",
            engine="c" if len(sep) == 1 else "python",
            **options,
        )
    except (pd.errors.ParserError, ValueError) as error:
        raise ResultsError(
            f"The rows cannot be read with the separator {sep!r}: {str(error).strip().rstrip('.')}. "
            "Pass sep=, or download() the file."
        ) from error
    if len(known) != len(frame.columns):
        return frame
    for position, (_, dtype) in enumerate(known):
        frame[position] = _typed(frame[position], _plain_dtype(dtype))
    frame.columns = pd.Index([name for name, _ in known])
    return frame


def _typed(column: Any, dtype: str) -> Any:  # noqa: ANN401 (a pandas Series; its stubs know no dtype by name)
    import pandas as pd

    try:
        if dtype.startswith("datetime64"):
            return pd.to_datetime(column, format="ISO8601", utc="," in dtype).astype(dtype)
        return column if dtype in ("object", "str") else column.astype(dtype)
    except (TypeError, ValueError):
        return column


class _Plain(ast.NodeTransformer):
    """What NumPy and pandas write into a ``repr``, as plain Python: ``np.int64(7)``, ``array([1])``, ``nan``."""

    def visit_Call(self, node: ast.Call) -> ast.AST:
        return self.visit(node.args[0]) if node.args else node

    def visit_Name(self, node: ast.Name) -> ast.AST:
        return ast.Constant(float(node.id)) if node.id in ("nan", "inf") else node

    def visit_Attribute(self, node: ast.Attribute) -> ast.AST:
        return ast.Constant(node.attr == "True_") if node.attr in ("True_", "False_") else node


def _literals(lines: Sequence[str]) -> list[Any] | None:
    """The values of lines that are each the ``repr`` of a list, tuple or dict; None when one is not."""
    values = []
    for line in lines:
        value = _literal(line) if line[:1] in tuple("[({") and line[-1:] in tuple("])}") else None
        if value is None:
            return None
        values.append(value)
    return values or None


def _literal(line: str) -> Any:  # noqa: ANN401 (a Python literal of any shape)
    try:
        return ast.literal_eval(line)
    except (ValueError, SyntaxError, MemoryError, RecursionError):
        pass
    try:
        return ast.literal_eval(_Plain().visit(ast.parse(line, mode="eval")))
    except (ValueError, SyntaxError, MemoryError, RecursionError, TypeError):
        return None


def _from_literals(values: Sequence[Any]) -> pd.DataFrame:
    import pandas as pd

    if all(isinstance(value, dict) for value in values):
        return pd.DataFrame(list(values))
    if all(isinstance(value, list | tuple) for value in values):
        return pd.DataFrame([list(value) for value in values])
    return pd.DataFrame({0: list(values)})


def _separator(lines: Sequence[str]) -> str | None:
    for sep in _SEPARATORS:
        try:
            widths = {len(row) for row in csv.reader(lines, delimiter=sep)}
        except csv.Error:  # a zero byte, before Python 3.11
            continue
        if len(widths) == 1 and max(widths) > 1:
            return sep
    return None


def _plain(lines: Sequence[str]) -> pd.DataFrame:
    import pandas as pd

    if all(_NUMBER.fullmatch(line) for line in lines):
        return pd.to_numeric(
            pd.Series([None if line in ("nan", "None") else line for line in lines], name=0)
        ).to_frame()
    return pd.Series(list(lines), name=0).to_frame()


def _named(frame: pd.DataFrame, columns: Sequence[str] | None) -> pd.DataFrame:
    if columns is None:
        return frame
    columns = [columns] if isinstance(columns, str) else columns
    if len(columns) != len(frame.columns):
        raise ResultsError(
            f"The rows have {len(frame.columns)} columns, but {len(columns)} names were given ({', '.join(columns)}). "
            "Give one name a column, or sep= if the separator was guessed wrong."
        )
    return frame.set_axis(list(columns), axis=1)
