"""Shared access signatures: making and reading them. The key comes in as an argument; nothing is kept or logged."""

from __future__ import annotations

import base64
import hashlib
import hmac
from collections.abc import Mapping
from datetime import datetime, timedelta, timezone
from functools import lru_cache
from typing import NamedTuple
from urllib.parse import urlencode

_VERSION = "2021-08-06"
_OVERRIDES = {
    "rscc": "cache-control",
    "rscd": "content-disposition",
    "rsce": "content-encoding",
    "rscl": "content-language",
    "rsct": "content-type",
}


class Signature(NamedTuple):
    """What a shared access signature says, as its query parameters."""

    fields: Mapping[str, str]

    @property
    def is_account(self) -> bool:
        """Whether it is an account's (``srt``), not a container's or a blob's (``sr``)."""
        return "srt" in self.fields

    @property
    def permissions(self) -> str:
        """The letters it grants."""
        return self.fields.get("sp", "")

    @property
    def overrides(self) -> dict[str, str]:
        """Response headers it replaces."""
        return {
            header: "".join(self.fields[name].splitlines())
            for name, header in _OVERRIDES.items()
            if self.fields.get(name)
        }

    def is_genuine(self, key: bytes, account: str, resource: str) -> bool:
        """Whether the account key signed exactly this, for the resource (``/container`` or ``/container/blob``)."""
        if self.is_account:
            text = _account_text(self.fields, account)
        else:
            text = _resource_text(self.fields, f"/blob/{account}{resource}")
        return is_equal(sign(key, text), self.fields.get("sig", ""))

    def is_current(self, now: datetime) -> bool:
        """Whether ``now`` is in its time; one that never ends is not taken."""
        start, end = (_time(self.fields.get(name, "")) for name in ("st", "se"))
        if end is None or (start is None and self.fields.get("st")):
            return False
        return now < end and (start is None or start <= now)


def sign(key: bytes, text: str) -> str:
    """The HMAC-SHA256 of a text, in base64."""
    return base64.b64encode(hmac.digest(key, text.encode("utf-8"), hashlib.sha256)).decode("ascii")


def is_equal(expected: str, given: str) -> bool:
    """Whether two signatures are the same, in a time that does not tell where they differ."""
    return hmac.compare_digest(expected.encode(), given.encode("utf-8", "replace"))


def container_signature(
    account: str, key: str, container: str, *, permissions: str, valid_for: timedelta, blob: str = ""
) -> str:
    """A shared access signature for a container, or for one blob in it.

    Args:
        account: The account's name.
        key: The account key, base64.
        container: The container it opens.
        permissions: Letters in the documented order ``racwdl``.
        valid_for: How long from now. It begins a quarter of an hour ago, for clocks that are behind.
        blob: The one blob it opens; empty for all of the container.

    Returns:
        The query string, without a question mark.
    """
    now = datetime.now(timezone.utc)
    fields = {
        "sp": permissions,
        "st": _stamp(now - timedelta(minutes=15)),
        "se": _stamp(now + valid_for),
        "sv": _VERSION,
        "sr": "b" if blob else "c",
    }
    resource = f"/blob/{account}/{container}" + (f"/{blob}" if blob else "")
    fields["sig"] = sign(base64.b64decode(key), _resource_text(fields, resource))
    return urlencode(fields)


def _resource_text(fields: Mapping[str, str], resource: str) -> str:
    # "Create a service SAS" (documented string-to-sign): sr and the snapshot time came with 2018-11-09,
    # the encryption scope with 2020-12-06.
    version = fields.get("sv", "")
    names = ["sp", "st", "se", "", "si", "sip", "spr", "sv"]
    if version >= "2018-11-09":
        names += ["sr", "snapshot"]
    if version >= "2020-12-06":
        names += ["ses"]
    names += list(_OVERRIDES)
    if fields.get("sr") != "bs":  # the time in the URL is part of a snapshot's own signature only
        fields = {**fields, "snapshot": ""}
    return "\n".join(fields.get(name, "") if name else resource for name in names)


def _account_text(fields: Mapping[str, str], account: str) -> str:
    # "Create an account SAS": each value ends with a newline; the encryption scope came with 2020-12-06.
    names = ["sp", "ss", "srt", "st", "se", "sip", "spr", "sv"]
    if fields.get("sv", "") >= "2020-12-06":
        names.append("ses")
    return "".join(f"{value}\n" for value in [account, *(fields.get(name, "") for name in names)])


def _stamp(moment: datetime) -> str:
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")


@lru_cache(maxsize=256)
def _time(text: str) -> datetime | None:
    # Whole seconds, minutes or a date, as documented; fractions some clients send are dropped.
    try:
        moment = datetime.fromisoformat(text.rstrip("Z").partition(".")[0])
    except ValueError:
        return None
    return moment if moment.tzinfo else moment.replace(tzinfo=timezone.utc)
