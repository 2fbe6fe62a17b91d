"""A clock that is moved by sleeping, so that waiting is tested without waiting."""

from __future__ import annotations

from azure_batch_endpoints._http import Clock


class FakeClock(Clock):
    """Starts at 0; ``sleep`` moves it at once and is written down in ``pauses``."""

    def __init__(self) -> None:
        self.now = 0.0
        self.pauses: list[float] = []

    def monotonic(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        assert seconds >= 0
        self.pauses.append(seconds)
        self.now += seconds
