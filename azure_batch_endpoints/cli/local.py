"""``abe local``: the service on this machine, in the foreground or in the background."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import click
from click.exceptions import Exit

from azure_batch_endpoints._spec_base import AnyPath
from azure_batch_endpoints.cli.output import Output, Style
from azure_batch_endpoints.cli.workspace import FAILED, exits, style
from azure_batch_endpoints.errors import LocalServiceError

if TYPE_CHECKING:
    from azure_batch_endpoints.local.service import LocalService

_STORAGE = "AZURE_BATCH_ENDPOINTS_STORAGE"
_LOOK_SECONDS = 0.3
_root = click.option(
    "--root", envvar="ABE_ROOT", show_envvar=True, metavar="FOLDER", help="Folder that keeps everything."
)


@click.group("local")
def local_group() -> None:
    """The local service: the same protocol, really scoring on this machine."""


@local_group.command()
@_root
@click.option("--detach", is_flag=True, help="In the background, until 'abe local stop'.")
@click.option(
    "--workers", type=click.IntRange(min=1), metavar="N", help="Worker processes at once; default: the cores."
)
@click.option(
    "--storage", envvar=_STORAGE, show_envvar=True, help="azurite; a connection string goes into the variable."
)
@click.option("--environments", type=click.Choice(["host", "build"]), help="Interpreter that scores; default: host.")
@style
def start(root: str | None, detach: bool, style: Style, **wishes: Any) -> None:
    """Start the local service; it ends with Ctrl-C, or in the background with 'abe local stop'."""
    from azure_batch_endpoints.local.service import LocalService

    out = Output(style)
    with exits(out, lambda: _left(root)), LocalService.open(root, stay=detach, **wishes) as service:
        _show(service.root, out)
        if detach:
            out.hint("It stays until: " + " ".join(["abe local stop", *(["--root", root] if root else [])]))
        else:
            out.word("Ctrl-C ends it, unless other clients use it.")
            _hold(service)


@local_group.command()
@_root
@style
def status(root: str | None, style: Style) -> None:
    """Show the local service of a folder; exit code 1 when none runs."""
    out = Output(style)
    with exits(out, str):
        if not _show(root, out):
            out.word("No local service runs on this folder. To start one: abe local start --detach")
            raise Exit(FAILED)


@local_group.command()
@_root
@style
def stop(root: str | None, style: Style) -> None:
    """End the local service of a folder; jobs that run go on when it is started again."""
    from azure_batch_endpoints.local import running

    out = Output(style)
    with exits(out, str):
        ended = running.stop(root)
        out.word(
            f"The local service on '{ended.root}' has ended." if ended else "No local service runs on this folder."
        )


def _show(root: AnyPath | None, out: Output) -> bool:
    from azure_batch_endpoints.local import running

    record = running.find(root)
    if record is not None:
        names = ("root", "pid", "base_url", "workers", "storage", "environments", "stay", "version")
        out.one([*((name, getattr(record, name)) for name in names), ("blob_endpoint", record.endpoint)])
    return record is not None


def _hold(service: LocalService) -> None:
    while service.alive:
        time.sleep(_LOOK_SECONDS)  # until Ctrl-C or the service's end: there is no deadline
    raise LocalServiceError(f"The local service on '{service.root}' has ended. Its last words are in '{service.log}'.")


def _left(root: str | None) -> str:
    from azure_batch_endpoints.local import running

    return "The local service goes on for its other clients." if running.find(root) else "The local service has ended."
