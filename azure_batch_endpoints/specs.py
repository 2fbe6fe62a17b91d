"""What a user asks for, before anything exists: endpoint, deployment, model, environment, data set, compute.

Keywords and both generations of YAML meet here. Values only: the sole I/O is reading and writing the YAML file.
"""

from collections.abc import Mapping
from os import fspath
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal, TypeVar

from pydantic import Field, model_validator
from typing_extensions import Self

from azure_batch_endpoints import _spec_tables as tables
from azure_batch_endpoints._spec_base import AnyPath, Origin, Spec, inside
from azure_batch_endpoints._spec_values import (
    AS_PATH,
    AssetName,
    ComputeName,
    Count,
    DeploymentName,
    Flag,
    ResourceName,
    Seconds,
    TextMap,
    Version,
    one_of,
)
from azure_batch_endpoints.errors import SpecError

if TYPE_CHECKING:
    from azure_batch_endpoints.checks import Finding
    from azure_batch_endpoints.dryrun import DryRun


_MODEL_TYPES = one_of(
    "custom_model", "mlflow_model", "triton_model", custom="custom_model", mlflow="mlflow_model", triton="triton_model"
)
_AnySpec = TypeVar("_AnySpec", bound=Spec)


def _made(kind: type[_AnySpec], name: str, values: Mapping[str, Any], origin: Origin) -> _AnySpec:
    try:
        return kind(**values)._named_in(origin.within(name))
    except SpecError as error:
        raise inside(name, error) from None


class RetrySettings(Spec):
    """Tries and time limit of one mini-batch."""

    _table = tables.RETRY
    _written = tables.RETRY_WRITTEN

    max_retries: Count = Field(default=3, ge=0)
    """Tries in all, at least one; the wire hands it over as ``run_max_try``."""
    timeout: Seconds = Field(default=30.0, gt=0)
    """Seconds for one ``run(mini_batch)``; then the worker is ended and the mini-batch tried again."""


class RunSettings(Spec):
    """How a deployment scores; ``invoke`` can override it for one job, but for output action and variables."""

    _table = tables.SETTINGS
    _written = tables.SETTINGS_WRITTEN

    mini_batch_size: Count = Field(default=10, ge=1)
    """Files given to one ``run(mini_batch)``."""
    max_concurrency_per_instance: Count = Field(default=1, ge=1)
    """Worker processes on one instance."""
    instance_count: Count = Field(default=1, ge=1)
    """Nodes for one job."""
    error_threshold: Count = Field(default=-1, ge=-1)
    """Failed input files tolerated over the whole job; -1: any number."""
    retry_settings: RetrySettings = Field(default_factory=RetrySettings)
    """Tries and time limit of one mini-batch."""
    output_action: Annotated[Literal["append_row", "summary_only"], one_of("append_row", "summary_only")] = "append_row"
    """``append_row`` merges all returned rows into one file; ``summary_only`` only counts them."""
    output_file_name: str = Field(default="predictions.csv", pattern=r'^[^~"#%&*:<>?/\\{|}\x00-\x1f\x7f]+$')
    """Name of the merged file."""
    logging_level: Annotated[Literal["debug", "info", "warning"], one_of("debug", "info", "warning")] = "info"
    """Detail of the job's logs."""
    environment_variables: TextMap = Field(default_factory=dict)
    """Set for the scoring script."""
    isolate_failures: Flag = False
    """Whether a mini-batch that failed on its last try is split until the files that fail are found, so that the others
    of it count; the local service does so, Azure takes no notice."""


class ModelSpec(Spec):
    """A model to register: a file or folder."""

    _table = tables.MODEL
    _refused = tables.MODEL_REFUSED
    _written = tables.MODEL_WRITTEN
    _schema = "model"
    _paths = ("path",)

    name: AssetName | Literal[""]
    """Its name; empty for a model that is only part of one deployment (named by its content)."""
    path: Annotated[str | Path, AS_PATH]
    """A local file or folder, or a URI in storage."""
    version: Version = None
    """None: the next number."""
    type: Annotated[Literal["custom_model", "mlflow_model", "triton_model"] | None, _MODEL_TYPES] = None
    """None: ``mlflow_model`` when the folder holds a file ``MLmodel``, else ``custom_model``."""
    description: str | None = None
    tags: TextMap = Field(default_factory=dict)
    properties: TextMap = Field(default_factory=dict)
    """Texts that the workspace keeps beside the tags; unlike tags they can hardly be changed later."""


