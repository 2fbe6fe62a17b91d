"""Endpoints: create, invoke, default, update, delete, list."""

from __future__ import annotations

import pickle
from typing import Any

import pytest

from azure_batch_endpoints import RetrySettings, _progress, file, folder
from azure_batch_endpoints._entity import Snapshot
from azure_batch_endpoints._wire.models import DeploymentBody
from azure_batch_endpoints.deployments import BatchDeployment
from azure_batch_endpoints.endpoints import BatchEndpoint, BatchEndpoints
from azure_batch_endpoints.errors import (
    InvalidInputError,
    LocalPathError,
    NotFoundError,
    OperationFailedError,
    SpecError,
    TransportError,
    WaitTimeoutError,
)
from azure_batch_endpoints.specs import EndpointSpec
from azure_batch_endpoints.states import ProvisioningState
from tests.unit.fake_service import (
    BASICS,
    JOB,
    LOCAL,
    OPERATION,
    PATH,
    SCORING,
    Desk,
    deployment_body,
    endpoint_body,
    invoked_body,
    job_body,
    not_found,
    operation,
)
from tests.unit.fake_transport import reply

GET = "GET batchEndpoints/heart"
PUT = "PUT batchEndpoints/heart"
STATUS = "GET operations/op-1"


def endpoint(routes: dict[str, Any], *, default: str | None = "blue") -> tuple[BatchEndpoint, Desk]:
    """An endpoint already read; what was sent for that is forgotten."""
    desk = Desk({**BASICS, GET: reply(body=endpoint_body(default)), **routes})
    made = BatchEndpoints(desk.workspace)._made(endpoint_body(default))
    return made, desk


# ------------------------------------------------------------------ create, wait, refresh


def test_create_waits_for_the_operation_and_returns_the_endpoint() -> None:
    desk = Desk(
        {
            **BASICS,
            PUT: reply(201, endpoint_body(state="Creating", scoringUri=None), OPERATION),
            STATUS: [operation("Updating"), operation("Succeeded")],
            GET: reply(body=endpoint_body()),
        }
    )

    made = BatchEndpoints(desk.workspace).create("heart")

    assert made.provisioning_state is ProvisioningState.SUCCEEDED
    assert made.scoring_uri == SCORING
    assert desk.bodies("PUT") == [
        {"location": "westeurope", "tags": {}, "properties": {"authMode": "aadToken", "properties": {}}}
    ]


def test_create_without_waiting_returns_what_is_known_and_wait_goes_on() -> None:
    desk = Desk(
        {
            **BASICS,
            PUT: reply(201, endpoint_body(state="Creating", scoringUri=None), OPERATION),
            STATUS: operation("Succeeded"),
            GET: reply(body=endpoint_body()),
        }
    )

    made = BatchEndpoints(desk.workspace).create(EndpointSpec(name="heart", tags={"a": "1"}), wait=False)

    assert (made.provisioning_state, made.scoring_uri) == (ProvisioningState.CREATING, "")
    assert made.wait() is made
    assert made.provisioning_state is ProvisioningState.SUCCEEDED


def test_a_forbidden_name_is_refused_and_nothing_is_sent() -> None:
    desk = Desk({})

    with pytest.raises(SpecError, match="name is 'my_heart'"):
        BatchEndpoints(desk.workspace).create("my_heart")
    assert desk.sent == []


def test_an_operation_that_failed_is_an_error_with_the_endpoint_and_the_reason() -> None:
    ended = {"status": "Failed", "error": {"code": "Quota", "message": "No quota left."}}
    failed = reply(body=ended, headers={"x-ms-request-id": "r-7"})
    desk = Desk(
        {**BASICS, PUT: reply(201, endpoint_body(state="Creating"), OPERATION), STATUS: failed, GET: not_found()}
    )

    with pytest.raises(OperationFailedError) as caught:
        BatchEndpoints(desk.workspace).create("heart")

    assert "The endpoint 'heart' ended Failed: No quota left. " in str(caught.value)
    assert caught.value.request_id == "r-7" and str(caught.value).endswith("Request id r-7.")
    assert isinstance(caught.value.resource, BatchEndpoint)


