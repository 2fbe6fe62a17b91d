"""What a job asks for and how it is posted. Used by ``invoke`` and ``retry_failed``; no other room posts jobs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any
from uuid import uuid4

from azure_batch_endpoints._arguments import require, require_labels
from azure_batch_endpoints._posting import Post, post
from azure_batch_endpoints._spelling import suggestion
from azure_batch_endpoints._wire import convert, routes
from azure_batch_endpoints._wire.uris import storage_place
from azure_batch_endpoints.errors import InvalidInputError, redact
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
        InvalidInputError: the output is no folder in storage, or something is of another type.
    """
    require_labels(tags=tags, job_name=job_name, output=output, experiment_name=experiment_name)
    say = "RetrySettings, e.g. RetrySettings(max_retries=3, timeout=30)"
    require("retry_settings", retry_settings, RetrySettings, say, optional=True)
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
    """Post a job, at most one whatever happens on the way, and return the service's answer.

    Raises:
        TransportError: no answer came; the text says whether there is such a job.
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
    ready = Post(name, job.endpoint, job.scoring_uri, body, headers, "the endpoint's scoringUri")
    workspace.session.allow(job.scoring_uri, named_by=ready.named_by, action=ready.action, scoring=True)
    return post(workspace, ready)


def no_default(endpoint: str, deployments: Sequence[str]) -> InvalidInputError:
    """Return the error for a call that names no deployment, of an endpoint that has no default one."""
    remedy = (
        f'Pass deployment="{deployments[0]}" or call endpoint.set_default("{deployments[0]}").'
        if len(deployments) == 1
        else f"Pass deployment=<name> or call endpoint.set_default(<name>). There are: {', '.join(deployments)}."
        if deployments
        else "It has no deployment at all: create one with endpoint.deployments.create(spec, set_default=True)."
    )
    return InvalidInputError(f"Endpoint '{endpoint}' has no default deployment, and invoke() named none. {remedy}")


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
