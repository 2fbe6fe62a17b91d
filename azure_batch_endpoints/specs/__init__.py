"""What a user asks for, before anything exists: endpoint, deployment, model, environment, data set, compute.

Keywords and both generations of YAML meet here. Values only: the sole I/O is reading and writing the YAML file.
"""

from azure_batch_endpoints.specs.assets import DatasetSpec, EnvironmentSpec, ModelSpec
from azure_batch_endpoints.specs.compute import ComputeSpec
from azure_batch_endpoints.specs.deployment import DeploymentSpec
from azure_batch_endpoints.specs.endpoint import EndpointSpec
from azure_batch_endpoints.specs.settings import RetrySettings, RunSettings

__all__ = [
    "ComputeSpec",
    "DatasetSpec",
    "DeploymentSpec",
    "EndpointSpec",
    "EnvironmentSpec",
    "ModelSpec",
    "RetrySettings",
    "RunSettings",
]
