"""The way in: one Azure ML workspace, in the cloud or on this machine, and its collections."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Literal

from typing_extensions import Self

from azure_batch_endpoints import _config
from azure_batch_endpoints._spec_base import AnyPath
from azure_batch_endpoints._wire import routes
from azure_batch_endpoints._workspace import Workspace
from azure_batch_endpoints.assets import Datasets, Environments, Models
from azure_batch_endpoints.computes import Computes
from azure_batch_endpoints.datastores import Datastores
from azure_batch_endpoints.endpoints import BatchEndpoints
from azure_batch_endpoints.errors import LocalServiceError
from azure_batch_endpoints.jobs import Jobs

if TYPE_CHECKING:
    from azure.core.credentials import AccessToken, TokenCredential

    from azure_batch_endpoints._http import Session
    from azure_batch_endpoints.local.service import LocalService

MANAGEMENT_URL = "https://management.azure.com"


@dataclass(frozen=True)
class LocalServiceInfo:
    """How other clients (curl, the official SDK, Storage Explorer) reach the local service."""

    base_url: str
    """Management and scoring address, ``http://127.0.0.1:<port>``."""
    token: str = field(repr=False)
    """Bearer token of this service; secret."""
    blob_endpoint: str
    """Address of the blob store, account included."""
    connection_string: str = field(repr=False)
    """Connection string of the blob store; secret."""
    root: Path
    """Folder that keeps everything."""
    pid: int
    """Its process."""
    started: bool
    """Whether this client started it; else it ran already and was joined."""


