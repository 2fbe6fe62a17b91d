"""The program of a worker process: loads the scoring script, calls `init()` once and `run()` for each mini-batch.

Runs as a script under the interpreter of the deployment's environment: standard library only, as Python 3.7 knows it.
Started as `python worker.py <socket> <lifeline> <stacks>` (descriptors); messages are JSON after 4 bytes of length.
Rows are appended to this worker's own segment file; the engine learns the byte range, and decides whether it counts.
Nothing here knows of tries, time limits or other workers: that is the engine's.
"""

from __future__ import annotations

import faulthandler
import fcntl
import importlib.util
import logging
import os
import select
import signal
import socket
import struct
import sys
import threading
import traceback
import types
from collections.abc import Callable
from json import dumps, loads  # names of our own: scripts, and what they import, replace functions of modules
from os import getpid
from pathlib import Path
from time import monotonic
from typing import Any

Result = Any
"""What a user's function returns, or a message holds, is anything."""

LENGTH = struct.Struct("!I")
MOST_MESSAGE = 4_000
"""Characters of an exception's message that are passed on: scripts put their data into them."""
MOST_TRACEBACK = 60_000
WRONG_TYPE = (
    "The run() method in the entry script should return a list or a pandas DataFrame. "
    "The length of returned result is considered as succeeded number of items. "
    "For --output_action=append_row, the returned result is what to write into the result file. "
    "The actual type of output is {}."
)


class Invalid(Exception):
    """The scoring script cannot be used, however often it is tried."""


class WrongReturnType(TypeError):
    """`run()` returned something that is no rows."""


class RowsNotWritten(Exception):
    """The disk took no more."""


class Channel:
    """Messages to and from the engine over an inherited socket."""

    def __init__(self, descriptor: int) -> None:
        keep_to_this_process(descriptor)
        self._socket = socket.socket(fileno=descriptor)

    def receive(self) -> Result:
        """Wait for a message; None when the engine has gone."""
        head = self._read(LENGTH.size)
        body = self._read(LENGTH.unpack(head)[0]) if head else b""
        return loads(body) if body else None

    def send(self, message: dict[str, Any]) -> None:
        """Send a message."""
        body = dumps(message).encode()
        self._socket.sendall(LENGTH.pack(len(body)) + body)

    def _read(self, length: int) -> bytes:
        chunks = []
        while length:
            chunk = self._socket.recv(length)
            if not chunk:
                return b""
            chunks.append(chunk)
            length -= len(chunk)
        return b"".join(chunks)


class Segment:
    """The file that takes the rows of this worker, one range of bytes a mini-batch."""

    def __init__(self, path: str) -> None:
        self._descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o644)
        self._end = 0

    def append(self, data: bytes) -> list[int]:
        """Write `data` and return its offset and length; a write that fails leaves the end where it was."""
        view, offset = memoryview(data), self._end
        try:
            while view:
                written = os.pwrite(self._descriptor, view, offset)
                view, offset = view[written:], offset + written
        except OSError as error:
            raise RowsNotWritten(f"the rows that run() returned could not be written: {error.strerror}") from None
        start, self._end = self._end, offset
        return [start, len(data)]


