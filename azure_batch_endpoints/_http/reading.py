"""What goes into a request and comes out of an answer: queries, headers, JSON, the rest of a file."""

from __future__ import annotations

import json as jsonlib
import re
from collections.abc import Iterator, Mapping, MutableMapping
from urllib.parse import quote, urlencode, urlsplit

from azure.core.rest import HttpResponse
from azure.core.utils import case_insensitive_dict

from azure_batch_endpoints._http.answer import Param, ShorterThanThat
from azure_batch_endpoints.errors import TransportError

_SIZE = re.compile(r"bytes (?:\*|\d+-\d+)/(\d+)")


def with_query(address: str, params: Mapping[str, Param] | None) -> str:
    """Return ``address`` with what is not None of ``params`` in its query."""
    given = {name: _text(value) for name, value in (params or {}).items() if value is not None}
    if not given:
        return address
    return f"{address}{'&' if '?' in address else '?'}{urlencode(given, quote_via=quote, safe='$:')}"


def with_defaults(headers: Mapping[str, str] | None) -> MutableMapping[str, str]:
    """Return the headers of a request that wants JSON, unless ``headers`` say otherwise."""
    merged = case_insensitive_dict({"Accept": "application/json"})
    merged.update(headers or {})
    return merged


def _text(value: str | int) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def decode(http: HttpResponse, *, strict: bool, action: str) -> object:
    """Decode JSON; of an error also plain text.

    Raises:
        TransportError: it is no JSON, and strict.
    """
    content = http.content
    if not content.strip():
        return None
    try:
        decoded: object = jsonlib.loads(content.decode("utf-8-sig"))
    except (ValueError, RecursionError) as error:
        if not strict:
            return content.decode("utf-8", errors="replace")
        raise TransportError(
            f"Could not {action}: '{urlsplit(http.request.url).hostname}' answered with something that is not JSON "
            f"({http.content_type or 'no content type'}). Check whether a proxy or a sign-in page is in between."
        ) from error
    return decoded


def rest_of(http: HttpResponse, offset: int) -> Iterator[bytes]:
    """Yield what a 200, 206 or 416 holds from byte ``offset`` on.

    Raises:
        ShorterThanThat: what is read has fewer bytes than that.
    """
    told = _SIZE.match(http.headers.get("Content-Range", ""))
    if told and int(told[1]) < offset:
        raise ShorterThanThat
    if http.status_code == 416:
        return
    before = offset if http.status_code == 200 else 0
    for chunk in http.iter_bytes():
        if chunk[before:]:
            yield chunk[before:]
        before = max(0, before - len(chunk))
    if before:
        raise ShorterThanThat
