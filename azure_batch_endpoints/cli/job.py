"""``abe job``: look at jobs, follow them, get their results."""

from __future__ import annotations

from itertools import islice

import click

from azure_batch_endpoints.cli.output import Output
from azure_batch_endpoints.cli.workspace import ends_with_us, named, verb
from azure_batch_endpoints.client import BatchClient
from azure_batch_endpoints.job import Job
from azure_batch_endpoints.logs import LogEntry

timeout = click.option("--timeout", type=click.FloatRange(min=0), metavar="SECONDS", help="How long to wait at most.")
waiting = click.option(
    "--wait/--no-wait", default=None, help="Wait for the end; default: only if the service ends too."
)
limit = click.option("--limit", type=click.IntRange(min=1), metavar="N", help="At most this many.")


@click.group("job")
def job_group() -> None:
    """Jobs: one run of a deployment over its inputs."""


@verb(job_group)
@named("job")
def show(client: BatchClient, out: Output, name: str) -> None:
    """Show a job."""
    out.one(client.jobs.get(name)._rows())


@verb(job_group, "list")
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
) -> None:
    """List jobs, newest first."""
    found = client.jobs.list(endpoint=endpoint_name, deployment=deployment_name, status=status, tag=tag)
    jobs = islice(found, limit)
    out.many((job._rows() for job in jobs), ["name", "status", "endpoint", "deployment", "progress", "created"])


@verb(job_group)
@named("job")
@timeout
def stream(client: BatchClient, out: Output, name: str, timeout: float | None) -> None:
    """Print the log lines as they are written, until the job has ended; exit code 2 when it failed."""
    job = client.jobs.get(name)
    for entry in job.stream(timeout=timeout):
        _print(entry, out)
    _ended(job, out)


@verb(job_group)
@named("job")
@click.option("--tail", type=click.IntRange(min=0), metavar="N", help="Only the last N lines.")
def logs(client: BatchClient, out: Output, name: str, tail: int | None) -> None:
    """Print the log lines written so far."""
    for entry in client.jobs.get(name).logs(tail=tail):
        _print(entry, out)


@verb(job_group)
@named("job")
@timeout
def wait(client: BatchClient, out: Output, name: str, timeout: float | None) -> None:
    """Wait until a job has ended; exit code 2 when it failed or was cancelled, 3 when the time was over."""
    job = client.jobs.get(name).wait(timeout=timeout, progress=out.progress)
    out.one(job._rows())
    out.hint(f"abe job download {job.name} --dest .")


@verb(job_group)
@named("job")
def cancel(client: BatchClient, out: Output, name: str) -> None:
    """Ask the service to stop a job."""
    job = client.jobs.get(name).cancel()
    out.word(f"Job '{job.name}' is {job.status.value}.")


@verb(job_group)
@named("job")
@click.option("--status", type=click.Choice(["succeeded", "failed", "pending"]), help="Only files that stand so.")
@limit
def items(client: BatchClient, out: Output, name: str, status: str | None, limit: int | None) -> None:
    """List what became of each input file."""
    found = islice(client.jobs.get(name).items(status=status), limit)
    columns = ["path", "status", "mini_batch", "attempts", "worker", "error_type", "error_message"]
    out.many((list(vars(one).items()) for one in found), columns)


@verb(job_group)
@named("job")
@waiting
def retry_failed(client: BatchClient, out: Output, name: str, wait: bool | None) -> None:
    """Start a new job over exactly the files that failed in this one; prints its name."""
    started(client, out, client.jobs.get(name).retry_failed(), wait=wait)


@verb(job_group)
@named("job")
@click.option(
    "--dest", "--download-path", "-p", default=".", metavar="FOLDER", help="Where to put them; default: here."
)
@click.option("--overwrite", is_flag=True, help="Replace files that are there.")
def download(client: BatchClient, out: Output, name: str, dest: str, overwrite: bool) -> None:
    """Copy a job's results to this machine; prints the files."""
    written = client.jobs.get(name).results.download(dest, overwrite=overwrite)
    out.many(([("file", str(path)), ("bytes", path.stat().st_size)] for path in written), ["file", "bytes"])


def started(client: BatchClient, out: Output, job: Job, *, wait: bool | None) -> None:
    """Print a new job's name at once, then do what keeps the job alive.

    A local service that this command started ends with it, so then the command waits, unless told otherwise.
    """
    out.name(job._rows())
    short_lived = ends_with_us(client)
    if wait or (wait is None and short_lived):
        if wait is None:
            out.word("Waiting, since the local service ends with this command. To have jobs run in the background:")
            out.hint("abe local start --detach")
        _ended(job.wait(progress=out.progress, raise_on_failure=False), out)
    elif short_lived:
        out.word(f"The local service ends with this command. Job '{job.name}' goes on with the next one, e.g.:")
        out.hint(f"abe job wait {job.name}")
    else:
        out.hint(f"abe job stream {job.name}")


def _print(entry: LogEntry, out: Output) -> None:
    out.line(f"{entry.source}: {entry.message}", list(vars(entry).items()))


def _ended(job: Job, out: Output) -> None:
    job.wait(progress=False)  # it has ended: this raises when it failed
    done = f", {job.progress}" if job.progress else ""
    out.word(f"Job '{job.name}' is {job.status.value}{done}.")
    out.hint(f"abe job download {job.name} --dest .")
