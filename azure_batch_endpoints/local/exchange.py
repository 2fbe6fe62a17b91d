"""A request as handlers see it, and the answer they return; both plain values, so handlers need no web framework.

Here: reading lenient JSON and queries. Not here: routing (``app``), what an answer means (``handlers``).
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias, TypeVar, cast
from urllib.parse import quote, urlencode

from azure_batch_endpoints._wire.body import Body
from azure_batch_endpoints._wire.routes import API_VERSION, PROVIDER
from azure_batch_endpoints.local.context import ServiceContext
from azure_batch_endpoints.local.faults import ServiceFault, bad_request

if TYPE_CHECKING:
    from pydantic import ValidationError

_B = TypeVar("_B", bound=Body)
WORKSPACE = f"/subscriptions/{{subscription}}/resourceGroups/{{group}}/providers/{PROVIDER}/workspaces/{{workspace}}"
"""Template of the paths below a workspace."""
REGION = f"/subscriptions/{{subscription}}/providers/{PROVIDER}/locations/{{region}}"
"""Template of the paths of operations."""
BODY_LIMIT = 8 * 1024 * 1024
"""Bytes a request's body may have."""
LENIENT_LIMIT = 64 * 1024
"""Characters of a body that is read leniently when it is no strict JSON; the lenient parser is slow."""
DEPTH_LIMIT = 64
"""Levels of objects and lists that a body may have, as the real service's JSON reader has it."""
PAGE = 200
"""Items in one answer of a list."""


@dataclass(frozen=True)
class Reply:
    """An answer with a JSON body; ``empty`` makes one without.

    Attributes:
        body: JSON to send.
        status: HTTP status.
        headers: beside those that every answer has.
        has_body: False: nothing is sent.
    """

    body: Any = None
    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)
    has_body: bool = True


@dataclass(frozen=True)
class FileReply:
    """An answer with the text of a file, or the range of it that the request asks for.

    Attributes:
        path: the file.
    """

    path: Path


@dataclass(frozen=True)
class PageReply:
    """An answer for a browser.

    Attributes:
        html: the page.
    """

    html: str


@dataclass(frozen=True)
class Call:
    """One request.

    Attributes:
        context: the service.
        method: HTTP method.
        path: decoded path as it came.
        names: parts of the path, as the route names them.
        query: by name in lower case.
        headers: names in any case.
        content: body.
        asked: the query as it came.
    """

    context: ServiceContext
    method: str
    path: str
    names: Mapping[str, str]
    query: Mapping[str, str]
    headers: Mapping[str, str]
    content: bytes
    asked: Sequence[tuple[str, str]] = ()

    @property
    def api_version(self) -> str:
        """As the client asked for it; the present one when it did not."""
        return self.query.get("api-version", API_VERSION)

    def json(self) -> dict[str, Any]:
        """Return the body, a JSON object.

        Strict JSON first; else comments, single quotes and trailing commas are tolerated as the real service does,
        because the official samples send them.

        Raises:
            ServiceFault: 400, it is none.
        """
        try:
            text = self.content.decode("utf-8-sig")
        except UnicodeDecodeError as error:
            raise bad_request("The body of the request is not UTF-8 text. Send a JSON object.") from error
        body = _parse(text)
        _refuse_depth(text, body)
        _refuse_half_characters(text, body)
        if not isinstance(body, dict):
            raise bad_request('The body of the request is not a JSON object. Send one, such as {"properties": {…}}.')
        return body

    def read(self, kind: type[_B]) -> _B:
        """Return the body as a value of the wire.

        Raises:
            ServiceFault: 400, it has not that shape.
        """
        return read(kind, self.json())

    def number(self, name: str, default: int, *, low: int, high: int) -> int:
        """Return a whole number of the query, cut to ``low`` … ``high``.

        Raises:
            ServiceFault: 400, it is no number.
        """
        given = self.query.get(name)
        if not given:
            return default
        if not given.isascii() or not given.isdigit() or len(given) > 18:
            raise bad_request(f"'{name}={given}' of the request is not a whole number. Leave it out or correct it.")
        return max(low, min(high, int(given)))

    @property
    def cursor(self) -> int | None:
        """Where a list goes on: the number that the last ``nextLink`` carried, or None at its beginning."""
        for name in ("$skip", "$skiptoken"):
            if self.query.get(name):
                return self.number(name, 0, low=0, high=2**62)
        return None

    @property
    def page_size(self) -> int:
        """Items wanted in one answer."""
        for name in ("$top", "count", "$maxpagesize"):
            if self.query.get(name):
                return self.number(name, PAGE, low=1, high=1000)
        return PAGE

    def next_link(self, cursor: int | str) -> str:
        """Return the absolute URL of a list's next page."""
        query = [(name, value) for name, value in self.asked if name.lower() not in ("$skip", "$skiptoken")]
        return (
            f"{self.context.base_url}{quote(self.path, safe='/:@')}"
            f"?{urlencode([*query, ('$skipToken', cursor)], safe='$')}"
        )


