"""The blob endpoint's contract, by azure-storage-blob unchanged: one suite for the embedded endpoint and for Azurite.

Where the two are known to differ, the test says so by ``endpoint.name``:

* a backslash in a blob's name: Azurite makes a slash of it;
* no authorization: 401 ``NoAuthenticationInformation`` like Azure, where Azurite says 403;
* a wrong signature: 403 ``AuthenticationFailed`` like Azure, where Azurite says ``AuthorizationFailure``;
* a wrong MD5: 400 ``Md5Mismatch`` like Azure, where Azurite has another code;
* a range that begins at the end: 416 like Azure, where Azurite answers 206 with nothing;
* refusals echo ``x-ms-version`` and the client's request id, in Azurite some do not;
* two hyphens in a row in a container's name are refused like in Azure; Azurite takes them.
"""

from __future__ import annotations

import base64
import hashlib
import os
import uuid
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta, timezone

import pytest
from azure.core import MatchConditions
from azure.core.exceptions import ResourceExistsError, ResourceModifiedError, ResourceNotFoundError
from azure.storage.blob import (
    BlobBlock,
    BlobClient,
    BlobSasPermissions,
    BlobServiceClient,
    ContainerClient,
    ContentSettings,
    StandardBlobTier,
    generate_account_sas,
    generate_blob_sas,
    generate_container_sas,
)

from tests.local.blob_fixtures import Endpoint, azurite, container, embedded, endpoint, refused
from tests.local.blob_server import ACCOUNT, KEY

__all__ = ["azurite", "container", "embedded", "endpoint"]

HOUR = timedelta(hours=1)
NAMES = [
    "plain.txt",
    "with space and  two.txt",
    "100%.txt",
    "a%20b",
    "a#b?c&d=e",
    "a+b",
    "ünï/çødé/日本語/🎉.png",
    "trailing/",
    "//double//slash",
    "quote'\"<>&;.xml",
    "..dots..",
    "name.",
    "n" * 1024,
]


def now() -> datetime:
    return datetime.now(timezone.utc)


def block_id(number: int) -> str:
    return base64.b64encode(f"{number:08d}".encode()).decode()


def container_sas(
    name: str, permission: str = "racwdl", *, start: datetime | None = None, expiry: datetime | None = None
) -> str:
    return generate_container_sas(ACCOUNT, name, KEY, permission=permission, start=start, expiry=expiry or now() + HOUR)


@pytest.fixture
def blob(container: ContainerClient) -> Iterator[BlobClient]:
    with container.get_blob_client("folder/blob.bin") as client:
        yield client


# containers and the account


def test_a_container_is_created_found_listed_and_deleted(endpoint: Endpoint) -> None:
    name = f"c-{uuid.uuid4().hex}"
    with endpoint.service() as service, service.get_container_client(name) as client:
        assert not client.exists()
        client.create_container(metadata={"purpose": "test"})

        properties = client.get_container_properties()
        listed = list(service.list_containers(name_starts_with=name, include_metadata=True))

        assert client.exists()
        assert properties.metadata == {"purpose": "test"}
        assert [(found.name, found.metadata) for found in listed] == [(name, {"purpose": "test"})]
        assert listed[0].etag == properties.etag.strip('"') or listed[0].etag == properties.etag
        client.delete_container()
        assert not client.exists()


def test_a_container_that_exists_is_not_created_again(container: ContainerClient) -> None:
    with refused(409, "ContainerAlreadyExists"):
        container.create_container()


def test_container_metadata_is_replaced(container: ContainerClient) -> None:
    container.set_container_metadata({"one": "1"})
    container.set_container_metadata({"two": "2"})

    assert container.get_container_properties().metadata == {"two": "2"}


