"""What a job's workers need before the first file: code, model, interpreter, variables."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TypeVar

from azure_batch_endpoints.checks import lies_inside
from azure_batch_endpoints.local import explain, mlflow_driver
from azure_batch_endpoints.local.control import JobFailed
from azure_batch_endpoints.local.engines.base import WorkerSetup
from azure_batch_endpoints.local.job import RESOURCE_GROUP, SUBSCRIPTION_ID, WORKSPACE, JobRow
from azure_batch_endpoints.local.jobrun import JobRun
from azure_batch_endpoints.local.outputs import Output

_HIDDEN = frozenset({"AZURE_BATCH_ENDPOINTS_STORAGE", "AZURE_STORAGE_CONNECTION_STRING", "AZURE_STORAGE_KEY"})
_T = TypeVar("_T")


def prepare(job: JobRun, output: Output) -> WorkerSetup:
    """Bring code and model, and say how workers are started.

    Raises:
        JobFailed: the output is there already, or something the job needs is not.
    """
    request, settings = job.row.request, job.row.request.settings
    job.logs.controller(f"Job '{job.row.name}' of deployment '{request.deployment}', endpoint '{request.endpoint}'.")
    job.logs.execution(explain.step_began(job.row.child))  # after it: a client streams it only while that is not there
    if settings.output_action == "append_row":
        output.refuse_existing(settings.output_file_name)
    code = job.folder / "code"
    script = _script(job, code)
    return WorkerSetup(
        code_dir=code,
        script=script,
        model_dir=_brought(job, lambda: job.parts.cache.model(job.store, request.model_uri)),
        output_dir=job.folder / "output",
        parts_dir=job.folder / "parts",
        python=_brought(
            job, lambda: job.parts.environments.python(request.conda_file, job.patience.say, job.patience.check)
        ),
        output_action=settings.output_action,
        logging_level=settings.logging_level,
        environment={**_run_variables(job.row), **settings.environment_variables},
        hidden=_HIDDEN,
    )


def _brought(job: JobRun, bring: Callable[[], _T]) -> _T:
    """Return what a step gives that may take long, and that other jobs may be at; a job that is to stop leaves it."""
    return job.patience.room(lambda: job.patience.apart(bring))


def _script(job: JobRun, code: Path) -> str:
    """Put the scoring script in its place; an MLflow model may come without one."""
    request = job.row.request
    if request.code_uri is not None and request.scoring_script is not None:
        _brought(job, partial(job.parts.cache.code, job.store, request.code_uri, code))
        if not lies_inside(code, request.scoring_script):
            raise JobFailed(explain.script_outside(request.scoring_script))
        return request.scoring_script
    if request.model_type != "mlflow_model":
        raise JobFailed(explain.no_script(request.deployment, request.model_type))
    driver = Path(mlflow_driver.__file__)
    job.patience.room(lambda: code.mkdir(exist_ok=True))
    job.patience.room(lambda: shutil.copyfile(driver, code / driver.name))
    return driver.name


def _run_variables(row: JobRow) -> dict[str, str]:
    settings = row.request.settings
    return {
        "AML_PARAMETER_mini_batch_size": str(settings.mini_batch_size),
        "AML_PARAMETER_run_max_try": str(max(1, settings.retry_settings.max_retries)),
        "AML_PARAMETER_run_invocation_timeout": f"{settings.retry_settings.timeout:g}",
        "AML_PARAMETER_logging_level": settings.logging_level.upper(),
        "AML_PARAMETER_append_row_file_name": settings.output_file_name,
        "AZUREML_RUN_ID": row.child,
        "AZUREML_ROOT_RUN_ID": row.name,
        "AZUREML_EXPERIMENT_NAME": row.experiment,
        "AZUREML_ARM_SUBSCRIPTION": SUBSCRIPTION_ID,
        "AZUREML_ARM_RESOURCEGROUP": RESOURCE_GROUP,
        "AZUREML_ARM_WORKSPACE_NAME": WORKSPACE,
    }
