"""A large result into a DataFrame: ours beside azure-storage-blob with pandas, and azure-ai-ml with pandas.

    python -m benchmarks.results [--mib 1024] [--rounds 3] [--peers azure-storage-blob,azure-ai-ml]

A job of the local service scores one file; then its merged file is replaced by a large one of the same form (a text, a
whole number, two floats, a truth value a row). Every run is a process of its own and reads it from the
embedded store; imports and finding the job are left out of the time, and the readers take turns within each round.

- ours: `job.results.to_pandas()` and `to_arrow()`: the names and types that the script returned.
- azure-storage-blob: `download_blob(max_concurrency=4).readall()`, then `pandas.read_csv(sep=" ", header=None)`.
- azure-ai-ml: `jobs.download()` to a folder, then the same `read_csv`.
"""

from __future__ import annotations

import argparse
import importlib.util
import io
import json
import resource
import subprocess
import sys
import tempfile
import textwrap
from collections.abc import Callable
from pathlib import Path
from typing import Any

from azure_batch_endpoints import BatchClient, DeploymentSpec
from benchmarks import measuring
from benchmarks.measuring import MIB, median, note, show

OURS = ("ours, to_pandas", "ours, to_arrow")
PEERS = {"azure-storage-blob": "azure.storage.blob", "azure-ai-ml": "azure.ai.ml"}
"""Peer, and the module that it needs."""
NAME = "predictions.csv"
SCRIPT = """
    import numpy as np
    import pandas as pd

    def init():
        pass

    def run(mini_batch):
        rows, dice = 20000, np.random.default_rng(7)
        return pd.DataFrame({
            "file": [f"image_{number:07}.png" for number in range(rows)],
            "class": dice.integers(0, 1000, rows),
            "score": dice.random(rows),
            "margin": dice.random(rows).astype("float32"),
            "sure": dice.random(rows) > 0.5,
        })
"""


# ---------------------------------------------------------------------- one run, in a process of its own


def run_one(reader: str, root: str, job: str) -> None:
    """Read the rows once, and print seconds, peak memory above that before, and the number of rows."""
    import azure.storage.blob  # noqa: F401 (its import is not measured)
    import pandas as pd  # noqa: F401
    import pyarrow.csv  # noqa: F401

    with BatchClient.local(root) as client, tempfile.TemporaryDirectory() as folder:
        action = {"azure-storage-blob": _storage, "azure-ai-ml": _official}.get(reader, _ours)
        read = action(client, job, reader, folder)
        before = measuring.resident(_own())
        rows = [0]
        seconds = measuring.timed(lambda: rows.append(len(read())))
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
        print(json.dumps([seconds, (peak - before) / MIB, rows[-1]]), flush=True)


def _own() -> int:
    import os

    return os.getpid()


def _ours(client: BatchClient, job: str, reader: str, folder: str) -> Callable[[], Any]:
    results = client.jobs.get(job).results
    return results.to_arrow if reader.endswith("arrow") else results.to_pandas


def _storage(client: BatchClient, job: str, reader: str, folder: str) -> Callable[[], Any]:
    import pandas as pd
    from azure.storage.blob import ContainerClient

    container, path = client.jobs.get(job).results._place()
    assert container.credential is not None
    store = ContainerClient.from_container_url(container.url, credential=container.credential.account_key)

    def read() -> Any:  # noqa: ANN401
        data = store.download_blob(path + NAME, max_concurrency=4).readall()
        return pd.read_csv(io.BytesIO(data), sep=" ", header=None)

    return read


def _official(client: BatchClient, job: str, reader: str, folder: str) -> Callable[[], Any]:
    import pandas as pd

    from azure_batch_endpoints.official import ml_client

    official = ml_client(client)

    def read() -> Any:  # noqa: ANN401
        official.jobs.download(job, output_name="score", download_path=folder)
        return pd.read_csv(next(Path(folder).rglob(NAME)), sep=" ", header=None)

    return read


# ---------------------------------------------------------------------- all of them


def prepared(client: BatchClient, work: Path, size: int) -> tuple[str, int]:
    """Run a job and make its result large; return its name and the rows of the result."""
    code, data, model = work / "code", work / "data", work / "model"
    for folder in (code, data, model):
        folder.mkdir()
    (code / "score.py").write_text(textwrap.dedent(SCRIPT))
    (data / "one.txt").write_text("1")
    (model / "none.txt").write_text("none")
    endpoint = client.endpoints.create("results")
    endpoint.deployments.create(
        DeploymentSpec(name="rows", model=model, code=code, scoring_script="score.py"), set_default=True
    )
    job = endpoint.invoke(data).wait(progress=False)
    container, path = job.results._place()
    text = container.read(path + NAME)
    times = max(1, size // len(text))
    large = work / "large"
    with large.open("wb") as file:
        for _ in range(times):
            file.write(text)
    container.upload(path + NAME, large, overwrite=True)
    large.unlink()
    return job.name, times * text.count(b"\n")


def measure(reader: str, root: Path, job: str, rows: int) -> tuple[float, float]:
    """Return seconds and MiB of one run."""
    command = [sys.executable, "-m", "benchmarks.results", "--one", reader, "--root", str(root), "--job", job]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
    seconds, mib, found = json.loads(done.stdout.splitlines()[-1])
    if found != rows:
        raise SystemExit(f"{reader} read {found:,} of {rows:,} rows.")
    return seconds, mib


def arguments() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--mib", type=int, default=1024, help="size of the result")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--peers", default=",".join(PEERS), help="others to measure, or none")
    parser.add_argument("--quick", action="store_true", help="a small result, one round")
    parser.add_argument("--one", help=argparse.SUPPRESS)
    parser.add_argument("--root", help=argparse.SUPPRESS)
    parser.add_argument("--job", help=argparse.SUPPRESS)
    return parser.parse_args()


def main() -> None:
    """Measure, and print the table."""
    asked = arguments()
    if asked.one:
        run_one(asked.one, asked.root, asked.job)
        return
    size, rounds = (40, 1) if asked.quick else (asked.mib, asked.rounds)
    peers = [
        one for one in asked.peers.split(",") if one in PEERS and importlib.util.find_spec(PEERS[one].split(".")[0])
    ]
    readers = [*OURS, *peers]
    figures: dict[str, list[tuple[float, float]]] = {one: [] for one in readers}
    with tempfile.TemporaryDirectory(prefix="abe-results-") as name:
        work = Path(name)
        print(measuring.about(work, ["pandas", "pyarrow", "azure-storage-blob", "azure-ai-ml"]), flush=True)
        with BatchClient.local(work / "root", workers=1) as client:
            job, rows = prepared(client, work, size * MIB)
            for number in range(rounds):
                note(f"round {number + 1} of {rounds}, load {measuring.load()}")
                for reader in readers:
                    figures[reader].append(measure(reader, work / "root", job, rows))
    ours = [median([one[place] for one in figures[OURS[0]]]) for place in (0, 1)]
    print(f"A result of {size:,} MiB, {rows:,} rows; medians of {rounds} rounds.")
    table = []
    for reader in readers:
        seconds, mib = (median([one[place] for one in figures[reader]]) for place in (0, 1))
        table.append([reader, seconds, seconds / ours[0], mib, mib / ours[1]])
    show(["reader", "seconds", "ours = 1", "peak MiB", "ours = 1"], table)


if __name__ == "__main__":
    main()
