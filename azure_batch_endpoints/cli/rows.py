"""Rows of a job on stdout as they come: CSV with a header, or one JSON object a line."""

from __future__ import annotations

import csv
import json
import math
import sys
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Literal

import click

from azure_batch_endpoints.errors import ResultsError

Form = Literal["csv", "jsonl"]


def write(rows: Iterable[Mapping[Any, Any]], form: Form) -> int:
    """Write rows; each is there for whoever reads stdout as soon as it came.

    Returns:
        how many.

    Raises:
        ResultsError: a later row has other columns than the first, which CSV cannot show.
    """
    line = _csv_line() if form == "csv" else _json_line
    count = 0
    for row in rows:
        line({str(name): value for name, value in row.items()})
        sys.stdout.flush()
        count += 1
    return count


def _csv_line() -> Callable[[Mapping[str, Any]], None]:
    sheet = csv.writer(sys.stdout, lineterminator="\n")
    heads: list[str] = []

    def write_line(row: Mapping[str, Any]) -> None:
        if not heads:
            heads.extend(row)
            sheet.writerow(heads)
        if list(row) != heads and set(row) - set(heads):
            raise ResultsError(
                f"A row has the columns {', '.join(row)} where the first one has {', '.join(heads)}. "
                "Write them as JSON lines: --format jsonl."
            )
        sheet.writerow([_cell(row.get(name)) for name in heads])

    return write_line


def _json_line(row: Mapping[str, Any]) -> None:
    click.echo(json.dumps({name: _value(value) for name, value in row.items()}, ensure_ascii=False, default=str))


def _value(value: Any) -> Any:  # noqa: ANN401 (of any type)
    """Return a value as JSON has it: what is missing, or no finite number, is null."""
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return None if type(value).__name__ in ("NAType", "NaTType") else value


def _cell(value: Any) -> Any:  # noqa: ANN401 (of any type)
    missing = value is None or (isinstance(value, float) and math.isnan(value))
    return "" if missing or type(value).__name__ in ("NAType", "NaTType") else value
