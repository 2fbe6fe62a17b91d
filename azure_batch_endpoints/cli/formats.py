"""Plain values as JSON, YAML, tab-separated lines or a table, by the rules of Azure's command line. Prints nothing.

Source of the rules: knack 0.12, ``output.py`` (what ``az`` prints with).
"""

from __future__ import annotations

import json
from collections import OrderedDict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import chain, islice

from azure_batch_endpoints import _documents

_PAGE = 200
"""Rows that are measured before the first is printed: a list of a million is never held in memory."""
_NOT_IN_TABLES = frozenset({"id", "type", "etag"})


def as_json(value: object) -> str:
    """Return indented JSON with the letters of every language as they are."""
    return json.dumps(value, indent=2, ensure_ascii=False)


def as_yaml(value: object) -> str:
    """Return YAML, block style."""
    return _documents.text_of(json.loads(json.dumps(value))).removesuffix("...\n").rstrip("\n")


def as_tsv(value: object) -> Iterator[str]:
    """Return a line an element of a list, or one line: cells between tabs, no header.

    A mapping gives its values, sorted by key unless a query chose their order; a list inside a cell gives its length,
    a mapping nothing.
    """
    return (_tsv_line(one) for one in (value if isinstance(value, list) else [value]))


def as_table(value: object) -> Iterator[str]:
    """Return a table of what a query found: only plain values, headed by their keys with a capital first."""
    rows = [_table_row(one) for one in (value if isinstance(value, list) else [value])]
    columns = list(OrderedDict.fromkeys(name for row in rows for name in row))
    if not columns:
        return iter(())
    lines = [[str(row.get(name, "")) for name in columns] for row in rows]
    widths = [max(len(line[place]) for line in [columns, *lines]) for place in range(len(columns))]
    return lined_up([["-" * width for width in widths], *lines], columns)


def lined_up(lines: Iterable[Sequence[str]], header: Sequence[str]) -> Iterator[str]:
    """Return lines of cells padded to the width of the first page's widest."""
    coming = iter(lines)
    first = [list(header), *islice(coming, _PAGE)]
    widths = [max(len(line[place]) for line in first) for place in range(len(header))]
    for line in chain(first, coming):
        yield "  ".join(f"{cell:<{width}}" for cell, width in zip(line, widths, strict=True)).rstrip()


def _tsv_line(value: object) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, Mapping):
        cells: Iterable[object] = (
            value.values() if isinstance(value, OrderedDict) else dict(sorted(value.items())).values()
        )
    else:
        cells = value if isinstance(value, list) else [value]
    return "\t".join(_tsv_cell(one) for one in cells)


def _tsv_cell(value: object) -> str:
    if isinstance(value, list):
        return str(len(value))
    return "" if isinstance(value, Mapping) else str(value)


def _table_row(value: object) -> dict[str, object]:
    if isinstance(value, Mapping):
        plain = {name: one for name, one in value.items() if name not in _NOT_IN_TABLES and one is not None}
        return {name[:1].upper() + name[1:]: one for name, one in plain.items() if not isinstance(one, list | Mapping)}
    if isinstance(value, list):
        return {f"Column{place}": one for place, one in enumerate(value, 1)}
    return {"Result": value}
