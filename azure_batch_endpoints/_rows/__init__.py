"""The text of an ``append_row`` file to a table. The one home of pandas for results; sends nothing.

What the service writes: DataFrame rows with a space between values, without header or index; list elements one
``str()`` a line (so lists and dicts as Python literals); rows of MLflow deployments without a script with a comma.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from azure_batch_endpoints._rows import guesses, runs
from azure_batch_endpoints._rows.runs import Run, distinct
from azure_batch_endpoints.errors import ResultsError

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["SOURCE", "Run", "differ", "distinct", "to_frame", "with_sources"]

SOURCE = "source file"
"""Name of the column that tells which input file a row came from."""


def differ(formats: Sequence[Mapping[str, Any]]) -> bool:
    """Whether it must be known which rows are of which form to read them right."""
    return len(formats) > 1 or "@" in str([one.get("columns") for one in formats])


def to_frame(
    data: bytes,
    formats: Sequence[Mapping[str, Any]],
    *,
    columns: Sequence[str] | None,
    sep: str | None,
    parts: Sequence[Run] = (),
) -> pd.DataFrame:
    """Return the rows of a merged file.

    Args:
        data: the file.
        formats: kinds of rows it holds, with names and types, where known.
        columns: names to give, or None.
        sep: separator, or None.
        parts: which of the rows are of which format, where known.

    Raises:
        ResultsError: the names or the separator do not fit, or mini-batches returned other columns and which rows are
            whose is not known.
    """
    return _named(_read(data, formats, sep, parts), columns)


def with_sources(frame: pd.DataFrame, data: bytes, parts: Sequence[Run]) -> pd.DataFrame:
    """Add the column that tells which input file each row came from.

    Raises:
        ResultsError: there is a column of that name, or the rows are not those that the service tells of.
    """
    if SOURCE in frame.columns:
        raise ResultsError(
            f"The rows have a column '{SOURCE}' already. Read them without source_file=True, or name theirs: columns=."
        )
    frame[SOURCE] = runs.source_files(data, parts, len(frame))
    return frame


def _read(data: bytes, formats: Sequence[Mapping[str, Any]], sep: str | None, parts: Sequence[Run]) -> pd.DataFrame:
    if sep is not None:
        return guesses.separated(data, sep)
    if not formats:
        return guesses.guessed(data, None)
    if not differ(formats):
        return runs.one_form(data, formats[0])
    if parts:
        return runs.several_forms(data, parts)
    form = runs.agreed(formats)
    if form is None:
        raise ResultsError(
            "The mini-batches returned different columns, and it is not known any more which rows are of which. "
            "Read them as they stand, columns numbered: sep=' '; or download() the file."
        )
    return runs.one_form(data, form)


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
