"""The scoring URI: one POST makes one job, however often it is sent; the jobs of an endpoint or deployment."""

from __future__ import annotations

import secrets
import string
import uuid
from dataclasses import replace

from azure_batch_endpoints._wire import models, scalars
from azure_batch_endpoints._wire.routes import (
    DATA_PLANE_VERSION,
    DEPLOYMENT_HEADER,
    ISOLATE_PROPERTY,
    MANAGEMENT_FRONTEND,
    REPEATABILITY_HEADERS,
    RETRY_PENDING_PROPERTY,
    RETRY_PROPERTY,
)
from azure_batch_endpoints.local.context import ServiceContext
from azure_batch_endpoints.local.exchange import WORKSPACE, Call, Entry, Reply
from azure_batch_endpoints.local.faults import ServiceFault, bad_request, existing
from azure_batch_endpoints.local.handlers import deployments, endpoints, shapes
from azure_batch_endpoints.local.handlers.job_bodies import batch_job, service_tags
from azure_batch_endpoints.local.handlers.job_requests import job_request
from azure_batch_endpoints.local.handlers.jobs import find, listed_jobs
from azure_batch_endpoints.local.job import JobRequest, JobRow
from azure_batch_endpoints.local.ledger import Ledger
from azure_batch_endpoints.local.ledger_values import LedgerConflict
from azure_batch_endpoints.local.state import JobFilter
from azure_batch_endpoints.states import JobStatus

_NO_ROUTE = (
    "No valid deployments to route to. Please check that the endpoint has at least one deployment with positive "
    "weight values or use a deployment specific header to route."
)
_ADJECTIVES = ("amiable", "blue", "bright", "calm", "careful", "eager", "gentle", "honest", "jolly", "keen", "lucid")
_NOUNS = ("bulb", "carrot", "cloud", "garden", "key", "lamp", "mango", "pear", "river", "store", "tree", "wall")


def create(call: Call) -> Reply:
    """Make a job, or answer with the one that this POST made before."""
    state, owner = call.context.state, endpoints.find(call.context, call.names["endpoint"])
    asked = call.read(models.BatchJobBody).properties
    if asked.name:
        shapes.check_asset_name("a job", asked.name)
    request_ids = list(dict.fromkeys(filter(None, map(call.headers.get, REPEATABILITY_HEADERS))))
    earlier = state.earlier_job(asked.name, request_ids)
    if earlier is None:
        row = _row(call, owner.body["name"], asked)
        earlier = state.add_job(row, request_ids)
        if earlier is row:
            call.context.queue.submit(row.name)
            return _answer(call.context, row, 201)
    _check_same(call, earlier, asked)
    return _answer(call.context, earlier, 200)


def _row(call: Call, endpoint: str, asked: models.BatchJobProperties) -> JobRow:
    child = str(uuid.uuid4())
    experiment = (asked.properties or {}).get("experimentName") or endpoint
    shapes.check_asset_name("an experiment", experiment)
    request = _request(call, endpoint, asked, child)
    return JobRow(
        name=asked.name or f"batchjob-{uuid.uuid4()}",
        child=child,
        display_name=_display_name(),
        experiment=experiment,
        status=JobStatus.QUEUED,
        request=request,
        created_at=scalars.now(),
        tags={**service_tags(request.deployment), **(asked.tags or {})},
        body=asked.body(),
        description=asked.description,
        properties=_own_properties(asked),
    )


def _own_properties(asked: models.BatchJobProperties) -> dict[str, str]:
    """Return the properties that the user gave the job; those that mean something are none."""
    meaning = ("experimentName", RETRY_PROPERTY, RETRY_PENDING_PROPERTY, ISOLATE_PROPERTY)
    return {name: value for name, value in (asked.properties or {}).items() if name not in meaning}


def _request(call: Call, endpoint: str, asked: models.BatchJobProperties, child: str) -> JobRequest:
    retry_of = (asked.properties or {}).get(RETRY_PROPERTY)
    if retry_of is not None:
        pending = str((asked.properties or {}).get(RETRY_PENDING_PROPERTY)).lower() == "true"
        earlier = _ended(call.context, retry_of, pending=pending)
        name = _deployment_header(call) or earlier.request.deployment
        deployment = deployments.find(call.context, endpoint, name)
        request = job_request(call.context, deployment, asked, child, retry_of=earlier)
        return replace(request, retry_pending=pending)
    name = _deployment_header(call) or endpoints.find(call.context, endpoint).body["default"]
    if not name:
        there = existing(call.context.state.resources.names("deployments", endpoint.lower()))
        hint = f"Endpoint '{endpoint}' has no default deployment. Deployments: {there}"
        raise ServiceFault(404, "NoValidDeployments", f"{_NO_ROUTE} {hint}")
    return job_request(call.context, deployments.find(call.context, endpoint, name), asked, child)


