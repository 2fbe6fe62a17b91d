"""The user's script in a worker's process, and what becomes of its results."""

from __future__ import annotations

import importlib.util
import os
import sys
import types
from collections.abc import Callable
from os import getpid
from pathlib import Path
from time import monotonic
from typing import Any

from .channel import Channel, RowsNotWritten, Segment
from .columns import columns_of
from .memory import peak_memory
from .rows import WrongReturnType, count_rows, frame_text, is_frame, list_texts
from .sources import missing, per_line, sources_of
from .telling import DRIVER, Invalid, describe, place_of


class Worker:
    """One script, from its import to the last mini-batch."""

    def __init__(self, channel: Channel, start: dict[str, Any]) -> None:
        self._channel, self._pid = channel, getpid()
        self._code_dir, self._script = start["code_dir"], Path(start["code_dir"], start["script"])
        self._segment = Segment(start["segment"]) if start["segment"] else None
        self._module = types.ModuleType("")

    def prepare(self) -> bool:
        """Load the script and call its `init()`; tell the engine how that went."""
        began = monotonic()
        error = self._caught(self._load)
        loaded = monotonic()
        if error is None:
            error = self._caught(self._module.init)
        if error is None:
            seconds = [loaded - began, monotonic() - loaded]
            self._channel.send({"op": "ready", "seconds": seconds, "memory": peak_memory()})
            return True
        broken = isinstance(error, SyntaxError) and self._is_script(error.filename)
        invalid = broken or isinstance(error, Invalid)
        self._channel.send(dict(describe(error, self._code_dir), op="unusable", invalid=invalid))
        return False

    def _is_script(self, filename: str | None) -> bool:
        """Whether a file is the scoring script, or the one that `instrument` wraps."""
        return filename == str(self._users_own())

    def _users_own(self) -> Path:
        """Return the scoring script as the user knows it."""
        if self._script.name != DRIVER[1:]:
            return self._script
        return Path(self._code_dir, getattr(sys.modules.get(self._script.stem), "SCRIPT", ""))

    def serve(self) -> None:
        """Score mini-batches until the engine says stop or goes away."""
        while True:
            message = self._channel.receive()
            if message is None or message["op"] == "stop":
                break
            self._channel.send(self._score(message["number"], message["files"]))
        shutdown = getattr(self._module, "shutdown", None)  # only v2 parallel jobs document it
        if callable(shutdown):
            shutdown()

    def _load(self) -> None:
        sys.path.insert(0, self._code_dir)
        self._module = load_script(self._script)
        for name in ("init", "run"):
            if not callable(getattr(self._module, name, None)):
                raise Invalid(
                    f"'{self._users_own().name}' defines no function {name}(); it needs init() and run(mini_batch)."
                )

    def _score(self, number: int, files: list[str]) -> dict[str, Any]:
        reply = {"number": number, "op": "done"}  # type: dict[str, Any]
        began = monotonic()
        error = self._caught(self._run, files, reply)
        if error is not None:
            reply.update(describe(error, self._code_dir), op="failed")
            if isinstance(error, WrongReturnType):
                reply.update(place_of(self._module.run, self._code_dir), traceback=None)
            if isinstance(error, RowsNotWritten):
                reply.update(errno=error.number, traceback=None)
        reply.update(seconds=monotonic() - began, memory=peak_memory())
        return reply

    def _run(self, files: list[str], reply: dict[str, Any]) -> None:
        result = self._module.run(list(files))
        self._leave_if_forked()
        rows = count_rows(result)
        reply.update(rows=rows, kind="dataframe" if is_frame(result) else "list")
        reply["columns"] = or_nothing(columns_of, result) or []
        sources = or_nothing(sources_of, result, files) if rows else None
        if self._segment and rows:
            self._write(self._segment, result, reply, sources)
        if rows < len(files):
            reply.update(place_of(self._module.run, self._code_dir), missing=missing(len(files), rows, sources))

    def _write(self, segment: Segment, result: Any, reply: dict[str, Any], sources: list[int] | None) -> None:
        if is_frame(result):
            text = frame_text(result)
        else:
            texts = list_texts(result)
            text = "\n".join(texts) + "\n"
            if text.count("\n") != len(texts) and not getattr(self._module, "QUOTED_ROWS", False):
                sources = per_line(sources, texts)
        reply["range"] = segment.append(text.encode("utf-8", "backslashreplace"))
        reply["sources"] = sources

    def _caught(self, call: Callable[..., object], *arguments: object) -> BaseException | None:
        error = None  # type: BaseException | None
        try:
            call(*arguments)
        except BaseException as raised:  # noqa: BLE001 - whatever the user's code raises, SystemExit too, is reported
            error = raised
        self._leave_if_forked()
        return error

    def _leave_if_forked(self) -> None:
        if getpid() != self._pid:  # a child of the script's os.fork() came back: the engine talks to the parent only
            os._exit(0)


def or_nothing(call: Callable[..., Any], *arguments: object) -> Any:
    """Return what `call` finds out about rows; None where they are so odd that it cannot: they count all the same."""
    try:
        return call(*arguments)
    except Exception:  # noqa: BLE001 - classes of the user's may do anything
        return None


def load_script(script: Path) -> types.ModuleType:
    """Run the scoring script as a module of its own name."""
    if not script.is_file():
        raise Invalid(f"'{script.name}' does not exist in the code folder.")
    name = script.stem
    if name in sys.modules:  # a script called "json.py" must not replace json
        name = "entry_script_" + name
    spec = importlib.util.spec_from_file_location(name, str(script))
    if spec is None or spec.loader is None:
        raise Invalid(f"'{script.name}' is not a Python file.")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
    return module
