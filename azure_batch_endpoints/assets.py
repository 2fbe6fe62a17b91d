"""Registered models, environments and data sets, and their collections. Uploading is ``_storage.assets``' matter."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, ClassVar, Generic, TypeVar, cast

from azure_batch_endpoints import _progress
from azure_batch_endpoints._arguments import require
from azure_batch_endpoints._entity import Collection, Entity, Snapshot
from azure_batch_endpoints._http import paged
from azure_batch_endpoints._storage import assets
from azure_batch_endpoints._wire import models, readback
from azure_batch_endpoints._wire.routes import AssetKind
from azure_batch_endpoints._wire.uris import asset_name
from azure_batch_endpoints.errors import NotFoundError, NotKeptError
from azure_batch_endpoints.specs import DatasetSpec, EnvironmentSpec, ModelSpec

if TYPE_CHECKING:
    from azure.core.paging import ItemPaged


class Asset(Entity[models.AssetBody]):
    """One version of something registered."""

    @property
    def name(self) -> str:
        """Name (on the wire a version's own name is its version)."""
        found = asset_name(self.id)
        return found.name if found else super().name

    @property
    def version(self) -> str:
        """Version."""
        found = asset_name(self.id)
        return (found.version if found else None) or str(self._snapshot.body.name or "")

    @property
    def description(self) -> str | None:
        """Description."""
        return self._snapshot.body.properties.description

    @property
    def tags(self) -> Mapping[str, str]:
        """Tags."""
        return self._snapshot.body.properties.tags or {}

    def _rows(self) -> list[tuple[str, object]]:
        return [
            ("name", self.name),
            ("version", self.version),
            ("description", self.description),
            ("tags", dict(self.tags)),
        ]


class Model(Asset):
    """A registered model version."""

    @property
    def spec(self) -> ModelSpec:
        """What it is, as the spec that would register it again."""
        return readback.model_spec(self._snapshot.body)

    @property
    def type(self) -> str:
        """``custom_model``, ``mlflow_model`` or ``triton_model``."""
        return self.spec.type or "custom_model"

    @property
    def uri(self) -> str:
        """Where its file or folder is."""
        return self._snapshot.body.properties.model_uri or ""


class Environment(Asset):
    """A registered environment version."""

    @property
    def spec(self) -> EnvironmentSpec:
        """What it is, as the spec that would register it again."""
        return readback.environment_spec(self._snapshot.body)

    @property
    def image(self) -> str | None:
        """Container image, or None."""
        return self._snapshot.body.properties.image

    @property
    def conda_file(self) -> Mapping[str, Any] | None:
        """Conda dependencies (the service gives them back as JSON text), or None."""
        return readback.conda(self._snapshot.body.properties.conda_file)


class Dataset(Asset):
    """A registered data set (data asset) version."""

    @property
    def spec(self) -> DatasetSpec:
        """What it is, as the spec that would register it again."""
        return readback.dataset_spec(self._snapshot.body)

    @property
    def type(self) -> str:
        """``uri_folder`` or ``uri_file``."""
        return self.spec.type or "uri_folder"

    @property
    def uri(self) -> str:
        """Where its file or folder is."""
        return str(self.spec.path)


_Asset = TypeVar("_Asset", Model, Environment, Dataset)


class _Assets(Collection, Generic[_Asset]):
    _kind: ClassVar[AssetKind]
    _noun: ClassVar[str]
    _entity: type[_Asset]

    def get(self, name: str, /, *, version: str | None = None) -> _Asset:
        """Return a version (1 request).

        Args:
            name: its name.
            version: its version; None: the newest one.

        Raises:
            NotFoundError: there is no such name or version.
        """
        if version is None:
            return self._made(assets.latest(self._workspace, self._kind, name).body())
        path, params = self._workspace.path.asset(self._word, name, str(version)), assets.asset_params(self._workspace)
        action = f"read {self._noun} '{name}:{version}'"
        return self._made(self._workspace.send("GET", path, params=params, action=action).body)

    def list(self, name: str | None = None, /) -> ItemPaged[_Asset]:
        """List versions of a name, or the newest version of every name; asks page by page.

        Args:
            name: whose versions; None: every name (1 further request each).
        """
        path, params = self._workspace.path, assets.asset_params(self._workspace)
        if name is not None:
            url = path.asset_versions(self._word, name)
            return paged(
                self._workspace.session,
                url,
                self._made,
                params=params,
                action=f"list the versions of {self._noun} '{name}'",
            )

        def newest(body: Mapping[str, Any]) -> _Asset | None:
            try:
                return self.get(str(body["name"]))
            except NotFoundError:
                return None  # all its versions are archived, or it has none

        listed: ItemPaged[Any] = paged(
            self._workspace.session,
            path.assets(self._word),
            newest,
            params=params,
            action=f"list {self._noun}s",
            keep=lambda one: one is not None,
        )
        return listed

    @property
    def _word(self) -> AssetKind:
        return assets.asset_word(self._workspace, self._kind)

    def _registered(self, register: Callable[[], models.AssetBody]) -> _Asset:
        try:
            return self._made(register().body())
        except NotKeptError as error:
            thing = cast("object", error.resource)
            if isinstance(thing, models.AssetBody):
                raise NotKeptError(str(error), self._made(thing.body()), error.fields) from error
            raise

    def _made(self, body: object) -> _Asset:
        return self._entity(self._workspace, Snapshot.take(models.AssetBody.read, body))


class Models(_Assets[Model]):
    """The registered models of the workspace."""

    _kind = "models"
    _noun = "model"
    _entity = Model

    def create(self, spec: ModelSpec, /) -> Model:
        """Register a model; a local file or folder is uploaded unless the workspace has it already.

        Raises:
            InvalidInputError: it is no spec; nothing was sent.
            LocalPathError: the path is not there; nothing was sent.
            NotKeptError: it is registered, but the service did not keep what was asked for.
        """
        require("spec", spec, ModelSpec, "a ModelSpec")
        with _progress.upload_bar() as draw:
            return self._registered(lambda: assets.register_model(self._workspace, spec, progress=draw))


class Environments(_Assets[Environment]):
    """The registered environments of the workspace."""

    _kind = "environments"
    _noun = "environment"
    _entity = Environment

    def create(self, spec: EnvironmentSpec, /) -> Environment:
        """Register an environment.

        Raises:
            InvalidInputError: it is no spec; nothing was sent.
            LocalPathError: the conda file is not there; nothing was sent.
            NotKeptError: it is registered, but the service did not keep what was asked for.
        """
        require("spec", spec, EnvironmentSpec, "an EnvironmentSpec")
        return self._registered(lambda: assets.register_environment(self._workspace, spec))


class Datasets(_Assets[Dataset]):
    """The registered data sets (data assets) of the workspace."""

    _kind = "data"
    _noun = "data set"
    _entity = Dataset

    def create(self, spec: DatasetSpec, /) -> Dataset:
        """Register a data set; a local file or folder is uploaded unless the workspace has it already.

        Raises:
            InvalidInputError: it is no spec; nothing was sent.
            LocalPathError: the path is not there or empty; nothing was sent.
            NotKeptError: it is registered, but the service did not keep what was asked for.
        """
        require("spec", spec, DatasetSpec, "a DatasetSpec")
        with _progress.upload_bar() as draw:
            return self._registered(lambda: assets.register_dataset(self._workspace, spec, progress=draw))
