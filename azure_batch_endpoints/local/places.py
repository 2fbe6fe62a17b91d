"""Which container a place in storage means: one of the service's own account, or one of somebody else's.

Pure; nothing is asked. Opening a container is in ``stores``.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from azure_batch_endpoints._loopback import leads_here
from azure_batch_endpoints._storage.blobs import ContainerCredential
from azure_batch_endpoints.errors import InvalidInputError
from azure_batch_endpoints.local.job import StoreAddress

_ACCOUNT = re.compile(r"(?P<account>[^.]+)\.blob\.", re.IGNORECASE)


@dataclass(frozen=True)
class ForeignContainer:
    """A container that is not the service's own.

    Attributes:
        url: its URL, without query.
        credential: what opens it; None: anyone may.
    """

    url: str
    credential: ContainerCredential | None


def own_container(address: StoreAddress, url: str) -> str | None:
    """Return the container of the service's own account that a URL names, or None when it names none.

    The account is known by its name, in any case, whatever the suffix: ``https://{account}.blob.core.windows.net/c``
    is the service's own container ``c``, wherever its blobs really are. So is ``c`` at its true address, and on this
    machine whatever its port was at the time.

    Args:
        address: the service's own account.
        url: of a container, without query.
    """
    parts = urlsplit(url)
    host, path = parts.netloc.lower(), parts.path.strip("/")
    named = _ACCOUNT.match(host)
    if named and named["account"] == address.account.lower():
        return path or None
    ours = urlsplit(address.endpoint)
    if not (host == ours.netloc.lower() or (leads_here(address.endpoint) and leads_here(url))):
        return None
    *account, container = path.split("/")
    same = "/".join(account).lower() == ours.path.strip("/").lower()
    return container or None if same else None


def datastore_container(record: Mapping[str, Any]) -> ForeignContainer:
    """Return the container of a datastore that a user made.

    Args:
        record: how it is kept: ``name``, ``properties`` as they are answered, ``secrets`` beside them.

    Raises:
        InvalidInputError: it is of a kind, or needs a sign-in, that the service cannot use.
    """
    name, properties = record["name"], record["properties"]
    account, container = properties.get("accountName"), properties.get("containerName") or properties.get("filesystem")
    kind = properties.get("datastoreType")
    if kind not in {"AzureBlob", "AzureDataLakeGen2"} or not account or not container:
        raise InvalidInputError(
            f"Datastore '{name}' is of type '{kind}', which holds no blobs. Name a datastore of a blob container."
        )
    endpoint, protocol = properties.get("endpoint") or "core.windows.net", properties.get("protocol") or "https"
    # At a loopback address the account is the first part of the path, as the emulator has it.
    if leads_here(f"//{endpoint}"):
        url = f"{protocol}://{endpoint.rstrip('/')}/{account}/{container}"
    else:
        url = f"{protocol}://{account}.blob.{endpoint.strip('/')}/{container}"
    return ForeignContainer(url, _credential(name, properties, record.get("secrets") or {}))


def _credential(name: str, properties: Mapping[str, Any], secrets: Mapping[str, Any]) -> ContainerCredential | None:
    kind = str((properties.get("credentials") or {}).get("credentialsType") or "None")
    if kind.lower() == "none":
        return None
    if kind.lower() == "accountkey" and secrets.get("key"):
        return ContainerCredential(account_key=str(secrets["key"]))
    if kind.lower() == "sas" and secrets.get("sasToken"):
        return ContainerCredential(sas=str(secrets["sasToken"]).lstrip("?"))
    raise InvalidInputError(
        f"Datastore '{name}' is opened by '{kind}', which the local service cannot use. "
        "Give it an account key or a shared access signature."
    )