@pytest.mark.parametrize(
    ("name", "code"),
    [
        ("Upper", "InvalidResourceName"),
        ("a--b", "InvalidResourceName"),
        ("-a-b", "InvalidResourceName"),
        ("a_b", "InvalidResourceName"),
        ("ab", "OutOfRangeInput"),
        ("a" * 64, "OutOfRangeInput"),
    ],
)
def test_a_name_no_container_can_have_is_refused(endpoint: Endpoint, name: str, code: str) -> None:
    if endpoint.name == "azurite" and name == "a--b":
        pytest.skip("Azurite takes two hyphens in a row; Azure does not")
    with endpoint.service() as service, refused(400, code):
        service.create_container(name)


def test_nothing_can_be_done_in_a_container_that_is_not_there(endpoint: Endpoint) -> None:
    with endpoint.service() as service, service.get_container_client("not-there") as client:
        with refused(404, "ContainerNotFound"):
            client.upload_blob("blob", b"data")
        with refused(404, "ContainerNotFound"):
            list(client.list_blobs())
        with refused(404, "ContainerNotFound"):
            client.delete_container()


def test_many_containers_are_listed_in_pages(endpoint: Endpoint) -> None:
    prefix = f"p-{uuid.uuid4().hex[:8]}"
    with endpoint.service() as service:
        names = [f"{prefix}-{number}" for number in range(5)]
        for name in names:
            service.create_container(name)

        pages = [list(page) for page in service.list_containers(prefix, results_per_page=2).by_page()]

        assert [len(page) for page in pages] == [2, 2, 1]
        assert [found.name for page in pages for found in page] == names
        for name in names:
            service.delete_container(name)


def test_the_account_says_what_it_is(endpoint: Endpoint) -> None:
    with endpoint.service() as service:
        assert service.get_account_information()["account_kind"] == "StorageV2"
        assert "analytics_logging" in service.get_service_properties()


# blobs


@pytest.mark.parametrize("size", [0, 1, 1024, 65_536, 65_537, 3_000_000])
def test_a_blob_comes_back_as_it_was_stored(container: ContainerClient, size: int) -> None:
    data = os.urandom(size)
    container.upload_blob("folder/blob.bin", data, content_settings=ContentSettings("image/png"), metadata={"a": "1"})

    with container.get_blob_client("folder/blob.bin") as blob:
        properties = blob.get_blob_properties()
        assert blob.download_blob().readall() == data
    assert (properties.size, properties.blob_type, properties.metadata) == (size, "BlockBlob", {"a": "1"})
    assert properties.content_settings.content_type == "image/png"
    assert bytes(properties.content_settings.content_md5 or b"") == hashlib.md5(data).digest()
    assert properties.etag.startswith('"0x') and properties.etag.endswith('"')
    assert abs((now() - properties.last_modified).total_seconds()) < 60
    assert abs((now() - properties.creation_time).total_seconds()) < 60


@pytest.mark.parametrize("name", NAMES)
def test_any_name_can_be_stored_listed_read_and_deleted(container: ContainerClient, name: str) -> None:
    container.upload_blob(name, name.encode())

    assert [found.name for found in container.list_blobs()] == [name]
    assert container.download_blob(name).readall() == name.encode()
    container.delete_blob(name)
    assert list(container.list_blobs()) == []


def test_a_blob_is_overwritten_as_a_whole(blob: BlobClient) -> None:
    blob.upload_blob(b"first, and long", metadata={"a": "1"}, content_settings=ContentSettings("text/plain"))
    first = blob.get_blob_properties()

    blob.upload_blob(b"second", overwrite=True)

    second = blob.get_blob_properties()
    assert blob.download_blob().readall() == b"second"
    assert second.metadata == {}
    assert second.content_settings.content_type == "application/octet-stream"
    assert second.etag != first.etag


def test_a_missing_blob_is_said_to_be_missing(blob: BlobClient) -> None:
    assert not blob.exists()
    with refused(404, "BlobNotFound"):
        blob.get_blob_properties()
    with refused(404, "BlobNotFound"):
        blob.download_blob()
    with refused(404, "BlobNotFound"):
        blob.set_blob_metadata({"a": "1"})
    with refused(404, "BlobNotFound"):
        blob.delete_blob()


