"""A container's client of azure-storage-blob: its transport, its credential, how often it asks again.

Imported with the first transfer only: the library takes 0.4 s. What is done with it is in ``blobs``.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from azure.core.credentials import AzureNamedKeyCredential, AzureSasCredential
from azure.core.pipeline.transport import RequestsTransport
from azure.storage.blob import ContainerClient, ExponentialRetry

from azure_batch_endpoints._loopback import leads_here
from azure_batch_endpoints._storage.credentials import ContainerCredential

if TYPE_CHECKING:
    from azure_batch_endpoints._http.reviving import Reviver

BLOCK = 16 * 1024 * 1024
"""Bytes of one block or range: above it a file travels in pieces."""
_CONNECT_TIMEOUT = 10
_READ_TIMEOUT = 60
_TRIES = 3
_BESIDE_TRIES = 12
"""A second apart: Azurite that ended is there again in three."""
_REVIVAL_SECONDS = 60.0


@dataclass(frozen=True)
class Patience:
    """What is known of an account that does not answer.

    Attributes:
        reviver: of the local service, whose own the container is.
        beside_service: it is answered by a server beside the service, which is started again when it ends.
    """

    reviver: Reviver | None = None
    beside_service: bool = False


def opened(
    account_url: str, name: str, account: str, credential: ContainerCredential | None, patience: Patience
) -> ContainerClient:
    """Return a client of a container; nothing is sent.

    Args:
        account_url: address of the account.
        name: the container.
        account: name of the account.
        credential: None for a container that anyone may read.
        patience: with an account that does not answer.
    """
    local = leads_here(account_url)
    # A proxy of the environment must not come between this machine and itself.
    transport = RequestsTransport(
        connection_timeout=_CONNECT_TIMEOUT, read_timeout=_READ_TIMEOUT, use_env_settings=not local
    )
    return ContainerClient(
        account_url,
        name,
        credential=_secret(account, credential),
        transport=transport,
        retry_policy=_Retries(patience, local=local),
        permit_redirects=False,  # key or signature would go along
        max_single_put_size=BLOCK,
        max_block_size=BLOCK,
        max_single_get_size=BLOCK,
        max_chunk_get_size=BLOCK,
    )


class _Retries(ExponentialRetry):
    """The library's own policy, which also waits for the local service to be started again after it died."""

    def __init__(self, patience: Patience, *, local: bool) -> None:
        tries = _BESIDE_TRIES if patience.beside_service else _TRIES
        super().__init__(
            initial_backoff=0 if local else 1,
            increment_base=1 if local else 2,
            random_jitter_range=0 if local else 1,
            retry_total=tries,
            retry_connect=tries,
            retry_read=tries,
        )
        self._reviver = patience.reviver

    def configure_retries(self, request: Any) -> dict[str, Any]:  # noqa: ANN401 (the library says no more)
        """Note how often the service had been started again when a request began."""
        settings: dict[str, Any] = super().configure_retries(request)
        settings["revived"] = self._reviver.times if self._reviver else 0
        return settings

    def sleep(self, settings: dict[str, Any], transport: Any) -> None:  # noqa: ANN401 (the library says no more)
        """Wait before the next try; not at all when the service is there again."""
        if self._reviver is not None and self._reviver.back(settings["revived"], _REVIVAL_SECONDS):
            settings["revived"] = self._reviver.times
        else:
            super().sleep(settings, transport)  # type: ignore[no-untyped-call]  # the library annotates it not


def _secret(account: str, given: ContainerCredential | None) -> Any:  # noqa: ANN401 (the library takes five unrelated types)
    if given is None:
        return None
    if given.account_key is not None:
        return AzureNamedKeyCredential(account, given.account_key)
    return AzureSasCredential(given.sas.lstrip("?")) if given.sas is not None else given.token
