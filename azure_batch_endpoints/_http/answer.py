"""An answer of the service, read; and what a query may hold. Plain values: azure-core is not needed for them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

Param = str | int | bool | None


class ShorterThanThat(Exception):
    """What is read from an offset on has fewer bytes now than it had: it was cut or begun anew."""


@dataclass(frozen=True)
class Answer:
    """An HTTP answer that was expected, already read. Its repr shows no content: answers can carry keys."""

    method: str
    """Method of the request it answers."""
    url: str = field(repr=False)
    """Address of the request, with its query."""
    status: int
    """HTTP status."""
    headers: Mapping[str, str] = field(repr=False)
    """Headers; names in any case; read only."""
    body: object = field(repr=False)
    """Decoded JSON; None for an empty body and for the JSON text ``null`` (what DELETE and cancel answer)."""
    retry_after: float | None = None
    """Seconds after which the service wants to be asked again, ten minutes at most, or None."""
