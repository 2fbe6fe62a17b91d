"""Paths, api-versions and header names. Every path parameter is quoted here and never None."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, TypeAlias
from urllib.parse import quote

from azure_batch_endpoints.errors import InvalidInputError

PROVIDER = "Microsoft.MachineLearningServices"
API_VERSION = "2024-10-01"
"""Management api-version unless the client names another; it has batch endpoints."""
DATA_PLANE_VERSION = "2020-09-01-dataplanepreview"
"""Version of the job lists of an endpoint or deployment; the scoring URI itself takes none."""
RUN_HISTORY_VERSION = "v1.0"
DATA_VERSION = "1.5.0"
"""Versions of the run history and of the data plane of data assets, as the official client names them (1.35.2)."""
MANAGEMENT_FRONTEND = "/mferp/managementfrontend"

DEPLOYMENT_HEADER = "azureml-model-deployment"
REPEATABILITY_HEADERS = ("repeatability-request-id", "repeatability_request-id")
"""The documented spelling, and the one the official client sends."""

PROGRESS_PROPERTY = "azure_batch_endpoints.progress"
"""Job property of the local service: ``JobProgress`` as JSON text."""
ERROR_PROPERTY = "azure_batch_endpoints.error"
"""Job property of the local service: why the job failed, as text."""
ROWS_PROPERTY = "azure_batch_endpoints.rows"
"""Job property of the local service: kind of the returned rows, DataFrame column names and dtypes, as JSON text."""
RETRY_PROPERTY = "azure_batch_endpoints.retry_of"
"""Property of an invoke to the local service: score only the inputs that failed in the job of this name."""
RETRY_PENDING_PROPERTY = "azure_batch_endpoints.retry_pending"
"""Property of such an invoke: ``true`` adds the inputs that were never scored."""
ISOLATE_PROPERTY = "azure_batch_endpoints.isolate_failures"
"""Property of a deployment and of an invoke: ``true`` or ``false``; a service that does not know it only keeps it."""
INSTRUMENT_PROPERTY = "azure_batch_endpoints.instrument"
"""Property of a deployment whose ``scoringScript`` is our driver: the user's own script, relative to its code."""
RETRIED_TAG = "azure_batch_endpoints.retried"
"""Tag of a job in the cloud that scores again what failed in the job of this name; the service only keeps it."""

AssetKind: TypeAlias = Literal["codes", "models", "environments", "data", "datasets"]


def _segment(value: str) -> str:
    # "." and ".." would be taken out of the path on the way, and another thing asked.
    # A slash in a name is quoted, but the service takes it for the end of the name.
    if not isinstance(value, str) or not value or value in {".", ".."} or "/" in value:
        raise InvalidInputError(f"{value!r} is not a name. Pass the name of what is meant. Nothing was sent.")
    return quote(value, safe="")


@dataclass(frozen=True)
class WorkspacePath:
    """Ids and paths of one workspace. An id is the path of its management route.

    Attributes:
        subscription_id: subscription.
        resource_group: resource group.
        name: workspace.
    """

    subscription_id: str
    resource_group: str
    name: str

    def __str__(self) -> str:
        """Return the workspace's ARM id."""
        return (
            f"/subscriptions/{_segment(self.subscription_id)}/resourceGroups/{_segment(self.resource_group)}"
            f"/providers/{PROVIDER}/workspaces/{_segment(self.name)}"
        )

    def endpoints(self) -> str:
        """Return the collection of batch endpoints."""
        return f"{self}/batchEndpoints"

    def endpoint(self, name: str) -> str:
        """Return one batch endpoint."""
        return f"{self}/batchEndpoints/{_segment(name)}"

    def deployments(self, endpoint: str) -> str:
        """Return the collection of an endpoint's deployments."""
        return f"{self.endpoint(endpoint)}/deployments"

    def deployment(self, endpoint: str, name: str) -> str:
        """Return one deployment."""
        return f"{self.deployments(endpoint)}/{_segment(name)}"

    def endpoint_jobs(self, endpoint: str, deployment: str | None = None) -> str:
        """Return the data-plane list of jobs of an endpoint, or of one of its deployments."""
        owner = self.endpoint(endpoint) if deployment is None else self.deployment(endpoint, deployment)
        return f"{MANAGEMENT_FRONTEND}{owner}/jobs"

    def jobs(self) -> str:
        """Return the collection of jobs."""
        return f"{self}/jobs"

    def job(self, name: str) -> str:
        """Return one job."""
        return f"{self}/jobs/{_segment(name)}"

    def job_mini_batches(self, name: str) -> str:
        """Return what became of a job's mini-batches; the local service's own."""
        return f"{self.job(name)}/minibatches"

    def job_overview(self, name: str) -> str:
        """Return what a view of a running job shows beside its progress; the local service's own."""
        return f"{self.job(name)}/overview"

    def job_items(self, name: str) -> str:
        """Return the ledger of one job: a route of the local service only."""
        return f"{self.job(name)}/items"

    def job_rows(self, name: str) -> str:
        """Return where the rows of one job came from: a route of the local service only."""
        return f"{self.job(name)}/rows"

    def assets(self, kind: AssetKind) -> str:
        """Return the collection of asset containers of one kind."""
        return f"{self}/{kind}"

    def asset_versions(self, kind: AssetKind, name: str) -> str:
        """Return the versions of one asset."""
        return f"{self}/{kind}/{_segment(name)}/versions"

    def asset(self, kind: AssetKind, name: str, version: str) -> str:
        """Return one asset version."""
        return f"{self.asset_versions(kind, name)}/{_segment(version)}"

    def datastores(self) -> str:
        """Return the collection of datastores."""
        return f"{self}/datastores"

    def datastore(self, name: str) -> str:
        """Return one datastore."""
        return f"{self}/datastores/{_segment(name)}"

    def computes(self) -> str:
        """Return the collection of computes."""
        return f"{self}/computes"

    def compute(self, name: str) -> str:
        """Return one compute."""
        return f"{self}/computes/{_segment(name)}"

    def run(self, name: str) -> str:
        """Return a run of the run history, below the ``api`` URL that discovery names."""
        return f"/history/v1.0{self}/runs/{_segment(name)}"

    def run_data(self) -> str:
        """Return the run history's ``rundata`` route, below the ``api`` URL."""
        return f"/history/v1.0{self}/rundata"

    def resolved_uris(self) -> str:
        """Return the route that says where versions of data lie, below the ``api`` URL."""
        return f"/data/v1.0{self}/dataversion/batchGetResolvedUris"

    def studio_url(self, job: str, studio: str) -> str:
        """Return the page of a job in the studio of a cloud."""
        lower = f"/subscriptions/{self.subscription_id}/resourcegroups/{self.resource_group}/workspaces/{self.name}"
        return f"{studio}/runs/{_segment(job)}?wsid={lower}"
