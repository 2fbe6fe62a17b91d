"""Clients we did not write against both blob endpoints: azure-storage-blob async, adlfs, obstore, pyarrow.

The JavaScript client is in ``test_blob_javascript``, azure-storage-blob itself in ``test_blob_store``.
"""

from __future__ import annotations

import asyncio
import os
import uuid
from collections.abc import Iterator
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import adlfs  # type: ignore[import-untyped]
import obstore
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from azure.core.exceptions import ResourceNotFoundError
from azure.storage.blob import ContainerClient, generate_container_sas
from azure.storage.blob.aio import BlobServiceClient as AsyncBlobServiceClient
from obstore.store import AzureStore
from pyarrow import fs

from tests.local.blob_fixtures import Endpoint, azurite, container, embedded, endpoint
from tests.local.blob_server import ACCOUNT, KEY

__all__ = ["azurite", "container", "embedded", "endpoint"]

# aiohttp minds large bodies as bytes; these clients send them so
LARGE_BODIES = pytest.mark.filterwarnings("ignore:Sending a large body:ResourceWarning")
NAMES = ["a/b/c.csv", "a/empty", "a/ü %#+ x.bin"]


@pytest.fixture
def files(endpoint: Endpoint, container: ContainerClient) -> Iterator[tuple[Any, str]]:
    files = adlfs.AzureBlobFileSystem(connection_string=endpoint.connection_string, skip_instance_cache=True)
    yield files, container.container_name


@LARGE_BODIES
def test_the_async_client_does_what_the_other_does(endpoint: Endpoint) -> None:
    async def walk() -> None:
        name = f"c-{uuid.uuid4().hex}"
        data = os.urandom(3_000_000)
        async with AsyncBlobServiceClient.from_connection_string(
            endpoint.connection_string, retry_total=0, max_single_put_size=1 << 20, max_block_size=1 << 20
        ) as service:
            container = await service.create_container(name)
            await container.upload_blob("large", data, max_concurrency=3, metadata={"Kind": "x"}, tags={"a": "1"})
            await asyncio.gather(*(container.upload_blob(f"many/{n:02d}", b"x") for n in range(40)))

            download = await container.download_blob("large", max_concurrency=3)
            assert await download.readall() == data
            assert [blob.name async for blob in container.list_blobs("many/")] == [f"many/{n:02d}" for n in range(40)]
            assert {entry.name async for entry in container.walk_blobs()} == {"large", "many/"}
            async with container.get_blob_client("large") as blob:
                lease = await blob.acquire_lease(15)
                found = await blob.get_blob_properties()
                assert (found.lease.state, found.tag_count, found.metadata) == ("leased", 1, {"Kind": "x"})
                await lease.release()
                await blob.delete_blob()
                with pytest.raises(ResourceNotFoundError):
                    await blob.get_blob_properties()
            await container.delete_container()

    asyncio.run(walk())


def test_adlfs_finds_its_way(files: tuple[Any, str], tmp_path: Path) -> None:
    store, name = files
    for path in NAMES:
        store.pipe(f"{name}/{path}", path.encode() if path != "a/empty" else b"")
    (tmp_path / "up" / "in").mkdir(parents=True)
    (tmp_path / "up" / "in" / "1.txt").write_text("1", encoding="utf-8")
    (tmp_path / "up" / "2.txt").write_text("22", encoding="utf-8")

    store.put(str(tmp_path / "up"), f"{name}/put", recursive=True)

    assert store.ls(name, detail=False) == [f"{name}/a", f"{name}/put"]
    assert store.find(name) == [*(f"{name}/{path}" for path in NAMES), f"{name}/put/2.txt", f"{name}/put/in/1.txt"]
    assert store.glob(f"{name}/**/*.txt") == [f"{name}/put/2.txt", f"{name}/put/in/1.txt"]
    assert [entry[0].removeprefix(name) for entry in store.walk(name)] == ["", "/a", "/a/b", "/put", "/put/in"]
    assert (store.isdir(f"{name}/a"), store.isfile(f"{name}/a"), store.isdir(f"{name}/a/empty")) == (True, False, False)
    assert (store.exists(f"{name}/none"), store.isdir(f"{name}/none"), store.info(f"{name}/a/b/c.csv")["size"]) == (
        False,
        False,
        9,
    )
    assert store.du(name) == sum(len(path.encode()) for path in NAMES if path != "a/empty") + 3
    store.get(f"{name}/put", str(tmp_path / "down"), recursive=True)
    assert sorted(file.name for file in (tmp_path / "down").rglob("*.txt")) == ["1.txt", "2.txt"]


