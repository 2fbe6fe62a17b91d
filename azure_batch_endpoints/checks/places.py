"""Paths that a script builds below AZUREML_MODEL_DIR and AZUREML_BI_OUTPUT_PATH, as far as they are written there."""

from __future__ import annotations

import ast
from dataclasses import dataclass
from pathlib import PurePosixPath

from azure_batch_endpoints.checks.source import Script, name_of

MODEL, OUTPUT = "AZUREML_MODEL_DIR", "AZUREML_BI_OUTPUT_PATH"
READERS = {"load", "open", "load_model", "from_pretrained", "read_text", "read_bytes", "read_csv", "read_parquet"}
READERS |= {"read_json", "read_pickle", "load_weights", "InferenceSession", "loadtxt", "genfromtxt", "load_file"}
READERS |= {"import_meta_graph", "load_learner", "read_table", "read_excel", "unpickle"}
WRITERS = {"to_csv", "to_parquet", "to_json", "to_excel", "to_pickle", "to_feather", "write_text", "write_bytes"}
WRITERS |= {"save", "savetxt", "savez", "imwrite", "savefig", "dump", "write_table", "to_hdf"}
_TESTS = {"exists", "is_file", "is_dir", "isfile", "isdir", "makedirs", "mkdir", "glob", "rglob", "iglob", "walk"}
_TESTS |= {"listdir", "scandir", "iterdir"}
_SAME = {"str", "fspath", "Path", "PurePath", "PosixPath", "abspath", "realpath", "normpath", "expanduser", "resolve"}
_SAME |= {"absolute", "as_posix"}
_DEEPEST = 12


@dataclass(frozen=True)
class Place:
    """A path below one of the two folders."""

    base: str
    """Name of the variable."""
    parts: tuple[str, ...] = ()

    @property
    def below(self) -> str:
        """The path relative to the folder."""
        return "/".join(self.parts)


@dataclass(frozen=True)
class Use:
    """One place where a script says such a path."""

    place: Place
    node: ast.expr
    role: str
    """``read``, ``write``, ``tested`` or ``append``; empty when it is not seen."""


