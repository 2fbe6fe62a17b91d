"""``abe endpoint``: create, look at and change endpoints, and send jobs to them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import click

from azure_batch_endpoints._spelling import suggestion
from azure_batch_endpoints.cli.job import started, waiting
from azure_batch_endpoints.cli.output import Output
from azure_batch_endpoints.cli.workspace import confirmed, named, tags, verb
from azure_batch_endpoints.client import BatchClient
from azure_batch_endpoints.endpoints import BatchEndpoint
from azure_batch_endpoints.errors import InvalidInputError
from azure_batch_endpoints.inputs import InputLike, local_path
from azure_batch_endpoints.specs import EndpointSpec, RetrySettings, RunSettings

tag = click.option(
    "--tag", "tags", multiple=True, callback=tags, metavar="NAME=VALUE", help="Tag; give it again for more."
)
description = click.option("--description", metavar="TEXT", help="Description.")
_SETTINGS = frozenset(RunSettings.model_fields) - {"output_action", "environment_variables", "retry_settings"}
_SETTABLE = _SETTINGS | {f"retry_settings.{name}" for name in RetrySettings.model_fields}


@click.group("endpoint")
def endpoint_group() -> None:
    """Endpoints: stable names that jobs are sent to."""


@verb(endpoint_group)
@named("endpoint", required=False)
@click.option("--file", "-f", metavar="YAML", help="Endpoint YAML; what is given beside it wins.")
@description
@tag
def create(client: BatchClient, out: Output, file: str | None, **given: Any) -> None:
    """Create an endpoint, or replace the settings of the one of that name."""
    values = {name: value for name, value in given.items() if value is not None}
    spec = EndpointSpec(**values) if file is None else EndpointSpec.from_yaml(file, **values)
    endpoint = client.endpoints.create(spec)
    out.one(endpoint._rows())
    out.hint(f"abe deployment create --endpoint-name {endpoint.name} --file deployment.yml --set-default")


@verb(endpoint_group)
@named("endpoint")
def show(client: BatchClient, out: Output, name: str) -> None:
    """Show an endpoint."""
    out.one(client.endpoints.get(name)._rows())


@verb(endpoint_group, "list")
def list_(client: BatchClient, out: Output) -> None:
    """List the endpoints."""
    endpoints = client.endpoints.list()
    out.many((one._rows() for one in endpoints), ["name", "state", "default deployment", "description"])


@verb(endpoint_group)
@named("endpoint")
@description
@tag
def update(client: BatchClient, out: Output, name: str, **given: Any) -> None:
    """Change description or tags; what is not given stays."""
    out.one(client.endpoints.get(name).update(**given)._rows())


@verb(endpoint_group)
@named("endpoint")
@click.argument("deployment")
def set_default(client: BatchClient, out: Output, name: str, deployment: str) -> None:
    """Make DEPLOYMENT the one that scores when none is named."""
    client.endpoints.get(name).set_default(deployment)
    out.word(f"Deployment '{deployment}' is the default of endpoint '{name}'.")


@verb(endpoint_group)
@named("endpoint")
@confirmed("Delete the endpoint with all its deployments? Jobs and results stay.")
def delete(client: BatchClient, out: Output, name: str) -> None:
    """Delete an endpoint with all its deployments; jobs and results stay."""
    client.endpoints.get(name).delete()
    out.word(f"Endpoint '{name}' is deleted.")


@verb(endpoint_group)
@named("endpoint")
@click.option("--input", "anything", metavar="INPUT", help="A path here, a URI, or azureml:<name>:<version>.")
@click.option("--input-path", metavar="folder:URI|file:URI", help="A folder or a file in storage.")
@click.option("--input-dataset", metavar="azureml:NAME:VERSION", help="A registered data set.")
@click.option("--input-local-path", metavar="PATH", help="A file or folder here; uploaded once by content.")
@click.option("--output-path", "output", metavar="folder:URI", help="Folder of a datastore that takes the results.")
@click.option("--deployment-name", "-d", "deployment", metavar="NAME", help="Who scores; default: the default one.")
@click.option("--mini-batch-size", type=int, metavar="N", help="Files given to one run().")
@click.option("--instance-count", "-c", type=int, metavar="N", help="Nodes.")
@click.option("--set", "settings", multiple=True, metavar="KEY=VALUE", help=f"One of {', '.join(sorted(_SETTABLE))}.")
@click.option("--job-name", metavar="NAME", help="Name of the job; one that exists gives that job.")
@click.option("--experiment-name", metavar="NAME", help="Experiment; default: the endpoint's name.")
@tag
@waiting
def invoke(
    client: BatchClient,
    out: Output,
    name: str,
    settings: tuple[str, ...],
    wait: bool | None,
    **given: Any,
) -> None:
    """Start a scoring job and print its name."""
    chosen = _input(*(given.pop(key) for key in ("anything", "input_path", "input_dataset", "input_local_path")))
    changed = read_settings(settings)
    endpoint = client.endpoints.get(name)
    if "retry_settings" in changed:
        changed["retry_settings"] = _whole(changed["retry_settings"], endpoint, given["deployment"])
    given = {key: value for key, value in given.items() if value is not None}
    started(client, out, endpoint.invoke(chosen, **{**changed, **given}), wait=wait)


def read_settings(pairs: Iterable[str]) -> dict[str, Any]:
    """Read ``--set key=value`` pairs into keyword arguments of ``invoke``.

    Raises:
        InvalidInputError: a pair without ``=``, or a key that cannot be set for one job.
        SpecError: a value that the setting cannot have.
    """
    nested: dict[str, Any] = {}
    for pair in pairs:
        key, equals, value = pair.partition("=")
        if not equals:
            raise InvalidInputError(f"--set {pair}: write --set {pair}=<value>.")
        if key not in _SETTABLE:
            raise InvalidInputError(f"--set {pair}: there is no '{key}'. {suggestion(key, set(_SETTABLE))}")
        group, _, field = key.rpartition(".")
        (nested.setdefault(group, {}) if group else nested)[field] = value
    checked = RunSettings(**nested)
    return {name: getattr(checked, name) for name in nested}


def _whole(retry: RetrySettings, endpoint: BatchEndpoint, deployment: str | None) -> RetrySettings:
    """Take from the deployment what was not given: a job's retry settings go out as a whole."""
    scoring = deployment or endpoint.default_deployment_name
    given: Mapping[str, Any] = {name: getattr(retry, name) for name in retry.model_fields_set}
    if scoring is None or len(given) == len(RetrySettings.model_fields):
        return retry
    return endpoint.deployments.get(scoring).spec.settings.retry_settings.model_copy(update=given)


def _input(anything: str | None, path: str | None, dataset: str | None, local: str | None) -> InputLike:
    if dataset is not None and not dataset.startswith(("azureml:", "/")):
        dataset = f"azureml:{dataset}"
    found = [one for one in (anything, path, dataset, local) if one is not None]
    if len(found) != 1:
        raise click.UsageError("Give one of --input, --input-path, --input-dataset and --input-local-path.")
    return found[0] if local is None else local_path(local)
