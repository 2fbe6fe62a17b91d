"""References and local paths to ids of the workspace: what is missing is uploaded and registered.

The door to ``models``, ``codes``, ``environments`` and ``datasets``; other rooms import this one. Values in, new values
out. Bodies are built in ``_wire.convert``, files are read and sent by ``hashing`` and ``upload``.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

from azure_batch_endpoints._storage.codes import code_source, register_code
from azure_batch_endpoints._storage.datasets import dataset_uri, register_dataset, upload_input
from azure_batch_endpoints._storage.driven import driven
from azure_batch_endpoints._storage.environments import (
    described_environment,
    register_described,
    register_environment,
)
from azure_batch_endpoints._storage.hashing import LocalTree
from azure_batch_endpoints._storage.models import model_source, register_model, source_id
from azure_batch_endpoints._storage.steps import Progress
from azure_batch_endpoints._storage.versions import asset_params, asset_word, latest
from azure_batch_endpoints._wire import convert
from azure_batch_endpoints._workspace import Workspace
from azure_batch_endpoints.inputs import Input
from azure_batch_endpoints.specs import DeploymentSpec

__all__ = [
    "asset_params",
    "asset_word",
    "latest",
    "register_dataset",
    "register_environment",
    "register_model",
    "resolve_deployment",
    "resolve_input",
]


def resolve_deployment(
    workspace: Workspace, spec: DeploymentSpec, *, progress: Progress | None = None
) -> convert.DeploymentAssets:
    """Return the ids of all that a deployment names; everything local is looked at before anything is sent.

    Raises:
        LocalPathError: a path is not there; nothing was sent.
        UploadError: a file could not be uploaded.
        NotFoundError: a model or environment that is to be the latest of its name has no version.
    """
    model = model_source(spec.model)
    code = None if spec.code is None else code_source(spec.code)
    if spec.instrument and isinstance(code, LocalTree):
        code = driven(code, spec.scoring_script or "")
    environment = described_environment(spec.environment)
    with ThreadPoolExecutor(1, thread_name_prefix="hash") as aside:
        # The code is read while the model is sent.
        digest = aside.submit(code.code_hash).result if isinstance(code, LocalTree) else None
        model_id = source_id(workspace, model, progress)
    return convert.DeploymentAssets(
        model_id=model_id,
        code_id=None if code is None else register_code(workspace, code, progress, digest),
        environment_id=register_described(workspace, environment),
        compute_id=compute_id(workspace, spec.compute),
    )


def compute_id(workspace: Workspace, name: str) -> str:
    """Return the id of a compute; nothing is asked. ``azureml:`` before the name and an ARM id are understood."""
    bare = name.removeprefix("azureml:")
    return bare if bare.startswith("/") else workspace.path.compute(bare)


def resolve_input(workspace: Workspace, given: Input, *, progress: Progress | None = None) -> Input:
    """Return an input that a job can name: local paths are uploaded, data sets become ids, the rest stays."""
    if given.kind == "local":
        return upload_input(workspace, given, progress=progress)
    return dataset_uri(workspace, given) if given.kind == "dataset" else given