def test_metadata_is_replaced_and_the_content_stays(blob: BlobClient) -> None:
    blob.upload_blob(b"data", metadata={"old": "1"})
    before = blob.get_blob_properties()

    blob.set_blob_metadata({"name": "n", "version": "1", "upload_status": "completed", "ab": "2", "a_b": "3"})

    after = blob.get_blob_properties()
    assert after.metadata == {"name": "n", "version": "1", "upload_status": "completed", "ab": "2", "a_b": "3"}
    assert after.etag != before.etag
    assert blob.download_blob().readall() == b"data"


def test_http_headers_are_kept_and_replaced(blob: BlobClient) -> None:
    blob.upload_blob(
        b"data",
        content_settings=ContentSettings("text/csv", "gzip", "de", "attachment", "no-cache"),
        standard_blob_tier=StandardBlobTier.HOT,
    )
    first = blob.get_blob_properties().content_settings

    blob.set_http_headers(ContentSettings("text/html"))

    second = blob.get_blob_properties().content_settings
    assert (first.content_type, first.content_encoding, first.content_language) == ("text/csv", "gzip", "de")
    assert (first.content_disposition, first.cache_control) == ("attachment", "no-cache")
    assert (second.content_type, second.content_encoding, second.cache_control) == ("text/html", None, None)


def test_ranges_are_served(blob: BlobClient) -> None:
    data = os.urandom(100_000)
    blob.upload_blob(data)

    assert blob.download_blob(10, 20).readall() == data[10:30]
    assert blob.download_blob(99_990, 100).readall() == data[99_990:]
    assert blob.download_blob(50_000).readall() == data[50_000:]
    assert blob.download_blob(5, 1000, validate_content=True).readall() == data[5:1005]


def test_a_large_blob_is_downloaded_in_pieces_at_once(endpoint: Endpoint, container: ContainerClient) -> None:
    data = os.urandom(6_000_000)
    container.upload_blob("large", data)
    with endpoint.service(max_single_get_size=1 << 20, max_chunk_get_size=1 << 20) as service:
        client = service.get_blob_client(container.container_name, "large")

        assert client.download_blob(max_concurrency=4).readall() == data


def test_the_headers_of_a_ranged_read_are_those_of_the_service(endpoint: Endpoint, container: ContainerClient) -> None:
    container.upload_blob("blob", b"0123456789")
    url = f"{endpoint.url}/{container.container_name}/blob?{container_sas(container.container_name)}"

    whole = endpoint.request("GET", url)
    part = endpoint.request("GET", url, headers={"x-ms-range": "bytes=2-4", "Range": "bytes=0-0"})
    rest = endpoint.request("GET", url, headers={"Range": "bytes=7-"})
    beyond = endpoint.request("GET", url, headers={"Range": "bytes=10-"})

    assert (whole.status, whole.body, whole.headers["accept-ranges"]) == (200, b"0123456789", "bytes")
    assert (part.status, part.body, part.headers["content-range"]) == (206, b"234", "bytes 2-4/10")
    assert (rest.status, rest.body, rest.headers["content-range"]) == (206, b"789", "bytes 7-9/10")
    assert part.headers["x-ms-blob-content-md5"] == whole.headers["content-md5"]
    assert "content-md5" not in part.headers
    if endpoint.name == "embedded":
        assert (beyond.status, beyond.headers["x-ms-error-code"]) == (416, "InvalidRange")
        assert beyond.headers["content-range"] == "bytes */10"


def test_a_ranged_read_of_an_empty_blob_is_416(endpoint: Endpoint, container: ContainerClient) -> None:
    container.upload_blob("empty", b"")
    url = f"{endpoint.url}/{container.container_name}/empty?{container_sas(container.container_name)}"

    answer = endpoint.request("GET", url, headers={"x-ms-range": "bytes=0-33554431"})

    assert (answer.status, answer.headers["x-ms-error-code"]) == (416, "InvalidRange")
    assert b"<Code>InvalidRange</Code>" in answer.body
    assert container.download_blob("empty").readall() == b""


