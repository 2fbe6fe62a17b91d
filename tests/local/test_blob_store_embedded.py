"""What only the embedded blob endpoint promises: durability, bounded memory, odd requests, and its use from Python."""

from __future__ import annotations

import asyncio
import base64
import os
import socket
import sqlite3
import stat
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta, timezone
from pathlib import Path
from unittest.mock import AsyncMock
from urllib.parse import quote, urlsplit

import pytest
from azure.core.exceptions import AzureError
from azure.storage.blob import BlobBlock, Services, generate_account_sas, generate_container_sas

from azure_batch_endpoints.local.blobstore import (
    BlobError,
    BlobStore,
    StoreInUseError,
    blob_app,
    container_signature,
    copy_routes,
    trait_changes,
)
from azure_batch_endpoints.local.blobstore.auth import Authenticator, Grant
from azure_batch_endpoints.local.blobstore.commits import Transaction
from azure_batch_endpoints.local.blobstore.conditions import NO_CONDITIONS
from azure_batch_endpoints.local.blobstore.files import ContentFiles
from azure_batch_endpoints.local.blobstore.http import Request
from azure_batch_endpoints.local.blobstore.service import Call, Service
from azure_batch_endpoints.local.blobstore.traits import Traits
from tests.local.blob_fixtures import EmbeddedServer, Endpoint, embedded
from tests.local.blob_server import ACCOUNT, KEY

__all__ = ["embedded"]

MIB = 1 << 20


def until(condition: Callable[[], bool], seconds: float = 60.0) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.02)


def content_files(folder: Path) -> list[Path]:
    return [file for file in (folder / "contents").rglob("*") if file.is_file()]


def signed(endpoint: Endpoint, container: str, path: str = "", query: str = "") -> str:
    sas = container_signature(ACCOUNT, KEY, container, permissions="racwdl", valid_for=timedelta(hours=1))
    return f"{endpoint.url}/{container}{path}?{query}&{sas}"


@pytest.fixture
def store(tmp_path: Path) -> Iterator[BlobStore]:
    with BlobStore(tmp_path / "store") as store:
        store.create_container("data")
        yield store


# durability


@pytest.mark.parametrize("size", [100, 100_000])
def test_no_acknowledged_blob_is_lost_when_the_server_is_killed(tmp_path: Path, size: int) -> None:
    server = EmbeddedServer(tmp_path)
    acknowledged: list[str] = []
    with server.endpoint.service(connection_timeout=30, read_timeout=30) as service:
        service.create_container("data")
        container = service.get_container_client("data")

        def put(number: int) -> None:
            try:
                container.upload_blob(f"blob-{number}", f"{number}".encode().ljust(size, b"."))
            except AzureError:  # the server is gone: this one was not acknowledged
                return
            acknowledged.append(f"blob-{number}")

        with ThreadPoolExecutor(8) as threads:
            running = [threads.submit(put, number) for number in range(400)]
            until(lambda: len(acknowledged) >= 100)
            server.process.kill()
            for future in running:
                future.result()
    server.end()

    with BlobStore(tmp_path) as store:
        kept = {name: store.read("data", name) for name in acknowledged}
    assert len(acknowledged) >= 100
    assert all(data == name.removeprefix("blob-").encode().ljust(size, b".") for name, data in kept.items())


def test_contents_that_had_not_reached_the_disk_come_back_from_the_journal(tmp_path: Path) -> None:
    # A power loss can leave a small blob's file empty or missing: the journal, synced with the row, has its bytes.
    with EmbeddedServer(tmp_path) as server:
        with server.endpoint.service() as service:
            service.create_container("data")
            for number in range(30):
                service.get_blob_client("data", f"{number}").upload_blob(f"content {number}".encode())
        server.kill()
    for number, file in enumerate(content_files(tmp_path)):
        file.chmod(0o600)
        file.unlink() if number % 2 else file.write_bytes(b"")

    with BlobStore(tmp_path) as store:
        assert [store.read("data", f"{number}") for number in range(30)] == [
            f"content {number}".encode() for number in range(30)
        ]


