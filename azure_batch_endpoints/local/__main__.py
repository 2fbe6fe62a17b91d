"""`python -m azure_batch_endpoints.local`: reads how the service is to run, runs it, reports to whoever started it."""

from __future__ import annotations

import argparse
import contextlib
import json
import logging
import os
import signal
import sqlite3
import sys
from pathlib import Path
from typing import Any

from azure_batch_endpoints.errors import BatchEndpointsError, redact
from azure_batch_endpoints.local import disk
from azure_batch_endpoints.local.engines.memory import fair_share
from azure_batch_endpoints.local.job import ServiceSettings
from azure_batch_endpoints.local.sizes import memory_size

STORAGE_VARIABLE = "AZURE_BATCH_ENDPOINTS_STORAGE"
"""`azurite` or a connection string, for a service started by hand: a command line can be read by everyone."""


def main(arguments: list[str] | None = None) -> None:
    """Run the service until its last client leaves, or a signal ends it."""
    given = _parser().parse_args(arguments)
    logging.basicConfig(format="%(asctime)s %(levelname)s %(name)s: %(message)s", level=logging.WARNING)
    logging.getLogger("azure_batch_endpoints").setLevel(logging.INFO)
    ended = True
    with contextlib.suppress(_Ended):  # entered before a signal can raise it
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, _end_at_once)  # until the server takes over
        ended = _run(given)
    logging.shutdown()
    if not ended:
        os._exit(1)  # a hanging thread would keep the process; its workers end by themselves


def _run(given: argparse.Namespace) -> bool:
    """Serve; return whether all threads have ended."""
    storage = json.load(sys.stdin)["storage"] if given.detached else os.environ.pop(STORAGE_VARIABLE, None)
    root = given.root.expanduser().resolve()
    workers = given.workers or os.cpu_count() or 1
    memory = given.worker_memory or fair_share(workers)
    settings = ServiceSettings(root, workers, storage, given.environments, given.stay, memory)
    report = _Report(detached=given.detached)
    try:
        root.mkdir(parents=True, exist_ok=True, mode=0o700)
        from azure_batch_endpoints.local.server import serve

        return serve(settings, report.ready)
    except (BatchEndpointsError, OSError, sqlite3.Error) as error:
        report.failed(redact(_reason(error, root)))
        sys.exit(1)


def _reason(error: Exception, root: Path) -> str:
    if disk.is_full(error):
        return disk.advice(root)
    return f"The databases in '{root}' cannot be used: {error}." if isinstance(error, sqlite3.Error) else str(error)


class _Report:
    """One line of JSON to the process that started this one; then stdout is the log."""

    def __init__(self, *, detached: bool) -> None:
        self._detached = detached

    def ready(self) -> None:
        if not self._detached:
            print("The local service is ready. Ctrl-C ends it.", flush=True)
        self._send({"ready": True})

    def failed(self, message: str) -> None:
        logging.getLogger(__name__).error("%s", message)
        self._send({"error": message})

    def _send(self, report: dict[str, Any]) -> None:
        if self._detached:
            with contextlib.suppress(BrokenPipeError):  # it died meanwhile; without a lease we end by ourselves
                os.write(sys.stdout.fileno(), json.dumps(report).encode() + b"\n")
            os.dup2(sys.stderr.fileno(), sys.stdout.fileno())


class _Ended(BaseException):
    """A signal that came while no server was running."""


def _end_at_once(number: int, _frame: object) -> None:
    raise _Ended(number)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m azure_batch_endpoints.local", description=__doc__)
    parser.add_argument("--root", type=Path, required=True, help="folder that keeps everything")
    parser.add_argument("--workers", type=int, default=None, help="most worker processes at once; default: the cores")
    parser.add_argument(
        "--worker-memory",
        type=memory_size,
        metavar="SIZE",
        help="what one worker process may hold, e.g. 2GiB; default: its share of 90 %% of the machine's memory",
    )
    parser.add_argument("--environments", choices=["host", "build"], default="host")
    parser.add_argument("--stay", action="store_true", help="go on without clients")
    parser.add_argument("--detached", action="store_true", help=argparse.SUPPRESS)
    return parser


if __name__ == "__main__":
    main()
