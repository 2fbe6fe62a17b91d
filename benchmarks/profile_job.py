"""Where the time of a job goes: seconds of processor time a file and a mini-batch, and shares by part of the service.

    python -m benchmarks.profile_job [--files 10000] [--mini-batches 1,10,100] [--no-samples] [--quick]

A job reads small files from the store (`benchmarks.service`). First undisturbed: what the service and its workers
computed, themselves and in the kernel. From jobs with mini-batches of different sizes follows what a file and what a
mini-batch costs. Then once more under py-spy (`pip install py-spy`; left out where it is not installed), which looks
at the service without stopping it; a sample counts for the part of the service whose function is deepest in it.
"""

from __future__ import annotations

import argparse
import collections
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

import azure_batch_endpoints as abe
from benchmarks import measuring, service

PARTS = (
    ("staging: looking blobs up", r"blobstore/(store|index|pages|conditions|encoding)\.py"),
    ("staging: copying", r"local/buckets\.py"),
    ("staging: the rest", r"local/(staging|paths)\.py"),
    ("listing and plan", r"local/(listing|intake|plan)\.py"),
    ("engine", r"local/engines/"),
    ("ledger", r"local/ledger"),
    ("parts: sync and join", r"local/writer\.py"),
    ("logs", r"local/logfiles\.py"),
    ("store's own upkeep", r"blobstore/(upkeep|commits|files|changes)\.py"),
    ("the rest of the job", r"local/(scoring|runner|finishing|jobrun|outputs|preparing|control|scheduler)\.py"),
    (
        "HTTP and state",
        r"local/(state|app|server|handlers|job_rows|auth|exchange|context)|uvicorn|starlette|blobstore/",
    ),
)
"""Part of the service -> what the file of its functions is like; the first that fits counts."""
_WAITING = re.compile(
    r"^(wait|_worker|select|get|acquire|result|_recv|join|run_forever) \((threading|selectors|queue|con)"
)
_FRAME = re.compile(r"^(.*) \((.*?)(?::\d+)?\)$")


@dataclass(frozen=True)
class Cost:
    """Seconds of one job."""

    size: int
    batches: int
    wall: float
    service: float
    kernel: float
    """The kernel's for the service."""
    workers: float


def computed(pid: int) -> tuple[float, float, float]:
    """Return seconds of a process, of the kernel for it, and of its children that have ended."""
    own, kernel = measuring.processor_seconds(pid)
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return own, kernel, (int(fields[13]) + int(fields[14])) / measuring.TICKS


def run(endpoint: abe.BatchEndpoint) -> float:
    """Run a job; return its seconds."""
    began = time.perf_counter()
    service.seconds_of(endpoint.invoke(service.stored()))
    return time.perf_counter() - began


