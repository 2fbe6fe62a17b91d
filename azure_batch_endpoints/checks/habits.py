"""What does not go well in a worker: command lines, paths of this machine, files that overwrite each other."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from itertools import chain

from azure_batch_endpoints.checks.findings import Finding
from azure_batch_endpoints.checks.places import OUTPUT, READERS, Places
from azure_batch_endpoints.checks.source import Script, certain, name_of, own_nodes

_OF_THIS_MACHINE = re.compile(r"(?:/(?:home|Users|mnt/[a-z])/[^\s/]|[A-Za-z]:[\\/][^\s/\\])[^\n]*")
_ELSEWHERE = re.compile(r"/|~|[A-Za-z][A-Za-z0-9+.-]+:|[A-Za-z]:")
_ARGUMENTS = "the service passes arguments of its own (such as --logging_level info)"


def check_habits(script: Script) -> list[Finding]:
    """Look for them in one file."""
    found = chain(_command_line(script), _foreign_paths(script), _relative_paths(script), _shared_files(script))
    return [Finding(*one[:2], script.path, one[2]) for one in found]  # type: ignore[arg-type]  # severity, text, line


def _sure(script: Script) -> set[int]:
    """Return the nodes that run in every worker: at import, and in ``init()``."""
    init = script.functions.get("init")
    return {id(one) for one in chain(certain(script.tree.body), certain(init.body) if init else ())}


def _command_line(script: Script) -> Iterator[tuple[str, str, int]]:
    sure = _sure(script)
    declared = any(isinstance(one, ast.Constant) and one.value == "--logging_level" for one in ast.walk(script.tree))
    for node in _live(script):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr == "parse_args":
            if _takes_command_line(node) and _is_parser(node.func.value, script):
                remedy = "which it does not know. Write 'args, _ = parser.parse_known_args()'."
                severity = "error" if id(node) in sure and not declared else "warning"
                yield severity, f"parse_args() ends the worker: {_ARGUMENTS}, {remedy}", node.lineno
        elif isinstance(node, ast.Subscript) and name_of(node.value) == "sys.argv" and isinstance(node.ctx, ast.Load):
            number = node.slice.value if isinstance(node.slice, ast.Constant) else 0  # a loop over them may know them
            if number != 0:
                remedy = "Read settings from os.environ, set by environment_variables of the deployment."
                yield "warning", f"sys.argv is not yours in a worker: {_ARGUMENTS}. {remedy}", node.lineno


def _takes_command_line(call: ast.Call) -> bool:
    """Whether ``parse_args`` is given no list of its own."""
    bases = [one.value if isinstance(one, ast.Subscript) else one for one in call.args]
    return not call.keywords and all(name_of(one) == "sys.argv" for one in bases)


def _live(script: Script) -> Iterator[ast.AST]:
    """Yield what a worker can come to: all but what stands under a main guard."""
    for node in script.top:
        yield node
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            yield from ast.walk(node)


def _is_parser(node: ast.expr, script: Script) -> bool:
    """Whether it is an ``ArgumentParser``, or what is not known, where the script imports argparse."""
    if isinstance(node, ast.Call):
        return name_of(node.func).endswith("ArgumentParser")
    values = script.assigned.get(name_of(node), [])
    return any(isinstance(one, ast.Call) and name_of(one.func).endswith("ArgumentParser") for one in values)


def _foreign_paths(script: Script) -> Iterator[tuple[str, str, int]]:
    said = {id(one.value) for one in ast.walk(script.tree) if isinstance(one, ast.Expr)}  # docstrings
    for node in _live(script):
        text = node.value if isinstance(node, ast.Constant) and id(node) not in said else None
        if isinstance(text, str) and len(text) < 300 and _OF_THIS_MACHINE.fullmatch(text):
            remedy = (
                "Read the model from AZUREML_MODEL_DIR, inputs from the mini-batch, other files from the code folder."
            )
            yield "warning", f"'{text}' is a path of one machine; nodes in Azure do not have it. {remedy}", node.lineno  # type: ignore[attr-defined]


def _relative_paths(script: Script) -> Iterator[tuple[str, str, int]]:
    """Find files that are read by a relative path when a worker starts, and are not in the code folder."""
    sure, places = _sure(script), Places(script)
    if any(isinstance(one, ast.Attribute) and name_of(one) == "os.chdir" for one in ast.walk(script.tree)):
        return  # relative to wherever it then is
    for node in (one for one in _live(script) if id(one) in sure):
        if not isinstance(node, ast.Call) or not node.args:
            continue
        name = node.func.attr if isinstance(node.func, ast.Attribute) else name_of(node.func)
        text = places.text(node.args[0]) if name in READERS and _reads(node) else None
        if text and _looks_like_file(text, name) and not (script.code / text).exists():
            told = "AZUREML_MODEL_DIR holds the model; put other files into the code folder."
            said = f"'{text}' is not in the code folder '{script.code}', where workers run. {told}"
            yield "warning", said, node.lineno


def _reads(call: ast.Call) -> bool:
    given = [one.value for one in call.keywords if one.arg == "mode"] + call.args[1:2]
    mode = given[0].value if given and isinstance(given[0], ast.Constant) else ""
    return name_of(call.func) != "open" or not (isinstance(mode, str) and set("wax") & set(mode))


def _looks_like_file(text: str, reader: str) -> bool:
    """Whether a text is meant as a relative path: ``from_pretrained("org/name")`` is a name of a hub."""
    relative = text.isprintable() and not _ELSEWHERE.match(text)
    return relative and reader != "from_pretrained" and re.search(r"\.\w{1,8}$", text) is not None


def _shared_files(script: Script) -> Iterator[tuple[str, str, int]]:
    """Find files of one fixed name in the output folder, which all workers write to."""
    run = script.functions.get("run")
    inside = {id(one) for one in own_nodes(run)} if run else set()
    for use in Places(script).uses():
        if use.place.base != OUTPUT or use.role not in {"write", "append"} or id(use.node) not in inside:
            continue
        what = "the last one wins" if use.role == "write" else "lines of several workers can cut into each other"
        remedy = "Make the name of the input file's: Path(file).stem."
        yield "warning", f"Every mini-batch writes '{use.place.below}' in {OUTPUT}: {what}. {remedy}", use.node.lineno


def writes_output(scripts: list[Script]) -> bool:
    """Whether any file of the code looks at the output folder, by its variable or by the helper of the service."""
    nodes = (node for script in scripts for node in ast.walk(script.tree))
    return any(
        (isinstance(one, ast.Constant) and one.value == OUTPUT)
        or (isinstance(one, ast.Attribute) and one.attr == "output_dir")
        for one in nodes
    )
