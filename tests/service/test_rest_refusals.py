"""What a request may not hold: scripts and URIs that leave their folder, values of another type, bodies of nothing."""

from __future__ import annotations

from typing import Any

import pytest

from azure_batch_endpoints._wire.uris import datastore_uri
from tests.service.in_process import BASE, PLACE, Service, error, said

BLUE = "/batchEndpoints/heart/deployments/blue"
OUTSIDE = [
    "../../../x.py",
    "..",
    "a/../../x.py",
    "a/..",
    "/tmp/x.py",
    "//x.py",
    "C:/x.py",
    "c:x.py",
    "sub\\x.py",
    "..\\x.py",
    "x\x00.py",
    "x\n.py",
    "x\x7f.py",
]
UP = [
    PLACE + "../m",
    PLACE + "a/../../m",
    PLACE + "a/..",
    f"{BASE}/acct/container/%2e%2E/m",
    f"{BASE}/acct/container/a%2F..%2Fm",
    f"{BASE}/acct/../m/x",
    "wasbs://container@account.blob.core.windows.net/a/%2e%2e/m",
    "abfss://container@account.dfs.core.windows.net/../m",
    "azureml://jobs/job-1/outputs/score/paths/../m",
]


@pytest.mark.parametrize("script", OUTSIDE)
def test_a_script_outside_the_code_folder_is_refused_by_put_and_by_patch(service: Service, script: str) -> None:
    service.with_deployment()
    code = {"codeId": f"{service.workspace}/codes/score/versions/1", "scoringScript": script}

    made = service.put("/batchEndpoints/heart/deployments/green", service.deployment(codeConfiguration=code))
    changed = service.patch(BLUE, {"properties": {"codeConfiguration": {"scoringScript": script}}})

    for answer in (made, changed):
        assert (answer.status_code, error(answer)["code"]) == (400, "UserError")
        assert said(answer).startswith("The Deployment request provided has the following validation errors.")
        assert '"PropertyName": "CodeConfiguration.ScoringScript"' in said(answer)
        assert "must be a path inside the code folder" in said(answer)
    assert service.get("/batchEndpoints/heart/deployments/green").status_code == 404
    assert service.get(BLUE).json()["properties"]["codeConfiguration"]["scoringScript"] == "score.py"


@pytest.mark.parametrize("script", ["./score.py", "sub/score.py", "a..b/score..py", "ein süßes skript.py"])
def test_a_script_inside_the_code_folder_is_echoed_untouched(service: Service, script: str) -> None:
    service.with_deployment()

    answer = service.patch(BLUE, {"properties": {"codeConfiguration": {"scoringScript": script}}})

    assert answer.json()["properties"]["codeConfiguration"]["scoringScript"] == script


@pytest.mark.parametrize("uri", UP)
def test_a_uri_that_leads_up_is_refused_wherever_it_is_sent(service: Service, uri: str) -> None:
    service.with_deployment().invoke(name="job-1")
    bodies: dict[str, dict[str, Any]] = {
        "/models/up/versions/1": {"modelUri": uri},
        "/codes/up/versions/1": {"codeUri": uri},
        "/data/up/versions/1": {"dataUri": uri, "dataType": "uri_folder"},
    }
    invokes = [
        {"inputData": {"any": {"jobInputType": "UriFolder", "uri": uri}}},
        {"dataset": {"dataInputType": "DataUrl", "path": uri}},
    ]

    answers = [service.put(path, {"properties": body}) for path, body in bodies.items()]
    answers += [service.post("/scoring/heart/jobs", {"properties": body}) for body in invokes]

    assert [one.status_code for one in answers] == [400] * 5
    assert all("has '..' in its path" in said(one) for one in answers)
    assert [service.get(path).status_code for path in bodies] == [404] * 3


def test_what_only_looks_like_a_way_up_is_taken(service: Service) -> None:
    service.with_deployment()
    for path in ("a..b/..c/d...", "%2e%2e/literally"):  # azureml:// paths are not percent-decoded
        uri = datastore_uri("workspaceblobstore", path)
        assert service.put(
            f"/models/{path[0].replace('%', 'p')}/versions/1", {"properties": {"modelUri": uri}}
        ).is_success


TRUE_FOR_A_NUMBER = [
    {"miniBatchSize": True},
    {"errorThreshold": False},
    {"maxConcurrencyPerInstance": True},
    {"retrySettings": {"maxRetries": True}},
    {"resources": {"instanceCount": True}},
]


@pytest.mark.parametrize("properties", [*TRUE_FOR_A_NUMBER, {"compute": {"instanceCount": True}}])
def test_a_truth_value_is_no_number(service: Service, properties: dict[str, Any]) -> None:
    service.with_deployment()

    answers = [service.invoke(**properties)]
    if "compute" not in properties:
        answers += [
            service.put(BLUE, service.deployment(**properties)),
            service.patch(BLUE, {"properties": properties}),
        ]

    assert {one.status_code for one in answers} == {400}
    assert all("a whole number is needed, not " in said(one) for one in answers)


def test_a_truth_value_is_no_number_of_nodes(service: Service) -> None:
    answer = service.put("/computes/c", {"properties": {"properties": {"scaleSettings": {"maxNodeCount": True}}}})

    assert answer.status_code == 400
    assert "'properties.properties.scaleSettings.maxNodeCount' of the request cannot be used: a whole" in said(answer)


@pytest.mark.parametrize("timeout", [30, 1.5])
def test_a_time_limit_is_no_bare_number(service: Service, timeout: float) -> None:
    service.with_deployment()
    properties: dict[str, Any] = {"retrySettings": {"timeout": timeout}}

    for answer in (service.invoke(**properties), service.put(BLUE, service.deployment(**properties))):
        assert answer.status_code == 400
        assert 'ISO 8601 duration in quotation marks, such as "PT30S"' in said(answer)


