"""Values as texts: what a cell of a card, a table or the command line says."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import fields, is_dataclass
from datetime import datetime, timezone
from os import PathLike, fspath


def age(moment: datetime) -> str:
    """Return how long ago a time was, e.g. ``3 s ago``."""
    seconds = max(0.0, (datetime.now(timezone.utc) - moment).total_seconds())
    for unit, length in (("d", 86400), ("h", 3600), ("min", 60)):
        if seconds >= length:
            return f"{int(seconds // length)} {unit} ago"
    return f"{int(seconds)} s ago"


def duration(seconds: float) -> str:
    """Return e.g. ``17 s``, ``4 min 5 s``, ``2 h 10 min``, ``3 d 4 h``."""
    whole = max(0, round(seconds))
    for unit, length, smaller, part in (("d", 86400, "h", 3600), ("h", 3600, "min", 60), ("min", 60, "s", 1)):
        if whole >= length:
            rest = whole % length // part
            return f"{whole // length} {unit}" + (f" {rest} {smaller}" if rest else "")
    return f"{whole} s"


def text(value: object) -> str:
    """Return a value as a cell shows it; None as nothing."""
    if value is None:
        return ""
    if isinstance(value, datetime):
        return value.astimezone(timezone.utc).strftime("%Y-%m-%d %H:%M:%S UTC")
    if isinstance(value, dict):
        return ", ".join(f"{k}={v}" for k, v in value.items())
    if isinstance(value, PathLike):
        return str(fspath(value))
    return str(getattr(value, "value", value))


def rows_of(value: object) -> list[tuple[str, object]]:
    """Return what is shown of a value, name and value a row, the same for ``repr``, cards and tables.

    That is what its ``_rows`` says, else the fields of a dataclass that its ``repr`` shows, else the value itself.
    """
    told: Callable[[], Iterable[tuple[str, object]]] | None = getattr(value, "_rows", None)
    if callable(told):
        return list(told())
    if is_dataclass(value):
        shown = [one.name for one in fields(value) if one.repr and not one.name.startswith("_")]
        return [(name.replace("_", " "), _short(getattr(value, name))) for name in shown]
    return [("value", value)]


def _short(value: object) -> object:
    """A list in a cell as one line an element; a float without digits that nobody reads."""
    if isinstance(value, float):
        return f"{value:.4g}"
    if isinstance(value, (list, tuple)):
        return "\n".join(str(one) for one in value)
    return value
