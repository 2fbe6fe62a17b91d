"""The one sink of the command line: data on stdout as table, JSON or bare names; words, hints and errors on stderr.

Knows nothing of the commands. Never colours what is not a terminal (click strips it).
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, is_dataclass
from datetime import datetime
from enum import Enum
from itertools import chain, islice
from typing import Any, Literal, TypeAlias

import click

from azure_batch_endpoints import _render

Rows: TypeAlias = "Sequence[tuple[str, object]]"
Style: TypeAlias = Literal["table", "json", "quiet"]
_PAGE = 200
"""Rows that are measured before the first is printed: a list of a million is never held in memory."""


class Output:
    """Where a command puts what it has to say.

    Args:
        style: ``table`` for people, ``json`` for programs, ``quiet`` for nothing but names.
    """

    def __init__(self, style: Style = "table") -> None:
        self.style = style

    @property
    def progress(self) -> bool | None:
        """What the SDK's ``progress=`` should be: a bar on a terminal, none when quiet."""
        return False if self.style == "quiet" else None

    def one(self, rows: Rows) -> None:
        """Show one thing: a name and a value a line."""
        if self.style == "json":
            click.echo(json.dumps(_plain(rows), indent=2))
        elif self.style == "quiet":
            click.echo(label(rows))
        else:
            width = max(len(name) for name, _ in rows)
            for name, value in rows:
                click.echo(f"{name:<{width}}  {_render.text(value)}".rstrip())

    def name(self, rows: Rows) -> None:
        """Show the name of something that was started, ready for ``$(…)``; with JSON, all of it."""
        click.echo(json.dumps(_plain(rows), indent=2) if self.style == "json" else label(rows))

    def many(self, things: Iterable[Rows], columns: Sequence[str]) -> None:
        """Show a list as it comes in.

        Args:
            things: what there is; read page by page.
            columns: names of the rows that the table shows; JSON has all of them.
        """
        if self.style == "json":
            _echo_array(_plain(rows) for rows in things)
        elif self.style == "quiet":
            for rows in things:
                click.echo(label(rows))
        else:
            for line in _table(([_cell(dict(rows).get(one)) for one in columns] for rows in things), columns):
                click.echo(line)

    def line(self, text: str, rows: Rows) -> None:
        """Show one line of a stream: the text, or its parts as one JSON object."""
        click.echo(json.dumps(_plain(rows)) if self.style == "json" else text)

    def word(self, text: str) -> None:
        """Say what was done."""
        if self.style != "quiet":
            click.echo(text, err=True)

    def hint(self, text: str) -> None:
        """Say what could come next."""
        if self.style != "quiet":
            click.secho(text, err=True, dim=True)

    def error(self, text: str) -> None:
        """Say what went wrong."""
        click.echo(f"{click.style('Error:', fg='red')} {text}", err=True)


def label(rows: Rows) -> str:
    """Return what a thing is called in other commands: its name, with the version of what has one."""
    version = dict(rows).get("version")
    return f"{rows[0][1]}:{version}" if version else str(rows[0][1])


def _cell(value: object) -> str:
    """Return a value on one line; of a resource's ARM id only its own name, as a list has no room for more."""
    text = " ".join(_render.text(value).split())
    return text.rsplit("/", 1)[-1] if text.startswith("/subscriptions/") else text


def _table(lines: Iterable[Sequence[str]], columns: Sequence[str]) -> Iterator[str]:
    coming = iter(lines)
    first = [[one.upper() for one in columns], *islice(coming, _PAGE)]
    widths = [max(len(line[place]) for line in first) for place in range(len(columns))]
    for line in chain(first, coming):
        yield "  ".join(f"{cell:<{width}}" for cell, width in zip(line, widths, strict=True)).rstrip()


def _echo_array(values: Iterable[dict[str, Any]]) -> None:
    before = "["
    for value in values:
        click.echo(f"{before}\n  {json.dumps(value)}", nl=False)
        before = ","
    click.echo("[]" if before == "[" else "\n]")


def _plain(rows: Rows) -> dict[str, Any]:
    return {name.replace(" ", "_").replace("-", "_").lower(): _value(value) for name, value in rows}


def _value(value: object) -> object:
    if isinstance(value, Enum):
        return value.value
    if isinstance(value, datetime):
        return value.isoformat()
    if is_dataclass(value) and not isinstance(value, type):
        return asdict(value)
    return value if isinstance(value, str | int | float | bool | dict | list | None) else str(value)
