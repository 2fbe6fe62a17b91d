"""What is kept of an attached datastore: its account and container, and what opens it, the two well apart."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from azure_batch_endpoints._wire import models
from azure_batch_endpoints.local.faults import bad_request
from azure_batch_endpoints.local.resources import Resource

_NAME = re.compile(r"[a-zA-Z0-9][a-zA-Z0-9\-_]{0,254}")
_ACCOUNT = {"endpoint": "core.windows.net", "protocol": "https"}
_KINDS: Mapping[str, tuple[str, ...]] = {
    "AzureBlob": ("accountName", "containerName"),
    "AzureFile": ("accountName", "fileShareName"),
    "AzureDataLakeGen1": ("storeName",),
    "AzureDataLakeGen2": ("accountName", "filesystem"),
    "OneLake": ("artifact", "oneLakeWorkspaceName"),
}
"""What each kind must name."""
_SECRETS: Mapping[str, str | None] = {
    "None": None,
    "AccountKey": "key",
    "Sas": "sasToken",
    "ServicePrincipal": "clientSecret",
    "Certificate": "certificate",
}
"""The secret of each kind of credentials."""
_PUBLIC = ("tenantId", "clientId", "authorityUrl", "resourceUrl", "thumbprint")
"""What an answer shows of credentials."""


def check_name(name: str) -> None:
    """Let a name through that a datastore may have.

    Raises:
        ServiceFault: 400.
    """
    if not _NAME.fullmatch(name):
        said = "it must have 1 to 255 letters, digits, '-' and '_', a letter or digit first."
        raise bad_request(f"'{name}' cannot be the name of a datastore: {said}", code="InvalidName")


def kept(name: str, asked: models.DatastoreBody, earlier: Resource | None) -> dict[str, Any]:
    """Return what is kept of a datastore: ``properties`` to show, ``secrets`` beside them, which no answer is made of.

    Args:
        name: as it is written.
        asked: body of the PUT.
        earlier: the datastore as it was; credentials of the same kind that come without secret keep that one's.

    Raises:
        ServiceFault: 400, it lacks something, or is of an unknown kind.
    """
    sent = _plain(asked.properties.body())
    kind = _word(_KINDS, "datastoreType", sent.get("datastoreType"))
    credentials, secrets = _credentials(name, sent.get("credentials"), earlier)
    named = {field: sent.get(field) for field in _KINDS[kind]}
    missing = [field for field, value in named.items() if not value]
    if missing:
        raise bad_request(
            f"The datastore '{name}' of type {kind} lacks {', '.join(map(repr, missing))}. Add what is missing."
        )
    defaults = {} if kind in ("AzureDataLakeGen1", "OneLake") else _ACCOUNT
    rest = {field: sent.get(field) or value for field, value in defaults.items()}
    if kind == "OneLake":
        rest["endpoint"] = sent.get("endpoint")
    properties = {
        "description": sent.get("description"),
        "tags": sent.get("tags") or {},
        "properties": sent.get("properties") or {},
        "isDefault": False,
        "credentials": credentials,
        "datastoreType": kind,
        **named,
        **rest,
        "serviceDataAccessAuthIdentity": sent.get("serviceDataAccessAuthIdentity") or "None",
    }
    return {"name": name, "properties": properties, "secrets": secrets}


def _credentials(name: str, sent: object, earlier: Resource | None) -> tuple[dict[str, Any], dict[str, Any] | None]:
    """Return the credentials to show, and the secret that belongs to them."""
    given = _plain(sent)
    kind = _word(_SECRETS, "credentialsType", given.get("credentialsType") or "None")
    shown = {"credentialsType": kind, **{field: given[field] for field in _PUBLIC if given.get(field)}}
    field = _SECRETS[kind]
    if field is None:
        return shown, None
    value = _plain(given.get("secrets")).get(field)
    before = earlier.body["secrets"] if earlier else None
    if not value and before and before["secretsType"] == kind:
        value = before[field]
    if not isinstance(value, str) or not value:
        raise bad_request(
            f"The credentials of the datastore '{name}' are of type {kind} and lack 'secrets.{field}'. Add it."
        )
    return shown, {"secretsType": kind, field: value.removeprefix("?") if field == "sasToken" else value}


def _plain(sent: object) -> dict[str, Any]:
    """Return an object of the body with the keys that matter here in the service's casing."""
    if not isinstance(sent, Mapping):
        return {}
    return {_CASING.get(str(key).lower(), str(key)): value for key, value in sent.items()}


def _word(words: Mapping[str, object], field: str, given: object) -> str:
    for word in words:
        if str(given).lower() == word.lower():
            return word
    raise bad_request(f"{field} '{given}' of a datastore is not known. Use one of: {', '.join(words)}.")


_FIELDS = (
    *("description", "tags", "properties", "credentials", "datastoreType", "serviceDataAccessAuthIdentity"),
    *("endpoint", "protocol", "credentialsType", "secrets", *_PUBLIC),
    *(field for fields in _KINDS.values() for field in fields),
    *(field for field in _SECRETS.values() if field),
)
_CASING = {field.lower(): field for field in _FIELDS}
