"""Keeps a client's service running: one that died is started again by the client itself, and its jobs go on.

One that was told to end stays ended. How a service is started or joined is in `service`.
"""

from __future__ import annotations

import logging
import os
import threading
import time
import weakref

from azure_batch_endpoints.errors import LocalServiceError
from azure_batch_endpoints.local.service import LocalService

_LOOK_SECONDS = 1.0
_GRACE_SECONDS = 0.3
"""A process that is killed does not close all its connections in the same moment."""
_PAUSES = (0.0, 0.0, 0.5, 1.0, 2.0, 4.0, 8.0, 15.0)
"""Before each start, as long as none of them lived."""
_LIVED_SECONDS = 30.0
_log = logging.getLogger(__name__)
_log.addHandler(logging.NullHandler())  # silent until somebody sets logging up


class Keeper:
    """Looks after one client's service in a thread of its own, which ends with this object.

    Attributes:
        root: folder of the service.
        times: how often the service was there again.
    """

    def __init__(self, service: LocalService) -> None:
        self.root = str(service.root)
        self.times = 0
        self._service = service
        self._owner = os.getpid()
        self._since = time.monotonic()
        self._young = 0
        self._trouble: str | None = None
        self._over = threading.Event()
        self._asked = self._answered = 0
        self._turn = threading.Condition()
        self._work = threading.Lock()
        self._wake = threading.Event()
        threading.Thread(
            target=_keep, args=(weakref.ref(self), self._wake), name="local service keeper", daemon=True
        ).start()

    def back(self, times: int, seconds: float) -> bool:
        """Wait until a service that did not answer is there again.

        Args:
            times: what `times` was before it was asked.
            seconds: how long to wait for a start, which takes about one.

        Returns:
            whether it was gone and is there again, so that asking once more makes sense.

        Raises:
            LocalServiceError: it died and cannot be started again.
        """
        if os.getpid() != self._owner:  # a fork: the service belongs to the parent
            return False
        with self._turn:
            if self.times == times:
                self._asked += 1
                mine = self._asked
                self._wake.set()
                self._turn.wait_for(lambda: self._answered >= mine or self._over.is_set(), seconds)
            if self.times == times and self._trouble is not None:
                raise LocalServiceError(self._trouble)
            return self.times > times

    def close(self) -> None:
        """Look no more, and let the service go. Twice is fine."""
        self._over.set()
        self._wake.set()
        with self._work:  # a start that is under way comes to its end first
            self._service.close()
        with self._turn:
            self._turn.notify_all()

    def look(self) -> bool:
        """Look once and do what is to be done; False: there is nothing to look after any more."""
        with self._turn:
            asked = self._asked
        with self._work:
            if not self._over.is_set():
                self._tend(wanted=asked > self._answered)
        with self._turn:
            self._answered = asked
            self._turn.notify_all()
        return not self._over.is_set()

    def _tend(self, *, wanted: bool) -> None:
        if not self._service.lost(_GRACE_SECONDS if wanted else 0.0):
            return
        try:
            if not self._service.ended_in_order():
                self._restore()
            elif wanted and self._service.rejoin():
                self.times += 1
        except LocalServiceError as error:
            self._trouble = str(error)
            _log.warning("%s", error)

    def _restore(self) -> None:
        if time.monotonic() - self._since > _LIVED_SECONDS:
            self._young = 0
        if self._young == len(_PAUSES):
            self._over.set()
            if self._trouble is not None:  # it did not even start
                return
            raise LocalServiceError(
                f"The local service on '{self._service.root}' died again and again and is not started any more. "
                f"Look at the end of '{self._service.log}'; BatchClient.local(root) starts it, and its jobs go on."
            )
        self._young += 1
        if self._over.wait(_PAUSES[self._young - 1]):
            return
        _log.warning("The local service on '%s' died; it is started again.", self._service.root)
        self._since = time.monotonic()
        self._service.restore()
        self.times, self._trouble = self.times + 1, None


def _keep(keeper: weakref.ref[Keeper], wake: threading.Event) -> None:
    while True:
        wake.wait(_LOOK_SECONDS)
        wake.clear()
        found = keeper()  # a client that nobody holds any more has let its service go
        if found is None or not found.look():
            return
        del found
