"""What a result's text does not tell: the names and types of its columns, for whoever reads the rows back.

The type is a text: pandas' own word for it, for a categorical column after "category ", and for columns of texts and
objects what follows, with blanks between:

- "missing": every value is missing; "gaps": some are; "empty": there are empty strings, which look the same
- "gaps@1,5": both are there, and the rows 1 and 5 (from 0) are the missing ones
- "none": what is missing is None, not NaN
- "of:bool", "of:int", "of:float", "of:decimal", "of:date": the values are objects, but all of this type
"""

from __future__ import annotations

from typing import Any

from .rows import is_frame

TEXTS = ("object", "str", "string", "string[pyarrow]", "large_string[pyarrow]")
MOST_POSITIONS = 100_000
"""Beyond it, missing texts among empty ones are read back as empty."""
_SCALARS = {
    **{"builtins.bool": "bool", "builtins.int": "int", "builtins.float": "float", "numpy.bool_": "bool"},
    **{"numpy.bool": "bool", "decimal.Decimal": "decimal", "datetime.date": "date"},
}
"""Types whose text says the whole value."""


def columns_of(result: Any) -> list[list[Any]]:
    """Return name and type of each column; of a list only whether it is all texts, or all truth values."""
    if not is_frame(result):
        kinds = {type(element).__name__ for element in result} if isinstance(result, (list, tuple)) else set()
        return [[0, kind] for kind in kinds] if kinds in ({"str"}, {"bool"}) else []  # the text does not tell
    columns = []
    for position, (name, dtype) in enumerate(result.dtypes.items()):
        values, text = result.iloc[:, position], str(dtype)
        if text == "category":
            inner = str(values.cat.categories.dtype)
            text = "category " + " ".join([inner, *flags(values, inner)])
        columns.append([name if type(name) is int else str(name), " ".join([text, *flags(values, text)])])
    return columns


def flags(values: Any, text: str) -> list[str]:
    """Return what a column of texts or objects needs beside its type."""
    if text not in TEXTS:
        return []
    gone = values.isna().tolist()
    empty = any(isinstance(value, str) and not value for value in values)
    found = [gaps(gone, empty)] if empty or any(gone) else []
    if text == "object":
        there = [value for value, missing in zip(values, gone) if not missing]
        if len(there) < len(gone) and all(value is None for value, missing in zip(values, gone) if missing):
            found.append("none")
        kinds = {f"{type(value).__module__}.{type(value).__name__}" for value in there}
        kind = _SCALARS.get(kinds.pop()) if len(kinds) == 1 else None
        found += ["of:" + kind] if kind else []
    return found


def gaps(gone: list[bool], empty: bool) -> str:
    """Say which values are missing, as far as the text does not tell."""
    if not empty:
        return "missing" if all(gone) else "gaps"
    positions = [str(position) for position, missing in enumerate(gone) if missing]
    return "gaps@" + ",".join(positions) if 0 < len(positions) <= MOST_POSITIONS else "empty"
