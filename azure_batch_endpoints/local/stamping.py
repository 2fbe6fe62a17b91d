"""The headers that the real service's front doors put on every answer, whatever it says. An ASGI layer.

Here: what is the same for all answers of a method and a route. Not here: what belongs to one answer (``rendering``).
"""

from __future__ import annotations

import re
import time
import uuid
from collections.abc import Iterator
from datetime import datetime, timezone

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from azure_batch_endpoints.local.admission import MANAGEMENT
from azure_batch_endpoints.local.job import LOCATION

SCORING = "/scoring/"
_CORRELATION = "x-ms-correlation-request-id"
_CLIENT_REQUEST = "x-ms-client-request-id"
"""The client's own name of a request; it comes back when the client wants it to."""
_DEPLOYMENT = re.compile(r"/batchEndpoints/[^/]+/deployments/[^/]+/?$", re.IGNORECASE)
_ALLOWANCES = {"GET": ("reads", "11999"), "HEAD": ("reads", "11999"), "DELETE": ("deletes", "14999")}
"""Of a subscription in an hour. Nothing is counted here: there is always all of it left."""


class Stamp:
    """Adds those headers to the answers of an application."""

    def __init__(self, app: ASGIApp, workspace_id: str) -> None:
        self._app = app
        self._context = f"appId=cid-v1:{workspace_id}"

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer, as ASGI wants it."""
        began = time.perf_counter()

        async def stamped(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                # Files and pages are no answers of a front door.
                if _CORRELATION in headers:
                    for name, value in self._headers(scope, headers, time.perf_counter() - began):
                        headers[name] = value
            await send(message)

        await self._app(scope, receive, stamped)

    def _headers(self, scope: Scope, given: Headers, seconds: float) -> Iterator[tuple[str, str]]:
        method, path = scope["method"], scope["path"]
        yield "Strict-Transport-Security", "max-age=31536000; includeSubDomains"
        yield "x-request-time", f"{seconds:.3f}"
        yield "x-aml-cluster", LOCATION
        yield "request-context", self._context
        asked = Headers(scope=scope)
        if asked.get("x-ms-return-client-request-id", "").lower() == "true" and (own := asked.get(_CLIENT_REQUEST)):
            yield _CLIENT_REQUEST, own
        if method != "DELETE":
            yield "Server-Timing", f'traceparent;desc="00-{uuid.uuid4().hex}-{uuid.uuid4().hex[:16]}-01"'
        if path.lower().startswith(MANAGEMENT):
            moment = datetime.now(timezone.utc).strftime("%Y%m%dT%H%M%SZ")
            yield "x-ms-routing-request-id", f"{LOCATION.upper()}:{moment}:{given[_CORRELATION]}"
            yield _allowance(method, path)
        if path.startswith(SCORING):
            yield "Server", "azureml-frontdoor"
            yield "X-Request-ID", str(uuid.uuid4())
            yield "x-envoy-upstream-service-time", str(round(seconds * 1000))


def _allowance(method: str, path: str) -> tuple[str, str]:
    what, left = _ALLOWANCES.get(method, ("writes", "1199"))
    if method == "PUT" and _DEPLOYMENT.search(path):
        what, left = "resource-requests", "1199"
    return f"x-ms-ratelimit-remaining-subscription-{what}", left
