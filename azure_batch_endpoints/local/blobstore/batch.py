"""Blob Batch: up to 256 requests in one, each with its own authorization and its own answer.

They delete blobs or set their tiers.
"""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

from azure_batch_endpoints.local.blobstore import bodies
from azure_batch_endpoints.local.blobstore.failures import BlobError
from azure_batch_endpoints.local.blobstore.http import Request, Response
from azure_batch_endpoints.local.blobstore.service import Call

_MAX_PARTS = 256
_MAX_BODY = 4 << 20
_ONLY = "A batch may hold Delete Blob or Set Blob Tier requests only."

Answer = Callable[[Request], Awaitable[Response]]


async def submit(call: Call, answer: Answer) -> Response:
    """Answer each request in the body by ``answer``, all at once, so that they share one commit."""
    boundary = _boundary(call.request.headers.get("content-type", ""))
    body = await bodies.receive_checked(call.request, _MAX_BODY)
    parts = _parts(body, boundary)
    requests = [_request(call.request, part) for _, part in parts]
    responses = await asyncio.gather(*(answer(request) for request in requests))
    mark = f"batchresponse_{uuid.uuid4()}"
    pieces = [_rendered(mark, number, response) for (number, _), response in zip(parts, responses, strict=True)]
    document = b"".join(pieces) + f"--{mark}--\r\n".encode()
    headers = {"content-type": f"multipart/mixed; boundary={mark}", "content-length": str(len(document))}
    return Response(202, headers, document)


def _boundary(content_type: str) -> bytes:
    kind, _, rest = content_type.partition(";")
    name, _, value = rest.strip().partition("=")
    if kind.strip().lower() != "multipart/mixed" or name.lower() != "boundary" or not value:
        raise BlobError("InvalidHeaderValue", "A batch needs 'Content-Type: multipart/mixed; boundary=…'.")
    return value.strip('"').encode("latin-1")


def _parts(body: bytes, boundary: bytes) -> list[tuple[str, bytes]]:
    """The ``(Content-ID, HTTP request)`` of each part."""
    found: list[tuple[str, bytes]] = []
    for piece in body.split(b"--" + boundary)[1:]:
        if piece.startswith(b"--"):
            break
        head, _, request = piece.lstrip(b"\r\n").partition(b"\r\n\r\n")
        found.append((_headers(head).get("content-id", str(len(found))), request))
    if not 0 < len(found) <= _MAX_PARTS:
        raise BlobError("InvalidInput", f"A batch has 1 to {_MAX_PARTS} requests, this one {len(found)}.")
    return found


def _request(outer: Request, part: bytes) -> Request:
    line, _, rest = part.lstrip(b"\r\n").partition(b"\r\n")
    words = line.decode("latin-1").split(" ")
    if len(words) != 3 or not words[1].startswith("/"):
        raise BlobError("InvalidInput", _ONLY)
    path, _, query = words[1].partition("?")
    request = Request(words[0], (path, query), _headers(rest.partition(b"\r\n\r\n")[0]), _no_body)
    if not request.blob or (request.method, request.query.get("comp")) not in (("DELETE", None), ("PUT", "tier")):
        raise BlobError("InvalidInput", _ONLY)
    request.client, request.secure, request.host = outer.client, outer.secure, outer.host
    return request


async def _no_body() -> MutableMapping[str, Any]:
    return {"type": "http.request", "body": b"", "more_body": False}


def _headers(head: bytes) -> dict[str, str]:
    lines = (line.partition(":") for line in head.decode("latin-1").split("\r\n") if ":" in line)
    return {name.strip().lower(): value.strip() for name, _, value in lines}


def _rendered(mark: str, number: str, response: Response) -> bytes:
    headers = "".join(f"{name}: {value}\r\n" for name, value in response.headers.items())
    head = (
        f"--{mark}\r\nContent-Type: application/http\r\nContent-ID: {number}\r\n\r\n"
        f"HTTP/1.1 {response.status} {_REASONS.get(response.status, 'Error')}\r\n{headers}\r\n"
    )
    return head.encode("latin-1", "replace") + response.body + b"\r\n"


_REASONS = {200: "OK", 202: "Accepted", 400: "Bad Request", 401: "Unauthorized", 403: "Forbidden", 404: "Not Found"}
