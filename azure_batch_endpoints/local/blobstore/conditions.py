"""Conditional headers: what a request demands of the blob's present state. Pure; dates and ETags in, verdict out."""

from __future__ import annotations

from collections.abc import Mapping
from email.utils import formatdate, parsedate_to_datetime
from functools import lru_cache
from typing import NamedTuple

from azure_batch_endpoints.local.blobstore.failures import BlobError

_TICKS_1970 = 621_355_968_000_000_000
_NAMES = ("if-match", "if-none-match", "if-modified-since", "if-unmodified-since")


@lru_cache(maxsize=4096)
def _date_of_second(second: int) -> str:
    return formatdate(second, usegmt=True)


def http_date(version: int) -> str:
    """A version (ticks) as the text of an HTTP date, in whole seconds."""
    return _date_of_second((version - _TICKS_1970) // 10_000_000)


def etag(version: int) -> str:
    """A version as an ETag without quotes, ``0x8DB…`` like the real service's."""
    return f"0x{version:X}"


class Conditions(NamedTuple):
    """The four conditional headers, None where absent; ETags without quotes, times in seconds since 1970."""

    if_match: str | None = None
    if_none_match: str | None = None
    if_modified_since: int | None = None
    if_unmodified_since: int | None = None

    @classmethod
    def of(cls, headers: Mapping[str, str], prefix: str = "") -> Conditions:
        """Read them from the request headers (names in lower case), ``x-ms-source-`` being the other prefix.

        Raises:
            BlobError: ``InvalidHeaderValue`` for a date that is none.
        """
        match, none_match, modified, unmodified = (headers.get(prefix + name) for name in _NAMES)
        if match is none_match is modified is unmodified is None:
            return NO_CONDITIONS
        return cls(_unquoted(match), _unquoted(none_match), _seconds(modified), _seconds(unmodified))

    def check_read(self, version: int) -> None:
        """Raise ``ConditionNotMet``, 304 where the client's copy is still good and 412 otherwise."""
        if self is NO_CONDITIONS:
            return
        if not self._matches(version) or self._changed_since(version):
            raise BlobError("ConditionNotMet")
        if self._same(version) or self._unchanged_since(version):
            raise BlobError("ConditionNotMet", status=304)

    def check_write(self, version: int | None) -> None:
        """Raise ``BlobAlreadyExists`` (409) or ``ConditionNotMet`` (412); ``version`` is None when there is no blob."""
        if self is NO_CONDITIONS:
            return
        if version is None:
            if self.if_match is not None:
                raise BlobError("ConditionNotMet")
            return
        if self.if_none_match == "*":
            raise BlobError("BlobAlreadyExists")
        if not self._matches(version) or self._changed_since(version):
            raise BlobError("ConditionNotMet")
        if self._same(version) or self._unchanged_since(version):
            raise BlobError("ConditionNotMet")

    def _matches(self, version: int) -> bool:
        return self.if_match is None or self.if_match in ("*", etag(version))

    def _same(self, version: int) -> bool:
        return self.if_none_match is not None and self.if_none_match in ("*", etag(version))

    def _changed_since(self, version: int) -> bool:
        return self.if_unmodified_since is not None and _second(version) > self.if_unmodified_since

    def _unchanged_since(self, version: int) -> bool:
        return self.if_modified_since is not None and _second(version) <= self.if_modified_since


NO_CONDITIONS = Conditions()


def _second(version: int) -> int:
    return (version - _TICKS_1970) // 10_000_000


def _unquoted(value: str | None) -> str | None:
    return None if value is None else value.strip().strip('"')


def _seconds(value: str | None) -> int | None:
    if value is None:
        return None
    try:
        return int(parsedate_to_datetime(value).timestamp())
    except (TypeError, ValueError):
        raise BlobError("InvalidHeaderValue", f"'{value}' is not an HTTP date.") from None
