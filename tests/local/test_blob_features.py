"""What Storage Explorer and careful clients use beyond plain blobs, by azure-storage-blob, for both endpoints.

Leases, snapshots, tags, tiers, public access, stored access policies, signatures of every kind, copies, checksums.
"""

from __future__ import annotations

import base64
import hashlib
import os
import uuid
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta, timezone

import pytest
from azure.core import MatchConditions
from azure.core.exceptions import HttpResponseError, ResourceExistsError
from azure.storage.blob import (
    AccessPolicy,
    BlobBlock,
    BlobClient,
    BlobSasPermissions,
    BlobServiceClient,
    ContainerClient,
    ContainerSasPermissions,
    CorsRule,
    StandardBlobTier,
    UserDelegationKey,
    generate_account_sas,
    generate_blob_sas,
    generate_container_sas,
)

from azure_batch_endpoints.local.blobstore.checksums import crc64, crc64_text
from tests.local.blob_fixtures import Endpoint, azurite, container, embedded, endpoint, refused
from tests.local.blob_server import ACCOUNT, KEY

__all__ = ["azurite", "container", "embedded", "endpoint"]

HOUR = timedelta(hours=1)


def now() -> datetime:
    return datetime.now(timezone.utc)


@pytest.fixture
def blob(container: ContainerClient) -> BlobClient:
    blob = container.get_blob_client("folder/blob")
    blob.upload_blob(b"0123456789", metadata={"MixedCase": "Value", "lower_case": "v"})
    return blob


def test_metadata_names_keep_their_case(blob: BlobClient, container: ContainerClient) -> None:
    expected = {"MixedCase": "Value", "lower_case": "v"}

    assert blob.get_blob_properties().metadata == expected
    assert next(iter(container.list_blobs(include=["metadata"]))).metadata == expected
    with container.get_blob_client("copy") as copy:
        copy.start_copy_from_url(blob.url)
        assert copy.get_blob_properties().metadata == expected


# leases


def test_a_leased_blob_is_changed_only_by_the_holder(blob: BlobClient) -> None:
    lease = blob.acquire_lease(15)

    with refused(412, "LeaseIdMissing"):
        blob.upload_blob(b"other", overwrite=True)
    with refused(412, "LeaseIdMissing"):
        blob.delete_blob()
    with refused(412, "LeaseIdMismatchWithBlobOperation"):
        blob.set_blob_metadata({"a": "1"}, lease=str(uuid.uuid4()))
    with refused(409, "LeaseAlreadyPresent"):
        blob.acquire_lease(15)
    assert blob.download_blob().readall() == b"0123456789"
    blob.upload_blob(b"mine", overwrite=True, lease=lease)
    properties = blob.get_blob_properties()
    assert (properties.lease.state, properties.lease.status, properties.lease.duration) == ("leased", "locked", "fixed")
    lease.renew()
    lease.release()
    blob.delete_blob()


def test_a_lease_is_broken_and_taken_by_another(blob: BlobClient) -> None:
    first = blob.acquire_lease(-1)

    assert first.break_lease(0) == 0
    assert blob.get_blob_properties().lease.state == "broken"
    with refused(409, "LeaseIsBrokenAndCannotBeRenewed"):
        first.renew()
    second = blob.acquire_lease(15)
    second.change(str(uuid.uuid4()))
    with refused(409, "LeaseIdMismatchWithLeaseOperation"):
        first.release()
    second.release()
    assert blob.get_blob_properties().lease.state == "available"


def test_of_many_who_want_a_lease_one_gets_it(blob: BlobClient) -> None:
    def acquire(_: int) -> bool:
        try:
            blob.acquire_lease(15)
        except ResourceExistsError:
            return False
        return True

    with ThreadPoolExecutor(8) as threads:
        assert sum(threads.map(acquire, range(8))) == 1


def test_a_leased_container_is_not_deleted(container: ContainerClient) -> None:
    lease = container.acquire_lease(-1)

    with refused(412, "LeaseIdMissing"):
        container.delete_container()
    container.upload_blob("blob", b"data")
    assert container.get_container_properties().lease.state == "leased"
    lease.release()
    container.delete_container()


