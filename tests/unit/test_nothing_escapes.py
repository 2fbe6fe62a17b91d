"""Whatever breaks below the public calls, what comes out is this package's error, with what to do and the cause."""

from __future__ import annotations

import errno
import http.client
import re
import socket
import ssl
import traceback
import zlib

import pytest
import requests
import urllib3
from azure.core import exceptions as azure

from azure_batch_endpoints.errors import BatchEndpointsError, TransportError
from tests.test_messages import REMEDY
from tests.unit.fake_transport import Step, reply
from tests.unit.played_calls import CALLS, broken_bodies, is_first, run, turned

LIBRARIES = re.compile(r"azure\.core|urllib3|requests\.|HTTPConnectionPool|pydantic|Traceback|object at 0x|errno", re.I)


def judged(error: BaseException | None, where: str) -> list[str]:
    """Return what is wrong with what a call raised."""
    if error is None:
        return []
    if not isinstance(error, BatchEndpointsError):
        lines = "".join(traceback.format_exception(error)[-3:])
        return [f"{where}: {type(error).__name__} escapes: {lines}"]
    said = str(error)
    wrong = [] if REMEDY.search(said) else ["says not what to do"]
    wrong += [f"names a library: {found[0]}" for found in [LIBRARIES.search(said)] if found]
    wrong += ["shows a secret"] if "SECRET" in said else []
    return [f"{where}: {one}: {said[:300]}" for one in wrong]


@pytest.mark.parametrize("name", CALLS)
def test_a_call_succeeds_when_nothing_is_broken(name: str) -> None:
    error = run(name)

    assert error is None or (name == "a failed job" and "failed" in str(error)), error


@pytest.mark.parametrize("name", CALLS)
def test_a_field_of_an_answer_that_is_of_another_kind_is_no_crash(name: str) -> None:
    wrong = [one for where, bodies in broken_bodies(name) for one in judged(run(name, bodies=bodies), where)]

    assert not wrong, f"{len(wrong)}:\n" + "\n".join(wrong[:12])


BROKEN: dict[str, BaseException] = {
    "azure ServiceRequestError": azure.ServiceRequestError("x"),
    "azure ServiceResponseError": azure.ServiceResponseError("x"),
    "azure IncompleteReadError": azure.IncompleteReadError("x"),
    "azure HttpResponseError": azure.HttpResponseError("x"),
    "azure DecodeError": azure.DecodeError("x"),
    "azure ClientAuthenticationError": azure.ClientAuthenticationError("x"),
    "requests ConnectionError": requests.exceptions.ConnectionError(ConnectionResetError(104, "reset")),
    "requests ReadTimeout": requests.exceptions.ReadTimeout("x"),
    "requests SSLError": requests.exceptions.SSLError("x"),
    "requests ProxyError": requests.exceptions.ProxyError("x"),
    "requests ChunkedEncodingError": requests.exceptions.ChunkedEncodingError("x"),
    "requests InvalidURL": requests.exceptions.InvalidURL("x"),
    "urllib3 ProtocolError": urllib3.exceptions.ProtocolError("x"),
    "urllib3 LocationParseError": urllib3.exceptions.LocationParseError("x"),
    "urllib3 DecodeError": urllib3.exceptions.DecodeError("x"),
    "IncompleteRead": http.client.IncompleteRead(b"x"),
    "socket.gaierror": socket.gaierror(-2, "Name or service not known"),
    "socket.timeout": TimeoutError("x"),
    "SSLCertVerificationError": ssl.SSLCertVerificationError(1, "x"),
    "ConnectionResetError": ConnectionResetError(errno.ECONNRESET, "x"),
    "OSError": OSError(errno.ENETUNREACH, "x"),
    "UnicodeError": UnicodeError("label too long"),
    "zlib.error": zlib.error("x"),
    "RecursionError": RecursionError("x"),
    "ValueError": ValueError("x"),
}


@pytest.mark.parametrize("name", CALLS)
def test_whatever_the_transport_raises_is_a_transport_error_with_its_cause(name: str) -> None:
    wrong = []
    for turn, route in enumerate(CALLS[name][0], start=list(CALLS).index(name)):
        for kind, broken in BROKEN.items() if is_first(name, route) else turned([*BROKEN.items()], 5, turn):
            error = run(name, {route: broken.with_traceback(None)})  # else each raise would add to the last one's
            wrong += judged(error, f"{route} {kind}")
            if isinstance(error, TransportError) and error.__cause__ is None:
                wrong.append(f"{route} {kind}: no cause is chained")

    assert not wrong, f"{len(wrong)}:\n" + "\n".join(wrong[:12])


ANSWERS: dict[str, Step] = {
    "cut JSON": reply(200, b'{"value": [{"na', {"Content-Type": "application/json"}),
    "no UTF-8": reply(200, b"\xff\xfe\x00", {"Content-Type": "application/json"}),
    "deep JSON": reply(200, b"[" * 100_000, {"Content-Type": "application/json"}),
    "a long number": reply(200, b'{"a": ' + b"9" * 5000 + b"}", {"Content-Type": "application/json"}),
    "a page": reply(200, b"<html><title>Sign in</title></html>", {"Content-Type": "text/html"}),
    "nothing": reply(200, None),
    "no content": reply(204, None),
    "a text": reply(200, "x"),
    "a number": reply(200, 7),
    "a list": reply(200, []),
    "no gzip": reply(200, b"no gzip", {"Content-Encoding": "gzip"}),
    "huge": reply(418, b"x" * 200_000),
    "a redirect": reply(302, None, {"Location": "https://login.example.com/?sig=SECRET"}),
    "a redirect nowhere": reply(302, None),
    "a redirect that cannot be read": reply(307, None, {"Location": "http://[::1"}),
    **{
        f"{status} {kind}": reply(status, body, {"x-ms-request-id": "req-1"})
        for status in (401, 403, 404, 500)
        for kind, body in {
            "empty": None,
            "page": b"<html><head><title>502 Bad Gateway</title></head><body>nginx</body></html>",
            "odd": {"error": {"code": [], "message": {"a": 1}, "details": [7, None, {"code": None}], "target": []}},
            "signed": {"error": {"code": "X", "message": "https://a/b?sv=1&sig=SECRET&x=1 is not readable"}},
        }.items()
    },
}


@pytest.mark.parametrize("name", CALLS)
def test_an_answer_of_any_kind_is_understood_or_told(name: str) -> None:
    wrong = []
    for turn, route in enumerate(CALLS[name][0], start=list(CALLS).index(name)):
        for kind, answer in ANSWERS.items() if is_first(name, route) else turned([*ANSWERS.items()], 7, turn):
            error = run(name, {route: answer})
            wrong += judged(error, f"{route} {kind}")
            if error is not None and len(str(error)) > 5000:
                wrong.append(f"{route} {kind}: {len(str(error))} characters")

    assert not wrong, f"{len(wrong)}:\n" + "\n".join(wrong[:12])
