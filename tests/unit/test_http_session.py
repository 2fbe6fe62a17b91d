"""Session: what leaves, how often, to whom the token goes, and what an error says."""

from __future__ import annotations

import gc
import http.server
import logging
import socket
import subprocess
import sys
import threading
import time
import traceback
from collections.abc import Iterator

import pytest
import requests
from azure.core.credentials import AccessToken
from azure.core.exceptions import ClientAuthenticationError
from urllib3.exceptions import NewConnectionError, ProtocolError

from azure_batch_endpoints._http import Answer, Clock, Deadline, DeadlinePassed, Session, ShorterThanThat
from azure_batch_endpoints._version import __version__
from azure_batch_endpoints.errors import (
    AuthenticationError,
    ForeignHostError,
    NotFoundError,
    ServerError,
    ServiceError,
    TooManyRequestsError,
    TransportError,
)
from tests.unit.fake_clock import FakeClock
from tests.unit.fake_transport import FakeTransport, Step, reply

ARM = "https://management.azure.com"
SCOPES = {"management": f"{ARM}/.default", "ml": "https://ml.azure.com/.default"}
SECRET = "eyJ0b3AtSecret"


class Credential:
    def __init__(self, error: Exception | None = None) -> None:
        self.asked: list[str] = []
        self.error = error

    def get_token(self, *scopes: str, **_options: object) -> AccessToken:
        self.asked += scopes
        if self.error:
            raise self.error
        return AccessToken(f"{SECRET}-{len(self.asked)}", int(time.time()) + 3600)


def make(*script: Step, base: str = ARM, credential: Credential | None = None) -> tuple[Session, FakeTransport]:
    transport = FakeTransport(script)
    session = Session(base, credential or Credential(), SCOPES, clock=FakeClock(), transport=transport)
    return session, transport


def broken() -> requests.exceptions.ConnectionError:
    return requests.exceptions.ConnectionError(ProtocolError("Connection aborted.", ConnectionResetError(104, "reset")))


def refused() -> NewConnectionError:
    error = NewConnectionError(None, "Failed to establish a new connection")  # type: ignore[arg-type]  # only its text is used
    error.__cause__ = ConnectionRefusedError(111, "Connection refused")
    return error


# ------------------------------------------------------------------ the request


def test_a_request_carries_id_agent_accept_and_the_token_of_its_audience() -> None:
    credential = Credential()
    session, transport = make(reply(), reply(), reply(), credential=credential)

    session.send("GET", "/a", action="read")
    session.send("GET", "/b", action="read")
    session.send("GET", "/c", audience="ml", action="read")

    first, second, third = (sent.headers for sent in transport.requests)
    assert first["User-Agent"] == f"azure-batch-endpoints/{__version__}"
    assert first["Accept"] == "application/json"
    assert first["x-ms-client-request-id"] != second["x-ms-client-request-id"]
    assert first["Authorization"] == second["Authorization"] == f"Bearer {SECRET}-1"
    assert third["Authorization"] == f"Bearer {SECRET}-2"
    assert credential.asked == [SCOPES["management"], SCOPES["ml"]]


def test_a_header_of_one_call_is_not_sent_with_the_next() -> None:
    session, transport = make(reply(), reply())
    given = {"azureml-model-deployment": "blue", "accept": "*/*"}

    session.send("POST", "/jobs", json={}, headers=given, action="invoke")
    session.send("POST", "/jobs", json={}, action="invoke")

    first, second = (sent.headers for sent in transport.requests)
    assert first["azureml-model-deployment"] == "blue"
    assert first["Accept"] == "*/*"
    assert "azureml-model-deployment" not in second
    assert second["Accept"] == "application/json"
    assert given == {"azureml-model-deployment": "blue", "accept": "*/*"}


def test_parameters_are_quoted_left_out_when_none_and_added_behind_a_query() -> None:
    session, transport = make(reply(), reply())

    session.send("GET", "/x", params={"$skip": 5, "tag": "a b&c", "no": None, "isDefault": True}, action="list")
    session.send("GET", f"{ARM}/y?api-version=1", params={"count": 2}, action="list")

    assert transport.lines == [
        f"GET {ARM}/x?$skip=5&tag=a%20b%26c&isDefault=true",
        f"GET {ARM}/y?api-version=1&count=2",
    ]


