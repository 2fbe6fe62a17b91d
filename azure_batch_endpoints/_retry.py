"""The second job over what failed in a first one.

The local service starts it by its ledger. In the cloud a job takes a folder, so the files that failed by the driver's
account are copied into a fresh one, and a job over it is invoked.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from azure_batch_endpoints import _submit
from azure_batch_endpoints._wire import routes
from azure_batch_endpoints._wire.models import EndpointBody
from azure_batch_endpoints._wire.uris import datastore_uri
from azure_batch_endpoints._workspace import understood
from azure_batch_endpoints.errors import InvalidInputError, NotFoundError, ResultsError, ServiceError
from azure_batch_endpoints.inputs import Input
from azure_batch_endpoints.items import JobProgress

if TYPE_CHECKING:
    from azure_batch_endpoints._wire.jobview import JobView
    from azure_batch_endpoints._workspace import Workspace

LEDGER_GONE = "LedgerGone"
"""Error code of the local service: the job is there, the account of its input files is not."""
COPIES = "azure_batch_endpoints/retried"
"""Folder of the default datastore that takes the inputs of such jobs in the cloud, a folder for each."""


def what_is_left(job: JobView) -> str:
    """Say how to read what a job scored that did not complete, and how to score the rest; empty if it left nothing."""
    if not job.has_partial_rows:
        return ""
    progress = JobProgress.from_wire(job.progress or {})
    all_scored = progress.items_done == progress.items_total
    rest = "the failed files: job.retry_failed()" if all_scored else "the rest: job.retry_failed(include_pending=True)"
    return f"Rows scored before: job.results.to_pandas(partial=True); {rest}."


def start(
    workspace: Workspace,
    job: JobView,
    *,
    deployment: str | None,
    include_pending: bool,
    overrides: Mapping[str, Any],
) -> object:
    """Post the job and return the service's answer.

    Args:
        workspace: way to the service.
        job: job that has ended.
        deployment: its deployment; scores as it is now.
        include_pending: score the inputs that were never scored, too.
        overrides: keyword arguments of ``invoke`` other than inputs and deployment.

    Raises:
        InvalidInputError: no such override.
        ResultsError: nobody keeps account of its inputs, or not any more.
        ServiceError: nothing failed.
    """
    asked = _submit.overrides_from(overrides, "retry_failed()")
    pending = {routes.RETRY_PENDING_PROPERTY: "true"} if include_pending else {}
    inputs: dict[str, Input] = {}
    if not workspace.session.is_local:
        inputs = {"input": _folder_of_failed(workspace, job, include_pending=include_pending)}
        asked = replace(asked, tags={**(asked.tags or {}), routes.RETRIED_TAG: job.name})
    submission = _submit.Submission(
        endpoint=job.endpoint,
        scoring_uri=_scoring_uri(workspace, job.endpoint, job.name),
        deployment=deployment,
        inputs=inputs,
        overrides=asked,
        properties={} if inputs else {routes.RETRY_PROPERTY: job.name, **pending},
    )
    try:
        return _submit.submit(workspace, submission)
    except NotFoundError as error:
        if error.code == LEDGER_GONE:
            raise ResultsError(str(error)) from error
        raise


def _folder_of_failed(workspace: Workspace, job: JobView, *, include_pending: bool) -> Input:
    """Return an input of exactly the files that failed, under the names they have below the input folder.

    The copies go to the default datastore; those of the same files of the same job, unchanged, are made once. When
    every file failed, the input itself is returned and nothing is copied.

    Raises:
        ServiceError: nothing failed.
    """
    from azure_batch_endpoints import _cloud  # for jobs in the cloud only: not with the client
    from azure_batch_endpoints._storage.copying import copy_all

    place, names = _cloud.failed_files(workspace, job, include_pending=include_pending)
    if not names:
        raise ServiceError(
            f"Nothing failed in job '{job.name}': there is nothing to retry. "
            "Invoke the deployment anew to score all of it.",
            status_code=400,
        )
    versions = {} if place.is_file else place.versions()
    if place.is_file or set(names) == set(versions):
        return Input("file" if place.is_file else "folder", place.uri)
    # A file that was mended in its place since the first retry is copied anew.
    told = "\0".join([place.container.url, place.path, *(f"{name}\0{versions.get(name)}" for name in names)])
    folder = f"{COPIES}/{job.name}/{hashlib.sha256(told.encode('utf-8', 'backslashreplace')).hexdigest()[:16]}/"
    target = workspace.container()
    there = {one.name for one in target.list(folder)}
    copy_all(
        place.container, target, [(place.blob(name), folder + name) for name in names if folder + name not in there]
    )
    return Input("folder", datastore_uri(workspace.default_datastore, folder))


def _scoring_uri(workspace: Workspace, endpoint: str, job: str) -> str:
    answer = workspace.send("GET", workspace.path.endpoint(endpoint), action=f"read endpoint '{endpoint}'")
    uri = understood(EndpointBody.read, answer.body).properties.scoring_uri
    if not uri:
        text = f"Endpoint '{endpoint}' of job '{job}' has no scoring URI. Wait until it is ready."
        raise InvalidInputError(text)
    return uri
