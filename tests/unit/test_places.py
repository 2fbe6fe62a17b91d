"""Which container a place in storage means: the service's own by all its names, a user's datastore, anyone's."""

from __future__ import annotations

import contextlib
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from azure_batch_endpoints.errors import InvalidInputError
from azure_batch_endpoints.local.buckets import RemoteBucket
from azure_batch_endpoints.local.job import StoreAddress
from azure_batch_endpoints.local.places import datastore_container, own_container
from azure_batch_endpoints.local.stores import Store
from azure_batch_endpoints.local.web_file import WebFile

HERE = StoreAddress("abelocal", "http://127.0.0.1:5001/abelocal", "a2V5")
THERE = StoreAddress("mine", "https://mine.blob.core.windows.net", "a2V5")
CUSTOM = StoreAddress("mine", "https://data.example", "a2V5")


@pytest.mark.parametrize(
    ("address", "url", "container"),
    [
        (HERE, "https://abelocal.blob.core.windows.net/c", "c"),
        (HERE, "https://AbeLocal.blob.core.chinacloudapi.cn:443/c", "c"),
        (HERE, "http://abelocal.blob.127.0.0.1:5001/c", "c"),
        (HERE, "http://127.0.0.1:5001/abelocal/c", "c"),
        (HERE, "http://localhost:7/abelocal/c", "c"),
        (HERE, "http://127.0.0.1:5001/other/c", None),
        (HERE, "https://other.blob.core.windows.net/c", None),
        (HERE, "https://abelocal.example/c", None),
        (HERE, "https://xabelocal.blob.core.windows.net/c", None),
        (HERE, "https://abelocal.blob.core.windows.net/", None),
        (THERE, "https://MINE.blob.core.windows.net/c", "c"),
        (THERE, "https://mine.blob.example/c", "c"),
        (THERE, "http://127.0.0.1:5001/mine/c", None),
        (CUSTOM, "https://data.example/c", "c"),
        (CUSTOM, "https://mine.blob.core.windows.net/c", "c"),
        (CUSTOM, "https://data.example/a/c", None),
    ],
)
def test_the_own_account_is_known_by_its_name_and_by_its_address(
    address: StoreAddress, url: str, container: str | None
) -> None:
    assert own_container(address, url) == container


def record(**properties: Any) -> dict[str, Any]:
    secrets = properties.pop("secrets", None)
    kind = {"datastoreType": "AzureBlob", "accountName": "acct", "containerName": "c"}
    return {"name": "Mine", "properties": {**kind, **properties}, "secrets": secrets}


@pytest.mark.parametrize(
    ("kept", "url", "opened_by"),
    [
        (record(), "https://acct.blob.core.windows.net/c", "none"),
        (record(endpoint="127.0.0.1:10000", protocol="http"), "http://127.0.0.1:10000/acct/c", "none"),
        (
            record(
                credentials={"credentialsType": "AccountKey"}, secrets={"secretsType": "AccountKey", "key": "SECRET"}
            ),
            "https://acct.blob.core.windows.net/c",
            "account_key",
        ),
        (
            record(credentials={"credentialsType": "Sas"}, secrets={"secretsType": "Sas", "sasToken": "?sig=SECRET"}),
            "https://acct.blob.core.windows.net/c",
            "sas",
        ),
        (
            record(datastoreType="AzureDataLakeGen2", containerName=None, filesystem="f", endpoint="storage.example"),
            "https://acct.blob.storage.example/f",
            "none",
        ),
    ],
)  # fmt: skip
def test_a_users_datastore_is_a_container_and_what_opens_it(kept: dict[str, Any], url: str, opened_by: str) -> None:
    found = datastore_container(kept)
    assert found.url == url
    assert (found.credential.kind if found.credential else "none") == opened_by
    assert "SECRET" not in repr(found)


@pytest.mark.parametrize(
    ("kept", "said"),
    [
        (record(datastoreType="AzureFile", containerName=None, fileShareName="s"), "'Mine' is of type 'AzureFile'"),
        (record(credentials={"credentialsType": "ServicePrincipal"}), "opened by 'ServicePrincipal'"),
        (record(credentials={"credentialsType": "AccountKey"}), "opened by 'AccountKey'"),
    ],
)
def test_a_datastore_that_cannot_be_used_is_refused_by_its_kind(kept: dict[str, Any], said: str) -> None:
    with pytest.raises(InvalidInputError, match=said):
        datastore_container(kept)


def test_a_signature_counts_in_the_own_account_too_and_connections_are_shared() -> None:
    store = Store(THERE, {"workspaceblobstore": "blobs"})
    store.look_up({"mine": record(accountName="MINE", containerName="own")}.get)
    signed, _ = store.open("https://mine.blob.core.windows.net/c/p?sv=1&sig=SECRET")
    plain, path = store.open("wasbs://c@Mine.blob.core.windows.net/p")
    made, _ = store.open("azureml://datastores/MINE/paths/x")
    default, _ = store.open("azureml://datastores/WorkspaceBlobStore/paths/x")
    assert isinstance(signed, RemoteBucket) and isinstance(plain, RemoteBucket)
    assert signed._container.credential and signed._container.credential.kind == "sas"
    assert plain._container.credential and plain._container.credential.kind == "account_key"
    assert (plain.url, path, made.url, default.url) == tuple(
        part if "/" not in part else f"{THERE.endpoint}{part}" for part in ("/c", "p", "/own", "/blobs")
    )
    again, _ = store.open("https://mine.blob.core.windows.net/c/q")
    assert isinstance(again, RemoteBucket) and again._container is plain._container
    file, name = store.open_file("https://web.example/a%20b.csv?sig=SECRET")
    assert isinstance(file, WebFile) and name == "a b.csv"
    assert "SECRET" not in repr(store) + repr(signed) + repr(file)


def test_a_datastore_nobody_made_is_not_opened() -> None:
    with pytest.raises(InvalidInputError, match="no datastore 'none'"):
        Store(THERE, {"workspaceblobstore": "blobs"}).open("azureml://datastores/none/paths/x")


@given(st.sampled_from(["", "https://", "wasbs://c@", "azureml://", "http://127.0.0.1/"]), st.text())
def test_no_text_breaks_the_opening_of_a_place(start: str, text: str) -> None:
    store = Store(HERE, {})
    for opening in (store.open, store.open_file):
        with contextlib.suppress(InvalidInputError):
            opening(start + text)
