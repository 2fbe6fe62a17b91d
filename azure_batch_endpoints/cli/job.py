"""``abe job``: look at jobs, follow them, get their results, retry what failed."""

from __future__ import annotations

import json
import os
import sys
import webbrowser
from itertools import islice

import click

from azure_batch_endpoints import _runs, _several
from azure_batch_endpoints.cli import settings, shapes
from azure_batch_endpoints.cli.commands import Noun, given, limit, named, named_several, sets
from azure_batch_endpoints.cli.output import Output
from azure_batch_endpoints.cli.rows import Form, write
from azure_batch_endpoints.cli.workspace import ends_with_us, service_of, set_archived, verb
from azure_batch_endpoints.client import BatchClient
from azure_batch_endpoints.errors import InvalidInputError, ResultsError
from azure_batch_endpoints.items import ItemStatus
from azure_batch_endpoints.job import Job
from azure_batch_endpoints.logs import LogEntry
from azure_batch_endpoints.specs import RetrySettings

timeout = click.option("--timeout", type=click.FloatRange(min=0), metavar="SECONDS", help="How long to wait at most.")
waiting = click.option(
    "--wait/--no-wait", default=None, help="Wait for the end; default: only if the service ends too."
)
isolate = click.option(
    "--isolate-failures/--no-isolate-failures",
    default=None,
    help="Split a mini-batch that failed for good until the files that fail are found; default: the deployment's.",
)
JOB_COLUMNS = ["name", "status", "endpoint", "deployment", "progress", "created"]
OUTPUT = "score"
"""Name of the one output of a batch job."""


@click.group("job", cls=Noun)
def job_group() -> None:
    """Jobs: one run of a deployment over its inputs."""


@verb(job_group)
@named("job")
@click.option("--web", is_flag=True, help="Open the job's page too, where there is a browser; else print its address.")
def show(client: BatchClient, out: Output, name: str, web: bool) -> None:
    """Show a job."""
    job = client.jobs.get(name)
    out.one(shapes.job(job))
    if web:
        open_page(job.studio_url, out)


@verb(job_group, "list")
@click.option("--parent-job-name", metavar="NAME", help="Only the scoring step of this job.")
@click.option("--all-results", is_flag=True, expose_value=False, help="Accepted; all are listed anyway.")
@click.option("--endpoint-name", "-e", metavar="NAME", help="Only jobs of this endpoint.")
@click.option("--deployment-name", "-d", metavar="NAME", help="Only jobs of this deployment; needs --endpoint-name.")
@click.option("--status", metavar="STATUS", help="Only jobs that stand so, e.g. Completed.")
@click.option("--tag", metavar="NAME[=VALUE]", help="Only jobs with this tag.")
@limit
def list_(
    client: BatchClient,
    out: Output,
    endpoint_name: str | None,
    deployment_name: str | None,
    status: str | None,
    tag: str | None,
    limit: int | None,
    parent_job_name: str | None,
) -> None:
    """List jobs, newest first."""
    if parent_job_name is not None:
        out.many(_steps(client, parent_job_name), ["name", "display_name", "status"])
        return
    found = client.jobs.list(endpoint=endpoint_name, deployment=deployment_name, status=status, tag=tag)
    out.many((shapes.job(job) for job in islice(found, limit)), JOB_COLUMNS)


@verb(job_group, own=True)
@named("job")
@timeout
def stream(client: BatchClient, out: Output, name: str, timeout: float | None) -> None:
    """Print the log lines as they are written, until the job has ended; exit code 2 when it failed."""
    job = client.jobs.get(name)
    for entry in job.stream(timeout=timeout):
        _print(entry, out)
    _ended(job, out)


@verb(job_group, own=True)
@named("job")
@click.option("--tail", type=click.IntRange(min=0), metavar="N", help="Only the last N lines.")
def logs(client: BatchClient, out: Output, name: str, tail: int | None) -> None:
    """Print the log lines written so far."""
    for entry in client.jobs.get(name).logs(tail=tail):
        _print(entry, out)


