"""Conditional headers: what a request demands of the present state of a blob or container. Pure; verdicts only."""

from __future__ import annotations

from collections.abc import Mapping
from email.utils import formatdate, parsedate_to_datetime
from functools import lru_cache
from typing import NamedTuple, Protocol

from azure_batch_endpoints.local.blobstore import leases, tags, traits
from azure_batch_endpoints.local.blobstore.commits import now_ticks
from azure_batch_endpoints.local.blobstore.failures import BlobError

_TICKS_1970 = 621_355_968_000_000_000
_NAMES = ("if-match", "if-none-match", "if-modified-since", "if-unmodified-since")
# A write may combine only these two pairs; the ETag of a pair decides.
_PAIRS = ({"if-match", "if-unmodified-since"}, {"if-none-match", "if-modified-since"})


@lru_cache(maxsize=4096)
def _date_of_second(second: int) -> str:
    return formatdate(second, usegmt=True)


def http_date(version: int) -> str:
    """A version (ticks) as the text of an HTTP date, in whole seconds."""
    return _date_of_second((version - _TICKS_1970) // 10_000_000)


def etag(version: int) -> str:
    """A version as an ETag without quotes, ``0x8DB…`` like the real service's."""
    return f"0x{version:X}"


class Stated(Protocol):
    """What conditions are about: a blob's or a container's row."""

    @property
    def version(self) -> int:
        """Its version, in ticks."""
        ...

    @property
    def traits(self) -> str:
        """What :mod:`.traits` keeps of it."""
        ...


class Conditions(NamedTuple):
    """The conditional headers, None where absent; ETags without quotes, times in seconds since 1970."""

    if_match: str | None = None
    if_none_match: str | None = None
    if_modified_since: int | None = None
    if_unmodified_since: int | None = None
    if_tags: str | None = None
    lease_id: str | None = None

    @classmethod
    def of(cls, headers: Mapping[str, str], prefix: str = "") -> Conditions:
        """Read them from the request headers (names in lower case), ``x-ms-source-`` being the other prefix.

        Raises:
            BlobError: ``InvalidHeaderValue`` for a date that is none.
        """
        match, none_match, modified, unmodified = (headers.get(prefix + name) or None for name in _NAMES)
        if_tags = headers.get((prefix or "x-ms-") + "if-tags")
        lease_id = None if prefix else headers.get("x-ms-lease-id")
        if match is none_match is modified is unmodified is if_tags is lease_id is None:
            return NO_CONDITIONS
        times = _seconds(modified), _seconds(unmodified)
        return cls(_unquoted(match), _unquoted(none_match), *times, if_tags, lease_id)

    def check_read(self, found: Stated, *, of: str = "Blob") -> None:
        """Check a read of a blob or a container.

        Raises:
            BlobError: ``ConditionNotMet``, 304 where the client's copy is still good and 412 otherwise; a lease id
                that is not the lease's.
        """
        if self is NO_CONDITIONS:
            return
        if self.if_none_match == "*":
            raise BlobError("UnsatisfiableCondition")
        if not self._matches(found.version) or self._changed_since(found.version):
            raise BlobError("ConditionNotMet")
        if self._is_still_good(found.version):
            raise BlobError("ConditionNotMet", status=304)
        self._check_tags(found)
        self.check_lease(found, of=of, needed=False)

    def check_write(self, found: Stated | None) -> None:
        """Check a change of a blob; ``found`` is None when there is none.

        Raises:
            BlobError: ``ConditionNotMet``, 412; a lease id is missing or not the lease's.
        """
        if self is NO_CONDITIONS and (found is None or not found.traits):
            return
        self.check_state(found)
        self.check_lease(found)

    def check_state(self, found: Stated | None) -> None:
        """Check everything but the lease for a change. Raises as :meth:`check_write`."""
        if self is NO_CONDITIONS:
            return
        self._check_combination()
        if found is None:
            if self.if_match is not None:
                raise BlobError("ConditionNotMet")
        elif self._forbids(found.version):
            raise BlobError("ConditionNotMet")
        else:
            self._check_tags(found)

    def check_lease(self, found: Stated | None, *, of: str = "Blob", needed: bool = True) -> None:
        """Check the lease id, see :func:`.leases.check`."""
        if found is not None and found.traits:
            leases.check(traits.decode(found.traits).lease, self.lease_id, now_ticks(), of=of, needed=needed)
        elif self.lease_id is not None:
            leases.check(None, self.lease_id, 0, of=of)

    def _forbids(self, version: int) -> bool:
        if self.if_none_match is not None:  # "*" is for creating: whoever creates checks it
            return self.if_none_match == etag(version)
        if self.if_match is not None:
            return not self._matches(version)
        return self._unchanged_since(version) or self._changed_since(version)

    def _check_combination(self) -> None:
        given = {name for name, value in zip(_NAMES, self[:4], strict=True) if value is not None}
        if len(given) > 1 and given not in _PAIRS:
            raise BlobError("MultipleConditionHeadersNotSupported")

    def _check_tags(self, found: Stated) -> None:
        if self.if_tags is None:
            return
        if not tags.condition(self.if_tags, "InvalidHeaderValue")(traits.decode(found.traits).tags):
            raise BlobError("ConditionNotMet")

    def _matches(self, version: int) -> bool:
        return self.if_match is None or self.if_match in ("*", etag(version))

    def _is_still_good(self, version: int) -> bool:
        # Of the two conditions that ask for something new one is enough.
        same = None if self.if_none_match is None else self.if_none_match == etag(version)
        unchanged = None if self.if_modified_since is None else self._unchanged_since(version)
        return (same is True and unchanged is not False) or (unchanged is True and same is not False)

    def _changed_since(self, version: int) -> bool:
        return self.if_unmodified_since is not None and _second(version) > self.if_unmodified_since

    def _unchanged_since(self, version: int) -> bool:
        return self.if_modified_since is not None and _second(version) <= self.if_modified_since


NO_CONDITIONS = Conditions()


def _second(version: int) -> int:
    return (version - _TICKS_1970) // 10_000_000


def _unquoted(value: str | None) -> str | None:
    if value is None:
        return None
    value = value.strip().removeprefix("W/").strip('"')
    if "," in value:
        raise BlobError("MultipleConditionHeadersNotSupported", "Only one ETag is taken.")
    return value


def _seconds(value: str | None) -> int | None:
    if value is None:
        return None
    try:
        return int(parsedate_to_datetime(value).timestamp())
    except (TypeError, ValueError, OverflowError):
        raise BlobError("InvalidHeaderValue", f"'{value}' is not an HTTP date.") from None
