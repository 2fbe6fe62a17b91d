"""YAML files with the line of every key, and the tables that turn both spellings of a file into a spec's fields.

The one home of PyYAML for what users write. Knows nothing of particular specs.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

from azure_batch_endpoints._spelling import nearest, suggestion
from azure_batch_endpoints.errors import LocalPathError, SpecError

if TYPE_CHECKING:
    import yaml

KeyPath: TypeAlias = "tuple[str, ...]"
Table: TypeAlias = "Mapping[KeyPath, KeyPath]"
_DEEPEST = 30
_AS_WRITTEN = ("version", "tags", "environment_variables")
"""Settings that are text on the wire: ``version: 1.10`` is no number, ``FLAG: on`` no truth value."""


@dataclass(frozen=True)
class Document:
    """One YAML file.

    Attributes:
        path: the file.
        data: its top mapping.
        lines: line of each key, by the keys that lead to it; counted from 1.
        texts: what is written behind each key that has a plain value, before YAML makes a number or truth value of it.
    """

    path: Path
    data: Mapping[str, Any]
    lines: Mapping[KeyPath, int]
    texts: Mapping[KeyPath, str]


@dataclass(frozen=True)
class Fields:
    """The fields of a spec as found in a file.

    Attributes:
        values: nested mapping of field to value.
        lines: line of each field, by its dotted path as a tuple.
    """

    values: dict[str, Any]
    lines: Mapping[KeyPath, int]


def read(path: str | PathLike[str]) -> Document:
    """Read a YAML file that holds one mapping.

    Raises:
        LocalPathError: there is no such file.
        SpecError: it is not YAML, holds something else than a mapping, or has a key twice.
    """
    import yaml  # 20 ms that keyword users need not spend

    file = Path(path)
    text = _text(file)
    try:
        node = yaml.compose(text, Loader=yaml.SafeLoader)
        data = yaml.safe_load(text)
    except (yaml.YAMLError, ValueError, RecursionError) as error:  # ValueError: a date such as 2023-02-30
        mark = getattr(error, "problem_mark", None)
        problem = getattr(error, "problem", None) or getattr(error, "reason", None) or str(error)
        raise SpecError(f"not valid YAML: {problem}.", path=file, line=mark.line + 1 if mark else None) from error
    if not isinstance(node, yaml.MappingNode):
        what = "the file is empty; " if node is None else ""
        raise SpecError(f"{what}expected 'key: value' lines at the top of the file.", path=file, line=1)
    notes = _Notes(file, {}, {})
    _note(node, (), notes)
    return Document(file, data, notes.lines, notes.texts)


def parse(text: str) -> object:
    """Return what a YAML text of the service says.

    Raises:
        SpecError: it is not YAML.
    """
    import yaml

    try:
        return yaml.safe_load(text)
    except (yaml.YAMLError, RecursionError) as error:
        raise SpecError(f"not valid YAML: {getattr(error, 'problem', None) or 'it cannot be read'}.") from error


def _text(file: Path) -> str:
    try:
        return file.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise SpecError("the file is not UTF-8 text; it should be a YAML file.", path=file) from error
    except OSError as error:
        raise LocalPathError(_unreadable(file, error), path=file) from error


def _unreadable(file: Path, error: OSError) -> str:
    if file.is_dir():
        return f"'{file}' is a folder. Name the YAML file in it."
    if file.exists():
        return f"'{file}' cannot be read ({error.strerror}). Check its permissions."
    near = nearest(file)
    remedy = f"Did you mean '{near}'?" if near else "Check the path."
    return f"There is no file '{file}' (looked in '{Path.cwd()}'). {remedy}"


@dataclass(frozen=True)
class _Notes:
    """What is noted of a file while its keys are walked."""

    file: Path
    lines: dict[KeyPath, int]
    texts: dict[KeyPath, str]


def _note(node: yaml.MappingNode, prefix: KeyPath, notes: _Notes) -> None:
    for key, value in node.value:
        path = (*prefix, str(key.value))
        line = key.start_mark.line + 1
        if path in notes.lines:
            text = f"'{path[-1]}' stands twice (first in line {notes.lines[path]}). Keep one of them."
            raise SpecError(text, path=notes.file, line=line, field=".".join(path))
        if len(path) > _DEEPEST:
            raise SpecError("the settings are nested too deep, or one holds itself.", path=notes.file, line=line)
        notes.lines[path] = line
        if value.id == "mapping":
            _note(value, path, notes)
        elif value.id == "scalar" and not value.tag.endswith(":null"):
            notes.texts[path] = value.value


def arrange(document: Document, table: Table) -> Fields:
    """Sort a file's keys into a spec's fields.

    Args:
        document: the file.
        table: where each key path of the file belongs, in every spelling that is allowed; the value found under a
            path that is no prefix of another is taken as it is.

    Raises:
        SpecError: an unknown key (with the nearest known one), or one setting in two spellings.
    """
    values: dict[str, Any] = {}
    lines: dict[KeyPath, int] = {}
    for path, value in _leaves(document, document.data, (), table):
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
        place = values
        for key in target[:-1]:
            place = place.setdefault(key, {})
        place[target[-1]] = _as_written(document, path, value) if target[-1] in _AS_WRITTEN else value
    return Fields(values, lines)


def _as_written(document: Document, path: KeyPath, value: object) -> object:
    if isinstance(value, dict):
        return {str(key): document.texts.get((*path, str(key)), inner) for key, inner in value.items()}
    return document.texts.get(path, value)


def _leaves(
    document: Document, data: Mapping[str, Any], prefix: KeyPath, table: Table
) -> Iterator[tuple[KeyPath, Any]]:
    for key, value in data.items():
        path = (*prefix, str(key))
        deeper = any(known[: len(path)] == path and len(known) > len(path) for known in table)
        if isinstance(value, dict) and deeper:
            yield from _leaves(document, value, path, table)
        elif path in table:
            yield path, value
        elif deeper and value is None:
            continue
        else:
            raise _unknown(document, path, table, nested=deeper)


def _unknown(document: Document, path: KeyPath, table: Table, *, nested: bool) -> SpecError:
    line = document.lines.get(path)
    dotted = ".".join(path)
    if nested:
        inner = sorted({known[len(path)] for known in table if known[: len(path)] == path and len(known) > len(path)})
        return SpecError(
            f"'{dotted}' needs settings under it ({', '.join(inner)}).", path=document.path, line=line, field=dotted
        )
    siblings = {
        known[len(path) - 1] for known in table if len(known) >= len(path) and known[: len(path) - 1] == path[:-1]
    }
    return SpecError(
        f"unknown setting '{dotted}'. {suggestion(path[-1], siblings)}", path=document.path, line=line, field=dotted
    )