# snapshots, tags, tiers


def test_a_snapshot_stays_as_it_was(blob: BlobClient, container: ContainerClient) -> None:
    taken = blob.create_snapshot()
    blob.upload_blob(b"other", overwrite=True)
    snapshot = container.get_blob_client(blob.blob_name, snapshot=str(taken["snapshot"]))

    assert snapshot.download_blob().readall() == b"0123456789"
    assert snapshot.get_blob_properties().metadata == {"MixedCase": "Value", "lower_case": "v"}
    found = sorted(container.list_blobs(include=["snapshots"]), key=lambda entry: entry.snapshot or "~")
    assert [(entry.name, entry.size, bool(entry.snapshot)) for entry in found] == [
        ("folder/blob", 10, True),
        ("folder/blob", 5, False),
    ]
    with refused(409, "SnapshotsPresent"):
        blob.delete_blob()
    blob.start_copy_from_url(snapshot.url)
    assert blob.download_blob().readall() == b"0123456789"
    blob.delete_blob(delete_snapshots="include")
    assert not snapshot.exists()


def test_an_append_blob_can_be_kept_and_copied_before_its_first_append(container: ContainerClient) -> None:
    with container.get_blob_client("log") as log, container.get_blob_client("copy") as copy:
        log.create_append_blob()
        taken = str(log.create_snapshot()["snapshot"])
        copy.start_copy_from_url(log.url)
        for one in (log, copy):
            one.append_block(b"line\n")

        assert log.download_blob().readall() == copy.download_blob().readall() == b"line\n"
        with container.get_blob_client("second") as second:
            second.start_copy_from_url(log.url)
            counts = [one.get_blob_properties().append_blob_committed_block_count for one in (log, second)]
            assert counts[0] == counts[1]
        assert container.get_blob_client("log", snapshot=taken).download_blob().readall() == b""


def test_blobs_are_found_by_their_tags(endpoint: Endpoint, container: ContainerClient) -> None:
    name = container.container_name
    for number in range(4):
        container.upload_blob(f"{number}", b"x", tags={"year": f"{2000 + number}", "kind": "a" if number % 2 else "b"})
    with endpoint.service() as service:
        found = service.find_blobs_by_tags(f"@container = '{name}' AND year >= '2001' AND kind = 'a'")
        assert [(entry.container_name, entry.name) for entry in found] == [(name, "1"), (name, "3")]
    with container.get_blob_client("1") as blob:
        assert blob.get_blob_tags() == {"year": "2001", "kind": "a"}
        with refused(412, "ConditionNotMet"):
            blob.upload_blob(b"y", overwrite=True, if_tags_match_condition="kind = 'b'")
        blob.upload_blob(b"y", overwrite=True, if_tags_match_condition="kind = 'a'")
        assert blob.get_blob_tags() == {}
        before = blob.get_blob_properties().etag
        blob.set_blob_tags({"new": "one"})
        assert (blob.get_blob_properties().etag, blob.get_blob_properties().tag_count) == (before, 1)


def test_an_archived_blob_is_not_read(blob: BlobClient) -> None:
    blob.set_standard_blob_tier(StandardBlobTier.ARCHIVE)

    assert blob.get_blob_properties().blob_tier == "Archive"
    with refused(409, "BlobArchived"):
        blob.download_blob()
    blob.set_standard_blob_tier(StandardBlobTier.COOL)
    assert blob.download_blob().readall() == b"0123456789"


def test_tiers_are_set_in_a_batch(container: ContainerClient) -> None:
    for name in ("one", "two"):
        container.upload_blob(name, b"x")

    answers = list(
        container.set_standard_blob_tier_blobs(StandardBlobTier.COOL, "one", "two", "none", raise_on_any_failure=False)
    )

    assert [answer.status_code for answer in answers] == [200, 200, 404]
    assert {entry.blob_tier for entry in container.list_blobs()} == {"Cool"}


# blocks and copies


