"""A job, or its one step, as a run of the run history, and how its scorer is started."""

from __future__ import annotations

import uuid
from datetime import datetime
from typing import Any

from azure_batch_endpoints._wire.uris import storage_place
from azure_batch_endpoints.local.context import ServiceContext
from azure_batch_endpoints.local.handlers import job_bodies, shapes
from azure_batch_endpoints.local.job import JobRow
from azure_batch_endpoints.states import JobStatus

_UNSET_OF_RUN = (
    *("warnings", "inputs", "runDefinition", "jobSpecification", "token", "tokenExpiryTimeUtc", "scheduleId", "userId"),
    *("cancelationReason", "currentAttemptId", "currentComputeTime", "lastStartTimeUtc", "effectiveStartTimeUtc"),
)


_SCRIPT = "driver/amlbi_main.py"
_INPUT = "dataset_param_config"
_HANDED_OVER = (
    *("mini_batch_size", "run_max_try", "run_invocation_timeout", "logging_level"),
    "append_row_file_name",
)
"""Settings that a job may override: the scorer finds them in variables."""


def run(context: ServiceContext, row: JobRow, run_id: str) -> dict[str, Any]:
    """Return the job, or its step, as a run of the run history."""
    is_step = run_id == row.child
    kind = "azureml.StepRun" if is_step else "azureml.PipelineRun"
    step = {"azureml.pipelinerunid": row.name, "azureml.moduleName": "batchscoring", "azureml.parallelrunstep": "true"}
    count = row.request.settings.instance_count
    return {
        **_run_ids(row, run_id),
        **_run_times(row),
        "name": "batchscoring" if is_step else row.experiment,
        "displayName": "batchscoring" if is_step else row.display_name,
        "description": None if is_step else job_bodies.description(row),
        "status": row.status.value,
        "error": run_error(row),
        "hidden": row.archived,
        "runType": kind,
        "runTypeV2": {
            "orchestrator": "Execution",
            "traits": [kind, "local"],
            "attribution": None,
            "computeType": "local",
        },
        "properties": step if is_step else job_bodies.properties(context, row),
        "parameters": {},
        "actionUris": {},
        "scriptName": _SCRIPT if is_step else None,
        "target": row.request.compute,
        "tags": _tags(row) if is_step else dict(row.tags),
        "settings": {},
        "services": {},
        "inputDatasets": [],
        "outputDatasets": [],
        "computeRequest": {"nodeCount": count, "gpuCount": 0},
        "compute": {"target": row.request.compute, "targetType": "local", "instanceCount": count},
        "outputs": None,
        **dict.fromkeys(_UNSET_OF_RUN),
    }


def details(context: ServiceContext, row: JobRow, run_id: str) -> dict[str, Any]:
    """Return what the details of a run say beside its logs; nothing is charged on this machine."""
    cost = ("CpuCoreSeconds", "CpuMemoryMegabyteSeconds", "GpuSeconds", "NodeUtilizationSeconds")
    return {
        **run(context, row, run_id),
        "createdTimeUtc": row.created_at,
        "warnings": [],
        "jobCost": {f"charged{one}": 0.0 for one in cost},
    }


def definition(row: JobRow) -> dict[str, Any]:
    """Return how the scorer of a job is started, in the words that Azure has for it."""
    place, settings = storage_place(row.request.output_uri), row.request.settings
    reference = {
        "dataStoreName": place.datastore if place else None,
        "mode": "Mount",
        "pathOnDataStore": place.path.rstrip("/") if place else None,
        "pathOnCompute": None,
        "overwrite": False,
    }
    told = job_bodies.parameters(row)
    handed_over = {f"AML_PARAMETER_{name}": told[name] for name in _HANDED_OVER}
    return {
        "script": _SCRIPT,
        "arguments": _arguments(row),
        "target": row.request.compute,
        "nodeCount": settings.instance_count,
        "environmentVariables": {**settings.environment_variables, **handed_over},
        "dataReferences": {"score": reference},
    }


def _arguments(row: JobRow) -> list[str]:
    request, settings = row.request, row.request.settings
    said = {
        "model_name": request.model_name,
        "model_version": request.model_version,
        "batch_endpoint_enabled": "True",
        "scoring_module_name": request.scoring_script,
        "error_threshold": str(settings.error_threshold),
        "output_action": settings.output_action,
        "append_row_dataframe_header": "False",
        "create_snapshot_at_runtime": "True",
        "copy_logs_to_parent": "True",
        "output": "$AZUREML_DATAREFERENCE_score",
        "process_count_per_node": str(settings.max_concurrency_per_instance),
        "input_fds_0": _INPUT,
        "input_pipeline_param_0": f"DatasetConsumptionConfig:{_INPUT}",
        **{name: f"$AML_PARAMETER_{name}" for name in _HANDED_OVER},
    }
    return [part for name, value in said.items() if value for part in (f"--{name}", value)]


def _run_ids(row: JobRow, run_id: str) -> dict[str, Any]:
    is_step = run_id == row.child
    job_uuid = str(uuid.uuid5(uuid.NAMESPACE_URL, row.name))
    moves = sum(one is not None for one in (row.started_at, row.ended_at))
    who = {"userObjectId": None, "userName": shapes.USER, "upn": None}
    return {
        "runNumber": int(datetime.fromisoformat(row.created_at).timestamp()),
        "runId": run_id,
        "rootRunId": row.name,
        "parentRunId": row.name if is_step else None,
        "runUuid": str(uuid.uuid5(uuid.NAMESPACE_URL, run_id)),
        "parentRunUuid": job_uuid if is_step else None,
        "rootRunUuid": job_uuid,
        "experimentId": str(uuid.uuid5(uuid.NAMESPACE_URL, row.experiment)),
        "dataContainerId": f"dcid.{run_id}",
        "revision": 1 + moves,
        "statusRevision": moves,
        "createdBy": who,
        "lastModifiedBy": who,
    }


def _run_times(row: JobRow) -> dict[str, Any]:
    duration = _duration(row)
    return {
        "createdUtc": row.created_at,
        "startTimeUtc": row.started_at,
        "endTimeUtc": row.ended_at,
        "lastModifiedUtc": row.ended_at or row.started_at or row.created_at,
        "duration": duration,
        "computeDuration": duration,
    }


def run_error(row: JobRow) -> dict[str, Any] | None:
    """Return why a run failed, as the run history says it."""
    if row.status is not JobStatus.FAILED:
        return None
    return {"error": {"code": "UserError", "message": row.error or "The job failed.", "details": []}}


def _tags(row: JobRow) -> dict[str, str]:
    """Return the tags of the step: the user's. By the service's the official client takes a run for a whole job."""
    own = job_bodies.service_tags(row.request.deployment)
    return {name: value for name, value in row.tags.items() if name not in own}


def _duration(row: JobRow) -> str | None:
    if row.started_at is None or row.ended_at is None:
        return None
    seconds = (datetime.fromisoformat(row.ended_at) - datetime.fromisoformat(row.started_at)).total_seconds()
    minutes, rest = divmod(seconds, 60)
    hours, minutes = divmod(int(minutes), 60)
    return f"{hours:02}:{minutes:02}:{rest:010.7f}"
