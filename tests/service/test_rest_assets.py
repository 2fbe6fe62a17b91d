"""Models, environments, data and code: what is rewritten, what may not change, latest and next versions, uploads."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.service.in_process import BASE, PLACE, Service, error, said

LONG = "azureml://subscriptions/00000000-0000-0000-0000-000000000000/{}/local/workspaces/local/datastores/workspaceblobstore/paths/"
MODEL = {"properties": {"modelUri": PLACE + "LocalUpload/m/model"}}


def test_a_model_comes_back_with_its_long_uri_and_flavors(service: Service) -> None:
    sent = LONG.format("resourcegroups") + "LocalUpload/m/model"
    answer = service.put("/models/digits/versions/1?api-version=2022-05-01", {"properties": {"modelUri": sent}})
    body = answer.json()

    assert answer.status_code == 201
    assert answer.headers["location"] == f"{BASE}{service.workspace}/models/digits/versions/1?api-version=2022-05-01"
    assert body["name"] == "1"
    assert body["type"] == "Microsoft.MachineLearningServices/workspaces/models/versions"
    assert body["properties"]["modelUri"] == LONG.format("resourceGroups") + "LocalUpload/m/model"
    assert body["properties"]["flavors"] == {}
    assert body["properties"]["modelType"] == "custom_model"
    assert body["systemData"]["createdByType"] == "User"


@pytest.mark.parametrize(
    ("sent", "kept"), [("MLFlow", "mlflow_model"), ("Custom", "custom_model"), ("triton_model", "triton_model")]
)
def test_the_words_of_2021_for_a_model_type_are_understood(service: Service, sent: str, kept: str) -> None:
    body = {"properties": {"modelFormat": sent, "modelUri": PLACE + "m"}}

    assert service.put("/models/digits/versions/1", body).json()["properties"]["modelType"] == kept


def test_a_version_put_again_is_the_same_and_keeps_its_time_of_creation(service: Service) -> None:
    first = service.put("/models/digits/versions/1", MODEL).json()
    again = service.put("/models/digits/versions/1", {"properties": {**MODEL["properties"], "tags": {"a": "b"}}})

    assert again.status_code == 200
    assert again.json()["properties"]["tags"] == {"a": "b"}
    assert again.json()["systemData"]["createdAt"] == first["systemData"]["createdAt"]


@pytest.mark.parametrize(
    ("kind", "name", "field"), [("models", "m", "modelUri"), ("data", "d", "dataUri"), ("codes", "c", "codeUri")]
)
def test_what_a_version_points_at_cannot_be_changed(service: Service, kind: str, name: str, field: str) -> None:
    path = f"/{kind}/{name}/versions/1"
    service.put(path, {"properties": {field: PLACE + "one"}})

    answer = service.put(path, {"properties": {field: PLACE + "two"}})

    assert answer.status_code == 409
    assert error(answer)["message"] == "Asset paths cannot be updated."
    assert f"'{name}' has a version '1' already" in said(answer)
    assert "one" in service.get(path).json()["properties"][field]


@pytest.mark.parametrize(
    ("path", "properties", "words"),
    [
        ("/models/m/versions/1", {}, "'modelUri' of the request must not be empty"),
        ("/models/m/versions/1", {"modelUri": "./model"}, "no place in storage"),
        ("/models/m/versions/1", {"modelUri": PLACE + "m", "modelType": "onnx"}, "modelType 'onnx' is not known"),
        ("/data/d/versions/1", {"dataUri": PLACE + "d", "dataType": "table"}, "dataType 'table' is not known"),
        ("/environments/e/versions/1", {"condaFile": "a: [1"}, "not valid YAML"),
        ("/environments/e/versions/1", {"condaFile": "- pip"}, "not a conda file"),
        ("/models/-m/versions/1", {"modelUri": PLACE + "m"}, "'-m' cannot be the name"),
        ("/models/m/versions/a%20b", {"modelUri": PLACE + "m"}, "'a b' cannot be the name"),
    ],
)
def test_what_is_no_asset_is_a_bad_request(service: Service, path: str, properties: dict[str, Any], words: str) -> None:
    answer = service.put(path, {"properties": properties})

    assert answer.status_code == 400
    assert words in said(answer)


def test_an_unknown_datastore_is_named_with_those_that_exist(service: Service) -> None:
    answer = service.put("/models/m/versions/1", {"properties": {"modelUri": "azureml://datastores/mine/paths/m"}})

    assert answer.status_code == 404
    assert "Could not find datastore: mine." in said(answer) and "'workspaceblobstore'" in said(answer)


def test_a_conda_file_comes_back_as_pretty_json_and_an_environment_is_always_created(service: Service) -> None:
    body = {
        "properties": {"image": "mcr/x:1", "condaFile": "name: e\ndependencies:\n- python=3.8\n- pip:\n  - numpy\n"}
    }
    first, again = (service.put("/environments/env/versions/foo", body) for _ in range(2))

    assert (first.status_code, again.status_code) == (201, 201)
    assert again.json()["systemData"]["createdAt"] == first.json()["systemData"]["createdAt"]
    conda = first.json()["properties"]["condaFile"]
    assert conda == json.dumps({"name": "e", "dependencies": ["python=3.8", {"pip": ["numpy"]}]}, indent=2)
    assert first.json()["properties"]["osType"] == "Linux"


def test_a_folder_of_data_comes_back_long_and_with_a_slash(service: Service) -> None:
    folder = service.put("/data/d/versions/1", {"properties": {"dataUri": PLACE + "a/b"}}).json()["properties"]
    file = service.put("/data/f/versions/1", {"properties": {"dataType": "UriFile", "dataUri": PLACE + "a/b.csv"}})

    assert folder["dataUri"] == LONG.format("resourcegroups") + "a/b/"
    assert folder["dataType"] == "uri_folder"
    assert file.json()["properties"]["dataUri"] == LONG.format("resourcegroups") + "a/b.csv"
    assert file.json()["properties"]["dataType"] == "uri_file"


def test_data_sets_of_2021_are_data(service: Service) -> None:
    url = "https://pipelinedata.blob.core.windows.net/sampledata/mnist"
    made = service.put("/datasets/mnist/versions/1", {"properties": {"paths": [{"folder": url}]}})
    read = service.get("/data/mnist/versions/1").json()

    assert made.status_code == 201
    assert made.json()["id"] == f"{service.workspace}/datasets/mnist/versions/1"
    assert made.json()["properties"]["paths"] == [{"folder": url}]
    assert read["properties"]["dataUri"] == url and read["properties"]["dataType"] == "uri_folder"


def test_each_api_version_shows_an_asset_in_its_own_words(service: Service) -> None:
    first, later = "?api-version=2021-10-01", "?api-version=2022-05-01"
    for name, kind in (("c", "custom_model"), ("f", "mlflow_model"), ("t", "triton_model")):
        service.put(f"/models/{name}/versions/1", {"properties": {"modelUri": PLACE + "m", "modelType": kind}})
    service.put("/data/d/versions/1", {"properties": {"dataUri": PLACE + "a", "dataType": "uri_file"}})
    service.put("/codes/c/versions/1", {"properties": {"codeUri": PLACE + "c"}})

    def properties(path: str) -> dict[str, Any]:
        found: dict[str, Any] = service.get(path).json()["properties"]
        return found

    models = [properties(f"/models/{name}/versions/1{first}") for name in "cft"]
    assert [one["modelFormat"] for one in models] == ["Custom", "MLFlow", "Triton"]
    assert not any("modelType" in one for one in models)
    assert "modelFormat" not in properties(f"/models/c/versions/1{later}")
    data = properties(f"/datasets/d/versions/1{first}")
    assert data["paths"] == [{"file": LONG.format("resourcegroups") + "a"}]
    assert not {"dataUri", "dataType"} & set(data)
    assert properties(f"/data/d/versions/1{first}")["dataType"] == "uri_file"
    assert [
        "provisioningState" in properties(f"/codes/c/versions/1?api-version={one}")
        for one in ("2022-05-01", "2023-02-01-preview", "2023-04-01", "2024-01-01-preview")
    ] == [False, False, True, True]


def test_data_says_nothing_of_who_changed_it_and_its_container_is_null_where_nothing_was_said(
    service: Service,
) -> None:
    made = service.put("/data/d/versions/1", {"properties": {"dataUri": PLACE + "a", "tags": {"a": "b"}}}).json()

    unsaid = service.get("/data/d").json()["properties"]
    service.put("/data/d", {"properties": {"tags": {"c": "d"}, "dataType": "uri_folder"}})

    assert set(made["systemData"]) == {"createdAt", "createdBy", "createdByType", "lastModifiedAt"}
    assert [unsaid[name] for name in ("description", "tags", "properties")] == [None, None, None]
    assert service.get("/data/d").json()["properties"]["tags"] == {"c": "d"}


def test_the_container_knows_the_latest_and_the_next_version(service: Service) -> None:
    for version in ("1", "10", "foo"):
        service.put(f"/data/d/versions/{version}", {"properties": {"dataUri": PLACE + "a"}})

    found = service.get("/data/d").json()

    assert found["type"] == "Microsoft.MachineLearningServices/workspaces/data"
    assert found["properties"]["latestVersion"] == "foo"
    assert found["properties"]["nextVersion"] == "11"
    assert found["properties"]["dataType"] == "uri_folder"


def test_an_unknown_container_is_not_found_as_recorded(service: Service) -> None:
    answer = service.get("/models/none")

    assert answer.status_code == 404
    assert error(answer)["code"] == "UserError"
    assert error(answer)["details"][0]["code"] == "ModelNotFound"
    assert "Model container with name: none not found." in said(answer)
    assert service.get("/models/none/versions").json() == {"value": []}
    assert service.get("/models/none/versions/1").status_code == 404


def test_latest_is_the_version_made_last_and_links_to_the_others(service: Service) -> None:
    for version in ("2", "1", "3"):
        service.put(f"/models/m/versions/{version}", MODEL)

    first = service.get("/models/m/versions?api-version=2022-05-01&$orderBy=createdtime desc&$top=1").json()
    second = service.get(first["nextLink"]).json()

    assert [one["name"] for one in first["value"]] == ["3"]
    assert [one["name"] for one in second["value"]] == ["1"]
    assert [one["name"] for one in service.get("/models/m/versions").json()["value"]] == ["2", "1", "3"]


def test_containers_are_listed_by_name_in_pages(service: Service) -> None:
    for name in ("c", "a", "b"):
        service.put(f"/models/{name}/versions/1", MODEL)

    first = service.get("/models?$top=2").json()

    assert [one["name"] for one in first["value"]] == ["a", "b"]
    assert [one["name"] for one in service.get(first["nextLink"]).json()["value"]] == ["c"]


def test_clients_up_to_1_5_find_code_by_its_hash_in_the_data_plane(service: Service) -> None:
    url = f"/content/v2.0{service.workspace}/snapshots/getByHash?hash=bbd961ee&hashVersion=202208"
    unknown = service.http.get(url)
    body = {"codeUri": f"{BASE}/acct/c1/src", "properties": {"hash_sha256": "bbd961ee", "hash_version": "202208"}}
    service.put("/codes/one/versions/3", {"properties": body})

    assert unknown.status_code == 404
    assert error(unknown)["message"] == "Snapshot with hash bbd961ee was not found"
    assert error(unknown)["innerError"]["code"] == "NotFoundError"
    assert unknown.json()["componentName"] == "project"
    found = service.http.get(url).json()
    assert (found["name"], found["version"]) == ("one", "3")


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ({}, "'assetId' and 'temporaryDataReferenceId' of the request must be texts"),
        (
            {
                "assetId": "azureml://locations/local/workspaces/another/codes/c/versions/1",
                "temporaryDataReferenceId": "x",
            },
            "belongs to another workspace, 'another'",
        ),
    ],
)
def test_an_upload_of_old_clients_names_code_of_this_workspace(
    service: Service, body: dict[str, str], words: str
) -> None:
    answer = service.http.post("/assetstore/v1.0/temporaryDataReference/createOrGet", json=body)

    assert answer.status_code == 400
    assert words in said(answer)


def test_code_is_found_by_its_hash_whatever_name_is_asked(service: Service) -> None:
    inner = {"hash_sha256": "bbd961ee", "hash_version": 202208}
    body = {"properties": {"codeUri": f"{BASE}/acct/c1/src", "isAnonymous": True, "properties": inner}}
    made = service.put("/codes/one/versions/1", body)

    found = service.get("/codes/another/versions?hash=bbd961ee&hashVersion=202208").json()["value"]

    assert made.json()["properties"]["isAnonymous"] is False
    assert made.json()["properties"]["provisioningState"] == "Succeeded"
    assert made.json()["properties"]["properties"]["hash_version"] == "202208"
    assert [one["id"] for one in found] == [f"{service.workspace}/codes/one/versions/1"]
    assert service.get("/codes/one/versions?hash=ffff").json() == {"value": []}
    assert len(service.get("/codes/one/versions").json()["value"]) == 1


def test_a_uri_into_the_own_store_follows_the_store_to_another_port(service: Service) -> None:
    service.put("/codes/one/versions/1", {"properties": {"codeUri": "http://127.0.0.1:1111/acct/c1/src"}})
    service.put("/codes/two/versions/1", {"properties": {"codeUri": "http://127.0.0.1:1111/other/c1/src"}})

    mine, other = (service.get(f"/codes/{name}/versions/1").json()["properties"] for name in ("one", "two"))

    assert mine["codeUri"] == f"{BASE}/acct/c1/src"
    assert other["codeUri"] == "http://127.0.0.1:1111/other/c1/src"


def test_an_image_that_looks_like_json_is_text(service: Service) -> None:
    for image, status in (("{image}", 201), ("{image}", 201), ("{other}", 409)):
        answer = service.put("/environments/env/versions/1", {"properties": {"image": image}})
        assert answer.status_code == status


def test_a_curated_environment_has_one_version_that_is_its_newest(service: Service) -> None:
    place = "/environments/AzureML-pytorch-1.10/versions"
    (found,) = service.get(place).json()["value"]

    assert (found["name"], found["properties"]["environmentType"]) == ("latest", "Curated")
    assert found["id"] == f"{service.workspace}{place}/latest"
    service.put(f"{place}/3", {"properties": {"image": "mine"}})
    assert [one["name"] for one in service.get(place).json()["value"]] == ["3"]
    assert service.get("/environments/other/versions").json()["value"] == []
