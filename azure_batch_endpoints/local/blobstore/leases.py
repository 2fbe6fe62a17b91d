"""Leases on blobs and containers: their states, what each action makes of them, and who may write. Pure; no rows."""

from __future__ import annotations

import uuid
from typing import NamedTuple

from azure_batch_endpoints.local.blobstore.failures import BlobError

_SECOND = 10_000_000  # ticks
_INFINITE = -1
_MAX_BREAK = 60


class Lease(NamedTuple):
    """A lease that was acquired once; times are .NET ticks.

    Attributes:
        id: The id its holder must show.
        seconds: How long it lasts, 15 to 60; -1 without end.
        ends: When it expires; 0 for one without end.
        breaks: When a break takes effect; 0 while nobody broke it.
    """

    id: str
    seconds: int
    ends: int
    breaks: int = 0

    def state(self, now: int) -> str:
        """``leased``, ``expired``, ``breaking`` or ``broken``."""
        if self.breaks:
            return "breaking" if now < self.breaks else "broken"
        return "expired" if self.ends and now >= self.ends else "leased"

    def is_held(self, now: int) -> bool:
        """Whether it still keeps others from writing."""
        return self.state(now) in ("leased", "breaking")


class Wish(NamedTuple):
    """What a lease request asks for; None and ``""`` where a header was absent."""

    action: str
    id: str = ""
    proposed: str = ""
    seconds: int = _INFINITE
    break_seconds: int | None = None


def headers(lease: Lease | None, now: int) -> dict[str, str]:
    """How a lease shows in the headers of its blob or container."""
    if lease is None:
        return {"x-ms-lease-state": "available", "x-ms-lease-status": "unlocked"}
    state = lease.state(now)
    shown = {"x-ms-lease-state": state, "x-ms-lease-status": "locked" if lease.is_held(now) else "unlocked"}
    if state == "leased":
        shown["x-ms-lease-duration"] = "infinite" if lease.seconds == _INFINITE else "fixed"
    return shown


def apply(lease: Lease | None, wish: Wish, now: int) -> tuple[Lease | None, int]:
    """What a lease action makes of a lease.

    Returns:
        The lease afterwards, and for a break the seconds until it takes effect.

    Raises:
        BlobError: 409 with the code the service documents for that action in that state.
    """
    if wish.action == "acquire":
        return _acquired(lease, wish, now), 0
    if wish.action == "break":
        return _broken(lease, wish, now)
    if wish.action == "change":
        return _changed(lease, wish, now), 0
    if lease is None or lease.id != wish.id:
        raise BlobError("LeaseIdMismatchWithLeaseOperation")
    if wish.action == "release":
        return None, 0
    if lease.breaks:
        raise BlobError("LeaseIsBrokenAndCannotBeRenewed")
    return lease._replace(ends=_end(lease.seconds, now)), 0


def _acquired(lease: Lease | None, wish: Wish, now: int) -> Lease:
    wanted = wish.proposed or str(uuid.uuid4())
    if lease is not None and lease.is_held(now):
        if lease.id != wanted:
            raise BlobError("LeaseAlreadyPresent")
        if lease.breaks:
            raise BlobError("LeaseIsBreakingAndCannotBeAcquired")
    return Lease(wanted, wish.seconds, _end(wish.seconds, now))


def _broken(lease: Lease | None, wish: Wish, now: int) -> tuple[Lease, int]:
    if lease is None:
        raise BlobError("LeaseNotPresentWithLeaseOperation")
    state = lease.state(now)
    if state == "broken":
        return lease, 0
    if state == "expired":
        return lease._replace(breaks=now), 0
    end = lease.breaks or lease.ends
    rest = max(0, -(-(end - now) // _SECOND)) if end else None
    asked = wish.break_seconds
    seconds = (
        min(value for value in (rest, asked, _MAX_BREAK) if value is not None) if (rest, asked) != (None, None) else 0
    )
    return lease._replace(breaks=now + seconds * _SECOND), seconds


def _changed(lease: Lease | None, wish: Wish, now: int) -> Lease:
    if lease is None or not lease.is_held(now):
        raise BlobError("LeaseNotPresentWithLeaseOperation")
    if lease.id not in (wish.id, wish.proposed):
        raise BlobError("LeaseIdMismatchWithLeaseOperation")
    if lease.breaks:
        raise BlobError("LeaseIsBreakingAndCannotBeChanged")
    return lease._replace(id=wish.proposed)


def check(lease: Lease | None, shown: str | None, now: int, *, of: str = "Blob", needed: bool = True) -> None:
    """Refuse a request that the lease forbids.

    Args:
        lease: The lease, if there is one.
        shown: The lease id that came with the request.
        now: The time in ticks.
        of: ``Blob`` or ``Container``, for the error's code.
        needed: Whether the request needs the id of a lease that is held; a read does not.

    Raises:
        BlobError: 412: the id is missing, wrong, or there is no such lease (any more).
    """
    held = lease is not None and lease.is_held(now)
    if shown is None:
        if held and needed:
            raise BlobError("LeaseIdMissing")
    elif lease is None or not held:
        raise BlobError(f"LeaseNotPresentWith{of}Operation")
    elif lease.id != lease_id(shown, "x-ms-lease-id"):
        raise BlobError(f"LeaseIdMismatchWith{of}Operation")


def lease_id(text: str | None, name: str) -> str:
    """A lease id of a header in its one spelling. Raises ``InvalidHeaderValue`` for what is no GUID."""
    try:
        return str(uuid.UUID((text or "").strip("{}()")))
    except ValueError:
        raise BlobError("InvalidHeaderValue", f"'{name}' must be a GUID.") from None


def _end(seconds: int, now: int) -> int:
    return 0 if seconds == _INFINITE else now + seconds * _SECOND
