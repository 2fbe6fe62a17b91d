"""A local service for a benchmark: blobs put straight into its store, a deployment that reads them, a job's time."""

from __future__ import annotations

import hashlib
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import azure_batch_endpoints as abe
from azure_batch_endpoints.local.blobstore import BlobStore, changes
from azure_batch_endpoints.local.blobstore.changes import Body, Target
from azure_batch_endpoints.local.blobstore.commits import Transaction
from azure_batch_endpoints.local.identity import identity
from azure_batch_endpoints.local.job import DEFAULT_DATASTORE, container_names
from benchmarks import measuring, task

AT_ONCE = 1000
"""Blobs put in one transaction, and files in one folder."""
PREFIX = "data"
SCRIPT = "from task import init, read\n\n\ndef run(mini_batch):\n    return [read(file) for file in mini_batch]\n"


def content(number: int, size: int) -> bytes:
    """Return the bytes of an input file."""
    return f"{number:>{size}}".encode()[:size]


def name(number: int) -> str:
    """Return the name of an input file."""
    return f"{number // AT_ONCE:04}/{number:07}.bin"


def fill(root: Path, count: int, size: int) -> Path:
    """Put input files into the store of a root folder before its service starts.

    Returns:
        The folder in which the store keeps their contents, as plain files.
    """
    root.mkdir(parents=True, exist_ok=True)
    container = container_names(identity(root)[0])[DEFAULT_DATASTORE]
    with BlobStore(root / "blobs") as store:
        store.create_container(container)
        for first in range(0, count, AT_ONCE):
            made = [
                (
                    Target(container, f"{PREFIX}/{name(one)}", "application/octet-stream"),
                    _body(store, content(one, size)),
                )
                for one in range(first, min(count, first + AT_ONCE))
            ]

            def put(transaction: Transaction, made: list[tuple[Target, Body]] = made) -> None:
                for target, body in made:
                    changes.put(transaction, target, body)

            store.commits.call(put)
        return Path(store.files.path(0)).parent.parent


def _body(store: BlobStore, data: bytes) -> Body:
    return Body(store.files.new(), len(data), hashlib.md5(data, usedforsecurity=False).digest(), data)


def write_folder(folder: Path, count: int, size: int) -> None:
    """Write the same input files into a plain folder."""
    for number in range(count):
        path = folder / name(number)
        if number % AT_ONCE == 0:
            path.parent.mkdir(parents=True)
        path.write_bytes(content(number, size))


def container_of(root: Path) -> str:
    """Return the container that the input files are in."""
    return container_names(identity(root)[0])[DEFAULT_DATASTORE]


@contextmanager
def endpoint(root: Path, workers: int, mini_batch_size: int) -> Iterator[tuple[abe.BatchClient, abe.BatchEndpoint]]:
    """Start a service on a root folder, and deploy what reads files and sums their bytes."""
    work = root.parent / "deployment"
    for folder in ("code", "model"):
        (work / folder).mkdir(parents=True)
    shutil.copyfile(str(task.__file__), work / "code" / "task.py")
    (work / "code" / "score.py").write_text(SCRIPT)
    (work / "model" / "weights").write_text("none")
    with abe.BatchClient.local(root, workers=workers) as client:
        made = client.endpoints.create("bench")
        settings = abe.RunSettings(mini_batch_size=mini_batch_size, max_concurrency_per_instance=workers)
        spec = abe.DeploymentSpec(
            name="read", model=work / "model", code=work / "code", scoring_script="score.py", settings=settings
        )
        made.deployments.create(spec, set_default=True)
        assert client.local_service is not None
        pid = client.local_service.pid
        yield client, made
    shutil.rmtree(work)
    _wait_for_the_end(pid)


def _wait_for_the_end(pid: int, seconds: float = 120.0) -> None:
    """Wait until a service has ended: it puts its store in order, and its folder may be removed only then."""
    until = time.monotonic() + seconds
    while measuring.resident(pid):
        if time.monotonic() > until:
            raise TimeoutError(f"the service, process {pid}, has not ended after {seconds:.0f} s")
        time.sleep(0.05)


def stored() -> abe.Input:
    """Return the input that `fill` has put into the store."""
    return abe.folder(f"azureml://datastores/{DEFAULT_DATASTORE}/paths/{PREFIX}/")


def seconds_of(job: abe.Job, seconds: float | None = None) -> float:
    """Wait for a job; return how long that took."""
    began = time.perf_counter()
    job.wait(timeout=seconds, progress=False)
    return time.perf_counter() - began
