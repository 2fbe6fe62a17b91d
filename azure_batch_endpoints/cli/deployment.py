"""``abe deployment`` (``abe batch-deployment``): what does the work behind an endpoint."""

from __future__ import annotations

from itertools import islice
from typing import Any

import click

from azure_batch_endpoints import _documents
from azure_batch_endpoints.cli import settings, shapes
from azure_batch_endpoints.cli.commands import Noun, confirmed, description, given, limit, named, no_wait, sets, tag
from azure_batch_endpoints.cli.job import JOB_COLUMNS
from azure_batch_endpoints.cli.output import Output
from azure_batch_endpoints.cli.workspace import verb
from azure_batch_endpoints.client import BatchClient
from azure_batch_endpoints.errors import InvalidInputError
from azure_batch_endpoints.specs import DeploymentSpec

endpoint_name = click.option("--endpoint-name", "-e", required=True, metavar="NAME", help="Endpoint it belongs to.")
skip_validation = click.option(
    "--skip-script-validation", is_flag=True, expose_value=False, help="Accepted; the check here takes no time."
)


@click.group("deployment", cls=Noun)
def deployment_group() -> None:
    """Deployments: model, scoring script and settings behind an endpoint."""


@verb(deployment_group)
@named("deployment", required=False)
@click.option(
    "--file", "-f", required=True, metavar="YAML", help="Deployment YAML, in the spelling of 2021 or of today."
)
@click.option("--endpoint-name", "-e", metavar="NAME", help="Endpoint; default: endpoint_name of the YAML.")
@click.option("--compute", metavar="NAME", help="Compute, instead of the YAML's; 'local' is the local service's own.")
@click.option("--set-default", is_flag=True, help="Make it the endpoint's default once it is ready.")
@sets
@skip_validation
@no_wait
def create(
    client: BatchClient,
    out: Output,
    file: str,
    endpoint_name: str | None,
    set_default: bool,
    changes: tuple[str, ...],
    wait: bool,
    **options: Any,
) -> None:
    """Create a deployment, or replace the one of that name; what is given beside the YAML wins."""
    said, owner = _owner(file, changes, endpoint_name)
    if owner is None:
        raise InvalidInputError(f"'{file}' has no endpoint_name. Add it, or pass --endpoint-name.")
    spec = settings.spec_of(DeploymentSpec, file, said, **given(options))
    endpoint = client.endpoints.get(owner)
    deployment = endpoint.deployments.create(spec, set_default=set_default, wait=wait)
    out.one(shapes.deployment(deployment))
    choice = "" if set_default else f" --deployment-name {deployment.name}"
    out.hint(f"abe endpoint invoke {endpoint.name}{choice} --input-local-path <path>")


@verb(deployment_group)
@named("deployment", required=False)
@click.option("--endpoint-name", "-e", metavar="NAME", help="Endpoint; default: endpoint_name of the YAML.")
@click.option("--file", "-f", metavar="YAML", help="Deployment YAML: the new whole.")
@description
@tag
@sets
@skip_validation
@no_wait
def update(
    client: BatchClient,
    out: Output,
    name: str | None,
    endpoint_name: str | None,
    file: str | None,
    changes: tuple[str, ...],
    wait: bool,
    **options: Any,
) -> None:
    """Change a deployment: all of it by YAML, single settings by --set."""
    said, owner = _owner(file, changes, endpoint_name)
    if owner is None or not (name or file):
        raise click.UsageError("Name the deployment and its --endpoint-name, or give --file.")
    extra = given({"name": name, **options})
    if file is not None:
        spec = settings.spec_of(DeploymentSpec, file, said, **extra)
        deployment = client.endpoints.get(owner).deployments.get(spec.name)
    else:
        if not said and not given(options):
            raise click.UsageError("Nothing to change. Give --set, --description, --tag or --file.")
        deployment = client.endpoints.get(owner).deployments.get(str(name))
        spec = settings.over(DeploymentSpec, _fields(deployment.spec), {**settings.read(said), **extra})
    out.one(shapes.deployment(deployment.update(spec, wait=wait)))


@verb(deployment_group)
@named("deployment")
@endpoint_name
def show(client: BatchClient, out: Output, name: str, endpoint_name: str) -> None:
    """Show a deployment with its settings."""
    out.one(shapes.deployment(client.endpoints.get(endpoint_name).deployments.get(name)))


@verb(deployment_group, "list")
@endpoint_name
@limit
def list_(client: BatchClient, out: Output, endpoint_name: str, limit: int | None) -> None:
    """List the deployments of an endpoint."""
    found = (shapes.deployment(one) for one in client.endpoints.get(endpoint_name).deployments.list())
    out.many(islice(found, limit), ["name", "state", "scoring script", "compute", "mini-batch size"])


@verb(deployment_group)
@named("deployment")
@endpoint_name
@limit
def list_jobs(client: BatchClient, out: Output, name: str, endpoint_name: str, limit: int | None) -> None:
    """List the jobs of a deployment, newest first."""
    found = client.endpoints.get(endpoint_name).deployments.get(name).list_jobs()
    out.many(islice((shapes.job(one) for one in found), limit), JOB_COLUMNS)


@verb(deployment_group)
@named("deployment")
@endpoint_name
@confirmed("Delete the deployment? Jobs and results stay.")
@no_wait
def delete(client: BatchClient, out: Output, name: str, endpoint_name: str, wait: bool) -> None:
    """Delete a deployment; jobs and results stay."""
    client.endpoints.get(endpoint_name).deployments.get(name).delete(wait=wait)
    out.word(f"Deployment '{name}' of endpoint '{endpoint_name}' is {'deleted' if wait else 'being deleted'}.")


def _owner(file: str | None, changes: tuple[str, ...], named: str | None) -> tuple[list[str], str | None]:
    """Return the changes of the deployment itself, and its endpoint: the option's, a change's or the file's."""
    key = "endpoint_name="
    changed = [one.removeprefix(key) for one in changes if one.startswith(key)]
    written = _documents.read(file).data.get("endpoint_name") if file is not None else None
    owner = named or (changed[-1] if changed else written)
    return [one for one in changes if not one.startswith(key)], None if owner is None else str(owner)


def _fields(spec: DeploymentSpec) -> dict[str, Any]:
    """Return the fields of a spec as plain values, those that are not set left out."""
    whole = {name: getattr(spec, name) for name in DeploymentSpec.model_fields}
    return given({**whole, "settings": spec.settings.model_dump(), "compute": spec.compute or None})