def test_the_journal_is_emptied_once_the_files_are_on_the_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def journaled(store: BlobStore) -> int:
        with store.reading() as index:
            return sum(index.execute(f"SELECT count(*) FROM journal_{n}").fetchone()[0] for n in (0, 1))

    monkeypatch.setattr("azure_batch_endpoints.local.blobstore.upkeep._FLUSH_SECONDS", 0.3)
    with BlobStore(tmp_path) as store:
        store.create_container("data")
        for number in range(20):
            store.put("data", f"{number}", b"x" * number)
        until(lambda: journaled(store) == 0)
        store.put("data", "last", b"last")
        until(lambda: journaled(store) == 0)

        assert [store.read("data", f"{number}") for number in range(20)] == [b"x" * number for number in range(20)]
        assert store.read("data", "last") == b"last"


def test_files_no_row_points_at_are_swept_after_a_crash(tmp_path: Path) -> None:
    with EmbeddedServer(tmp_path) as server:
        with server.endpoint.service() as service:
            service.create_container("data")
            service.get_blob_client("data", "kept").upload_blob(b"kept")
        server.kill()
    orphan = tmp_path / "contents" / "5" / f"{(1 << 40) + 0xFFF5:016x}"
    orphan.write_bytes(b"left behind between file and row")
    for shard in (tmp_path / "contents").iterdir():  # as a file manager may leave it
        (shard / ".DS_Store").touch()

    with BlobStore(tmp_path) as store:
        until(lambda: not orphan.exists())
        assert store.read("data", "kept") == b"kept"
        assert len([file for file in content_files(tmp_path) if file.name != ".DS_Store"]) == 1


@pytest.mark.parametrize("ended", ["in good order", "killed"])
def test_blocks_abandoned_for_a_week_are_dropped(tmp_path: Path, ended: str) -> None:
    with EmbeddedServer(tmp_path) as server:
        with server.endpoint.service() as service:
            service.create_container("data")
            service.get_blob_client("data", "old").stage_block("b2xk", b"o" * 100_000)
            service.get_blob_client("data", "new").stage_block("bmV3", b"n" * 100_000)
        if ended == "killed":
            server.kill()
    index = sqlite3.connect(tmp_path / "index.db")
    with index:
        index.execute("UPDATE staged_blocks SET version = version - 8 * 24 * 36000000000 WHERE name = 'old'")
    index.close()

    with BlobStore(tmp_path):
        until(lambda: len(content_files(tmp_path)) == 1)


def test_replaced_and_deleted_contents_leave_no_file(store: BlobStore) -> None:
    store.put("data", "a", b"first")
    store.put("data", "a", b"second")
    store.put("data", "b", b"x" * 100_000)
    store.delete("data", "b")

    until(lambda: len(content_files(store.root)) == 1)
    assert store.read("data", "a") == b"second"


def test_a_reader_keeps_what_it_opened_while_the_blob_is_replaced(store: BlobStore) -> None:
    store.put("data", "a", b"first")
    _, fd = store.open_content("data", "a")
    store.put("data", "a", b"other")
    until(lambda: len(content_files(store.root)) == 1)

    assert os.read(fd, 100) == b"first"
    os.close(fd)


def test_a_client_that_goes_away_leaves_nothing(tmp_path: Path) -> None:
    with EmbeddedServer(tmp_path) as server:
        with server.endpoint.service() as service:
            service.create_container("data")
        parts = urlsplit(signed(server.endpoint, "data", "/half"))
        with socket.create_connection(("127.0.0.1", int(parts.port or 0))) as connection:
            head = f"PUT {parts.path}?{parts.query} HTTP/1.1\r\nHost: x\r\nx-ms-blob-type: BlockBlob\r\n"
            connection.sendall(f"{head}Content-Length: 9000000\r\n\r\n".encode() + b"x" * 4_000_000)
            until(lambda: bool(content_files(tmp_path)))

        until(lambda: not content_files(tmp_path))


# load


