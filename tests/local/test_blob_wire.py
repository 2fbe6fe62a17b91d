"""The embedded blob endpoint on the wire: connections that live on, odd bodies, documents that are traps; and scale."""

from __future__ import annotations

import re
import socket
import uuid
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from azure_batch_endpoints.local.blobstore import BlobStore, changes, container_signature
from azure_batch_endpoints.local.blobstore.changes import Body, Target
from azure_batch_endpoints.local.blobstore.commits import Transaction
from tests.local.blob_fixtures import EmbeddedServer, Endpoint, embedded
from tests.local.blob_server import ACCOUNT, KEY

__all__ = ["embedded"]

BLOCK_BLOB = "x-ms-blob-type: BlockBlob"


class Wire:
    """One connection, and requests written by hand to a container of its own."""

    def __init__(self, endpoint: Endpoint, container: str) -> None:
        parts = urlsplit(endpoint.url)
        sas = container_signature(ACCOUNT, KEY, container, permissions="racwdl", valid_for=timedelta(hours=1))
        self._target = f"{parts.path}/{container}"
        self._sas = sas
        self._socket = socket.create_connection((str(parts.hostname), parts.port), timeout=60)
        self._file = self._socket.makefile("rb")

    def close(self) -> None:
        self._file.close()
        self._socket.close()

    def send(self, method: str, path: str, *headers: str, body: bytes = b"", query: str = "") -> None:
        lines = [f"{method} {self._target}{path}?{query}{self._sas} HTTP/1.1", "Host: x", *headers]
        if not any(header.lower().startswith(("content-length", "transfer-encoding")) for header in headers):
            lines.append(f"Content-Length: {len(body)}")
        self.write("\r\n".join(lines).encode() + b"\r\n\r\n" + body)

    def write(self, data: bytes) -> None:
        self._socket.sendall(data)

    def answer(self, *, head: bool = False) -> tuple[int, dict[str, str], bytes]:
        status = int(self._file.readline().split()[1])
        headers = {}
        while line := self._file.readline().rstrip():
            name, _, value = line.decode("latin-1").partition(": ")
            headers[name.lower()] = value
        body = b"" if head else self._file.read(int(headers.get("content-length", 0)))
        return status, headers, body

    def is_closed(self) -> bool:
        return self._file.read() == b""


@pytest.fixture
def wire(embedded: Endpoint) -> Iterator[Wire]:
    name = f"w-{uuid.uuid4().hex}"
    with embedded.service() as service:
        service.create_container(name)
    wire = Wire(embedded, name)
    yield wire
    wire.close()


def test_requests_sent_at_once_are_answered_in_order(wire: Wire) -> None:
    wire.send("PUT", "/a", BLOCK_BLOB, body=b"data")
    wire.send("GET", "/a")
    wire.send("GET", "/none")
    wire.send("DELETE", "/a")

    assert [wire.answer()[0] for _ in range(4)] == [201, 200, 404, 202]


@pytest.mark.parametrize(
    "headers",
    [("x-ms-blob-type: Nonsense",), (BLOCK_BLOB, "Content-MD5: AAAA"), (BLOCK_BLOB, "x-ms-meta-a-b: 1")],
)
def test_a_connection_lives_on_after_a_refusal_with_its_body_unread(wire: Wire, headers: tuple[str, ...]) -> None:
    wire.send("PUT", "/a", *headers, body=b"x" * 3_000_000)
    refused = wire.answer()
    wire.send("PUT", "/a", BLOCK_BLOB, body=b"data")

    assert (refused[0], wire.answer()[0]) == (400, 201)


def test_a_body_is_asked_for_only_when_it_is_wanted(wire: Wire) -> None:
    wire.send("PUT", "/a", BLOCK_BLOB, "Expect: 100-continue", "Content-Length: 4")
    assert wire.answer()[0] == 100
    wire.write(b"data")
    assert wire.answer()[0] == 201

    wire.send("PUT", "/a", "x-ms-blob-type: Nonsense", "Expect: 100-continue", "Content-Length: 4")
    assert wire.answer()[0] == 400


def test_a_body_of_unknown_length_is_refused(wire: Wire) -> None:
    wire.send("PUT", "/a", BLOCK_BLOB, "Transfer-Encoding: chunked", body=b"4\r\ndata\r\n0\r\n\r\n")
    refused = wire.answer()
    wire.send("GET", "/a")

    assert (refused[0], refused[1]["x-ms-error-code"]) == (411, "MissingContentLengthHeader")
    assert wire.answer()[0] == 404


