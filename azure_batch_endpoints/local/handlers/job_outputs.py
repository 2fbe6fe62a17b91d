"""Where the output of an invoke goes, in both generations: ``outputData`` and ``outputDataset``.

Not here: whether there is something of that name already, which the job itself finds out.
"""

from __future__ import annotations

from pathlib import PurePosixPath

from azure_batch_endpoints._wire import models
from azure_batch_endpoints._wire.uris import StoragePlace, datastore_uri, shown, storage_place
from azure_batch_endpoints.errors import InvalidInputError
from azure_batch_endpoints.local.context import ServiceContext
from azure_batch_endpoints.local.faults import bad_request, job_refused
from azure_batch_endpoints.local.handlers import shapes
from azure_batch_endpoints.local.handlers.belonging import check_here, check_path
from azure_batch_endpoints.local.handlers.references import datastore_name
from azure_batch_endpoints.local.job import DEFAULT_DATASTORE, container_names
from azure_batch_endpoints.local.places import datastore_container, own_container

_MANY = 1000


def job_output(
    context: ServiceContext, asked: models.BatchJobProperties, child: str
) -> tuple[str, models.BatchJobProperties]:
    """Return the folder of the output, and the body with the file's name in the one place where it is looked for.

    Raises:
        ServiceFault: 400, it cannot be written to; 404, there is no such datastore.
    """
    default = datastore_uri(DEFAULT_DATASTORE, f"azureml/{child}/score/")
    if asked.output_data:
        if len(asked.output_data) > 1:
            raise bad_request("A model deployment has one output. Send one entry in 'outputData'.")
        (one,) = asked.output_data.values()
        folder, file_name = _output_file(one)
        return _on_datastore(context, folder) if folder else default, _named(asked, file_name)
    dataset = asked.output_dataset
    if dataset is not None and (dataset.datastore_id or dataset.path):
        reference = dataset.datastore_id or DEFAULT_DATASTORE
        check_here(context, reference)
        return _on_datastore(context, datastore_uri(shapes.bare_name(reference), dataset.path or "")), asked
    return default, asked


def _output_file(one: models.JobOutput) -> tuple[str, str | None]:
    """Return folder and file name; without extension the whole is a folder, which the official client sends too."""
    if (one.job_output_type or "UriFile").replace("_", "").lower() != "urifile":
        word = "".join(f"_{c.lower()}" if c.isupper() else c for c in str(one.job_output_type)).lstrip("_")
        raise job_refused("OutputData.Values[0].JobOutputType", "Job output type must be 'uri_file'.", word)
    uri = one.uri or ""
    folder, _, last = uri.rpartition("/")
    return (folder, last) if PurePosixPath(last).suffix else (uri, None)


def _named(asked: models.BatchJobProperties, file_name: str | None) -> models.BatchJobProperties:
    return asked.model_copy(update={"output_file_name": file_name}) if file_name else asked


def _on_datastore(context: ServiceContext, uri: str) -> str:
    check_here(context, uri)
    place = storage_place(uri)
    name = None if place is None else _datastore_of(context, place)
    if place is None or name is None:
        raise bad_request(
            f"The output '{shown(uri)}' is not on a datastore of the workspace. "
            "Use azureml://datastores/<datastore>/paths/<path>/<file>."
        )
    check_path("The output", uri, refused=frozenset({".", ".."}))
    path = place.path.strip("/")
    return datastore_uri(datastore_name(context, name), f"{path}/" if path else "")


def _datastore_of(context: ServiceContext, place: StoragePlace) -> str | None:
    """Return the datastore that a place is on; a URL is on the one that has its container."""
    if place.datastore is not None:
        return place.datastore
    url = str(place.container_url)
    own = own_container(context.store, url)
    for name, container in container_names(context.workspace_id).items():
        if container == own:
            return name
    for made in context.state.resources.page("datastores", "", 0, _MANY):
        try:
            theirs = datastore_container(made.body).url
        except InvalidInputError:  # of a kind that holds no blobs
            continue
        if (own is not None and own_container(context.store, theirs) == own) or theirs.lower() == url.lower():
            return str(made.body["name"])
    return None
