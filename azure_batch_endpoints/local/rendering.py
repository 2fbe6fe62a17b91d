"""Answers as they go over HTTP: the headers that every answer has, JSON bodies, the error envelope."""

from __future__ import annotations

import json
import uuid
from pathlib import Path

from starlette.responses import FileResponse, HTMLResponse, Response
from starlette.types import Message, Receive, Scope, Send

from azure_batch_endpoints.local.exchange import FileReply, PageReply, Reply
from azure_batch_endpoints.local.faults import Correlation, ServiceFault, data_plane_envelope, envelope

_JSON = "application/json; charset=utf-8"
_DATA_PLANE = {"/history/": "run-history", "/data/": "dataset", "/content/": "project", "/assetstore/": "assetstore"}
"""Services with an error body of their own."""
_ALWAYS = {"Cache-Control": "no-cache", "Pragma": "no-cache", "Expires": "-1", "X-Content-Type-Options": "nosniff"}


def response(reply: Reply, *, kind: str = "standard", correlation: Correlation | None = None) -> Response:
    """Return the HTTP answer of a reply."""
    ids = correlation or new_correlation()
    headers = {
        **_ALWAYS,
        "x-ms-correlation-request-id": ids.operation,
        "x-ms-request-id": ids.request,
        "x-ms-response-type": kind,
        **reply.headers,
    }
    if not reply.has_body:
        return Response(None, reply.status, headers)
    content = json.dumps(reply.body, ensure_ascii=False, separators=(",", ":")).encode("utf-8", "backslashreplace")
    return Response(content, reply.status, {**headers, "Content-Type": _JSON})


def file_response(reply: FileReply, path: str) -> Response:
    """Return the HTTP answer of a file; it honours ``Range``. One that is removed just now gives 404."""
    return _File(reply, path)


class _File(FileResponse):
    def __init__(self, reply: FileReply, path: str) -> None:
        super().__init__(reply.path, headers=_ALWAYS, media_type="text/plain; charset=utf-8")
        self._asked = path

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        begun = False

        async def noted(message: Message) -> None:
            nonlocal begun
            begun = True
            await send(message)

        try:
            await super().__call__(scope, receive, noted)
        except (FileNotFoundError, RuntimeError):  # the latter is how the library says that there is no such file
            if begun or Path(self.path).exists():
                raise
            gone = ServiceFault(
                404, "NotFound", "This log file was removed, with its job perhaps. List the job's log files again."
            )
            await fault_response(gone, self._asked)(scope, receive, send)


def page_response(reply: PageReply) -> Response:
    """Return the HTTP answer of a page; it may neither run scripts nor be framed."""
    policy = "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'"
    shut = {"Content-Security-Policy": policy, "Referrer-Policy": "no-referrer"}
    return HTMLResponse(reply.html, headers={**_ALWAYS, **shut})


def fault_response(fault: ServiceFault, path: str) -> Response:
    """Return the HTTP answer of a fault, in the words of the service that a path belongs to."""
    ids = new_correlation()
    component = next((name for start, name in _DATA_PLANE.items() if path.lower().startswith(start)), None)
    body = envelope(fault, ids) if component is None else data_plane_envelope(fault, ids, component)
    reply = Reply(body, fault.status, fault.headers, has_body=not fault.bare)
    # The recorded 404 without a body calls itself a standard answer.
    return response(reply, kind="standard" if fault.bare else "error", correlation=ids)


def new_correlation() -> Correlation:
    """Return fresh ids of one request."""
    return Correlation(str(uuid.uuid4()), str(uuid.uuid4()))
