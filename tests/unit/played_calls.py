"""Public calls with the answers that make them succeed: played, so that a test can break them at any place."""

from __future__ import annotations

import copy
import warnings
from collections.abc import Callable, Iterator, Sequence
from typing import Any, TypeVar

from azure_batch_endpoints._entity import Snapshot
from azure_batch_endpoints._wire import models
from azure_batch_endpoints._wire.jobview import job_view
from azure_batch_endpoints.assets import Datasets, Environments, Models
from azure_batch_endpoints.computes import Computes
from azure_batch_endpoints.datastores import Datastores
from azure_batch_endpoints.deployments import BatchDeployments
from azure_batch_endpoints.endpoints import BatchEndpoint, BatchEndpoints
from azure_batch_endpoints.inputs import folder
from azure_batch_endpoints.job import Job
from azure_batch_endpoints.jobs import Jobs
from azure_batch_endpoints.results import JobResults
from azure_batch_endpoints.specs import ComputeSpec
from tests.unit.fake_service import (
    API,
    ARM,
    JOB,
    LOCAL,
    PATH,
    Desk,
    deployment_body,
    endpoint_body,
    invoked_body,
    job_body,
    workspace_body,
)
from tests.unit.fake_transport import Step, reply

Bodies = dict[str, Any]
"""What each route answers, before it is broken."""

RUN = f"GET runs/{JOB}"
CHILD = {"runId": "child-1", "name": "batchscoring", "status": "Completed", "startTimeUtc": "2026-01-02T03:04:05Z"}
WORKSPACE = {"GET workspaces/space-1": workspace_body(), "GET /discovery": {"api": API}}
COMPUTE = {
    "id": PATH.compute("cluster"),
    "name": "cluster",
    "location": "westeurope",
    "properties": {
        "computeType": "AmlCompute",
        "provisioningState": "Succeeded",
        "properties": {
            "vmSize": "small",
            "osType": "Linux",
            "scaleSettings": {"minNodeCount": 0, "maxNodeCount": 1, "nodeIdleTimeBeforeScaleDown": "PT2M"},
        },
    },
}
CLUSTER = ComputeSpec(name="cluster", size="small")
STORE = {
    "id": PATH.datastore("store"),
    "name": "store",
    "properties": {
        "datastoreType": "AzureBlob",
        "accountName": "acct",
        "containerName": "box",
        "endpoint": "core.windows.net",
        "isDefault": True,
        "credentials": {"credentialsType": "AccountKey"},
    },
}
ASSET = {
    "id": PATH.asset("models", "m", "1"),
    "name": "1",
    "properties": {"modelUri": "azureml://x", "modelType": "custom_model", "tags": {"a": "b"}, "dataUri": "x"},
}
HISTORY = {
    **WORKSPACE,
    f"{RUN}/children": {"value": [CHILD]},
    "GET runs/child-1/details": {
        "status": "Completed",
        "logFiles": {"user_logs/std_log.txt": f"{API}/l?sig=SECRETSIG"},
    },
    f"{RUN}/details": {"status": "Completed", "logFiles": {"user_logs/std_log.txt": f"{API}/l?sig=SECRETSIG"}},
    "GET /l": "one\ntwo\n",
    "POST rundata": {
        "runMetadata": {"outputs": {"score": {"assetId": "azureml://locations/we/x", "type": "UriFolder"}}},
        "runDefinition": {"dataReferences": {"score": {"dataStoreName": "own", "pathOnDataStore": "a/score"}}},
    },
    "POST batchGetResolvedUris": {"values": {"azureml://locations/we/x": {"uri": "azureml://datastores/own/paths/a/"}}},
    "GET datastores": {"value": [STORE]},
}
ITEM = {
    "path": "a.txt",
    "status": "failed",
    "miniBatch": 0,
    "attempts": 2,
    "seconds": 0.5,
    "worker": "process001",
    "errorType": "ValueError",
    "errorMessage": "no",
    "traceback": "x",
}


