"""Nodes to score on, before they exist."""

from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import Field, model_validator
from typing_extensions import Self

from azure_batch_endpoints import _spec_tables as tables
from azure_batch_endpoints._spec_base import Spec
from azure_batch_endpoints._spec_values import KEPT, ComputeName, Count, Kept, Seconds, TextMap, one_of
from azure_batch_endpoints.errors import SpecError


class ComputeSpec(Spec, frozen=True):
    """Nodes that score: an Azure ML compute cluster, or for the local service an existing Ray cluster."""

    _table = tables.COMPUTE
    _refused = tables.COMPUTE_REFUSED
    _written = tables.COMPUTE_WRITTEN
    _schema = "amlCompute"

    name: ComputeName
    type: Annotated[Literal["amlcompute", "ray"], one_of("amlcompute", "ray")] = "amlcompute"
    """``ray`` names the Ray cluster at ``address``; this version of the local service refuses it still."""
    location: str | None = None
    """Azure region of the nodes; None: the workspace's own."""
    size: str = "Standard_DS3_v2"
    """Virtual machine size; recorded, but not used, by the local service."""
    tier: Annotated[Literal["dedicated", "low_priority"], one_of("dedicated", "low_priority")] = "dedicated"
    """Price tier."""
    min_instances: Count = Field(default=0, ge=0)
    """Nodes that are always kept."""
    max_instances: Count = Field(default=1, ge=0)
    """Nodes at most."""
    idle_time_before_scale_down: Seconds = Field(default=120.0, ge=0)
    """Seconds a node may idle before it is given back."""
    address: str | None = None
    """For ``type="ray"``: address of the cluster, e.g. ``127.0.0.1:6379``."""
    description: str | None = None
    tags: TextMap = Field(default_factory=dict)

    @model_validator(mode="after")
    def _check(self) -> Self:
        if self.max_instances < self.min_instances:
            raise SpecError(
                f"max_instances is {self.max_instances}, below min_instances {self.min_instances}. "
                "Raise it, or lower min_instances.",
                field="max_instances",
            )
        if (self.type == "ray") != (self.address is not None):
            missing = "address" if self.address is None else 'type="ray"'
            raise SpecError(
                f'type="ray" and address="host:port" go together; {missing} is missing. Give both.', field="type"
            )
        return self

    def changed(
        self,
        values: Mapping[str, Any] | None = None,
        /,
        *,
        name: str | Kept = KEPT,
        type: Literal["amlcompute", "ray"] | Kept = KEPT,
        location: str | Kept | None = KEPT,
        size: str | Kept = KEPT,
        tier: Literal["dedicated", "low_priority"] | Kept = KEPT,
        min_instances: int | Kept = KEPT,
        max_instances: int | Kept = KEPT,
        idle_time_before_scale_down: float | Kept = KEPT,
        address: str | Kept | None = KEPT,
        description: str | Kept | None = KEPT,
        tags: Mapping[str, str] | Kept = KEPT,
    ) -> Self:
        """Return this compute with other values; see :meth:`DeploymentSpec.changed`."""
        return self._changed(
            values,
            name=name,
            type=type,
            location=location,
            size=size,
            tier=tier,
            min_instances=min_instances,
            max_instances=max_instances,
            idle_time_before_scale_down=idle_time_before_scale_down,
            address=address,
            description=description,
            tags=tags,
        )
