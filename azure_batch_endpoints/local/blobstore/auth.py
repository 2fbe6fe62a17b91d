"""Who may do what: Shared Key and shared access signatures checked, and what they grant. Nothing is sent or logged."""

from __future__ import annotations

import base64
import functools
import ipaddress
import time
from collections.abc import Mapping
from datetime import datetime, timezone
from email.utils import parsedate_to_datetime
from types import MappingProxyType
from typing import NamedTuple

from azure_batch_endpoints.local.blobstore.failures import BlobError
from azure_batch_endpoints.local.blobstore.http import Request, parse_query
from azure_batch_endpoints.local.blobstore.sas import Signature, is_equal, sign

# The documented order of a Shared Key string-to-sign; the length is left out when it is zero (since 2015-02-21).
_SIGNED_HEADERS = (
    "content-encoding",
    "content-language",
    "content-length",
    "content-md5",
    "content-type",
    "date",
    "if-modified-since",
    "if-match",
    "if-none-match",
    "if-unmodified-since",
    "range",
)
_MAX_SKEW_SECONDS = 15 * 60


class Need(NamedTuple):
    """What an operation asks of a shared access signature.

    Attributes:
        resource: ``s`` service, ``c`` container or ``o`` object, as in an account signature's ``srt``.
        letters: Any one of these permissions will do.
        within_container: Whether a signature of the container or blob can allow it; others need an account's.
    """

    resource: str
    letters: str
    within_container: bool = True


class Grant(NamedTuple):
    """What a request was found to be allowed; ``permissions`` is None for the account key, which allows all."""

    permissions: str | None = None
    overrides: Mapping[str, str] = MappingProxyType({})

    def has(self, letters: str) -> bool:
        """Whether any of the permissions is granted."""
        return self.permissions is None or any(letter in self.permissions for letter in letters)


_ALL = Grant()


class Authenticator:
    """Checks requests to one account.

    Args:
        account: The account's name.
        key: Its key, base64.
    """

    def __init__(self, account: str, key: str) -> None:
        self._account = account
        self._key = base64.b64decode(key)
        # One signature comes with thousands of requests: it is verified once for a resource.
        self._is_genuine = functools.lru_cache(maxsize=1024)(self._verify)

    def __repr__(self) -> str:
        return f"Authenticator(account={self._account!r})"

    def check(self, request: Request, need: Need) -> Grant:
        """Find what the request is allowed.

        Raises:
            BlobError: 401 without any authentication, 403 with a wrong or insufficient one.
        """
        authorization = request.headers.get("authorization")
        if authorization is not None:
            self._check_shared_key(request, authorization)
            return _ALL
        if "sig" in request.query:
            return self._check_signature(request.query, request, need)
        raise BlobError("NoAuthenticationInformation", headers={"www-authenticate": "SharedKey"})

    def check_source(self, query: str, source: Request, grant: Grant) -> None:
        """Check that a copy's source may be read: by its own signature, or because the request has the account key."""
        if "sig" in parse_query(query):
            self._check_signature(parse_query(query), source, Need("o", "r"))
        elif grant.permissions is not None:
            raise BlobError("CannotVerifyCopySource", "The copy source needs a signature of its own.", status=403)

    def _check_shared_key(self, request: Request, authorization: str) -> None:
        scheme, _, rest = authorization.partition(" ")
        account, _, signature = rest.partition(":")
        if scheme.lower() != "sharedkey" or account != self._account:
            raise BlobError("AuthenticationFailed", "Only Shared Key and shared access signatures are taken.")
        _check_date(request.headers)
        for names in _header_orders(request.headers):
            text = _shared_key_text(request, names, self._account)
            if is_equal(sign(self._key, text), signature):
                return
        raise BlobError("AuthenticationFailed", "The signature does not fit the request and the account key.")

    def _check_signature(self, query: Mapping[str, str], request: Request, need: Need) -> Grant:
        signature = Signature(query)
        resource = _signed_resource(query, request)
        if not self._is_genuine(tuple(sorted(query.items())), resource):
            raise BlobError("AuthenticationFailed", "The signature does not fit its fields and the account key.")
        if not signature.is_current(datetime.now(timezone.utc)):
            raise BlobError("AuthenticationFailed", "The signature has expired, or its time has not come.")
        _check_origin(query, request)
        _check_scope(signature, need)
        if need.letters and not any(letter in signature.permissions for letter in need.letters):
            raise BlobError("AuthorizationPermissionMismatch")
        return Grant(signature.permissions, signature.overrides)

    def _verify(self, fields: tuple[tuple[str, str], ...], resource: str) -> bool:
        query = dict(fields)
        if query.get("si") or query.get("skoid"):  # stored policies and delegated keys are not kept here
            return False
        return Signature(query).is_genuine(self._key, self._account, resource)