def test_a_body_is_json_and_no_body_says_length_zero() -> None:
    session, transport = make(reply(), reply(), reply())

    session.send("PUT", "/x", json={"name": "é"}, action="put")
    session.send("POST", "/x", json={}, action="post")
    session.send("POST", "/x", action="post")

    put, empty, none = transport.requests
    assert put.headers["Content-Type"] == "application/json"
    assert put.body == '{"name": "\\u00e9"}'
    assert empty.body == "{}"
    assert none.headers["Content-Length"] == "0"
    assert not none.body


# ------------------------------------------------------------------ the answer


@pytest.mark.parametrize(
    ("content", "body"),
    [(b"", None), (b"null", None), (b"  ", None), (b'{"a":1}', {"a": 1}), (b'\xef\xbb\xbf{"a":1}', {"a": 1})],
)
def test_an_answer_is_decoded_and_null_and_nothing_are_none(content: bytes, body: object) -> None:
    session, _ = make(reply(202, content, {"LOCATION": "there", "Retry-After": "0.2"}))

    answer = session.send("DELETE", "/x", action="delete")

    assert answer.body == body
    assert answer.headers["location"] == "there"
    assert (answer.method, answer.status, answer.retry_after) == ("DELETE", 202, 0.2)


def test_an_answer_shows_no_content_in_its_repr_and_cannot_be_changed() -> None:
    session, _ = make(reply(200, {"key": SECRET}, {"x-key": SECRET}))

    answer = session.send("POST", f"/listSecrets?sig={SECRET}", action="read the key")

    assert SECRET not in repr(answer)
    with pytest.raises(TypeError):
        answer.headers["x"] = "y"  # type: ignore[index]  # that is the point
    with pytest.raises(AttributeError):
        answer.status = 201  # type: ignore[misc]  # that is the point


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({}, None),
        ({"Retry-After": "0"}, None),
        ({"Retry-After": "soon"}, None),
        ({"Retry-After": "1.5"}, 1.5),
        ({"retry-after-ms": "250"}, 0.25),
    ],
)
def test_the_pause_asked_for_is_read_and_nonsense_is_no_pause(headers: dict[str, str], seconds: float | None) -> None:
    session, _ = make(reply(202, None, headers))

    assert session.send("GET", "/x", action="look").retry_after == seconds


def test_a_page_that_is_not_json_is_an_error_that_names_the_proxy() -> None:
    session, _ = make(reply(200, b"<html>Sign in</html>", {"Content-Type": "text/html"}))

    with pytest.raises(TransportError, match=r"Could not read 'heart': .*not JSON \(text/html\).*sign-in page"):
        session.send("GET", "/x", action="read 'heart'")


def test_an_unexpected_status_becomes_the_error_of_its_class() -> None:
    body = {
        "error": {"code": "NotFound", "message": "gone", "details": [{"code": "NoSuchEndpoint", "message": "none"}]}
    }
    session, _ = make(reply(404, body, {"x-ms-request-id": "4f1c"}), reply(404), reply(400, b"plain words"))

    with pytest.raises(NotFoundError, match="Could not read 'heart': gone") as caught:
        session.send("GET", "/x", action="read 'heart'")
    assert (caught.value.code, caught.value.request_id) == ("NoSuchEndpoint", "4f1c")
    with pytest.raises(NotFoundError):
        session.send("GET", "/x", action="read")
    with pytest.raises(ServiceError, match="plain words"):
        session.send("GET", "/x", action="read")


def test_a_status_that_was_expected_is_no_error() -> None:
    session, _ = make(reply(404))

    assert session.send("GET", "/x", expected=(200, 404), action="look").status == 404


# ------------------------------------------------------------------ how often


@pytest.mark.parametrize("status", [408, 500, 502, 503, 504])
@pytest.mark.parametrize("headers", [{}, {"Retry-After": "1"}])
def test_a_post_that_may_have_been_carried_out_leaves_once(status: int, headers: dict[str, str]) -> None:
    session, transport = make(reply(status, None, headers))

    with pytest.raises(ServiceError):
        session.send("POST", "/jobs", json={"a": 1}, action="invoke")

    assert len(transport.requests) == 1


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({}, 0.8),
        ({"Retry-After": "7"}, 7),
        ({"retry-after-ms": "300"}, 0.3),
        ({"x-ms-retry-after-ms": "400"}, 0.4),
        ({"Retry-After": "Fri, 02 Jan 2026 03:04:16 GMT", "Date": "Fri, 02 Jan 2026 03:04:06 GMT"}, 10),
    ],
)
@pytest.mark.parametrize("method", ["POST", "PATCH", "GET"])
def test_what_was_too_much_was_not_done_and_is_sent_again_after_the_pause_asked_for(
    method: str, headers: dict[str, str], seconds: float
) -> None:
    session, transport = make(reply(429, None, headers), reply(201))

    assert session.send(method, "/jobs", action="invoke").status == 201

    assert isinstance(session.clock, FakeClock)
    assert session.clock.pauses == [pytest.approx(seconds)]
    assert len(transport.requests) == 2