def test_large_blobs_are_streamed_in_little_memory(tmp_path: Path) -> None:
    def peak_mib() -> float:
        status = Path(f"/proc/{server.process.pid}/status").read_text(encoding="ascii")
        return int(status.split("VmHWM:")[1].split()[0]) / 1024

    data = os.urandom(MIB) * 64
    with EmbeddedServer(tmp_path) as server, server.endpoint.service(max_block_size=8 * MIB) as service:
        container = service.create_container("data")
        container.upload_blob("warm", data[:MIB])
        before = peak_mib()

        answer = server.endpoint.request(
            "PUT", signed(server.endpoint, "data", "/whole"), data, {"x-ms-blob-type": "BlockBlob"}
        )
        container.get_blob_client("blocks").upload_blob(data, max_concurrency=4)
        assert answer.status == 201
        assert container.download_blob("whole").readall() == data
        assert container.download_blob("blocks", max_concurrency=4).readall() == data

        assert peak_mib() - before < 40


def test_many_clients_put_at_once(embedded: Endpoint) -> None:
    with embedded.service() as service:
        container = service.create_container("many")
        with ThreadPoolExecutor(16) as threads:
            list(threads.map(lambda n: container.upload_blob(f"{n:04d}", f"{n}".encode()), range(300)))

        assert list(container.list_blob_names()) == [f"{n:04d}" for n in range(300)]
        assert container.download_blob("0123").readall() == b"123"


def test_only_one_of_many_creates_a_blob(embedded: Endpoint) -> None:
    with embedded.service() as service:
        container = service.create_container("race")
        url = signed(embedded, "race", "/blob")
        headers = {"x-ms-blob-type": "BlockBlob", "If-None-Match": "*"}
        with ThreadPoolExecutor(16) as threads:
            answers = list(threads.map(lambda n: embedded.request("PUT", url, f"{n:02d}".encode(), headers), range(16)))

        won = [number for number, answer in enumerate(answers) if answer.status == 201]
        assert sorted({answer.status for answer in answers}) == [201, 409]
        assert len(won) == 1
        assert container.download_blob("blob").readall() == f"{won[0]:02d}".encode()


# odd requests


@pytest.mark.parametrize(
    "name", ["a/../b", "../../../etc/passwd", "./x", "back\\slash", "bell\x07", "line\nbreak", "."]
)
def test_dots_and_control_characters_are_ordinary_in_names(embedded: Endpoint, name: str) -> None:
    with embedded.service() as service:
        container = service.get_container_client("odd-names")
        if not container.exists():
            container.create_container()
        url = signed(embedded, "odd-names", f"/{quote(name, safe='/.')}")

        assert embedded.request("PUT", url, name.encode(), {"x-ms-blob-type": "BlockBlob"}).status == 201
        assert [found.name for found in container.list_blobs()] == [name]
        assert embedded.request("GET", url).body == name.encode()
        assert embedded.request("DELETE", url).status == 202


