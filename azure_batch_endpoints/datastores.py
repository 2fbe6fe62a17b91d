"""A datastore, where inputs and outputs lie, and the collection of them. Secrets never show here."""

from __future__ import annotations

from typing import TYPE_CHECKING

from azure_batch_endpoints._entity import Collection, Entity, Snapshot, named
from azure_batch_endpoints._http import paged
from azure_batch_endpoints._wire import models

if TYPE_CHECKING:
    from azure.core.paging import ItemPaged


class Datastore(Entity[models.DatastoreBody]):
    """A container of some storage account under a name of the workspace."""

    _noun = "datastore"

    @property
    def type(self) -> str:
        """Kind as the service names it, e.g. ``AzureBlob``."""
        return self._snapshot.body.properties.datastore_type or ""

    @property
    def is_default(self) -> bool:
        """Whether it takes what names no datastore."""
        return bool(self._snapshot.body.properties.is_default)

    @property
    def account_name(self) -> str | None:
        """Storage account."""
        return self._snapshot.body.properties.account_name

    @property
    def container_name(self) -> str | None:
        """Container, or None for a file share."""
        return self._snapshot.body.properties.container_name

    def _rows(self) -> list[tuple[str, object]]:
        return [
            ("name", self.name),
            ("type", self.type),
            ("account", self.account_name),
            ("container", self.container_name),
            ("default", "yes" if self.is_default else None),
        ]


class Datastores(Collection):
    """The datastores of the workspace."""

    def get(self, name: str, /) -> Datastore:
        """Return a datastore by its name (1 request).

        Raises:
            NotFoundError: there is none of that name.
        """
        url = self._workspace.path.datastore(name)
        return self._made(named(self._workspace.send("GET", url, action=f"read datastore '{name}'").body, url))

    def get_default(self) -> Datastore:
        """Return the workspace's default datastore (1 request, and 1 once to learn its name)."""
        return self.get(self._workspace.default_datastore)

    def list(self) -> ItemPaged[Datastore]:
        """List the datastores; asks page by page."""
        session, path = self._workspace.session, self._workspace.path
        return paged(session, path.datastores(), self._made, params=self._workspace.params, action="list datastores")

    def _made(self, body: object) -> Datastore:
        return Datastore(self._workspace, Snapshot.take(models.DatastoreBody.read, body))
