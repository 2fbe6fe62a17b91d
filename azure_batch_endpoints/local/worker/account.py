"""What `instrument` writes down of each call of `run()`, in the job's own output; see `driver`, which calls it.

Under `_abe/<job>/<worker>/` in the output folder, each file written once, never renamed, appended to or read again:
the folder is a mounted blob container, which is only sure to take whole new files.

- `init.json`: the worker, and how loading the script and `init()` went
- `b0000007.json`: mini-batch 7 of this worker begins
- `l0000007.json`: it is about to pass its time limit, and where it is
- `e0000007-0000007.jsonl`: it ended. `e<last>-<first>` holds the ends of mini-batches first to last, a line each: file
  n goes back as far as the lowest bit of n says, so that a reader needs only a few of the files, and each mini-batch
  has one as soon as it ended.
"""

from __future__ import annotations

import os
import re
import sys
import traceback
from _thread import allocate_lock, get_ident, start_new_thread
from importlib import import_module
from json import JSONEncoder
from time import monotonic, time, time_ns
from typing import Any

from .telling import is_ours

FOLDER = "_abe"
MOST_LINES = 256
"""Ends of mini-batches that one file holds."""
MOST_KEPT = 1_000_000
"""Characters of such ends: of a mini-batch with a million rows, the files of the rows alone are megabytes."""
LATE = 0.9
"""Part of the time limit after which it is noted where `run()` is."""
LONGEST = 1e6
"""Seconds that one wait takes at most; the system's own waits have an end, too."""
encode = JSONEncoder().encode


class Account:
    """What one worker process writes down."""

    def __init__(self, code_dir: str) -> None:
        self._code_dir = code_dir
        self.pid, self._folder, self._number = os.getpid(), "", 0
        self._lines = []  # type: list[str]
        self._written = 0
        self._broken = 0
        self._limit = time_limit()
        self._wake = allocate_lock()  # held but for a moment, so that waiting for it is waiting for news
        self._watched = None  # type: tuple[int, float, int] | None
        self._watching = False

    def own(self) -> bool:
        """Whether this is the process that the account is of, not one that the script forked."""
        return os.getpid() == self.pid

    def noted(self, name: str, lines: list[str]) -> bool:
        """Write a file, whole and once; after three failures no more is tried."""
        if self._broken > 2:
            return False
        try:
            if not self._folder:
                self._folder = self._made()
            with open(os.path.join(self._folder, name), "w", encoding="utf-8") as file:
                file.write("\n".join(lines) + "\n")
        except Exception as error:  # noqa: BLE001 - whatever a mount raises: the job goes on without its account
            self._broken += 1
            print("instrument: the account of this worker cannot be written:", error, file=sys.stderr)
            return False
        return True

    def _made(self) -> str:
        worker = "-".join((node_name(), worker_name(), str(self.pid), format(time_ns(), "x")))
        parts = (re.sub(r"[^A-Za-z0-9._-]", "_", part) for part in (job_name(), worker))
        folder = os.path.abspath(os.path.join(output_folder(), FOLDER, *parts))
        os.makedirs(folder)
        return folder

    def began(self, files: list[str]) -> dict[str, Any]:
        """Note that a mini-batch begins; return what is known of it."""
        self._number += 1
        told = dict(named(files), number=self._number, at=time())
        self.noted(f"b{self._number:07d}.json", [encode(told)])
        self._watch((self._number, monotonic() + self._limit * LATE, get_ident()))
        return told

    def ended(self, told: dict[str, Any]) -> None:
        """Note how it ended; what could not be written before goes along."""
        self._watch(None)
        number = told["number"]
        self._lines.append(encode(told))
        back = max(min(number & -number, MOST_LINES), number - self._written)
        del self._lines[: -most_of(self._lines)]
        lines = self._lines[-back:]
        if self.noted(f"e{number:07d}-{number - len(lines) + 1:07d}.jsonl", lines):
            self._written = number

    def _watch(self, what: tuple[int, float, int] | None) -> None:
        """Note where `run()` is shortly before it is killed: nothing can be noted afterwards.

        The thread is none of `threading`'s: scripts count those, and wait for all of them.
        """
        if not self._limit:
            return
        self._watched = what
        if not self._watching:
            self._watching = True
            self._wake.acquire()
            start_new_thread(self._wait, ())
        elif what is not None and self._wake.locked():
            self._wake.release()

    def _wait(self) -> None:
        seen = 0
        while True:
            what = self._watched
            if what is None or what[0] == seen:
                self._wake.acquire()
            elif what[1] > monotonic():
                self._wake.acquire(timeout=min(max(0.0, what[1] - monotonic()), LONGEST))
            else:
                seen = what[0]
                self._late(seen, what[2])

    def _late(self, number: int, thread: int) -> None:
        try:
            frames = traceback.extract_stack(sys._current_frames()[thread])
            last = max((place for place, frame in enumerate(frames) if is_ours(frame.filename)), default=-1)
            shown = frames[last + 1 :]
            own = [frame for frame in shown if frame.filename.startswith(self._code_dir + os.sep)]
            told = {"number": number, "limit": self._limit, "stack": "".join(traceback.format_list(shown))}
            if own:
                told.update(file=os.path.relpath(own[-1].filename, self._code_dir), line=own[-1].lineno)
            self.noted(f"l{number:07d}.json", [encode(told)])
        except Exception:  # noqa: BLE001 - it is only for the account
            return


def most_of(lines: list[str]) -> int:
    """Return how many of the last lines are kept: one at least."""
    kept, size = 0, 0
    for line in reversed(lines[-MOST_LINES:]):
        size += len(line)
        if kept and size > MOST_KEPT:
            break
        kept += 1
    return kept


def output_folder() -> str:
    """Return the job's output folder on this node: the documented variable, the driver's argument, the helper."""
    found = os.environ.get("AZUREML_BI_OUTPUT_PATH") or argument("--output")
    if found and not found.startswith("$"):
        return found
    return str(helper().output_dir)


def helper() -> Any:
    """Return the documented helper of scoring scripts, `EntryScript`, of which there is one in a process."""
    return import_module("azureml_user.parallel_run").EntryScript()


def argument(name: str) -> str:
    """Return what an argument of the service's own driver says, or nothing."""
    return sys.argv[sys.argv.index(name) + 1] if name in sys.argv[:-1] else ""


def time_limit() -> float:
    """Return the seconds that `run()` may take; 0 when it is not known."""
    said = os.environ.get("AML_PARAMETER_run_invocation_timeout", "")  # noqa: SIM112 - as the service calls it
    said = said or argument("--run_invocation_timeout")
    try:
        return float(said)
    except ValueError:
        return 0.0


def worker_name() -> str:
    """Return the name that the service's logs have for this process, such as `process003`."""
    known = os.environ.get("AZURE_BATCH_ENDPOINTS_AGENT")
    if known:
        return known
    try:
        return str(helper().agent_name)
    except Exception:  # noqa: BLE001 - of a package that may not be there, or another one
        return "process" + str(os.getpid())


def node_name() -> str:
    """Return the name of this machine."""
    return os.environ.get("AZ_BATCH_NODE_ID") or os.uname().nodename


def job_name() -> str:
    """Return the job's name: that of the root run."""
    return os.environ.get("AZUREML_ROOT_RUN_ID") or os.environ.get("AZUREML_RUN_ID") or "job"


def named(files: list[str]) -> dict[str, Any]:
    """Return the files of a mini-batch as the folder that they share and their names below it."""
    root = os.path.commonpath([os.path.dirname(file) for file in files]).rstrip("/") + "/"
    return {"root": root, "files": [file[len(root) :] for file in files]}
