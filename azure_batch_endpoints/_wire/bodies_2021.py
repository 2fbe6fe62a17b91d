"""The bodies of api-version 2021-10-01 where they differ from today's: a model, a data set, code, a job.

Facts: Azure/azure-rest-api-specs, Microsoft.MachineLearningServices ``stable/2021-10-01/mfe.json`` (``ModelVersion``,
``DatasetVersion``, ``CodeVersion``). Today's bodies are built in ``convert``; both are
read in ``readback``.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from azure_batch_endpoints._wire import uris

JsonBody = dict[str, Any]
_FORMATS = {"custom_model": "Custom", "mlflow_model": "MLFlow", "triton_model": "Triton"}


def asset(body: Mapping[str, Any]) -> JsonBody:
    """Return today's body of an asset version in the form of 2021: no archives, and the words of then."""
    inner = {name: value for name, value in body["properties"].items() if name != "isArchived"}
    if "modelType" in inner:
        kind = inner.pop("modelType")
        inner["modelFormat"] = _FORMATS.get(kind, kind)
    if "dataUri" in inner:
        word = "file" if inner.pop("dataType", None) == "uri_file" else "folder"
        inner["paths"] = [{word: inner.pop("dataUri")}]
    return {**body, "properties": inner}


def job_data(
    *, dataset_id: str | None, url: str, output_uri: str | None, file_name: str | None, datastores: str
) -> JsonBody:
    """Return the input and the output of a job: one ``dataset`` and, if asked for, an ``outputDataset``.

    Args:
        dataset_id: id of a data set, or None.
        url: where the input is, when it is no data set.
        output_uri: folder on a datastore that takes the output, or None.
        file_name: name of the merged file, or None.
        datastores: id of the workspace's datastores; the form of 2021 names the output's store by its id.
    """
    if dataset_id is not None:
        data: JsonBody = {"dataset": {"dataInputType": "DatasetId", "datasetId": dataset_id}}
    else:
        data = {"dataset": {"dataInputType": "DataUrl", "path": url}}
    if file_name is not None:
        data["outputFileName"] = file_name
    place = uris.storage_place(output_uri) if output_uri is not None else None
    if place is not None:
        data["outputDataset"] = {"datastoreId": f"{datastores}/{place.datastore}", "path": place.path.strip("/")}
    return data
