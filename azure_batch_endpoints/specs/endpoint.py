"""A batch endpoint, before it exists."""

from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import Field
from typing_extensions import Self

from azure_batch_endpoints import _spec_tables as tables
from azure_batch_endpoints._spec_base import Origin, Spec
from azure_batch_endpoints._spec_values import KEPT, Kept, ResourceName, TextMap, one_of
from azure_batch_endpoints.errors import SpecError


class EndpointSpec(Spec, frozen=True):
    """A batch endpoint: a stable name that jobs are sent to."""

    _table = tables.ENDPOINT
    _refused = tables.ENDPOINT_REFUSED
    _written = tables.ENDPOINT_WRITTEN
    _schema = "batchEndpoint"

    name: ResourceName
    """3 to 32 letters, digits and hyphens, a letter first; unique in its Azure region."""
    description: str | None = None
    auth_mode: Annotated[Literal["aad_token"], one_of("aad_token")] = "aad_token"
    """The only mode batch endpoints have."""
    tags: TextMap = Field(default_factory=dict)
    properties: TextMap = Field(default_factory=dict)
    """Texts that the workspace keeps beside the tags; unlike tags they can hardly be changed later."""
    default_deployment: str | None = None
    """Name of the deployment used when none is named; it must exist (YAML: ``defaults.deployment_name``)."""

    @classmethod
    def _from_file(cls, values: dict[str, Any], origin: Origin) -> None:
        kind = values.pop("_type", "batch")  # of the preview; an endpoint of today has no type
        if str(kind).lower() != "batch":
            raise SpecError(
                f"'type' is {kind!r}: this package has batch endpoints only. Leave 'type' out.", field="type"
            )
        super()._from_file(values, origin)

    def changed(
        self,
        values: Mapping[str, Any] | None = None,
        /,
        *,
        name: str | Kept = KEPT,
        description: str | Kept | None = KEPT,
        auth_mode: Literal["aad_token"] | Kept = KEPT,
        tags: Mapping[str, str] | Kept = KEPT,
        properties: Mapping[str, str] | Kept = KEPT,
        default_deployment: str | Kept | None = KEPT,
    ) -> Self:
        """Return this endpoint with other values; see :meth:`DeploymentSpec.changed`."""
        return self._changed(
            values,
            name=name,
            description=description,
            auth_mode=auth_mode,
            tags=tags,
            properties=properties,
            default_deployment=default_deployment,
        )
