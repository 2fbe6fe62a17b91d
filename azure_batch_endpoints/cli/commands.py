"""How commands are built: nouns that know the nearest verb, options that take several values, names, confirmation."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any, TypeVar

import click

from azure_batch_endpoints._spelling import suggestion

_MANY = frozenset({"--set", "--tags", "--tag", "--defaults", "--inputs", "--outputs"})
"""Options that take ``name=value`` several times behind one mention, as those of ``az`` do."""
_ONLINE = "Online endpoints are not there; this is for batch endpoints: abe batch-endpoint, abe batch-deployment."
_ELSEWHERE = {
    "ml": "Leave it out: 'az ml batch-endpoint list' is 'abe batch-endpoint list'.",
    "online-endpoint": _ONLINE,
    "online-deployment": _ONLINE,
    "account": "For a token: abe local token. There is no account or subscription to choose on this machine.",
    "configure": "There are no defaults to set on this machine; leave it out.",
    "extension": "There is nothing to add; leave it out.",
}
"""Words of ``az`` that are no nouns here, and what to do about each."""
_NAME = f"{__name__}.name"
_Verb = TypeVar("_Verb", bound="Callable[..., object]")


class Verb(click.Command):
    """A verb; ``--set a=1 b=2`` is ``--set a=1 --set b=2``."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Read the command line as click does, once its options take one value each."""
        return super().parse_args(ctx, list(_apart(args)))


class Noun(click.Group):
    """A noun, or the whole command line; an unknown word is answered with the nearest known one."""

    command_class = Verb

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Find the verb, or say which one was probably meant."""
        word = args[0] if args else ""
        if word and not word.startswith("-") and self.get_command(ctx, word) is None:
            near = _ELSEWHERE.get(word) or suggestion(word, self.list_commands(ctx))
            raise click.UsageError(f"{ctx.command_path} has no '{word}'. {near}", ctx)
        return super().resolve_command(ctx, args)


def named(noun: str, *, required: bool = True) -> Callable[[_Verb], _Verb]:
    """Let a thing be named as an argument or, as the official client does, by ``--name``."""

    def keep(context: click.Context, _option: click.Parameter, value: str | None) -> None:
        context.meta[_NAME] = value

    def pick(context: click.Context, _argument: click.Parameter, value: str | None) -> str | None:
        names = {one for one in (value, context.meta[_NAME]) if one is not None}
        if len(names) > 1 or (required and not names):
            raise click.UsageError(f"Name the {noun} once: as an argument, or with --name.")
        return next(iter(names), None)

    option = click.option(
        "--name",
        "-n",
        "name_option",
        is_eager=True,
        expose_value=False,
        callback=keep,
        metavar="NAME",
        help=f"Name of the {noun}.",
    )
    argument = click.argument("name", required=False, callback=pick)
    return lambda function: argument(option(function))


def named_several(noun: str) -> Callable[[_Verb], _Verb]:
    """Let one or more things be named as arguments or by ``--name``."""

    def pick(context: click.Context, _argument: click.Parameter, values: tuple[str, ...]) -> tuple[str, ...]:
        found = tuple(dict.fromkeys([*values, *context.meta.get(_NAME, ())]))
        if not found:
            raise click.UsageError(f"Name the {noun}: as an argument, or with --name. Several may be named.")
        return found

    def keep(context: click.Context, _option: click.Parameter, values: tuple[str, ...]) -> None:
        context.meta[_NAME] = values

    option = click.option(
        *("--name", "-n", "name_option"),
        multiple=True,
        is_eager=True,
        expose_value=False,
        callback=keep,
        metavar="NAME",
        help=f"Name of the {noun}.",
    )
    argument = click.argument("names", required=False, nargs=-1, callback=pick)
    return lambda function: argument(option(function))


def confirmed(question: str) -> Callable[[_Verb], _Verb]:
    """Ask before something is lost, unless ``--yes`` is given.

    Without a terminal nobody can be asked: a script goes ahead on this machine, and in Azure must say ``--yes``.
    """

    def ask(context: click.Context, _option: click.Parameter, yes: bool) -> None:
        if yes:
            return
        if sys.stdin.isatty():
            click.confirm(question, abort=True, err=True)
        elif context.params.get("cloud") or context.params.get("config"):
            raise click.UsageError("This deletes in Azure. Without a terminal to ask on, pass --yes.")

    return click.option("--yes", "-y", is_flag=True, expose_value=False, callback=ask, help="Do not ask.")


def pairs(_context: click.Context, _option: click.Parameter, given: tuple[str, ...]) -> Mapping[str, str] | None:
    """Read ``name=value``, given any number of times; None when not given."""
    for one in given:
        if "=" not in one:
            raise click.BadParameter(f"'{one}' is not name=value. Write a name, '=' and a value.")
    return dict(one.split("=", 1) for one in given) or None


tag = click.option(
    "--tag",
    "--tags",
    "tags",
    multiple=True,
    callback=pairs,
    metavar="NAME=VALUE",
    help="Tag; give it again for more.",
)
description = click.option("--description", metavar="TEXT", help="Description.")
sets = click.option(
    "--set",
    "changes",
    multiple=True,
    metavar="KEY=VALUE",
    help="Setting by its dotted YAML key, in place of the file's; give it again for more.",
)
no_wait = click.option("--no-wait", "wait", is_flag=True, flag_value=False, default=True, help="Return at once.")
limit = click.option(
    "--limit", "--max-results", "-r", type=click.IntRange(min=1), metavar="N", help="At most this many."
)


def _apart(args: Sequence[str]) -> Iterator[str]:
    words: Iterable[str] = iter(args)
    option: str | None = None
    fresh = False
    for word in words:
        if word == "--":
            yield from (word, *words)
            return
        if option is not None and not fresh and "=" in word and not word.startswith("-"):
            yield from (option, word)
            continue
        option, fresh = (word, True) if word in _MANY else (option if fresh else None, False)
        yield word


def given(values: Mapping[str, Any]) -> dict[str, Any]:
    """Return the options that were given."""
    return {name: value for name, value in values.items() if value is not None}
