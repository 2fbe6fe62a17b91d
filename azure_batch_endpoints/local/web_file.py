"""One file behind a plain web address, as a bucket of that one file: nothing can be listed there."""

from __future__ import annotations

import shutil
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping
from http.client import HTTPResponse
from pathlib import Path
from urllib.parse import unquote, urlsplit

from azure_batch_endpoints.errors import InvalidInputError, NotFoundError, TransportError, redact
from azure_batch_endpoints.local.buckets import StoredFile

_SECONDS = 60.0


class WebFile:
    """A file anyone who knows the address can read; a signature in it stays secret.

    Args:
        url: ``https://…``, perhaps with a query.
    """

    def __init__(self, url: str) -> None:
        parts = urlsplit(url)
        self._url = url
        self.name = unquote(parts.path.rpartition("/")[2]) or "input"
        self.url = f"{parts.scheme}://{parts.netloc}{parts.path}"

    def __repr__(self) -> str:
        return f"WebFile({self.url!r})"

    def list(self, prefix: str = "") -> Iterator[StoredFile]:
        """Refuse: the web has no listing."""
        raise InvalidInputError(
            f"'{self.url}{prefix}' is a web address that cannot be listed. Name one file of it, a blob container, or "
            "download it and pass the local folder."
        )

    def find(self, name: str) -> StoredFile | None:
        """Return what the server says of the file: one GET whose content is not read.

        Raises:
            NotFoundError: there is none; a web address alone does not tell files from folders.
        """
        with self._opened() as answer:
            mark = answer.headers.get("ETag") or answer.headers.get("Last-Modified") or ""
            return StoredFile(name, int(answer.headers.get("Content-Length") or 0), mark)

    def fetch(self, name: str, dest: Path) -> None:  # noqa: ARG002 - there is one file only
        """Download the file."""
        with self._opened() as answer, dest.open("wb") as file:
            shutil.copyfileobj(answer, file)

    def upload(self, name: str, path: Path, *, metadata: Mapping[str, str] | None = None, overwrite: bool) -> None:  # noqa: ARG002 - as a bucket has it
        """Refuse: it is for reading."""
        raise InvalidInputError(f"'{self.url}' can only be read. Name a datastore or a blob container for the output.")

    def _opened(self) -> HTTPResponse:
        try:
            answer: HTTPResponse = urllib.request.urlopen(self._url, timeout=_SECONDS)  # noqa: S310 - http and https only: see Store.open
        except urllib.error.HTTPError as error:
            error.close()
            if error.code in {404, 410}:
                raise NotFoundError(f"There is no file at '{self.url}'.", status_code=error.code) from None
            raise TransportError(
                f"'{self.url}' cannot be read: the server answered {error.code} {error.reason}. "
                "Check the address, or use one that needs no sign-in."
            ) from None
        except OSError as error:
            reason = redact(str(getattr(error, "reason", error)))
            raise TransportError(
                f"'{self.url}' cannot be read: {reason}. Check the address and the network."
            ) from error
        return answer
