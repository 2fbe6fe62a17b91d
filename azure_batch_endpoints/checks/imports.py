"""Imports of the scoring script and of the code folder's modules it leads to: will a worker find them."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from azure_batch_endpoints._storage.ignoring import Ignored
from azure_batch_endpoints.checks.findings import Finding, listed
from azure_batch_endpoints.checks.packages import Environment, is_here, is_standard, package_of
from azure_batch_endpoints.checks.source import Script, is_main_guard, module_file

_MOST_FILES = 200
_UNSURE = (ast.Try, ast.If)


@dataclass(frozen=True)
class Import:
    """One imported module, by its first name and its whole name."""

    module: str
    whole: str
    line: int
    script: Script


def local_scripts(script: Script) -> list[Script]:
    """Return the script and every module of the code folder that it imports, and they import; files that parse."""
    found, waiting = {script.path: script}, [script]
    while waiting and len(found) < _MOST_FILES:
        for one in imports_of(waiting.pop()):
            for file in _files(script.code, one.whole):
                if file not in found:
                    try:
                        found[file] = Script.read(file, script.code)
                    except (OSError, SyntaxError, ValueError, RecursionError):
                        continue
                    waiting.append(found[file])
    return list(found.values())


def check_imports(scripts: list[Script], environment: Environment, environment_named: str) -> list[Finding]:
    """Look for modules that a worker will not find.

    Args:
        scripts: those of :func:`local_scripts`, the scoring script first.
        environment: what is known of the deployment's environment.
        environment_named: its name when nothing is known of it, else empty.
    """
    if any(_changes_path(one) for one in scripts):
        return []  # wherever it then looks
    own = Ignored.of(scripts[0].code)
    absent: dict[str, Import] = {}
    found: list[Finding] = []
    for one in (each for script in scripts for each in imports_of(script)):
        if is_standard(one.module) or one.module in absent:
            continue
        if _is_of_code(one.module, one.script.code):
            found += _left_out(one, own)
        elif not environment.may_have(one.module):
            here = is_here(one.module)
            beside = None if here else _beside(one, scripts[0])
            if beside:
                found.append(beside)
            elif not here or environment.lacks(one.module):
                absent[one.module] = one
    return [*found, *_relative(scripts[0]), *_absent(absent, environment, environment_named)]


def imports_of(script: Script) -> Iterator[Import]:
    """Yield what a file surely imports sooner or later: nothing for type checkers, or in a ``try`` or an ``if``."""
    waiting: list[ast.AST] = [script.tree]
    while waiting:
        node = waiting.pop()
        if is_main_guard(node) or isinstance(node, _UNSURE):
            continue
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield Import(alias.name.partition(".")[0], alias.name, node.lineno, script)
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            yield Import(node.module.partition(".")[0], node.module, node.lineno, script)
            for alias in node.names:
                if module_file(script.code, f"{node.module}.{alias.name}"):
                    yield Import(node.module.partition(".")[0], f"{node.module}.{alias.name}", node.lineno, script)
        else:
            waiting.extend(ast.iter_child_nodes(node))


def _files(code: Path, module: str) -> Iterator[Path]:
    """Yield the files of the code folder that importing a module runs."""
    parts = module.split(".")
    for count in range(1, len(parts) + 1):
        file = module_file(code, ".".join(parts[:count]))
        if file is not None:
            yield file


def _is_of_code(module: str, code: Path) -> bool:
    return module_file(code, module) is not None or (code / module).is_dir() or any(code.glob(f"{module}.*so"))


def _changes_path(script: Script) -> bool:
    return any(isinstance(one, ast.Attribute) and ast.unparse(one) == "sys.path" for one in ast.walk(script.tree))


def _left_out(one: Import, ignored: Ignored) -> Iterator[Finding]:
    """Find a module of the code folder that its ignore file keeps from being uploaded."""
    for file in _files(one.script.code, one.whole):
        if is_left_out(ignored, file.relative_to(one.script.code).as_posix()):
            name = file.relative_to(one.script.code)
            folder = one.script.code
            text = (
                f"'{one.whole}' is imported, but the ignore file of '{folder}' leaves '{name}' out. Take its line out."
            )
            yield Finding("error", text, one.script.path, one.line)
            return


def is_left_out(ignored: Ignored, name: str) -> bool:
    """Whether a file of a folder is left out, by itself or with a folder it is in."""
    parts = name.split("/")
    return any(ignored.matches("/".join(parts[:count])) for count in range(1, len(parts) + 1))


def _beside(one: Import, script: Script) -> Finding | None:
    """Find a module that lies where Python looks when the script is run by hand, and a worker does not."""
    folder = script.path.parent
    if folder != script.code and module_file(folder, one.module):
        inner = folder.relative_to(script.code).as_posix()
        text = (
            f"'{one.module}' lies beside the script in '{inner}', but workers import from the code folder itself. "
            f"Write 'from {inner.replace('/', '.')} import {one.module}', or make '{folder}' the code folder."
        )
        return Finding("warning", text, one.script.path, one.line)
    outside = module_file(script.code.absolute().parent, one.module) or module_file(Path.cwd(), one.module)
    if outside is None:
        return None
    where = f"'{outside.parent}', outside the code folder '{script.code}'"
    return Finding("warning", f"'{one.module}' is in {where}. Move it into the code folder.", one.script.path, one.line)


def _relative(script: Script) -> Iterator[Finding]:
    for node in script.tree.body:  # one in a ``try`` may be followed by another way
        if isinstance(node, ast.ImportFrom) and node.level:
            module = f"{node.module or node.names[0].name}"
            cause = "The scoring script is no part of a package, so it cannot import relatively."
            text = f"{cause} Write 'import {module}'."
            yield Finding("error", text, script.path, node.lineno)


def _absent(absent: dict[str, Import], environment: Environment, named: str) -> Iterator[Finding]:
    if named and absent:
        first = min(absent.values(), key=lambda one: one.line)
        text = (
            f"This interpreter, which the local service scores with, has no {listed(sorted(absent))}. Whether the "
            f"environment '{named}' has them cannot be seen here. Make sure that it does."
        )
        yield Finding("warning", text, first.script.path, first.line)
        return
    for one in sorted(absent.values(), key=lambda one: (str(one.script.path), one.line)):
        package, here = package_of(one.module), is_here(one.module)
        if environment.packages is None:
            text = f"This interpreter has no module '{one.module}'. Install the package '{package}', "
            text += "and list it in the conda file of the deployment's environment."
        else:
            who = "No package of the conda file has" if here else "Neither the conda file nor this interpreter has"
            text = f"{who} the module '{one.module}'{', though this interpreter does' if here else ''}."
            text += f" Add the package '{package}' to '{environment.file or 'the conda file'}'."
        yield Finding("warning", text, one.script.path, one.line)
