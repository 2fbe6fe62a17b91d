"""Run history of a job: its ``batchscoring`` child, where that wrote, why it failed, which log files it has.

A batch job is a pipeline job with exactly one child; outputs and logs belong to the child. Routes: ``/history/v1.0``
below the ``api`` URL of discovery, as the official client uses them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from azure_batch_endpoints._http import DeadlinePassed
from azure_batch_endpoints._wire import routes
from azure_batch_endpoints._wire.jobview import folder_of
from azure_batch_endpoints._wire.uris import datastore_uri
from azure_batch_endpoints.errors import ServiceError, TransportError
from azure_batch_endpoints.states import JobStatus

if TYPE_CHECKING:
    from azure_batch_endpoints._http import Deadline
    from azure_batch_endpoints._workspace import Workspace


@dataclass(frozen=True)
class RunDetails:
    """Details of a run.

    Attributes:
        status: where it stands.
        error: why it failed, or None.
        log_files: readable URL of each log file by its path.
    """

    status: JobStatus
    error: str | None
    log_files: Mapping[str, str] = field(default_factory=dict)


def child_run(workspace: Workspace, job: str, deadline: Deadline | None = None) -> str | None:
    """Return the run id of the job's ``batchscoring`` step, or None while it has none (1 request)."""
    action = f"find the scoring step of job '{job}'"
    body = _history(workspace, "GET", f"{workspace.path.run(job)}/children", action, deadline=deadline)
    listed = body.get("value")
    runs = [run for run in listed if isinstance(run, dict) and run.get("runId")] if isinstance(listed, list) else []
    scoring = [run for run in runs if run.get("name") == "batchscoring"]
    return str((scoring or runs)[0]["runId"]) if runs else None


def details(workspace: Workspace, run: str, deadline: Deadline | None = None) -> RunDetails:
    """Return a run's details (1 request)."""
    body = _history(workspace, "GET", f"{workspace.path.run(run)}/details", f"read run '{run}'", deadline=deadline)
    files = body.get("logFiles")
    named = {path: url for path, url in files.items() if isinstance(url, str)} if isinstance(files, dict) else {}
    return RunDetails(JobStatus(body.get("status")), _error_text(body.get("error")), named)


def why_failed(workspace: Workspace, job: str, deadline: Deadline | None) -> str | None:
    """Return why a job failed, or None when that cannot be had now (2 requests)."""
    try:
        return details(workspace, child_run(workspace, job, deadline) or job, deadline).error
    except (ServiceError, TransportError, DeadlinePassed):
        return None  # that it failed is known, and what matters


def output_uri(workspace: Workspace, job: str) -> str | None:
    """Return the folder a job's scoring step writes to, or None while it has no step (2 requests, 3 for some jobs).

    The run definition's data reference ``score`` names datastore and path. Newer jobs report an output of that name
    instead, whose place is asked for. Where there is neither, the service's own place is
    ``azureml/{child run id}/score/`` on the default datastore.
    """
    child = child_run(workspace, job)
    if child is None:
        return None
    asked = {"runId": child, "selectRunMetadata": True, "selectRunDefinition": True, "selectJobSpecification": True}
    action = f"find the output of job '{job}'"
    body = _history(workspace, "POST", workspace.path.run_data(), action, json=asked)
    definition = body.get("runDefinition")
    references = definition.get("dataReferences") if isinstance(definition, dict) else None
    score = references.get("score") if isinstance(references, dict) else None
    if isinstance(score, dict) and score.get("dataStoreName") and score.get("pathOnDataStore"):
        return datastore_uri(str(score["dataStoreName"]), str(score["pathOnDataStore"]).strip("/") + "/")
    reported = _reported(workspace, body.get("runMetadata"), action)
    return reported or datastore_uri(workspace.default_datastore, f"azureml/{child}/score/")


def _reported(workspace: Workspace, run: object, action: str) -> str | None:
    """Where the run says that its output ``score`` is, or None when it does not say."""
    outputs = run.get("outputs") if isinstance(run, dict) else None
    score = outputs.get("score") if isinstance(outputs, dict) else None
    asset = score.get("assetId") if isinstance(score, dict) else None
    if not asset:
        return None
    try:
        url, asked = workspace.path.resolved_uris(), {"values": [asset]}
        body = _history(workspace, "POST", url, action, json=asked, version=routes.DATA_VERSION)
    except ServiceError:
        return None  # the usual place is as good a guess as the official client's
    values = body.get("values")
    found = values.get(asset) if isinstance(values, dict) else None
    uri = found.get("uri") if isinstance(found, dict) else None
    return folder_of(str(uri), str(found.get("type"))) if uri and isinstance(found, dict) else None


def _history(
    workspace: Workspace,
    method: str,
    path: str,
    action: str,
    *,
    json: object = None,
    deadline: Deadline | None = None,
    version: str = routes.RUN_HISTORY_VERSION,
) -> Mapping[str, Any]:
    url, params = workspace.api_url + path, {"api-version": version}
    answer = workspace.session.send(
        method, url, params=params, json=json, action=action, retry_post=True, deadline=deadline
    )
    return answer.body if isinstance(answer.body, dict) else {}


def _error_text(error: object) -> str | None:
    """Details nest it: ``{"error": {"code", "message"}}``."""
    inner = error.get("error", error) if isinstance(error, dict) else None
    message = inner.get("message") if isinstance(inner, dict) else None
    return str(message).strip() or None if message else None
