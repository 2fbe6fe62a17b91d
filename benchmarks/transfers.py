"""Files to a store and back: ours beside azure-ai-ml and azcopy, on the embedded endpoint and on Azurite.

    python -m benchmarks.transfers [--rounds 3] [--azcopy PATH] [--peers azure-ai-ml,azcopy] [--stores embedded,azurite]

2,000 files of 1 KiB, 200 of 1 MiB and one of 512 MiB go up, up again (the same folder, which is there already) and
down. Every run is a process of its own (its imports are left out of the time, for azcopy its start is in it), and the
clients take turns within each round; the table has medians. "Ours" hashes, uploads and verifies as `invoke` does, and
downloads as `job.results.download` does; azure-ai-ml uses the storage helper behind `data.create_or_update`, its hash
included. azcopy is taken from `--azcopy`, the variable AZCOPY or the PATH (npm: `@azure-tools/azcopy-linux`), and left
out, with a word, where there is none.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import shutil
import subprocess
import sys
import tempfile
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from azure_batch_endpoints._storage.blobs import Container, ContainerCredential, container_sas
from azure_batch_endpoints.local.azurite import Azurite
from benchmarks import measuring
from benchmarks.blob_store import ACCOUNT, KEY, embedded
from benchmarks.measuring import MIB, median, note, show

OURS = "ours"
PEERS = ("azure-ai-ml", "azcopy")
STEPS = ("up", "again", "down")


@dataclass(frozen=True)
class Load:
    """Files of one size."""

    name: str
    files: int
    size: int


FULL = (Load("2,000 x 1 KiB", 2000, 1024), Load("200 x 1 MiB", 200, MIB), Load("1 x 512 MiB", 1, 512 * MIB))
QUICK = (Load("60 x 1 KiB", 60, 1024), Load("4 x 1 MiB", 4, MIB), Load("1 x 20 MiB", 1, 20 * MIB))


@dataclass(frozen=True)
class Figure:
    """What one run took: seconds, processor seconds of the client, peak memory in MiB."""

    seconds: float
    cpu: float
    mib: float


# ---------------------------------------------------------------------- one run, in a process of its own


def run_one(task: dict[str, str]) -> None:
    """Do what a run asks for, and print its figure."""
    action = {OURS: _ours, "azure-ai-ml": _official}[task["client"]](task)
    before = _cpu()
    seconds = measuring.timed(action)
    figure = [seconds, _cpu() - before, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024]
    print(json.dumps(figure), flush=True)


def _cpu() -> float:
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


def _ours(task: dict[str, str]) -> Callable[[], object]:
    import azure.storage.blob  # noqa: F401 (its import is not measured)
    import obstore.store  # noqa: F401

    from azure_batch_endpoints._storage.download import download
    from azure_batch_endpoints._storage.hashing import scan
    from azure_batch_endpoints._storage.landing import places
    from azure_batch_endpoints._storage.upload import Destination, upload, upload_folder

    container = Container(task["url"], ContainerCredential(account_key=KEY))
    local = Path(task["local"])

    def up() -> None:
        tree = scan(local)
        upload(tree, Destination(container, upload_folder(tree), "data", "1"))

    def down() -> None:
        top = "LocalUpload/"
        found = ((one.name.split("/", 2)[2], one) for one in container.list(top))
        download(container, places(local, found), name="data")

    return down if task["step"] == "down" else up


def _official(task: dict[str, str]) -> Callable[[], object]:
    from azure.ai.ml._artifacts._blob_storage_helper import BlobStorageClient
    from azure.ai.ml._utils._asset_utils import get_object_hash

    account, _, container = task["url"].rpartition("/")
    local = task["local"]

    def up() -> None:
        helper = BlobStorageClient(KEY, account, container)
        helper.upload(local, "data", "1", asset_hash=get_object_hash(local), show_progress=False)

    def down() -> None:
        BlobStorageClient(KEY, account, container).download("LocalUpload/", destination=local)

    return down if task["step"] == "down" else up


# ---------------------------------------------------------------------- all of them


class Runs:
    """The figures of all runs, by store, load, step and client."""

    def __init__(self, azcopy: str | None, folder: Path) -> None:
        self._azcopy, self._folder = azcopy, folder
        self._kept: dict[tuple[str, str, str, str], list[Figure]] = {}

    def measure(self, store: str, account: str, load: Load, data: Path, client: str) -> None:
        """One client's three steps with a fresh container."""
        name = f"c{uuid.uuid4().hex[:12]}"
        with Container(f"{account}/{name}", ContainerCredential(account_key=KEY)) as container:
            container.create()
        for step in STEPS:
            back = self._folder / "back"
            local = back if step == "down" else data
            task = {"client": client, "step": step, "url": f"{account}/{name}", "local": str(local)}
            figure = self._copied(task) if client == "azcopy" else self._python(task)
            if step == "down":
                _require_whole(back, load)
                shutil.rmtree(back)
            self._kept.setdefault((store, load.name, step, client), []).append(figure)

    def rows(self, store: str, load: Load, clients: list[str]) -> Iterator[list[object]]:
        """The table's rows: a step and a client each."""
        for step in STEPS:
            ours = median([one.seconds for one in self._kept[store, load.name, step, OURS]])
            for client in clients:
                found = self._kept[store, load.name, step, client]
                seconds = median([one.seconds for one in found])
                rate = load.files / seconds if load.files > 1 else load.size / MIB / seconds
                yield [
                    f"{load.name}, {step}: {client}",
                    seconds,
                    rate,
                    seconds / ours,
                    median([one.cpu for one in found]),
                    median([one.mib for one in found]),
                ]

    def _python(self, task: dict[str, str]) -> Figure:
        command = [sys.executable, "-W", "ignore", "-m", "benchmarks.transfers", "--run", json.dumps(task)]
        done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
        return Figure(*json.loads(done.stdout.splitlines()[-1]))

    def _copied(self, task: dict[str, str]) -> Figure:
        assert self._azcopy is not None
        home = self._folder / "azcopy"
        sas = container_sas(ACCOUNT, KEY, task["url"].rpartition("/")[2], hours=2, permissions="rcwl")
        remote = f"{task['url']}/data?{sas}"
        kind = {"up": "LocalBlob", "again": "LocalBlob", "down": "BlobLocal"}[task["step"]]
        places = [f"{task['local']}/*", remote]
        if task["step"] == "down":
            Path(task["local"]).mkdir()
            places = [f"{task['url']}/data/*?{sas}", task["local"]]
        command = [self._azcopy, "copy", *places, "--recursive", f"--from-to={kind}", "--output-level=quiet"]
        if task["step"] == "again":
            command = [self._azcopy, "sync", task["local"], remote, f"--from-to={kind}", "--output-level=quiet"]
        variables = {
            "AZCOPY_LOG_LOCATION": str(home),
            "AZCOPY_JOB_PLAN_LOCATION": str(home),
            "AZCOPY_AUTO_LOGIN_TYPE": "",
        }
        began = time.perf_counter()
        process = subprocess.Popen(command, stdout=subprocess.DEVNULL, env={**os.environ, **variables})
        _, status, used = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        if process.returncode:
            raise SystemExit(f"azcopy ended with {process.returncode}: {' '.join(command[:2])} {task['step']}")
        return Figure(time.perf_counter() - began, used.ru_utime + used.ru_stime, used.ru_maxrss / 1024)


