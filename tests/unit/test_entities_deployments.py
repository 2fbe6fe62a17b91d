"""Deployments: create, update, default, delete, list."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from azure_batch_endpoints.deployments import BatchDeployment, BatchDeployments
from azure_batch_endpoints.endpoints import BatchEndpoints
from azure_batch_endpoints.errors import (
    InvalidInputError,
    LocalPathError,
    NotFoundError,
    OperationFailedError,
    ScoringScriptError,
    WaitTimeoutError,
)
from azure_batch_endpoints.specs import DeploymentSpec, RunSettings
from azure_batch_endpoints.states import ProvisioningState
from tests.unit.fake_service import (
    BASICS,
    JOB,
    OPERATION,
    PATH,
    Desk,
    deployment_body,
    endpoint_body,
    invoked_body,
    not_found,
    operation,
)
from tests.unit.fake_transport import reply

CODE = PATH.asset("codes", "c", "1")
SPEC = DeploymentSpec(
    name="blue",
    model="azureml:m:1",
    code=CODE,
    scoring_script="score.py",
    environment="azureml:e:2",
    compute="azureml:cluster",
    settings=RunSettings(mini_batch_size=5),
    tags={"k": "v"},
)
GET, PUT, STATUS = "GET deployments/blue", "PUT deployments/blue", "GET operations/op-1"


def desk_for(routes: dict[str, Any]) -> tuple[BatchDeployments, Desk]:
    desk = Desk({**BASICS, GET: reply(body=deployment_body()), PUT: reply(200, deployment_body()), **routes})
    return BatchDeployments(desk.workspace, "heart"), desk


def test_create_resolves_references_waits_and_leaves_the_spec_as_it_is() -> None:
    before = SPEC.model_copy(deep=True)
    deployments, desk = desk_for(
        {PUT: reply(201, deployment_body(state="Updating"), OPERATION), STATUS: operation("Succeeded")}
    )

    made = deployments.create(SPEC)
    deployments.create(SPEC)

    assert made.provisioning_state is ProvisioningState.SUCCEEDED
    assert before == SPEC
    first, second = desk.bodies("PUT")
    assert first == second
    assert first["properties"]["model"]["assetId"] == PATH.asset("models", "m", "1")
    assert first["properties"]["codeConfiguration"] == {"codeId": CODE, "scoringScript": "score.py"}
    assert first["properties"]["compute"] == PATH.compute("cluster")


@pytest.mark.parametrize(
    ("script", "kind"),
    [("def init(: ...\n", ScoringScriptError), ("def init(): ...\n", ScoringScriptError), (None, LocalPathError)],
)
def test_create_and_update_raise_before_anything_is_sent_for_a_bad_script(
    tmp_path: Path, script: str | None, kind: type[InvalidInputError]
) -> None:
    if script is not None:
        (tmp_path / "score.py").write_text(script)
    spec = DeploymentSpec(name="blue", model="azureml:m:1", code=tmp_path, scoring_script="score.py")
    deployments, desk = desk_for({})
    made = deployments._made(deployment_body())

    with pytest.raises(kind, match="The deployment 'blue' was not created; nothing was uploaded"):
        deployments.create(spec)
    with pytest.raises(kind, match="The deployment 'blue' stays as it is; nothing was uploaded"):
        made.update(spec)

    assert desk.sent == []


def test_create_does_not_make_it_the_default_unless_asked() -> None:
    deployments, desk = desk_for({})

    deployments.create(SPEC)

    assert not [one for one in desk.sent if one == "PUT WS/batchEndpoints/heart"]


def test_create_with_set_default_waits_for_the_endpoint_too() -> None:
    deployments, desk = desk_for(
        {
            "GET batchEndpoints/heart": reply(body=endpoint_body("blue")),
            "PUT batchEndpoints/heart": reply(201, endpoint_body("blue", state="Updating"), OPERATION),
            STATUS: [operation("Updating"), operation("Succeeded")],
        }
    )

    deployments.create(SPEC, set_default=True, wait=False)

    assert desk.bodies("PUT")[-1]["properties"]["defaults"] == {"deploymentName": "blue"}
    assert desk.sent[-1] == "GET WS/batchEndpoints/heart"


def test_the_endpoint_object_shows_the_default_that_was_made_through_it() -> None:
    _, desk = desk_for(
        {
            "GET batchEndpoints/heart": [reply(body=endpoint_body(None)), reply(body=endpoint_body("blue"))],
            "PUT batchEndpoints/heart": reply(200, endpoint_body("blue")),
        }
    )
    endpoint = BatchEndpoints(desk.workspace).get("heart")
    assert endpoint.default_deployment_name is None

    endpoint.deployments.create(SPEC, set_default=True)

    assert endpoint.default_deployment_name == "blue"


def test_what_is_no_spec_is_refused_with_how_to_read_one_from_a_file() -> None:
    deployments, desk = desk_for({})
    anything: Any = "deployment.yml"

    with pytest.raises(InvalidInputError, match=r"'deployment.yml' is no DeploymentSpec.*from_yaml"):
        deployments.create(anything)
    assert desk.sent == []


def test_a_card_names_model_and_compute_as_people_write_them() -> None:
    made = desk_for({})[0].get("blue")

    rows = dict(made._rows())
    assert (rows["model"], rows["compute"]) == ("azureml:m:1", "cluster")
    assert "/subscriptions/" not in made._repr_html_()


def test_a_collection_shows_its_verbs() -> None:
    assert repr(desk_for({})[0]) == "<BatchDeployments: create(spec), get(name), list()>"


def test_a_default_that_cannot_be_set_is_told_with_the_deployment_that_was_made() -> None:
    routes = {
        "GET batchEndpoints/heart": reply(body=endpoint_body()),
        "PUT batchEndpoints/heart": reply(201, endpoint_body(state="Updating"), OPERATION),
    }
    deployments, _ = desk_for({**routes, STATUS: operation("Failed", error={"message": "Busy."})})
    with pytest.raises(
        OperationFailedError, match="make deployment 'blue' the default of endpoint 'heart': Busy"
    ) as failed:
        deployments.create(SPEC, set_default=True)
    slow, _ = desk_for({**routes, STATUS: operation("Updating")})
    with pytest.raises(
        WaitTimeoutError, match="The time was over before the service could make deployment 'blue'"
    ) as late:
        slow.create(SPEC, set_default=True, timeout=3)

    assert isinstance(failed.value.resource, BatchDeployment) and isinstance(late.value.resource, BatchDeployment)


def test_the_seconds_to_wait_are_those_that_were_asked_for() -> None:
    deployments, _ = desk_for(
        {PUT: reply(201, deployment_body(state="Updating"), OPERATION), STATUS: operation("Updating")}
    )

    with pytest.raises(WaitTimeoutError, match="deployment 'blue' of endpoint 'heart' is still Updating after 12 s"):
        deployments.create(SPEC, timeout=12)


def test_update_keeps_what_is_not_given() -> None:
    deployments, desk = desk_for({})
    made = deployments._made(deployment_body(miniBatchSize=99))  # old by now

    assert made.update(description="new") is made
    made.update(tags={"b": "2"}, wait=False)
    made.update(settings=RunSettings(mini_batch_size=1))

    first, second, third = desk.bodies("PUT")
    assert (first["properties"]["description"], first["tags"], first["properties"]["miniBatchSize"]) == (
        "new",
        {"k": "v"},
        5,
    )
    assert (second["tags"], second["properties"]["environmentVariables"]) == ({"b": "2"}, {"A": "1"})
    assert (third["properties"]["miniBatchSize"], third["properties"]["description"]) == (1, "new")
    assert first["properties"]["codeConfiguration"]["codeId"] == CODE


def test_update_with_a_spec_replaces_the_whole() -> None:
    deployments, desk = desk_for({})

    deployments.get("blue").update(SPEC, description="over it")

    (body,) = desk.bodies("PUT")
    assert body["properties"]["description"] == "over it"
    assert body["properties"]["environmentId"] == PATH.asset("environments", "e", "2")


def test_an_update_that_the_service_refuses_is_called_one() -> None:
    deployments, _ = desk_for({PUT: not_found()})

    with pytest.raises(NotFoundError, match="Could not update deployment 'blue' of endpoint 'heart'"):
        deployments._made(deployment_body()).update(description="new")


def test_update_with_nothing_or_with_another_name_is_refused() -> None:
    deployments, desk = desk_for({})
    made = deployments._made(deployment_body())

    with pytest.raises(InvalidInputError, match=r"Deployment 'blue': nothing to update\. Pass a spec, settings"):
        made.update()
    with pytest.raises(InvalidInputError, match="The spec is of deployment 'green', not 'blue'"):
        made.update(DeploymentSpec(name="green", model="azureml:m:1"))
    assert desk.sent == []


def test_no_property_sends_a_request_and_repr_shows_name_state_and_age() -> None:
    deployments, desk = desk_for({})
    made = deployments._made(deployment_body())

    assert made.spec.settings.mini_batch_size == 5
    assert made.settings == made.spec.settings and made.description == made.spec.description
    assert made.endpoint_name == "heart" and made.tags == {"k": "v"}
    assert repr(made) == "BatchDeployment('blue', Succeeded, 0 s ago)"
    assert "mini-batch size" in made._repr_html_()
    assert desk.sent == []


def test_a_deployment_with_nothing_in_it_is_shown_all_the_same() -> None:
    made = desk_for({})[0]._made({"name": "blue", "id": "x", "properties": {}})

    assert "blue" in made._repr_html_()
    assert made.provisioning_state is ProvisioningState.UNKNOWN


def test_delete_and_lists_ask_the_deployments_own_routes() -> None:
    deployments, desk = desk_for(
        {
            "DELETE deployments/blue": reply(200),
            "GET deployments": reply(body={"value": [deployment_body()]}),
            "GET deployments/blue/jobs": reply(body={"value": [invoked_body()]}),
        }
    )

    (made,) = deployments.list()
    assert [job.name for job in made.list_jobs()] == [JOB]
    made.delete()

    assert desk.sent[-1] == "DELETE WS/batchEndpoints/heart/deployments/blue"
    assert made == deployments.get("blue")
