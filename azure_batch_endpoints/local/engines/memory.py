"""Memory: what workers hold, what a worker may hold, and whether it was the kernel that killed one for it.

Counted is what would be free again if the processes ended: memory of their own, in the machine or swapped out. Pages of
files and shared memory are not. Linux shows it in `/proc` at 30 µs a process and without a look at all others, which
is why psutil, which would do both, asks only elsewhere.
"""

from __future__ import annotations

import os
import re
import sys
import time
from collections.abc import Iterable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Protocol, TypeVar

import psutil

PAUSE = 0.1
"""Seconds between two looks at the least."""
COST = 50
"""A look is followed by a pause this many times as long: watching takes 2 % of a core at most."""
SHARE = 0.9
"""What the workers of a machine may hold of its memory if nobody says otherwise."""
OWN = re.compile(rb"^(?:RssAnon|VmSwap):\s+(\d+)", re.M)
PROPORTIONAL = re.compile(rb"^(Pss|Pss_Anon|SwapPss):\s+(\d+)", re.M)
HAS_CHILDREN = Path(f"/proc/self/task/{os.getpid()}/children").exists()


class HasWarden(Protocol):
    """A worker, as far as its memory goes."""

    pid: int
    """Of its warden; what lies below counts."""


Worker = TypeVar("Worker", bound=HasWarden)


class MemoryWatch:
    """Looks at workers from time to time, the more seldom the longer a look takes."""

    def __init__(self, limit: int | None) -> None:
        """Watch.

        Args:
            limit: bytes that a worker and what it started may hold; None: do not look.
        """
        self._limit, self._due = limit, 0.0

    def above(self, workers: Iterable[Worker]) -> Iterator[tuple[Worker, int]]:
        """Yield the workers that hold more than they may, with what they hold; nothing while no look is due."""
        began = time.monotonic()
        if self._limit is None or began < self._due:
            return
        for worker in workers:
            used = held(worker.pid, self._limit)
            if used > self._limit:
                yield worker, used
        now = time.monotonic()
        self._due = now + max(PAUSE, COST * (now - began))


def held(warden: int, enough: int) -> int:
    """Return the bytes that all processes below `warden` hold.

    Pages that processes share since a fork are counted in each until the sum is above `enough`, and then exactly: that
    takes long.
    """
    if sys.platform != "linux" or not HAS_CHILDREN:
        return _held_elsewhere(warden)
    pids = list(_below(warden))
    used = sum(_kibibytes(pid, "status", OWN) for pid in pids)
    if used > enough and len(pids) > 1:
        return sum(map(_share, pids))
    return used


def _share(pid: int) -> int:
    rollup = b""
    with suppress(OSError):
        rollup = _read(f"/proc/{pid}/smaps_rollup")
    return proportional(rollup, _kibibytes(pid, "status", OWN))


def proportional(rollup: bytes, own: int) -> int:
    """Return the bytes a process holds if of each page that it shares since a fork only its share counts.

    Args:
        rollup: its `smaps_rollup`. Before Linux 5.3 that tells of all its pages only, those of files among them.
        own: bytes of its own with all that it shares since a fork; the answer where nothing else tells.
    """
    found = {name: int(kibibytes) << 10 for name, kibibytes in PROPORTIONAL.findall(rollup)}
    swapped = found.get(b"SwapPss", 0)
    if b"Pss_Anon" in found:
        return found[b"Pss_Anon"] + swapped
    return min(found[b"Pss"] + swapped, own) if b"Pss" in found else own


def _below(pid: int) -> Iterator[int]:
    for thread in _names(f"/proc/{pid}/task"):
        with suppress(OSError):
            for child in _read(f"/proc/{pid}/task/{thread}/children").split():
                yield int(child)
                yield from _below(int(child))


def _names(folder: str) -> list[str]:
    try:
        return os.listdir(folder)  # noqa: PTH208 - four times as fast
    except OSError:  # it has ended
        return []


def _kibibytes(pid: int, file: str, lines: re.Pattern[bytes]) -> int:
    """Return the sum of some lines of a file about a process, in bytes; 0 when it has ended."""
    with suppress(OSError):
        return sum(map(int, lines.findall(_read(f"/proc/{pid}/{file}")))) << 10
    return 0


def _read(path: str) -> bytes:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        return os.read(descriptor, 1 << 16)
    finally:
        os.close(descriptor)


def _held_elsewhere(warden: int) -> int:
    used = 0
    with suppress(psutil.Error):
        for process in psutil.Process(warden).children(recursive=True):
            with suppress(psutil.Error):
                used += process.memory_full_info().uss
    return used


def fair_share(workers: int) -> int:
    """Return the bytes each of so many workers may hold if they share most of the machine, or of its control group."""
    return int(SHARE * min([psutil.virtual_memory().total, *_group_limits()])) // workers


def _group_limits() -> Iterator[int]:
    """Yield the memory limits of this process's control groups and those above them, of version 1 and 2."""
    for group in control_groups():
        for name in ("memory.max", "memory.limit_in_bytes"):
            with suppress(OSError, ValueError):  # "max": none
                yield int((group / name).read_text())


def control_groups(own: Path = Path("/proc/self/cgroup"), root: Path = Path("/sys/fs/cgroup")) -> Iterator[Path]:
    """Yield the folders of this process's control groups for memory, its own first.

    In a container `own` may name a path that only the host has; the container's own group is the root then.
    """
    with suppress(OSError):
        for line in own.read_text().splitlines():
            _, controllers, path = line.split(":", 2)
            if controllers in {"", "memory"}:
                top = root / controllers
                folder = top / path.lstrip("/")
                yield from (one for one in (folder, *folder.parents) if one.is_relative_to(top))


def kills_by_kernel() -> int | None:
    """Return how many processes the kernel has killed so far for want of memory, in this control group if it tells.

    None where nothing tells.
    """
    for group in control_groups():
        for name in ("memory.events", "memory.oom_control"):
            with suppress(OSError):
                return _count((group / name).read_bytes())
    with suppress(OSError):
        return _count(Path("/proc/vmstat").read_bytes())
    return None


def _count(text: bytes) -> int | None:
    found = re.search(rb"^oom_kill (\d+)", text, re.M)
    return int(found[1]) if found else None
