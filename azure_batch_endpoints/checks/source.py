"""A Python file of the code folder, read and never run: its functions, names and imports as the checks ask for them."""

from __future__ import annotations

import ast
import threading
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TypeAlias

Function: TypeAlias = ast.FunctionDef | ast.AsyncFunctionDef
FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef)
_SCOPES = (*FUNCTIONS, ast.Lambda, ast.ClassDef)
_MOST_HOPS = 5
PARSING = threading.Lock()
"""Held while a file is parsed. Python 3.11 fails now and then (SystemError, "recursion depth mismatch") when two
threads parse at once; and the filters of warnings belong to all threads."""


@dataclass(frozen=True)
class Script:
    """A parsed Python file."""

    path: Path
    tree: ast.Module
    code: Path
    """The code folder."""

    @classmethod
    def read(cls, path: Path, code: Path) -> Script:
        """Parse a file.

        Raises:
            SyntaxError, ValueError, RecursionError: it is not Python. OSError: it cannot be read.
        """
        with PARSING, warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of a script that Python would complain about but run
            return cls(path, ast.parse(path.read_bytes(), filename=str(path)), code)

    @cached_property
    def top(self) -> list[ast.AST]:
        """What runs when the file is imported, so not what stands under ``if __name__ == "__main__":``."""
        return own_nodes(self.tree)

    @cached_property
    def functions(self) -> dict[str, Function]:
        """Functions of the module by name; of several of one name the last."""
        return {one.name: one for one in self.top if isinstance(one, FUNCTIONS)}

    @cached_property
    def imported(self) -> dict[str, tuple[str, str]]:
        """Names that ``from module import name`` gives: the module, and what the name is called there."""
        return {
            alias.asname or alias.name: (one.module, alias.name)
            for one in self.top
            if isinstance(one, ast.ImportFrom) and one.module and not one.level
            for alias in one.names
        }

    @cached_property
    def assigned(self) -> dict[str, list[ast.expr | None]]:
        """Every value a name is given anywhere in the file; None for those of arguments and loops."""
        return bindings(ast.walk(self.tree))

    @cached_property
    def names(self) -> set[str]:
        """Names the module has once it is imported."""
        found = set(self.functions)
        for node in self.top:
            if isinstance(node, ast.Import | ast.ImportFrom):
                found.update(alias.asname or alias.name for alias in node.names)
            elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
                found.add(node.id)
            elif isinstance(node, ast.ClassDef):
                found.add(node.name)
            elif isinstance(node, FUNCTIONS):
                found.update(name for one in ast.walk(node) if isinstance(one, ast.Global) for name in one.names)
        return found

    @property
    def is_open(self) -> bool:
        """Whether it can have names that cannot be seen: by ``from … import *``, ``globals()`` or ``__getattr__``."""
        stars = any(isinstance(one, ast.ImportFrom) and one.names[0].name == "*" for one in self.top)
        calls = any(
            isinstance(one, ast.Call) and name_of(one.func) in {"globals", "exec", "setattr"} for one in self.top
        )
        return stars or calls or "__getattr__" in self.functions

    def home(self, name: str, hops: int = _MOST_HOPS) -> tuple[Script, Function] | None:
        """Return a function of the module and the file it stands in: here, or where in the code folder it is from.

        None when it is made otherwise: assigned, of a library, defined more than once in different ways.
        """
        if name in self.functions:
            twice = self.assigned.get(name) or name in self.imported
            return None if twice else (self, self.functions[name])
        module, called = self.imported.get(name, ("", ""))
        file = module_file(self.code, module)
        if file is None or not hops or self.assigned.get(name):
            return None
        try:
            return Script.read(file, self.code).home(called, hops - 1)
        except (OSError, SyntaxError, ValueError, RecursionError):
            return None


def module_file(code: Path, module: str) -> Path | None:
    """Return the file of a module of the code folder."""
    if not module:
        return None
    base = code.joinpath(*module.split("."))
    return next((one for one in (base.with_name(f"{base.name}.py"), base / "__init__.py") if one.is_file()), None)


