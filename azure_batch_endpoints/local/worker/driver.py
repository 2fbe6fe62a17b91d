"""Wraps a scoring script and keeps account of what it does. Not the worker's: `instrument` makes a file of it.

That file goes up beside the script. What is imported from the worker's modules stands above this text in it, and its
other imports at its top. Nothing here may make a script fail, or change what it returns, raises or prints.
"""

from __future__ import annotations

import importlib.util
import os
import sys
from collections.abc import Callable
from functools import wraps
from time import monotonic, time
from typing import Any
from zlib import adler32, crc32

from .account import Account, encode, node_name, worker_name
from .columns import columns_of
from .rows import WrongReturnType, count_rows, frame_text, is_a, is_frame, list_texts
from .sources import missing, per_line, sources_of
from .telling import describe, place_of

SCRIPT = "@SCRIPT@"
"""The wrapped script, relative to the code folder."""
MOST_CELLS = 1_000_000
"""Values of a result of which a digest is made."""
MOST_CHARACTERS = 100_000_000
"""Likewise, characters of the rows of a list: making one text of them takes as much memory once more."""
DEEPEST_VALUE = 6
"""Levels of lists, tuples and dicts in a row that are looked into."""
PLAIN = (str, int, float, bool, bytes, complex, type(None))
PLAIN_MODULES = ("datetime", "decimal", "uuid", "pathlib", "zoneinfo")
PLAIN_OF_PANDAS = ("Timestamp", "Timedelta", "NaTType", "NAType", "Period", "Interval")

HERE = os.path.abspath(__file__)  # for `telling`: of this folder only this file is not the user's
CODE = os.path.dirname(HERE)
for _ in SCRIPT.split("/")[1:]:
    CODE = os.path.dirname(CODE)


def plain(result: Any) -> bool:
    """Whether making a text of the rows has no side effects: there are only values of Python, numpy and pandas."""
    if not is_frame(result):
        return is_plain(result, DEEPEST_VALUE)
    if home_of(type(result)) != "pandas":
        return False
    return all(is_plain_column(result.iloc[:, place], kind) for place, kind in enumerate(result.dtypes))


def is_plain_column(column: Any, kind: Any) -> bool:
    """Whether a column holds only such values."""
    if str(kind) == "category":
        return is_plain(column.cat.categories.tolist(), DEEPEST_VALUE)
    if str(kind) == "object":
        return is_plain(column.tolist(), DEEPEST_VALUE)
    return home_of(type(kind)) in ("numpy", "pandas")


def is_plain(value: Any, deep: int) -> bool:
    """Whether a value, and what is in it, is of types whose texts are always the same."""
    kind = type(value)
    if kind in PLAIN:
        return True
    if kind is dict:
        return deep > 0 and is_plain(list(value), deep) and is_plain(list(value.values()), deep)
    if kind in (list, tuple):
        return set(map(type, value)).issubset(PLAIN) or (deep > 0 and all(is_plain(one, deep - 1) for one in value))
    if home_of(kind) == "numpy" and is_a(value, "numpy", "ndarray"):
        return not value.dtype.hasobject or (deep > 0 and is_plain(value.tolist(), deep - 1))
    if home_of(kind) == "pandas":
        return kind.__name__ in PLAIN_OF_PANDAS
    return home_of(kind) in PLAIN_MODULES or is_a(value, "numpy", "generic")


def home_of(kind: type) -> str:
    """Return the name of the package that a class is of."""
    return str(kind.__module__).partition(".")[0]


def digest_of(result: Any, told: dict[str, Any]) -> None:
    """Note the size and digest of the text that the service writes of the rows: they are found by it in the file."""
    if getattr(result, "size", len(result)) > MOST_CELLS or not plain(result):
        return
    if is_frame(result):
        text = frame_text(result)
    else:
        texts = list_texts(result)
        if sum(map(len, texts)) > MOST_CHARACTERS:
            return
        text = "".join([line + "\n" for line in texts])
        if text.count("\n") != len(texts):
            told["sources"] = per_line(told["sources"], texts)
    data = text.encode("utf-8", "backslashreplace")
    first = data[: data.find(b"\n") + 1]
    told.update(size=len(data), digest=f"{crc32(data):08x}{adler32(data):08x}", head=[len(first), crc32(first)])


