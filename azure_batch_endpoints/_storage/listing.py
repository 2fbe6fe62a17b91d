"""What a container holds, read from the account's own XML: four times as fast as the library's objects (measured).

The library still asks (credential, retries, pages); its fast way to the names hands over the whole answer. Should a
later version of it ask for another format than XML, its slow way is taken.
"""

from __future__ import annotations

from base64 import b64decode
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote
from xml.etree import ElementTree

if TYPE_CHECKING:
    from xml.etree.ElementTree import Element

    from azure.storage.blob import BlobProperties, ContainerClient

_FOLDER_MARK = "hdi_isfolder"
"""Metadata of the folders that an account with a hierarchical namespace lists beside the blobs."""


@dataclass(frozen=True)
class BlobItem:
    """One blob as the account describes it.

    Attributes:
        name: full name in the container.
        size: bytes.
        md5: MD5 of the content; None when the account keeps none (a file that came in blocks).
        modified: time of the last change.
        metadata: the user's own headers.
        etag: changes with each change of the blob; without quotes.
    """

    name: str
    size: int
    md5: bytes | None = None
    modified: datetime | None = None
    metadata: Mapping[str, str] = field(default_factory=dict)
    etag: str = ""


def page(client: ContainerClient, prefix: str, marker: str) -> tuple[list[BlobItem], str]:
    """Return some of the blobs whose names begin with ``prefix``, in one request, and the marker of the next or ``""``.

    Folder markers are left out.
    """
    answers: list[bytes] = []

    def keep(answer: Any) -> None:  # noqa: ANN401 (the library says no more)
        answers.append(answer.http_response.body())

    only = prefix or None
    listing = client.list_blob_names(name_starts_with=only, include=["metadata"], raw_response_hook=keep)
    pages = listing.by_page(marker or None)
    names = list(next(pages, ()))
    found = _read(answers[-1]) if answers else []
    if [one.name for one in found] != names:
        return _slow_page(client, prefix, marker)
    return [one for one in found if not _is_folder(one)], _marker(pages)


def described(blob: BlobProperties) -> BlobItem:
    """Return what the library says of one blob."""
    md5 = blob.content_settings.content_md5
    return BlobItem(
        name=str(blob.name),
        size=int(blob.size),
        md5=bytes(md5) if md5 else None,
        modified=blob.last_modified,
        metadata=dict(blob.metadata or {}),
        etag=str(blob.etag or "").strip('"'),
    )


def _slow_page(client: ContainerClient, prefix: str, marker: str) -> tuple[list[BlobItem], str]:
    pages = client.list_blobs(name_starts_with=prefix or None, include=["metadata"]).by_page(marker or None)
    found = [described(blob) for blob in next(pages, ())]
    return [one for one in found if not _is_folder(one)], _marker(pages)


def _marker(pages: object) -> str:
    return str(getattr(pages, "continuation_token", None) or "")


def _is_folder(item: BlobItem) -> bool:
    return item.metadata.get(_FOLDER_MARK) == "true"


def _read(answer: bytes) -> list[BlobItem]:
    try:
        return [_item(blob) for blob in ElementTree.fromstring(answer).iterfind("Blobs/Blob")]  # noqa: S314 (expat bounds entities)
    except (ElementTree.ParseError, ValueError, TypeError):
        return []


def _item(blob: Element) -> BlobItem:
    name = blob.find("Name")
    of = blob.find("Properties")
    if name is None or of is None:
        raise ValueError("a blob without name or properties")
    text = name.text or ""
    md5, modified = of.findtext("Content-MD5"), of.findtext("Last-Modified")
    kept = blob.find("Metadata")
    return BlobItem(
        name=unquote(text) if name.get("Encoded") == "true" else text,
        size=int(of.findtext("Content-Length") or 0),
        md5=b64decode(md5) if md5 else None,
        modified=parsedate_to_datetime(modified) if modified else None,
        metadata={one.tag: one.text or "" for one in kept} if kept is not None else {},
        etag=(of.findtext("Etag") or "").strip('"'),
    )
