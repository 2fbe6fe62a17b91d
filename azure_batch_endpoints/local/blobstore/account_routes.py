"""Operations on the account: its containers, what it is, its properties, blobs by their tags."""

from __future__ import annotations

import itertools
import json

from azure_batch_endpoints.local.blobstore import bodies, cors, documents, index, pages, replies, tags, traits, xml
from azure_batch_endpoints.local.blobstore import trait_changes as change
from azure_batch_endpoints.local.blobstore.container_routes import endpoint_of, wanted_of
from azure_batch_endpoints.local.blobstore.documents import Node
from azure_batch_endpoints.local.blobstore.failures import BlobError
from azure_batch_endpoints.local.blobstore.http import Response
from azure_batch_endpoints.local.blobstore.service import Call, Service

_PROPERTIES = "service properties"
_SECTIONS = (
    "Logging",
    "HourMetrics",
    "MinuteMetrics",
    "Cors",
    "DefaultServiceVersion",
    "DeleteRetentionPolicy",
    "StaticWebsite",
)
_MAX_BODY = 1 << 20


async def list_containers(call: Call) -> Response:
    """List Containers."""
    wanted = wanted_of(call.request, ("metadata", "deleted", "system"))
    with call.service.store.reading() as connection:
        rows, marker = pages.containers(connection, wanted)
    return replies.document(xml.container_list(endpoint_of(call), wanted, rows, marker))


async def account_information(_: Call) -> Response:
    """Get Account Information."""
    headers = {"x-ms-sku-name": "Standard_LRS", "x-ms-account-kind": "StorageV2", "x-ms-is-hns-enabled": "false"}
    return Response(200, {**headers, "content-length": "0"})


async def service_properties(call: Call) -> Response:
    """Get Blob Service Properties."""
    return replies.document(xml.service_properties(_kept(call.service)))


async def set_service_properties(call: Call) -> Response:
    """Set Blob Service Properties: what is not mentioned stays as it was."""
    top = documents.parse(await bodies.receive_checked(call.request, _MAX_BODY), "StorageServiceProperties")
    for node in top.children:
        _check(node)
    sections = {node.name: xml.rendered(node) for node in top.children}
    await call.service.store.commits.run(
        change.set_document(_PROPERTIES, lambda text: json.dumps({**json.loads(text or "{}"), **sections}))
    )
    return Response(202, {"content-length": "0"})


async def find_by_tags(call: Call) -> Response:
    """Find Blobs by Tags, in the account or in a container."""
    request = call.request
    where = request.query.get("where", "")
    if not where:
        raise BlobError("InvalidQueryParameterValue", "'where' is missing.")
    test, wanted = tags.condition(where, "InvalidQueryParameterValue"), wanted_of(request, ("versions",))
    with call.service.store.reading() as connection:
        if request.container:
            index.require_container(connection, request.container)
        tagged = (
            (container, blob.name, traits.decode(blob.traits).tags)
            for container, blob in pages.tagged(connection, request.container, wanted.marker)
        )
        fitting = (row for row in tagged if test({**row[2], "@container": row[0]}))
        rows = list(itertools.islice(fitting, wanted.limit + 1))
    shown = rows[: wanted.limit]
    marker = pages.marker_after(shown[-1][0], shown[-1][1]) if len(rows) > len(shown) else ""
    return replies.document(xml.found_by_tags(endpoint_of(call), where, shown, marker))


def cross_origin_rules(service: Service) -> list[cors.Rule]:
    """The rules for browsers, as the service's properties have them."""
    section = _kept(service).get("Cors")
    return cors.read_rules(documents.parse(section.encode(), "Cors")) if section else []


def _kept(service: Service) -> dict[str, str]:
    with service.store.reading() as connection:
        sections: dict[str, str] = json.loads(index.document(connection, _PROPERTIES) or "{}")
    return sections


def _check(node: Node) -> None:
    if node.name not in _SECTIONS:
        raise BlobError("UnsupportedXmlNode", f"'{node.name}' is no section of the service's properties.")
    if node.name == "Cors":
        cors.read_rules(node)
    if node.name == "DeleteRetentionPolicy" and node.get("Enabled").strip().lower() == "true":
        raise BlobError("NotImplemented", "Deleted blobs are not kept here: soft delete cannot be switched on.")
