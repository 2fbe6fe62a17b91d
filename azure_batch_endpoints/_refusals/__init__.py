"""The one place where an HTTP answer that is an error becomes an exception.

Here: the exception, its words and their order. What the body says is read in ``bodies``, what to do about a code in
``advice``, and which role is missing where in ``roles``.
"""

from __future__ import annotations

from collections.abc import Mapping

from azure_batch_endpoints._refusals.advice import advised, by_code, by_status
from azure_batch_endpoints._refusals.asked import Asked, Plane
from azure_batch_endpoints._refusals.bodies import UNREADABLE, said_by, unread
from azure_batch_endpoints.errors import (
    AuthenticationError,
    ConflictError,
    NotFoundError,
    PermissionDeniedError,
    ServerError,
    ServiceError,
    TooManyRequestsError,
    redact,
)

__all__ = ["UNREADABLE", "Asked", "Plane", "by_code", "by_status", "from_response", "request_id_of", "unread"]

_BY_STATUS: dict[int, type[ServiceError]] = {
    401: AuthenticationError,
    403: PermissionDeniedError,
    404: NotFoundError,
    409: ConflictError,
    429: TooManyRequestsError,
}
_REQUEST_IDS = (
    "x-ms-request-id",
    "x-request-id",
    "x-ms-requestid",
    "request-id",
    "apim-request-id",
    "x-ms-correlation-request-id",
    "x-ms-routing-request-id",
)
"""Headers in which the service and its gateways name a request, the most telling first."""
_OWN_ID = "x-ms-client-request-id"
"""What this client itself called the request; support finds it, too."""


def from_response(
    status_code: int,
    headers: Mapping[str, str],
    body: object,
    *,
    action: str,
    remedy: str | None = None,
    asked: Asked | None = None,
) -> ServiceError:
    """Make the exception for an HTTP answer that is an error.

    Understands the management service's ``{"error": {"code", "message", "details": [...]}}``, the data plane's nested
    ``innerError``, the storage account's XML, the web page of a proxy, plain text and an empty body (the service sends
    one for an unknown compute); a body of any other shape makes an error as well, and no crash.

    Args:
        status_code: HTTP status, 400 or more.
        headers: answer headers; names in any case.
        body: the decoded JSON, or the text, or None.
        action: what was being done, as it continues "Could not …", e.g. ``create endpoint 'heart'``.
        remedy: what to do about it; None: the usual advice for the code, the status and what was asked.
        asked: what was asked of whom, for the advice; None: the management service, about nothing in particular.
    """
    named = {str(name).lower(): str(value) for name, value in headers.items()}
    asked = asked or Asked()
    said = said_by(body, status_code)
    code = redact(said.code or named.get("x-ms-error-code", "")) or None
    request_id = request_id_of(named) or said.request_id or named.get(_OWN_ID)
    missing = "there is no such thing" if status_code == 404 else f"the service answered {status_code}"
    parts = [f"Could not {action}: {said.message or missing}".rstrip(". ") + "."]
    advice = advised(status_code, code, said, named, asked) if remedy is None else remedy
    if rest := _seconds(named):
        advice = advice.replace("Wait and try again", f"Wait {rest:,.0f} s and try again")
    parts += [one for one in (advice, f"Request id {request_id}." if request_id else "") if one]
    kind = _BY_STATUS.get(status_code, ServerError if status_code >= 500 else ServiceError)
    target = redact(said.target) if said.target else None
    error = kind(" ".join(parts), status_code=status_code, code=code, target=target, request_id=request_id)
    if isinstance(error, TooManyRequestsError):
        error.retry_after = _seconds(named)
    return error


def request_id_of(headers: Mapping[str, str]) -> str | None:
    """Return the service's id of a request from the headers of its answer, in whatever spelling; None: it sent none."""
    named = {str(name).lower(): str(value).strip() for name, value in headers.items()}
    return next((named[name] for name in _REQUEST_IDS if named.get(name)), None)


def _seconds(named: Mapping[str, str]) -> float | None:
    for header, unit in (("retry-after", 1.0), ("x-ms-retry-after-ms", 0.001), ("retry-after-ms", 0.001)):
        try:
            told = float(named[header]) * unit
        except (KeyError, ValueError):
            continue
        if 0 <= told < float("inf"):
            return told
    return None