def test_headers_without_end_are_refused(wire: Wire) -> None:
    wire.send("GET", "/a", "x-large: " + "v" * 100_000)

    assert wire.answer()[0] == 400
    assert wire.is_closed()


def test_an_address_without_end_is_refused(wire: Wire) -> None:
    wire.send("GET", "/" + "a" * 100_000)

    assert wire.answer()[0] == 400
    assert wire.is_closed()


def test_a_request_to_the_server_as_a_whole_is_refused(wire: Wire) -> None:
    wire.write(b"OPTIONS * HTTP/1.1\r\nHost: x\r\n\r\n")

    assert wire.answer()[0] == 404


def test_the_error_of_a_head_is_in_its_headers_alone(wire: Wire) -> None:
    wire.send("HEAD", "/none", "x-ms-client-request-id: mine", "x-ms-version: 2099-01-01")
    status, headers, _ = wire.answer(head=True)
    wire.send("GET", "/none")

    assert (status, headers["x-ms-error-code"]) == (404, "BlobNotFound")
    assert (headers["x-ms-client-request-id"], headers["x-ms-version"]) == ("mine", "2099-01-01")
    assert "date" in headers
    status, headers, body = wire.answer()
    assert status == 404
    assert body.startswith(
        b'\xef\xbb\xbf<?xml version="1.0" encoding="utf-8"?><Error><Code>BlobNotFound</Code><Message>'
    )
    assert f"RequestId:{headers['x-ms-request-id']}\nTime:".encode() in body


def test_metadata_that_comes_twice_is_refused(wire: Wire) -> None:
    wire.send("PUT", "/a", BLOCK_BLOB, "x-ms-meta-a: 1", "x-ms-meta-A: 2", body=b"x")
    first = wire.answer()
    wire.send("PUT", "/a", BLOCK_BLOB, "x-ms-meta-a: 1", "x-ms-meta-a: 2", body=b"x")

    assert [first[1]["x-ms-error-code"], wire.answer()[1]["x-ms-error-code"]] == ["InvalidMetadata"] * 2


def entities(root: str) -> bytes:
    steps = "".join(f'<!ENTITY e{n} "{f"&e{n - 1};" * 10}">' for n in range(1, 9))
    return f'<!DOCTYPE x [<!ENTITY e0 "xxxxxxxxxx">{steps}]><{root}><Latest>&e8;</Latest></{root}>'.encode()


@pytest.mark.parametrize(
    "document",
    [
        entities("BlockList"),
        b'<!DOCTYPE x [<!ENTITY e SYSTEM "file:///etc/passwd">]><BlockList><Latest>&e;</Latest></BlockList>',
        b"<BlockList>" + b"<Latest>" * 100_000,
        b"<BlockList><Latest>",
        b"\x00",
        b"",
        b"<?xml version='1.0' encoding='utf-16'?><BlockList/>",
        b"<?xml version='1.0' encoding='nonsense'?><BlockList/>",
        b"<?xml version='1.0' encoding='shift_jis'?><BlockList/>",
    ],
    ids=[
        "entities",
        "a file",
        "depth",
        "no end",
        "no text",
        "nothing",
        "wrong encoding",
        "no encoding",
        "odd encoding",
    ],
)
def test_a_document_that_is_a_trap_is_refused_at_once(wire: Wire, document: bytes) -> None:
    wire.send("PUT", "/a", body=document, query="comp=blocklist&")

    status, headers, _ = wire.answer()
    assert (status, headers["x-ms-error-code"]) == (400, "InvalidXmlDocument")


@pytest.mark.parametrize("what", ["entities", "depth", "nothing", "another"])
def test_documents_of_the_account_are_read_with_the_same_care(embedded: Endpoint, what: str) -> None:
    from azure.storage.blob import generate_account_sas

    from tests.local.test_blob_features import now

    root = "StorageServiceProperties"
    deep = f"<{root}>".encode() + b"<a>" * 1000
    bodies = {"entities": entities(root), "depth": deep, "nothing": b"", "another": b"<Other/>"}
    sas = generate_account_sas(ACCOUNT, KEY, "s", "w", now() + timedelta(hours=1))

    answer = embedded.request("PUT", f"{embedded.url}?restype=service&comp=properties&{sas}", bodies[what])

    assert (answer.status, answer.headers["x-ms-error-code"]) == (400, "InvalidXmlDocument")


# what a store of an earlier release lacks