def test_answers_carry_ids_and_the_version_asked_for(endpoint: Endpoint, container: ContainerClient) -> None:
    url = f"{endpoint.url}/{container.container_name}/none?{container_sas(container.container_name)}"

    answer = endpoint.request("HEAD", url, headers={"x-ms-client-request-id": "mine", "x-ms-version": "2021-08-06"})

    assert (answer.status, answer.headers["x-ms-error-code"]) == (404, "BlobNotFound")
    if endpoint.name == "embedded":
        assert answer.headers["x-ms-version"] == "2021-08-06"
        assert answer.headers["x-ms-client-request-id"] == "mine"
    assert answer.headers["x-ms-request-id"]


def test_a_wrong_md5_is_refused_and_nothing_is_stored(endpoint: Endpoint, container: ContainerClient) -> None:
    url = f"{endpoint.url}/{container.container_name}/blob?{container_sas(container.container_name)}"
    wrong = base64.b64encode(hashlib.md5(b"other").digest()).decode()
    headers = {"x-ms-blob-type": "BlockBlob", "Content-MD5": wrong}

    small = endpoint.request("PUT", url, b"data", headers)
    large = endpoint.request("PUT", url, b"d" * 200_000, headers)
    block = endpoint.request("PUT", f"{url}&comp=block&blockid={block_id(1)}", b"data", headers)

    assert [answer.status for answer in (small, large, block)] == [400, 400, 400]
    if endpoint.name == "embedded":
        codes = {answer.headers["x-ms-error-code"] for answer in (small, large, block)}
        assert codes == {"Md5Mismatch"}
    assert not container.get_blob_client("blob").exists()


def test_a_right_md5_is_taken(endpoint: Endpoint, container: ContainerClient) -> None:
    with endpoint.service(max_single_put_size=1 << 16, max_block_size=1 << 16) as service:
        client = service.get_blob_client(container.container_name, "blob")
        client.upload_blob(os.urandom(300_000), validate_content=True, max_concurrency=2)
    container.upload_blob("small", b"data", validate_content=True)

    assert {found.name: found.size for found in container.list_blobs()} == {"blob": 300_000, "small": 4}


# conditions


def test_creating_only_if_absent_is_refused_when_present(container: ContainerClient, blob: BlobClient) -> None:
    blob.upload_blob(b"first")

    with refused(409, "BlobAlreadyExists"):
        blob.upload_blob(b"second", overwrite=False)
    assert blob.download_blob().readall() == b"first"


def test_a_change_is_made_only_to_the_version_it_was_meant_for(blob: BlobClient) -> None:
    blob.upload_blob(b"first")
    old = blob.get_blob_properties().etag
    blob.upload_blob(b"second", overwrite=True, etag=old, match_condition=MatchConditions.IfNotModified)

    with refused(412, "ConditionNotMet"):
        blob.upload_blob(b"third", overwrite=True, etag=old, match_condition=MatchConditions.IfNotModified)
    with refused(412, "ConditionNotMet"):
        blob.set_blob_metadata({"a": "1"}, etag=old, match_condition=MatchConditions.IfNotModified)
    with refused(412, "ConditionNotMet"):
        blob.delete_blob(etag=old, match_condition=MatchConditions.IfNotModified)
    assert blob.download_blob().readall() == b"second"


def test_a_read_of_an_unchanged_blob_is_304(endpoint: Endpoint, container: ContainerClient) -> None:
    container.upload_blob("blob", b"data")
    url = f"{endpoint.url}/{container.container_name}/blob?{container_sas(container.container_name)}"
    first = endpoint.request("GET", url)

    same = endpoint.request("GET", url, headers={"If-None-Match": first.headers["etag"]})
    since = endpoint.request("GET", url, headers={"If-Modified-Since": first.headers["last-modified"]})

    assert (same.status, same.body) == (304, b"")
    assert (since.status, since.body) == (304, b"")
    assert same.headers["x-ms-error-code"] == "ConditionNotMet"


