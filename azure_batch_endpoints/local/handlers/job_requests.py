"""From the body of an invoke to all that the job needs: inputs, output and settings, settled and checked.

Both generations meet here: ``dataset`` and ``outputDataset`` of 2021, ``inputData`` and ``outputData`` since.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import PurePosixPath
from typing import Any, Literal

from azure_batch_endpoints._wire import convert, models
from azure_batch_endpoints._wire.uris import AssetName, asset_name, datastore_uri, storage_place
from azure_batch_endpoints.inputs import parse
from azure_batch_endpoints.local.context import ServiceContext
from azure_batch_endpoints.local.exchange import read
from azure_batch_endpoints.local.faults import ServiceFault, bad_request
from azure_batch_endpoints.local.handlers import shapes
from azure_batch_endpoints.local.handlers.deployments import settings_of
from azure_batch_endpoints.local.handlers.references import check_compute, find_version, is_curated, version_of
from azure_batch_endpoints.local.job import DEFAULT_DATASTORE, JobInputSource, JobRequest, JobRow
from azure_batch_endpoints.local.resources import Resource
from azure_batch_endpoints.specs import RunSettings

_JOB_OUTPUT = re.compile(r"^azureml://jobs/(?P<job>[^/]+)/outputs/[^/]+(?:/paths(?:/(?P<path>.*))?)?$", re.IGNORECASE)
_KINDS: Mapping[str, Literal["folder", "file"]] = {"urifolder": "folder", "urifile": "file"}


def job_request(
    context: ServiceContext,
    deployment: Resource,
    asked: models.BatchJobProperties,
    child: str,
    *,
    retry_of: JobRow | None = None,
) -> JobRequest:
    """Return all a job needs, taken from the deployment as it is now and from the body of the invoke.

    Args:
        context: the service.
        deployment: scores.
        asked: body.
        child: run id of the job's one step; names the default output.
        retry_of: job whose failed inputs are scored again, by the deployment as it is now: it may be mended by then.

    Raises:
        ServiceFault: 400 or 404, something named in either is not there or cannot be used.
    """
    inner = read(models.DeploymentProperties, deployment.body["properties"])
    code, environment = inner.code_configuration, _environment(context, inner.environment_id)
    model = find_version(context, "models", (inner.model.asset_id if inner.model else None) or "")
    target = asked.compute.target if asked.compute else None
    inputs = job_inputs(context, asked) if retry_of is None else retry_of.request.inputs
    base = settings_of(inner)
    if retry_of is not None:  # what the earlier job overrode still counts
        base = _settings(read(models.BatchJobProperties, retry_of.body), base)
    output_uri, asked = _output(asked, child)
    return JobRequest(
        endpoint=deployment.body["endpoint"],
        deployment=deployment.body["name"],
        model_uri=context.current(model.body["modelUri"]),
        model_type=model.body["modelType"],
        code_uri=_code_uri(context, code),
        scoring_script=code.scoring_script if code else None,
        image=environment.get("image"),
        conda_file=environment.get("condaFile"),
        compute=check_compute(context, target or inner.compute or "local"),
        inputs=inputs,
        output_uri=output_uri,
        settings=_settings(asked, base),
        retry_of=retry_of.name if retry_of else None,
    )


def _settings(asked: models.BatchJobProperties, base: RunSettings) -> RunSettings:
    try:
        return convert.job_settings_from(asked, base)
    except (ValueError, OverflowError) as error:
        raise bad_request(f"The settings of the job cannot be used: {error}") from error


def _code_uri(context: ServiceContext, code: models.CodeConfiguration | None) -> str | None:
    if code is None or not code.code_id:
        return None
    return context.current(find_version(context, "codes", code.code_id).body["codeUri"])


def _environment(context: ServiceContext, reference: str | None) -> Mapping[str, Any]:
    """Return what is known of an environment; of a curated one, its name takes the place of the image."""
    if not reference:
        return {}
    return {"image": reference} if is_curated(reference) else find_version(context, "environments", reference).body


# ------------------------------------------------------------------ inputs


def job_inputs(context: ServiceContext, asked: models.BatchJobProperties) -> tuple[JobInputSource, ...]:
    """Return the inputs of an invoke, data assets looked up.

    Raises:
        ServiceFault: 400, there is none, or one that cannot be scored; 404, one is not there.
    """
    if asked.input_data:
        return tuple(_input(context, name, one) for name, one in asked.input_data.items())
    if asked.dataset is not None:
        return (_dataset(context, asked.dataset),)
    raise bad_request(
        "The job has no input. Send 'inputData' with one input, such as "
        '{"input": {"jobInputType": "UriFolder", "uri": "azureml://datastores/workspaceblobstore/paths/<path>/"}}.'
    )


def _input(context: ServiceContext, name: str, one: models.JobInput) -> JobInputSource:
    word = (one.job_input_type or "UriFolder").replace("_", "")
    if word.lower() == "literal":
        raise bad_request(
            f"Input '{name}' is a literal: literal inputs are supported by pipeline component deployments only. "
            "A model deployment scores files: send a UriFolder or UriFile input."
        )
    kind = _KINDS.get(word.lower())
    if kind is None:
        raise bad_request(f"Input '{name}' is of type {word}, which batch jobs cannot score. Use UriFolder or UriFile.")
    if not one.uri:
        raise bad_request(f"Input '{name}' has no 'uri'. Say where the {kind} is.")
    return _source(context, name, one.uri, kind)


def _source(context: ServiceContext, name: str, uri: str, kind: Literal["folder", "file"]) -> JobInputSource:
    named = asset_name(uri)
    if named is not None and named.kind in ("", "data"):
        return _data_asset(context, name, AssetName("data", named.name, named.version, named.label))
    if found := _JOB_OUTPUT.match(uri):
        return JobInputSource(name, kind, _job_output(context, found["job"]) + (found["path"] or ""))
    place = storage_place(uri)
    if place is None:
        raise bad_request(
            f"Input '{name}' is '{uri}', which is no data asset and no place in storage. Use the id of a data asset, "
            "azureml://datastores/<datastore>/paths/<path> or the URL of a blob or folder of blobs."
        )
    if place.datastore is None:
        return JobInputSource(name, kind, context.current(uri))
    return JobInputSource(name, kind, datastore_uri(shapes.datastore_name(place.datastore), place.path.lstrip("/")))


def _data_asset(context: ServiceContext, name: str, named: AssetName) -> JobInputSource:
    """Return a data asset as input; its own type counts, whatever the invoke says."""
    body = version_of(context, named).body
    if body["dataType"] == "mltable":
        raise bad_request(f"Input '{name}' is an mltable, which batch jobs cannot score. Use uri_folder or uri_file.")
    return _source(context, name, body["dataUri"], "file" if body["dataType"] == "uri_file" else "folder")


def _job_output(context: ServiceContext, job: str) -> str:
    row = context.state.job(job)
    if row is None:
        raise ServiceFault(404, "NotFound", f"There is no job '{job}', whose output the input names.")
    return row.request.output_uri.rstrip("/") + "/"


def _dataset(context: ServiceContext, dataset: models.DatasetInput) -> JobInputSource:
    """Return the input of a body of 2021: a URL, a name with version, or an id."""
    name = "dataset"
    if dataset.dataset_id:
        return _data_asset(context, name, _dataset_name(dataset.dataset_id))
    if dataset.dataset_name:
        version = dataset.dataset_version
        return _data_asset(
            context, name, AssetName("data", dataset.dataset_name, version, None if version else "latest")
        )
    if not dataset.path:
        raise bad_request("'dataset' names nothing. Send 'path', 'datasetId', or 'datasetName' and 'datasetVersion'.")
    # The body does not say whether it is a file or a folder; a name with an extension is a file.
    kind: Literal["folder", "file"] = "file" if parse(dataset.path).kind == "file" else "folder"
    return _source(context, name, dataset.path, kind)


def _dataset_name(reference: str) -> AssetName:
    named = asset_name(reference)
    if named is None or named.kind not in ("", "data"):
        raise bad_request(f"datasetId '{reference}' is not the id of a data set.")
    return AssetName("data", named.name, named.version, named.label)


# ------------------------------------------------------------------ output


def _output(asked: models.BatchJobProperties, child: str) -> tuple[str, models.BatchJobProperties]:
    """Return the folder of the output, and the body with the file's name in the one place where it is looked for."""
    if asked.output_data:
        if len(asked.output_data) > 1:
            raise bad_request("A model deployment has one output. Send one entry in 'outputData'.")
        ((name, one),) = asked.output_data.items()
        folder, file_name = _output_file(name, one)
        return _on_datastore(folder), _named(asked, file_name)
    if asked.output_dataset is not None and asked.output_dataset.datastore_id:
        store = shapes.bare_name(asked.output_dataset.datastore_id)
        return _on_datastore(datastore_uri(store, asked.output_dataset.path or "")), asked
    return datastore_uri(DEFAULT_DATASTORE, f"azureml/{child}/score/"), asked


def _output_file(name: str, one: models.JobOutput) -> tuple[str, str | None]:
    """Return folder and file name; without extension the whole is a folder, which the official client sends too."""
    if (one.job_output_type or "UriFile").replace("_", "").lower() != "urifile":
        raise bad_request(f"Job output type must be 'uri_file'. Output '{name}' is '{one.job_output_type}'.")
    uri = one.uri or ""
    folder, _, last = uri.rpartition("/")
    return (folder, last) if PurePosixPath(last).suffix else (uri, None)


def _named(asked: models.BatchJobProperties, file_name: str | None) -> models.BatchJobProperties:
    return asked.model_copy(update={"output_file_name": file_name}) if file_name else asked


def _on_datastore(uri: str) -> str:
    place = storage_place(uri)
    if place is None or place.datastore is None:
        raise bad_request(
            f"The output '{uri}' is not on a datastore of the workspace. "
            "Use azureml://datastores/<datastore>/paths/<path>/<file>."
        )
    path = place.path.strip("/")
    return datastore_uri(shapes.datastore_name(place.datastore), f"{path}/" if path else "")
