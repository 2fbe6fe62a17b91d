"""Rows of results with what they came of: columns of the input beside those of the result."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any

from azure_batch_endpoints.errors import ResultsError

if TYPE_CHECKING:
    import pandas as pd

SOURCE = "source file"
"""Name of the column that tells which input file a row came from."""
HAS_SOURCE = f"The rows have a column '{SOURCE}' already."
URI = "source uri"
"""Name of the column with the address of an input file."""
NULLABLE = {"int64": "Int64", "uint64": "UInt64"}
"""Types of whole numbers, and those that also know missing values."""
EXACT = 2**53
"""Up to here a float is every whole number."""
CLASH = " (input)"
"""Put behind the name of an input's column that the result has, too."""
TABULAR = (".csv", ".parquet", ".pqt")
"""Input files that are read as tables."""


def is_tabular(name: str) -> bool:
    """Whether an input file is a table, by its name."""
    return PurePosixPath(name).suffix.lower() in TABULAR


def table_of_file(path: Path, name: str) -> pd.DataFrame:
    """Return an input file as a table: CSV with a header, or Parquet.

    Raises:
        ResultsError: it cannot be read so.
    """
    import pandas as pd

    try:
        found: pd.DataFrame
        found = pd.read_csv(path, compression=None) if name.lower().endswith(".csv") else pd.read_parquet(path)
    except (ValueError, OSError, pd.errors.ParserError) as error:
        raise ResultsError(
            f"Input file '{name}' cannot be read as a table: {str(error).strip().rstrip('.')}. "
            "Read the rows with source_file=True in place of inputs=True."
        ) from error
    return found.reset_index(drop=all(one is None for one in found.index.names))


def with_addresses(frame: pd.DataFrame, sources: pd.Series, addresses: Mapping[str, str]) -> pd.DataFrame:
    """Put name and address of input files before the rows that came of them.

    Args:
        frame: the results.
        sources: the input file of each row.
        addresses: of the files that are told; the others' rows have none.
    """
    import pandas as pd

    told = sources.where(sources.isin(list(addresses)))
    front = pd.DataFrame({SOURCE: told, URI: told.map(addresses)}, index=frame.index)
    front = front.drop(columns=[SOURCE]) if SOURCE in frame.columns else front
    return _beside(front, frame)


def with_inputs(frame: pd.DataFrame, sources: pd.Series, tables: Mapping[str, pd.DataFrame]) -> pd.DataFrame:
    """Put the columns of input tables before those of the results.

    Args:
        frame: the results.
        sources: the input file of each row.
        tables: the input files that are tables. Row i of a table is of the i-th row that came of its file.

    Raises:
        ResultsError: a table has not as many rows as came of it.
    """
    import pandas as pd

    places: dict[str, Any] = {str(name): rows for name, rows in sources.groupby(sources).groups.items()}
    pieces = []
    for name, table in tables.items():
        rows = places.get(name, ())
        if len(rows) != len(table):
            raise ResultsError(
                f"Input file '{name}' has {len(table):,} rows, and {len(rows):,} rows of the result came of it, so "
                "they do not match one to one. Read the rows with source_file=True in place of inputs=True."
            )
        pieces.append(table.set_axis(rows, axis=0))
    if not pieces:
        return frame
    return _beside(by_name(pieces, frame.index, pd.concat), frame)


def by_name(frames: Sequence[pd.DataFrame], rows: pd.Index, join: Callable[[list[Any]], Any]) -> pd.DataFrame:
    """Put columns of one name together; what a table has not is missing in its rows.

    Args:
        frames: tables, each row under its number.
        rows: the numbers of all rows.
        join: makes one column of several.
    """
    import pandas as pd

    columns: dict[tuple[Any, int], list[Any]] = {}
    for frame in frames:
        seen: Counter[Any] = Counter()
        for place, name in enumerate(frame.columns):
            columns.setdefault((name, seen[name]), []).append(frame.iloc[:, place])
            seen[name] += 1
    whole = [spread(join(found), rows) for found in columns.values()]
    table = pd.concat(whole, axis=1) if whole else pd.DataFrame(index=rows)
    table.columns = pd.Index([name for name, _ in columns], tupleize_cols=False)
    return table


def nullable(kind: object) -> Any:  # noqa: ANN401 (pandas' extension types)
    """Return the type of whole numbers that knows missing values."""
    import pandas as pd

    return pd.api.types.pandas_dtype(NULLABLE[str(kind)])


def spread(values: Any, rows: pd.Index) -> Any:  # noqa: ANN401 (pandas Series; its stubs know no type by name)
    """Return values under other row numbers, missing where there is none.

    Whole numbers become floats then, as pandas makes of them; where that would change one they stay whole numbers.
    """
    if str(values.dtype) in NULLABLE and len(values) and not rows.isin(values.index).all():
        largest = max(int(values.max()), -int(values.min()))
        values = values.astype(nullable(values.dtype)) if largest > EXACT else values
    return values.reindex(rows)


def _beside(front: pd.DataFrame, frame: pd.DataFrame) -> pd.DataFrame:
    import pandas as pd

    names = [f"{name}{CLASH}" if name in frame.columns else name for name in front.columns]
    columns = [*(front.iloc[:, place] for place in range(len(names)))]
    columns += [frame.iloc[:, place] for place in range(len(frame.columns))]
    whole: pd.DataFrame = pd.concat(columns, axis=1)
    whole.columns = pd.Index([*names, *frame.columns], tupleize_cols=False)
    return whole