@pytest.mark.parametrize(
    ("method", "path", "query", "headers", "body", "expected"),
    [
        ("PUT", "/x", "", {}, b"data", (400, "MissingRequiredHeader")),
        ("PUT", "/x", "", {"x-ms-blob-type": "PageBlob"}, b"", (501, "NotImplemented")),
        ("PUT", "/x", "", {"x-ms-blob-type": "BlockBlob", "Content-MD5": "short"}, b"", (400, "InvalidMd5")),
        ("PUT", "/x", "", {"x-ms-blob-type": "BlockBlob", "x-ms-meta-a-b": "1"}, b"", (400, "InvalidMetadata")),
        ("PUT", "/x", "", {"x-ms-blob-type": "BlockBlob", "x-ms-meta-a": "1" * 9000}, b"", (400, "MetadataTooLarge")),
        (
            "PUT",
            "/x",
            "",
            {"x-ms-blob-type": "BlockBlob", "x-ms-content-crc64": "AA"},
            b"",
            (400, "InvalidHeaderValue"),
        ),
        (
            "PUT",
            "/x",
            "",
            {"x-ms-blob-type": "BlockBlob", "x-ms-structured-body": "A"},
            b"",
            (400, "UnsupportedHeader"),
        ),
        ("PUT", "/x", "comp=block&blockid=%21", {}, b"data", (400, "InvalidQueryParameterValue")),
        ("PUT", "/x", "comp=page", {}, b"", (501, "NotImplemented")),
        ("PUT", "/x", "resource=file", {}, b"", (501, "NotImplemented")),
        ("PATCH", "/x", "action=append&position=0", {}, b"x", (501, "NotImplemented")),
        ("GET", "", "resource=filesystem&recursive=true", {}, b"", (501, "NotImplemented")),
        ("PUT", "/x", "comp=lease", {}, b"", (400, "InvalidHeaderValue")),
        (
            "PUT",
            "/x",
            "comp=lease",
            {"x-ms-lease-action": "acquire", "x-ms-lease-duration": "1" * 5000},
            b"",
            (400, "InvalidHeaderValue"),
        ),
        ("PUT", "/x", "comp=blocklist", {}, b"<BlockList><Latest>", (400, "InvalidXmlDocument")),
        ("PUT", "/x", "comp=blocklist", {}, b"<BlockList><Other>a</Other></BlockList>", (400, "InvalidXmlDocument")),
        (
            "PUT",
            "/x",
            "comp=blocklist",
            {},
            b'<!DOCTYPE x [<!ENTITY e "ee">]><BlockList><Latest>&e;</Latest></BlockList>',
            (400, "InvalidXmlDocument"),
        ),
        ("PUT", "/" + "n" * 1025, "", {"x-ms-blob-type": "BlockBlob"}, b"", (400, "InvalidUri")),
        ("PUT", "/%FF", "", {"x-ms-blob-type": "BlockBlob"}, b"", (400, "InvalidUri")),
        (
            "PUT",
            "/x",
            "comp=metadata",
            {"If-Modified-Since": f"Mon, 01 Jan {10**24} 00:00:00 GMT"},
            b"",
            (400, "InvalidHeaderValue"),
        ),
        ("GET", "/x", "versionid=2020", {}, b"", (400, "InvalidQueryParameterValue")),
        ("GET", "/x", "snapshot=2020", {}, b"", (404, "BlobNotFound")),
        ("GET", "", "restype=container&comp=list&maxresults=0", {}, b"", (400, "OutOfRangeQueryParameterValue")),
        ("GET", "", "restype=container&comp=list&marker=%25%25", {}, b"", (400, "InvalidQueryParameterValue")),
        ("PATCH", "/x", "", {}, b"", (405, "UnsupportedHttpVerb")),
        ("GET", "", "", {}, b"", (400, "InvalidQueryParameterValue")),
        ("GET", "/x", "comp=nonsense", {}, b"", (400, "InvalidQueryParameterValue")),
        ("PUT", "/x", "", {"x-ms-blob-type": "BlockBlob", "x-ms-version": "new"}, b"", (400, "InvalidHeaderValue")),
    ],
)
def test_a_request_that_makes_no_sense_is_refused(
    embedded: Endpoint,
    method: str,
    path: str,
    query: str,
    headers: dict[str, str],
    body: bytes,
    expected: tuple[int, str],
) -> None:
    with embedded.service() as service, service.get_container_client("senseless") as container:
        if not container.exists():
            container.create_container()

    answer = embedded.request(method, signed(embedded, "senseless", path, query), body, headers)

    assert (answer.status, answer.headers["x-ms-error-code"]) == expected
    assert f"<Code>{expected[1]}</Code>".encode() in answer.body
    assert b"sig=" not in answer.body


