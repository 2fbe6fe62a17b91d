"""One file behind a plain web address, as a bucket of that one file: nothing can be listed there.

Only ``http`` and ``https`` are spoken, also after a redirect, and what comes is complete or an error.
"""

from __future__ import annotations

import gzip
import http.client
import time
import urllib.error
import urllib.request
import uuid
import zlib
from collections.abc import Callable, Iterator
from contextlib import closing
from http.client import HTTPResponse
from io import BytesIO
from pathlib import Path
from typing import IO, Any, TypeVar
from urllib.parse import unquote

from azure_batch_endpoints._loopback import leads_here
from azure_batch_endpoints._version import __version__
from azure_batch_endpoints._wire.uris import WebAddress
from azure_batch_endpoints.errors import (
    InvalidInputError,
    NotFoundError,
    PermissionDeniedError,
    ServerError,
    ServiceError,
    TransportError,
    redact,
)
from azure_batch_endpoints.local.buckets import READ_ONLY, Page, StoredFile

_SECONDS = 60.0
"""How long a server may be silent."""
_PAUSES = (0.3, 1.0)
"""Seconds before the second and the third look at a file whose server does not answer as it should."""
_STEP = 1 << 18
_GONE, _CLOSED, _BUSY = (404, 410), (401, 402, 403, 407, 409, 451), (408, 425, 429)
_T = TypeVar("_T")


class WebFile:
    """A file anyone who knows the address can read; a signature in it stays secret.

    Args:
        address: where it is.
    """

    parallel = 1

    def __init__(self, address: WebAddress) -> None:
        self._address = address
        self.name = unquote(address.path.rpartition("/")[2]) or "input"
        self.url = f"{address.scheme}://{address.host}/{address.path}"

    def __repr__(self) -> str:
        return f"WebFile({self.url!r})"

    def list(self, prefix: str = "") -> Iterator[StoredFile]:
        """Refuse: the web has no listing."""
        return iter(self.page(prefix).files)

    def page(self, prefix: str, marker: str = "") -> Page:  # noqa: ARG002 - as a bucket has it
        """Refuse: the web has no listing."""
        raise InvalidInputError(
            f"'{self.url}' is a web address, and a web server cannot be asked for the files of a folder. Name single "
            "files of it or a blob container, or download it and pass the local folder."
        )

    def find(self, name: str) -> StoredFile | None:
        """Return what the server says of the file, or None: one GET whose content is not read.

        A server that does not tell how long the file is leaves its size at 0.
        """
        try:
            return _patiently(lambda: self._described(name))
        except NotFoundError:
            return None

    def fetch(self, name: str, dest: Path, check: Callable[[], None] | None = None) -> None:  # noqa: ARG002 - one file
        """Download the file, which appears whole or not at all.

        Raises:
            TransportError: it did not come whole.
        """
        part = dest.with_name(f".{uuid.uuid4().hex}.part")
        try:
            with closing(self._opened()) as answer, part.open("wb") as file:
                content = _Content(answer, self.url, compressed=self._is_compressed(answer))
                while piece := content.read():
                    file.write(piece)
                    if check is not None:
                        check()
            part.chmod(READ_ONLY)
            part.replace(dest)
        finally:
            part.unlink(missing_ok=True)

    def upload(self, *_given: object, **_options: object) -> None:
        """Refuse: it is for reading."""
        raise InvalidInputError(f"'{self.url}' can only be read. Name a datastore or a blob container for the output.")

    def _described(self, name: str) -> StoredFile:
        with closing(self._opened()) as answer:
            mark = answer.headers.get("ETag") or answer.headers.get("Last-Modified") or ""
            size = 0 if self._is_compressed(answer) else answer.length or 0
            return StoredFile(name, size, mark)

    def _is_compressed(self, answer: HTTPResponse) -> bool:
        """Whether the content was packed for the way; a file that is packed itself (``.gz``) stays as it is.

        Raises:
            InvalidInputError: it was packed in a way that nobody asked for.
        """
        coding = (answer.headers.get("Content-Encoding") or "identity").strip().lower()
        if coding in {"identity", "aws-chunked"} or self.name.lower().endswith((".gz", ".tgz")):
            return False
        if coding in {"gzip", "x-gzip"}:
            return True
        raise InvalidInputError(
            f"'{self.url}' comes packed as '{coding}', which was not asked for and cannot be unpacked here. "
            "Download the file and pass the local one."
        )

    def _opened(self) -> HTTPResponse:
        address = self._address
        if "sig=" in address.query and address.scheme != "https" and not leads_here(f"//{address.host}"):
            raise InvalidInputError(
                f"'{self.url}' carries a signature and would be sent over plain http, so it is not. Use https."
            )
        headers = {"User-Agent": f"azure-batch-endpoints/{__version__}", "Accept-Encoding": "identity"}
        try:
            request = urllib.request.Request(address.request_url, headers=headers)  # noqa: S310 - http and https only
            answer: HTTPResponse = _opener(address).open(request, timeout=_SECONDS)
        except urllib.error.HTTPError as error:
            with error:
                raise self._refused(error.code, error.reason, error.headers.get("x-ms-error-code")) from None
        except (OSError, http.client.HTTPException, UnicodeError) as error:
            raise _unread(self.url, error) from None  # its text may show the query
        return answer

    def _refused(self, status: int, reason: str, code: str | None) -> ServiceError:
        said = f"the server answered {status} {code or reason}".rstrip()
        if status in _GONE:
            text = f"There is no file at '{self.url}': {said}. Check the address."
            return NotFoundError(text, status_code=status, code=code)
        kind, remedy = ServiceError, "Check the address in a browser."
        if status in _CLOSED:
            kind, remedy = PermissionDeniedError, "Use an address that needs no sign-in, or one with a valid signature."
        elif status in _BUSY or status >= 500:
            kind, remedy = ServerError, "Try again later."
        elif 300 <= status < 400:
            remedy = "Its redirects lead nowhere: name the address that they should lead to."
        return kind(f"'{self.url}' cannot be read: {said}. {remedy}", status_code=status, code=code)


