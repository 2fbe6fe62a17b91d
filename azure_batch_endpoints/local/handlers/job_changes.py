"""What can be changed of a job: display name, description, tags, properties, whether it is archived or there at all.

Clients do it in two ways: by a PUT of the job at the management route, and by a PATCH of its run in the run history.
"""

from __future__ import annotations

import contextlib
import shutil
from collections.abc import Mapping
from pathlib import Path

from azure_batch_endpoints._wire import models
from azure_batch_endpoints._wire.body import Body, TextMap
from azure_batch_endpoints.local.deleting import settle
from azure_batch_endpoints.local.exchange import WORKSPACE, Call, Entry, Reply, empty
from azure_batch_endpoints.local.faults import ServiceFault, bad_request
from azure_batch_endpoints.local.handlers import job_bodies, run_bodies, shapes
from azure_batch_endpoints.local.job import JobRow
from azure_batch_endpoints.local.state import IllegalMove, JobChange, UnknownJob


class RunChange(Body):
    """Body of a PATCH in the run history; what it does not name stays."""

    display_name: str | None = None
    description: str | None = None
    tags: TextMap | None = None
    properties: TextMap | None = None
    hidden: bool | None = None


def put(call: Call) -> Reply:
    """Change a job by sending it back; whatever else of it is sent is not looked at."""
    name = call.names["job"]
    asked = call.read(models.JobBody).properties
    row = call.context.state.job(name)
    if row is None:
        raise bad_request(
            f"There is no job '{name}' to change, and a PUT makes none. "
            "Make a job by a POST to an endpoint's scoring URI."
        )
    # A client sends back the description that the service wrote; it stays the service's.
    description = None if asked.description == job_bodies.description(row) else asked.description
    change = JobChange(
        asked.display_name, description, asked.tags, _new(row, call, asked.properties), asked.is_archived
    )
    return Reply(job_bodies.management_job(call.context, _changed(call, name, change)))


def delete(call: Call) -> Reply:
    """Forget a job that has ended, with its logs and its ledger; what it wrote to storage stays."""
    name, operation = call.names["job"], shapes.operation_id(call.context, "jd")
    settings, aside = call.context.settings, list[Path]()

    def set_aside(row: JobRow) -> None:
        aside.append(settings.deleted_folder(row.child))
        with contextlib.suppress(FileNotFoundError):  # it never began
            settings.job_folder(name).rename(aside[0])

    try:
        row = call.context.state.delete_job(name, operation, set_aside)
    except IllegalMove as error:
        raise ServiceFault(409, "Conflict", str(error)) from error
    except BaseException:  # the job was not forgotten after all
        for folder in aside:
            settle(folder, settings, call.context.state)
        raise
    if row is None:
        return empty(204)
    shutil.rmtree(settings.deleted_folder(row.child), ignore_errors=True)
    return Reply(None, 202, shapes.operation_headers(call, operation))


def patch_run(call: Call) -> Reply:
    """Change a job by its run; the official client archives and renames jobs so."""
    name = call.names["run"]
    asked = call.read(RunChange)
    row = call.context.state.job_of_run(name)
    if row is None:
        raise ServiceFault(404, "UserError", f"Run {name} not found.", inner=("NotFoundError",))
    if row.child == name:
        raise bad_request(f"Run '{name}' is the step of job '{row.name}', which can be changed as a whole only.")
    description = None if asked.description == job_bodies.description(row) else asked.description
    change = JobChange(asked.display_name, description, asked.tags, _new(row, call, asked.properties), asked.hidden)
    return Reply(run_bodies.run(call.context, _changed(call, name, change), name))


def _changed(call: Call, name: str, change: JobChange) -> JobRow:
    try:
        return call.context.state.change_job(name, change)
    except UnknownJob as error:  # deleted meanwhile
        raise ServiceFault(404, "NotFound", str(error)) from error


def _new(row: JobRow, call: Call, sent: Mapping[str, str] | None) -> Mapping[str, str]:
    """Return the properties that the job has not yet; clients send back those that the service wrote."""
    there = job_bodies.properties(call.context, row)
    return {name: value for name, value in (sent or {}).items() if name not in there}


_JOB = WORKSPACE + "/jobs/{job}"
_HISTORY = "/history/v1.0" + WORKSPACE
ENTRIES = (
    Entry("PUT", _JOB, put),
    Entry("PATCH", _JOB, put),
    Entry("DELETE", _JOB, delete),
    Entry("PATCH", _HISTORY + "/experiments/{experiment}/runs/{run}", patch_run),
    Entry("PATCH", _HISTORY + "/runs/{run}", patch_run),
)
