"""What is kept of a version of each kind of asset: what was sent, and what the service makes of it."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from azure_batch_endpoints import _documents
from azure_batch_endpoints._wire import models
from azure_batch_endpoints._wire.uris import storage_place
from azure_batch_endpoints.errors import SpecError
from azure_batch_endpoints.local.context import ServiceContext
from azure_batch_endpoints.local.faults import bad_request
from azure_batch_endpoints.local.handlers import shapes

_MODEL_TYPES = ("custom_model", "mlflow_model", "triton_model")
_DATA_TYPES = ("uri_folder", "uri_file", "mltable")


def common(asked: models.AssetProperties) -> dict[str, Any]:
    """Return what every kind keeps."""
    return {
        "description": asked.description,
        "tags": asked.tags or {},
        "properties": asked.properties or {},
        "isArchived": bool(asked.is_archived),
        "isAnonymous": bool(asked.is_anonymous),
    }


def code(context: ServiceContext, asked: models.AssetProperties) -> dict[str, Any]:
    """Return what is kept of code; it is never anonymous in an answer."""
    uri = _storage_uri(context, asked.code_uri, "codeUri")
    return {**common(asked), "isAnonymous": False, "codeUri": uri, "provisioningState": "Succeeded"}


def environment(_context: ServiceContext, asked: models.AssetProperties) -> dict[str, Any]:
    """Return what is kept of an environment; its conda file comes back as JSON text."""
    build = (asked.model_extra or {}).get("build")
    return {
        **common(asked),
        **({"build": build} if build else {}),
        "environmentType": "UserCreated",
        "image": asked.image,
        "condaFile": None if asked.conda_file is None else _conda_json(asked.conda_file),
        "osType": asked.os_type or "Linux",
    }


def _conda_json(text: str) -> str:
    try:
        content = _documents.parse(text)
    except SpecError as error:
        raise bad_request(f"'condaFile' of the environment is not YAML: {error}") from error
    if not isinstance(content, dict):
        raise bad_request(
            "'condaFile' of the environment is not a conda file: a mapping with 'dependencies' is needed."
        )
    return json.dumps(content, indent=2, default=str)


def model(context: ServiceContext, asked: models.AssetProperties) -> dict[str, Any]:
    """Return what is kept of a model; its URI comes back in the long form, ``resourceGroups`` recased."""
    # 2021 says modelFormat: Custom, MLFlow, Triton.
    given = asked.model_type or (asked.model_extra or {}).get("modelFormat") or "custom_model"
    kind = _word(_MODEL_TYPES, "modelType", given)
    uri = _storage_uri(context, asked.model_uri, "modelUri")
    return {
        **common(asked),
        # Clients fail on null.
        "flavors": asked.flavors or {},
        "modelType": kind,
        "modelUri": shapes.long_uri(context, uri, group_word="resourceGroups"),
        "jobName": None,
    }


def data(context: ServiceContext, asked: models.AssetProperties) -> dict[str, Any]:
    """Return what is kept of a data asset; its URI comes back in the long form, a folder's with a slash at its end.

    The ``paths`` of 2021's data sets hold one ``{"folder": uri}`` or ``{"file": uri}``.
    """
    uri, kind = asked.data_uri, asked.data_type
    if uri is None:
        uri, kind = _path_of_2021(asked)
    kind = _word(_DATA_TYPES, "dataType", kind or "uri_folder")
    long = shapes.long_uri(context, _storage_uri(context, uri, "dataUri"), group_word="resourcegroups")
    if kind == "uri_folder" and long.startswith("azureml://"):
        long = long.rstrip("/") + "/"
    return {**common(asked), "dataType": kind, "dataUri": long}


def _word(words: Sequence[str], name: str, given: str) -> str:
    """Return the word of the service for one in any case, with or without underscore and ``model`` at its end."""
    for word in words:
        plain = word.replace("_", "")
        if given.replace("_", "").lower() in (plain, plain.removesuffix("model")):
            return word
    raise bad_request(f"{name} '{given}' is not known. Use one of: {', '.join(words)}.")


def _path_of_2021(asked: models.AssetProperties) -> tuple[str | None, str | None]:
    paths = (asked.model_extra or {}).get("paths")
    if isinstance(paths, list) and len(paths) == 1 and isinstance(paths[0], dict) and len(paths[0]) == 1:
        ((word, uri),) = paths[0].items()
        return str(uri), f"uri_{str(word).lower()}"
    return None, None


def _storage_uri(context: ServiceContext, uri: str | None, name: str) -> str:
    if not uri:
        raise bad_request(f"'{name}' of the request must not be empty. Say where in storage it is.")
    place = storage_place(uri)
    if place is None and not uri.lower().startswith("azureml://jobs/"):
        raise bad_request(
            f"'{name}' is '{uri}', which is no place in storage. "
            "Use azureml://datastores/<datastore>/paths/<path> or the URL of a blob."
        )
    if place is not None and place.datastore is not None:
        shapes.datastore_name(place.datastore)
    return context.current(uri)
