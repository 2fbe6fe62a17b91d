"""The changes of containers and blobs, each a function of a transaction: look, refuse or write. No HTTP, no waiting."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

from azure_batch_endpoints.local.blobstore import index
from azure_batch_endpoints.local.blobstore.commits import Transaction
from azure_batch_endpoints.local.blobstore.conditions import NO_CONDITIONS, Conditions
from azure_batch_endpoints.local.blobstore.failures import BlobError
from azure_batch_endpoints.local.blobstore.index import APPEND_BLOB, BLOCK_BLOB, Blob, Container

_PUT = "INSERT OR REPLACE INTO blobs VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"


class Body(NamedTuple):
    """Bytes to be stored: small ones in ``data``, others in a synced content file already."""

    content: int
    size: int
    md5: bytes | None
    data: bytes | None


class Target(NamedTuple):
    """Which blob is written, and how it is to be described.

    ``headers`` and ``metadata`` are JSON objects as text, empty text for none. ``may_overwrite`` is False for a
    signature that may only create.
    """

    container: str
    name: str
    content_type: str = "application/octet-stream"
    headers: str = ""
    metadata: str = ""
    conditions: Conditions = NO_CONDITIONS
    may_overwrite: bool = True


def create_container(transaction: Transaction, name: str, metadata: str) -> Container:
    """Make a container. Raises ``ContainerAlreadyExists``."""
    if index.find_container(transaction.connection, name) is not None:
        raise BlobError("ContainerAlreadyExists")
    version = transaction.now()
    cursor = transaction.connection.execute(
        "INSERT INTO containers (name, version, metadata) VALUES (?, ?, ?)", (name, version, metadata)
    )
    return Container(cursor.lastrowid or 0, name, version, metadata)


def set_container_metadata(transaction: Transaction, name: str, metadata: str, conditions: Conditions) -> Container:
    """Replace a container's metadata."""
    container = index.require_container(transaction.connection, name)
    conditions.check_write(container.version)
    changed = container._replace(version=transaction.now(), metadata=metadata)
    transaction.connection.execute(
        "UPDATE containers SET version = ?, metadata = ? WHERE id = ?", (changed.version, metadata, container.id)
    )
    return changed


def delete_container(transaction: Transaction, name: str, conditions: Conditions) -> None:
    """Delete a container and all its blobs."""
    container = index.require_container(transaction.connection, name)
    conditions.check_write(container.version)
    connection, key = transaction.connection, (container.id,)
    contents = connection.execute(
        "SELECT content FROM blobs WHERE container = ?1 UNION ALL SELECT content FROM staged_blocks"
        " WHERE container = ?1",
        key,
    ).fetchall()
    transaction.discarded.extend(row[0] for row in contents)
    connection.execute(
        "DELETE FROM committed_blocks WHERE content IN (SELECT content FROM blobs WHERE container = ?)", key
    )
    connection.execute("DELETE FROM blobs WHERE container = ?", key)
    connection.execute("DELETE FROM staged_blocks WHERE container = ?", key)
    connection.execute("DELETE FROM containers WHERE id = ?", key)


def put(transaction: Transaction, target: Target, body: Body, kind: str = BLOCK_BLOB) -> Blob:
    """Store a blob, in place of the one of that name if there is one and the conditions allow it."""
    container, old = index.look_up(transaction.connection, target.container, target.name)
    check_overwrite(target, old)
    if body.data is not None:
        transaction.write(body.content, body.data)
    return replace(transaction, target, body, container, old, kind)


def check_overwrite(target: Target, old: Blob | None) -> None:
    """Refuse to replace ``old`` where the conditions or the signature forbid it."""
    target.conditions.check_write(old.version if old else None)
    if old is not None and not target.may_overwrite:
        raise BlobError("UnauthorizedBlobOverwrite")


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
    )
    transaction.connection.execute(_PUT, blob)
    if old is not None:
        drop_content(transaction, old)
    drop_staged(transaction, container, target.name)
    return blob


def delete(transaction: Transaction, container_name: str, name: str, conditions: Conditions) -> None:
    """Delete a blob and the blocks staged for it. Raises ``BlobNotFound``."""
    blob = index.require_blob(transaction.connection, container_name, name)
    conditions.check_write(blob.version)
    transaction.connection.execute("DELETE FROM blobs WHERE container = ? AND name = ?", (blob.container, name))
    drop_content(transaction, blob)
    drop_staged(transaction, blob.container, name)


def drop_content(transaction: Transaction, blob: Blob) -> None:
    """Discard a blob's content and its block list."""
    transaction.discard(blob.content)
    transaction.connection.execute("DELETE FROM committed_blocks WHERE content = ?", (blob.content,))


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
    target.conditions.check_write(blob.version)
    blob = blob._replace(version=transaction.now())
    if metadata is not None:
        blob = blob._replace(metadata=metadata)
    if properties is not None:
        blob = blob._replace(content_type=properties[0], headers=properties[1], md5=properties[2])
    transaction.connection.execute(_PUT, blob)
    return blob


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
    target.conditions.check_write(blob.version)
    if limits.position is not None and limits.position != blob.size:
        raise BlobError("AppendPositionConditionNotMet")
    if limits.max_size is not None and blob.size + size > limits.max_size:
        raise BlobError("MaxBlobSizeConditionNotMet")
    transaction.sync_before_commit(transaction.files.append(blob.content, blob.size, data))
    position = blob.size
    blob = blob._replace(size=position + size, version=transaction.now(), appends=blob.appends + 1, md5=None)
    transaction.connection.execute(_PUT, blob)
    return blob, position


def copy(transaction: Transaction, source: tuple[str, str, Conditions], target: Target) -> Blob:
    """Copy a blob within the store; its content is shared or copied by the file system, never by us.

    ``target.metadata`` wins over the source's when there is any; ``target.headers`` are added to the source's.
    """
    try:
        original = index.require_blob(transaction.connection, source[0], source[1])
    except BlobError as error:
        raise BlobError("CannotVerifyCopySource") from error
    source[2].check_write(original.version)
    container, old = index.look_up(transaction.connection, target.container, target.name)
    check_overwrite(target, old)
    content = _copy_content(transaction, original)
    target = target._replace(
        content_type=original.content_type,
        metadata=target.metadata or original.metadata,
        headers=_merged(original.headers, target.headers),
    )
    body = Body(content, original.size, original.md5, None)
    transaction.connection.execute(
        "INSERT INTO committed_blocks SELECT ?, position, block, size FROM committed_blocks WHERE content = ?",
        (content, original.content),
    )
    return replace(transaction, target, body, container, old, original.kind)


def _copy_content(transaction: Transaction, original: Blob) -> int:
    content = transaction.files.new()
    if original.kind == APPEND_BLOB:  # its file goes on growing, so it cannot be shared
        transaction.files.join(content, [(original.content, 0, original.size)], growing=True)
    else:
        transaction.files.link(original.content, content)
    return content


def _merged(first: str, second: str) -> str:
    return f"{first[:-1]},{second[1:]}" if first and second else first or second