def test_wait_raises_when_the_deadline_passes_and_names_the_endpoint() -> None:
    desk = Desk({**BASICS, PUT: reply(201, endpoint_body(state="Creating"), OPERATION), STATUS: operation("Updating")})

    with pytest.raises(WaitTimeoutError) as caught:
        BatchEndpoints(desk.workspace).create("heart", timeout=30)

    assert str(caught.value) == (
        "The endpoint 'heart' is still Creating after 30 s. It goes on; wait() again or refresh()."
    )
    assert caught.value.resource == BatchEndpoints(desk.workspace)._made(endpoint_body())
    assert desk.clock.now <= 30.001


def test_wait_without_an_operation_looks_until_the_state_is_an_end() -> None:
    states = ["Updating", "Inventing", "Succeeded"]
    made, desk = endpoint({GET: [reply(body=endpoint_body(state=one)) for one in states]})
    made.refresh()

    made.wait(timeout=60)

    assert made.provisioning_state is ProvisioningState.SUCCEEDED
    assert len(desk.sent) == 3


def test_wait_takes_the_pause_that_the_service_asks_for() -> None:
    asked = reply(body=endpoint_body(state="Updating"), headers={"Retry-After": "7"})
    made, desk = endpoint({GET: [asked, reply(body=endpoint_body())]})

    made.refresh().wait()

    assert desk.clock.pauses == [7.0]


@pytest.mark.parametrize("state", ["Failed", "Canceled"])
def test_wait_raises_for_a_bad_end_that_is_there_already(state: str) -> None:
    made, _ = endpoint({GET: reply(body=endpoint_body(state=state))})

    with pytest.raises(OperationFailedError, match=f"The endpoint 'heart' ended {state}: the service gave no reason"):
        made.refresh().wait()


def test_wait_takes_an_answer_without_a_state_for_ready() -> None:
    made, desk = endpoint({GET: reply(body=endpoint_body(state=None))})

    assert made.refresh().wait() is made
    assert len(desk.sent) == 1


def test_an_answer_of_another_shape_is_an_error_of_ours_with_its_cause() -> None:
    made, _ = endpoint({GET: reply(body={"id": "x", "properties": "no"})})

    with pytest.raises(TransportError, match="cannot be read") as caught:
        made.refresh()
    assert isinstance(caught.value.__cause__, ValueError)


# ------------------------------------------------------------------ what an entity shows


def test_no_property_sends_a_request() -> None:
    made, desk = endpoint({})

    shown: list[object] = [
        made.id,
        made.name,
        made.scoring_uri,
        made.provisioning_state,
        made.default_deployment_name,
        made.tags,
    ]
    shown += [made.description, made.fetched_at, made.raw, made.deployments, repr(made), made._repr_html_()]

    assert desk.sent == [] and None not in shown


def test_repr_shows_name_state_and_age() -> None:
    made, _ = endpoint({})

    assert repr(made) == "BatchEndpoint('heart', Succeeded, 0 s ago)"
    assert "<td" in made._repr_html_() and "0 s ago" in made._repr_html_()


def test_two_objects_of_one_id_are_equal_in_any_case() -> None:
    made, desk = endpoint({})
    other = endpoint_body()
    other["id"] = str(other["id"]).upper()

    assert made == BatchEndpoints(desk.workspace)._made(other)
    assert len({made, BatchEndpoints(desk.workspace)._made(other)}) == 1
    assert made != "heart"


def test_raw_cannot_be_changed() -> None:
    made, _ = endpoint({})

    with pytest.raises(TypeError):
        made.raw["name"] = "x"  # type: ignore[index]  # what a user may try
    assert pickle.loads(pickle.dumps(dict(made.raw)))["name"] == "heart"


