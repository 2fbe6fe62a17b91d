"""The blob endpoint as an ASGI application: routes, refusals, and sending answers. Operations are in the *_routes."""

from __future__ import annotations

import asyncio
import functools
import itertools
import logging
import os
import uuid
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from types import MappingProxyType

from azure_batch_endpoints.local import disk
from azure_batch_endpoints.local.blobstore import batch, xml
from azure_batch_endpoints.local.blobstore import blob_routes as blob
from azure_batch_endpoints.local.blobstore import block_routes as block
from azure_batch_endpoints.local.blobstore import container_routes as container
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

_log = logging.getLogger("azure_batch_endpoints.local.blobstore")
_VERSION = "2021-12-02"
_PIECE = 1 << 20
_THREADS = 8

_READ = Need("o", "r")
_WRITE = Need("o", "w")
_CREATE = Need("o", "cw")

# (level, method, restype, comp) -> operation
_ROUTES: Mapping[tuple[str, str, str, str], Route] = MappingProxyType(
    {
        ("account", "GET", "", "list"): Route(container.list_containers, Need("s", "l", within_container=False)),
        ("account", "GET", "service", "properties"): Route(
            container.service_properties, Need("s", "r", within_container=False)
        ),
        ("container", "PUT", "container", ""): Route(
            container.create_container, Need("c", "cw", within_container=False)
        ),
        ("container", "GET", "container", ""): Route(container.get_container, Need("c", "r", within_container=False)),
        ("container", "HEAD", "container", ""): Route(container.get_container, Need("c", "r", within_container=False)),
        ("container", "GET", "container", "metadata"): Route(
            container.get_container, Need("c", "r", within_container=False)
        ),
        ("container", "HEAD", "container", "metadata"): Route(
            container.get_container, Need("c", "r", within_container=False)
        ),
        ("container", "PUT", "container", "metadata"): Route(
            container.set_container_metadata, Need("c", "w", within_container=False)
        ),
        ("container", "DELETE", "container", ""): Route(
            container.delete_container, Need("c", "d", within_container=False)
        ),
        ("container", "GET", "container", "list"): Route(container.list_blobs, Need("c", "l")),
        ("blob", "PUT", "", ""): Route(blob.put_blob, _CREATE),
        ("blob", "PUT", "", "block"): Route(block.put_block, _WRITE),
        ("blob", "PUT", "", "blocklist"): Route(block.put_block_list, _WRITE),
        ("blob", "GET", "", "blocklist"): Route(block.get_block_list, _READ),
        ("blob", "PUT", "", "appendblock"): Route(blob.append_block, Need("o", "aw")),
        ("blob", "PUT", "", "metadata"): Route(blob.set_metadata, _WRITE),
        ("blob", "GET", "", "metadata"): Route(blob.get_metadata, _READ),
        ("blob", "HEAD", "", "metadata"): Route(blob.get_metadata, _READ),
        ("blob", "PUT", "", "properties"): Route(blob.set_properties, _WRITE),
        ("blob", "GET", "", ""): Route(blob.get_blob, _READ),
        ("blob", "HEAD", "", ""): Route(blob.head_blob, _READ),
        ("blob", "DELETE", "", ""): Route(blob.delete_blob, Need("o", "d")),
    }
)
_INFORMATION = Route(container.account_information, Need("", "", within_container=True))
_NOT_KEPT = ("snapshot", "versionid")


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
    endpoint = _Endpoint(Service(store, account, Authenticator(account, key), threads))

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
            return self._labelled(_refusal(error, scope["method"]), {})
        return await self._answer(request)

    async def _answer(self, request: Request) -> Response:
        try:
            response = await self._operate(request)
        except BlobError as error:
            response = _refusal(error, request.method)
        except Exception as error:  # noqa: BLE001  a defect of one request is answered and logged, never passed on
            response = _refusal(self._failure(error, request), request.method)
        return self._labelled(response, request.headers)

    def _failure(self, error: Exception, request: Request) -> BlobError:
        if disk.is_full(error):
            _log.warning("the disk is full: %s %s", request.method, request.path)
            return BlobError("InternalError", disk.advice(self._service.store.root), status=507)
        _log.error("a blob request failed: %s %s", request.method, request.path, exc_info=error)
        return BlobError("InternalError")

    async def _operate(self, request: Request) -> Response:
        if request.account != self._service.account:
            raise BlobError("InvalidUri", f"There is no account '{request.account}' here.", status=404)
        route = self._route(request)
        grant = self._service.authenticator.check(request, route.need)
        if request.container:
            check_container_name(request.container)
        if request.blob:
            check_blob_name(request.blob)
        return await route.handler(Call(self._service, request, grant))

    def _route(self, request: Request) -> Route:
        query = request.query
        kind, component = query.get("restype", ""), query.get("comp", "")
        if component == "batch" and request.method == "POST" and not request.blob:
            return self._batch
        if kind == "account" and component == "properties" and request.method in ("GET", "HEAD"):
            return _INFORMATION
        if any(name in query for name in _NOT_KEPT):
            raise BlobError("InvalidQueryParameterValue", "Snapshots and versions are not kept here.")
        level = "blob" if request.blob else "container" if request.container else "account"
        route = _ROUTES.get((level, request.method, kind, component))
        if route is None:
            raise _unknown(level, request.method, kind, component)
        return route

    def _labelled(self, response: Response, headers: Mapping[str, str]) -> Response:
        labels = response.headers
        labels["x-ms-request-id"] = f"{self._run}-{next(self._numbers):012x}"
        labels["x-ms-version"] = headers.get("x-ms-version", _VERSION)
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


def _refusal(error: BlobError, method: str) -> Response:
    headers = {"x-ms-error-code": error.code, **error.headers}
    if method == "HEAD" or error.status == 304:
        return Response(error.status, headers)
    body = xml.error(error.code, str(error))
    return Response(
        error.status, {**headers, "content-type": "application/xml", "content-length": str(len(body))}, body
    )


def _unknown(level: str, method: str, kind: str, component: str) -> BlobError:
    if any(known[0] == level and known[2:] == (kind, component) for known in _ROUTES):
        return BlobError("UnsupportedHttpVerb", f"{method} on a {level}.")
    if component or kind:
        return BlobError("NotImplemented", f"{method} on a {level} with restype='{kind}' comp='{component}'.")
    return BlobError("InvalidUri", f"{method} on a {level} needs 'restype' or 'comp'.")
