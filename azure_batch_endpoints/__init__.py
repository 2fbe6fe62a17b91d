"""Azure Machine Learning batch endpoints from Python, in the cloud or on this machine.

Names load on first use: a test run that only has the pytest plugin installed does not pay for the client.
"""

from importlib import import_module
from typing import TYPE_CHECKING

from azure_batch_endpoints._version import __version__

if TYPE_CHECKING:
    from azure_batch_endpoints._several import wait_all, wait_any
    from azure_batch_endpoints._spec_base import AnyPath
    from azure_batch_endpoints.assets import Dataset, Datasets, Environment, Environments, Model, Models
    from azure_batch_endpoints.checks import Finding
    from azure_batch_endpoints.client import BatchClient, LocalServiceInfo
    from azure_batch_endpoints.comparison import Comparison
    from azure_batch_endpoints.computes import Compute, Computes
    from azure_batch_endpoints.datastores import Datastore, Datastores
    from azure_batch_endpoints.deployments import BatchDeployment, BatchDeployments
    from azure_batch_endpoints.dryrun import DryRun, Estimate
    from azure_batch_endpoints.endpoints import BatchEndpoint, BatchEndpoints
    from azure_batch_endpoints.errors import (
        AuthenticationError,
        BatchEndpointsError,
        ConflictError,
        ForeignHostError,
        InvalidInputError,
        JobCanceledError,
        JobFailedError,
        LocalPathError,
        LocalServiceError,
        NotFoundError,
        NotKept,
        NotKeptError,
        NotKeptWarning,
        OperationFailedError,
        PermissionDeniedError,
        ResultsError,
        ScoringScriptError,
        ServerError,
        ServiceError,
        SpecError,
        TooManyRequestsError,
        TransportError,
        UploadError,
        WaitTimeoutError,
    )
    from azure_batch_endpoints.inputs import Input, InputLike, InputValue, dataset, file, folder, local_path
    from azure_batch_endpoints.items import ItemOutcome, JobProgress, MiniBatchOutcome
    from azure_batch_endpoints.job import Job
    from azure_batch_endpoints.jobs import Jobs
    from azure_batch_endpoints.logs import LogEntry
    from azure_batch_endpoints.official import ml_client
    from azure_batch_endpoints.results import JobResults, ResultFile
    from azure_batch_endpoints.specs import (
        ComputeSpec,
        DatasetSpec,
        DeploymentSpec,
        EndpointSpec,
        EnvironmentSpec,
        ModelSpec,
        RetrySettings,
        RunSettings,
    )
    from azure_batch_endpoints.states import JobStatus, ProvisioningState

__all__ = [
    "AnyPath",
    "AuthenticationError",
    "BatchClient",
    "BatchDeployment",
    "BatchDeployments",
    "BatchEndpoint",
    "BatchEndpoints",
    "BatchEndpointsError",
    "Comparison",
    "Compute",
    "ComputeSpec",
    "Computes",
    "ConflictError",
    "Dataset",
    "DatasetSpec",
    "Datasets",
    "Datastore",
    "Datastores",
    "DeploymentSpec",
    "DryRun",
    "EndpointSpec",
    "Environment",
    "EnvironmentSpec",
    "Environments",
    "Estimate",
    "Finding",
    "ForeignHostError",
    "Input",
    "InputLike",
    "InputValue",
    "InvalidInputError",
    "ItemOutcome",
    "Job",
    "JobCanceledError",
    "JobFailedError",
    "JobProgress",
    "JobResults",
    "JobStatus",
    "Jobs",
    "LocalPathError",
    "LocalServiceError",
    "LocalServiceInfo",
    "LogEntry",
    "MiniBatchOutcome",
    "Model",
    "ModelSpec",
    "Models",
    "NotFoundError",
    "NotKept",
    "NotKeptError",
    "NotKeptWarning",
    "OperationFailedError",
    "PermissionDeniedError",
    "ProvisioningState",
    "ResultFile",
    "ResultsError",
    "RetrySettings",
    "RunSettings",
    "ScoringScriptError",
    "ServerError",
    "ServiceError",
    "SpecError",
    "TooManyRequestsError",
    "TransportError",
    "UploadError",
    "WaitTimeoutError",
    "__version__",
    "dataset",
    "file",
    "folder",
    "local_path",
    "ml_client",
    "wait_all",
    "wait_any",
]

_HOMES = {
    "_several": ("wait_all", "wait_any"),
    "_spec_base": ("AnyPath",),
    "assets": ("Dataset", "Datasets", "Environment", "Environments", "Model", "Models"),
    "checks": ("Finding",),
    "client": ("BatchClient", "LocalServiceInfo"),
    "comparison": ("Comparison",),
    "computes": ("Compute", "Computes"),
    "datastores": ("Datastore", "Datastores"),
    "deployments": ("BatchDeployment", "BatchDeployments"),
    "dryrun": ("DryRun", "Estimate"),
    "endpoints": ("BatchEndpoint", "BatchEndpoints"),
    "errors": (
        "AuthenticationError",
        "BatchEndpointsError",
        "ConflictError",
        "ForeignHostError",
        "InvalidInputError",
        "JobCanceledError",
        "JobFailedError",
        "LocalPathError",
        "LocalServiceError",
        "NotFoundError",
        "NotKept",
        "NotKeptError",
        "NotKeptWarning",
        "OperationFailedError",
        "PermissionDeniedError",
        "ResultsError",
        "ScoringScriptError",
        "ServerError",
        "ServiceError",
        "SpecError",
        "TooManyRequestsError",
        "TransportError",
        "UploadError",
        "WaitTimeoutError",
    ),
    "inputs": ("Input", "InputLike", "InputValue", "dataset", "file", "folder", "local_path"),
    "items": ("ItemOutcome", "JobProgress", "MiniBatchOutcome"),
    "job": ("Job",),
    "jobs": ("Jobs",),
    "logs": ("LogEntry",),
    "official": ("ml_client",),
    "results": ("JobResults", "ResultFile"),
    "specs": (
        "ComputeSpec",
        "DatasetSpec",
        "DeploymentSpec",
        "EndpointSpec",
        "EnvironmentSpec",
        "ModelSpec",
        "RetrySettings",
        "RunSettings",
    ),
    "states": ("JobStatus", "ProvisioningState"),
}
_HOME_OF = {name: home for home, names in _HOMES.items() for name in names}


if not TYPE_CHECKING:  # a checker that saw it would take any name for one of this package's

    def __getattr__(name: str) -> object:
        if name not in _HOME_OF:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        value: object = getattr(import_module(f"{__name__}.{_HOME_OF[name]}"), name)
        globals()[name] = value
        return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