Handler: TypeAlias = Callable[[Call], "Reply | FileReply | PageReply"]


@dataclass(frozen=True)
class Entry:
    """One method of one path.

    Attributes:
        method: HTTP method.
        path: template; its fixed words match in any case.
        handler: answers.
    """

    method: str
    path: str
    handler: Handler


def read(kind: type[_B], data: object) -> _B:
    """Return a decoded body as a value of the wire.

    Raises:
        ServiceFault: 400, it has not that shape.
    """
    try:
        return kind.read(data, request=True)
    except ValueError as error:
        first = cast("ValidationError", error).errors(include_url=False, include_input=False)[0]
        field, why = ".".join(str(part) for part in first["loc"]), first["msg"].removeprefix("Value error, ")
        if first["type"] in {"model_type", "dict_type"}:  # its text names our classes
            why = "it should be a JSON object"
        raise bad_request(
            f"'{field}' of the request cannot be used: {why}. Correct it and send the request again."
        ) from error


def empty(status: int, headers: Mapping[str, str] | None = None) -> Reply:
    """Return an answer without a body."""
    return Reply(None, status, headers or {}, has_body=False)


def _refuse_half_characters(text: str, body: object) -> None:
    """Refuse an escaped half of a surrogate pair: it is no character, and nothing can keep it."""
    if "\\ud" in text.lower():
        try:
            json.dumps(body, ensure_ascii=False).encode()
        except UnicodeEncodeError as error:
            raise bad_request("The body of the request holds half a surrogate pair. Send whole characters.") from error


def _refuse_depth(text: str, body: object) -> None:
    """Refuse a body with more levels than ``DEPTH_LIMIT``; nothing that is sent in earnest has as many."""
    if text.count("[") + text.count("{") <= DEPTH_LIMIT:
        return
    level: list[object] = [body]
    for _ in range(DEPTH_LIMIT):
        level = [inner for one in level if isinstance(one, dict | list) for inner in _members(one)]
    if any(isinstance(one, dict | list) for one in level):
        raise _not_json(f"it has more than {DEPTH_LIMIT} levels")


def _members(one: dict[str, object] | list[object]) -> Sequence[object]:
    return list(one.values()) if isinstance(one, dict) else one


def _number(text: str) -> float:
    """Return a number; NaN, Infinity and what is too large for a double are none in JSON."""
    value = float(text)
    if not math.isfinite(value):
        raise ValueError(f"'{text}' is no number")
    return value


def _parse(text: str) -> object:
    # Line breaks inside a text are taken, as the real service takes them: samples paste a conda file there.
    try:
        return json.loads(text, strict=False, parse_float=_number, parse_constant=_number)
    except (ValueError, RecursionError) as error:
        strict = error
    if len(text) <= LENIENT_LIMIT:
        import json5

        try:
            return json5.loads(text, strict=False, parse_float=_number, parse_constant=_number)
        except (ValueError, RecursionError):
            pass
    if isinstance(strict, json.JSONDecodeError):
        raise _not_json(f"{strict.msg}, line {strict.lineno}")
    raise _not_json("it is nested too deep" if isinstance(strict, RecursionError) else str(strict))


def _not_json(why: str) -> ServiceFault:
    said = f"The body of the request is not valid JSON: {why}. Correct it and send it again."
    return ServiceFault(400, "InvalidRequestContent", said)
