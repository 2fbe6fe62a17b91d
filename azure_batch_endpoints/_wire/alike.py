"""When two values of the wire mean the same: words, durations, references, places in storage, texts of YAML.

Used by ``kept`` and ``kept_job``, which hold what was asked for against what the service answers.
"""

from __future__ import annotations

import posixpath
import re
from collections.abc import Callable
from typing import Any, TypeAlias
from urllib.parse import unquote

from azure_batch_endpoints import _documents
from azure_batch_endpoints._wire import scalars, uris
from azure_batch_endpoints.errors import SpecError

Same: TypeAlias = "Callable[[Any, Any], bool]"
_OF_REGISTRY = re.compile(
    r"(?:azureml:/{0,2})?/?(?:[^?]*/)?registries/[^/]+/(?P<kind>[a-z]+)/(?P<name>[^/]+)"
    r"/(?:versions/(?P<version>[^/]+)|labels/(?P<label>[^/]+))/?",
    re.IGNORECASE,
)


def same_values(asked: object, kept: object) -> bool:
    """Whether two values are the same: texts as they are, numbers also as text."""
    if isinstance(asked, int | float) and not isinstance(asked, bool):
        try:
            return float(asked) == float(str(kept))
        except ValueError:
            return False
    return text_of(asked) == text_of(kept)


def same_literal(asked: object, kept: object) -> bool:
    """Whether two values given to a script by themselves are the same: ``True``, ``"true"``; ``5``, ``"5.0"``."""
    return same_values(asked, kept) or same_values(kept, asked) or text_of(asked).lower() == text_of(kept).lower()


def same_words(asked: object, kept: object) -> bool:
    """Whether two words are the same: ``append_row``, ``AppendRow``, ``West Europe`` and ``westeurope``."""
    return re.sub(r"[_\-\s]", "", text_of(asked)).lower() == re.sub(r"[_\-\s]", "", text_of(kept)).lower()


def same_duration(asked: object, kept: object) -> bool:
    """Whether two durations are the same: ``PT30S``, ``PT0.5M``, ``30``."""
    try:
        return _seconds(asked) == _seconds(kept)
    except (ValueError, OverflowError):
        return False


def same_id(asked: object, kept: object) -> bool:
    """Whether two references name one thing: any form, any case; a label counts as whatever version it became."""
    here, there = (re.sub(r"^azureml:(?=/(?!/))", "", text_of(one)) for one in (asked, kept))
    if here.lower().rstrip("/") == there.lower().rstrip("/"):
        return True
    one, other = _asset(here), _asset(there)
    if one is None or other is None or one.name.lower() != other.name.lower():
        return False
    kinds = {one.kind, other.kind} - {""}
    versions = (one.version or "").lower() == (other.version or "").lower()
    return len(kinds) <= 1 and (versions or one.label is not None or other.label is not None)


def same_name(asked: object, kept: object) -> bool:
    """Whether two names or ids of one kind of thing end alike: ``cpu-cluster`` and ``/subscriptions/…/cpu-cluster``."""
    here, there = (text_of(one).removeprefix("azureml:").rstrip("/").lower() for one in (asked, kept))
    shorter, longer = sorted((here, there), key=len)
    return here == there or (bool(shorter) and "/" not in shorter and longer.endswith(f"/{shorter}"))


def same_place(asked: object, kept: object) -> bool:
    """Whether two URIs name one place in storage; one that the service must look up itself is not compared."""
    here, there = text_of(asked), text_of(kept)
    if here == there or here.lower().startswith(("azureml://jobs/", "runs:/")):
        return bool(there)
    if _asset(here) and _asset(there):
        return same_id(here, there)
    one, other = uris.storage_place(here), uris.storage_place(there)
    if one is None or other is None:
        return other is not None and _asset(here) is not None  # the service looked up where the data lies
    if one.path.strip("/") != other.path.strip("/") and unquote(one.path).strip("/") != unquote(other.path).strip("/"):
        return False
    if (one.datastore is None) != (other.datastore is None):
        return True  # a datastore, or the container it stands for: which one that is, the answer does not tell
    return _container(one) == _container(other)


def are_places(asked: object, kept: object) -> bool:
    """Whether both values say where data lies, in a form that can be compared: what differs then is another place."""
    here, there = text_of(asked), text_of(kept)
    if "$" in there or "{" in there:
        return False  # a template that the service fills in later
    return bool((uris.storage_place(here) and uris.storage_place(there)) or (_asset(here) and _asset(there)))


def same_path(asked: object, kept: object) -> bool:
    """Whether two relative paths are the same: ``./main.py`` and ``main.py``."""
    here, there = text_of(asked), text_of(kept)
    return here == there or (bool(there) and posixpath.normpath(here) == posixpath.normpath(there))


def same_image(asked: object, kept: object) -> bool:
    """Whether two names of a container image are the same: one without a tag is ``:latest``."""
    here, there = (re.sub(r":latest$", "", text_of(one).strip()) for one in (asked, kept))
    return here == there


def same_yaml(asked: object, kept: object) -> bool:
    """Whether two texts of YAML (JSON is YAML, too) hold the same values."""
    try:
        return _as_texts(_documents.parse(text_of(asked))) == _as_texts(_documents.parse(text_of(kept)))
    except SpecError:
        return text_of(asked) == text_of(kept)


def _as_texts(value: object) -> object:
    """Return a document whose scalars are texts: a service that reads YAML need not tell ``1.10`` from ``"1.1"``."""
    if isinstance(value, dict):
        return {str(key): _as_texts(one) for key, one in value.items() if one is not None}
    if isinstance(value, list):
        return [_as_texts(one) for one in value]
    return f"{value:g}" if isinstance(value, int | float) and not isinstance(value, bool) else text_of(value).lower()


def _asset(uri: str) -> uris.AssetName | None:
    """Return the asset that an id names, one of a registry too."""
    if found := _OF_REGISTRY.fullmatch(uri):
        return uris.AssetName(found["kind"].lower(), unquote(found["name"]), found["version"], found["label"])
    return uris.asset_name(uri)


def _container(place: uris.StoragePlace) -> str:
    return (place.datastore or (place.container_url or "").replace(":443/", "/", 1)).lower()


def _seconds(value: object) -> float:
    return scalars.duration_from_wire(value if isinstance(value, int | float) else text_of(value))


def text_of(value: object) -> str:
    """Return a value as a text; None as an empty one."""
    if value is None:
        return ""
    return str(value).lower() if isinstance(value, bool) else str(value)
