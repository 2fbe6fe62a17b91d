"""Files a second from the store to the result: a whole job of the local service beside peers at the same work.

    python -m benchmarks.end_to_end [--files 2000,10000] [--size 1024] [--mini-batch 10] [--rounds 3] [--quick]

Each file is read and gives a row (its name and the sum of its bytes); the rows end in a DataFrame. Ours: `invoke` on
blobs that are in the store, wait for Completed, `to_pandas()`: listing, staging, ledger, parts, output and all. Once
more with the upload of a local folder. The peers read the same files from a local folder and, where adlfs is installed,
from the same blob endpoint. Everybody's workers stand ready before the clock starts, but ours, which a job starts
itself. Turns are taken within a round.
"""

from __future__ import annotations

import argparse
import importlib
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import azure_batch_endpoints as abe
from benchmarks import measuring, readers, service

Way = Callable[[], float]
"""Does the work once; returns its seconds."""


def with_rows(rows: Callable[[], readers.Rows], count: int) -> float:
    """Time a peer, from its listing to a DataFrame."""
    pandas: Any = importlib.import_module("pandas")
    began = time.perf_counter()
    frame = pandas.DataFrame({"row": [row for found in rows() for row in found]})
    seconds = time.perf_counter() - began
    assert len(frame) == count, f"{len(frame)} rows for {count} files"
    return seconds


def job(endpoint: abe.BatchEndpoint, data: abe.InputLike, count: int, parts: list[tuple[float, ...]]) -> float:
    """Time a job, from `invoke` to a DataFrame; its parts go to a list."""
    began = time.perf_counter()
    made = endpoint.invoke(data)
    invoked = time.perf_counter()
    made.wait(progress=False)
    completed = time.perf_counter()
    rows = len(made.results.to_pandas(columns=["row"]))
    end = time.perf_counter()
    assert rows == count, f"{rows} rows for {count} files"
    parts.append((invoked - began, completed - invoked, end - completed))
    return end - began


@contextmanager
def ways(folder: Path, count: int, options: argparse.Namespace) -> Iterator[dict[str, Way]]:
    """Prepare files, service and peers' workers; give what is to be timed."""
    root, local = folder / "root", folder / "local"
    service.fill(root, count, options.size)
    service.write_folder(local, count, options.size)
    with ExitStack() as stack:
        client, endpoint = stack.enter_context(service.endpoint(root, options.workers, options.mini_batch))
        parts: list[tuple[float, ...]] = []
        found: dict[str, Way] = {"ours, from the store": lambda: job(endpoint, service.stored(), count, parts)}
        if not options.no_upload:
            fresh = _fresh_folders(local)
            found["ours, with the upload"] = lambda: job(endpoint, next(fresh), count, parts)
        info = client.local_service
        assert info is not None
        container = f"{service.container_of(root)}/{service.PREFIX}"
        for where, place, connection in (
            ("a local folder", str(local), None),
            ("the blob endpoint", container, info.connection_string),
        ):
            source = readers.Source(place, connection, options.workers, options.mini_batch)
            for name, reader in readers.readers(remote=connection is not None).items():
                if options.peers is None or name in options.peers:
                    found[f"{name}, from {where}"] = _peer(reader, source, count)
        yield found
        if parts:
            measuring.note(f"parts of the last job: invoke, job, DataFrame: {[round(part, 2) for part in parts[-1]]}")


def _peer(reader: readers.Reader, source: readers.Source, count: int) -> Way:
    def once() -> float:
        with reader(source) as rows:
            return with_rows(rows, count)

    return once


def _fresh_folders(local: Path) -> Iterator[Path]:
    """Yield the folder with one file changed each time, so that it has to be uploaded again."""
    number = 0
    while True:
        number += 1
        (local / service.name(0)).write_bytes(service.content(number, 64))
        yield local


def main() -> None:
    """Measure all, and report."""
    options = parsed()
    with tempfile.TemporaryDirectory(prefix="abe-bench-", dir=options.folder) as name:
        print(measuring.about(Path(name), ("ray", "distributed", "joblib", "adlfs", "pandas")))
        for count in options.files:
            folder = Path(name, str(count))
            folder.mkdir()
            seconds: dict[str, list[float]] = {}
            with ways(folder, count, options) as found:
                for number in range(options.rounds):
                    for what, way in found.items():
                        measuring.note(f"{count} files, round {number + 1} of {options.rounds}: {what}")
                        seconds.setdefault(what, []).append(way())
            report(count, seconds)
    kind = f"{options.size} bytes, {options.mini_batch} files a mini-batch, {options.workers} workers"
    print(f"Medians of {options.rounds} rounds; {kind}; load {measuring.load()}.")


def report(count: int, seconds: dict[str, list[float]]) -> None:
    """Print the medians."""
    base = measuring.median(seconds["ours, from the store"])
    rows = []
    for name, values in seconds.items():
        middle = measuring.median(values)
        rows.append([name, middle, f"{count / middle:,.0f}", middle / base])
    measuring.show([f"{count:,} files", "seconds", "files/s", "x ours"], rows)


def parsed() -> argparse.Namespace:
    """Return the options."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--files", default="2000", help="how many, separated by commas")
    parser.add_argument("--size", type=int, default=1024, help="bytes of a file")
    parser.add_argument("--mini-batch", type=int, default=10)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--peers", help="names, separated by commas; 'none'; all that are installed by default")
    parser.add_argument("--no-upload", action="store_true", help="leave out the job that uploads first")
    parser.add_argument("--folder", type=Path, help="where to work; the folder for temporary files by default")
    parser.add_argument("--quick", action="store_true", help="one round of 30 files")
    options = parser.parse_args()
    options.files = [30] if options.quick else [int(count) for count in options.files.split(",")]
    options.rounds = 1 if options.quick else options.rounds
    options.peers = options.peers.split(",") if options.peers else None
    return options


if __name__ == "__main__":
    main()
