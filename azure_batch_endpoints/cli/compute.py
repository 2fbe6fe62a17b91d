"""``abe compute``: nodes that score."""

from __future__ import annotations

from typing import Any

import click

from azure_batch_endpoints.cli.output import Output
from azure_batch_endpoints.cli.workspace import confirmed, named, verb
from azure_batch_endpoints.client import BatchClient
from azure_batch_endpoints.specs import ComputeSpec


@click.group("compute")
def compute_group() -> None:
    """Computes: nodes that score."""


@verb(compute_group)
@named("compute", required=False)
@click.option("--file", "-f", metavar="YAML", help="Compute YAML; what is given beside it wins.")
@click.option("--type", metavar="TYPE", help="amlcompute; ray is not supported yet.")
@click.option("--size", metavar="SIZE", help="Virtual machine size.")
@click.option("--min-instances", type=int, metavar="N", help="Nodes that are always kept.")
@click.option("--max-instances", type=int, metavar="N", help="Nodes at most.")
@click.option("--address", metavar="HOST:PORT", help="Address of the Ray cluster.")
def create(client: BatchClient, out: Output, file: str | None, **given: Any) -> None:
    """Create a compute, or change the one of that name."""
    values = {name: value for name, value in given.items() if value is not None}
    spec = ComputeSpec(**values) if file is None else ComputeSpec.from_yaml(file, **values)
    out.one(client.computes.create(spec)._rows())


@verb(compute_group)
@named("compute")
def show(client: BatchClient, out: Output, name: str) -> None:
    """Show a compute."""
    out.one(client.computes.get(name)._rows())


@verb(compute_group, "list")
def list_(client: BatchClient, out: Output) -> None:
    """List the computes."""
    out.many((one._rows() for one in client.computes.list()), ["name", "state", "type", "nodes"])


@verb(compute_group)
@named("compute")
@confirmed("Delete the compute?")
def delete(client: BatchClient, out: Output, name: str) -> None:
    """Delete a compute."""
    client.computes.delete(name)
    out.word(f"Compute '{name}' is deleted.")
