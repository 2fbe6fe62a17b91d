"""Lease Blob and Lease Container. From request to response."""

from __future__ import annotations

from collections.abc import Mapping

from azure_batch_endpoints.local.blobstore import container_changes, leases, replies, trait_changes
from azure_batch_endpoints.local.blobstore.conditions import Conditions
from azure_batch_endpoints.local.blobstore.failures import BlobError
from azure_batch_endpoints.local.blobstore.http import Response, is_number
from azure_batch_endpoints.local.blobstore.leases import Wish
from azure_batch_endpoints.local.blobstore.service import Call
from azure_batch_endpoints.local.blobstore.traits import Traits

_STATUS: Mapping[str, int] = {"acquire": 201, "renew": 200, "change": 200, "release": 200, "break": 202}
_SECONDS = range(15, 61)
_BREAK_SECONDS = range(61)


async def lease_blob(call: Call) -> Response:
    """Lease Blob: acquire, renew, change, release or break."""
    wish, conditions, place = _wish(call), _conditions(call), (call.request.container, call.request.blob)
    blob, known, seconds = await call.service.store.commits.run(
        lambda t: trait_changes.lease(t, place, wish, conditions)
    )
    return _answer(wish, blob.version, known, seconds)


async def lease_container(call: Call) -> Response:
    """Lease Container: the same for a container."""
    wish, conditions, name = _wish(call), _conditions(call), call.request.container
    container, known, seconds = await call.service.store.commits.run(
        lambda t: container_changes.lease(t, name, wish, conditions)
    )
    return _answer(wish, container.version, known, seconds)


def _conditions(call: Call) -> Conditions:
    return Conditions.of(call.request.headers)._replace(lease_id=None)


def _wish(call: Call) -> Wish:
    headers = call.request.headers
    action = headers.get("x-ms-lease-action", "").lower()
    if action not in _STATUS:
        raise BlobError("InvalidHeaderValue", f"'x-ms-lease-action' is '{action}'.")
    if action != "break" and not call.grant.has("w"):
        raise BlobError("AuthorizationPermissionMismatch")
    wish = Wish(action)
    if action in ("renew", "change", "release"):
        wish = wish._replace(id=_id(headers, "x-ms-lease-id"))
    if action == "change" or (action == "acquire" and "x-ms-proposed-lease-id" in headers):
        wish = wish._replace(proposed=_id(headers, "x-ms-proposed-lease-id"))
    if action == "acquire":
        wish = wish._replace(seconds=_duration(headers.get("x-ms-lease-duration")))
    if action == "break":
        seconds = call.request.number("x-ms-lease-break-period")
        if seconds is not None and seconds not in _BREAK_SECONDS:
            raise BlobError("InvalidHeaderValue", "'x-ms-lease-break-period' is 0 to 60 seconds.")
        wish = wish._replace(break_seconds=seconds)
    return wish


def _id(headers: Mapping[str, str], name: str) -> str:
    if name not in headers:
        raise BlobError("MissingRequiredHeader", f"'{name}' is missing.")
    return leases.lease_id(headers[name], name)


def _duration(text: str | None) -> int:
    if text is None:
        raise BlobError("MissingRequiredHeader", "'x-ms-lease-duration' is missing.")
    if text.strip() == "-1":
        return -1
    if not is_number(text) or int(text) not in _SECONDS:
        raise BlobError("InvalidHeaderValue", "'x-ms-lease-duration' is 15 to 60 seconds, or -1 for no end.")
    return int(text)


def _answer(wish: Wish, version: int, known: Traits, seconds: int) -> Response:
    headers = {**replies.version_headers(version), "content-length": "0"}
    if wish.action == "break":
        headers["x-ms-lease-time"] = str(seconds)
    elif known.lease is not None:
        headers["x-ms-lease-id"] = known.lease.id
    return Response(_STATUS[wish.action], headers)
