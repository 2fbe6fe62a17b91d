"""One job from its first look at storage to its output in place, as a straight line that can be walked again.

Prepare, score, finish. What is done already is in the ledger, so a job that was interrupted goes on where it was.
Statuses are asked of the scheduler; the steps' own work is in the modules it imports.
"""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

from azure_batch_endpoints.errors import BatchEndpointsError
from azure_batch_endpoints.local import disk, explain
from azure_batch_endpoints.local.control import Interrupted, JobControl, JobFailed
from azure_batch_endpoints.local.engines.base import EngineError
from azure_batch_endpoints.local.finishing import finish
from azure_batch_endpoints.local.intake import take_in
from azure_batch_endpoints.local.job import JobInputSource, JobRow
from azure_batch_endpoints.local.jobrun import JobRun, ServiceParts
from azure_batch_endpoints.local.ledger import Ledger
from azure_batch_endpoints.local.ledger_values import LedgerConflict
from azure_batch_endpoints.local.listing import InputFiles
from azure_batch_endpoints.local.logfiles import JobLogs
from azure_batch_endpoints.local.outputs import Output, keep_logs
from azure_batch_endpoints.local.preparing import prepare
from azure_batch_endpoints.local.scoring import score
from azure_batch_endpoints.local.writer import PartsDamaged
from azure_batch_endpoints.states import JobStatus


def run_job(row: JobRow, workers: int, control: JobControl, parts: ServiceParts) -> None:
    """Run a job to its end.

    Args:
        row: the job.
        workers: worker processes it may have.
        control: the scheduler's side.
        parts: the service.

    Raises:
        JobFailed: with the reason for the user.
        Interrupted: it was cancelled, or the service ends; finished parts and ledger stay in the job's folder.
    """
    folder = parts.settings.job_folder(row.name)
    try:
        _run(row, workers, control, parts, folder)
    except (OSError, sqlite3.Error) as error:
        if disk.is_full(error):  # so full that the logs could not take it
            raise JobFailed(disk.advice(folder)) from error
        raise
    finally:
        keep_logs(parts.store, row, folder / "run")


def _run(row: JobRow, workers: int, control: JobControl, parts: ServiceParts, folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    with (
        closing(JobLogs(folder / "run")) as logs,
        Ledger(folder / "ledger.sqlite", row.request.settings.mini_batch_size) as ledger,
    ):
        job = JobRun(row, workers, control, parts, folder, ledger, logs)
        try:
            _steps(job)
        except (JobFailed, BatchEndpointsError, EngineError, LedgerConflict, PartsDamaged, OSError) as error:
            text = explain.engine_error(error) if isinstance(error, EngineError) else str(error)
            text = disk.advice(folder) if disk.is_full(error) else text
            logs.controller(text)
            logs.result(text, failed=True)
            logs.execution(explain.STEP_FAILED)
            raise JobFailed(text) from error
        except Interrupted:
            logs.controller("Stopped before the end; what was scored is kept.")
            raise
        finally:
            job.note()


def _steps(job: JobRun) -> None:
    job.control.enter(JobStatus.PREPARING)
    output = Output(job.parts.store, job.row)
    inputs = InputFiles(job.parts.store, _only_input(job.row))
    setup = prepare(job, output)
    take_in(job, inputs)
    job.control.enter(JobStatus.RUNNING)
    score(job, setup, inputs)
    job.control.enter(JobStatus.FINALIZING)
    finish(job, output)


def _only_input(row: JobRow) -> JobInputSource:
    if len(row.request.inputs) != 1:  # the real service takes one, too
        names = ", ".join(f"'{one.name}'" for one in row.request.inputs) or "none"
        raise JobFailed(f"A model deployment reads exactly one input; this job has {names}. Invoke it once for each.")
    return row.request.inputs[0]
