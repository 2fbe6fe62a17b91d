"""Data sets and local inputs: references to ids; local paths are uploaded and registered."""

from __future__ import annotations

from typing import Literal

from azure_batch_endpoints._spec_base import is_reference
from azure_batch_endpoints._storage.hashing import LocalTree, scan
from azure_batch_endpoints._storage.steps import Progress
from azure_batch_endpoints._storage.upload import Destination, upload, upload_folder
from azure_batch_endpoints._storage.versions import anonymous_name, next_version, put_version, referred_id, same_content
from azure_batch_endpoints._wire import convert
from azure_batch_endpoints._wire.models import AssetBody
from azure_batch_endpoints._wire.uris import asset_name, datastore_uri
from azure_batch_endpoints._workspace import Workspace
from azure_batch_endpoints.errors import LocalPathError
from azure_batch_endpoints.inputs import Input, parse
from azure_batch_endpoints.specs import DatasetSpec


def dataset_uri(workspace: Workspace, given: Input) -> Input:
    """Return a data set input by the id of a version; asks only for the latest one.

    Raises:
        NotFoundError: there is no version of that name.
    """
    reference = given.value if asset_name(given.value) else str(given)
    return Input("dataset", referred_id(workspace, "data", reference))


def upload_input(workspace: Workspace, given: Input, *, progress: Progress | None = None) -> Input:
    """Return the URI of a local input; uploaded and registered, under a name made of its content, unless it is there.

    Content that is there costs the one request that finds it. A job names its input by URI, so it does not matter
    whether the content was registered then, or by which client.

    Raises:
        LocalPathError: it does not exist or is empty; nothing was sent.
        UploadError: a file could not be uploaded.
    """
    tree = scan(given.value)
    kind: Literal["folder", "file"] = "folder" if tree.is_folder else "file"
    folder = upload_folder(tree, progress)
    name = anonymous_name(f"{folder}/{tree.name}")
    sent = upload(tree, Destination(workspace.container(), folder, name, "1"), progress)
    uri = _uri(workspace, tree, sent.path)
    if sent.was_there:
        return Input(kind, uri)
    body = convert.data_body(DatasetSpec(name=name, path=uri), uri, _kind(tree), anonymous=True)
    put_version(workspace, "data", name, "1", body, action=f"register the input '{given.value}'")
    return Input(kind, uri)


def register_dataset(workspace: Workspace, spec: DatasetSpec, *, progress: Progress | None = None) -> AssetBody:
    """Register a data set version; a local path is uploaded unless it is there.

    No version: the next number; the newest version is returned as it is when it is of the same content, and says what
    the spec says.

    Raises:
        LocalPathError: the path is not there, is empty, or is not of the type asked for; nothing was sent.
    """
    if isinstance(spec.path, str) and is_reference(spec.path):
        uri, found = spec.path, "uri_file" if parse(spec.path).kind == "file" else "uri_folder"
        version = _version(workspace, spec)
    else:
        tree = _tree(spec)
        folder, found = upload_folder(tree, progress), _kind(tree)
        version = _version(workspace, spec)
        there = None
        if not spec.version and version != "1":
            place = datastore_uri(workspace.default_datastore, f"{folder}/{tree.name}")
            there = same_content(workspace, "data", spec, spec.name, place)
        target = there.name if there is not None and there.name else version
        sent = upload(tree, Destination(workspace.container(), folder, spec.name, target), progress)
        uri = _uri(workspace, tree, sent.path)
        if there is not None and there.properties.data_type in (None, found):
            return there
    body = convert.data_body(spec, uri, spec.type or found)
    return put_version(workspace, "data", spec.name, version, body, action=f"register data set '{spec.name}:{version}'")


def _version(workspace: Workspace, spec: DatasetSpec) -> str:
    return spec.version or next_version(workspace, "data", spec.name)


def _tree(spec: DatasetSpec) -> LocalTree:
    tree = scan(spec.path, role=f"Data set '{spec.name}'{spec.named_in('path')}: path")
    if spec.type is not None and spec.type != _kind(tree):
        is_a = "folder" if tree.is_folder else "file"
        raise LocalPathError(
            f"Data set '{spec.name}': path '{spec.path}' is a {is_a}, but type is '{spec.type}'. "
            f"Write type='{_kind(tree)}', or leave it out. Nothing was sent.",
            path=tree.path,
        )
    return tree


def _kind(tree: LocalTree) -> str:
    return "uri_folder" if tree.is_folder else "uri_file"


def _uri(workspace: Workspace, tree: LocalTree, path: str) -> str:
    return datastore_uri(workspace.default_datastore, path) + ("/" if tree.is_folder else "")
