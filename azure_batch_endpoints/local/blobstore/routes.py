"""Which operation a request is: the table of the blob protocol's routes, and what each asks of a signature."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from azure_batch_endpoints.local.blobstore import account_routes as account
from azure_batch_endpoints.local.blobstore import blob_routes as blob
from azure_batch_endpoints.local.blobstore import block_routes as block
from azure_batch_endpoints.local.blobstore import container_routes as container
from azure_batch_endpoints.local.blobstore import lease_routes as lease
from azure_batch_endpoints.local.blobstore import trait_routes as trait
from azure_batch_endpoints.local.blobstore.auth import Need
from azure_batch_endpoints.local.blobstore.failures import BlobError
from azure_batch_endpoints.local.blobstore.http import Request
from azure_batch_endpoints.local.blobstore.service import Route

_READ = Need("o", "r", public="blob")
_WRITE = Need("o", "w")
_CREATE = Need("o", "cw")
_TAGS = Need("o", "t")


def _account(letters: str) -> Need:
    return Need("s", letters, within_container=False)


def _container(letters: str, public: str = "") -> Need:
    return Need("c", letters, within_container=False, public=public)


_KEY = Need("c", "", key_only=True)
_PROPERTIES = Route(container.get_container, _container("r", "container"))

# (level, method, restype, comp) -> operation
_ROUTES: Mapping[tuple[str, str, str, str], Route] = MappingProxyType(
    {
        ("account", "GET", "", "list"): Route(account.list_containers, _account("l")),
        ("account", "GET", "service", "properties"): Route(account.service_properties, _account("r")),
        ("account", "PUT", "service", "properties"): Route(account.set_service_properties, _account("w")),
        ("account", "GET", "", "blobs"): Route(account.find_by_tags, _account("f")),
        ("container", "PUT", "container", ""): Route(container.create_container, _container("cw")),
        ("container", "GET", "container", ""): _PROPERTIES,
        ("container", "HEAD", "container", ""): _PROPERTIES,
        ("container", "GET", "container", "metadata"): _PROPERTIES,
        ("container", "HEAD", "container", "metadata"): _PROPERTIES,
        ("container", "PUT", "container", "metadata"): Route(container.set_container_metadata, _container("w")),
        ("container", "GET", "container", "acl"): Route(container.get_access, _KEY),
        ("container", "HEAD", "container", "acl"): Route(container.get_access, _KEY),
        ("container", "PUT", "container", "acl"): Route(container.set_access, _KEY),
        ("container", "PUT", "container", "lease"): Route(lease.lease_container, _container("wd")),
        ("container", "DELETE", "container", ""): Route(container.delete_container, _container("d")),
        ("container", "GET", "container", "list"): Route(container.list_blobs, Need("c", "l", public="container")),
        ("container", "GET", "container", "blobs"): Route(account.find_by_tags, Need("c", "f")),
        ("blob", "PUT", "", ""): Route(blob.put_blob, _CREATE),
        ("blob", "PUT", "", "block"): Route(block.put_block, _WRITE),
        ("blob", "PUT", "", "blocklist"): Route(block.put_block_list, _WRITE),
        ("blob", "GET", "", "blocklist"): Route(block.get_block_list, _READ),
        ("blob", "PUT", "", "appendblock"): Route(blob.append_block, Need("o", "aw")),
        ("blob", "PUT", "", "metadata"): Route(blob.set_metadata, _WRITE),
        ("blob", "GET", "", "metadata"): Route(blob.get_metadata, _READ),
        ("blob", "HEAD", "", "metadata"): Route(blob.get_metadata, _READ),
        ("blob", "PUT", "", "properties"): Route(blob.set_properties, _WRITE),
        ("blob", "PUT", "", "lease"): Route(lease.lease_blob, Need("o", "wd")),
        ("blob", "PUT", "", "snapshot"): Route(trait.take_snapshot, _CREATE),
        ("blob", "PUT", "", "tags"): Route(trait.set_tags, _TAGS),
        ("blob", "GET", "", "tags"): Route(trait.get_tags, _TAGS),
        ("blob", "PUT", "", "tier"): Route(trait.set_tier, _WRITE),
        ("blob", "PUT", "", "seal"): Route(trait.seal, _WRITE),
        ("blob", "PUT", "", "undelete"): Route(trait.undelete, _WRITE),
        ("blob", "PUT", "", "copy"): Route(trait.abort_copy, _WRITE),
        ("blob", "GET", "", ""): Route(blob.get_blob, _READ),
        ("blob", "HEAD", "", ""): Route(blob.head_blob, _READ),
        ("blob", "DELETE", "", ""): Route(blob.delete_blob, Need("o", "d")),
    }
)
_INFORMATION = Route(account.account_information, Need("", "", within_container=True))
# Operations the service has and this endpoint has not.
_NOT_HERE = ("expiry", "immutabilitypolicies", "incrementalcopy", "legalhold", "page", "pagelist", "query", "undelete")
_LAKE_ONLY = ("resource", "recursive")
"""Parameters that only the Data Lake (DFS) protocol has. HEAD with `action` asks whether it is there."""
_INSTEAD = "Use a blob client, such as azure-storage-blob."
_WITH_SNAPSHOT = (
    blob.get_blob,
    blob.head_blob,
    blob.get_metadata,
    blob.delete_blob,
    block.get_block_list,
    trait.get_tags,
)


def find(request: Request) -> Route:
    """The operation.

    Raises:
        BlobError: There is no such operation, or not here, or not on a snapshot.
    """
    query = request.query
    kind, component = query.get("restype", ""), query.get("comp", "")
    if kind == "account" and component == "properties" and request.method in ("GET", "HEAD"):
        return _INFORMATION
    lake = next((one for one in _LAKE_ONLY if one in query), None)
    if lake or (request.method == "PATCH" and "action" in query):
        raise BlobError(
            "NotImplemented",
            f"Data Lake Storage (DFS) is not served, to which '{lake or 'action'}=' belongs. {_INSTEAD}",
        )
    if "versionid" in query:
        raise BlobError("InvalidQueryParameterValue", "Versions are not kept here.")
    level = "blob" if request.blob else "container" if request.container else "account"
    route = _ROUTES.get((level, request.method, kind, component))
    if route is None:
        raise _unknown(level, request.method, kind, component)
    if "snapshot" in query and route.handler not in _WITH_SNAPSHOT:
        raise BlobError("InvalidQueryParameterValue", "A snapshot cannot be changed, only read and deleted.")
    return route


def _unknown(level: str, method: str, kind: str, component: str) -> BlobError:
    if any(known[0] == level and known[2:] == (kind, component) for known in _ROUTES):
        return BlobError("UnsupportedHttpVerb", f"{method} on a {level}.")
    if component == "userdelegationkey":
        return BlobError("AuthenticationFailed", "User delegation needs Microsoft Entra ID, which is not here.")
    if component.lower() in _NOT_HERE:
        return BlobError("NotImplemented", f"{method} on a {level} with comp='{component}'.")
    given = f"restype='{kind}' comp='{component}'"
    return BlobError("InvalidQueryParameterValue", f"There is no {method} on a {level} with {given}.")