def _endpoint(desk: Desk) -> BatchEndpoint:
    return BatchEndpoint(desk.workspace, Snapshot.take(models.EndpointBody.read, endpoint_body("blue")))


def _job(desk: Desk, status: str = "Running", **more: Any) -> Job:
    return Job(desk.workspace, Snapshot.take(job_view, job_body(status, **more)))


def _shown(things: Any) -> None:  # noqa: ANN401 (of any kind)
    for one in things:
        repr(one)
        one._repr_html_()


def _read(thing: Any) -> None:  # noqa: ANN401 (of any kind)
    """Look at everything a thing shows."""
    _shown([thing])
    for name in dir(type(thing)):
        if not name.startswith("_") and isinstance(getattr(type(thing), name), property):
            getattr(thing, name)


CALLS: dict[str, tuple[Bodies, Callable[[Desk], object], str]] = {
    "endpoints.get": (
        {"GET batchEndpoints/heart": endpoint_body("blue")},
        lambda desk: _read(BatchEndpoints(desk.workspace).get("heart")),
        ARM,
    ),
    "endpoints.list": (
        {"GET batchEndpoints": {"value": [endpoint_body("blue")], "nextLink": None}},
        lambda desk: _shown(BatchEndpoints(desk.workspace).list()),
        ARM,
    ),
    "endpoints.create": (
        {**WORKSPACE, "PUT batchEndpoints/heart": endpoint_body(), "GET batchEndpoints/heart": endpoint_body()},
        lambda desk: BatchEndpoints(desk.workspace).create("heart", timeout=30),
        ARM,
    ),
    "endpoint.delete": (
        {"DELETE batchEndpoints/heart": {}, "GET batchEndpoints/heart": endpoint_body()},
        lambda desk: _endpoint(desk).delete(timeout=30),
        ARM,
    ),
    "endpoint.invoke": (
        {"POST /jobs": invoked_body(), f"GET jobs/{JOB}": job_body()},
        lambda desk: _shown([_endpoint(desk).invoke(folder("https://a/b"), deployment="blue", job_name=JOB)]),
        ARM,
    ),
    "deployments.get": (
        {"GET deployments/blue": deployment_body()},
        lambda desk: _read(BatchDeployments(desk.workspace, "heart").get("blue")),
        ARM,
    ),
    "jobs.get": ({f"GET jobs/{JOB}": job_body()}, lambda desk: _read(Jobs(desk.workspace).get(JOB)), ARM),
    "jobs.list": (
        {**WORKSPACE, "GET jobs": {"value": [job_body()]}, "GET mferp.*": {"value": [job_body()]}},
        lambda desk: _shown(Jobs(desk.workspace).list()),
        ARM,
    ),
    "job.wait": (
        {f"GET jobs/{JOB}": job_body("Completed")},
        lambda desk: _job(desk).wait(timeout=60, progress=False),
        ARM,
    ),
    "a failed job": (
        {f"GET jobs/{JOB}": job_body("Failed"), **HISTORY},
        lambda desk: _job(desk).wait(timeout=60, progress=False),
        ARM,
    ),
    "job.logs": (HISTORY, lambda desk: _job(desk, "Completed").logs(), ARM),
    "job.items": (
        {f"GET jobs/{JOB}/items": {"value": [ITEM]}, "GET items": {"value": [ITEM]}},
        lambda desk: _job(desk, "Failed").failed_items(),
        LOCAL,
    ),
    "results.uri": (
        HISTORY,
        lambda desk: JobResults(desk.workspace, job_view(job_body("Completed", outputs=None))).uri,
        ARM,
    ),
    "computes.get": (
        {"GET computes/cluster": COMPUTE},
        lambda desk: _read(Computes(desk.workspace).get("cluster")),
        ARM,
    ),
    "computes.create": (
        {**WORKSPACE, "PUT computes/cluster": COMPUTE, "GET computes/cluster": COMPUTE},
        lambda desk: Computes(desk.workspace).create(CLUSTER, timeout=30),
        ARM,
    ),
    "datastores.get": (
        {"GET datastores/store": STORE},
        lambda desk: _read(Datastores(desk.workspace).get("store")),
        ARM,
    ),
    "a datastore opened": (
        {"GET datastores/store": STORE, "POST listSecrets": {"secretsType": "AccountKey", "key": "c2VjcmV0a2V5"}},
        lambda desk: desk.workspace.container("store"),
        ARM,
    ),
    "models.get": (
        {"GET models/m/versions/1": ASSET},
        lambda desk: _read(Models(desk.workspace).get("m", version="1")),
        ARM,
    ),
    "environments.get": (
        {"GET environments/m/versions/1": ASSET},
        lambda desk: _read(Environments(desk.workspace).get("m", version="1")),
        ARM,
    ),
    "datasets.list": (
        {"GET data/m/versions": {"value": [ASSET]}},
        lambda desk: _shown(Datasets(desk.workspace).list("m")),
        ARM,
    ),
}
"""Name of a call, what each route answers, the call, and the address of the service."""


