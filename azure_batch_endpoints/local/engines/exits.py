"""How a worker process ended, in words that say what to do."""

from __future__ import annotations

import signal

NOT_BY_KERNEL = "; by the script itself or from outside, not by the kernel for want of memory"
BY_KERNEL = (
    "the worker process was killed by the kernel (SIGKILL) because the machine, or the control group of the service,"
    " was out of memory. Lower mini_batch_size or max_concurrency_per_instance, or lower worker_memory of the local"
    " service so that the script's line is told"
)


def describe_exit(code: int | None, kernel_kills_before: int | None, kernel_kills: int | None) -> str:
    """Return how a worker process ended, in words.

    Args:
        code: as `Popen.returncode`.
        kernel_kills_before: processes killed by the kernel for want of memory when the worker started; None: unknown.
        kernel_kills: and now.
    """
    if code is None:
        return "the worker process was killed and has not ended yet"
    if code >= 0:
        return f"the worker process ended with exit code {code}: the script, or a library of it, called exit"
    name = signal_name(-code)
    reason = "; a library crashed" if name == "SIGSEGV" else ""
    if name == "SIGKILL":
        if kernel_kills is None or kernel_kills_before is None:
            reason = "; it may have used too much memory"
        elif kernel_kills > kernel_kills_before:
            return BY_KERNEL
        else:
            reason = NOT_BY_KERNEL
    return f"the worker process was killed by {name}{reason}"


def signal_name(number: int) -> str:
    """Return what a signal is called; of most real-time signals only the number is known."""
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"