def _ended(context: ServiceContext, job: str, *, pending: bool) -> JobRow:
    """Return a job that has ended and left something to score again.

    Args:
        context: the service.
        job: its name.
        pending: whether inputs that were never scored count, beside those that failed.
    """
    earlier = find(context, job)
    if not earlier.status.is_terminal:
        raise ServiceFault(
            409, "Conflict", f"Job '{job}' is {earlier.status.value}. Retry what failed when it has ended."
        )
    failed, left = _left(context, earlier)
    if not failed and not left:
        raise bad_request(
            f"Nothing failed in job '{job}': there is nothing to retry. Invoke the deployment anew to score all of it."
        )
    if not failed and not pending:
        raise bad_request(
            f"Nothing failed in job '{job}', but {left} never scored. Retry them too: include_pending=True."
        )
    return earlier


def _left(context: ServiceContext, job: JobRow) -> tuple[bool, str]:
    """Return whether inputs of a job failed, and which were never scored, in words; empty: none."""
    if job.started_at is None:
        return False, "its files were"
    try:
        with Ledger(context.settings.job_folder(job.name) / "ledger.sqlite") as ledger:
            progress, listed, sealed = ledger.progress(), ledger.listed, ledger.sealed
    except LedgerConflict as error:
        raise ServiceFault(
            404,
            "LedgerGone",
            f"The ledger of job '{job.name}' is gone ({error}), so it is not known which files failed. "
            "Invoke the deployment anew.",
        ) from error
    left = listed - progress.items_done
    if not sealed:
        return progress.items_failed > 0, "some of its files were"
    return progress.items_failed > 0, f"{left} {'file was' if left == 1 else 'files were'}" if left else ""


def _deployment_header(call: Call) -> str | None:
    return call.names.get("deployment") or call.headers.get(DEPLOYMENT_HEADER) or None


def _check_same(call: Call, earlier: JobRow, asked: models.BatchJobProperties) -> None:
    """Let a POST through that says what the first one said.

    Raises:
        ServiceFault: 409, the name or the repeatability id was used for another job.
    """
    deployment = _deployment_header(call)
    same_place = earlier.request.endpoint.lower() == call.names["endpoint"].lower() and (
        deployment is None or deployment.lower() == earlier.request.deployment.lower()
    )
    if not same_place or asked.body() != earlier.body:
        raise ServiceFault(
            409,
            "Conflict",
            f"The name or repeatability id of this request belongs to job '{earlier.name}' already, "
            "which was asked for with another body. Choose another name.",
        )


def _answer(context: ServiceContext, row: JobRow, status: int) -> Reply:
    path = context.workspace.deployment(row.request.endpoint, row.request.deployment)
    # The Location is the deployment's, not the job's, on the real service too.
    location = f"{context.base_url}{MANAGEMENT_FRONTEND}{path}?api-version={DATA_PLANE_VERSION}"
    return Reply(batch_job(context, row), status, {DEPLOYMENT_HEADER: row.request.deployment, "Location": location})


def _display_name() -> str:
    tail = "".join(secrets.choice(string.ascii_lowercase + string.digits) for _ in range(8))
    return f"{secrets.choice(_ADJECTIVES)}_{secrets.choice(_NOUNS)}_{tail}"


def list_all(call: Call) -> Reply:
    """Answer with the jobs of an endpoint or a deployment, the newest first; they stay when their owner is deleted.

    Raises:
        ServiceFault: 404, there is neither such an owner nor a job of it.
    """
    endpoint, deployment = call.names["endpoint"], call.names.get("deployment") or call.query.get("deployment")
    wanted = JobFilter(endpoint, deployment)
    if not call.context.state.jobs(wanted, None, 1):
        if deployment:
            deployments.find(call.context, endpoint, deployment)
        endpoints.find(call.context, endpoint)
    return listed_jobs(call, wanted, batch_job)


def get(call: Call) -> Reply:
    """Answer with one job of an endpoint; its status also stands where the sample scripts look first."""
    row = find(call.context, call.names["job"])
    if row.request.endpoint.lower() != call.names["endpoint"].lower():
        raise ServiceFault(
            404, "NotFound", f"Endpoint '{call.names['endpoint']}' has no job '{row.name}'. Check the names."
        )
    return Reply({**batch_job(call.context, row), "status": row.status.value})


_SCORING = "/scoring/{endpoint}/jobs"
_OWNER = WORKSPACE + "/batchEndpoints/{endpoint}"
_PLACES = (_SCORING, f"{_OWNER}/jobs", f"{_OWNER}/deployments/{{deployment}}/jobs")
ENTRIES = tuple(
    entry
    for place in _PLACES
    for entry in (Entry("POST", place, create), Entry("GET", place, list_all), Entry("GET", f"{place}/{{job}}", get))
)
