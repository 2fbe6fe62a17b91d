"""The pure parts of the blob endpoint: listing, conditions, queries, signatures."""

from __future__ import annotations

import base64
import sqlite3
from collections.abc import Iterator
from datetime import datetime, timedelta, timezone
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from azure_batch_endpoints.local.blobstore import index, pages
from azure_batch_endpoints.local.blobstore.conditions import Conditions, etag, http_date
from azure_batch_endpoints.local.blobstore.encoding import check_blob_name, check_container_name, metadata_of
from azure_batch_endpoints.local.blobstore.failures import BlobError
from azure_batch_endpoints.local.blobstore.http import parse_query
from azure_batch_endpoints.local.blobstore.index import Blob, name_after
from azure_batch_endpoints.local.blobstore.sas import Signature, container_signature
from azure_batch_endpoints.local.blobstore.xml import blob_list, read_block_list

VERSION = 638_700_000_000_000_000
KEY = base64.b64encode(b"key").decode()

names = st.text(st.sampled_from("ab/é\ud7ff\ue000\U0010ffff"), min_size=1, max_size=6)


@pytest.fixture
def connection(tmp_path: Path) -> Iterator[sqlite3.Connection]:
    connection = index.connect(tmp_path / "index.db")
    connection.execute("PRAGMA synchronous=OFF")
    index.create(connection)
    yield connection
    connection.close()


def fill(connection: sqlite3.Connection, found: set[str]) -> None:
    connection.execute("DELETE FROM blobs")
    rows = [(1, name, 1, 0, VERSION, VERSION, "BlockBlob", "", "", None, "", 0, "") for name in found]
    connection.executemany("INSERT INTO blobs VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)", rows)


def all_pages(connection: sqlite3.Connection, wanted: pages.Wanted) -> list[str]:
    listed: list[str] = []
    while True:
        page = pages.blobs(connection, 1, wanted)
        assert len(page.entries) <= wanted.limit
        listed += [entry.name if isinstance(entry, Blob) else f"{entry}*" for entry in page.entries]
        if not page.marker:
            return listed
        assert len(page.entries) == wanted.limit
        wanted = wanted._replace(marker=page.marker)


@given(st.sets(names, max_size=25), st.text(st.sampled_from("ab/é"), max_size=2), st.integers(1, 5))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
def test_a_flat_list_has_every_name_with_the_prefix_once_and_sorted(
    connection: sqlite3.Connection, found: set[str], prefix: str, limit: int
) -> None:
    fill(connection, found)

    listed = all_pages(connection, pages.Wanted(prefix, "", "", limit))

    assert listed == sorted(name for name in found if name.startswith(prefix))


@given(st.sets(names, max_size=25), st.text(st.sampled_from("ab/é"), max_size=2), st.integers(1, 5))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
def test_a_list_by_hierarchy_has_every_folder_once(
    connection: sqlite3.Connection, found: set[str], prefix: str, limit: int
) -> None:
    fill(connection, found)

    listed = all_pages(connection, pages.Wanted(prefix, "/", "", limit))

    expected: list[str] = []
    for name in sorted(name for name in found if name.startswith(prefix)):
        head, slash, _ = name[len(prefix) :].partition("/")
        entry = f"{prefix}{head}/*" if slash else name
        if entry not in expected:
            expected.append(entry)
    assert listed == expected


@given(names, names)
def test_the_name_after_a_prefix_is_above_all_that_begin_with_it(prefix: str, rest: str) -> None:
    after = name_after(prefix)

    assert after is None or prefix + rest < after
    assert after is None or not after.startswith(prefix)


def stated(version: int) -> Blob:
    return Blob(1, "b", 1, 0, version, version, "BlockBlob", "", "", None, "", 0)


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({}, None),
        ({"if-match": f'"{etag(VERSION)}"'}, None),
        ({"if-match": "*"}, None),
        ({"if-match": '"0x1"'}, 412),
        ({"if-none-match": '"0x1"'}, None),
        ({"if-none-match": f'"{etag(VERSION)}"'}, 304),
        ({"if-none-match": "*"}, 400),
        ({"if-match": f'"{etag(VERSION)}"', "if-unmodified-since": http_date(VERSION - 20_000_000)}, 412),
        ({"if-none-match": f'"{etag(VERSION)}"', "if-modified-since": http_date(VERSION - 20_000_000)}, None),
        ({"if-none-match": '"0x1"', "if-modified-since": http_date(VERSION)}, None),
        ({"if-match": '"0x1"', "if-none-match": f'"{etag(VERSION)}"'}, 412),
        ({"if-modified-since": http_date(VERSION)}, 304),
        ({"if-modified-since": http_date(VERSION - 20_000_000)}, None),
        ({"if-unmodified-since": http_date(VERSION)}, None),
        ({"if-unmodified-since": http_date(VERSION - 20_000_000)}, 412),
    ],
)
def test_conditions_of_a_read(headers: dict[str, str], status: int | None) -> None:
    conditions = Conditions.of(headers)
    if status is None:
        conditions.check_read(stated(VERSION))
        return
    with pytest.raises(BlobError) as caught:
        conditions.check_read(stated(VERSION))
    code = "UnsatisfiableCondition" if status == 400 else "ConditionNotMet"
    assert (caught.value.code, caught.value.status) == (code, status)


