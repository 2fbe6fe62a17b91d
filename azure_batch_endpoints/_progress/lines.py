"""Plain lines where no bar can be drawn: in a build's log, in a file."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable

FIRST, LONGEST, GROWTH = 2.0, 60.0, 1.5
"""Seconds between two lines: at first, at most, and how they grow."""


class Lines:
    """Writes a line when something has changed, ever more seldom; the last line always."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._pause = FIRST
        self._next = float("-inf")
        self._written = self._latest = ""

    def say(self, line: str) -> None:
        """Take note of how things stand, and write it if it is time to."""
        self._latest = line
        now = self._clock()
        if line == self._written or now < self._next:
            return
        if self._written:
            self._pause = min(LONGEST, self._pause * GROWTH)
        self._next = now + self._pause
        self._write()

    def end(self) -> None:
        """Write what was not written yet."""
        if self._latest != self._written:
            self._write()

    def _write(self) -> None:
        self._written = self._latest
        if sys.stderr is not None:
            print(self._latest, file=sys.stderr, flush=True)
