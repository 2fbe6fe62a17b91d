"""Datastores through the official client, also those that a user attaches."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest
from azure.ai.ml import Input, MLClient, Output
from azure.ai.ml.entities import (
    AccountKeyConfiguration,
    AzureBlobDatastore,
    AzureDataLakeGen2Datastore,
    AzureFileDatastore,
    Data,
    SasTokenConfiguration,
)
from azure.core.exceptions import HttpResponseError, ResourceNotFoundError
from azure.storage.blob import BlobServiceClient, generate_container_sas

from azure_batch_endpoints import LocalServiceInfo
from tests.official.driving import Files, ended


@pytest.fixture(scope="module")
def account(service: LocalServiceInfo) -> dict[str, str]:
    """Name and key of the store's account."""
    return dict(pair.split("=", 1) for pair in service.connection_string.strip(";").split(";"))


@pytest.fixture(scope="module")
def container(service: LocalServiceInfo) -> Callable[[str], Any]:
    """Makes a container of the user's own."""
    blobs = BlobServiceClient.from_connection_string(service.connection_string)
    return blobs.create_container


def attached(ml: MLClient, account: dict[str, str], name: str, container: str, **changed: Any) -> AzureBlobDatastore:
    options = {"credentials": AccountKeyConfiguration(account_key=account["AccountKey"]), **changed}
    return ml.datastores.create_or_update(
        AzureBlobDatastore(name=name, account_name=account["AccountName"], container_name=container, **options)
    )


def test_the_default_datastore_comes_with_its_key_only_on_demand(ml: MLClient, account: dict[str, str]) -> None:
    plain, opened = ml.datastores.get_default(), ml.datastores.get_default(include_secrets=True)

    assert (plain.name, plain.account_name) == ("workspaceblobstore", account["AccountName"])
    assert plain.credentials.account_key is None
    assert opened.credentials.account_key == account["AccountKey"]
    assert {"workspaceblobstore", "workspaceartifactstore"} <= {one.name for one in ml.datastores.list()}


def test_an_attached_datastore_is_found_changed_and_forgotten(ml: MLClient, account: dict[str, str]) -> None:
    made = attached(ml, account, "Attached_1", "anything", description="d", tags={"a": "1"})
    changed = ml.datastores.get("attached_1")
    changed.description = "e"
    changed.credentials = AccountKeyConfiguration(account_key=account["AccountKey"])
    ml.datastores.create_or_update(changed)

    found = ml.datastores.get("ATTACHED_1", include_secrets=True)
    assert (made.name, found.name, found.container_name) == ("Attached_1", "Attached_1", "anything")
    assert (found.description, found.tags, made.credentials.account_key) == ("e", {"a": "1"}, None)
    assert found.credentials.account_key == account["AccountKey"]
    assert "Attached_1" in [one.name for one in ml.datastores.list()]
    assert ml.datastores.get_default().name == "workspaceblobstore"

    ml.datastores.delete("attached_1")

    with pytest.raises(ResourceNotFoundError, match="Could not find datastore: attached_1"):
        ml.datastores.get("attached_1")
    ml.datastores.delete("attached_1")


def test_a_signature_opens_a_datastore_too(
    ml: MLClient, account: dict[str, str], container: Callable[[str], Any], files: Files
) -> None:
    container("signed")
    sas = generate_container_sas(
        account["AccountName"],
        "signed",
        account_key=account["AccountKey"],
        permission="rwdlac",
        expiry=datetime.now(timezone.utc) + timedelta(hours=1),
    )
    attached(ml, account, "signed", "signed", credentials=SasTokenConfiguration(sas_token=sas))

    data = ml.data.create_or_update(
        Data(name="in-signed", version="1", path=str(files.inputs), type="uri_folder", datastore="signed")
    )

    assert "/datastores/signed/paths/LocalUpload/" in data.path
    assert ml.datastores.get("signed", include_secrets=True).credentials.sas_token == sas


def test_jobs_read_from_and_write_to_an_attached_datastore(
    ml: MLClient, endpoint: str, account: dict[str, str], container: Callable[[str], Any], tmp_path: Path
) -> None:
    mine = container("mine")
    mine.upload_blob("in/deep/a.txt", b"a")
    attached(ml, account, "mine", "mine")

    job = ml.batch_endpoints.invoke(
        endpoint,
        input=Input(type="uri_folder", path="azureml://datastores/mine/paths/in/"),
        outputs={"score": Output(type="uri_file", path="azureml://datastores/mine/paths/out/scored.csv")},
    )

    assert ended(ml, job).status == "Completed"
    assert mine.download_blob("out/scored.csv").readall() == b"a.txt w1 red 1\n"


def test_a_datastore_without_credentials_has_no_secrets_to_list(ml: MLClient) -> None:
    made = ml.datastores.create_or_update(
        AzureBlobDatastore(name="open", account_name="azureopendatastorage", container_name="citydatacontainer")
    )

    assert made.credentials.type == "None"
    assert ml.datastores.get("open", include_secrets=True).account_name == "azureopendatastorage"


def test_stores_that_hold_no_blobs_are_kept_as_they_are(ml: MLClient) -> None:
    share = AzureFileDatastore(
        name="share", account_name="acc", file_share_name="s", credentials=AccountKeyConfiguration(account_key="a2V5")
    )
    lake = AzureDataLakeGen2Datastore(name="lake", account_name="acc", filesystem="fs")

    assert ml.datastores.create_or_update(share).file_share_name == "s"
    assert ml.datastores.create_or_update(lake).filesystem == "fs"


def test_the_workspaces_own_datastores_stay(ml: MLClient, account: dict[str, str]) -> None:
    with pytest.raises(HttpResponseError, match="belongs to the workspace and cannot be deleted"):
        ml.datastores.delete("workspaceblobstore")
    with pytest.raises(HttpResponseError, match="belongs to the workspace and cannot be changed"):
        attached(ml, account, "workspaceartifactstore", "mine")


def test_a_secret_is_in_no_answer_and_no_log(ml: MLClient, service: LocalServiceInfo, account: dict[str, str]) -> None:
    attached(ml, account, "quiet", "quiet", credentials=AccountKeyConfiguration(account_key="c2VjcmV0LXNlY3JldA=="))

    shown = str([one._to_dict() for one in ml.datastores.list()]) + (service.root / "service.log").read_text()

    assert "c2VjcmV0LXNlY3JldA" not in shown
