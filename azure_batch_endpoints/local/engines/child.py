"""One worker process, seen from the engine: starting it, talking to it, killing it, and what it left behind.

Here: descriptors, signals, bytes. Not here: which mini-batch goes where, tries, time limits.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import signal
import socket
import struct
import subprocess
import sys
import tempfile
import time
from collections import deque
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

from azure_batch_endpoints.local.engines.base import Failure, StagedBatch, WorkerSetup
from azure_batch_endpoints.local.engines.strays import MARK, kill_strays
from azure_batch_endpoints.local.engines.verdict import is_sound

PROGRAM = Path(__file__).parents[1] / "worker.py"
LENGTH = struct.Struct("!I")
FRAME = re.compile(r'File "(.+)", line (\d+)')
MOST_MESSAGE = 64 << 20
"""Bytes of a message; more is no message but a script's own bytes."""
LEAVE_SECONDS = 0.5
"""What a worker that closed its connection has to end by itself, and so to tell with which exit code."""
HUNG_UP = "the worker process closed its connection to the engine; does the script close files that it did not open?"
GARBLED = (
    "the worker process sent what is no answer; does the script replace functions of the standard library, "
    "or write to files that it did not open?"
)


@dataclass(slots=True)
class Attempt:
    """A mini-batch on its way through the engine."""

    batch: StagedBatch
    tries: int = 0
    """Tries that have ended."""


