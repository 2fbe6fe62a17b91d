"""One job from its first look at storage to its output in place, as a straight line that can be walked again.

Prepare, score, finish. What is done already is in the ledger, so a job that was interrupted goes on where it was.
Statuses are asked of the scheduler; the steps' own work is in the modules it imports.
"""

from __future__ import annotations

import json
import shutil
import sqlite3
import time
from collections.abc import Callable, Iterable, Sequence
from contextlib import closing
from dataclasses import asdict, dataclass
from pathlib import Path

from azure_batch_endpoints.checks import lies_inside
from azure_batch_endpoints.errors import BatchEndpointsError
from azure_batch_endpoints.local import disk, explain, mlflow_driver
from azure_batch_endpoints.local.asset_cache import AssetCache
from azure_batch_endpoints.local.control import Interrupted, JobControl, JobFailed
from azure_batch_endpoints.local.engines.base import EngineError, Limits, Outcome, WorkerSetup
from azure_batch_endpoints.local.engines.process import ProcessEngine
from azure_batch_endpoints.local.engines.strays import kill_strays
from azure_batch_endpoints.local.environments import Environments
from azure_batch_endpoints.local.job import JobInputSource, JobRow, ServiceSettings
from azure_batch_endpoints.local.ledger import Ledger
from azure_batch_endpoints.local.ledger_values import LedgerConflict
from azure_batch_endpoints.local.listing import Entry, InputFiles
from azure_batch_endpoints.local.logfiles import JobLogs
from azure_batch_endpoints.local.outputs import Output, keep_logs
from azure_batch_endpoints.local.plan import number_inputs
from azure_batch_endpoints.local.staging import Staging
from azure_batch_endpoints.local.stores import Store
from azure_batch_endpoints.local.writer import PartsDamaged, sync_parts, write_rows
from azure_batch_endpoints.states import JobStatus

PROGRESS_SECONDS = 0.2
"""Between two notes of a job's progress."""
_HIDDEN = frozenset({"AZURE_BATCH_ENDPOINTS_STORAGE", "AZURE_STORAGE_CONNECTION_STRING", "AZURE_STORAGE_KEY"})


@dataclass(frozen=True)
class ServiceParts:
    """The parts of the service a job works with.

    Attributes:
        settings: how the service was started.
        store: its blob store.
        cache: code and models.
        environments: interpreters.
    """

    settings: ServiceSettings
    store: Store
    cache: AssetCache
    environments: Environments


@dataclass(frozen=True)
class _Job:
    """One run of one job: what it is, where it works, what it writes to."""

    row: JobRow
    workers: int
    control: JobControl
    parts: ServiceParts
    folder: Path
    ledger: Ledger
    logs: JobLogs


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
        job = _Job(row, workers, control, parts, folder, ledger, logs)
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
            _note(job)


def _steps(job: _Job) -> None:
    job.control.enter(JobStatus.PREPARING)
    output = Output(job.parts.store, job.row)
    inputs = InputFiles(job.parts.store, _only_input(job.row))
    setup = _prepared(job, output)
    _list(job, inputs)
    job.control.enter(JobStatus.RUNNING)
    _score(job, setup, inputs)
    job.control.enter(JobStatus.FINALIZING)
    _finish(job, output)


# ------------------------------------------------------------------ prepare


def _only_input(row: JobRow) -> JobInputSource:
    if len(row.request.inputs) != 1:  # the real service takes one, too
        names = ", ".join(f"'{one.name}'" for one in row.request.inputs) or "none"
        raise JobFailed(f"A model deployment reads exactly one input; this job has {names}. Invoke it once for each.")
    return row.request.inputs[0]


def _prepared(job: _Job, output: Output) -> WorkerSetup:
    request, settings = job.row.request, job.row.request.settings
    job.logs.controller(f"Job '{job.row.name}' of deployment '{request.deployment}', endpoint '{request.endpoint}'.")
    job.logs.execution(explain.step_began(job.row.child))  # after it: a client streams it only while that is not there
    if settings.output_action == "append_row":
        output.refuse_existing(settings.output_file_name)
    code = job.folder / "code"
    script = _script(job, code)
    return WorkerSetup(
        code_dir=code,
        script=script,
        model_dir=job.parts.cache.model(job.parts.store, request.model_uri),
        output_dir=job.folder / "output",
        parts_dir=job.folder / "parts",
        python=job.parts.environments.python(request.conda_file, job.logs.controller),
        output_action=settings.output_action,
        logging_level=settings.logging_level,
        environment={**_run_variables(job.row), **settings.environment_variables},
        hidden=_HIDDEN,
    )