@pytest.mark.parametrize(
    ("headers", "version", "code"),
    [
        ({"if-none-match": "*"}, None, None),
        ({"if-none-match": "*"}, VERSION, None),
        ({"if-match": '"0x1"', "if-none-match": '"0x1"'}, VERSION, "MultipleConditionHeadersNotSupported"),
        ({"if-match": '"0x1","0x2"'}, VERSION, "MultipleConditionHeadersNotSupported"),
        ({"if-match": "*", "if-unmodified-since": http_date(VERSION - 20_000_000)}, VERSION, None),
        ({"x-ms-if-tags": "a = '1'"}, VERSION, "ConditionNotMet"),
        ({"x-ms-lease-id": "x"}, VERSION, "LeaseNotPresentWithBlobOperation"),
        ({"if-none-match": f'"{etag(VERSION)}"'}, VERSION, "ConditionNotMet"),
        ({"if-match": "*"}, None, "ConditionNotMet"),
        ({"if-match": "*"}, VERSION, None),
        ({"if-match": '"0x1"'}, VERSION, "ConditionNotMet"),
        ({"if-unmodified-since": http_date(VERSION - 20_000_000)}, VERSION, "ConditionNotMet"),
    ],
)
def test_conditions_of_a_change(headers: dict[str, str], version: int | None, code: str | None) -> None:
    found = None if version is None else stated(version)
    if code is None:
        Conditions.of(headers).check_write(found)
        return
    with pytest.raises(BlobError) as caught:
        Conditions.of(headers).check_write(found)
    assert caught.value.code == code


def test_a_date_that_is_none_is_refused() -> None:
    with pytest.raises(BlobError, match="'yesterday' is not an HTTP date"):
        Conditions.of({"if-modified-since": "yesterday"})


def test_a_query_is_decoded() -> None:
    query = parse_query("Prefix=a%20b%2Bc+d&comp=list&empty=&x=1&x=2&=none")

    assert dict(query) == {"prefix": "a b+c d", "comp": "list", "empty": "", "x": "1,2"}


@pytest.mark.parametrize("name", ["abc", "a-b-c", "0" * 63, "$root", "$web"])
def test_good_container_names_are_taken(name: str) -> None:
    check_container_name(name)


@pytest.mark.parametrize("name", ["", "ab", "A-b", "a--b", "-ab", "ab-", "a.b", "abc\n", "a" * 64, "$rooted"])
def test_bad_container_names_are_refused(name: str) -> None:
    with pytest.raises(BlobError):
        check_container_name(name)


@pytest.mark.parametrize("name", ["", "a\0b", "n" * 1025])
def test_bad_blob_names_are_refused(name: str) -> None:
    with pytest.raises(BlobError):
        check_blob_name(name)


def test_metadata_is_picked_from_the_headers() -> None:
    assert metadata_of({"x-ms-meta-a": "1", "x-ms-version": "2"}) == '{"a": "1"}'
    assert metadata_of({}) == ""


def test_a_signature_holds_in_its_time_and_with_its_key_only() -> None:
    query = parse_query(container_signature("acct", KEY, "data", permissions="r", valid_for=timedelta(minutes=5)))
    signature = Signature(query)
    now = datetime.now(timezone.utc)

    assert signature.is_genuine(b"key", "acct", "/data")
    assert not signature.is_genuine(b"other", "acct", "/data")
    assert not signature.is_genuine(b"key", "other", "/data")
    assert not signature.is_genuine(b"key", "acct", "/other")
    assert not Signature({**query, "sp": "rw"}).is_genuine(b"key", "acct", "/data")
    assert signature.is_current(now)
    assert not signature.is_current(now + timedelta(minutes=6))
    assert not signature.is_current(now - timedelta(minutes=16))


@pytest.mark.parametrize("end", ["", "soon", "2020-01-01", "2020-01-01T00:00Z", "2020-01-01T00:00:00.0000000Z"])
def test_a_signature_without_an_end_or_with_one_that_is_past_does_not_hold(end: str) -> None:
    assert not Signature({"se": end}).is_current(datetime.now(timezone.utc))


def test_a_block_list_is_read_in_order() -> None:
    text = '<?xml version="1.0"?><BlockList><Latest> YQ== </Latest><Committed>Yg==</Committed></BlockList>'

    assert read_block_list(text.encode()) == [("Latest", "YQ=="), ("Committed", "Yg==")]
    assert read_block_list(b"<BlockList />") == []


def test_a_name_xml_cannot_carry_is_encoded() -> None:
    blob = Blob(1, "a\x01b/ü", 1, 0, VERSION, VERSION, "BlockBlob", "", "", None, "", 0)

    text = blob_list("http://x/a/", "data", pages.Wanted(), pages.Page([blob], "")).decode()

    assert '<Name Encoded="true">a%01b%2F%C3%BC</Name>' in text
