"""Memory, disk and time over many files: a job of the local service beside peers at the same work.

    python -m benchmarks.scale [--files 10000,100000,1000000] [--mini-batch 100] [--limit 900] [--quick]

Blobs are put straight into the store before the service starts; the peers read the store's own content files, which
are plain files, and write their rows to a file as they come. Each runs in a process of its own that is watched with its
descendants four times a second: the most memory of that process (ours: the service), of any one descendant (a worker),
of all together with shared memory counted once, and, of ours, the disk that staged files took. A peer that is not done
after the limit is ended, and said to be so.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import azure_batch_endpoints as abe
from benchmarks import measuring, readers, service

HEADS = ["", "seconds", "files/s", "first row s", "process MiB", "a worker MiB", "all MiB", "staged MiB"]


def job(folder: Path, count: int, options: argparse.Namespace) -> list[object]:
    """Run a job of the local service over all blobs of a root folder."""
    root = folder / "root"
    with service.endpoint(root, options.workers, options.mini_batch) as (client, endpoint):
        info = client.local_service
        assert info is not None
        before = measuring.resident(info.pid) / measuring.MIB
        made = endpoint.invoke(service.stored())
        began = time.perf_counter()
        inputs = root / "jobs" / made.name / "inputs"
        with measuring.Watch(info.pid, inputs) as seen:
            first = _first_row(made, began)
            made.wait(timeout=options.limit, progress=False)
            seconds = time.perf_counter() - began
        progress = made.refresh().progress
        assert progress is not None
        assert (progress.items_done, progress.items_failed) == (count, 0), progress
    measuring.note(f"the service held {before:.0f} MiB before the job")
    return ["ours", seconds, f"{count / seconds:,.0f}", first, *_mib(seen), f"{seen.disk / measuring.MIB:.1f}"]


def _first_row(job: abe.Job, began: float) -> float:
    """Wait until something is scored; return the seconds that took."""
    while not job.status.is_terminal:
        if job.progress is not None and job.progress.items_done:
            break
        time.sleep(0.05)
        job.refresh()
    return time.perf_counter() - began


def peer(name: str, contents: Path, count: int, options: argparse.Namespace) -> list[object]:
    """Run a peer in a process of its own."""
    given = [f"--alone={name}", f"--contents={contents}", f"--mini-batch={options.mini_batch}"]
    command = [sys.executable, "-m", "benchmarks.scale", *given, f"--workers={options.workers}"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as process:
        try:
            with measuring.Watch(process.pid) as seen:
                text, _ = process.communicate(timeout=options.limit + 60)
        except subprocess.TimeoutExpired:
            _end(process)
            return [name, f"not in {options.limit:.0f}", "-", "-", *_mib(seen), "-"]
    try:
        found = json.loads(text.splitlines()[-1])
    except (IndexError, ValueError):
        return [name, f"failed ({process.returncode})", "-", "-", *_mib(seen), "-"]
    assert found["rows"] == count, found
    return [name, found["seconds"], f"{count / found['seconds']:,.0f}", found["first"], *_mib(seen), "-"]


def alone(options: argparse.Namespace) -> None:
    """Be the process of a peer: read all files, write the rows, tell how it went."""
    reader = readers.readers()[options.alone]
    source = readers.Source(str(options.contents), None, options.workers, options.mini_batch)
    with reader(source) as rows, tempfile.TemporaryFile("w") as output:
        began = time.perf_counter()
        first, count = 0.0, 0
        for found in rows():
            first = first or time.perf_counter() - began
            output.writelines(f"{row}\n" for row in found)
            count += len(found)
        seconds = time.perf_counter() - began
    print(json.dumps({"seconds": seconds, "first": first, "rows": count}), flush=True)


def _mib(seen: measuring.Watch) -> list[str]:
    return [f"{size / measuring.MIB:.0f}" for size in (seen.peak, seen.children, seen.total)]


def _end(process: subprocess.Popen[str]) -> None:
    """End a peer and all that it started."""
    for pid in reversed(measuring.family(process.pid)):
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    process.wait()


def main() -> None:
    """Measure all, and report."""
    options = parsed()
    if options.alone:
        alone(options)
        return
    names = [name for name in readers.readers() if options.peers is None or name in options.peers]
    with tempfile.TemporaryDirectory(prefix="abe-bench-", dir=options.folder) as text:
        print(measuring.about(Path(text), ("ray", "distributed", "joblib")))
        for count in options.files:
            folder = Path(text, str(count))
            began = time.perf_counter()
            contents = service.fill(folder / "root", count, options.size)
            measuring.note(f"{count:,} blobs put in {time.perf_counter() - began:.1f} s")
            rows = []
            for name in names:
                measuring.note(f"{count:,} files: {name}")
                rows.append(peer(name, contents, count, options))
            measuring.note(f"{count:,} files: ours")
            rows.insert(0, job(folder, count, options))
            measuring.show([f"{count:,} files", *HEADS[1:]], rows)
            shutil.rmtree(folder)
    print(f"{options.size} bytes, {options.mini_batch} files a mini-batch; load {measuring.load()}.")


def parsed() -> argparse.Namespace:
    """Return the options."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--files", default="10000", help="how many, separated by commas")
    parser.add_argument("--size", type=int, default=100, help="bytes of a file")
    parser.add_argument("--mini-batch", type=int, default=100)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--limit", type=float, default=900.0, help="seconds that one of them may take")
    parser.add_argument("--peers", help="names, separated by commas; 'none'; all that are installed by default")
    parser.add_argument("--folder", type=Path, help="where to work; the folder for temporary files by default")
    parser.add_argument("--quick", action="store_true", help="100 files")
    parser.add_argument("--alone", help=argparse.SUPPRESS)
    parser.add_argument("--contents", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    options.files = [100] if options.quick else [int(count) for count in options.files.split(",")]
    options.peers = options.peers.split(",") if options.peers else None
    return options


if __name__ == "__main__":
    main()
