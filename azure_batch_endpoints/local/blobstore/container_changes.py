"""The changes of containers, each a function of a transaction: look, refuse or write. No HTTP, no waiting."""

from __future__ import annotations

from collections.abc import Callable

from azure_batch_endpoints.local.blobstore import index, leases, traits
from azure_batch_endpoints.local.blobstore.commits import Transaction, now_ticks
from azure_batch_endpoints.local.blobstore.conditions import Conditions
from azure_batch_endpoints.local.blobstore.failures import BlobError
from azure_batch_endpoints.local.blobstore.index import Container
from azure_batch_endpoints.local.blobstore.leases import Wish
from azure_batch_endpoints.local.blobstore.traits import Traits


def create(transaction: Transaction, name: str, metadata: str, known: str = "") -> Container:
    """Make a container; ``known`` is text of :mod:`.traits`. Raises ``ContainerAlreadyExists``."""
    if index.find_container(transaction.connection, name) is not None:
        raise BlobError("ContainerAlreadyExists")
    version = transaction.now()
    cursor = transaction.connection.execute(
        "INSERT INTO containers (name, version, metadata, traits) VALUES (?, ?, ?, ?)", (name, version, metadata, known)
    )
    return Container(cursor.lastrowid or 0, name, version, metadata, known)


def set_metadata(transaction: Transaction, name: str, metadata: str, conditions: Conditions) -> Container:
    """Replace a container's metadata."""
    container = _checked(transaction, name, conditions)
    return _write(transaction, container._replace(version=transaction.now(), metadata=metadata))


def set_access(
    transaction: Transaction, name: str, change: Callable[[Traits], Traits], conditions: Conditions
) -> Container:
    """Replace what anyone may read of a container, and its stored access policies."""
    container = _checked(transaction, name, conditions)
    known = traits.encode(change(traits.decode(container.traits)))
    return _write(transaction, container._replace(version=transaction.now(), traits=known))


def lease(transaction: Transaction, name: str, wish: Wish, conditions: Conditions) -> tuple[Container, Traits, int]:
    """Carry out a lease action.

    Returns:
        The container, what is known of it afterwards, and for a break the seconds until it takes effect.
    """
    container = index.require_container(transaction.connection, name)
    conditions.check_state(container)
    known = traits.decode(container.traits)
    changed, seconds = leases.apply(known.lease, wish, now_ticks())
    known = known._replace(lease=changed)
    return _write(transaction, container._replace(traits=traits.encode(known))), known, seconds


def delete(transaction: Transaction, name: str, conditions: Conditions) -> None:
    """Delete a container and all its blobs."""
    container = index.require_container(transaction.connection, name)
    conditions.check_state(container)
    conditions.check_lease(container, of="Container")
    connection, key = transaction.connection, (container.id,)
    contents = connection.execute(
        "SELECT content FROM blobs WHERE container = ?1 UNION ALL SELECT content FROM snapshots WHERE container = ?1"
        " UNION ALL SELECT content FROM staged_blocks WHERE container = ?1",
        key,
    ).fetchall()
    transaction.discarded.extend(row[0] for row in contents)
    for table in ("blobs", "snapshots"):
        connection.execute(
            f"DELETE FROM committed_blocks WHERE content IN (SELECT content FROM {table} WHERE container = ?)",  # noqa: S608
            key,
        )
    for table in ("blobs", "snapshots", "staged_blocks"):
        connection.execute(f"DELETE FROM {table} WHERE container = ?", key)  # noqa: S608  constant names
    connection.execute("DELETE FROM containers WHERE id = ?", key)


def _checked(transaction: Transaction, name: str, conditions: Conditions) -> Container:
    container = index.require_container(transaction.connection, name)
    conditions.check_state(container)
    conditions.check_lease(container, of="Container", needed=False)
    return container


def _write(transaction: Transaction, container: Container) -> Container:
    transaction.connection.execute(
        "UPDATE containers SET version = ?, metadata = ?, traits = ? WHERE id = ?",
        (container.version, container.metadata, container.traits, container.id),
    )
    return container
