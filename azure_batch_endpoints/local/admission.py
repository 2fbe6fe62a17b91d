"""What a request must be before a handler sees it: the api-version it names, and the kind of body it brings."""

from __future__ import annotations

import re

from azure_batch_endpoints.local.exchange import Call
from azure_batch_endpoints.local.faults import ServiceFault

MANAGEMENT = "/subscriptions/"
"""Begin of the management routes. The data plane's (scoring, run history) take no api-version, or any."""
_VERSION = re.compile(r"\d{4}-\d{2}-\d{2}(-[a-z0-9.]+)?", re.IGNORECASE)
_JSON = re.compile(r"(application|text)/([\w.-]+\+)?json", re.IGNORECASE)


def check(call: Call) -> None:
    """Let a request through that the real service would hand to its own handlers.

    Raises:
        ServiceFault: 400, a management route without api-version, or with one that is none; 415, a body that says
            it is no JSON.
    """
    if call.path.lower().startswith(MANAGEMENT):
        _check_version(call.query.get("api-version"))
    if call.content and call.method in {"PUT", "PATCH", "POST"}:
        _check_type(call.headers.get("content-type", "").partition(";")[0].strip())


def _check_version(version: str | None) -> None:
    """Take any date, also one that is not known yet.

    The real service refuses a request without; so a script that forgets it is found out here, not in the cloud.
    """
    if not version:
        raise ServiceFault(
            400,
            "MissingApiVersionParameter",
            "The api-version query parameter (?api-version=) is required for all requests. "
            "Add ?api-version=2024-10-01.",
        )
    if not _VERSION.fullmatch(version):
        raise ServiceFault(
            400,
            "InvalidApiVersionParameter",
            f"The api-version '{version}' is invalid. Use a date such as '2024-10-01' or '2023-04-01-preview'.",
        )


def _check_type(kind: str) -> None:
    """A body that does not say what it is counts as JSON."""
    if kind and not _JSON.fullmatch(kind):
        raise ServiceFault(
            415,
            "UnsupportedMediaType",
            f"The content media type '{kind}' is not supported. Only 'application/json' is supported: send that.",
        )
