"""A batch deployment, before it exists, and what can be tried of it without sending anything."""

from collections.abc import Mapping
from os import fspath
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal, TypeVar

from pydantic import Field, model_validator
from typing_extensions import Self

from azure_batch_endpoints import _spec_tables as tables
from azure_batch_endpoints._spec_base import AnyPath, Origin, Spec, inside, is_reference
from azure_batch_endpoints._spec_values import AS_PATH, KEPT, DeploymentName, Flag, Kept, TextMap
from azure_batch_endpoints.errors import SpecError
from azure_batch_endpoints.specs.assets import EnvironmentSpec, ModelSpec
from azure_batch_endpoints.specs.settings import RetrySettings, RunSettings

if TYPE_CHECKING:
    from azure_batch_endpoints.checks import Finding
    from azure_batch_endpoints.dryrun import DryRun

_AnySpec = TypeVar("_AnySpec", bound=Spec)


class DeploymentSpec(Spec, frozen=True):
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
    instrument: Flag = False
    """Whether the scoring script runs inside a small driver that goes up beside it and keeps the account of each input
    and the types of the rows in the job's output, so that ``items()``, ``failed_items()``, ``retry_failed()`` and typed
    results work on Azure as on the local service; needs a scoring script. The predictions file stays the same."""
    description: str | None = None
    tags: TextMap = Field(default_factory=dict)
    properties: TextMap = Field(default_factory=dict)
    """Texts that the workspace keeps beside the tags; unlike tags they can hardly be changed later."""

    @model_validator(mode="after")
    def _check(self) -> Self:
        if (self.code is None) != (self.scoring_script is None):
            given, missing = ("scoring_script", "code") if self.code is None else ("code", "scoring_script")
            raise SpecError(
                f"code and scoring_script go together; {missing} is missing. Give both or neither.", field=given
            )
        if self.instrument and self.code is None:
            raise SpecError(
                "instrument is True, but there is no scoring script to wrap: the service "
                "scores an MLflow model with its "
                "own. Give code and scoring_script, or leave instrument out.",
                field="instrument",
            )
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

    def changed(
        self,
        values: Mapping[str, Any] | None = None,
        /,
        *,
        name: str | Kept = KEPT,
        model: str | Path | ModelSpec | Kept = KEPT,
        code: str | Path | Kept | None = KEPT,
        scoring_script: str | Kept | None = KEPT,
        environment: str | Path | EnvironmentSpec | Kept | None = KEPT,
        compute: str | Kept = KEPT,
        settings: RunSettings | Kept = KEPT,
        instrument: bool | Kept = KEPT,
        description: str | Kept | None = KEPT,
        tags: Mapping[str, str] | Kept = KEPT,
        properties: Mapping[str, str] | Kept = KEPT,
        mini_batch_size: int | Kept = KEPT,
        max_concurrency_per_instance: int | Kept = KEPT,
        instance_count: int | Kept = KEPT,
        error_threshold: int | Kept = KEPT,
        retry_settings: RetrySettings | Kept = KEPT,
        output_action: Literal["append_row", "summary_only"] | Kept = KEPT,
        output_file_name: str | Kept = KEPT,
        logging_level: Literal["debug", "info", "warning"] | Kept = KEPT,
        environment_variables: Mapping[str, str] | Kept = KEPT,
        isolate_failures: bool | Kept = KEPT,
    ) -> Self:
        """Return this deployment with other values in it; what is not given is kept.

        The keywords are the fields of this class and the single settings of :class:`RunSettings`, which are laid over
        ``settings``. ``values`` holds the same and what lies deeper under the dotted names of :meth:`from_yaml`:
        ``spec.changed({"settings.retry_settings.timeout": 60, "tags.team": "vision"}, name="green")``.

        Raises:
            SpecError: an unknown or wrongly typed setting; or ``instrument`` needs its driver in code that is in the
                workspace already: pass the folder as ``code``.
        """
        single = {
            "mini_batch_size": mini_batch_size,
            "max_concurrency_per_instance": max_concurrency_per_instance,
            "instance_count": instance_count,
            "error_threshold": error_threshold,
            "retry_settings": retry_settings,
            "output_action": output_action,
            "output_file_name": output_file_name,
            "logging_level": logging_level,
            "environment_variables": environment_variables,
            "isolate_failures": isolate_failures,
        }
        made = self._changed(
            values,
            name=name,
            model=model,
            code=code,
            scoring_script=scoring_script,
            environment=environment,
            compute=compute,
            settings=settings,
            instrument=instrument,
            description=description,
            tags=tags,
            properties=properties,
            **{f"settings.{name}": value for name, value in single.items()},
        )
        if made.instrument and (made.code, is_reference(made.code or "")) == (self.code, True):
            self._require_driver(made)
        return made

    def _require_driver(self, made: "DeploymentSpec") -> None:
        """Refuse what would run code that is in the workspace already without the driver, or with another script's."""
        if (self.instrument, self.scoring_script) != (True, made.scoring_script):
            raise SpecError(
                f"instrument is True, but the code '{made.code}' went up without the driver that runs "
                f"'{made.scoring_script}'. Pass the script's folder as well: changed(instrument=True, code=<folder>).",
                field="instrument",
            )

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


def _made(kind: type[_AnySpec], name: str, values: Mapping[str, Any], origin: Origin) -> _AnySpec:
    try:
        return kind(**values)._named_in(origin.within(name))
    except SpecError as error:
        raise inside(name, error) from error.__cause__