@LARGE_BODIES
def test_adlfs_changes_what_is_there(files: tuple[Any, str]) -> None:
    store, name = files
    store.pipe(f"{name}/a/one", b"0123456789")

    store.mv(f"{name}/a/one", f"{name}/a/two")
    store.cp_file(f"{name}/a/two", f"{name}/a/three")
    for part in (b"one", b"two"):
        with store.open(f"{name}/log", "ab") as file:
            file.write(part)
    store.setxattrs(f"{name}/a/two", Key="v")
    with store.open(f"{name}/large", "wb") as file:
        file.write(b"x" * 6_000_000)

    assert store.cat_file(f"{name}/a/three", 2, 5) == b"234"
    assert store.cat(f"{name}/log") == b"onetwo"
    assert store.getxattr(f"{name}/a/two", "Key") == "v"
    with store.open(f"{name}/large", "rb") as file:
        file.seek(5_999_990)
        assert len(file.read()) == 10
    store.rm(f"{name}/a", recursive=True)
    assert store.find(name) == [f"{name}/large", f"{name}/log"]


def test_folders_that_a_marker_makes_are_folders_for_adlfs(files: tuple[Any, str], container: ContainerClient) -> None:
    store, name = files
    container.upload_blob("marked", b"", metadata={"hdi_isfolder": "true"})
    container.upload_blob("marked/file", b"x")
    container.upload_blob("slash/", b"")

    assert store.isdir(f"{name}/marked")
    assert store.ls(f"{name}/marked", detail=False) == [f"{name}/marked/file"]
    assert store.isdir(f"{name}/slash")


def test_pandas_reads_and_writes_by_address(endpoint: Endpoint, container: ContainerClient) -> None:
    options = {"connection_string": endpoint.connection_string}
    table = pd.DataFrame({"x": [1, 2], "y": ["a", "b"]})
    address = f"abfs://{container.container_name}/folder/table"

    table.to_csv(f"{address}.csv", index=False, storage_options=options)
    table.to_parquet(f"{address}.parquet", storage_options=options)

    assert pd.read_csv(f"{address}.csv", storage_options=options).equals(table)
    assert pd.read_parquet(f"{address}.parquet", storage_options=options).equals(table)


@pytest.mark.parametrize("way", ["key", "signature"])
def test_obstore_reads_lists_and_changes(endpoint: Endpoint, container: ContainerClient, way: str) -> None:
    expiry = datetime.now(timezone.utc) + timedelta(hours=1)
    sas = generate_container_sas(ACCOUNT, container.container_name, KEY, permission="racwdl", expiry=expiry)
    access = {"account_key": KEY} if way == "key" else {"sas_key": sas}
    store = AzureStore(
        container.container_name,
        account_name=ACCOUNT,
        endpoint=endpoint.url,
        client_options={"allow_http": True},
        **access,  # type: ignore[arg-type]  # one of two of its options
    )
    data = os.urandom(12_000_000)

    obstore.put(store, "large", data, chunk_size=5 << 20, max_concurrency=3)
    obstore.put(store, "folder/ü %.txt", b"small", attributes={"Content-Type": "text/plain"})
    with pytest.raises(obstore.exceptions.AlreadyExistsError):
        obstore.put(store, "folder/ü %.txt", b"again", mode="create")
    obstore.copy(store, "folder/ü %.txt", "folder/copy")
    obstore.rename(store, "folder/copy", "renamed")

    assert bytes(obstore.get(store, "large").bytes()) == data
    assert bytes(obstore.get_range(store, "large", start=5, length=10)) == data[5:15]
    assert [bytes(part) for part in obstore.get_ranges(store, "large", starts=[0, 9_000_000], lengths=[3, 4])] == [
        data[:3],
        data[9_000_000:9_000_004],
    ]
    names = [meta["path"] for page in obstore.list(store) for meta in page]
    assert sorted(names) == ["folder/ü %.txt", "large", "renamed"]
    assert obstore.list_with_delimiter(store)["common_prefixes"] == ["folder"]
    assert obstore.head(store, "renamed")["size"] == 5
    obstore.delete(store, ["large", "renamed"])
    with pytest.raises(FileNotFoundError):
        obstore.get(store, "large")


def test_pyarrow_keeps_tables_there(endpoint: Endpoint, container: ContainerClient) -> None:
    host = urlsplit(endpoint.url).netloc
    store = fs.AzureFileSystem(
        account_name=ACCOUNT,
        account_key=KEY,
        blob_storage_authority=host,
        dfs_storage_authority=host,
        blob_storage_scheme="http",
        dfs_storage_scheme="http",
    )
    name = container.container_name

    store.create_dir(f"{name}/dir/sub")
    pq.write_table(pa.table({"a": list(range(1000))}), f"{name}/dir/t.parquet", filesystem=store)
    store.copy_file(f"{name}/dir/t.parquet", f"{name}/dir/u.parquet")
    store.delete_file(f"{name}/dir/t.parquet")

    assert pq.read_table(f"{name}/dir/u.parquet", filesystem=store).num_rows == 1000
    found = store.get_file_info(fs.FileSelector(name, recursive=True))
    assert {info.path.removeprefix(name): info.type.name for info in found} == {
        "/dir": "Directory",
        "/dir/sub": "Directory",
        "/dir/u.parquet": "File",
    }
    store.delete_dir(f"{name}/dir")
    assert store.get_file_info(f"{name}/dir").type.name == "NotFound"
