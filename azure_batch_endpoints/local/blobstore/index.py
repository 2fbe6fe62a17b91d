"""The index of a blob store: its SQLite schema, its rows as values, and looking them up. No file is touched here.

Times and ETags are one number: .NET ticks (100 ns since the year 1), as in the ETags of the real service.
"""

from __future__ import annotations

import sqlite3
from pathlib import Path
from typing import NamedTuple

from azure_batch_endpoints.local.blobstore.failures import BlobError

BLOCK_BLOB = "BlockBlob"
APPEND_BLOB = "AppendBlob"

_SCHEMA = """
CREATE TABLE IF NOT EXISTS settings (name TEXT PRIMARY KEY, value INTEGER NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS containers (
    id INTEGER PRIMARY KEY AUTOINCREMENT, name TEXT NOT NULL UNIQUE, version INTEGER NOT NULL, metadata TEXT NOT NULL,
    traits TEXT NOT NULL DEFAULT '');
CREATE TABLE IF NOT EXISTS blobs (
    container INTEGER NOT NULL, name TEXT NOT NULL, content INTEGER NOT NULL, size INTEGER NOT NULL,
    version INTEGER NOT NULL, created INTEGER NOT NULL, kind TEXT NOT NULL, content_type TEXT NOT NULL,
    headers TEXT NOT NULL, md5 BLOB, metadata TEXT NOT NULL, appends INTEGER NOT NULL, traits TEXT NOT NULL DEFAULT '',
    PRIMARY KEY (container, name)) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS blobs_by_content ON blobs (content);
CREATE TABLE IF NOT EXISTS snapshots (
    container INTEGER NOT NULL, name TEXT NOT NULL, content INTEGER NOT NULL, size INTEGER NOT NULL,
    version INTEGER NOT NULL, created INTEGER NOT NULL, kind TEXT NOT NULL, content_type TEXT NOT NULL,
    headers TEXT NOT NULL, md5 BLOB, metadata TEXT NOT NULL, appends INTEGER NOT NULL, traits TEXT NOT NULL,
    snapshot TEXT NOT NULL, PRIMARY KEY (container, name, snapshot)) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS snapshots_by_content ON snapshots (content);
CREATE TABLE IF NOT EXISTS documents (name TEXT PRIMARY KEY, text TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS committed_blocks (
    content INTEGER NOT NULL, position INTEGER NOT NULL, block TEXT NOT NULL, size INTEGER NOT NULL,
    PRIMARY KEY (content, position)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS staged_blocks (
    container INTEGER NOT NULL, name TEXT NOT NULL, block TEXT NOT NULL, content INTEGER NOT NULL,
    size INTEGER NOT NULL, version INTEGER NOT NULL, PRIMARY KEY (container, name, block)) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS staged_blocks_by_content ON staged_blocks (content);
CREATE TABLE IF NOT EXISTS journal_0 (content INTEGER PRIMARY KEY, data BLOB NOT NULL);
CREATE TABLE IF NOT EXISTS journal_1 (content INTEGER PRIMARY KEY, data BLOB NOT NULL);
"""


# What a store of an earlier release lacks: (table, column).
_ADDED = (("containers", "traits"), ("blobs", "traits"))
_CONTAINER = "SELECT id, name, version, metadata, traits FROM containers"
_BLOB = "container, name, content, size, version, created, kind, content_type, headers, md5, metadata, appends, traits"


class Container(NamedTuple):
    """A container's row; ``traits`` is text of :mod:`.traits`."""

    id: int
    name: str
    version: int
    metadata: str
    traits: str = ""


class Blob(NamedTuple):
    """A blob's row, in the order of the table's columns.

    ``headers`` and ``metadata`` are JSON objects as text, empty text when there are none; ``traits`` is text of
    :mod:`.traits`.
    """

    container: int
    name: str
    content: int
    size: int
    version: int
    created: int
    kind: str
    content_type: str
    headers: str
    md5: bytes | None
    metadata: str
    appends: int
    traits: str = ""


def connect(path: Path) -> sqlite3.Connection:
    """A connection that may be handed from thread to thread, in WAL mode, where a commit survives a power loss."""
    connection = sqlite3.connect(path, isolation_level=None, check_same_thread=False, timeout=30.0)
    connection.execute("PRAGMA journal_mode=WAL")
    connection.execute("PRAGMA synchronous=FULL")
    connection.execute("PRAGMA fullfsync=ON")
    connection.execute("PRAGMA wal_autocheckpoint=4000")
    return connection