class EnvironmentSpec(Spec):
    """Where the scoring script runs: a container image and conda dependencies."""

    _table = tables.ENVIRONMENT
    _refused = tables.ENVIRONMENT_REFUSED
    _written = tables.ENVIRONMENT_WRITTEN
    _schema = "environment"
    _paths = ("conda_file",)

    name: AssetName | None = None
    """None for an environment that is only part of one deployment (named by its content)."""
    version: Version = None
    """None: named by its content."""
    image: str | None = None
    """Container image; recorded, but not used, by the local service."""
    conda_file: Annotated[str | Path | Mapping[str, Any] | None, AS_PATH] = None
    """Path of a conda YAML file, or its content."""
    description: str | None = None
    tags: TextMap = Field(default_factory=dict)
    properties: TextMap = Field(default_factory=dict)
    """Texts that the workspace keeps beside the tags; unlike tags they can hardly be changed later."""


class DatasetSpec(Spec):
    """A data set (data asset) to register: a file or folder, here or in storage."""

    _table = tables.DATASET
    _refused = tables.DATASET_REFUSED
    _written = tables.DATASET_WRITTEN
    _schema = "data"
    _paths = ("path",)

    name: AssetName
    path: Annotated[str | Path, AS_PATH]
    """A local path, or any URI that ``folder()`` and ``file()`` take."""
    version: Version = None
    """None: the next number."""
    type: Annotated[Literal["uri_folder", "uri_file"] | None, one_of("uri_folder", "uri_file")] = None
    """None: found out from the path."""
    description: str | None = None
    tags: TextMap = Field(default_factory=dict)
    properties: TextMap = Field(default_factory=dict)
    """Texts that the workspace keeps beside the tags; unlike tags they can hardly be changed later."""

    @classmethod
    def _from_file(cls, values: dict[str, Any], origin: Origin) -> None:
        sources = values.pop("paths", None)  # 2021: paths: [{folder: uri}] or [{file: uri}]
        if sources is not None:
            one = sources[0] if isinstance(sources, list) and len(sources) == 1 else None
            if not isinstance(one, dict) or len(one) != 1:
                raise SpecError("'paths' must hold exactly one 'folder: <uri>' or 'file: <uri>'.", field="paths")
            ((kind, values["path"]),) = one.items()
            if kind not in {"folder", "file"}:
                raise SpecError(f"'paths' holds '{kind}'; it can be 'folder' or 'file'.", field="paths")
            values.setdefault("type", f"uri_{kind}")
        if str(values.get("type")).lower() == "mltable":
            said = (
                "batch deployments of models read folders and files. Write 'type: uri_folder' for the folder it is in."
            )
            raise SpecError(f"'type' is 'mltable': {said}", field="type")
        super()._from_file(values, origin)


class ComputeSpec(Spec):
    """Nodes that score: an Azure ML compute cluster, or for the local service an existing Ray cluster."""

    _table = tables.COMPUTE
    _refused = tables.COMPUTE_REFUSED
    _written = tables.COMPUTE_WRITTEN
    _schema = "amlCompute"

    name: ComputeName
    type: Annotated[Literal["amlcompute", "ray"], one_of("amlcompute", "ray")] = "amlcompute"
    """``ray`` names the Ray cluster at ``address``; this version of the local service refuses it still."""
    location: str | None = None
    """Azure region of the nodes; None: the workspace's own."""
    size: str = "Standard_DS3_v2"
    """Virtual machine size; recorded, but not used, by the local service."""
    tier: Annotated[Literal["dedicated", "low_priority"], one_of("dedicated", "low_priority")] = "dedicated"
    """Price tier."""
    min_instances: Count = Field(default=0, ge=0)
    """Nodes that are always kept."""
    max_instances: Count = Field(default=1, ge=0)
    """Nodes at most."""
    idle_time_before_scale_down: Seconds = Field(default=120.0, ge=0)
    """Seconds a node may idle before it is given back."""
    address: str | None = None
    """For ``type="ray"``: address of the cluster, e.g. ``127.0.0.1:6379``."""
    description: str | None = None
    tags: TextMap = Field(default_factory=dict)

    @model_validator(mode="after")
    def _check(self) -> Self:
        if self.max_instances < self.min_instances:
            raise SpecError(
                f"max_instances is {self.max_instances}, below min_instances {self.min_instances}.",
                field="max_instances",
            )
        if (self.type == "ray") != (self.address is not None):
            missing = "address" if self.address is None else 'type="ray"'
            raise SpecError(f'type="ray" and address="host:port" go together; {missing} is missing.', field="type")
        return self


