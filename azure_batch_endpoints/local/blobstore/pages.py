"""Listing: pages of blobs and of containers, flat or by hierarchy, read from the index. No XML here."""

from __future__ import annotations

import base64
import binascii
import sqlite3
from collections.abc import Iterator
from typing import NamedTuple

from azure_batch_endpoints.local.blobstore import index
from azure_batch_endpoints.local.blobstore.failures import BlobError
from azure_batch_endpoints.local.blobstore.index import Blob, Container

MAX_PAGE = 5000
_FROM = "SELECT * FROM blobs WHERE container = ? AND name >= ? ORDER BY name LIMIT ?"
_BETWEEN = "SELECT * FROM blobs WHERE container = ? AND name >= ? AND name < ? ORDER BY name LIMIT ?"
# With names that only have staged blocks: blobs of no length.
_STAGED_TOO = (
    "SELECT * FROM blobs WHERE container = ?1 AND name >= ?2 AND name < ?3"
    " UNION ALL SELECT container, name, 0, 0, max(version), max(version), 'BlockBlob', 'application/octet-stream', '',"
    " NULL, '', 0, '' FROM staged_blocks s WHERE container = ?1 AND name >= ?2 AND name < ?3 AND NOT EXISTS"
    " (SELECT 1 FROM blobs b WHERE b.container = s.container AND b.name = s.name) GROUP BY container, name"
    " ORDER BY name LIMIT ?4"
)


class Page(NamedTuple):
    """One page: blobs and (as text) the prefixes that stand for many, in order; the marker of the next, or ``""``."""

    entries: list[Blob | str]
    marker: str


class Wanted(NamedTuple):
    """Which blobs are asked for; ``delimiter`` is empty for a flat list, ``marker`` for the first page.

    ``include`` are the words of the request's ``include``.
    """

    prefix: str = ""
    delimiter: str = ""
    marker: str = ""
    limit: int = MAX_PAGE
    include: frozenset[str] = frozenset()


def blobs(connection: sqlite3.Connection, container: int, wanted: Wanted) -> Page:
    """A page of a container's blobs."""
    start = max(wanted.prefix, _name_of(wanted.marker))
    end = index.name_after(wanted.prefix)
    if wanted.delimiter:
        page = _by_hierarchy(connection, container, (start, end), wanted)
    else:
        rows = _rows(connection, (container, start), end, wanted.limit + 1, wanted.include)
        page = Page(list(rows[: wanted.limit]), _marker_of(rows, wanted.limit))
    return _with_snapshots(connection, container, page, wanted.limit) if "snapshots" in wanted.include else page


def _with_snapshots(connection: sqlite3.Connection, container: int, page: Page, limit: int) -> Page:
    # A blob's snapshots come before it and are never parted from it, so that a marker can be a name.
    names = [entry.name for entry in page.entries if not isinstance(entry, str)]
    if not names:
        return page
    taken: dict[str, list[Blob]] = {}
    for blob in index.snapshots(connection, container, names[0], names[-1]):
        taken.setdefault(blob.name, []).append(blob)
    entries: list[Blob | str] = []
    for entry in page.entries:
        group = [entry] if isinstance(entry, str) else [*taken.get(entry.name, ()), entry]
        if entries and len(entries) + len(group) > limit:
            return Page(entries, _marker(entry if isinstance(entry, str) else entry.name))
        entries += group
    return Page(entries, page.marker)


def _by_hierarchy(connection: sqlite3.Connection, container: int, span: tuple[str, str | None], wanted: Wanted) -> Page:
    entries: list[Blob | str] = []
    cursor: str | None = span[0]
    while cursor is not None:
        batch = min(wanted.limit + 1 - len(entries), 200)
        rows = _rows(connection, (container, cursor), span[1], batch, wanted.include)
        for row in rows:
            if cursor is None or row.name < cursor:  # inside a prefix that is listed already
                continue
            if len(entries) == wanted.limit:
                return Page(entries, _marker(row.name))
            entry, cursor = _entry(row, wanted)
            entries.append(entry)
        if len(rows) < batch:
            break
    return Page(entries, "")


def _entry(row: Blob, wanted: Wanted) -> tuple[Blob | str, str | None]:
    # What a row is listed as, and the least name that can follow it.
    end = row.name.find(wanted.delimiter, len(wanted.prefix))
    if end < 0:
        return row, row.name + "\0"
    common = row.name[: end + len(wanted.delimiter)]
    return common, index.name_after(common)


def containers(connection: sqlite3.Connection, wanted: Wanted) -> tuple[list[Container], str]:
    """A page of the account's containers, and the marker of the next or ``""``."""
    start = max(wanted.prefix, _name_of(wanted.marker))
    end = index.name_after(wanted.prefix) or chr(0x10FFFF)
    rows = connection.execute(
        "SELECT id, name, version, metadata, traits FROM containers WHERE name >= ? AND name < ? ORDER BY name LIMIT ?",
        (start, end, wanted.limit + 1),
    ).fetchall()
    marker = _marker(rows[wanted.limit][1]) if len(rows) > wanted.limit else ""
    return [Container(*row) for row in rows[: wanted.limit]], marker


def tagged(connection: sqlite3.Connection, container: str, after: str) -> Iterator[tuple[str, Blob]]:
    """The blobs that have tags, as ``(container, blob)`` in order; of one container or, for ``""``, of all.

    ``after`` is a marker of :func:`marker_after`, or ``""``.
    """
    place = _name_of(after).partition("\0")
    rows = connection.execute(
        "SELECT c.name, b.* FROM containers c JOIN blobs b ON b.container = c.id"
        " WHERE b.traits LIKE '%\"tags\"%' AND (c.name = ?1 OR ?1 = '') AND (c.name, b.name) > (?2, ?3)"
        " ORDER BY c.name, b.name",
        (container, place[0], place[2]),
    )
    return ((row[0], Blob(*row[1:])) for row in rows)


def marker_after(container: str, name: str) -> str:
    """The marker of a page that begins behind a blob, for :func:`tagged`."""
    return _marker(f"{container}\0{name}")


def _rows(
    connection: sqlite3.Connection, start: tuple[int, str], end: str | None, count: int, include: frozenset[str]
) -> list[Blob]:
    if "uncommittedblobs" in include:
        rows = connection.execute(_STAGED_TOO, (*start, end or chr(0x10FFFF), count))
    elif end is None:
        rows = connection.execute(_FROM, (*start, count))
    else:
        rows = connection.execute(_BETWEEN, (*start, end, count))
    return list(map(Blob._make, rows))


def _marker_of(rows: list[Blob], count: int) -> str:
    return _marker(rows[count].name) if len(rows) > count else ""


def _marker(name: str) -> str:
    return base64.urlsafe_b64encode(name.encode()).decode()


def _name_of(marker: str) -> str:
    try:
        return base64.b64decode(marker, altchars=b"-_", validate=True).decode()
    except (binascii.Error, ValueError):
        raise BlobError("InvalidQueryParameterValue", "The marker is not one this store gave.") from None
