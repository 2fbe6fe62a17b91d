"""``abe endpoint invoke`` (``abe batch-endpoint invoke``): send a job to an endpoint."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path, PurePosixPath
from typing import Any, TypeAlias

import click

from azure_batch_endpoints import _documents, inputs
from azure_batch_endpoints._spelling import suggestion
from azure_batch_endpoints.cli import settings
from azure_batch_endpoints.cli.commands import named, tag
from azure_batch_endpoints.cli.endpoint import endpoint_group
from azure_batch_endpoints.cli.job import isolate, started, waiting
from azure_batch_endpoints.cli.output import Output
from azure_batch_endpoints.cli.workspace import verb
from azure_batch_endpoints.client import BatchClient
from azure_batch_endpoints.endpoints import BatchEndpoint
from azure_batch_endpoints.errors import InvalidInputError
from azure_batch_endpoints.inputs import Input, InputLike
from azure_batch_endpoints.specs import RetrySettings

_OUTPUT = "output_dataset."
_BY_NAME = ("inputs", "outputs")
_Named: TypeAlias = "Mapping[str, Mapping[str, str]]"
_PARTS = ("path", "type", "default")
_LITERALS = frozenset({"string", "integer", "number", "boolean"})


@verb(endpoint_group)
@named("endpoint")
@click.option("--file", "-f", metavar="YAML", help="Inputs and outputs by name; what --set says of them wins.")
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
@isolate
@click.option(
    "--set",
    "changes",
    multiple=True,
    metavar="KEY=VALUE",
    help=f"inputs.NAME.path, inputs.NAME.type, the same of outputs, or one of {', '.join(sorted(settings.SETTABLE))}.",
)
@click.option("--job-name", metavar="NAME", help="Name of the job; one that exists gives that job.")
@click.option("--experiment-name", metavar="NAME", help="Experiment; default: the endpoint's name.")
@tag
@waiting
def invoke(
    client: BatchClient, out: Output, name: str, changes: tuple[str, ...], wait: bool | None, **options: Any
) -> None:
    """Start a scoring job and print its name."""
    file = _read_file(options.pop("file"))
    several, places = (
        _gathered(group, options.pop(f"named_{group}"), changes, file.get(group, {})) for group in _BY_NAME
    )
    asked = _asked(options, several)
    output, file_name = _output(options.pop("output"), places, changes)
    changed = settings.of_job(changes, passed_over=(_OUTPUT, *(f"{group}." for group in _BY_NAME)))
    endpoint = client.endpoints.get(name)
    if "retry_settings" in changed:
        changed["retry_settings"] = _whole(changed["retry_settings"], endpoint, options["deployment"])
    chosen = {key: value for key, value in {**options, "output": output}.items() if value is not None}
    if file_name is not None:
        changed.setdefault("output_file_name", file_name)
    started(client, out, endpoint.invoke(*asked[0], **{**asked[1], **changed, **chosen}), wait=wait)


def _output(path: str | None, named_outputs: _Named, changes: tuple[str, ...]) -> tuple[str | None, str | None]:
    """Return the one place for results, whichever of its spellings was used, and the file's name if it says one."""
    found: list[tuple[str, str | None]] = [(path, None)] if path is not None else []
    found += [_folder_and_file(_path_of("outputs", name, one)) for name, one in named_outputs.items()]
    parts = dict(one.removeprefix(_OUTPUT).split("=", 1) for one in changes if one.startswith(_OUTPUT) and "=" in one)
    if parts.keys() - {"datastore_id", "path"}:
        said = "Write --set output_dataset.datastore_id=<datastore> and --set output_dataset.path=<path>."
        raise InvalidInputError(said)
    if parts:
        datastore = parts.get("datastore_id", "workspaceblobstore").removeprefix("azureml:").rsplit("/", 1)[-1]
        found.append((f"azureml://datastores/{datastore}/paths/{parts.get('path', '').strip('/')}/", None))
    if len(found) > 1:
        raise InvalidInputError(f"The results have one place, but {len(found)} were given. Give --output-path alone.")
    return found[0] if found else (None, None)


def _folder_and_file(uri: str) -> tuple[str, str | None]:
    """Split what a named output is, a file; without extension the whole is a folder."""
    folder, slash, last = uri.rpartition("/")
    return (f"{folder}/", last) if slash and PurePosixPath(last).suffix else (uri, None)


def _whole(retry: RetrySettings, endpoint: BatchEndpoint, deployment: str | None) -> RetrySettings:
    """Take from the deployment what was not given: a job's retry settings go out as a whole."""
    scoring = deployment or endpoint.default_deployment_name
    said: Mapping[str, Any] = {name: getattr(retry, name) for name in retry.model_fields_set}
    if scoring is None or len(said) == len(RetrySettings.model_fields):
        return retry
    return endpoint.deployments.get(scoring).spec.settings.retry_settings.model_copy(update=said)


