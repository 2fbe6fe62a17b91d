"""One POST of a job until there is an answer, at most one job: when none came, look for the job, then send again.

A job is known by its name, which the client chose and which is the repeatability id. The service refuses a second job
of a name or gives back the first, so that a request which arrives late, after its repetition, starts nothing either.
What is posted is decided in ``_submit``.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timezone
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING

from azure_batch_endpoints._http import Answer, Deadline, DeadlinePassed, Patience, never_left, pauses, told_more
from azure_batch_endpoints._wire.scalars import time_from_wire
from azure_batch_endpoints.errors import (
    BatchEndpointsError,
    ConflictError,
    ForeignHostError,
    NotFoundError,
    ServerError,
    ServiceError,
    TooManyRequestsError,
    TransportError,
)

if TYPE_CHECKING:
    from azure_batch_endpoints._workspace import Workspace

MOST_TRIES = 4
SECONDS, SECONDS_LOCALLY = 120.0, 20.0
"""After this long nothing is sent again."""
LOOKS = 5
"""Looks for the job before it is sent again: over 8 s, since the service takes up to 4.5 s for one (recorded)."""
_CLOCK_SLACK = 5.0
"""Seconds that the clocks of two machines of the service may differ."""
_MADE_UP = re.compile(r"batchjob-[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
_TIME_OUT = 408
_BUSY_OR_AWAY = (502, 503, 504)
_log = logging.getLogger("azure_batch_endpoints.http")


@dataclass(frozen=True)
class Post:
    """A job as it is posted.

    Attributes:
        name: its name.
        endpoint: the endpoint's name.
        url: the scoring URI.
        body: the JSON.
        headers: among them the name as repeatability id.
        named_by: what named the URI.
    """

    name: str
    endpoint: str
    url: str
    body: object
    headers: Mapping[str, str]
    named_by: str

    @property
    def action(self) -> str:
        """What is done, as it continues "Could not …"."""
        return f"invoke endpoint '{self.endpoint}'"


def post(workspace: Workspace, job: Post) -> object:
    """Start the job and return what the service says of it.

    Raises:
        TransportError, ServerError: no usable answer came; the text says whether there is such a job.
        ServiceError: the service refused it.
    """
    posting = _Posting(workspace, job)
    try:
        return posting.run()
    except KeyboardInterrupt as stopped:
        if hasattr(stopped, "add_note"):  # Python 3.11
            stopped.add_note(posting.doubt())
        raise


class _Posting:
    def __init__(self, workspace: Workspace, job: Post) -> None:
        self._workspace, self._session, self._job = workspace, workspace.session, job
        self._began = self._session.clock.monotonic()
        self._until = Deadline(self._session.clock, SECONDS_LOCALLY if self._session.is_local else SECONDS)
        self._tries = 0
        self._uncertain = self._there = self._over = self._refused_after_doubt = False
        """A try may have arrived; there is a job of the name, perhaps another one; there is no time for more; after a
        try that may have arrived, the next was refused."""

    def run(self) -> object:
        own = pauses(self._session.first_pause, self._session.longest_pause)
        while True:
            answer = self._send()
            if not isinstance(answer, BatchEndpointsError):
                return answer
            if self._uncertain:
                found = self._find(answer)
                if found is not None:
                    return found
            if self._refused_after_doubt:
                raise told_more(answer, self.doubt()) from answer
            most = MOST_TRIES if not isinstance(answer, ServerError) or answer.status_code in _BUSY_OR_AWAY else 2
            if self._tries >= most or self._is_gone(answer):
                raise self._end(answer)
            if not self._uncertain:
                self._rest(answer, next(own))
            if self._over:
                raise self._end(answer)
            _log.info("There is no job '%s'; it is sent again. %s", self._job.name, answer)

    def _is_gone(self, lost: BatchEndpointsError) -> bool:
        return self._session.closed or (self._session.is_local and never_left(lost))

    def _send(self) -> object:
        """Return what the answer says of the job, or the error that leaves it open."""
        self._tries += 1
        try:
            answer = self._session.send(
                "POST",
                self._job.url,
                json=self._job.body,
                headers=self._job.headers,
                audience="ml",
                expected=(200, 201),
                named_by=self._job.named_by,
                action=self._job.action,
            )
        except ForeignHostError:
            raise
        except (TransportError, ServerError) as lost:
            self._uncertain = self._uncertain or not never_left(lost)
            return lost
        except ServiceError as refusal:
            return self._refused(refusal)
        if isinstance(answer.body, dict) and answer.body.get("name"):
            return answer.body
        self._uncertain = True
        return TransportError(
            f"Could not {self._job.action}: the answer ({answer.status}) names no job. A proxy may be in between; "
            "check its address."
        )

    def _refused(self, refusal: ServiceError) -> ServiceError:
        """Return a refusal that leaves open whether there is a job, or raise it.

        Raises:
            ServiceError: there is none, or the name is another job's.
        """
        if isinstance(refusal, ConflictError):
            if self._session.is_local:
                raise refusal  # it has compared the two requests
            if not (self._uncertain or _MADE_UP.fullmatch(self._job.name)):
                raise told_more(refusal, f'See whether it is yours: client.jobs.get("{self._job.name}").') from refusal
            self._refused_after_doubt, self._uncertain = self._uncertain, True
            return refusal
        if refusal.status_code == _TIME_OUT or refusal.status_code < 300:
            self._uncertain = True  # no refusal: it may have been done
            return refusal
        if self._uncertain:
            self._refused_after_doubt = True
            return refusal  # perhaps because the try before it has started the job
        if isinstance(refusal, TooManyRequestsError):
            raise self._end(refusal) from refusal
        raise refusal

    def _find(self, lost: BatchEndpointsError) -> object | None:
        """Look for the job, more than once: the request may still be on its way.

        Raises:
            BatchEndpointsError: whether there is one cannot be known now, or a name is another job's.
        """
        for number, pause in enumerate(pauses(2 * self._session.first_pause, self._session.longest_pause), 1):
            answer = self._look(lost)
            self._there = answer is not None
            if answer is not None and self._is_ours(answer):
                return answer.body
            if answer is not None and not self._session.is_local:
                raise self._taken(lost) from lost
            if isinstance(lost, ConflictError) and not self._refused_after_doubt:
                raise lost
            if answer is not None or number == LOOKS:
                return None  # a local service compares the two when it is asked again
            self._rest(lost if number == 1 else None, pause)
            if self._over:
                return None
        return None

    def _look(self, lost: BatchEndpointsError) -> Answer | None:
        path, action = self._workspace.path.job(self._job.name), f"look for job '{self._job.name}'"
        patience = Patience(self._session, self._until)
        try:
            answer = patience.ask(lambda: self._workspace.send("GET", path, action=action, deadline=self._until))
        except NotFoundError:
            return None
        except (TransportError, ServiceError, DeadlinePassed) as error:
            raise told_more(lost, self.doubt()) from error
        return answer

    def _is_ours(self, answer: Answer) -> bool:
        """Whether a job that was found is the one of this call: the user may have chosen a name that was taken."""
        if _MADE_UP.fullmatch(self._job.name):
            return True
        if self._session.is_local:
            return False
        age = _age(answer)
        return age is None or age <= self._session.clock.monotonic() - self._began + _CLOCK_SLACK

    def _rest(self, lost: BatchEndpointsError | None, pause: float) -> None:
        """Pause, as long as the service asked for; or take note that there is no time for that."""
        asked = lost.retry_after if isinstance(lost, ServerError) else None
        self._over = (asked or pause) >= self._until.remaining()
        if not self._over:
            self._until.sleep(asked or pause)

    def _end(self, lost: BatchEndpointsError) -> BatchEndpointsError:
        name = self._job.name
        if self._there:
            return self._taken(lost)
        so_far = " so far" if self._uncertain else ""
        after = f", after {self._tries} tries" if self._uncertain and self._tries > 1 else ""
        said = f"No job '{name}' was started{so_far}{after}"
        error = told_more(lost, f'{said}. Call it again with job_name="{name}": one name is one job.')
        error.__cause__ = lost
        return error

    def doubt(self) -> str:
        """Say that nobody knows whether there is a job, and how to find out."""
        name = self._job.name
        return f"Whether job '{name}' was started is not known; ask later with client.jobs.get(\"{name}\")."

    def _taken(self, lost: BatchEndpointsError) -> BatchEndpointsError:
        name = self._job.name
        if isinstance(lost, ConflictError):
            return lost
        if self._session.is_local:
            text = f"There is a job '{name}', but whether this call started it is not known: no answer came."
            return told_more(lost, f'{text} Look at it with client.jobs.get("{name}").')
        text = f"There was a job '{name}' before this call, and a name is one job. Choose another job_name."
        return ConflictError(f"Could not {self._job.action}: {text}", status_code=409)


def _age(answer: Answer) -> float | None:
    """Return how old a job is by the service's own clock, in seconds; None when it does not say."""
    data = answer.body.get("systemData") if isinstance(answer.body, dict) else None
    created = time_from_wire(data.get("createdAt")) if isinstance(data, dict) else None
    try:
        now: datetime = parsedate_to_datetime(answer.headers.get("Date") or "")
    except (TypeError, ValueError, IndexError):
        return None
    return None if created is None else (now.replace(tzinfo=now.tzinfo or timezone.utc) - created).total_seconds()
