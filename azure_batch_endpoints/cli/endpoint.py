"""``abe endpoint`` (``abe batch-endpoint``): create, look at and change endpoints. Sending jobs is in ``invoke``."""

from __future__ import annotations

from itertools import islice
from typing import Any

import click

from azure_batch_endpoints.cli import settings, shapes
from azure_batch_endpoints.cli.commands import (
    Noun,
    confirmed,
    description,
    given,
    limit,
    named,
    no_wait,
    pairs,
    sets,
    tag,
)
from azure_batch_endpoints.cli.job import JOB_COLUMNS
from azure_batch_endpoints.cli.output import Output
from azure_batch_endpoints.cli.workspace import verb
from azure_batch_endpoints.client import BatchClient
from azure_batch_endpoints.endpoints import BatchEndpoint
from azure_batch_endpoints.specs import EndpointSpec


@click.group("endpoint", cls=Noun)
def endpoint_group() -> None:
    """Endpoints: stable names that jobs are sent to."""


@verb(endpoint_group)
@named("endpoint", required=False)
@click.option("--file", "-f", metavar="YAML", help="Endpoint YAML; what is given beside it wins.")
@description
@tag
@sets
@no_wait
def create(
    client: BatchClient, out: Output, file: str | None, changes: tuple[str, ...], wait: bool, **options: Any
) -> None:
    """Create an endpoint, or replace description and tags of the one of that name; its default deployment stays."""
    spec = settings.spec_of(EndpointSpec, file, changes, **given(options))
    endpoint = client.endpoints.create(spec, wait=wait)
    out.one(shapes.endpoint(endpoint))
    out.hint(f"abe deployment create --endpoint-name {endpoint.name} --file deployment.yml --set-default")


@verb(endpoint_group)
@named("endpoint")
def show(client: BatchClient, out: Output, name: str) -> None:
    """Show an endpoint."""
    out.one(shapes.endpoint(client.endpoints.get(name)))


@verb(endpoint_group, "list")
@limit
def list_(client: BatchClient, out: Output, limit: int | None) -> None:
    """List the endpoints."""
    found = (shapes.endpoint(one) for one in client.endpoints.list())
    out.many(islice(found, limit), ["name", "state", "default deployment", "description"])


@verb(endpoint_group)
@named("endpoint", required=False)
@click.option("--file", "-f", metavar="YAML", help="Endpoint YAML; what it does not say stays.")
@click.option(
    "--defaults", multiple=True, callback=pairs, metavar="deployment_name=NAME", help="Who scores when none is named."
)
@description
@tag
@sets
@no_wait
def update(
    client: BatchClient,
    out: Output,
    name: str | None,
    file: str | None,
    changes: tuple[str, ...],
    wait: bool,
    defaults: dict[str, str] | None,
    **options: Any,
) -> None:
    """Change description, tags or the default deployment; what is not given stays."""
    both = (*changes, *(f"defaults.{key}={value}" for key, value in (defaults or {}).items()))
    extra = given({"name": name, **options})
    if name is None and file is None:
        raise click.UsageError("Name the endpoint, as an argument or with --name, or give --file.")
    endpoint = client.endpoints.get(name or settings.spec_of(EndpointSpec, file, both).name)
    if file is None:
        tags = {"tags": dict(endpoint.tags)} if any(one.startswith("tags.") for one in both) else {}
        spec = settings.over(EndpointSpec, {"name": endpoint.name, **tags}, {**settings.read(both), **extra})
    else:
        spec = settings.spec_of(EndpointSpec, file, both, **extra)
    out.one(shapes.endpoint(_changed(endpoint, spec, wait=wait)))


@verb(endpoint_group, own=True)
@named("endpoint")
@click.argument("deployment")
def set_default(client: BatchClient, out: Output, name: str, deployment: str) -> None:
    """Make DEPLOYMENT the one that scores when none is named."""
    client.endpoints.get(name).set_default(deployment)
    out.word(f"Deployment '{deployment}' is the default of endpoint '{name}'.")


@verb(endpoint_group)
@named("endpoint")
@confirmed("Delete the endpoint with all its deployments? Jobs and results stay.")
@no_wait
def delete(client: BatchClient, out: Output, name: str, wait: bool) -> None:
    """Delete an endpoint with all its deployments; jobs and results stay."""
    client.endpoints.get(name).delete(wait=wait)
    out.word(f"Endpoint '{name}' is {'deleted' if wait else 'being deleted'}.")


@verb(endpoint_group)
@named("endpoint")
@limit
def list_jobs(client: BatchClient, out: Output, name: str, limit: int | None) -> None:
    """List the jobs of an endpoint, newest first."""
    found = client.endpoints.get(name).list_jobs()
    out.many(islice((shapes.job(one) for one in found), limit), JOB_COLUMNS)


def _changed(endpoint: BatchEndpoint, spec: EndpointSpec, *, wait: bool) -> BatchEndpoint:
    """Ask for what the spec says and nothing else; first for the default, which the service may refuse."""
    said = spec.model_fields_set
    if "default_deployment" in said and spec.default_deployment:
        endpoint.set_default(spec.default_deployment, wait=wait or bool(said & {"description", "tags"}))
        if not said & {"description", "tags"}:
            return endpoint
    return endpoint.update(
        description=spec.description if "description" in said else None,
        tags=spec.tags if "tags" in said else None,
        wait=wait,
    )
