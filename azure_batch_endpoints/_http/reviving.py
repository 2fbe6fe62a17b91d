"""Waiting for a service that this client itself may start: the local one, after it died."""

from __future__ import annotations

from typing import Protocol

from azure_batch_endpoints._http.clock import Deadline
from azure_batch_endpoints.errors import LocalServiceError, TransportError

_SECONDS = 60.0
"""For the start of a local service; it takes about one."""


class Reviver(Protocol):
    """What keeps such a service running."""

    @property
    def root(self) -> str:
        """Folder of the service."""
        ...

    @property
    def times(self) -> int:
        """How often it was there again."""
        ...

    def back(self, times: int, seconds: float) -> bool:
        """Wait until a service that is gone is there again; False: it was not gone, or was told to end.

        Args:
            times: what it was before the service was asked.
            seconds: the longest wait.

        Raises:
            LocalServiceError: it died and cannot be started again.
        """
        ...


def ended(reviver: Reviver | None) -> str:
    """Return the text for a service on this machine that is gone: how the same one is started again.

    Args:
        reviver: None: not a service of ours, so its folder is not known.
    """
    root = "root" if reviver is None else f"'{reviver.root}'"
    return f"The local service seems to have ended. Start it again with BatchClient.local({root})."


def is_back(reviver: Reviver | None, times: int, action: str, deadline: Deadline | None) -> bool:
    """Whether a service that gave no answer had died and is there again.

    Args:
        reviver: None: not a service of ours.
        times: see :meth:`Reviver.back`.
        action: continues "Could not …".
        deadline: of the call.

    Raises:
        TransportError: it cannot be started again.
    """
    if reviver is None:
        return False
    try:
        return reviver.back(times, _SECONDS if deadline is None else min(_SECONDS, deadline.remaining()))
    except LocalServiceError as error:
        raise TransportError(f"Could not {action}: {error}") from error