def played(bodies: Bodies, base: str, instead: dict[str, Step] | None = None) -> Desk:
    """Return a service that answers as told; what is posted or put is not laid over its answers."""
    routes = {route: _answer(route, body) for route, body in bodies.items()}
    desk = Desk(
        {**(instead or {}), **{one: step for one, step in routes.items() if one not in (instead or {})}}, base=base
    )
    desk.keeps = False
    return desk


def _answer(route: str, body: Any) -> Step:  # noqa: ANN401 (JSON of any shape)
    status = 201 if route.startswith("POST /jobs") else 200
    return reply(status, body.encode() if isinstance(body, str) else body)


def run(name: str, instead: dict[str, Step] | None = None, bodies: Bodies | None = None) -> BaseException | None:
    """Make a call and return what it raised."""
    known, call, base = CALLS[name]
    desk = played(bodies or known, base, instead)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            call(desk)
    except BaseException as error:  # noqa: BLE001 (it is what the test looks at)
        return error
    return None


WRONG: tuple[object, ...] = ({"a": [1]}, 7, "no such thing", None, [[None]])
"""Values that a field may suddenly have."""


def broken_bodies(name: str) -> Iterator[tuple[str, Bodies]]:
    """Yield the answers of a call with one field of one of them wrong, and which.

    A field gets each wrong value in the first call whose answers have it, in the others two of them by turns.
    """
    bodies = CALLS[name][0]
    for route, body in bodies.items():
        for number, path in enumerate(_paths(body)):
            for value in WRONG if is_first(name, route) else turned(WRONG, 2, number):
                changed = copy.deepcopy(bodies)
                changed[route] = _with(changed[route], path, value)
                yield f"{route} {'.'.join(map(str, path)) or 'whole'} = {value!r}", changed


def is_first(name: str, route: str) -> bool:
    """Whether no call before this one has that answer."""
    having = (other for other, (bodies, _, _) in CALLS.items() if bodies.get(route) == CALLS[name][0][route])
    return next(having) == name


_T = TypeVar("_T")


def turned(things: Sequence[_T], count: int, turn: int) -> list[_T]:
    """Return some of the things, others at each turn, so that after some turns all were there."""
    return [things[(turn * count + number) % len(things)] for number in range(count)]


def _paths(body: Any, before: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:  # noqa: ANN401 (JSON)
    yield before
    inner = body.items() if isinstance(body, dict) else enumerate(body) if isinstance(body, list) else ()
    for key, value in inner:
        yield from _paths(value, (*before, key))


def _with(body: Any, path: tuple[Any, ...], value: object) -> Any:  # noqa: ANN401 (JSON)
    if not path:
        return value
    body[path[0]] = _with(body[path[0]], path[1:], value)
    return body