def cost(root: Path, size: int, options: argparse.Namespace, samples: Path | None) -> Cost:
    """Run a job undisturbed, then one with samples taken."""
    service.fill(root, options.files, options.size)
    with service.endpoint(root, options.workers, size) as (client, endpoint):
        assert client.local_service is not None
        pid = client.local_service.pid
        time.sleep(options.settle)  # the store brings to the disk what was put
        before = computed(pid)
        wall = run(endpoint)
        after = computed(pid)
        if samples is not None:
            _sample(pid, endpoint, samples)
    own, kernel, workers = (end - start for start, end in zip(before, after, strict=True))
    return Cost(size, -(-options.files // size), wall, own, kernel, workers)


def _sample(pid: int, endpoint: abe.BatchEndpoint, samples: Path) -> None:
    program = _py_spy()
    assert program is not None
    given = [
        "--pid",
        str(pid),
        "--format",
        "raw",
        "--rate",
        "200",
        "--nonblocking",
        "--threads",
        "--output",
        str(samples),
    ]
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    with subprocess.Popen([program, "record", *given], **quiet) as spy:  # type: ignore[call-overload] # two streams
        time.sleep(1)
        run(endpoint)
        spy.send_signal(signal.SIGINT)


def shares(samples: Path) -> dict[str, float]:
    """Return the share of each part of the service in samples that py-spy took."""
    counts: collections.Counter[str] = collections.Counter()
    for line in samples.read_text().splitlines():
        stack, _, number = line.rpartition(" ")
        frames = stack.split(";")
        if not _WAITING.match(frames[-1]):
            counts[_part(frames)] += int(number)
    total = sum(counts.values()) or 1
    return {part: count / total for part, count in counts.most_common()}


def _part(frames: list[str]) -> str:
    for frame in reversed(frames):
        found = _FRAME.match(frame)
        for part, pattern in PARTS if found else ():
            if found and re.search(pattern, found[2]):
                return part
    return "Python itself"


def _py_spy() -> str | None:
    beside = Path(sys.executable).with_name("py-spy")
    return str(beside) if beside.exists() else shutil.which("py-spy")


def report(costs: list[Cost], files: int) -> None:
    """Print what the jobs cost, and what follows for a file and a mini-batch."""
    heads = ["files a mini-batch", "seconds", "files/s", "service us/file", "its kernel us/file", "workers us/file"]
    rows = [
        [
            f"{one.size:,}",
            f"{one.wall:.2f}",
            f"{files / one.wall:,.0f}",
            *(f"{seconds / files * 1e6:.0f}" for seconds in (one.service, one.kernel, one.workers)),
        ]
        for one in costs
    ]
    measuring.show(heads, rows)
    few, many = min(costs, key=lambda one: one.batches), max(costs, key=lambda one: one.batches)
    if few.batches == many.batches or files < 1000:  # what starts and ends a job would hide the rest
        return
    for what, seconds in (
        ("wall", (few.wall, many.wall)),
        ("service and its kernel", (few.service + few.kernel, many.service + many.kernel)),
        ("workers", (few.workers, many.workers)),
    ):
        batch = (seconds[1] - seconds[0]) / (many.batches - few.batches)
        file = (seconds[0] - batch * few.batches) / files
        print(f"{what}: {file * 1e6:.0f} us a file and {batch * 1e6:.0f} us a mini-batch")


def parsed() -> argparse.Namespace:
    """Return the options."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--files", type=int, default=10_000)
    parser.add_argument("--size", type=int, default=1024, help="bytes of a file")
    parser.add_argument("--mini-batches", default="1,10,100", help="files in a mini-batch, separated by commas")
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--settle", type=float, default=5.0, help="seconds between filling the store and the job")
    parser.add_argument("--no-samples", action="store_true", help="without py-spy")
    parser.add_argument("--folder", type=Path, help="where to work; the folder for temporary files by default")
    parser.add_argument("--quick", action="store_true", help="30 files, 10 to a mini-batch")
    options = parser.parse_args()
    if options.quick:
        options.files, options.mini_batches, options.settle = 30, "10", 0.0
    options.sizes = [int(size) for size in options.mini_batches.split(",")]
    return options


def main() -> None:
    """Measure all, and report."""
    options = parsed()
    spied = not options.no_samples and _py_spy() is not None
    with tempfile.TemporaryDirectory(prefix="abe-bench-", dir=options.folder) as name:
        print(measuring.about(Path(name), ("py-spy",)))
        costs, found = [], {}
        for size in options.sizes:
            measuring.note(f"{options.files:,} files, {size} to a mini-batch")
            samples = Path(name, f"{size}.samples") if spied else None
            costs.append(cost(Path(name, str(size), "root"), size, options, samples))
            if samples is not None:
                found[size] = shares(samples)
    report(costs, options.files)
    for size, parts in found.items():
        rows = [[part, f"{100 * share:.1f}"] for part, share in parts.items()]
        measuring.show([f"{size} to a mini-batch: part of the service", "% of its samples"], rows)
    if not spied:
        print("No samples: py-spy is not installed or not wanted.")
    print(f"{options.size} bytes, {options.workers} workers; load {measuring.load()}.")


if __name__ == "__main__":
    main()
