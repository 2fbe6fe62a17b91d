"""The engines that are compared, each in the setting that its documentation recommends for short calls.

Each takes mini-batches of one file, scores them with `task.run` in so many worker processes, and returns the moment
(`time.monotonic`) at which it had all results. Peers that are not installed are left out and named.

- ours: the bare engine. "ours, exactly once": with rows on the disk before the ledger commits them, in groups, then
  joined in order, and counted again.
- Ray Data: `map_batches` of a class in an actor pool, few blocks, order not kept (the default). A block is the unit
  that is done again. "Ray Data, small blocks": a block for each mini-batch, as our unit is.
- Dask: `Client.map` over all at once, `as_completed`, processes of one thread, no dashboard.
- joblib: loky, `batch_size="auto"`, results in the order they come.
- ProcessPoolExecutor: a call each, two a worker under way; "chunks": `map` with a `chunksize`.
- plain loop: this process, one after the other.
"""

from __future__ import annotations

import concurrent.futures
import importlib
import importlib.util
import logging
import multiprocessing
import os
import shutil
import tempfile
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from typing import Any

from azure_batch_endpoints.local.engines.base import Limits, StagedBatch, WorkerSetup
from azure_batch_endpoints.local.engines.process import ProcessEngine
from azure_batch_endpoints.local.ledger import Ledger
from azure_batch_endpoints.local.logfiles import JobLogs
from azure_batch_endpoints.local.plan import MiniBatch, number_inputs, plan
from azure_batch_endpoints.local.writer import sync_parts, write_rows
from benchmarks import task

Contender = Callable[[Sequence[str], int], float]
PACKAGES = {"ray": "Ray Data", "distributed": "Dask", "joblib": "joblib"}
"""What has to be installed for a peer."""


def ours(files: Sequence[str], workers: int) -> float:
    """Our engine alone."""
    with tempfile.TemporaryDirectory() as name:
        engine = _engine(Path(name), workers)
        with closing(engine.run(map(_staged, plan(_numbered(files), 1)))) as groups:
            scored = 0
            for group in groups:
                scored += sum(outcome.succeeded for outcome in group)
                if scored == len(files):
                    break
            return _checked(scored, files)


def ours_exactly_once(files: Sequence[str], workers: int) -> float:
    """Our engine with all that makes a job's account."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        engine = _engine(folder, workers)
        with Ledger(folder / "ledger.db", 1) as ledger:
            ledger.add_inputs(_numbered(files))
            ledger.seal()
            for group in engine.run(map(_staged, ledger.pending())):
                sync_parts((outcome.part for outcome in group if outcome.part), folder / "parts")
                ledger.record(group)
            written = write_rows(ledger.parts(), folder / "parts", folder / "predictions.csv")
            assert ledger.reconcile(written.rows).ok
            return _checked(written.rows, files)


def ray_data(files: Sequence[str], workers: int) -> float:
    """Ray Data in blocks of many mini-batches."""
    return _ray_data(files, workers, blocks=max(1, min(len(files), 16 * workers)))


def ray_data_small_blocks(files: Sequence[str], workers: int) -> float:
    """Ray Data with a block for each mini-batch."""
    return _ray_data(files, workers, blocks=len(files))


def _ray_data(files: Sequence[str], workers: int, blocks: int) -> float:
    data: Any = importlib.import_module("ray.data")
    rows = data.from_items([{"file": file} for file in files], override_num_blocks=blocks)
    pool = data.ActorPoolStrategy(size=workers)
    scored = rows.map_batches(RayScorer, batch_size=1, batch_format="numpy", compute=pool, num_cpus=1)
    count = sum(len(batch["row"]) for batch in scored.iter_batches(batch_size=None, batch_format="numpy"))
    return _checked(count, files)


class RayScorer:
    """What Ray Data calls."""

    def __call__(self, batch: dict[str, Any]) -> dict[str, Any]:
        """Score a mini-batch."""
        return {"row": task.run([str(file) for file in batch["file"]])}


@contextmanager
def ray_cluster(workers: int) -> Iterator[None]:
    """Keep Ray running for as long as it is compared."""
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    os.environ.setdefault("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0")  # a warning about what a later release will do
    ray: Any = importlib.import_module("ray")
    context: Any = importlib.import_module("ray.data").DataContext.get_current()
    context.enable_progress_bars = context.print_on_execution_start = False
    folder = Path.cwd()
    place = tempfile.TemporaryDirectory(prefix="abe-ray-", ignore_cleanup_errors=True)
    environment = {"env_vars": {"PYTHONPATH": os.pathsep.join([str(folder), os.environ.get("PYTHONPATH", "")])}}
    ray.init(
        num_cpus=workers,
        include_dashboard=False,
        log_to_driver=False,
        logging_level=logging.ERROR,
        object_store_memory=200 << 20,
        runtime_env=environment,
        _temp_dir=place.name,
    )
    logging.getLogger("ray.data").setLevel(logging.ERROR)
    try:
        yield
    finally:
        ray.shutdown()
        place.cleanup()


def dask(files: Sequence[str], workers: int) -> float:
    """Dask distributed: a task a mini-batch."""
    with dask_client(workers) as client:
        count = 0
        distributed: Any = importlib.import_module("distributed")
        futures = client.map(task.run, [[file] for file in files], pure=False, key="score")
        for _, rows in distributed.as_completed(futures, with_results=True):
            count += len(rows)
        return _checked(count, files)


@contextmanager
def dask_client(workers: int) -> Iterator[Any]:
    """A cluster of processes on this machine."""
    distributed: Any = importlib.import_module("distributed")
    logging.getLogger("distributed").setLevel(logging.CRITICAL)
    with tempfile.TemporaryDirectory() as folder:
        options = {"n_workers": workers, "threads_per_worker": 1, "processes": True, "dashboard_address": None}
        with (
            distributed.LocalCluster(**options, local_directory=folder) as cluster,
            distributed.Client(cluster) as client,
        ):
            yield client


def joblib(files: Sequence[str], workers: int) -> float:
    """Joblib on loky, which keeps its workers from one call to the next."""
    library: Any = importlib.import_module("joblib")
    calls = (library.delayed(task.run)([file]) for file in files)
    parallel = library.Parallel(n_jobs=workers, batch_size="auto", return_as="generator_unordered")
    return _checked(sum(len(rows) for rows in parallel(calls)), files)


def process_pool(files: Sequence[str], workers: int) -> float:
    """The standard library's pool: a call a mini-batch."""
    window: deque[concurrent.futures.Future[list[str]]] = deque()
    count = 0
    with _pool(workers) as pool:
        for file in files:
            window.append(pool.submit(task.run, [file]))
            if len(window) >= 2 * workers:
                count += len(window.popleft().result())
        count += sum(len(future.result()) for future in window)
        return _checked(count, files)


