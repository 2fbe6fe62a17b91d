"""Rows whose form nobody has told: lists, dicts, numbers and texts, read for what they look like."""

from __future__ import annotations

import ast
import csv
import io
import re
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from azure_batch_endpoints.errors import ResultsError

if TYPE_CHECKING:
    import pandas as pd

_SEPARATORS = (" ", ",", "\t")
_PROBE = 100
_NUMBER = re.compile(r"-?(?:0|[1-9]\d*)(?:\.(?:0|\d*[1-9]))?(?:e[+-]\d\d+)?|nan|-?inf|None")
"""How ``str()`` writes a number or a missing one: "007" and "1.50" were strings."""


def guessed(data: bytes, kind: str | None) -> pd.DataFrame:
    """Return rows of which at most the kind is known.

    Args:
        data: the text.
        kind: ``list`` (an element a line), ``csv`` (an MLflow model's), ``dataframe``, or None.
    """
    if kind in ("csv", "dataframe"):
        return separated(data, "," if kind == "csv" else " ")
    found = [line.removesuffix("\r") for line in lines(data)]
    values = _literals(found)
    if values is not None:
        return _from_literals(values)
    sep = _separator(found[:_PROBE]) if kind is None else None
    return _plain(found) if sep is None else separated(data, sep)


def elements(data: bytes, kind: str) -> pd.DataFrame:
    """Return the elements of a list that were all texts or all truth values."""
    import pandas as pd

    found = lines(data)
    return pd.DataFrame({0: [line == "True" for line in found] if kind == "bool" else found})


def separated(data: bytes, sep: str) -> pd.DataFrame:
    """Return the columns of a text, numbered, of the types that they look like.

    Raises:
        ResultsError: the lines do not fit the separator.
    """
    import pandas as pd

    engine: Any = "c" if len(sep) == 1 else "python"
    try:
        return pd.read_csv(io.BytesIO(data), sep=sep, header=None, encoding_errors="replace", engine=engine)
    except (pd.errors.ParserError, ValueError) as error:
        raise unreadable(sep, error) from error


def unreadable(sep: str, error: Exception) -> ResultsError:
    """Say that the lines of a text do not fit the separator."""
    return ResultsError(
        f"The rows cannot be read with the separator {sep!r}: {str(error).strip().rstrip('.')}. "
        "Pass sep=, or download() the file."
    )


def lines(data: bytes) -> list[str]:
    """Lines as the service ended them; a string that was returned may hold other line breaks of Unicode."""
    return data.decode("utf-8", "replace").removesuffix("\n").split("\n") if data else []


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