def test_times_are_conditions_too(blob: BlobClient) -> None:
    blob.upload_blob(b"data")
    past, future = now() - HOUR, now() + HOUR

    assert blob.get_blob_properties(if_modified_since=past, if_unmodified_since=future).size == 4
    with refused(412, "ConditionNotMet"):
        blob.get_blob_properties(if_unmodified_since=past)
    with pytest.raises(ResourceModifiedError):
        blob.delete_blob(if_unmodified_since=past)
    with pytest.raises(ResourceModifiedError):
        blob.download_blob(etag='"0x0"', match_condition=MatchConditions.IfNotModified)


# blocks


def test_blocks_become_a_blob_in_the_order_of_the_list(blob: BlobClient) -> None:
    parts = [os.urandom(size) for size in (10, 70_000, 200_000)]
    for number, part in enumerate(parts):
        blob.stage_block(block_id(number), part)

    assert not blob.exists()
    committed, staged = blob.get_block_list("all")
    assert (committed, sorted(block.size for block in staged)) == ([], [10, 70_000, 200_000])

    blob.commit_block_list(
        [BlobBlock(block_id(number)) for number in (2, 0, 1)],
        content_settings=ContentSettings("text/plain"),
        metadata={"a": "1"},
    )

    committed, staged = blob.get_block_list("all")
    properties = blob.get_blob_properties()
    assert blob.download_blob().readall() == parts[2] + parts[0] + parts[1]
    assert ([block.size for block in committed], staged) == ([200_000, 10, 70_000], [])
    assert (properties.content_settings.content_type, properties.metadata) == ("text/plain", {"a": "1"})


@pytest.mark.parametrize("size", [10, 200_000])
def test_a_single_block_becomes_a_blob(blob: BlobClient, size: int) -> None:
    data = os.urandom(size)
    blob.stage_block(block_id(0), data)
    blob.commit_block_list([BlobBlock(block_id(0))])

    assert blob.download_blob().readall() == data
    blob.upload_blob(b"other", overwrite=True)
    assert blob.download_blob().readall() == b"other"


def test_committed_blocks_can_be_used_again(blob: BlobClient) -> None:
    blob.stage_block(block_id(0), b"one ")
    blob.stage_block(block_id(1), b"two ")
    blob.commit_block_list([BlobBlock(block_id(0)), BlobBlock(block_id(1))])
    blob.stage_block(block_id(2), b"three ")

    blob.commit_block_list([BlobBlock(block_id(1)), BlobBlock(block_id(2)), BlobBlock(block_id(0))])

    assert blob.download_blob().readall() == b"two three one "


def test_a_block_staged_again_is_replaced(blob: BlobClient) -> None:
    blob.stage_block(block_id(0), b"first")
    blob.stage_block(block_id(0), b"second")
    blob.commit_block_list([BlobBlock(block_id(0))])

    assert blob.download_blob().readall() == b"second"


def test_a_list_with_a_block_that_is_not_there_is_refused(blob: BlobClient) -> None:
    blob.stage_block(block_id(0), b"data")

    with refused(400, "InvalidBlockList"):
        blob.commit_block_list([BlobBlock(block_id(0)), BlobBlock(block_id(9))])
    assert not blob.exists()


def test_blocks_left_out_of_the_list_are_dropped(blob: BlobClient) -> None:
    blob.stage_block(block_id(0), b"kept")
    blob.stage_block(block_id(1), b"dropped")
    blob.commit_block_list([BlobBlock(block_id(0))])

    assert blob.get_block_list("uncommitted")[1] == []


def test_an_empty_block_list_makes_an_empty_blob(blob: BlobClient) -> None:
    blob.commit_block_list([])

    assert blob.download_blob().readall() == b""


