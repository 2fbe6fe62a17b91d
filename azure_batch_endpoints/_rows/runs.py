"""Mini-batches that differ: rows of several forms in one file, put together by the names of their columns."""

from __future__ import annotations

import json
import mmap
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import accumulate
from typing import TYPE_CHECKING, Any, TypeAlias

from azure_batch_endpoints._rows import guesses, joining, streamed, typed
from azure_batch_endpoints.errors import ResultsError

if TYPE_CHECKING:
    import pandas as pd

Format: TypeAlias = "Mapping[str, Any]"
_Bytes: TypeAlias = "bytes | mmap.mmap"
_POSITIONS = re.compile(r"@[\d,]+")


@dataclass(frozen=True)
class Run:
    """Rows of one form that follow each other in a file.

    Attributes:
        rows: how many.
        size: bytes of their text.
        format: kind and columns, or None.
        files: input files they came from, where they were asked for.
        sources: the place in ``files`` of each row's file, -1 where it is not known; a single one: of every row; empty:
            row i is of file i; None: not known.
    """

    rows: int
    size: int
    format: Format | None
    files: Sequence[str] = ()
    sources: Sequence[int] | None = None

    @classmethod
    def from_wire(cls, body: Mapping[str, Any]) -> Run:
        """Read an entry of the rows route."""
        return cls(
            int(body.get("rows") or 0),
            int(body.get("bytes") or 0),
            body.get("format"),
            body.get("files") or (),
            body.get("sources"),
        )

    @property
    def kind(self) -> str | None:
        """``list``, ``dataframe`` or ``csv``; None when nobody knows."""
        return self.format.get("kind") if self.format else None


def one_form(data: guesses.Text, form: Format) -> pd.DataFrame:
    """Return rows that are all of one form, under their own names."""
    import pandas as pd

    columns = form.get("columns") or []
    if form.get("kind") == "list" and columns:
        kind = columns[0][1]
        return guesses.elements(data, kind) if isinstance(data, bytes) else streamed.elements(data, kind)
    if form.get("kind") != "dataframe":
        kind = form.get("kind")
        return guesses.guessed(data, kind) if isinstance(data, bytes) else streamed.guessed(data, kind)
    frame = typed.rows(data, [typed.column(*one) for one in columns])
    if len(frame.columns) == len(columns):
        frame.columns = pd.Index([name for name, _ in columns], tupleize_cols=False)
    return frame


@dataclass(frozen=True)
class _Placed:
    """A run in its file: where its text begins, which of the file's rows is its first, and how many it really has."""

    run: Run
    start: int
    first: int
    count: int


def _placed(data: _Bytes, runs: Sequence[Run]) -> list[_Placed]:
    found: list[_Placed] = []
    start = first = 0
    for run in runs:
        # Rows of a table are as told, since a text may hold line breaks; of a list each line is a row.
        count = run.rows if run.kind == "dataframe" else data[start : start + run.size].count(b"\n")
        found.append(_Placed(run, start, first, count))
        start, first = start + run.size, first + count
    return found


def several_forms(data: _Bytes, runs: Sequence[Run]) -> pd.DataFrame:
    """Return rows of several forms in their order, their columns put together by name, as ``pandas.concat`` does.

    Raises:
        ResultsError: the file is not the one that the service tells of.
    """
    import pandas as pd

    told = sum(run.size for run in runs)
    if told != len(data):
        raise ResultsError(
            f"The file has {len(data):,} bytes, and its rows should have {told:,}: it was changed since. Read it as it "
            "is: sep=' ' and columns=, or download() it."
        )
    groups: dict[str, list[_Placed]] = {}
    rows = 0
    for one in _placed(data, runs):
        groups.setdefault(json.dumps(_without_positions(one.run.format)), []).append(one)
        rows += one.count
    found = [_group(data, members) for members in groups.values()]
    return joining.by_name(found, pd.RangeIndex(rows), _column)


def source_files(data: _Bytes, runs: Sequence[Run], rows: int) -> pd.Series:
    """Return the input file of each of the rows that were read.

    Raises:
        ResultsError: the rows are not those that the service tells of.
    """
    import pandas as pd

    counts = [one.count for one in _placed(data, runs)]
    if sum(counts) != rows:
        counts = [run.rows for run in runs]
    if sum(counts) != rows:
        raise ResultsError(
            f"{rows:,} rows were read, and the service tells of {sum(counts):,}: their source files are not known. "
            "Leave out sep=, or read them without source_file=True."
        )
    found: list[str | None] = []
    for run, count in zip(runs, counts, strict=True):
        found += of_run(run, count)
    return pd.Series(found, dtype=None if any(found) else "object")


