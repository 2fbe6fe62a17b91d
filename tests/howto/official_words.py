"""What the official client makes of the service's answers: reads bodies by kind from stdin, writes its dictionaries.

A process of its own, since importing ``azure.ai.ml`` takes seconds and warns.
"""

import json
import sys
import warnings

warnings.simplefilter("ignore")

import azure.ai.ml._restclient.arm_ml_service.models as bodies  # noqa: E402
from azure.ai.ml.entities import (  # noqa: E402
    BatchDeployment,
    BatchEndpoint,
    Compute,
    Data,
    Datastore,
    Environment,
    Job,
    Model,
    Workspace,
)

KINDS = {
    "endpoint": (BatchEndpoint, bodies.BatchEndpoint),
    "deployment": (BatchDeployment, bodies.BatchDeployment),
    "job": (Job, bodies.JobBase),
    "model": (Model, bodies.ModelVersion),
    "environment": (Environment, bodies.EnvironmentVersion),
    "data": (Data, bodies.DataVersionBase),
    "compute": (Compute, bodies.ComputeResource),
    "datastore": (Datastore, bodies.Datastore),
    "workspace": (Workspace, bodies.Workspace),
}
given = json.load(sys.stdin)
made = {
    name: entity._from_rest_object(body._deserialize(given[name], []))._to_dict()
    for name, (entity, body) in KINDS.items()
}
json.dump(made, sys.stdout, default=str)
