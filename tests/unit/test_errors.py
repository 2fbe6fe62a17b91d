"""The tree of exceptions and what an HTTP answer becomes."""

from __future__ import annotations

from pathlib import Path

import pytest

from azure_batch_endpoints import errors
from azure_batch_endpoints._refusals import from_response
from azure_batch_endpoints.errors import (
    AuthenticationError,
    BatchEndpointsError,
    ConflictError,
    LocalPathError,
    NotFoundError,
    PermissionDeniedError,
    ScoringScriptError,
    ServerError,
    ServiceError,
    SpecError,
    TooManyRequestsError,
    WaitTimeoutError,
    redact,
)


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (400, ServiceError),
        (401, AuthenticationError),
        (403, PermissionDeniedError),
        (404, NotFoundError),
        (409, ConflictError),
        (418, ServiceError),
        (429, TooManyRequestsError),
        (500, ServerError),
        (599, ServerError),
    ],
)
def test_a_status_becomes_its_exception_and_an_unknown_one_the_general_one(
    status: int, kind: type[ServiceError]
) -> None:
    error = from_response(status, {}, None, action="create endpoint 'heart'")

    assert type(error) is kind
    assert error.status_code == status
    assert str(error).startswith("Could not create endpoint 'heart': ")


def test_the_innermost_code_all_messages_and_the_request_id_are_told() -> None:
    body = {
        "error": {
            "code": "NotFound",
            "message": "Not found.",
            "details": [{"code": "NoSuchEndpoint", "message": "There is no endpoint with name: heart", "target": "t"}],
        }
    }

    error = from_response(404, {"X-MS-Request-Id": "r-1"}, body, action="read endpoint 'heart'")

    assert error.code == "NoSuchEndpoint"
    assert error.target == "t"
    assert error.request_id == "r-1"
    assert str(error) == (
        "Could not read endpoint 'heart': Not found. There is no endpoint with name: heart. Check the name, and "
        "resource_group and workspace of the client. Request id r-1."
    )


@pytest.mark.parametrize(
    "body",
    ["", None, [], 3, {}, {"error": None}, {"error": 7}, {"error": {"details": None}}, {"error": {"details": ["x"]}}],
)
def test_a_body_of_any_shape_makes_an_error_and_no_crash(body: object) -> None:
    assert "the service answered 500" in str(from_response(500, {}, body, action="read"))


def test_plain_text_is_told_as_it_is() -> None:
    assert "upstream is down" in str(from_response(503, {}, " upstream is down ", action="read"))


def test_a_remedy_follows_where_there_is_one() -> None:
    assert "az login" in str(from_response(401, {}, None, action="read"))
    assert "AzureML Data Scientist" in str(from_response(403, {}, None, action="read"))


@pytest.mark.parametrize(
    ("header", "seconds"), [("3", 3.0), ("soon", None), (None, None), ("-1", None), ("inf", None), ("nan", None)]
)
def test_too_many_requests_tells_how_long_to_wait(header: str | None, seconds: float | None) -> None:
    error = from_response(429, {} if header is None else {"Retry-After": header}, None, action="read")

    assert isinstance(error, TooManyRequestsError)
    assert error.retry_after == seconds


@pytest.mark.parametrize(
    "text",
    [
        "https://a/b?sv=2021&sig=SECRET&x=1",
        "AccountKey=SECRET;x",
        "Authorization: Bearer SECRET",
        "SharedAccessSignature=SECRET;",
        "https://me:SECRET@gateway.example/x",
    ],
)
def test_no_secret_is_left_in_a_text(text: str) -> None:
    assert "SECRET" not in redact(text)
    assert "***" in redact(text)
    assert "SECRET" not in str(from_response(400, {}, text, action="read"))


@pytest.mark.parametrize("text", ["wasbs://container@host/a:b", "http://127.0.0.1:5000/a@b", "azureml://a/b:1"])
def test_an_address_without_a_secret_is_shown_whole(text: str) -> None:
    assert redact(text) == text


def test_a_spec_error_begins_with_file_and_line() -> None:
    assert str(SpecError("wrong.", path=Path("/x/d.yml"), line=3)) == "d.yml, line 3: wrong."
    assert str(SpecError("wrong.", path=Path("/x/d.yml"))) == "d.yml: wrong."
    assert str(SpecError("wrong.", field="a.b")) == "wrong."


def test_a_script_error_begins_with_file_and_line() -> None:
    assert str(ScoringScriptError("bad.", path=Path("/x/score.py"), line=7)) == "score.py, line 7: bad."
    assert str(ScoringScriptError("bad.", path=Path("/x/score.py"))) == "score.py: bad."


def test_errors_that_are_os_errors_too_show_their_text_alone() -> None:
    missing = LocalPathError("not there", path=Path("x"))
    late = WaitTimeoutError("too late", object())

    assert (str(missing), str(late)) == ("not there", "too late")
    assert isinstance(missing, FileNotFoundError) and isinstance(missing, ValueError)
    assert isinstance(late, TimeoutError)


def test_every_error_is_in_the_tree_drawn_on_top() -> None:
    kinds = [one for one in vars(errors).values() if isinstance(one, type) and issubclass(one, BatchEndpointsError)]

    assert [kind.__name__ for kind in kinds if kind.__name__ not in (errors.__doc__ or "")] == []


def test_the_service_failing_and_the_users_code_failing_are_different_errors() -> None:
    assert not issubclass(errors.JobFailedError, ServiceError)
    assert issubclass(errors.JobCanceledError, errors.JobFailedError)
