"""The middle of a job: inputs to this machine, mini-batches to workers, outcomes to the ledger, in one loop."""

from __future__ import annotations

import time
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path

from azure_batch_endpoints.local import explain
from azure_batch_endpoints.local.control import JobFailed
from azure_batch_endpoints.local.engines.base import Limits, Outcome, WorkerSetup
from azure_batch_endpoints.local.engines.process import ProcessEngine
from azure_batch_endpoints.local.engines.strays import kill_strays
from azure_batch_endpoints.local.jobrun import JobRun
from azure_batch_endpoints.local.listing import InputFiles
from azure_batch_endpoints.local.staging import Staging
from azure_batch_endpoints.local.writer import sync_parts

PROGRESS_SECONDS = 0.2
"""Between two notes of a job's progress."""


def score(job: JobRun, setup: WorkerSetup, inputs: InputFiles) -> None:
    """Score what is not scored yet.

    Raises:
        JobFailed: more files failed than `error_threshold` allows.
    """
    settings = job.row.request.settings
    retry = settings.retry_settings
    tries = max(1, retry.max_retries)
    limits = Limits(job.workers, timeout=retry.timeout, max_tries=tries, ahead=2 * job.workers)
    job.logs.controller(explain.starting(settings, job.workers))
    kill_strays(setup.parts_dir.resolve())  # of a service that was killed in the middle of this job
    staging = Staging(job.folder / "inputs", inputs.bucket, window=2 * job.workers + 2, cancel=job.control.cancel)
    meter = _Meter(job)
    batches = staging.batches(job.ledger.pending())
    with (
        closing(staging),
        closing(ProcessEngine(setup, limits, job.logs).run(batches, job.control.cancel)) as groups,
    ):
        for group in groups:
            _record(job, [*group, *staging.take_failed()], setup.parts_dir)
            staging.evict(outcome.number for outcome in group)
            meter.tick()
        job.control.check()
        _record(job, staging.take_failed(), setup.parts_dir)


def _record(job: JobRun, outcomes: Sequence[Outcome], parts_dir: Path) -> None:
    """Write down what became of mini-batches: their rows are on the disk before the ledger says so."""
    if not outcomes:
        return
    sync_parts((outcome.part for outcome in outcomes if outcome.part is not None), parts_dir)
    job.ledger.record(outcomes)
    threshold = job.row.request.settings.error_threshold
    failed = job.ledger.progress().items_failed
    if 0 <= threshold < failed:
        raise JobFailed(explain.too_many_failures(failed, threshold, job.ledger.first_error(), job.ledger.causes()))


class _Meter:
    """Notes progress a few times a second, not more."""

    def __init__(self, job: JobRun) -> None:
        self._job = job
        self._next = 0.0

    def tick(self) -> None:
        now = time.monotonic()
        if now >= self._next:
            self._next = now + PROGRESS_SECONDS
            self._job.note()
