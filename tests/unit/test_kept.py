"""What was asked for against what was kept: every field that is sent is looked for, and what may change may change."""

from __future__ import annotations

import copy
import json
import warnings
from collections.abc import Callable, Iterator, Mapping
from dataclasses import fields, replace
from typing import Any, cast

import pytest

from azure_batch_endpoints import (
    ComputeSpec,
    DatasetSpec,
    DeploymentSpec,
    EndpointSpec,
    EnvironmentSpec,
    Job,
    JobStatus,
    Model,
    Models,
    ModelSpec,
    NotKept,
    NotKeptError,
    NotKeptWarning,
    RetrySettings,
    RunSettings,
)
from azure_batch_endpoints._spec_base import Spec
from azure_batch_endpoints._wire import alike, bodies_2021, convert, kept, kept_job
from azure_batch_endpoints.endpoints import BatchEndpoint, BatchEndpoints
from azure_batch_endpoints.inputs import Input, folder
from tests.contract.pair_files import NAMES, pair
from tests.unit.fake_service import BASICS, PATH, Desk, endpoint_body, invoked_body, job_body
from tests.unit.fake_transport import reply

RUN = {
    "mini_batch_size": 7,
    "max_concurrency_per_instance": 3,
    "instance_count": 2,
    "error_threshold": 4,
    "retry_settings": RetrySettings(max_retries=5, timeout=60),
    "output_action": "summary_only",
    "output_file_name": "rows.csv",
    "logging_level": "debug",
    "environment_variables": {"MODE": "fast"},
    "isolate_failures": True,
}
TEXTS = {"description": "first", "tags": {"Team": "A"}, "properties": {"Owner": "ana"}}
VALUES: dict[type[Spec], dict[str, Any]] = {
    EndpointSpec: {"auth_mode": "aad_token", "default_deployment": "blue", **TEXTS},
    RunSettings: RUN,
    RetrySettings: {"max_retries": 5, "timeout": 60},
    ModelSpec: {"path": "azureml://datastores/s/paths/m", "type": "mlflow_model", **TEXTS},
    EnvironmentSpec: {"image": "base:2", "conda_file": {"name": "env"}, **TEXTS},
    DatasetSpec: {"path": "azureml://datastores/s/paths/d", "type": "uri_file", **TEXTS},
    ComputeSpec: {
        **{
            "type": "ray",
            "address": "127.0.0.1:1",
            "location": "westus",
            "size": "Standard_D2",
            "tier": "low_priority",
        },
        **{"min_instances": 1, "max_instances": 3, "idle_time_before_scale_down": 300, "description": "nodes"},
        **{"tags": {"Team": "A"}},
    },
    DeploymentSpec: {
        **{"model": "m", "code": "c", "scoring_script": "score.py", "environment": "e", "compute": "cluster"},
        **{"settings": RunSettings(**RUN), "instrument": True, **TEXTS},
    },
}
"""A value of every field that is sent, none of them the default."""
IN_THE_URL = {"name", "version"}
ELSEWHERE = {
    (EndpointSpec, "auth_mode"): "there is one mode",
    (DeploymentSpec, "instrument"): "its script and its property",
}
"""Fields whose loss cannot show as one of their own."""
ASSETS = convert.DeploymentAssets(
    model_id=PATH.asset("models", "digits", "1"),
    code_id=PATH.asset("codes", "score", "1"),
    environment_id=PATH.asset("environments", "env", "1"),
    compute_id=PATH.compute("cluster"),
)


def endpoint(spec: EndpointSpec) -> dict[str, Any]:
    return convert.endpoint_body(spec, "westeurope")


def deployment(spec: DeploymentSpec) -> dict[str, Any]:
    return convert.deployment_body(spec, ASSETS, "westeurope")


def compute(spec: ComputeSpec) -> dict[str, Any]:
    return convert.compute_body(spec, "westeurope")


def model(spec: ModelSpec) -> dict[str, Any]:
    return convert.model_body(spec, str(spec.path), spec.type or "custom_model")


def environment(spec: EnvironmentSpec) -> dict[str, Any]:
    conda = spec.conda_file
    return convert.environment_body(spec, convert.conda_text(conda) if isinstance(conda, Mapping) else None)


