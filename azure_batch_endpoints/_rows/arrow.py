"""Typed rows of a file by Arrow's reader: several threads, little memory, and the same values as pandas' reader gives.

What it might read in another way is left to pandas: ``series`` returns None.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, TypeAlias

from azure_batch_endpoints._rows.columns import AT_ONCE, FLOATS, LOOKS, Column
from azure_batch_endpoints._rows.guesses import begins_with_mark

_Series: TypeAlias = Any
"""A pandas Series; its stubs know no type by name."""
BLOCK = 8 * 1024 * 1024
"""Bytes of a file that a thread reads at once."""


def series(path: Path, columns: Sequence[Column]) -> list[_Series] | None:
    """Return the columns of a file, named by their places, of the types in which pandas' reader gives them.

    Args:
        path: rows with a space between values, without header.
        columns: what is known of each.

    Returns:
        the columns; None when this reader cannot be used, or is not sure to give the same.
    """
    found = None if any(one.type == LOOKS for one in columns) else _table(path, columns)
    if found is None:
        return None
    made: list[_Series] = []
    for place, one in enumerate(columns):
        values = found.pop(0)  # its memory goes when the series is made
        if values.null_count and one.type[0] in "iub" and one.type != "boolean":
            return None
        made.append(_series(values, one).rename(place))
    return made


def _table(path: Path, columns: Sequence[Column]) -> list[Any] | None:
    import pyarrow as pa
    from pyarrow import csv

    seen = _bytes_of(path, b'\r\0"')
    if b"\r" in seen or b"\0" in seen or begins_with_mark(path):  # text for one reader, and none for the other
        return None
    names = [str(place) for place in range(len(columns))]
    try:
        table = csv.read_csv(
            str(path),
            csv.ReadOptions(block_size=BLOCK, column_names=names),
            csv.ParseOptions(delimiter=" ", newlines_in_values=b'"' in seen, ignore_empty_lines=False),
            csv.ConvertOptions(
                column_types={name: _type(one) for name, one in zip(names, columns, strict=True)},
                null_values=["", "nan", "NaN", "<NA>"],
                true_values=["True"],
                false_values=["False"],
            ),
        )
    except (pa.ArrowException, OSError):
        return None
    return list(table.columns)


def _bytes_of(path: Path, wanted: bytes) -> set[bytes]:
    """Return which of some bytes a file holds."""
    left = {bytes([one]) for one in wanted}
    found: set[bytes] = set()
    with path.open("rb") as file:
        while left and (block := file.read(BLOCK)):
            new = {one for one in left if one in block}
            found |= new
            left -= new
    return found


def _type(one: Column) -> Any:  # noqa: ANN401 (pyarrow has no types)
    import pyarrow as pa

    if FLOATS.fullmatch(one.type):
        return pa.float64()
    if not AT_ONCE.fullmatch(one.type):
        return pa.large_string()
    return pa.bool_() if one.type in ("bool", "boolean") else getattr(pa, one.type.lower())()


def _series(values: Any, one: Column) -> _Series:  # noqa: ANN401 (pyarrow has no types)
    import pandas as pd
    import pyarrow as pa

    if one.type == "boolean" or (AT_ONCE.fullmatch(one.type) and one.type[0].isupper()):
        return values.to_pandas(types_mapper=lambda _: pd.api.types.pandas_dtype(one.type))
    if values.type != pa.large_string():
        return values.to_pandas()
    if one.gaps:
        values = _with_gaps(values, one.gaps)
    text: Any = pd.Series(["a"]).dtype
    if isinstance(text, pd.StringDtype):
        return values.to_pandas(types_mapper=lambda _: text)
    found = values.to_pandas()  # before pandas 3, where texts are objects
    found[found.isna()] = float("nan")
    return found


def _with_gaps(values: Any, gaps: Sequence[str]) -> Any:  # noqa: ANN401 (pyarrow has no types)
    import pyarrow as pa
    import pyarrow.compute as pc

    no_value = pc.call_function("is_in", [values], pc.SetLookupOptions(pa.array(gaps, pa.large_string())))
    return pc.call_function("if_else", [no_value, pa.scalar(None, pa.large_string()), values])
