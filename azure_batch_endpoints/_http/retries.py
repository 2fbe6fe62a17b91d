"""What is sent again, when, and how long it waits before: the retry policy of the pipeline and ``Retry-After``.

What a whole wait bears, minutes of silence, is in ``patience``; what becomes of a job whose POST got no answer, in
``_submit``.
"""

from __future__ import annotations

import logging
import math
from collections.abc import Mapping
from datetime import datetime, timezone
from email.utils import parsedate_to_datetime
from typing import Any
from urllib.parse import urlsplit

from azure.core.pipeline import PipelineResponse
from azure.core.pipeline.policies import RetryPolicy
from azure.core.pipeline.transport import HttpTransport
from azure.core.rest import HttpRequest, HttpResponse
from azure.core.utils import case_insensitive_dict

from azure_batch_endpoints._http.clock import LONGEST_REST, Clock, Deadline

REPEATABLE = frozenset({"GET", "HEAD", "PUT", "PATCH", "DELETE"})
"""Methods whose repetition changes nothing: a PATCH of the service sets what it names, it never adds to it."""
LONGEST_RETRY_AFTER = 120.0
"""Seconds; a call that would have to rest longer before it is repeated is not."""
RETRY_SECONDS = 300.0
"""How long one call may be busy with sending again."""
_BUSY = 429
_log = logging.getLogger("azure_batch_endpoints.http")


def pause_asked(headers: Mapping[str, str]) -> float | None:
    """Return the seconds that an answer asks to wait; None when it does not say so, says 0, or nothing readable.

    ``Retry-After`` in seconds or as a date, ``retry-after-ms``, ``x-ms-retry-after-ms``. A date is held against the
    answer's own ``Date``, so that a clock that is wrong or was set meanwhile changes nothing.
    """
    named = case_insensitive_dict(headers)
    text = (named.get("Retry-After") or "").strip()
    if text:
        seconds = _number(text)
        return _sensible(_until(text, named.get("Date")) if seconds is None else seconds)
    for name in ("retry-after-ms", "x-ms-retry-after-ms"):
        thousandths = _number(named.get(name) or "")
        if thousandths is not None:
            return _sensible(thousandths / 1000)
    return None


def rest_asked(headers: Mapping[str, str]) -> float | None:
    """Return :func:`pause_asked` for whoever waits: a service that names a day is looked at again before."""
    pause = pause_asked(headers)
    return None if pause is None else min(pause, LONGEST_REST)


def _number(text: str) -> float | None:
    try:
        return float(text)
    except ValueError:
        return None


def _sensible(seconds: float | None) -> float | None:
    return seconds if seconds is not None and math.isfinite(seconds) and seconds > 0 else None


def _until(date: str, now: str | None) -> float | None:
    moment = _moment(date)
    if moment is None:
        return None
    return (moment - (_moment(now or "") or datetime.now(timezone.utc))).total_seconds()


def _moment(date: str) -> datetime | None:
    try:
        read = parsedate_to_datetime(date)
    except (TypeError, ValueError, OverflowError, IndexError):
        return None
    return read if read.tzinfo is not None else read.replace(tzinfo=timezone.utc)


def may_have_been_done(response: PipelineResponse[HttpRequest, HttpResponse]) -> bool:
    """Tell whether an earlier try of this call may have been carried out, though its answer was lost."""
    tries = response.context.get("history") or ()
    return any(one.http_response is None or one.http_response.status_code != _BUSY for one in tries)


class SparingRetryPolicy(RetryPolicy[HttpRequest, HttpResponse]):
    """Send again only what is safe to send again, and never past the call's deadline.

    The stock policy sends a POST again after 500, 503 and 504, and any method after any error that carries
    ``Retry-After``: four jobs for one invoke (azure-core 1.41 ``_is_method_retryable``, ``is_retry``). It also counts
    with the system's clock, which can be set.
    """

    def __init__(self, clock: Clock, *, backoff: float) -> None:
        super().__init__(retry_backoff_factor=backoff)
        self.timeout = math.inf  # type: ignore[assignment]  # counted with the system's clock; ours is below
        self._clock = clock

    def configure_retries(self, options: dict[str, Any]) -> dict[str, Any]:
        """Read the call's own settings, its deadline among them."""
        settings = super().configure_retries(options)
        settings["deadline"] = options.get("deadline") or Deadline(self._clock, None)
        settings["until"] = Deadline(self._clock, RETRY_SECONDS)
        return settings

    def is_retry(self, settings: dict[str, Any], response: PipelineResponse[Any, Any]) -> bool:
        """Tell whether this answer may be asked for again: the method and the status both allow it.

        429 says that nothing was done, so that any method may ask again; after another error a POST may not.
        """
        status = response.http_response.status_code
        if status not in self._retry_on_status_codes:
            return False
        if status != _BUSY and response.http_request.method not in settings["methods"]:
            return False
        pause, until = self.get_retry_after(response) or 0.0, settings["until"]
        return pause <= LONGEST_RETRY_AFTER and pause < until.remaining()

    def increment(self, settings: dict[str, Any], response: Any = None, error: Exception | None = None) -> bool:  # noqa: ANN401 (azure-core's type)
        """Count a try; False: no more."""
        return super().increment(settings, response, error) and not settings["until"].passed

    def get_retry_after(self, response: PipelineResponse[Any, Any]) -> float | None:
        """Return the seconds the service asked to wait; None when it did not say so, said 0, or nothing readable."""
        return pause_asked(response.http_response.headers)

    def sleep(
        self,
        settings: dict[str, Any],
        transport: HttpTransport[HttpRequest, HttpResponse],  # noqa: ARG002 - azure-core's signature; our clock sleeps
        response: PipelineResponse[HttpRequest, HttpResponse] | None = None,
    ) -> None:
        """Wait before the next try, on our clock and within the deadline."""
        asked = self.get_retry_after(response) if response else None
        pause = asked or self.get_backoff_time(settings)
        if response is not None and response.http_response.status_code == _BUSY:
            pause = asked or max(pause, settings["backoff"])  # at once would be too soon for a service that is busy
        if pause and response is not None:
            request, status = response.http_request, response.http_response.status_code
            host = urlsplit(request.url).hostname
            _log.info("'%s' answered %d to %s: asked again in %.3g s.", host, status, request.method, pause)
        deadline: Deadline = settings["deadline"]
        deadline.sleep(pause)