def test_a_store_of_an_earlier_release_is_opened_and_kept(tmp_path: Path) -> None:
    import sqlite3

    with BlobStore(tmp_path) as store:
        store.create_container("data")
        store.put("data", "blob", b"kept", metadata={"k": "v"})
    index = sqlite3.connect(tmp_path / "index.db")
    with index:
        index.execute("DROP TABLE snapshots")
        index.execute("DROP TABLE documents")
        for table in ("containers", "blobs"):
            index.execute(f"ALTER TABLE {table} DROP COLUMN traits")
    index.close()

    with EmbeddedServer(tmp_path) as server, server.endpoint.service() as service:
        blob = service.get_blob_client("data", "blob")
        blob.set_blob_tags({"a": "1"})
        assert (blob.download_blob().readall(), blob.get_blob_properties().metadata) == (b"kept", {"k": "v"})
        assert blob.get_blob_tags() == {"a": "1"}


def test_what_few_blobs_have_survives_a_kill(tmp_path: Path) -> None:
    server = EmbeddedServer(tmp_path)
    with server.endpoint.service() as service:
        container = service.create_container("data", public_access="blob")
        blob = container.upload_blob("blob", b"first", tags={"a": "1"})
        taken = str(blob.create_snapshot()["snapshot"])
        blob.upload_blob(b"second", overwrite=True)
        lease = blob.acquire_lease(-1)
    server.kill()

    with EmbeddedServer(tmp_path) as again, again.endpoint.service() as service:
        blob = service.get_blob_client("data", "blob")
        snapshot = service.get_blob_client("data", "blob", snapshot=taken)
        assert (snapshot.download_blob().readall(), blob.download_blob().readall()) == (b"first", b"second")
        assert snapshot.get_blob_tags() == {"a": "1"}
        assert blob.get_blob_properties().lease.state == "leased"
        blob.delete_blob(lease=lease.id, delete_snapshots="include")
        assert service.get_container_client("data").get_container_properties().public_access == "blob"


def test_the_files_of_snapshots_go_with_them(tmp_path: Path) -> None:
    with EmbeddedServer(tmp_path) as server, server.endpoint.service() as service:
        container = service.create_container("data")
        for name in ("a", "b"):
            container.upload_blob(name, b"x" * 100_000).create_snapshot()
        container.get_blob_client("a").delete_blob(delete_snapshots="include")
        container.delete_container()

    with BlobStore(tmp_path):
        assert [file for file in (tmp_path / "contents").rglob("*") if file.is_file()] == []


def test_ten_thousand_blobs_in_a_hierarchy_are_listed_in_every_way(tmp_path: Path) -> None:
    names = [f"{n % 10}/{n // 10 % 10}/{n:05d}" for n in range(10_000)]

    def put_all(transaction: Transaction) -> None:  # one transaction for all: it is the listing that is looked at
        for name in names:
            target = Target("data", name, metadata=f'{{"n": "{name[-5:]}"}}')
            changes.put(transaction, target, Body(transaction.files.new(), 0, None, None))

    with BlobStore(tmp_path) as store:
        store.create_container("data")
        store.commits.call(put_all)

    with EmbeddedServer(tmp_path) as server, server.endpoint.service() as service:
        container = service.get_container_client("data")
        everything = list(container.list_blobs(include=["metadata", "snapshots", "tags", "copy", "uncommittedblobs"]))
        assert [blob.name for blob in everything] == sorted(names)
        assert all(blob.metadata == {"n": blob.name[-5:]} for blob in everything)
        assert [entry.name for entry in container.walk_blobs()] == [f"{n}/" for n in range(10)]
        assert [entry.name for entry in container.walk_blobs("3/")] == [f"3/{n}/" for n in range(10)]
        below = list(container.walk_blobs("3/4/", results_per_page=7))
        assert [entry.name for entry in below] == sorted(name for name in names if name.startswith("3/4/"))
        assert len(list(container.list_blob_names(name_starts_with="5/"))) == 1000
        assert len(list(container.list_blob_names(results_per_page=999))) == 10_000


@pytest.mark.parametrize(
    ("kind", "expected"),
    [("deleted", []), ("files", [b"top"]), ("directories", [b"dir/"]), ("other", [b"dir/", b"top"])],
)
def test_a_list_shows_only_what_is_asked_for(wire: Wire, kind: str, expected: list[bytes]) -> None:
    for path in ("/top", "/dir/below"):
        wire.send("PUT", path, BLOCK_BLOB, body=b"x")
        wire.answer()
    wire.send("GET", "", query=f"restype=container&comp=list&delimiter=%2F&include=deleted&showonly={kind}&")

    assert re.findall(b"<Name>([^<]+)</Name>", wire.answer()[2]) == expected
