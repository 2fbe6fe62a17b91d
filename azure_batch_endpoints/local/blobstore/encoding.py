"""Small conversions between the protocol's texts and the index's: base64, JSON maps, blob names. No I/O."""

from __future__ import annotations

import base64
import binascii
import json
import re
from collections.abc import Mapping

from azure_batch_endpoints.local.blobstore.failures import BlobError

_CONTAINER = re.compile(r"[a-z0-9](?:[a-z0-9]|-(?=[a-z0-9])){2,62}|\$(?:root|web|logs)")
_METADATA_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_MAX_METADATA = 8192
_MAX_NAME = 1024
_MAX_CONTAINER = 63


def base64_text(data: bytes) -> str:
    """Bytes as base64 text."""
    return base64.b64encode(data).decode("ascii")


def md5_bytes(text: str) -> bytes:
    """The 16 bytes of an MD5 header. Raises ``InvalidMd5``."""
    try:
        data = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        raise BlobError("InvalidMd5") from None
    if len(data) != 16:
        raise BlobError("InvalidMd5")
    return data


def encode_headers(values: Mapping[str, str]) -> str:
    """A map as the text the index keeps; empty text for an empty map."""
    return json.dumps(dict(values)) if values else ""


def decode_headers(text: str) -> dict[str, str]:
    """The map :func:`encode_headers` made a text of."""
    values: dict[str, str] = json.loads(text) if text else {}
    return values


def metadata_of(headers: Mapping[str, str]) -> str:
    """The ``x-ms-meta-*`` of request headers, as the text the index keeps.

    Raises:
        BlobError: ``InvalidMetadata`` for a name that is no identifier, ``MetadataTooLarge`` above 8 KiB in all.
    """
    metadata = {name[10:]: value for name, value in headers.items() if name.startswith("x-ms-meta-")}
    if not metadata:
        return ""
    if not all(_METADATA_NAME.fullmatch(name) for name in metadata):
        raise BlobError("InvalidMetadata")
    if len({name.lower() for name in metadata}) < len(metadata):
        raise BlobError("InvalidMetadata", "A name comes twice.")
    if sum(len(name) + len(value) for name, value in metadata.items()) > _MAX_METADATA:
        raise BlobError("MetadataTooLarge")
    return encode_headers(metadata)


def check_container_name(name: str) -> None:
    """Refuse what is not 3 to 63 lower-case letters, digits and single hyphens.

    Raises:
        BlobError: ``OutOfRangeInput`` for its length, ``InvalidResourceName`` for its characters.
    """
    if not 3 <= len(name) <= _MAX_CONTAINER:
        raise BlobError("OutOfRangeInput", "A container name has 3 to 63 characters.")
    if not _CONTAINER.fullmatch(name):
        raise BlobError("InvalidResourceName", f"'{name}' is no container name.")


def check_blob_name(name: str) -> None:
    """Raise ``InvalidUri`` unless it has 1 to 1,024 characters, none of them NUL."""
    if not 0 < len(name) <= _MAX_NAME or "\0" in name:
        raise BlobError("InvalidUri", "A blob name has 1 to 1,024 characters.")