# ------------------------------------------------------------------ invoke


def test_invoke_on_a_known_endpoint_is_one_request_and_does_not_wait() -> None:
    made, desk = endpoint({"POST /jobs": reply(201, invoked_body())})

    job = made.invoke(folder("https://a.net/b"))

    assert desk.sent == [f"POST {SCORING}"]
    assert (job.name, job.endpoint_name, job.deployment_name) == (JOB, "heart", "blue")
    assert desk.body()["properties"]["inputData"] == {
        "UriFolder": {"jobInputType": "UriFolder", "uri": "https://a.net/b/"}
    }
    assert "azureml-model-deployment" not in desk.transport.requests[0].headers
    assert desk.clock.pauses == []


def test_invoke_passes_every_override_on() -> None:
    made, desk = endpoint({"POST /jobs": reply(201, invoked_body("mine", deployment="green"))})

    made.invoke(
        inputs={"data": file("https://a.net/b.csv"), "rate": 0.5},
        deployment="green",
        output="azureml://datastores/s/paths/o/",
        output_file_name="r.csv",
        mini_batch_size=1,
        instance_count=2,
        max_concurrency_per_instance=3,
        error_threshold=-1,
        retry_settings=RetrySettings(max_retries=1, timeout=5),
        logging_level="debug",
        job_name="mine",
        experiment_name="trial",
        tags={"a": "b"},
    )

    sent = desk.body()["properties"]
    assert desk.transport.requests[0].headers["azureml-model-deployment"] == "green"
    assert (sent["name"], sent["loggingLevel"], sent["errorThreshold"], sent["tags"]) == (
        "mine",
        "debug",
        -1,
        {"a": "b"},
    )
    assert sent["inputData"]["rate"] == {"jobInputType": "Literal", "value": "0.5"}


def test_invoke_without_a_default_leaves_the_choice_among_several_deployments() -> None:
    made, _ = endpoint(
        {"GET deployments": reply(body={"value": [deployment_body("blue"), deployment_body("green")]})}, default=None
    )

    with pytest.raises(InvalidInputError, match=r"Pass deployment=<name> .* There are: blue, green\."):
        made.invoke(folder("https://a.net/b"))


def test_invoke_without_any_default_names_the_deployments_there_are() -> None:
    routes = {"GET deployments": reply(body={"value": [deployment_body("blue")]})}
    made, desk = endpoint(routes, default=None)

    with pytest.raises(InvalidInputError) as caught:
        made.invoke(folder("https://a.net/b"))

    assert str(caught.value) == (
        "Endpoint 'heart' has no default deployment, and invoke() named none. "
        'Pass deployment="blue" or call endpoint.set_default("blue").'
    )
    assert not [one for one in desk.sent if one.startswith("POST")]


def test_invoke_without_any_deployment_says_how_to_make_one() -> None:
    made, _ = endpoint({"GET deployments": reply(body={"value": []})}, default=None)

    with pytest.raises(
        InvalidInputError, match=r"has no deployment at all: create one with endpoint.deployments.create"
    ):
        made.invoke(folder("https://a.net/b"))


def test_invoke_looks_again_for_a_default_that_was_set_since() -> None:
    made, desk = endpoint(
        {GET: reply(body=endpoint_body("blue")), "POST /jobs": reply(201, invoked_body())}, default=None
    )

    made.invoke(folder("https://a.net/b"))

    assert desk.sent == ["GET WS/batchEndpoints/heart", f"POST {SCORING}"]


