"""What is registered in a workspace under a name and a version: models, environments, data sets."""

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field
from typing_extensions import Self

from azure_batch_endpoints import _spec_tables as tables
from azure_batch_endpoints._spec_base import Origin, Spec
from azure_batch_endpoints._spec_values import AS_PATH, KEPT, AssetName, Kept, TextMap, Version, one_of
from azure_batch_endpoints.errors import SpecError

_MODEL_TYPES = one_of(
    "custom_model", "mlflow_model", "triton_model", custom="custom_model", mlflow="mlflow_model", triton="triton_model"
)


class ModelSpec(Spec, frozen=True):
    """A model to register: a file or folder."""

    _table = tables.MODEL
    _refused = tables.MODEL_REFUSED
    _written = tables.MODEL_WRITTEN
    _schema = "model"
    _paths = ("path",)

    name: AssetName | Literal[""]
    """Its name; empty for a model that is only part of one deployment (named by its content)."""
    path: Annotated[str | Path, AS_PATH]
    """A local file or folder, or a URI in storage."""
    version: Version = None
    """None: the next number."""
    type: Annotated[Literal["custom_model", "mlflow_model", "triton_model"] | None, _MODEL_TYPES] = None
    """None: ``mlflow_model`` when the folder holds a file ``MLmodel``, else ``custom_model``."""
    description: str | None = None
    tags: TextMap = Field(default_factory=dict)
    properties: TextMap = Field(default_factory=dict)
    """Texts that the workspace keeps beside the tags; unlike tags they can hardly be changed later."""

    def changed(
        self,
        values: Mapping[str, Any] | None = None,
        /,
        *,
        name: str | Kept = KEPT,
        path: str | Path | Kept = KEPT,
        version: str | Kept | None = KEPT,
        type: Literal["custom_model", "mlflow_model", "triton_model"] | Kept | None = KEPT,
        description: str | Kept | None = KEPT,
        tags: Mapping[str, str] | Kept = KEPT,
        properties: Mapping[str, str] | Kept = KEPT,
    ) -> Self:
        """Return this model with other values; see :meth:`DeploymentSpec.changed`."""
        return self._changed(
            values,
            name=name,
            path=path,
            version=version,
            type=type,
            description=description,
            tags=tags,
            properties=properties,
        )


class EnvironmentSpec(Spec, frozen=True):
    """Where the scoring script runs: a container image and conda dependencies."""

    _table = tables.ENVIRONMENT
    _refused = tables.ENVIRONMENT_REFUSED
    _written = tables.ENVIRONMENT_WRITTEN
    _schema = "environment"
    _paths = ("conda_file",)

    name: AssetName | None = None
    """None for an environment that is only part of one deployment (named by its content)."""
    version: Version = None
    """None: named by its content."""
    image: str | None = None
    """Container image; recorded, but not used, by the local service."""
    conda_file: Annotated[str | Path | Mapping[str, Any] | None, AS_PATH] = None
    """Path of a conda YAML file, or its content."""
    description: str | None = None
    tags: TextMap = Field(default_factory=dict)
    properties: TextMap = Field(default_factory=dict)
    """Texts that the workspace keeps beside the tags; unlike tags they can hardly be changed later."""

    def changed(
        self,
        values: Mapping[str, Any] | None = None,
        /,
        *,
        name: str | Kept | None = KEPT,
        version: str | Kept | None = KEPT,
        image: str | Kept | None = KEPT,
        conda_file: str | Path | Mapping[str, Any] | Kept | None = KEPT,
        description: str | Kept | None = KEPT,
        tags: Mapping[str, str] | Kept = KEPT,
        properties: Mapping[str, str] | Kept = KEPT,
    ) -> Self:
        """Return this environment with other values; see :meth:`DeploymentSpec.changed`."""
        return self._changed(
            values,
            name=name,
            version=version,
            image=image,
            conda_file=conda_file,
            description=description,
            tags=tags,
            properties=properties,
        )


class DatasetSpec(Spec, frozen=True):
    """A data set (data asset) to register: a file or folder, here or in storage."""

    _table = tables.DATASET
    _refused = tables.DATASET_REFUSED
    _written = tables.DATASET_WRITTEN
    _schema = "data"
    _paths = ("path",)

    name: AssetName
    path: Annotated[str | Path, AS_PATH]
    """A local path, or any URI that ``folder()`` and ``file()`` take."""
    version: Version = None
    """None: the next number."""
    type: Annotated[Literal["uri_folder", "uri_file"] | None, one_of("uri_folder", "uri_file")] = None
    """None: found out from the path."""
    description: str | None = None
    tags: TextMap = Field(default_factory=dict)
    properties: TextMap = Field(default_factory=dict)
    """Texts that the workspace keeps beside the tags; unlike tags they can hardly be changed later."""

    @classmethod
    def _from_file(cls, values: dict[str, Any], origin: Origin) -> None:
        sources = values.pop("paths", None)  # 2021: paths: [{folder: uri}] or [{file: uri}]
        if sources is not None:
            one = sources[0] if isinstance(sources, list) and len(sources) == 1 else None
            if not isinstance(one, dict) or len(one) != 1:
                raise SpecError("'paths' must hold exactly one 'folder: <uri>' or 'file: <uri>'.", field="paths")
            ((kind, values["path"]),) = one.items()
            if kind not in {"folder", "file"}:
                raise SpecError(f"'paths' holds '{kind}'; it can be 'folder' or 'file'.", field="paths")
            values.setdefault("type", f"uri_{kind}")
        if str(values.get("type")).lower() == "mltable":
            said = (
                "batch deployments of models read folders and files. Write 'type: uri_folder' for the folder it is in."
            )
            raise SpecError(f"'type' is 'mltable': {said}", field="type")
        super()._from_file(values, origin)

    def changed(
        self,
        values: Mapping[str, Any] | None = None,
        /,
        *,
        name: str | Kept = KEPT,
        path: str | Path | Kept = KEPT,
        version: str | Kept | None = KEPT,
        type: Literal["uri_folder", "uri_file"] | Kept | None = KEPT,
        description: str | Kept | None = KEPT,
        tags: Mapping[str, str] | Kept = KEPT,
        properties: Mapping[str, str] | Kept = KEPT,
    ) -> Self:
        """Return this data set with other values; see :meth:`DeploymentSpec.changed`."""
        return self._changed(
            values,
            name=name,
            path=path,
            version=version,
            type=type,
            description=description,
            tags=tags,
            properties=properties,
        )
