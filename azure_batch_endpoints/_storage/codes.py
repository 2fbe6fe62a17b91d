"""Code of deployments: found by its content, else uploaded (to a container of its own, since 2023) and registered."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from os import PathLike, fspath
from typing import TypeAlias
from urllib.parse import quote

from azure_batch_endpoints._spec_base import is_reference
from azure_batch_endpoints._storage.blobs import Container, ContainerCredential
from azure_batch_endpoints._storage.hashing import CODE_HASH_VERSION, LocalTree, scan
from azure_batch_endpoints._storage.steps import Progress
from azure_batch_endpoints._storage.upload import Destination, upload, upload_folder
from azure_batch_endpoints._storage.versions import anonymous_name, put_version, referred_id, send_asset
from azure_batch_endpoints._wire import convert, versions
from azure_batch_endpoints._wire.uris import storage_place
from azure_batch_endpoints._workspace import Workspace
from azure_batch_endpoints.errors import LocalPathError, ServiceError

CodeSource: TypeAlias = "str | LocalTree"
"""A reference, or what was found in a local folder."""


def code_source(path: str | PathLike[str]) -> CodeSource:
    """Look at the folder of a scoring script, or take the id of a code version as it is; nothing is sent.

    Raises:
        LocalPathError: the folder is not there, or is a file.
    """
    if is_reference(path):
        return fspath(path)
    tree = scan(path, role="Code")
    if not tree.is_folder:
        raise LocalPathError(
            f"Code '{path}' is a file; it names the folder of the scoring script. "
            f"Write code='{tree.path.parent}', scoring_script='{tree.name}'. Nothing was sent.",
            path=tree.path,
        )
    return tree


def register_code(
    workspace: Workspace, code: CodeSource, progress: Progress | None, digest: Callable[[], str] | None = None
) -> str:
    """Return the id of code that was looked at; what is no reference and not known is uploaded and registered.

    Args:
        workspace: where.
        code: the code.
        progress: told how far hashing and upload are.
        digest: gives the code's hash, where it is computed already.
    """
    if isinstance(code, str):
        return referred_id(workspace, "codes", code)
    if versions.is_2021(workspace.api_version):
        return _register_2021(workspace, code, progress)
    known_by = digest() if digest is not None else code.code_hash(progress)
    name = str(uuid.uuid4())  # the service looks by hash under any name (public recordings of the service)
    known = send_asset(
        workspace,
        "GET",
        workspace.path.asset_versions("codes", name),
        params={"hash": known_by, "hashVersion": CODE_HASH_VERSION},
        action=f"look for the code '{code.path}'",
    )
    found = known.get("value") or []
    if found and found[0].get("id"):
        return str(found[0]["id"])
    uri = _upload_code(workspace, code, name, progress)
    body = convert.code_body(uri, known_by)
    return str(put_version(workspace, "codes", name, "1", body, action=f"register the code '{code.path}'").id)


def _register_2021(workspace: Workspace, code: LocalTree, progress: Progress | None) -> str:
    """Code of 2021: in the default datastore beside models and data, under a name made of its content."""
    folder = upload_folder(code, progress)
    name, container = anonymous_name(f"{folder}/{code.name}"), workspace.container()
    path = upload(code, Destination(container, folder, name, "1"), progress).path
    body = {"properties": {"codeUri": f"{container.url}/{quote(path)}", "isAnonymous": True}}
    return str(put_version(workspace, "codes", name, "1", body, action=f"register the code '{code.path}'").id)


def _upload_code(workspace: Workspace, code: LocalTree, name: str, progress: Progress | None) -> str:
    action = f"get a place for the code '{code.path}'"
    url = f"{workspace.path.asset('codes', name, '1')}/startPendingUpload"
    answer = send_asset(workspace, "POST", url, json={"pendingUploadType": "TemporaryBlobReference"}, action=action)
    place = answer.get("blobReferenceForConsumption") or {}
    signed = storage_place(str((place.get("credential") or {}).get("sasUri") or ""))
    if signed is None or not signed.container_url or not signed.sas:
        raise ServiceError(f"Could not {action}: the service named none. Try again.", status_code=200)
    base = str(place.get("blobUri") or signed.container_url).rstrip("/")
    with Container(signed.container_url, ContainerCredential(sas=signed.sas)) as container:
        path = upload(code, Destination(container, "", name, "1", fresh=True), progress).path
    return f"{base}/{path}"
