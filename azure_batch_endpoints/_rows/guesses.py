"""Rows whose form nobody has told: lists, dicts, numbers and texts, read for what they look like."""

from __future__ import annotations

import ast
import csv
import io
import re
from codecs import BOM_UTF8
from collections.abc import Sequence
from contextlib import suppress
from math import nan
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias
from warnings import catch_warnings, simplefilter

from azure_batch_endpoints.errors import ResultsError

if TYPE_CHECKING:
    import pandas as pd

Text: TypeAlias = "bytes | Path"
"""Text of rows, or the file that holds it."""
_SEPARATORS = (" ", ",", "\t")
PROBE = 100
"""Lines by which a separator is told."""
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
    values = literals(found)
    if values is not None:
        return from_literals(values)
    sep = separator(found[:PROBE]) if kind is None else None
    return plain(found) if sep is None else separated(data, sep)


def elements(data: bytes, kind: str) -> pd.DataFrame:
    """Return the elements of a list that were all texts or all truth values."""
    import pandas as pd

    found = lines(data)
    return pd.DataFrame({0: [line == "True" for line in found] if kind == "bool" else found})


def separated(data: Text, sep: str) -> pd.DataFrame:
    """Return the columns of a text, or of the text of a file, numbered, of the types that they look like.

    Raises:
        ResultsError: the lines do not fit the separator.
    """
    import pandas as pd

    try:
        if not isinstance(data, bytes):
            with suppress(UnicodeDecodeError):
                return _parsed(data, sep)  # by several threads, where pandas has them
        return _parsed(data, sep, encoding_errors="replace")
    except (pd.errors.ParserError, ValueError) as error:
        raise unreadable(sep, error) from error


def _parsed(data: Text, sep: str, **options: Any) -> pd.DataFrame:
    import pandas as pd

    engine: Any = "c" if len(sep) == 1 else "python"
    given: dict[str, Any] = {"sep": sep, "header": None, "engine": engine, "compression": None, **options}
    with catch_warnings():
        simplefilter("error", pd.errors.DtypeWarning)
        try:
            frame: pd.DataFrame = pd.read_csv(opened(data), **given)
        except pd.errors.DtypeWarning:  # numbers in one piece of a large text, words in another: 7 beside "7"
            frame = pd.read_csv(opened(data), low_memory=False, **given)
    return frame


def begins_with_mark(data: Text) -> bool:
    """Whether a text begins with a byte order mark, which readers leave out: here it is of the first value."""
    if isinstance(data, bytes):
        return data.startswith(BOM_UTF8)
    with data.open("rb") as file:
        return file.read(len(BOM_UTF8)) == BOM_UTF8


def opened(data: Text) -> Any:  # noqa: ANN401 (what pandas reads from)
    """Return a text as pandas takes it."""
    if begins_with_mark(data):
        return io.BytesIO(BOM_UTF8 + (data if isinstance(data, bytes) else data.read_bytes()))
    return io.BytesIO(data) if isinstance(data, bytes) else data


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


def literals(lines: Sequence[str]) -> list[Any] | None:
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


def from_literals(values: Sequence[Any]) -> pd.DataFrame:
    """Return the values of lines as rows: a column an element of lists, a key of dicts."""
    import pandas as pd

    if all(isinstance(value, dict) for value in values):
        return pd.DataFrame(list(values))
    if all(isinstance(value, list | tuple) for value in values):
        width = max(map(len, values))
        return pd.DataFrame([[*value, *[nan] * (width - len(value))] for value in values])
    return pd.DataFrame({0: list(values)})


def separator(lines: Sequence[str]) -> str | None:
    """Return what separates the columns of lines; None for one column."""
    for sep in _SEPARATORS:
        try:
            widths = {len(row) for row in csv.reader(lines, delimiter=sep)}
        except csv.Error:  # a zero byte, before Python 3.11
            continue
        if len(widths) == 1 and max(widths) > 1:
            return sep
    return None


def numbers(lines: Sequence[str]) -> bool:
    """Whether every line is a number, or a missing one, as ``str()`` writes it."""
    return all(_NUMBER.fullmatch(line) for line in lines)


def plain(lines: Sequence[str]) -> pd.DataFrame:
    """Return lines as one column: of numbers where all are, else of texts."""
    import pandas as pd

    if numbers(lines):
        return pd.to_numeric(
            pd.Series([None if line in ("nan", "None") else line for line in lines], name=0)
        ).to_frame()
    return pd.Series(list(lines), name=0).to_frame()
