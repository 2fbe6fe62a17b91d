"""The way in: one Azure ML workspace, in the cloud or on this machine, and its collections."""

from __future__ import annotations

import os
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from typing_extensions import Self

from azure_batch_endpoints import _callbacks, _config, _render
from azure_batch_endpoints._clouds import PUBLIC, Cloud, cloud_named
from azure_batch_endpoints._spec_base import AnyPath
from azure_batch_endpoints._wire import routes, versions
from azure_batch_endpoints._workspace import Workspace
from azure_batch_endpoints.errors import InvalidInputError, LocalServiceError, TransportError

if TYPE_CHECKING:
    from azure.core.credentials import AccessToken, TokenCredential

    from azure_batch_endpoints._http import Session
    from azure_batch_endpoints.assets import Datasets, Environments, Models
    from azure_batch_endpoints.computes import Computes
    from azure_batch_endpoints.datastores import Datastores
    from azure_batch_endpoints.endpoints import BatchEndpoints
    from azure_batch_endpoints.jobs import Jobs
    from azure_batch_endpoints.local.keeper import Keeper
    from azure_batch_endpoints.local.service import LocalService


@dataclass(frozen=True)
class LocalServiceInfo(_render.Card):
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


class BatchClient(_render.Card):
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
        base_url: str | None = None,
        cloud: str | None = None,
    ) -> None:
        """Name a workspace in the cloud.

        Args:
            subscription_id: subscription.
            resource_group: resource group.
            workspace: workspace.
            credential: what gives tokens; None: ``azure.identity.DefaultAzureCredential`` of the cloud.
            api_version: management api-version; ``2021-10-01`` sends the bodies of that time.
            base_url: where management requests go, for a gateway or a local service; None: the cloud's own address.
                Tokens are those of the cloud all the same.
            cloud: ``AzureCloud``, ``AzureChinaCloud`` or ``AzureUSGovernment``; None: the one whose address
                ``base_url`` is, else what the variable ``AZUREML_CURRENT_CLOUD`` names, else ``AzureCloud``.

        Raises:
            InvalidInputError: a name, the api-version, the address, the cloud or the credential is none, or cloud and
                ``base_url`` contradict each other.
        """
        _config.require_names(subscription_id=subscription_id, resource_group=resource_group, workspace=workspace)
        version = versions.checked(api_version)
        where = _config.chosen_cloud(cloud, base_url)
        _config.require_credential(credential)
        chosen = credential or _default_credential(where)
        path = routes.WorkspacePath(subscription_id, resource_group, workspace)
        self._connect(_session(base_url or where.management_url, chosen, where), path, chosen, version)
        self._service: LocalService | None = None
        self._keeper: Keeper | None = None

    @classmethod
    def from_config(
        cls,
        path: AnyPath | None = None,
        *,
        credential: TokenCredential | None = None,
        subscription_id: str | None = None,
        resource_group: str | None = None,
        workspace: str | None = None,
        api_version: str = routes.API_VERSION,
        cloud: str | None = None,
    ) -> Self:
        """Name the workspace by ``config.json``, the environment or the Azure CLI's defaults.

        What comes first wins: the arguments; ``config.json``, which says everything; the variables
        ``AZURE_SUBSCRIPTION_ID``, ``AZURE_RESOURCE_GROUP`` and ``AZUREML_WORKSPACE_NAME``, or those of an Azure ML job
        (``AZUREML_ARM_SUBSCRIPTION``, ``AZUREML_ARM_RESOURCEGROUP``, ``AZUREML_ARM_WORKSPACE_NAME``); the Azure CLI's
        defaults and current subscription.

        Args:
            path: a ``config.json`` as the studio gives it, or the folder from which it is looked for upwards, also in
                ``.azureml``; None: the working folder.
            credential: what gives tokens; None: ``azure.identity.DefaultAzureCredential`` of the cloud.
            subscription_id: instead of the one that is found.
            resource_group: instead of the one that is found.
            workspace: instead of the one that is found.
            api_version: see :class:`BatchClient`.
            cloud: see :class:`BatchClient`; None: what ``AZUREML_CURRENT_CLOUD`` names, else the cloud that the Azure
                CLI is set to, else ``AzureCloud``.

        Raises:
            InvalidInputError: nothing names a workspace, or the file lacks a value.
        """
        given = {"subscription_id": subscription_id, "resource_group": resource_group, "workspace": workspace}
        found = _config.find(path, given, cloud=cloud)
        if cloud is None and found.cloud is not None:
            cloud = cloud_named(found.cloud, found.cloud_source).name
        return cls(
            subscription_id=found.subscription_id,
            resource_group=found.resource_group,
            workspace=found.workspace,
            credential=credential,
            api_version=api_version,
            cloud=cloud,
        )

    @classmethod
    def local(
        cls,
        root: AnyPath | None = None,
        *,
        workers: int | None = None,
        worker_memory: int | str | None = None,
        storage: str | None = None,
        environments: Literal["host", "build"] = "host",
        api_version: str = routes.API_VERSION,
    ) -> Self:
        """Start, or join, the local service: the same REST protocol, really scoring on this machine.

        The service is a process of its own on 127.0.0.1, one for each root folder; it ends with its last client. What
        it keeps stays in the folder and is there again next time. Should it die (killed, out of memory), this client
        starts it again at once: calls and waits go on, and so do its jobs. One that was told to end stays ended.

        Args:
            root: folder that keeps everything; None: one for each user, ``~/.azure_batch_endpoints/local``.
            workers: most worker processes at once; None: the number of cores.
            worker_memory: what one worker process, with all that it starts, may hold: bytes, or text as "2GiB". One
                above it is ended, which counts as a try (failure type ``MemoryLimit``). None: its share of 90 % of the
                memory of the machine, or of the container.
            storage: ``azurite``, or an Azure Storage connection string; None: the embedded blob endpoint.
            environments: ``host`` scores with this interpreter; ``build`` makes a virtual environment of the
                deployment's conda file.
            api_version: see :class:`BatchClient`.

        Raises:
            InvalidInputError: the api-version is none.
            LocalServiceError: it cannot start, or a service with other settings runs on that root.
        """
        version = versions.checked(api_version)
        service = _open_service(root, workers, worker_memory, storage, environments)
        from azure_batch_endpoints.local.job import RESOURCE_GROUP, SUBSCRIPTION_ID, WORKSPACE
        from azure_batch_endpoints.local.keeper import Keeper

        client = cls.__new__(cls)
        credential = _LocalCredential(service.token)
        path = routes.WorkspacePath(SUBSCRIPTION_ID, RESOURCE_GROUP, WORKSPACE)
        keeper = Keeper(service)
        client._connect(_session(service.base_url, credential, PUBLIC, keeper), path, None, version)
        client._service, client._keeper = service, keeper
        return client

    def _connect(
        self, session: Session, path: routes.WorkspacePath, credential: TokenCredential | None, api_version: str
    ) -> None:
        self._session = session
        self._workspace = Workspace(session, path, api_version=api_version, credential=credential)

    @property
    def endpoints(self) -> BatchEndpoints:
        """Batch endpoints; each has its ``deployments``."""
        from azure_batch_endpoints.endpoints import BatchEndpoints

        return BatchEndpoints(self._workspace)

    @property
    def jobs(self) -> Jobs:
        """Jobs of all endpoints."""
        from azure_batch_endpoints.jobs import Jobs

        return Jobs(self._workspace)

    @property
    def models(self) -> Models:
        """Registered models."""
        from azure_batch_endpoints.assets import Models

        return Models(self._workspace)

    @property
    def environments(self) -> Environments:
        """Registered environments."""
        from azure_batch_endpoints.assets import Environments

        return Environments(self._workspace)

    @property
    def datasets(self) -> Datasets:
        """Registered data sets (data assets)."""
        from azure_batch_endpoints.assets import Datasets

        return Datasets(self._workspace)

    @property
    def computes(self) -> Computes:
        """Computes."""
        from azure_batch_endpoints.computes import Computes

        return Computes(self._workspace)

    @property
    def datastores(self) -> Datastores:
        """Datastores."""
        from azure_batch_endpoints.datastores import Datastores

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
        _callbacks.close(self._workspace)
        self._workspace.close()
        self._session.close()
        if self._keeper is not None:
            self._keeper.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"BatchClient({self.workspace!r}, {self.base_url})"

    def _rows(self) -> list[tuple[str, object]]:
        nouns = "endpoints, deployments, jobs, models, environments, datasets, datastores, computes"
        here = [name for name in nouns.split(", ") if hasattr(type(self), name) or hasattr(self, name)]
        return [("workspace", self.workspace), ("address", self.base_url), ("has", ", ".join(here))]