@verb(job_group, own=True)
@named_several("job")
@click.option("--any", "first", is_flag=True, help="Until one of several has ended, whatever its end; prints that one.")
@timeout
def wait(client: BatchClient, out: Output, names: tuple[str, ...], timeout: float | None, first: bool) -> None:
    """Wait until jobs have ended; exit code 2 when one failed or was cancelled, 3 when the time was over."""
    jobs = [client.jobs.get(name) for name in names]
    if len(jobs) > 1 and not first:
        ended = _several.wait_all(jobs, timeout=timeout, progress=out.progress, raise_on_failure=False)
        out.many((shapes.job(job) for job in ended), JOB_COLUMNS)
        _several.raise_if_any_failed(ended)
        return
    job = _several.wait_any(jobs, timeout=timeout, progress=out.progress)
    if len(jobs) == 1:
        job.wait(progress=False)  # it has ended: this raises when it failed
    out.one(shapes.job(job))
    out.hint(f"abe job download {job.name} --dest .")


@verb(job_group)
@named("job")
def cancel(client: BatchClient, out: Output, name: str) -> None:
    """Ask the service to stop a job."""
    job = client.jobs.get(name)
    if job.status.is_terminal:
        out.word(f"Job '{job.name}' had ended before: it is {job.status.value}. Nothing was cancelled.")
        return
    status = job.cancel().status
    scored = f" after {job.progress.counts}" if job.progress else ""
    out.word(f"Job '{job.name}' is {status.value}{scored}.")


@verb(job_group)
@named("job")
def archive(client: BatchClient, out: Output, name: str) -> None:
    """Leave a job out of lists; it stays as it is."""
    set_archived(client, service_of(client).path.job(name), archived=True, what=f"job '{name}'")
    out.word(f"Job '{name}' is archived.")


@verb(job_group)
@named("job")
def restore(client: BatchClient, out: Output, name: str) -> None:
    """Put a job that was archived back into lists."""
    set_archived(client, service_of(client).path.job(name), archived=False, what=f"job '{name}'")
    out.word(f"Job '{name}' is back.")


@verb(job_group, own=True)
@named("job")
@click.option("--status", type=click.Choice(["succeeded", "failed", "pending"]), help="Only files that stand so.")
@limit
def items(client: BatchClient, out: Output, name: str, status: ItemStatus | None, limit: int | None) -> None:
    """List what became of each input file."""
    found = islice(client.jobs.get(name).items(status=status), limit)
    columns = ["path", "status", "mini_batch", "attempts", "worker", "error_type", "error_place", "error_message"]
    out.many((list(vars(one).items()) for one in found), columns)


@verb(job_group, own=True)
@named("job")
@click.option("--include-pending", is_flag=True, help="The files that were never scored, too.")
@isolate
@sets
@waiting
def retry_failed(
    client: BatchClient,
    out: Output,
    name: str,
    include_pending: bool,
    isolate_failures: bool | None,
    changes: tuple[str, ...],
    wait: bool | None,
) -> None:
    """Start a new job over exactly the files that failed in this one; prints its name."""
    job = client.jobs.get(name)
    asked = {**settings.of_job(changes), **given({"isolate_failures": isolate_failures})}
    if "retry_settings" in asked:
        asked["retry_settings"] = _whole(asked["retry_settings"], job)
    started(client, out, job.retry_failed(include_pending=include_pending, **asked), wait=wait)


@verb(job_group)
@named("job")
@click.option("--dest", metavar="FOLDER", help="Where to put them; default: here.")
@click.option(
    "--download-path", "-p", metavar="FOLDER", help="The same, but files that are there are replaced, as 'az ml' does."
)
@click.option("--output-name", metavar="NAME", help="Which output; there is one, 'score'.")
@click.option("--all", is_flag=True, expose_value=False, help="Accepted; there is one output.")
@click.option("--overwrite", is_flag=True, help="Replace files that are there.")
def download(
    client: BatchClient,
    out: Output,
    name: str,
    dest: str | None,
    download_path: str | None,
    output_name: str | None,
    overwrite: bool,
) -> None:
    """Copy a job's results to this machine; prints the files."""
    if dest is not None and download_path is not None:
        raise click.UsageError("Give one of --dest and --download-path.")
    if output_name not in (None, OUTPUT):
        raise InvalidInputError(
            f"Job '{name}' has no output '{output_name}'. Name '{OUTPUT}', or leave --output-name out."
        )
    folder = dest or download_path or "."
    written = client.jobs.get(name).results.download(folder, overwrite=overwrite or download_path is not None)
    out.many(([("file", str(path)), ("bytes", path.stat().st_size)] for path in written), ["file", "bytes"])