def test_invoke_on_an_endpoint_in_the_making_says_to_wait_and_uploads_nothing() -> None:
    body = endpoint_body("blue", state="Creating", scoringUri=None)
    desk = Desk({**BASICS, GET: reply(body=body)})
    made = BatchEndpoints(desk.workspace)._made(body)

    with pytest.raises(
        InvalidInputError, match=r"'heart' is Creating and has no scoring URI yet\. Call endpoint\.wait"
    ):
        made.invoke("./data-that-would-be-uploaded")


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({}, "needs exactly one of an input and inputs="),
        ({"inputs": {}}, "inputs= is empty. Pass at least one input."),
        ({"inputs": {"a": "sales:3"}}, "can be read as a data set or as a path"),
        ({"deployment": "", "inputs": {"a": "https://a.net/b"}}, "'' is not the name of a deployment"),
        ({"deployment": 3, "inputs": {"a": "https://a.net/b"}}, "3 is not the name of a deployment"),
        ({"output": "./x", "inputs": {"a": "https://a.net/b"}}, "is not a folder on a datastore"),
    ],
)
def test_a_wrong_invoke_is_refused_before_anything_is_sent(given: dict[str, Any], said: str) -> None:
    made, desk = endpoint({})

    with pytest.raises(InvalidInputError) as caught:
        made.invoke(**given)

    assert said in str(caught.value)
    assert desk.sent == []


def test_a_deployment_of_another_endpoint_is_not_taken_for_one_of_the_same_name_here() -> None:
    made, desk = endpoint({})
    other = BatchDeployment(desk.workspace, "lung", Snapshot.take(DeploymentBody.read, deployment_body()))

    for act in (lambda: made.invoke("https://a.net/b.csv", deployment=other), lambda: made.set_default(other)):
        with pytest.raises(InvalidInputError, match="Deployment 'blue' is one of endpoint 'lung', not of 'heart'"):
            act()
    assert desk.sent == []


def test_both_input_and_inputs_are_refused() -> None:
    with pytest.raises(InvalidInputError, match="exactly one"):
        endpoint({})[0].invoke("./x", inputs={"a": "./x"})


def test_a_local_path_that_is_not_there_is_named_and_nothing_is_sent() -> None:
    made, desk = endpoint({})

    with pytest.raises(LocalPathError, match="no-such-folder"):
        made.invoke("./no-such-folder")
    assert desk.sent == []


def test_an_input_of_type_file_goes_under_its_own_name() -> None:
    made, desk = endpoint({"POST /jobs": reply(201, invoked_body())})

    made.invoke("https://a.net/b.csv")

    assert list(desk.body()["properties"]["inputData"]) == ["UriFile"]


# ------------------------------------------------------------------ default, update, delete, list


def test_set_default_puts_the_whole_endpoint_back_with_the_new_default() -> None:
    made, desk = endpoint({PUT: reply(200, endpoint_body("green"))}, default=None)

    assert made.set_default("green") is made

    assert made.default_deployment_name == "green"
    assert desk.bodies("PUT") == [
        {
            "location": "westeurope",
            "tags": {"team": "a"},
            "properties": {
                "authMode": "aadToken",
                "description": "of hearts",
                "properties": {"kept": "yes"},
                "defaults": {"deploymentName": "green"},
            },
        }
    ]


def test_update_keeps_what_is_not_given() -> None:
    made, desk = endpoint({PUT: reply(200, endpoint_body("blue"))})

    assert made.update(description="new") is made
    made.update(tags={"b": "2"}, wait=False)

    first, second = desk.bodies("PUT")
    assert (first["properties"]["description"], first["tags"]) == ("new", {"team": "a"})
    assert (second["properties"]["description"], second["tags"]) == ("new", {"b": "2"})
    for body in (first, second):
        assert body["properties"]["defaults"] == {"deploymentName": "blue"}
        assert body["properties"]["properties"] == {"kept": "yes"}


def test_update_with_nothing_to_change_is_refused() -> None:
    made, desk = endpoint({})

    with pytest.raises(InvalidInputError, match=r"Endpoint 'heart': nothing to update\. Pass description or tags\."):
        made.update()
    assert desk.sent == []


