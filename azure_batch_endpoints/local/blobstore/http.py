"""Requests and responses of the blob endpoint as values, and their way over ASGI. Knows no operation."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Mapping, MutableMapping
from functools import lru_cache
from types import MappingProxyType
from typing import Any, NamedTuple
from urllib.parse import quote, unquote, unquote_plus

from azure_batch_endpoints.local.blobstore.failures import BlobError

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
ASGIApp = Callable[[Scope, Receive, Send], Awaitable[None]]


_MAX_DIGITS = 19


class Range(NamedTuple):
    """Bytes ``first`` to ``last`` inclusive; ``last`` is None for "to the end"."""

    first: int
    last: int | None


class Slice(NamedTuple):
    """The part of an open content file that is a response's body; whoever sends it closes the file."""

    fd: int
    offset: int
    length: int


class Request:
    """One request.

    Attributes:
        method: ``GET`` and so on.
        path: The path as it was sent, still percent-encoded: it is what a Shared Key signature covers.
        query: The decoded query, names in lower case.
        headers: The headers, names in lower case but for the case that metadata names came in (where the server hands
            it over, see :mod:`.protocol`).
        client: The peer's address, None when unknown.
        secure: Whether it came over TLS.
        container: The container's name, empty in a request to the account.
        blob: The blob's name, empty in a request to a container.
    """

    __slots__ = ("blob", "client", "container", "headers", "host", "method", "path", "query", "receive", "secure")

    def __init__(self, method: str, target: tuple[str, str], headers: Mapping[str, str], receive: Receive) -> None:
        self.method = method
        self.path = target[0]
        self.query = parse_query(target[1])
        self.headers = headers
        self.receive = receive
        self.client: str | None = None
        self.secure = False
        self.host = headers.get("host", "127.0.0.1")
        self.container, self.blob = _names(target[0])

    @classmethod
    def from_scope(cls, scope: Scope, receive: Receive) -> Request:
        """The request an ASGI server hands over."""
        raw = scope.get("raw_path")
        path = raw.decode("latin-1") if raw else quote(scope["path"], safe="/:@!$&'()*+,;=~")
        headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]}
        if len(headers) < len(scope["headers"]):
            headers = _joined(scope["headers"])
        request = cls(scope["method"], (path, scope["query_string"].decode("latin-1")), headers, receive)
        client = scope.get("client")
        request.client = client[0] if client else None
        request.secure = scope.get("scheme") == "https"
        return request

    @property
    def account(self) -> str:
        """The account the path names: its first segment."""
        return self.path.removeprefix("/").partition("/")[0]

    @property
    def byte_range(self) -> Range | None:
        """The range asked for; a header this protocol does not know is passed over, as the service does."""
        return byte_range(self.headers.get("x-ms-range") or self.headers.get("range") or "")

    @property
    def snapshot(self) -> str:
        """The snapshot asked for, ``""`` for the blob itself."""
        return self.query.get("snapshot", "")

    def number(self, name: str) -> int | None:
        """A header that is a number not below zero; None when absent. Raises ``InvalidHeaderValue``."""
        value = self.headers.get(name)
        if value is None:
            return None
        if not is_number(value):
            raise BlobError("InvalidHeaderValue", f"'{name}' is no number: '{value}'.")
        return int(value)


def _joined(pairs: Iterable[tuple[bytes, bytes]]) -> dict[str, str]:
    # A header that comes twice is one with both values, as HTTP has it; of metadata the service wants each name once.
    headers: dict[str, str] = {}
    for raw, value in pairs:
        name, text = raw.decode("latin-1"), value.decode("latin-1")
        if name in headers and name.startswith("x-ms-meta-"):
            raise BlobError("InvalidMetadata", f"The name '{name[10:]}' comes twice.")
        headers[name] = f"{headers[name]},{text}" if name in headers else text
    return headers


class Response(NamedTuple):
    """One response: the body is either ``body`` or what ``content`` points at."""

    status: int
    headers: dict[str, str]
    body: bytes = b""
    content: Slice | None = None


def byte_range(value: str) -> Range | None:
    """The range of a header, None for one that this protocol does not know."""
    if not value.startswith("bytes="):
        return None
    first, dash, last = value[6:].partition("-")
    if not dash or not is_number(first) or (last and not is_number(last)):
        return None
    if last and int(last) < int(first):
        return None
    return Range(int(first), int(last) if last else None)


def is_number(text: str) -> bool:
    """Whether it is a number not below zero, of a size that means something."""
    return text.isascii() and text.isdigit() and len(text) < _MAX_DIGITS


@lru_cache(maxsize=512)
def parse_query(text: str) -> Mapping[str, str]:
    """The query as a read-only map: names in lower case, values decoded. Remembered: signed ones come by thousands."""
    query: dict[str, str] = {}
    for pair in text.split("&"):
        name, _, value = pair.partition("=")
        if name:
            decoded = unquote_plus(value) if "%" in value or "+" in value else value
            name = (unquote(name) if "%" in name else name).lower()
            # a name that comes twice is signed as a comma-separated list
            query[name] = f"{query[name]},{decoded}" if name in query else decoded
    return MappingProxyType(query)


def _names(path: str) -> tuple[str, str]:
    # "/account/container/blob…" with the blob's name percent-encoded; everything after the third slash is the name.
    parts = path.split("/", 3)
    container = _decoded(parts[2]) if len(parts) > 2 else ""
    return container, _decoded(parts[3]) if len(parts) > 3 else ""


def _decoded(text: str) -> str:
    if "%" not in text and text.isascii():
        return text
    try:
        return unquote(text.encode("latin-1").decode("utf-8"), errors="strict")
    except UnicodeDecodeError:
        raise BlobError("InvalidUri", "The path is not UTF-8.") from None


class _Verbatim(bytes):
    """A header name that stays as it is: servers send names in lower case, metadata names keep the case they have."""

    def lower(self) -> bytes:
        return self


@lru_cache(maxsize=256)
def _header_name(name: str) -> bytes:
    raw = name.encode("latin-1")
    return _Verbatim(raw) if name.startswith("x-ms-meta-") else raw


def encoded(headers: Mapping[str, str]) -> Iterable[tuple[bytes, bytes]]:
    """Headers as ASGI wants them."""
    return [(_header_name(name), value.encode("latin-1", "replace")) for name, value in headers.items()]
