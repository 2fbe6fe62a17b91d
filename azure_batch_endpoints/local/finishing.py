"""The end of a job: the account reconciled, rows joined in plan order, output put in place, the account beside it.

Here: what an ended job leaves, whichever way it ended. Not here: how it is told to the user, and the job's status.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import asdict
from pathlib import Path

from azure_batch_endpoints.errors import BatchEndpointsError
from azure_batch_endpoints.local import account_file, explain
from azure_batch_endpoints.local.control import JobFailed
from azure_batch_endpoints.local.jobrun import JobRun
from azure_batch_endpoints.local.ledger_values import LedgerConflict
from azure_batch_endpoints.local.merging import Scored, chain_of, merged_runs
from azure_batch_endpoints.local.outputs import Output
from azure_batch_endpoints.local.writer import PartsDamaged, Written, write_rows

MOST_FORMATS = 20
"""Kinds of rows that a job's properties tell; asked for its rows, the service tells all."""


def finish(job: JobRun, output: Output) -> None:
    """Put the output of a scored job in place: the rows last, in one step, so that a crash leaves nothing half done.

    Raises:
        JobFailed: nothing succeeded, or the account does not add up.
    """
    settings = job.row.request.settings
    name = settings.output_file_name if settings.output_action == "append_row" else None
    written = None if name is None else _joined(job)
    rows, parts = None if written is None else written.rows, job.folder / "parts"
    account = job.patience.room(lambda: job.ledger.reconcile(rows, parts=parts))
    if not account.ok or account.pending:
        problems = "; ".join(account.problems) or f"{account.pending} inputs were not scored"
        raise JobFailed(
            f"The job's account does not add up ({problems}). Report it with the ledger "
            f"'{job.folder / 'ledger.sqlite'}', and retry what did not score: job.retry_failed(include_pending=True)."
        )
    for uploaded in output.put_files(job.folder / "output", but=name):
        if not uploaded.startswith(account_file.OF_DRIVER):  # two for each mini-batch
            job.logs.controller(f"Output file '{uploaded}'.")
        job.control.check()
    if name is not None:
        _leave_merged(job, output, name)
    _leave_account_file(job, output)
    if name is not None and written is not None:
        output.put_rows(name, written.path)
        written.path.unlink()
    _note_formats(job)
    text = f"{account.succeeded} of {account.inputs} files succeeded, {account.failed} failed; rows: {account.rows}."
    job.logs.controller(text)
    job.logs.result(text, failed=False)
    job.logs.execution(explain.step_ended(job.row.child))


def leave_account(job: JobRun) -> None:
    """Leave what a failed or cancelled job has come to: its rows under `partial/`, its files, its account.

    Never under the name of the job's output file. May be repeated.

    Raises:
        BatchEndpointsError, OSError, sqlite3.Error, JobFailed: the output folder cannot take it.
        Interrupted: the service ends.
    """
    settings = job.row.request.settings
    parts = job.folder / "parts"
    account = job.patience.room(lambda: job.ledger.reconcile(parts=parts, ended_early=True))
    for problem in account.problems:
        job.logs.controller(f"The job's account does not add up: {problem}.")
    output = Output(job.store, job.row)
    if settings.output_action == "append_row":
        _leave_partial(job, output, settings.output_file_name)
        for _ in output.put_files(job.folder / "output", below=account_file.OF_DRIVER):  # the script's own stay here
            job.patience.check()
    else:
        for uploaded in output.put_files(job.folder / "output", but=None):
            job.logs.controller(f"Output file '{uploaded}'.")
    _leave_account_file(job, output)
    scored = f"{account.succeeded} of {account.inputs} files were scored"
    job.logs.controller(f"{scored}, {account.failed} failed, {account.pending} were not.")