def test_blobs_that_only_have_blocks_are_listed_when_asked_for(container: ContainerClient) -> None:
    container.upload_blob("b", b"x")
    container.get_blob_client("a").stage_block("0001", b"x")

    assert [entry.name for entry in container.list_blobs()] == ["b"]
    found = {entry.name: entry.size for entry in container.list_blobs(include=["uncommittedblobs"])}
    assert found == {"a": 0, "b": 1}


def test_block_ids_of_one_blob_have_one_length(container: ContainerClient) -> None:
    with container.get_blob_client("blob") as blob:
        blob.stage_block("0001", b"x")
        with refused(400, "InvalidBlobOrBlock"):
            blob.stage_block("00001", b"x")


def test_too_many_blocks_are_refused(container: ContainerClient, endpoint: Endpoint) -> None:
    with container.get_blob_client("blob") as blob:
        blob.stage_block("0001", b"x")
        if endpoint.name == "azurite":
            pytest.skip("Azurite takes any number")
        with refused(400, "BlockListTooLong"):
            blob.commit_block_list([BlobBlock("0001")] * 50_001)
        blob.commit_block_list([BlobBlock("0001")] * 50_000)
        assert blob.get_blob_properties().size == 50_000


@pytest.mark.parametrize("size", [100, 200_000])
def test_a_copy_is_made_at_once_when_asked_for(endpoint: Endpoint, container: ContainerClient, size: int) -> None:
    data = os.urandom(size)
    source = container.upload_blob("source", data, tags={"a": "1"})
    sas = generate_container_sas(ACCOUNT, container.container_name, KEY, permission="r", expiry=now() + HOUR)
    with container.get_blob_client("sync") as target:
        answer = target.start_copy_from_url(f"{source.url}?{sas}", requires_sync=True, metadata={"own": "1"})
        assert (answer["copy_status"], target.get_blob_properties().metadata) == ("success", {"own": "1"})
        assert target.download_blob().readall() == data
        with refused(409, "NoPendingCopyOperation"):
            target.abort_copy(str(answer["copy_id"]))
    with container.get_blob_client("blocks") as target:
        target.stage_block_from_url("0001", f"{source.url}?{sas}", 0, 50)
        target.stage_block_from_url("0002", f"{source.url}?{sas}", 50, size - 50)
        target.commit_block_list([BlobBlock("0001"), BlobBlock("0002")])
        assert target.download_blob().readall() == data
    if endpoint.name == "azurite":
        pytest.skip("Azurite has neither Put Blob nor Append Block from a URL")
    with container.get_blob_client("put") as target:
        target.upload_blob_from_url(f"{source.url}?{sas}", overwrite=True)
        assert target.download_blob().readall() == data
        with refused(409, "BlobAlreadyExists"):
            target.upload_blob_from_url(f"{source.url}?{sas}", overwrite=False)
    with container.get_blob_client("append") as target:
        target.create_append_blob()
        target.append_block_from_url(f"{source.url}?{sas}", 0, size)
        assert target.download_blob().readall() == data


def test_a_copy_is_made_only_of_what_was_meant(container: ContainerClient, blob: BlobClient) -> None:
    with container.get_blob_client("copy") as copy:
        with pytest.raises(Exception, match="condition"):
            copy.start_copy_from_url(
                blob.url, source_etag='"0x1"', source_match_condition=MatchConditions.IfNotModified
            )
        assert not copy.exists()


# checksums


