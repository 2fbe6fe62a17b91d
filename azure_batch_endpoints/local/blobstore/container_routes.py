"""Operations on containers and on the account: create, properties, list, delete. From request to response."""

from __future__ import annotations

from azure_batch_endpoints.local.blobstore import changes, index, pages, replies, xml
from azure_batch_endpoints.local.blobstore.conditions import Conditions
from azure_batch_endpoints.local.blobstore.encoding import metadata_of
from azure_batch_endpoints.local.blobstore.failures import BlobError
from azure_batch_endpoints.local.blobstore.http import Request, Response, is_number
from azure_batch_endpoints.local.blobstore.index import Container
from azure_batch_endpoints.local.blobstore.pages import MAX_PAGE, Wanted
from azure_batch_endpoints.local.blobstore.service import Call


async def create_container(call: Call) -> Response:
    """Create Container."""
    name, metadata = call.request.container, metadata_of(call.request.headers)
    container = await call.service.store.commits.run(lambda t: changes.create_container(t, name, metadata))
    return Response(201, {**replies.version_headers(container.version), "content-length": "0"})


async def get_container(call: Call) -> Response:
    """Get Container Properties, and Get Container Metadata: the first tells all the second does."""
    container = _container(call)
    Conditions.of(call.request.headers).check_read(container.version)
    return Response(200, replies.container_headers(container))


async def set_container_metadata(call: Call) -> Response:
    """Set Container Metadata: replaces all of it."""
    request = call.request
    metadata, conditions = metadata_of(request.headers), Conditions.of(request.headers)
    container = await call.service.store.commits.run(
        lambda t: changes.set_container_metadata(t, request.container, metadata, conditions)
    )
    return Response(200, {**replies.version_headers(container.version), "content-length": "0"})


async def delete_container(call: Call) -> Response:
    """Delete Container, with all its blobs."""
    request, conditions = call.request, Conditions.of(call.request.headers)
    await call.service.store.commits.run(lambda t: changes.delete_container(t, request.container, conditions))
    return Response(202, {"content-length": "0"})


async def list_blobs(call: Call) -> Response:
    """List Blobs, flat or by hierarchy."""
    wanted = _wanted(call.request)
    with call.service.store.reading() as connection:
        container = index.require_container(connection, call.request.container)
        page = pages.blobs(connection, container.id, wanted)
    metadata = "metadata" in call.request.query.get("include", "").split(",")
    return replies.document(xml.blob_list(_endpoint(call), container.name, wanted, page, metadata=metadata))


async def list_containers(call: Call) -> Response:
    """List Containers."""
    wanted = _wanted(call.request)
    with call.service.store.reading() as connection:
        rows, marker = pages.containers(connection, wanted)
    metadata = "metadata" in call.request.query.get("include", "").split(",")
    return replies.document(xml.container_list(_endpoint(call), wanted, rows, marker, metadata=metadata))


async def account_information(_: Call) -> Response:
    """Get Account Information."""
    headers = {"x-ms-sku-name": "Standard_LRS", "x-ms-account-kind": "StorageV2", "x-ms-is-hns-enabled": "false"}
    return Response(200, {**headers, "content-length": "0"})


async def service_properties(_: Call) -> Response:
    """Get Blob Service Properties."""
    return replies.document(xml.service_properties())


def _container(call: Call) -> Container:
    with call.service.store.reading() as connection:
        return index.require_container(connection, call.request.container)


def _wanted(request: Request) -> Wanted:
    query = request.query
    count = query.get("maxresults", str(MAX_PAGE))
    if not (is_number(count) and int(count) > 0):
        raise BlobError("OutOfRangeInput", f"'maxresults' is '{count}'.")
    return Wanted(
        query.get("prefix", ""), query.get("delimiter", ""), query.get("marker", ""), min(int(count), MAX_PAGE)
    )


def _endpoint(call: Call) -> str:
    scheme = "https" if call.request.secure else "http"
    return f"{scheme}://{call.request.host}/{call.service.account}/"
