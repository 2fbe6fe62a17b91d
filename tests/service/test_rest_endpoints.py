"""Batch endpoints: what a PUT fills in, keeps and refuses, how long-running operations end, deleting."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from urllib.parse import urlsplit

import pytest

from tests.service.in_process import Service, error, said

BODY = {
    "tags": {"team": "a"},
    "location": "eastus2",
    "properties": {"authMode": "aadToken", "description": "sample", "properties": {"p1": "v1", "p2": "v2"}},
}


def test_a_new_endpoint_is_creating_and_ready_at_the_first_look(service: Service) -> None:
    made = service.put("/batchEndpoints/heart?api-version=2022-05-01", BODY)
    looked = service.get(made.headers["azure-asyncoperation"])
    ready = service.get("/batchEndpoints/heart")

    assert made.status_code == 201
    assert made.json()["properties"]["provisioningState"] == "Creating"
    assert made.json()["properties"]["scoringUri"] is None
    assert looked.json() == {
        "id": urlsplit(made.headers["azure-asyncoperation"]).path,
        "name": urlsplit(made.headers["azure-asyncoperation"]).path.rsplit("/", 1)[1],
        "status": "Succeeded",
    }
    assert looked.json()["name"].startswith(f"bebes:{service.context.workspace_id}:")
    assert ready.json()["properties"]["provisioningState"] == "Succeeded"
    assert ready.json()["properties"]["scoringUri"] == f"{service.context.base_url}/scoring/heart/jobs"


def test_the_service_fills_in_and_recases_what_the_real_one_does(service: Service) -> None:
    made = service.put("/batchEndpoints/heart?api-version=2022-05-01", BODY)
    body = made.json()
    inner = body["properties"]["properties"]

    assert made.headers["location"] == f"{service.context.base_url}{body['id']}?api-version=2022-05-01"
    assert made.headers["x-ms-async-operation-timeout"] == "PT30M"
    assert body["id"] == f"{service.workspace}/batchEndpoints/heart"
    assert body["type"] == "Microsoft.MachineLearningServices/workspaces/batchEndpoints"
    assert body["properties"]["authMode"] == "AADToken"
    assert body["properties"]["defaults"] == {"deploymentName": None}
    assert list(inner)[:2] == ["p1", "p2"]
    assert inner["BatchEndpointCreationApiVersion"] == "2022-05-01"
    assert inner["AzureAsyncOperationUri"] == made.headers["azure-asyncoperation"]
    assert body["location"] == "eastus2" and body["identity"]["type"] == "None"
    assert set(body["systemData"]) == {"createdAt", "createdBy", "lastModifiedAt"}


def test_an_answer_can_be_sent_back_whole(service: Service) -> None:
    service.put("/batchEndpoints/heart", BODY)
    read = service.get("/batchEndpoints/heart").json()

    again = service.put("/batchEndpoints/heart", read)

    assert again.status_code == 200
    assert again.json()["properties"]["provisioningState"] == "Updating"
    kept = service.get("/batchEndpoints/heart").json()
    assert kept["properties"]["properties"].keys() == read["properties"]["properties"].keys()
    assert kept["systemData"]["createdAt"] == read["systemData"]["createdAt"]
    assert kept["systemData"]["lastModifiedAt"] > read["systemData"]["lastModifiedAt"]


@pytest.mark.parametrize("name", ["ab", "a" * 33, "1abc", "abc-", "a_bc", "a.bc", "äbc"])
def test_a_name_the_service_forbids_is_a_bad_request(service: Service, name: str) -> None:
    answer = service.put(f"/batchEndpoints/{name}", {"properties": {}})

    assert answer.status_code == 400
    assert name in said(answer)


def test_an_endpoint_is_found_in_any_case_and_keeps_the_name_it_was_given(service: Service) -> None:
    service.put("/batchEndpoints/Heart", {"properties": {}})

    assert service.get("/batchEndpoints/HEART").json()["name"] == "Heart"
    assert service.put("/batchEndpoints/heart", {"properties": {}}).json()["name"] == "Heart"
    assert len(service.get("/batchEndpoints").json()["value"]) == 1


def test_an_unknown_endpoint_is_not_found_and_the_others_are_named(service: Service) -> None:
    service.put("/batchEndpoints/heart", {"properties": {}})

    answer = service.get("/batchEndpoints/hart")

    assert answer.status_code == 404
    assert error(answer)["code"] == "NotFound"
    assert error(answer)["details"][0]["code"] == "NoSuchEndpoint"
    assert "'heart'" in said(answer)


@pytest.mark.parametrize("mode", ["Key", "AMLToken"])
def test_only_tokens_open_a_batch_endpoint(service: Service, mode: str) -> None:
    answer = service.put("/batchEndpoints/heart", {"properties": {"authMode": mode}})

    assert answer.status_code == 400
    assert mode in said(answer)


def test_patch_changes_what_it_names_and_leaves_the_rest(service: Service) -> None:
    service.put("/batchEndpoints/heart", BODY)

    answer = service.patch("/batchEndpoints/heart", {"tags": {"cost": 7}, "properties": {"description": None}})

    assert answer.status_code == 200
    assert answer.json()["tags"] == {"team": "a", "cost": "7"}
    assert answer.json()["properties"]["description"] is None
    assert answer.json()["properties"]["properties"]["p1"] == "v1"
    assert answer.json()["properties"]["provisioningState"] == "Succeeded"
    assert service.patch("/batchEndpoints/other", {}).status_code == 404


def test_a_default_deployment_must_exist(service: Service) -> None:
    service.with_deployment("blue")

    wrong = service.patch("/batchEndpoints/heart", {"properties": {"defaults": {"deploymentName": "green"}}})

    assert wrong.status_code == 400
    assert "'green'" in said(wrong) and "'blue'" in said(wrong)
    assert service.get("/batchEndpoints/heart").json()["properties"]["defaults"]["deploymentName"] == "blue"


def test_a_put_without_defaults_keeps_the_default_and_null_clears_it(service: Service) -> None:
    service.with_deployment("blue")

    kept = service.put("/batchEndpoints/heart", {"properties": {"description": "new"}})
    cleared = service.put("/batchEndpoints/heart", {"properties": {"defaults": {"deploymentName": None}}})

    assert kept.json()["properties"]["defaults"] == {"deploymentName": "blue"}
    assert cleared.json()["properties"]["defaults"] == {"deploymentName": None}


@pytest.mark.parametrize("properties", [{"defaults": None}, {"defaults": {"deploymentName": None}}])
def test_a_patch_with_null_clears_the_default_and_one_without_keeps_it(service: Service, properties: object) -> None:
    service.with_deployment("blue")

    kept = service.patch("/batchEndpoints/heart", {"properties": {"description": "new"}})
    cleared = service.patch("/batchEndpoints/heart", {"properties": properties})

    assert kept.json()["properties"]["defaults"] == {"deploymentName": "blue"}
    assert cleared.json()["properties"]["defaults"] == {"deploymentName": None}


def test_deleting_an_endpoint_takes_its_deployments_along_and_leaves_its_jobs(service: Service) -> None:
    service.with_deployment("blue")
    job = service.invoke().json()["name"]

    gone = service.delete("/batchEndpoints/heart?api-version=2023-10-01")

    assert (gone.status_code, gone.content) == (202, b"null")
    assert "/mfeOperationsStatus/" in gone.headers["azure-asyncoperation"]
    assert "/mfeOperationResults/" in gone.headers["location"]
    assert service.get(gone.headers["azure-asyncoperation"]).json()["status"] == "Succeeded"
    assert service.get(gone.headers["location"]).status_code == 200
    assert service.get("/batchEndpoints/heart").status_code == 404
    assert service.get("/batchEndpoints/heart/deployments/blue").status_code == 404
    assert service.get(f"/jobs/{job}").json()["properties"]["status"] == "Queued"
    service.put("/batchEndpoints/heart", {"properties": {}})
    assert service.get("/batchEndpoints/heart/deployments").json() == {"value": []}


def test_deleting_what_is_not_there_says_so_without_an_operation(service: Service) -> None:
    answer = service.delete("/batchEndpoints/heart")

    assert (answer.status_code, answer.content) == (204, b"")


def test_a_long_list_comes_in_pages_with_absolute_links(service: Service) -> None:
    for number in range(7):
        service.put(f"/batchEndpoints/endpoint-{number}", {"properties": {}})

    seen, url = [], "/batchEndpoints?api-version=2023-10-01&$top=3"
    while url:
        page = service.get(url).json()
        seen.append([one["name"] for one in page["value"]])
        url = page.get("nextLink", "")
        assert not url or (url.startswith("http://127.0.0.1") and "api-version=2023-10-01" in url)

    assert [len(page) for page in seen] == [3, 3, 1]
    assert [name for page in seen for name in page] == [f"endpoint-{number}" for number in range(7)]


@pytest.mark.parametrize("query", ["$skip=x", "$top=-1", "count=1e3", "$skip=" + "9" * 30])
def test_a_position_that_is_no_number_is_a_bad_request(service: Service, query: str) -> None:
    assert service.get(f"/batchEndpoints?{query}").status_code == 400


def test_many_clients_put_one_name_and_there_is_one_endpoint(service: Service) -> None:
    with ThreadPoolExecutor(8) as pool:
        answers = list(
            pool.map(
                lambda n: service.put("/batchEndpoints/heart", {"tags": {"n": str(n)}, "properties": {}}), range(24)
            )
        )

    assert sorted(one.status_code for one in answers) == [200] * 23 + [201]
    assert len(service.get("/batchEndpoints").json()["value"]) == 1


def test_an_operation_that_never_began_is_not_found(service: Service) -> None:
    service.put("/batchEndpoints/heart", {"properties": {}})
    region = "/subscriptions/x/providers/Microsoft.MachineLearningServices/locations/eastus2"

    for kind in ("mfeOperationsStatus", "mfeOperationResults", "computeOperationsStatus"):
        assert service.http.get(f"{region}/{kind}/bebes:a:b?api-version=2024-10-01").status_code == 404


def test_a_batch_endpoint_has_no_keys(service: Service) -> None:
    service.put("/batchEndpoints/heart", {"properties": {}})

    answer = service.post("/batchEndpoints/heart/listkeys")

    assert answer.status_code == 400
    assert "tokens only" in said(answer)
