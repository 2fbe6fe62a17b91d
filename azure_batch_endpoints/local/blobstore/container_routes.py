"""Operations on containers: create, properties, access, leases, list, delete. From request to response."""

from __future__ import annotations

from collections.abc import Iterable

from azure_batch_endpoints.local.blobstore import bodies, documents, index, pages, replies, traits, xml
from azure_batch_endpoints.local.blobstore import container_changes as change
from azure_batch_endpoints.local.blobstore.conditions import Conditions
from azure_batch_endpoints.local.blobstore.documents import Node
from azure_batch_endpoints.local.blobstore.encoding import metadata_of
from azure_batch_endpoints.local.blobstore.failures import BlobError
from azure_batch_endpoints.local.blobstore.http import Request, Response, is_number
from azure_batch_endpoints.local.blobstore.index import Container
from azure_batch_endpoints.local.blobstore.pages import MAX_PAGE, Page, Wanted
from azure_batch_endpoints.local.blobstore.service import Call
from azure_batch_endpoints.local.blobstore.traits import Policy, Traits

_INCLUDED = (
    "copy",
    "deleted",
    "deletedwithversions",
    "immutabilitypolicy",
    "legalhold",
    "metadata",
    "permissions",
    "snapshots",
    "tags",
    "uncommittedblobs",
    "versions",
)
_MAX_POLICIES = 5
_MAX_POLICY_ID = 64
_MAX_BODY = 1 << 20


async def create_container(call: Call) -> Response:
    """Create Container."""
    name, metadata = call.request.container, metadata_of(call.request.headers)
    known = traits.encode(Traits(access=_access(call.request)))
    container = await call.service.store.commits.run(lambda t: change.create(t, name, metadata, known))
    return Response(201, {**replies.version_headers(container.version), "content-length": "0"})


async def get_container(call: Call) -> Response:
    """Get Container Properties, and Get Container Metadata: the first tells all the second does."""
    return Response(200, replies.container_headers(_container(call)))


async def set_container_metadata(call: Call) -> Response:
    """Set Container Metadata: replaces all of it."""
    request = call.request
    metadata, conditions = metadata_of(request.headers), Conditions.of(request.headers)
    container = await call.service.store.commits.run(
        lambda t: change.set_metadata(t, request.container, metadata, conditions)
    )
    return Response(200, {**replies.version_headers(container.version), "content-length": "0"})


async def delete_container(call: Call) -> Response:
    """Delete Container, with all its blobs."""
    request, conditions = call.request, Conditions.of(call.request.headers)
    await call.service.store.commits.run(lambda t: change.delete(t, request.container, conditions))
    return Response(202, {"content-length": "0"})


async def get_access(call: Call) -> Response:
    """Get Container ACL."""
    container = _container(call)
    known = traits.decode(container.traits)
    response = replies.document(xml.access_policies(known.policies))
    response.headers.update(replies.version_headers(container.version))
    if known.access:
        response.headers["x-ms-blob-public-access"] = known.access
    return response


async def set_access(call: Call) -> Response:
    """Set Container ACL: replaces public access and all stored access policies."""
    request, conditions = call.request, Conditions.of(call.request.headers)
    access = _access(request)
    body = await bodies.receive_checked(request, _MAX_BODY)
    policies = _policies(documents.parse(body, "SignedIdentifiers")) if body else ()
    container = await call.service.store.commits.run(
        lambda t: change.set_access(
            t, request.container, lambda known: known._replace(access=access, policies=policies), conditions
        )
    )
    return Response(200, {**replies.version_headers(container.version), "content-length": "0"})


async def list_blobs(call: Call) -> Response:
    """List Blobs, flat or by hierarchy."""
    wanted = wanted_of(call.request, _INCLUDED)
    with call.service.store.reading() as connection:
        container = index.require_container(connection, call.request.container)
        page = _only(pages.blobs(connection, container.id, wanted), call.request.query.get("showonly", "").lower())
    return replies.document(xml.blob_list(endpoint_of(call), container.name, wanted, page))


def _only(page: Page, kind: str) -> Page:
    # Deleted blobs are not kept, so there is none to show.
    if kind == "deleted":
        return Page([], "")
    if kind in ("files", "directories"):
        folders = kind == "directories"
        return page._replace(entries=[entry for entry in page.entries if isinstance(entry, str) is folders])
    return page


def wanted_of(request: Request, known: Iterable[str]) -> Wanted:
    """What a list is asked for; ``known`` are the words its ``include`` may have.

    Raises:
        BlobError: ``OutOfRangeInput`` or ``InvalidQueryParameterValue``.
    """
    query = request.query
    count = query.get("maxresults", str(MAX_PAGE))
    if not is_number(count):
        raise BlobError("InvalidQueryParameterValue", f"'maxresults' is '{count}'.")
    if not int(count):
        raise BlobError("OutOfRangeQueryParameterValue", "'maxresults' is 0.")
    include = frozenset(word for word in query.get("include", "").lower().split(",") if word)
    if not include <= set(known):
        raise BlobError("InvalidQueryParameterValue", f"'include' is '{query['include']}'.")
    return Wanted(
        query.get("prefix", ""), query.get("delimiter", ""), query.get("marker", ""), min(int(count), MAX_PAGE), include
    )


def endpoint_of(call: Call) -> str:
    """The account's address as the client wrote it."""
    scheme = "https" if call.request.secure else "http"
    return f"{scheme}://{call.request.host}/{call.service.account}/"


def _container(call: Call) -> Container:
    with call.service.store.reading() as connection:
        container = index.require_container(connection, call.request.container)
    Conditions.of(call.request.headers).check_read(container, of="Container")
    return container


def _access(request: Request) -> str:
    access = request.headers.get("x-ms-blob-public-access", "").lower()
    if access not in ("", "blob", "container"):
        raise BlobError("InvalidHeaderValue", "'x-ms-blob-public-access' is 'blob' or 'container'.")
    return access


def _policies(top: Node) -> tuple[Policy, ...]:
    if len(top.children) > _MAX_POLICIES:
        raise BlobError("InvalidXmlDocument", f"There are at most {_MAX_POLICIES} stored access policies.")
    return tuple(map(_policy, top.children))


def _policy(node: Node) -> Policy:
    name = node.get("Id")
    if node.name != "SignedIdentifier" or not 0 < len(name) <= _MAX_POLICY_ID:
        raise BlobError("InvalidXmlDocument", "Each stored access policy has an 'Id' of 1 to 64 characters.")
    fields = node.find("AccessPolicy") or Node("AccessPolicy")
    return Policy(name, *(fields.get(field).strip() for field in ("Start", "Expiry", "Permission")))
