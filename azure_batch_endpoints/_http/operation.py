"""Long-running operations: what the service goes on doing after it has answered.

The three ways of Azure Resource Manager (the header ``Azure-AsyncOperation``, the header ``Location``, the body's
``provisioningState``), followed here rather than by azure-core's pollers: those start a thread, return a half-made
resource when the time is up, poll every 30 s when the service gives no ``Retry-After`` (it never does), and take a
resource that is still ``Creating`` for a finished one when there is only ``Location``. Their state cannot be taken to
another process without the whole first answer in it. ``tests/unit/test_http_operation.py`` runs both on the same
answers.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING, Any, Literal

from azure_batch_endpoints._http.answer import Answer
from azure_batch_endpoints._http.clock import Deadline, pauses
from azure_batch_endpoints._http.patience import Patience
from azure_batch_endpoints._refusals import request_id_of
from azure_batch_endpoints._refusals.bodies import Said, said_by
from azure_batch_endpoints.errors import InvalidInputError, TransportError

if TYPE_CHECKING:
    from azure_batch_endpoints._http.session import Session

SHORTEST_PAUSE = 0.05
_SUCCEEDED = "succeeded"
_NAMED_BY = {"operation": "the header Azure-AsyncOperation", "location": "the header Location"}
_ENDED_BADLY = {"failed": "Failed", "canceled": "Canceled", "cancelled": "Canceled"}


class OperationEnded(Exception):
    """The service ended the operation, but not well.

    Attributes:
        status: ``Failed`` or ``Canceled``.
        code: the service's error code, or None.
        message: the service's words, or None.
        body: the last answer's body.
        request_id: of the last answer, or None.
    """

    def __init__(
        self, status: str, code: str | None, message: str | None, body: object, request_id: str | None = None
    ) -> None:
        super().__init__(f"{status}: {message or code or 'no reason given'}")
        self.request_id = request_id
        self.status = status
        self.code = code
        self.message = message
        self.body = body


@dataclass(frozen=True)
class _Course:
    """Where to look next, and how to read what is found there."""

    way: Literal["operation", "location", "resource", "over"]
    url: str
    resource: str | None
    """Address of the resource to read at the end; None: there is none (DELETE, cancel)."""
    action: str
    audience: str


class Operation:
    """One operation; waits when asked to, never in the background."""

    def __init__(self, session: Session, course: _Course) -> None:
        """Use :meth:`start` or :meth:`resume`."""
        self._session = session
        self._course = course
        self._done = False
        self._body: object = None
        self._ended: OperationEnded | None = None
        self._asked_pause: float | None = None

    @classmethod
    def start(cls, session: Session, answer: Answer, *, action: str, audience: str = "management") -> Operation:
        """Take up the operation that ``answer`` began, if it began one; sends nothing.

        Args:
            session: polls.
            answer: of the PUT, PATCH, DELETE or POST.
            action: continues "Could not …" when a poll fails.
            audience: whose token the polls carry.
        """
        operation = cls(session, _course(answer, action, audience))
        operation._asked_pause = answer.retry_after
        if operation._course.way == "resource" and isinstance(answer.body, dict):
            operation._read_resource(answer)  # without a body it is looked at like any other
        elif operation._course.way == "over":
            operation._finish(answer.body)
        return operation

    @classmethod
    def resume(cls, session: Session, token: str) -> Operation:
        """Take up an operation from its :meth:`token`, in any process; sends nothing.

        Raises:
            InvalidInputError: ``token`` is not one.
        """
        operation = cls(session, _from_token(token))
        operation._asked_pause = 0.0
        if operation._course.way == "over":
            operation._finish(None)
        return operation

    def token(self) -> str:
        """Return a text from which :meth:`resume` goes on: addresses only, no credential."""
        return base64.urlsafe_b64encode(json.dumps(asdict(self._course)).encode()).decode()

    @property
    def done(self) -> bool:
        """Whether the operation was seen to have ended, well or not; no request."""
        return self._done

    def wait(self, timeout: float | None) -> object:
        """Wait for the end and return the resource's body; None where no resource is left or made.

        The service sends no ``Retry-After`` (none in its recorded answers), so the looks begin after half a second
        (local: 0.05 s) and grow apart to 10 s (local: 0.5 s); a ``Retry-After`` that does come is obeyed. A service
        that does not answer for a while is borne with, see ``patience``.

        Args:
            timeout: seconds; None waits for ever. May be called again after it was over.

        Raises:
            OperationEnded: it failed or was canceled.
            DeadlinePassed: ``timeout`` is over; the operation goes on.
            ServiceError: a look was refused.
            TransportError: no look got an answer for half an hour; the operation goes on.
        """
        deadline = Deadline(self._session.clock, timeout)
        patience = Patience(self._session, deadline, "What was begun goes on; look at it again later.")
        own = pauses(self._session.first_pause, self._session.longest_pause)
        while not self._done:
            self._rest(own, deadline)
            self._look(deadline, patience)
        return self._outcome()

    def poll(self) -> bool:
        """Look once and tell whether it ended well; 0 requests when that is known, else 1 or 2.

        Raises:
            OperationEnded: it failed or was canceled.
        """
        if not self._done:
            self._look(Deadline(self._session.clock, None))
        if self._done:
            self._outcome()
        return self._done

    def _outcome(self) -> object:
        if self._ended is not None:
            raise self._ended
        return self._body

    def _rest(self, own: Iterator[float], deadline: Deadline) -> None:
        """Sleep until the next look; the last look comes a little before the deadline, not after it."""
        deadline.check()
        asked, self._asked_pause = self._asked_pause, None
        if asked is not None:
            deadline.sleep(asked)
            return
        pause, last = next(own), 0.9 * deadline.remaining()
        deadline.sleep(min(pause, last) if last > SHORTEST_PAUSE else pause)

    def _look(self, deadline: Deadline, patience: Patience | None = None) -> None:
        course = self._course

        def ask() -> Answer:
            return self._session.send(
                "GET",
                course.url,
                audience=course.audience,
                named_by=_NAMED_BY.get(course.way, "the call"),
                action=f"follow the operation ({course.action})",
                deadline=deadline,
            )

        answer = ask() if patience is None else patience.ask(ask)
        self._asked_pause = answer.retry_after
        if course.way == "operation":
            self._read_status(answer)
        elif course.way == "location":
            self._read_location(answer)
        else:
            self._read_resource(answer)
        if not self._done and self._course.way == "resource" and course.way != "resource":
            self._look(deadline, patience)  # the operation succeeded: read what it made

    def _read_status(self, answer: Answer) -> None:
        status = _field(answer.body, "status") or _provisioning_state(answer.body)
        if status is None and answer.status != 202:
            raise TransportError(
                f"Could not follow the operation ({self._course.action}): the service did not say how far it is. "
                f"It may go on; look again later."
            )
        self._judge(status or "", answer)

    def _read_location(self, answer: Answer) -> None:
        if answer.status == 202:
            self._course = replace(self._course, url=answer.headers.get("Location") or self._course.url)
            return
        # The end of a cancel is 200 with an empty body (recorded).
        self._judge(_SUCCEEDED if self._course.resource else _provisioning_state(answer.body) or _SUCCEEDED, answer)

    def _read_resource(self, answer: Answer) -> None:
        self._judge(_provisioning_state(answer.body) or ("" if answer.status == 202 else _SUCCEEDED), answer)

    def _judge(self, status: str, answer: Answer) -> None:
        """End, or go on; every word that is not an end means going on (``Updating`` is said even of a DELETE)."""
        word = status.lower()
        if word in _ENDED_BADLY:
            self._ended = OperationEnded(
                _ENDED_BADLY[word], *_error(answer.body), answer.body, request_id_of(answer.headers)
            )
            self._done = True
        elif word == _SUCCEEDED and self._course.way != "resource" and self._course.resource:
            self._course = replace(self._course, way="resource", url=self._course.resource)
        elif word == _SUCCEEDED:
            self._finish(answer.body if self._course.resource or self._course.way == "location" else None)

    def _finish(self, body: object) -> None:
        self._body = body
        self._done = True


def _course(answer: Answer, action: str, audience: str) -> _Course:
    """Choose the way to follow; a PUT's ``Location`` is the resource itself and says nothing (recorded)."""
    makes = answer.method in ("PUT", "PATCH")
    status_url, location = answer.headers.get("Azure-AsyncOperation"), answer.headers.get("Location")
    resource = answer.url if makes else None
    if status_url:
        return _Course("operation", status_url, resource, action, audience)
    if answer.status == 202 and location:
        return _Course("location", location, resource, action, audience)
    if makes:
        return _Course("resource", answer.url, resource, action, audience)
    return _Course("over", answer.url, None, action, audience)


def _from_token(token: str) -> _Course:
    try:
        fields: dict[str, Any] = json.loads(base64.urlsafe_b64decode(token.encode("ascii")))
        course = _Course(**fields)
        if course.way not in ("operation", "location", "resource", "over") or not isinstance(course.url, str):
            raise ValueError(course.way)
    except (ValueError, TypeError) as error:
        raise InvalidInputError(
            "This text is not a token of an operation. Pass what token() returned, whole. Nothing was sent."
        ) from error
    return course


def _field(body: object, name: str) -> str | None:
    value = body.get(name) if isinstance(body, dict) else None
    return value if isinstance(value, str) and value else None


def _provisioning_state(body: object) -> str | None:
    return _field(body.get("properties"), "provisioningState") if isinstance(body, dict) else None


def _error(body: object) -> tuple[str | None, str | None]:
    fields = body if isinstance(body, dict) else {}
    properties = fields.get("properties")
    error = fields.get("error") or (properties.get("error") if isinstance(properties, dict) else None)
    said = said_by({"error": error}, 200) if isinstance(error, dict) else Said()
    return said.code, said.message
