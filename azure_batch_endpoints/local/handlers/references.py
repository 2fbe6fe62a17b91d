"""Finding what an id names: versions of assets, labels, computes, datastores. Messages say what there is instead."""

from __future__ import annotations

import re

from azure_batch_endpoints._wire.uris import AssetName, asset_name, storage_place
from azure_batch_endpoints.local.context import ServiceContext
from azure_batch_endpoints.local.faults import Detail, ServiceFault, bad_request, existing
from azure_batch_endpoints.local.handlers import shapes
from azure_batch_endpoints.local.handlers.belonging import check_here
from azure_batch_endpoints.local.job import ARTIFACT_DATASTORE, DEFAULT_DATASTORE, LOCAL_COMPUTE
from azure_batch_endpoints.local.resources import Key, Resource

BUILT_IN_DATASTORES = (DEFAULT_DATASTORE, ARTIFACT_DATASTORE)
WORDS = {"models": "model", "codes": "code", "environments": "environment", "data": "data asset"}
WITH_ARTICLE = {"models": "a model", "codes": "code", "environments": "an environment", "data": "a data asset"}
_CODES = {
    "models": "ModelNotFound",
    "codes": "CodeNotFound",
    "environments": "EnvironmentNotFound",
    "data": "DataNotFound",
}
_CURATED = "azureml-"
_CONTENT_NAME = re.compile(r"[0-9a-f]{64}")
"""What clients call an asset that was given no name; nobody looks for one of those."""


def find_version(context: ServiceContext, kind: str, reference: str) -> Resource:
    """Return the version of an asset that a reference names.

    Args:
        context: the service.
        kind: ``models``, ``codes``, ``environments`` or ``data``.
        reference: ARM id, ``azureml://…`` id, ``azureml:<name>:<version>`` or ``azureml:<name>@latest``.

    Raises:
        ServiceFault: 400, it is no such reference; 404, there is no such version.
    """
    check_here(context, reference)
    named = asset_name(reference)
    if named is None or named.kind not in ("", kind):
        raise bad_request(
            f"'{reference}' is not the id of {WITH_ARTICLE[kind]} of this workspace. "
            f"Use its ARM id, 'azureml:<name>:<version>' or 'azureml:<name>@latest'."
        )
    return version_of(context, AssetName(kind, named.name, named.version, named.label))


def version_of(context: ServiceContext, named: AssetName) -> Resource:
    """Return a version of an asset; without version the newest one.

    Raises:
        ServiceFault: 404.
    """
    resources = context.state.resources
    if named.version is not None:
        found = resources.get(Key(named.kind, named.version, named.name))
        if found is not None:
            return found
    elif named.label in (None, "latest") and (newest := latest(context, named.kind, named.name)):
        return newest
    missing = Detail(_CODES[named.kind], _missing(context, named))
    raise ServiceFault(404, "UserError", "The specified resource was not found.", details=[missing])


def latest(context: ServiceContext, kind: str, name: str) -> Resource | None:
    """Return the version of an asset that was made last; an archived one only when all are archived."""
    table = context.state.resources
    found = table.newest(kind, name, archived=False) or table.newest(kind, name)
    return found[0] if found else None


def _missing(context: ServiceContext, named: AssetName) -> str:
    word = WORDS[named.kind].capitalize()
    versions = context.state.resources.names(named.kind, named.name)
    if not versions:
        known = [name for name in context.state.resources.parents(named.kind) if not _CONTENT_NAME.fullmatch(name)]
        return f"{word} '{named.name}' not found. {existing(known)}"
    asked = f"version '{named.version}'" if named.version else f"label '{named.label}'"
    return f"{word} '{named.name}' has no {asked}. {existing(versions)}"


def is_curated(reference: str) -> bool:
    """Whether an environment is one of the service's own or of a registry, which only the cloud can look up."""
    if "/registries/" in reference.lower():
        return True
    named = asset_name(reference)
    return named is not None and named.name.lower().startswith(_CURATED)


def check_compute(context: ServiceContext, reference: str) -> str:
    """Return the name of the compute that a reference names.

    Raises:
        ServiceFault: 404, there is none.
    """
    name = shapes.bare_name(reference)
    resources = context.state.resources
    if name.lower() == LOCAL_COMPUTE:
        return LOCAL_COMPUTE
    found = resources.get(Key("computes", name.lower()))
    if found is None:
        there = existing([LOCAL_COMPUTE, *resources.names("computes")])
        raise ServiceFault(
            404,
            "ComputeNotFound",
            f"Compute '{name}' not found. {there} Create it, or use the compute '{LOCAL_COMPUTE}'.",
        )
    return str(found.body["name"])


def datastore_name(context: ServiceContext, name: str) -> str:
    """Return a datastore's name as it is written.

    Raises:
        ServiceFault: 404, there is no such datastore.
    """
    for known in BUILT_IN_DATASTORES:
        if known.lower() == name.lower():
            return known
    found = context.state.resources.get(Key("datastores", name.lower()))
    if found is not None:
        return str(found.body["name"])
    there = existing([*BUILT_IN_DATASTORES, *context.state.resources.names("datastores")])
    raise ServiceFault(404, "UserError", f"Could not find datastore: {name}. {there}", inner=("NotFoundError",))


def long_uri(context: ServiceContext, uri: str, *, group_word: str) -> str:
    """Return a datastore URI in its long form; any other URI as it is.

    Args:
        context: the service.
        uri: of any form.
        group_word: ``resourceGroups`` in models, ``resourcegroups`` in data, as the service writes them.

    Raises:
        ServiceFault: 404, it names a datastore that is not there.
    """
    place = storage_place(uri)
    if place is None or place.datastore is None:
        return uri
    ids = context.workspace
    return (
        f"azureml://subscriptions/{ids.subscription_id}/{group_word}/{ids.resource_group}/workspaces/{ids.name}"
        f"/datastores/{datastore_name(context, place.datastore)}/paths/{place.path.lstrip('/')}"
    )
