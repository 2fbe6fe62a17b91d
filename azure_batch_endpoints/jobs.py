"""The jobs of a workspace, an endpoint or a deployment, and their lists."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import TYPE_CHECKING

from azure_batch_endpoints._arguments import require
from azure_batch_endpoints._entity import Collection, Snapshot, named
from azure_batch_endpoints._http import paged
from azure_batch_endpoints._wire import routes
from azure_batch_endpoints._wire.jobview import job_view
from azure_batch_endpoints.errors import InvalidInputError
from azure_batch_endpoints.job import Job
from azure_batch_endpoints.states import JobStatus

if TYPE_CHECKING:
    from azure.core.paging import ItemPaged

    from azure_batch_endpoints._workspace import Workspace


class Jobs(Collection):
    """The jobs of the workspace."""

    def get(self, name: str, /) -> Job:
        """Return a job by its name (1 request; 2 more when it failed in the cloud, for the reason).

        Raises:
            NotFoundError: there is none of that name.
        """
        url = self._workspace.path.job(name)
        answer = self._workspace.send("GET", url, action=f"read job '{name}'")
        job = Job(self._workspace, Snapshot.take(job_view, named(answer.body, url)))
        job._snapshot = job._explained(job._snapshot, None)
        return job

    def list(
        self,
        *,
        endpoint: str | None = None,
        deployment: str | None = None,
        status: JobStatus | str | None = None,
        created_after: datetime | None = None,
        tag: str | None = None,
    ) -> ItemPaged[Job]:
        """List jobs, newest first as the service gives them; asks page by page, as far as it is read.

        Args:
            endpoint: only jobs sent to this endpoint.
            deployment: only jobs of this deployment; needs ``endpoint``.
            status: only jobs that stand so.
            created_after: only jobs created after this time (aware).
            tag: only jobs with this tag, ``name`` or ``name=value``.

        Raises:
            InvalidInputError: a deployment without its endpoint, an unknown status, or something of another type.
        """
        wanted = _status(status)
        if deployment is not None and endpoint is None:
            raise InvalidInputError(
                f'jobs.list(deployment="{deployment}") needs endpoint= too: names repeat across endpoints. Pass both.'
            )
        require("tag", tag, str, '"name" or "name=value"', optional=True)
        require("created_after", created_after, datetime, "a datetime with a time zone", optional=True)
        if created_after is not None and created_after.tzinfo is None:
            raise InvalidInputError(
                f"created_after is {created_after.isoformat()}, without a time zone. Add one, e.g. tzinfo=timezone.utc."
            )

        def keep(job: Job) -> bool:
            return (
                (wanted is None or job.status is wanted)
                and (created_after is None or (job.created_at is not None and job.created_at > created_after))
                and (tag is None or _tagged(job, tag))
            )

        return list_jobs(self._workspace, endpoint, deployment, keep=keep)


def list_jobs(
    workspace: Workspace, endpoint: str | None, deployment: str | None, *, keep: Callable[[Job], bool] | None = None
) -> ItemPaged[Job]:
    """List the jobs of the workspace, of an endpoint or of a deployment."""

    def read(body: object) -> Job:
        return Job(workspace, Snapshot.take(job_view, body))

    if endpoint is None:
        return paged(
            workspace.session, workspace.path.jobs(), read, params=workspace.params, action="list jobs", keep=keep
        )
    path = workspace.path.endpoint_jobs(endpoint, deployment)

    def url() -> str:
        return workspace.api_url + path

    params = {"api-version": routes.DATA_PLANE_VERSION}
    action = f"list the jobs of endpoint '{endpoint}'"
    return paged(workspace.session, url, read, params=params, audience="ml", action=action, keep=keep)


def _status(status: JobStatus | str | None) -> JobStatus | None:
    found = None if status is None else JobStatus(status)
    if found is JobStatus.UNKNOWN:
        raise InvalidInputError(f"status is '{status}'; it can be {', '.join(one.value for one in JobStatus)}.")
    return found


def _tagged(job: Job, tag: str) -> bool:
    name, equals, value = tag.partition("=")
    return name in job.tags and (not equals or job.tags[name] == value)