def test_a_list_looks_like_the_services(embedded: Endpoint) -> None:
    with embedded.service() as service:
        container = service.create_container("looks")
        container.upload_blob("a<&>b", b"data", metadata={"key": "<value>"})
        container.upload_blob("dir/x", b"")
    answer = embedded.request(
        "GET", signed(embedded, "looks", "", "restype=container&comp=list&delimiter=%2F&include=metadata")
    )

    text = answer.body.decode("utf-8")
    assert answer.headers["content-type"] == "application/xml"
    assert text.startswith('\ufeff<?xml version="1.0" encoding="utf-8"?><EnumerationResults ServiceEndpoint="http://')
    assert text.endswith("<NextMarker /></EnumerationResults>")
    for part in (
        'ContainerName="looks"',
        "<Name>a&lt;&amp;&gt;b</Name>",
        "<Etag>0x",
        "<Content-Length>4</Content-Length>",
        "<BlobType>BlockBlob</BlobType>",
        "<Metadata><key>&lt;value&gt;</key></Metadata><OrMetadata />",
        "<BlobPrefix><Name>dir/</Name></BlobPrefix>",
    ):
        assert part in text


def test_another_account_is_not_served(embedded: Endpoint) -> None:
    url = signed(embedded, "none", "/x").replace(f"/{ACCOUNT}/", "/another/")

    assert embedded.request("GET", url).status == 404


@pytest.mark.parametrize("signature", ["ü", "%FC", "", "AAAA"])
def test_a_signature_that_is_no_signature_is_refused(embedded: Endpoint, signature: str) -> None:
    url = signed(embedded, "none", "/x").partition("sig=")[0] + f"sig={quote(signature, safe='%')}"

    assert embedded.request("GET", url).status == 403
    assert embedded.request("GET", f"{embedded.url}/none/x", headers={"Authorization": "SharedKey"}).status == 403


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({"protocol": "https"}, (403, "AuthorizationProtocolMismatch")),
        ({"protocol": "https,http"}, (200, None)),
        ({"ip": "10.0.0.1"}, (403, "AuthorizationSourceIPMismatch")),
        ({"ip": "127.0.0.1"}, (200, None)),
        ({"ip": "127.0.0.0-127.0.0.9"}, (200, None)),
        ({"ip": "nonsense"}, (403, "AuthorizationSourceIPMismatch")),
        ({"policy_id": "a-policy"}, (403, "AuthenticationFailed")),
        ({"content_type": "text/x-mine"}, (200, None)),
    ],
)
def test_a_signature_says_from_where_and_how_it_may_be_used(
    embedded: Endpoint, options: dict[str, str], expected: tuple[int, str | None]
) -> None:
    with embedded.service() as service, service.get_container_client("signed") as container:
        if not container.exists():
            container.create_container()
        container.upload_blob("blob", b"data", overwrite=True)
    end = datetime.now(timezone.utc) + timedelta(hours=1)
    sas = generate_container_sas(
        ACCOUNT,
        "signed",
        KEY,
        permission="r",
        expiry=end,
        policy_id=options.get("policy_id"),
        ip=options.get("ip"),
        protocol=options.get("protocol"),
        content_type=options.get("content_type"),
    )

    answer = embedded.request("GET", f"{embedded.url}/signed/blob?{sas}")

    assert (answer.status, answer.headers.get("x-ms-error-code")) == expected
    if "content_type" in options:
        assert answer.headers["content-type"] == "text/x-mine"


def test_an_accounts_signature_for_queues_opens_no_blob(embedded: Endpoint) -> None:
    end = datetime.now(timezone.utc) + timedelta(hours=1)
    sas = generate_account_sas(ACCOUNT, KEY, "sco", "r", end, services=Services(queue=True))

    answer = embedded.request("GET", f"{embedded.url}/signed/blob?{sas}")

    assert (answer.status, answer.headers["x-ms-error-code"]) == (403, "AuthorizationServiceMismatch")


@pytest.mark.parametrize("date", ["", "Mon, 01 Jan 2024 00:00:00 GMT", f"Mon, 01 Jan 2024 00:00:00 +{10**20}", "now"])
def test_a_request_signed_at_another_time_is_refused(embedded: Endpoint, date: str) -> None:
    headers = {"x-ms-date": date, "Authorization": f"SharedKey {ACCOUNT}:AAAA"}

    answer = embedded.request("GET", f"{embedded.url}/signed/blob", headers=headers)

    assert (answer.status, answer.headers["x-ms-error-code"]) == (403, "AuthenticationFailed")


