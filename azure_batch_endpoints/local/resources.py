"""Endpoints, deployments, assets and computes as rows: a kind, a key, a body.

Here: putting, reading and listing them, and the long-running operations they began. Not here: what a body means.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from sqlite3 import Connection
from typing import Any

from azure_batch_endpoints._wire import scalars
from azure_batch_endpoints.local.ledger_file import LedgerFile, Row

SCHEMA = """
CREATE TABLE IF NOT EXISTS resources (
    number INTEGER PRIMARY KEY AUTOINCREMENT, kind TEXT NOT NULL, parent TEXT NOT NULL, name TEXT NOT NULL,
    mark TEXT, operation TEXT, body TEXT NOT NULL, created TEXT NOT NULL, modified TEXT NOT NULL,
    UNIQUE (kind, parent, name));
CREATE INDEX IF NOT EXISTS resources_in_order ON resources (kind, parent, number);
CREATE INDEX IF NOT EXISTS resources_by_mark ON resources (kind, mark) WHERE mark IS NOT NULL;
CREATE TABLE IF NOT EXISTS operations (id TEXT PRIMARY KEY, started TEXT NOT NULL) WITHOUT ROWID;
"""
_COLUMNS = "number, kind, parent, name, operation, body, created, modified"
_BY_KEY = "kind = ? AND parent = ? AND name = ?"
_ONE = f"SELECT {_COLUMNS} FROM resources WHERE {_BY_KEY}"
_ARCHIVED = "(? IS NULL OR coalesce(json_extract(body, '$.isArchived'), 0) = ?)"


@dataclass(frozen=True)
class Key:
    """What a resource is found by.

    Attributes:
        kind: ``endpoints``, ``deployments``, ``computes`` or a kind of asset.
        name: its name, or an asset's version.
        parent: the endpoint of a deployment, the asset's name of a version; else empty.
    """

    kind: str
    name: str
    parent: str = ""

    @property
    def values(self) -> tuple[str, str, str]:
        """As the query wants them."""
        return self.kind, self.parent, self.name


@dataclass(frozen=True)
class Resource:
    """A resource as it is kept.

    Attributes:
        number: order of creation.
        key: what it is found by.
        operation: id of the operation that made or changed it last, or None.
        body: what was kept of it; a datastore's holds its key. Secret: never in repr.
        created: wire time.
        modified: wire time.
    """

    number: int
    key: Key
    operation: str | None
    body: Mapping[str, Any] = field(repr=False)
    created: str
    modified: str


@dataclass(frozen=True)
class Change:
    """What goes with a new body.

    Attributes:
        within: the resource it belongs to, which must be there, or None.
        operation: id of the operation it begins, or None.
        mark: value to find it by (the hash of code), or None.
    """

    within: Key | None = None
    operation: str | None = None
    mark: str | None = None


class OwnerGone(LookupError):
    """The resource that the new one belongs to is not there (any more)."""


class Resources:
    """The table; one transaction a method."""

    def __init__(self, file: LedgerFile) -> None:
        self._file = file

    def put(
        self,
        key: Key,
        body: Mapping[str, Any] | Callable[[Resource | None], Mapping[str, Any]],
        change: Change = Change(),
    ) -> tuple[Resource, bool]:
        """Make or replace a resource; return it, and whether it is new.

        Args:
            key: what it is found by.
            body: what is kept of it, or a function of what is there, called when nobody else can change it.
            change: what goes with it.

        Raises:
            OwnerGone: ``change.within`` is not there.
        """
        now = scalars.now()
        with self._file.transaction() as database:
            if (
                change.within
                and not database.execute(
                    f"SELECT 1 FROM resources WHERE {_BY_KEY}",
                    change.within.values,
                ).fetchone()
            ):
                raise OwnerGone(change.within.name)
            if change.operation:
                # A change that ends at once (PATCH) keeps the operation of the last one that did not.
                database.execute("INSERT OR IGNORE INTO operations VALUES (?, ?)", (change.operation, now))
            if callable(body):
                body = body(_first(database, key))
            values = (json.dumps(body), change.operation, change.mark, now)
            changed = database.execute(
                f"UPDATE resources SET body = ?, operation = ?, mark = ?, modified = ? WHERE {_BY_KEY}",
                (*values, *key.values),
            ).rowcount
            if not changed:
                database.execute(
                    "INSERT INTO resources (body, operation, mark, modified, created, kind, parent, name)"
                    " VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
                    (*values, now, *key.values),
                )
            row = database.execute(_ONE, key.values).fetchone()
        return _resource(row), not changed

    def get(self, key: Key) -> Resource | None:
        """Return a resource, or None."""
        found = self._select(f"WHERE {_BY_KEY}", key.values)
        return found[0] if found else None

    def delete(self, key: Key, *, contents: str | None = None, operation: str | None = None) -> bool:
        """Remove a resource, and all of kind ``contents`` that belongs to it; return whether it was there."""
        with self._file.transaction() as database:
            gone = database.execute(f"DELETE FROM resources WHERE {_BY_KEY}", key.values).rowcount > 0
            if gone and contents:
                database.execute("DELETE FROM resources WHERE kind = ? AND parent = ?", (contents, key.name))
            if gone and operation:
                self.note_operation(database, operation)
        return gone

    @staticmethod
    def note_operation(database: Connection, operation: str) -> None:
        """Write down, in a transaction that is going on, that an operation began."""
        database.execute("INSERT INTO operations VALUES (?, ?)", (operation, scalars.now()))

    def delete_contents(self, holder: Key, kind: str) -> bool:
        """Remove all of a kind that belongs to a holder, and the holder's own row; return whether there was any."""
        with self._file.transaction() as database:
            own = database.execute(f"DELETE FROM resources WHERE {_BY_KEY}", holder.values).rowcount
            query = "DELETE FROM resources WHERE kind = ? AND parent = ?"
            return own + database.execute(query, (kind, holder.name)).rowcount > 0

    def page(self, kind: str, parent: str, after: int, limit: int, *, archived: bool | None = None) -> list[Resource]:
        """Return resources in the order of creation, those with a number above ``after``.

        Args:
            kind: of the resources.
            parent: what they belong to, or empty.
            after: number of the last one that is known already.
            limit: most of them.
            archived: whether they are archived; None: whatever they are.
        """
        where = f"WHERE kind = ? AND parent = ? AND {_ARCHIVED} AND number > ? ORDER BY number LIMIT ?"
        return self._select(where, (kind, parent, archived, archived, after, limit))

    def newest(
        self, kind: str, parent: str, before: int | None = None, limit: int = 1, *, archived: bool | None = None
    ) -> list[Resource]:
        """Return resources, the last created first, those with a number below ``before``; ``archived``: as there."""
        where = f"WHERE kind = ? AND parent = ? AND {_ARCHIVED} AND number < ? ORDER BY number DESC LIMIT ?"
        return self._select(where, (kind, parent, archived, archived, 2**62 if before is None else before, limit))

    def marked(self, kind: str, mark: str) -> list[Resource]:
        """Return the resources that carry a mark."""
        return self._select("WHERE kind = ? AND mark = ? ORDER BY number", (kind, mark))

    def names(self, kind: str, parent: str = "", *, archived: bool | None = None) -> list[str]:
        """Return the names of resources, the first created first; ``archived`` as for ``page``."""
        query = f"SELECT name FROM resources WHERE kind = ? AND parent = ? AND {_ARCHIVED} ORDER BY number"
        return [row[0] for row in self._file.rows(query, (kind, parent, archived, archived))]

    def parents(self, kind: str) -> list[str]:
        """Return the names of a kind's containers in alphabetical order."""
        query = "SELECT DISTINCT parent FROM resources WHERE kind = ? ORDER BY parent"
        return [row[0] for row in self._file.rows(query, (kind,))]

    def operation_started(self, operation: str) -> str | None:
        """Return when an operation began (wire time), or None for one that never did."""
        rows = self._file.rows("SELECT started FROM operations WHERE id = ?", (operation,))
        return rows[0][0] if rows else None

    def _select(self, where: str, values: Row) -> list[Resource]:
        return [_resource(row) for row in self._file.rows(f"SELECT {_COLUMNS} FROM resources {where}", values)]


def _first(database: Connection, key: Key) -> Resource | None:
    row = database.execute(_ONE, key.values).fetchone()
    return _resource(row) if row else None


def _resource(row: Row) -> Resource:
    number, kind, parent, name, operation, body, created, modified = row
    return Resource(number, Key(kind, name, parent), operation, json.loads(body), created, modified)
