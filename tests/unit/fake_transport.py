"""azure-core's own transport over a wire that is played: everything above the socket is real."""

from __future__ import annotations

import io
import json
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import requests
from azure.core.pipeline.transport._requests_basic import RequestsTransport
from requests.adapters import BaseAdapter
from requests.structures import CaseInsensitiveDict
from urllib3 import HTTPResponse

Reply = Callable[[requests.PreparedRequest], requests.Response]
Step = Reply | BaseException


def reply(status: int = 200, body: object = None, headers: Mapping[str, str] | None = None) -> Reply:
    """Answer with ``body`` as JSON, or as it is when it is bytes; None is an empty body."""
    content = body if isinstance(body, bytes) else b"" if body is None else json.dumps(body).encode()
    typed = {} if body is None or isinstance(body, bytes) else {"Content-Type": "application/json; charset=utf-8"}
    named = {"Content-Length": str(len(content)), **typed, **(headers or {})}

    def answer(request: requests.PreparedRequest) -> requests.Response:
        response = requests.Response()
        response.status_code = status
        response.headers = CaseInsensitiveDict(named)
        response.raw = HTTPResponse(
            io.BytesIO(content), headers=named, status=status, preload_content=False, request_method=request.method
        )
        response.url = request.url or ""
        response.request = request
        return response

    return answer


class _Wire(BaseAdapter):
    def __init__(self, script: Iterable[Step] | Reply) -> None:
        super().__init__()
        self._answer = script if callable(script) else None
        self.left = [] if callable(script) else list(script)
        self.requests: list[requests.PreparedRequest] = []
        self.options: list[dict[str, Any]] = []

    def send(self, request: requests.PreparedRequest, *args: Any, **options: Any) -> requests.Response:
        self.requests.append(request)
        self.options.append(options)
        if self._answer is not None:
            return self._answer(request)
        assert self.left, f"nothing is scripted for {request.method} {request.url}"
        step = self.left.pop(0)
        if isinstance(step, BaseException):
            raise step
        return step(request)

    def close(self) -> None:
        pass


class FakeTransport(RequestsTransport):
    """Play ``script``: answers and exceptions in order, or one function that answers everything."""

    def __init__(self, script: Iterable[Step] | Reply = ()) -> None:
        self.wire = _Wire(script)
        session = requests.Session()
        session.trust_env = False
        session.mount("https://", self.wire)
        session.mount("http://", self.wire)
        super().__init__(session=session)
        self.closed = False

    @property
    def requests(self) -> list[requests.PreparedRequest]:
        """What was sent, tries counted one by one."""
        return self.wire.requests

    @property
    def lines(self) -> list[str]:
        """What was sent, as ``METHOD address``."""
        return [f"{sent.method} {sent.url}" for sent in self.wire.requests]

    def sleep(self, duration: float) -> None:
        raise AssertionError(f"azure-core slept {duration} s past our clock")

    def close(self) -> None:
        self.closed = True
        super().close()  # type: ignore[no-untyped-call]  # azure-core leaves it unannotated
