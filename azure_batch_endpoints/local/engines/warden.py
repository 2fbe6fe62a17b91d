"""The program that keeps one worker: starts it, ends with it, and kills whatever the script left behind.

Run as `python warden.py <socket> <lifeline> <stacks> <tickets> <program>` (descriptors) by the worker's interpreter:
standard library only, as Python 3.7 knows it. The worker is its child, in a session of its own. On Linux every process
that the script starts stays below this one whatever it does (daemons, sessions, an emptied environment): the kernel
gives orphans to the nearest ancestor that asked for them. When the worker ends, or the engine asks (SIGTERM) or goes
away (the end of the lifeline), all of them are killed, and this program ends as the worker did.
"""

import os
import select
import signal
import sys
import time

SWEEP_SECONDS = 5.0
"""Time for killed processes to go; one that the kernel holds is left."""
SACRIFICE = b"500"
"""Out of memory, the kernel takes a worker before all but a process that holds half of the machine."""
PR_SET_CHILD_SUBREAPER = 36


def main() -> None:
    """Keep one worker until its end."""
    channel, lifeline, stacks, tickets = (int(argument) for argument in sys.argv[1:5])
    bell, waker = os.pipe()
    os.set_blocking(waker, False)
    signal.set_wakeup_fd(waker, warn_on_full_buffer=False)
    for number in (signal.SIGCHLD, signal.SIGTERM, signal.SIGUSR2):
        signal.signal(number, lambda *_: None)
    beneath, _held = os.pipe()  # the worker's lifeline: its other end closes with this process
    worker = os.fork()
    if not worker:
        os.close(lifeline)  # nothing that the script starts shall have it
        become_worker([channel, beneath, stacks, tickets], sys.argv[5])
    for descriptor in (channel, stacks, tickets, beneath, 0, 1, 2):
        os.close(descriptor)
    adopt_orphans()
    status = watch(worker, lifeline, bell)
    sweep(worker)
    end_as(status)


def become_worker(passed: "list[int]", program: str) -> None:
    """Start the worker's program in this process."""
    os.setsid()
    try:
        adjustment = os.open("/proc/self/oom_score_adj", os.O_WRONLY)
        os.write(adjustment, SACRIFICE)
        os.close(adjustment)
    except OSError:  # not Linux
        pass
    message = b'{"op": "born", "pid": %d}' % os.getpid()
    os.write(passed[0], len(message).to_bytes(4, "big") + message)
    for descriptor in passed:
        os.set_inheritable(descriptor, True)  # noqa: FBT003 - takes no keyword
    os.execv(sys.executable, [sys.executable, program, *map(str, passed)])  # noqa: S606 - no shell is wanted


def adopt_orphans() -> None:
    """Ask the kernel for the orphans of what the script starts; elsewhere than on Linux they cannot be had."""
    if sys.platform == "linux":
        try:
            import ctypes  # after the fork: the worker starts meanwhile

            ctypes.CDLL(None).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
        except (ImportError, OSError, AttributeError):
            pass


def watch(worker: int, lifeline: int, bell: int) -> int:
    """Wait until the worker ends or is to be killed; return its status, as of a killed one then."""
    while True:
        status = reaped(worker)
        if status is not None:
            return status
        readable = select.select([lifeline, bell], [], [])[0]
        numbers = os.read(bell, 4096) if bell in readable else b""
        if lifeline in readable or signal.SIGTERM in numbers:
            return signal.SIGKILL
        if signal.SIGUSR2 in numbers:
            kill(worker, signal.SIGUSR2)


def reaped(worker: int) -> "int | None":
    """Take note of all children that have ended; return the worker's status if it is among them."""
    status = None
    try:
        while True:
            pid, ended = os.waitpid(-1, os.WNOHANG)
            if pid == worker:
                status = ended
            if not pid:
                return status
    except ChildProcessError:
        return status


def sweep(worker: int) -> None:
    """Kill everything below this process; the children of what was killed come here, and are next."""
    until = time.monotonic() + SWEEP_SECONDS
    kill(-worker)
    while has_children() and time.monotonic() < until:
        kill(-worker)
        for pid in children():
            kill(pid)
        time.sleep(0.001)


def has_children() -> bool:
    """Take note of children that have ended; return whether others are left."""
    try:
        while os.waitpid(-1, os.WNOHANG)[0]:
            pass
    except ChildProcessError:
        return False
    return True


def children() -> "list[int]":
    """Return the processes whose parent is this one; none where `/proc` does not show them."""
    own, found = str(os.getpid()).encode(), []
    for name in os.listdir("/proc") if sys.platform == "linux" else ():  # noqa: PTH208 - pathlib costs a start 5 ms
        if name.isdigit():
            try:
                file = os.open("/proc/" + name + "/stat", os.O_RDONLY)
            except OSError:  # it has ended
                continue
            fields = os.read(file, 4096).rpartition(b") ")[2].split()
            os.close(file)
            if fields[1:2] == [own]:
                found.append(int(name))
    return found


def kill(process: int, number: int = signal.SIGKILL) -> None:
    """Send a signal to a process, or with a minus sign a group, that may have ended."""
    try:  # noqa: SIM105 - contextlib costs a start 3 ms
        os.kill(process, number)
    except (ProcessLookupError, PermissionError):  # macOS says EPERM of a group of zombies
        pass


def end_as(status: int) -> None:
    """End this process in the way that a status tells."""
    if os.WIFSIGNALED(status):
        number = os.WTERMSIG(status)
        if number != signal.SIGKILL:
            import resource

            resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
            signal.signal(number, signal.SIG_DFL)
        os.kill(os.getpid(), number)
    os._exit(os.WEXITSTATUS(status))


if __name__ == "__main__":
    main()
