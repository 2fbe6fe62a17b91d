"""One job from its first look at storage to its output in place, as a straight line that can be walked again.

Prepare, score, finish. What is done already is in the ledger, so a job that was interrupted goes on where it was.
Statuses are asked of the scheduler; the steps' own work is in the modules it imports.
"""

from __future__ import annotations

import sqlite3
import threading
from contextlib import closing
from dataclasses import replace

from azure_batch_endpoints.errors import BatchEndpointsError
from azure_batch_endpoints.local import disk, explain
from azure_batch_endpoints.local.control import Interrupted, JobControl, JobFailed
from azure_batch_endpoints.local.engines.base import EngineError
from azure_batch_endpoints.local.finishing import finish, leave_account, note_facts
from azure_batch_endpoints.local.intake import Intake
from azure_batch_endpoints.local.job import JobInputSource, JobRow
from azure_batch_endpoints.local.jobrun import JobRun, ServiceParts
from azure_batch_endpoints.local.ledger import Ledger
from azure_batch_endpoints.local.ledger_values import LedgerConflict
from azure_batch_endpoints.local.listing import InputFiles
from azure_batch_endpoints.local.logfiles import JobLogs
from azure_batch_endpoints.local.outputs import Output, keep_logs
from azure_batch_endpoints.local.patience import Patience
from azure_batch_endpoints.local.patient_store import PatientStore
from azure_batch_endpoints.local.preparing import prepare
from azure_batch_endpoints.local.scoring import score
from azure_batch_endpoints.local.writer import PartsDamaged
from azure_batch_endpoints.states import JobStatus

_FAILURES = (JobFailed, BatchEndpointsError, EngineError, LedgerConflict, PartsDamaged, OSError, sqlite3.Error)
"""What ends a job with a reason for the user."""
LAST_SECONDS = 5.0
"""How long a job that was cancelled or has failed waits for a store that does not answer."""
SILENT_SECONDS = 15.0
"""How long such a job bears with a transfer that gives no sign."""


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
    patience = Patience(control.cancel, _silently, folder)
    try:
        patience.room(lambda: folder.mkdir(parents=True, exist_ok=True))
        with closing(patience.room(lambda: JobLogs(folder / "run"))) as logs:
            _run(row, workers, control, parts, logs)
    except (OSError, sqlite3.Error) as error:
        if disk.is_full(error):  # so full that the logs could not take it
            raise JobFailed(disk.advice(folder)) from error
        raise
    finally:
        with closing(Patience(threading.Event(), _silently, folder, 0.0, SILENT_SECONDS)) as last:
            keep_logs(PatientStore(parts.store, last), row, folder / "run")


def _run(row: JobRow, workers: int, control: JobControl, parts: ServiceParts, logs: JobLogs) -> None:
    folder = parts.settings.job_folder(row.name)
    patience = Patience(control.cancel, logs.controller, folder)
    ledger = patience.room(lambda: Ledger(folder / "ledger.sqlite", row.request.settings.mini_batch_size))
    store = PatientStore(parts.store, patience)
    with ledger, closing(patience):
        job = JobRun(row, workers, control, parts, folder, ledger, logs, patience, store)
        try:
            patience.room(lambda: note_facts(job))
            _steps(job)
        except _FAILURES as error:
            text = explain.engine_error(error) if isinstance(error, EngineError) else str(error)
            text = disk.advice(folder) if disk.is_full(error) else text
            logs.controller(text)
            logs.result(text, failed=True)
            logs.execution(explain.STEP_FAILED)
            _leave(job)
            raise JobFailed(text) from error
        except Interrupted:
            logs.controller("Stopped before the end; what was scored is kept.")
            if control.canceled:
                _leave(job)
            raise
        finally:
            job.note()


def _steps(job: JobRun) -> None:
    job.enter(JobStatus.PREPARING)
    output = Output(job.store, job.row)
    inputs = InputFiles(job.store, _only_input(job.row))
    with Intake(job, inputs) as intake:
        setup = prepare(job, output)
        intake.wait()
        job.enter(JobStatus.RUNNING)
        score(job, setup, inputs.bucket, intake.pending())
    job.enter(JobStatus.FINALIZING)
    finish(job, output)


def _leave(job: JobRun) -> None:
    """Leave what was scored and the account of a job that did not complete; not for long where the store is away."""
    never = threading.Event()
    with closing(Patience(never, job.logs.controller, job.folder, LAST_SECONDS, SILENT_SECONDS)) as patience:
        try:
            leave_account(replace(job, patience=patience, store=PatientStore(job.parts.store, patience)))
        except (*_FAILURES, Interrupted) as error:
            job.logs.controller(f"What was scored could not be left in the output folder: {error}")


def _only_input(row: JobRow) -> JobInputSource:
    if len(row.request.inputs) != 1:  # the real service takes one, too
        names = ", ".join(f"'{one.name}'" for one in row.request.inputs) or "none"
        raise JobFailed(f"A model deployment reads exactly one input; this job has {names}. Invoke it once for each.")
    return row.request.inputs[0]


def _silently(_text: str) -> None:
    """Say nothing: there is no log yet."""
