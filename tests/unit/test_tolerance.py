"""Answers with something missing, null, new or of another stack: whatever is not needed is not insisted on."""

from __future__ import annotations

import copy
import inspect
import json
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import pytest

from azure_batch_endpoints import (
    ComputeSpec,
    EndpointSpec,
    JobStatus,
    OperationFailedError,
    ProvisioningState,
    ServiceError,
    TransportError,
    folder,
)
from azure_batch_endpoints._entity import Entity, Snapshot
from azure_batch_endpoints._wire.jobview import job_view
from azure_batch_endpoints.assets import Datasets, Environments, Models
from azure_batch_endpoints.computes import Computes
from azure_batch_endpoints.datastores import Datastores
from azure_batch_endpoints.deployments import BatchDeployments
from azure_batch_endpoints.endpoints import BatchEndpoints
from azure_batch_endpoints.job import Job
from azure_batch_endpoints.jobs import Jobs
from tests.contract.pair_files import NAMES, pair
from tests.unit.fake_service import (
    ARM,
    BASICS,
    JOB,
    OPERATION,
    PATH,
    SCORING,
    Desk,
    endpoint_body,
    invoked_body,
    job_body,
    operation,
)
from tests.unit.fake_transport import Step, reply

DESK = Desk({})
READ: Mapping[str, Callable[[Any], Entity[Any]]] = {
    "endpoint": lambda body: BatchEndpoints(DESK.workspace)._made(body),
    "deployment": lambda body: BatchDeployments(DESK.workspace, "heart")._made(body),
    "compute": lambda body: Computes(DESK.workspace)._made(body),
    "model": lambda body: Models(DESK.workspace)._made(body),
    "environment": lambda body: Environments(DESK.workspace)._made(body),
    "data": lambda body: Datasets(DESK.workspace)._made(body),
    "datastore": lambda body: Datastores(DESK.workspace)._made(body),
    "job": lambda body: Job(DESK.workspace, Snapshot.take(job_view, body)),
    "invoke": lambda body: Job(DESK.workspace, Snapshot.take(job_view, body)),
}
BODIES = [name for name in NAMES if name.split("-")[0] in READ and isinstance(pair(name, PATH).answer, dict)]
BODIES = [name for name in BODIES if "properties" in pair(name, PATH).answer]


def filled(value: Any) -> Any:  # noqa: ANN401 (JSON of any shape)
    """A recorded answer with something in place of what varies."""
    if isinstance(value, dict):
        return {key: filled(one) for key, one in value.items() if key != "<more>"}
    if isinstance(value, list):
        return [filled(one) for one in value]
    places = {"<time>": "2026-01-02T03:04:05.1234567+00:00", "<url>": SCORING, "<text>": "text", "<list>": []}
    return {} if value == "<any>" else places.get(value, value) if isinstance(value, str) else value


