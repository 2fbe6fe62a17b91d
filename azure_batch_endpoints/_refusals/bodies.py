"""What the body of a refusal says: innermost code, message, target and request id, whatever shape the body has.

Shapes: the management service's envelope and the data plane's (recorded), storage's XML, ``{"message": …}`` of
gateways, ``{"error": "…", "error_description": "…"}`` of sign-ins, a web page, plain text. Nothing here trusts a type.
"""

from __future__ import annotations

import html
import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

MOST = 2000
"""Characters of a body that go into a message."""
UNREADABLE = (ValueError, TypeError, AttributeError, KeyError, OverflowError)
"""What reading a body of another shape than expected raises."""
_DEEPEST = 8
_PAGE = re.compile(r"(?is)^\s*(?:<!--.*?-->\s*)?<(?:!doctype\s+html|html|head|body|title)\b")
_TITLE = re.compile(r"(?is)<(title|h1)\b[^>]*>(.*?)</\1>")
_XML = {name: re.compile(rf"(?is)<{name}>(.*?)</{name}>") for name in ("Code", "Message", "AuthenticationErrorDetail")}
_ERRORS = re.compile(r"(?s)\s*Errors:\s*(\[.*\])\s*$")
_ID_LINES = re.compile(r"(?m)^(?:RequestId:\s*(?P<id>\S+)|Time:.*)$")
_GENERAL = frozenset({"", "usererror", "servererror", "systemerror", "validationerror", "badrequest", "badargument"})
"""Codes that tell no more than the status does; an inner one is preferred."""


@dataclass(frozen=True)
class Said:
    """What a body says, each part as far as it is there."""

    code: str | None = None
    message: str | None = None
    target: str | None = None
    request_id: str | None = None
    detail: str = ""
    """What storage adds about a signature: the time it holds, never what was signed."""


def said_by(body: object, status: int) -> Said:
    """Read a body of any shape."""
    if isinstance(body, bytes):
        body = body.decode("utf-8", errors="replace")
    if isinstance(body, str):
        return _of_text(body, status)
    if not isinstance(body, Mapping):
        return Said()
    return _of_object(body)


def unread(error: Exception) -> str:
    """Say which part of a body is not as it is known, as it continues "… cannot be read: …"; no value is repeated."""
    listed = getattr(error, "errors", None)
    found: Any = listed() if callable(listed) else []
    if not found:
        return "it has another shape than this version knows"
    first = found[0]
    where = ".".join(str(part) for part in first["loc"]) or "the whole"
    own = first["type"] == "value_error"
    why = str(first["msg"]).removeprefix("Value error, ").rstrip(".") if own else "another kind of value is needed"
    return f"'{where}' is not as this version knows it ({why})"


def _of_text(text: str, status: int) -> Said:
    if _PAGE.match(text):
        found = _TITLE.search(text)
        title = " ".join(html.unescape(re.sub(r"<[^>]*>", " ", found[2])).split())[:200] if found else ""
        named = f" titled '{title}'" if title else ""
        return Said(message=f"a web page{named} came with status {status}, as of a proxy or gateway in between")
    if (code := _XML["Code"].search(text)) and "<Error" in text:
        said, detail = _XML["Message"].search(text), _XML["AuthenticationErrorDetail"].search(text)
        lines = html.unescape(said[1] if said else "")
        number = next((one["id"] for one in _ID_LINES.finditer(lines) if one["id"]), None)
        message = _ID_LINES.sub("", lines).strip()
        return Said(code[1].strip(), _cut(message), None, number, html.unescape(detail[1]) if detail else "")
    return Said(message=_cut(text.strip()) or None)


def _of_object(body: Mapping[str, Any]) -> Said:
    error = body.get("error", body.get("Error", body.get("odata.error")))
    if isinstance(error, str):  # a sign-in's answer
        return Said(error or None, _cut(_text(body.get("error_description") or body.get("message")) or error) or None)
    envelope = error if isinstance(error, Mapping) else body if _says(body) else {}
    codes, messages, targets = [], [], []
    for one in _nested(envelope):
        codes.append(_text(_field(one, "code")))
        messages.append(_plain(_text(_field(one, "message"))))
        targets.append(_text(_field(one, "target")))
    inner = [code for code in codes[1:] if code]
    first = codes[0] if codes else ""
    code = inner[-1] if inner and (first.lower() in _GENERAL or len(inner) == 1 or not first) else first
    target = next((one for one in targets if one), None)
    request = _correlated(body) or _correlated(envelope)
    return Said(_deepest_detail(envelope) or code or None, _cut(_joined(messages)) or None, target, request)


