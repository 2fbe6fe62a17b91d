"""Asking the service to stop a job."""

from __future__ import annotations

from typing import TYPE_CHECKING

from azure_batch_endpoints._http import DeadlinePassed, Operation, OperationEnded
from azure_batch_endpoints.errors import ConflictError, ServiceError

if TYPE_CHECKING:
    from azure_batch_endpoints.job import Job

_SECONDS = 60.0
"""For the service to take note."""


def stop(job: Job) -> None:
    """Ask the service to stop a job, and wait until it has taken note; one that has ended stays as it is.

    Raises:
        ConflictError: the service could not; the job goes on.
    """
    workspace, action = job._workspace, f"cancel job '{job.name}'"
    try:
        answer = workspace.send("POST", f"{job._path()}/cancel", action=action, retry_post=True)
        Operation.start(workspace.session, answer, action=action).wait(_SECONDS)
    except DeadlinePassed:
        return
    except OperationEnded as ended:
        if not job._refresh(None).status.is_terminal:
            reason = (ended.message or "the service gave no reason").rstrip(".")
            text = f"Could not {action}: {reason}. It goes on; look with job.refresh(), then cancel() again."
            raise ConflictError(text, status_code=409) from ended
    except ServiceError:
        if not job._refresh(None).status.is_terminal:
            raise