def _require_whole(folder: Path, load: Load) -> None:
    sizes = [one.stat().st_size for one in folder.rglob("*") if one.is_file()]
    if sizes != [load.size] * load.files:
        raise SystemExit(f"{load.name}: {len(sizes):,} files with {sum(sizes):,} bytes came back.")


def made(folder: Path, load: Load) -> Path:
    """Make the files of a load: random, so that nothing is compressed away."""
    data = folder / f"data-{load.files}"
    data.mkdir()
    for number in range(load.files):
        with (data / f"{number:05}.bin").open("wb") as file:
            for _ in range(0, load.size, MIB):
                file.write(os.urandom(min(MIB, load.size)))
    return data


def arguments() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--peers", default=",".join(PEERS), help="of " + ", ".join(PEERS) + "; none leaves them out")
    parser.add_argument("--stores", default="embedded,azurite", help="embedded, azurite or both")
    parser.add_argument(
        "--loads", type=int, nargs="+", default=[1, 2, 3], help="1: many, 2: some, 3: one; all by default"
    )
    parser.add_argument("--azcopy", default=os.environ.get("AZCOPY") or shutil.which("azcopy"), help="the program")
    parser.add_argument(
        "--folder", type=Path, help="where stores and files go for the run; a temporary folder by default"
    )
    parser.add_argument("--quick", action="store_true", help="one round of few files, the embedded store alone")
    parser.add_argument("--run", type=json.loads, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.quick:
        options.rounds, options.stores = 1, "embedded"
    return options


def clients_of(options: argparse.Namespace) -> list[str]:
    """Those that are asked for and there."""
    asked = [one for one in options.peers.split(",") if one in PEERS]
    if "azure-ai-ml" in asked and measuring.version_of("azure-ai-ml") is None:
        asked.remove("azure-ai-ml")
        note("azure-ai-ml is not installed, so it is left out.")
    if "azcopy" in asked and not options.azcopy:
        asked.remove("azcopy")
        note("azcopy is not there (--azcopy, AZCOPY, PATH), so it is left out.")
    return [OURS, *asked]


def main() -> None:
    """Run all and print."""
    options = arguments()
    if options.run:
        run_one(options.run)
        return
    clients, every = clients_of(options), QUICK if options.quick else FULL
    loads = [every[number - 1] for number in options.loads]
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(dir=options.folder)))
        accounts: dict[str, Any] = {}
        if "embedded" in options.stores:
            accounts["embedded"] = stack.enter_context(embedded(folder / "embedded")).url
        if "azurite" in options.stores:
            accounts["azurite"] = stack.enter_context(Azurite(folder / "store", account=ACCOUNT, key=KEY)).endpoint
        print(measuring.about(folder, ("azure-ai-ml", "azure-storage-blob", "obstore")))
        runs = Runs(options.azcopy, folder)
        for load in loads:
            data = made(folder, load)
            for number in range(options.rounds):
                for store, account in accounts.items():
                    for client in clients[:: 1 if number % 2 else -1]:
                        note(f"{load.name}, round {number + 1}, {store}: {client} (load {measuring.load()})")
                        runs.measure(store, account, load, data, client)
            shutil.rmtree(data)
        for store in accounts:
            print(f"\n{store}: time, ours = 1; files/s, for one file MiB/s")
            rows = [row for load in loads for row in runs.rows(store, load, clients)]
            show(["", "seconds", "rate", "time/ours", "client CPU s", "peak MiB"], rows)


if __name__ == "__main__":
    main()
