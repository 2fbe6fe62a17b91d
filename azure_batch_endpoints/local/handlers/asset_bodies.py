"""What is kept of a version of each kind of asset: what was sent, and what the service makes of it."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from typing import Any

from azure_batch_endpoints import _documents
from azure_batch_endpoints._wire import models
from azure_batch_endpoints._wire.uris import datastore_uri, shown, storage_place
from azure_batch_endpoints.errors import SpecError
from azure_batch_endpoints.local.context import ServiceContext
from azure_batch_endpoints.local.faults import ServiceFault, bad_request, existing
from azure_batch_endpoints.local.handlers import shapes
from azure_batch_endpoints.local.handlers.belonging import check_here, check_path
from azure_batch_endpoints.local.handlers.references import datastore_name, long_uri

_MODEL_TYPES = ("custom_model", "mlflow_model", "triton_model")
_MODEL_FORMATS = dict(zip(_MODEL_TYPES, ("Custom", "MLFlow", "Triton"), strict=True))
_DATA_TYPES = ("uri_folder", "uri_file", "mltable")
_FIRST = "2021-10-01"
"""The api-version whose bodies have other names."""
_CODE_HAS_STATE = "2023-04-01"
"""The first api-version that tells the ``provisioningState`` of code."""
_JOB_OUTPUT = re.compile(
    r"azureml://jobs/(?P<job>[^/]+)/outputs/(?P<output>[^/]+)(?:/paths(?:/(?P<path>.*))?)?", re.IGNORECASE
)


def common(asked: models.AssetProperties) -> dict[str, Any]:
    """Return what every kind keeps."""
    return {
        "description": asked.description,
        "tags": asked.tags or {},
        "properties": asked.properties or {},
        "isArchived": bool(asked.is_archived),
        "isAnonymous": bool(asked.is_anonymous),
    }


def _more(asked: models.AssetProperties, *names: str) -> dict[str, Any]:
    """Return what was sent of fields that the service only keeps, in its casing."""
    sent = {name.lower(): value for name, value in (asked.model_extra or {}).items()}
    return {name: sent[name.lower()] for name in names if sent.get(name.lower()) is not None}


def code(context: ServiceContext, asked: models.AssetProperties) -> dict[str, Any]:
    """Return what is kept of code; it is never anonymous in an answer."""
    uri = _storage_uri(context, asked.code_uri or _path_on_datastore(asked), "codeUri")
    return {**common(asked), "isAnonymous": False, "codeUri": uri, "provisioningState": "Succeeded"}


def environment(_context: ServiceContext, asked: models.AssetProperties) -> dict[str, Any]:
    """Return what is kept of an environment; its conda file comes back as JSON text.

    Bodies of 2021 name the image, or hold the Dockerfile, in ``docker``.
    """
    docker = _more(asked, "docker").get("docker")
    docker = {str(name).lower(): value for name, value in docker.items()} if isinstance(docker, Mapping) else {}
    build = _build(asked)
    if not (asked.image or asked.conda_file or build or docker):
        raise bad_request(
            "The environment has no content. Send 'image' (a container image), 'condaFile' (the text of a conda file) "
            "or both, or 'build' (the folder of a Dockerfile)."
        )
    return {
        **common(asked),
        **_more(asked, "inferenceConfig", "autoRebuild", "stage"),
        **build,
        **({"docker": docker} if docker.get("dockerfile") else {}),
        "environmentType": "UserCreated",
        "image": asked.image or docker.get("dockerimageuri"),
        "condaFile": None if asked.conda_file is None else _conda_json(asked.conda_file),
        "osType": asked.os_type or "Linux",
    }


def _build(asked: models.AssetProperties) -> dict[str, Any]:
    """Return the folder to build an image from; its Dockerfile has the usual name unless it says another."""
    build = _more(asked, "build").get("build")
    return {"build": {"dockerfilePath": "Dockerfile", **build}} if isinstance(build, Mapping) else {}


def _conda_json(text: str) -> str:
    try:
        content = _documents.parse(text)
    except SpecError as error:
        raise bad_request(f"'condaFile' of the environment is not YAML: {error}") from error
    if not isinstance(content, dict):
        raise bad_request(
            "'condaFile' of the environment is not a conda file: a mapping with 'dependencies' "
            "is needed. Send its whole text."
        )
    return json.dumps(content, indent=2, default=str)


def model(context: ServiceContext, asked: models.AssetProperties) -> dict[str, Any]:
    """Return what is kept of a model; its URI comes back in the long form, ``resourceGroups`` recased."""
    # 2021 says modelFormat: Custom, MLFlow, Triton.
    kind = _word(_MODEL_TYPES, "modelType", asked.model_type or asked.model_format or "custom_model")
    sent = asked.model_uri or _path_on_datastore(asked)
    uri = _storage_uri(context, sent, "modelUri")
    from_job = _JOB_OUTPUT.fullmatch(sent or "")
    return {
        **common(asked),
        **_more(asked, "stage", "autoDeleteSetting"),
        # Clients fail on null.
        "flavors": asked.flavors or {},
        "modelType": kind,
        "modelUri": long_uri(context, uri, group_word="resourceGroups"),
        "jobName": from_job["job"] if from_job else _more(asked, "jobName").get("jobName"),
    }


def data(context: ServiceContext, asked: models.AssetProperties) -> dict[str, Any]:
    """Return what is kept of a data asset; its URI comes back in the long form, a folder's with a slash at its end.

    The ``paths`` of 2021's data sets hold one ``{"folder": uri}`` or ``{"file": uri}``.
    """
    uri, kind = asked.data_uri, asked.data_type
    if uri is None:
        uri, kind = _path_of_2021(asked)
    kind = _word(_DATA_TYPES, "dataType", kind or "uri_folder")
    long = long_uri(context, _storage_uri(context, uri, "dataUri"), group_word="resourcegroups")
    if kind == "uri_folder" and long.startswith("azureml://"):
        long = long.rstrip("/") + "/"
    return {**common(asked), **_more(asked, "referencedUris", "autoDeleteSetting"), "dataType": kind, "dataUri": long}


def as_asked(word: str, kept: Mapping[str, Any], version: str) -> dict[str, Any]:
    """Return the properties of a version as an api-version shows them.

    Args:
        word: of the kind, in paths.
        kept: the properties.
        version: api-version asked with.
    """
    found = dict(kept)
    if word == "codes" and version < _CODE_HAS_STATE:
        del found["provisioningState"]
    if word == "models" and version == _FIRST:
        found["modelFormat"] = _MODEL_FORMATS[found.pop("modelType")]
    if word == "datasets":
        path = {"file" if found["dataType"] == "uri_file" else "folder": found["dataUri"]}
        unsaid = ("dataType", "dataUri") if version == _FIRST else ()
        found = {**{name: value for name, value in found.items() if name not in unsaid}, "paths": [path]}
    return found


def data_type(asked: models.AssetProperties) -> str:
    """Return the type of data that a container is for."""
    return _word(_DATA_TYPES, "dataType", asked.data_type or "uri_folder")


def _word(words: Sequence[str], name: str, given: str) -> str:
    """Return the word of the service for one in any case, with or without underscore and ``model`` at its end."""
    for word in words:
        plain = word.replace("_", "")
        if given.replace("_", "").lower() in (plain, plain.removesuffix("model")):
            return word
    raise bad_request(f"{name} '{given}' is not known. Use one of: {', '.join(words)}.")


def _path_of_2021(asked: models.AssetProperties) -> tuple[str | None, str | None]:
    paths = asked.paths
    if isinstance(paths, list) and len(paths) == 1 and isinstance(paths[0], dict) and len(paths[0]) == 1:
        ((word, uri),) = paths[0].items()
        return str(uri), f"uri_{str(word).lower()}"
    return _path_on_datastore(asked), asked.data_type


def _path_on_datastore(asked: models.AssetProperties) -> str | None:
    """Return the URI of a body of 2021 that names a datastore by its id, and the path there."""
    named = _more(asked, "datastoreId", "path")
    if "path" not in named:
        return None
    path = str(named["path"])
    return datastore_uri(shapes.bare_name(str(named["datastoreId"])), path) if "datastoreId" in named else path


def _storage_uri(context: ServiceContext, uri: str | None, name: str) -> str:
    if not uri:
        raise bad_request(f"'{name}' of the request must not be empty. Say where in storage it is.")
    check_here(context, uri)
    check_path(f"'{name}':", uri)
    if found := _JOB_OUTPUT.fullmatch(uri):
        return _output_of_job(context, found["job"], found["output"]) + (found["path"] or "")
    place = storage_place(uri)
    if place is None:
        raise bad_request(
            f"'{name}' is '{shown(uri)}', which is no place in storage. "
            "Use azureml://datastores/<datastore>/paths/<path>, azureml://jobs/<job>/outputs/score/paths/<path> "
            "or the URL of a blob."
        )
    if place.datastore is not None:
        datastore_name(context, place.datastore)
    return context.current(uri)


def _output_of_job(context: ServiceContext, job: str, output: str) -> str:
    """Return the folder that a job writes to; a batch scoring job has one output."""
    row = context.state.job(job)
    if row is None:
        raise ServiceFault(
            404, "NotFound", f"There is no job '{job}', whose output the asset names. Check the job's name."
        )
    if output.lower() != "score":
        raise ServiceFault(404, "NotFound", f"Job '{job}' has no output '{output}'. {existing(['score'])}")
    return row.request.output_uri.rstrip("/") + "/"
