"""Datastores that users attach: bodies, secrets, lists, names."""

from __future__ import annotations

from typing import Any

import pytest

from azure_batch_endpoints.local.resources import Key
from tests.service.in_process import PLACE, Service, error, said

KEY = "c2VjcmV0LW9mLXRoaXMtdGVzdA=="


def blob(**changed: Any) -> dict[str, Any]:
    own = {
        "datastoreType": "AzureBlob",
        "accountName": "other",
        "containerName": "box",
        "credentials": {"credentialsType": "AccountKey", "secrets": {"secretsType": "AccountKey", "key": KEY}},
    }
    return {"properties": {**own, **changed}}


def test_an_attached_datastore_is_made_then_changed(service: Service) -> None:
    first = service.put("/datastores/Mine?api-version=2022-10-01&skipValidation=true", blob(tags={"a": "b"}))
    second = service.put("/datastores/mine?api-version=2022-10-01&skipValidation=true", blob(description="d"))

    assert (first.status_code, second.status_code) == (201, 200)
    assert first.headers["location"].endswith("/datastores/Mine?api-version=2022-10-01&skipValidation=true")
    body = first.json()
    assert body["id"] == f"{service.workspace}/datastores/Mine"
    assert body["properties"] == {
        "description": None,
        "tags": {"a": "b"},
        "properties": {},
        "isDefault": False,
        "credentials": {"credentialsType": "AccountKey"},
        "datastoreType": "AzureBlob",
        "accountName": "other",
        "containerName": "box",
        "endpoint": "core.windows.net",
        "protocol": "https",
        "serviceDataAccessAuthIdentity": "None",
    }
    assert second.json()["name"] == "Mine"
    assert second.json()["systemData"]["createdAt"] == body["systemData"]["createdAt"]


def test_a_secret_is_told_by_list_secrets_alone(service: Service) -> None:
    made = service.put("/datastores/mine", blob())
    shown = made.text + service.get("/datastores").text + service.get("/datastores/mine").text

    assert KEY not in shown
    assert service.post("/datastores/MINE/listSecrets").json() == {"secretsType": "AccountKey", "key": KEY}
    assert KEY not in repr(service.context.state.resources.get(Key("datastores", "mine")))


def test_credentials_sent_back_without_secret_keep_it(service: Service) -> None:
    service.put("/datastores/mine", blob())
    found = service.get("/datastores/mine").json()
    found["properties"]["tags"] = {"new": "1"}

    assert service.put("/datastores/mine", found).status_code == 200
    assert service.post("/datastores/mine/listSecrets").json()["key"] == KEY
    sas = {"credentialsType": "sas", "secrets": {"secretsType": "Sas", "SasToken": "?sv=1&sig=2"}}
    service.put("/datastores/mine", blob(credentials=sas))
    assert service.post("/datastores/mine/listSecrets").json() == {"secretsType": "Sas", "sasToken": "sv=1&sig=2"}


@pytest.mark.parametrize(
    "properties",
    [
        {"datastoreType": "AzureFile", "accountName": "a", "fileShareName": "s"},
        {"datastoreType": "AzureDataLakeGen1", "storeName": "s"},
        {"datastoreType": "azuredatalakegen2", "accountName": "a", "filesystem": "f"},
        {"datastoreType": "OneLake", "artifact": {"artifactName": "a"}, "oneLakeWorkspaceName": "w", "endpoint": "e"},
    ],
)
def test_every_kind_of_datastore_is_kept(service: Service, properties: dict[str, Any]) -> None:
    principal = {
        "credentialsType": "ServicePrincipal",
        "tenantId": "t",
        "clientId": "c",
        "secrets": {"clientSecret": KEY},
    }

    made = service.put("/datastores/other", {"properties": {**properties, "credentials": principal}}).json()

    kept = made["properties"]
    assert {name: kept[name] for name in properties if name != "datastoreType"} == {
        name: value for name, value in properties.items() if name != "datastoreType"
    }
    assert kept["credentials"] == {"credentialsType": "ServicePrincipal", "tenantId": "t", "clientId": "c"}
    assert service.post("/datastores/other/listSecrets").json()["clientSecret"] == KEY


