"""How long the service stays: it counts the clients that hold a lease and asks to end after the last one.

The three `/local/` routes, as plain ASGI beside the REST app. All of it runs in the server's event loop.
"""

from __future__ import annotations

import asyncio
import hmac
import json
import logging
import os
import secrets
from collections.abc import Callable
from typing import Any

from azure_batch_endpoints._version import __version__

FIRST_SECONDS = 20.0
"""Until the first lease: the client that started the service is about to take it."""
LAST_SECONDS = 1.5
"""After a lease was lost, not given back: its client died, and another may be coming."""
PREFIX = "/local/"
_log = logging.getLogger(__name__)
Receive = Callable[[], Any]
Send = Callable[[dict[str, Any]], Any]


class Leases:
    """The clients of the service.

    Args:
        token: bearer token of the service.
        stay: go on without clients.
        end: asks the server to end; called once.
    """

    def __init__(self, token: str, *, stay: bool, end: Callable[[], None]) -> None:
        self._token = f"Bearer {token}".encode()
        self._stay = stay
        self._end = end
        self._held: set[str] = set()
        self._timer: asyncio.TimerHandle | None = None
        self._ending = asyncio.Event()

    def begin(self) -> None:
        """Start to wait for the first client."""
        self._end_unless_held(FIRST_SECONDS)

    def finish(self) -> None:
        """Refuse new leases and close the open ones; the server ends."""
        self._ending.set()

    async def __call__(self, scope: dict[str, Any], receive: Receive, send: Send) -> None:
        """Answer `GET /local/health`, `GET /local/lease` and `DELETE /local/lease/{id}`."""
        given = dict(scope["headers"]).get(b"authorization", b"")
        route = scope["method"], scope["path"].removeprefix(PREFIX).partition("/")[0]
        if not hmac.compare_digest(given, self._token):
            await _answer(send, 401, {"error": {"code": "Unauthorized", "message": "The token is not this service's."}})
        elif route == ("GET", "health"):
            await _answer(send, 200, {"version": __version__, "pid": os.getpid(), "leases": len(self._held)})
        elif route == ("GET", "lease"):
            await self._hold(receive, send)
        elif route == ("DELETE", "lease"):
            await self._give_back(scope["path"].rpartition("/")[2], send)
        else:
            await _answer(send, 404, {"error": {"code": "NotFound", "message": f"There is no '{scope['path']}'."}})

    async def _hold(self, receive: Receive, send: Send) -> None:
        if self._ending.is_set():
            await _answer(send, 503, {"error": {"code": "ServiceEnding", "message": "The service is ending."}})
            return
        lease = secrets.token_hex(8)
        self._held.add(lease)
        if self._timer is not None:
            self._timer.cancel()
        try:
            await send({"type": "http.response.start", "status": 200, "headers": [(b"content-type", b"text/plain")]})
            await send({"type": "http.response.body", "body": f"{lease}\n".encode(), "more_body": True})
            await self._until_gone(receive)
            await send({"type": "http.response.body", "body": b"", "more_body": False})
        finally:
            if lease in self._held:  # lost, not given back
                self._held.discard(lease)
                self._end_unless_held(LAST_SECONDS)

    async def _until_gone(self, receive: Receive) -> None:
        gone = asyncio.ensure_future(_disconnected(receive))
        ending = asyncio.ensure_future(self._ending.wait())
        await asyncio.wait({gone, ending}, return_when=asyncio.FIRST_COMPLETED)
        for waiting in (gone, ending):
            waiting.cancel()

    async def _give_back(self, lease: str, send: Send) -> None:
        known = lease in self._held
        self._held.discard(lease)
        last = known and not self._held and not self._stay
        if last:
            self._ending.set()
        await _answer(send, 200, {"last": last})
        if last:
            self._end()

    def _end_unless_held(self, seconds: float) -> None:
        if self._held or self._stay or self._ending.is_set():
            return
        if self._timer is not None:
            self._timer.cancel()
        self._timer = asyncio.get_running_loop().call_later(seconds, self._expire)

    def _expire(self) -> None:
        if not self._held:
            _log.info("No client is left.")
            self._ending.set()
            self._end()


async def _disconnected(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


async def _answer(send: Send, status: int, body: dict[str, Any]) -> None:
    content = json.dumps(body).encode()
    headers = [(b"content-type", b"application/json"), (b"content-length", str(len(content)).encode())]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": content})
