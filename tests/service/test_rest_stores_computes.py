"""Datastores and computes."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import httpx
import pytest

from azure_batch_endpoints.local.app import create_app
from azure_batch_endpoints.local.context import ServiceContext
from azure_batch_endpoints.local.job import StoreAddress
from tests.service.in_process import BASE, TOKEN, WORKSPACE_ID, InProcess, Service, error, said

CLUSTER = {
    "location": "eastus",
    "properties": {
        "computeType": "AmlCompute",
        "properties": {
            "osType": "Linux",
            "vmSize": "Standard_DS2_v2",
            "vmPriority": "Dedicated",
            "scaleSettings": {"maxNodeCount": "2", "minNodeCount": 0, "nodeIdleTimeBeforeScaleDown": "PT1M40S"},
        },
    },
}


def test_the_default_datastore_is_a_container_of_the_blob_store(service: Service) -> None:
    (found,) = service.get("/datastores?count=30&isDefault=true&orderByAsc=false").json()["value"]

    assert found["name"] == "workspaceblobstore"
    properties = found["properties"]
    assert properties["isDefault"] is True
    assert properties["datastoreType"] == "AzureBlob"
    assert (properties["accountName"], properties["containerName"]) == ("acct", f"azureml-blobstore-{WORKSPACE_ID}")
    assert f"{properties['protocol']}://{properties['endpoint']}" == BASE
    assert properties["credentials"] == {"credentialsType": "AccountKey"}


def test_the_key_is_only_in_the_secrets(service: Service) -> None:
    everything = service.get("/datastores").text + service.get("/datastores/workspaceartifactstore").text
    secrets = service.post("/datastores/WorkspaceBlobStore/listSecrets", {"expirableSecret": True})

    assert service.context.store.key not in everything
    assert secrets.json() == {"secretsType": "AccountKey", "key": service.context.store.key}


def test_an_unknown_datastore_is_not_found_as_recorded(service: Service) -> None:
    answer = service.get("/datastores/mine")

    assert answer.status_code == 404
    assert error(answer)["code"] == "UserError"
    assert error(answer)["message"].startswith("Could not find datastore: mine.")
    assert service.post("/datastores/mine/listSecrets").status_code == 404


def test_an_account_in_azure_is_described_as_azure_does(context: ServiceContext) -> None:
    store = StoreAddress("acct", "https://acct.blob.core.windows.net", "a2V5")
    app = create_app(replace(context, store=store))
    with httpx.Client(transport=InProcess(app), base_url=BASE, headers={"Authorization": f"Bearer {TOKEN}"}) as http:
        found = http.get(f"{context.workspace}/datastores/workspaceblobstore?api-version=2024-10-01").json()[
            "properties"
        ]

    assert (found["protocol"], found["endpoint"]) == ("https", "core.windows.net")


def test_a_cluster_is_creating_then_there_with_its_size_in_capitals(service: Service) -> None:
    made = service.put("/computes/cpu-cluster?api-version=2022-10-01-preview", CLUSTER)
    looked = service.get(made.headers["azure-asyncoperation"])
    found = service.get("/computes/CPU-cluster").json()

    assert made.status_code == 201
    assert "location" not in made.headers and "x-ms-async-operation-timeout" not in made.headers
    assert made.headers["azure-asyncoperation"].endswith("?api-version=2022-10-01-preview&service=new")
    assert made.json()["properties"]["provisioningState"] == "Creating"
    assert looked.json() == {"status": "Succeeded", "percentComplete": 100.0}
    assert found["properties"]["provisioningState"] == "Succeeded"
    inner = found["properties"]["properties"]
    assert inner["vmSize"] == "STANDARD_DS2_V2"
    assert inner["scaleSettings"] == {"minNodeCount": 0, "maxNodeCount": 2, "nodeIdleTimeBeforeScaleDown": "PT1M40S"}
    assert service.put("/computes/cpu-cluster", CLUSTER).status_code == 201


def test_this_machine_is_always_there_and_stays_as_it_is(service: Service) -> None:
    names = [one["name"] for one in service.get("/computes").json()["value"]]
    changed, deleted = service.put("/computes/local", CLUSTER), service.delete("/computes/Local")

    assert names == ["local"]
    assert service.get("/computes/local").json()["properties"]["provisioningState"] == "Succeeded"
    assert (changed.status_code, deleted.status_code) == (409, 409)
    assert "this machine" in said(changed)


def test_an_unknown_compute_is_not_found_without_any_body(service: Service) -> None:
    answer = service.get("/computes/none")

    assert (answer.status_code, answer.content) == (404, b"")
    assert answer.headers["x-ms-response-type"] == "standard"


def test_a_deleted_compute_is_gone_and_the_answer_has_no_body(service: Service) -> None:
    service.put("/computes/cpu-cluster", CLUSTER)

    answer = service.delete("/computes/cpu-cluster?underlyingResourceAction=Delete")

    assert (answer.status_code, answer.content) == (202, b"")
    assert "azure-asyncoperation" in answer.headers and "location" not in answer.headers
    assert service.get("/computes/cpu-cluster").status_code == 404
    assert service.delete("/computes/cpu-cluster").status_code == 204


def test_computes_are_listed_in_pages_with_this_machine_first(service: Service) -> None:
    for number in range(3):
        service.put(f"/computes/cluster-{number}", CLUSTER)

    first = service.get("/computes?$top=2").json()
    rest = service.get(first["nextLink"]).json()

    assert [one["name"] for one in first["value"] + rest["value"]] == ["local", "cluster-0", "cluster-1", "cluster-2"]


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"computeType": "ComputeInstance"}, "'ComputeInstance' is not supported"),
        ({"properties": {"scaleSettings": {"minNodeCount": 3, "maxNodeCount": 1}}}, "max_instances is 1"),
        ({"properties": {"scaleSettings": {"nodeIdleTimeBeforeScaleDown": "later"}}}, "'later' is not a duration"),
        ({"properties": 5}, "properties"),
        ({"computeType": "Ray"}, "address"),
    ],
)
def test_a_compute_that_cannot_be_is_a_bad_request(service: Service, change: dict[str, Any], words: str) -> None:
    answer = service.put("/computes/cpu-cluster", {"properties": change})

    assert answer.status_code == 400
    assert words in said(answer)


def test_a_ray_cluster_is_refused_rather_than_replaced_by_this_machine(service: Service) -> None:
    body = {"properties": {"computeType": "Ray", "properties": {"address": "127.0.0.1:6379"}}}

    answer = service.put("/computes/ray-cluster", body)

    assert answer.status_code == 400
    assert "'ray-cluster' is a Ray cluster" in said(answer)
    assert service.get("/computes/ray-cluster").status_code == 404


def test_a_cluster_keeps_everything_but_passwords(service: Service) -> None:
    inner = {
        "vmSize": "Standard_DS2_v2",
        "subnet": {"id": "/subnets/a"},
        "remoteLoginPortPublicAccess": "Enabled",
        "EnableNodePublicIp": False,
        "userAccountCredentials": {"adminUserName": "me", "adminUserPassword": "hidden"},
    }
    properties = {"computeType": "AmlCompute", "disableLocalAuth": True, "properties": inner}
    service.put("/computes/cluster", {"identity": {"type": "SystemAssigned"}, "properties": properties})

    answer = service.get("/computes/cluster")
    found = answer.json()

    kept = found["properties"]["properties"]
    assert (found["identity"]["type"], found["properties"]["disableLocalAuth"]) == ("SystemAssigned", True)
    assert (kept["subnet"], kept["enableNodePublicIp"]) == ({"id": "/subnets/a"}, False)
    assert kept["userAccountCredentials"]["adminUserName"] == "me"
    assert "hidden" not in answer.text


def test_a_patch_changes_what_it_names_of_a_cluster(service: Service) -> None:
    service.put("/computes/cluster", {**CLUSTER, "tags": {"a": "1"}})

    scale = {"properties": {"properties": {"scaleSettings": {"maxNodeCount": 5}}}}
    changed = service.patch("/computes/CLUSTER", scale)

    assert changed.status_code == 200
    found = service.get("/computes/cluster").json()
    assert found["properties"]["properties"]["scaleSettings"]["maxNodeCount"] == 5
    assert found["properties"]["properties"]["vmSize"] == "STANDARD_DS2_V2"
    assert (found["tags"], found["location"]) == ({"a": "1"}, "eastus")
    assert service.patch("/computes/none", scale).status_code == 404
    assert service.patch("/computes/local", scale).status_code == 409


def test_a_cluster_has_no_nodes_and_no_switch(service: Service) -> None:
    service.put("/computes/cluster", CLUSTER)

    assert service.post("/computes/cluster/listNodes").json() == {"nodes": []}
    assert service.post("/computes/cluster/start").status_code == 400
    assert service.post("/computes/none/listNodes").status_code == 404
    assert service.delete("/computes/cluster?underlyingResourceAction=Burn").status_code == 400


def test_the_region_offers_this_machine(service: Service) -> None:
    provider = "/providers/Microsoft.MachineLearningServices"
    region = f"/subscriptions/{service.context.workspace.subscription_id}{provider}/locations/local"

    (size,) = service.http.get(f"{region}/vmSizes?api-version=2024-10-01").json()["value"]
    (usage,) = service.http.get(f"{region}/usages?api-version=2024-10-01").json()["value"]

    assert (size["name"], size["supportedComputeTypes"]) == ("LOCAL", ["AmlCompute"])
    assert (usage["limit"], usage["currentValue"]) == (2, 0)


@pytest.mark.parametrize("method", ["PUT", "PATCH"])
def test_an_identity_that_is_none_is_refused_and_the_list_stays_readable(service: Service, method: str) -> None:
    service.put("/computes/cluster", {"identity": {"type": "SystemAssigned"}, "properties": {}})

    answer = service.http.request(method, service.url("/computes/cluster"), json={"identity": 5, "properties": {}})

    assert answer.status_code == 400 and "'identity'" in said(answer)
    assert [one["name"] for one in service.get("/computes").json()["value"]] == ["local", "cluster"]
