"""The inputs of an invoke, in both generations: which files a job will read, data assets and jobs looked up.

Not here: whether there are such files, which the job itself finds out.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import PurePosixPath
from typing import Literal, TypeAlias

from azure_batch_endpoints._wire import models
from azure_batch_endpoints._wire.uris import (
    AssetName,
    asset_name,
    datastore_uri,
    shown,
    storage_place,
)
from azure_batch_endpoints.local.context import ServiceContext
from azure_batch_endpoints.local.faults import ServiceFault, bad_request, job_refused
from azure_batch_endpoints.local.handlers.belonging import check_here, check_path
from azure_batch_endpoints.local.handlers.references import datastore_name, version_of
from azure_batch_endpoints.local.job import JobInputSource, JobRow

_JOB_OUTPUT = re.compile(
    r"azureml:///?jobs/(?P<job>[^/]+)/outputs/(?P<output>[^/]+)(?:/paths(?:/(?P<path>.*))?|/)?",
    re.IGNORECASE | re.DOTALL,
)
_OUTPUT_ASSET = re.compile(r"azureml_(?P<run>.+)_output_data_(?P<output>[^_]+)")
"""How the run history names the output of a job as a data asset."""
_Kind: TypeAlias = Literal["folder", "file"]
_KINDS: Mapping[str, _Kind] = {"urifolder": "folder", "urifile": "file"}
_TYPES = {
    name.lower(): name
    for name in ("Literal", "MLTable", "CustomModel", "MLFlowModel", "TritonModel", "UriFile", "UriFolder")
}


def job_inputs(context: ServiceContext, asked: models.BatchJobProperties) -> tuple[JobInputSource, ...]:
    """Return the inputs of an invoke, data assets looked up.

    Raises:
        ServiceFault: 400, there is none, more than one, or one that cannot be scored; 404, one is not there.
    """
    if asked.input_data:
        inputs = tuple(_input(context, number, *one) for number, one in enumerate(asked.input_data.items()))
        if len(inputs) > 1:
            names = ", ".join(f"'{one.name}'" for one in inputs)
            raise bad_request(f"A model deployment reads exactly one input; this job has {names}. Invoke it for each.")
        return inputs
    if asked.dataset is not None:
        return (_dataset(context, asked.dataset),)
    raise bad_request(
        "The job has no input. Send 'inputData' with one input, such as "
        '{"input": {"jobInputType": "UriFolder", "uri": "azureml://datastores/workspaceblobstore/paths/<path>/"}}.'
    )


def _input(context: ServiceContext, number: int, name: str, one: models.JobInput) -> JobInputSource:
    word = (one.job_input_type or "UriFolder").replace("_", "")
    kind = _KINDS.get(word.lower())
    if kind is None:
        said = f"The specified job input type '{_TYPES.get(word.lower(), word)}JobInput' is not supported. "
        supported = "The supported types are: UriFileJobInput, UriFolderJobInput."
        raise job_refused(f"InputData.Values[{number}]", said + supported, _attempted(one))
    if not one.uri:
        raise bad_request(f"Input '{name}' has no 'uri'. Say where the {kind} is.")
    return _source(context, name, one.uri, kind)


def _attempted(one: models.JobInput) -> dict[str, object]:
    body = one.body()
    shown_parts = {"JobInputType": body.get("jobInputType"), "Value": body.get("value"), "Uri": body.get("uri")}
    return {word: str(value) for word, value in shown_parts.items() if value is not None}


def _source(context: ServiceContext, name: str, uri: str, kind: _Kind, *, either: bool = False) -> JobInputSource:
    check_here(context, uri)
    check_path(f"Input '{name}':", uri)
    named = asset_name(uri)
    if named is not None and named.kind in ("", "data"):
        return _data_asset(context, name, AssetName("data", named.name, named.version, named.label))
    if found := _JOB_OUTPUT.fullmatch(uri):
        return JobInputSource(name, kind, _job_output(context, found["job"], found["output"], found["path"]), either)
    place = storage_place(uri)
    if place is None:
        raise bad_request(
            f"Input '{name}' is '{shown(uri)}', which is no data asset and no place in storage. Use the id of "
            "a data asset, azureml://datastores/<datastore>/paths/<path> or the URL of a blob or folder of blobs."
        )
    if place.datastore is not None:
        uri = datastore_uri(datastore_name(context, place.datastore), place.path.lstrip("/"))
        return JobInputSource(name, kind, uri, either)
    if not str(place.container_url).split("://", 1)[1].partition("/")[2]:
        raise bad_request(
            f"Input '{name}' is '{shown(uri)}', which names no container. Add its name to the URL. If this is no "
            "storage account: a web server cannot list a folder, so name single files of it."
        )
    return JobInputSource(name, kind, context.current(uri), either)


def _data_asset(context: ServiceContext, name: str, named: AssetName) -> JobInputSource:
    """Return a data asset as input; its own type counts, whatever the invoke says."""
    if found := _OUTPUT_ASSET.fullmatch(named.name):
        return JobInputSource(name, "folder", _job_output(context, found["run"], found["output"], None))
    body = version_of(context, named).body
    if body["dataType"] == "mltable":
        raise bad_request(f"Input '{name}' is an mltable, which batch jobs cannot score. Use uri_folder or uri_file.")
    return _source(context, name, body["dataUri"], "file" if body["dataType"] == "uri_file" else "folder")


def _job_output(context: ServiceContext, run: str, output: str, path: str | None) -> str:
    """Return where a job that has ended put its output, or a path below it."""
    row = context.state.job_of_run(run)
    if row is None:
        raise ServiceFault(
            404, "NotFound", f"There is no job '{run}', whose output the input names. Check the job's name."
        )
    known = _outputs(row)
    if output.lower() not in known:
        raise ServiceFault(
            404, "NotFound", f"Job '{row.name}' has no output '{output}'. Name '{known[0]}', the one it has."
        )
    if not row.status.is_terminal:
        raise ServiceFault(
            409,
            "Conflict",
            f"Job '{row.name}' is {row.status.value}. Wait until it has completed: then its output can be an input.",
        )
    return row.request.output_uri.rstrip("/") + "/" + (path or "").lstrip("/")


def _outputs(row: JobRow) -> list[str]:
    """Return what a job's one output is called: ``score``, ``default``, and what its invoke called it."""
    given = row.body.get("outputData")
    return ["score", "default", *(name.lower() for name in given)] if isinstance(given, dict) else ["score", "default"]


def _dataset(context: ServiceContext, dataset: models.DatasetInput) -> JobInputSource:
    """Return the input of a body of 2021: a URL, a name with version, or an id."""
    name = "dataset"
    if dataset.dataset_id:
        return _data_asset(context, name, _dataset_name(context, dataset.dataset_id))
    if dataset.dataset_name:
        version = dataset.dataset_version
        return _data_asset(
            context, name, AssetName("data", dataset.dataset_name, version, None if version else "latest")
        )
    if not dataset.path:
        raise bad_request("'dataset' names nothing. Send 'path', 'datasetId', or 'datasetName' and 'datasetVersion'.")
    # The body does not say whether it is a file or a folder: the job looks. Answers show the likelier one.
    kind: _Kind = "file" if PurePosixPath(shown(dataset.path)).suffix else "folder"
    return _source(context, name, dataset.path, kind, either=True)


def _dataset_name(context: ServiceContext, reference: str) -> AssetName:
    check_here(context, reference)
    named = asset_name(reference)
    if named is None or named.kind not in ("", "data"):
        raise bad_request(
            f"datasetId '{shown(reference)}' is not the id of a data set. Send datasetName "
            "and datasetVersion, or its ARM id."
        )
    return AssetName("data", named.name, named.version, named.label)
