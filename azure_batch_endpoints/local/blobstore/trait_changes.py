"""Changes of what few blobs have: leases, tags, tiers, seals, snapshots. Each a function of a transaction."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping

from azure_batch_endpoints.local.blobstore import changes, index, leases, traits
from azure_batch_endpoints.local.blobstore.changes import AppendLimits
from azure_batch_endpoints.local.blobstore.commits import Transaction, now_ticks
from azure_batch_endpoints.local.blobstore.conditions import Conditions
from azure_batch_endpoints.local.blobstore.failures import BlobError
from azure_batch_endpoints.local.blobstore.index import APPEND_BLOB, BLOCK_BLOB, Blob
from azure_batch_endpoints.local.blobstore.leases import Wish
from azure_batch_endpoints.local.blobstore.traits import Traits

_TICKS_1970 = 621_355_968_000_000_000
_SNAPSHOT = "INSERT INTO snapshots VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"


def lease(
    transaction: Transaction, place: tuple[str, str], wish: Wish, conditions: Conditions
) -> tuple[Blob, Traits, int]:
    """Carry out a lease action on the blob at ``(container, name)``; its ETag stays.

    Returns:
        The blob, what is known of it afterwards, and for a break the seconds until it takes effect.
    """
    blob = index.require_blob(transaction.connection, *place)
    conditions.check_state(blob)
    known = traits.decode(blob.traits)
    changed, seconds = leases.apply(known.lease, wish, now_ticks())
    known = known._replace(lease=changed)
    return _write(transaction, blob, known), known, seconds


def set_tags(transaction: Transaction, place: tuple[str, str], tags: Mapping[str, str], conditions: Conditions) -> None:
    """Replace a blob's tags; its ETag stays."""
    blob = index.require_blob(transaction.connection, *place)
    conditions.check_write(blob)
    _write(transaction, blob, traits.decode(blob.traits)._replace(tags=tags))


def set_tier(transaction: Transaction, place: tuple[str, str], tier: str, conditions: Conditions) -> bool:
    """Set a block blob's access tier; its ETag stays.

    Returns:
        Whether it comes back from the archive, which takes hours in the cloud and no time here.
    """
    blob = index.require_blob(transaction.connection, *place)
    if blob.kind != BLOCK_BLOB:
        raise BlobError("AccessTierNotSupportedForBlobType")
    conditions.check_write(blob)
    known = traits.decode(blob.traits)
    _write(transaction, blob, known._replace(tier=tier, tier_changed=now_ticks()))
    return known.tier == "Archive" and tier != "Archive"


def seal(transaction: Transaction, place: tuple[str, str], conditions: Conditions, limits: AppendLimits) -> Blob:
    """Let an append blob take no more appends."""
    blob = index.require_blob(transaction.connection, *place)
    if blob.kind != APPEND_BLOB:
        raise BlobError("InvalidBlobType")
    conditions.check_write(blob)
    if limits.position is not None and limits.position != blob.size:
        raise BlobError("AppendPositionConditionNotMet")
    known = traits.decode(blob.traits)
    if known.is_sealed:
        return blob
    return _write(transaction, blob._replace(version=transaction.now()), known._replace(is_sealed=True))


def snapshot(
    transaction: Transaction, place: tuple[str, str], metadata: str, conditions: Conditions
) -> tuple[Blob, str]:
    """Keep a blob as it is now.

    Returns:
        The snapshot's row, and the time that names it.
    """
    blob = index.require_blob(transaction.connection, *place)
    conditions.check_state(blob)
    conditions.check_lease(blob, needed=False)
    name = _time(transaction.now())
    known = traits.decode(blob.traits)._replace(lease=None, snapshot=name)
    content = changes.copy_content(transaction, blob)
    taken = blob._replace(content=content, metadata=metadata or blob.metadata, traits=traits.encode(known))
    if metadata:
        taken = taken._replace(version=transaction.now())
    transaction.connection.execute(
        "INSERT INTO committed_blocks SELECT ?, position, block, size FROM committed_blocks WHERE content = ?",
        (content, blob.content),
    )
    transaction.connection.execute(_SNAPSHOT, (*taken, name))
    return taken, name


def delete_snapshot(transaction: Transaction, place: tuple[str, str], name: str, conditions: Conditions) -> None:
    """Delete one snapshot of a blob."""
    taken = index.find_snapshot(transaction.connection, *place, name)
    conditions.check_state(taken)
    transaction.connection.execute(
        "DELETE FROM snapshots WHERE container = ? AND name = ? AND snapshot = ?", (taken.container, place[1], name)
    )
    changes.drop_file(transaction, taken.content)


def set_document(name: str, change: Callable[[str], str]) -> Callable[[Transaction], None]:
    """The change that replaces a text kept beside the rows by what ``change`` makes of it."""

    def changed(transaction: Transaction) -> None:
        text = change(index.document(transaction.connection, name))
        transaction.connection.execute("INSERT OR REPLACE INTO documents VALUES (?, ?)", (name, text))

    return changed


def _write(transaction: Transaction, blob: Blob, known: Traits) -> Blob:
    blob = blob._replace(traits=traits.encode(known))
    changes.write_row(transaction, blob)
    return blob


def _time(ticks: int) -> str:
    seconds, fraction = divmod(ticks - _TICKS_1970, 10_000_000)
    return f"{time.strftime('%Y-%m-%dT%H:%M:%S', time.gmtime(seconds))}.{fraction:07d}Z"
