"""The run history: a job and its one step as runs, their logs, and where their output lies."""

from __future__ import annotations

import re
from typing import Any

from azure_batch_endpoints._wire import models
from azure_batch_endpoints._wire.uris import asset_name
from azure_batch_endpoints.local.context import ServiceContext
from azure_batch_endpoints.local.exchange import WORKSPACE, Call, Entry, Reply
from azure_batch_endpoints.local.faults import ServiceFault, bad_request
from azure_batch_endpoints.local.handlers import run_bodies
from azure_batch_endpoints.local.handlers.logs import log_files
from azure_batch_endpoints.local.handlers.references import long_uri, version_of
from azure_batch_endpoints.local.job import EXECUTION_LOG, LOCATION, JobRow

_OUTPUT = re.compile(r"azureml_(?P<run>.+)_output_data_score")
_EXPERIMENTS = ("experiments", "experimentids")
"""A run is also found below its experiment, by the name or the id of that; neither is looked at."""
_SNAKE_CLIENTS = re.compile(r"azure-ai-ml/1\.35\.[0-2]\b")
"""Releases that compare the type of an output with ``uri_folder``; all others with ``UriFolder``."""


def find(context: ServiceContext, run: str) -> JobRow:
    """Return the job of a run.

    Raises:
        ServiceFault: 404.
    """
    row = context.state.job_of_run(run)
    if row is None:
        raise ServiceFault(404, "UserError", f"Run {run} not found.", inner=("NotFoundError",))
    return row


def get(call: Call) -> Reply:
    """Answer with one run."""
    run = call.names["run"]
    return Reply(run_bodies.run(call.context, find(call.context, run), run))


def children(call: Call) -> Reply:
    """Answer with the one step of a job; the step itself has none."""
    row = find(call.context, call.names["run"])
    steps = [row.child] if call.names["run"] == row.name else []
    return Reply({"value": [run_bodies.run(call.context, row, step) for step in steps]})


def details(call: Call) -> Reply:
    """Answer with a run's status and the addresses of its log files."""
    run = call.names["run"]
    row = find(call.context, run)
    files = log_files(call.context, row.name)
    if run == row.child:
        files.pop(EXECUTION_LOG, None)
    return Reply({**run_bodies.details(call.context, row, run), "logFiles": files})


def service_instances(call: Call) -> Reply:
    """Answer with the services of a run's node: a scoring job has none."""
    find(call.context, call.names["run"])
    return Reply({"instances": {}})


def run_data(call: Call) -> Reply:
    """Answer with a run and how its scorer was started; the output's place is in it twice, for old and new clients."""
    body = call.json()
    run = next((value for name, value in body.items() if name.lower() == "runid"), None)
    if not isinstance(run, str):
        raise bad_request("'runId' of the request must be the name of a run.")
    row = find(call.context, run)
    metadata = run_bodies.run(call.context, row, run)
    if run == row.child:
        kind = "uri_folder" if _SNAKE_CLIENTS.search(call.headers.get("user-agent", "")) else "UriFolder"
        metadata["outputs"] = {"score": {"assetId": _output_id(call.context, row), "type": kind}}
    return Reply(
        {
            "runMetadata": metadata,
            "runDefinition": run_bodies.definition(row),
            "jobSpecification": None,
            "systemSettings": None,
        }
    )


def _output_id(context: ServiceContext, row: JobRow) -> str:
    name = f"azureml_{row.child}_output_data_score"
    return f"azureml://locations/{LOCATION}/workspaces/{context.workspace_id}/data/{name}/versions/1"


def resolve_uris(call: Call) -> Reply:
    """Answer where in storage data assets and outputs of jobs lie."""
    values = call.json().get("values")
    if not isinstance(values, list):
        raise bad_request("'values' of the request must be a list of asset ids.")
    return Reply({"values": {str(value): _resolved(call.context, str(value)) for value in values}})


def _resolved(context: ServiceContext, asset_id: str) -> dict[str, Any]:
    named = asset_name(asset_id)
    if named is None or named.kind != "data":
        raise bad_request(f"'{asset_id}' is not the id of a data asset. Send ids as a list of assets answers them.")
    if found := _OUTPUT.fullmatch(named.name):
        uri, kind = find(context, found["run"]).request.output_uri, "UriFolder"
    else:
        body = models.AssetProperties.read(dict(version_of(context, named).body))
        uri, kind = body.data_uri or "", "UriFile" if body.data_type == "uri_file" else "UriFolder"
    return {"uri": long_uri(context, uri, group_word="resourcegroups"), "type": kind, "legacyDatasetType": None}


_HISTORY = "/history/v1.0" + WORKSPACE
_RUNS = (_HISTORY + "/runs/{run}", *(f"{_HISTORY}/{word}/{{experiment}}/runs/{{run}}" for word in _EXPERIMENTS))
ENTRIES = (
    *(Entry("GET", run, get) for run in _RUNS),
    *(Entry("GET", run + "/children", children) for run in _RUNS),
    *(Entry("GET", run + "/details", details) for run in _RUNS),
    *(Entry("GET", run + "/serviceinstances/{node}", service_instances) for run in _RUNS),
    Entry("POST", _HISTORY + "/rundata", run_data),
    Entry("POST", "/data/v1.0" + WORKSPACE + "/dataversion/batchGetResolvedUris", resolve_uris),
)
