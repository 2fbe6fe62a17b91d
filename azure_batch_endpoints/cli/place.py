"""``abe workspace`` and ``abe datastore``: what is there already when the story begins. Shows; changes nothing."""

from __future__ import annotations

from itertools import islice

import click

from azure_batch_endpoints.cli import shapes
from azure_batch_endpoints.cli.commands import Noun, limit, named
from azure_batch_endpoints.cli.output import Output
from azure_batch_endpoints.cli.workspace import service_of, verb
from azure_batch_endpoints.client import BatchClient


@click.group("workspace", cls=Noun)
def workspace_group() -> None:
    """The workspace that everything belongs to."""


@click.group("datastore", cls=Noun)
def datastore_group() -> None:
    """Datastores: containers under a name, for inputs and results."""


@verb(workspace_group, "show")
@named("workspace", required=False)
def show_workspace(client: BatchClient, out: Output, name: str | None) -> None:
    """Show the workspace; a NAME other than its own is refused."""
    if name is not None and name.lower() != client.workspace.lower():
        raise click.UsageError(f"The workspace is '{client.workspace}', not '{name}'. Leave out the name.")
    service = service_of(client)
    sent = service.send("GET", str(service.path), action=f"read workspace '{client.workspace}'")
    out.one(shapes.workspace(sent.body if isinstance(sent.body, dict) else {}))


@verb(datastore_group, "show")
@named("datastore")
def show_datastore(client: BatchClient, out: Output, name: str) -> None:
    """Show a datastore, without its secret."""
    out.one(shapes.datastore(client.datastores.get(name)))


@verb(datastore_group, "list")
@limit
def list_datastores(client: BatchClient, out: Output, limit: int | None) -> None:
    """List the datastores."""
    found = (shapes.datastore(one) for one in client.datastores.list())
    out.many(islice(found, limit), ["name", "type", "account", "container", "default"])