def test_committing_only_if_absent_is_refused_when_present(blob: BlobClient) -> None:
    blob.upload_blob(b"first")
    blob.stage_block(block_id(0), b"second")

    with pytest.raises(ResourceExistsError):
        blob.commit_block_list([BlobBlock(block_id(0))], match_condition=MatchConditions.IfMissing)
    assert blob.download_blob().readall() == b"first"


# append blobs


def test_an_append_blob_grows(blob: BlobClient) -> None:
    blob.create_append_blob(content_settings=ContentSettings("text/plain"), metadata={"a": "1"})
    assert blob.download_blob().readall() == b""

    first = blob.append_block(b"one\n")
    second = blob.append_block(b"x" * 100_000)

    properties = blob.get_blob_properties()
    assert blob.download_blob().readall() == b"one\n" + b"x" * 100_000
    assert (first["blob_append_offset"], second["blob_append_offset"]) == ("0", "4")
    assert (properties.blob_type, properties.append_blob_committed_block_count) == ("AppendBlob", 2)
    assert blob.download_blob(2, 4).readall() == b"e\nxx"


def test_an_append_happens_only_where_it_was_meant(blob: BlobClient) -> None:
    blob.create_append_blob()
    blob.append_block(b"12345", appendpos_condition=0)

    with refused(412, "AppendPositionConditionNotMet"):
        blob.append_block(b"again", appendpos_condition=0)
    with refused(412, "MaxBlobSizeConditionNotMet"):
        blob.append_block(b"more", maxsize_condition=6)
    assert blob.download_blob().readall() == b"12345"


def test_types_of_blobs_are_not_mixed(container: ContainerClient) -> None:
    container.upload_blob("block", b"data")
    container.upload_blob("append", b"data", blob_type="AppendBlob")

    with refused(409, "InvalidBlobType"):
        container.get_blob_client("block").append_block(b"more")
    with refused(409, "InvalidBlobType"):
        container.get_blob_client("append").stage_block(block_id(0), b"more")


# listing


def test_a_list_is_sorted_filtered_and_comes_in_pages(container: ContainerClient) -> None:
    names = sorted(f"{letter}/{number:02d}" for letter in "abc" for number in range(7))
    for name in reversed(names):
        container.upload_blob(name, name.encode(), metadata={"name": name.replace("/", "-")})

    pages = [list(page) for page in container.list_blobs(results_per_page=10).by_page()]
    filtered = list(container.list_blobs("b/", include=["metadata"]))

    assert [len(page) for page in pages] == [10, 10, 1]
    assert [found.name for page in pages for found in page] == names
    assert [found.name for found in filtered] == names[7:14]
    assert [found.metadata["name"] for found in filtered] == [name.replace("/", "-") for name in names[7:14]]
    assert all(found.size == 4 and found.blob_type == "BlockBlob" for found in filtered)
    assert filtered[0].etag == container.get_blob_client("b/00").get_blob_properties().etag.strip('"')
    assert list(container.list_blob_names(name_starts_with="c/0")) == names[14:]


def test_a_list_by_hierarchy_shows_folders_once(container: ContainerClient) -> None:
    for name in ("top", "a/1", "a/2", "a/b/3", "b/4", "a.txt", "z"):
        container.upload_blob(name, b"")

    assert [found.name for found in container.walk_blobs()] == ["a/", "b/", "a.txt", "top", "z"]
    assert [found.name for found in container.walk_blobs("a/")] == ["a/b/", "a/1", "a/2"]
    pages = container.walk_blobs(results_per_page=2).by_page()
    assert [[found.name for found in page] for page in pages] == [["a/", "a.txt"], ["b/", "top"], ["z"]]


def test_the_list_of_nothing_is_empty(container: ContainerClient) -> None:
    assert list(container.list_blobs()) == []
    assert list(container.list_blobs("prefix")) == []
    assert list(container.walk_blobs()) == []