def _nested(error: Mapping[str, Any], depth: int = 0) -> Iterator[Mapping[str, Any]]:
    """Yield an error and those within it, outermost first; ``debugInfo``, stacks of the service, is left out."""
    yield error
    if depth >= _DEEPEST:
        return
    details = _field(error, "details")
    within = [*(details if isinstance(details, list) else ()), _field(error, "innererror"), *_additional(error)]
    for one in within:
        if isinstance(one, Mapping):
            yield from _nested(one, depth + 1)


def _additional(error: Mapping[str, Any]) -> Iterator[object]:
    """Yield the inner error that the frontend keeps in ``additionalInfo`` (recorded)."""
    found = _field(error, "additionalinfo")
    for one in found if isinstance(found, list) else ():
        info = one.get("info") if isinstance(one, Mapping) else None
        if isinstance(info, Mapping) and _text(one.get("type")).lower() == "innererror":
            yield info.get("value")
        elif isinstance(info, Mapping) and _text(one.get("type")).lower() == "policyviolation":
            yield {"message": f"The policy '{_text(info.get('policyDefinitionDisplayName')) or 'unnamed'}' forbids it."}


def _deepest_detail(error: Mapping[str, Any]) -> str:
    """Return the code of the first detail, or of the first within it, as far down as there is one."""
    code, depth = "", 0
    while depth < _DEEPEST:
        details = _field(error, "details")
        coded = [one for one in details if isinstance(one, Mapping)] if isinstance(details, list) else []
        error = next((one for one in coded if _text(_field(one, "code"))), {})
        if not error:
            break
        code, depth = _text(_field(error, "code")), depth + 1
    return code


def _correlated(body: Mapping[str, Any]) -> str | None:
    """Return the id of the request as a body tells it: the data plane's ``correlation``, the frontend's entry."""
    found = [_field(body, "correlation")]
    added = _field(body, "additionalinfo")
    for one in added if isinstance(added, list) else ():
        info = one.get("info") if isinstance(one, Mapping) else None
        found.append(info.get("value") if isinstance(info, Mapping) and one.get("type") == "Correlation" else None)
    ids = [_text(one.get(name)) for one in found if isinstance(one, Mapping) for name in ("request", "operation")]
    return next((one for one in ids if one), None)


def _says(body: Mapping[str, Any]) -> bool:
    return any(_text(_field(body, name)) for name in ("code", "message"))


def _field(body: Mapping[str, Any], name: str) -> object:
    """Return a field by its name in any case: ``innerError`` and ``innererror`` are both sent."""
    return next((value for key, value in body.items() if str(key).lower() == name), None)


def _text(value: object) -> str:
    """Return a text; OData wraps one as ``{"lang", "value"}``."""
    if isinstance(value, Mapping):
        value = value.get("value")
    return str(value).strip() if isinstance(value, str | int | float) and not isinstance(value, bool) else ""


def _plain(message: str) -> str:
    """Put the validation's list of errors, which is JSON within the text (recorded), into words."""
    found = _ERRORS.search(message)
    if found is None:
        return message
    try:
        listed = json.loads(found[1])
    except ValueError:
        return message
    told = [one for one in listed if isinstance(one, Mapping) and one.get("ErrorMessage")]
    words = [f"{_text(one.get('PropertyName')) or 'the request'}: {_text(one['ErrorMessage'])}" for one in told]
    return f"{message[: found.start()].strip()} {' '.join(words)}" if words else message


def _joined(messages: list[str]) -> str:
    """Join messages that say something new, each as a sentence."""
    said: list[str] = []
    for one in messages:
        if one and not any(one.rstrip(".").lower() in other.lower() for other in said):
            said = [other for other in said if other.rstrip(".").lower() not in one.lower()] + [one]
    return " ".join(one if one.endswith((".", "?", "!")) or one is said[-1] else f"{one}." for one in said)


def _cut(text: str) -> str:
    return text if len(text) <= MOST else f"{text[:MOST].rstrip()} …"
