"""Finding what an id names: versions of assets, labels, computes. Messages say what there is instead."""

from __future__ import annotations

import re

from azure_batch_endpoints._wire.uris import AssetName, asset_name
from azure_batch_endpoints.local.context import ServiceContext
from azure_batch_endpoints.local.faults import ServiceFault, bad_request, existing, not_found
from azure_batch_endpoints.local.handlers import shapes
from azure_batch_endpoints.local.job import LOCAL_COMPUTE
from azure_batch_endpoints.local.resources import Key, Resource

WORDS = {"models": "model", "codes": "code", "environments": "environment", "data": "data asset"}
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
    named = asset_name(reference)
    if named is None or named.kind not in ("", kind):
        raise bad_request(
            f"'{reference}' is not the id of a {WORDS[kind]} of this workspace. "
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
    elif named.label in (None, "latest") and (newest := resources.newest(named.kind, named.name)):
        return newest[0]
    raise not_found(_CODES[named.kind], _missing(context, named))


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
