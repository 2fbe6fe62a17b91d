"""What was asked for against what the service kept: a body that was sent, and the answer that describes the thing.

Every value that was sent is looked for in the answer; what the service may legally change counts as the same: the case
of ids, names and words, the forms of ids, places and durations, numbers as text, labels that became versions, a conda
file as JSON, and whatever it adds. A job's answer has another shape than its request: see ``kept_job``.
"""

from __future__ import annotations

import re
import sys
import warnings
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

from azure_batch_endpoints._spec_values import own
from azure_batch_endpoints._wire import alike, routes, uris
from azure_batch_endpoints.errors import NotKept, NotKeptError, NotKeptWarning, redact

Path: TypeAlias = "tuple[str, ...]"

_TEXT_MAPS = {"tags", "properties.properties", "properties.tags", "properties.environmentVariables"}
"""Maps of the user's own texts: their keys are compared as they are written."""
NOT_COMPARED = {
    "location": "the workspace's own, not asked for; a compute's is compared where its spec names one",
    "properties.isAnonymous": "how this client registers; the service answers false for code (recorded)",
    "properties.isArchived": "not asked for",
    "properties.model.referenceType": "the form of a reference; what it names is compared",
    "properties.resources.properties": "always empty; the service answers null (recorded)",
}
"""What is sent and never compared, and why."""
_LIGHT = ("tags", "properties.tags", "properties.properties", "properties.description")
"""What changes no meaning: a warning is enough."""
_DEFAULTS: Mapping[str, object] = {
    "properties.errorThreshold": -1,
    "properties.retrySettings.maxRetries": 3,
    "properties.retrySettings.timeout": 30.0,
    "properties.miniBatchSize": 10,
    "properties.loggingLevel": "info",
    "properties.maxConcurrencyPerInstance": 1,
    "properties.outputAction": "append_row",
    "properties.outputFileName": "predictions.csv",
    "properties.resources.instanceCount": 1,
    "properties.authMode": "aad_token",
    "properties.properties.vmPriority": "dedicated",
    "properties.properties.scaleSettings.minNodeCount": 0,
}
"""What the service takes where nothing is said (recorded): an answer that leaves it out still means it."""
_FIELDS = {
    "properties.defaults.deploymentName": "default_deployment",
    "properties.model.assetId": "model",
    "properties.model.path": "model",
    "properties.model.datastoreId": "model",
    "properties.model.jobId": "model",
    "properties.codeConfiguration.codeId": "code",
    "properties.codeConfiguration.scoringScript": "scoring_script",
    "properties.environmentId": "environment",
    "properties.resources.instanceCount": "instance_count",
    "properties.modelUri": "path",
    "properties.dataUri": "path",
    "properties.codeUri": "code",
    "properties.modelType": "type",
    "properties.modelFormat": "type",
    "properties.dataType": "type",
    "properties.computeType": "type",
    "properties.properties.vmSize": "size",
    "properties.properties.vmPriority": "tier",
    "properties.properties.osType": "os_type",
    "properties.properties.address": "address",
    "properties.properties.scaleSettings.minNodeCount": "min_instances",
    "properties.properties.scaleSettings.maxNodeCount": "max_instances",
    "properties.properties.scaleSettings.nodeIdleTimeBeforeScaleDown": "idle_time_before_scale_down",
    "properties.authMode": "auth_mode",
    f"properties.properties.{routes.ISOLATE_PROPERTY}": "isolate_failures",
    f"properties.properties.{routes.INSTRUMENT_PROPERTY}": "instrument",
}
"""Names of the specs for what the wire calls otherwise."""
_INNER_OF_COMPUTES = ("vmSize", "vmPriority", "osType", "address", "scaleSettings")


@dataclass(frozen=True)
class Loss:
    """One field that was not kept.

    Attributes:
        field: what it is called, what was asked, what was kept.
        matters: whether jobs do something else than was asked for.
        certain: whether the answer surely shows the thing's own value; else it may be another's, and a warning is
            enough.
    """

    field: NotKept
    matters: bool
    certain: bool = True


def losses(asked: Mapping[str, Any], kept: Mapping[str, Any]) -> list[Loss]:
    """Compare a body that was sent with the answer that describes the thing.

    Args:
        asked: the body of the PUT.
        kept: the resource's body as the service answers it; one without ``properties`` tells nothing.

    Returns:
        what was sent and not kept, in the order of the body.
    """
    if not isinstance(kept.get("properties"), Mapping):
        return []
    found: list[Loss] = []
    for path, value in _leaves(asked):
        name = ".".join(path)
        if name in NOT_COMPARED and not (name == "location" and "computeType" in asked["properties"]):
            continue
        there = dig(kept, path)
        if name == "location":
            there = there if alike.same_words(value, there) else dig(kept, ("properties", "computeLocation")) or there
        if there in (None, "") and name in _DEFAULTS and _same(name, value, _DEFAULTS[name]):
            continue
        if not _same(name, value, there):
            found.append(_loss(path, value, there))
    return found