class Worker:
    """The user's script in this process, and what becomes of its results."""

    def __init__(self, channel: Channel, start: dict[str, Any]) -> None:
        self._channel, self._pid = channel, getpid()
        self._code_dir, self._script = start["code_dir"], Path(start["code_dir"], start["script"])
        self._segment_path = start["segment"]
        self._segment = None  # type: Segment | None
        self._module = types.ModuleType("")

    def prepare(self) -> bool:
        """Load the script and call its `init()`; tell the engine how that went."""
        error = self._caught(self._load)
        if error is None:
            self._channel.send({"op": "ready"})
            return True
        broken = isinstance(error, SyntaxError) and error.filename == str(self._script)
        invalid = broken or isinstance(error, Invalid)
        self._channel.send(dict(describe(error, self._code_dir), op="unusable", invalid=invalid))
        return False

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
        if self._segment_path:
            self._segment = Segment(self._segment_path)
        sys.path[0] = self._code_dir  # Python had put this file's own folder there
        self._module = load_script(self._script)
        for name in ("init", "run"):
            if not callable(getattr(self._module, name, None)):
                raise Invalid(
                    f"'{self._script.name}' defines no function {name}(); it needs init() and run(mini_batch)."
                )
        self._module.init()

    def _score(self, number: int, files: list[str]) -> dict[str, Any]:
        reply = {"number": number, "op": "done"}  # type: dict[str, Any]
        began = monotonic()
        error = self._caught(self._run, files, reply)
        if error is not None:
            reply.update(describe(error, self._code_dir), op="failed")
            if isinstance(error, WrongReturnType):
                reply.update(place_of(self._module.run, self._code_dir), traceback=None)
        reply["seconds"] = monotonic() - began
        return reply

    def _run(self, files: list[str], reply: dict[str, Any]) -> None:
        result = self._module.run(list(files))
        self._leave_if_forked()
        rows = count_rows(result)
        kind = "dataframe" if is_a(result, "pandas", "DataFrame") else "list"
        reply.update(rows=rows, kind=kind, columns=columns_of(result))
        text = render(result) if self._segment or rows < len(files) else ""
        if self._segment and rows:
            reply["range"] = self._segment.append(text.encode("utf-8", "backslashreplace"))
        if rows < len(files):
            reply.update(place_of(self._module.run, self._code_dir), missing=missing(files, rows, text))

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


def is_a(value: object, module: str, name: str) -> bool:
    """Whether `value` is of a class of a library, without importing the library."""
    return isinstance(value, getattr(sys.modules.get(module), name, ()))


def count_rows(result: Result) -> int:
    """Return the number of rows of what `run()` returned; of what has none, the words of `WRONG_TYPE` tell."""
    listed = isinstance(result, (list, tuple)) or is_a(result, "pandas", "DataFrame")
    if listed or (is_a(result, "numpy", "ndarray") and getattr(result, "ndim", 0) > 0):
        return len(result)
    raise WrongReturnType(WRONG_TYPE.format(type(result).__name__))


def columns_of(result: Result) -> list[list[Any]]:
    """Return name and dtype of each column; a text one with "empty" (has empty strings), "gaps" or all "missing"."""
    if not is_a(result, "pandas", "DataFrame"):
        kinds = {type(element).__name__ for element in result} if isinstance(result, (list, tuple)) else set()
        return [[0, kind] for kind in kinds] if kinds in ({"str"}, {"bool"}) else []  # the text does not tell
    columns = []
    for position, (name, dtype) in enumerate(result.dtypes.items()):
        values, text = result.iloc[:, position], str(dtype)
        if text in ("object", "str", "string"):
            empty, gaps = any(isinstance(value, str) and not value for value in values), values.isna()
            text += " empty" if empty else " missing" if gaps.all() else " gaps" if gaps.any() else ""
        columns.append([name if type(name) is int else str(name), text])
    return columns


def render(result: Result) -> str:
    """Return the rows as the service writes them: an element a line; a DataFrame with spaces, no header, no index."""
    if is_a(result, "pandas", "DataFrame"):
        return str(result.to_csv(sep=" ", header=False, index=False))
    if is_a(result, "numpy", "ndarray") and result.ndim > 1:
        result = result.tolist()  # str() of an array's row breaks long lines
    return "".join([str(element) + "\n" for element in result])


def missing(files: list[str], rows: int, text: str) -> list[int]:
    """Guess which files have no row: those not named in the rows, if their number fits, else the last ones."""
    absent = [position for position, file in enumerate(files) if Path(file).name not in text]
    return absent if len(absent) == len(files) - rows else list(range(rows, len(files)))


def describe(error: BaseException, code_dir: str) -> dict[str, Any]:
    """Return an exception as the engine wants it; only its type where memory is short or the script broke our tools."""
    try:
        return describe_in_full(error, code_dir)
    except BaseException:  # noqa: BLE001 - it would take the worker along
        name, message = type(error).__name__, "(its message and traceback could not be made)"
        return {"type": name, "message": message, "traceback": name, "file": None, "line": None}


