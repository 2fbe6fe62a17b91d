"""The header sets of the blob endpoint's answers. Pure: rows in, headers out."""

from __future__ import annotations

from azure_batch_endpoints.local.blobstore.conditions import etag, http_date
from azure_batch_endpoints.local.blobstore.encoding import base64_text, decode_headers
from azure_batch_endpoints.local.blobstore.http import Response
from azure_batch_endpoints.local.blobstore.index import BLOCK_BLOB, Blob, Container


def version_headers(version: int) -> dict[str, str]:
    """``ETag`` and ``Last-Modified`` of anything that has a version."""
    return {"etag": f'"{etag(version)}"', "last-modified": http_date(version)}


def written(blob: Blob, status: int = 201) -> Response:
    """The answer to a change of a blob."""
    headers = version_headers(blob.version)
    headers["content-length"] = "0"
    headers["x-ms-request-server-encrypted"] = "true"
    if blob.md5 is not None:
        headers["content-md5"] = base64_text(blob.md5)
    return Response(status, headers)


def blob_headers(blob: Blob, *, md5_header: str = "content-md5") -> dict[str, str]:
    """Everything a GET or HEAD tells of a blob but its length."""
    headers = {
        "content-type": blob.content_type,
        "etag": f'"{etag(blob.version)}"',
        "last-modified": http_date(blob.version),
        "accept-ranges": "bytes",
        "x-ms-blob-type": blob.kind,
        "x-ms-creation-time": http_date(blob.created),
        "x-ms-lease-state": "available",
        "x-ms-lease-status": "unlocked",
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
    headers.update(metadata_headers(blob.metadata))
    return headers


def container_headers(container: Container) -> dict[str, str]:
    """Everything a GET or HEAD tells of a container."""
    return {
        **version_headers(container.version),
        "content-length": "0",
        "x-ms-lease-state": "available",
        "x-ms-lease-status": "unlocked",
        "x-ms-has-immutability-policy": "false",
        "x-ms-has-legal-hold": "false",
        **metadata_headers(container.metadata),
    }


def metadata_headers(text: str) -> dict[str, str]:
    """Metadata as response headers."""
    if not text:
        return {}
    return {f"x-ms-meta-{name}": value for name, value in decode_headers(text).items()}


def document(body: bytes) -> Response:
    """An XML answer."""
    return Response(200, {"content-type": "application/xml", "content-length": str(len(body))}, body)