def _asked(options: dict[str, Any], several: _Named) -> tuple[list[InputLike], dict[str, Any]]:
    """Take the input out of the options, as arguments of ``invoke``: one alone, or several by name."""
    anything, kind, path, dataset, local = (
        options.pop(key) for key in ("anything", "input_type", "input_path", "input_dataset", "input_local_path")
    )
    if dataset is not None and not dataset.startswith(("azureml:", "/")):
        dataset = f"azureml:{dataset}"
    found = [one for one in (anything, path, dataset, local) if one is not None]
    if len(found) + bool(several) != 1:
        raise click.UsageError(
            "Give one of --input, --input-path, --input-dataset, --input-local-path, --inputs, "
            "--set inputs.<name>.path=<input> and --file."
        )
    if several:
        return [], {"inputs": {name: _value(name, one) for name, one in several.items()}}
    if local is not None:
        return [_of_kind(inputs.local_path(local), kind)], {}
    return [_typed(found[0], kind) if anything is not None else found[0]], {}


def _value(name: str, said: Mapping[str, str]) -> Input:
    kind = said.get("type")
    if kind in _LITERALS:
        value = said.get("default", said.get("path"))
        if value is None:
            raise InvalidInputError(f"Input '{name}' is a {kind} without value. Write inputs.{name}.default=<value>.")
        return Input("literal", value)
    return _typed(_path_of("inputs", name, said), kind)


def _typed(value: str, kind: str | None) -> Input:
    """Read an input; what is said of a URI wins over what its name looks like."""
    if value.startswith("//subscriptions/"):
        value = value[1:]  # as published scripts write an ARM id
    parsed = inputs.parse(value)
    if kind is None or parsed.kind not in ("folder", "file"):
        return _of_kind(parsed, kind)
    bare = value.split(":", 1)[1] if value.lower().startswith(("folder:", "file:")) else value
    return inputs.folder(bare) if kind == "uri_folder" else inputs.file(bare)


def _of_kind(parsed: Input, kind: str | None) -> Input:
    """Refuse what lies here and is not what it is said to be."""
    here = Path(parsed.value)
    wrong = {"uri_file": here.is_dir, "uri_folder": here.is_file}.get(kind or "")
    if parsed.kind == "local" and wrong is not None and wrong():
        is_a, right = ("folder", "uri_folder") if kind == "uri_file" else ("file", "uri_file")
        raise InvalidInputError(
            f"Input '{parsed.value}' is a {is_a}, but its type is given as {kind}. "
            f"Write {right}, or leave the type out. Nothing was sent."
        )
    return parsed


def _gathered(group: str, options: tuple[str, ...], changes: tuple[str, ...], file: _Named) -> _Named:
    """Return inputs or outputs by name: what the file says, and over it ``--set`` and the option of that name."""
    found = {name: dict(one) for name, one in file.items()}
    before = f"{group}."
    said = [(f"--{group}", one) for one in options]
    said += [(f"--set {before}", one.removeprefix(before)) for one in changes if one.startswith(before)]
    for option, pair in said:
        key, equals, value = pair.partition("=")
        name, dot, part = key.rpartition(".")
        if not (equals and dot and name) or part not in _PARTS:
            word = option if option.endswith(".") else f"{option} "
            raise InvalidInputError(f"{word}{pair}: write {word}<name>.path=<uri>, and {word}<name>.type=uri_folder.")
        found.setdefault(name, {})[part] = value
    return found


def _path_of(group: str, name: str, said: Mapping[str, str]) -> str:
    if "path" not in said:
        raise InvalidInputError(f"'{name}' of {group} has no path. Write --{group} {name}.path=<uri>.")
    return said["path"]


def _read_file(file: str | None) -> dict[str, _Named]:
    """Read ``inputs`` and ``outputs`` of a YAML file; a local path in it counts from the file's folder."""
    if file is None:
        return {}
    found: dict[str, _Named] = {}
    for group, entries in _documents.read(file).data.items():
        if group == "$schema":
            continue
        if group not in _BY_NAME:
            raise InvalidInputError(f"'{file}' has '{group}'; it takes inputs and outputs. Give others as options.")
        if not isinstance(entries, dict) or not all(isinstance(one, dict) for one in entries.values()):
            raise InvalidInputError(f"'{file}': {group} takes names. Write under each name path and type.")
        found[group] = {str(name): _parts(file, f"{group}.{name}", one) for name, one in entries.items()}
    return found


def _parts(file: str, where: str, said: Mapping[str, object]) -> dict[str, str]:
    if unknown := [str(key) for key in said if key not in (*_PARTS, "mode")]:
        raise InvalidInputError(f"'{file}': {where} has '{unknown[0]}'. {suggestion(unknown[0], _PARTS)}")
    parts = {part: str(value) for part, value in said.items() if part in _PARTS}
    if "path" in parts and parts.get("type") not in _LITERALS:
        parts["path"] = _from_file(parts["path"], Path(file).parent)
    return parts


def _from_file(path: str, folder: Path) -> str:
    if path.startswith("//subscriptions/"):
        return path
    parsed = inputs.parse(path)
    return str(folder / path) if parsed.kind == "local" and "://" not in path else path
