"""What a job reads: the four input helpers and the string forms of the how-to. Pure values; no I/O.

``parse`` is the only place that decides what kind of input a value is.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from os import PathLike, fspath
from pathlib import Path
from typing import Literal, TypeAlias

from azure_batch_endpoints import _render
from azure_batch_endpoints._arguments import require
from azure_batch_endpoints.errors import InvalidInputError, redact

InputKind: TypeAlias = Literal["folder", "file", "dataset", "local", "literal"]
_URI = re.compile(r"^(https?|azureml|wasbs?|abfss?|adl)://[^/]", re.IGNORECASE)
_SCHEME = re.compile(r"^[A-Za-z][A-Za-z0-9+.-]+://")
_ARM_ID = re.compile(r"^/subscriptions/[^/]+/resourcegroups/", re.IGNORECASE)
_SHORT_ASSET = re.compile(
    r"azureml:/?(?P<name>[^:@/]+)(?:(?::|/versions/)(?P<version>[^:@/]+)|@(?P<label>[^:@/]+))?/?",
    re.IGNORECASE | re.DOTALL,
)
_WORKSPACE = r"subscriptions/[^/]+/resourcegroups/[^/]+/(?:providers/[^/]+/)?workspaces/[^/]+"
_DATA_ID = re.compile(
    rf"(?:(?:azureml:/)?/{_WORKSPACE}|azureml://(?:locations/[^/]+/workspaces|registries)/[^/]+)/(?!datastores/).+"
    r"|azureml://(?:data|datasets)/.+",
    re.IGNORECASE | re.DOTALL,
)
"""An id of something registered, in a workspace or a registry; what lies in storage is in a datastore."""
_DRIVE = re.compile(r"^[A-Za-z]:[\\/]")
_NAME_AND_VERSION = re.compile(r"^(?P<name>[A-Za-z0-9][\w.-]+)(?::(?P<version>[\w.]+)|@(?P<label>\w+))$")


@dataclass(frozen=True)
class Input(_render.Card):
    """One input of a job; made by :func:`folder`, :func:`file`, :func:`dataset` and :func:`local_path`.

    Attributes:
        kind: what it is.
        value: the URI, the data set's name or ARM id, the local path, or a literal as text.
        version: the data set's version, or None.
        label: the data set's label, e.g. ``latest``, or None.
    """

    kind: InputKind
    value: str
    version: str | None = None
    label: str | None = None

    def __repr__(self) -> str:
        """Show what it names, without the signature that a URL may carry."""
        return f"Input({self.kind}, {redact(str(self))!r})"

    def __str__(self) -> str:
        """Return the form the user would write, e.g. ``azureml:digits:1``."""
        if self.version is None and self.label is None:
            return self.value
        return f"azureml:{self.value}" + (f":{self.version}" if self.version else f"@{self.label}")


InputLike: TypeAlias = Input | str | PathLike[str]
InputValue: TypeAlias = InputLike | int | float | bool


def folder(uri: str) -> Input:
    """Name a folder in storage: every file under it is an input.

    Args:
        uri: ``https://…``, ``wasbs://…``, ``abfss://…`` or ``azureml://datastores/<datastore>/paths/<path>/``;
            a missing trailing slash makes no difference. The path of an ``azureml://`` URI is taken as it is written
            (``%20`` is three characters, ``?`` and ``#`` are part of a name); the others are URLs, where a space is a
            space or ``%20``, and ``%`` is ``%25``.

    Raises:
        InvalidInputError: it is not such a URI.
    """
    path, mark, query = _split(_uri(uri, "folder"))
    return Input("folder", path.rstrip("/") + "/" + mark + query)


def file(uri: str) -> Input:
    """Name one file in storage.

    Args:
        uri: as for :func:`folder`, naming a file.

    Raises:
        InvalidInputError: it is not such a URI, or ends with a slash.
    """
    given = _uri(uri, "file")
    if _split(given)[0].endswith("/"):
        shown = redact(uri)
        raise InvalidInputError(f"Input '{shown}' ends with '/', so it names a folder. Write folder(\"{shown}\").")
    return Input("file", given)


def dataset(name: str, *, version: str | int | None = None, label: str | None = None) -> Input:
    """Name a registered data set (data asset).

    Args:
        name: its name; or its ARM id or its id ``azureml://…/data/<name>/versions/<version>`` (then neither version
            nor label).
        version: its version; None together with no label means the latest.
        label: e.g. ``latest``.

    Raises:
        InvalidInputError: both version and label are given, or the name is not one.
    """
    if version is not None and label is not None:
        raise InvalidInputError(f"Data set '{name}' has both a version and a label. Give one of them.")
    if _is_data_id(name):
        return Input("dataset", name)
    if not name or any(c in name for c in ":@/ "):
        raise InvalidInputError(
            f"'{name}' is not the name of a data set (letters, digits, '-', '_', '.'). "
            "Write dataset(\"sales\", version=3) for 'sales:3'."
        )
    number = "" if version is None else str(version)
    return Input("dataset", name, number or None, label or (None if number else "latest"))


def local_path(path: str | PathLike[str]) -> Input:
    """Name a file or folder on this machine; ``invoke`` uploads it once (by content), registers it and uses it.

    Args:
        path: absolute or relative to the working directory; it is looked at when the job is invoked.

    Raises:
        InvalidInputError: it is empty, which would be the whole working directory.
    """
    given = fspath(path)
    if not given:
        raise InvalidInputError('local_path("") names nothing. Write local_path(".") for the working directory.')
    return Input("local", given)


def parse(value: InputLike) -> Input:
    """Say what kind of input a value is.

    A string is read as ``folder:<uri>``, ``file:<uri>``, ``azureml:<name>:<version>``, ``azureml:<name>@<label>``, a
    URI, an ARM id or else a local path (``file://…`` is one, too). A bare URI is a folder when it ends with ``/`` or
    its last part has no extension, else a file. White space around a URI is no part of it; for a name that begins or
    ends with a space use :func:`folder` or :func:`file`.

    Raises:
        InvalidInputError: the string can be read in two ways, or in none.
    """
    if isinstance(value, Input):
        return value
    if isinstance(value, PathLike):
        return local_path(value)
    if not isinstance(value, str):
        raise InvalidInputError(
            f"The input is {_bare(value)}of type {type(value).__name__}. "
            "Pass a path, a URI or what folder(), file(), dataset() or local_path() returns."
        )
    text = value.strip()
    if not text:
        raise InvalidInputError('The input is an empty string. Pass a path, a URI or "azureml:<name>:<version>".')
    for parsed in (_prefixed(text), _asset(text), _bare_uri(text)):
        if parsed is not None:
            return parsed
    _refuse_unclear(text)
    return local_path(value)


def parse_value(value: InputValue) -> Input:
    """Like :func:`parse`, for a named input that may also be a literal number or truth value."""
    if isinstance(value, bool | int | float):
        return Input("literal", str(value))
    return parse(value)


def _prefixed(text: str) -> Input | None:
    for prefix, make in (("folder:", folder), ("file:", file)):
        if text.lower().startswith(prefix) and not text.lower().startswith("file://"):
            rest = text[len(prefix) :]
            asset = _asset(rest)
            return asset if asset is not None else make(rest)
    if text.lower().startswith("file://"):
        from urllib.request import url2pathname  # loads all of http

        path = text[len("file://") :]
        return local_path(url2pathname(path[len("localhost") :] if path.lower().startswith("localhost/") else path))
    return None


def _asset(text: str) -> Input | None:
    if found := _SHORT_ASSET.fullmatch(text):
        return dataset(found["name"], version=found["version"], label=found["label"])
    plain = _plain(text)
    return Input("dataset", plain) if _is_data_id(plain) else None


def _is_data_id(text: str) -> bool:
    return bool(_DATA_ID.fullmatch(text) or (_ARM_ID.match(text) and "/datastores/" not in text.lower()))


def _bare_uri(text: str) -> Input | None:
    text = _plain(text)
    if not (_URI.match(text) or _ARM_ID.match(text)):
        return None
    last = _split(text)[0].rsplit("/", 1)[-1]
    return file(text) if Path(last).suffix else folder(text)


def _plain(text: str) -> str:
    """An ARM id without the ``azureml:`` or ``azureml://`` that may stand before it."""
    return re.sub("^azureml:(?://)?(?=/subscriptions/)", "", text, flags=re.IGNORECASE)


def _bare(value: object) -> str:
    """A value as it was written, where that is a text, a number or the like."""
    written = repr(value)
    return "" if written.startswith("<") else f"{redact(written)[:200]}, "


def _uri(uri: str, helper: str) -> str:
    if not isinstance(uri, str):
        raise InvalidInputError(
            f"{helper}() got {_bare(uri) or 'something '}of type {type(uri).__name__}. Pass a URI as text."
        )
    if _URI.match(uri) or _ARM_ID.match(uri):
        return uri
    raise InvalidInputError(
        f'{helper}("{redact(uri)}") needs a URI: https://…, wasbs://…, abfss://… or '
        f'azureml://datastores/<name>/paths/<path>. For a path on this machine write local_path("{redact(uri)}").'
    )


def _split(uri: str) -> tuple[str, str, str]:
    """A web address before and behind its query (a signature); every other URI is all path."""
    return uri.partition("?") if uri.lower().startswith("http") else (uri, "", "")


def _refuse_unclear(text: str) -> None:
    if text.lower().startswith("azureml:"):
        raise InvalidInputError(
            f"Input '{text}' names no data set. Write azureml:<name>:<version> or azureml:<name>@latest."
        )
    if _SCHEME.match(text):
        raise InvalidInputError(
            f"Input '{redact(text)}' is not in a storage that Azure ML reads. "
            "Write https://…, wasbs://…, abfss://… or azureml://datastores/<name>/paths/<path>."
        )
    found = None if _DRIVE.match(text) else _NAME_AND_VERSION.match(text)
    if found:
        given = f'version="{found["version"]}"' if found["version"] else f'label="{found["label"]}"'
        raise InvalidInputError(
            f"Input '{text}' can be read as a data set or as a path. "
            f'Write dataset("{found["name"]}", {given}) or local_path("{text}").'
        )


def asked(one: InputLike | None, several: Mapping[str, InputValue] | None) -> dict[str, Input]:
    """Return the inputs of a job by name; a single one is called after its type, as the official client does.

    Raises:
        InvalidInputError: neither or both were given.
    """
    if (one is None) == (several is None):
        raise InvalidInputError(
            'invoke() needs exactly one of an input and inputs=. Pass e.g. invoke("./data") '
            'or invoke(inputs={"data": "./data"}).'
        )
    if several is None:
        parsed = parse(one if one is not None else "")
        return {"UriFile" if parsed.kind == "file" else "UriFolder": parsed}
    require("inputs", several, Mapping, 'a mapping of names to inputs, e.g. {"data": "./data"}')
    if not several:
        raise InvalidInputError("inputs= is empty. Pass at least one input.")
    return {name: parse_value(value) for name, value in several.items()}
