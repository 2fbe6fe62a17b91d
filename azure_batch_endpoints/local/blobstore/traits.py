"""What is known of few blobs and containers only: lease, tags, tier, snapshot, public access, stored policies.

Kept as one text beside the row, empty for nearly all of them, so that the others pay nothing for it.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import lru_cache
from types import MappingProxyType
from typing import NamedTuple

from azure_batch_endpoints.local.blobstore.leases import Lease


class Policy(NamedTuple):
    """A stored access policy of a container: its id, and the fields a signature may leave to it."""

    id: str
    start: str = ""
    expiry: str = ""
    permissions: str = ""


class Traits(NamedTuple):
    """Those facts.

    Attributes:
        lease: The lease, also one that has expired or was broken.
        tags: A blob's index tags.
        tier: The access tier that was set, ``""`` for the account's own.
        tier_changed: When that was, in ticks.
        is_sealed: Whether an append blob takes no more appends.
        snapshot: For a snapshot, the time that names it.
        access: What anyone may read of a container: ``""``, ``blob`` or ``container``.
        policies: A container's stored access policies.
    """

    lease: Lease | None = None
    tags: Mapping[str, str] = MappingProxyType({})
    tier: str = ""
    tier_changed: int = 0
    is_sealed: bool = False
    snapshot: str = ""
    access: str = ""
    policies: tuple[Policy, ...] = ()


NONE = Traits()


def encode(traits: Traits) -> str:
    """Traits as the text the index keeps, empty for none."""
    known = {name: value for name, value in traits._asdict().items() if value}
    if traits.tags:
        known["tags"] = dict(traits.tags)
    return json.dumps(known) if known else ""


@lru_cache(maxsize=4096)
def decode(text: str) -> Traits:
    """The traits :func:`encode` made a text of."""
    if not text:
        return NONE
    known = json.loads(text)
    if "lease" in known:
        known["lease"] = Lease(*known["lease"])
    if "tags" in known:
        known["tags"] = MappingProxyType(known["tags"])
    known["policies"] = tuple(Policy(*policy) for policy in known.get("policies", ()))
    return Traits(**known)


def after_write(old: str, new: str, now: int) -> str:
    """The traits of a blob that was written over: the lease of the old one stays while it is held."""
    if not old:
        return new
    lease = decode(old).lease
    if lease is None or not lease.is_held(now):
        return new
    return encode(decode(new)._replace(lease=lease))
