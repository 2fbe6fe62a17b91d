"""The HTTP/1.1 protocol of the server below: uvicorn's, but metadata names keep the case they were sent in."""

from __future__ import annotations

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

_METADATA = b"x-ms-meta-"
_MAX_HEADERS = 64 * 1024


class BlobProtocol(HttpToolsProtocol):
    """ASGI wants header names in lower case; blob metadata is case-preserving, so what follows its prefix stays."""

    _size = 0

    def on_message_begin(self) -> None:
        """A request begins."""
        self._size = 0
        super().on_message_begin()

    def on_url(self, url: bytes) -> None:
        """The address has come, or a part of it; it counts among the headers."""
        self._count(len(url))
        super().on_url(url)

    def on_header(self, name: bytes, value: bytes) -> None:
        """A header has come; more than 64 KiB of them are refused with 400."""
        self._count(len(name) + len(value))
        if name[:10].lower() == _METADATA:
            self.headers.append((_METADATA + name[10:], value))
        else:
            super().on_header(name, value)

    def _count(self, size: int) -> None:
        self._size += size
        if self._size > _MAX_HEADERS:
            raise ValueError("the headers are too large")