def places(value: Any, at: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:  # noqa: ANN401 (JSON of any shape)
    """The way to each field of a body, inner ones too."""
    if isinstance(value, dict):
        for key, one in value.items():
            yield (*at, key)
            yield from places(one, (*at, key))


def changed(body: dict[str, Any], at: tuple[str, ...], change: Callable[[dict[str, Any], str], object]) -> Any:  # noqa: ANN401
    made = inside = copy.deepcopy(body)
    for key in at[:-1]:
        inside = inside[key]
    change(inside, at[-1])
    return made


def look(entity: Entity[Any]) -> None:
    """Read everything that a user can see of an entity; nothing may be sent."""
    repr(entity)
    entity._repr_html_()
    for name, member in inspect.getmembers(type(entity)):
        if isinstance(member, property) and not name.startswith("_"):
            getattr(entity, name)


CHANGES: Mapping[str, Callable[[dict[str, Any], str], object]] = {
    "missing": lambda inside, key: inside.pop(key),
    "null": lambda inside, key: inside.update({key: None}),
    "new beside it": lambda inside, key: inside.update({f"{key}New": {"deep": [1]}}),
}


@pytest.mark.parametrize("change", CHANGES)
@pytest.mark.parametrize("name", BODIES)
def test_any_field_of_an_answer_may_be_missing_null_or_have_new_ones_beside_it(name: str, change: str) -> None:
    body, read = filled(pair(name, PATH).answer), READ[name.split("-")[0]]
    look(read(body))

    for at in places(body):
        look(read(changed(body, at, CHANGES[change])))
    assert DESK.transport.requests == []


def test_there_are_bodies_of_every_kind() -> None:
    assert {name.split("-")[0] for name in BODIES} == set(READ)


@pytest.mark.parametrize("body", [{}, {"properties": None}, {"id": None, "name": None, "properties": {}}])
def test_an_answer_with_nothing_in_it_is_shown_as_nothing(body: dict[str, Any]) -> None:
    for read in READ.values():
        look(read(body))


@pytest.mark.parametrize("word", ["Unheard", "", None, 7])
def test_unknown_states_are_no_end_and_no_crash(word: object) -> None:
    job = READ["job"](job_body(**{"status": word} if word is not None else {}))  # type: ignore[arg-type]
    endpoint = READ["endpoint"](endpoint_body(state=word))  # type: ignore[arg-type]

    look(job)
    look(endpoint)
    assert isinstance(job, Job)
    assert job.status in (JobStatus.UNKNOWN, JobStatus.RUNNING) and not job.status.is_terminal


# ------------------------------------------------------------------ statuses the service may choose

READY = reply(body=endpoint_body())
URL = PATH.endpoint("heart")
WAYS: dict[str, dict[str, Step | list[Step]]] = {
    "200 at once": {f"PUT {URL}": reply(200, endpoint_body())},
    "201 at once": {f"PUT {URL}": reply(201, endpoint_body())},
    "201 without a state": {f"PUT {URL}": reply(201, endpoint_body(state=None))},
    "201 that says Creating": {f"PUT {URL}": reply(201, endpoint_body(state="Creating")), f"GET {URL}": READY},
    "201 with a status address": {
        f"PUT {URL}": reply(201, endpoint_body(state="Creating"), OPERATION),
        "GET /op-1": [operation("Updating"), operation("NeverHeardOf"), operation("Succeeded")],
        f"GET {URL}": READY,
    },
    "202 with a Location and no body": {
        f"PUT {URL}": reply(202, None, {"Location": f"{ARM}/result"}),
        "GET /result": [reply(202, {}, {"Location": f"{ARM}/result"}), reply(200, endpoint_body())],
        f"GET {URL}": READY,
    },
    "202 with nothing": {f"PUT {URL}": reply(202), f"GET {URL}": READY},
    "204": {f"PUT {URL}": reply(204), f"GET {URL}": READY},
    "a state that is new": {
        f"PUT {URL}": reply(200, endpoint_body(state="Hatching")),
        f"GET {URL}": [reply(body=endpoint_body(state="Hatching")), READY],
    },
}


@pytest.mark.parametrize("way", WAYS)
def test_a_creation_ends_well_whichever_way_the_service_takes(way: str) -> None:
    desk = Desk({**BASICS, **WAYS[way]})

    made = BatchEndpoints(desk.workspace).create(EndpointSpec(name="heart"), timeout=60)

    assert made.name == "heart" and made.scoring_uri == SCORING
    assert made.provisioning_state is (
        ProvisioningState.UNKNOWN if way == "201 without a state" else ProvisioningState.SUCCEEDED
    )


@pytest.mark.parametrize(
    ("routes", "said"),
    [
        (
            {
                f"PUT {URL}": reply(201, endpoint_body(state="Failed")),
                f"GET {URL}": reply(body=endpoint_body(state="Failed")),
            },
            "ended Failed: the service gave no reason",
        ),
        (
            {
                f"PUT {URL}": reply(201, endpoint_body(state="Creating"), OPERATION),
                "GET /op-1": operation("Failed", error={"code": "Quota", "message": "No cores are left."}),
                f"GET {URL}": reply(body=endpoint_body(state="Failed")),
            },
            "ended Failed: No cores are left. Change",
        ),
        (
            {
                f"PUT {URL}": reply(201, endpoint_body(state="Creating"), OPERATION),
                "GET /op-1": operation("Canceled", error=None),
                f"GET {URL}": reply(404),
            },
            "ended Canceled: the service gave no reason",
        ),
    ],
)
def test_a_creation_that_fails_raises_with_the_services_reason(routes: dict[str, Step], said: str) -> None:
    desk = Desk({**BASICS, **routes})

    with pytest.raises(OperationFailedError, match=said):
        BatchEndpoints(desk.workspace).create(EndpointSpec(name="heart"))


@pytest.mark.parametrize(
    "routes",
    [
        {f"DELETE {URL}": reply(200)},
        {f"DELETE {URL}": reply(204)},
        {f"DELETE {URL}": reply(202)},
        {f"DELETE {URL}": reply(202, b"null", OPERATION), "GET /op-1": operation("Succeeded")},
        {f"DELETE {URL}": reply(202, None, {"Location": f"{ARM}/result"}), "GET /result": reply(204)},
        {
            f"DELETE {URL}": reply(202, None, {"Location": f"{ARM}/result", "Retry-After": "10"}),
            "GET /result": reply(200),
        },
    ],
)
def test_a_deletion_ends_well_whichever_way_the_service_takes(routes: dict[str, Step]) -> None:
    desk = Desk(routes)

    BatchEndpoints(desk.workspace)._made(endpoint_body()).delete()

    assert desk.sent[0] == "DELETE WS/batchEndpoints/heart"


@pytest.mark.parametrize("status", [200, 202, 204])
def test_a_cancel_may_be_answered_in_any_way(status: int) -> None:
    job = f"GET {PATH.job(JOB)}"
    desk = Desk({job: [reply(body=job_body()), reply(body=job_body("CancelRequested"))], "POST /cancel": reply(status)})

    assert Jobs(desk.workspace).get(JOB).cancel().status is JobStatus.CANCEL_REQUESTED


@pytest.mark.parametrize("status", [200, 201])
def test_an_invoke_may_be_answered_with_what_is_known_already_or_new(status: int) -> None:
    desk = Desk({f"POST {SCORING}": reply(status, invoked_body())})

    assert BatchEndpoints(desk.workspace)._made(endpoint_body("blue")).invoke(folder("https://a.net/b")).name == JOB


# ------------------------------------------------------------------ the two stacks of the service

_ENDPOINTS = {
    "Tracking": {"jobEndpointType": "Tracking", "port": None, "endpoint": "azureml://x?", "properties": None},
    "Studio": {
        "jobEndpointType": "Studio",
        "port": None,
        "endpoint": "https://ml.azure.com/runs/j",
        "properties": None,
    },
}
_PARAMETERS = {"run_max_try": "3", "mini_batch_size": "10", "append_row_file_name": "rows.csv"}
STACKS: dict[str, dict[str, Any]] = {
    "until 2023": {
        "name": "2f5c1c9e-0000-4000-8000-000000000001",
        "properties": {
            "miniBatchSize": 10,
            "errorThreshold": -1,
            "outputFileName": "rows.csv",
            "loggingLevel": "Info",
            "tags": {"azureml.batchrun": "true", "azureml.deploymentname": "blue"},
        },
        "systemData": {"createdAt": "2022-11-04T21:27:57.061945+00:00", "createdBy": "A", "createdByType": "User"},
    },
    "since 2023": {
        "name": "batchjob-2f5c1c9e-0000-4000-8000-000000000002",
        "properties": {
            "output": {"datastoreId": None, "path": None},
            "tags": {
                "outputType": "output_data",
                "azureml.deploymentname": "blue",
                "azureml.jobtype": "azureml.batchjob",
            },
        },
        "systemData": {"createdAt": "2023-04-09T00:26:46.2787237+00:00", "createdBy": "A", "lastModifiedBy": "A"},
    },
}


@pytest.mark.parametrize("stack", STACKS)
def test_the_answer_to_an_invoke_is_read_alike_from_both_stacks(stack: str) -> None:
    own = STACKS[stack]
    shared = {
        "provisioningState": "Succeeded",
        "inputData": {"i": {"uri": "https://a.net/b", "mode": "ReadOnlyMount", "jobInputType": "UriFolder"}},
        "compute": {"target": PATH.compute("c"), "instanceCount": None, "isLocal": False, "properties": None},
        "retrySettings": {"maxRetries": 3, "timeout": "PT30S"},
        "status": "Preparing",
        "interactionEndpoints": _ENDPOINTS,
        "properties": {"azureml.parameters": json.dumps(_PARAMETERS), "runType": "HTTP"},
        "name": "careful_bulb_plwyqfx0",
    }
    body = {
        "id": f"{PATH.deployment('heart', 'blue')}/jobs/{own['name']}",
        "name": own["name"],
        "properties": {**shared, **own["properties"]},
        "systemData": own["systemData"],
    }
    desk = Desk({f"POST {SCORING}": reply(201, body)})

    job = BatchEndpoints(desk.workspace)._made(endpoint_body("blue")).invoke(folder("https://a.net/b"))

    assert (job.name, job.status, job.display_name) == (own["name"], JobStatus.PREPARING, "careful_bulb_plwyqfx0")
    assert (job.endpoint_name, job.deployment_name, job.studio_url) == ("heart", "blue", "https://ml.azure.com/runs/j")
    assert job.created_at is not None and str(job.created_at.year) in own["systemData"]["createdAt"]
    assert job._snapshot.body.output_file_name == "rows.csv"


@pytest.mark.parametrize(
    "more", [{}, {"startTime": "2022-10-31T18:47:57.061945+00:00", "percentComplete": 100.0, "endTime": "2022-10-31Z"}]
)
def test_the_state_of_an_operation_is_read_alike_from_both_stacks(more: dict[str, Any]) -> None:
    creating = reply(201, endpoint_body(state="Creating"), OPERATION)
    desk = Desk({**BASICS, f"PUT {URL}": creating, "GET /op-1": operation("Succeeded", **more), f"GET {URL}": READY})

    assert BatchEndpoints(desk.workspace).create("heart").provisioning_state is ProvisioningState.SUCCEEDED


# ------------------------------------------------------------------ answers that are none


@pytest.mark.parametrize("content", [b"<html>Sign in</html>", b"OK", b"{", b"\xff\xfe"])
def test_a_page_in_place_of_an_answer_is_named(content: bytes) -> None:
    desk = Desk({f"GET {URL}": reply(200, content, {"Content-Type": "text/html"})})

    with pytest.raises(TransportError, match=r"'management\.azure\.com' answered with something that is not JSON"):
        BatchEndpoints(desk.workspace).get("heart")


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"<html>Bad Gateway</html>", "a web page came with status 502"),
        (b"", "the service answered 502"),
        (b"null", "the service answered 502"),
        (b'{"error": null}', "the service answered 502"),
        (b'{"error": "plain"}', "plain"),
        (b'{"error": {"message": "no", "details": null}}', "no"),
        (b'{"error": {"code": "X", "details": [null, {"message": "inner"}]}}', "inner"),
        (b"[1]", "the service answered 502"),
    ],
)
def test_an_error_of_any_shape_is_an_error_of_ours(content: bytes, said: str) -> None:
    desk = Desk({f"GET {URL}": reply(502, content)})

    with pytest.raises(ServiceError, match=said) as caught:
        BatchEndpoints(desk.workspace).get("heart")
    assert caught.value.status_code == 502


@pytest.mark.parametrize("answer", [reply(200), reply(200, []), reply(200, "text"), reply(204)])
def test_a_compute_that_is_answered_with_nothing_is_asked_for_again(answer: Step) -> None:
    url = PATH.compute("nodes")
    ready = {"id": url, "name": "nodes", "properties": {"provisioningState": "Succeeded", "computeType": "AmlCompute"}}
    desk = Desk({**BASICS, f"PUT {url}": answer, f"GET {url}": reply(body=ready)})

    assert Computes(desk.workspace).create(ComputeSpec(name="nodes")).name == "nodes"