def dataset(spec: DatasetSpec) -> dict[str, Any]:
    return convert.data_body(spec, str(spec.path), spec.type or "uri_folder")


def full(kind: type[Spec]) -> Any:  # noqa: ANN401 (a spec of that kind)
    return kind(**{"name": "heart", **VALUES[kind]})


BODIES: dict[str, dict[str, Any]] = {
    "endpoint": endpoint(full(EndpointSpec)),
    "deployment": deployment(full(DeploymentSpec)),
    "compute": compute(full(ComputeSpec)),
    "model": model(full(ModelSpec)),
    "environment": environment(full(EnvironmentSpec)),
    "dataset": dataset(full(DatasetSpec)),
    "model of 2021": bodies_2021.asset(model(full(ModelSpec))),
    "dataset of 2021": bodies_2021.asset(dataset(full(DatasetSpec))),
}
"""The body of every request that makes something, each with every field."""


def places(body: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:  # noqa: ANN401 (JSON)
    inner = body.items() if isinstance(body, dict) else enumerate(body) if isinstance(body, list) else None
    if inner is None:
        yield path
    else:
        for key, value in inner:
            yield from places(value, (*path, key))


def without(body: Any, path: tuple[Any, ...], put: Any = None) -> Any:  # noqa: ANN401 (JSON)
    """A copy with another value at a place, or with nothing there."""
    changed = copy.deepcopy(body)
    here = changed
    for key in path[:-1]:
        here = here[key]
    if put is None:
        del here[path[-1]]
    else:
        here[path[-1]] = put
    return changed


LEAVES = [
    (name, path)
    for name, body in BODIES.items()
    for path in places(body)
    if ".".join(map(str, path)) not in kept.NOT_COMPARED or (name == "compute" and path == ("location",))
]


def other(value: object) -> object:
    """Another value of its kind."""
    if isinstance(value, int | float):
        return value + 1
    changed = {"PT1M": "PT7M", "PT5M": "PT7M"}
    text = str(value)
    return changed.get(text) or (f"{text[:-1]}9" if text.startswith(("/", "azureml:")) else f"{text}x")


@pytest.mark.parametrize("name", BODIES)
def test_what_was_kept_as_it_was_asked_for_is_no_loss(name: str) -> None:
    assert kept.losses(BODIES[name], BODIES[name]) == []


@pytest.mark.parametrize(("name", "path"), LEAVES, ids=[f"{name}: {'.'.join(map(str, path))}" for name, path in LEAVES])
def test_each_value_that_was_sent_is_missed_when_it_is_dropped_or_another(name: str, path: tuple[Any, ...]) -> None:
    body = BODIES[name]
    here = body
    for key in path:
        here = here[key]

    changed = kept.losses(body, without(body, path, other(here)))
    dropped = kept.losses(body, without(body, path))

    assert len(changed) == 1 and changed[0].field.kept is not None, changed
    if path != ("properties", "authMode"):  # there is one, which the service takes where none is named
        assert len(dropped) == 1 and dropped[0].field.kept is None, dropped
    light = bool({"tags", "description"} & set(path)) or path[:2] == ("properties", "properties")
    assert changed[0].matters is not (light and (name != "compute" or "properties" not in path[1:]))


@pytest.mark.parametrize("kind", VALUES)
def test_every_field_of_a_spec_has_a_value_here_so_that_a_new_one_is_not_forgotten(kind: type[Spec]) -> None:
    asked = set(kind.model_fields) - IN_THE_URL
    assert asked == set(VALUES[kind]), "give the new field a value in VALUES: its loss is looked for then"


@pytest.mark.parametrize(
    ("kind", "field", "send"),
    [
        (kind, field, send)
        for kind, send in (
            *((EndpointSpec, endpoint), (ModelSpec, model), (EnvironmentSpec, environment), (DatasetSpec, dataset)),
            (RunSettings, lambda s: deployment(full(DeploymentSpec).model_copy(update={"settings": s}))),
        )
        for field in VALUES[kind]
        if (kind, field) not in ELSEWHERE
    ],
    ids=lambda one: one if isinstance(one, str) else getattr(one, "__name__", ""),
)
def test_a_field_of_a_spec_that_was_not_kept_is_named_as_the_spec_names_it(
    kind: type[Spec], field: str, send: Callable[[Any], dict[str, Any]]
) -> None:
    whole = full(kind) if kind is not RunSettings else RunSettings(**RUN)
    given = {name: value for name, value in VALUES[kind].items() if name != field}
    needed = {"path": "azureml://datastores/s/paths/other"} if field == "path" else {}
    less = kind(**{**({} if kind is RunSettings else {"name": "heart"}), **given, **needed})

    found = kept.losses(send(whole), send(less))

    assert found and {one.field.field.split(".")[0] for one in found} == {field}


SAME: list[tuple[str, str, Any, Any]] = [
    ("deployment", "properties.loggingLevel", "info", "Info"),
    ("deployment", "properties.retrySettings.timeout", "PT30S", "PT0.5M"),
    ("deployment", "properties.retrySettings.timeout", "PT1M", "60"),
    ("deployment", "properties.miniBatchSize", 7, "7"),
    ("deployment", "properties.compute", "azureml:cluster", PATH.compute("Cluster")),
    ("deployment", "properties.environmentId", "azureml:env@latest", PATH.asset("environments", "env", "12")),
    ("deployment", "properties.environmentId", "azureml:AzureML-x:33", "azureml:AzureML-x:33"),
    ("deployment", "properties.model.assetId", PATH.asset("models", "m", "1"), PATH.asset("models", "M", "1").upper()),
    ("deployment", "properties.codeConfiguration.scoringScript", "./main.py", "main.py"),
    ("endpoint", "properties.authMode", "aadToken", "AADToken"),
    ("endpoint", "properties.description", "", None),
    ("compute", "properties.properties.vmSize", "Standard_DS2_v2", "STANDARD_DS2_V2"),
    ("compute", "location", "West Europe", "westeurope"),
    ("environment", "properties.condaFile", "dependencies:\n- pip\n", '{\n  "dependencies": [\n    "pip"\n  ]\n}'),
    (
        "dataset",
        "properties.dataUri",
        "azureml://datastores/Store/paths/a/b",
        "azureml://subscriptions/s/resourcegroups/g/workspaces/w/datastores/store/paths/a/b/",
    ),
    (
        "model",
        "properties.modelUri",
        "https://a.blob.core.windows.net:443/box/m",
        "https://a.blob.core.windows.net/box/m",
    ),
    ("model", "properties.modelUri", "azureml://jobs/j/outputs/artifacts/paths/m", "azureml://datastores/s/paths/x"),
]


@pytest.mark.parametrize(("name", "path", "asked", "found"), SAME)
def test_what_the_service_may_change_is_no_loss(name: str, path: str, asked: object, found: object) -> None:
    keys = tuple(path.split("."))
    sent, answered = copy.deepcopy(BODIES[name]), copy.deepcopy(BODIES[name])
    for body, value in ((sent, asked), (answered, found)):
        for key in keys[:-1]:
            body = body[key]
        body[keys[-1]] = value
    answered["properties"].setdefault("properties", {})["azureml.onlineendpointid"] = "added"
    answered["tags"] = {**answered.get("tags", {}), "added": "by the service"}

    assert kept.losses(sent, answered) == []


def test_paths_in_storage_and_texts_differ_by_their_case() -> None:
    body = BODIES["model"]
    found = without(body, ("properties", "modelUri"), "azureml://datastores/s/paths/M")
    assert [one.field.field for one in kept.losses(body, found)] == ["path"]
    found = without(body, ("properties", "tags", "Team"), "a")
    assert [one.field.field for one in kept.losses(body, found)] == ["tags.Team"]


def test_the_value_of_an_environment_variable_stands_in_no_message() -> None:
    body = without(BODIES["deployment"], ("properties", "environmentVariables", "MODE"), "hush-hush")
    for found in (kept.losses(body, BODIES["deployment"]), kept.losses(BODIES["deployment"], body)):
        assert "hush" not in repr(found) and "environment_variables.MODE (asked '***'" in str(found[0].field)


@pytest.mark.parametrize("name", [name for name in NAMES if "-put" in name and "without" not in name])
def test_what_the_real_service_was_seen_to_answer_raises_no_false_alarm(name: str) -> None:
    one = pair(name, PATH)
    if one.status >= 300 or not isinstance(one.answer, dict) or name in ("job-put", "datastore-put"):
        pytest.skip("this client does not send it")

    assert kept.losses(one.body, one.answer) == []


# --------------------------------------------------------------------------- jobs

OVERRIDES = convert.JobOverrides(
    name="mine",
    output_uri="azureml://datastores/store/paths/out/",
    output_file_name="rows.csv",
    settings={
        name: RUN[name]
        for name in (
            *("mini_batch_size", "instance_count", "max_concurrency_per_instance", "error_threshold", "logging_level"),
            "isolate_failures",
        )
    },
    retry_settings=RetrySettings(max_retries=5, timeout=60),
    experiment_name="trial",
    tags={"Team": "A"},
)
ASKED = kept_job.AskedJob(
    OVERRIDES, {"data": folder("azureml://datastores/s/paths/in/"), "rate": Input("literal", "0.5")}, "blue", named=True
)
PARAMETERS = {
    "mini_batch_size": "7",
    "NodeCount": "2",
    "process_count_per_node": "3",
    "error_threshold": "4",
    "logging_level": "DEBUG",
    "run_max_try": "5",
    "run_invocation_timeout": "60",
    "append_row_file_name": "rows.csv",
}


def posted(parameters: Mapping[str, str] = PARAMETERS, **more: Any) -> dict[str, Any]:
    """The scoring URI's answer on the newer stack: settings within ``azureml.parameters`` alone."""
    body = invoked_body("mine")
    body["properties"] |= {
        "inputData": {
            "data": {"uri": "azureml://datastores/s/paths/in", "jobInputType": "UriFolder"},
            "rate": {"value": "0.5", "jobInputType": "Literal"},
        },
        "tags": {"azureml.deploymentname": "blue", "Team": "A"},
        "properties": {
            "azureml.parameters": json.dumps(parameters),
            "azure_batch_endpoints.isolate_failures": "true",
        },
        **more,
    }
    return body


def managed(**more: Any) -> dict[str, Any]:
    """The management route's answer."""
    outputs = {"score": {"jobOutputType": "uri_folder", "uri": "azureml://datastores/store/paths/out/"}}
    texts = {"azureml.parameters": json.dumps(PARAMETERS), "azure_batch_endpoints.isolate_failures": "true"}
    said = {"experimentName": "trial", "outputs": outputs, "tags": {"Team": "A"}, **more}
    return job_body(name="mine", kept=texts, **said)


def fields_of(said: Mapping[str, kept.Loss | None]) -> list[str]:
    return [name for name, loss in said.items() if loss is not None]


def test_a_job_that_does_what_was_asked_is_no_loss_and_both_answers_together_tell_everything() -> None:
    first, last = kept_job.compared(ASKED, posted()), kept_job.compared(ASKED, managed())

    assert fields_of(first) == fields_of(last) == []
    told = {name.split(".")[0] for name in (*first, *last)} | {"name"} - {"job_name"}
    mapped = {"output": "output_uri", "job_name": "name"}
    told = {mapped.get(name, name) for name in told}
    asked = {one.name for one in fields(OVERRIDES)} - {"settings"} | set(OVERRIDES.settings) | {"inputs", "deployment"}
    assert told == asked, "an override that no answer is asked for"


@pytest.mark.parametrize(("parameter", "value"), [(name, f"{value}1") for name, value in PARAMETERS.items()])
def test_a_setting_of_a_job_that_runs_otherwise_is_told(parameter: str, value: str) -> None:
    said = kept_job.compared(ASKED, posted({**PARAMETERS, parameter: value}))
    assert len(fields_of(said)) == 1


@pytest.mark.parametrize(
    ("field", "answer"),
    [
        ("job_name", {**posted(), "name": "batchjob-11"}),
        ("deployment", posted(tags={"azureml.deploymentname": "green", "Team": "A"})),
        ("tags.Team", posted(tags={"azureml.deploymentname": "blue"})),
        (
            "inputs.data",
            posted(inputData={"data": {"uri": "azureml://datastores/s/paths/else"}, "rate": {"value": "0.5"}}),
        ),
        ("inputs.rate", posted(inputData={"data": {"uri": "azureml://datastores/s/paths/in/"}})),
        (
            "inputs.rate",
            posted(inputData={"data": {"uri": "azureml://datastores/s/paths/in/"}, "rate": {"value": "1"}}),
        ),
        ("output", managed(outputs={"score": {"uri": "azureml://datastores/store/paths/None/"}})),
        ("output", posted(output={"datastoreId": f"{PATH}/datastores/store", "path": "azureml/x"})),
        ("experiment_name", managed(experimentName="heart")),
        ("isolate_failures", posted(properties={"azureml.parameters": json.dumps(PARAMETERS)})),
    ],
)
def test_what_a_job_was_asked_and_does_not_do_is_told(field: str, answer: dict[str, Any]) -> None:
    assert fields_of(kept_job.compared(ASKED, answer)) == [field]


@pytest.mark.parametrize(
    ("field", "wire"),
    [
        ("mini_batch_size", {"miniBatchSize": 99}),
        ("output_file_name", {"outputFileName": "zz.csv"}),
        ("error_threshold", {"errorThreshold": 77}),
        ("retry_settings.timeout", {"retrySettings": {"maxRetries": 5, "timeout": "PT99S"}}),
        ("logging_level", {"loggingLevel": "Warning"}),
    ],
)
def test_where_all_places_show_the_jobs_own_values_one_that_contradicts_is_enough(
    field: str, wire: dict[str, Any]
) -> None:
    exact = replace(ASKED, exact=True)
    assert fields_of(kept_job.compared(exact, posted(**wire))) == [field]
    assert fields_of(kept_job.compared(ASKED, posted(**wire))) == [], "in the cloud it may be the deployment's"


def test_a_service_that_names_every_setting_and_does_not_name_one_has_lost_it() -> None:
    named = {name: value for name, value in PARAMETERS.items() if name != "mini_batch_size"}
    found = kept_job.compared(replace(ASKED, exact=True), posted(named))
    assert fields_of(found) == ["mini_batch_size"]
    assert "mini_batch_size" not in kept_job.compared(ASKED, posted(named))


def test_a_job_that_lost_all_its_tags_has_lost_those_that_were_asked_for() -> None:
    assert fields_of(kept_job.compared(ASKED, posted(tags={}))) == ["tags.Team"]
    assert "tags.Team" not in kept_job.compared(ASKED, posted(tags=None))


@pytest.mark.parametrize(
    ("field", "answer"),
    [
        ("job_name", {**posted(), "id": f"{PATH.deployment('heart', 'blue')}/jobs/other"}),
        ("deployment", {**posted(), "id": f"{PATH.deployment('heart', 'green')}/jobs/mine"}),
        ("deployment", managed(description="Pipeline submission for endpoint: heart, deployment: green.")),
        ("tags.Team", {**posted(), "tags": {"Team": "B"}}),
        (
            "output",
            managed(outputData={"score": {"uri": "azureml://datastores/store/paths/else/", "jobOutputType": ""}}),
        ),
        ("output", managed(outputDataset={"datastoreId": f"{PATH}/datastores/store", "path": "else"})),
        (
            "output_file_name",
            posted(
                outputData={"score": {"uri": "azureml://datastores/store/paths/out/zz.csv", "jobOutputType": "UriFile"}}
            ),
        ),
    ],
)
def test_a_second_place_that_contradicts_is_enough_where_answers_are_exact(field: str, answer: dict[str, Any]) -> None:
    assert fields_of(kept_job.compared(replace(ASKED, exact=True), answer)) == [field]


def test_the_last_answer_of_a_service_that_is_exact_has_lost_what_it_does_not_name_and_another_one_has_not() -> None:
    bare = {"name": "mine", "properties": {"status": "Completed"}}
    exact = replace(ASKED, exact=True, retry_of="earlier")
    last = kept_job.compared(exact, bare, seen={"inputs.data"})

    asked = {"deployment", "retry_of", "mini_batch_size", "instance_count", "max_concurrency_per_instance"}
    asked |= {"error_threshold", "logging_level", "output_file_name", "retry_settings.max_retries"}
    asked |= {"retry_settings.timeout", "inputs.rate", "output"}
    light = {"experiment_name", "isolate_failures", "tags.Team"}
    lost = {name: loss for name, loss in last.items() if loss is not None}
    assert {name for name, loss in lost.items() if loss.matters and loss.certain} == asked
    assert {name for name, loss in lost.items() if not loss.matters} == light
    assert set(kept_job.compared(exact, bare)) == {"job_name"}, "more answers come"
    assert set(kept_job.compared(ASKED, bare, seen=set())) == {"job_name"}, "Azure need not tell"


def test_an_isolation_that_was_switched_off_may_be_left_out_of_every_answer() -> None:
    off = kept_job.AskedJob(convert.JobOverrides("mine", settings={"isolate_failures": False}), exact=True)
    assert kept_job.compared(off, {"properties": {}}, seen=set()) == {"isolate_failures": None}


def answers_of_an_exact_service(*raw: dict[str, Any], exact: bool = True) -> list[list[str]]:
    """What is told of each answer, the last one of a job that has ended."""
    comparing, told = kept_job.Comparing(replace(ASKED, exact=exact)), []
    for number, one in enumerate(raw):
        with warnings.catch_warnings(record=True) as warned:
            warnings.simplefilter("always")
            try:
                comparing.judge(None, "mine", one, ended=number == len(raw) - 1)
            except NotKeptError as error:
                told.append([lost.field for lost in error.fields])
            else:
                told.append([str(one.message) for one in warned])
    return told


def test_a_value_that_the_first_answer_kept_and_the_last_one_contradicts_or_leaves_out_is_told_once() -> None:
    other = managed(properties={"azureml.parameters": json.dumps({**PARAMETERS, "error_threshold": "77"})})
    other["properties"]["properties"]["azure_batch_endpoints.isolate_failures"] = "true"
    assert answers_of_an_exact_service(posted(), other, other) == [[], ["error_threshold"], []]
    assert answers_of_an_exact_service(posted(), managed()) == [[], []]
    assert answers_of_an_exact_service(posted(), managed(outputs=None)) == [[], ["output"]]
    assert answers_of_an_exact_service(posted(), other, exact=False) == [[], []]
    (nothing, (warning,)) = answers_of_an_exact_service(posted(), managed(tags=None))
    assert nothing == [] and "tags.Team" in warning


def test_a_job_that_had_ended_when_it_was_invoked_is_not_judged_by_an_answer_that_never_says_all() -> None:
    ended = posted()
    comparing = kept_job.Comparing(replace(ASKED, exact=True))
    for _ in range(2):
        comparing.judge(None, "mine", ended, ended=True)  # no experiment, no output: the management route's has them


def test_a_name_that_this_client_made_up_may_be_another() -> None:
    asked = kept_job.AskedJob(convert.JobOverrides(name="batchjob-1"))
    assert kept_job.compared(asked, posted()) == {}


def test_what_no_answer_tells_is_not_compared() -> None:
    said = kept_job.compared(ASKED, {"name": "mine", "properties": {"status": "Queued"}})
    assert set(said) == {"job_name"}


# --------------------------------------------------------------------------- through the client


def desk_that(drops: Callable[[dict[str, Any]], None], *, state: str = "Succeeded") -> Desk:
    """A service whose endpoint loses something of what was put."""
    answer = endpoint_body("blue", state=state)
    drops(answer)
    desk = Desk(
        {**BASICS, "PUT batchEndpoints/heart": reply(201, answer), "GET batchEndpoints/heart": reply(200, answer)}
    )
    desk.keeps = False
    return desk


def no_default(body: dict[str, Any]) -> None:
    body["properties"]["defaults"] = {"deploymentName": None}


def no_tags(body: dict[str, Any]) -> None:
    body["tags"] = {}


def test_a_default_that_the_service_dropped_while_it_said_yes_is_an_error_with_the_endpoint() -> None:
    desk = desk_that(no_default)
    made = BatchEndpoints(desk.workspace).get("heart")

    with pytest.raises(NotKeptError) as caught:
        made.set_default("blue")

    assert str(caught.value) == (
        "The service accepted the endpoint 'heart', but did not keep default_deployment (asked 'blue', kept nothing). "
        "It is there as the service has it. Look at what there is with refresh(), and ask again; "
        "if it is dropped again, leave it out."
    )
    assert caught.value.resource is made
    assert caught.value.fields == [NotKept("default_deployment", "blue", None)]


def test_tags_that_the_service_dropped_are_a_warning_at_the_users_own_line() -> None:
    spec = EndpointSpec(name="heart", description="of hearts", tags={"team": "a"})

    with pytest.warns(
        NotKeptWarning, match=r"did not keep tags\.team \(asked 'a', kept nothing\)\. Jobs do the same"
    ) as told:
        made = BatchEndpoints(desk_that(no_tags).workspace).create(spec)

    assert made.name == "heart" and len(told) == 1
    assert told[0].filename == __file__


def test_without_waiting_an_answer_that_is_not_the_last_contradicts_nothing_and_wait_tells() -> None:
    """While a change goes on, the service may show what was there before."""
    desk = desk_that(lambda body: body["properties"].update(defaults={"deploymentName": "red"}), state="Updating")
    made = BatchEndpoints(desk.workspace).get("heart").set_default("blue", wait=False)
    desk._routes["GET batchEndpoints/heart"] = [reply(200, endpoint_body("green"))]

    with pytest.raises(NotKeptError, match=r"default_deployment \(asked 'blue', kept 'green'\)"):
        made.wait()
    made.wait()  # it is said once


def test_a_change_that_a_read_shows_a_moment_late_is_kept() -> None:
    desk = desk_that(no_default)
    made = BatchEndpoints(desk.workspace).get("heart")
    desk._routes["GET batchEndpoints/heart"] = [
        *(reply(200, endpoint_body(None)) for _ in range(2)),  # before the change, and when it was said to be done
        reply(200, endpoint_body("blue")),
    ]
    desk._routes["PUT batchEndpoints/heart"] = [reply(201, endpoint_body(None, state="Updating"))]

    assert made.set_default("blue").default_deployment_name == "blue"


def test_a_version_whose_content_lies_elsewhere_is_an_error_with_the_model() -> None:
    answer = {
        "id": PATH.asset("models", "m", "1"),
        "properties": {"modelUri": "azureml://datastores/s/paths/old", "modelType": "custom_model"},
    }
    desk = Desk({**BASICS, "PUT models/m/versions/1": reply(200, answer)})
    desk.keeps = False

    with pytest.raises(
        NotKeptError, match=r"model 'm:1', but did not keep path \(asked '.*new', kept '.*old'\)"
    ) as caught:
        Models(desk.workspace).create(
            ModelSpec(name="m", version="1", path="azureml://datastores/s/paths/new", type="custom_model")
        )

    model = cast("Model", caught.value.resource)
    assert (type(model), model.name, model.version) == (Model, "m", "1")


WHERE = folder("azureml://datastores/s/paths/in/")


def desk_that_runs(answer: dict[str, Any], status: dict[str, Any] | None = None) -> tuple[Desk, BatchEndpoint]:
    """A cloud whose scoring URI answers ``answer``."""
    desk = Desk(
        {**BASICS, "POST /jobs": reply(201, answer), "GET jobs/.*": reply(200, status or job_body("Completed"))}
    )
    desk.keeps = False
    return desk, BatchEndpoints(desk.workspace)._made(endpoint_body("blue"))


def test_a_job_of_the_cloud_whose_answer_shows_the_deployments_settings_is_given_back_with_a_warning() -> None:
    """Whether Azure's answer shows a job's own settings is in no recording: an error would lose a job that runs."""
    answer = posted({**PARAMETERS, "mini_batch_size": "10"}, retrySettings={"maxRetries": 3, "timeout": "PT30S"})
    answer["properties"]["inputData"] = {"input": {"uri": WHERE.value}}
    _, made = desk_that_runs(answer)

    with pytest.warns(NotKeptWarning) as told:
        job = made.invoke(WHERE, mini_batch_size=5, retry_settings=RetrySettings(max_retries=2, timeout=60))
        job.wait()

    (warning,) = told
    assert str(warning.message) == (
        "The service accepted job 'mine', but its answer shows otherwise: mini_batch_size (asked '5', kept '10'), "
        "retry_settings.max_retries (asked '2', kept '3'). It may show what the deployment says, not what this one "
        "does: look at what comes out before you rely on it."
    )
    assert warning.filename == __file__


@pytest.mark.parametrize("parameter", PARAMETERS)
def test_only_a_service_whose_answers_are_exact_loses_a_setting_for_certain(parameter: str) -> None:
    answer = posted({**PARAMETERS, parameter: f"{PARAMETERS[parameter]}1"})
    for exact in (False, True):
        (loss,) = filter(None, kept_job.compared(replace(ASKED, exact=exact), answer).values())
        assert (loss.matters, loss.certain) == (True, exact)


@pytest.mark.parametrize(
    ("kind", "answer"),
    [
        ("job_name", {**posted(), "name": "batchjob-11"}),
        ("inputs.rate", posted(inputData={"data": {"uri": "azureml://datastores/s/paths/in"}, "rate": {"value": "1"}})),
        ("inputs.data", posted(inputData={"data": {"uri": "told:in:another:form"}, "rate": {"value": "0.5"}})),
        ("inputs.data", posted(inputData={"rate": {"value": "0.5"}})),
        ("output", managed(outputs={"score": {"uri": "azureml://datastores/store/paths/${{name}}/"}})),
    ],
)
def test_what_is_no_clear_contradiction_is_no_error_in_the_cloud(kind: str, answer: dict[str, Any]) -> None:
    (field, loss), *others = ((name, one) for name, one in kept_job.compared(ASKED, answer).items() if one)
    assert (field, others) == (kind, [])
    assert not (loss.matters and loss.certain)


def test_a_job_of_the_cloud_may_get_another_name_than_the_user_chose() -> None:
    answer = invoked_body()
    answer["properties"]["inputData"] = {}
    _, made = desk_that_runs(answer)

    with pytest.warns(NotKeptWarning, match=r"did not keep job_name \(asked 'mine', kept 'batchjob-11'\)"):
        assert made.invoke(WHERE, job_name="mine").name == "batchjob-11"


def test_an_invoke_that_the_service_changed_gives_the_job_in_the_error_and_what_shows_later_is_told_by_wait() -> None:
    answer = invoked_body()
    answer["properties"]["inputData"] = {"input": {"uri": "azureml://datastores/s/paths/else/"}}
    desk, made = desk_that_runs(answer)

    with pytest.raises(NotKeptError, match=r"inputs\.\w+ \(asked '.*/in/', kept '.*/else/'\)\. .*Stop it") as caught:
        made.invoke(WHERE)
    assert cast("Job", caught.value.resource).name == "batchjob-11"

    outputs = {"score": {"uri": "azureml://datastores/s/paths/None/"}}
    answer["properties"]["inputData"] = {}
    desk._routes["POST /jobs"] = [reply(201, answer)]
    desk._routes["GET jobs/.*"] = [reply(200, job_body("Completed", outputs=outputs))]
    job = made.invoke(WHERE, output="azureml://datastores/s/paths/out/")
    with pytest.raises(NotKeptError, match=r"output \(asked '.*/out/', kept '.*None/'\)\. .*Check job\.results"):
        job.wait()
    assert job.wait().status is JobStatus.COMPLETED


@pytest.mark.parametrize(
    ("asked", "answered", "same"),
    [
        (
            "azureml://registries/r/environments/e/labels/latest",
            "azureml://registries/r/environments/e/versions/12",
            True,
        ),
        (
            "azureml://registries/r/environments/e/versions/11",
            "azureml://registries/r/environments/e/versions/12",
            False,
        ),
        ("azureml://registries/r/environments/e/versions/11", "/registries/r/environments/e/versions/11", True),
    ],
)
def test_an_asset_of_a_registry_is_one_thing_in_every_form(asked: str, answered: str, same: bool) -> None:
    assert alike.same_id(asked, answered) is same


def test_a_conda_file_with_numbers_as_texts_a_path_that_is_quoted_and_an_image_with_its_tag_are_the_same() -> None:
    assert alike.same_yaml("variables: {A: 1, B: 1.5, C:}", '{"variables": {"A": "1", "B": "1.5"}}')
    assert alike.same_place("azureml://datastores/s/paths/a b", "azureml://datastores/s/paths/a%20b/")
    assert alike.same_image("mcr.microsoft.com/a/b", "mcr.microsoft.com/a/b:latest")
    assert not alike.same_image("mcr.microsoft.com/a/b:1", "mcr.microsoft.com/a/b:latest")
    assert not alike.same_yaml("variables: {A: 1}", '{"variables": {"A": "2"}}')
