"""The official client, ``azure.ai.ml.MLClient``, pointed at a local service. The one home of azure-ai-ml."""

from __future__ import annotations

import contextlib
import os
import threading
import time
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

from azure_batch_endpoints.errors import InvalidInputError, LocalServiceError

if TYPE_CHECKING:
    from azure.ai.ml import MLClient
    from azure.core.credentials import AccessToken
    from azure.core.pipeline import PipelineRequest
    from azure.core.pipeline.policies import HTTPPolicy, SansIOHTTPPolicy

    from azure_batch_endpoints.client import BatchClient, LocalServiceInfo

_URL_VARIABLE = "AZUREML_DEV_URL_MFE"
"""The constructor of the official client reads its management address from here."""
_one_at_a_time = threading.Lock()


def ml_client(
    client: BatchClient,
    *,
    show_progress: bool = True,
    enable_telemetry: bool = False,
    per_call_policies: Sequence[SansIOHTTPPolicy[Any, Any] | HTTPPolicy[Any, Any]] = (),
) -> MLClient:
    """Return the official client for the workspace of a local service.

    All it asks and sends goes to that service. One thing changes for the whole process: blobs of the service's own
    storage account are looked for at the service; those of every other account stay where they are. When a process has
    several local services, the one asked for last counts.

    Args:
        client: of a local service; keep it open as long as the official client is used.
        show_progress: whether it draws progress bars and names states while it waits.
        enable_telemetry: whether it sends what it is used for to Microsoft; it does so in notebooks only.
        per_call_policies: policies of azure-core that see each of its requests to the management address.

    Raises:
        InvalidInputError: the client's workspace is in the cloud.
        LocalServiceError: azure-ai-ml is not installed.
    """
    service = client.local_service
    if service is None:
        raise InvalidInputError(
            "ml_client() is for BatchClient.local(). For a workspace in the cloud, make the official client itself: "
            "MLClient(credential, subscription_id, resource_group, workspace)."
        )
    try:
        from azure.ai.ml import MLClient
    except ModuleNotFoundError as error:
        raise LocalServiceError(
            f"The official client needs the package '{error.name}', which is not installed. "
            "Run: pip install azure-ai-ml"
        ) from error
    _redirect_blobs(service)
    with _management_at(service.base_url):
        return MLClient(
            _Token(service.token),
            client.subscription_id,
            client.resource_group,
            client.workspace,
            show_progress=show_progress,
            enable_telemetry=enable_telemetry,
            per_call_policies=[_plain_http(), *per_call_policies],
        )


@contextlib.contextmanager
def _management_at(url: str) -> Iterator[None]:
    with _one_at_a_time:
        before = os.environ.get(_URL_VARIABLE)
        os.environ[_URL_VARIABLE] = url
        try:
            yield
        finally:
            if before is None:
                del os.environ[_URL_VARIABLE]
            else:
                os.environ[_URL_VARIABLE] = before


def _redirect_blobs(service: LocalServiceInfo) -> None:
    """Put the service's blob endpoint into the official client's table of addresses, for its account only."""
    from azure.ai.ml.constants import _common

    table: dict[str, str] = _common.STORAGE_ACCOUNT_URLS
    before = table["AzureBlob"]
    usual = before.usual if isinstance(before, _BlobAddress) else before
    table["AzureBlob"] = _BlobAddress(usual, _account(service), service.blob_endpoint)


class _BlobAddress(str):
    """A template of addresses that knows one account whose address is another."""

    usual: str
    _account: str
    _endpoint: str

    def __new__(cls, usual: str, account: str, endpoint: str) -> _BlobAddress:
        self = super().__new__(cls, usual)
        self.usual, self._account, self._endpoint = usual, account, endpoint
        return self

    def format(self, *values: object, **named: object) -> str:
        """Return the address of the account that comes first in ``values``."""
        return self._endpoint if values and values[0] == self._account else self.usual.format(*values, **named)


def _account(service: LocalServiceInfo) -> str:
    """Return the name of the store's account."""
    return service.connection_string.partition("AccountName=")[2].partition(";")[0]


def _plain_http() -> SansIOHTTPPolicy[Any, Any]:
    """Return a policy that lets the token travel without TLS; it only travels to this machine."""
    from azure.core.pipeline.policies import SansIOHTTPPolicy

    class PlainHttp(SansIOHTTPPolicy[Any, Any]):
        def on_request(self, request: PipelineRequest[Any]) -> None:
            request.context.options["enforce_https"] = False

    return PlainHttp()


class _Token:
    """The local service's token, for whatever scope."""

    def __init__(self, token: str) -> None:
        self._token = token

    def get_token(self, *scopes: str, **kwargs: Any) -> AccessToken:  # noqa: ARG002 (azure-core's protocol)
        from azure.core.credentials import AccessToken

        return AccessToken(self._token, int(time.time()) + 86_400)
