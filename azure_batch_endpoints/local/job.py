"""The values the local service's rooms hand to each other: settings, the blob store's address, a job and its request.

Frozen; a change makes a new value. Only ``scheduler`` decides a job's status, only ``state`` writes it down.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from azure_batch_endpoints._wire.routes import WorkspacePath
from azure_batch_endpoints.specs import RunSettings
from azure_batch_endpoints.states import JobStatus

if TYPE_CHECKING:
    from collections.abc import Mapping

SUBSCRIPTION_ID = "00000000-0000-0000-0000-000000000000"
RESOURCE_GROUP = "local"
WORKSPACE = "local"
LOCATION = "local"
DEFAULT_DATASTORE = "workspaceblobstore"
ARTIFACT_DATASTORE = "workspaceartifactstore"
LOCAL_COMPUTE = "local"
"""A compute that is always there: this machine."""

EXECUTION_LOG = "logs/azureml/executionlogs.txt"
"""The log of a job itself; all others are its step's."""


def container_names(workspace_id: str) -> dict[str, str]:
    """Return the container of each datastore, named as Azure ML names them."""
    return {DEFAULT_DATASTORE: f"azureml-blobstore-{workspace_id}", ARTIFACT_DATASTORE: "azureml"}


@dataclass(frozen=True)
class ServiceSettings:
    """How one local service was started.

    Attributes:
        root: folder that keeps everything.
        workers: most worker processes at once.
        storage: None for the embedded blob endpoint, ``azurite``, or a connection string. Secret.
        environments: ``host`` or ``build``.
        stay: whether it goes on without clients.
        worker_memory: bytes that one worker and what it started may hold; None: any.
    """

    root: Path
    workers: int
    storage: str | None = field(default=None, repr=False)
    environments: Literal["host", "build"] = "host"
    stay: bool = False
    worker_memory: int | None = None

    @property
    def workspace(self) -> WorkspacePath:
        """Ids of the one workspace the service has."""
        return WorkspacePath(SUBSCRIPTION_ID, RESOURCE_GROUP, WORKSPACE)

    def job_folder(self, name: str) -> Path:
        """Return the folder of one job: ledger, parts, staged inputs, ``run/`` with its logs."""
        return self.root / "jobs" / name

    def deleted_folder(self, child: str) -> Path:
        """Return where a job's folder is while it is deleted; no job is called so.

        Args:
            child: run id of the job's step.
        """
        return self.root / "jobs" / f".{child}"


@dataclass(frozen=True)
class StoreAddress:
    """How to reach the blob store.

    Attributes:
        account: storage account.
        endpoint: blob endpoint including the account where the address needs it, without trailing slash.
        key: account key. Secret.
    """

    account: str
    endpoint: str
    key: str = field(repr=False)

    @property
    def connection_string(self) -> str:
        """Connection string of the account. Secret."""
        protocol = self.endpoint.split(":", 1)[0]
        return (
            f"DefaultEndpointsProtocol={protocol};AccountName={self.account};AccountKey={self.key};"
            f"BlobEndpoint={self.endpoint};"
        )


@dataclass(frozen=True)
class JobInputSource:
    """One input of a job.

    Attributes:
        name: as the client named it.
        kind: one file, or every file under a folder.
        uri: where it is; a data asset's own URI by now. A signature in it is secret: never in repr.
        either: nobody said whether it is a file or a folder (a body of 2021): what is there decides, not ``kind``.
    """

    name: str
    kind: Literal["folder", "file"]
    uri: str = field(repr=False)
    either: bool = False


@dataclass(frozen=True)
class JobRequest:
    """All a job needs, settled when it was invoked: a later change of the deployment does not touch it.

    Attributes:
        endpoint: endpoint's name.
        deployment: deployment's name.
        model_uri: file or folder of the model.
        model_type: ``custom_model``, ``mlflow_model`` or ``triton_model``.
        code_uri: folder of the scoring script, or None.
        scoring_script: script in that folder, or None.
        image: container image of the environment, or None; recorded only.
        conda_file: text of the environment's conda file, or None.
        compute: compute's name.
        inputs: the inputs.
        output_uri: folder that takes the output.
        settings: the deployment's settings with the job's overrides.
        retry_of: job whose failed inputs are all this one reads, or None for every input.
        retry_pending: whether it reads those that were never scored there, too.
        retry_child: run id of that job's step: a later job may get its name. None in jobs of an earlier version.
        model_name: name of the model; empty in jobs of an earlier version.
        model_version: its version, likewise.
    """

    endpoint: str
    deployment: str
    model_uri: str = field(repr=False)
    model_type: str
    code_uri: str | None = field(repr=False)
    scoring_script: str | None
    image: str | None
    conda_file: str | None
    compute: str
    inputs: tuple[JobInputSource, ...]
    output_uri: str
    settings: RunSettings
    retry_of: str | None = None
    retry_pending: bool = False
    retry_child: str | None = None
    model_name: str = ""
    model_version: str = ""


@dataclass(frozen=True)
class JobRow:
    """A job as it is kept.

    Attributes:
        name: job name, as the client or the service chose it.
        child: run id of its ``batchscoring`` step; the default output is ``azureml/{child}/score/``.
        display_name: friendly name.
        experiment: experiment name; the endpoint's unless chosen.
        status: where it stands.
        request: what it does.
        created_at: wire time.
        started_at: wire time it began to prepare, or None.
        ended_at: wire time of its end, or None.
        error: why it failed, or None.
        progress: ``JobProgress`` as JSON text, or None.
        rows: kind, column names and dtypes of the returned rows as JSON text, or None.
        tags: tags.
        body: the invoke's ``properties`` as sent, for echoing.
        description: in the user's words, or None for the service's.
        properties: the user's own properties.
        archived: whether lists leave it out unless they are asked for it.
    """

    name: str
    child: str
    display_name: str
    experiment: str
    status: JobStatus
    request: JobRequest
    created_at: str
    started_at: str | None = None
    ended_at: str | None = None
    error: str | None = None
    progress: str | None = None
    rows: str | None = None
    tags: Mapping[str, str] = field(default_factory=dict)
    body: Mapping[str, object] = field(default_factory=dict, repr=False)
    description: str | None = None
    properties: Mapping[str, str] = field(default_factory=dict)
    archived: bool = False
