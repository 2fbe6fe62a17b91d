"""The Parquet files that a script wrote: one table of them all, or their rows one after the other."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

from azure_batch_endpoints import _rows
from azure_batch_endpoints._rows import cutting
from azure_batch_endpoints._rows.joining import EXACT, NULLABLE, nullable
from azure_batch_endpoints.errors import ResultsError
from azure_batch_endpoints.results import reading

if TYPE_CHECKING:
    import pandas as pd
    import pyarrow as pa

    from azure_batch_endpoints.results.reading import Output

_BATCH = 10_000
"""Rows read at once where not all are wanted at once."""
_PANDAS = b"pandas"
"""Under which pandas keeps what it knew of a table."""
_ROW_NUMBERS = re.compile(r"__index_level_\d+__")
"""What it calls an index without a name, which a filtered table has."""


def table_of(output: Output, names: Sequence[str], *, columns: Sequence[str] | None, source_file: bool) -> pa.Table:
    """Return one table of several files, in the order of their names; columns are put together by name.

    Args:
        output: of the job.
        names: the files.
        columns: names to give, or None.
        source_file: whether to add a column that tells the file.

    Raises:
        ResultsError: a file is no Parquet, types of a column do not go together, names do not fit, or there is no row.
    """
    import pyarrow as pa

    tables = []
    for name in names:
        with _fetched(output, name) as path:
            file = _opened(path, name)
            tables.append(file.read(columns=_wanted(file)))
    try:
        whole = pa.concat_tables(tables, promote_options="permissive")
    except pa.ArrowException as error:
        raise ResultsError(
            f"The Parquet files of the output ('{names[0]}' … '{names[-1]}') do not make one table: "
            f"{str(error).strip().rstrip('.')}. Read them one by one after job.results.download()."
        ) from error
    if not whole.num_rows:
        listed = ", ".join(f"'{one}'" for one in names[:10])
        raise ResultsError(f"The Parquet files of the output hold no rows: {listed}. See job.logs().")
    whole = _named(whole, columns)
    return _with_names(whole, names, [table.num_rows for table in tables]) if source_file else whole


def frame_of(table: pa.Table) -> pd.DataFrame:
    """Return a table as a DataFrame with the same columns; an index that pandas had written is one of them."""
    import pyarrow as pa

    told = dict(table.schema.metadata or {})
    with suppress(KeyError, ValueError, TypeError):
        known = json.loads(told[_PANDAS])
        ranges = [one for one in known["index_columns"] if isinstance(one, dict) and one.get("name")]  # in no column
        told[_PANDAS] = json.dumps({**known, "index_columns": ranges}).encode()
    frame: pd.DataFrame
    try:
        frame = table.replace_schema_metadata(told or None).to_pandas()
    except (pa.ArrowException, ValueError, TypeError, KeyError):  # what pandas wrote is of one file, or of other names
        frame = table.replace_schema_metadata(None).to_pandas()
    for place, column in enumerate(table.columns):
        if str(column.type) in NULLABLE and str(frame.dtypes.iloc[place]) == "float64":
            frame.isetitem(place, _whole_numbers(column))
    return frame.reset_index(drop=frame.index.name is None)


def _whole_numbers(column: Any) -> Any:  # noqa: ANN401 (pyarrow has no types, and the stubs of pandas no such series)
    """Return whole numbers and missing values as floats, unless that would change a number."""
    import pyarrow.compute as pc

    ends = pc.call_function("min_max", [column]).as_py()
    if max(ends["max"] or 0, -(ends["min"] or 0)) <= EXACT:
        return column.to_pandas()
    return column.to_pandas(types_mapper=nullable)


def rows_of(
    output: Output, names: Sequence[str], *, columns: Sequence[str] | None, source_file: bool
) -> Iterator[dict[Any, Any]]:
    """Yield the rows of several files, some thousand at once in memory.

    Raises:
        ResultsError: a file is no Parquet, names do not fit, or two columns have one.
    """
    for name in names:
        with _fetched(output, name) as path:
            file = _opened(path, name)
            for batch in file.iter_batches(_BATCH, columns=_wanted(file)):
                if columns is not None:
                    batch = batch.rename_columns(_fitting(columns, batch.schema.names))
                cutting.check_unique(batch.schema.names)
                for row in batch.to_pylist():
                    yield cutting.with_file(row, name) if source_file else row


def _wanted(file: Any) -> list[str] | None:  # noqa: ANN401 (pyarrow has no types)
    """Return the columns of a file without the row numbers that pandas wrote; None: all."""
    names = file.schema_arrow.names
    kept = [one for one in names if not _ROW_NUMBERS.fullmatch(one)]
    return kept if len(kept) < len(names) else None


def _named(table: pa.Table, columns: Sequence[str] | None) -> pa.Table:
    return table if columns is None else table.rename_columns(_fitting(columns, table.column_names))


def _fitting(columns: Sequence[str], there: Sequence[str]) -> list[str]:
    """Return names for columns.

    Raises:
        ResultsError: there are not as many as columns.
    """
    names = [columns] if isinstance(columns, str) else list(columns)
    if len(names) != len(there):
        raise ResultsError(
            f"The rows have {len(there)} columns, but {len(names)} names were given ({', '.join(names)}). "
            "Give one name a column."
        )
    return names


@contextmanager
def _fetched(output: Output, name: str) -> Iterator[Path]:
    with TemporaryDirectory(prefix="abe-rows-") as temporary:
        path = Path(temporary, "rows")
        reading.bring(output, name, path)
        yield path


def _opened(path: Path, name: str) -> Any:  # noqa: ANN401 (pyarrow has no types)
    import pyarrow as pa
    from pyarrow import parquet

    try:
        return parquet.ParquetFile(path)
    except pa.ArrowException as error:
        said = str(error).strip().rstrip(".")
        raise ResultsError(f"'{name}' of the output is no Parquet file: {said}. Look at it: download() it.") from error


def _with_names(table: pa.Table, names: Sequence[str], counts: Sequence[int]) -> pa.Table:
    import pyarrow as pa

    if _rows.SOURCE in table.column_names:
        raise ResultsError(f"{_rows.HAS_SOURCE} Read them without source_file=True, or name theirs: columns=.")
    places = [place for place, count in enumerate(counts) for _ in range(count)]
    return table.append_column(_rows.SOURCE, pa.array(names, pa.string()).take(pa.array(places, pa.int32())))
