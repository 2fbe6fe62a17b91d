"""What a field of a spec can be: counts, seconds, names, texts, words in any casing."""

from collections.abc import Mapping
from datetime import date
from os import PathLike
from pathlib import Path
from typing import Annotated, Any, TypeAlias

from pydantic import BeforeValidator, Field


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
