"""Who disturbs the chaos run: kills and stops processes of a service, at random moments."""

from __future__ import annotations

import collections
import contextlib
import json
import os
import random
import signal
import threading
from collections.abc import Callable
from pathlib import Path


class Disturber(threading.Thread):
    """Kills and stops processes of the service of a root folder at random moments until it is told to rest."""

    def __init__(self, root: Path, rng: random.Random, *, every: tuple[float, float], most: int) -> None:
        super().__init__(name="disturber", daemon=True)
        self.done: collections.Counter[str] = collections.Counter()
        self._root, self._rng, self._every, self._most = root, rng, every, most
        self._rest = threading.Event()

    def rest(self) -> None:
        """Disturb no more."""
        self._rest.set()
        self.join()

    def run(self) -> None:
        """Disturb."""
        actions: list[Callable[[int], str | None]] = [
            self._kill_worker,
            self._kill_worker,
            self._kill_all_workers,
            self._kill_service,
            self._kill_service,
            self._pause_worker,
            self._pause_service,
        ]
        while self.done.total() < self._most and not self._rest.wait(self._rng.uniform(*self._every)):
            action, service = self._rng.choice(actions), service_pid(self._root)
            if service is not None and (what := action(service)):
                self.done[what] += 1

    def _kill_worker(self, service: int) -> str | None:
        workers = workers_of(service)
        return "a worker" if workers and _signal(self._rng.choice(workers), signal.SIGKILL) else None

    def _kill_all_workers(self, service: int) -> str | None:
        return "all workers" if [pid for pid in workers_of(service) if _signal(pid, signal.SIGKILL)] else None

    def _kill_service(self, service: int) -> str | None:
        return "the service" if _signal(service, signal.SIGKILL) else None

    def _pause_worker(self, service: int) -> str | None:
        workers = workers_of(service)
        return self._pause(self._rng.choice(workers), "pause a worker") if workers else None

    def _pause_service(self, service: int) -> str | None:
        return self._pause(service, "pause the service")

    def _pause(self, pid: int, what: str) -> str | None:
        if not _signal(pid, signal.SIGSTOP):
            return None
        self._rest.wait(self._rng.uniform(0.05, 1.0))
        _signal(pid, signal.SIGCONT)
        return what


def service_pid(root: Path) -> int | None:
    """The service's process id, None while there is none."""
    with contextlib.suppress(OSError, ValueError):
        return int(json.loads((root / "service.json").read_text(encoding="utf-8"))["pid"])
    return None


def workers_of(service: int) -> list[int]:
    """The processes below a service's own: workers, those that keep them, and what scripts started."""
    parents = {}
    for stat in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):
            fields = stat.read_text(encoding="utf-8", errors="replace").rpartition(")")[2].split()
            if fields[0] != "Z" and b"worker" in (stat.parent / "cmdline").read_bytes():
                parents[int(stat.parent.name)] = int(fields[1])
    found = {service}
    while more := {pid for pid, parent in parents.items() if parent in found} - found:
        found |= more
    return sorted(found - {service})


def left_behind(root: Path) -> list[str]:
    """Processes that have to do with a root folder: by their command or their variables."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            said = (process / "cmdline").read_bytes() + (process / "environ").read_bytes()
            running = (process / "stat").read_text(encoding="utf-8").rpartition(")")[2].split()[0] != "Z"
            if os.fsencode(root) in said and running and int(process.name) != os.getpid():
                found.append(f"{process.name}: {said.replace(bytes(1), b' ')[:200].decode(errors='replace')}")
    return found


def _signal(pid: int, number: signal.Signals) -> bool:
    try:
        os.kill(pid, number)
    except ProcessLookupError:
        return False
    return True