def own_nodes(node: ast.AST) -> list[ast.AST]:
    """Every node of a function or module, without those of functions and classes inside it and of a main guard."""
    found: list[ast.AST] = []
    waiting = [*ast.iter_child_nodes(node)][::-1]
    while waiting:
        child = waiting.pop()
        found.append(child)
        if isinstance(child, ast.If) and is_main_guard(child):
            waiting += child.orelse[::-1]
        elif not isinstance(child, _SCOPES):
            waiting += [*ast.iter_child_nodes(child)][::-1]
    return found


def is_main_guard(node: ast.AST) -> bool:
    """Whether it is ``if __name__ == "__main__":``, which no worker goes into."""
    return isinstance(node, ast.If) and ast.unparse(node.test).replace('"', "'") in {
        "__name__ == '__main__'",
        "'__main__' == __name__",
    }


def certain(statements: list[ast.stmt]) -> Iterator[ast.AST]:
    """Yield the nodes that surely run when the statements do: none of a branch, a loop, a ``try`` or after a return."""
    for statement in statements:
        if isinstance(statement, ast.Return | ast.Raise):
            yield statement
            return
        if isinstance(statement, ast.With):
            if any("suppress" in ast.unparse(one.context_expr) for one in statement.items):
                continue
            for item in statement.items:
                yield from ast.walk(item)
            yield from certain(statement.body)
        elif isinstance(statement, ast.Assign | ast.AnnAssign | ast.AugAssign | ast.Expr):
            yield from _evaluated(statement)
        elif not isinstance(statement, _SCOPES) and _leaves(statement):
            return  # what follows may not be reached


def _leaves(statement: ast.stmt) -> bool:
    return any(isinstance(one, ast.Return | ast.Raise) for one in own_nodes(statement))


def _evaluated(statement: ast.AST) -> Iterator[ast.AST]:
    """Yield an expression's nodes that are surely evaluated: none of a lambda, a comprehension or a condition."""
    waiting: list[ast.AST] = [statement]
    while waiting:
        node = waiting.pop()
        yield node
        if isinstance(node, ast.BoolOp):
            waiting.append(node.values[0])
        elif isinstance(node, ast.IfExp):
            waiting.append(node.test)
        elif not isinstance(node, ast.Lambda | ast.ListComp | ast.SetComp | ast.DictComp | ast.GeneratorExp):
            waiting.extend(ast.iter_child_nodes(node))


def bindings(nodes: Iterator[ast.AST] | list[ast.AST]) -> dict[str, list[ast.expr | None]]:
    """Return the values that names are given, None for one that is not written there."""
    found: dict[str, list[ast.expr | None]] = {}
    plain: set[int] = set()
    for node in nodes:
        targets = node.targets if isinstance(node, ast.Assign) else []
        if isinstance(node, ast.AnnAssign | ast.NamedExpr):
            targets = [node.target]
        if isinstance(node, ast.AnnAssign) and node.value is None:
            plain.add(id(node.target))  # a bare annotation gives no value
            continue
        for target in targets:
            if isinstance(target, ast.Name):
                plain.add(id(target))
                found.setdefault(target.id, []).append(node.value)  # type: ignore[attr-defined]  # all three have it
        if isinstance(node, ast.Name) and not isinstance(node.ctx, ast.Load) and id(node) not in plain:
            found.setdefault(node.id, []).append(None)
        elif isinstance(node, ast.arg):
            found.setdefault(node.arg, []).append(None)
    return {name: [one for one in values if not _is_placeholder(one)] for name, values in found.items()}


def _is_placeholder(value: ast.expr | None) -> bool:
    """Whether a name is only announced: ``model = None`` before ``init()`` gives it its value."""
    return isinstance(value, ast.Constant) and value.value is None


def name_of(node: ast.AST) -> str:
    """Return the dotted name an expression is, such as ``os.path.join``; empty when it is none."""
    if isinstance(node, ast.Name):
        return node.id
    if isinstance(node, ast.Attribute):
        before = name_of(node.value)
        return f"{before}.{node.attr}" if before else ""
    return ""
