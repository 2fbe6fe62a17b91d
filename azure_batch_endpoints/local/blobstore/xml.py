"""The XML of the blob protocol: lists and errors written, block lists read. No queries, no HTTP."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from urllib.parse import quote
from xml.parsers import expat
from xml.sax.saxutils import escape, quoteattr

from azure_batch_endpoints.local.blobstore.blocks import Block
from azure_batch_endpoints.local.blobstore.conditions import etag, http_date
from azure_batch_endpoints.local.blobstore.encoding import base64_text, decode_headers
from azure_batch_endpoints.local.blobstore.failures import BlobError
from azure_batch_endpoints.local.blobstore.index import Blob, Container
from azure_batch_endpoints.local.blobstore.pages import Page, Wanted

# The real service's lists begin with a byte order mark.
_HEAD = '\ufeff<?xml version="1.0" encoding="utf-8"?>'
_NOT_XML = re.compile("[\x00-\x08\x0b\x0c\x0d\x0e-\x1f\ufffe\uffff]")
_MAX_BLOCK_LIST = 16 << 20


def error(code: str, message: str, details: Iterable[tuple[str, str]] = ()) -> bytes:
    """The body of a refusal."""
    more = "".join(f"<{name}>{_text(value)}</{name}>" for name, value in details)
    return f"{_HEAD}<Error><Code>{code}</Code><Message>{_text(message)}</Message>{more}</Error>".encode()


def blob_list(service: str, container: str, wanted: Wanted, page: Page, *, metadata: bool) -> bytes:
    """The answer of List Blobs."""
    parts = [
        f'{_HEAD}<EnumerationResults ServiceEndpoint={quoteattr(service)} ContainerName="{container}">',
        _request_echo(wanted),
        "<Blobs>",
    ]
    parts += [
        f"<BlobPrefix>{_name(entry)}</BlobPrefix>" if isinstance(entry, str) else _blob(entry, metadata=metadata)
        for entry in page.entries
    ]
    parts.append(f"</Blobs>{_element('NextMarker', page.marker)}</EnumerationResults>")
    return "".join(parts).encode()


def container_list(service: str, wanted: Wanted, rows: list[Container], marker: str, *, metadata: bool) -> bytes:
    """The answer of List Containers."""
    parts = [f"{_HEAD}<EnumerationResults ServiceEndpoint={quoteattr(service)}>", _request_echo(wanted), "<Containers>"]
    parts += [_container(row, metadata=metadata) for row in rows]
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


def service_properties() -> bytes:
    """The answer of Get Blob Service Properties: nothing is logged, measured or kept after deletion."""
    off = "<Version>1.0</Version>"
    none = "<RetentionPolicy><Enabled>false</Enabled></RetentionPolicy>"
    logging = f"{off}<Delete>false</Delete><Read>false</Read><Write>false</Write>{none}"
    metrics = f"{off}<Enabled>false</Enabled>{none}"
    return (
        f"{_HEAD}<StorageServiceProperties><Logging>{logging}</Logging><HourMetrics>{metrics}</HourMetrics>"
        f"<MinuteMetrics>{metrics}</MinuteMetrics><Cors /><DeleteRetentionPolicy><Enabled>false</Enabled>"
        "</DeleteRetentionPolicy><StaticWebsite><Enabled>false</Enabled></StaticWebsite></StorageServiceProperties>"
    ).encode()


def read_block_list(body: bytes) -> list[tuple[str, str]]:
    """The ``(Committed | Uncommitted | Latest, id)`` of a Put Block List.

    Raises:
        BlobError: ``InvalidXmlDocument``; a document type declaration (the door to entity tricks) is refused too.
    """
    if len(body) > _MAX_BLOCK_LIST:
        raise BlobError("RequestBodyTooLarge")
    reader = _BlockListReader()
    parser = expat.ParserCreate()
    parser.StartElementHandler = reader.start
    parser.EndElementHandler = reader.end
    parser.CharacterDataHandler = reader.text
    parser.StartDoctypeDeclHandler = reader.refuse
    try:
        parser.Parse(body, True)  # noqa: FBT003  expat takes "this is all" by position only
    except expat.ExpatError as problem:
        raise BlobError("InvalidXmlDocument", str(problem)) from None
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

    def text(self, data: str) -> None:
        self._text.append(data)

    def end(self, name: str) -> None:
        if self._depth == 2:
            self.blocks.append((name, "".join(self._text).strip()))
        self._depth -= 1

    def refuse(self, *_: object) -> None:
        raise BlobError("InvalidXmlDocument", "A document type declaration is not allowed.")


def _request_echo(wanted: Wanted) -> str:
    prefix = f"<Prefix>{_text(wanted.prefix)}</Prefix>" if wanted.prefix else ""
    marker = f"<Marker>{wanted.marker}</Marker>" if wanted.marker else ""
    delimiter = f"<Delimiter>{_text(wanted.delimiter)}</Delimiter>" if wanted.delimiter else ""
    return f"{prefix}{marker}<MaxResults>{wanted.limit}</MaxResults>{delimiter}"


def _blob(blob: Blob, *, metadata: bool) -> str:
    headers = decode_headers(blob.headers) if blob.headers else {}
    md5 = f"<Content-MD5>{base64_text(blob.md5)}</Content-MD5>" if blob.md5 else "<Content-MD5 />"
    described = _metadata(blob.metadata) if metadata else ""
    tier = "<AccessTier>Hot</AccessTier><AccessTierInferred>true</AccessTierInferred>" if blob.kind[0] == "B" else ""
    return (
        f"<Blob>{_name(blob.name)}<Properties><Creation-Time>{http_date(blob.created)}</Creation-Time>"
        f"<Last-Modified>{http_date(blob.version)}</Last-Modified><Etag>{etag(blob.version)}</Etag>"
        f"<Content-Length>{blob.size}</Content-Length><Content-Type>{_text(blob.content_type)}</Content-Type>"
        f"{_element('Content-Encoding', headers.get('content-encoding', ''))}"
        f"{_element('Content-Language', headers.get('content-language', ''))}<Content-CRC64 />{md5}"
        f"{_element('Cache-Control', headers.get('cache-control', ''))}"
        f"{_element('Content-Disposition', headers.get('content-disposition', ''))}<BlobType>{blob.kind}</BlobType>"
        f"{tier}<LeaseStatus>unlocked</LeaseStatus><LeaseState>available</LeaseState>"
        f"<ServerEncrypted>true</ServerEncrypted></Properties>{described}<OrMetadata /></Blob>"
    )


def _container(container: Container, *, metadata: bool) -> str:
    described = _metadata(container.metadata) if metadata else ""
    return (
        f"<Container><Name>{container.name}</Name><Properties><Last-Modified>{http_date(container.version)}"
        f'</Last-Modified><Etag>"{etag(container.version)}"</Etag><LeaseStatus>unlocked</LeaseStatus>'
        "<LeaseState>available</LeaseState><HasImmutabilityPolicy>false</HasImmutabilityPolicy>"
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
