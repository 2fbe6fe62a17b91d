"""One POST to a scoring URI, at most one job. Used by ``invoke`` and ``retry_failed``; no other room posts jobs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any
from uuid import uuid4

from azure_batch_endpoints._spelling import suggestion
from azure_batch_endpoints._wire import convert, routes
from azure_batch_endpoints._wire.uris import storage_place
from azure_batch_endpoints.errors import (
    ForeignHostError,
    InvalidInputError,
    NotFoundError,
    ServerError,
    ServiceError,
    TransportError,
    redact,
)
from azure_batch_endpoints.specs import RetrySettings, RunSettings

if TYPE_CHECKING:
    from azure_batch_endpoints._workspace import Workspace
    from azure_batch_endpoints.inputs import Input

_FIXED = ("job_name", "output", "output_file_name", "retry_settings", "experiment_name", "tags")
_SETTINGS = (
    *("mini_batch_size", "instance_count", "max_concurrency_per_instance", "error_threshold", "logging_level"),
    "isolate_failures",
)


@dataclass(frozen=True)
class Submission:
    """A job to start.

    Attributes:
        endpoint: the endpoint's name.
        scoring_uri: where it is posted.
        deployment: the deployment's name, or None for the default one.
        inputs: by name; nothing local any more.
        overrides: what it asks for beside its inputs.
        properties: further ``properties`` of the job.
    """

    endpoint: str
    scoring_uri: str
    deployment: str | None
    inputs: Mapping[str, Input]
    overrides: convert.JobOverrides
    properties: Mapping[str, str] = field(default_factory=dict)


def job_overrides(
    *,
    job_name: str | None,
    output: str | None,
    output_file_name: str | None,
    retry_settings: RetrySettings | None,
    experiment_name: str | None,
    tags: Mapping[str, str] | None,
    settings: Mapping[str, object],
) -> convert.JobOverrides:
    """Check what a job asks for beside its inputs.

    Raises:
        SpecError: a setting is out of range.
        InvalidInputError: the output is no folder in storage.
    """
    given: dict[str, Any] = {name: value for name, value in settings.items() if value is not None}
    if output_file_name is not None:
        given["output_file_name"] = output_file_name
    checked = RunSettings(**given)
    return convert.JobOverrides(
        name=job_name or f"batchjob-{uuid4()}",
        output_uri=None if output is None else _output_uri(output),
        output_file_name=output_file_name,
        settings={name: getattr(checked, name) for name in _SETTINGS if name in given},
        retry_settings=retry_settings,
        experiment_name=experiment_name,
        tags=tags,
    )


def submit(workspace: Workspace, job: Submission) -> object:
    """Post a job once and return the service's answer.

    When no answer came, the job is looked for by its name before anything is said: the POST itself is never sent
    again, since each one may start a job.

    Raises:
        TransportError: no answer came and there is no such job.
        ServiceError: the service refused it.
    """
    body = convert.job_body(
        job.inputs, job.overrides, api_version=workspace.api_version, datastores=workspace.path.datastores()
    )
    if job.properties:
        inner = body["properties"]
        inner["properties"] = {**inner.get("properties", {}), **job.properties}
    name = job.overrides.name
    headers: dict[str, str] = {header: name for header in routes.REPEATABILITY_HEADERS}
    if job.deployment is not None:
        headers[routes.DEPLOYMENT_HEADER] = job.deployment
    action, named_by = f"invoke endpoint '{job.endpoint}'", "the endpoint's scoringUri"
    workspace.session.allow(job.scoring_uri, named_by=named_by, action=action, scoring=True)
    try:
        answer = workspace.session.send(
            "POST",
            job.scoring_uri,
            json=body,
            headers=headers,
            audience="ml",
            expected=(200, 201),
            named_by=named_by,
            action=action,
        )
        if isinstance(answer.body, dict) and answer.body.get("name"):
            return answer.body
        text = f"Could not invoke endpoint '{job.endpoint}': the answer ({answer.status}) names no job."
        raise TransportError(f"{text} A proxy may be in between.")
    except ForeignHostError:
        raise
    except (TransportError, ServerError) as lost:
        return _look_for(workspace, name, lost)


def _look_for(workspace: Workspace, name: str, lost: TransportError | ServerError) -> object:
    try:
        return workspace.send("GET", workspace.path.job(name), action=f"look for job '{name}'").body
    except NotFoundError:
        text = f"No job '{name}' was started; invoke() again."
    except (TransportError, ServiceError):
        text = f"Whether job '{name}' was started is not known; ask later with client.jobs.get(\"{name}\")."
    if isinstance(lost, ServerError):
        raise ServerError(
            f"{lost} {text}",
            status_code=lost.status_code,
            code=lost.code,
            target=lost.target,
            request_id=lost.request_id,
        ) from lost
    raise TransportError(f"{lost} {text}") from lost


def _output_uri(output: str) -> str:
    text = output.strip()
    if text.lower().startswith("folder:"):
        text = text[len("folder:") :]
    place = storage_place(text)
    is_uri, lower = text.lower().startswith(("azureml:", "/subscriptions/")), text.lower()
    if is_uri and place is not None and place.datastore is not None and "/paths" in lower:
        return text.rstrip("/") + "/"
    raise InvalidInputError(
        f"The output '{redact(output)}' is not a folder on a datastore. "
        "Write folder:azureml://datastores/<datastore>/paths/<path>/ (only datastores can take results)."
    )


def overrides_from(given: Mapping[str, Any], what: str) -> convert.JobOverrides:
    """Return keyword arguments as :func:`job_overrides`.

    Raises:
        InvalidInputError: ``what`` has no such argument; naming the nearest known one.
    """
    for name in given:
        if name not in (*_FIXED, *_SETTINGS):
            raise InvalidInputError(f"{what} has no argument '{name}'. {suggestion(name, {*_FIXED, *_SETTINGS})}")
    fixed = {name: given.get(name) for name in _FIXED}
    return job_overrides(**fixed, settings={name: given[name] for name in _SETTINGS if name in given})
