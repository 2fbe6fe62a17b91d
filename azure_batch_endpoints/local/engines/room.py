"""A full disk under the workers' rows: their mini-batches wait for room, it costs them no try.

Here: whether there is room. Not here: rows, mini-batches.
"""

from __future__ import annotations

import errno
import tempfile
import time
from pathlib import Path

from azure_batch_endpoints.local.engines.verdict import Reply
from azure_batch_endpoints.local.logfiles import JobLogs

FULL = frozenset({errno.ENOSPC, errno.EDQUOT})
LOOK_SECONDS = 1.0
PATIENCE_SECONDS = 600.0
"""After so long without room since rows were written last, rows that cannot be written cost tries."""
PROBE = 1 << 20
"""Bytes that must fit."""


def is_for_want_of_room(reply: Reply) -> bool:
    """Whether a worker could not write rows because the disk, or the user's part of it, is full."""
    return reply.get("type") == "RowsNotWritten" and reply.get("errno") in FULL


class RoomWatch:
    """Waits for room on the disk under a folder."""

    def __init__(self, folder: Path, logs: JobLogs) -> None:
        self._folder, self._logs = folder, logs
        self._short_since: float | None = None
        self._look_at: float | None = None
        self._room_since: float | None = None

    def wait(self) -> bool:
        """Begin to wait, or go on waiting; return False when it has been too long."""
        now = time.monotonic()
        if self._short_since is None:
            self._short_since = now
            self._logs.controller(
                f"The disk under '{self._folder}' is full: scoring waits for room, for {PATIENCE_SECONDS:g} s at most."
            )
        elif self._room_since is not None:  # only the time without room counts
            self._short_since += now - self._room_since
        self._room_since = None
        if now - self._short_since > PATIENCE_SECONDS:
            return False
        self._look_at = now + LOOK_SECONDS
        return True

    def found(self) -> None:
        """Take note that rows could be written."""
        if self._short_since is not None:
            self._short_since = self._room_since = None
            self._logs.controller("There is room on the disk again: scoring goes on.")

    def enough(self) -> bool:
        """Return whether mini-batches may be handed out; looks at the disk when it is time to."""
        if self._look_at is None:
            return True
        now = time.monotonic()
        if now < self._look_at:
            return False
        too_long = self._short_since is not None and now - self._short_since > PATIENCE_SECONDS
        if not too_long and not self._fits():
            self._look_at = now + LOOK_SECONDS
            return False
        self._look_at, self._room_since = None, None if too_long else now
        return True

    def _fits(self) -> bool:
        try:
            with tempfile.TemporaryFile(dir=self._folder) as file:
                file.write(bytes(PROBE))
                file.flush()
        except OSError:
            return False
        return True
