"""``abe local``: the service on this machine, in the foreground or in the background."""

from __future__ import annotations

import functools
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import click
from click.exceptions import Exit

from azure_batch_endpoints._spec_base import AnyPath
from azure_batch_endpoints.cli.commands import Noun
from azure_batch_endpoints.cli.output import Output
from azure_batch_endpoints.cli.workspace import FAILED, FORM, exits, output_of, shown_as
from azure_batch_endpoints.errors import LocalServiceError

if TYPE_CHECKING:
    from azure_batch_endpoints.local.service import LocalService

_STORAGE = "AZURE_BATCH_ENDPOINTS_STORAGE"
_LOOK_SECONDS = 0.3
_root = click.option(
    "--root", envvar="ABE_ROOT", show_envvar=True, metavar="FOLDER", help="Folder that keeps everything."
)
_NONE = "No local service runs on this folder. To start one: abe local start --detach"


def _shown(function: Callable[..., None]) -> Callable[..., None]:
    """Let a command say how its answer is shown; it is called with the output."""

    @functools.wraps(function)
    @click.pass_context
    def run(context: click.Context, /, **given: Any) -> None:
        out = output_of(context, {one: given.pop(one) for one in FORM})
        function(out, **given)

    shown: Callable[..., None] = shown_as(run)
    return shown


@click.group("local", cls=Noun)
def local_group() -> None:
    """The local service: the same protocol, really scoring on this machine."""


@local_group.command()
@_root
@click.option("--detach", is_flag=True, help="In the background, until 'abe local stop'.")
@click.option(
    "--workers", type=click.IntRange(min=1), metavar="N", help="Worker processes at once; default: the cores."
)
@click.option(
    "--worker-memory",
    metavar="SIZE",
    help="What one worker process may hold, e.g. 2GiB; default: its share of 90 % of the machine's memory.",
)
@click.option(
    "--storage", envvar=_STORAGE, show_envvar=True, help="azurite; a connection string goes into the variable."
)
@click.option("--environments", type=click.Choice(["host", "build"]), help="Interpreter that scores; default: host.")
@_shown
def start(out: Output, root: str | None, detach: bool, **wishes: Any) -> None:
    """Start the local service; it ends with Ctrl-C, or in the background with 'abe local stop'.

    Jobs that had not ended when the last one stopped go on.
    """
    from azure_batch_endpoints.local.service import LocalService

    with exits(out, lambda: _left(root)), LocalService.open(root, stay=detach, **wishes) as service:
        _show(service.root, out)
        if detach:
            out.hint("It stays until: " + " ".join(["abe local stop", *(["--root", root] if root else [])]))
        else:
            out.word("Ctrl-C ends it, unless other clients use it.")
            _hold(service)


@local_group.command()
@_root
@_shown
def status(out: Output, root: str | None) -> None:
    """Show the local service of a folder, without its secrets; exit code 1 when none runs."""
    with exits(out, str):
        if not _show(root, out):
            out.word(_NONE)
            raise Exit(FAILED)


@local_group.command()
@_root
@_shown
def token(out: Output, root: str | None) -> None:
    """Print the bearer token of the local service, for curl; it is a secret. Exit code 1 when none runs."""
    _secret(root, "token", out)


@local_group.command()
@_root
@_shown
def connection_string(out: Output, root: str | None) -> None:
    """Print the connection string of the local blob store; it is a secret. Exit code 1 when none runs."""
    _secret(root, "connection_string", out)


@local_group.command()
@_root
@_shown
def stop(out: Output, root: str | None) -> None:
    """End the local service of a folder; jobs that run go on when it is started again."""
    from azure_batch_endpoints.local import running

    with exits(out, str):
        ended = running.stop(root)
        out.word(
            f"The local service on '{ended.root}' has ended." if ended else "No local service runs on this folder."
        )


def _show(root: AnyPath | None, out: Output) -> bool:
    from azure_batch_endpoints.local import running
    from azure_batch_endpoints.local.job import RESOURCE_GROUP, SUBSCRIPTION_ID, WORKSPACE

    record = running.find(root)
    if record is not None:
        names = ("root", "pid", "base_url", "workers", "worker_memory", "storage", "environments", "stay", "version")
        place = {"subscription_id": SUBSCRIPTION_ID, "resource_group": RESOURCE_GROUP, "workspace": WORKSPACE}
        shown = [(name, getattr(record, name)) for name in names]
        out.one([*shown, ("blob_endpoint", record.endpoint), *place.items()])
    return record is not None


def _secret(root: AnyPath | None, name: str, out: Output) -> None:
    """Print a secret bare, or under its name for programs. The only place that shows one."""
    from azure_batch_endpoints.local import running

    with exits(out, str):
        record = running.find(root)
        if record is None:
            out.word(_NONE)
            raise Exit(FAILED)
        out.name([(name, record.token if name == "token" else record.store.connection_string)])


def _hold(service: LocalService) -> None:
    while service.alive:
        time.sleep(_LOOK_SECONDS)  # until Ctrl-C or the service's end: there is no deadline
    raise LocalServiceError(
        f"The local service on '{service.root}' has ended. Look at its last words "
        f"in '{service.log}', then start it again."
    )


def _left(root: str | None) -> str:
    from azure_batch_endpoints.local import running

    return "The local service goes on for its other clients." if running.find(root) else "The local service has ended."
