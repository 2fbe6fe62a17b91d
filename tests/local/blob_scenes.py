"""Scenes of raw requests that any blob endpoint can be asked, and what of the answers is compared.

They are lines of ``blob_scenes.txt``: ``METHOD /path?query | header: value ; … | body | options | difference``. ``$c``
is the scene's container, ``{name}`` what an earlier line kept of its answer's headers (option ``keep name …``). The
options ``unsigned`` and ``lite`` choose another signature than Shared Key's. A difference is what the embedded endpoint
says where Azurite says something else, and why that is meant to be so.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from email.utils import formatdate
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit
from xml.etree import ElementTree

from tests.local.blob_fixtures import Answer, Endpoint
from tests.local.blob_server import ACCOUNT, KEY

LEASE = "6b1a64fa-0cd4-4d5d-9c4b-2f1a3d1f7a10"
OTHER_LEASE = "0f1c5b5e-8f2a-4a5e-b0c6-9f7ad1f0a4d2"
PAST, FUTURE = "Mon, 01 Jan 2001 00:00:00 GMT", "Sat, 01 Jan 2050 00:00:00 GMT"

# Headers whose value both servers must agree on, and those that must merely be there.
_VALUES = re.compile(
    r"content-(type|length|range|md5|encoding|language|disposition)|cache-control|accept-ranges|location"
    r"|x-ms-(blob-(type|content-.*|append-offset|committed-block-count|public-access|sealed|sequence-number)|error-code"
    r"|lease-(state|status|duration|time)|meta-.*|access-tier|access-tier-inferred|tag-count|copy-status"
    r"|copy-progress|delete-type-permanent|content-crc64|has-.*|account-kind|archive-status)"
    r"|access-control-(allow-.*|max-age)"
)
_PRESENT = re.compile(r"etag|last-modified|date|x-ms-(creation-time|snapshot|copy-id|lease-id)")
_VOLATILE = re.compile(
    r"(Last-Modified|Etag|Creation-Time|.*Time|CopyId|Snapshot|Marker|NextMarker|Message|CopySource|.*Date)"
)
# Elements that only one of the two writes, where nobody misses them.
_INCIDENTAL = (
    "AccessTierChangeTime",
    "DefaultServiceVersion",
    "DeleteRetentionPolicy",
    "MaxResults",
    "OrMetadata",
    "Marker",
)
_DETAILS_OF_ERRORS = re.compile(r"<Code>([^<]+)</Code>")


@dataclass(frozen=True)
class Step:
    """A request, which headers of its answer later steps refer to, and how Azurite's answer is known to differ."""

    line: str
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""
    keep: str = ""
    sign: str = "SharedKey"
    difference: str = ""


@dataclass(frozen=True)
class Scene:
    """Steps in order, in a container of their own that is there already."""

    name: str
    steps: tuple[Step, ...]


_LONG = {
    "{two thousand}": "x" * 2000,
    "{nine thousand}": "v" * 9000,
    "{longest}": "n" * 1024,
    "{long}": "n" * 1025,
    "{254 segments}": "/".join("s" * 254),
    "{255 segments}": "/".join("s" * 255),
}


def read_scenes() -> list[Scene]:
    """All scenes of the file beside this one."""
    text = (Path(__file__).parent / "blob_scenes.txt").read_text(encoding="utf-8")
    parts = [part.strip().splitlines() for part in text.split("\n== ")[1:]]
    return [Scene(lines[0], tuple(_step(line) for line in lines[1:])) for lines in parts]


def _step(text: str) -> Step:
    line, headers, body, options, difference = ([part.strip() for part in text.split("|")] + [""] * 4)[:5]
    for short, long in _LONG.items():
        line, headers = line.replace(short, long), headers.replace(short, long)
    pairs = {}
    for header in filter(None, headers.split(" ; ")):
        name, _, value = header.partition(":")
        pairs[name] = value.strip()
    keep = next((option[5:] for option in options.split(", ") if option.startswith("keep ")), "")
    sign = "" if "unsigned" in options else "SharedKeyLite" if "lite" in options else "SharedKey"
    return Step(line, pairs, body.encode(), keep, sign, difference)


def play(endpoint: Endpoint, scene: Scene, container: str) -> list[dict[str, object]]:
    """Send a scene's requests; return what is comparable of each answer."""
    kept = {
        "lease": LEASE,
        "other": OTHER_LEASE,
        "past": PAST,
        "future": FUTURE,
        "source": f"{endpoint.url}/{container}",
    }
    seen = []
    for step in scene.steps:
        answer = _send(endpoint, step, container, kept)
        for name in step.keep.split():
            kept[name] = answer.headers.get(name, "")
        seen.append(comparable(answer))
    return seen