def test_a_batch_deletes_blobs_and_nothing_else(embedded: Endpoint) -> None:
    with embedded.service() as service:
        service.create_container("batched")
    target = signed(embedded, "batched", "", "restype=container").removeprefix(embedded.url.rpartition("/")[0])
    part = f"--b\r\nContent-ID: 0\r\n\r\nDELETE {target} HTTP/1.1\r\n\r\n\r\n--b--\r\n"
    headers = {"Content-Type": "multipart/mixed; boundary=b"}

    answer = embedded.request(
        "POST", signed(embedded, "batched", "", "restype=container&comp=batch"), part.encode(), headers
    )

    assert (answer.status, answer.headers["x-ms-error-code"]) == (400, "InvalidInput")


def test_a_range_of_absurd_length_is_passed_over(embedded: Endpoint) -> None:
    with embedded.service() as service:
        service.create_container("absurd").upload_blob("blob", b"data")

    answer = embedded.request("GET", signed(embedded, "absurd", "/blob"), headers={"Range": f"bytes={'9' * 5000}-"})

    assert (answer.status, answer.body) == (200, b"data")


def test_only_blobs_of_the_same_account_are_copied(embedded: Endpoint) -> None:
    with embedded.service() as service:
        service.create_container("copies")
    headers = {"x-ms-copy-source": "http://169.254.169.254/metadata/secret"}

    answer = embedded.request("PUT", signed(embedded, "copies", "/x"), b"", headers)

    assert (answer.status, answer.headers["x-ms-error-code"]) == (404, "CannotVerifyCopySource")


def test_a_copy_by_signature_needs_one_for_its_source(embedded: Endpoint) -> None:
    with embedded.service() as service:
        service.create_container("private").upload_blob("secret", b"secret")
        service.create_container("public")
    source = f"{embedded.url}/private/secret"

    without = embedded.request("PUT", signed(embedded, "public", "/x"), b"", {"x-ms-copy-source": source})
    with_one = embedded.request(
        "PUT", signed(embedded, "public", "/x"), b"", {"x-ms-copy-source": signed(embedded, "private", "/secret")}
    )

    assert (without.status, without.headers["x-ms-error-code"]) == (401, "CannotVerifyCopySource")
    assert with_one.status == 202


# from Python


def test_the_store_is_used_from_python_and_over_http_alike(tmp_path: Path) -> None:
    with BlobStore(tmp_path) as store:
        store.create_container("data")
        store.create_container("data")
        put = store.put("data", "a/b", b"bytes", content_type="text/plain", metadata={"k": "v"})
        large = tmp_path / "large"
        large.write_bytes(os.urandom(3 * MIB))
        store.put("data", "large", large)
        store.append("data", "log", b"one\n")
        store.append("data", "log", b"two\n")

        assert store.stat("data", "a/b") == put
        assert (put.size, put.content_type, put.metadata) == (5, "text/plain", {"k": "v"})
        assert store.read("data", "log") == b"one\ntwo\n"
        assert store.read("data", "large", 10, 5) == large.read_bytes()[10:15]
        assert [blob.name for blob in store.list("data", "a")] == ["a/b"]
        assert store.stat("data", "none") is None
        assert store.stat("nowhere", "none") is None
        assert not store.delete("data", "none")
        with pytest.raises(BlobError, match="already exists"):
            store.put("data", "a/b", b"", overwrite=False)
        with pytest.raises(BlobError, match="container does not exist"):
            store.put("nowhere", "x", b"")

    with EmbeddedServer(tmp_path) as server, server.endpoint.service() as service:
        container = service.get_container_client("data")
        assert container.download_blob("a/b").readall() == b"bytes"
        assert container.download_blob("large").readall() == large.read_bytes()
        container.get_blob_client("log").append_block(b"three\n")

    with BlobStore(tmp_path) as store:
        assert store.read("data", "log") == b"one\ntwo\nthree\n"


def test_more_blobs_than_a_page_are_listed(store: BlobStore) -> None:
    with ThreadPoolExecutor(16) as threads:
        list(threads.map(lambda n: store.put("data", f"{n:05d}", b""), range(5_100)))

    assert [blob.name for blob in store.list("data")] == [f"{n:05d}" for n in range(5_100)]