@pytest.mark.parametrize("size", [10, 200_001])
def test_a_crc64_is_checked(embedded: Endpoint, size: int) -> None:
    name = f"c-{uuid.uuid4().hex}"
    with embedded.service() as service:
        service.create_container(name)
    sas = generate_container_sas(ACCOUNT, name, KEY, permission="racw", expiry=now() + HOUR)
    url, data = f"{embedded.url}/{name}/blob?{sas}", os.urandom(size)
    sum_ = crc64_text(crc64(data))
    headers = {"x-ms-blob-type": "BlockBlob", "x-ms-content-crc64": sum_}

    wrong = embedded.request("PUT", url, data[::-1], headers)
    right = embedded.request("PUT", url, data, headers)
    part = embedded.request("GET", url, headers={"Range": "bytes=0-4", "x-ms-range-get-content-crc64": "true"})
    both = embedded.request("PUT", url, data, {**headers, "Content-MD5": base64.b64encode(b"0" * 16).decode()})

    assert (wrong.status, wrong.headers["x-ms-error-code"]) == (400, "Crc64Mismatch")
    assert (right.status, right.headers["x-ms-content-crc64"]) == (201, sum_)
    assert part.headers["x-ms-content-crc64"] == crc64_text(crc64(data[:5]))
    assert (both.status, both.headers["x-ms-error-code"]) == (400, "BothCrc64AndMd5HeaderPresent")


# who may do what


def test_what_is_public_anyone_may_read(endpoint: Endpoint, container: ContainerClient, blob: BlobClient) -> None:
    listed = f"{container.url}?restype=container&comp=list"

    def seen() -> list[int]:
        urls = (blob.url, listed, f"{container.url}/none")
        return [endpoint.request("GET", url).status for url in urls]

    refusal = 401 if endpoint.name == "embedded" else 403
    assert seen() == [refusal] * 3
    container.set_container_access_policy({}, public_access="blob")
    assert seen() == [200, refusal, 404]
    container.set_container_access_policy({}, public_access="container")
    assert seen() == [200, 200, 404]
    assert endpoint.request("PUT", blob.url, b"x", {"x-ms-blob-type": "BlockBlob"}).status == refusal
    assert endpoint.request("DELETE", blob.url).status == refusal
    assert container.get_container_properties().public_access == "container"
    container.set_container_access_policy({})
    assert seen() == [refusal] * 3


def test_a_stored_policy_says_what_a_signature_may_and_can_be_taken_back(
    endpoint: Endpoint, container: ContainerClient, blob: BlobClient
) -> None:
    policy = AccessPolicy(ContainerSasPermissions(read=True, list=True), expiry=now() + HOUR, start=now() - HOUR)
    container.set_container_access_policy({"readers": policy})
    assert blob.blob_name is not None
    sas = generate_container_sas(ACCOUNT, container.container_name, KEY, policy_id="readers")
    of_blob = generate_blob_sas(ACCOUNT, container.container_name, blob.blob_name, account_key=KEY, policy_id="readers")

    with ContainerClient.from_container_url(f"{container.url}?{sas}", retry_total=0) as client:
        assert [entry.name for entry in client.list_blobs()] == [blob.blob_name]
        assert client.download_blob(blob.blob_name).readall() == b"0123456789"
        with refused(403, "AuthorizationPermissionMismatch"):
            client.upload_blob("other", b"x")
        assert endpoint.request("GET", f"{blob.url}?{of_blob}").status == 200
        container.set_container_access_policy({"readers": AccessPolicy("r", expiry=now() - HOUR)})
        assert endpoint.request("GET", f"{blob.url}?{sas}").status == 403
        container.set_container_access_policy({})
        assert endpoint.request("GET", f"{blob.url}?{sas}").status == 403


def test_a_field_said_twice_is_refused(embedded: Endpoint) -> None:
    name = f"c-{uuid.uuid4().hex}"
    with embedded.service() as service:
        service.create_container(name).set_container_access_policy({"p": AccessPolicy("rl", expiry=now() + HOUR)})
    sas = generate_container_sas(ACCOUNT, name, KEY, permission="racwdl", policy_id="p")

    answer = embedded.request("GET", f"{embedded.url}/{name}?restype=container&comp=list&{sas}")

    assert (answer.status, answer.headers["x-ms-error-code"]) == (403, "AuthenticationFailed")