@verb(job_group, own=True)
@named("job")
@click.option("--follow", "-f", is_flag=True, help="While the job runs, too: as its mini-batches finish.")
@click.option("--format", "form", type=click.Choice(["csv", "jsonl"]), default="csv", help="CSV, or JSON a line.")
@click.option("--columns", metavar="A,B,…", help="Names for the columns, left to right.")
@click.option("--source-file", is_flag=True, help="Add the input file that each row came from.")
@timeout
def rows(
    client: BatchClient,
    out: Output,
    name: str,
    follow: bool,
    form: Form,
    columns: str | None,
    source_file: bool,
    timeout: float | None,
) -> None:
    """Print a job's rows as they come; with --follow, exit code 2 when it failed."""
    job = client.jobs.get(name)
    if not follow and not job.status.is_terminal:
        raise ResultsError(f"Job '{name}' is still {job.status.value}. Pass --follow, or wait: abe job wait {name}.")
    names = None if columns is None else columns.split(",")
    found = job.results.iter_rows(columns=names, source_file=source_file, timeout=timeout)
    count = write(found, form)
    out.word(f"{count:,} rows.")
    if follow:
        _ended(job, out)


def started(client: BatchClient, out: Output, job: Job, *, wait: bool | None) -> None:
    """Print a new job's name at once, then do what keeps the job alive.

    A local service that this command started ends with it, so then the command waits, unless told otherwise.
    """
    out.name(shapes.job(job))
    short_lived = ends_with_us(client)
    if wait or (wait is None and short_lived):
        if wait is None:
            out.word("Waiting, since the local service ends with this command. To have jobs run in the background:")
            out.hint("abe local start --detach")
        _ended(job.wait(progress=out.progress, raise_on_failure=False), out)
    elif not short_lived:  # else the verb says how its job goes on
        out.hint(f"abe job stream {job.name}")


def _whole(retry: RetrySettings, job: Job) -> RetrySettings:
    """Take from the earlier job what was not given: a job's retry settings go out as a whole."""
    said = {name: getattr(retry, name) for name in retry.model_fields_set}
    kept = job.raw.get("properties", {}).get("properties") or {}
    parameters = json.loads(kept.get("azureml.parameters") or "{}")
    earlier = {"max_retries": parameters.get("run_max_try"), "timeout": parameters.get("run_invocation_timeout")}
    return RetrySettings(**given({**earlier, **said}))


def _steps(client: BatchClient, name: str) -> list[list[tuple[str, object]]]:
    job = client.jobs.get(name)
    child = _runs.child_run(service_of(client), job.name)
    if child is None:
        return []
    status = _runs.details(service_of(client), child).status
    return [[("name", child), ("display_name", "batchscoring"), ("status", status), ("parent_job_name", job.name)]]


def open_page(url: str, out: Output) -> None:
    """Open a page where somebody sits before a browser with windows of its own; it never waits for it."""
    out.word(f"The job's page: {url}")
    windows = sys.platform in ("darwin", "win32") or os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY")
    if windows and sys.stderr.isatty():
        webbrowser.open(url)


def _print(entry: LogEntry, out: Output) -> None:
    out.line(f"{entry.source}: {entry.message}", list(vars(entry).items()))


def _ended(job: Job, out: Output) -> None:
    job.wait(progress=False)  # it has ended: this raises when it failed
    done = f", {job.progress}" if job.progress else ""
    out.word(f"Job '{job.name}' is {job.status.value}{done}.")
    out.hint(f"abe job download {job.name} --dest .")