def test_a_content_file_is_not_changed_by_chance(store: BlobStore) -> None:
    store.put("data", "a", b"data")
    (file,) = (one for one in (store.root / "contents").rglob("*") if one.is_file())

    assert stat.S_IMODE(file.stat().st_mode) == 0o400


def test_a_store_is_open_once(store: BlobStore) -> None:
    with pytest.raises(StoreInUseError, match="open in another process"):
        BlobStore(store.root).open()


def test_a_closed_store_can_be_opened_again_and_closed_twice(tmp_path: Path) -> None:
    store = BlobStore(tmp_path)
    for number in range(3):
        store.open()
        store.create_container("data")
        store.put("data", f"{number}", b"x")
        store.close()
        store.close()
    with pytest.raises(RuntimeError, match="closed"):
        store.put("data", "late", b"x")
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("blob-store")]


def test_a_change_that_fails_for_its_own_reasons_leaves_the_others_alone(store: BlobStore) -> None:
    # Two changes in one group: one breaks, as on a full disk; the other must still be acknowledged and kept.
    gate = threading.Event()

    def hold(_: object) -> None:
        gate.wait(10)

    def fail(_: object) -> None:
        raise OSError(28, "No space left on device")

    with ThreadPoolExecutor(3) as threads:
        holding = threads.submit(store.commits.call, hold)
        failing = threads.submit(store.commits.call, fail)
        putting = threads.submit(store.put, "data", "good", b"good")
        gate.set()
        holding.result()
        with pytest.raises(OSError, match="No space"):
            failing.result()
        putting.result()

    assert store.read("data", "good") == b"good"


def test_a_copy_that_is_not_committed_leaves_no_file(store: BlobStore) -> None:
    store.put("data", "a", b"data")

    def change(transaction: Transaction) -> None:
        trait_changes.snapshot(transaction, ("data", "a"), "", NO_CONDITIONS)
        raise RuntimeError("a defect")

    with pytest.raises(RuntimeError, match="a defect"):
        store.commits.call(change)
    assert len(content_files(store.root)) == 1


def test_nothing_shows_the_key(store: BlobStore) -> None:
    app = blob_app(store, ACCOUNT, KEY)

    assert KEY not in repr(app) + repr(store)
    assert base64.b64decode(KEY).decode() not in repr(app)


def test_a_block_list_commits_what_is_staged_while_others_stage(embedded: Endpoint) -> None:
    with embedded.service() as service:
        service.create_container("busy")
        blob = service.get_blob_client("busy", "blob")
        with ThreadPoolExecutor(8) as threads:
            list(threads.map(lambda n: blob.stage_block(f"{n:04d}", bytes([n]) * 70_000), range(24)))
        blob.commit_block_list([BlobBlock(f"{n:04d}") for n in range(24)])

        assert blob.download_blob().readall() == b"".join(bytes([n]) * 70_000 for n in range(24))


def test_a_source_that_is_replaced_while_it_is_copied_is_looked_for_again(
    store: BlobStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    join = ContentFiles.join

    def replaced(files: ContentFiles, content: int, parts: list[tuple[int, int, int]]) -> None:
        monkeypatch.setattr(ContentFiles, "join", join)
        store.put("data", "source", b"new")
        files.remove(parts[0][0])
        join(files, content, parts)

    monkeypatch.setattr(ContentFiles, "join", replaced)
    store.put("data", "source", b"old")
    headers = {"x-ms-copy-source": f"http://x/{ACCOUNT}/data/source"}
    request = Request("PUT", (f"/{ACCOUNT}/data/target", "comp=block"), headers, AsyncMock())
    anyone = Authenticator(ACCOUNT, KEY, lambda _: Traits(access="blob"))
    with ThreadPoolExecutor(1) as threads:
        body = asyncio.run(copy_routes.part(Call(Service(store, ACCOUNT, anyone, threads), request, Grant("w"))))

    assert store.files.read(body.content, 0, 10) == b"new"
    assert len(content_files(store.root)) == 2
