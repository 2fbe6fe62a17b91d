"""The header sets of the blob endpoint's answers. Pure: rows in, headers out."""

from __future__ import annotations

from azure_batch_endpoints.local.blobstore import leases, traits
from azure_batch_endpoints.local.blobstore.changes import Body
from azure_batch_endpoints.local.blobstore.checksums import crc64_text
from azure_batch_endpoints.local.blobstore.commits import now_ticks
from azure_batch_endpoints.local.blobstore.conditions import etag, http_date
from azure_batch_endpoints.local.blobstore.encoding import base64_text, decode_headers
from azure_batch_endpoints.local.blobstore.http import Response
from azure_batch_endpoints.local.blobstore.index import BLOCK_BLOB, Blob, Container

_TIER = ("x-ms-access-tier", "x-ms-access-tier-inferred", "x-ms-access-tier-change-time")
_NO_LEASE = {"x-ms-lease-state": "available", "x-ms-lease-status": "unlocked"}


def version_headers(version: int) -> dict[str, str]:
    """``ETag`` and ``Last-Modified`` of anything that has a version."""
    return {"etag": f'"{etag(version)}"', "last-modified": http_date(version)}


def written(blob: Blob, status: int = 201, body: Body | None = None) -> Response:
    """The answer to a change of a blob, by ``body`` if one was sent."""
    headers = version_headers(blob.version)
    headers["content-length"] = "0"
    headers["x-ms-request-server-encrypted"] = "true"
    if body is not None:
        headers.update(checksums(body))
    return Response(status, headers)


def checksums(body: Body) -> dict[str, str]:
    """The checksums of a body that was taken in, as far as they are known."""
    headers = {}
    if body.md5 is not None:
        headers["content-md5"] = base64_text(body.md5)
    if body.crc64 is not None:
        headers["x-ms-content-crc64"] = crc64_text(body.crc64)
    return headers


def blob_headers(blob: Blob, *, md5_header: str = "content-md5", told: bool = True) -> dict[str, str]:
    """Everything a HEAD tells of a blob but its length; a GET (``told`` is False) says nothing of its tier."""
    headers = {
        "content-type": blob.content_type,
        "etag": f'"{etag(blob.version)}"',
        "last-modified": http_date(blob.version),
        "accept-ranges": "bytes",
        "x-ms-blob-type": blob.kind,
        "x-ms-creation-time": http_date(blob.created),
        **_NO_LEASE,
        "x-ms-server-encrypted": "true",
    }
    if blob.kind == BLOCK_BLOB:
        headers["x-ms-access-tier"] = "Hot"
        headers["x-ms-access-tier-inferred"] = "true"
    else:
        headers["x-ms-blob-committed-block-count"] = str(blob.appends)
    if blob.md5 is not None:
        headers[md5_header] = base64_text(blob.md5)
    if blob.headers:
        headers.update(decode_headers(blob.headers))
    if blob.traits:
        _add_traits(headers, traits.decode(blob.traits))
    if not told:
        for name in _TIER:
            headers.pop(name, None)
    headers.update(metadata_headers(blob.metadata))
    return headers


def _add_traits(headers: dict[str, str], known: traits.Traits) -> None:
    headers.update(leases.headers(known.lease, now_ticks()))
    if known.snapshot:  # of a snapshot nothing is leased and there is nothing to say about it
        del headers["x-ms-lease-state"], headers["x-ms-lease-status"]
    if known.tags:
        headers["x-ms-tag-count"] = str(len(known.tags))
    if known.is_sealed:
        headers["x-ms-blob-sealed"] = "true"
    if known.tier:
        headers["x-ms-access-tier"] = known.tier
        headers.pop("x-ms-access-tier-inferred", None)
        if known.tier_changed:
            headers["x-ms-access-tier-change-time"] = http_date(known.tier_changed)


def container_headers(container: Container) -> dict[str, str]:
    """Everything a GET or HEAD tells of a container."""
    known = traits.decode(container.traits)
    headers = {
        **version_headers(container.version),
        "content-length": "0",
        **(leases.headers(known.lease, now_ticks()) if known.lease else _NO_LEASE),
        "x-ms-has-immutability-policy": "false",
        "x-ms-has-legal-hold": "false",
    }
    if known.access:
        headers["x-ms-blob-public-access"] = known.access
    headers.update(metadata_headers(container.metadata))
    return headers


def metadata_headers(text: str) -> dict[str, str]:
    """Metadata as response headers."""
    if not text:
        return {}
    return {f"x-ms-meta-{name}": value for name, value in decode_headers(text).items()}


def document(body: bytes) -> Response:
    """An XML answer."""
    return Response(200, {"content-type": "application/xml", "content-length": str(len(body))}, body)
