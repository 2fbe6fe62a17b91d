"""Processes that a scoring script started and that left the worker's session, so that killing its group misses them.

Each worker has a mark in its environment, which what it starts inherits. Linux only, where `/proc` shows it.
"""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

MARK = "AZURE_BATCH_ENDPOINTS_WORKER"
"""Environment variable whose value tells workers apart: the path of the worker's segment of rows."""
_ROUNDS = 5
"""A process may fork while it is looked for."""


def kill_strays(mark: Path) -> None:
    """Kill every process that bears a mark.

    Args:
        mark: of a worker; or the folder of the marks of a job's workers, those of a service that was killed too.
    """
    for _ in range(_ROUNDS):
        strays = list(_marked(f"\0{MARK}={mark}".encode()))
        if not strays:
            return
        for pid in strays:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)


def _marked(mark: bytes) -> Iterator[int]:
    """Yield processes that run; a dead one has no environment any more."""
    for folder in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):  # it has ended, or is another user's
            environment = b"\0" + (folder / "environ").read_bytes() + b"\0"
            if mark + b"\0" in environment or mark + b"/" in environment:
                yield int(folder.name)
