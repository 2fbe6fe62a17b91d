"""Models: references to ids; local paths are uploaded and registered, anonymously when they have no name."""

from __future__ import annotations

import os
from dataclasses import dataclass
from os import PathLike
from typing import TypeAlias

from azure_batch_endpoints._spec_base import is_reference
from azure_batch_endpoints._storage.hashing import LocalTree, scan
from azure_batch_endpoints._storage.steps import Progress
from azure_batch_endpoints._storage.upload import Destination, upload, upload_folder
from azure_batch_endpoints._storage.versions import anonymous_name, next_version, put_version, referred_id, same_content
from azure_batch_endpoints._wire import convert
from azure_batch_endpoints._wire.models import AssetBody
from azure_batch_endpoints._wire.uris import asset_name
from azure_batch_endpoints._workspace import Workspace
from azure_batch_endpoints.specs import ModelSpec

ModelLike: TypeAlias = "str | PathLike[str] | ModelSpec"


@dataclass(frozen=True)
class ModelSource:
    """A model as asked for, and what was found at its path."""

    spec: ModelSpec
    source: str | LocalTree

    @property
    def type(self) -> str:
        """Its type: as said, else by the file ``MLmodel``."""
        found = isinstance(self.source, LocalTree) and self.source.holds("MLmodel")
        return self.spec.type or ("mlflow_model" if found else "custom_model")


def model_source(model: ModelLike) -> ModelSource:
    """Look at a model; nothing is sent.

    Args:
        model: ``azureml:name:1`` or an ARM id, ``azureml:name@latest``, a local path, a storage URI, or a spec.

    Raises:
        LocalPathError: the path is not there.
    """
    spec = model if isinstance(model, ModelSpec) else ModelSpec(name="", path=os.fspath(model))
    if isinstance(spec.path, str) and is_reference(spec.path):
        return ModelSource(spec, spec.path)
    return ModelSource(
        spec, scan(spec.path, role=f"Model '{spec.name}'{spec.named_in('path')}: path" if spec.name else "Model")
    )


def source_id(workspace: Workspace, model: ModelSource, progress: Progress | None) -> str:
    """Return the id of a model that was looked at; what names no registered one is uploaded and registered.

    Without a name it gets one made of its content. Only the latest version of a name is asked for.

    Raises:
        NotFoundError: there is no version of that name.
    """
    if isinstance(model.source, str) and _names_asset(model.source):
        return referred_id(workspace, "models", model.source)
    return str(_register(workspace, model, progress).id)


def _names_asset(reference: str) -> bool:
    """Whether a reference names something registered, not a place in storage or a job's output."""
    return asset_name(reference) is not None or reference.startswith("azureml://registries/")


def register_model(workspace: Workspace, spec: ModelSpec, *, progress: Progress | None = None) -> AssetBody:
    """Register a model version; a local path is uploaded unless it is there.

    No version: the next number; the newest version is returned as it is when it is of the same content and type, and
    says what the spec says.

    Raises:
        LocalPathError: the path is not there; nothing was sent.
    """
    return _register(workspace, model_source(spec), progress)


def _register(workspace: Workspace, model: ModelSource, progress: Progress | None) -> AssetBody:
    spec, source = model.spec, model.source
    if isinstance(source, str):
        folder, content = "", source
    else:
        folder = upload_folder(source, progress)
        content = f"{folder}/{source.name}"
    name = spec.name or anonymous_name(f"{model.type}:{content}")
    version = spec.version or (next_version(workspace, "models", name) if spec.name else "1")
    there = None
    if isinstance(source, str):
        uri = source
    else:
        uri = _long_uri(workspace, content)
        if spec.name and not spec.version and version != "1":
            there = same_content(workspace, "models", spec, name, uri)
        target = there.name if there is not None and there.name else version
        upload(source, Destination(workspace.container(), folder, name, target), progress)
    if there is not None and there.properties.model_type in (None, model.type):
        return there
    body = convert.model_body(spec, uri, model.type, anonymous=not spec.name)
    shown = f"{name}:{version}" if spec.name else str(spec.path)
    return put_version(workspace, "models", name, version, body, action=f"register model '{shown}'")


def _long_uri(workspace: Workspace, path: str) -> str:
    """The long form of a datastore URI: the one the service keeps for models (public recordings)."""
    of, store = workspace.path, workspace.default_datastore
    return (
        f"azureml://subscriptions/{of.subscription_id}/resourcegroups/{of.resource_group}"
        f"/workspaces/{of.name}/datastores/{store}/paths/{path}"
    )
