"""What every body of the REST protocol shares: camelCase names, lenient reading, sparing writing.

Reading is lenient as the real service and its clients are: keys in any case, numbers as text, null for absent, unknown
keys kept. Writing leaves out what was not set. The bodies themselves are in ``models``.
"""

import json
from functools import cache
from typing import Annotated, Any, TypeAlias

from pydantic import BaseModel, BeforeValidator, ConfigDict, ValidationInfo, model_validator
from pydantic.alias_generators import to_camel
from typing_extensions import Self


def _texts(value: object) -> object:
    """A map of texts with what the service puts into it beside texts: null is left out, truth values are written."""
    if not isinstance(value, dict):
        return value
    return {key: one if isinstance(one, str) else json.dumps(one) for key, one in value.items() if one is not None}


def _is_request(info: ValidationInfo) -> bool:
    """Whether a request is read, and not an answer, of which everything is taken."""
    return bool((info.context or {}).get("request"))


def _plain_texts(value: object, info: ValidationInfo) -> object:
    if isinstance(value, dict) and _is_request(info):
        for key, one in value.items():
            if isinstance(one, dict | list):
                kind = "an object" if isinstance(one, dict) else "a list"
                raise ValueError(f"the value of '{key}' is {kind}, and only texts can be kept there")
    return _texts(value)


def _whole(value: object) -> object:
    if isinstance(value, bool):
        raise ValueError(f"a whole number is needed, not {json.dumps(value)}")
    return value


def _duration(value: object, info: ValidationInfo) -> object:
    if isinstance(value, int | float) and _is_request(info):
        raise ValueError('it must be an ISO 8601 duration in quotation marks, such as "PT30S" for thirty seconds')
    return value


TextMap: TypeAlias = Annotated[dict[str, str], BeforeValidator(_texts)]
"""Texts; of anything else its JSON."""
PlainTexts: TypeAlias = Annotated[dict[str, str], BeforeValidator(_plain_texts)]
"""Texts, numbers and truth values; a request may hold nothing else."""
Whole: TypeAlias = Annotated[int, BeforeValidator(_whole)]
"""A whole number, also as text; a truth value is none."""
Duration: TypeAlias = Annotated[str, BeforeValidator(_duration)]
"""ISO 8601, or seconds as text; a request may not hold a bare number."""


class Body(BaseModel):
    """Base of all bodies."""

    model_config = ConfigDict(
        alias_generator=to_camel,
        populate_by_name=True,
        extra="allow",
        frozen=True,
        coerce_numbers_to_str=True,
        defer_build=True,
        hide_input_in_errors=True,  # they may be secrets
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
    def read(cls, data: object, *, request: bool = False) -> Self:
        """Read a decoded JSON body.

        Args:
            data: the body.
            request: somebody asks for this; what the service would not take is refused, of an answer all is taken.

        Raises:
            pydantic.ValidationError: it has not the shape of this body.
        """
        return cls.model_validate(data, context={"request": request})

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
