"""One worker process, seen from the engine: starting it, talking to it, killing it, and what it left behind.

Here: descriptors, signals, bytes. Not here: which mini-batch goes where, tries, time limits.
"""

from __future__ import annotations

import contextlib
import os
import re
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from azure_batch_endpoints.instrument import DRIVER
from azure_batch_endpoints.local.engines.base import Failure, WorkerSetup
from azure_batch_endpoints.local.engines.connection import Connection
from azure_batch_endpoints.local.engines.devices import VARIABLE, free_device, take_device
from azure_batch_endpoints.local.engines.exits import describe_exit
from azure_batch_endpoints.local.engines.memory import kills_by_kernel
from azure_batch_endpoints.local.engines.strays import MARK, kill_strays
from azure_batch_endpoints.local.engines.work import Task

PROGRAM = Path(__file__).parents[1] / "worker"
WARDEN = Path(__file__).with_name("warden.py")
FRAME = re.compile(r'File "(.+)", line (\d+)')
LEAVE_SECONDS = 0.5
"""What a worker that closed its connection has to end by itself, and so to tell with which exit code."""
WARDEN_SECONDS = 7.0
"""What a warden has to kill all that its worker started."""
STACK_SECONDS = 0.05
"""What a worker that is to be killed has to write down where it is; one that is out of time, on a busy machine more."""
MOST_STACK_SECONDS = 1.0
HUNG_UP = "the worker process closed its connection to the engine; does the script close files that it did not open?"
GARBLED = (
    "the worker process sent what is no answer; does the script replace functions of the standard library, "
    "or write to files that it did not open?"
)


@dataclass(frozen=True, slots=True)
class Doom:
    """Why a worker is killed."""

    type: str
    """As of a `Failure`."""
    message: str


