"""YAML files as plain values with the line and the text of every key, and plain values as YAML text.

The one home of PyYAML for what users write. What the keys mean is the matter of ``_spec_fields``.
"""

from __future__ import annotations

import errno
import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

from azure_batch_endpoints._spelling import nearest
from azure_batch_endpoints.errors import LocalPathError, SpecError

if TYPE_CHECKING:
    import yaml

KeyPath: TypeAlias = "tuple[str, ...]"
_DEEPEST = 30
_MOST_VALUES = 50_000
_LARGEST = 1024 * 1024
_STANDARD = "tag:yaml.org,2002:"
_REMEDIES = {
    "'\\t'": "Indent with spaces, not with tabs.",
    "another document": "Keep one document in a file: no second '---'.",
    "mapping values are not allowed": "Put a text that holds ': ' in quotes, and check the indentation.",
    "could not determine a constructor": "Leave the tag out.",
    "undefined alias": "Define the anchor above, or put a text that begins with '*' in quotes.",
}


@dataclass(frozen=True)
class Document:
    """One YAML file.

    Attributes:
        path: the file.
        data: its top mapping; keys are the texts as written, anchors and merge keys are followed.
        lines: line of each key, by the keys that lead to it; counted from 1.
        texts: what is written behind each key that has a plain value, before YAML makes a number or truth value of it.
    """

    path: Path
    data: Mapping[str, Any]
    lines: Mapping[KeyPath, int]
    texts: Mapping[KeyPath, str]


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
        loader = yaml.SafeLoader(text)
        node = loader.get_single_node()
        if not isinstance(node, yaml.MappingNode):
            what = "the file is empty; " if node is None else ""
            raise SpecError(f"{what}expected 'key: value' lines at the top of the file.", path=file, line=1)
        _refuse_bombs(node, file)
        notes = _Notes(file, loader.construct_object)
        return Document(file, notes.mapping(node, ()), notes.lines, notes.texts)
    except SpecError:
        raise
    except (yaml.YAMLError, ValueError, RecursionError) as error:  # ValueError: a date such as 2023-02-30
        raise _no_yaml(error, file, text) from error


def parse(text: str) -> object:
    """Return what a YAML text of the service says; it often answers with JSON, whose escapes are not quite YAML's.

    Raises:
        SpecError: it is not YAML.
    """
    with suppress(ValueError, RecursionError):
        return json.loads(text)
    import yaml

    try:
        loader = yaml.SafeLoader(text)
        node = loader.get_single_node()
        if node is None:
            return None
        _refuse_bombs(node)
        return loader.construct_document(node)
    except SpecError:
        raise
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        raise SpecError(
            f"not valid YAML: {getattr(error, 'problem', None) or 'it cannot be read'}. Correct the text."
        ) from error


def text_of(data: object) -> str:
    """Return plain values as YAML text, in their order."""
    import yaml

    class Dumper(yaml.SafeDumper):
        """PyYAML folds a text at line ends of Unicode such as U+0085, and does not find them again."""

        def represent_str(self, data: str) -> yaml.ScalarNode:
            return self.represent_scalar(f"{_STANDARD}str", data, style=None if data.isprintable() else '"')

    Dumper.add_representer(str, Dumper.represent_str)
    plain = dict(data) if isinstance(data, Mapping) else data
    return str(yaml.dump(plain, Dumper=Dumper, sort_keys=False, allow_unicode=True, width=120))


def _text(file: Path) -> str:
    try:
        with file.open("rb") as stream:
            content = stream.read(_LARGEST + 1)
    except ValueError as error:  # a name that no file can have
        shown = str(file).encode(errors="backslashreplace").decode()
        raise LocalPathError(f"{shown!r} cannot be the name of a file. Correct the path.", path=file) from error
    except OSError as error:
        raise LocalPathError(_unreadable(file, error), path=file) from error
    if len(content) > _LARGEST:
        raise SpecError("the file is larger than 1 MiB, which no settings file is. Name the YAML file.", path=file)
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        wide = content[:2] in {b"\xff\xfe", b"\xfe\xff"}
        remedy = "It looks like UTF-16: save it as UTF-8." if wide else "Save it as UTF-8."
        raise SpecError(f"the file is not UTF-8 text; it should be a YAML file. {remedy}", path=file) from error


