"""What every verb shares: which workspace, which form of output, a client for as long as the verb runs, exit codes.

The verbs themselves are in a file a noun.
"""

from __future__ import annotations

import functools
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, TypeAlias, TypeVar

import click
from click.core import ParameterSource
from click.exceptions import Exit

from azure_batch_endpoints.cli.output import Output
from azure_batch_endpoints.client import BatchClient
from azure_batch_endpoints.errors import BatchEndpointsError, JobFailedError, WaitTimeoutError
from azure_batch_endpoints.job import Job

FAILED, JOB_FAILED, TIMED_OUT, INTERRUPTED = 1, 2, 3, 130
"""Exit codes: any other error; the job ended Failed or Canceled; the time to wait was over; Ctrl-C."""
_SHARED = ("style", "cloud", "root", "config")
_NAME = f"{__name__}.name"
_Verb = TypeVar("_Verb", bound="Callable[..., object]")


@dataclass(frozen=True)
class Target:
    """The workspace that a command is about.

    Attributes:
        cloud: in Azure, else on this machine.
        root: folder of the local service; None: the user's own.
        config: ``config.json`` of the workspace in Azure, or its folder; None: found as the SDK does.
    """

    cloud: bool
    root: str | None
    config: str | None


Connect: TypeAlias = "Callable[[Target], BatchClient]"


def connect(target: Target) -> BatchClient:
    """Return a client of a workspace; starts the local service unless it runs."""
    return BatchClient.from_config(target.config) if target.cloud else BatchClient.local(target.root)


def verb(group: click.Group, name: str | None = None) -> Callable[[Callable[..., object]], click.Command]:
    """Make a function a verb of a noun: it is called with a client, the output, and its own options by name.

    The first line of its docstring is its help.
    """

    def decorate(function: Callable[..., object]) -> click.Command:
        @functools.wraps(function)
        @click.pass_context
        def run(context: click.Context, /, **given: Any) -> None:
            out = Output(given.pop("style"))
            target = _target(context, given.pop("cloud"), given.pop("root"), given.pop("config"))
            held: list[BatchClient] = []
            with exits(out, lambda: _goes_on(*held)), (context.obj or connect)(target) as client:
                held.append(client)
                function(client, out, **given)

        command = group.command(name or function.__name__.replace("_", "-"))(style(_targets(run)))
        command.params.sort(key=lambda one: one.name in _SHARED)  # the verb's own options first in its help
        return command

    return decorate


def style(command: Any) -> Any:  # noqa: ANN401 (click's decorators take a function or a command)
    """Add the option that says how the answer is shown."""
    choice = click.Choice(["table", "json", "quiet"])
    return click.option("--output", "-o", "style", type=choice, default="table", help="How the answer is shown.")(
        command
    )


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


def confirmed(question: str) -> Callable[[_Verb], _Verb]:
    """Ask before something is lost, unless ``--yes`` is given; ask nobody where nobody sits."""

    def ask(_context: click.Context, _option: click.Parameter, yes: bool) -> None:
        if yes:
            return
        if not sys.stdin.isatty():
            raise click.UsageError("This deletes. Without a terminal to ask on, pass --yes.")
        click.confirm(question, abort=True, err=True)

    return click.option("--yes", "-y", is_flag=True, expose_value=False, callback=ask, help="Do not ask.")


def tags(_context: click.Context, _option: click.Parameter, pairs: tuple[str, ...]) -> Mapping[str, str] | None:
    """Read ``--tag name=value``, given any number of times; None when not given."""
    for one in pairs:
        if "=" not in one:
            raise click.BadParameter(f"'{one}' is not name=value.")
    return dict(one.split("=", 1) for one in pairs) or None


@contextmanager
def exits(out: Output, goes_on: Callable[[], str]) -> Iterator[None]:
    """Turn what goes wrong inside into words, what to do next and an exit code.

    Args:
        out: takes the words.
        goes_on: says, after Ctrl-C, what goes on without the command.
    """
    try:
        yield
    except BrokenPipeError:
        raise  # whoever reads our output has gone, as `head` does; click ends quietly
    except JobFailedError as error:
        name = error.job.name
        out.error(str(error))
        out.hint(f"abe job logs {name}\nabe job items {name} --status failed\nabe job retry-failed {name}")
        raise Exit(JOB_FAILED) from error
    except WaitTimeoutError as error:
        out.error(str(error))
        if isinstance(error.resource, Job):
            out.hint(f"abe job wait {error.resource.name}")
        raise Exit(TIMED_OUT) from error
    except (BatchEndpointsError, OSError) as error:
        out.error(str(error))
        raise Exit(FAILED) from error
    except KeyboardInterrupt:
        out.word(f"\nInterrupted. {goes_on()}")
        raise Exit(INTERRUPTED) from None


def ends_with_us(client: BatchClient) -> bool:
    """Whether the local service was started by this command, and so ends with it."""
    info = client.local_service
    return info is not None and info.started


def _goes_on(client: BatchClient | None = None) -> str:
    if client is None:
        return "Nothing was sent."
    if ends_with_us(client):
        return (
            "The local service ends with this command; a job that has not ended goes on with the next one. "
            "To have jobs run in the background: abe local start --detach"
        )
    return "What was asked for goes on in the service: abe job list"


def _targets(command: Any) -> Any:  # noqa: ANN401 (click's decorators take a function or a command)
    for option in (
        click.option("--config", metavar="PATH", help="config.json of the workspace in Azure, or its folder."),
        click.option(
            "--root", envvar="ABE_ROOT", show_envvar=True, metavar="FOLDER", help="Folder of the local service."
        ),
        click.option(
            "--cloud/--local",
            default=None,
            envvar="ABE_CLOUD",
            show_envvar=True,
            help="Azure, or this machine (default).",
        ),
    ):
        command = option(command)
    return command


def _target(context: click.Context, cloud: bool | None, root: str | None, config: str | None) -> Target:
    """Let what stands on the command line win over the environment, and refuse what contradicts itself."""
    typed = {name for name in ("cloud", "root") if context.get_parameter_source(name) is ParameterSource.COMMANDLINE}
    if "cloud" not in typed and (config is not None or "root" in typed):
        cloud = config is not None
    if config is not None and not cloud:
        raise click.UsageError("--config names a workspace in Azure; leave out --local.")
    if cloud and "root" in typed:
        raise click.UsageError("--root is the folder of the local service; leave out --cloud and --config.")
    return Target(bool(cloud), None if cloud else root, config)
