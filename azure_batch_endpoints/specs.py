"""What a user asks for, before anything exists: endpoint, deployment, model, environment, data set, compute.

Keywords and both generations of YAML meet here. Values only: the sole I/O is reading the YAML file.
"""

from collections.abc import Mapping
from datetime import date
from os import PathLike, fspath
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal, TypeAlias, TypeVar

from pydantic import BeforeValidator, Field, model_validator
from typing_extensions import Self

from azure_batch_endpoints._spec_base import AnyPath, Spec, inside
from azure_batch_endpoints._spec_tables import COMPUTE, DATASET, DEPLOYMENT, ENDPOINT, ENVIRONMENT, MODEL
from azure_batch_endpoints.errors import SpecError

if TYPE_CHECKING:
    from azure_batch_endpoints.checks import Finding
    from azure_batch_endpoints.dryrun import DryRun


def _lower(value: object) -> object:
    return value.lower() if isinstance(value, str) else value


def _text_values(value: object) -> object:
    """YAML reads ``batching: 16`` as a number; tags and environment variables are text on the wire."""
    if isinstance(value, Mapping):
        return {str(k): _plain(v) for k, v in value.items()}
    return {} if value is None else value


def _plain(value: object) -> object:
    if isinstance(value, bool):
        return str(value).lower()
    return "" if value is None else str(value) if isinstance(value, int | float | date) else value


def _number(value: object) -> object:
    """A truth value is no number, though Python takes it for one."""
    if isinstance(value, bool):
        raise ValueError("it should be a number")
    return value


def _path(value: object) -> object:
    return Path(value) if isinstance(value, PathLike) else value


def _text(value: object) -> object:
    return str(value) if isinstance(value, int | float | date) and not isinstance(value, bool) else value


Count: TypeAlias = Annotated[int, BeforeValidator(_number)]
Seconds: TypeAlias = Annotated[float, BeforeValidator(_number), Field(allow_inf_nan=False)]
TextMap: TypeAlias = Annotated[Mapping[str, str], BeforeValidator(_text_values)]
Version: TypeAlias = Annotated[str | None, BeforeValidator(_text)]
ResourceName: TypeAlias = Annotated[
    str, Field(pattern=r"^[a-zA-Z](?:[-a-zA-Z0-9]*[a-zA-Z0-9])?$", min_length=3, max_length=32)
]
AssetName: TypeAlias = Annotated[str, Field(pattern=r"^[a-zA-Z0-9][a-zA-Z0-9\-_.]{0,254}$")]
ComputeName: TypeAlias = Annotated[str, Field(pattern=r"^[a-zA-Z][a-zA-Z0-9\-]{1,31}$")]


_AnySpec = TypeVar("_AnySpec", bound=Spec)


def _made(kind: type[_AnySpec], name: str, values: Mapping[str, Any]) -> _AnySpec:
    try:
        return kind(**values)
    except SpecError as error:
        raise inside(name, error) from None


class RetrySettings(Spec):
    """Tries and time limit of one mini-batch."""

    max_retries: Count = Field(default=3, ge=0)
    """Tries in all, at least one; the wire hands it over as ``run_max_try``."""
    timeout: Seconds = Field(default=30.0, gt=0)
    """Seconds for one ``run(mini_batch)``; then the worker is ended and the mini-batch tried again."""


class RunSettings(Spec):
    """How a deployment scores; ``invoke`` can override it for one job, but for output action and variables."""

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
    output_action: Annotated[Literal["append_row", "summary_only"], BeforeValidator(_lower)] = "append_row"
    """``append_row`` merges all returned rows into one file; ``summary_only`` only counts them."""
    output_file_name: str = Field(default="predictions.csv", pattern=r'^[^~"#%&*:<>?/\\{|}]+$')
    """Name of the merged file."""
    logging_level: Annotated[Literal["debug", "info", "warning"], BeforeValidator(_lower)] = "info"
    """Detail of the job's logs."""
    environment_variables: TextMap = Field(default_factory=dict)
    """Set for the scoring script."""


class ModelSpec(Spec):
    """A model to register: a file or folder."""

    _table = MODEL
    _paths = ("path",)

    name: AssetName | Literal[""]
    """Its name; empty for a model that is only part of one deployment (named by its content)."""
    path: Annotated[str | Path, BeforeValidator(_path)]
    """A local file or folder, or a URI in storage."""
    version: Version = None
    """None: the next number."""
    type: Annotated[Literal["custom_model", "mlflow_model", "triton_model"] | None, BeforeValidator(_lower)] = None
    """None: ``mlflow_model`` when the folder holds a file ``MLmodel``, else ``custom_model``."""
    description: str | None = None
    tags: TextMap = Field(default_factory=dict)

    @classmethod
    def _from_file(cls, values: dict[str, Any], folder: Path) -> None:
        super()._from_file(values, folder)
        if values.get("type") in {"custom", "mlflow", "triton"}:  # the 2021 spelling: model_format
            values["type"] = f"{values['type']}_model"


class EnvironmentSpec(Spec):
    """Where the scoring script runs: a container image and conda dependencies."""

    _table = ENVIRONMENT
    _paths = ("conda_file",)

    name: AssetName | None = None
    """None for an environment that is only part of one deployment (named by its content)."""
    version: Version = None
    """None: named by its content."""
    image: str | None = None
    """Container image; recorded, but not used, by the local service."""
    conda_file: Annotated[str | Path | Mapping[str, Any] | None, BeforeValidator(_path)] = None
    """Path of a conda YAML file, or its content."""
    description: str | None = None
    tags: TextMap = Field(default_factory=dict)


