"""``init()`` and ``run(mini_batch)``: are they there, can they be called, and does ``run`` return rows."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from typing import Literal, TypeAlias

from azure_batch_endpoints.checks.findings import Finding
from azure_batch_endpoints.checks.flow import falls_off
from azure_batch_endpoints.checks.source import Function, Script, bindings, name_of, own_nodes

ROWS = "return a list or a DataFrame with one row a file that was scored"
REFUSED = (
    "The run() method in the entry script should return a list or a pandas DataFrame. "
    "The actual type of output is {}. It would fail every mini-batch; {}."
)
"""As the service itself puts it (recorded failures of real jobs), with what to do."""
_BUILTINS = {"dict", "str", "int", "float", "bool", "set", "frozenset", "bytes", "len", "map", "filter", "zip"}
_BUILTINS |= {"enumerate", "reversed", "iter", "range", "repr"}
_TYPE_OF_CALL = {"len": "int", "repr": "str", "iter": "iterator"}
_METHODS = {"to_json": "str", "to_string": "str", "to_dict": "dict"}
"""Methods of a DataFrame which, called without arguments, return no rows."""
_LITERALS = {
    ast.Dict: "dict",
    ast.DictComp: "dict",
    ast.Set: "set",
    ast.SetComp: "set",
    ast.JoinedStr: "str",
    ast.GeneratorExp: "generator",
    ast.Lambda: "function",
}
_FRAMES = ("DataFrame", "read_csv", "read_parquet", "concat")
Kind: TypeAlias = 'Literal["none", "wrong", "maybe", "json", "unknown"]'


def check_contract(script: Script) -> list[Finding]:
    """Look at ``init`` and ``run`` of a scoring script."""
    found = [
        Finding("error", f"The scoring script has no function {signature}. Define it.", script.path, blocks=True)
        for name, signature in (("init", "init()"), ("run", "run(mini_batch)"))
        if name not in script.names and not script.is_open
    ]
    for name in ("init", "run"):
        home = script.home(name)
        if home is not None and not home[1].decorator_list:  # a decorator may call it otherwise
            file, function = home
            found += _check_init(function, file) if name == "init" else _check_run(function, file)
    return found


def _check_init(init: Function, script: Script) -> Iterator[Finding]:
    needed = _required(init)
    if isinstance(init, ast.AsyncFunctionDef):
        text = "init() is async, so calling it runs nothing; make it a plain function."
        yield Finding("error", text, script.path, init.lineno)
    elif needed:
        text = f"init() needs the argument '{needed[0]}', but it is called with none. "
        text += "Read it from os.environ, or give it a default."
        yield Finding("error", text, script.path, init.lineno)


def _check_run(run: Function, script: Script) -> list[Finding]:
    needed = _required(run)
    takes = [*run.args.posonlyargs, *run.args.args]
    if not takes and run.args.vararg is None:
        said = "run() takes no argument; it must take the mini-batch."
    elif len(needed) > 1:
        said = f"run() needs {len(needed)} arguments ({', '.join(needed)}), but it is called with the mini-batch alone."
        said += " Give the others defaults, or keep what they hold in globals that init() sets."
    elif isinstance(run, ast.AsyncFunctionDef):
        said = f"run() is async; it must be a plain function and {ROWS}. Use asyncio.run() in it."
    else:
        return _check_returns(run, script)
    return [Finding("error", said, script.path, run.lineno)]


def _required(function: Function) -> list[str]:
    """Return the arguments that a caller must give."""
    plain = [one.arg for one in (*function.args.posonlyargs, *function.args.args)]
    plain = plain[: len(plain) - len(function.args.defaults)]
    named = zip(function.args.kwonlyargs, function.args.kw_defaults, strict=True)
    return plain + [one.arg for one, default in named if default is None]


def _check_returns(run: Function, script: Script) -> list[Finding]:
    own = own_nodes(run)
    yields = next((one for one in own if isinstance(one, ast.Yield | ast.YieldFrom)), None)
    if yields is not None:
        text = f"run() is a generator (it yields); it must {ROWS}. Collect what it yields in a list and return that."
        return [Finding("error", text, script.path, yields.lineno)]
    returns = [one for one in own if isinstance(one, ast.Return)]
    inner = {name for one in ast.walk(run) if isinstance(one, ast.Nonlocal) for name in one.names}
    local = {name: one for name, one in bindings([*ast.walk(run.args), *own]).items() if name not in inner}
    kinds = [(one, *_kind(one.value, local, script)) for one in returns]
    if all(kind == "none" for _, kind, _ in kinds):
        raises = any(isinstance(one, ast.Raise) for one in own) or (not returns and not falls_off(run.body))
        return [] if raises else [Finding("error", f"run() returns nothing; it must {ROWS}.", script.path, run.lineno)]
    sure = all(kind in ("none", "wrong") for _, kind, _ in kinds)
    found = [_finding(one, kind, what, script, sure=sure) for one, kind, what in kinds if kind != "unknown"]
    if falls_off(run.body):
        text = f"run() can end without a return, and then returns None: every way through it must {ROWS}."
        found.append(Finding("warning", text, script.path, run.lineno))
    return found + list(_returns_too_early(run, script))


def _finding(one: ast.Return, kind: Kind, what: str, script: Script, *, sure: bool) -> Finding:
    if kind == "json":
        text = f"run() returns {what}, which is a text, as for an online endpoint; it must {ROWS}."
        return Finding("warning", text, script.path, one.lineno)
    if kind == "maybe":
        text = f"run() returns what {what} gives; of a DataFrame that is no row a file but one value. It must {ROWS}."
        return Finding("warning", text, script.path, one.lineno)
    if kind == "none":
        text = f"run() returns None here; every way through it must {ROWS} (an empty list when none was)."
        return Finding("warning", text, script.path, one.lineno)
    return Finding("error" if sure else "warning", REFUSED.format(what, ROWS), script.path, one.lineno)


def _kind(value: ast.expr | None, local: dict[str, list[ast.expr | None]], script: Script) -> tuple[Kind, str]:
    """Return what a returned expression is, and its type in words; unknown when nothing is sure."""
    if value is None or (isinstance(value, ast.Constant) and value.value is None):
        return "none", "NoneType"
    if isinstance(value, ast.Constant):
        return "wrong", type(value.value).__name__
    if type(value) in _LITERALS:
        return "wrong", _LITERALS[type(value)]
    if isinstance(value, ast.Call):
        return _kind_of_call(value, local, script)
    if isinstance(value, ast.Name):
        return _kind_of_name(value.id, local, script)
    if (
        isinstance(value, ast.Subscript)
        and isinstance(value.slice, ast.Constant)
        and isinstance(value.slice.value, str)
        and _is_frame(value.value, local, script)
    ):
        return "wrong", f"Series (one column; write [[{value.slice.value!r}]])"
    return "unknown", ""


def _is_frame(value: ast.expr, local: dict[str, list[ast.expr | None]], script: Script) -> bool:
    """Tell whether an expression, or the one value that its name is ever given, is surely a DataFrame of pandas."""
    made = _only(value.id, local) if isinstance(value, ast.Name) else value
    if not isinstance(made, ast.Call):
        return False
    name = name_of(made.func)
    return name in {f"{home}.{one}" for home in ("pd", "pandas") for one in _FRAMES} or (
        script.imported.get(name) in {("pandas", one) for one in _FRAMES}
    )


def _kind_of_name(name: str, local: dict[str, list[ast.expr | None]], script: Script) -> tuple[Kind, str]:
    value = _only(name, local)
    if value is None or isinstance(value, ast.Name):
        return "unknown", ""
    return _kind(value, local, script)


def _only(name: str, local: dict[str, list[ast.expr | None]]) -> ast.expr | None:
    """Return the one value that a local name is ever given."""
    values = local.get(name, [])
    return values[0] if len(values) == 1 else None


def _kind_of_call(call: ast.Call, local: dict[str, list[ast.expr | None]], script: Script) -> tuple[Kind, str]:
    name = name_of(call.func)
    if name == "json.dumps" or script.imported.get(name) == ("json", "dumps"):
        return "json", "json.dumps(…)"
    if name == "print" and name not in script.names:
        return "none", "NoneType"
    if name in _BUILTINS and name not in script.names and name not in local:
        return "wrong", _TYPE_OF_CALL.get(name, name)
    if name in {"pd.Series", "pandas.Series"}:
        return "wrong", "Series"
    return _kind_of_method(call, local, script)


def _kind_of_method(call: ast.Call, local: dict[str, list[ast.expr | None]], script: Script) -> tuple[Kind, str]:
    """Judge ``x.to_dict()`` and the like: wrong of a DataFrame; a class of the script's author may give rows."""
    if not isinstance(call.func, ast.Attribute) or call.func.attr not in _METHODS:
        return "unknown", ""
    if call.args or any(one.arg in (None, "orient") for one in call.keywords):
        return "unknown", ""
    if _is_frame(call.func.value, local, script):
        return "wrong", _METHODS[call.func.attr]
    return "maybe", f".{call.func.attr}()"


def _returns_too_early(run: Function, script: Script) -> Iterator[Finding]:
    """Find a return at the end of a loop over the mini-batch: it ends the loop after the first file."""
    arguments = {one.arg for one in (*run.args.posonlyargs, *run.args.args)}
    for loop in own_nodes(run):
        if not isinstance(loop, ast.For) or not isinstance(loop.body[-1], ast.Return):
            continue
        over = {one.id for one in ast.walk(loop.iter) if isinstance(one, ast.Name)} & arguments
        if over and not any(isinstance(one, ast.Continue) for one in own_nodes(loop)):
            text = (
                f"run() returns at the end of the first round of its loop over '{sorted(over)[0]}', so the other files "
                "of the mini-batch get no row. Move the return out of the loop."
            )
            yield Finding("warning", text, script.path, loop.body[-1].lineno)
