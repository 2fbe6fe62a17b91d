"""What a job's node and workers use of memory, processor and disk, looked at now and then.

As on Azure: every ten minutes, and sooner at first. A look costs some milliseconds and a few hundred bytes.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import time
from collections.abc import Mapping
from contextlib import suppress
from datetime import datetime
from pathlib import Path

from azure_batch_endpoints.local.log_file import LogFile

PAUSES = (0.0, 1.0, 10.0, 60.0, 600.0)
"""Seconds before the first look, the second, …; the last one again and again."""
MOST_LISTS = 1000
"""Lists of processes that are kept: those of a week."""
LIST = ("ps", "-axo", "pid,ppid,pcpu,rss,etime,comm")
"""Without arguments: other programs' may hold secrets."""
LIST_SECONDS = 5
NODE = "time,load_1min,load_5min,memory_total_bytes,memory_available_bytes\n"
DISK = "time,path,total_bytes,used_bytes,free_bytes\n"
PROCESSES = "time,process,pid,cpu_seconds,resident_bytes,threads\n"


class PerfLog:
    """The files below `logs/perf/<node>/`."""

    def __init__(self, folder: Path) -> None:
        """Nothing is written before the first look.

        Args:
            folder: `logs/perf/<node>`.
        """
        self._folder = folder
        self._looks = 0
        self._next = time.monotonic() + PAUSES[0]

    def look(self, now: datetime, workers: Mapping[str, int]) -> None:
        """Look, if it is time to.

        Args:
            now: what the lines say.
            workers: process ids by name.
        """
        if not workers or time.monotonic() < self._next:
            return
        self._looks += 1
        self._next = time.monotonic() + PAUSES[min(self._looks, len(PAUSES) - 1)]
        with suppress(OSError, ValueError, LookupError):  # nothing here is worth a job
            self._write(now, workers)

    def _write(self, now: datetime, workers: Mapping[str, int]) -> None:
        stamp = now.isoformat(timespec="seconds").replace("+00:00", "Z")
        self._add("node_resource_usage.csv", NODE, f"{stamp},{_node()}\n")
        self._add("node_disk_usage.csv", DISK, f"{stamp},{_disk(self._folder)}\n")
        lines = (f"{stamp},{name},{pid},{_process(pid)}\n" for name, pid in sorted(workers.items()))
        self._add("processes_resource_usage.csv", PROCESSES, "".join(lines))
        if self._looks <= MOST_LISTS:
            self._list(now)

    def _add(self, name: str, head: str, lines: str) -> None:
        path = self._folder / name
        file = LogFile(path)
        file.add(lines if path.exists() else head + lines)
        file.close()

    def _list(self, now: datetime) -> None:
        with suppress(OSError, subprocess.SubprocessError):  # no such program, or no room
            listed = subprocess.run(LIST, capture_output=True, timeout=LIST_SECONDS, check=False).stdout  # noqa: S603 - constant
            path = self._folder / "os" / f"{now:%Y%m%d%H}" / f"processes_{now:%M}"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(listed)


def _node() -> str:
    one, five, _ = os.getloadavg()
    total = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    return f"{one:.2f},{five:.2f},{total},{_fields(Path('/proc/meminfo')).get('MemAvailable', '')}"


def _disk(folder: Path) -> str:
    there = next(path for path in (folder, *folder.parents) if path.exists())
    usage = shutil.disk_usage(there)
    return f'"{folder.parents[3]}",{usage.total},{usage.used},{usage.free}'


def _process(pid: int) -> str:
    """Return processor seconds, resident bytes and threads; nothing where `/proc` does not tell them."""
    try:
        times = Path(f"/proc/{pid}/stat").read_text().rpartition(") ")[2].split()
    except OSError:
        return ",,"
    seconds = (int(times[11]) + int(times[12])) / os.sysconf("SC_CLK_TCK")
    status = _fields(Path(f"/proc/{pid}/status"))
    return f"{seconds:.2f},{status.get('VmRSS', '')},{status.get('Threads', '')}"


def _fields(path: Path) -> dict[str, int]:
    """Return what a file of `/proc` counts, in bytes where it says kB."""
    try:
        lines = path.read_text(errors="replace").splitlines()
    except OSError:
        return {}
    pairs = (line.partition(":")[::2] for line in lines)
    words = ((name, value.split()) for name, value in pairs)
    counted = ((name, value) for name, value in words if value and value[0].isdigit())
    return {name: int(value[0]) * (1024 if value[1:] == ["kB"] else 1) for name, value in counted}