def of_run(run: Run, count: int) -> Sequence[str | None]:
    """Return the input file of each of a run's ``count`` rows."""
    sources = run.sources
    if sources is not None and not sources and len(run.files) == count:
        return run.files
    if sources is not None and len(sources) == 1:
        sources = [sources[0]] * count
    if sources and len(sources) == count:
        return [run.files[place] if 0 <= place < len(run.files) else None for place in sources]
    return [None] * count


def _without_positions(form: Format | None) -> object:
    columns = [(name, _POSITIONS.sub("@", said)) for name, said in (form or {}).get("columns") or []]
    return (form or {}).get("kind"), columns


def _group(data: _Bytes, members: Sequence[_Placed]) -> pd.DataFrame:
    """Return all rows of one form, each under its number in the file."""
    import pandas as pd

    text = b"".join([data[one.start : one.start + one.run.size] for one in members])
    frame = one_form(text, _common(members))
    first, *others = [pd.RangeIndex(one.first, one.first + one.count) for one in members]
    numbers = first.append(others) if others else first
    if len(frame) != len(numbers):
        raise ResultsError(
            f"{len(frame):,} rows were read where the service tells of {len(numbers):,}. Read the file as it is: "
            "sep=' ' and columns=, or download() it."
        )
    frame.index = numbers
    return frame


def _common(members: Sequence[_Placed]) -> Format:
    """Return the form of a group, in which rows that are known to be missing count from the group's first."""
    form = dict(members[0].run.format or {})
    columns = [list(one) for one in form.get("columns") or []]
    before = list(accumulate((one.count for one in members), initial=0))
    for place, (_, said) in enumerate(columns):
        if "@" in said:
            told = [(one.run.format or {})["columns"][place] for one in members]
            missing = [
                str(start + row)
                for start, one in zip(before[:-1], told, strict=True)
                for row in typed.column(*one).missing
            ]
            columns[place][1] = _POSITIONS.sub(f"@{','.join(missing)}", said)
    return {**form, "columns": columns}


def _column(pieces: Sequence[Any]) -> Any:  # noqa: ANN401 (pandas Series; its stubs know no type by name)
    import pandas as pd

    # a piece without a single value is of no type: the others decide
    some = [piece for piece in pieces if piece.dtype != object or piece.notna().any()] or list(pieces)[:1]
    if len(some) == 1:
        return some[0]
    if all(isinstance(piece.dtype, pd.CategoricalDtype) for piece in some):
        inner = [piece.astype(piece.cat.categories.dtype) for piece in some]
        return pd.concat(inner).astype("category")
    return pd.concat(some)


def named(frame: pd.DataFrame, columns: Sequence[str] | None) -> pd.DataFrame:
    """Return a table with other names for its columns.

    Raises:
        ResultsError: there are not as many names as columns.
    """
    if columns is None:
        return frame
    columns = [columns] if isinstance(columns, str) else columns
    if len(columns) != len(frame.columns):
        raise ResultsError(
            f"The rows have {len(frame.columns)} columns, but {len(columns)} names were given ({', '.join(columns)}). "
            "Give one name a column, or sep= if the separator was guessed wrong."
        )
    return frame.set_axis(list(columns), axis=1)


def distinct(runs: Sequence[Run]) -> list[Format]:
    """Return the forms that occur, the first seen first."""
    found = {json.dumps(run.format): run.format for run in runs if run.format is not None}
    return list(found.values())


def agreed(formats: Sequence[Format]) -> Format | None:
    """Return one form for all rows where it is not known which are of which, if that cannot mix up anything.

    That is when kind and names are the same throughout; types that differ are left to the look of the text.
    """
    if all(one.get("kind") == "list" for one in formats):
        return {"kind": "list", "columns": []}
    if len({json.dumps([one.get("kind"), [name for name, _ in one.get("columns") or []]]) for one in formats}) != 1:
        return None
    names = [name for name, _ in formats[0].get("columns") or []]
    told = zip(*([typed.column(*column) for column in one.get("columns") or []] for one in formats), strict=True)
    return {**formats[0], "columns": [[name, _common_type(one)] for name, one in zip(names, told, strict=True)]}


def _common_type(told: Sequence[typed.Column]) -> str:
    if any(one.is_text for one in told):
        return "object"
    return told[0].type if len({one.type for one in told}) == 1 else typed.LOOKS
