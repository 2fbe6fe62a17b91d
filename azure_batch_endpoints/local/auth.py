"""Who may ask: a loopback host, and whoever bears the service's token. An ASGI layer around the application.

A web page of another site can make a browser send requests to this machine; it cannot know the token, and it cannot
name a loopback host after a DNS rebinding.
"""

from __future__ import annotations

import hmac
import re

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Receive, Scope, Send

from azure_batch_endpoints.local.faults import ServiceFault
from azure_batch_endpoints.local.open_routes import is_open
from azure_batch_endpoints.local.rendering import fault_response

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
            await fault_response(fault)(scope, receive, send)

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
        given = headers.get("authorization", "").encode()
        scheme, _, rest = given.partition(b" ")
        if hmac.compare_digest(scheme.title() + b" " + rest.strip(), self._expected):
            return None
        return _unauthenticated(given=given != b"")


def _unauthenticated(*, given: bool) -> ServiceFault:
    what = "is not the one of this local service" if given else "is missing"
    error = ', error="invalid_token"' if given else ""
    return ServiceFault(
        401,
        "InvalidAuthenticationToken" if given else "AuthenticationFailed",
        f"The bearer token of the request {what}. Use the token of the service that is running now, "
        "as the client's local_service.token shows it.",
        headers={"WWW-Authenticate": f'Bearer realm="azure_batch_endpoints"{error}'},
    )
