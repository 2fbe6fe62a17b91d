"""``abe compute``: nodes that score."""

from __future__ import annotations

from itertools import islice
from typing import Any

import click

from azure_batch_endpoints.cli import shapes
from azure_batch_endpoints.cli.commands import Noun, confirmed, description, given, limit, named, no_wait, sets, tag
from azure_batch_endpoints.cli.output import Output
from azure_batch_endpoints.cli.settings import spec_of
from azure_batch_endpoints.cli.workspace import verb
from azure_batch_endpoints.client import BatchClient
from azure_batch_endpoints.specs import ComputeSpec


@click.group("compute", cls=Noun)
def compute_group() -> None:
    """Computes: nodes that score."""


@verb(compute_group)
@named("compute", required=False)
@click.option("--file", "-f", metavar="YAML", help="Compute YAML; what is given beside it wins.")
@click.option("--type", "-t", metavar="TYPE", help="amlcompute; ray is not supported yet.")
@click.option("--size", metavar="SIZE", help="Virtual machine size.")
@click.option("--tier", metavar="TIER", help="dedicated or low_priority.")
@click.option("--min-instances", type=int, metavar="N", help="Nodes that are always kept.")
@click.option("--max-instances", type=int, metavar="N", help="Nodes at most.")
@click.option("--idle-time-before-scale-down", type=float, metavar="SECONDS", help="How long a node may idle.")
@click.option("--address", metavar="HOST:PORT", help="Address of the Ray cluster.")
@description
@tag
@sets
@no_wait
def create(
    client: BatchClient, out: Output, file: str | None, changes: tuple[str, ...], wait: bool, **options: Any
) -> None:
    """Create a compute, or change the one of that name."""
    spec = spec_of(ComputeSpec, file, changes, **given(options))
    out.one(shapes.compute(client.computes.create(spec, wait=wait)))


@verb(compute_group)
@named("compute")
def show(client: BatchClient, out: Output, name: str) -> None:
    """Show a compute."""
    out.one(shapes.compute(client.computes.get(name)))


@verb(compute_group, "list")
@click.option("--type", "-t", metavar="TYPE", help="Only computes of this type, e.g. amlcompute.")
@limit
def list_(client: BatchClient, out: Output, type: str | None, limit: int | None) -> None:
    """List the computes."""
    found = (one for one in client.computes.list() if type is None or one.type == type.lower())
    out.many(islice((shapes.compute(one) for one in found), limit), ["name", "state", "type", "nodes"])


@verb(compute_group)
@named("compute")
@confirmed("Delete the compute?")
@no_wait
def delete(client: BatchClient, out: Output, name: str, wait: bool) -> None:
    """Delete a compute."""
    client.computes.delete(name, wait=wait)
    out.word(f"Compute '{name}' is {'deleted' if wait else 'being deleted'}.")
