"""What a job does when its store does not answer or the disk is full: wait, say so, try again. The home of tenacity.

Everything a job asks of a store and writes to the disk goes through here, so one limit, one wording and one way to stop
hold for all of it. Not here: which calls those are (`patient_store`, `scoring`, `finishing`).
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from concurrent.futures import Future, wait
from pathlib import Path
from typing import TypeVar

from tenacity import RetryCallState, Retrying, retry_if_exception, wait_exponential

from azure_batch_endpoints.errors import ServerError, ServiceError, TooManyRequestsError, TransportError
from azure_batch_endpoints.local import disk
from azure_batch_endpoints.local.control import Interrupted

LONG_SECONDS = 600.0
"""How long a store that has answered before, or room on the disk, is waited for."""
FIRST_SECONDS = 5.0
"""How long a foreign store that has not answered this job yet is waited for: its address may be wrong."""
QUIET_SECONDS = 10.0
"""What comes and goes more often than this, a store that is too busy perhaps, is told once."""
LOOK_SECONDS = 0.1
"""How soon a job that is to stop gives up waiting."""
_T = TypeVar("_T")


class NoSign(TransportError):
    """A call was given up that gave no sign; it is not made again, for it has had all the time there was."""


class Patience:
    """The waiting of one run of a job; shared by all its threads.

    Args:
        cancel: stops all waiting.
        say: takes a line for the user when waiting begins and when it ends.
        folder: where the job writes, for the text.
        seconds: longest time to wait for one thing.
        silence: longest time that a call set apart may give no sign; None: as long as it takes.
    """

    def __init__(
        self,
        cancel: threading.Event,
        say: Callable[[str], None],
        folder: Path,
        seconds: float | None = None,
        silence: float | None = None,
    ) -> None:
        self._cancel, self._say, self._silence = cancel, say, silence
        self._sign = 0.0
        self._seconds = LONG_SECONDS if seconds is None else seconds
        self._over = threading.Event()
        self._lock = threading.Lock()
        self._places: dict[str, Place] = {}
        self._disk = Place(
            self,
            disk.is_full,
            f"There is no space left on the disk of '{folder}': the job waits for room.",
            "There is room on the disk again",
        )

    def room(self, write: Callable[[], _T]) -> _T:
        """Return what a call gives that writes to the disk; it is repeated while there is no room.

        Raises:
            Interrupted: the job is to stop, and there is no room.
            OSError, sqlite3.Error: there was no room for a long time; or another failure, at once.
        """
        return self._disk.patiently(write)

    def place(self, name: str, *, known: bool) -> Place:
        """Return the waiting for a store.

        Args:
            name: its address, without anything secret.
            known: it is the service's own, and has answered.
        """
        with self._lock:
            if name not in self._places:
                began = f"The store at '{name}' does not answer: the job waits for it."
                self._places[name] = Place(self, _is_silence, began, f"The store at '{name}' answers again", known)
            return self._places[name]

    def apart(self, call: Callable[[], _T]) -> _T:
        """Return what a call gives; when the job is to stop meanwhile, the call is left to end by itself.

        Raises:
            Interrupted: the job is to stop.
        """
        future: Future[_T] = Future()

        def run() -> None:
            try:
                future.set_result(call())
            except BaseException as error:  # noqa: BLE001 - raised again where the result is taken
                future.set_exception(error)

        self.check()
        threading.Thread(target=run, name="job-call", daemon=True).start()
        return self.result(future)

    def result(self, future: Future[_T]) -> _T:
        """Return a future's result.

        Raises:
            Interrupted: the job is to stop.
            NoSign: there was none for too long.
        """
        self._sign = time.monotonic()
        while not future.done():
            wait((future,), LOOK_SECONDS)
            if future.done():
                break
            self.check()
            if self._silence is not None and time.monotonic() - self._sign > self._silence:
                raise NoSign(f"There was no sign of the store for {self._silence:g} s.")
        return future.result()

    def check(self) -> None:
        """Raise `Interrupted` when the job is to stop."""
        if self.stopped:
            raise Interrupted

    def goes_on(self) -> None:
        """Take note that a transfer goes on; raise `Interrupted` when the job is to stop."""
        self._sign = time.monotonic()
        self.check()

    @property
    def stopped(self) -> bool:
        """Whether the job is to stop, or has ended."""
        return self._cancel.is_set() or self._over.is_set()

    def close(self) -> None:
        """End all waiting, in whatever thread."""
        self._over.set()

    def limit(self, *, known: bool) -> float:
        """Return how long one thing is waited for, in seconds."""
        return self._seconds if known else min(self._seconds, FIRST_SECONDS)

    def say(self, text: str) -> None:
        """Tell the user, unless the job has ended."""
        if not self._over.is_set():
            self._say(text)

    def sleep(self, seconds: float) -> None:
        """Sleep, but not longer than the job goes on."""
        until = time.monotonic() + seconds
        while not self._cancel.is_set() and (left := until - time.monotonic()) > 0:
            if self._over.wait(min(left, LOOK_SECONDS)):
                return


class Place:
    """One thing a job may have to wait for: it knows since when it is missing, whichever thread noticed."""

    def __init__(
        self,
        patience: Patience,
        is_missing: Callable[[BaseException], bool],
        began: str,
        ended: str,
        known: bool = True,  # noqa: FBT001, FBT002 - used by Patience alone
    ) -> None:
        self._patience, self._is_missing = patience, is_missing
        self._began, self._ended = began, ended
        self._known = known
        self._since: float | None = None
        self._told, self._quiet_until = False, 0.0
        self._lock = threading.Lock()

    def patiently(self, call: Callable[[], _T]) -> _T:
        """Return what a call gives; it is repeated while the thing is missing.

        Raises:
            Interrupted: the job is to stop, and it is missing still.
            Exception: what the call raised last, when it was missing for too long; anything else at once.
        """
        try:
            return self._try(call)
        except Exception as error:
            if not self._is_missing(error):
                raise
            self._note(error)
            if isinstance(error, NoSign):
                raise
        retrying = Retrying(
            retry=retry_if_exception(self._is_missing),
            stop=self._is_enough,
            wait=wait_exponential(0.05, max=2),
            sleep=self._patience.sleep,
            before_sleep=lambda state: self._note(state.outcome.exception() if state.outcome else None),
            reraise=True,
        )
        self._patience.sleep(0.05)
        try:
            return retrying(lambda: self._try(call))
        except Exception as error:
            if self._is_missing(error) and self._patience.stopped:
                raise Interrupted from error
            raise

    def _try(self, call: Callable[[], _T]) -> _T:
        missing = self._since is not None  # what was under way before says nothing about now
        try:
            result = call()
        except ServiceError as error:
            if not self._is_missing(error):  # an answer, if not the one that was hoped for
                self._there(missing=missing)
            raise
        self._there(missing=missing)
        return result

    def _there(self, *, missing: bool) -> None:
        self._known = True
        if missing:
            self._over()

    def _note(self, error: BaseException | None) -> None:
        now = time.monotonic()
        with self._lock:
            self._since = now if self._since is None else self._since
            if self._told or (now < self._quiet_until and now - self._since < QUIET_SECONDS):
                return
            self._told = True
        self._patience.say(f"{self._began} {_first_line(error)}".rstrip())

    def _over(self) -> None:
        now = time.monotonic()
        with self._lock:
            since, self._since = self._since, None
            told, self._told = self._told, False
            if since is None or not told:
                return
            self._quiet_until = now + QUIET_SECONDS
        self._patience.say(f"{self._ended}, after {now - since:.0f} s; the job goes on.")

    def _is_enough(self, state: RetryCallState) -> bool:
        if self._patience.stopped:
            return True
        since = state.start_time if self._since is None else min(self._since, state.start_time)
        return time.monotonic() - since > self._patience.limit(known=self._known)


def _is_silence(error: BaseException) -> bool:
    return isinstance(error, (TransportError, ServerError, TooManyRequestsError))


def _first_line(error: BaseException | None) -> str:
    return str(error).partition("\n")[0] if isinstance(error, (TransportError, ServerError)) else ""
