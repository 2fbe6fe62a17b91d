"""What every verb shares: which workspace, which form of output, a client for as long as the verb runs, exit codes.

The verbs themselves are in a file a noun.
"""

from __future__ import annotations

import functools
import logging
import sys
import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import islice
from typing import Any, TypeAlias

import click
import jmespath
from click.core import ParameterSource
from click.exceptions import Exit
from jmespath.exceptions import JMESPathError

from azure_batch_endpoints._workspace import Workspace
from azure_batch_endpoints.cli.output import STYLES, Output, Style
from azure_batch_endpoints.cli.words import in_commands
from azure_batch_endpoints.client import BatchClient
from azure_batch_endpoints.errors import BatchEndpointsError, JobFailedError, NotKeptWarning, WaitTimeoutError
from azure_batch_endpoints.job import Job

FAILED, JOB_FAILED, TIMED_OUT, INTERRUPTED = 1, 2, 3, 130
"""Exit codes: any other error; the job ended Failed or Canceled; the time to wait was over; Ctrl-C."""
OFFICIAL = frozenset(
    {
        "batch-endpoint",
        "batch-deployment",
        "job",
        "data",
        "model",
        "environment",
        "compute",
        "datastore",
        "workspace",
    }
)
"""Nouns of ``az ml``: away from a terminal their verbs print JSON, as there."""
FORM = ("style", "query", "only_show_errors", "debug", "verbose")
_LOOKED_AT = 50
"""Jobs, the newest first, that are looked through for one that has not ended."""
_PLACE = ("cloud", "root", "config", "subscription_id", "resource_group", "workspace")


@dataclass(frozen=True)
class Target:
    """The workspace that a command is about.

    Attributes:
        cloud: in Azure, else on this machine.
        root: folder of the local service; None: the user's own.
        config: ``config.json`` of the workspace in Azure, or its folder; None: found as the SDK does.
        names: subscription, resource group and workspace in Azure, as far as they were given.
    """

    cloud: bool
    root: str | None
    config: str | None
    names: Mapping[str, str] = field(default_factory=dict)


Connect: TypeAlias = "Callable[[Target], BatchClient]"


def connect(target: Target) -> BatchClient:
    """Return a client of a workspace; starts the local service unless it runs."""
    if target.cloud:
        names: dict[str, Any] = dict(target.names)
        return BatchClient.from_config(target.config, **names)
    return BatchClient.local(target.root)


def verb(
    group: click.Group, name: str | None = None, *, own: bool = False
) -> Callable[[Callable[..., object]], click.Command]:
    """Make a function a verb of a noun: it is called with a client, the output, and its own options by name.

    Args:
        group: the noun.
        name: the verb; None: the function's name.
        own: whether ``az ml`` has no such verb, so that nobody expects JSON of it.

    The first line of the function's docstring is its help.
    """

    def decorate(function: Callable[..., object]) -> click.Command:
        @functools.wraps(function)
        @click.pass_context
        def run(context: click.Context, /, **given: Any) -> None:
            out = output_of(context, {one: given.pop(one) for one in FORM}, own=own)
            target = _target(context, **{one: given.pop(one) for one in _PLACE})
            held: list[BatchClient] = []
            with exits(out, lambda: _goes_on(*held)), (context.obj or connect)(target) as client:
                held.append(client)
                if any(value != getattr(client, name) for name, value in target.names.items()):
                    out.word("Options that name a workspace in Azure are not looked at here; for Azure add --cloud.")
                with _told(out):
                    function(client, out, **given)
                _left_behind(client, out)

        command = group.command(name or function.__name__.replace("_", "-"))(shown_as(_targets(run)))
        command.params.sort(key=lambda one: one.name in (*FORM, *_PLACE))  # the verb's own options first in its help
        return command

    return decorate


@contextmanager
def _told(out: Output) -> Iterator[None]:
    """Say in words of the command line what the service did not keep."""
    others = warnings.showwarning

    def show(message: Warning | str, category: type[Warning], *where: Any, **more: Any) -> None:
        if issubclass(category, NotKeptWarning):
            out.word(f"Warning: {in_commands(str(message))}")
        else:
            others(message, category, *where, **more)

    with warnings.catch_warnings():
        warnings.simplefilter("always", NotKeptWarning)
        warnings.showwarning = show
        yield


def shown_as(command: Any) -> Any:  # noqa: ANN401 (click's decorators take a function or a command)
    """Add the options that say how the answer is shown; :func:`output_of` reads them."""
    for option in (
        click.option("--debug", is_flag=True, help="Log every request to stderr, without secrets."),
        click.option("--verbose", is_flag=True, help="Log what is done to stderr."),
        click.option("--only-show-errors", is_flag=True, help="No words and hints on stderr."),
        click.option("--query", callback=_jmespath, metavar="JMESPATH", help="What to pick from the JSON answer."),
        click.option(
            "--output",
            "-o",
            "style",
            type=click.Choice(STYLES, case_sensitive=False),
            help="How the answer is shown. Default: a table; JSON with --query, and from the nouns of 'az ml' when a "
            "program reads it.",
        ),
    ):
        command = option(command)
    return command


def output_of(context: click.Context, form: Mapping[str, Any], *, own: bool = True) -> Output:
    """Return the output that the options ask for."""
    if form["debug"] or form["verbose"]:
        logging.basicConfig(stream=sys.stderr, format="%(levelname)s %(name)s: %(message)s")
        logging.getLogger("azure_batch_endpoints").setLevel(logging.DEBUG if form["debug"] else logging.INFO)
    style: Style | None = form["style"]
    if style == "quiet" and form["query"] is not None:
        raise click.UsageError("--output quiet prints names; leave out --query, or say --output tsv.")
    if style is None:
        noun = context.parent.info_name if context.parent else None
        piped = noun in OFFICIAL and not own and not sys.stdout.isatty()
        style = "json" if piped or form["query"] is not None else "table"
    return Output(style, form["query"], silent=form["only_show_errors"])


