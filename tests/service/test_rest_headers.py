"""What stands around a body: the headers of every answer, api-versions, kinds of bodies, and whose token it is."""

from __future__ import annotations

import base64
import json
import re

import pytest

from tests.service.in_process import FOLDER, WORKSPACE_ID, Service, error, said

ALWAYS = {
    "cache-control": "no-cache",
    "pragma": "no-cache",
    "expires": "-1",
    "strict-transport-security": "max-age=31536000; includeSubDomains",
    "x-content-type-options": "nosniff",
    "x-aml-cluster": "local",
    "request-context": f"appId=cid-v1:{WORKSPACE_ID}",
}
GUID = "[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}"


@pytest.mark.parametrize(
    ("method", "path", "status", "kind"),
    [
        ("GET", "", 200, "standard"),
        ("GET", "/batchEndpoints/none", 404, "error"),
        ("GET", "/computes/none", 404, "standard"),
        ("GET", "/nothing", 404, "error"),
        ("PUT", "/batchEndpoints/heart", 400, "error"),
        ("DELETE", "/jobs", 405, "error"),
    ],
)
def test_every_management_answer_has_the_headers_of_the_front_door(
    service: Service, method: str, path: str, status: int, kind: str
) -> None:
    answer = service.http.request(method, service.url(path))
    headers = answer.headers

    assert answer.status_code == status
    assert {name: headers.get(name) for name in ALWAYS} == ALWAYS
    assert headers["x-ms-response-type"] == kind
    correlation = headers["x-ms-correlation-request-id"]
    assert re.fullmatch(rf"LOCAL:\d{{8}}T\d{{6}}Z:{correlation}", headers["x-ms-routing-request-id"])
    assert re.fullmatch(r"\d+\.\d{3}", headers["x-request-time"])
    timing = r'traceparent;desc="00-[0-9a-f]{32}-[0-9a-f]{16}-01"'
    assert bool(re.fullmatch(timing, headers.get("server-timing", ""))) is (method != "DELETE")
    assert not {"etag", "retry-after"} & set(headers)


@pytest.mark.parametrize(
    ("method", "path", "name"),
    [
        ("GET", "/batchEndpoints", "reads"),
        ("PUT", "/batchEndpoints/heart", "writes"),
        ("DELETE", "/batchEndpoints/heart", "deletes"),
        ("POST", "/datastores/workspaceblobstore/listSecrets", "writes"),
        ("PUT", "/batchEndpoints/heart/deployments/blue", "resource-requests"),
    ],
)
def test_one_allowance_is_told_and_it_never_runs_out(service: Service, method: str, path: str, name: str) -> None:
    answer = service.http.request(method, service.url(path), json={} if method == "PUT" else None)

    told = {key: value for key, value in answer.headers.items() if "ratelimit" in key}
    assert list(told) == [f"x-ms-ratelimit-remaining-subscription-{name}"]
    assert all(int(value) > 1000 for value in told.values())


def test_the_scoring_uri_has_a_front_door_of_its_own(service: Service) -> None:
    answer = service.with_deployment().invoke()

    assert answer.headers["server"] == "azureml-frontdoor"
    assert re.fullmatch(GUID, answer.headers["x-request-id"])
    assert answer.headers["x-envoy-upstream-service-time"].isdigit()
    assert answer.headers["azureml-model-deployment"] == "blue"
    assert not [name for name in answer.headers if "ratelimit" in name or "routing" in name]


@pytest.mark.parametrize(("wanted", "told"), [("true", "my-request"), ("false", None), (None, None)])
def test_the_clients_own_id_of_a_request_comes_back_when_it_is_wanted(
    service: Service, wanted: str | None, told: str | None
) -> None:
    headers = {"x-ms-client-request-id": "my-request", "x-ms-return-client-request-id": wanted or ""}

    assert service.get("", headers=headers).headers.get("x-ms-client-request-id") == told


# ------------------------------------------------------------------ api-versions


@pytest.mark.parametrize(
    "version", ["2020-09-01-preview", "2021-10-01", "2022-05-01", "2026-03-15-preview", "2099-12-31"]
)
def test_every_api_version_is_taken_also_one_nobody_knows_yet(service: Service, version: str) -> None:
    answer = service.put(f"/batchEndpoints/heart?api-version={version}", {"properties": {}})

    assert answer.status_code == 201
    assert answer.json()["properties"]["properties"]["BatchEndpointCreationApiVersion"] == version
    assert f"api-version={version}" in answer.headers["azure-asyncoperation"]


@pytest.mark.parametrize("query", ["", "?api-version=", "?apiversion=2024-10-01"])
def test_a_management_request_without_api_version_is_refused_and_does_nothing(service: Service, query: str) -> None:
    answer = service.http.put(f"{service.workspace}/batchEndpoints/heart{query}", json={"properties": {}})

    assert (answer.status_code, error(answer)["code"]) == (400, "MissingApiVersionParameter")
    assert service.get("/batchEndpoints").json() == {"value": []}


@pytest.mark.parametrize("version", ["latest", "2024", "2024-10-01'", "v1.0"])
def test_an_api_version_that_is_no_date_is_refused(service: Service, version: str) -> None:
    answer = service.get(f"/batchEndpoints?api-version={version}")

    assert (answer.status_code, error(answer)["code"]) == (400, "InvalidApiVersionParameter")


