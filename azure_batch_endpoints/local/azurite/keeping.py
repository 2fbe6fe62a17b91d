"""Azurite kept running: one that ends by itself is started again on the same port and folder."""

from __future__ import annotations

import contextlib
import logging
import threading
import time
from collections.abc import Callable
from pathlib import Path

from azure_batch_endpoints.errors import BatchEndpointsError, LocalServiceError
from azure_batch_endpoints.local.azurite.process import Azurite

_PAUSES = (0.0, 0.5, 1.0, 2.0, 5.0, 10.0, 20.0, 30.0, 60.0)
"""Seconds before each try, as long as none of them lived."""
_LIVED_SECONDS = 60.0
_AGAIN_PAUSES = (0.2, 0.5, 1.0, 2.0, 5.0, 10.0)
"""Seconds after each failed try to make again what it lost."""
_ENDED = (
    "Azurite ended by itself (code %s). It is started again. What was written to it in its last seconds may be lost: a "
    "job that misses an input names it, and what was uploaded then is to be uploaded again."
)
_log = logging.getLogger(__name__)


class KeptAzurite:
    """Azurite in a folder, watched by a thread from its start to its :meth:`stop`.

    Args:
        folder: Where it keeps its data; beside it, its port, so that addresses stay valid.
        account: The account's name.
        key: The account's key, base64.
        again: Called each time it was started again, before that is told: what it lost may have to be made again.
    """

    def __init__(self, folder: Path, *, account: str, key: str, again: Callable[[], None] = lambda: None) -> None:
        self._folder, self._account, self._key = folder, account, key
        self._again = again
        self._ending = threading.Event()
        self._work = threading.Lock()
        self._watching: threading.Thread | None = None
        self._azurite = self._made(_kept_port(folder))

    def __repr__(self) -> str:
        return f"KeptAzurite({self._azurite!r})"

    @property
    def endpoint(self) -> str:
        """The account's URL, without a slash at the end; the same for ever once it has been started."""
        return self._azurite.endpoint

    @property
    def pid(self) -> int | None:
        """The process id, None when it does not run."""
        return self._azurite.pid

    def start(self) -> KeptAzurite:
        """Start it, where it listened last time if that port is free, and watch it.

        Raises:
            LocalServiceError: It does not start.
        """
        try:
            self._azurite.start()
        except LocalServiceError:
            if not self._azurite.port:
                raise
            self._azurite = self._made(0).start()  # that port is taken, perhaps
        _port_file(self._folder).write_text(str(self._azurite.port), encoding="ascii")
        self._watching = threading.Thread(target=self._watch, name="azurite-keeper", daemon=True)
        self._watching.start()
        return self

    def stop(self) -> None:
        """End it for good and wait until it has saved its data."""
        self._ending.set()
        with self._work:  # a start that is under way comes to its end first
            self._azurite.stop()
        if self._watching is not None:
            self._watching.join()

    def _made(self, port: int) -> Azurite:
        return Azurite(self._folder, account=self._account, key=self._key, port=port)

    def _watch(self) -> None:
        tries, since = 0, time.monotonic()
        while True:
            code = self._azurite.wait()
            if self._ending.is_set():
                return
            if time.monotonic() - since > _LIVED_SECONDS:
                tries = 0
            if tries == len(_PAUSES):
                _log.error("Azurite ended again and again and is not started any more. Start the local service again.")
                return
            if code is not None:  # else it did not even start
                _log.warning(_ENDED, code)
            if self._ending.wait(_PAUSES[tries]):
                return
            tries, since = tries + 1, time.monotonic()
            self._start_again()

    def _start_again(self) -> None:
        try:
            with self._work:
                if self._ending.is_set():
                    return
                self._azurite.start()
            if not self._made_again():
                return  # it has ended once more, or is to end
        except BatchEndpointsError as error:
            _log.error("%s", error)
        else:
            _log.info("Azurite is there again: process %s, port %s.", self._azurite.pid, self._azurite.port)

    def _made_again(self) -> bool:
        """Make again what it lost; return False when that is no use any more.

        Raises:
            BatchEndpointsError: it did not work, however often it was tried.
        """
        for pause in _AGAIN_PAUSES:
            try:
                self._again()
            except BatchEndpointsError as error:
                _log.warning("Azurite runs, but what it lost could not be made again yet: %s", error)
            else:
                return True
            if self._ending.wait(pause) or self._azurite.wait(0) is not None:
                return False
        self._again()
        return True


def _port_file(folder: Path) -> Path:
    return folder.with_name(f"{folder.name}.port")


def _kept_port(folder: Path) -> int:
    with contextlib.suppress(OSError, ValueError):
        port = int(_port_file(folder).read_text(encoding="ascii"))
        return port if 0 < port < 1 << 16 else 0
    return 0
