"""``--set a.b=value``: what a YAML file says, changed on the command line before it becomes a spec.

The overrides of one job have keys of their own.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, TypeVar

from azure_batch_endpoints import _spec_fields
from azure_batch_endpoints._spec_base import Origin, Spec, from_here
from azure_batch_endpoints._spelling import suggestion
from azure_batch_endpoints.errors import InvalidInputError
from azure_batch_endpoints.specs import RetrySettings, RunSettings

_Spec = TypeVar("_Spec", bound=Spec)
_NOWHERE = Origin(Path("--set"), {})
_OF_JOB = frozenset(RunSettings.model_fields) - {"output_action", "environment_variables", "retry_settings"}
SETTABLE = _OF_JOB | {f"retry_settings.{name}" for name in RetrySettings.model_fields}
"""Settings that one job can override."""
_BESIDE = frozenset({"job_name", "experiment_name"})
_OTHERWISE = {
    "compute.instance_count": "instance_count",
    "resources.instance_count": "instance_count",
    **{f"settings.{name}": name for name in SETTABLE},
}


def spec_of(kind: type[_Spec], file: str | None, changes: Iterable[str], **options: Any) -> _Spec:
    """Return a spec of a YAML file, of ``--set`` pairs and of options; the later win.

    Args:
        kind: which spec.
        file: the YAML file, or None.
        changes: ``key=value`` pairs, keys dotted as in the YAML file.
        options: fields of the spec.

    Raises:
        LocalPathError: there is no such file.
        SpecError: a setting is unknown or wrong. InvalidInputError: a ``--set`` is no pair.
    """
    wanted = {**read(changes), **options}
    return over(kind, {}, wanted) if file is None else kind.from_yaml(file, **wanted)


def over(kind: type[_Spec], fields: Mapping[str, Any], changes: Mapping[str, Any]) -> _Spec:
    """Return a spec of fields, with changes over them by field or dotted key."""
    here = {name: from_here(name, value) for name, value in changes.items()}
    rules = (kind._table, kind.model_fields)
    found = _spec_fields.overlaid(_spec_fields.Fields(dict(fields), {}), rules, here, kind.__name__).values
    kind._from_file(found, _NOWHERE)
    return kind(**found)


def read(changes: Iterable[str]) -> dict[str, Any]:
    """Read ``key=value`` pairs; a mapping or a list may be written as JSON, everything else is text.

    Raises:
        InvalidInputError: a pair without ``=``.
    """
    found: dict[str, Any] = {}
    for pair in changes:
        key, equals, value = pair.partition("=")
        if not equals or not key:
            raise InvalidInputError(f"--set {pair}: write --set <key>=<value>.")
        found[key] = _value(value)
    return found


def of_job(changes: Iterable[str], *, passed_over: tuple[str, ...] = ()) -> dict[str, Any]:
    """Read ``key=value`` pairs into keyword arguments of ``invoke`` and ``retry_failed``.

    Args:
        changes: the pairs.
        passed_over: keys that begin so are read elsewhere.

    Raises:
        InvalidInputError: a pair without ``=``, or a key that cannot be set for one job.
        SpecError: a value that the setting cannot have.
    """
    nested: dict[str, Any] = {}
    beside: dict[str, str] = {}
    for pair in changes:
        key, equals, value = pair.partition("=")
        if not equals:
            raise InvalidInputError(f"--set {pair}: write --set {pair}=<value>.")
        key = _OTHERWISE.get(key, key)
        if key in _BESIDE:
            beside[key] = value
        elif key in SETTABLE:
            group, _, inner = key.rpartition(".")
            (nested.setdefault(group, {}) if group else nested)[inner] = value
        elif not passed_over or not key.startswith(passed_over):
            raise InvalidInputError(f"--set {pair}: there is no '{key}'. {suggestion(key, SETTABLE | _BESIDE)}")
    checked = RunSettings(**nested)
    return {**{name: getattr(checked, name) for name in nested}, **beside}


def _value(text: str) -> object:
    if text.startswith(("{", "[")):
        try:
            return json.loads(text)
        except ValueError:
            return text
    return text