def judge(found: Sequence[Loss], resource: object, *, called: str, remedy: str, action: str = "accepted") -> None:
    """Warn of what was not kept and does not matter, raise for what does.

    Args:
        found: of :func:`losses`.
        resource: the thing, for the error.
        called: its name in messages, e.g. ``endpoint 'heart'``.
        remedy: what to do about it.
        action: what the service did with the request.

    Raises:
        NotKeptError: something that matters was not kept.
    """
    heavy = [one.field for one in found if one.matters and one.certain]
    doubtful = [one.field for one in found if one.matters and not one.certain]
    light = [one.field for one in found if not one.matters]
    if light:
        text = f"The service {action} {called}, but did not keep {_listed(light)}. Jobs do the same without; "
        text += "leave out what the service drops, or look at it with refresh()."
        warnings.warn(redact(text), NotKeptWarning, stacklevel=_level())
    if doubtful:
        text = f"The service {action} {called}, but its answer shows otherwise: {_listed(doubtful)}. It may show what "
        text += "the deployment says, not what this one does: look at what comes out before you rely on it."
        warnings.warn(redact(text), NotKeptWarning, stacklevel=_level())
    if heavy:
        text = f"The service {action} {called}, but did not keep {_listed(heavy)}. It is there as the service has it. "
        raise NotKeptError(redact(text + remedy), resource, heavy)


def _level() -> int:
    """Frames from the warning up to the first that is not this package's: the user's own call."""
    level, frame = 1, sys._getframe(1)
    while frame.f_back is not None and str(frame.f_globals.get("__name__")).startswith("azure_batch_endpoints"):
        level, frame = level + 1, frame.f_back
    return level


def _listed(fields: Sequence[NotKept]) -> str:
    return ", ".join(str(one) for one in fields)


def _loss(path: Path, asked: object, kept: object) -> Loss:
    name = ".".join(path)
    light = (name.startswith(tuple(f"{one}." for one in _LIGHT)) or name in _LIGHT) and not _of_compute(path)
    texts = _of_texts(path)
    field = _FIELDS.get(name) or ".".join(part if texts else _snake(part) for part in _inside(path))
    if "environmentVariables" in path:
        field = f"environment_variables.{path[-1]}"
        there = None if kept is None else "another value"
        return Loss(NotKept(field, "***", there), matters=True)
    return Loss(NotKept(field, _shown(asked), _shown(kept)), matters=not light)


def _inside(path: Path) -> Path:
    """Leave out the envelope: ``properties.retrySettings.timeout`` is ``retry_settings.timeout`` to the user."""
    return path[1:] if path[0] == "properties" and len(path) > 1 else path


def _of_compute(path: Path) -> bool:
    return path[:2] == ("properties", "properties") and len(path) > 2 and path[2] in _INNER_OF_COMPUTES


def _of_texts(path: Path) -> bool:
    """Whether a path leads into the user's own texts; the inner properties of a compute are none."""
    return ".".join(path).startswith(tuple(f"{one}." for one in _TEXT_MAPS)) and not _of_compute(path)


def _shown(value: object) -> object:
    if isinstance(value, str):
        return redact(uris.shown(value))
    return None if value == {} or value == [] else value


def _leaves(body: Mapping[str, Any], path: Path = ()) -> Iterator[tuple[Path, Any]]:
    """Yield every value that was sent, with its path; empty values ask for nothing."""
    values = own(body) if path == ("properties", "properties") else body
    for key, value in values.items():
        where = (*path, str(key))
        if isinstance(value, Mapping):
            yield from _leaves(value, where)
        elif isinstance(value, list):
            for number, one in enumerate(value):
                inner = (*where, str(number))
                yield from _leaves(one, inner) if isinstance(one, Mapping) else [(inner, one)]
        elif value not in (None, ""):
            yield where, value


def dig(body: object, path: Path) -> Any:  # noqa: ANN401 (JSON)
    """Return a value of an answer; keys in any case, but for the user's own."""
    here = body
    for depth, part in enumerate(path):
        if isinstance(here, list):
            here = here[int(part)] if part.isdigit() and int(part) < len(here) else None
        elif isinstance(here, Mapping):
            exact = ".".join(path[:depth]) in _TEXT_MAPS and _of_texts(path)
            here = here.get(part) if exact or part in here else _any_case(here, part)
        else:
            return None
    return here


def _any_case(body: Mapping[str, Any], key: str) -> object:
    return next((value for name, value in body.items() if name.lower() == key.lower()), None)


def _same(name: str, asked: object, kept: object) -> bool:
    last = name.rpartition(".")[2]
    if _of_texts(tuple(name.split("."))):
        return alike.text_of(asked) == alike.text_of(kept)
    return _RULES.get(last, alike.same_words if last in _WORDS else alike.same_values)(asked, kept)


_RULES: Mapping[str, alike.Same] = {
    "timeout": alike.same_duration,
    "nodeIdleTimeBeforeScaleDown": alike.same_duration,
    "assetId": alike.same_id,
    "codeId": alike.same_id,
    "environmentId": alike.same_id,
    "datastoreId": alike.same_name,
    "jobId": alike.same_name,
    "compute": alike.same_name,
    "deploymentName": alike.same_name,
    "modelUri": alike.same_place,
    "dataUri": alike.same_place,
    "codeUri": alike.same_place,
    "folder": alike.same_place,
    "file": alike.same_place,
    "scoringScript": alike.same_path,
    "condaFile": alike.same_yaml,
    "image": alike.same_image,
}
"""How a value is compared, by the last part of its path; else as a text or a number."""
_WORDS = {
    *("authMode", "loggingLevel", "outputAction", "modelType", "modelFormat", "dataType", "computeType"),
    *("osType", "vmSize", "vmPriority", "location"),
}


def _snake(part: str) -> str:
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", part).lower() if part[:1].islower() else part
