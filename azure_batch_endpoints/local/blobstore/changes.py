"""The changes of blobs, each a function of a transaction: look, refuse or write. No HTTP, no waiting.

Containers' changes are in ``container_changes``, snapshots and what else few blobs have in ``trait_changes``.
"""

from __future__ import annotations

import sqlite3
from pathlib import Path
from typing import NamedTuple

from azure_batch_endpoints.local.blobstore import index, traits
from azure_batch_endpoints.local.blobstore.commits import Transaction
from azure_batch_endpoints.local.blobstore.conditions import NO_CONDITIONS, Conditions
from azure_batch_endpoints.local.blobstore.encoding import decode_headers, encode_headers
from azure_batch_endpoints.local.blobstore.failures import BlobError
from azure_batch_endpoints.local.blobstore.index import APPEND_BLOB, BLOCK_BLOB, Blob

_MAX_APPENDS = 50_000
_PUT = "INSERT OR REPLACE INTO blobs VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"


class Body(NamedTuple):
    """Bytes to be stored: small ones in ``data``, others in a synced content file already."""

    content: int
    size: int
    md5: bytes | None
    data: bytes | None
    crc64: int | None = None


class Target(NamedTuple):
    """Which blob is written, and how it is to be described.

    ``headers`` and ``metadata`` are JSON objects as text, empty text for none; ``traits`` is text of :mod:`.traits`.
    ``may_overwrite`` is False for a signature that may only create.
    """

    container: str
    name: str
    content_type: str = "application/octet-stream"
    headers: str = ""
    metadata: str = ""
    conditions: Conditions = NO_CONDITIONS
    may_overwrite: bool = True
    traits: str = ""


def put(transaction: Transaction, target: Target, body: Body, kind: str = BLOCK_BLOB) -> Blob:
    """Store a blob, in place of the one of that name if there is one and the conditions allow it."""
    container, old = index.look_up(transaction.connection, target.container, target.name)
    check_overwrite(target, old)
    if body.data is not None:
        transaction.write(body.content, body.data)
    return replace(transaction, target, body, container, old, kind)


def check_overwrite(target: Target, old: Blob | None) -> None:
    """Refuse to replace ``old`` where the conditions or the signature forbid it."""
    if old is not None:
        if target.conditions.if_none_match == "*":
            raise BlobError("BlobAlreadyExists")
        if not target.may_overwrite:
            raise BlobError("UnauthorizedBlobOverwrite")
    target.conditions.check_write(old)


def replace(
    transaction: Transaction, target: Target, body: Body, container: int, old: Blob | None, kind: str = BLOCK_BLOB
) -> Blob:
    """Write the row of a blob whose content is there, and discard what it replaces, staged blocks included."""
    version = transaction.now()
    blob = Blob(
        container,
        target.name,
        body.content,
        body.size,
        version,
        version,
        kind,
        target.content_type,
        target.headers,
        body.md5,
        target.metadata,
        0,
        target.traits,
    )
    if old is not None:
        blob = blob._replace(traits=traits.after_write(old.traits, target.traits, version))
        drop_file(transaction, old.content)
    write_row(transaction, blob)
    drop_staged(transaction, container, target.name)
    return blob


def write_row(transaction: Transaction, blob: Blob) -> None:
    """Write a blob's row, in place of the one it had."""
    transaction.connection.execute(_PUT, blob)


def delete(
    transaction: Transaction, container_name: str, name: str, conditions: Conditions, snapshots: str | None = None
) -> None:
    """Delete a blob and the blocks staged for it.

    Args:
        transaction: The transaction.
        container_name: The container.
        name: The blob's name.
        conditions: What must hold.
        snapshots: ``include`` for its snapshots too, ``only`` for nothing but them, None when it may have none.

    Raises:
        BlobError: ``BlobNotFound``, or ``SnapshotsPresent`` when it has some and ``snapshots`` is None.
    """
    blob = index.require_blob(transaction.connection, container_name, name)
    conditions.check_write(blob)
    key = (blob.container, name)
    rows = transaction.connection.execute(
        "SELECT content FROM snapshots WHERE container = ? AND name = ?", key
    ).fetchall()
    if rows:
        if snapshots is None:
            raise BlobError("SnapshotsPresent")
        for (content,) in rows:
            drop_file(transaction, content)
        transaction.connection.execute("DELETE FROM snapshots WHERE container = ? AND name = ?", key)
    if snapshots == "only":
        return
    transaction.connection.execute("DELETE FROM blobs WHERE container = ? AND name = ?", key)
    drop_file(transaction, blob.content)
    drop_staged(transaction, blob.container, name)


def drop_file(transaction: Transaction, content: int) -> None:
    """Discard a content file and its block list."""
    transaction.discard(content)
    transaction.connection.execute("DELETE FROM committed_blocks WHERE content = ?", (content,))


def drop_staged(transaction: Transaction, container: int, name: str) -> None:
    """Discard the blocks staged for a blob."""
    key = (container, name)
    rows = transaction.connection.execute(
        "SELECT content FROM staged_blocks WHERE container = ? AND name = ?", key
    ).fetchall()
    if rows:
        transaction.discarded.extend(row[0] for row in rows)
        transaction.connection.execute("DELETE FROM staged_blocks WHERE container = ? AND name = ?", key)