def _refuse_bombs(top: yaml.Node, file: Path | None = None) -> None:
    """Refuse what a few lines of aliases and merge keys would make too large; nothing is made of the nodes before."""
    import yaml

    waiting, seen = [(top, 0, 1)], 0
    while waiting:
        node, depth, line = waiting.pop()
        seen += 1
        if isinstance(node, yaml.MappingNode):
            waiting += [(one, depth + 1, pair[0].start_mark.line + 1) for pair in node.value for one in pair]
        elif isinstance(node, yaml.SequenceNode):
            waiting += [(one, depth + 1, line) for one in node.value]
        if depth > _DEEPEST:
            raise SpecError(
                "the settings are nested too deep, or one holds itself. Name the YAML file of settings.",
                path=file,
                line=line,
            )
        if seen + len(waiting) > _MOST_VALUES:
            said = (
                f"it holds more than {_MOST_VALUES:,} keys and values, aliases counted. Name the YAML file of settings."
            )
            raise SpecError(said, path=file, line=line)


def _no_yaml(error: Exception, file: Path, text: str) -> SpecError:
    mark, place = getattr(error, "problem_mark", None), getattr(error, "position", None)
    if place is not None:  # of a character that YAML does not have
        line, said = text.count("\n", 0, place) + 1, f"it holds the character U+{ord(text[place]):04X}"
        return SpecError(f"not valid YAML: {said}. Correct that line.", path=file, line=line)
    problem = str(getattr(error, "problem", None) or getattr(error, "reason", None) or error)
    problem = "it is nested too deep" if isinstance(error, RecursionError) else problem.removeprefix("but ")
    remedy = next((f" {text}" for sign, text in _REMEDIES.items() if sign in problem), " Correct that line.")
    return SpecError(f"not valid YAML: {problem}.{remedy}", path=file, line=mark.line + 1 if mark else None)


def _unreadable(file: Path, error: OSError) -> str:
    if error.errno == errno.ENAMETOOLONG:
        return f"'{str(file)[:100]}…' cannot be read ({error.strerror}). Shorten the path."
    if file.is_dir():
        return f"'{file}' is a folder. Name the YAML file in it."
    if file.exists():
        return f"'{file}' cannot be read ({error.strerror}). Check its permissions."
    near = nearest(file)
    remedy = f"Did you mean '{near}'?" if near else "Check the path."
    return f"There is no file '{file}' (looked in '{Path.cwd()}'). {remedy}"


@dataclass
class _Notes:
    """What is noted of a file while its nodes become values."""

    file: Path
    construct: Callable[..., Any]
    lines: dict[KeyPath, int] = field(default_factory=dict)
    texts: dict[KeyPath, str] = field(default_factory=dict)

    def mapping(self, node: yaml.MappingNode, path: KeyPath) -> dict[str, object]:
        """Return a mapping's values; its own keys come before merged ones."""
        own: dict[str, int] = {}
        found: dict[str, object] = {}
        for key, value, merged in self._entries(node):
            name, line = self._name(key), key.start_mark.line + 1
            if name in own and not merged:
                said = f"'{name}' stands twice (first in line {own[name]}). Keep one of them."
                raise SpecError(said, path=self.file, line=line, field=".".join((*path, name)))
            if name in found:
                continue
            own[name] = self.lines[(*path, name)] = line
            found[name] = self._value(value, (*path, name), line)
        return found

    def _entries(self, node: yaml.MappingNode) -> Iterator[tuple[yaml.Node, yaml.Node, bool]]:
        import yaml

        merged: list[yaml.Node] = []
        for key, value in node.value:
            if key.tag == f"{_STANDARD}merge":
                merged.extend(value.value if isinstance(value, yaml.SequenceNode) else [value])
            else:
                yield key, value, False
        for one in merged:
            if not isinstance(one, yaml.MappingNode):
                raise self._refused("'<<' merges settings; it needs an alias of some. Write <<: *name.", one)
            yield from ((key, value, True) for key, value, _ in self._entries(one))

    def _name(self, key: yaml.Node) -> str:
        if not isinstance(key.value, str):
            raise self._refused(
                "not valid YAML: found unhashable key, a list or settings. Write a word before the colon.", key
            )
        return key.value

    def _value(self, node: yaml.Node, path: KeyPath, line: int) -> object:
        import yaml

        if isinstance(node, yaml.MappingNode) and node.tag == f"{_STANDARD}map":
            return self.mapping(node, path)
        if isinstance(node, yaml.SequenceNode) and node.tag == f"{_STANDARD}seq":
            return [self._value(one, (*path, str(number)), line) for number, one in enumerate(node.value)]
        value = self.construct(node, deep=True)
        if not isinstance(node, yaml.ScalarNode):
            raise self._refused(f"the tag '{node.tag}' is not for settings. Leave it out.", node)
        if not node.tag.endswith(":null"):
            self.texts[path] = node.value
        return value

    def _refused(self, said: str, node: yaml.Node) -> SpecError:
        return SpecError(said, path=self.file, line=node.start_mark.line + 1)