def describe_in_full(error: BaseException, code_dir: str) -> dict[str, Any]:
    """Return type, message and traceback of an exception, and file and line in the user's code."""
    frames = error.__traceback__
    while frames is not None and frames.tb_frame.f_code.co_filename.startswith((__file__, "<frozen importlib")):
        frames = frames.tb_next
    text = "".join(traceback.format_exception(type(error), error, frames))
    lines = traceback.format_exception_only(type(error), error)  # of a SyntaxError indented ones first, then notes
    message = next(line for line in lines if not line.startswith("  ")).partition(": ")[2].strip()
    if isinstance(error, SystemExit):
        message = f"the script called sys.exit({error.code!r})"
    description = {
        "type": type(error).__name__,
        "message": shorten(message, MOST_MESSAGE),
        "traceback": None if isinstance(error, Invalid) else shorten(text, MOST_TRACEBACK),
    }
    return dict(description, **deepest_place(error, code_dir))


def deepest_place(error: BaseException, code_dir: str) -> dict[str, Any]:
    """Return file and line of the last frame in the user's code; of a `SyntaxError` there, its own."""
    places = [(frame.f_code.co_filename, line) for frame, line in traceback.walk_tb(error.__traceback__)]
    if isinstance(error, SyntaxError) and error.filename:
        places.append((error.filename, error.lineno or 0))
    for path, line in reversed(places):
        if path.startswith(code_dir + os.sep):
            return {"file": os.path.relpath(path, code_dir), "line": line}
    return {"file": None, "line": None}


def place_of(function: Result, code_dir: str) -> dict[str, Any]:
    """Return where a function of the user's begins."""
    code = getattr(function, "__code__", None)
    if code is None or not code.co_filename.startswith(code_dir + os.sep):
        return {}
    return {"file": os.path.relpath(code.co_filename, code_dir), "line": code.co_firstlineno}


def shorten(text: str, most: int) -> str:
    """Return about `most` characters at most, beginning and end; without half surrogates, which cannot be stored."""
    if len(text) > most:
        text = f"{text[: most // 2]}\n[... {len(text) - most} characters left out ...]\n{text[-most // 2 :]}"
    return text.encode("utf-8", "backslashreplace").decode()


def die_with_engine(lifeline: int) -> None:
    """End this process and its children when the engine goes away, in the middle of `run()` too.

    The engine holds the other end of the pipe and never writes to it. On Linux the kernel itself sends SIGKILL to the
    process group when that end closes, so a script holding the interpreter's lock dies too. Elsewhere a thread waits.
    """
    keep_to_this_process(lifeline)
    if hasattr(fcntl, "F_SETSIG"):
        fcntl.fcntl(lifeline, fcntl.F_SETOWN, -os.getpgrp())
        fcntl.fcntl(lifeline, fcntl.F_SETSIG, signal.SIGKILL)
        fcntl.fcntl(lifeline, fcntl.F_SETFL, fcntl.fcntl(lifeline, fcntl.F_GETFL) | os.O_ASYNC)
        if select.select([lifeline], [], [], 0)[0]:
            os._exit(1)
    else:
        threading.Thread(target=kill_group_at_end_of, args=(lifeline,), daemon=True).start()


def kill_group_at_end_of(lifeline: int) -> None:
    """Wait for the end of the pipe, then kill this process and its children."""
    os.read(lifeline, 1)
    os.killpg(os.getpgrp(), signal.SIGKILL)


def keep_to_this_process(descriptor: int) -> None:
    """Close a descriptor in programs that the script starts."""
    fcntl.fcntl(descriptor, fcntl.F_SETFD, fcntl.FD_CLOEXEC)


def main() -> None:
    """Run a worker until the engine stops it or goes away."""
    channel, lifeline, stacks = (int(argument) for argument in sys.argv[1:4])
    die_with_engine(lifeline)
    keep_to_this_process(stacks)
    faulthandler.enable(file=stacks)
    faulthandler.register(signal.SIGUSR2, file=stacks)  # the engine asks where a script hangs before it kills it
    for stream in (sys.stdout, sys.stderr):
        stream.reconfigure(encoding="utf-8", errors="backslashreplace", line_buffering=True)  # type: ignore[union-attr] # a TextIOWrapper
    talk = Channel(channel)
    start = talk.receive()
    if start is None:
        return
    sys.argv[:] = [str(Path(start["code_dir"], start["script"])), *start["arguments"]]
    form = "%(asctime)s %(levelname)s %(name)s: %(message)s"
    logging.basicConfig(stream=sys.stdout, level=start["logging_level"].upper(), format=form)
    worker = Worker(talk, start)
    if worker.prepare():
        worker.serve()


if __name__ == "__main__":
    main()