class EndpointSpec(Spec):
    """A batch endpoint: a stable name that jobs are sent to."""

    _table = tables.ENDPOINT
    _refused = tables.ENDPOINT_REFUSED
    _written = tables.ENDPOINT_WRITTEN
    _schema = "batchEndpoint"

    name: ResourceName
    """3 to 32 letters, digits and hyphens, a letter first; unique in its Azure region."""
    description: str | None = None
    auth_mode: Annotated[Literal["aad_token"], one_of("aad_token")] = "aad_token"
    """The only mode batch endpoints have."""
    tags: TextMap = Field(default_factory=dict)
    properties: TextMap = Field(default_factory=dict)
    """Texts that the workspace keeps beside the tags; unlike tags they can hardly be changed later."""
    default_deployment: str | None = None
    """Name of the deployment used when none is named; it must exist (YAML: ``defaults.deployment_name``)."""

    @classmethod
    def _from_file(cls, values: dict[str, Any], origin: Origin) -> None:
        kind = values.pop("_type", "batch")  # of the preview; an endpoint of today has no type
        if str(kind).lower() != "batch":
            raise SpecError(f"'type' is {kind!r}: this package has batch endpoints only.", field="type")
        super()._from_file(values, origin)


class DeploymentSpec(Spec):
    """A batch deployment: model, scoring script, environment, compute and settings behind an endpoint."""

    _table = tables.DEPLOYMENT
    _refused = tables.DEPLOYMENT_REFUSED
    _written = tables.DEPLOYMENT_WRITTEN
    _schema = "modelBatchDeployment"
    _paths = ("code", "model", "environment")
    _type: ClassVar[str] = "model"

    name: DeploymentName
    """1 to 255 letters, digits, hyphens and underscores, a letter or digit first."""
    model: Annotated[str | Path | ModelSpec, AS_PATH]
    """``azureml:name:1``, ``azureml:name@latest``, an ARM id, a local file or folder, or a :class:`ModelSpec`."""
    code: Annotated[str | Path | None, AS_PATH] = None
    """Folder of the scoring script; None for an MLflow model."""
    scoring_script: str | None = None
    """The script, relative to ``code``; None for an MLflow model."""
    environment: Annotated[str | Path | EnvironmentSpec | None, AS_PATH] = None
    """``azureml:name:1``, a conda or environment YAML file, or an :class:`EnvironmentSpec`."""
    compute: str = "local"
    """``azureml:batch-cluster`` or ``batch-cluster``. The default is the local service's own; Azure needs a name."""
    settings: RunSettings = Field(default_factory=RunSettings)
    """How it scores."""
    description: str | None = None
    tags: TextMap = Field(default_factory=dict)
    properties: TextMap = Field(default_factory=dict)
    """Texts that the workspace keeps beside the tags; unlike tags they can hardly be changed later."""

    @model_validator(mode="after")
    def _check(self) -> Self:
        if (self.code is None) != (self.scoring_script is None):
            given, missing = ("scoring_script", "code") if self.code is None else ("code", "scoring_script")
            raise SpecError(f"code and scoring_script go together; {missing} is missing.", field=given)
        return self

    @classmethod
    def _from_file(cls, values: dict[str, Any], origin: Origin) -> None:
        kind = values.pop("_type", "model")
        if str(kind).lower() != "model":
            said = tables.PIPELINE if str(kind).lower() == "pipeline" else "it can be 'model'."
            raise SpecError(f"'type' is {kind!r}: {said}", field="type")
        super()._from_file(values, origin)
        model, environment = values.get("model"), values.get("environment")
        if isinstance(model, dict):
            ModelSpec._from_file(model, origin)
            only_path = set(model) == {"path"}
            named = {"name": "", **model}
            values["model"] = model["path"] if only_path else _made(ModelSpec, "model", named, origin)
        if isinstance(environment, dict):
            EnvironmentSpec._from_file(environment, origin)
            values["environment"] = _made(EnvironmentSpec, "environment", environment, origin)

    def check(self) -> "list[Finding]":
        """Look for mistakes without sending anything.

        Nothing is run and no model is loaded.

        Returns:
            findings about paths, the scoring script (syntax, ``init``, ``run``, what it returns, imports, habits), the
            model and what the script looks for in it, the environment and the settings; empty when nothing was found.
        """
        from azure_batch_endpoints import checks

        return checks.check(self)

    def dry_run(self, input: AnyPath, /, *, limit: int = 5) -> "DryRun":
        """Score a few local files in one real worker on this machine; nothing is sent.

        Args:
            input: a local file or folder, or a pattern such as ``data/*.csv``.
            limit: files to score at most.

        Raises:
            LocalPathError: the input, code or model is not there, or the input holds no file.
            ScoringScriptError: the script cannot be used, or ``init()`` fails; with the script's traceback.
            InvalidInputError: the model or code is not local, or ``limit`` is below 1.
        """
        from azure_batch_endpoints import dryrun

        return dryrun.dry_run(self, Path(fspath(input)), limit=limit)