class _LocalCredential:
    """The local service's token, for whatever scope."""

    def __init__(self, token: str) -> None:
        self._token = token

    def get_token(self, *scopes: str, **kwargs: Any) -> AccessToken:  # noqa: ARG002 (azure-core's protocol)
        from azure.core.credentials import AccessToken

        return AccessToken(self._token, int(time.time()) + 86_400)


def _session(base_url: str, credential: TokenCredential, cloud: Cloud, keeper: Keeper | None = None) -> Session:
    from azure_batch_endpoints._http import Session  # with it comes azure-core, which importing this must not cost

    try:
        return Session(base_url, credential, cloud.scopes, cloud=cloud, reviver=keeper)
    except TransportError as error:
        raise InvalidInputError(f"base_url: {error} The cloud's own is {cloud.management_url}.") from error


def _default_credential(cloud: Cloud) -> TokenCredential:
    from azure.identity import DefaultAzureCredential

    # A variable that names the authority is obeyed by azure-identity itself.
    return DefaultAzureCredential(
        **({} if os.environ.get("AZURE_AUTHORITY_HOST") else {"authority": cloud.authority_host})
    )


def _open_service(
    root: AnyPath | None,
    workers: int | None,
    worker_memory: int | str | None,
    storage: str | None,
    environments: Literal["host", "build"],
) -> LocalService:
    # "host" is the default and so no wish of its own: it joins a service of either kind.
    wish = None if environments == "host" else environments
    try:
        from azure_batch_endpoints.local.service import LocalService

        return LocalService.open(root, workers=workers, worker_memory=worker_memory, storage=storage, environments=wish)
    except ModuleNotFoundError as error:
        raise LocalServiceError(
            f"The local service needs the package '{error.name}', which is not installed. "
            'Run: pip install "azure-batch-endpoints[local]"'
        ) from error