def _script(job: _Job, code: Path) -> str:
    """Put the scoring script in its place; an MLflow model may come without one."""
    request = job.row.request
    if request.code_uri is not None and request.scoring_script is not None:
        job.parts.cache.code(job.parts.store, request.code_uri, code)
        if not lies_inside(code, request.scoring_script):
            raise JobFailed(explain.script_outside(request.scoring_script))
        return request.scoring_script
    if request.model_type != "mlflow_model":
        raise JobFailed(explain.no_script(request.deployment, request.model_type))
    driver = Path(mlflow_driver.__file__)
    code.mkdir(exist_ok=True)
    shutil.copyfile(driver, code / driver.name)
    return driver.name


def _run_variables(row: JobRow) -> dict[str, str]:
    return {
        "AZUREML_RUN_ID": row.child,
        "AZUREML_ROOT_RUN_ID": row.name,
        "AZUREML_EXPERIMENT_NAME": row.experiment,
    }


def _list(job: _Job, inputs: InputFiles) -> None:
    if job.ledger.sealed:
        return
    entries: Iterable[Entry] = inputs
    if job.row.request.retry_of is not None:
        entries = _failed_before(job, inputs, job.row.request.retry_of)
    job.ledger.add_inputs(number_inputs(_while_wanted(job.control.check, entries)))
    job.ledger.seal()
    listed = job.ledger.listed
    job.logs.controller(f"{listed} input {'file' if listed == 1 else 'files'}.")
    _note(job)


def _failed_before(job: _Job, inputs: InputFiles, earlier: str) -> list[Entry]:
    """Return the inputs that failed in an earlier job."""
    ledger = job.parts.settings.job_folder(earlier) / "ledger.sqlite"
    with Ledger(ledger) as account:
        failed = {item.path for item in account.items("failed")}
    entries = [entry for entry in inputs if entry[0] in failed]
    if not entries:
        raise JobFailed(f"No input of job '{earlier}' that failed is in storage any more. Invoke the deployment anew.")
    return entries


def _while_wanted(check: Callable[[], None], entries: Iterable[Entry]) -> Iterable[Entry]:
    for entry in entries:
        check()
        yield entry


# ------------------------------------------------------------------ score


def _score(job: _Job, setup: WorkerSetup, inputs: InputFiles) -> None:
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


def _record(job: _Job, outcomes: Sequence[Outcome], parts_dir: Path) -> None:
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

    def __init__(self, job: _Job) -> None:
        self._job = job
        self._next = 0.0

    def tick(self) -> None:
        now = time.monotonic()
        if now >= self._next:
            self._next = now + PROGRESS_SECONDS
            _note(self._job)


def _note(job: _Job) -> None:
    progress = job.ledger.progress()
    job.control.note_progress(json.dumps(asdict(progress)))
    job.logs.progress(progress)


# ------------------------------------------------------------------ finish


def _finish(job: _Job, output: Output) -> None:
    settings = job.row.request.settings
    name = settings.output_file_name if settings.output_action == "append_row" else None
    written = _joined(job) if name is not None else None
    account = job.ledger.reconcile(written and written[1])
    if not account.ok or account.pending:
        problems = "; ".join(account.problems) or f"{account.pending} inputs were not scored"
        raise JobFailed(
            f"The job's account does not add up ({problems}). Its ledger is '{job.folder / 'ledger.sqlite'}'."
        )
    for uploaded in output.put_files(job.folder / "output", but=name):
        job.logs.controller(f"Output file '{uploaded}'.")
        job.control.check()
    if name is not None and written is not None:
        output.put_rows(name, written[0])
        written[0].unlink()
    formats = [asdict(one) for one in job.ledger.row_formats()]
    driven = job.row.request.code_uri is None
    job.control.note_rows(json.dumps([{"kind": "csv", "columns": []}] if driven else formats))
    text = f"{account.succeeded} of {account.inputs} files succeeded, {account.failed} failed; rows: {account.rows}."
    job.logs.controller(text)
    job.logs.result(text, failed=False)
    job.logs.execution(explain.step_ended(job.row.child))


def _joined(job: _Job) -> tuple[Path, int]:
    """Join the parts in plan order; return the file and its rows."""
    progress = job.ledger.progress()
    if progress.items_failed == progress.items_done:
        causes = job.ledger.causes()
        raise JobFailed(explain.nothing_succeeded(progress.items_failed, job.ledger.first_error(), causes))
    written = write_rows(job.ledger.parts(), job.folder / "parts", job.folder / "rows.joined")
    return written.path, written.rows