# deleting and copying


def test_blobs_are_deleted_one_by_one_and_in_a_batch(container: ContainerClient) -> None:
    names = [f"ü {number}/%+#.txt" for number in range(20)]
    for name in names:
        container.upload_blob(name, b"data")
    container.delete_blob(names[0])

    answers = list(container.delete_blobs(*names[1:], "not there", raise_on_any_failure=False))

    assert [answer.status_code for answer in answers] == [202] * 19 + [404]
    assert list(container.list_blobs()) == []


def test_deleting_a_container_takes_its_blobs_along(endpoint: Endpoint) -> None:
    with endpoint.service() as service:
        first = service.create_container(f"c-{uuid.uuid4().hex}")
        first.upload_blob("blob", b"data")
        first.delete_container()
        first.create_container()

        assert list(first.list_blobs()) == []
        first.delete_container()


@pytest.mark.parametrize("size", [100, 200_000])
def test_a_blob_is_copied_within_the_account(container: ContainerClient, size: int) -> None:
    data = os.urandom(size)
    source = container.upload_blob("ü source", data, metadata={"a": "1"}, content_settings=ContentSettings("image/png"))
    with container.get_blob_client("copy") as target:
        started = target.start_copy_from_url(source.url)
        source.delete_blob()

        properties = target.get_blob_properties()
        assert started["copy_status"] == "success"
        assert target.download_blob().readall() == data
        assert (properties.metadata, properties.content_settings.content_type) == ({"a": "1"}, "image/png")
        assert properties.copy.status == "success"


# who may do what


def test_a_wrong_account_key_is_refused(endpoint: Endpoint, container: ContainerClient) -> None:
    wrong = endpoint.connection_string.replace(KEY, base64.b64encode(b"another key").decode())
    with BlobServiceClient.from_connection_string(wrong, retry_total=0) as service:
        client = service.get_container_client(container.container_name)
        with refused(403, "AuthenticationFailed" if endpoint.name == "embedded" else "AuthorizationFailure"):
            list(client.list_blobs())


def test_a_request_without_authorization_is_refused(endpoint: Endpoint, container: ContainerClient) -> None:
    container.upload_blob("blob", b"secret")

    answer = endpoint.request("GET", f"{endpoint.url}/{container.container_name}/blob")

    assert answer.status == (401 if endpoint.name == "embedded" else 403)
    assert b"secret" not in answer.body


def test_a_containers_signature_opens_all_its_blobs(endpoint: Endpoint, container: ContainerClient) -> None:
    url = f"{endpoint.url}/{container.container_name}?{container_sas(container.container_name)}"
    with ContainerClient.from_container_url(url, retry_total=0) as client:
        client.upload_blob("ü/blob +%", b"data", metadata={"a": "1"})
        client.upload_blob("log", b"line\n", blob_type="AppendBlob")

        assert [found.name for found in client.list_blobs(include=["metadata"])] == ["log", "ü/blob +%"]
        assert client.download_blob("ü/blob +%").readall() == b"data"
        answers = list(client.delete_blobs("log", "ü/blob +%"))
        assert [answer.status_code for answer in answers] == [202, 202]
        with refused(403, "AuthorizationPermissionMismatch"):
            client.delete_container()


@pytest.mark.parametrize(
    ("permission", "forbidden"), [("wl", "read"), ("rl", "write"), ("rw", "list"), ("rwl", "delete")]
)
def test_a_signature_allows_only_what_it_says(
    endpoint: Endpoint, container: ContainerClient, permission: str, forbidden: str
) -> None:
    container.upload_blob("blob", b"data")
    url = f"{endpoint.url}/{container.container_name}?{container_sas(container.container_name, permission)}"
    with ContainerClient.from_container_url(url, retry_total=0) as client:
        actions: dict[str, Callable[[], object]] = {
            "read": lambda: client.download_blob("blob"),
            "write": lambda: client.upload_blob("blob", b"other", overwrite=True),
            "list": lambda: list(client.list_blobs()),
            "delete": lambda: client.delete_blob("blob"),
        }
        with refused(403, "AuthorizationPermissionMismatch"):
            actions[forbidden]()
    assert container.download_blob("blob").readall() == b"data"


