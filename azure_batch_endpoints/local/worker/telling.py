"""Exceptions of the user's code, as the engine wants to hear of them: type, message, traceback, file and line."""

from __future__ import annotations

import os
import traceback
from typing import Any

MOST_MESSAGE = 4_000
"""Characters of an exception's message that are passed on: scripts put their data into them."""
MOST_TRACEBACK = 16_000
"""Likewise of the traceback, which has the message again and stands in the error of the job."""
MOST_DECORATORS = 20
HERE = os.path.dirname(os.path.abspath(__file__)) + os.sep
DRIVER = os.sep + "_abe_driver.py"
"""The file that wraps a script where `instrument` is on: its frames are no frames of the user's either."""


class Invalid(Exception):
    """The scoring script cannot be used, however often it is tried."""


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
    while frames is not None and is_ours(frames.tb_frame.f_code.co_filename):
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


def is_ours(filename: str) -> bool:
    """Whether a frame is none of the user's code."""
    return filename.startswith((HERE, "<frozen importlib")) or filename.endswith(DRIVER)


def deepest_place(error: BaseException, code_dir: str) -> dict[str, Any]:
    """Return file and line of the last frame in the user's code; of a `SyntaxError` there, its own."""
    places = [(frame.f_code.co_filename, line) for frame, line in traceback.walk_tb(error.__traceback__)]
    if isinstance(error, SyntaxError) and error.filename:
        places.append((error.filename, error.lineno or 0))
    for path, line in reversed(places):
        if path.startswith(code_dir + os.sep):
            return {"file": os.path.relpath(path, code_dir), "line": line}
    return {"file": None, "line": None}


def place_of(function: Any, code_dir: str) -> dict[str, Any]:
    """Return where a function of the user's begins; of a decorated one, that within."""
    for _ in range(MOST_DECORATORS):
        function = getattr(function, "__wrapped__", function)
    code = getattr(function, "__code__", None)
    if code is None or not code.co_filename.startswith(code_dir + os.sep):
        return {}
    return {"file": os.path.relpath(code.co_filename, code_dir), "line": code.co_firstlineno}


def shorten(text: str, most: int) -> str:
    """Return about `most` characters at most, beginning and end; without half surrogates, which cannot be stored."""
    if len(text) > most:
        cut = f"[... {len(text) - most:,} of {len(text):,} characters left out ...]"
        text = f"{text[: most // 2]}\n{cut}\n{text[-most // 2 :]}"
    return text.encode("utf-8", "backslashreplace").decode()
