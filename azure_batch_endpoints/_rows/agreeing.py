"""Two tables of rows held against each other: which rows belong together, and which of these are equal."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from azure_batch_endpoints.errors import InvalidInputError, ResultsError

if TYPE_CHECKING:
    import pandas as pd

SOURCE = "source file"
"""Column of the file that a row came from."""
ROW = "row"
"""Column of the place of a row among those of its file or key, counted from 0."""


@dataclass(frozen=True)
class Agreement:
    """What became of holding two tables against each other.

    Attributes:
        matched: rows that both have.
        equal: of these, those that are equal in every column that both have.
        differing: the others: what they were matched by, and of each column that differs anywhere both values.
        only: by name of the table, the rows that it alone has.
        columns: the columns that were compared.
        matched_by: in words.
        notes: what else should be known.
    """

    matched: int
    equal: int
    differing: pd.DataFrame
    only: Mapping[str, pd.DataFrame]
    columns: Sequence[str]
    matched_by: str
    notes: Sequence[str]


def agreement(
    first: pd.DataFrame, second: pd.DataFrame, *, names: tuple[str, str], key: Sequence[str], tolerance: float
) -> Agreement:
    """Hold two tables against each other.

    Args:
        first: one table.
        second: the other.
        names: what they are called.
        key: columns that tell which rows belong together; none: the source file and the place in it where both tables
            have that column, else the place alone.
        tolerance: two numbers are equal when they differ by no more than this: absolutely for numbers up to 1, as a
            part of the larger one above.

    Raises:
        InvalidInputError: a table has no such key column.
        ResultsError: the tables have different numbers of rows, and nothing tells which belong together.
    """
    import pandas as pd

    tables = [_own_names(first), _own_names(second)]
    by = _key(tables, names, key)
    notes = _notes(tables, names, by)
    both = _joined(tables, by)
    is_matched = both["_merge"] == "both"
    places = [both.loc[is_matched, side].astype("int64").reset_index(drop=True) for side in ("_first", "_second")]
    columns = [name for name in tables[0].columns if name in tables[1].columns and name not in by]
    unequal = pd.Series(data=False, index=range(len(places[0])), dtype=bool)
    differ = []
    for name in columns:
        one, other = (table[name].iloc[at].reset_index(drop=True) for table, at in zip(tables, places, strict=True))
        wrong = ~_equal(one, other, tolerance)
        if wrong.any():
            differ.append(name)
            unequal |= wrong
    where = tables[0][by].iloc[places[0]].reset_index(drop=True)
    where[ROW if ROW not in by else f"{ROW} of its key"] = both.loc[is_matched, "_nth"].to_numpy()
    return Agreement(
        matched=len(unequal),
        equal=int((~unequal).sum()),
        differing=_pairs(tables, places, unequal, differ, names, where),
        only={
            name: table.iloc[both.loc[both["_merge"] == word, side].astype("int64")].reset_index(drop=True)
            for name, table, word, side in zip(
                names, tables, ("left_only", "right_only"), ("_first", "_second"), strict=True
            )
        },
        columns=[str(name) for name in columns],
        matched_by=_words(by, explicit=bool(key)),
        notes=notes,
    )


def _own_names(frame: pd.DataFrame) -> pd.DataFrame:
    """Return the table with a text of its own as the name of every column; a file's columns are numbers from 0."""
    seen: dict[str, int] = {}
    names = []
    for name in map(str, frame.columns):
        seen[name] = seen.get(name, 0) + 1
        names.append(name if seen[name] == 1 else f"{name}.{seen[name] - 1}")
    return frame.set_axis(names, axis=1)


def _key(tables: Sequence[pd.DataFrame], names: tuple[str, str], key: Sequence[str]) -> list[str]:
    for table, name in zip(tables, names, strict=True):
        for column in key:
            if column not in table.columns:
                there = ", ".join(f"'{one}'" for one in list(table.columns)[:20])
                raise InvalidInputError(
                    f"The rows of '{name}' have no column '{column}', which key= names: there are {there}. "
                    "Pass columns that both have."
                )
    if key:
        return list(dict.fromkeys(key))
    if all(SOURCE in table.columns for table in tables):
        return [SOURCE]
    counts = [len(table) for table in tables]
    if counts[0] != counts[1]:
        raise ResultsError(
            f"'{names[0]}' returned {counts[0]:,} rows and '{names[1]}' {counts[1]:,}, and nothing tells which belong "
            'together. Pass key= with the columns that do, such as key="id".'
        )
    return []


def _notes(tables: Sequence[pd.DataFrame], names: tuple[str, str], by: Sequence[str]) -> list[str]:
    notes = []
    if not by:
        notes.append("The rows were matched by their place in the results alone; pass key= to match them by columns.")
    if list(by) == [SOURCE] and any(table[SOURCE].isna().any() for table in tables):
        notes.append("Of some rows the source file is not known; these were matched by their place.")
    for table, other, name in zip(tables, reversed(tables), names, strict=True):
        if extra := [str(one) for one in table.columns if one not in other.columns and one != SOURCE]:
            notes.append(f"Only '{name}' has the columns {', '.join(extra)}; they were not compared.")
    return notes


def _words(by: Sequence[str], *, explicit: bool) -> str:
    if not by:
        return "place in the results"
    return f"key {', '.join(by)}" if explicit else "source file and place in it"


