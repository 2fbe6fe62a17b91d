"""``abe endpoint invoke`` (``abe batch-endpoint invoke``): send a job to an endpoint."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import click

from azure_batch_endpoints import inputs
from azure_batch_endpoints._spelling import suggestion
from azure_batch_endpoints.cli.commands import named, tag
from azure_batch_endpoints.cli.endpoint import endpoint_group
from azure_batch_endpoints.cli.job import started, waiting
from azure_batch_endpoints.cli.output import Output
from azure_batch_endpoints.cli.workspace import verb
from azure_batch_endpoints.client import BatchClient
from azure_batch_endpoints.endpoints import BatchEndpoint
from azure_batch_endpoints.errors import InvalidInputError
from azure_batch_endpoints.inputs import Input, InputLike
from azure_batch_endpoints.specs import RetrySettings, RunSettings

_SETTINGS = frozenset(RunSettings.model_fields) - {"output_action", "environment_variables", "retry_settings"}
_SETTABLE = _SETTINGS | {f"retry_settings.{name}" for name in RetrySettings.model_fields}
_BESIDE = {"job_name": "job_name", "experiment_name": "experiment_name"}
_OTHERWISE = {
    "compute.instance_count": "instance_count",
    "resources.instance_count": "instance_count",
    **{f"settings.{name}": name for name in _SETTABLE},
}
_OUTPUT = "output_dataset."


@verb(endpoint_group)
@named("endpoint")
@click.option("--input", "anything", metavar="INPUT", help="A path here, a URI, or azureml:<name>:<version>.")
@click.option(
    "--input-type",
    type=click.Choice(["uri_folder", "uri_file"]),
    help="What --input is; default: by its name.",
)
@click.option("--input-path", metavar="folder:URI|file:URI", help="A folder or a file in storage.")
@click.option("--input-dataset", metavar="azureml:NAME:VERSION", help="A registered data set.")
@click.option("--input-local-path", metavar="PATH", help="A file or folder here; uploaded once by content.")
@click.option("--inputs", "named_inputs", multiple=True, metavar="NAME.path=INPUT", help="A named input.")
@click.option("--output-path", "output", metavar="folder:URI", help="Folder of a datastore that takes the results.")
@click.option("--outputs", "named_outputs", multiple=True, metavar="NAME.path=URI", help="A named output.")
@click.option("--deployment-name", "-d", "deployment", metavar="NAME", help="Who scores; default: the default one.")
@click.option("--mini-batch-size", "-m", type=int, metavar="N", help="Files given to one run().")
@click.option("--instance-count", "-c", type=int, metavar="N", help="Nodes.")
@click.option("--set", "changes", multiple=True, metavar="KEY=VALUE", help=f"One of {', '.join(sorted(_SETTABLE))}.")
@click.option("--job-name", metavar="NAME", help="Name of the job; one that exists gives that job.")
@click.option("--experiment-name", metavar="NAME", help="Experiment; default: the endpoint's name.")
@tag
@waiting
def invoke(
    client: BatchClient, out: Output, name: str, changes: tuple[str, ...], wait: bool | None, **options: Any
) -> None:
    """Start a scoring job and print its name."""
    asked = _asked(options)
    output = _output(options.pop("output"), options.pop("named_outputs"), changes)
    changed = read_settings(changes)
    endpoint = client.endpoints.get(name)
    if "retry_settings" in changed:
        changed["retry_settings"] = _whole(changed["retry_settings"], endpoint, options["deployment"])
    chosen = {key: value for key, value in {**options, "output": output}.items() if value is not None}
    started(client, out, endpoint.invoke(*asked[0], **{**asked[1], **changed, **chosen}), wait=wait)


def read_settings(given: Iterable[str]) -> dict[str, Any]:
    """Read ``--set key=value`` pairs into keyword arguments of ``invoke``; those of the output are read elsewhere.

    Raises:
        InvalidInputError: a pair without ``=``, or a key that cannot be set for one job.
        SpecError: a value that the setting cannot have.
    """
    nested: dict[str, Any] = {}
    beside: dict[str, str] = {}
    for pair in given:
        key, equals, value = pair.partition("=")
        if not equals:
            raise InvalidInputError(f"--set {pair}: write --set {pair}=<value>.")
        key = _OTHERWISE.get(key, key)
        if key in _BESIDE:
            beside[_BESIDE[key]] = value
        elif key in _SETTABLE:
            group, _, inner = key.rpartition(".")
            (nested.setdefault(group, {}) if group else nested)[inner] = value
        elif not key.startswith(_OUTPUT):
            raise InvalidInputError(f"--set {pair}: there is no '{key}'. {suggestion(key, _SETTABLE | set(_BESIDE))}")
    checked = RunSettings(**nested)
    return {**{name: getattr(checked, name) for name in nested}, **beside}


def _output(path: str | None, named_outputs: tuple[str, ...], changes: tuple[str, ...]) -> str | None:
    """Return the one place for results, whichever of its spellings was used."""
    found = [path] if path is not None else []
    found += [one["path"] for one in _by_name("--outputs", named_outputs).values()]
    parts = dict(one.removeprefix(_OUTPUT).split("=", 1) for one in changes if one.startswith(_OUTPUT) and "=" in one)
    if parts.keys() - {"datastore_id", "path"}:
        raise InvalidInputError("--set output_dataset takes datastore_id and path.")
    if parts:
        datastore = parts.get("datastore_id", "workspaceblobstore").removeprefix("azureml:").rsplit("/", 1)[-1]
        found.append(f"azureml://datastores/{datastore}/paths/{parts.get('path', '').strip('/')}/")
    if len(found) > 1:
        raise InvalidInputError(f"The results have one place, but {len(found)} were given. Give --output-path alone.")
    return found[0] if found else None


def _whole(retry: RetrySettings, endpoint: BatchEndpoint, deployment: str | None) -> RetrySettings:
    """Take from the deployment what was not given: a job's retry settings go out as a whole."""
    scoring = deployment or endpoint.default_deployment_name
    said: Mapping[str, Any] = {name: getattr(retry, name) for name in retry.model_fields_set}
    if scoring is None or len(said) == len(RetrySettings.model_fields):
        return retry
    return endpoint.deployments.get(scoring).spec.settings.retry_settings.model_copy(update=said)