def _signed_resource(query: Mapping[str, str], request: Request) -> str:
    # A container's signature opens every blob in it, a blob's only the one.
    if query.get("sr") == "b":
        return f"/{request.container}/{request.blob}"
    return f"/{request.container}" if query.get("sr") == "c" else ""


def _check_origin(query: Mapping[str, str], request: Request) -> None:
    if query.get("spr") == "https" and not request.secure:
        raise BlobError("AuthorizationProtocolMismatch")
    allowed = query.get("sip")
    if allowed and not _within(request.client, allowed):
        raise BlobError("AuthorizationSourceIPMismatch")


def _within(address: str | None, allowed: str) -> bool:
    first, _, last = allowed.partition("-")
    try:
        number = int(ipaddress.ip_address(address or ""))
        return int(ipaddress.ip_address(first)) <= number <= int(ipaddress.ip_address(last or first))
    except ValueError:
        return False


def _check_scope(signature: Signature, need: Need) -> None:
    if signature.is_account:
        if "b" not in signature.fields.get("ss", ""):
            raise BlobError("AuthorizationServiceMismatch")
        if need.resource not in signature.fields["srt"]:
            raise BlobError("AuthorizationResourceTypeMismatch")
    elif not need.within_container or (need.resource == "c" and signature.fields.get("sr") != "c"):
        raise BlobError("AuthorizationPermissionMismatch")


def _check_date(headers: Mapping[str, str]) -> None:
    sent = _timestamp(headers.get("x-ms-date") or headers.get("date") or "")
    if sent is None or abs(time.time() - sent) > _MAX_SKEW_SECONDS:
        raise BlobError("AuthenticationFailed", "The request's date is missing or more than 15 minutes off.")


@functools.lru_cache(maxsize=64)
def _timestamp(text: str) -> float | None:
    try:
        return parsedate_to_datetime(text).timestamp()
    except (TypeError, ValueError):
        return None


def _shared_key_text(request: Request, names: list[str], account: str) -> str:
    headers = request.headers
    values = [headers.get(name, "") for name in _SIGNED_HEADERS]
    if values[2] == "0":
        values[2] = ""
    if "x-ms-date" in headers:
        values[5] = ""
    signed = "".join(f"{name}:{headers[name]}\n" for name in names)
    query = "".join(f"\n{name}:{request.query[name]}" for name in sorted(request.query))
    head = "\n".join([request.method, *values])
    return f"{head}\n{signed}/{account}{request.path}{query}"


def _header_orders(headers: Mapping[str, str]) -> list[list[str]]:
    # Most clients sort by code point; azure-storage-blob sorts as .NET does, where '-' hardly counts and '_' comes
    # first. The two differ only for some metadata names, so the second is tried when the first does not fit.
    plain = sorted(name for name in headers if name.startswith("x-ms-"))
    cultural = sorted(plain, key=lambda name: (name.replace("-", "").replace("_", " "), name))
    return [plain] if cultural == plain else [plain, cultural]
