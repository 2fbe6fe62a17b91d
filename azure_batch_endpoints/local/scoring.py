"""The middle of a job: inputs to this machine, mini-batches to workers, outcomes to the ledger, in one loop."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing, contextmanager
from functools import partial
from pathlib import Path

from azure_batch_endpoints.local import explain
from azure_batch_endpoints.local.buckets import Bucket
from azure_batch_endpoints.local.control import JobFailed
from azure_batch_endpoints.local.engines.base import Limits, Outcome, Part, WorkerSetup
from azure_batch_endpoints.local.engines.process import ProcessEngine
from azure_batch_endpoints.local.engines.strays import kill_strays
from azure_batch_endpoints.local.jobrun import JobRun
from azure_batch_endpoints.local.plan import MiniBatch
from azure_batch_endpoints.local.staging import Staging
from azure_batch_endpoints.local.writer import sync_parts

PROGRESS_SECONDS = 0.2
"""Between two notes of a job's progress."""
FILES_AT_ONCE = 64
"""Files that are fetched at once, about, where several threads do."""
FILES_AHEAD = 2000
"""Files that wait for the workers, about; `staging` bounds their bytes."""
MOST_AHEAD = 64
"""Mini-batches that wait for the workers."""


def score(job: JobRun, setup: WorkerSetup, bucket: Bucket, pending: Iterable[MiniBatch | None]) -> None:
    """Score what is not scored yet.

    Args:
        job: the job.
        setup: how its workers are started.
        bucket: where its inputs are.
        pending: the mini-batches; None stands for "not yet".

    Raises:
        JobFailed: more files failed than `error_threshold` allows.
    """
    settings = job.row.request.settings
    limits = _limits(job)
    _check_failures(job)  # the service may have ended between the last outcome and the job's failure
    job.logs.controller(explain.starting(settings, job.workers))
    kill_strays(setup.parts_dir.resolve())  # of a service that was killed in the middle of this job
    missing = partial(_record_missing, job, setup)
    staging = Staging(job.folder / "inputs", bucket, job.patience, missing, window=_window(job))
    meter = _Meter(job)
    batches = staging.batches(_metered(pending, meter))
    with (
        closing(staging),
        closing(ProcessEngine(setup, limits, job.logs).run(batches, job.control.cancel)) as groups,
        _impatient_on_failure(job),
    ):
        for group in groups:
            _record(job, group, setup.parts_dir)
            staging.evict(outcome.number for outcome in group)
            meter.tick()
        job.control.check()


@contextmanager
def _impatient_on_failure(job: JobRun) -> Iterator[None]:
    """Let nothing go on waiting, in whatever thread, when the block fails."""
    try:
        yield
    except BaseException:
        job.patience.close()
        raise


def _limits(job: JobRun) -> Limits:
    settings = job.row.request.settings
    return Limits(
        job.workers,
        timeout=settings.retry_settings.timeout,
        max_tries=max(1, settings.retry_settings.max_retries),
        memory=job.parts.settings.worker_memory,
        isolate=settings.isolate_failures,
        ahead=_ahead(job),
    )


def _window(job: JobRun) -> int:
    """Return how many mini-batches are fetched at once, so that a store far away is asked for several files."""
    return max(2 * job.workers + 2, FILES_AT_ONCE // job.row.request.settings.mini_batch_size)


def _ahead(job: JobRun) -> int:
    """Return how many mini-batches wait for the workers: some for each, more where they are of few files."""
    return max(2 * job.workers, min(MOST_AHEAD, FILES_AHEAD // job.row.request.settings.mini_batch_size))


def _record_missing(job: JobRun, setup: WorkerSetup, outcomes: Sequence[Outcome]) -> None:
    """Write down mini-batches whose files could not be had, and why."""
    for outcome in outcomes:
        if outcome.failure is not None:
            job.logs.error("staging", f"mini-batch {outcome.number}", outcome.failure)
    _record(job, outcomes, setup.parts_dir)


def _record(job: JobRun, outcomes: Sequence[Outcome], parts_dir: Path) -> None:
    """Write down what became of mini-batches: their rows are on the disk before the ledger says so."""
    parts = [part for outcome in outcomes for part in _parts(outcome)]
    job.patience.room(lambda: sync_parts(parts, parts_dir))
    job.patience.room(lambda: job.ledger.record(outcomes))
    _check_failures(job)


def _check_failures(job: JobRun) -> None:
    """Fail the job when more files failed than it allows."""
    threshold = job.row.request.settings.error_threshold
    failed = job.ledger.progress().items_failed
    if 0 <= threshold < failed:
        raise JobFailed(explain.too_many_failures(failed, threshold, job.ledger.first_error(), job.ledger.causes()))


def _parts(outcome: Outcome) -> list[Part]:
    found = [outcome.part, *(piece.part for piece in outcome.pieces)]
    return [part for part in found if part is not None]


class _Meter:
    """Notes progress a few times a second, not more; from any thread."""

    def __init__(self, job: JobRun) -> None:
        self._job = job
        self._next = 0.0
        self._lock = threading.Lock()

    def tick(self) -> None:
        with self._lock:
            now = time.monotonic()
            if now >= self._next:
                self._next = now + PROGRESS_SECONDS
                self._job.note()


def _metered(pending: Iterable[MiniBatch | None], meter: _Meter) -> Iterator[MiniBatch | None]:
    """Pass mini-batches on; while there are none yet the progress is noted that was made meanwhile."""
    for batch in pending:
        if batch is None:
            meter.tick()
        yield batch
