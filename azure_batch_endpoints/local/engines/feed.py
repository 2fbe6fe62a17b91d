"""The way of staged mini-batches into an engine: pulled in a thread of its own, so that slow staging stops no clock.

Here: the thread, the small buffer and the wake-up. Not here: staging itself, workers.
"""

from __future__ import annotations

import os
import threading
from collections import deque
from collections.abc import Iterable

from azure_batch_endpoints.local.engines.base import StagedBatch


class Feed:
    """A bounded buffer between an iterable that may block and a loop that must not."""

    def __init__(self, source: Iterable[StagedBatch], ahead: int) -> None:
        """Begin to pull.

        Args:
            source: the mini-batches; a generator is closed when the feed is closed.
            ahead: most mini-batches that wait here.
        """
        self._source, self._ahead = source, ahead
        self._waiting: deque[StagedBatch] = deque()
        self._changed = threading.Condition()
        self._closed = self._exhausted = self._starving = False
        self._error: BaseException | None = None
        self._awake, self._bell = os.pipe()
        self._thread = threading.Thread(target=self._pull, name="abe-feed", daemon=True)
        self._thread.start()

    def fileno(self) -> int:
        """Return what becomes readable when something came after `take` gave None."""
        return self._awake

    @property
    def waiting(self) -> int:
        """Mini-batches in the buffer."""
        return len(self._waiting)

    @property
    def finished(self) -> bool:
        """Whether nothing is left and nothing will come."""
        return self._exhausted and not self._waiting

    def take(self) -> StagedBatch | None:
        """Return the next mini-batch; None when none is there now."""
        with self._changed:
            if not self._waiting:
                self._starving = True
                return None
            batch = self._waiting.popleft()
            if len(self._waiting) <= self._ahead // 2:  # not at each: a switch of threads costs more than a mini-batch
                self._changed.notify()
            return batch

    def answer(self) -> None:
        """Take note of a wake-up."""
        os.read(self._awake, 4096)

    def check(self) -> None:
        """Raise what the source raised, if it did."""
        if self._error:
            raise self._error

    def close(self, seconds: float = 5.0) -> None:
        """Stop pulling; wait for the source to give way, but not longer than `seconds`."""
        with self._changed:
            self._closed = True
            self._changed.notify()
        self._thread.join(seconds)
        if not self._thread.is_alive():
            os.close(self._awake)
            os.close(self._bell)

    def _pull(self) -> None:
        iterator = iter(self._source)
        try:
            while not self._closed:
                batch = next(iterator, None)
                if batch is None or not self._put(batch):
                    break
        except BaseException as error:  # noqa: BLE001 - raised again where the outcomes are taken
            self._error = error
        finally:
            close = getattr(iterator, "close", None)
            if close:
                close()
            with self._changed:
                self._exhausted = True
                os.write(self._bell, b".")

    def _put(self, batch: StagedBatch) -> bool:
        with self._changed:
            self._changed.wait_for(lambda: self._closed or len(self._waiting) < self._ahead)
            self._waiting.append(batch)
            if self._starving:
                self._starving = False
                os.write(self._bell, b".")
            return not self._closed