def note_facts(job: JobRun) -> None:
    """Keep in the ledger what job it is of."""
    row, request = job.row, job.row.request
    job.ledger.note_facts(
        name=row.name,
        endpoint=request.endpoint,
        deployment=request.deployment,
        created_at=row.created_at,
        started_at=row.started_at,
        retry_of=request.retry_of,
        retry_pending="true" if request.retry_pending else None,
        child=row.child,
        retry_child=request.retry_child,
    )


def _joined(job: JobRun) -> Written:
    """Join the parts in plan order."""
    progress = job.ledger.progress()
    if progress.items_failed == progress.items_done:
        causes = job.ledger.causes()
        raise JobFailed(explain.nothing_succeeded(progress.items_failed, job.ledger.first_error(), causes))
    return _written(job, "rows.joined")


def _written(job: JobRun, name: str) -> Written:
    parts, target = job.folder / "parts", job.folder / name
    return job.patience.room(lambda: write_rows(job.ledger.parts(), parts, target))


def _leave_partial(job: JobRun, output: Output, name: str) -> None:
    """Put the rows there are under `partial/`."""
    if next(job.ledger.parts(), None) is None:
        return
    try:
        written = _written(job, "rows.partial")
    except PartsDamaged as error:
        job.logs.controller(f"The rows that were scored cannot be left: {error}")
        return
    put = _put_beside(output, f"partial/{name}", f"partial/{job.row.name}.{name}", written.path)
    _note_formats(job)
    job.logs.controller(f"Output file '{put}': the {written.rows} rows that were scored before the job ended.")


def _leave_merged(job: JobRun, output: Output, name: str) -> None:
    """Put the rows of a job that retries another, with those of the jobs before it, under `merged/`."""
    before, target = job.row.request.retry_of, job.folder / "rows.merged"
    if before is None:
        return
    try:
        with ExitStack() as stack:
            chain = chain_of(before, job.parts.settings.job_folder, stack, job.row.request.retry_child)
            chain.append(Scored(job.ledger, job.folder / "parts"))
            written = job.patience.room(
                lambda: write_rows((run.part for run in merged_runs(chain)), job.folder, target)
            )
            returned = sum(one.ledger.row_count for one in chain)
            if written.rows != returned:
                raise LedgerConflict(
                    f"{returned} rows were returned, {written.rows} are kept (summary_only keeps none)."
                )
    except (LedgerConflict, PartsDamaged) as error:
        job.logs.controller(f"'merged/{name}' is left out, since rows of an earlier job cannot be had: {error}")
        return
    put = _put_beside(output, f"merged/{name}", f"merged/{job.row.name}.{name}", target)
    job.logs.controller(f"Output file '{put}': {written.rows} rows of {len(chain)} jobs.")


def _leave_account_file(job: JobRun, output: Output) -> None:
    """Put the account beside the output; a job does not fail for it."""
    if not job.ledger.listed:
        return
    path = job.folder / "ledger.jsonl"
    name, other = account_file.NAME, account_file.NAME.replace(".", f".{job.row.name}.", 1)
    if name == job.row.request.settings.output_file_name or (job.folder / "output" / name).exists():
        name = other  # that name is the user's
    try:
        job.patience.room(lambda: account_file.write_account(job.ledger, path, job.patience.check))
        put = _put_beside(output, name, other, path, {account_file.MARK: "true"})
    except (BatchEndpointsError, OSError, sqlite3.Error) as error:
        job.logs.controller(f"The account of the input files is not among the output: {error}")
        return
    job.logs.controller(f"Output file '{put}': what became of each input file.")


def _put_beside(output: Output, name: str, other: str, path: Path, metadata: Mapping[str, str] | None = None) -> str:
    try:
        return output.put_beside(name, other, path, metadata=metadata)
    finally:
        path.unlink(missing_ok=True)


def _note_formats(job: JobRun) -> None:
    formats = [asdict(one) for one in job.ledger.row_formats(MOST_FORMATS)]
    driven = job.row.request.code_uri is None
    text = json.dumps([{"kind": "csv", "columns": []}] if driven else formats)
    job.patience.room(lambda: job.control.note_rows(text))
