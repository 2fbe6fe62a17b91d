"""What the client costs beside the official one: import, requests and time of each call, processor time, memory.

    python -m benchmarks.client [--rounds 5] [--peers azure-ai-ml|none] [--quick]

Both clients go the same way against the same local service: an endpoint, one whose service takes 2 s, a deployment with
a new model and script, a job over a folder that is in the store, its end, its result, a job over one new local file.
Every story is a process of its own; the clients take turns within each round; the tables have medians. Requests are
counted between client and service. The time of the wait has the job's own in it, which is the same for both. Seconds of
an import are those within a fresh interpreter; its byte code was written before.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import azure_batch_endpoints as abe
from benchmarks.client_story import STEPS
from benchmarks.client_tap import Tap
from benchmarks.measuring import about, median, note, show

OURS, PEER = "ours", "azure-ai-ml"
IMPORTS = {
    OURS: "from azure_batch_endpoints import BatchClient, DeploymentSpec",
    PEER: "from azure.ai.ml import MLClient",
}
TIMED = """
import resource, sys, time, warnings
warnings.simplefilter("ignore")
began, computed = time.perf_counter(), time.process_time()
{}
print(time.perf_counter() - began, time.process_time() - computed)
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024, len(sys.modules))
"""
ENVIRONMENT = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
"""An installed package has its byte code."""
Figures = dict[str, list[Any]]


def imports(clients: Sequence[str], rounds: int) -> None:
    """Compare fresh interpreters that import a client."""
    found: Figures = {client: [] for client in clients}
    for number in range(rounds + 1):
        for client in clients:
            command = [sys.executable, "-c", TIMED.format(IMPORTS[client])]
            told = subprocess.run(command, check=True, capture_output=True, text=True, env=ENVIRONMENT).stdout
            if number:  # the first one may write byte code
                found[client].append([float(word) for word in told.split()])
    columns = {client: [median(list(one)) for one in zip(*found[client], strict=True)] for client in clients}
    names = ("import: seconds", "import: processor seconds", "import: memory, MiB", "import: modules")
    table(clients, [(name, *(columns[client][row] for client in clients)) for row, name in enumerate(names)])


def stories(clients: Sequence[str], rounds: int, work: Path) -> None:
    """Let the clients tell their stories in turns."""
    with abe.BatchClient.local(work / "root", workers=2) as client:
        service = client.local_service
        assert service is not None
        tap = Tap(int(urlsplit(service.base_url).port or 0))
        known = prepared(client, service, tap, work)
        found: Figures = {one: [] for one in clients}
        for number in range(rounds):
            for one in clients:
                note(f"round {number + 1} of {rounds}: {one}")
                found[one].append(told(one, known))
        tap.close()
    print()
    for what, place in (("seconds", 0), ("requests", 1)):
        rows = [
            (f"{step}: {what}", *(median([run["steps"][step][place] for run in found[one]]) for one in clients))
            for step in STEPS
        ]
        table(clients, rows)
    rows = [
        (name, *(median([run[key] for run in found[one]]) for one in clients))
        for name, key in (("whole story: processor seconds", "cpu"), ("whole story: peak memory, MiB", "memory"))
    ]
    table(clients, rows)


def prepared(client: abe.BatchClient, service: abe.LocalServiceInfo, tap: Tap, work: Path) -> dict[str, Any]:
    """Put what both need into the service; return what the stories are to know."""
    data = work / "data"
    data.mkdir()
    for number in range(10):
        (data / f"{number}.txt").write_text(f"{number}\n")
    client.computes.create(abe.ComputeSpec(name="cluster", max_instances=2))
    uploaded = client.datasets.create(abe.DatasetSpec(name="numbers", path=data))
    address = f"http://127.0.0.1:{tap.port}"
    through = {"base_url": address, "blob_endpoint": service.blob_endpoint.replace(service.base_url, address)}
    return {
        "tap": tap.port,
        "root": str(service.root),
        "work": str(work / "stories"),
        "data": uploaded.uri,
        "compute": "cluster",
        "service": {**through, "token": service.token, "connection_string": service.connection_string},
        "names": {name: getattr(client, name) for name in ("subscription_id", "resource_group", "workspace")},
    }


def told(client: str, known: dict[str, Any]) -> dict[str, Any]:
    """Run one story and return what it measured."""
    command = [sys.executable, "-m", "benchmarks.client_story", client, json.dumps(known)]
    ran = subprocess.run(command, capture_output=True, text=True, env=ENVIRONMENT)
    if ran.returncode:
        raise RuntimeError(f"the story of {client} broke off: {ran.stderr[-2000:]}")
    found: dict[str, Any] = json.loads(ran.stdout)
    return found


def table(clients: Sequence[str], rows: Sequence[Sequence[Any]]) -> None:
    """Print rows with a ratio, ours to theirs, where there are two."""
    two = len(clients) == 2
    show(
        ["", *clients, *(["ratio"] if two else [])],
        [(*row, *([row[1] / row[2] if row[2] else float("nan")] if two else [])) for row in rows],
    )
    print()


def main() -> None:
    """Compare what the arguments leave."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--peers", default=PEER, help="azure-ai-ml, or none")
    parser.add_argument("--quick", action="store_true", help="one round")
    given = parser.parse_args()
    rounds = 1 if given.quick else given.rounds
    clients = [OURS, PEER] if given.peers == PEER else [OURS]
    if PEER in clients and importlib.util.find_spec("azure.ai.ml") is None:
        note("azure-ai-ml is not installed: without it")
        clients = [OURS]
    with tempfile.TemporaryDirectory(prefix="abe-client-") as folder:
        print(about(Path(folder), ["azure-ai-ml", "azure-core", "pydantic"]), end="\n\n")
        imports(clients, rounds)
        stories(clients, rounds, Path(folder))


if __name__ == "__main__":
    main()
