"""``abe endpoint compare``: two deployments on the same input, before one takes the other's place."""

from __future__ import annotations

from pathlib import Path

import click

from azure_batch_endpoints.cli.commands import named
from azure_batch_endpoints.cli.endpoint import endpoint_group
from azure_batch_endpoints.cli.job import timeout
from azure_batch_endpoints.cli.output import Output, Shown, plain
from azure_batch_endpoints.cli.workspace import verb
from azure_batch_endpoints.client import BatchClient
from azure_batch_endpoints.comparison import Comparison


@verb(endpoint_group, own=True)
@named("endpoint")
@click.option(
    "--input", "given", required=True, metavar="INPUT", help="A path here, a URI, or azureml:<name>:<version>."
)
@click.option("--deployments", nargs=2, required=True, metavar="FIRST SECOND", help="The two that score it.")
@click.option("--key", multiple=True, metavar="COLUMN", help="Column that tells which rows belong together.")
@click.option(
    "--tolerance",
    type=click.FloatRange(min=0),
    default=0.0,
    metavar="NUMBER",
    help="Numbers that differ by no more are equal: absolutely up to 1, relatively above.",
)
@click.option("--differing", metavar="FILE", help="CSV file to write the rows that differ to.")
@timeout
def compare(
    client: BatchClient,
    out: Output,
    name: str,
    given: str,
    deployments: tuple[str, str],
    key: tuple[str, ...],
    tolerance: float,
    differing: str | None,
    timeout: float | None,
) -> None:
    """Score the same input with two deployments and say how far they agree."""
    first, second = deployments
    endpoint = client.endpoints.get(name)
    found = endpoint.compare(
        given, first, second, key=key or None, tolerance=tolerance, timeout=timeout, progress=out.progress
    )
    out.one(Shown(found._rows(), _data(found)))
    if differing is not None:
        found.differing.to_csv(Path(differing), index=False)
        out.word(f"{len(found.differing):,} rows that differ are in '{differing}'.")
    out.hint(f"abe endpoint set-default {name} {second}")


def _data(found: Comparison) -> dict[str, object]:
    """Return what programs see; ``nan``, which JSON does not have, is null."""
    known = found.agreement == found.agreement
    return {
        "agreement": found.agreement if known else None,
        "rows": found.rows,
        "differing": len(found.differing),
        "only_in": {name: len(rows) for name, rows in found.only_in.items()},
        "matched_by": found.matched_by,
        "columns": list(found.columns),
        "seconds": plain(dict(found.seconds)),
        "files_per_second": plain(dict(found.files_per_second)),
        "failed": plain(dict(found.failed)),
        "jobs": {name: job.name for name, job in found.jobs.items()},
        "notes": list(found.notes),
    }
