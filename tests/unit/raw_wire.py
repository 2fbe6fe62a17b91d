"""A wire of bytes: what leaves and what comes back can be cut at any of them. Above the socket everything is real."""

from __future__ import annotations

import http.client
import io
import json
from collections.abc import Callable
from typing import Any

import requests
from azure.core.pipeline.transport._requests_basic import RequestsTransport
from requests.adapters import BaseAdapter, HTTPAdapter
from urllib3 import HTTPResponse
from urllib3._collections import HTTPHeaderDict
from urllib3.exceptions import ProtocolError

Serve = Callable[[str, str, bytes], bytes]
"""Gives the bytes of an answer to method, path and body."""
Fault = Callable[[bytes, Callable[[], bytes]], bytes]
"""Takes a request's bytes and what carries it out; gives what comes back, or raises :class:`Gone`."""


class Gone(Exception):
    """The connection ended without a byte."""


def answer(status: int, body: object = None, headers: str = "") -> bytes:
    """An answer whose length is told last: cut before it, nothing says how long it is."""
    content = b"" if body is None else json.dumps(body).encode()
    head = (
        f"HTTP/1.1 {status} Said\r\nDate: Fri, 02 Jan 2026 03:04:06 GMT\r\nContent-Type: application/json\r\n{headers}"
    )
    return f"{head}Content-Length: {len(content)}\r\n\r\n".encode() + content


class _Socket:
    def __init__(self, data: bytes) -> None:
        self._file = io.BytesIO(data)

    def makefile(self, *_: object) -> io.BytesIO:
        return self._file


class RawWire(BaseAdapter):
    """Serves requests by bytes.

    Attributes:
        fault: makes something of each request; None lets all through.
    """

    def __init__(self, serve: Serve) -> None:
        super().__init__()
        self._serve, self._adapter = serve, HTTPAdapter()
        self.fault: Fault | None = None
        self.sent: list[requests.PreparedRequest] = []

    def send(self, request: requests.PreparedRequest, *_: Any, **__: Any) -> requests.Response:
        self.sent.append(request)
        path, body = (request.url or "").split("?")[0], request.body or b""
        assert isinstance(body, str | bytes)
        content = body.encode() if isinstance(body, str) else body
        named = "".join(f"{name}: {value!s}\r\n" for name, value in dict[str, object](request.headers).items())
        head = f"{request.method} {path} HTTP/1.1\r\n{named}"

        def carry_out() -> bytes:
            return self._serve(request.method or "", path, content)

        try:
            data = self.fault(head.encode() + b"\r\n" + content, carry_out) if self.fault else carry_out()
            if not data:
                raise Gone
            raw = http.client.HTTPResponse(_Socket(data), method=request.method)  # type: ignore[arg-type]  # like a socket
            raw.begin()
        except (Gone, http.client.HTTPException) as error:
            raise requests.exceptions.ConnectionError(ProtocolError("Connection aborted.", error)) from error
        response = HTTPResponse(
            raw,
            HTTPHeaderDict(raw.msg.items()),
            raw.status,
            raw.version,
            preload_content=False,
            request_method=request.method,
            original_response=raw,
        )
        return self._adapter.build_response(request, response)

    def close(self) -> None:
        pass


def transport(wire: RawWire) -> RequestsTransport:
    """azure-core's own transport over the wire."""
    session = requests.Session()
    session.trust_env = False
    session.mount("https://", wire)
    return RequestsTransport(session=session)
