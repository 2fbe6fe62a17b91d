"""What nobody should send: each is refused in the documented envelope, and changes nothing."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from urllib.parse import quote

import httpx
import pytest

from azure_batch_endpoints.local.resources import Key
from azure_batch_endpoints.states import JobStatus
from tests.service.in_process import FOLDER, PLACE, Service, error

LISTS = ("/batchEndpoints", "/batchEndpoints/heart/deployments", "/computes", "/jobs", "/models", "/data", "/codes")
ENVELOPE = {"ComponentName", "Correlation", "Environment", "Location", "Time"}


@pytest.fixture
def ready(service: Service) -> Service:
    assert service.with_deployment().invoke(name="job-1").status_code == 201
    return service


@pytest.fixture(autouse=True)
def _state_stays(request: pytest.FixtureRequest) -> Iterator[None]:
    """Whatever a test of this file does to ``ready``, the lists are the same afterwards."""
    if "ready" not in request.fixturenames:
        yield
        return
    ready: Service = request.getfixturevalue("ready")
    before = contents(ready)
    yield
    assert contents(ready) == before


def contents(service: Service) -> dict[str, Any]:
    return {path: service.get(path).json() for path in LISTS}


def refused(answer: httpx.Response, status: int) -> None:
    """Check the envelope of a refusal."""
    assert answer.status_code == status, answer.text
    found = error(answer)
    assert found["code"] and found["message"] and isinstance(found["details"], list)
    if answer.request.url.path.startswith(("/history/", "/data/")):
        body = answer.json()
        assert body["correlation"]["request"] == answer.headers["x-ms-request-id"]
        assert body["componentName"] and body["time"] and "innerError" in found
    else:
        assert {one["type"] for one in found["additionalInfo"]} >= ENVELOPE
    assert "Traceback" not in answer.text


PLACES = [
    ("PUT", "/batchEndpoints/other"),
    ("PUT", "/batchEndpoints/heart"),
    ("PATCH", "/batchEndpoints/heart"),
    ("PUT", "/batchEndpoints/heart/deployments/green"),
    ("PATCH", "/batchEndpoints/heart/deployments/blue"),
    ("PUT", "/computes/cluster"),
    ("PUT", "/models/m/versions/1"),
    ("PUT", "/codes/c/versions/1"),
    ("PUT", "/environments/e/versions/1"),
    ("PUT", "/data/d/versions/1"),
    ("PUT", "/jobs/job-1"),
    ("POST", "/scoring/heart/jobs"),
    ("POST", "/history/v1.0{ws}/rundata"),
    ("POST", "/data/v1.0{ws}/dataversion/batchGetResolvedUris"),
    ("PATCH", "/history/v1.0{ws}/experiments/heart/runs/job-1"),
]
NO_JSON = [b"{", b"[]", b'"text"', b"null", b"\xff\xfe{", b'{"a": 1e999}', b'{"a": NaN}', b'{"a": -Infinity}', b"<a/>"]


@pytest.mark.parametrize(("method", "path"), PLACES)
def test_a_body_that_is_no_json_object_is_refused_everywhere(ready: Service, method: str, path: str) -> None:
    for content in NO_JSON:
        refused(ready.http.request(method, ready.url(path.replace("{ws}", ready.workspace)), content=content), 400)


@pytest.mark.parametrize(("method", "path"), PLACES)
def test_a_body_of_very_many_levels_is_refused_everywhere(ready: Service, method: str, path: str) -> None:
    for levels in (70, 900, 100_000):
        bomb = "[" * levels + "]" * levels if levels != 900 else '{"a":' * levels + "1" + "}" * levels
        content = f'{{"properties": {{"properties": {{"x": {bomb}}}}}, "values": {bomb}}}'
        refused(ready.http.request(method, ready.url(path.replace("{ws}", ready.workspace)), content=content), 400)


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/batchEndpoints/other", {"properties": "text"}),
        ("/batchEndpoints/other", {"tags": ["a"]}),
        ("/batchEndpoints/other", {"location": {"a": 1}}),
        ("/batchEndpoints/other", {"properties": {"authMode": "Key"}}),
        ("/batchEndpoints/other", {"properties": {"authMode": ["aadToken"]}}),
        ("/batchEndpoints/other", {"properties": {"defaults": "blue"}}),
        ("/batchEndpoints/other", {"properties": {"defaults": {"deploymentName": "none"}}}),
        ("/batchEndpoints/other", {"properties": {"description": {}}}),
        ("/batchEndpoints/other", {"properties": {"properties": []}}),
        ("/computes/cluster", {"properties": {"computeType": 7}}),
        ("/computes/cluster", {"properties": {"computeType": "Kubernetes"}}),
        ("/computes/cluster", {"properties": {"properties": {"scaleSettings": {"maxNodeCount": "many"}}}}),
        ("/computes/cluster", {"properties": {"properties": {"scaleSettings": {"maxNodeCount": -1}}}}),
        ("/computes/cluster", {"properties": {"properties": {"scaleSettings": 3}}}),
        ("/models/m/versions/1", {"properties": {"modelUri": ["a"]}}),
        ("/models/m/versions/1", {"properties": {"modelType": "onnx", "modelUri": PLACE + "m"}}),
        ("/models/m/versions/1", {"properties": {}}),
        ("/data/d/versions/1", {"properties": {"dataType": "table", "dataUri": PLACE + "d"}}),
        ("/environments/e/versions/1", {"properties": {"condaFile": "a: ["}}),
        ("/jobs/job-1", {"properties": {"tags": "team"}}),
        ("/jobs/job-1", {"properties": {"isArchived": "perhaps"}}),
        ("/jobs/none", {"properties": {"displayName": "x"}}),
    ],
)
def test_a_value_of_another_type_or_unknown_name_is_refused(ready: Service, path: str, body: dict[str, Any]) -> None:
    refused(ready.put(path, body), 400)


DEPLOYMENT_VALUES = [
    ("model", "azureml:digits:1"),
    ("model", {"assetId": 7}),
    ("codeConfiguration", "score.py"),
    ("environmentVariables", ["A=1"]),
    ("compute", {"name": "local"}),
    ("miniBatchSize", "ten"),
    ("miniBatchSize", 1.5),
    ("miniBatchSize", 10**100),
    ("miniBatchSize", -3),
    ("miniBatchSize", [10]),
    ("errorThreshold", -2),
    ("errorThreshold", {}),
    ("maxConcurrencyPerInstance", 0),
    ("retrySettings", 3),
    ("retrySettings", {"maxRetries": "often"}),
    ("retrySettings", {"timeout": "-PT5S"}),
    ("retrySettings", {"timeout": 10**400}),
    ("resources", {"instanceCount": 0}),
    ("resources", {"instanceCount": "two"}),
    ("loggingLevel", "loud"),
    ("outputAction", "Print"),
    ("outputFileName", "../../etc/passwd"),
    ("outputFileName", "a\x00b"),
]


@pytest.mark.parametrize(("name", "value"), DEPLOYMENT_VALUES)
def test_a_setting_that_cannot_be_is_refused_by_put_and_by_patch(ready: Service, name: str, value: object) -> None:
    path = "/batchEndpoints/heart/deployments"

    refused(ready.put(f"{path}/green", ready.deployment(**{name: value})), 400)
    refused(ready.patch(f"{path}/blue", {"properties": {name: value}}), 400)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("inputData", [FOLDER]),
        ("inputData", {"x": "azureml:images:1"}),
        ("inputData", {"x": {"jobInputType": 5, "uri": PLACE}}),
        ("inputData", {"x": {"jobInputType": "Video", "uri": PLACE}}),
        ("inputData", {"x": {"jobInputType": "UriFolder", "uri": {"a": 1}}}),
        ("dataset", "mnist"),
        ("outputData", ["score"]),
        ("outputDataset", "workspaceblobstore"),
        ("miniBatchSize", {"a": 1}),
        ("compute", "local"),
        ("compute", {"instanceCount": -1}),
        ("tags", ["a"]),
        ("name", "a/b"),
        ("name", "a\x00b"),
        ("name", "ä"),
        ("name", "x" * 300),
        ("properties", "experimentName"),
    ],
)
def test_an_invoke_with_a_value_of_another_type_is_refused(ready: Service, name: str, value: object) -> None:
    body = {"inputData": FOLDER, name: value} if name != "dataset" else {name: value}

    refused(ready.post("/scoring/heart/jobs", {"properties": body}), 400)


BAD_NAMES = [
    "..",
    ".",
    "a b",
    "a%b",
    "ä-endpoint",
    "a\x00bc",
    "a\nbc",
    "a\x7fbc",
    "-abc",
    "x" * 33,
    "x" * 5000,
    "a'b;--",
]


@pytest.mark.parametrize("name", BAD_NAMES)
def test_a_name_that_is_none_is_refused_whatever_it_is_the_name_of(ready: Service, name: str) -> None:
    text = quote(name, safe="") if set(name) != {"."} else "%2E" * len(name)
    for path, body in (
        (f"/batchEndpoints/{text}", {"properties": {}}),
        (f"/batchEndpoints/heart/deployments/{text * 9}", ready.deployment()),  # up to 255 characters
        (f"/computes/{text}", {}),
        (f"/models/{text * 9}/versions/1", {"properties": {"modelUri": PLACE + "m"}}),
        (f"/data/d/versions/{text * 9}", {"properties": {"dataUri": PLACE + "d"}}),
    ):
        refused(ready.http.put(ready.url(path), json=body), 400)
        assert ready.http.get(ready.url(path)).status_code == 404


@pytest.mark.parametrize(
    "path", ["..%2f..%2f..%2fetc%2fpasswd", "%2e%2e%2fstate.sqlite", "job-1%2f..%2f..%2fstate.sqlite"]
)
def test_a_path_cannot_leave_its_folder(ready: Service, path: str) -> None:
    for url in (ready.url(f"/jobs/{path}"), f"/logs/job-1/{path}", f"/logs/{path}?sig=0", f"/scoring/{path}/jobs"):
        answer = ready.http.get(url)

        assert answer.status_code in (403, 404), url
        assert "SQLite" not in answer.text and "root:" not in answer.text


def test_an_address_of_eight_thousand_characters_is_answered(ready: Service) -> None:
    refused(ready.http.get(ready.url("/jobs/" + "x" * 8000)), 404)
    assert ready.get("/jobs?tag=" + "y" * 8000).json() == {"value": []}


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("POST", "/batchEndpoints"),
        ("OPTIONS", "/batchEndpoints"),
        ("DELETE", "/models"),
        ("TRACE", "/jobs"),
        ("PUT", "/scoring/heart/jobs"),
        ("DELETE", "/scoring/heart/jobs/job-1"),
        ("BREW", "/computes/local"),
    ],
)
def test_a_method_that_a_route_has_not_is_refused(ready: Service, method: str, path: str) -> None:
    answer = ready.http.request(method, ready.url(path))

    refused(answer, 405)
    assert "GET" in answer.headers["allow"]


@pytest.mark.parametrize("path", ["", "/batchEndpoints", "/batchEndpoints/heart", "/jobs/job-1", "/computes/local"])
def test_head_answers_as_get_without_the_body(ready: Service, path: str) -> None:
    answer, full = ready.http.head(ready.url(path)), ready.get(path)

    assert answer.status_code == 200
    assert answer.headers["content-type"] == full.headers["content-type"]
    assert ready.http.head(ready.url("/batchEndpoints/none")).status_code == 404


def test_a_body_in_pieces_is_read_as_one(service: Service) -> None:
    pieces = (piece for piece in (b'{"proper', b'ties": {"descr', b'iption": "in pieces"}', b"}"))

    answer = service.http.put(service.url("/batchEndpoints/heart"), content=pieces)

    assert answer.status_code == 201
    assert answer.json()["properties"]["description"] == "in pieces"


def test_line_breaks_inside_a_text_are_taken(service: Service) -> None:
    content = '{"properties": {"image": "x", "condaFile": "dependencies:\n- pip\n- pip:\n  - numpy\n"}}'

    answer = service.http.put(service.url("/environments/e/versions/1"), content=content)

    assert answer.status_code == 201
    assert json.loads(answer.json()["properties"]["condaFile"])["dependencies"][1] == {"pip": ["numpy"]}


def test_a_link_keeps_the_words_of_the_question(service: Service) -> None:
    for number in range(3):
        service.put(f"/models/many/versions/{number}", {"properties": {"modelUri": PLACE + "m"}})

    first = service.get("/models/many/versions?api-version=2022-05-01&$orderBy=createdtime desc&$top=1").json()

    query = first["nextLink"].partition("?")[2]
    assert query.startswith("api-version=2022-05-01&$orderBy=createdtime+desc&$top=1&$skipToken=")
    assert [one["name"] for one in service.get(first["nextLink"]).json()["value"]] == ["1"]


# ------------------------------------------------------------------ many at once, and much


@pytest.mark.parametrize(
    ("path", "body", "again"),
    [
        ("/batchEndpoints/same", lambda _: {"tags": {"a": "b"}, "properties": {}}, 200),
        ("/batchEndpoints/heart/deployments/same", lambda s: s.deployment(), 200),
        ("/models/same/versions/1", lambda _: {"properties": {"modelUri": PLACE + "m"}}, 200),
        ("/codes/same/versions/1", lambda _: {"properties": {"codeUri": PLACE + "c"}}, 200),
        ("/environments/same/versions/1", lambda _: {"properties": {"image": "x"}}, 201),
    ],
)
def test_of_many_puts_of_one_name_one_makes_it(
    service: Service, path: str, body: Callable[[Service], object], again: int
) -> None:
    service.with_deployment()
    sent = body(service)

    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda _: service.put(path, sent), range(16)))

    assert sorted(one.status_code for one in answers) == sorted([201] + [again] * 15)
    assert len({json.dumps(one.json()["systemData"]["createdAt"]) for one in answers}) == 1
    listed = [one["name"] for one in service.get(path.rpartition("/")[0]).json()["value"]]
    assert listed.count(path.rpartition("/")[2]) == 1


def test_whatever_a_job_came_from_can_go_while_it_runs(service: Service) -> None:
    service.put("/computes/cluster", {"properties": {}})
    service.with_deployment(compute="azureml:cluster").invoke(name="job-1")
    for status in (JobStatus.PREPARING, JobStatus.RUNNING):
        service.context.state.move_job("job-1", status)
    before = service.context.state.job("job-1")

    answers = [
        service.delete("/batchEndpoints/heart/deployments/blue"),
        service.delete("/batchEndpoints/heart"),
        service.delete("/computes/cluster"),
    ]

    assert [one.status_code for one in answers] == [202, 202, 202]
    assert service.context.state.job("job-1") == before
    assert service.get("/jobs/job-1").json()["properties"]["status"] == "Running"
    assert [one["name"] for one in service.get("/scoring/heart/jobs").json()["value"]] == ["job-1"]
    assert service.post("/jobs/job-1/cancel").status_code == 202


def test_ten_thousand_endpoints_are_listed_in_pages(service: Service) -> None:
    assert service.put("/batchEndpoints/e00000", {"properties": {}}).status_code == 201
    body = service.context.state.resources.page("endpoints", "", 0, 1)[0].body
    columns = "kind, parent, name, body, created, modified"
    with service.context.state._file.transaction() as database:
        database.executemany(
            f"INSERT INTO resources ({columns}) VALUES ('endpoints', '', ?, ?, 'x', 'x')",
            ((f"e{n:05}", json.dumps({**body, "name": f"e{n:05}"})) for n in range(1, 10_000)),
        )

    names, url = [], "/batchEndpoints?$top=1000"
    while url:
        page = service.get(url).json()
        names += [one["name"] for one in page["value"]]
        url = page.get("nextLink", "")

    assert names == [f"e{n:05}" for n in range(10_000)]
    assert len(service.get("/batchEndpoints").json()["value"]) == 200
    unknown = service.get("/batchEndpoints/none")
    assert unknown.status_code == 404 and len(unknown.text) < 3000
    assert service.context.state.resources.get(Key("endpoints", "e09999")) is not None


SIGNED = "https://other.blob.core.windows.net/c/m?sv=1&sig=c2VjcmV0"


@pytest.mark.parametrize(
    ("method", "path", "properties"),
    [
        ("PUT", "/models/m/versions/1", {"modelUri": "nowhere?sig=c2VjcmV0"}),
        ("PUT", "/batchEndpoints/heart", {"defaults": {"deploymentName": SIGNED}}),
        ("PUT", "/batchEndpoints/heart/deployments/red", {"model": {"assetId": SIGNED}}),
        ("POST", "/batchEndpoints/heart/jobs", {"inputData": {"x": {"uri": "azureml:x?sig=c2VjcmV0"}}}),
        ("POST", "/batchEndpoints/heart/jobs", {"inputData": {"x": {"jobInputType": "MLTable", "uri": SIGNED}}}),
        ("POST", "/batchEndpoints/heart/jobs", {"inputData": FOLDER, "compute": {"target": SIGNED}}),
        ("POST", "/batchEndpoints/heart/jobs", {"inputData": FOLDER, "outputDataset": {"datastoreId": SIGNED}}),
    ],
)
def test_no_error_repeats_a_signature(service: Service, method: str, path: str, properties: object) -> None:
    service.with_deployment()

    answer = service.http.request(method, service.url(path), json={"properties": properties})

    assert answer.status_code in (400, 404)
    assert "c2VjcmV0" not in answer.text
