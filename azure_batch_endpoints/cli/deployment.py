"""``abe deployment``: what does the work behind an endpoint."""

from __future__ import annotations

from typing import Any

import click

from azure_batch_endpoints import _documents
from azure_batch_endpoints.cli.output import Output, Rows
from azure_batch_endpoints.cli.workspace import confirmed, named, verb
from azure_batch_endpoints.client import BatchClient
from azure_batch_endpoints.deployments import BatchDeployment
from azure_batch_endpoints.errors import InvalidInputError
from azure_batch_endpoints.specs import DeploymentSpec

endpoint_name = click.option("--endpoint-name", "-e", required=True, metavar="NAME", help="Endpoint it belongs to.")


@click.group("deployment")
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
def create(
    client: BatchClient,
    out: Output,
    file: str,
    endpoint_name: str | None,
    set_default: bool,
    **given: Any,
) -> None:
    """Create a deployment, or replace the one of that name; what is given beside the YAML wins."""
    spec = DeploymentSpec.from_yaml(file, **{name: value for name, value in given.items() if value is not None})
    endpoint = client.endpoints.get(endpoint_name or _endpoint_of(file))
    deployment = endpoint.deployments.create(spec, set_default=set_default)
    out.one(_rows(deployment))
    choice = "" if set_default else f" --deployment-name {deployment.name}"
    out.hint(f"abe endpoint invoke {endpoint.name}{choice} --input-local-path <path>")


@verb(deployment_group)
@named("deployment")
@endpoint_name
def show(client: BatchClient, out: Output, name: str, endpoint_name: str) -> None:
    """Show a deployment with its settings."""
    out.one(_rows(client.endpoints.get(endpoint_name).deployments.get(name)))


@verb(deployment_group, "list")
@endpoint_name
def list_(client: BatchClient, out: Output, endpoint_name: str) -> None:
    """List the deployments of an endpoint."""
    deployments = client.endpoints.get(endpoint_name).deployments.list()
    out.many((one._rows() for one in deployments), ["name", "state", "scoring script", "compute", "mini-batch size"])


@verb(deployment_group)
@named("deployment")
@endpoint_name
@confirmed("Delete the deployment? Jobs and results stay.")
def delete(client: BatchClient, out: Output, name: str, endpoint_name: str) -> None:
    """Delete a deployment; jobs and results stay."""
    client.endpoints.get(endpoint_name).deployments.get(name).delete()
    out.word(f"Deployment '{name}' of endpoint '{endpoint_name}' is deleted.")


def _endpoint_of(file: str) -> str:
    name = _documents.read(file).data.get("endpoint_name")
    if not name:
        raise InvalidInputError(f"'{file}' has no endpoint_name. Add it, or pass --endpoint-name.")
    return str(name)


def _rows(deployment: BatchDeployment) -> Rows:
    settings = deployment.spec.settings.model_dump(exclude={"mini_batch_size"})
    retry = settings.pop("retry_settings")
    flat = {**settings, **{f"retry_settings.{name}": value for name, value in retry.items()}}
    return [*deployment._rows(), *flat.items()]
