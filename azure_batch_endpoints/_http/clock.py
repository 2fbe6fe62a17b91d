"""Time for everything that waits: the clock, a deadline on it, and the pauses between looks.

Nothing here sends a request. Tests put their own :class:`Clock` in and never really sleep.
"""

from __future__ import annotations

import math
import random
import time
from collections.abc import Iterator

_GROWTH = 1.5
_JITTER = 0.1
LONGEST_REST = 600.0
"""Seconds after which a wait looks again, however much longer the service asked it to rest."""


class Clock:
    """The machine's monotonic clock; replace both methods to wait without waiting."""

    def monotonic(self) -> float:
        """Return seconds since an arbitrary moment; never goes back."""
        return time.monotonic()

    def sleep(self, seconds: float) -> None:
        """Do nothing for ``seconds``."""
        time.sleep(seconds)


class DeadlinePassed(Exception):
    """The time to wait is over; what was waited for goes on.

    Attributes:
        seconds: how long the wait was allowed to take.
    """

    def __init__(self, seconds: float) -> None:
        super().__init__(f"The time to wait, {seconds:g} s, is over.")
        self.seconds = seconds


class Deadline:
    """A moment after which nobody waits any more."""

    def __init__(self, clock: Clock, seconds: float | None) -> None:
        """Set the moment ``seconds`` from now; None: never, less than 0: now."""
        self._clock = clock
        self._seconds = math.inf if seconds is None else max(0.0, seconds)
        self._at = clock.monotonic() + self._seconds

    @property
    def seconds(self) -> float:
        """How long the wait may take in all; ``math.inf`` when there is no limit."""
        return self._seconds

    @property
    def passed(self) -> bool:
        """Whether the moment is over."""
        return self.remaining() <= 0

    def remaining(self) -> float:
        """Return the seconds left, 0 when it is over, ``math.inf`` when there is no limit."""
        return max(0.0, self._at - self._clock.monotonic())

    def check(self) -> None:
        """Raise when the moment is over.

        Raises:
            DeadlinePassed: it is.
        """
        if self.passed:
            raise DeadlinePassed(self._seconds)

    def sleep(self, pause: float) -> None:
        """Sleep ``pause`` seconds, or until the deadline if that comes first.

        Raises:
            DeadlinePassed: the deadline came first; it is reached, not overshot.
        """
        remaining = self.remaining()
        self._clock.sleep(min(pause, remaining))
        if pause >= remaining:
            raise DeadlinePassed(self._seconds)


def pauses(first: float, longest: float) -> Iterator[float]:
    """Yield the seconds to wait before each next look, without end.

    Starts at ``first`` and grows by half each time up to ``longest``; up to a tenth more or less, so that many clients
    started together do not look together. Never above ``longest``.
    """
    dice = random.SystemRandom()
    pause = min(first, longest)
    while True:
        yield min(longest, pause * dice.uniform(1 - _JITTER, 1 + _JITTER))
        pause = min(longest, pause * _GROWTH)
