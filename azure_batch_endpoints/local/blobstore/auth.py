"""Who may do what: Shared Key and shared access signatures checked, and what they grant. Nothing is sent or logged."""

from __future__ import annotations

import base64
import functools
import ipaddress
import time
from collections.abc import Callable, Mapping
from datetime import datetime, timezone
from email.utils import parsedate_to_datetime
from types import MappingProxyType
from typing import NamedTuple

from azure_batch_endpoints.local.blobstore.failures import BlobError
from azure_batch_endpoints.local.blobstore.http import Request, is_number
from azure_batch_endpoints.local.blobstore.sas import Signature, is_equal, sign
from azure_batch_endpoints.local.blobstore.traits import Traits

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
        public: The public access that allows it to anyone: ``blob``, ``container``, or ``""`` for none.
        key_only: Whether no signature at all can allow it, only the account key.
    """

    resource: str
    letters: str
    within_container: bool = True
    public: str = ""
    key_only: bool = False


class Grant(NamedTuple):
    """What a request was found to be allowed; ``permissions`` is None for the account key, which allows all."""

    permissions: str | None = None
    overrides: Mapping[str, str] = MappingProxyType({})

    def has(self, letters: str) -> bool:
        """Whether any of the permissions is granted."""
        return self.permissions is None or any(letter in self.permissions for letter in letters)


_ALL = Grant()
_ANYONE = Grant("rl")


class Authenticator:
    """Checks requests to one account.

    Args:
        account: The account's name.
        key: Its key, base64.
        known: What is known of a container: its public access and its stored access policies.
    """

    def __init__(self, account: str, key: str, known: Callable[[str], Traits]) -> None:
        self._account = account
        self._known = known
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
        if self._is_public(request, need):
            return _ANYONE
        raise BlobError("NoAuthenticationInformation", headers={"www-authenticate": "SharedKey"})

    def _is_public(self, request: Request, need: Need) -> bool:
        if not need.public:
            return False
        access = self._known(request.container).access
        return access == "container" or bool(access and access == need.public)

    def check_source(self, source: Request, *, trusted: bool) -> None:
        """Check that a copy's source may be read: by its own signature, because anyone may, or because of ``trusted``.

        Args:
            source: The source as a request of its own.
            trusted: Whether the account key came with the copy and is enough for its kind.
        """
        need = Need("o", "r", public="blob")
        if "sig" in source.query:
            try:
                self._check_signature(source.query, source, need)
            except BlobError as error:
                raise BlobError("CannotVerifyCopySource", str(error), status=error.status) from None
        elif not trusted and not self._is_public(source, need):
            raise BlobError("CannotVerifyCopySource", "The copy source needs a signature of its own.", status=401)

    def _check_shared_key(self, request: Request, authorization: str) -> None:
        scheme, _, rest = authorization.partition(" ")
        account, _, signature = rest.partition(":")
        kind = scheme.lower()
        if kind not in ("sharedkey", "sharedkeylite") or account != self._account:
            raise BlobError("AuthenticationFailed", "Only Shared Key and shared access signatures are taken.")
        _check_date(request.headers)
        headers = _lowered(request.headers)
        compose = _shared_key_text if kind == "sharedkey" else _shared_key_lite_text
        for names in _header_orders(headers):
            if is_equal(sign(self._key, compose(request, headers, names, self._account)), signature):
                return
        raise BlobError("AuthenticationFailed", "The signature does not fit the request and the account key.")

    def _check_signature(self, query: Mapping[str, str], request: Request, need: Need) -> Grant:
        signature = Signature(query)
        resource = _signed_resource(query, request)
        if query.get("skoid"):
            raise BlobError("AuthenticationFailed", "User delegation needs Microsoft Entra ID, which is not here.")
        if not self._is_genuine(tuple(sorted(query.items())), resource):
            raise BlobError("AuthenticationFailed", "The signature does not fit its fields and the account key.")
        if query.get("si"):
            signature = _completed(signature, self._known(request.container))
        if not signature.is_current(datetime.now(timezone.utc)):
            raise BlobError("AuthenticationFailed", "The signature has expired, or its time has not come.")
        _check_origin(query, request)
        _check_scope(signature, need)
        if need.letters and not any(letter in signature.permissions for letter in need.letters):
            raise BlobError("AuthorizationPermissionMismatch")
        return Grant(signature.permissions, signature.overrides)

    def _verify(self, fields: tuple[tuple[str, str], ...], resource: str) -> bool:
        return Signature(dict(fields)).is_genuine(self._key, self._account, resource)


def _completed(signature: Signature, known: Traits) -> Signature:
    # What a signature leaves open its stored access policy says; saying it twice is refused.
    policy = next((policy for policy in known.policies if policy.id == signature.fields["si"]), None)
    if policy is None:
        raise BlobError("AuthenticationFailed", "The container has no stored access policy of that id.")
    stored = {"st": policy.start, "se": policy.expiry, "sp": policy.permissions}
    stored = {name: value for name, value in stored.items() if value}
    if any(signature.fields.get(name) for name in stored):
        raise BlobError("AuthenticationFailed", "A field is in the signature and in its stored access policy.")
    return Signature({**signature.fields, **stored})


def _signed_resource(query: Mapping[str, str], request: Request) -> str:
    # A container's signature opens every blob in it, a folder's those below it, a blob's only the one.
    kind = query.get("sr")
    if kind in ("b", "bs"):
        return f"/{request.container}/{request.blob}"
    if kind == "d":
        depth = query.get("sdd", "")
        segments = request.blob.split("/")
        folder = "/".join(segments[: int(depth)]) if is_number(depth) and int(depth) < len(segments) else ""
        return f"/{request.container}/{folder}" if folder else ""
    return f"/{request.container}" if kind == "c" else ""


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
    if need.key_only:
        raise BlobError("AuthorizationPermissionMismatch", "Only the account key opens this.")
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
    except (TypeError, ValueError, OverflowError):
        return None


def _lowered(headers: Mapping[str, str]) -> Mapping[str, str]:
    if not any(name.startswith("x-ms-meta-") for name in headers):
        return headers
    return {name.lower(): value for name, value in headers.items()}


def _shared_key_text(request: Request, headers: Mapping[str, str], names: list[str], account: str) -> str:
    values = [headers.get(name, "") for name in _SIGNED_HEADERS]
    if values[2] == "0":
        values[2] = ""
    if "x-ms-date" in headers:
        values[5] = ""
    signed = "".join(f"{name}:{headers[name]}\n" for name in names)
    query = "".join(f"\n{name}:{request.query[name]}" for name in sorted(request.query))
    head = "\n".join([request.method, *values])
    return f"{head}\n{signed}/{account}{request.path}{query}"


def _shared_key_lite_text(request: Request, headers: Mapping[str, str], names: list[str], account: str) -> str:
    date = "" if "x-ms-date" in headers else headers.get("date", "")
    head = "\n".join([request.method, headers.get("content-md5", ""), headers.get("content-type", ""), date])
    signed = "".join(f"{name}:{headers[name]}\n" for name in names)
    component = f"?comp={request.query['comp']}" if "comp" in request.query else ""
    return f"{head}\n{signed}/{account}{request.path}{component}"


def _header_orders(headers: Mapping[str, str]) -> list[list[str]]:
    # Most clients sort by code point; azure-storage-blob sorts as .NET does, where '-' hardly counts and '_' comes
    # first. The two differ only for some metadata names, so the second is tried when the first does not fit.
    plain = sorted(name for name in headers if name.startswith("x-ms-"))
    cultural = sorted(plain, key=lambda name: (name.replace("-", "").replace("_", " "), name))
    return [plain] if cultural == plain else [plain, cultural]
