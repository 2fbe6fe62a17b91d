"""The end of a job: the account reconciled, rows joined in plan order, output put in place."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path

from azure_batch_endpoints.local import explain
from azure_batch_endpoints.local.control import JobFailed
from azure_batch_endpoints.local.jobrun import JobRun
from azure_batch_endpoints.local.outputs import Output
from azure_batch_endpoints.local.writer import write_rows


def finish(job: JobRun, output: Output) -> None:
    """Put the output of a scored job in place.

    Raises:
        JobFailed: nothing succeeded, or the account does not add up.
    """
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


def _joined(job: JobRun) -> tuple[Path, int]:
    """Join the parts in plan order; return the file and its rows."""
    progress = job.ledger.progress()
    if progress.items_failed == progress.items_done:
        causes = job.ledger.causes()
        raise JobFailed(explain.nothing_succeeded(progress.items_failed, job.ledger.first_error(), causes))
    written = write_rows(job.ledger.parts(), job.folder / "parts", job.folder / "rows.joined")
    return written.path, written.rows