class DatasetSpec(Spec):
    """A data set (data asset) to register: a file or folder, here or in storage."""

    _table = DATASET
    _paths = ("path",)

    name: AssetName
    path: Annotated[str | Path, BeforeValidator(_path)]
    """A local path, or any URI that ``folder()`` and ``file()`` take."""
    version: Version = None
    """None: the next number."""
    type: Annotated[Literal["uri_folder", "uri_file"] | None, BeforeValidator(_lower)] = None
    """None: found out from the path."""
    description: str | None = None
    tags: TextMap = Field(default_factory=dict)

    @classmethod
    def _from_file(cls, values: dict[str, Any], folder: Path) -> None:
        sources = values.pop("paths", None)  # 2021: paths: [{folder: uri}] or [{file: uri}]
        if sources is not None:
            if not (
                isinstance(sources, list)
                and len(sources) == 1
                and isinstance(sources[0], dict)
                and len(sources[0]) == 1
            ):
                raise SpecError("'paths' must hold exactly one 'folder: <uri>' or 'file: <uri>'.", field="paths")
            ((kind, values["path"]),) = sources[0].items()
            if kind not in {"folder", "file"}:
                raise SpecError(f"'paths' holds '{kind}'; it can be 'folder' or 'file'.", field="paths")
            values.setdefault("type", f"uri_{kind}")
        super()._from_file(values, folder)


class ComputeSpec(Spec):
    """Nodes that score: an Azure ML compute cluster, or for the local service an existing Ray cluster."""

    _table = COMPUTE

    name: ComputeName
    type: Annotated[Literal["amlcompute", "ray"], BeforeValidator(_lower)] = "amlcompute"
    """``ray`` names the Ray cluster at ``address``; this version of the local service refuses it still."""
    size: str = "Standard_DS3_v2"
    """Virtual machine size; recorded, but not used, by the local service."""
    tier: Annotated[Literal["dedicated", "low_priority"], BeforeValidator(_lower)] = "dedicated"
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

    _table = ENDPOINT

    name: ResourceName
    """3 to 32 letters, digits and hyphens, a letter first; unique in its Azure region."""
    description: str | None = None
    auth_mode: Annotated[Literal["aad_token"], BeforeValidator(_lower)] = "aad_token"
    """The only mode batch endpoints have."""
    tags: TextMap = Field(default_factory=dict)
    default_deployment: str | None = None
    """Name of the deployment used when none is named; it must exist (YAML: ``defaults.deployment_name``)."""


class DeploymentSpec(Spec):
    """A batch deployment: model, scoring script, environment, compute and settings behind an endpoint."""

    _table = DEPLOYMENT
    _paths = ("code", "model", "environment")

    name: ResourceName
    """3 to 32 letters, digits and hyphens, a letter first."""
    model: Annotated[str | Path | ModelSpec, BeforeValidator(_path)]
    """``azureml:name:1``, ``azureml:name@latest``, an ARM id, a local file or folder, or a :class:`ModelSpec`."""
    code: Annotated[str | Path | None, BeforeValidator(_path)] = None
    """Folder of the scoring script; None for an MLflow model."""
    scoring_script: str | None = None
    """The script, relative to ``code``; None for an MLflow model."""
    environment: Annotated[str | Path | EnvironmentSpec | None, BeforeValidator(_path)] = None
    """``azureml:name:1``, a conda or environment YAML file, or an :class:`EnvironmentSpec`."""
    compute: str = "local"
    """``azureml:batch-cluster`` or ``batch-cluster``. The default is the local service's own; Azure needs a name."""
    settings: RunSettings = Field(default_factory=RunSettings)
    """How it scores."""
    description: str | None = None
    tags: TextMap = Field(default_factory=dict)

    @model_validator(mode="after")
    def _check(self) -> Self:
        if (self.code is None) != (self.scoring_script is None):
            given, missing = ("scoring_script", "code") if self.code is None else ("code", "scoring_script")
            raise SpecError(f"code and scoring_script go together; {missing} is missing.", field=given)
        return self

    @classmethod
    def _from_file(cls, values: dict[str, Any], folder: Path) -> None:
        if str(values.pop("_type", "model")).lower() != "model":
            raise SpecError("'type' can be 'model'; pipeline component deployments are not supported.", field="type")
        super()._from_file(values, folder)
        model, environment = values.get("model"), values.get("environment")
        if isinstance(model, dict):
            ModelSpec._from_file(model, folder)
            given = {"name": "", **model}
            values["model"] = _made(ModelSpec, "model", given) if set(model) != {"path"} else model["path"]
        if isinstance(environment, dict):
            EnvironmentSpec._from_file(environment, folder)
            values["environment"] = _made(EnvironmentSpec, "environment", environment)

    def check(self) -> "list[Finding]":
        """Look for mistakes without sending anything.

        Returns:
            findings about paths, the scoring script (syntax, ``init``, ``run``, what it returns) and the settings;
            empty when nothing was found.
        """
        from azure_batch_endpoints import checks

        return checks.check(self)

    def dry_run(self, input: AnyPath, /, *, limit: int = 5) -> "DryRun":
        """Score a few local files in one real worker on this machine; nothing is sent.

        Args:
            input: a local file or folder.
            limit: files to score at most.

        Raises:
            LocalPathError: the input, code or model is not there.
            InvalidInputError: the model or code is not local, or the deployment has no scoring script.
        """
        from azure_batch_endpoints import dryrun

        return dryrun.dry_run(self, Path(fspath(input)), limit=limit)
