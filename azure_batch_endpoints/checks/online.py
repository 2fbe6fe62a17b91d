"""Signs of a script that was written for an online endpoint, which gets one request instead of a list of files."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from azure_batch_endpoints.checks.findings import Finding
from azure_batch_endpoints.checks.source import Function, Script, name_of, own_nodes

FILES = "a batch script gets a list of file paths; open each of them and return one row a file."
_MODULES = ("azureml.contrib.services", "inference_schema")
_OF_REQUESTS = {"get_json", "get_data", "files", "form", "headers", "method"}


def check_online(script: Script) -> list[Finding]:
    """Look for the ways in which online scripts read their input."""
    found = [
        Finding("warning", f"'{module}' is for online endpoints; {FILES}", script.path, line)
        for module, line in _imported(script)
        if module.startswith(_MODULES)
    ]
    home = script.home("run")
    if home is None:
        return found
    file, run = home
    return found + [Finding("warning", text, file.path, line) for text, line in _read_as_request(run, file)]


def _imported(script: Script) -> Iterator[tuple[str, int]]:
    for one in script.top:
        if isinstance(one, ast.ImportFrom) and one.module:
            yield one.module, one.lineno
        elif isinstance(one, ast.Import):
            yield from ((alias.name, one.lineno) for alias in one.names)


def _read_as_request(run: Function, script: Script) -> Iterator[tuple[str, int]]:
    arguments = [one.arg for one in (*run.args.posonlyargs, *run.args.args)]
    if not arguments:
        return
    own = own_nodes(run)
    loops = [one for one in own if isinstance(one, ast.For) and isinstance(one.target, ast.Name)]
    items = {one.target.id for one in loops if name_of(one.iter) == arguments[0] and isinstance(one.target, ast.Name)}
    again = {one.id for one in own if isinstance(one, ast.Name) and isinstance(one.ctx, ast.Store)}
    given = {arguments[0]} - again
    for node in own:
        if isinstance(node, ast.Call) and node.args and _is_loads(name_of(node.func), script):
            read = name_of(node.args[0])
            if read in given:
                yield f"run({read}) parses JSON as for an online endpoint; {FILES}", run.lineno
            elif read in items and not _stored_in_loop(read, own):
                yield f"run() parses the path '{read}' as JSON; {FILES}", node.lineno
        elif isinstance(node, ast.Attribute) and node.attr in _OF_REQUESTS and name_of(node.value) in given:
            yield (
                f"run({arguments[0]}) reads '{node.attr}' of a request, as for an online endpoint; {FILES}",
                node.lineno,
            )
        elif isinstance(node, ast.Subscript) and name_of(node.value) in given and _is_text(node.slice):
            yield (
                f"run({arguments[0]}) takes its argument for a mapping, as for an online endpoint; {FILES}",
                node.lineno,
            )


def _is_loads(name: str, script: Script) -> bool:
    return name == "json.loads" or script.imported.get(name) == ("json", "loads")


def _stored_in_loop(name: str, own: list[ast.AST]) -> bool:
    stores = [one for one in own if isinstance(one, ast.Name) and one.id == name and isinstance(one.ctx, ast.Store)]
    return len(stores) > 1


def _is_text(node: ast.expr) -> bool:
    return isinstance(node, ast.Constant) and isinstance(node.value, str)
