"""A compute, where jobs run, and the collection of them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from azure_batch_endpoints._arguments import require, require_seconds
from azure_batch_endpoints._entity import Collection, Provisioned, Snapshot, from_put, named
from azure_batch_endpoints._http import paged
from azure_batch_endpoints._wire import convert, models, readback
from azure_batch_endpoints.specs import ComputeSpec

if TYPE_CHECKING:
    from azure.core.paging import ItemPaged


class Compute(Provisioned[models.ComputeBody]):
    """Nodes that score."""

    _noun = "compute"

    @property
    def spec(self) -> ComputeSpec:
        """What it is, as the spec that would make it again."""
        return readback.compute_spec(self._snapshot.body)

    @property
    def type(self) -> str:
        """``amlcompute`` or ``ray``, in the service's word lower-cased."""
        return (self._snapshot.body.properties.compute_type or "").lower()

    @property
    def min_instances(self) -> int:
        """Nodes that are always kept."""
        scale = self._scale()
        return (scale.min_node_count if scale else None) or 0

    @property
    def max_instances(self) -> int:
        """Nodes at most."""
        scale = self._scale()
        return (scale.max_node_count if scale else None) or 0

    def _scale(self) -> models.ScaleSettings | None:
        inner = self._snapshot.body.properties.properties
        return inner.scale_settings if inner else None

    def _url(self) -> str:
        return self._workspace.path.compute(self.name)

    def _read(self, data: object) -> Snapshot[models.ComputeBody]:
        return Snapshot.take(models.ComputeBody.read, data)

    def _rows(self) -> list[tuple[str, object]]:
        nodes = f"{self.min_instances} to {self.max_instances}"
        return [("name", self.name), ("state", self.provisioning_state), ("type", self.type), ("nodes", nodes)]


class Computes(Collection):
    """The computes of the workspace."""

    def create(self, spec: ComputeSpec, /, *, wait: bool = True, timeout: float | None = None) -> Compute:
        """Create a compute, or change the one of that name.

        Args:
            spec: what it is.
            wait: False returns at once, the compute still ``Creating``; its ``wait()`` goes on.
            timeout: seconds to wait; None: as long as it takes.

        Raises:
            InvalidInputError: it is no spec; nothing was sent.
            OperationFailedError: the service could not make it. WaitTimeoutError: the time was over.
            NotKeptError: it is there, but the service did not keep what was asked for.
        """
        require("spec", spec, ComputeSpec, "a ComputeSpec")
        require_seconds("timeout", timeout)
        action = f"create compute '{spec.name}'"
        body = convert.compute_body(spec, self._workspace.location)
        url = self._workspace.path.compute(spec.name)
        answer = self._workspace.send("PUT", url, json=body, action=action)
        asked = {name: value for name, value in body.items() if name != "location" or spec.location is not None}
        made = self._made(from_put(answer.body, url))
        return made._begun(answer, action, asked)._finished(wait=wait, timeout=timeout)

    def get(self, name: str, /) -> Compute:
        """Return a compute by its name (1 request).

        Raises:
            NotFoundError: there is none of that name.
        """
        url = self._workspace.path.compute(name)
        return self._made(named(self._workspace.send("GET", url, action=f"read compute '{name}'").body, url))

    def list(self) -> ItemPaged[Compute]:
        """List the computes; asks page by page."""
        session, path = self._workspace.session, self._workspace.path
        return paged(session, path.computes(), self._made, params=self._workspace.params, action="list computes")

    def delete(self, name: str, /, *, wait: bool = True, timeout: float | None = None) -> None:
        """Delete a compute (2 requests and the operation's).

        Args:
            name: its name.
            wait: False returns when the service has accepted it.
            timeout: seconds to wait; None: as long as it takes.

        Raises:
            NotFoundError: there is none of that name.
        """
        require_seconds("timeout", timeout)
        params: Mapping[str, str] = {"underlyingResourceAction": "Delete"}
        self.get(name)._remove(wait=wait, timeout=timeout, params=params)

    def _made(self, body: object) -> Compute:
        return Compute(self._workspace, Snapshot.take(models.ComputeBody.read, body))
