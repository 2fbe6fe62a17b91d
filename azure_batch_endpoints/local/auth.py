"""Who may ask: a loopback host, and whoever bears the service's token. An ASGI layer around the application.

A web page of another site can make a browser send requests to this machine; it cannot know the token, and it cannot
name a loopback host after a DNS rebinding.
"""

from __future__ import annotations

import base64
import hmac
import json
import re

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Receive, Scope, Send

from azure_batch_endpoints.local.faults import ServiceFault
from azure_batch_endpoints.local.open_routes import is_open
from azure_batch_endpoints.local.rendering import fault_response

_MANAGEMENT = ("https://management.core.windows.net", "https://management.azure.com")
_DATA_PLANE = ("https://ml.azure.com", *_MANAGEMENT)
_UNPRINTABLE = re.compile(r"[^\x20-\x7e]|[\"\\\\]")
_LOOPBACK = re.compile(r"^(localhost|127(\.\d{1,3}){3}|\[::1\])(:\d{1,5})?$", re.IGNORECASE)


class Guard:
    """Lets a request through, or answers 401 or 403."""

    def __init__(self, app: ASGIApp, token: str) -> None:
        self._app = app
        self._expected = f"Bearer {token}".encode()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer or pass on, as ASGI wants it."""
        fault = self._judge(scope) if scope["type"] == "http" else None
        if fault is None:
            await self._app(scope, receive, send)
        else:
            await fault_response(fault, scope["path"])(scope, receive, send)

    def _judge(self, scope: Scope) -> ServiceFault | None:
        headers = Headers(scope=scope)
        if not _LOOPBACK.match(headers.get("host", "")):
            return ServiceFault(
                403,
                "Forbidden",
                "This service answers on this machine only. Ask for it at 127.0.0.1, not by a host name.",
            )
        if is_open(scope["path"]):
            return None
        given = headers.get("authorization", "")
        scheme, _, rest = given.encode().partition(b" ")
        if hmac.compare_digest(scheme.title() + b" " + rest.strip(), self._expected):
            return None
        return _unauthenticated(given, _audiences(scope["path"]))


def _audiences(path: str) -> tuple[str, ...]:
    """Return the resources whose tokens the real service takes at a path."""
    return _MANAGEMENT if path.lower().startswith("/subscriptions/") else _DATA_PLANE


def _unauthenticated(given: str, audiences: tuple[str, ...]) -> ServiceFault:
    """Return the 401 of what was given; it repeats nothing of a token but its audience."""
    if not given:
        return _refusal("AuthenticationFailed", "Authentication failed. The 'Authorization' header is missing.")
    scheme, _, token = given.partition(" ")
    if scheme.lower() != "bearer" or not token.strip():
        said = "Authentication failed. The 'Authorization' header is provided in an invalid format."
        return _refusal("AuthenticationFailed", said)
    audience = _audience(token.strip())
    if audience is not None and audience.rstrip("/") not in audiences:
        known = ",".join(f"'{one}/','{one}'" for one in audiences)
        wrong = (
            f"The access token has been obtained for wrong audience or resource '{audience}'. It should exactly match "
            f"with one of the allowed audiences {known}."
        )
        return _refusal("InvalidAuthenticationTokenAudience", wrong)
    return _refusal("InvalidAuthenticationToken", "The access token is invalid.")


def _audience(token: str) -> str | None:
    """Return whom a JSON web token is meant for; None: it is none."""
    parts = token.split(".")
    if len(parts) != 3:
        return None
    try:
        claims = json.loads(base64.urlsafe_b64decode(parts[1] + "=" * (-len(parts[1]) % 4)))
    except (ValueError, RecursionError):
        return None
    audience = claims.get("aud") if isinstance(claims, dict) else None
    return _UNPRINTABLE.sub("?", audience)[:200] if isinstance(audience, str) else None


def _refusal(code: str, said: str) -> ServiceFault:
    hint = "Use the token of the local service that runs now: abe local token, or client.local_service.token in Python."
    challenge = f'Bearer realm="azure_batch_endpoints", error="invalid_token", error_description="{said}"'
    return ServiceFault(401, code, f"{said} {hint}", headers={"WWW-Authenticate": challenge})