def describe(
    transaction: Transaction,
    target: Target,
    *,
    metadata: str | None = None,
    properties: tuple[str, str, bytes | None] | None = None,
) -> Blob:
    """Replace a blob's metadata, or its ``(content type, headers, md5)``; its content stays."""
    blob = index.require_blob(transaction.connection, target.container, target.name)
    target.conditions.check_write(blob)
    version = transaction.now()
    blob = blob._replace(version=version, traits=_lasting(blob.traits, version))
    if metadata is not None:
        blob = blob._replace(metadata=metadata)
    if properties is not None:
        kept = _copied(blob.headers)  # what is known of the copy that made it does not go away
        headers = _merged(properties[1], kept)
        blob = blob._replace(content_type=properties[0], headers=headers, md5=properties[2])
    write_row(transaction, blob)
    return blob


def _lasting(text: str, now: int) -> str:
    # A lease that is over ends for good with the next change; everything else stays.
    return traits.after_write(text, traits.encode(traits.decode(text)._replace(lease=None)), now) if text else text


def _copied(headers: str) -> str:
    return encode_headers({name: value for name, value in decode_headers(headers).items() if name.startswith("x-ms-")})


class AppendLimits(NamedTuple):
    """Where an append must begin, and how large the blob may become by it; None where the client does not care."""

    position: int | None = None
    max_size: int | None = None


def append(
    transaction: Transaction, target: Target, data: bytes | Path, size: int, limits: AppendLimits
) -> tuple[Blob, int]:
    """Append to an append blob.

    Returns:
        The blob afterwards, and the position its new bytes begin at.
    """
    blob = index.require_blob(transaction.connection, target.container, target.name)
    if blob.kind != APPEND_BLOB:
        raise BlobError("InvalidBlobType")
    target.conditions.check_write(blob)
    if traits.decode(blob.traits).is_sealed:
        raise BlobError("BlobIsSealed")
    if blob.appends >= _MAX_APPENDS:
        raise BlobError("BlockCountExceedsLimit")
    if limits.position is not None and limits.position != blob.size:
        raise BlobError("AppendPositionConditionNotMet")
    if limits.max_size is not None and blob.size + size > limits.max_size:
        raise BlobError("MaxBlobSizeConditionNotMet")
    if not blob.size:
        transaction.made.append(blob.content)  # the first append makes the file
    transaction.sync_before_commit(transaction.files.append(blob.content, blob.size, data))
    position = blob.size
    blob = blob._replace(size=position + size, version=transaction.now(), appends=blob.appends + 1, md5=None)
    write_row(transaction, blob._replace(traits=_lasting(blob.traits, blob.version)))
    return blob, position


class Source(NamedTuple):
    """What a copy reads: a blob or one of its snapshots, if the conditions hold."""

    container: str
    name: str
    snapshot: str
    conditions: Conditions

    def find(self, connection: sqlite3.Connection) -> Blob:
        """The blob's row. Raises ``CannotVerifyCopySource`` or ``SourceConditionNotMet``."""
        try:
            if self.snapshot:
                blob = index.find_snapshot(connection, self.container, self.name, self.snapshot)
            else:
                blob = index.require_blob(connection, self.container, self.name)
        except BlobError as error:
            raise BlobError("CannotVerifyCopySource") from error
        try:
            self.conditions.check_state(blob)
        except BlobError as error:
            code = "SourceConditionNotMet" if error.status == 412 else error.code
            raise BlobError(code) from error
        return blob


class Kept(NamedTuple):
    """What a copy takes over from its source where the request itself says nothing."""

    properties: bool = True
    tags: bool = False


def copy(transaction: Transaction, source: Source, target: Target, kept: Kept) -> Blob:
    """Copy a blob within the store; its content is shared or copied by the file system, never by us.

    ``target.metadata`` wins over the source's when there is any; ``target.headers`` are added to the source's.
    """
    original = source.find(transaction.connection)
    own = traits.decode(target.traits)
    if traits.decode(original.traits).tier == "Archive" and not own.tier:
        raise BlobError("BlobArchived")
    container, old = index.look_up(transaction.connection, target.container, target.name)
    check_overwrite(target, old)
    content = copy_content(transaction, original)
    target = target._replace(metadata=target.metadata or original.metadata)
    if kept.tags:
        own = own._replace(tags=traits.decode(original.traits).tags)
        target = target._replace(traits=traits.encode(own))
    if kept.properties:
        headers = _merged(_plain(original.headers), target.headers)
        target = target._replace(content_type=original.content_type, headers=headers)
    body = Body(content, original.size, original.md5, None)
    transaction.connection.execute(
        "INSERT INTO committed_blocks SELECT ?, position, block, size FROM committed_blocks WHERE content = ?",
        (content, original.content),
    )
    blob = replace(transaction, target, body, container, old, original.kind)
    if original.appends:
        blob = blob._replace(appends=original.appends)
        write_row(transaction, blob)
    return blob


def copy_content(transaction: Transaction, original: Blob) -> int:
    """A content file of its own with a blob's bytes."""
    content = transaction.files.new()
    transaction.made.append(content)
    if original.kind == APPEND_BLOB:  # its file goes on growing, so it cannot be shared
        parts = [(original.content, 0, original.size)] if original.size else []  # its file is made by the first append
        transaction.files.join(content, parts, growing=True)
    else:
        transaction.files.link(original.content, content)
    return content


def _plain(headers: str) -> str:
    return encode_headers(
        {name: value for name, value in decode_headers(headers).items() if not name.startswith("x-ms-")}
    )


def _merged(first: str, second: str) -> str:
    return f"{first[:-1]},{second[1:]}" if first and second else first or second