class Places:
    """The paths of one script."""

    def __init__(self, script: Script) -> None:
        self._script = script
        self._parents = {child: node for node in ast.walk(script.tree) for child in ast.iter_child_nodes(node)}

    def uses(self) -> list[Use]:
        """Return every path that is written out in the file, each once, at its longest."""
        found: list[Use] = []
        names = {one.id for one in self._parents if isinstance(one, ast.Name) and self._role(one) == "tested"}
        for node in ast.walk(self._script.tree):
            if not isinstance(node, ast.expr) or self._is_part(node):
                continue
            place = self.place(node)
            if place is not None and place.parts:
                found.append(Use(place, node, "tested" if self._is_given_to(node, names) else self._role(node)))
        tested = {one.place for one in found if one.role == "tested"}
        return [one for one in found if one.role != "tested" and one.place not in tested]

    def place(self, node: ast.AST, depth: int = 0) -> Place | None:
        """Return the path an expression is; None when it is another, or not written out."""
        if depth > _DEEPEST:
            return None
        if isinstance(node, ast.Name):
            values = self._script.assigned.get(node.id, [])
            return self.place(values[0], depth + 1) if len(values) == 1 and values[0] is not None else None
        if isinstance(node, ast.Subscript):
            return _variable(node.slice) if name_of(node.value) in {"os.environ", "environ"} else None
        if isinstance(node, ast.Call):
            return self._of_call(node, depth)
        if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Div):
            return self._joined([node.left, node.right], depth)
        if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Add):
            return self._glued([node.left, node.right], depth)
        if isinstance(node, ast.JoinedStr):
            return self._glued(
                [one.value if isinstance(one, ast.FormattedValue) else one for one in node.values], depth
            )
        return None

    def _of_call(self, call: ast.Call, depth: int) -> Place | None:
        name = name_of(call.func)
        if name in {"os.environ.get", "environ.get", "os.getenv", "getenv"} and call.args:
            return _variable(call.args[0])
        last = call.func.attr if isinstance(call.func, ast.Attribute) else name
        if last == "joinpath" and isinstance(call.func, ast.Attribute):
            return self._joined([call.func.value, *call.args], depth)
        if name in {"os.path.join", "path.join", "osp.join"} or self._script.imported.get(name) == ("os.path", "join"):
            return self._joined(call.args, depth)
        if last in {"Path", "PurePath", "PosixPath"}:
            return self._joined(call.args, depth) if call.args else None
        if last in _SAME:
            inner = call.args[0] if call.args else call.func.value if isinstance(call.func, ast.Attribute) else None
            return None if inner is None else self.place(inner, depth + 1)
        return None

    def _joined(self, nodes: list[ast.expr], depth: int) -> Place | None:
        place = self.place(nodes[0], depth + 1)
        if place is None:
            return None
        words = [self.text(one) for one in nodes[1:]]
        if any(one is None or one.startswith("/") for one in words):
            return None
        return _below(place, [one for one in words if one])

    def _glued(self, nodes: list[ast.expr], depth: int) -> Place | None:
        """Return what texts put behind each other are: a base, a slash and words."""
        place = self.place(nodes[0], depth + 1)
        words = [self.text(one) for one in nodes[1:]]
        if place is None or any(one is None for one in words):
            return None
        text = "".join(one for one in words if one)
        return _below(place, [text.lstrip("/")]) if text.startswith("/") or not text else None

    def text(self, node: ast.AST, depth: int = 0) -> str | None:
        """Return the text an expression is, if it is written out."""
        if isinstance(node, ast.Constant):
            return node.value if isinstance(node.value, str) else None
        if isinstance(node, ast.Name) and depth < _DEEPEST:
            values = self._script.assigned.get(node.id, [])
            return self.text(values[0], depth + 1) if len(values) == 1 and values[0] is not None else None
        return None

    def _is_part(self, node: ast.expr) -> bool:
        """Whether it is within a longer path."""
        parent = self._parents.get(node)
        while isinstance(parent, ast.FormattedValue | ast.Starred):
            parent = self._parents.get(parent)
        return isinstance(parent, ast.expr) and self.place(parent) is not None

    def _is_given_to(self, node: ast.expr, names: set[str]) -> bool:
        """Whether it becomes the value of one of some names."""
        parent = self._parents.get(node)
        targets = parent.targets if isinstance(parent, ast.Assign) else []
        return any(isinstance(one, ast.Name) and one.id in names for one in targets)

    def _role(self, node: ast.expr) -> str:
        """Return what is done with a path: by the call it is an argument of, or the method that is called on it."""
        parent = self._parents.get(node)
        call: ast.AST | None = parent
        if isinstance(parent, ast.Attribute | ast.keyword):
            call = self._parents.get(parent)
        if not isinstance(call, ast.Call):
            return ""
        name = call.func.attr if isinstance(call.func, ast.Attribute) else name_of(call.func)
        if isinstance(parent, ast.Attribute) and parent is not call.func:
            return ""
        if name in _TESTS:
            return "tested"
        if name == "open":
            return _mode(call, method=isinstance(parent, ast.Attribute))
        if name in WRITERS:
            adds = any(one.arg == "mode" and ast.unparse(one.value) == "'a'" for one in call.keywords)
            return "append" if adds else "write"
        return "read" if name in READERS else ""


def _mode(call: ast.Call, *, method: bool) -> str:
    place = 0 if method else 1
    given = [one.value for one in call.keywords if one.arg == "mode"] + call.args[place : place + 1]
    if not given:
        return "read"
    mode = given[0].value if isinstance(given[0], ast.Constant) else None
    if not isinstance(mode, str):
        return ""
    return "append" if "a" in mode else "write" if set("wx") & set(mode) else "read"


def _variable(name: ast.expr) -> Place | None:
    if isinstance(name, ast.Constant) and name.value in (MODEL, OUTPUT):
        return Place(name.value)
    return None


def _below(place: Place, words: list[str]) -> Place | None:
    """Put words below a place; None when they lead out of it."""
    parts = list(place.parts)
    for part in PurePosixPath("/".join(words)).parts if words else ():
        if part == "..":
            if not parts:
                return None
            parts.pop()
        else:
            parts.append(part)
    return Place(place.base, tuple(parts))