def process_pool_chunks(files: Sequence[str], workers: int) -> float:
    """The standard library's pool: many mini-batches in one message."""
    size = max(1, len(files) // (16 * workers))
    with _pool(workers) as pool:
        return _checked(
            sum(len(rows) for rows in pool.map(task.run, [[file] for file in files], chunksize=size)), files
        )


def plain_loop(files: Sequence[str], workers: int) -> float:
    """One after the other, here."""
    return _checked(sum(len(task.run([file])) for file in files), files)


def contenders(wanted: Sequence[str] | None = None) -> dict[str, Contender]:
    """Return the engines that can run here.

    Args:
        wanted: names of the peers to take; None: all.
    """
    peers: dict[str, tuple[str, Contender]] = {
        "Ray Data": ("ray", ray_data),
        "Ray Data, small blocks": ("ray", ray_data_small_blocks),
        "Dask": ("distributed", dask),
        "joblib": ("joblib", joblib),
        "ProcessPoolExecutor": ("concurrent", process_pool),
        "ProcessPoolExecutor, chunks": ("concurrent", process_pool_chunks),
    }
    chosen = {
        name: contender
        for name, (module, contender) in peers.items()
        if importlib.util.find_spec(module) and (wanted is None or name.split(",")[0] in wanted)
    }
    return {"ours": ours, "ours, exactly once": ours_exactly_once, **chosen, "plain loop": plain_loop}


def missing(wanted: Sequence[str] | None = None) -> list[str]:
    """Return the names of peers that are wanted and not installed."""
    return [
        name
        for module, name in PACKAGES.items()
        if (wanted is None or name in wanted) and importlib.util.find_spec(module) is None
    ]


def end_joblib() -> None:
    """End the workers that joblib keeps."""
    with suppress(ImportError):
        importlib.import_module("joblib.externals.loky").get_reusable_executor().shutdown(wait=True, kill_workers=True)


def _checked(count: int, files: Sequence[str]) -> float:
    if count != len(files):
        raise AssertionError(f"{count} results for {len(files)} files")
    return time.monotonic()


def _pool(workers: int) -> concurrent.futures.ProcessPoolExecutor:
    return concurrent.futures.ProcessPoolExecutor(workers, mp_context=multiprocessing.get_context("spawn"))


def _numbered(files: Sequence[str]) -> Iterator[Any]:
    return number_inputs((file, "", 0) for file in files)


def _staged(batch: MiniBatch) -> StagedBatch:
    return StagedBatch(batch.number, batch.items, tuple(item.path for item in batch.items))


def _engine(folder: Path, workers: int) -> ProcessEngine:
    code = folder / "code"
    code.mkdir()
    shutil.copyfile(str(task.__file__), code / "score.py")
    setup = WorkerSetup(code, "score.py", folder / "out", folder / "parts")
    return ProcessEngine(setup, Limits(workers=workers), JobLogs(folder / "job"))