def _jmespath(_context: click.Context, _option: click.Parameter, text: str | None) -> object:
    if text is None:
        return None
    try:
        return jmespath.compile(text)
    except JMESPathError as error:
        reason = " ".join(str(error).split())
        raise click.BadParameter(f"'{text}' is not JMESPath: {reason} Correct it; see https://jmespath.org.") from error


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
        out.error(in_commands(str(error)))
        out.hint(_after(error.job))
        raise Exit(JOB_FAILED) from error
    except WaitTimeoutError as error:
        out.error(in_commands(str(error)))
        if isinstance(error.resource, Job):
            out.hint(f"abe job wait {error.resource.name}")
        raise Exit(TIMED_OUT) from error
    except JMESPathError as error:
        out.error(f"--query does not fit the answer: {' '.join(str(error).split())}. Look at it with --output json.")
        raise Exit(FAILED) from error
    except BatchEndpointsError as error:
        out.error(in_commands(str(error)))
        raise Exit(FAILED) from error
    except OSError as error:
        name = f"'{error.filename}': " if error.filename else ""
        remedy = "Check the path, its permissions and the disk's space."
        out.error(f"{name}{error.strerror}. {remedy}" if error.strerror else str(error))
        raise Exit(FAILED) from error
    except KeyboardInterrupt:
        out.word(f"\nInterrupted. {goes_on()}")
        raise Exit(INTERRUPTED) from None


def service_of(client: BatchClient) -> Workspace:
    """Return the way to the service, for what the SDK has no word for: a workspace's own record, a job's steps."""
    return client._workspace


def set_archived(client: BatchClient, url: str, *, archived: bool, what: str) -> None:
    """Leave a thing out of lists or put it back, as the official client does: it is sent back with the mark changed."""
    service = service_of(client)
    body: Any = service.send("GET", url, action=f"read {what}").body
    action = f"{'archive' if archived else 'restore'} {what}"
    changed = {"properties": {**body["properties"], "isArchived": archived}}
    service.send("PUT", url, json=changed, action=action)


def ends_with_us(client: BatchClient) -> bool:
    """Whether the local service was started by this command, and so ends with it."""
    info = client.local_service
    return info is not None and info.started


def _goes_on(client: BatchClient | None = None) -> str:
    if client is None:
        return "Nothing was sent."
    if ends_with_us(client):
        return (
            "The local service ends with this command; a job that has not ended goes on when one runs again: "
            "abe local start --detach"
        )
    return "What was asked for goes on in the service: abe job list"


def _left_behind(client: BatchClient, out: Output) -> None:
    """Say how jobs go on that stand still when the service, which is the command's own, ends with it."""
    if not ends_with_us(client):
        return
    try:
        jobs = [job.name for job in islice(client.jobs.list(), _LOOKED_AT) if not job.status.is_terminal]
    except BatchEndpointsError:
        return  # what was asked for is done; this would only have been a word about it
    if jobs:
        which = f"Job '{jobs[0]}' has" if len(jobs) == 1 else f"{len(jobs)} jobs have"
        out.word(
            f"{which} not ended. The local service ends with this command, and jobs stand still without one. "
            "To let them go on in the background, or to wait for one:"
        )
        out.hint(f"abe local start --detach\nabe job wait {jobs[0]}")


def _after(job: Job) -> str:
    """Return what could come after a job that failed; a retry only where it has something to do."""
    looking = f"abe job logs {job.name}"
    progress, retry = job.progress, f"abe job retry-failed {job.name}"
    if progress is not None and progress.items_done and progress.items_done != progress.items_total:
        return f"{looking}\n{retry} --include-pending"
    if progress is None or not progress.items_failed:
        return f"{looking}\nNo file failed by itself, so there is none to retry: mend the cause and invoke again."
    return f"{looking}\nabe job items {job.name} --status failed\n{retry}"


def _targets(command: Any) -> Any:  # noqa: ANN401 (click's decorators take a function or a command)
    for option in (
        click.option("--subscription", "subscription_id", metavar="ID", help="Subscription of the workspace in Azure."),
        click.option("--resource-group", "-g", metavar="NAME", help="Resource group of the workspace in Azure."),
        click.option("--workspace-name", "-w", "workspace", metavar="NAME", help="Workspace in Azure."),
        click.option(
            "--config", is_eager=True, metavar="PATH", help="config.json of the workspace in Azure, or its folder."
        ),
        click.option(
            "--root", envvar="ABE_ROOT", show_envvar=True, metavar="FOLDER", help="Folder of the local service."
        ),
        click.option(
            "--cloud/--local",
            is_eager=True,  # whether to ask before a delete depends on it
            default=None,
            envvar="ABE_CLOUD",
            show_envvar=True,
            help="Azure, or this machine (default).",
        ),
    ):
        command = option(command)
    return command


def _target(
    context: click.Context, cloud: bool | None, root: str | None, config: str | None, **names: str | None
) -> Target:
    """Let what stands on the command line win over the environment, and refuse what contradicts itself."""
    typed = {name for name in ("cloud", "root") if context.get_parameter_source(name) is ParameterSource.COMMANDLINE}
    if "cloud" not in typed and (config is not None or "root" in typed):
        cloud = config is not None
    if config is not None and not cloud:
        raise click.UsageError("--config names a workspace in Azure; leave out --local.")
    if cloud and "root" in typed:
        raise click.UsageError("--root is the folder of the local service; leave out --cloud and --config.")
    named = {name: value for name, value in names.items() if value}
    return Target(bool(cloud), None if cloud else root, config, named)