class BatchClient:
    """One Azure ML workspace, in the cloud or on this machine.

    Making a client for the cloud sends nothing; the first call does. Use it as a context manager, or call
    :meth:`close`. Safe to use from several threads.
    """

    def __init__(
        self,
        *,
        subscription_id: str,
        resource_group: str,
        workspace: str,
        credential: TokenCredential | None = None,
        api_version: str = routes.API_VERSION,
        base_url: str = MANAGEMENT_URL,
    ) -> None:
        """Name a workspace in the cloud.

        Args:
            subscription_id: subscription.
            resource_group: resource group.
            workspace: workspace.
            credential: what gives tokens; None: ``azure.identity.DefaultAzureCredential``.
            api_version: management api-version; ``2021-10-01`` sends the bodies of that time.
            base_url: management endpoint, for other clouds.
        """
        scopes = {"management": f"{base_url.rstrip('/')}/.default", "ml": routes.ML_SCOPE}
        chosen = credential or _default_credential()
        path = routes.WorkspacePath(subscription_id, resource_group, workspace)
        self._connect(_session(base_url, chosen, scopes), path, chosen, api_version)
        self._service: LocalService | None = None

    @classmethod
    def from_config(cls, path: AnyPath | None = None, *, credential: TokenCredential | None = None) -> Self:
        """Name the workspace by ``config.json`` or the environment.

        Args:
            path: a ``config.json`` as the studio gives it, or a folder; None: the working directory and its parents
                (also their ``.azureml`` folders), then the variables ``AZURE_SUBSCRIPTION_ID``,
                ``AZURE_RESOURCE_GROUP`` and ``AZUREML_WORKSPACE_NAME``, or ``AZUREML_ARM_SUBSCRIPTION``,
                ``AZUREML_ARM_RESOURCEGROUP`` and ``AZUREML_ARM_WORKSPACE_NAME``.
            credential: what gives tokens; None: ``azure.identity.DefaultAzureCredential``.

        Raises:
            InvalidInputError: nothing names a workspace, or the file lacks a value.
        """
        found = _config.find(path)
        return cls(
            subscription_id=found.subscription_id,
            resource_group=found.resource_group,
            workspace=found.workspace,
            credential=credential,
        )

    @classmethod
    def local(
        cls,
        root: AnyPath | None = None,
        *,
        workers: int | None = None,
        storage: str | None = None,
        environments: Literal["host", "build"] = "host",
    ) -> Self:
        """Start, or join, the local service: the same REST protocol, really scoring on this machine.

        The service is a process of its own on 127.0.0.1, one for each root folder; it ends with its last client. What
        it keeps stays in the folder and is there again next time.

        Args:
            root: folder that keeps everything; None: one for each user, ``~/.azure_batch_endpoints/local``.
            workers: most worker processes at once; None: the number of cores.
            storage: ``azurite``, or an Azure Storage connection string; None: the embedded blob endpoint.
            environments: ``host`` scores with this interpreter; ``build`` makes a virtual environment of the
                deployment's conda file.

        Raises:
            LocalServiceError: it cannot start, or a service with other settings runs on that root.
        """
        service = _open_service(root, workers, storage, environments)
        from azure_batch_endpoints.local.job import RESOURCE_GROUP, SUBSCRIPTION_ID, WORKSPACE

        client = cls.__new__(cls)
        credential = _LocalCredential(service.token)
        scopes = {"management": routes.MANAGEMENT_SCOPE, "ml": routes.ML_SCOPE}
        path = routes.WorkspacePath(SUBSCRIPTION_ID, RESOURCE_GROUP, WORKSPACE)
        client._connect(_session(service.base_url, credential, scopes), path, None, routes.API_VERSION)
        client._service = service
        return client

    def _connect(
        self, session: Session, path: routes.WorkspacePath, credential: TokenCredential | None, api_version: str
    ) -> None:
        self._session = session
        self._workspace = Workspace(session, path, api_version=api_version, credential=credential)

    @property
    def endpoints(self) -> BatchEndpoints:
        """Batch endpoints; each has its ``deployments``."""
        return BatchEndpoints(self._workspace)

    @property
    def jobs(self) -> Jobs:
        """Jobs of all endpoints."""
        return Jobs(self._workspace)

    @property
    def models(self) -> Models:
        """Registered models."""
        return Models(self._workspace)

    @property
    def environments(self) -> Environments:
        """Registered environments."""
        return Environments(self._workspace)

    @property
    def datasets(self) -> Datasets:
        """Registered data sets (data assets)."""
        return Datasets(self._workspace)

    @property
    def computes(self) -> Computes:
        """Computes."""
        return Computes(self._workspace)

    @property
    def datastores(self) -> Datastores:
        """Datastores."""
        return Datastores(self._workspace)

    @property
    def base_url(self) -> str:
        """Local: ``http://127.0.0.1:<port>``; cloud: the management endpoint."""
        return self._session.base_url

    @property
    def local_service(self) -> LocalServiceInfo | None:
        """How other clients reach the local service; None in the cloud."""
        service = self._service
        if service is None:
            return None
        return LocalServiceInfo(
            base_url=service.base_url,
            token=service.token,
            blob_endpoint=service.store.endpoint,
            connection_string=service.store.connection_string,
            root=service.root,
            pid=service.pid,
            started=service.started,
        )

    @property
    def subscription_id(self) -> str:
        """Subscription."""
        return self._workspace.path.subscription_id

    @property
    def resource_group(self) -> str:
        """Resource group."""
        return self._workspace.path.resource_group

    @property
    def workspace(self) -> str:
        """Workspace."""
        return self._workspace.path.name

    def close(self) -> None:
        """Close connections and leave the local service, which ends with its last client. Twice is fine."""
        self._workspace.close()
        self._session.close()
        if self._service is not None:
            self._service.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, tb: TracebackType | None
    ) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"BatchClient({self.workspace!r}, {self.base_url})"


class _LocalCredential:
    """The local service's token, for whatever scope."""

    def __init__(self, token: str) -> None:
        self._token = token

    def get_token(self, *scopes: str, **kwargs: Any) -> AccessToken:  # noqa: ARG002 (azure-core's protocol)
        from azure.core.credentials import AccessToken

        return AccessToken(self._token, int(time.time()) + 86_400)


def _session(base_url: str, credential: TokenCredential, scopes: Mapping[str, str]) -> Session:
    from azure_batch_endpoints._http import Session  # with it comes azure-core, which importing this must not cost

    return Session(base_url, credential, scopes)


def _default_credential() -> TokenCredential:
    from azure.identity import DefaultAzureCredential

    return DefaultAzureCredential()


def _open_service(
    root: AnyPath | None, workers: int | None, storage: str | None, environments: Literal["host", "build"]
) -> LocalService:
    # "host" is the default and so no wish of its own: it joins a service of either kind.
    wish = None if environments == "host" else environments
    try:
        from azure_batch_endpoints.local.service import LocalService

        return LocalService.open(root, workers=workers, storage=storage, environments=wish)
    except ModuleNotFoundError as error:
        raise LocalServiceError(
            f"The local service needs the package '{error.name}', which is not installed. "
            'Run: pip install "azure-batch-endpoints[local]"'
        ) from error
