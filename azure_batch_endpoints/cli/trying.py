"""``abe deployment check`` and ``dry-run``: a deployment looked at and tried on this machine; nothing is sent.

Like ``abe local`` they need no workspace, and start no service.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from dataclasses import asdict
from typing import Any

import click
from click.exceptions import Exit

from azure_batch_endpoints._estimate import Estimate, size_text
from azure_batch_endpoints.checks import Finding
from azure_batch_endpoints.cli import settings
from azure_batch_endpoints.cli.commands import sets
from azure_batch_endpoints.cli.deployment import deployment_group
from azure_batch_endpoints.cli.output import Output, Shown
from azure_batch_endpoints.cli.workspace import FAILED, FORM, exits, output_of, shown_as
from azure_batch_endpoints.dryrun import DryRun
from azure_batch_endpoints.specs import DeploymentSpec

_FILES = 1_000
_ROWS = 10


def _here(name: str) -> Callable[[Callable[..., None]], click.Command]:
    """Make a function a verb that needs no client."""

    def decorate(function: Callable[..., None]) -> click.Command:
        @functools.wraps(function)
        @click.pass_context
        def run(context: click.Context, /, **given: Any) -> None:
            out = output_of(context, {one: given.pop(one) for one in FORM}, own=True)
            file = _file(given.pop("path"), given.pop("file"))
            changes = _own(given.pop("changes"))
            with exits(out, lambda: "Nothing was sent, and nothing goes on."):
                function(out, settings.spec_of(DeploymentSpec, file, changes), **given)

        named = click.argument("path", metavar="[YAML]", required=False)
        file = click.option("--file", "-f", metavar="YAML", help="Deployment YAML.")
        command = deployment_group.command(name)(shown_as(named(file(sets(run)))))
        command.params.sort(key=lambda one: one.name in FORM)  # the verb's own options first in its help
        return command

    return decorate


def _file(path: str | None, file: str | None) -> str:
    names = {one for one in (path, file) if one is not None}
    if len(names) != 1:
        raise click.UsageError("Name the deployment's YAML file once: as an argument, or with --file.")
    return names.pop()


def _own(changes: tuple[str, ...]) -> list[str]:
    """Leave out what ``create`` takes for the endpoint, so that a command line can be copied."""
    return [one for one in changes if not one.startswith("endpoint_name=")]


@_here("check")
def check(out: Output, spec: DeploymentSpec) -> None:
    """Look for mistakes in a deployment; exit code 1 when it cannot work."""
    found = spec.check()
    errors = sum(one.severity == "error" for one in found)
    if out.style == "table":
        for one in found:
            out.line(str(one), [])
    else:
        out.many((_row(one) for one in found), ["severity", "message", "path", "line"])
    warnings = len(found) - errors
    out.word(f"Deployment '{spec.name}': {_count(errors, 'error')}, {_count(warnings, 'warning')}.")
    if errors:
        raise Exit(FAILED)


@_here("dry-run")
@click.option("--input", "source", required=True, metavar="PATH", help="A local file, folder or pattern.")
@click.option("--limit", type=click.IntRange(min=1), default=5, show_default=True, metavar="N", help="Files at most.")
@click.option(
    "--files",
    type=click.IntRange(min=0),
    default=_FILES,
    show_default=True,
    metavar="N",
    help="Files of the job that the estimate is for.",
)
def dry_run(out: Output, spec: DeploymentSpec, source: str, limit: int, files: int) -> None:
    """Score a few local files in one real worker here; exit code 1 when a file fails."""
    found = spec.dry_run(source, limit=limit)
    estimate = found.estimate(files=files)
    if out.style == "table":
        _show(out, found)
    out.one(_summary(found, estimate, files))
    for warning in (*found.warnings, *estimate.warnings):
        out.word(f"warning: {warning}")
    if any(one.status == "failed" for one in found.outcomes):
        raise Exit(FAILED)


def _row(one: Finding) -> Shown:
    rows = [("severity", one.severity), ("message", one.message), ("path", one.path), ("line", one.line)]
    return Shown(rows, {**dict(rows), "path": str(one.path) if one.path else None})


def _show(out: Output, found: DryRun) -> None:
    """Show rows and failures as they are."""
    if found.text:
        lines = found.to_pandas().head(_ROWS).to_string().splitlines()
        for line in lines:
            out.line(line, [])
        out.line("", [])
    told: set[str] = set()
    for one in found.outcomes:
        text = (one.traceback or f"{one.error_type}: {one.error_message}") if one.status == "failed" else ""
        if text and text not in told:
            told.add(text)
            out.word(text.rstrip())


def _summary(found: DryRun, estimate: Estimate, files: int) -> Shown:
    good = sum(one.status == "succeeded" for one in found.outcomes)
    longest = f" (longest '{found.longest[0]}' {found.longest[1]:.3g} s)" if found.longest else ""
    better = [f"mini_batch_size {estimate.mini_batch_size}"] if estimate.mini_batch_size else []
    better += [f"timeout {estimate.timeout:g}"] if estimate.timeout else []
    rows: list[tuple[str, object]] = [
        ("files", f"{good} of {len(found.outcomes)} succeeded"),
        ("seconds a file", f"{found.seconds_per_file:.3g}{longest}"),
        ("init seconds", f"{found.init_seconds:.3g}"),
        ("peak memory", size_text(found.peak_memory)),
        ("estimate", f"{files:,} files in {_time(estimate.seconds)}, {estimate.mini_batches:,} mini-batches"),
        ("workers", estimate.workers),
    ]
    if better:
        rows.append(("better", " or ".join(better)))
    data = {
        "outcomes": [asdict(one) for one in found.outcomes],
        "alone": [asdict(one) for one in found.alone],
        "seconds_per_file": found.seconds_per_file,
        "init_seconds": found.init_seconds,
        "peak_memory": found.peak_memory,
        "rows_per_file": found.rows_per_file,
        "warnings": list(found.warnings),
        "estimate": {**asdict(estimate), "files": files, "warnings": list(estimate.warnings)},
    }
    return Shown(rows, data)


def _count(number: int, what: str) -> str:
    return f"{number} {what}{'' if number == 1 else 's'}"


def _time(seconds: float) -> str:
    """Return a duration for people."""
    if seconds < 120:
        return f"{seconds:.3g} s"
    return f"{seconds / 60:.0f} min" if seconds < 7200 else f"{seconds / 3600:.1f} h"
