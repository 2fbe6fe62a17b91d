"""Who may ask, what a request must look like, and what is answered to what is none."""

from __future__ import annotations

import json
from collections.abc import Callable

import pytest

from tests.service.in_process import TOKEN, Service, error, said


@pytest.mark.parametrize("given", ["", "Bearer", "Bearer wrong", f"Basic {TOKEN}", TOKEN, f"Bearer {TOKEN}x"])
def test_without_the_token_nothing_is_answered(service: Service, given: str) -> None:
    answer = service.get("", headers={"Authorization": given})

    assert answer.status_code == 401
    assert answer.headers["www-authenticate"].startswith("Bearer")
    assert TOKEN not in (answer.text.replace(given, "") if given else answer.text)
    assert error(answer)["code"] in {"AuthenticationFailed", "InvalidAuthenticationToken"}


def test_the_word_bearer_may_be_written_in_any_case(service: Service) -> None:
    assert service.get("", headers={"Authorization": f"bearer {TOKEN}"}).status_code == 200


@pytest.mark.parametrize("path", ["/discovery", "/metadata/endpoints?api-version=2019-05-01"])
def test_discovery_needs_no_token(service: Service, path: str) -> None:
    assert service.http.get(path, headers={"Authorization": ""}).status_code == 200


@pytest.mark.parametrize("host", ["evil.example", "127.0.0.1.evil.example:80", "localhost.evil.example", "10.0.0.1"])
def test_a_host_that_is_not_this_machine_is_refused_even_with_the_token(service: Service, host: str) -> None:
    answer = service.get("", headers={"Host": host})

    assert answer.status_code == 403
    assert "127.0.0.1" in said(answer)


@pytest.mark.parametrize("host", ["localhost:5999", "127.0.0.1", "[::1]:5999", "LOCALHOST"])
def test_every_name_of_this_machine_is_a_host(service: Service, host: str) -> None:
    assert service.get("", headers={"Host": host}).status_code == 200


def test_the_workspace_names_its_discovery_and_discovery_names_this_service(service: Service) -> None:
    workspace = service.get("?api-version=2024-10-01-preview").json()
    found = service.http.get(workspace["properties"]["discoveryUrl"]).json()

    assert workspace["id"] == service.workspace
    assert workspace["location"] == "local"
    assert workspace["properties"]["workspaceId"] == service.context.workspace_id
    assert found["api"] == service.context.base_url


@pytest.mark.parametrize(
    ("old", "new", "code"),
    [
        ("/00000000-0000-0000-0000-000000000000/", "/11111111-0000-0000-0000-000000000000/", "SubscriptionNotFound"),
        ("/resourceGroups/local/", "/resourceGroups/other/", "ResourceGroupNotFound"),
        ("/workspaces/local", "/workspaces/other", "ResourceNotFound"),
    ],
)
def test_another_workspace_is_not_found_and_the_answer_names_the_one_there_is(
    service: Service, old: str, new: str, code: str
) -> None:
    answer = service.http.get(service.url("/batchEndpoints").replace(old, new))

    assert answer.status_code == 404
    assert error(answer)["code"] == code
    assert "workspace 'local' in group 'local'" in said(answer)


@pytest.mark.parametrize("change", [str.lower, str.upper])
def test_the_fixed_words_of_a_path_may_be_in_any_case(service: Service, change: Callable[[str], str]) -> None:
    path = change(service.workspace + "/batchEndpoints")

    assert service.http.get(path + "?Api-Version=2030-12-31").status_code == 200


def test_an_unknown_path_and_a_wrong_method_get_the_error_envelope(service: Service) -> None:
    unknown, wrong = service.get("/onlineEndpoints"), service.delete("/jobs")

    assert (unknown.status_code, error(unknown)["code"]) == (404, "NotFound")
    assert (wrong.status_code, error(wrong)["code"]) == (405, "MethodNotAllowed")
    assert "GET" in wrong.headers["allow"]


def test_every_answer_carries_the_headers_of_the_management_frontend(service: Service) -> None:
    good, bad = service.get(""), service.get("/batchEndpoints/none")

    for answer in (good, bad):
        assert answer.headers["cache-control"] == "no-cache"
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert answer.headers["content-type"] == "application/json; charset=utf-8"
        assert answer.headers["x-ms-request-id"] and answer.headers["x-ms-correlation-request-id"]
        assert "retry-after" not in answer.headers
    assert (good.headers["x-ms-response-type"], bad.headers["x-ms-response-type"]) == ("standard", "error")


def test_an_error_says_which_request_it_was(service: Service) -> None:
    answer = service.get("/batchEndpoints/none")

    kinds = {one["type"]: one["info"]["value"] for one in error(answer)["additionalInfo"]}
    assert kinds["Correlation"]["request"] == answer.headers["x-ms-request-id"]
    assert kinds["ComponentName"] == "managementfrontend"


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"{",
        b"[]",
        b"null",
        b'"text"',
        b"\xff\xfe{",
        b'{"a": ' * 5000,
        b"[" * 200_000,
        b'{"properties": 1}',
        b'{"tags": []}',
    ],
)
def test_a_body_that_is_no_endpoint_is_a_bad_request(service: Service, content: bytes) -> None:
    answer = service.http.put(service.url("/batchEndpoints/heart"), content=content)

    assert answer.status_code == 400
    assert error(answer)["message"]
    assert service.get("/batchEndpoints").json() == {"value": []}


def test_half_a_surrogate_pair_is_a_bad_request(service: Service) -> None:
    answer = service.http.put(service.url("/batchEndpoints/heart"), content=b'{"tags": {"a": "\\ud800"}}')

    assert answer.status_code == 400


def test_trailing_commas_comments_and_any_case_are_understood(service: Service) -> None:
    content = """{
        // as the official samples are written
        'Location': "local",
        "Properties": {"AuthMode": "aadToken", "Description": "Ünïcode 🫀",},
    }"""
    answer = service.http.put(service.url("/batchEndpoints/heart"), content=("\ufeff" + content).encode())

    assert answer.status_code == 201
    assert answer.json()["properties"]["description"] == "Ünïcode 🫀"


@pytest.mark.parametrize("announced", [True, False])
def test_a_body_of_more_than_eight_mebibytes_is_refused(service: Service, announced: bool) -> None:
    content = json.dumps({"tags": {"a": "x" * (8 * 1024 * 1024)}}).encode()
    headers = {} if announced else {"Content-Length": "", "Transfer-Encoding": "chunked"}
    answer = service.http.put(service.url("/batchEndpoints/heart"), content=content, headers=headers)

    assert answer.status_code == 413
    assert error(answer)["code"] == "RequestEntityTooLarge"


def test_a_failure_of_the_service_itself_is_an_envelope_without_its_inside(service: Service) -> None:
    service.context.state.close()

    answer = service.get("/batchEndpoints")

    assert answer.status_code == 500
    assert "service.log" in said(answer)
    assert "sqlite" not in answer.text.lower()