def test_the_data_plane_takes_any_api_version_or_none(service: Service) -> None:
    name = service.with_deployment().invoke().json()["name"]
    lists = f"/mferp/managementfrontend{service.workspace}/batchEndpoints/heart/jobs"

    for url in ("/scoring/heart/jobs", f"/history/v1.0{service.workspace}/runs/{name}", lists):
        for query in ("", "?api-version=v1.0", "?api-version=2020-09-01-dataplanepreview"):
            assert service.http.get(url + query).status_code == 200


# ------------------------------------------------------------------ kinds of bodies


@pytest.mark.parametrize(
    "kind", ["application/json", "Application/JSON; charset=utf-8", "text/json", "application/merge-patch+json", None]
)
def test_a_body_of_json_may_say_so_in_many_ways(service: Service, kind: str | None) -> None:
    headers = {"Content-Type": kind} if kind else {}

    assert (
        service.http.put(
            service.url("/batchEndpoints/heart"), content=b'{"properties": {}}', headers=headers
        ).status_code
        == 201
    )


@pytest.mark.parametrize("kind", ["text/plain", "application/x-www-form-urlencoded", "application/xml", "nonsense"])
def test_a_body_that_says_it_is_something_else_is_refused(service: Service, kind: str) -> None:
    service.with_deployment()
    content = json.dumps({"properties": {"inputData": FOLDER}})

    for method, url in (("POST", "/scoring/heart/jobs"), ("PUT", service.url("/batchEndpoints/other"))):
        answer = service.http.request(method, url, content=content, headers={"Content-Type": kind})

        assert (answer.status_code, error(answer)["code"]) == (415, "UnsupportedMediaType")
        assert f"'{kind}'" in said(answer)
    assert service.queue.submitted == []
    assert len(service.get("/batchEndpoints").json()["value"]) == 1


def test_a_request_without_body_may_say_anything_of_it(service: Service) -> None:
    headers = {"Content-Type": "text/plain"}

    assert service.get("/batchEndpoints", headers=headers).status_code == 200
    assert service.post("/datastores/workspaceblobstore/listSecrets", headers=headers).status_code == 200


def test_a_body_on_a_get_is_not_looked_at(service: Service) -> None:
    assert service.http.request("GET", service.url("/batchEndpoints"), content=b"{").status_code == 200


# ------------------------------------------------------------------ whose token


def web_token(claims: object) -> str:
    parts = [json.dumps({"alg": "RS256"}).encode(), json.dumps(claims).encode(), b"signature"]
    return ".".join(base64.urlsafe_b64encode(part).decode().rstrip("=") for part in parts)


@pytest.mark.parametrize(
    ("given", "code", "words"),
    [
        ("", "AuthenticationFailed", "The 'Authorization' header is missing."),
        ("Basic YWJjOmRlZg==", "AuthenticationFailed", "invalid format"),
        ("Bearer", "AuthenticationFailed", "invalid format"),
        ("Bearer not-the-token", "InvalidAuthenticationToken", "The access token is invalid."),
        (f"Bearer {web_token({'aud': 'https://management.azure.com/'})}", "InvalidAuthenticationToken", "is invalid"),
        (f"Bearer {web_token({'aud': 7})}", "InvalidAuthenticationToken", "is invalid"),
        (f"Bearer {web_token([])}", "InvalidAuthenticationToken", "is invalid"),
        ("Bearer a.b.c", "InvalidAuthenticationToken", "is invalid"),
        (
            f"Bearer {web_token({'aud': 'https://storage.azure.com/'})}",
            "InvalidAuthenticationTokenAudience",
            "wrong audience or resource 'https://storage.azure.com/'",
        ),
    ],
)
def test_a_token_that_is_not_the_services_own_is_refused_for_what_is_wrong_with_it(
    service: Service, given: str, code: str, words: str
) -> None:
    answer = service.put("/batchEndpoints/heart", {"properties": {}})
    answer = service.http.delete(service.url("/batchEndpoints/heart"), headers={"Authorization": given})

    assert (answer.status_code, error(answer)["code"]) == (401, code)
    assert words in said(answer)
    assert answer.headers["www-authenticate"].startswith('Bearer realm="azure_batch_endpoints", error="invalid_token"')
    assert service.get("/batchEndpoints/heart").status_code == 200
    assert "not-the-token" not in answer.text + str(answer.headers)


def test_each_route_has_its_own_audience(service: Service) -> None:
    headers = {"Authorization": f"Bearer {web_token({'aud': 'https://ml.azure.com'})}"}

    management, scoring = service.get("", headers=headers), service.get("/scoring/heart/jobs", headers=headers)

    assert error(management)["code"] == "InvalidAuthenticationTokenAudience"
    assert error(scoring)["code"] == "InvalidAuthenticationToken"


def test_an_audience_cannot_break_the_header_that_repeats_it(service: Service) -> None:
    headers = {
        "Authorization": f"Bearer {web_token({'aud': 'x' + chr(13) + chr(10) + 'Set-Cookie: a=b' + chr(34) + 'é'})}"
    }

    answer = service.get("", headers=headers)

    assert answer.status_code == 401
    assert "set-cookie" not in answer.headers
    assert answer.headers["www-authenticate"].isascii()