@pytest.mark.parametrize(("value", "words"), [({"a": 1}, "is an object"), (["a"], "is a list")])
def test_tags_and_environment_variables_hold_texts_only(service: Service, value: object, words: str) -> None:
    service.with_deployment()
    answers = [
        service.put("/batchEndpoints/heart", {"tags": {"x": value}, "properties": {}}),
        service.put("/models/m/versions/1", {"properties": {"modelUri": PLACE + "m", "tags": {"x": value}}}),
        service.put(BLUE, service.deployment(environmentVariables={"x": value})),
        service.invoke(tags={"x": value}),
    ]

    assert [one.status_code for one in answers] == [400] * 4
    assert all(f"the value of 'x' {words}, and only texts can be kept there" in said(one) for one in answers)


def test_numbers_and_truth_values_are_taken_as_texts_and_null_is_left_out(service: Service) -> None:
    service.with_deployment()
    given = {"a": 1, "b": True, "c": 1.5, "d": "x", "e": None}

    answer = service.put(BLUE, {**service.deployment(environmentVariables=given), "tags": given}).json()

    texts = {"a": "1", "b": "true", "c": "1.5", "d": "x"}
    assert (answer["tags"], answer["properties"]["environmentVariables"]) == (texts, texts)


def test_properties_of_an_asset_may_hold_a_number_and_a_version_may_be_one(service: Service) -> None:
    service.with_deployment()
    code = {"codeUri": PLACE + "c", "properties": {"hash_version": 202208}}
    data = {"dataUri": PLACE + "d", "dataType": "uri_folder"}

    assert service.put("/codes/c/versions/1", {"properties": code}).is_success
    assert service.put("/data/d/versions/1", {"properties": data}).is_success
    dataset = {"dataInputType": "DatasetVersion", "datasetName": "d", "datasetVersion": 1}
    assert service.post("/scoring/heart/jobs", {"properties": {"dataset": dataset}}).status_code == 201


@pytest.mark.parametrize("body", [{}, {"tags": {"a": "b"}}, {"properties": None}])
def test_an_endpoint_without_properties_is_refused(service: Service, body: dict[str, Any]) -> None:
    answer = service.put("/batchEndpoints/heart", body)

    assert answer.status_code == 400
    assert "'properties' of the request must not be empty" in said(answer)


@pytest.mark.parametrize("properties", [{}, {"image": ""}, {"description": "none"}, {"osType": "Linux", "build": None}])
def test_a_version_of_an_environment_without_content_is_told_what_to_send(
    service: Service, properties: dict[str, Any]
) -> None:
    answer = service.put("/environments/e/versions/1", {"properties": properties})

    assert answer.status_code == 400
    assert "Send 'image'" in said(answer) and "'condaFile'" in said(answer) and "'build'" in said(answer)
    assert service.get("/environments/e").status_code == 404


@pytest.mark.parametrize(
    "properties",
    [
        {"image": "x"},
        {"condaFile": "dependencies: [pip]"},
        {"build": {"contextUri": PLACE + "b"}},
        {"docker": {"dockerSpecificationType": "Image", "dockerImageUri": "x"}},
        {"docker": {"dockerSpecificationType": "Build", "dockerfile": "FROM x"}},
    ],
)
def test_every_form_of_an_environment_and_an_empty_container_are_taken(
    service: Service, properties: dict[str, Any]
) -> None:
    assert service.put("/environments/e", {"properties": {}}).is_success
    assert service.put("/environments/e/versions/1", {"properties": properties}).is_success


@pytest.mark.parametrize("name", ["a", "1", "9_blue", "blue-", "B_l-ue", "x" * 255])
def test_a_deployment_may_have_names_that_an_endpoint_may_not(service: Service, name: str) -> None:
    service.with_deployment(name)

    assert service.get(f"/batchEndpoints/heart/deployments/{name}").json()["name"] == name
    assert service.invoke().status_code == 201
    assert service.put(f"/batchEndpoints/{name}", {"properties": {}}).status_code == 400


@pytest.mark.parametrize("name", ["-a", "_a", "a.b", "x" * 256])
def test_a_name_that_no_deployment_may_have_is_refused(service: Service, name: str) -> None:
    answer = service.with_deployment().put(f"/batchEndpoints/heart/deployments/{name}", service.deployment())

    assert (answer.status_code, error(answer)["code"]) == (400, "InvalidName")


def test_an_unknown_endpoint_is_said_in_the_documented_words(service: Service) -> None:
    service.with_deployment()

    answer = service.get("/batchEndpoints/none")

    details = error(answer)["details"][0]
    assert details["code"] == "NoSuchEndpoint"
    assert details["message"] == "There is no endpoint with name: none in local. There are: 'heart'."


@pytest.mark.parametrize(
    ("kind", "code"),
    [
        ("models", "ModelNotFound"),
        ("data", "DataNotFound"),
        ("environments", "EnvironmentNotFound"),
        ("codes", "CodeNotFound"),
    ],
)
def test_an_unknown_version_is_a_user_error_as_an_unknown_container_is(service: Service, kind: str, code: str) -> None:
    found = error(service.get(f"/{kind}/none/versions/1"))

    assert (found["code"], found["details"][0]["code"]) == ("UserError", code)


@pytest.mark.parametrize("sent", [[1], "text", 5])
def test_what_should_be_an_object_is_named_without_the_words_of_the_program(service: Service, sent: object) -> None:
    answer = service.put("/batchEndpoints/heart", {"properties": sent})

    assert answer.status_code == 400
    assert said(answer).startswith("'properties' of the request cannot be used: it should be a JSON object. ")