class Child:
    """A worker process and the mini-batches it has been given."""

    def __init__(
        self,
        name: str,
        setup: WorkerSetup,
        segment: Path,
        streams: tuple[BinaryIO, BinaryIO],
        greeting: Mapping[str, str],
    ) -> None:
        """Start the process.

        Args:
            name: the worker's name.
            setup: what it runs.
            segment: where it writes its rows.
            streams: files for its stdout and stderr.
            greeting: what the engine tells every worker besides.

        Raises:
            OSError: the interpreter or the working folder cannot be used.
        """
        self.name, self.segment = name, segment.name
        self.queue: deque[Task] = deque()
        """The first one is being scored."""
        self.ready = self.ending = self.invalid = False
        self.failure: Failure | None = None
        """Why the script could not be loaded, in the worker's words."""
        self.since = time.monotonic()
        """When the process started or, once it is ready, when it began with the first mini-batch of its queue."""
        self.memory: int | None = None
        """Bytes it held at most, as it said last."""
        self.doom: Doom | None = None
        """Set once it is to be killed, which happens at `kill_at`."""
        self.kill_at = self._told_by = float("inf")
        self.left_at: float | None = None
        """When it closed the connection; most often it is about to end."""
        self.device: str | None = None
        """The graphics processor it has for itself."""
        self.worker_pid: int | None = None
        self.printed = tuple(Path(stream.name) for stream in streams)
        """The files it prints to."""
        self._fault: str | None = None
        self._mark = segment.resolve()
        self._setup = setup
        self._kernel_kills = kills_by_kernel()
        self._ticket = 0
        self._process = self._equipped(streams)
        self.pid = self._process.pid
        """Of the process that keeps the worker: its warden."""
        self.send(self._greeting(greeting))

    def _equipped(self, streams: tuple[BinaryIO, BinaryIO]) -> subprocess.Popen[bytes]:
        """Make what the process is reached by, and start it; nothing of it stays open if that fails."""
        with contextlib.ExitStack() as own, contextlib.ExitStack() as lent:
            self._stacks, path = tempfile.mkstemp()
            own.callback(os.close, self._stacks)
            Path(path).unlink()
            self._tickets, self._tickets_in = pipe(own, own)
            os.set_blocking(self._tickets, False)
            ours, theirs = socket.socketpair()
            self.connection = Connection(own.enter_context(ours))
            lent.enter_context(theirs)
            lifeline, _ = pipe(lent, own)
            own.callback(self._free_device)
            process = self._start((theirs.fileno(), lifeline, self._stacks, self._tickets), streams)
            self._own = own.pop_all()
            return process

    def _start(self, passed: tuple[int, ...], streams: tuple[BinaryIO, BinaryIO]) -> subprocess.Popen[bytes]:
        setup = self._setup
        variables = environment(setup, os.environ)
        self.device = take_device(variables)
        if self.device is not None:
            variables[VARIABLE] = self.device
        return subprocess.Popen(  # noqa: S603 - running the deployment's interpreter is the purpose
            [setup.python, "-S", str(WARDEN), *map(str, passed), str(PROGRAM)],
            cwd=setup.cwd or setup.code_dir,
            env={**variables, MARK: str(self._mark)},
            stdin=subprocess.DEVNULL,
            stdout=streams[0],
            stderr=streams[1],
            pass_fds=passed,
            start_new_session=True,
        )

    def _greeting(self, more: Mapping[str, str]) -> dict[str, object]:
        setup = self._setup
        return {
            **more,
            "name": self.name,
            "code_dir": str(setup.code_dir.resolve()),
            "script": setup.script,
            "segment": str(self._mark) if setup.output_action == "append_row" else None,
            "logging_level": setup.logging_level,
            "arguments": ["--logging_level", setup.logging_level, *setup.arguments],
        }

    # ------------------------------------------------------------------ its life

    @property
    def is_up(self) -> bool:
        """Whether it still counts what this worker says."""
        return self.doom is None and self.left_at is None and not self.ending

    def fileno(self) -> int:
        """Return the socket, for a selector."""
        return self.connection.fileno()

    def give(self, task: Task) -> None:
        """Queue a mini-batch; `Connection.flush` sends it, together with others."""
        if not self.queue:
            self.since = time.monotonic()
        self._ticket = task.ticket = (self._ticket + 1) % 256
        self.queue.append(task)
        os.write(self._tickets_in, bytes((task.ticket,)))
        self.connection.put(
            {"op": "score", "number": task.batch.number, "files": task.batch.files, "ticket": task.ticket}
        )

    def take_back(self) -> list[Task]:
        """Return the queued mini-batches that the worker has not begun with; it will pass over them."""
        try:
            tickets = os.read(self._tickets, 256)
        except BlockingIOError:
            return []
        back = [task for task in self.queue if task.ticket in tickets]
        self.queue = deque(task for task in self.queue if task.ticket not in tickets)
        return back

    def send(self, message: Mapping[str, object]) -> None:
        """Send a message."""
        self.connection.put(message)
        self.connection.flush()

    def condemn(self, doom: Doom) -> None:
        """Let the worker write down where its threads are, and kill it then.

        It writes even while the script holds the interpreter.
        """
        now = time.monotonic()
        self.doom, self.kill_at = doom, now + STACK_SECONDS
        self._told_by = now + (MOST_STACK_SECONDS if doom.type == "Timeout" else 0.0)  # memory grows while we wait
        self._signal(signal.SIGUSR2)

    def kill_when_told(self, now: float) -> None:
        """Kill a condemned worker; one that has not written down where it is gets a little more time for it."""
        if now >= self._told_by or os.fstat(self._stacks).st_size:
            self.kill()
        else:
            self.kill_at = now + STACK_SECONDS

    def kill(self) -> None:
        """Kill the worker and all that it has started."""
        if not self.ending:
            self.ending = True
            self.kill_at = time.monotonic() + WARDEN_SECONDS
            self._signal(signal.SIGTERM)
            self._kill_group()

    def expel(self, fault: str) -> None:
        """Kill the process because it broke the rules of the connection."""
        self._fault = fault
        self.kill()

    def hurry(self, now: float) -> None:
        """Kill a process that closed its connection and does not end, and a warden that does not."""
        if self.ending and now >= self.kill_at:
            self._signal(signal.SIGKILL)
        elif self.left_at is not None and now >= self.left_at + LEAVE_SECONDS and not self.ending:
            self.expel(HUNG_UP)

    def gone(self) -> bool:
        """Whether the process has ended, and with it what it had started."""
        return self._process.poll() is not None

    def wait(self, seconds: float) -> None:
        """Wait for the end of a killed process."""
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(seconds)

    def close(self) -> None:
        """Close all descriptors, and give back what the worker had for itself.

        After a worker that was killed its warden may have been, too: what it was to kill is looked for.
        """
        if self._process.poll() != 0:
            self._signal(signal.SIGKILL)
            self._kill_group()
            kill_strays(self._mark)
        self._own.close()

    def _free_device(self) -> None:
        if self.device is not None:
            free_device(self.device)

    def _signal(self, number: int) -> None:
        self._process.send_signal(number)  # does nothing when it has ended

    def _kill_group(self) -> None:
        if self.worker_pid is not None:
            with contextlib.suppress(ProcessLookupError, PermissionError):  # macOS says EPERM of a group of zombies
                os.killpg(self.worker_pid, signal.SIGKILL)

    # ------------------------------------------------------------------ what its end tells

    def cause(self) -> Failure:
        """Return why the process ended, with where the script was."""
        if self.failure is not None:
            return self.failure
        stacks, file, line = self._last_stacks()
        if self.doom is not None:
            return Failure(self.doom.type, self.doom.message, stacks, file, line)
        message = self._fault or describe_exit(self._process.returncode, self._kernel_kills, kills_by_kernel())
        return Failure("WorkerDied", message, stacks, file, line)

    def killed_from_outside(self) -> bool:
        """Whether somebody sent SIGKILL: neither the engine nor, as far as is known, the kernel for want of memory."""
        ours = self.doom is not None or self.failure is not None or self._fault is not None
        return not ours and self._process.returncode == -signal.SIGKILL and kills_by_kernel() == self._kernel_kills

    def _last_stacks(self) -> tuple[str | None, str | None, int | None]:
        data = os.pread(self._stacks, 1 << 16, 0).decode("utf-8", "replace")
        ours = (f'"{PROGRAM}{os.sep}', f'{DRIVER}"')
        lines = [line for line in data.splitlines() if not any(one in line for one in ours)]
        text = "\n".join(lines) + "\n" if lines else None
        code_dir = self._setup.code_dir.resolve()
        for line in lines:
            frame = FRAME.search(line)
            if frame and Path(frame[1]).is_relative_to(code_dir):
                return text, str(Path(frame[1]).relative_to(code_dir)), int(frame[2])
        return text, None, None


def pipe(reading: contextlib.ExitStack, writing: contextlib.ExitStack) -> tuple[int, int]:
    """Return both ends of a pipe, that to read from first; each is closed with a stack."""
    ends = os.pipe()
    reading.callback(os.close, ends[0])
    writing.callback(os.close, ends[1])
    return ends


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