def test_an_endpoint_with_a_name_this_package_would_refuse_can_be_updated() -> None:
    body = {**endpoint_body(), "name": "1_odd", "id": PATH.endpoint("1_odd")}
    desk = Desk({**BASICS, "GET batchEndpoints/1_odd": reply(body=body), "PUT batchEndpoints/1_odd": reply(body=body)})

    BatchEndpoints(desk.workspace).get("1_odd").update(description="x")

    assert desk.bodies("PUT")[0]["properties"]["description"] == "x"


def test_delete_waits_for_the_end_or_not() -> None:
    routes = {"DELETE heart": reply(202, b"null", OPERATION), STATUS: [operation("Updating"), operation("Succeeded")]}
    made, desk = endpoint(routes)

    made.delete(wait=False)
    assert desk.sent == ["DELETE WS/batchEndpoints/heart"]
    made.delete()
    assert len(desk.sent) == 4


def test_delete_tells_when_it_fails_or_takes_too_long() -> None:
    made, _ = endpoint({"DELETE heart": reply(202, b"null", OPERATION), STATUS: operation("Failed")})
    with pytest.raises(OperationFailedError, match="The endpoint 'heart' ended Failed"):
        made.delete()
    slow, _ = endpoint({"DELETE heart": reply(202, b"null", OPERATION), STATUS: operation("Updating")})
    with pytest.raises(WaitTimeoutError, match="The endpoint 'heart' is still being deleted after 5 s"):
        slow.delete(timeout=5)


def test_an_endpoint_that_is_not_there_is_named() -> None:
    desk = Desk({**BASICS, GET: not_found("NoSuchEndpoint", "There is no endpoint with name: heart in space-1")})

    with pytest.raises(NotFoundError, match=r"Could not read endpoint 'heart': .*no endpoint with name: heart"):
        BatchEndpoints(desk.workspace).get("heart")


def test_a_name_of_nothing_is_refused_before_anything_is_sent() -> None:
    desk = Desk({})

    for name in ("", ".."):
        with pytest.raises(InvalidInputError, match="is not a name"):
            BatchEndpoints(desk.workspace).get(name)
    assert desk.sent == []


def test_list_asks_only_as_far_as_it_is_read() -> None:
    pages = [
        reply(
            body={"value": [endpoint_body()], "nextLink": f"https://management.azure.com{PATH}/batchEndpoints?page=2"}
        ),
        reply(body={"value": [endpoint_body()]}),
    ]
    desk = Desk({**BASICS, "GET batchEndpoints": pages})

    listed = BatchEndpoints(desk.workspace).list()
    assert desk.sent == []
    first = next(iter(listed))
    assert (first.name, len(desk.sent)) == ("heart", 1)


def test_the_jobs_of_an_endpoint_are_asked_for_with_the_first_one() -> None:
    made, desk = endpoint({"GET heart/jobs": reply(body={"value": [invoked_body(), job_body(name="j2")]})})

    jobs = made.list_jobs()

    assert desk.sent == []
    assert [job.name for job in jobs] == [JOB, "j2"]
    assert str(desk.transport.requests[-1].headers["Authorization"]).endswith("https://ml.azure.com/.default")
    assert "api-version=2020-09-01-dataplanepreview" in str(desk.transport.requests[-1].url)


def test_waiting_on_the_local_service_looks_quickly() -> None:
    desk = Desk(
        {**BASICS, GET: [reply(body=endpoint_body(state="Updating"))] * 3 + [reply(body=endpoint_body())]}, base=LOCAL
    )

    BatchEndpoints(desk.workspace).get("heart").wait()

    assert max(desk.clock.pauses) <= 0.5


def test_an_upload_draws_no_bar_when_stderr_is_no_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    endpoint({"POST /jobs": reply(201, invoked_body())})[0].invoke(folder("https://a.net/b"))

    assert not _progress.wanted(None)
    assert capsys.readouterr() == ("", "")
