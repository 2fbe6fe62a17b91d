"""A job's two bodies: the scoring URI's and the management route's. The run history's: ``run_bodies``."""

from __future__ import annotations

import json
import uuid
from typing import Any

from azure_batch_endpoints._wire import convert, routes
from azure_batch_endpoints.local.context import ServiceContext
from azure_batch_endpoints.local.handlers import shapes
from azure_batch_endpoints.local.job import JobInputSource, JobRow
from azure_batch_endpoints.local.open_routes import studio_url
from azure_batch_endpoints.states import JobStatus

_TYPES = {"folder": "UriFolder", "file": "UriFile"}


def service_tags(deployment: str) -> dict[str, str]:
    """Return the tags that the service gives to every batch job; clients know it by them."""
    return {
        "outputType": "output_data",
        "inputType": "input_data",
        "azureml.batchrun": "true",
        "azureml.deploymentname": deployment,
        "azureml.jobtype": "azureml.batchjob",
    }


def batch_job(context: ServiceContext, row: JobRow) -> dict[str, Any]:
    """Return the answer of the scoring URI, and an item of an endpoint's list of jobs."""
    request, settings = row.request, row.request.settings
    owner = context.workspace.deployment(request.endpoint, request.deployment)
    return {
        "id": f"{owner}/jobs/{row.name}",
        "name": row.name,
        "type": f"{shapes.TYPE}/batchEndpoints/deployments/jobs",
        "properties": {
            "provisioningState": "Succeeded",
            "inputData": {one.name: _input(row, one) for one in request.inputs},
            "outputData": {_output_name(row): _output(row)},
            "compute": _compute(context, row),
            "output": _output_dataset(row),
            "retrySettings": convert.retry_body(settings.retry_settings),
            "miniBatchSize": settings.mini_batch_size,
            "errorThreshold": settings.error_threshold,
            "outputFileName": settings.output_file_name,
            "loggingLevel": settings.logging_level.title(),
            "maxConcurrencyPerInstance": settings.max_concurrency_per_instance,
            "status": row.status.value,
            "interactionEndpoints": {
                word: {"jobEndpointType": word, "port": None, "endpoint": url, "properties": None}
                for word, url in _links(context, row).items()
            },
            "tags": dict(row.tags),
            "properties": properties(context, row),
            "name": row.display_name,
            **({} if row.description is None else {"description": row.description}),
        },
        "systemData": {
            **{"createdAt": shapes.moment(row.created_at), "createdBy": shapes.USER},
            **{"lastModifiedAt": _modified(row), "lastModifiedBy": shapes.USER},
        },
    }


def management_job(context: ServiceContext, row: JobRow) -> dict[str, Any]:
    """Return the job as the management route shows it: the same under other names."""
    output = {
        "score": {"jobOutputType": "uri_folder", "uri": row.request.output_uri, "mode": None, "description": None}
    }
    unset = dict.fromkeys(("computeId", "identity", "componentId", "settings", "jobs", "inputs", "sourceJobId"))
    return {
        "id": context.workspace.job(row.name),
        "name": row.name,
        "type": f"{shapes.TYPE}/jobs",
        "properties": {
            "description": description(row),
            "tags": dict(row.tags),
            "properties": properties(context, row),
            "displayName": row.display_name,
            "status": row.status.value,
            "experimentName": row.experiment,
            "services": {
                word: {
                    **dict.fromkeys(("port", "status", "errorMessage", "properties", "nodes")),
                    **_service(word, url),
                }
                for word, url in _links(context, row).items()
            },
            "isArchived": row.archived,
            "jobType": "Pipeline",
            **unset,
            "outputs": output,
        },
        "systemData": _system_data(row),
    }


def management_child(context: ServiceContext, row: JobRow) -> dict[str, Any]:
    """Return the job's step; the official client knows a step by its null properties."""
    ids = {"id": context.workspace.job(row.child), "name": row.child, "type": f"{shapes.TYPE}/jobs"}
    return {**ids, "properties": None, "systemData": _system_data(row)}


def _input(row: JobRow, one: JobInputSource) -> dict[str, Any]:
    """Return an input with the URI as it was sent."""
    sent = row.body.get("inputData")
    mine = sent.get(one.name) if isinstance(sent, dict) else None
    uri = mine.get("uri") if isinstance(mine, dict) else None
    return {"description": None, "uri": uri or one.uri, "mode": "ReadOnlyMount", "jobInputType": _TYPES[one.kind]}