def test_a_user_delegation_signature_is_refused_with_the_reason(embedded: Endpoint) -> None:
    key = UserDelegationKey()  # type: ignore[no-untyped-call]
    key.signed_oid = key.signed_tid = str(uuid.uuid4())
    key.signed_start, key.signed_expiry = "2026-01-01T00:00:00Z", "2050-01-01T00:00:00Z"
    key.signed_service, key.signed_version, key.value = "b", "2021-12-02", KEY
    sas = generate_container_sas(ACCOUNT, "any", user_delegation_key=key, permission="r", expiry=now() + HOUR)

    answer = embedded.request("GET", f"{embedded.url}/any/blob?{sas}")

    assert (answer.status, answer.headers["x-ms-error-code"]) == (403, "AuthenticationFailed")
    assert b"Microsoft Entra ID" in answer.body


def test_a_folders_signature_opens_what_is_below_it(embedded: Endpoint) -> None:
    from azure.storage.filedatalake import generate_directory_sas  # comes with azure-ai-ml

    name = f"c-{uuid.uuid4().hex}"
    with embedded.service() as service:
        made = service.create_container(name)
        for path in ("a/b/one", "a/b/c/two", "a/other", "a/bc"):
            made.upload_blob(path, b"x")
    sas = generate_directory_sas(ACCOUNT, name, "a/b", KEY, permission="r", expiry=now() + HOUR)

    seen = {
        path: embedded.request("GET", f"{embedded.url}/{name}/{path}?{sas}").status
        for path in ("a/b/one", "a/b/c/two", "a/other", "a/bc", "a/b")
    }

    assert seen == {"a/b/one": 200, "a/b/c/two": 200, "a/other": 403, "a/bc": 403, "a/b": 403}


def test_tags_and_snapshots_need_their_own_permissions(container: ContainerClient, blob: BlobClient) -> None:
    def client(permission: str) -> BlobClient:
        sas = generate_container_sas(ACCOUNT, container.container_name, KEY, permission=permission, expiry=now() + HOUR)
        return BlobClient.from_blob_url(f"{blob.url}?{sas}", retry_total=0)

    actions: dict[str, Callable[[BlobClient], object]] = {
        "t": lambda one: one.set_blob_tags({"a": "1"}),
        "r": lambda one: one.get_blob_properties(),
        "w": lambda one: one.set_standard_blob_tier(StandardBlobTier.COOL),
        "c": lambda one: one.create_snapshot(),
        "d": lambda one: one.delete_blob(delete_snapshots="include"),
    }
    for letter, action in actions.items():
        others = "rdlt" if letter == "c" else "rwdlct".replace(letter, "")  # "w" may take a snapshot, too
        with client(others) as without, refused(403, "AuthorizationPermissionMismatch"):
            action(without)
    for letter, action in actions.items():
        with client(letter) as allowed:
            action(allowed)


def test_a_snapshots_signature_opens_only_that_snapshot(
    endpoint: Endpoint, container: ContainerClient, blob: BlobClient
) -> None:
    taken = str(blob.create_snapshot()["snapshot"])
    other = str(blob.create_snapshot()["snapshot"])
    name, permission = container.container_name, BlobSasPermissions(read=True)
    sas = generate_blob_sas(
        ACCOUNT, name, "folder/blob", snapshot=taken, account_key=KEY, permission=permission, expiry=now() + HOUR
    )

    def status(snapshot: str) -> int:
        return endpoint.request("GET", f"{blob.url}?{snapshot}{sas}").status

    assert status(f"snapshot={taken}&") == 200
    assert status(f"snapshot={other}&") == 403


def test_a_block_from_an_address_is_checked(container: ContainerClient) -> None:
    source = container.upload_blob("source", b"0123456789")
    sas = generate_container_sas(ACCOUNT, container.container_name, KEY, permission="r", expiry=now() + HOUR)
    right, wrong = (hashlib.md5(data).digest() for data in (b"2345", b"other"))
    with container.get_blob_client("target") as target:
        target.stage_block_from_url("0001", f"{source.url}?{sas}", 2, 4, source_content_md5=right)
        with refused(400, "Md5Mismatch"):
            target.stage_block_from_url("0002", f"{source.url}?{sas}", 2, 4, source_content_md5=wrong)
        with pytest.raises(HttpResponseError):
            target.stage_block_from_url("0002", source.url, 2, 4)
        target.commit_block_list([BlobBlock("0001")])
        assert target.download_blob().readall() == b"2345"


