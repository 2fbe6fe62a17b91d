"""The blob endpoint as an ASGI application: letting requests in, refusals, and sending answers.

Which operation a request is says ``routes``; the operations are in the ``*_routes``.
"""

from __future__ import annotations

import asyncio
import functools
import itertools
import logging
import os
import re
import uuid
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timezone

from azure_batch_endpoints.local import disk
from azure_batch_endpoints.local.blobstore import account_routes, batch, cors, index, routes, traits, xml
from azure_batch_endpoints.local.blobstore.auth import Authenticator, Need
from azure_batch_endpoints.local.blobstore.encoding import check_blob_name, check_container_name
from azure_batch_endpoints.local.blobstore.failures import BlobError
from azure_batch_endpoints.local.blobstore.http import (
    ASGIApp,
    Receive,
    Request,
    Response,
    Scope,
    Send,
    Slice,
    encoded,
)
from azure_batch_endpoints.local.blobstore.service import Call, Route, Service
from azure_batch_endpoints.local.blobstore.store import BlobStore
from azure_batch_endpoints.local.blobstore.traits import Traits

_log = logging.getLogger("azure_batch_endpoints.local.blobstore")
_VERSION = "2021-12-02"
_A_VERSION = re.compile(r"\d{4}-\d{2}-\d{2}")
_PIECE = 1 << 20
_THREADS = 8


def blob_app(store: BlobStore, account: str, key: str) -> ASGIApp:
    """The blob endpoint of one account.

    Args:
        store: An open store; closing it is the caller's business, after the server has ended.
        account: The account's name, the first segment of every path.
        key: The account key, base64.

    Returns:
        An ASGI application for requests whose path begins with ``/{account}``.
    """
    threads = ThreadPoolExecutor(_THREADS, thread_name_prefix="blob-store-files")

    def known(container: str) -> Traits:
        with store.reading() as connection:
            found = index.find_container(connection, container)
        return traits.decode(found.traits if found else "")

    endpoint = _Endpoint(Service(store, account, Authenticator(account, key, known), threads))

    async def app(scope: Scope, receive: Receive, send: Send) -> None:  # servers tell ASGI 3 by a plain function
        await endpoint.serve(scope, receive, send)

    return app


class _Endpoint:
    """Routes requests, turns refusals into answers, and sends them."""

    def __init__(self, service: Service) -> None:
        self._service = service
        self._numbers = itertools.count(1)
        self._run = str(uuid.uuid4())[:23]
        self._batch = Route(functools.partial(batch.submit, answer=self._answer), Need("", ""))

    async def serve(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] != "http":
            return
        response = await self._respond(scope, receive)
        await send({"type": "http.response.start", "status": response.status, "headers": encoded(response.headers)})
        if response.content is None:
            await send({"type": "http.response.body", "body": response.body})
        else:
            await self._send_content(send, response.content)

    async def _respond(self, scope: Scope, receive: Receive) -> Response:
        try:
            request = Request.from_scope(scope, receive)
        except BlobError as error:
            return self._labelled(_refusal(error, scope["method"], number := self._number()), {}, number)
        return await self._answer(request)

    async def _answer(self, request: Request) -> Response:
        number = self._number()
        try:
            response = await self._operate(request)
        except BlobError as error:
            response = _refusal(error, request.method, number)
        except Exception as error:  # noqa: BLE001  a defect of one request is answered and logged, never passed on
            response = _refusal(self._failure(error, request), request.method, number)
        if "origin" in request.headers and request.method != "OPTIONS":
            rules = account_routes.cross_origin_rules(self._service)
            self._labelled(response, request.headers, number)
            response.headers.update(
                cors.answered(rules, request.method, request.headers["origin"], [*response.headers])
            )
            return response
        return self._labelled(response, request.headers, number)

    def _failure(self, error: Exception, request: Request) -> BlobError:
        if disk.is_full(error):
            _log.warning("the disk is full: %s %s", request.method, request.path)
            return BlobError("InternalError", disk.advice(self._service.store.root), status=507)
        _log.error("a blob request failed: %s %s", request.method, request.path, exc_info=error)
        return BlobError("InternalError")

    async def _operate(self, request: Request) -> Response:
        if request.account != self._service.account:
            raise BlobError("InvalidUri", f"There is no account '{request.account}' here.", status=404)
        if request.method == "OPTIONS":
            rules = account_routes.cross_origin_rules(self._service)
            return Response(200, {**cors.preflight(rules, request.headers), "content-length": "0"})
        version = request.headers.get("x-ms-version")
        if version is not None and not _A_VERSION.fullmatch(version):
            raise BlobError("InvalidHeaderValue", f"'x-ms-version' is '{version}', not a date like {_VERSION}.")
        route = self._route(request)
        grant = self._service.authenticator.check(request, route.need)
        if request.container:
            check_container_name(request.container)
        if request.blob:
            check_blob_name(request.blob)
        return await route.handler(Call(self._service, request, grant))

    def _route(self, request: Request) -> Route:
        if request.query.get("comp") == "batch" and request.method == "POST" and not request.blob:
            return self._batch
        return routes.find(request)

    def _number(self) -> str:
        return f"{self._run}-{next(self._numbers):012x}"

    def _labelled(self, response: Response, headers: Mapping[str, str], number: str) -> Response:
        labels = response.headers
        labels["x-ms-request-id"] = number
        version = headers.get("x-ms-version", _VERSION)
        labels["x-ms-version"] = version if _A_VERSION.fullmatch(version) else _VERSION
        asked = headers.get("x-ms-client-request-id")
        if asked is not None:
            labels["x-ms-client-request-id"] = asked
        return response

    async def _send_content(self, send: Send, content: Slice) -> None:
        # The next piece is read while the last one goes out; the file is closed only once nobody reads it.
        position, end = content.offset, content.offset + content.length
        reading = self._read(content.fd, position, end)
        try:
            while position < end:
                piece = await reading
                position += len(piece)
                reading = self._read(content.fd, position, end)
                await send({"type": "http.response.body", "body": piece, "more_body": position < end})
        finally:
            await asyncio.wait([reading])
            os.close(content.fd)

    def _read(self, fd: int, position: int, end: int) -> asyncio.Future[bytes]:
        return asyncio.get_running_loop().run_in_executor(self._service.threads, _read, fd, position, end)


def _read(fd: int, position: int, end: int) -> bytes:
    piece = os.pread(fd, min(_PIECE, end - position), position)
    if not piece and position < end:
        raise OSError("a content file is shorter than its index says")
    return piece


def _refusal(error: BlobError, method: str, number: str) -> Response:
    headers = {"x-ms-error-code": error.code, **error.headers}
    if method == "HEAD" or error.status == 304:
        return Response(error.status, headers)
    moment = datetime.now(timezone.utc).strftime("%Y-%m-%dT%H:%M:%S.%f0Z")
    body = xml.error(error.code, f"{error}\nRequestId:{number}\nTime:{moment}")
    return Response(
        error.status, {**headers, "content-type": "application/xml", "content-length": str(len(body))}, body
    )
