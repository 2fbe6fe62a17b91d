"""A worker's process from its start to its end: what it inherits, what it is told, and that it dies with the engine."""

from __future__ import annotations

import faulthandler
import fcntl
import logging
import os
import select
import signal
import sys
import threading
import time
from pathlib import Path

from .channel import Channel, keep_to_this_process
from .script import Worker
from .streams import redirect

HELPER = str(Path(__file__).with_name("entry_script"))
"""The folder of `azureml_user`, for interpreters that have none."""
LOG_FOLDER = "AZURE_BATCH_ENDPOINTS_LOG_FOLDER"
"""Environment variables that tell `EntryScript` where it logs to, as whom and what; child processes have them, too."""
AGENT = "AZURE_BATCH_ENDPOINTS_AGENT"
LEVEL = "AZURE_BATCH_ENDPOINTS_LOGGING_LEVEL"
FORM = "%(asctime)s %(levelname)s %(name)s: %(message)s"


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


def utc(form: str) -> logging.Formatter:
    """Return a formatter that tells the time as the service's own logs do."""
    formatter = logging.Formatter(form)
    formatter.converter = time.gmtime
    return formatter


def main() -> None:
    """Run a worker until the engine stops it or goes away."""
    channel, lifeline, stacks, tickets = (int(argument) for argument in sys.argv[1:5])
    die_with_engine(lifeline)
    keep_to_this_process(stacks)
    faulthandler.enable(file=stacks)
    faulthandler.register(signal.SIGUSR2, file=stacks)  # the engine asks where a script hangs before it kills it
    redirect()
    talk = Channel(channel, tickets)
    start = talk.receive()
    if start is None:
        return
    sys.argv[:] = [str(Path(start["code_dir"], start["script"])), *start["arguments"]]
    handler = logging.StreamHandler(sys.stdout)
    handler.setFormatter(utc(FORM))
    logging.basicConfig(handlers=[handler], level=start["logging_level"].upper())
    if start.get("log_folder"):
        folder = Path(start["log_folder"], "entry_script_log", start.get("node", "node0"))
        os.environ.update({LOG_FOLDER: str(folder), AGENT: start["name"], LEVEL: start["logging_level"]})
    sys.path.append(HELPER)
    worker = Worker(talk, start)
    if worker.prepare():
        worker.serve()
