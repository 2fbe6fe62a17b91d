"""Rows of DataFrames whose columns the service has told: names and types as they were returned.

The types are those of ``local/worker/columns``, which says what each word means.
"""

from __future__ import annotations

import io
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeAlias

from azure_batch_endpoints._rows import guesses

if TYPE_CHECKING:
    import pandas as pd

_Series: TypeAlias = Any
"""A pandas Series; its stubs know no type by name."""
LOOKS = ""
"""The type of a column that takes what its texts look like."""
_TEXTS = ("object", "str", "string", "string[pyarrow]", "large_string[pyarrow]")
_AT_ONCE = re.compile(r"u?int\d+|U?Int\d+|bool|boolean")
"""What the parser itself reads exactly."""
_FLOATS = re.compile(r"[fF]loat\d+")
_MISSING = ("", "nan", "NaN", "<NA>")
_VALUES: Mapping[str, Callable[[str], object]] = {
    "of:bool": lambda text: text == "True",
    "of:int": int,
    "of:float": float,
}


@dataclass(frozen=True)
class Column:
    """What is known of a column.

    Attributes:
        name: its name.
        type: pandas' word for its type; of a categorical one, that of its categories.
        flags: what ``local/worker/columns`` says beside it.
        categorical: whether it was categorical.
        missing: rows with a missing value, where the text does not tell; from the first row.
    """

    name: str | int
    type: str
    flags: frozenset[str] = frozenset()
    categorical: bool = False
    missing: tuple[int, ...] = ()

    @property
    def is_text(self) -> bool:
        """Whether its values are read as they stand."""
        return self.type in _TEXTS


def column(name: Any, said: str) -> Column:  # noqa: ANN401 (JSON)
    """Read what the service says of a column."""
    categorical = said.startswith("category ")
    said = said.removeprefix("category ")
    kind, *flags = said.split(" ") if said.startswith(_TEXTS) else [said]
    missing = next((flag.partition("@")[2] for flag in flags if "@" in flag), "")
    found = frozenset(flag.partition("@")[0] for flag in flags)
    return Column(name, kind, found, categorical, tuple(map(int, filter(None, missing.split(",")))))


def rows(data: bytes, columns: Sequence[Column]) -> pd.DataFrame:
    """Return rows as they were, under numbers for names; of the text's own look when it has other columns.

    Raises:
        ResultsError: the lines do not fit together.
    """
    import pandas as pd

    if not columns:
        return pd.DataFrame(index=pd.RangeIndex(data.count(b"\n")))
    frame: pd.DataFrame
    at_once = {i: one.type for i, one in enumerate(columns) if _AT_ONCE.fullmatch(one.type)}
    floats = {i: "float64" for i, one in enumerate(columns) if _FLOATS.fullmatch(one.type)}
    others = {i: str for i, one in enumerate(columns) if i not in at_once and i not in floats and one.type != LOOKS}
    missing = {i: _missing(one) for i, one in enumerate(columns)}
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
    data: bytes, types: Mapping[int, Any], missing: Mapping[int, list[str]], *, last: bool = False
) -> pd.DataFrame:
    import pandas as pd

    exact: dict[str, Any] = {} if _version(pd.__version__) >= (3, 1) else {"float_precision": "round_trip"}
    options: dict[str, Any] = {**exact, "dtype": dict(types), "na_values": dict(missing)}
    try:
        frame: pd.DataFrame = pd.read_csv(
            io.BytesIO(data),
            sep=" ",
            header=None,
            keep_default_na=False,
            lineterminator="\n",  # a text may hold a carriage return, or be one
            skip_blank_lines=False,
            encoding_errors="replace",
            engine="c",
            **options,
        )
    except (pd.errors.ParserError, ValueError) as error:
        if last:
            raise guesses.unreadable(" ", error) from error
        raise
    return frame


def _version(text: str) -> tuple[int, ...]:
    return tuple(int(part) for part in text.split(".")[:2])


def _missing(one: Column) -> list[str]:
    """Which texts of a column are no value: in a text column "NA" is one, and "" too unless it is said to be a gap."""
    if not one.is_text:
        return list(_MISSING)
    return [""] if one.flags & {"gaps", "missing"} and not one.missing else []


def _typed(values: _Series, one: Column) -> _Series:
    import pandas as pd

    try:
        found = _texts(values, one) if one.is_text else _converted(values, one.type)
        return found.astype("category") if one.categorical else found
    except (TypeError, ValueError, NotImplementedError, OverflowError, pd.errors.OutOfBoundsDatetime):
        return values


def _texts(values: _Series, one: Column) -> _Series:
    if str(values.dtype) == one.type and not one.missing and not one.flags & {*_VALUES, "none"}:
        return values
    values = values.astype(object)
    if one.missing:
        values.iloc[list(one.missing)] = None
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