def create(connection: sqlite3.Connection) -> None:
    """Make the tables and columns that are missing."""
    connection.executescript(_SCHEMA)
    for table, column in _ADDED:
        if column not in {row[1] for row in connection.execute(f"PRAGMA table_info({table})")}:
            connection.execute(f"ALTER TABLE {table} ADD COLUMN {column} TEXT NOT NULL DEFAULT ''")


def setting(connection: sqlite3.Connection, name: str) -> int:
    """A number kept beside the rows; 0 when it was never set."""
    row = connection.execute("SELECT value FROM settings WHERE name = ?", (name,)).fetchone()
    return int(row[0]) if row else 0


def set_setting(connection: sqlite3.Connection, name: str, value: int) -> None:
    """Keep a number beside the rows."""
    connection.execute("INSERT OR REPLACE INTO settings VALUES (?, ?)", (name, value))


def find_container(connection: sqlite3.Connection, name: str) -> Container | None:
    """The container of that name, if there is one."""
    row = connection.execute(f"{_CONTAINER} WHERE name = ?", (name,)).fetchone()
    return Container(*row) if row else None


def require_container(connection: sqlite3.Connection, name: str) -> Container:
    """The container of that name.

    Raises:
        BlobError: ``ContainerNotFound``.
    """
    container = find_container(connection, name)
    if container is None:
        raise BlobError("ContainerNotFound")
    return container


_LOOK_UP = (
    "SELECT c.id, b.container, b.name, b.content, b.size, b.version, b.created, b.kind, b.content_type, b.headers,"
    " b.md5, b.metadata, b.appends, b.traits FROM containers c LEFT JOIN blobs b ON b.container = c.id AND b.name = ?"
    " WHERE c.name = ?"
)


def look_up(connection: sqlite3.Connection, container: str, name: str) -> tuple[int, Blob | None]:
    """The container's id and the blob in it, if there is one.

    Raises:
        BlobError: ``ContainerNotFound``.
    """
    row = connection.execute(_LOOK_UP, (name, container)).fetchone()
    if row is None:
        raise BlobError("ContainerNotFound")
    return row[0], None if row[1] is None else Blob(*row[1:])


def require_blob(connection: sqlite3.Connection, container: str, name: str) -> Blob:
    """The blob.

    Raises:
        BlobError: ``ContainerNotFound`` or ``BlobNotFound``.
    """
    blob = look_up(connection, container, name)[1]
    if blob is None:
        raise BlobError("BlobNotFound")
    return blob


def find_snapshot(connection: sqlite3.Connection, container: str, name: str, snapshot: str) -> Blob:
    """The blob as it was at a snapshot.

    Raises:
        BlobError: ``ContainerNotFound`` or ``BlobNotFound``.
    """
    found = require_container(connection, container)
    row = connection.execute(
        f"SELECT {_BLOB} FROM snapshots WHERE container = ? AND name = ? AND snapshot = ?",  # noqa: S608  constants
        (found.id, name, snapshot),
    ).fetchone()
    if row is None:
        raise BlobError("BlobNotFound")
    return Blob(*row)


def snapshots(connection: sqlite3.Connection, container: int, first: str, last: str) -> list[Blob]:
    """The snapshots of the blobs from one name to another, both included, by name and time."""
    rows = connection.execute(
        f"SELECT {_BLOB} FROM snapshots WHERE container = ? AND name BETWEEN ? AND ?"  # noqa: S608  constants
        " ORDER BY name, snapshot",
        (container, first, last),
    )
    return list(map(Blob._make, rows))


def document(connection: sqlite3.Connection, name: str) -> str:
    """A text kept beside the rows; ``""`` when it was never set."""
    row = connection.execute("SELECT text FROM documents WHERE name = ?", (name,)).fetchone()
    return row[0] if row else ""


def is_live(connection: sqlite3.Connection, content: int) -> bool:
    """Whether any row still points at that content."""
    return bool(
        connection.execute(
            "SELECT EXISTS (SELECT 1 FROM blobs WHERE content = ?1)"
            " OR EXISTS (SELECT 1 FROM staged_blocks WHERE content = ?1)"
            " OR EXISTS (SELECT 1 FROM snapshots WHERE content = ?1)",
            (content,),
        ).fetchone()[0]
    )


def name_after(prefix: str) -> str | None:
    """The least name greater than every name that begins with ``prefix``; None when there is none.

    Names compare by code point, which is also the order of their UTF-8 bytes.
    """
    while prefix:
        last = ord(prefix[-1])
        prefix = prefix[:-1]
        if last == 0xD7FF:  # the next code points are surrogates, which no name can contain
            return prefix + "\ue000"
        if last < 0x10FFFF:
            return prefix + chr(last + 1)
    return None