def _joined(tables: Sequence[pd.DataFrame], by: Sequence[str]) -> pd.DataFrame:
    """Return which row of the one belongs to which of the other, in the order of the first table.

    Columns: ``_first`` and ``_second``, the places of the rows in their tables; ``_nth``, which of the rows with this
    key it is; ``_merge``, as pandas calls it.
    """
    import pandas as pd

    keys = [f"_key{number}" for number in range(len(by))]
    columns = [_comparable(tables[0][name], tables[1][name]) for name in by]
    sides = []
    for number, (table, side) in enumerate(zip(tables, ("_first", "_second"), strict=True)):
        # names of our own: a user's column may be called anything
        frame = pd.DataFrame(
            {key: both[number] for key, both in zip(keys, columns, strict=True)}, index=range(len(table))
        )
        nth = frame.groupby(keys, dropna=False, sort=False).cumcount().to_numpy() if by else range(len(table))
        sides.append(frame.assign(_nth=nth, **{side: range(len(table))}))
    both = pd.merge(sides[0], sides[1], on=[*keys, "_nth"], how="outer", indicator=True, sort=False)
    return both.sort_values(["_first", "_second"], na_position="last", ignore_index=True)


def _comparable(one: pd.Series[Any], other: pd.Series[Any]) -> tuple[Any, Any]:
    """Return two columns of a key so that equal values meet, whatever the columns' types: 1, 1.0 and, of text, "1"."""
    from pandas.api.types import infer_dtype, is_hashable, is_numeric_dtype

    sides = (one, other)
    if one.dtype == other.dtype and (one.dtype != object or all(infer_dtype(side) == "string" for side in sides)):
        return one.array, other.array
    values = [side.astype(object).where(side.notna(), None) for side in sides]
    if all(is_numeric_dtype(side.dtype) for side in sides):
        return values[0].array, values[1].array
    alike = one.dtype == other.dtype and all(is_hashable(value) for side in values for value in side)
    texts = [side if alike else side.map(lambda value: None if value is None else _text(value)) for side in values]
    return texts[0].array, texts[1].array


def _text(value: Any) -> str:  # noqa: ANN401 (whatever a script returned)
    return str(int(value)) if isinstance(value, float) and value.is_integer() else str(value)


def _pairs(
    tables: Sequence[pd.DataFrame],
    places: Sequence[pd.Series[int]],
    unequal: pd.Series[bool],
    columns: Iterable[Any],
    names: tuple[str, str],
    where: pd.DataFrame,
) -> pd.DataFrame:
    import pandas as pd

    found: dict[str, Any] = {str(name): where.loc[unequal, name].to_numpy() for name in where.columns}
    for column in columns:
        for table, at, name in zip(tables, places, names, strict=True):
            found[f"{column} ({name})"] = table[column].iloc[at[unequal]].array
    return pd.DataFrame(found)


def _equal(one: pd.Series[Any], other: pd.Series[Any], tolerance: float) -> pd.Series[bool]:
    import pandas as pd
    from pandas.api.types import infer_dtype, is_complex_dtype, is_integer_dtype, is_numeric_dtype

    kinds = (one.dtype, other.dtype)
    if all(is_integer_dtype(kind) for kind in kinds) and not tolerance and not (one.hasnans or other.hasnans):
        return one.eq(other).astype(bool)
    if all(is_numeric_dtype(kind) and not is_complex_dtype(kind) for kind in kinds):
        x, y = one.astype("float64"), other.astype("float64")
        same = x.eq(y) | (x.isna() & y.isna())
        if tolerance:
            largest = pd.concat([x.abs(), y.abs()], axis=1).max(axis=1).clip(lower=1.0)
            same |= ((x - y).abs() <= tolerance * largest) & (largest != math.inf)
        return same
    if all(infer_dtype(side, skipna=True) == "string" for side in (one, other)):
        return (one.eq(other) | (one.isna() & other.isna())).astype(bool)
    return pd.Series([_alike(a, b, tolerance) for a, b in zip(one, other, strict=True)], dtype=bool)


def _alike(one: Any, other: Any, tolerance: float) -> bool:  # noqa: ANN401 (whatever a script returned)
    """Whether two values of any kind are the same; what is missing equals what is missing."""
    if one is other:
        return True
    if isinstance(one, str) or isinstance(other, str):
        return isinstance(one, str) and isinstance(other, str) and one == other
    if hasattr(one, "tolist") and hasattr(other, "tolist"):
        return _alike(one.tolist(), other.tolist(), tolerance)
    if isinstance(one, list | tuple) and isinstance(other, list | tuple):
        return len(one) == len(other) and all(_alike(a, b, tolerance) for a, b in zip(one, other, strict=True))
    if isinstance(one, dict) and isinstance(other, dict):
        return one.keys() == other.keys() and all(_alike(one[key], other[key], tolerance) for key in one)
    return _same_value(one, other, tolerance)


def _same_value(one: Any, other: Any, tolerance: float) -> bool:  # noqa: ANN401 (whatever a script returned)
    missing = [value is None or value != value or str(value) == "<NA>" for value in (one, other)]
    if any(missing):
        return all(missing)
    if isinstance(one, int | float) and isinstance(other, int | float):
        largest = max(1.0, abs(one), abs(other))
        return bool(one == other or (abs(one - other) <= tolerance * largest and largest != math.inf))
    return bool(one == other)


def nothing() -> pd.DataFrame:
    """Return a table without rows."""
    import pandas as pd

    return pd.DataFrame()