class _Content:
    """The content of an answer, unpacked; an end that comes too early is an error."""

    def __init__(self, answer: HTTPResponse, url: str, *, compressed: bool) -> None:
        self._answer = answer
        self._url = url
        self._expected = answer.length
        self._got = 0
        raw = _Raw(self._take)
        self._source: IO[bytes] = gzip.GzipFile(fileobj=raw) if compressed else raw  # type: ignore[assignment] # reads

    def read(self) -> bytes:
        """Return the next piece; nothing at the end."""
        try:
            return self._source.read(_STEP)
        except (OSError, EOFError, http.client.HTTPException, zlib.error) as error:
            raise _unread(self._url, error) from None

    def _take(self, size: int) -> bytes:
        piece = self._answer.read(size)
        self._got += len(piece)
        # http.client takes an early end for the end.
        if not piece and self._expected is not None and self._got < self._expected:
            raise EOFError(f"the connection ended after {self._got} of {self._expected} bytes")
        return piece


class _Raw(BytesIO):
    """A file to read from that asks a function for its content."""

    def __init__(self, take: Callable[[int], bytes]) -> None:
        super().__init__()
        self._take = take

    def read(self, size: int | None = -1, /) -> bytes:
        return self._take(_STEP if size is None or size < 0 else size)


class _Redirects(urllib.request.HTTPRedirectHandler):
    """Follows what leads to another web address, and never from https to plain http."""

    http_error_308 = urllib.request.HTTPRedirectHandler.http_error_302  # Python 3.10 does not know it

    def redirect_request(
        self,
        req: urllib.request.Request,
        fp: IO[bytes],
        code: int,
        msg: str,
        headers: http.client.HTTPMessage,
        newurl: str,
    ) -> urllib.request.Request | None:
        scheme = newurl.partition(":")[0].lower()
        if scheme == "https" or (scheme == "http" and req.type == "http"):
            return super().redirect_request(req, fp, 307 if code == 308 else code, msg, headers, newurl)
        fp.close()
        raise InvalidInputError(
            f"'{req.full_url.partition('?')[0]}' redirects to a '{scheme}' address, which is not followed. "
            "Name an https address that needs no such redirect."
        )


def _opener(address: WebAddress) -> urllib.request.OpenerDirector:
    """Return an opener that knows http and https only; no proxy comes between this machine and itself."""
    opener = urllib.request.OpenerDirector()
    here = leads_here(f"//{address.host}")
    handlers: tuple[Any, ...] = (
        urllib.request.ProxyHandler({} if here else None),
        urllib.request.HTTPHandler(),
        urllib.request.HTTPSHandler(),
        urllib.request.HTTPDefaultErrorHandler(),
        urllib.request.HTTPErrorProcessor(),
        _Redirects(),
    )
    for handler in handlers:
        opener.add_handler(handler)
    return opener


def _unread(url: str, error: Exception) -> TransportError:
    reason = redact(str(getattr(error, "reason", "") or error)) or type(error).__name__
    return TransportError(f"'{url}' cannot be read: {reason}. Check the address and the network.")


def _patiently(ask: Callable[[], _T]) -> _T:
    for pause in _PAUSES:
        try:
            return ask()
        except (TransportError, ServerError):
            time.sleep(pause)
    return ask()
