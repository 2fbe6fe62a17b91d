"""What the benchmark programs share: the machine's words, tables, the gate, memory and processor time of processes.

Memory and processor time are read from /proc: Linux only.
"""

from __future__ import annotations

import importlib.metadata
import os
import platform
import statistics
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

MIB = 1 << 20
TICKS = os.sysconf("SC_CLK_TCK")


def about(folder: Path, packages: Iterable[str] = ()) -> str:
    """Return one paragraph on the machine: what any figure depends on.

    Args:
        folder: where files are written.
        packages: whose versions to name.
    """
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / (1 << 30)
    found = ", ".join(f"{name} {version}" for name in packages if (version := version_of(name)))
    return (
        f"{os.cpu_count()} cores, {memory:.0f} GiB, {platform.system()} {platform.release()}, "
        f"Python {platform.python_version()}; a new file costs {new_file_cost(folder) * 1e6:.0f} us here; "
        f"load {load()}. Packages: {found or 'no peers'}."
    )


def load() -> str:
    """Return how busy the machine was in the last minute."""
    return f"{os.getloadavg()[0]:.2f}"


def version_of(package: str) -> str | None:
    """Return the version of a package; None when it is not installed."""
    with suppress(importlib.metadata.PackageNotFoundError):
        return importlib.metadata.version(package)
    return None


def new_file_cost(folder: Path, files: int = 200) -> float:
    """Return the seconds it takes to make a small file and to remove it: file systems differ a lot in that."""
    with tempfile.TemporaryDirectory(dir=folder) as name:
        began = time.perf_counter()
        for number in range(files):
            path = Path(name, str(number))
            path.write_bytes(b"x")
            path.unlink()
        return (time.perf_counter() - began) / files


def timed(action: Callable[[], object]) -> float:
    """Return the seconds an action takes."""
    began = time.perf_counter()
    action()
    return time.perf_counter() - began


def median(values: Sequence[float]) -> float:
    """Return the middle one; not a number when there is none."""
    return statistics.median(values) if values else float("nan")


def show(heads: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    """Print a table, the first column to the left."""
    texts = [list(heads), *([_text(cell) for cell in row] for row in rows)]
    widths = [max(map(len, column)) for column in zip(*texts, strict=True)]
    for row in texts:
        rest = (f"{cell:>{width}}" for cell, width in zip(row[1:], widths[1:], strict=True))
        print("  ".join([f"{row[0]:<{widths[0]}}", *rest]), flush=True)


def _text(cell: object) -> str:
    if isinstance(cell, float):
        return "-" if cell != cell else f"{cell:,.0f}" if abs(cell) >= 100 else f"{cell:.2f}"
    return f"{cell:,}" if isinstance(cell, int) else str(cell)


# ---------------------------------------------------------------------- the gate of `task`


@contextmanager
def gate(workers: int, *, record: bool = False) -> Iterator[Path]:
    """Give a folder at which workers wait for each other; see `task`.

    Args:
        workers: how many are waited for.
        record: whether each writes down what it finishes, and when.
    """
    with tempfile.TemporaryDirectory(prefix="abe-gate-") as name:
        folder = Path(name)
        (folder / "workers").write_text(str(workers))
        if record:
            (folder / "record").touch()
        yield folder


def opened(folder: Path) -> float:
    """Return when (`time.monotonic`) the first worker went through a gate."""
    return min(float(path.read_text()) for path in folder.glob("*.go"))


# ---------------------------------------------------------------------- processes


def family(pid: int) -> list[int]:
    """Return a process and all that descend from it."""
    children: dict[int, list[int]] = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            with suppress(OSError):
                parent = int((entry / "stat").read_text().rpartition(")")[2].split()[1])
                children.setdefault(parent, []).append(int(entry.name))
    found = [pid]
    for one in found:
        found += children.get(one, [])
    return found


def resident(pid: int) -> int:
    """Return the bytes of memory a process holds, shared ones too; 0 when it has ended."""
    with suppress(OSError, IndexError):
        return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    return 0


def proportional(pid: int) -> int:
    """Return the bytes of memory of a process, of shared ones its part; 0 when it has ended."""
    with suppress(OSError):
        for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
            if line.startswith("Pss:"):
                return int(line.split()[1]) * 1024
    return 0


def processor_seconds(pid: int) -> tuple[float, float]:
    """Return the seconds a process has computed itself, and the kernel for it."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return int(fields[11]) / TICKS, int(fields[12]) / TICKS


class Watch:
    """Looks at a process and its descendants some times a second, in a thread of its own.

    Attributes:
        peak: most bytes that the process itself held.
        children: most bytes that any one descendant held.
        total: most bytes of all together, shared ones counted once.
    """

    def __init__(self, pid: int, folder: Path | None = None, seconds: float = 0.25) -> None:
        """Begin to look.

        Args:
            pid: the process.
            folder: one whose size on the disk is looked at, too.
            seconds: between two looks.
        """
        self.peak = self.children = self.total = self.disk = 0
        self._pid, self._folder, self._seconds = pid, folder, seconds
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._look, daemon=True)
        self._thread.start()

    def __enter__(self) -> Watch:
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()

    def _look(self) -> None:
        while True:
            pids = family(self._pid)
            self.peak = max(self.peak, resident(self._pid))
            self.children = max([self.children, *map(resident, pids[1:])])
            self.total = max(self.total, sum(map(proportional, pids)))
            if self._folder is not None:
                self.disk = max(self.disk, on_disk(self._folder))
            if self._stop.wait(self._seconds):
                return


def on_disk(folder: Path) -> int:
    """Return the bytes that the files below a folder take on the disk."""
    size = 0
    for parent, _, names in os.walk(folder):
        for name in names:
            with suppress(OSError):
                size += Path(parent, name).stat().st_blocks * 512
    return size


def note(text: str) -> None:
    """Say how far a program is, apart from its results."""
    print(text, file=sys.stderr, flush=True)
