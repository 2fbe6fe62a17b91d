"""Rows of plain values to text and HTML, the same rows for ``repr``, notebooks and the command line.

The one home of Jinja2 (imported when first needed). Knows nothing of the entities.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import datetime, timezone
from functools import lru_cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from jinja2 import Environment


def age(moment: datetime) -> str:
    """Return how long ago a time was, e.g. ``3 s ago``."""
    seconds = max(0.0, (datetime.now(timezone.utc) - moment).total_seconds())
    for unit, length in (("d", 86400), ("h", 3600), ("min", 60)):
        if seconds >= length:
            return f"{int(seconds // length)} {unit} ago"
    return f"{int(seconds)} s ago"


def text(value: object) -> str:
    """Return a value as a cell shows it; None as nothing."""
    if value is None:
        return ""
    if isinstance(value, datetime):
        return value.astimezone(timezone.utc).strftime("%Y-%m-%d %H:%M:%S UTC")
    if isinstance(value, dict):
        return ", ".join(f"{k}={v}" for k, v in value.items())
    return str(getattr(value, "value", value))


def card(title: str, rows: Sequence[tuple[str, object]]) -> str:
    """Return one thing as HTML: no script, no request, the notebook theme's own colours, every value escaped."""
    shown = [(name, text(value)) for name, value in rows]
    return str(_templates().get_template("card.html").render(title=title, rows=shown))


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
    """
    shown = [(name, text(value)) for name, value in rows]
    known = json.loads(progress) if progress else {}
    values = {"title": title, "rows": shown, "progress": known, "causes": causes, "first": first}
    template = _templates().get_template("job.html")
    return str(template.render(**values, failed=failed, logs=logs, again=again))


@lru_cache(maxsize=1)
def _templates() -> Environment:
    from jinja2 import Environment, PackageLoader

    return Environment(loader=PackageLoader("azure_batch_endpoints._render"), autoescape=True)