def test_a_signature_that_may_create_cannot_overwrite(endpoint: Endpoint, container: ContainerClient) -> None:
    url = f"{endpoint.url}/{container.container_name}?{container_sas(container.container_name, 'c')}"
    with ContainerClient.from_container_url(url, retry_total=0) as client:
        client.upload_blob("blob", b"first")
        with pytest.raises(Exception, match="not authorized"):
            client.upload_blob("blob", b"second", overwrite=True)
    assert container.download_blob("blob").readall() == b"first"


@pytest.mark.parametrize(
    "sas",
    [
        lambda name: container_sas(name, expiry=now() - timedelta(seconds=5)),
        lambda name: container_sas(name, start=now() + HOUR, expiry=now() + 2 * HOUR),
        lambda name: container_sas(name).replace("sp=rac", "sp=rad"),
        lambda name: container_sas("another-container"),
    ],
    ids=["expired", "not yet valid", "changed", "of another container"],
)
def test_a_signature_that_does_not_hold_is_refused(
    endpoint: Endpoint, container: ContainerClient, sas: Callable[[str], str]
) -> None:
    container.upload_blob("blob", b"data")
    url = f"{endpoint.url}/{container.container_name}/blob?{sas(container.container_name)}"

    answer = endpoint.request("GET", url)

    code = "AuthenticationFailed" if endpoint.name == "embedded" else "AuthorizationFailure"
    assert (answer.status, answer.headers["x-ms-error-code"]) == (403, code)
    assert b"data" not in answer.body


def test_a_blobs_signature_opens_only_that_blob(endpoint: Endpoint, container: ContainerClient) -> None:
    name = container.container_name
    container.upload_blob("ü one+", b"1")
    container.upload_blob("two", b"2")
    sas = generate_blob_sas(
        ACCOUNT, name, "ü one+", account_key=KEY, permission=BlobSasPermissions(read=True), expiry=now() + HOUR
    )
    with endpoint.service() as service:
        url = service.get_blob_client(name, "ü one+").url
    with BlobClient.from_blob_url(f"{url}?{sas}") as client:
        assert client.download_blob().readall() == b"1"

    other = endpoint.request("GET", f"{endpoint.url}/{name}/two?{sas}")
    listed = endpoint.request("GET", f"{endpoint.url}/{name}?restype=container&comp=list&{sas}")

    assert other.status == 403
    assert listed.status == 403


def test_an_accounts_signature_opens_what_it_names(endpoint: Endpoint, container: ContainerClient) -> None:
    def client(resources: str, permission: str) -> BlobServiceClient:
        sas = generate_account_sas(
            ACCOUNT,
            KEY,
            resources,
            permission,
            now() + HOUR,
        )
        return BlobServiceClient(endpoint.url, sas, retry_total=0)

    with client("sco", "rwdlac") as everything, client("o", "r") as objects:
        everything.get_blob_client(container.container_name, "blob").upload_blob(b"data")
        names = [found.name for found in everything.list_containers(name_starts_with=container.container_name)]

        assert names == [container.container_name]
        assert objects.get_blob_client(container.container_name, "blob").download_blob().readall() == b"data"
        with refused(403, "AuthorizationResourceTypeMismatch"):
            list(objects.get_container_client(container.container_name).list_blobs())
        with refused(403, "AuthorizationPermissionMismatch"):
            objects.get_blob_client(container.container_name, "blob").delete_blob()


def test_a_blob_that_is_gone_raises_the_sdks_own_error(container: ContainerClient) -> None:
    with pytest.raises(ResourceNotFoundError):
        container.download_blob("gone")
