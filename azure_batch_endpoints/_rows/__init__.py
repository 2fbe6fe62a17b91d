"""The text of an ``append_row`` file to a table. The one home of pandas for results; sends nothing.

What the service writes: DataFrame rows with a space between values, without header or index; list elements one
``str()`` a line (so lists and dicts as Python literals); rows of MLflow deployments without a script with a comma.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from azure_batch_endpoints._rows import guesses, runs, streamed
from azure_batch_endpoints._rows.joining import HAS_SOURCE, SOURCE, table_of_file, with_addresses, with_inputs
from azure_batch_endpoints._rows.runs import Run, distinct
from azure_batch_endpoints.errors import ResultsError

if TYPE_CHECKING:
    import pandas as pd

__all__ = [
    "HAS_SOURCE",
    "SOURCE",
    "Run",
    "differ",
    "distinct",
    "form_of_all",
    "sources_of",
    "table_of_file",
    "to_frame",
    "with_addresses",
    "with_column",
    "with_inputs",
    "with_sources",
]


def differ(formats: Sequence[Mapping[str, Any]]) -> bool:
    """Whether it must be known which rows are of which form to read them right."""
    return len(formats) > 1 or "@" in str([one.get("columns") for one in formats])


def form_of_all(formats: Sequence[Mapping[str, Any]]) -> Mapping[str, Any] | None:
    """Return the form of all rows of a file where it is not known which are of which form; None where none is sure."""
    if not formats:
        return None
    return runs.agreed(formats) if differ(formats) else formats[0]


def to_frame(
    data: guesses.Text,
    formats: Sequence[Mapping[str, Any]],
    *,
    columns: Sequence[str] | None,
    sep: str | None,
    parts: Sequence[Run] = (),
) -> pd.DataFrame:
    """Return the rows of a merged file.

    Args:
        data: what the file holds, or where it is on this machine: for a large one, which is read in pieces.
        formats: kinds of rows it holds, with names and types, where known.
        columns: names to give, or None.
        sep: separator, or None.
        parts: which of the rows are of which format, where known.

    Raises:
        ResultsError: the names or the separator do not fit, or mini-batches returned other columns and which rows are
            whose is not known.
    """
    return runs.named(_read(data, formats, sep, parts), columns)


def with_sources(frame: pd.DataFrame, data: guesses.Text, parts: Sequence[Run]) -> pd.DataFrame:
    """Add the column that tells which input file each row came from.

    Raises:
        ResultsError: there is a column of that name, or the rows are not those that the service tells of.
    """
    return with_column(frame, sources_of(frame, data, parts))


def sources_of(frame: pd.DataFrame, data: guesses.Text, parts: Sequence[Run]) -> pd.Series:
    """Return the input file that each row came from; missing where that is not known.

    Raises:
        ResultsError: the rows are not those that the service tells of.
    """
    with _bytes(data) as text:
        return runs.source_files(text, parts, len(frame))


def with_column(frame: pd.DataFrame, sources: pd.Series) -> pd.DataFrame:
    """Add a column of source files.

    Raises:
        ResultsError: there is a column of that name.
    """
    if SOURCE in frame.columns:
        raise ResultsError(f"{HAS_SOURCE} Read them without source_file=True, or name theirs: columns=.")
    frame[SOURCE] = sources
    return frame


@contextmanager
def _bytes(data: guesses.Text) -> Iterator[Any]:
    if isinstance(data, bytes):
        yield data
        return
    with streamed.mapped(data) as text:
        yield text


def _read(
    data: guesses.Text, formats: Sequence[Mapping[str, Any]], sep: str | None, parts: Sequence[Run]
) -> pd.DataFrame:
    if sep is not None:
        return guesses.separated(data, sep)
    if not formats:
        return runs.one_form(data, {})
    if not differ(formats):
        return runs.one_form(data, formats[0])
    if parts:
        with _bytes(data) as text:
            return runs.several_forms(text, parts)
    form = form_of_all(formats)
    if form is None:
        raise ResultsError(
            "The mini-batches returned different columns, and it is not known any more which rows are of which. "
            "Read them as they stand, columns numbered: sep=' '; or download() the file."
        )
    return runs.one_form(data, form)