def told_of(result: Any, files: list[str], run: Any) -> dict[str, Any]:
    """Return what the service counts of a result, and what is needed to read its rows back."""
    rows = count_rows(result)
    told = {"rows": rows, "kind": "dataframe" if is_frame(result) else "list"}  # type: dict[str, Any]
    told["columns"] = guarded(columns_of, result) or []
    told["sources"] = guarded(sources_of, result, files) if rows else None
    if rows < len(files):
        told.update(place_of(run, CODE), missing=missing(len(files), rows, told["sources"]))
    if rows:
        guarded(digest_of, result, told)
    return told


def guarded(call: Callable[..., Any], *arguments: Any) -> Any:
    """Return what `call` finds out, or None where it cannot."""
    try:
        return call(*arguments)
    except Exception:  # noqa: BLE001 - classes of the user's may do anything
        return None


def wrapped(module: Any, account: Account) -> Callable[..., Any]:
    """Return a script's `run()`, whichever it has when it is called, with an account of each call."""

    def begin(files: list[str]) -> dict[str, Any]:
        return dict(account.began(files), full=files, began=monotonic())

    def end(told: dict[str, Any], more: dict[str, Any]) -> None:
        told.update(more, seconds=monotonic() - told.pop("began"))
        told.pop("full")
        account.ended(told)

    def scored(told: dict[str, Any], result: Any) -> None:
        try:
            end(told, told_of(result, told["full"], module.run))
        except WrongReturnType as error:
            end(told, dict(describe(error, CODE), traceback=None, **place_of(module.run, CODE)))

    @wraps(module.run)
    def run(*arguments: Any, **keywords: Any) -> Any:
        own = account.own()
        run.__wrapped__ = module.run  # what is read of `run` is read of the script's
        told = guarded(begin, [str(file) for file in arguments[0]]) if own and arguments else None
        try:
            result = module.run(*arguments, **keywords)
        except BaseException as error:
            if told and account.own():
                guarded(end, told, describe(error, CODE))
            raise
        if told and account.own():
            guarded(scored, told, result)
        return result

    return run


def initialised(init: Callable[..., Any], account: Account, loaded: float) -> Callable[..., Any]:
    """Return `init()` with an account of it."""

    @wraps(init)
    def call(*arguments: Any, **keywords: Any) -> Any:
        began = monotonic()
        told = {}  # type: dict[str, Any]
        try:
            return init(*arguments, **keywords)
        except BaseException as error:
            told = describe(error, CODE)
            raise
        finally:
            if account.own():
                guarded(report, account, [loaded, monotonic() - began], told)

    return call


def report(account: Account, seconds: list[float], told: dict[str, Any]) -> None:
    """Write down who this worker is, and how it started."""
    who = {"v": 1, "script": SCRIPT, "worker": worker_name(), "node": node_name(), "pid": account.pid}
    account.noted("init.json", [encode(dict(who, at=time(), seconds=seconds, **told))])


def loaded_script(account: Account) -> Any:
    """Run the script as the service does: as a module of its own name, from its own file."""
    path = os.path.join(CODE, *SCRIPT.split("/"))
    name = os.path.splitext(os.path.basename(path))[0]
    if sys.argv and os.path.abspath(sys.argv[0]) == HERE:
        sys.argv[0] = path
    if name in sys.modules:  # a script called "json.py" must not replace json
        name = "entry_script_" + name
    spec = importlib.util.spec_from_file_location(name, path)
    if spec is None or spec.loader is None:
        raise ImportError(path)
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    try:
        spec.loader.exec_module(module)
    except BaseException as error:
        guarded(report, account, [0.0], describe(error, CODE))
        raise
    return module


_began = monotonic()
_account = Account(CODE)
_user = loaded_script(_account)
if callable(getattr(_user, "init", None)):
    init = initialised(_user.init, _account, monotonic() - _began)
if callable(getattr(_user, "run", None)):
    run = wrapped(_user, _account)
if callable(vars(_user).get("shutdown")):
    shutdown = _user.shutdown


def __getattr__(name: str) -> Any:
    """Return whatever else the service looks for in a script."""
    return getattr(_user, name)