def _send(endpoint: Endpoint, step: Step, container: str, kept: Mapping[str, str]) -> Answer:
    method, _, target = _filled(step.line, container, kept).partition(" ")
    headers = {name: _filled(value, container, kept) for name, value in step.headers.items()}
    body = step.body.replace(b"$c", container.encode())
    if step.sign:
        headers = signed(endpoint, method, target, headers, body, step.sign)
    return endpoint.request(method, f"{endpoint.url}{target}", body, headers)


def _filled(text: str, container: str, kept: Mapping[str, str]) -> str:
    for name, value in kept.items():
        text = text.replace(f"{{{name}}}", value)
    return text.replace("$c", container)


def signed(
    endpoint: Endpoint, method: str, target: str, headers: Mapping[str, str], body: bytes, kind: str
) -> dict[str, str]:
    """The headers with a signature by the account key, of either documented kind."""
    lower = {"x-ms-version": "2021-12-02", "x-ms-date": formatdate(usegmt=True)}
    lower |= {name.lower(): value for name, value in headers.items()}
    if body or method in ("PUT", "POST"):
        lower.setdefault("content-length", str(len(body)))
    url = urlsplit(f"{endpoint.url}{target}")
    named = "".join(f"{name}:{lower[name]}\n" for name in sorted(lower) if name.startswith("x-ms-"))
    query = dict(pair.partition("=")[::2] for pair in url.query.split("&") if pair)
    if kind == "SharedKeyLite":
        component = f"?comp={query['comp']}" if "comp" in query else ""
        head = [method, lower.get("content-md5", ""), lower.get("content-type", ""), ""]
        text = "\n".join(head) + f"\n{named}/{ACCOUNT}{url.path}{component}"
    else:
        names = "content-encoding content-language content-length content-md5 content-type date if-modified-since"
        names += " if-match if-none-match if-unmodified-since range"
        values = [
            "" if (name, lower.get(name)) == ("content-length", "0") else lower.get(name, "") for name in names.split()
        ]
        parameters = "".join(f"\n{name.lower()}:{unquote(query[name])}" for name in sorted(query, key=str.lower))
        text = "\n".join([method, *values]) + f"\n{named}/{ACCOUNT}{url.path}{parameters}"
    signature = base64.b64encode(hmac.digest(base64.b64decode(KEY), text.encode(), hashlib.sha256)).decode()
    sent = {"x-ms-version": "2021-12-02", "x-ms-date": lower["x-ms-date"], **headers}
    return {**sent, "Authorization": f"{kind} {ACCOUNT}:{signature}"}


def comparable(answer: Answer) -> dict[str, object]:
    """What two servers must agree on."""
    values = {name: value for name, value in answer.headers.items() if _VALUES.fullmatch(name)}
    present = {name: True for name in answer.headers if _PRESENT.fullmatch(name)}
    found: dict[str, object] = {"status": answer.status, **values, **present}
    if not answer.body or values.get("content-type", "").startswith("application/xml"):
        found.pop("content-length", None)
    found["body"] = _body(answer)
    if answer.status == 200:
        found.pop("x-ms-blob-content-md5", None)  # documented for ranges only
    if answer.status == 304:
        found.pop("content-type", None)
    if answer.status == 400 and "x-ms-error-code" not in answer.headers:
        return {"status": 400}  # Azurite's own refusal of what is malformed, before it looks further
    return found


def _body(answer: Answer) -> object:
    if answer.status >= 400:
        match = _DETAILS_OF_ERRORS.search(answer.body.decode("utf-8", "replace"))
        return match[1] if match else ""
    if "xml" in answer.headers.get("content-type", "") and answer.body:
        return _tree(ElementTree.fromstring(answer.body.decode("utf-8-sig")))
    return answer.body


def _tree(element: ElementTree.Element) -> list[Any]:
    # Empty elements are as good as absent ones, and of lists only the names' order is another test's business.
    if len(element):
        children = (_tree(child) for child in element if child.tag not in _INCIDENTAL)
        return [element.tag, sorted((child for child in children if child[1] not in ("", [])), key=repr)]
    text = (element.text or "").strip()
    return [element.tag, "" if text == "false" else bool(text) if _VOLATILE.fullmatch(element.tag) else text]


def differences(first: dict[str, object], second: dict[str, object]) -> dict[str, tuple[object, object]]:
    """Where two answers differ: what -> (first, second)."""
    names = {"status"} if {"status": 400} in (first, second) else {*first, *second}
    return {name: (first.get(name), second.get(name)) for name in sorted(names) if first.get(name) != second.get(name)}