@pytest.mark.parametrize(
    ("body", "words"),
    [
        (blob(datastoreType="Tape"), "datastoreType 'Tape' of a datastore is not known"),
        (blob(containerName=None), "lacks 'containerName'"),
        (blob(credentials={"credentialsType": "AccountKey"}), "lack 'secrets.key'"),
        (blob(credentials={"credentialsType": "Password"}), "credentialsType 'Password'"),
        ({"properties": {}}, "datastoreType"),
    ],
)
def test_a_datastore_that_cannot_be_is_a_bad_request(service: Service, body: dict[str, Any], words: str) -> None:
    answer = service.put("/datastores/mine", body)

    assert answer.status_code == 400
    assert words in said(answer)
    assert KEY not in answer.text


def test_a_datastore_without_credentials_has_no_secrets(service: Service) -> None:
    service.put("/datastores/open", blob(credentials={"credentialsType": "None"}))

    assert service.post("/datastores/open/listSecrets").status_code == 400


def test_a_forgotten_datastore_is_not_found(service: Service) -> None:
    service.put("/datastores/mine", blob())

    first, second = service.delete("/datastores/MINE"), service.delete("/datastores/mine")

    assert (first.status_code, first.content, second.status_code) == (200, b"", 204)
    assert service.get("/datastores/mine").status_code == 404


@pytest.mark.parametrize("name", ["workspaceblobstore", "WorkspaceArtifactStore"])
def test_the_workspaces_own_datastores_are_not_changed(service: Service, name: str) -> None:
    changed, deleted = service.put(f"/datastores/{name}", blob()), service.delete(f"/datastores/{name}")

    assert (changed.status_code, deleted.status_code) == (409, 409)
    assert error(changed)["code"] == "Conflict"


@pytest.mark.parametrize("name", ["a b", "a.b", "-a", "x" * 256])
def test_a_name_that_no_datastore_may_have_is_refused(service: Service, name: str) -> None:
    assert service.put(f"/datastores/{name}", blob()).status_code == 400


def test_datastores_are_listed_in_pages_by_name_and_by_text(service: Service) -> None:
    for name in ("one", "two", "three"):
        service.put(f"/datastores/{name}", blob())

    first = service.get("/datastores?count=3").json()
    rest = service.get(first["nextLink"]).json()
    names = [one["name"] for one in first["value"] + rest["value"]]

    assert names == ["workspaceblobstore", "workspaceartifactstore", "one", "two", "three"]
    assert "nextLink" not in rest
    for query, found in (
        ("names=Two,one", ["one", "two"]),
        ("searchText=tHr", ["three"]),
        ("isDefault=false&searchText=workspace", ["workspaceartifactstore"]),
    ):
        assert [one["name"] for one in service.get(f"/datastores?{query}").json()["value"]] == found


def test_assets_and_jobs_may_name_an_attached_datastore(service: Service) -> None:
    place = {"properties": {"dataUri": "azureml://datastores/mine/paths/x/", "dataType": "uri_folder"}}
    before = service.put("/data/there/versions/1", place)
    service.put("/datastores/Mine", blob())
    after = service.put("/data/there/versions/1", place)
    body = {"any": {"jobInputType": "UriFolder", "uri": "azureml://datastores/MINE/paths/in/"}}
    job = service.with_deployment().invoke(
        inputData=body, outputData={"score": {"uri": PLACE.replace("workspaceblobstore", "mine") + "out/x.csv"}}
    )

    assert before.status_code == 404
    assert after.json()["properties"]["dataUri"].endswith("/datastores/Mine/paths/x/")
    assert job.status_code == 201
    row = service.context.state.job(job.json()["name"])
    assert row
    assert "/Mine/" in row.request.inputs[0].uri and "/Mine/" in row.request.output_uri
    assert KEY not in repr(row)
