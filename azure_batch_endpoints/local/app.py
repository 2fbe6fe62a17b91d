"""The service's REST as an ASGI application: routes, reading bodies, and what becomes of an exception.

Here: how a request reaches its handler. Not here: what handlers answer, or who serves the application (``server``).
"""

from __future__ import annotations

import logging
import re
from collections.abc import Awaitable, Callable, Iterable, Mapping

from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.routing import Route
from starlette.types import ASGIApp

from azure_batch_endpoints._wire.routes import MANAGEMENT_FRONTEND
from azure_batch_endpoints.errors import BatchEndpointsError
from azure_batch_endpoints.local import admission, disk
from azure_batch_endpoints.local.auth import Guard
from azure_batch_endpoints.local.context import ServiceContext
from azure_batch_endpoints.local.exchange import BODY_LIMIT, Call, Entry, Handler, PageReply, Reply
from azure_batch_endpoints.local.faults import ServiceFault
from azure_batch_endpoints.local.handlers import ENTRIES
from azure_batch_endpoints.local.handlers.workspace import check_workspace
from azure_batch_endpoints.local.rendering import fault_response, file_response, page_response, response
from azure_batch_endpoints.local.stamping import Stamp

_log = logging.getLogger(__name__)
_PAIRS = {"HEAD": "GET"}
_FAILED = "The local service failed at this request. Look into service.log in its root folder for why, and report it."


def create_app(context: ServiceContext) -> ASGIApp:
    """Return the application that serves one workspace.

    Args:
        context: the service it belongs to.
    """
    app = Starlette(
        routes=[_AnyCaseRoute(path, by_method, context) for path, by_method in _by_path(ENTRIES).items()],
        exception_handlers={HTTPException: _unrouted, Exception: _unexpected},
    )
    app.router.redirect_slashes = False
    return Stamp(Guard(app, context.token), context.workspace_id)


class _AnyCaseRoute(Route):
    """A path whose fixed words match in any case, also behind the management frontend's own prefix."""

    def __init__(self, path: str, by_method: Mapping[str, Handler], context: ServiceContext) -> None:
        super().__init__(path, _endpoint(by_method, context), methods=list(by_method))
        pattern = self.path_regex.pattern.removeprefix("^").removesuffix("$")
        if path.startswith("/subscriptions/"):  # a slash at the end means nothing there
            pattern = f"(?:{MANAGEMENT_FRONTEND})?{pattern}/?"
        self.path_regex = re.compile(f"^{pattern}$", re.IGNORECASE)


def _by_path(entries: Iterable[Entry]) -> dict[str, dict[str, Handler]]:
    paths: dict[str, dict[str, Handler]] = {}
    for entry in entries:
        paths.setdefault(entry.path, {}).setdefault(entry.method, entry.handler)
    return paths


def _endpoint(by_method: Mapping[str, Handler], context: ServiceContext) -> Callable[[Request], Awaitable[Response]]:
    async def answer(request: Request) -> Response:
        try:
            content = await _content(request)
        except ServiceFault as fault:
            return fault_response(fault, request.scope["path"])
        except ClientDisconnect:  # in the middle of its body; nobody hears the answer
            return Response(None, 400)
        handler = by_method[_PAIRS.get(request.method, request.method)]
        call = Call(
            context=context,
            method=request.method,
            path=request.scope["path"],
            names=request.path_params,
            query={name.lower(): value for name, value in request.query_params.items()},
            headers=request.headers,
            content=content,
            asked=request.query_params.multi_items(),
        )
        return await run_in_threadpool(_respond, handler, call)

    return answer


async def _content(request: Request) -> bytes:
    """Return the body; stop reading when it gets too long."""
    parts: list[bytes] = []
    length = request.headers.get("content-length", "")
    size = int(length) if length.isdigit() else 0
    if size <= BODY_LIMIT:
        size = 0
        async for part in request.stream():
            size += len(part)
            if size > BODY_LIMIT:
                break
            parts.append(part)
    if size > BODY_LIMIT:
        raise ServiceFault(
            413,
            "RequestEntityTooLarge",
            f"The body of the request is larger than {BODY_LIMIT} bytes. Send a smaller one.",
        )
    return b"".join(parts)


def _respond(handler: Handler, call: Call) -> Response:
    try:
        admission.check(call)
        if "workspace" in call.names:
            check_workspace(call)
        answer = handler(call)
    except ServiceFault as fault:
        return fault_response(fault, call.path)
    except BatchEndpointsError as error:
        _log.warning("%s %s: %s", call.method, call.path, error)
        return fault_response(ServiceFault(500, "InternalServerError", str(error)), call.path)
    except Exception as error:  # noqa: BLE001 - passed on, it would close the connection after the answer
        return fault_response(_defect(error, call), call.path)
    if isinstance(answer, PageReply):
        return page_response(answer)
    return response(answer) if isinstance(answer, Reply) else file_response(answer, call.path)


def _defect(error: Exception, call: Call) -> ServiceFault:
    if disk.is_full(error):
        _log.warning("%s %s: %s", call.method, call.path, error)
        return ServiceFault(507, "InsufficientStorage", disk.advice(call.context.settings.root))
    _log.error("%s %s", call.method, call.path, exc_info=error)
    return ServiceFault(500, "InternalServerError", _FAILED)


async def _unrouted(request: Request, error: Exception) -> Response:
    status = error.status_code if isinstance(error, HTTPException) else 500
    headers = (error.headers if isinstance(error, HTTPException) else None) or {}
    if status == 405:
        message = f"'{request.url.path}' cannot be asked with {request.method}. Use another method."
        return fault_response(ServiceFault(405, "MethodNotAllowed", message, headers=headers), request.url.path)
    message = f"The local service has nothing at '{request.url.path}'. Check the path of the request."
    return fault_response(ServiceFault(status, "NotFound", message, headers=headers), request.url.path)


async def _unexpected(request: Request, error: Exception) -> Response:
    _log.error("%s %s", request.method, request.url.path, exc_info=error)
    return fault_response(ServiceFault(500, "InternalServerError", _FAILED), request.url.path)