def _asked(options: dict[str, Any]) -> tuple[list[InputLike], dict[str, Any]]:
    """Take the input out of the options, as arguments of ``invoke``: one alone, or several by name."""
    anything, kind, path, dataset, local, several = (
        options.pop(key)
        for key in ("anything", "input_type", "input_path", "input_dataset", "input_local_path", "named_inputs")
    )
    if dataset is not None and not dataset.startswith(("azureml:", "/")):
        dataset = f"azureml:{dataset}"
    found = [one for one in (anything, path, dataset, local, several or None) if one is not None]
    if len(found) != 1:
        raise click.UsageError("Give one of --input, --input-path, --input-dataset, --input-local-path and --inputs.")
    if several:
        named_ones = _by_name("--inputs", several)
        return [], {"inputs": {name: _typed(one["path"], one.get("type")) for name, one in named_ones.items()}}
    if local is not None:
        return [inputs.local_path(local)], {}
    return [_typed(found[0], kind) if anything is not None else found[0]], {}


def _typed(value: str, kind: str | None) -> Input:
    """Read an input; what is said of a URI wins over what its name looks like."""
    parsed = inputs.parse(value)
    if kind is None or parsed.kind not in ("folder", "file"):
        return parsed
    bare = value.split(":", 1)[1] if value.lower().startswith(("folder:", "file:")) else value
    return inputs.folder(bare) if kind == "uri_folder" else inputs.file(bare)


def _by_name(option: str, given: tuple[str, ...]) -> dict[str, dict[str, str]]:
    """Read ``name.path=…`` and ``name.type=…``."""
    found: dict[str, dict[str, str]] = {}
    for pair in given:
        key, equals, value = pair.partition("=")
        name, dot, part = key.rpartition(".")
        if not (equals and dot and name) or part not in ("path", "type"):
            raise InvalidInputError(f"{option} {pair}: write {option} <name>.path=<uri>, and <name>.type=uri_folder.")
        found.setdefault(name, {})[part] = value
    for name, one in found.items():
        if "path" not in one:
            raise InvalidInputError(f"{option}: '{name}' has no path. Write {option} {name}.path=<uri>.")
    return found
