"""From the keys of a YAML file, in every spelling that is allowed, to the fields of a spec; overrides laid over them.

Knows nothing of particular specs: which key belongs where stands in ``_spec_tables``.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeAlias

from azure_batch_endpoints._documents import Document, KeyPath
from azure_batch_endpoints._spelling import suggestion
from azure_batch_endpoints.errors import SpecError

Table: TypeAlias = "Mapping[KeyPath, KeyPath]"
Refused: TypeAlias = "Mapping[KeyPath, str]"
_FREE = ("tags", "properties", "environment_variables")
_AS_WRITTEN = ("version", *_FREE)
"""Settings that are text on the wire: ``version: 1.10`` is no number, ``FLAG: on`` no truth value."""


@dataclass(frozen=True)
class Fields:
    """The fields of a spec as found in a file.

    Attributes:
        values: nested mapping of field to value.
        lines: line of each field, by its dotted path as a tuple.
        given: fields that an override replaced.
    """

    values: dict[str, Any]
    lines: Mapping[KeyPath, int]
    given: frozenset[KeyPath] = field(default_factory=frozenset)


def arrange(document: Document, table: Table, refused: Refused | None = None) -> Fields:
    """Sort a file's keys into a spec's fields.

    Args:
        document: the file.
        table: where each key path of the file belongs, in every spelling that is allowed; the value found under a
            path that is no prefix of another is taken as it is.
        refused: key paths that are known but not supported, each with the sentence that says what to do instead.
            Without a value they are passed over.

    Raises:
        SpecError: an unknown key (with the nearest known one), or one setting in two spellings.
    """
    values: dict[str, Any] = {}
    lines: dict[KeyPath, int] = {}
    for path, value in _leaves(document, document.data, (), (table, refused or {})):
        target = table[path]
        line = document.lines.get(path)
        if target in lines:
            raise SpecError(
                f"'{'.'.join(path)}' was set before, in line {lines[target]}. Keep one of them.",
                path=document.path,
                line=line,
                field=".".join(target),
            )
        lines[target] = line or 0
        _put(values, target, _as_written(document, path, value) if target[-1] in _AS_WRITTEN else value)
    return Fields(values, lines)


def overlaid(
    fields: Fields, rules: tuple[Table, Mapping[str, Any]], overrides: Mapping[str, Any], owner: str
) -> Fields:
    """Lay overrides over what a file says; whole fields first, then single settings in them.

    Args:
        fields: what the file says.
        rules: where each key path belongs, and the spec's own fields.
        overrides: by field, or by dotted key as a file would have it: ``settings.mini_batch_size``, ``tags.team``.
        owner: what the spec is called.

    Raises:
        SpecError: there is no such field or key.
    """
    values = _copied(fields.values)
    targets = {_target(name, *rules, owner): value for name, value in overrides.items()}
    for target in sorted(targets, key=len):
        _put(values, target, targets[target])
    lines = {path: line for path, line in fields.lines.items() if not any(path[: len(one)] == one for one in targets)}
    return Fields(values, lines, frozenset(targets))


def _target(name: str, table: Table, known: Mapping[str, Any], owner: str) -> KeyPath:
    path = tuple(name.split("."))
    if name in known:
        return path
    found = table.get(path)
    if found is not None and found[0] in known:
        return found
    for length in range(1, len(path)):
        whole = table.get(path[:length], path[:length])
        if whole[-1] in _FREE and whole[0] in known:
            return (*whole, ".".join(path[length:]))
    words = {*known, *(".".join(key) for key, target in table.items() if target[0] in known)}
    words = words if len(path) > 1 else {one for one in words if "." not in one}
    raise SpecError(f"{owner} has no field '{name}'. {suggestion(name, words)}", field=name)


def _copied(values: Mapping[str, Any]) -> dict[str, Any]:
    return {key: _copied(value) if isinstance(value, dict) else value for key, value in values.items()}


def _put(values: dict[str, Any], target: KeyPath, value: object) -> None:
    place = values
    for depth, key in enumerate(target[:-1], start=1):
        if place.get(key) is None:
            place[key] = {}
        if not isinstance(place[key], dict):
            whole = ".".join(target[:depth])
            said = f"'{whole}' is given as a whole, so '{'.'.join(target)}' cannot be set in it. Set '{whole}' itself."
            raise SpecError(said, field=".".join(target))
        place = place[key]
    place[target[-1]] = value


def _as_written(document: Document, path: KeyPath, value: object) -> object:
    if isinstance(value, dict):
        return {key: document.texts.get((*path, key), inner) for key, inner in value.items()}
    return document.texts.get(path, value)


def _leaves(
    document: Document, data: Mapping[str, Any], prefix: KeyPath, rules: tuple[Table, Refused]
) -> Iterator[tuple[KeyPath, Any]]:
    table, refused = rules
    for key, value in data.items():
        path = (*prefix, key)
        deeper = any(known[: len(path)] == path and len(known) > len(path) for known in table)
        if path in refused:
            if value not in (None, "", {}, []):
                raise _error(document, path, f"'{'.'.join(path)}': {refused[path]}")
        elif isinstance(value, dict) and deeper:
            yield from _leaves(document, value, path, rules)
        elif path in table:
            yield path, value
        elif not (deeper and value is None):
            raise _error(document, path, _unknown(path, table, nested=deeper))


def _unknown(path: KeyPath, table: Table, *, nested: bool) -> str:
    dotted = ".".join(path)
    if nested:
        inner = sorted({known[len(path)] for known in table if known[: len(path)] == path and len(known) > len(path)})
        return f"'{dotted}' needs settings under it. Give some of: {', '.join(inner)}."
    siblings = {
        known[len(path) - 1] for known in table if len(known) >= len(path) and known[: len(path) - 1] == path[:-1]
    }
    shown = {
        known[len(path) - 1]
        for known, target in table.items()
        if known[: len(path) - 1] == path[:-1] and len(known) >= len(path) and target[0] != "_ignored"
    }
    near = suggestion(path[-1], siblings)
    near = near if near.startswith("Did") else suggestion(path[-1], shown)
    elsewhere = next((known for known in table if known[-1] == path[-1] and table[known][0] != "_ignored"), None)
    if elsewhere is not None:
        place = f"under '{'.'.join(elsewhere[:-1])}'" if len(elsewhere) > 1 else "at the top of the file"
        near = f"'{path[-1]}' belongs {place}: put it there."
    return f"unknown setting '{dotted}'. {near}"


def _error(document: Document, path: KeyPath, said: str) -> SpecError:
    return SpecError(said, path=document.path, line=document.lines.get(path), field=".".join(path))