class Child:
    """A worker process and the mini-batches it has been given."""

    def __init__(self, name: str, setup: WorkerSetup, segment: Path, streams: tuple[BinaryIO, BinaryIO]) -> None:
        """Start the process.

        Args:
            name: the worker's name.
            setup: what it runs.
            segment: where it writes its rows.
            streams: files for its stdout and stderr.

        Raises:
            OSError: the interpreter or the working folder cannot be used.
        """
        self.name, self.segment = name, segment.name
        self.queue: deque[Attempt] = deque()
        """The first one is being scored."""
        self.ready = self.ending = self.invalid = False
        self.failure: Failure | None = None
        """Why the script could not be loaded, in the worker's words."""
        self.since = time.monotonic()
        """When the process started or, once it is ready, when it began with the first mini-batch of its queue."""
        self.kill_at: float | None = None
        self.left_at: float | None = None
        """When it closed the connection; most often it is about to end."""
        self._fault: str | None = None
        self._mark = segment.resolve()
        self._setup, self._inbox, self._outbox = setup, bytearray(), bytearray()
        self._stacks, path = tempfile.mkstemp()
        Path(path).unlink()
        self._socket, theirs = socket.socketpair()
        lifeline, self._lifeline = os.pipe()
        try:
            self._process = self._start((theirs.fileno(), lifeline, self._stacks), streams)
        except BaseException:
            self.close()
            raise
        finally:
            theirs.close()
            os.close(lifeline)
        self.pid = self._process.pid
        self.send(self._greeting())

    def _start(self, passed: tuple[int, int, int], streams: tuple[BinaryIO, BinaryIO]) -> subprocess.Popen[bytes]:
        setup = self._setup
        return subprocess.Popen(  # noqa: S603 - running the deployment's interpreter is the purpose
            [setup.python, str(PROGRAM), *map(str, passed)],
            cwd=setup.cwd or setup.code_dir,
            env={**environment(setup, os.environ), MARK: str(self._mark)},
            stdin=subprocess.DEVNULL,
            stdout=streams[0],
            stderr=streams[1],
            pass_fds=passed,
            start_new_session=True,
        )

    def _greeting(self) -> dict[str, object]:
        setup = self._setup
        return {
            "code_dir": str(setup.code_dir.resolve()),
            "script": setup.script,
            "segment": str(self._mark) if setup.output_action == "append_row" else None,
            "logging_level": setup.logging_level,
            "arguments": ["--logging_level", setup.logging_level, *setup.arguments],
        }

    # ------------------------------------------------------------------ talking

    def fileno(self) -> int:
        """Return the socket, for a selector."""
        return self._socket.fileno()

    @property
    def is_up(self) -> bool:
        """Whether it still counts what this worker says."""
        return self.kill_at is None and self.left_at is None and not self.ending

    @property
    def has_unsent(self) -> bool:
        """Whether `flush` has something to do."""
        return bool(self._outbox)

    def send(self, message: Mapping[str, object]) -> None:
        """Send a message, as far as it goes without waiting: a busy worker does not read."""
        body = json.dumps(message).encode()
        self._outbox += LENGTH.pack(len(body)) + body
        self.flush()

    def flush(self) -> None:
        """Send more of what could not be sent."""
        try:
            while self._outbox:
                del self._outbox[: self._socket.send(self._outbox, socket.MSG_DONTWAIT)]
        except BlockingIOError:
            return
        except OSError:  # it has died, which `receive` will see
            self._outbox.clear()

    def receive(self) -> list[dict[str, Any]] | None:
        """Return the messages that have come in full; None when the worker has closed the connection.

        Raises:
            ValueError: something else than a message came.
        """
        try:
            data = self._socket.recv(1 << 16, socket.MSG_DONTWAIT)
        except BlockingIOError:
            return []
        except OSError:
            data = b""
        self._inbox += data
        messages = list(self._messages())
        return messages if data or messages else None

    def _messages(self) -> Iterator[dict[str, Any]]:
        while len(self._inbox) >= LENGTH.size:
            length = LENGTH.unpack_from(self._inbox)[0]
            end = LENGTH.size + length
            if length > MOST_MESSAGE:
                raise ValueError(length)
            if len(self._inbox) < end:
                return
            message = json.loads(self._inbox[LENGTH.size : end])
            if not is_sound(message):
                raise ValueError(message)
            yield message
            del self._inbox[:end]

    # ------------------------------------------------------------------ ending

    def ask_for_stacks(self) -> None:
        """Let the worker write down where its threads are; it does so even while the script holds the interpreter."""
        with contextlib.suppress(ProcessLookupError):
            os.kill(self.pid, signal.SIGUSR2)

    def kill(self) -> None:
        """Kill the process and all that it has started in its session."""
        self.ending = True
        with contextlib.suppress(ProcessLookupError, PermissionError):  # macOS says EPERM of a group of zombies
            os.killpg(self.pid, signal.SIGKILL)

    def expel(self, fault: str) -> None:
        """Kill the process because it broke the rules of the connection."""
        self._fault = fault
        self.kill()

    def hurry(self, now: float) -> None:
        """Kill a process that closed its connection and does not end."""
        if self.left_at is not None and now >= self.left_at + LEAVE_SECONDS and not self.ending:
            self.expel(HUNG_UP)

    def gone(self) -> bool:
        """Whether the process has ended; children that it left are killed then."""
        if self._process.poll() is None:
            return False
        self.kill()
        return True

    def wait(self, seconds: float) -> None:
        """Wait for the end of a killed process."""
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(seconds)

    def close(self) -> None:
        """Close all descriptors; what the worker started in sessions of their own is killed."""
        self._socket.close()
        os.close(self._lifeline)
        os.close(self._stacks)
        kill_strays(self._mark)

    def death(self) -> Failure:
        """Return what the end of the process tells."""
        stacks, file, line = self._last_stacks()
        return Failure("WorkerDied", self._fault or describe_exit(self._process.returncode), stacks, file, line)

    def stuck(self, message: str) -> Failure:
        """Return a time-out, with where the script was."""
        stacks, file, line = self._last_stacks()
        return Failure("Timeout", message, stacks, file, line)

    def _last_stacks(self) -> tuple[str | None, str | None, int | None]:
        data = os.pread(self._stacks, 1 << 16, 0).decode("utf-8", "replace")
        lines = [line for line in data.splitlines() if f'"{PROGRAM}"' not in line]
        text = "\n".join(lines) + "\n" if lines else None
        code_dir = self._setup.code_dir.resolve()
        for line in lines:
            frame = FRAME.search(line)
            if frame and Path(frame[1]).is_relative_to(code_dir):
                return text, str(Path(frame[1]).relative_to(code_dir)), int(frame[2])
        return text, None, None


def environment(setup: WorkerSetup, own: Mapping[str, str]) -> dict[str, str]:
    """Return the environment variables of a worker."""
    hidden = set(setup.hidden)
    if Path(setup.python) != Path(sys.executable):
        hidden |= {"PYTHONPATH", "PYTHONHOME"}  # of this interpreter, not of the worker's
    variables = {name: value for name, value in own.items() if name not in hidden}
    variables.update(setup.environment, AZUREML_BI_OUTPUT_PATH=str(setup.output_dir.resolve()))
    if setup.model_dir is not None:
        variables["AZUREML_MODEL_DIR"] = str(setup.model_dir.resolve())
    return variables


def describe_exit(code: int | None) -> str:
    """Return how a worker process ended, in words."""
    if code is None:
        return "the worker process was killed and has not ended yet"
    if code >= 0:
        return f"the worker process ended with exit code {code}: the script, or a library of it, called exit"
    name = signal.Signals(-code).name
    reason = {"SIGKILL": "; it may have used too much memory", "SIGSEGV": "; a library crashed"}.get(name, "")
    return f"the worker process was killed by {name}{reason}"
