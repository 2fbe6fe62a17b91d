"""One view of a job, whichever of its two bodies it came in: the scoring URI's answer or the management route's.

The two name the same things differently (``interactionEndpoints`` and ``services``, inner ``name`` and
``displayName``), and ``inputs`` and ``outputs`` are null on the older stack.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from urllib.parse import unquote

from azure_batch_endpoints._wire import models, routes, scalars
from azure_batch_endpoints.items import JobProgress
from azure_batch_endpoints.states import JobStatus

_OWNER = re.compile(r"/batchEndpoints/(?P<endpoint>[^/]+)/deployments/(?P<deployment>[^/]+)/jobs/", re.IGNORECASE)
_SUBMISSION = re.compile(r"^Pipeline submission for endpoint: (?P<endpoint>[^,]+), deployment: (?P<deployment>.+?)\.?$")
_DEPLOYMENT_TAG = "azureml.deploymentname"


@dataclass(frozen=True)
class JobView:
    """What the client shows of a job."""

    name: str
    status: JobStatus
    endpoint: str
    deployment: str | None
    display_name: str | None
    created_at: datetime | None
    studio_url: str | None
    progress: Mapping[str, Any] | None
    error: str | None
    output_uri: str | None
    output_file_name: str | None
    rows: list[Mapping[str, Any]] = field(default_factory=list)
    retry_of: str | None = None
    tags: Mapping[str, str] = field(default_factory=dict)
    parameters: Mapping[str, Any] = field(default_factory=dict)
    """What the service hands over to its own driver, such as ``mini_batch_size`` and ``run_max_try``; texts."""

    @property
    def has_partial_rows(self) -> bool:
        """Whether it ended early and left rows that can be read: the service tells their form only then."""
        return bool(self.rows) and self.status.is_terminal and self.status is not JobStatus.COMPLETED

    @property
    def scored(self) -> str:
        """How many files were scored, e.g. ``412 of 1,000 files, 18 failed``; empty for none or not known."""
        progress = JobProgress.from_wire(self.progress or {})
        return progress.counts if progress.items_done else ""


def job_view(raw: object) -> JobView:
    """Read either body of a job; unknown and missing fields are fine."""
    job = models.JobBody.read(raw)
    inside = job.properties
    extra = inside.model_extra or {}
    kept = inside.properties or {}
    tags = {**(job.tags or {}), **(inside.tags or {})}
    owner = _OWNER.search(job.id or "") or _SUBMISSION.match(inside.description or "")
    parameters = _object(kept.get("azureml.parameters")) or {}
    return JobView(
        name=job.name or unquote((job.id or "").rpartition("/")[2]),
        status=JobStatus(inside.status),
        endpoint=owner["endpoint"] if owner else inside.experiment_name or "",
        deployment=tags.get(_DEPLOYMENT_TAG) or (owner["deployment"] if owner else None),
        display_name=inside.display_name or extra.get("name"),
        created_at=scalars.time_from_wire(job.system_data.created_at if job.system_data else None),
        studio_url=_studio(inside.services or extra.get("interactionEndpoints")),
        progress=_object(kept.get(routes.PROGRESS_PROPERTY)),
        error=kept.get(routes.ERROR_PROPERTY) or None,
        output_uri=output_of(inside.outputs or extra.get("outputData")),
        output_file_name=parameters.get("append_row_file_name") or extra.get("outputFileName"),
        rows=_row_formats(_json(kept.get(routes.ROWS_PROPERTY))),
        retry_of=kept.get(routes.RETRY_PROPERTY) or tags.get(routes.RETRIED_TAG) or None,
        tags=tags,
        parameters=parameters,
    )


def _json(text: str | None) -> object:
    try:
        found: object = json.loads(text) if text else None
    except ValueError:
        return None
    return found


def _object(text: str | None) -> dict[str, Any] | None:
    found = _json(text)
    return found if isinstance(found, dict) else None


def _row_formats(found: object) -> list[Mapping[str, Any]]:
    if isinstance(found, list):
        return found
    return [found] if isinstance(found, dict) and found.get("kind") in ("list", "dataframe") else []


def _studio(services: object) -> str | None:
    studio = services.get("Studio") if isinstance(services, dict) else None
    return studio.get("endpoint") if isinstance(studio, dict) else None


def deployments_named(raw: object) -> list[str]:
    """Return the deployment as every place of a job's body names it: tag, id, description; as many as there are."""
    job = models.JobBody.read(raw)
    inside = job.properties
    tags = [(one or {}).get(_DEPLOYMENT_TAG) for one in (job.tags, inside.tags)]
    owners = [_OWNER.search(job.id or ""), _SUBMISSION.match(inside.description or "")]
    return [one for one in (*tags, *(owner["deployment"] for owner in owners if owner)) if one]


def output_of(outputs: object) -> str | None:
    """Return the folder of a job's one output, as ``outputs`` or ``outputData`` of its body name it, or None."""
    named = outputs if isinstance(outputs, dict) else {}
    # A job has one output; an endpoint's list of jobs calls it as whoever invoked did.
    score = next(iter(named.values())) if len(named) == 1 else named.get("score")
    uri = score.get("uri") if isinstance(score, dict) else None
    if not isinstance(score, dict) or not uri:
        return None
    return folder_of(str(uri), str(score.get("jobOutputType", "")))


def folder_of(uri: str, kind: str) -> str:
    """Return the folder of an output: that of the file where the output is one (``UriFile``, ``uri_file``)."""
    return uri.rsplit("/", 1)[0] + "/" if kind.replace("_", "").lower() == "urifile" else uri
