"""What a wait bears: a service that does not answer, is busy or fails for a while, and a login that stumbles.

One call's own few tries are in ``retries``. Here is what goes on for minutes: whatever waits for something looks again
until its deadline; without one it gives up after half an hour in which no look succeeded.
"""

from __future__ import annotations

import logging
import math
import socket
from collections.abc import Callable, Iterator
from json import JSONDecodeError
from typing import TYPE_CHECKING, TypeVar

from azure_batch_endpoints._http.clock import LONGEST_REST, Deadline, pauses
from azure_batch_endpoints.errors import (
    AuthenticationError,
    BatchEndpointsError,
    ForeignHostError,
    ServerError,
    ServiceError,
    TooManyRequestsError,
    TransportError,
)

if TYPE_CHECKING:
    from azure_batch_endpoints._http.session import Session

OUTAGE_SECONDS = 1800.0
"""How long a wait without a deadline goes on without an answer."""
LOGIN_SECONDS = 60.0
"""How long a credential that gave tokens before may give none: the way to the sign-in may be what is broken."""
_LONGEST_PAUSE = 30.0
_LONGEST_PAUSE_LOCALLY = 1.0
_log = logging.getLogger("azure_batch_endpoints.http")
_Seen = TypeVar("_Seen")
_Error = TypeVar("_Error", bound=BatchEndpointsError)


class Patience:
    """Bears with the looks of one wait that fail; not for several threads."""

    def __init__(self, session: Session, deadline: Deadline, goes_on: str = "") -> None:
        """Prepare; nothing is sent.

        Args:
            session: looks.
            deadline: of the wait; while it has one, that alone says how long is enough.
            goes_on: is added to the error when the wait ends without an answer: that what was waited for goes on, and
                how to return to it.
        """
        self._session = session
        self._deadline = deadline
        self._goes_on = goes_on
        self._pauses: Iterator[float] | None = None
        self._since = 0.0
        self._answered = False

    def ask(self, look: Callable[[], _Seen]) -> _Seen:
        """Return what ``look`` gives; it is repeated while it is worth it.

        Raises:
            BatchEndpointsError: what it raised last.
            DeadlinePassed: the wait is over.
        """
        while True:
            try:
                seen = look()
            except (TransportError, ServiceError) as error:
                self.bear(error)
            else:
                self.answered()
                return seen

    def answered(self) -> None:
        """Take note that a look succeeded."""
        if self._pauses is not None:
            _log.info("The service answers again, after %.0f s.", self._session.clock.monotonic() - self._since)
        self._pauses, self._answered = None, True

    def bear(self, error: TransportError | ServiceError) -> None:
        """Pause after a look that failed, so that another can follow.

        Raises:
            BatchEndpointsError: ``error``, where another look is no use or there were enough.
            DeadlinePassed: the wait is over.
        """
        longest = self._longest(error)
        if longest is None:
            raise error
        now = self._session.clock.monotonic()
        if self._pauses is None:
            most = _LONGEST_PAUSE_LOCALLY if self._session.is_local else _LONGEST_PAUSE
            self._since, self._pauses = now, pauses(self._session.first_pause, most)
            _log.info("A look got no answer and is repeated: %s", error)
        asked = error.retry_after if isinstance(error, (ServerError, TooManyRequestsError)) else None
        pause = min(asked or next(self._pauses), LONGEST_REST)
        if now + pause - self._since > longest:
            raise told_more(error, self._goes_on) from error
        self._deadline.sleep(pause)

    def _longest(self, error: TransportError | ServiceError) -> float | None:
        """Return how long this error may last, in seconds; None: it says something that does not pass."""
        if isinstance(error, AuthenticationError):
            return LOGIN_SECONDS if self._answered and not self._session.is_local else 0.0
        if self._session.closed or isinstance(error, ForeignHostError):
            return None
        if isinstance(error, TransportError) and not _is_of_the_way(error):
            return None
        if isinstance(error, ServiceError) and not (
            isinstance(error, (ServerError, TooManyRequestsError)) or error.status_code == 408
        ):
            return None
        if self._session.is_local and _is_refused(error):
            return 0.0  # the local service is gone, and nobody brings it back
        return OUTAGE_SECONDS if math.isinf(self._deadline.seconds) else math.inf


def told_more(error: _Error, more: str) -> _Error:
    """Return the same error with something added to its text."""
    if not more:
        return error
    made = type(error).__new__(type(error))
    made.args = (f"{error} {more}",)
    vars(made).update(vars(error))
    return made


def never_left(error: BaseException) -> bool:
    """Whether the request did not reach the service: nobody listens there, or there was no connection at all."""
    from azure.core.exceptions import ServiceRequestTimeoutError

    kinds = (ConnectionRefusedError, socket.gaierror, ServiceRequestTimeoutError)
    return any(isinstance(cause, kinds) for cause in _causes(error))


def _is_refused(error: BaseException) -> bool:
    return any(isinstance(cause, ConnectionRefusedError) for cause in _causes(error))


def _is_of_the_way(error: TransportError) -> bool:
    """Whether it tells of the way to the service; else of an answer that will be the same next time."""
    from azure.core.exceptions import AzureError

    return any(isinstance(cause, (AzureError, OSError, JSONDecodeError)) for cause in _causes(error))


def _causes(error: BaseException) -> Iterator[BaseException]:
    from azure_batch_endpoints._http.failures import causes_of  # with it comes azure-core, which names need not

    return causes_of(error)
