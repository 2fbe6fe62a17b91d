"""The one sink of the command line: data on stdout in the form that was asked for; words, hints and errors on stderr.

Knows nothing of the commands. Never colours what is not a terminal (click strips it).
"""

from __future__ import annotations

import json
from collections import OrderedDict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, is_dataclass
from datetime import datetime
from enum import Enum
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

import click
import jmespath

from azure_batch_endpoints import _render
from azure_batch_endpoints.cli import formats

if TYPE_CHECKING:
    from jmespath.parser import ParsedResult

Rows: TypeAlias = "Sequence[tuple[str, object]]"
Style: TypeAlias = Literal["table", "json", "jsonc", "yaml", "yamlc", "tsv", "none", "quiet"]
STYLES: tuple[Style, ...] = ("table", "json", "jsonc", "yaml", "yamlc", "tsv", "none", "quiet")


@dataclass(frozen=True)
class Shown:
    """One thing as people and as programs see it.

    Attributes:
        rows: names and values of the table.
        data: what JSON, YAML, tab-separated lines and queries have.
    """

    rows: Rows
    data: Mapping[str, Any]


class Output:
    """Where a command puts what it has to say.

    Args:
        style: ``table`` for people, ``quiet`` for nothing but names, the others for programs.
        query: picks from what programs see.
        silent: no words and hints, only errors.
    """

    def __init__(self, style: Style = "table", query: ParsedResult | None = None, *, silent: bool = False) -> None:
        self.style = style
        self._query = query
        self._silent = silent or style == "quiet"

    @property
    def progress(self) -> bool:
        """What the SDK's ``progress=`` should be: a bar on a terminal, plain lines elsewhere; none when quiet."""
        return not self._silent

    def one(self, thing: Rows | Shown) -> None:
        """Show one thing: in a table a name and a value a line."""
        shown = _shown(thing)
        if self.style == "quiet":
            click.echo(label(shown.rows))
        elif self.style == "table" and self._query is None:
            width = max(len(name) for name, _ in shown.rows)
            below = "\n" + " " * (width + 2)
            for name, value in shown.rows:
                click.echo(f"{name:<{width}}  {_render.text(value).replace(chr(10), below)}".rstrip())
        else:
            self._value(self._picked(dict(shown.data)))

    def name(self, thing: Rows | Shown) -> None:
        """Show the name of something that was started, ready for ``$(…)``; for programs, all of it."""
        if self.style == "table" and self._query is None:
            click.echo(label(_shown(thing).rows))
        else:
            self.one(thing)

    def many(self, things: Iterable[Rows | Shown], columns: Sequence[str]) -> None:
        """Show a list as it comes in; a query needs all of it.

        Args:
            things: what there is; read page by page.
            columns: names of the rows that the table shows; programs get all of them.
        """
        found = (_shown(one) for one in things)
        if self.style == "quiet":
            for one in found:
                click.echo(label(one.rows))
        elif self._query is not None:
            self._value(self._picked([dict(one.data) for one in found]))
        elif self.style == "table":
            lines = ([_cell(dict(one.rows).get(name)) for name in columns] for one in found)
            for line in formats.lined_up(lines, [name.upper() for name in columns]):
                click.echo(line)
        else:
            self._stream(dict(one.data) for one in found)

    def line(self, text: str, rows: Rows) -> None:
        """Show one line of a stream: the text, or its parts as one JSON object a line."""
        if self._query is not None:
            self._value(self._picked(_plain(rows)))
        elif self.style in ("json", "jsonc"):
            click.echo(json.dumps(_plain(rows), ensure_ascii=False))
        elif self.style != "none":
            click.echo(text)

    def word(self, text: str) -> None:
        """Say what was done."""
        if not self._silent:
            click.echo(text, err=True)

    def hint(self, text: str) -> None:
        """Say what could come next."""
        if not self._silent:
            click.secho(text, err=True, dim=True)

    def error(self, text: str) -> None:
        """Say what went wrong."""
        click.echo(f"{click.style('Error:', fg='red')} {text}", err=True)

    def _picked(self, data: object) -> object:
        if self._query is None:
            return data
        return self._query.search(data, jmespath.Options(dict_cls=OrderedDict))

    def _value(self, value: object) -> None:
        """Print a plain value; nothing at all for null, as ``az`` does."""
        if value is None or self.style == "none":
            return
        if self.style == "tsv":
            lines: Iterable[str] = formats.as_tsv(value)
        elif self.style == "table":
            lines = formats.as_table(value)
        else:
            lines = [formats.as_yaml(value) if self.style in ("yaml", "yamlc") else formats.as_json(value)]
        for line in lines:
            click.echo(line)

    def _stream(self, values: Iterable[dict[str, Any]]) -> None:
        if self.style in ("json", "jsonc"):
            _echo_array(values)
            return
        empty = True
        for value in values:
            self._value([value])
            empty = False
        if empty and self.style in ("yaml", "yamlc"):
            click.echo("[]")


def label(rows: Rows) -> str:
    """Return what a thing is called in other commands: its name, with the version of what has one."""
    version = dict(rows).get("version")
    return f"{rows[0][1]}:{version}" if version else str(rows[0][1])


def _shown(thing: Rows | Shown) -> Shown:
    return thing if isinstance(thing, Shown) else Shown(thing, _plain(thing))


def _cell(value: object) -> str:
    """Return a value on one line; of a resource's ARM id only its own name, as a list has no room for more."""
    text = " ".join(_render.text(value).split())
    return text.rsplit("/", 1)[-1] if text.startswith("/subscriptions/") else text


def _echo_array(values: Iterable[dict[str, Any]]) -> None:
    before = "["
    for value in values:
        inner = formats.as_json(value).replace("\n", "\n  ")
        click.echo(f"{before}\n  {inner}", nl=False)
        before = ","
    click.echo("[]" if before == "[" else "\n]")


def _plain(rows: Rows) -> dict[str, Any]:
    return {name.replace(" ", "_").replace("-", "_").lower(): plain(value) for name, value in rows}


def plain(value: object) -> object:
    """Return a value as JSON knows it."""
    if isinstance(value, Enum):
        return value.value
    if isinstance(value, datetime):
        return value.isoformat()
    if is_dataclass(value) and not isinstance(value, type):
        return asdict(value)
    return value if isinstance(value, str | int | float | bool | dict | list | None) else str(value)
