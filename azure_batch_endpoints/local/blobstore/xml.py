"""The XML of the blob protocol: lists and errors written, block lists read. No queries, no HTTP."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from typing import NamedTuple
from urllib.parse import quote
from xml.sax.saxutils import escape, quoteattr

from azure_batch_endpoints.local.blobstore import documents, leases, traits
from azure_batch_endpoints.local.blobstore.blocks import Block
from azure_batch_endpoints.local.blobstore.commits import now_ticks
from azure_batch_endpoints.local.blobstore.conditions import etag, http_date
from azure_batch_endpoints.local.blobstore.documents import Node
from azure_batch_endpoints.local.blobstore.encoding import base64_text, decode_headers
from azure_batch_endpoints.local.blobstore.failures import BlobError
from azure_batch_endpoints.local.blobstore.index import APPEND_BLOB, BLOCK_BLOB, Blob, Container
from azure_batch_endpoints.local.blobstore.pages import Page, Wanted
from azure_batch_endpoints.local.blobstore.traits import Policy, Traits


class Shown(NamedTuple):
    """What a list of blobs tells beyond properties, named as in ``include``."""

    metadata: bool = False
    tags: bool = False
    copy: bool = False


# The real service's lists begin with a byte order mark.
_HEAD = '\ufeff<?xml version="1.0" encoding="utf-8"?>'
_NOT_XML = re.compile("[\x00-\x08\x0b\x0c\x0d\x0e-\x1f\ufffe\uffff]")


def error(code: str, message: str) -> bytes:
    """The body of a refusal."""
    return f"{_HEAD}<Error><Code>{code}</Code><Message>{_text(message)}</Message></Error>".encode()


def blob_list(service: str, container: str, wanted: Wanted, page: Page) -> bytes:
    """The answer of List Blobs."""
    shown = Shown(*(name in wanted.include for name in Shown._fields))
    parts = [
        f'{_HEAD}<EnumerationResults ServiceEndpoint={quoteattr(service)} ContainerName="{container}">',
        _request_echo(wanted),
        "<Blobs>",
    ]
    parts += [
        f"<BlobPrefix>{_name(entry)}</BlobPrefix>" if isinstance(entry, str) else _blob(entry, shown)
        for entry in page.entries
    ]
    parts.append(f"</Blobs>{_element('NextMarker', page.marker)}</EnumerationResults>")
    return "".join(parts).encode()


def container_list(service: str, wanted: Wanted, rows: list[Container], marker: str) -> bytes:
    """The answer of List Containers."""
    parts = [f"{_HEAD}<EnumerationResults ServiceEndpoint={quoteattr(service)}>", _request_echo(wanted), "<Containers>"]
    parts += [_container(row, metadata="metadata" in wanted.include) for row in rows]
    parts.append(f"</Containers>{_element('NextMarker', marker)}</EnumerationResults>")
    return "".join(parts).encode()


def block_list(committed: Iterable[Block] | None, staged: Iterable[Block] | None) -> bytes:
    """The answer of Get Block List; a part that was not asked for is None."""
    parts = [f"{_HEAD}<BlockList>"]
    for name, blocks in (("CommittedBlocks", committed), ("UncommittedBlocks", staged)):
        if blocks is not None:
            inner = "".join(f"<Block><Name>{b.id}</Name><Size>{b.size}</Size></Block>" for b in blocks)
            parts.append(f"<{name}>{inner}</{name}>")
    parts.append("</BlockList>")
    return "".join(parts).encode()


def tag_set(tags: Mapping[str, str]) -> bytes:
    """The answer of Get Blob Tags."""
    return f"{_HEAD}{_tags(tags)}".encode()


def access_policies(policies: Iterable[Policy]) -> bytes:
    """The answer of Get Container ACL."""
    parts = [f"{_HEAD}<SignedIdentifiers>"]
    for policy in policies:
        fields = (("Start", policy.start), ("Expiry", policy.expiry), ("Permission", policy.permissions))
        inner = "".join(f"<{name}>{_text(value)}</{name}>" for name, value in fields if value)
        parts.append(
            f"<SignedIdentifier><Id>{_text(policy.id)}</Id><AccessPolicy>{inner}</AccessPolicy></SignedIdentifier>"
        )
    parts.append("</SignedIdentifiers>")
    return "".join(parts).encode()


def found_by_tags(service: str, where: str, rows: Iterable[tuple[str, str, Mapping[str, str]]], marker: str) -> bytes:
    """The answer of Find Blobs by Tags; rows are ``(container, name, tags)``."""
    parts = [f"{_HEAD}<EnumerationResults ServiceEndpoint={quoteattr(service)}>{_element('Where', where)}<Blobs>"]
    parts += [
        f"<Blob>{_name(name)}<ContainerName>{container}</ContainerName>{_tags(tags)}</Blob>"
        for container, name, tags in rows
    ]
    parts.append(f"</Blobs>{_element('NextMarker', marker)}</EnumerationResults>")
    return "".join(parts).encode()


def service_properties(kept: Mapping[str, str]) -> bytes:
    """The answer of Get Blob Service Properties: sections that were set, and the others as a new account has them."""
    sections = "".join({**_SECTIONS, **kept}.values())
    return f"{_HEAD}<StorageServiceProperties>{sections}</StorageServiceProperties>".encode()


def rendered(node: Node) -> str:
    """A tree as XML again."""
    inner = "".join(map(rendered, node.children)) or _text(node.text)
    return f"<{node.name}>{inner}</{node.name}>" if inner else f"<{node.name} />"


_NOT_KEPT = "<RetentionPolicy><Enabled>false</Enabled></RetentionPolicy>"
_NOT_MEASURED = f"<Version>1.0</Version><Enabled>false</Enabled>{_NOT_KEPT}"
_SECTIONS: Mapping[str, str] = {
    "Logging": "<Logging><Version>1.0</Version><Delete>false</Delete><Read>false</Read><Write>false</Write>"
    f"{_NOT_KEPT}</Logging>",
    "HourMetrics": f"<HourMetrics>{_NOT_MEASURED}</HourMetrics>",
    "MinuteMetrics": f"<MinuteMetrics>{_NOT_MEASURED}</MinuteMetrics>",
    "Cors": "<Cors />",
    "DeleteRetentionPolicy": "<DeleteRetentionPolicy><Enabled>false</Enabled></DeleteRetentionPolicy>",
    "StaticWebsite": "<StaticWebsite><Enabled>false</Enabled></StaticWebsite>",
}


def read_block_list(body: bytes) -> list[tuple[str, str]]:
    """The ``(Committed | Uncommitted | Latest, id)`` of a Put Block List.

    Raises:
        BlobError: ``InvalidXmlDocument``; a document type declaration (the door to entity tricks) is refused too.
    """
    reader = _BlockListReader()
    documents.walk(body, reader)
    return reader.blocks


class _BlockListReader:
    """Collects the blocks while the parser walks the document."""

    def __init__(self) -> None:
        self.blocks: list[tuple[str, str]] = []
        self._depth = 0
        self._text: list[str] = []

    def start(self, name: str, _: dict[str, str]) -> None:
        self._depth += 1
        self._text = []
        allowed = ("BlockList",) if self._depth == 1 else ("Committed", "Uncommitted", "Latest")
        if name not in allowed or self._depth > 2:
            raise BlobError("InvalidXmlDocument", f"Element '{name}' does not belong in a block list.")

    def characters(self, data: str) -> None:
        self._text.append(data)

    def end(self, name: str) -> None:
        if self._depth == 2:
            self.blocks.append((name, "".join(self._text).strip()))
        self._depth -= 1


def _request_echo(wanted: Wanted) -> str:
    prefix = f"<Prefix>{_text(wanted.prefix)}</Prefix>" if wanted.prefix else ""
    marker = f"<Marker>{wanted.marker}</Marker>" if wanted.marker else ""
    delimiter = f"<Delimiter>{_text(wanted.delimiter)}</Delimiter>" if wanted.delimiter else ""
    return f"{prefix}{marker}<MaxResults>{wanted.limit}</MaxResults>{delimiter}"


def _blob(blob: Blob, shown: Shown) -> str:
    headers = decode_headers(blob.headers) if blob.headers else {}
    md5 = f"<Content-MD5>{base64_text(blob.md5)}</Content-MD5>" if blob.md5 else "<Content-MD5 />"
    described = _metadata(blob.metadata) if shown.metadata else ""
    snapshot, properties, tags = _traits(blob) if blob.traits else ("", _USUAL[blob.kind], {})
    copied = _copied(headers) if shown.copy and headers else ""
    tagged = _tags(tags) if shown.tags and tags else ""
    return (
        f"<Blob>{_name(blob.name)}{snapshot}<Properties><Creation-Time>{http_date(blob.created)}</Creation-Time>"
        f"<Last-Modified>{http_date(blob.version)}</Last-Modified><Etag>{etag(blob.version)}</Etag>"
        f"<Content-Length>{blob.size}</Content-Length><Content-Type>{_text(blob.content_type)}</Content-Type>"
        f"{_element('Content-Encoding', headers.get('content-encoding', ''))}"
        f"{_element('Content-Language', headers.get('content-language', ''))}<Content-CRC64 />{md5}"
        f"{_element('Cache-Control', headers.get('cache-control', ''))}"
        f"{_element('Content-Disposition', headers.get('content-disposition', ''))}<BlobType>{blob.kind}</BlobType>"
        f"{properties}{copied}<ServerEncrypted>true</ServerEncrypted></Properties>"
        f"{described}{tagged}<OrMetadata /></Blob>"
    )


_COPY = (
    ("id", "CopyId"),
    ("source", "CopySource"),
    ("status", "CopyStatus"),
    ("progress", "CopyProgress"),
    ("completion-time", "CopyCompletionTime"),
)
_FREE = "<LeaseStatus>unlocked</LeaseStatus><LeaseState>available</LeaseState>"
_INFERRED = "<AccessTier>Hot</AccessTier><AccessTierInferred>true</AccessTierInferred>"
_USUAL: Mapping[str, str] = {BLOCK_BLOB: _INFERRED + _FREE, APPEND_BLOB: _FREE}


def _traits(blob: Blob) -> tuple[str, str, Mapping[str, str]]:
    # A blob's snapshot element, the properties that most blobs have alike, and its tags.
    known = traits.decode(blob.traits)
    tier = _INFERRED if blob.kind == BLOCK_BLOB else ""
    if known.tier:
        tier = f"<AccessTier>{known.tier}</AccessTier>"
        if known.tier_changed:
            tier += f"<AccessTierChangeTime>{http_date(known.tier_changed)}</AccessTierChangeTime>"
    count = f"<TagCount>{len(known.tags)}</TagCount>" if known.tags else ""
    sealed = "<Sealed>true</Sealed>" if known.is_sealed else ""
    if known.snapshot:
        return f"<Snapshot>{known.snapshot}</Snapshot>", f"{tier}{count}{sealed}", known.tags
    return "", f"{tier}{_lease(known)}{count}{sealed}", known.tags


def _lease(known: Traits) -> str:
    shown = leases.headers(known.lease, now_ticks())
    names = {
        "x-ms-lease-status": "LeaseStatus",
        "x-ms-lease-state": "LeaseState",
        "x-ms-lease-duration": "LeaseDuration",
    }
    return "".join(f"<{name}>{shown[header]}</{name}>" for header, name in names.items() if header in shown)


def _copied(headers: Mapping[str, str]) -> str:
    found = ((name, headers.get(f"x-ms-copy-{header}")) for header, name in _COPY)
    return "".join(f"<{name}>{_text(value)}</{name}>" for name, value in found if value)


def _tags(tags: Mapping[str, str]) -> str:
    inner = "".join(f"<Tag><Key>{_text(name)}</Key><Value>{_text(value)}</Value></Tag>" for name, value in tags.items())
    return f"<Tags><TagSet>{inner}</TagSet></Tags>" if inner else "<Tags><TagSet /></Tags>"


def _container(container: Container, *, metadata: bool) -> str:
    described = _metadata(container.metadata) if metadata else ""
    known = traits.decode(container.traits)
    public = f"<PublicAccess>{known.access}</PublicAccess>" if known.access else ""
    return (
        f"<Container><Name>{container.name}</Name><Properties><Last-Modified>{http_date(container.version)}"
        f'</Last-Modified><Etag>"{etag(container.version)}"</Etag>{_lease(known)}{public}'
        "<HasImmutabilityPolicy>false</HasImmutabilityPolicy>"
        f"<HasLegalHold>false</HasLegalHold></Properties>{described}</Container>"
    )


def _metadata(text: str) -> str:
    if not text:
        return "<Metadata />"
    inner = "".join(f"<{name}>{_text(value)}</{name}>" for name, value in json.loads(text).items())
    return f"<Metadata>{inner}</Metadata>"


def _name(name: str) -> str:
    # A name that XML cannot carry is percent-encoded and marked, as the service does since version 2021-02-12.
    if _NOT_XML.search(name):
        return f'<Name Encoded="true">{quote(name, safe="")}</Name>'
    return f"<Name>{escape(name)}</Name>"


def _element(name: str, value: str) -> str:
    return f"<{name}>{_text(value)}</{name}>" if value else f"<{name} />"


def _text(value: str) -> str:
    return escape(_NOT_XML.sub("", value))
