"""What a field of a spec can be: counts, seconds, names, texts, words in any casing."""

import re
from collections.abc import Mapping
from datetime import date
from enum import Enum
from inspect import Parameter, Signature
from os import PathLike
from pathlib import Path
from typing import Annotated, Any, Final, TypeAlias

from pydantic import AfterValidator, BaseModel, BeforeValidator, Field

from azure_batch_endpoints.errors import SpecError, redact


class Kept(Enum):
    """The type of ``KEPT``."""

    KEPT = "kept"

    def __repr__(self) -> str:
        return self.name


KEPT: Final = Kept.KEPT
"""Default of the keywords of ``changed``: the field stays as it is. ``None`` is a value of some."""


class Keywords:
    """What ``help`` and editors show as a spec's parameters: its fields, also before pydantic has built the class."""

    def __get__(self, _: object, owner: type[BaseModel]) -> Signature:
        parameters = [
            Parameter(
                name,
                Parameter.KEYWORD_ONLY,
                default=Parameter.empty if one.is_required() else one.get_default(call_default_factory=True),
                annotation=one.annotation,
            )
            for name, one in owner.model_fields.items()
        ]
        return Signature(parameters)


def one_of(*words: str, **others: str) -> BeforeValidator:
    """Read a word in any casing of the YAML and of the wire: ``append_row``, ``AppendRow``, ``APPEND_ROW``."""
    known = {word.replace("_", ""): word for word in words} | others

    def word(value: object) -> object:
        return known.get(value.replace("_", "").replace("-", "").lower(), value) if isinstance(value, str) else value

    return BeforeValidator(word)


def _text_values(value: object) -> object:
    """YAML reads ``batching: 16`` as a number; tags and environment variables are text on the wire."""
    if isinstance(value, Mapping):
        return {str(k): _plain(v) for k, v in value.items()}
    return {} if value is None else value


def _variables(values: Mapping[str, str]) -> Mapping[str, str]:
    """Environment variables as the system takes them: a process with any other cannot be started."""
    for name, value in values.items():
        if not name or "=" in name or "\0" in name:
            raise SpecError(f"{name!r} cannot be the name of a variable. Write a name without '='.")
        if "\0" in value:
            raise SpecError(f"the value of '{name}' holds a NUL character. Leave it out.")
    return values


def _plain(value: object) -> object:
    if isinstance(value, bool):
        return str(value).lower()
    return "" if value is None else str(value) if isinstance(value, int | float | date) else value


def _number(value: object) -> object:
    """A truth value is no number, though Python takes it for one."""
    if isinstance(value, bool):
        raise ValueError("it should be a number")
    return value


def _path(value: object) -> object:
    """A path or a reference; an empty one would be the current folder."""
    if value == "":
        raise ValueError("it should be a path or a reference")
    return Path(value) if isinstance(value, PathLike) else value


def _text(value: object) -> object:
    return str(value) if isinstance(value, int | float | date) and not isinstance(value, bool) else value


def _flag(value: object) -> object:
    """Words as YAML and the command line write them: ``true``, ``on``, ``no``; a number is no truth value."""
    if isinstance(value, int | float) and not isinstance(value, bool):
        raise ValueError("it should be true or false")
    return value


Flag: TypeAlias = Annotated[bool, BeforeValidator(_flag)]
Count: TypeAlias = Annotated[int, BeforeValidator(_number), Field(le=2**31 - 1)]
Seconds: TypeAlias = Annotated[float, BeforeValidator(_number), Field(allow_inf_nan=False, le=1e9)]
TextMap: TypeAlias = Annotated[Mapping[str, str], BeforeValidator(_text_values)]
Variables: TypeAlias = Annotated[TextMap, AfterValidator(_variables)]
Version: TypeAlias = Annotated[str | None, BeforeValidator(_text)]
AS_PATH = BeforeValidator(_path)
ResourceName: TypeAlias = Annotated[
    str, Field(pattern=r"^[a-zA-Z](?:[-a-zA-Z0-9]*[a-zA-Z0-9])?$", min_length=3, max_length=32)
]
DeploymentName: TypeAlias = Annotated[str, Field(pattern=r"^[a-zA-Z0-9][a-zA-Z0-9\-_]{0,254}$")]
AssetName: TypeAlias = Annotated[str, Field(pattern=r"^[a-zA-Z0-9][a-zA-Z0-9\-_.]{0,254}$")]
ComputeName: TypeAlias = Annotated[str, Field(pattern=r"^[a-zA-Z][a-zA-Z0-9\-]{1,31}$")]


_SERVICE_KEYS = {"batchendpointcreationapiversion", "azureasyncoperationuri"}


def own(properties: Mapping[str, Any]) -> dict[str, Any]:
    """The user's properties, without those that the service puts beside them (public recordings)."""
    return {
        key: value
        for key, value in properties.items()
        if key.lower() not in _SERVICE_KEYS and not key.lower().startswith("azureml.")
    }


_SECRET_NAME = re.compile(r"(?i)key|token|secret|passw|pwd|sas|credential|connection")


class Bare(str):
    """A text that is its own repr."""

    __slots__ = ()

    def __repr__(self) -> str:
        return str(self)


def veiled(value: object, name: str) -> str:
    """Return the repr of a field without what opens anything."""
    if name == "environment_variables" and isinstance(value, Mapping):
        return repr({key: "***" if _SECRET_NAME.search(str(key)) else redact(str(one)) for key, one in value.items()})
    return redact(repr(value))


def allowed(detail: Mapping[str, Any], field: str) -> str:
    """Say what a field takes, from what the validating library found wrong with it."""
    context = detail.get("ctx", {})
    if detail["type"] == "literal_error":
        return f"it can be {context['expected']}"
    if detail["type"].startswith(("string_pattern", "string_too")):
        return _NAMING.get(field, "letters, digits, '-', '_' and '.' are allowed, a letter or digit first")
    text = str(detail["msg"]).removeprefix("Value error, ").replace("Input should", "it should")
    for theirs, ours in _WORDS.items():
        text = text.replace(theirs, ours)
    return text.partition(", unable to ")[0].partition(", got a ")[0]


_WORDS = {
    "a valid dictionary": "'name: value' pairs",
    "a valid string": "a text",
    "a valid boolean": "true or false",
    "or instance of": "or a",
    "greater than or equal to": "at least",
    "less than or equal to": "at most",
}
"""The validating library's words, and the user's."""


_NAME = "a name has {} to 32 letters, digits and '-', starts with a letter and ends with a letter or digit"
_NAMING = {
    "EndpointSpec.name": _NAME.format(3),
    "DeploymentSpec.name": "a name has 1 to 255 letters, digits, '-' and '_', and starts with a letter or digit",
    "ComputeSpec.name": _NAME.format(2).split(" and ends")[0],
    "RunSettings.output_file_name": 'it is a file name, without any of ~"#%&*:<>?/\\{|}',
}
