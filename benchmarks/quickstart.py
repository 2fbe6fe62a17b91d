"""What a newcomer feels: import, start of the local service, a small job, the digits from upload to DataFrame.

Peer: azure-ai-ml (import only; it has no local batch endpoints). Medians; imports are interleaved in one run.

    python -m benchmarks.quickstart [--rounds 5] [--digits] [--quick]
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path

import azure_batch_endpoints as abe

OURS = "from azure_batch_endpoints import BatchClient, DeploymentSpec"
PEER = "from azure.ai.ml import MLClient"
SAMPLE = Path(__file__).parent.parent / "samples" / "digits"


def timed(action: Callable[[], object]) -> float:
    """Return the seconds an action takes."""
    start = time.perf_counter()
    action()
    return time.perf_counter() - start


def imports(rounds: int, *, peer: bool) -> None:
    """Compare a fresh interpreter that imports us with one that imports the official client."""
    statements = {"azure_batch_endpoints": OURS}
    if peer and find_spec("azure.ai") and find_spec("azure.ai.ml"):
        statements["azure.ai.ml"] = PEER
    statements["nothing"] = "pass"
    found: dict[str, list[float]] = {name: [] for name in statements}
    # An installed package has its byte code: let the first, uncounted round write it for both.
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    for counted in ([False] if peer else []) + [True] * rounds:
        for name, statement in statements.items():
            start = time.perf_counter()
            subprocess.run([sys.executable, "-c", statement], check=True, env=environment)
            if counted:
                found[name].append(time.perf_counter() - start)
    empty = statistics.median(found.pop("nothing"))
    medians = {name: statistics.median(values) - empty for name, values in found.items()}
    for name, seconds in medians.items():
        print(f"import {name}: {seconds:.3f} s (interpreter start of {empty:.3f} s taken off)")
    if len(medians) == 2:
        print(f"ratio: {medians['azure_batch_endpoints'] / medians['azure.ai.ml']:.3f} (aim 0.15)")


def ready(rounds: int) -> None:
    """Start and end the service on a fresh root."""
    starts, ends = [], []
    for _ in range(rounds):
        with tempfile.TemporaryDirectory() as root:
            start = time.perf_counter()
            client = abe.BatchClient.local(root)
            starts.append(time.perf_counter() - start)
            ends.append(timed(client.close))
    print(f"BatchClient.local() ready: {statistics.median(starts):.2f} s (aim 3)")
    print(f"client.close() as the last client: {statistics.median(ends):.2f} s")


def small_job(rounds: int) -> None:
    """Score 100 small files with a script that does nothing."""
    with tempfile.TemporaryDirectory() as folder, abe.BatchClient.local(Path(folder) / "root") as client:
        work = Path(folder)
        for name in ("code", "data", "model"):
            (work / name).mkdir()
        (work / "model" / "weights").write_text("none")
        (work / "code" / "score.py").write_text("def init(): pass\ndef run(mini_batch): return mini_batch\n")
        for number in range(100):
            (work / "data" / f"{number:03}.txt").write_text(str(number))
        endpoint = client.endpoints.create("bench")
        spec = abe.DeploymentSpec(
            name="empty",
            model=work / "model",
            code=work / "code",
            scoring_script="score.py",
            settings=abe.RunSettings(max_concurrency_per_instance=2),
        )
        endpoint.deployments.create(spec, set_default=True)
        endpoint.invoke(work / "data").wait(progress=False)
        found = [timed(lambda: endpoint.invoke(work / "data").wait(progress=False)) for _ in range(rounds)]
    print(f"100 small files, empty script, invoke to Completed: {statistics.median(found):.2f} s (aim 2)")


def digits() -> None:
    """Score the sample's 1,797 images: upload, job, DataFrame."""
    with tempfile.TemporaryDirectory() as root, abe.BatchClient.local(root, workers=2) as client:
        client.computes.create(abe.ComputeSpec(name="batch-cluster", max_instances=5))
        endpoint = client.endpoints.create("digits")
        endpoint.deployments.create(abe.DeploymentSpec.from_yaml(SAMPLE / "deployment.yml"), set_default=True)
        start = time.perf_counter()
        job = endpoint.invoke(SAMPLE / "data")
        uploaded = time.perf_counter()
        job.wait(progress=False)
        scored = time.perf_counter()
        rows = len(job.results.to_pandas())
        end = time.perf_counter()
    parts = f"upload {uploaded - start:.2f}, job {scored - uploaded:.2f}, DataFrame {end - scored:.2f}"
    print(f"{rows:,} digits end to end: {end - start:.2f} s ({parts})")


def main() -> None:
    """Run all, or what the arguments leave."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--digits", action="store_true", help="also the sample (make its data and model first)")
    parser.add_argument("--quick", action="store_true", help="one round, without the peer")
    given = parser.parse_args()
    rounds = 1 if given.quick else given.rounds
    imports(rounds, peer=not given.quick)
    ready(rounds)
    small_job(rounds)
    if given.digits:
        digits()


if __name__ == "__main__":
    main()
