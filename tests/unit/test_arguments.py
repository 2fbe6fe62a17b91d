"""Arguments of a wrong type: refused before anything is sent, with their name and what they can be."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, cast

import pytest

from azure_batch_endpoints import BatchClient, RunSettings, inputs
from azure_batch_endpoints._arguments import require_seconds
from azure_batch_endpoints._entity import Snapshot
from azure_batch_endpoints._several import wait_all
from azure_batch_endpoints._wire import models
from azure_batch_endpoints._wire.jobview import job_view
from azure_batch_endpoints.assets import Datasets, Environments, Models
from azure_batch_endpoints.comparison import Comparison
from azure_batch_endpoints.computes import Computes
from azure_batch_endpoints.deployments import BatchDeployment, BatchDeployments
from azure_batch_endpoints.endpoints import BatchEndpoint, BatchEndpoints
from azure_batch_endpoints.errors import InvalidInputError
from azure_batch_endpoints.job import Job
from azure_batch_endpoints.jobs import Jobs
from tests.unit.fake_service import Desk, deployment_body, endpoint_body, job_body

DESK = Desk({})
SPACE = DESK.workspace
ENDPOINTS, DEPLOYMENTS, JOBS = BatchEndpoints(SPACE), BatchDeployments(SPACE, "heart"), Jobs(SPACE)
ENDPOINT = BatchEndpoint(SPACE, Snapshot.take(models.EndpointBody.read, endpoint_body("blue")))
DEPLOYMENT = BatchDeployment(SPACE, "heart", Snapshot.take(models.DeploymentBody.read, deployment_body()))
COMPUTES = Computes(SPACE)
RUNNING = Job(SPACE, Snapshot.take(job_view, job_body()))
URI = "https://store.blob.core.windows.net/box/in/"

Call = Callable[[Any], object]
WRONG: dict[str, tuple[Call, object, str]] = {
    "endpoint": (ENDPOINTS.create, None, r"Argument 'spec' is None\. Pass an EndpointSpec or a name\."),
    "endpoint of a number": (ENDPOINTS.create, 5, "Argument 'spec' is 5. Pass an EndpointSpec"),
    "endpoint of settings": (ENDPOINTS.create, RunSettings(), r"is RunSettings\(.*of type RunSettings\. Pass an"),
    "compute": (COMPUTES.create, "cluster", "Argument 'spec' is 'cluster', of type str. Pass a ComputeSpec"),
    "model": (Models(SPACE).create, None, "Argument 'spec' is None. Pass a ModelSpec"),
    "environment": (Environments(SPACE).create, {}, r"Argument 'spec' is \{\}, of type dict. Pass an EnvironmentSpec"),
    "data set": (Datasets(SPACE).create, object(), "Argument 'spec' is of type object. Pass a DatasetSpec"),
    "deployment": (DEPLOYMENT.update, "blue", "Argument 'spec' is 'blue', of type str. Pass a DeploymentSpec, or None"),
    "settings": (lambda one: DEPLOYMENT.update(settings=one), {"a": 1}, "'settings' is .* Pass RunSettings, or None"),
    "tags": (lambda one: DEPLOYMENT.update(tags=one), "x", "'tags' is 'x', of type str. Pass a mapping such as"),
    "tags of an endpoint": (lambda one: ENDPOINT.update(tags=one), 5, "'tags' is 5. Pass a mapping"),
    "description": (lambda one: ENDPOINT.update(description=one), 5, "'description' is 5. Pass text, or None"),
    "retry settings": (
        lambda one: ENDPOINT.invoke(URI, retry_settings=one),
        {"max_retries": 3},
        r"'retry_settings' is .* Pass RetrySettings, e\.g\. RetrySettings\(max_retries=3, timeout=30\), or None",
    ),
    "tags of a job": (lambda one: ENDPOINT.invoke(URI, tags=one), ["x"], "'tags' is .* Pass a mapping"),
    "output": (lambda one: ENDPOINT.invoke(URI, output=one), 5, "'output' is 5. Pass text, or None"),
    "job name": (lambda one: ENDPOINT.invoke(URI, job_name=one), 5, "'job_name' is 5. Pass text, or None"),
    "inputs": (lambda one: ENDPOINT.invoke(inputs=one), URI, "'inputs' is .* Pass a mapping of names to inputs"),
    "tag": (lambda one: list(JOBS.list(tag=one)), 5, '\'tag\' is 5. Pass "name" or "name=value", or None'),
    "created after": (
        lambda one: list(JOBS.list(created_after=one)),
        "yesterday",
        "'created_after' is 'yesterday', of type str. Pass a datetime with a time zone, or None",
    ),
    "tail": (lambda one: RUNNING.logs(tail=one), "10", "'tail' is '10', of type str. Pass a number of lines, or None"),
    "negative tail": (lambda one: RUNNING.logs(tail=one), -1, "'tail' is -1. Pass a number of lines, or None"),
    "jobs to compare": (
        lambda one: Comparison.of(one, one),
        "a",
        r"'first' is 'a', of type str\. Pass a job: what invoke\(\) returned",
    ),
    "separator": (lambda one: RUNNING.results.to_pandas(sep=one), "", 'sep is "", which separates nothing. Pass a'),
    "separator of rows": (lambda one: RUNNING.results.iter_rows(sep=one), 5, "'sep' is 5. Pass text, e.g. "),
    "columns": (lambda one: RUNNING.results.to_pandas(columns=one), 5, "'columns' is 5. Pass names as text"),
    "names of columns": (
        lambda one: RUNNING.results.iter_rows(columns=one),
        ["a", None],
        "'columns' is None. Pass names",
    ),
    "callback": (
        RUNNING.add_done_callback,
        "nope",
        r"got 'nope', of type str, which cannot be called\. Pass a function",
    ),
    "callback of several": (
        lambda one: wait_all([RUNNING], on_done=one),
        "nope",
        r"got 'nope', of type str, which cannot be called\. Pass a function",
    ),
    "empty path": (inputs.local_path, "", r'local_path\(""\) names nothing\. Write local_path\("\."\)'),
}


@pytest.mark.parametrize("what", WRONG)
def test_an_argument_of_a_wrong_type_is_refused_by_its_name_before_anything_is_sent(what: str) -> None:
    call, value, text = WRONG[what]
    with pytest.raises(InvalidInputError, match=text):
        call(value)
    assert DESK.sent == []


WAITS: dict[str, Call] = {
    "create an endpoint": lambda time: ENDPOINTS.create("heart", timeout=time),
    "update an endpoint": lambda time: ENDPOINT.update(description="d", timeout=time),
    "delete": lambda time: ENDPOINT.delete(timeout=time),
    "set the default": lambda time: ENDPOINT.set_default("blue", timeout=time),
    "compare": lambda time: ENDPOINT.compare(URI, "blue", "green", timeout=time),
    "wait for an endpoint": lambda time: ENDPOINT.wait(timeout=time),
    "update a deployment": lambda time: DEPLOYMENT.update(description="d", timeout=time),
    "create a deployment": lambda time: DEPLOYMENTS.create(DEPLOYMENT.spec, timeout=time),
    "delete a compute": lambda time: COMPUTES.delete("cluster", timeout=time),
    "wait for a job": lambda time: RUNNING.wait(timeout=time),
    "stream a job": lambda time: list(RUNNING.stream(timeout=time)),
    "read rows": lambda time: RUNNING.results.iter_rows(timeout=time),
    "wait for several": lambda time: wait_all([RUNNING], timeout=time),
}


@pytest.mark.parametrize("wait", WAITS)
@pytest.mark.parametrize("time", ["5", -1, math.nan, True])
def test_a_time_to_wait_is_a_number_of_seconds_or_refused_before_anything_is_sent(wait: str, time: object) -> None:
    with pytest.raises(InvalidInputError, match=r"timeout is .*\. Pass seconds, such as 5, or None\."):
        WAITS[wait](time)
    assert DESK.sent == []


def test_a_time_to_wait_can_be_nothing_anything_up_to_for_ever_and_a_number_of_any_library() -> None:
    import numpy as np

    for time in (None, 0, 0.5, math.inf, np.float32(2), np.int64(2)):
        require_seconds("timeout", time)
    with pytest.raises(InvalidInputError, match="poll_interval is inf"):
        require_seconds("poll_interval", math.inf, endless=False)


GETS: dict[str, Call] = {
    "endpoint": ENDPOINTS.get,
    "deployment": DEPLOYMENTS.get,
    "job": JOBS.get,
    "compute": COMPUTES.get,
    "model": lambda name: Models(SPACE).get(name, version="1"),
    "jobs of an endpoint": lambda name: list(JOBS.list(endpoint=name)),
    "endpoint's deployments": lambda name: BatchDeployments(SPACE, name).list(),
}


@pytest.mark.parametrize("get", GETS)
@pytest.mark.parametrize("name", ["faults/deployments/raise", "a/b", "../../faults", "", "..", 5])
def test_a_name_that_is_none_is_refused_and_never_read_as_a_path(get: str, name: object) -> None:
    with pytest.raises(InvalidInputError, match=r"is not a name\. Pass the name of what is meant\. Nothing was sent"):
        if list(cast("Any", GETS[get](name))) == []:
            pytest.fail("nothing was refused")
    assert DESK.sent == []


def test_a_value_in_a_message_is_cut_and_holds_no_secret() -> None:
    with pytest.raises(InvalidInputError) as refused:
        ENDPOINTS.create(cast("Any", [f"https://a/b?sig=SECRET{'x' * 9000}"]))
    assert "SECRET" not in str(refused.value) and len(str(refused.value)) < 400


def test_a_client_has_those_calls() -> None:
    """The collections that are called here are what a client hands out."""
    with BatchClient(subscription_id="s", resource_group="g", workspace="w", credential=None) as client:
        assert type(client.endpoints) is BatchEndpoints and type(client.jobs) is Jobs
