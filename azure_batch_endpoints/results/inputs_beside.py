"""The inputs of a job beside its rows: which file a row came from, fetched where it is a table."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from azure_batch_endpoints import _cloud, _rows
from azure_batch_endpoints._rows.joining import is_tabular
from azure_batch_endpoints._wire.uris import shown
from azure_batch_endpoints.errors import ResultsError
from azure_batch_endpoints.results.reading import Output, Table

if TYPE_CHECKING:
    import pandas as pd

_AT_ONCE = 4


def beside(output: Output, found: Table, *, source_file: bool, inputs: bool) -> pd.DataFrame:
    """Return rows with what was asked for beside them."""
    frame = _with_inputs(output, found) if inputs else found.frame
    if not source_file or found.sources is None:
        return frame
    is_there = _rows.SOURCE in frame.columns and _rows.SOURCE not in found.frame.columns
    return frame if is_there else _rows.with_column(frame, found.sources)


def _with_inputs(output: Output, found: Table) -> pd.DataFrame:
    """Return rows with the columns of their input files in front; of files that are no tables name and URI.

    Raises:
        ResultsError: it is not known which file a row came from, where the input lies, or a table has not as many rows
            as came of it.
    """
    sources = found.sources
    unknown = len(found.frame) if sources is None else int(sources.isna().sum())
    if sources is None or unknown:
        raise ResultsError(
            f"Of {unknown:,} of the {len(found.frame):,} rows of job '{output.job.name}' it is not known which input "
            "file they came from. Set mini_batch_size=1, or return a row for each file, or the file's name in each row."
        )
    place = _cloud.input_of(output.workspace, output.job)
    if place is None:
        raise ResultsError(
            f"Where the input of job '{output.job.name}' lies cannot be found out. Read the rows with source_file=True "
            "in place of inputs=True."
        )
    names = list(dict.fromkeys(str(name) for name in sources))
    with TemporaryDirectory(prefix="abe-inputs-") as temporary, ThreadPoolExecutor(_AT_ONCE) as pool:

        def table(numbered: tuple[int, str]) -> pd.DataFrame:
            number, name = numbered
            path = Path(temporary, str(number))
            place.container.download(place.blob(name), path)
            return _rows.table_of_file(path, name)

        wanted = [name for name in names if is_tabular(name)]
        tables = dict(zip(wanted, pool.map(table, enumerate(wanted)), strict=True))
    frame = found.frame
    others = {name: _address(place, name) for name in names if name not in tables}
    if others:
        frame = _rows.with_addresses(frame, sources, others)
    return _rows.with_inputs(frame, sources, tables)


def _address(place: _cloud.JobInputPlace, name: str) -> str:
    """Return where an input file is, without a signature."""
    base = shown(place.uri)
    return base if place.is_file else f"{base.rstrip('/')}/{name}"