def test_a_wait_for_a_busy_service_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "azure_batch_endpoints.http")
    session, _ = make(reply(429, None, {"Retry-After": "7"}), reply(201))

    session.send("POST", f"/jobs?sig={SECRET}", action="invoke")

    assert [one.message for one in caplog.records] == [
        "'management.azure.com' answered 429 to POST: asked again in 7 s."
    ]


def test_one_call_is_not_busy_with_sending_again_for_more_than_five_minutes() -> None:
    session, transport = make(*[reply(429, None, {"Retry-After": "119"})] * 4)

    with pytest.raises(TooManyRequestsError) as caught:
        session.send("GET", "/x", action="go")

    assert isinstance(session.clock, FakeClock) and session.clock.now == 2 * 119
    assert (len(transport.requests), caught.value.retry_after) == (3, 119)


@pytest.mark.parametrize("ago", [-400 * 86400.0, 400 * 86400.0])
def test_a_system_clock_that_is_set_in_the_middle_of_a_call_changes_nothing(
    ago: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    session, _ = make(broken(), reply(503), reply(200))
    real, jumps = time.time, iter(range(1, 1000))
    monkeypatch.setattr("azure.core.pipeline.policies._retry.time.time", lambda: real() + next(jumps) * ago)

    assert session.send("GET", "/x", audience=None, action="go").status == 200


@pytest.mark.parametrize("lost", [broken(), reply(503), reply(504)])
def test_a_delete_whose_answer_was_lost_finds_nothing_any_more_and_is_done(lost: Step) -> None:
    session, _ = make(lost, reply(404, {"error": {"message": "No such thing."}}))

    assert session.send("DELETE", "/x", action="delete").body is None


@pytest.mark.parametrize("first", [[], [reply(429)]])
def test_a_delete_of_what_was_never_there_is_refused(first: list[Step]) -> None:
    session, _ = make(*first, reply(404))

    with pytest.raises(NotFoundError):
        session.send("DELETE", "/x", action="delete")


def test_a_post_whose_connection_is_cut_leaves_once_and_says_that_it_may_have_arrived() -> None:
    session, transport = make(broken())

    with pytest.raises(TransportError, match="may have done it all the same") as caught:
        session.send("POST", "/jobs", json={}, action="invoke 'heart'")

    assert len(transport.requests) == 1
    assert caught.value.__cause__ is not None


def test_a_post_that_is_safe_to_repeat_is_repeated_under_the_same_headers() -> None:
    session, transport = make(reply(503), broken(), reply(201, {"name": "j1"}))

    answer = session.send("POST", "/jobs", json={}, headers={"id": "7"}, retry_post=True, action="invoke")

    assert answer.body == {"name": "j1"}
    assert [sent.headers["id"] for sent in transport.requests] == ["7", "7", "7"]
    assert len({sent.headers["x-ms-client-request-id"] for sent in transport.requests}) == 1


@pytest.mark.parametrize("method", ["GET", "HEAD", "PUT", "PATCH", "DELETE"])
def test_other_methods_are_repeated_after_a_busy_answer_and_a_broken_connection(method: str) -> None:
    session, transport = make(reply(503), broken(), refused(), reply(200))

    assert session.send(method, "/x", action="go").status == 200
    assert len(transport.requests) == 4


def test_repetition_ends_after_three_and_raises_what_came_last() -> None:
    session, transport = make(*[reply(503)] * 4)

    with pytest.raises(ServerError):
        session.send("GET", "/x", action="go")

    assert len(transport.requests) == 4


def test_retry_after_sets_the_pause_before_the_next_try() -> None:
    session, _ = make(reply(429, None, {"Retry-After": "7"}), reply(503, None, {"retry-after-ms": "300"}), reply(200))

    session.send("GET", "/x", action="go")

    assert isinstance(session.clock, FakeClock)
    assert session.clock.pauses == [7, 0.3]


def test_retry_after_of_an_hour_is_told_to_the_caller_instead_of_slept() -> None:
    session, transport = make(reply(429, None, {"Retry-After": "3600"}))

    with pytest.raises(TooManyRequestsError) as caught:
        session.send("GET", "/x", action="go")

    assert caught.value.retry_after == 3600
    assert len(transport.requests) == 1


def test_a_permanent_error_with_retry_after_is_not_repeated() -> None:
    session, transport = make(reply(404, None, {"Retry-After": "1"}))

    with pytest.raises(NotFoundError):
        session.send("GET", "/x", action="go")

    assert len(transport.requests) == 1


def test_pauses_and_time_outs_inside_a_call_end_at_its_deadline() -> None:
    session, transport = make(reply(503, None, {"Retry-After": "2"}), reply(503, None, {"Retry-After": "60"}))
    clock = session.clock
    assert isinstance(clock, FakeClock)

    with pytest.raises(DeadlinePassed) as caught:
        session.send("GET", "/x", deadline=Deadline(clock, 5), action="go")

    assert (caught.value.seconds, clock.now) == (5, 5)
    assert [options["timeout"] for options in transport.wire.options] == [(5, 5), (3, 3)]


def test_a_call_without_deadline_waits_ten_seconds_for_a_connection_and_sixty_for_an_answer() -> None:
    session, transport = make(reply())

    session.send("GET", "/x", action="go")

    assert transport.wire.options[0]["timeout"] == (10, 60)


def test_nothing_is_sent_when_the_deadline_is_over() -> None:
    session, transport = make()

    with pytest.raises(DeadlinePassed):
        session.send("POST", "/x", deadline=Deadline(session.clock, 0), action="go")

    assert transport.requests == []


def test_a_post_that_its_deadline_cuts_off_says_deadline_and_not_the_usual_limit() -> None:
    clock = FakeClock()

    def hang(request: requests.PreparedRequest) -> requests.Response:
        clock.sleep(5)
        raise requests.exceptions.ReadTimeout(request=request)

    session = Session(ARM, None, SCOPES, clock=clock, transport=FakeTransport(hang))

    with pytest.raises(DeadlinePassed):
        session.send("POST", "/jobs", json={}, deadline=Deadline(clock, 5), action="invoke")


# ------------------------------------------------------------------ to whom


@pytest.mark.parametrize(
    "url",
    [
        "https://evil.example/jobs",
        "https://management.azure.com.evil.example/x",
        "https://management.azure.com:444/x",
        "https://heart.eastus2.inference.ml.azure.com/jobs",
        "http://management.azure.com/x",
        "http://127.0.0.1.evil.example/x",
        "http://127.0.0.1:1/x",
        "https://evil.example\\@management.azure.com/x",
        "https://me@management.azure.com/x",
        "https://management.azure.com\n/x",
        "https://[management.azure.com/x",
        "https://management.azure.com./x",
        "https://management.azure.com@evil.example/x",
        "https://management.azure.com%2eevil.example/x",
        "https://management\u3002azure.com/x",
        "https://mana\u0261ement.azure.com/x",
        "https://xn--manaement-vod.azure.com/x",
        "https://management-azure-com.evil.example/x",
        "ftp://management.azure.com/x",
        "management.azure.com/x",
        "",
    ],
)
def test_a_host_that_nobody_named_gets_no_request_and_no_token_is_asked_for(url: str) -> None:
    credential = Credential()
    session, transport = make(credential=credential)

    with pytest.raises(ForeignHostError, match="Nothing was sent"):
        session.send("GET", url, action="read")

    assert transport.requests == []
    assert credential.asked == []


def test_the_error_names_the_foreign_host() -> None:
    session, _ = make()

    with pytest.raises(
        ForeignHostError,
        match=r"Could not read 'heart'\. The host 'evil\.example', named by the answer's nextLink, is not",
    ) as caught:
        session.send(
            "GET", "https://evil.example/jobs?sig=abc", named_by="the answer's nextLink", action="read 'heart'"
        )
    assert caught.value.host == "evil.example" and "sig=" not in str(caught.value)


def test_a_host_that_the_workspace_named_gets_the_token() -> None:
    session, transport = make(reply(201, {}), reply(200))
    scoring = "https://heart.eastus2.inference.ml.azure.com/jobs"

    session.allow(scoring, named_by="the endpoint's scoringUri", action="invoke", scoring=True)
    session.allow(scoring, named_by="the endpoint's scoringUri", action="invoke", scoring=True)
    session.send("POST", scoring, audience="ml", json={}, action="invoke")
    session.send("GET", "https://HEART.eastus2.inference.ml.azure.com:443/jobs", audience="ml", action="look")

    assert all(SECRET in sent.headers["Authorization"] for sent in transport.requests)
    with pytest.raises(ForeignHostError):  # the token for management is nothing for a scoring host
        session.send("GET", scoring, action="look")


@pytest.mark.parametrize(
    ("base", "url"),
    [
        (ARM, "https://evil.example/jobs"),
        (ARM, "https://evilml.azure.com.example/jobs"),
        (ARM, "https://xml.azure.com/jobs"),
        (ARM, "http://heart.eastus2.inference.ml.azure.com/jobs"),
        (ARM, "http://127.0.0.1:8000/jobs"),
        ("http://127.0.0.1:8000", "https://heart.eastus2.inference.ml.azure.com/jobs"),
        ("http://127.0.0.1:8000", "http://10.0.0.7/jobs"),
    ],
)
def test_a_name_that_is_not_believable_is_refused(base: str, url: str) -> None:
    session, transport = make(base=base)

    with pytest.raises(TransportError, match="Nothing was sent"):
        session.allow(url, named_by="the endpoint's scoringUri", action="invoke", scoring=True)
    with pytest.raises(ForeignHostError):
        session.send("GET", url, action="read")

    assert transport.requests == []


@pytest.mark.parametrize(
    "base", ["http://127.0.0.1:8000", "http://127.8.9.10", "http://[::1]:80", "http://localhost:1"]
)
def test_plain_http_with_a_token_is_for_this_machine(base: str) -> None:
    session, transport = make(reply(), base=base)

    session.send("GET", "/x", action="read")

    assert transport.requests[0].headers["Authorization"] == f"Bearer {SECRET}-1"
    assert (session.is_local, session.first_pause) == (True, 0.05)


def test_a_base_url_in_plain_http_elsewhere_is_refused_at_once() -> None:
    with pytest.raises(TransportError, match="not https"):
        Session("http://management.azure.com", Credential(), SCOPES)


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_a_redirect_is_refused_and_named_not_followed(status: int) -> None:
    session, transport = make(reply(status, None, {"Location": "https://evil.example/?sig=abc"}))

    with pytest.raises(ForeignHostError, match=rf"'evil\.example', named by a redirect \({status}\)") as caught:
        session.send("GET", "/x", action="read")

    assert len(transport.requests) == 1
    assert "sig=" not in str(caught.value)


def test_a_redirect_to_the_service_itself_is_not_followed_either() -> None:
    session, transport = make(reply(302, None, {"Location": "/sign-in?sig=abc"}))

    with pytest.raises(TransportError, match=r"redirect to 'management\.azure\.com', which is not followed"):
        session.send("GET", "/x", action="read")

    assert len(transport.requests) == 1


def test_a_presigned_address_gets_no_token_on_any_https_host() -> None:
    credential = Credential()
    session, transport = make(reply(200, b"lines"), credential=credential)

    assert session.get_bytes("https://acct.blob.core.windows.net/c/log.txt?sig=abc", action="read a log") == b"lines"

    assert "Authorization" not in transport.requests[0].headers
    assert credential.asked == []
    with pytest.raises(TransportError, match="not https"):
        session.get_bytes("http://acct.blob.core.windows.net/c/log.txt?sig=abc", action="read a log")


def test_without_a_credential_no_token_is_sent() -> None:
    transport = FakeTransport([reply()])
    session = Session("http://127.0.0.1:1", None, SCOPES, transport=transport)

    session.send("GET", "/x", action="read")

    assert "Authorization" not in transport.requests[0].headers


def test_a_credential_that_gives_no_token_is_an_authentication_error_and_nothing_is_sent() -> None:
    cause = ClientAuthenticationError("Please run 'az login' to set up an account.\nLong story follows.")
    session, transport = make(credential=Credential(cause))

    with pytest.raises(AuthenticationError, match=r"Could not read 'heart': .*az login.*Nothing was sent") as caught:
        session.send("GET", "/x", action="read 'heart'")

    assert transport.requests == []
    assert "Long story" not in str(caught.value)
    assert caught.value.__cause__ is not None


@pytest.mark.parametrize("method", ["GET", "POST"])
@pytest.mark.parametrize("headers", [{}, {"WWW-Authenticate": 'Bearer error="invalid_token"'}])
def test_a_token_that_was_good_and_is_refused_is_replaced_once(method: str, headers: dict[str, str]) -> None:
    credential = Credential()
    session, transport = make(reply(200), reply(401, None, headers), reply(200), credential=credential)

    session.send("GET", "/x", action="read")
    assert session.send(method, "/x", action="read").status == 200

    sent = [one.headers["Authorization"][-1] for one in transport.requests]
    assert sent == ["1", "1", "2"]


def test_a_second_refusal_of_a_new_token_is_the_end() -> None:
    session, transport = make(reply(200), reply(401), reply(401))

    session.send("GET", "/x", action="read")
    with pytest.raises(AuthenticationError):
        session.send("GET", "/x", action="read")

    assert len(transport.requests) == 3


def test_a_credential_that_only_has_the_refused_token_is_not_tried_with_it_again() -> None:
    class Stubborn(Credential):
        def get_token(self, *scopes: str, **_options: object) -> AccessToken:
            self.asked += scopes
            return AccessToken(SECRET, int(time.time()) + 3600)

    session, transport = make(reply(200), reply(401), credential=Stubborn())

    session.send("GET", "/x", action="read")
    with pytest.raises(AuthenticationError):
        session.send("GET", "/x", action="read")

    assert len(transport.requests) == 2


def test_claims_that_a_challenge_names_are_asked_for_and_the_call_goes_on() -> None:
    claims: list[object] = []

    class Careful(Credential):
        def get_token(self, *scopes: str, **options: object) -> AccessToken:
            claims.append(options.get("claims"))
            return super().get_token(*scopes)

    challenge = {"WWW-Authenticate": 'Bearer error="insufficient_claims", claims="eyJhIjoxfQ=="'}
    session, _ = make(reply(200), reply(401, None, challenge), reply(200), credential=Careful())

    session.send("GET", "/x", action="read")
    session.send("POST", "/x", action="read")

    assert claims == [None, '{"a":1}']


def test_a_token_that_is_not_accepted_is_asked_for_anew_by_the_next_call() -> None:
    credential = Credential()
    session, transport = make(reply(401), reply(200), credential=credential)

    with pytest.raises(AuthenticationError):
        session.send("GET", "/x", action="read")
    session.send("GET", "/x", action="read")

    assert [sent.headers["Authorization"] for sent in transport.requests] == [
        f"Bearer {SECRET}-1",
        f"Bearer {SECRET}-2",
    ]


def test_a_challenge_that_the_credential_cannot_meet_is_an_authentication_error() -> None:
    credential = Credential()
    challenge = 'Bearer error="insufficient_claims", claims="eyJhIjoxfQ=="'
    session, _ = make(reply(401, None, {"WWW-Authenticate": challenge}), credential=credential)

    def refuse(*scopes: str, **_options: object) -> AccessToken:
        if credential.asked:
            raise ClientAuthenticationError("no claims here")
        credential.asked += scopes
        return AccessToken(SECRET, int(time.time()) + 3600)

    credential.get_token = refuse  # type: ignore[method-assign]  # a credential that changes its mind

    with pytest.raises(AuthenticationError, match="no claims here"):
        session.send("GET", "/x", action="read")


# ------------------------------------------------------------------ logs


def test_logs_show_method_address_and_status_but_no_secret(caplog: pytest.LogCaptureFixture) -> None:
    session, _ = make(reply(200, {"key": "K3Y"}, {"x-key": "K3Y", "Azure-AsyncOperation": f"{ARM}/op?s=S1GN"}))
    caplog.set_level(logging.DEBUG)

    session.send("POST", "/x?api-version=2024&sig=S1GN", json={"secret": "B0DY"}, action="read")

    ours = [record for record in caplog.records if record.name == "azure_batch_endpoints.http"]
    assert len(ours) == 2
    assert "POST" in ours[0].message
    assert "api-version=2024" in ours[0].message
    assert "200" in ours[1].message
    for secret in (SECRET, "S1GN", "K3Y", "B0DY"):
        assert secret not in caplog.text


def test_nothing_is_logged_at_info(caplog: pytest.LogCaptureFixture) -> None:
    session, _ = make(reply(503), reply(200))
    caplog.set_level(logging.INFO)

    session.send("GET", "/x", action="read")

    assert caplog.records == []


# ------------------------------------------------------------------ bytes


def test_bytes_are_read_from_an_offset() -> None:
    session, transport = make(reply(206, b"456"), reply(200, b"0123456"), reply(416, b"<Error/>"), reply(200, b""))

    url = "https://acct.blob.core.windows.net/log"
    read = [session.get_bytes(url, offset, action="read a log") for offset in (4, 4, 7, 0)]

    assert read == [b"456", b"456", b"", b""]
    assert [sent.headers.get("Range") for sent in transport.requests] == ["bytes=4-", "bytes=4-", "bytes=7-", None]


def test_a_long_log_of_a_server_that_ignores_ranges_is_cut_across_chunks() -> None:
    content = bytes(range(256)) * 100
    session, _ = make(reply(200, content))

    chunks = list(session.stream_bytes("https://acct.blob.core.windows.net/log", 5000, action="read a log"))

    assert b"".join(chunks) == content[5000:]
    assert len(chunks) > 1


@pytest.mark.parametrize(
    "shorter", [reply(416, b"<Error/>", {"Content-Range": "bytes */3"}), reply(200, b"new"), reply(200, b"")]
)
def test_a_file_that_is_shorter_than_it_was_is_told(shorter: Step) -> None:
    session, _ = make(shorter)

    with pytest.raises(ShorterThanThat):
        session.get_bytes("https://acct.blob.core.windows.net/log", 4, action="read a log")


def test_a_log_that_is_not_there_is_not_found() -> None:
    session, _ = make(reply(404, b"<Error>BlobNotFound</Error>", {"Content-Type": "application/xml"}))

    with pytest.raises(NotFoundError, match="Could not read a log"):
        session.get_bytes("https://acct.blob.core.windows.net/log", action="read a log")


def test_bytes_that_break_off_midway_are_a_transport_error() -> None:
    session, _ = make(reply(200, b"half", {"Content-Length": "8"}))

    with pytest.raises(TransportError, match="Could not read a log"):
        session.get_bytes("https://acct.blob.core.windows.net/log", action="read a log")


# ------------------------------------------------------------------ over a real socket


@pytest.fixture
def address() -> Iterator[str]:
    class Handler(http.server.BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            if self.path.startswith("/cut"):
                self.connection.shutdown(socket.SHUT_RDWR)
                self.close_connection = True
                return
            body = b'{"path": "%s"}' % self.path.encode()
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        do_POST = do_GET

        def log_message(self, *_args: object) -> None:
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    thread.join()
    server.server_close()


def test_the_default_transport_works_closes_and_ignores_a_proxy(address: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")
    monkeypatch.delenv("NO_PROXY", raising=False)
    monkeypatch.delenv("no_proxy", raising=False)

    with Session(address, Credential(), SCOPES) as session:
        answer = session.send("GET", "/x", action="read")
        read = session.get_bytes(f"{address}/y", 3, action="read")

    assert answer.body == {"path": "/x"}
    assert read == b'ath": "/y"}'
    session.close()
    with pytest.raises(TransportError, match=r"Could not read: the client is closed"):
        session.send("GET", "/x", action="read")
    gc.collect()  # an unclosed socket would be an error here


class Joining(logging.Filter):
    """Puts a line together before other filters see it, as that of mlflow does."""

    def filter(self, record: logging.LogRecord) -> bool:
        record.msg, record.args = record.getMessage(), None
        return True


@pytest.mark.parametrize("others", [[], [Joining()]], ids=["alone", "after a filter of another package"])
def test_no_logger_shows_the_signature_of_an_address(
    others: list[logging.Filter], address: str, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    caplog.set_level(logging.DEBUG)
    # mlflow, which other tests import, adds a filter of its own for the life of the process.
    monkeypatch.setattr(logging.getLogger("urllib3.connectionpool"), "filters", [*others])

    with Session(address, Credential(), SCOPES) as session:
        session.get_bytes(f"{address}/log?sv=2024&sp=r&sig=S1GN", action="read a log")
        session.get_bytes(f"{address}/log?sig=S1GN&sp=r", action="read a log")

    assert "urllib3.connectionpool" in {record.name for record in caplog.records}
    assert "/log?sv=2024&sp=r&sig=***" in caplog.text
    assert "S1GN" not in caplog.text and SECRET not in caplog.text
    assert sum(type(one).__name__ == "_Blot" for one in logging.getLogger("urllib3.connectionpool").filters) == 1


def test_a_proxy_of_the_environment_is_asked_for_the_way_to_the_cloud(monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.create_server(("127.0.0.1", 0)) as proxy:
        monkeypatch.setenv("HTTPS_PROXY", f"http://127.0.0.1:{proxy.getsockname()[1]}")
        for name in ("NO_PROXY", "no_proxy", "https_proxy"):
            monkeypatch.delenv(name, raising=False)
        asked: list[bytes] = []

        def refuse() -> None:
            connection, _ = proxy.accept()
            asked.append(connection.recv(1000))
            connection.sendall(b"HTTP/1.1 407 Proxy Authentication Required\r\nContent-Length: 0\r\n\r\n")
            connection.close()

        thread = threading.Thread(target=refuse)
        thread.start()
        clock = FakeClock()
        with (
            Session(ARM, Credential(), SCOPES, clock=clock) as session,
            pytest.raises((TransportError, DeadlinePassed)),
        ):
            session.send("POST", "/x", json={}, deadline=Deadline(clock, 0.5), action="read")
        thread.join()

    assert asked[0].startswith(b"CONNECT management.azure.com:443 ") and SECRET.encode() not in asked[0]


def test_a_cut_connection_says_so_without_any_secret(address: str) -> None:
    signature = "-".join(["S1", "GN"])
    with Session(address, Credential(), SCOPES) as session, pytest.raises(TransportError) as caught:
        session.send("POST", f"{address}/cut?sig={signature}", action="invoke 'heart'")

    assert "broke the connection off" in str(caught.value)
    trace = "".join(traceback.format_exception(caught.value))
    assert signature not in trace
    assert SECRET not in trace


def test_a_local_service_that_is_gone_is_said_with_its_remedy() -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        port = unused.getsockname()[1]

    with (
        Session(f"http://127.0.0.1:{port}", Credential(), SCOPES, clock=FakeClock()) as session,
        pytest.raises(TransportError, match=rf"'127.0.0.1:{port}' refused the connection.*BatchClient\.local\(root\)"),
    ):
        session.send("GET", "/x", action="read")


def test_an_unknown_host_and_a_refusal_and_a_time_out_are_told_apart() -> None:
    named = requests.exceptions.ConnectionError("name")
    named.__cause__ = socket.gaierror(-2, "Name or service not known")
    tls = requests.exceptions.SSLError("certificate verify failed")
    tls.__cause__ = __import__("ssl").SSLError(1, "certificate verify failed")
    cases: list[tuple[BaseException, str]] = [
        (named, "is not a known host name"),
        (refused(), "refused the connection"),
        (tls, "REQUESTS_CA_BUNDLE"),
        (requests.exceptions.ConnectTimeout(), "took no connection within 10 s"),
        (requests.exceptions.ReadTimeout(), "gave no answer within 60 s"),
        (broken(), "broke the connection off"),
    ]

    for error, words in cases:
        session, _ = make(error)
        with pytest.raises(TransportError, match=words):
            session.send("POST", "/x", action="invoke")


def test_importing_the_room_loads_neither_requests_nor_the_pollers() -> None:
    heavy = ("requests", "azure.core.polling", "azure.mgmt.core", "msrest")
    code = f"import sys, azure_batch_endpoints._http; print([m for m in {heavy} if m in sys.modules])"

    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60)

    assert ran.stdout.strip() == "[]"


def test_answer_is_the_type_that_send_returns() -> None:
    session, _ = make(reply())

    assert isinstance(session.send("GET", "/x", action="read"), Answer)


def test_a_session_that_sent_nothing_can_be_closed_twice_and_closing_reaches_the_given_transport() -> None:
    Session(ARM, None, SCOPES).close()
    session, transport = make()

    session.close()
    session.close()

    assert transport.closed


def test_the_real_clock_goes_on_while_it_sleeps() -> None:
    clock = Clock()
    before = clock.monotonic()

    clock.sleep(0.01)

    assert clock.monotonic() - before >= 0.01
