"""HTML out of the templates beside this: one home of Jinja2, which is imported when first needed.

No script, no request, nothing from elsewhere; every value is escaped, and signatures and keys are blotted out. Colours
are the notebook's own (Jupyter's and VS Code's variables), else those that fit what the browser prefers.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import TYPE_CHECKING

from azure_batch_endpoints._render.cells import text
from azure_batch_endpoints.errors import redact

if TYPE_CHECKING:
    from jinja2 import Environment
MOST_ROWS = 50
"""Rows of a table; how many more there are is said below."""
MOST_TEXT = 2000
"""Characters of a cell: a traceback of a megabyte would make the notebook that keeps it useless."""
_END = 800
"""Of those, the last ones that are kept: the end of a traceback says what was raised."""


def render(template: str, **values: object) -> str:
    """Return a template, filled in."""
    return str(_templates().get_template(template).render(values))


def cell(value: object) -> str:
    """Return a value as a cell of HTML says it: without secrets, and not too long. Not escaped yet."""
    shown = redact(text(value)).encode("utf-8", "backslashreplace").decode("utf-8")
    return shown if len(shown) <= MOST_TEXT else f"{shown[: MOST_TEXT - _END - 3]}\n…\n{shown[-_END:]}"


def card(title: str, rows: Sequence[tuple[str, object]]) -> str:
    """Return one thing as HTML: its name and a row for each of its values that is not empty."""
    return render("card.html", title=title, rows=[(name, cell(value)) for name, value in rows])


def table(title: str, columns: Sequence[str], rows: Sequence[Sequence[object]], *, note: str = "") -> str:
    """Return several things as HTML, a row each.

    Args:
        title: what they are.
        columns: names of the columns; those in which no row says anything are left out.
        rows: values, as many as columns.
        note: said below.
    """
    cells = [[cell(value) for value in row] for row in rows[:MOST_ROWS]]
    used = [number for number in range(len(columns)) if any(row[number] for row in cells)]
    said = [one for one in (f"{len(rows) - MOST_ROWS:,} more" if len(rows) > MOST_ROWS else "", note) if one]
    return render(
        "table.html",
        title=title,
        columns=[columns[number] for number in used],
        rows=[[row[number] for number in used] for row in cells],
        note="; ".join(said),
    )


def comparison(
    *,
    names: tuple[str, str],
    agreement: float | None,
    rows: int,
    columns: Sequence[str],
    differing: Sequence[Sequence[object]],
    differing_count: int,
    details: Sequence[tuple[str, object, object]],
    hint: str = "",
) -> str:
    """Return the comparison of two deployments as HTML.

    Args:
        names: of the two deployments.
        agreement: part of the rows that agree, 0 to 1; None: not known.
        rows: rows compared.
        columns: of the rows that differ.
        differing: the first of them, a value for each column.
        differing_count: how many there are in all.
        details: what else is told of both, e.g. ``("seconds", 12.1, 8.3)``.
        hint: what to do next, a line of Python.
    """
    return render(
        "comparison.html",
        names=names,
        percent=None if agreement is None else f"{_floor(agreement * 100):g} %",
        share=0.0 if agreement is None else round(min(1.0, max(0.0, agreement)) * 100, 2),
        rows=f"{rows:,}",
        columns=[cell(one) for one in columns],
        differing=[[cell(value) for value in row] for row in differing[:MOST_ROWS]],
        differing_count=differing_count,
        details=[(name, cell(first), cell(second)) for name, first, second in details],
        hint=cell(hint),
    )


def _floor(percent: float) -> float:
    """Two digits after the point, never rounded up to a 100 that it is not."""
    return int(percent * 100 + 1e-6) / 100


def job_page(
    *,
    title: str,
    rows: Sequence[tuple[str, object]],
    progress: str | None,
    causes: Sequence[str],
    first: tuple[str, str] | None,
    failed: Sequence[tuple[str, str, str]],
    logs: Mapping[str, str],
    again: int | None,
    timeline: str = "",
) -> str:
    """Return a job's page as HTML: no script, every value escaped.

    Args:
        title: heading.
        rows: name and value.
        progress: ``JobProgress`` as JSON text, or None.
        causes: why input files failed, grouped, a line each.
        first: what failed first, and its traceback; or None.
        failed: path, error and traceback of input files that failed.
        logs: address of each log file by its path.
        again: seconds after which the browser loads it again, or None.
        timeline: SVG of :func:`timeline_svg`, or empty.
    """
    shown = [(name, text(value)) for name, value in rows]
    known = json.loads(progress) if progress else {}
    values = {"title": title, "rows": shown, "progress": known, "causes": causes, "first": first}
    return render("job.html", **values, failed=failed, logs=logs, again=again, timeline=timeline)


@lru_cache(maxsize=1)
def _templates() -> Environment:
    from jinja2 import Environment, PackageLoader

    return Environment(
        loader=PackageLoader("azure_batch_endpoints._render"),
        autoescape=True,
        finalize=_said,
        trim_blocks=True,
        lstrip_blocks=True,
    )


def _said(value: object) -> object:
    """Every text that a template says goes through here, but what is HTML already."""
    return cell(value) if isinstance(value, str) and not hasattr(value, "__html__") else value