def test_a_blob_from_an_address_is_checked(embedded: Endpoint) -> None:
    with embedded.service() as service, service.create_container(f"c-{uuid.uuid4().hex}") as container:
        source = container.upload_blob("source", b"0123456789")
        sas = generate_container_sas(ACCOUNT, container.container_name, KEY, permission="r", expiry=now() + HOUR)
        right, wrong = (bytearray(hashlib.md5(data).digest()) for data in (b"0123456789", b"other"))
        with container.get_blob_client("target") as target:
            with refused(400, "Md5Mismatch"):
                target.upload_blob_from_url(f"{source.url}?{sas}", source_content_md5=wrong)
            assert not target.exists()
            target.upload_blob_from_url(f"{source.url}?{sas}", source_content_md5=right)
            assert target.download_blob().readall() == b"0123456789"


def test_only_the_key_may_change_who_may_do_what(embedded: Endpoint) -> None:
    sas = generate_account_sas(ACCOUNT, KEY, "sco", "rwdlacuptf", now() + HOUR)
    with embedded.service() as service:
        service.create_container("owned") if not service.get_container_client("owned").exists() else None

    answer = embedded.request("PUT", f"{embedded.url}/owned?restype=container&comp=acl&{sas}")

    assert (answer.status, answer.headers["x-ms-error-code"]) == (403, "AuthorizationPermissionMismatch")


def test_a_browser_page_is_let_in_by_rule(endpoint: Endpoint, container: ContainerClient, blob: BlobClient) -> None:
    sas = generate_container_sas(ACCOUNT, container.container_name, KEY, permission="r", expiry=now() + HOUR)
    asked = {"Origin": "http://page.example", "Access-Control-Request-Method": "GET"}
    with endpoint.service() as service:
        assert endpoint.request("OPTIONS", blob.url, headers=asked).status == 403
        service.set_service_properties(cors=[CorsRule(["http://page.example"], ["GET"], max_age_in_seconds=60)])
        try:
            preflight = endpoint.request("OPTIONS", blob.url, headers=asked)
            answer = endpoint.request("GET", f"{blob.url}?{sas}", headers={"Origin": "http://page.example"})
            other = endpoint.request("GET", f"{blob.url}?{sas}", headers={"Origin": "http://other.example"})
        finally:
            service.set_service_properties(cors=[])

    assert (preflight.status, preflight.headers["access-control-allow-methods"]) == (200, "GET")
    assert answer.headers["access-control-allow-origin"] == "http://page.example"
    assert "access-control-allow-origin" not in other.headers


def test_signatures_of_one_blob_have_their_own_conditions(endpoint: Endpoint, container: ContainerClient) -> None:
    container.upload_blob("blob", b"x")

    def status(permission: BlobSasPermissions, expiry: datetime, method: str = "GET") -> int:
        name = container.container_name
        sas = generate_blob_sas(ACCOUNT, name, "blob", account_key=KEY, permission=permission, expiry=expiry)
        return endpoint.request(method, f"{endpoint.url}/{name}/blob?{sas}").status

    assert status(BlobSasPermissions(read=True), now() + HOUR) == 200
    assert status(BlobSasPermissions(read=True), now() - timedelta(seconds=2)) == 403
    assert status(BlobSasPermissions(write=True), now() + HOUR) == 403
    assert status(BlobSasPermissions(delete=True), now() + HOUR, "DELETE") == 202


def test_a_service_client_by_account_signature_does_what_it_may(endpoint: Endpoint) -> None:
    sas = generate_account_sas(ACCOUNT, KEY, "sco", "rwdlact", now() + HOUR)
    with BlobServiceClient(endpoint.url, credential=sas, retry_total=0) as service:
        container = service.create_container(f"c-{uuid.uuid4().hex}")
        container.upload_blob("a", b"x", tags={"k": "v"})
        assert container.get_blob_client("a").get_blob_tags() == {"k": "v"}
        assert container.container_name in {found.name for found in service.list_containers()}
        container.delete_container()
