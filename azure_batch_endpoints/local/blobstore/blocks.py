"""Blocks: staging them, listing them, and making a blob of a block list. Functions of a transaction or connection."""

from __future__ import annotations

import base64
import sqlite3
from collections.abc import Iterable
from typing import NamedTuple

from azure_batch_endpoints.local.blobstore import index
from azure_batch_endpoints.local.blobstore.changes import Body, Target, check_overwrite, replace
from azure_batch_endpoints.local.blobstore.commits import Transaction
from azure_batch_endpoints.local.blobstore.failures import BlobError
from azure_batch_endpoints.local.blobstore.index import BLOCK_BLOB, Blob

MAX_BLOCKS = 50_000


class Block(NamedTuple):
    """A block: its id, and where its bytes lie."""

    id: str
    content: int
    offset: int
    size: int


class Plan(NamedTuple):
    """What a block list comes to: the blocks in order, and which of them are staged ones."""

    blocks: tuple[Block, ...]
    staged: frozenset[int]

    @property
    def size(self) -> int:
        """The size of the blob in bytes."""
        return sum(block.size for block in self.blocks)

    @property
    def single(self) -> int | None:
        """The content that is the blob as it stands, when the list is one staged block."""
        if len(self.blocks) == 1 and self.blocks[0].content in self.staged:
            return self.blocks[0].content
        return None


def stage(transaction: Transaction, target: Target, block: str, body: Body) -> None:
    """Stage a block, in place of one of the same id.

    Raises:
        BlobError: ``InvalidBlobOrBlock`` when the blob's staged blocks have ids of another length,
            ``InvalidBlobType`` when there is an append blob of that name.
    """
    container, blob = index.look_up(transaction.connection, target.container, target.name)
    if blob is not None and blob.kind != BLOCK_BLOB:
        raise BlobError("InvalidBlobType")
    target.conditions.check_lease(blob)
    key = (container, target.name)
    other = transaction.connection.execute(
        "SELECT block FROM staged_blocks WHERE container = ? AND name = ? LIMIT 1", key
    ).fetchone()
    if other is not None and len(base64.b64decode(other[0])) != len(base64.b64decode(block)):
        raise BlobError("InvalidBlobOrBlock", "All block ids of a blob must have the same length.")
    old = transaction.connection.execute(
        "SELECT content FROM staged_blocks WHERE container = ? AND name = ? AND block = ?", (*key, block)
    ).fetchone()
    if body.data is not None:
        transaction.write(body.content, body.data)
    if old is not None:
        transaction.discard(old[0])
    transaction.connection.execute(
        "INSERT OR REPLACE INTO staged_blocks VALUES (?, ?, ?, ?, ?, ?)",
        (*key, block, body.content, body.size, transaction.now()),
    )


def of_snapshot(connection: sqlite3.Connection, place: tuple[str, str, str]) -> tuple[Blob, list[Block]]:
    """The blob at ``(container, name, snapshot)`` and its blocks in order."""
    blob = index.find_snapshot(connection, *place)
    return blob, _committed(connection, blob)


def listed(connection: sqlite3.Connection, container: str, name: str) -> tuple[Blob | None, list[Block], list[Block]]:
    """The blob, its committed blocks in order, and its staged blocks by id.

    Raises:
        BlobError: ``BlobNotFound`` when there is neither a blob nor a staged block, ``InvalidBlobType`` when it is
            no block blob.
    """
    container_id, blob = index.look_up(connection, container, name)
    if blob is not None and blob.kind != BLOCK_BLOB:
        raise BlobError("InvalidBlobType")
    staged = [
        Block(block, content, 0, size)
        for block, content, size in connection.execute(
            "SELECT block, content, size FROM staged_blocks WHERE container = ? AND name = ? ORDER BY block",
            (container_id, name),
        )
    ]
    if blob is None and not staged:
        raise BlobError("BlobNotFound")
    return blob, _committed(connection, blob), staged


def _committed(connection: sqlite3.Connection, blob: Blob | None) -> list[Block]:
    if blob is None:
        return []
    blocks, offset = [], 0
    for block, size in connection.execute(
        "SELECT block, size FROM committed_blocks WHERE content = ? ORDER BY position", (blob.content,)
    ):
        blocks.append(Block(block, blob.content, offset, size))
        offset += size
    return blocks


def plan(connection: sqlite3.Connection, target: Target, wanted: Iterable[tuple[str, str]]) -> Plan:
    """Find the blocks of a list of ``(Committed | Uncommitted | Latest, id)``.

    Raises:
        BlobError: ``InvalidBlockList`` for a block that is not there, ``BlockListTooLong``, and
            whatever the conditions refuse.
    """
    wanted = list(wanted)
    if len(wanted) > MAX_BLOCKS:
        raise BlobError("BlockListTooLong", f"A blob has at most {MAX_BLOCKS:,} blocks.")
    old = index.look_up(connection, target.container, target.name)[1]
    check_overwrite(target, old)
    if old is not None and old.kind != BLOCK_BLOB:
        raise BlobError("InvalidBlobType")
    if not wanted:
        return Plan((), frozenset())
    try:
        _, committed, staged = listed(connection, target.container, target.name)
    except BlobError as error:
        if error.code != "BlobNotFound":
            raise
        raise BlobError("InvalidBlockList", "No block is staged for this blob.") from error
    committed_by_id = {block.id: block for block in committed}
    staged_by_id = {block.id: block for block in staged}
    tables = {
        "Committed": committed_by_id,
        "Uncommitted": staged_by_id,
        "Latest": {**committed_by_id, **staged_by_id},
    }
    found = [tables[kind].get(block) for kind, block in wanted]
    blocks = tuple(block for block in found if block is not None)
    if len(blocks) != len(found):
        raise BlobError("InvalidBlockList", f"{len(found) - len(blocks)} of its blocks are not there.")
    return Plan(blocks, frozenset(block.content for block in staged))


def commit(
    transaction: Transaction, target: Target, wanted: Iterable[tuple[str, str]], planned: Plan, body: Body
) -> Blob | None:
    """Make the joined content the blob's.

    Returns:
        None when the blocks changed since they were planned and joined: plan again.
    """
    if plan(transaction.connection, target, wanted) != planned:
        return None
    container, old = index.look_up(transaction.connection, target.container, target.name)
    if planned.single is not None:  # the block's file becomes the blob's, so it must not be discarded
        transaction.connection.execute("DELETE FROM staged_blocks WHERE content = ?", (planned.single,))
    if body.data is not None:
        transaction.write(body.content, body.data)
    blob = replace(transaction, target, body, container, old)
    transaction.connection.executemany(
        "INSERT INTO committed_blocks VALUES (?, ?, ?, ?)",
        ((body.content, number, block.id, block.size) for number, block in enumerate(planned.blocks)),
    )
    return blob