def _output_name(row: JobRow) -> str:
    """Return the output's name as it was sent; everywhere else it is ``score``."""
    sent = row.body.get("outputData")
    return next(iter(sent), "score") if isinstance(sent, dict) else "score"


def _output(row: JobRow) -> dict[str, Any]:
    uri = row.request.output_uri.rstrip("/") + "/" + row.request.settings.output_file_name
    return {"description": None, "uri": uri, "mode": "ReadWriteMount", "jobOutputType": "UriFile"}


def _output_dataset(row: JobRow) -> dict[str, Any]:
    """Return the output as the bodies of 2021 name it, when that is how it was asked for."""
    asked = row.body.get("outputDataset")
    given = asked if isinstance(asked, dict) else {}
    return {name: given.get(name) for name in ("datastoreId", "path")}


def _compute(context: ServiceContext, row: JobRow) -> dict[str, Any]:
    asked = (row.body.get("compute"), row.body.get("resources"))
    said = any(isinstance(one, dict) and one.get("instanceCount") is not None for one in asked)
    count = row.request.settings.instance_count if said else None
    target = context.workspace.compute(row.request.compute)
    unset = dict.fromkeys(("location", "instanceType", "properties"))
    return {"target": target, "instanceCount": count, "isLocal": False, **unset}


def _links(context: ServiceContext, row: JobRow) -> dict[str, str]:
    return {
        "Tracking": f"{shapes.tracking_uri(context)}?",
        "Studio": studio_url(context.base_url, context.token, row.name),
    }


def _service(word: str, url: str) -> dict[str, Any]:
    return {"jobServiceType": word, "endpoint": url}


def description(row: JobRow) -> str:
    """Return a job's description: the user's, or the one that the service writes."""
    return (
        row.description
        or f"Pipeline submission for endpoint: {row.request.endpoint}, deployment: {row.request.deployment}."
    )


def _modified(row: JobRow) -> str:
    return shapes.moment(row.ended_at or row.started_at or row.created_at)


def _system_data(row: JobRow) -> dict[str, Any]:
    return {"createdAt": shapes.moment(row.created_at), "createdBy": shapes.USER, "createdByType": "User"}


def properties(context: ServiceContext, row: JobRow) -> dict[str, str]:
    """Return a job's properties: the user's and the service's."""
    request = row.request
    pipeline = uuid.uuid5(uuid.NAMESPACE_URL, context.workspace.deployment(request.endpoint, request.deployment))
    found: dict[str, str | None] = {
        # The same for every job of a deployment.
        "azureml.pipelineid": str(pipeline),
        "azureml.runsource": "azureml.PipelineRun",
        "runSource": "Unavailable",
        "runType": "HTTP",
        "azureml.parameters": json.dumps(parameters(row)),
        "azureml.continue_on_step_failure": "False",
        "azureml.continue_on_failed_optional_input": "False",
        "azureml.pipelineComponent": "pipelinerun",
        "stages": _stages(row),
        routes.PROGRESS_PROPERTY: row.progress,
        routes.ERROR_PROPERTY: row.error,
        routes.ROWS_PROPERTY: row.rows,
        routes.RETRY_PROPERTY: request.retry_of,
        routes.ISOLATE_PROPERTY: "true" if request.settings.isolate_failures else None,
    }
    return {**row.properties, **{name: value for name, value in found.items() if value is not None}}


def parameters(row: JobRow) -> dict[str, str]:
    """Return what the scorer is started with; every value is text."""
    settings = row.request.settings
    return {
        "run_max_try": str(settings.retry_settings.max_retries),
        "run_invocation_timeout": f"{settings.retry_settings.timeout:g}",
        "mini_batch_size": str(settings.mini_batch_size),
        "error_threshold": str(settings.error_threshold),
        "logging_level": settings.logging_level.upper(),
        "process_count_per_node": str(settings.max_concurrency_per_instance),
        "legacy_model_job": "False",
        "NodeCount": str(settings.instance_count),
        "append_row_file_name": settings.output_file_name,
    }


def _stages(row: JobRow) -> str | None:
    if row.status is not JobStatus.COMPLETED:
        return None
    execution = {"StartTime": row.started_at, "EndTime": row.ended_at, "Status": "Finished"}
    return json.dumps({"Initialization": None, "Execution": execution})
