"""A job's inputs on their way into its ledger: those that storage lists, or those that failed in an earlier job."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from azure_batch_endpoints.local.control import JobFailed
from azure_batch_endpoints.local.jobrun import JobRun
from azure_batch_endpoints.local.ledger import Ledger
from azure_batch_endpoints.local.listing import Entry, InputFiles
from azure_batch_endpoints.local.plan import number_inputs


def take_in(job: JobRun, inputs: InputFiles) -> None:
    """Record a job's inputs; does nothing when they are recorded already."""
    if job.ledger.sealed:
        return
    entries: Iterable[Entry] = inputs
    if job.row.request.retry_of is not None:
        entries = _failed_before(job, inputs, job.row.request.retry_of)
    job.ledger.add_inputs(number_inputs(_while_wanted(job.control.check, entries)))
    job.ledger.seal()
    listed = job.ledger.listed
    job.logs.controller(f"{listed} input {'file' if listed == 1 else 'files'}.")
    job.note()


def _failed_before(job: JobRun, inputs: InputFiles, earlier: str) -> list[Entry]:
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
