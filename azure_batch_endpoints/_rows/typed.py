"""Rows of DataFrames whose columns the service has told: names and types as they were returned.

The types are those of ``local/worker/columns``, which says what each word means.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import date
from decimal import Decimal
from typing import TYPE_CHECKING, Any, TypeAlias

from azure_batch_endpoints._rows import arrow, guesses
from azure_batch_endpoints._rows.columns import AT_ONCE, FLOATS, LOOKS, Column, column

__all__ = ["LOOKS", "Column", "column", "rows"]

if TYPE_CHECKING:
    import pandas as pd

_Series: TypeAlias = Any
"""A pandas Series; its stubs know no type by name."""
_VALUES: Mapping[str, Callable[[str], object]] = {
    "of:bool": lambda text: text == "True",
    "of:int": int,
    "of:float": float,
    "of:decimal": Decimal,
    "of:date": date.fromisoformat,
}


def rows(data: guesses.Text, columns: Sequence[Column]) -> pd.DataFrame:
    """Return rows as they were, under numbers for names; of the text's own look when it has other columns.

    A file is read by several threads where that gives the same values.

    Raises:
        ResultsError: the lines do not fit together.
    """
    import pandas as pd

    if not columns:
        text = data if isinstance(data, bytes) else data.read_bytes()
        return pd.DataFrame(index=pd.RangeIndex(text.count(b"\n")))
    frame: pd.DataFrame
    found = None if isinstance(data, bytes) else arrow.series(data, columns)
    if found is not None:
        frame = pd.concat([_typed(found.pop(0), one) for one in columns], axis=1)
        return frame
    at_once = {i: one.type for i, one in enumerate(columns) if AT_ONCE.fullmatch(one.type)}
    floats = {i: "float64" for i, one in enumerate(columns) if FLOATS.fullmatch(one.type)}
    others = {i: str for i, one in enumerate(columns) if i not in at_once and i not in floats and one.type != LOOKS}
    missing = {i: one.gaps for i, one in enumerate(columns)}
    try:
        frame = _read(data, {**at_once, **floats, **others}, missing)
    except (ValueError, TypeError, OverflowError):  # a ParserError, too
        frame = _read(data, {i: str for i in others if columns[i].is_text}, missing, last=True)
    if len(frame.columns) != len(columns):
        return guesses.separated(data, " ")
    # whole columns, since an assignment into the frame would keep the type that it has there
    take: Any = frame.pop
    frame = pd.concat([_typed(take(i), one) for i, one in enumerate(columns)], axis=1)
    return frame


def _read(
    data: guesses.Text, types: Mapping[int, Any], missing: Mapping[int, list[str]], *, last: bool = False
) -> pd.DataFrame:
    import pandas as pd

    exact: dict[str, Any] = {} if _version(pd.__version__) >= (3, 1) else {"float_precision": "round_trip"}
    options: dict[str, Any] = {**exact, "dtype": dict(types), "na_values": dict(missing)}
    try:
        frame: pd.DataFrame = pd.read_csv(
            guesses.opened(data),
            sep=" ",
            header=None,
            keep_default_na=False,
            lineterminator="\n",  # a text may hold a carriage return, or be one
            skip_blank_lines=False,
            encoding_errors="replace",
            engine="c",
            compression=None,
            **options,
        )
    except (pd.errors.ParserError, ValueError) as error:
        if last:
            raise guesses.unreadable(" ", error) from error
        raise
    return frame


def _version(text: str) -> tuple[int, ...]:
    return tuple(int(part) for part in text.split(".")[:2])


def _typed(values: _Series, one: Column) -> _Series:
    import pandas as pd

    try:
        found = _texts(values, one) if one.is_text else _converted(values, one.type)
        return found.astype("category") if one.categorical else found
    except (TypeError, ValueError, ArithmeticError, NotImplementedError, pd.errors.OutOfBoundsDatetime):
        return values


def _texts(values: _Series, one: Column) -> _Series:
    if str(values.dtype) == one.type and not one.missing and not one.flags & {*_VALUES, "none"}:
        return values
    values = values.astype(object)
    if one.missing:
        values.iloc[[row for row in one.missing if row < len(values)]] = None  # of a part of the rows, those in it
    there = values.notna()
    for flag, value in _VALUES.items():
        if flag in one.flags:
            values[there] = [value(text) for text in values[there]]
    if "none" in one.flags:
        values[~there] = None
    return values if one.type == "object" else _as_strings(values, one.type)


def _as_strings(values: _Series, kind: str) -> _Series:
    import pandas as pd

    if kind == "str" and pd.Series(["a"]).dtype == object:
        return values  # before pandas 3, where texts are objects
    return values.astype(kind)


def _converted(values: _Series, kind: str) -> _Series:
    import pandas as pd

    if kind in (LOOKS, str(values.dtype)):
        return values
    if kind.startswith("datetime64"):
        return _times(values, kind)
    if kind.startswith("timedelta64"):
        spans: _Series = pd.to_timedelta(values)
        return spans.astype(kind)
    if kind.startswith("period"):
        return pd.Series(pd.PeriodIndex(values, freq=kind[len("period[") : -1]), values.index)
    if kind.startswith("complex"):
        return values.astype(object).map(complex, na_action="ignore").astype(kind)
    return values.astype(kind)


def _times(values: _Series, kind: str) -> _Series:
    import pandas as pd

    found: _Series
    try:
        found = pd.to_datetime(values, format="ISO8601", utc="," in kind)
    except pd.errors.OutOfBoundsDatetime:  # pandas 2 counts nanoseconds first
        bare = kind.partition(",")[0].rstrip("]") + "]"
        found = pd.Series(values.fillna("NaT").to_numpy(dtype=bare), values.index)
    return found.astype(kind)
