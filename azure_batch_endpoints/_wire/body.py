"""What every body of the REST protocol shares: camelCase names, lenient reading, sparing writing.

Reading is lenient as the real service and its clients are: keys in any case, numbers as text, null for absent, unknown
keys kept. Writing leaves out what was not set. The bodies themselves are in ``models``.
"""

import json
from functools import cache
from typing import Annotated, Any, TypeAlias

from pydantic import BaseModel, BeforeValidator, ConfigDict, model_validator
from pydantic.alias_generators import to_camel
from typing_extensions import Self


def _texts(value: object) -> object:
    """A map of texts with what the service puts into it beside texts: null is left out, truth values are written."""
    if not isinstance(value, dict):
        return value
    return {key: one if isinstance(one, str) else json.dumps(one) for key, one in value.items() if one is not None}


TextMap: TypeAlias = Annotated[dict[str, str], BeforeValidator(_texts)]


class Body(BaseModel):
    """Base of all bodies."""

    model_config = ConfigDict(
        alias_generator=to_camel,
        populate_by_name=True,
        extra="allow",
        frozen=True,
        coerce_numbers_to_str=True,
        defer_build=True,
    )

    @model_validator(mode="before")
    @classmethod
    def _any_case(cls, data: object) -> object:
        """Official samples write ``InputData`` and ``Path`` where the SDK writes ``inputData`` and ``path``."""
        if not isinstance(data, dict):
            return data
        known, by_name, needed = _keys(cls)
        named = ((by_name.get(k, known.get(str(k).lower(), k)), v) for k, v in data.items())
        return {key: value for key, value in named if value is not None or key not in needed}

    @classmethod
    def read(cls, data: object) -> Self:
        """Read a decoded JSON body.

        Raises:
            pydantic.ValidationError: it has not the shape of this body.
        """
        return cls.model_validate(data)

    def body(self) -> dict[str, Any]:
        """Return the JSON to send: wire names, without what was never set."""
        return self.model_dump(mode="json", by_alias=True, exclude_unset=True)


@cache
def _keys(kind: type[Body]) -> tuple[dict[str, str], dict[str, str], frozenset[str]]:
    """Wire names by their lower-case form, wire names by field, and those that cannot be null."""
    alias = {name: field.alias or name for name, field in kind.model_fields.items()}
    fields = kind.model_fields.items()
    needed = {alias[name] for name, field in fields if field.get_default(call_default_factory=True) is not None}
    return {one.lower(): one for one in alias.values()}, alias, frozenset(needed)
