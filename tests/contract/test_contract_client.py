"""The client builds each pair's request from a spec, and reads each pair's answer into typed values."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from azure_batch_endpoints import (
    ComputeSpec,
    DatasetSpec,
    DeploymentSpec,
    EndpointSpec,
    EnvironmentSpec,
    JobStatus,
    ModelSpec,
    NotFoundError,
    ProvisioningState,
    RetrySettings,
    RunSettings,
    folder,
)
from azure_batch_endpoints._storage.versions import send_asset
from azure_batch_endpoints._wire import convert, routes
from azure_batch_endpoints._wire.convert import DeploymentAssets, JobOverrides
from azure_batch_endpoints.assets import Datasets, Environments, Models
from azure_batch_endpoints.computes import Computes
from azure_batch_endpoints.datastores import Datastores
from azure_batch_endpoints.deployments import BatchDeployments
from azure_batch_endpoints.endpoints import BatchEndpoints
from azure_batch_endpoints.jobs import Jobs
from tests.contract.pair_files import NAMES, Pair, pair
from tests.unit.fake_service import ARM, BASICS, PATH, SCORING, Desk, endpoint_body, job_body, operation
from tests.unit.fake_transport import reply

LONG = "azureml://subscriptions/sub-1/resourcegroups/group-1/workspaces/space-1/datastores/workspaceblobstore/paths/"
UPLOADED = "LocalUpload/0f1e2d3c/"
JOB = "batchjob-00000000-1111-2222-3333-444444444444"
RETRY = RetrySettings(max_retries=2, timeout=60)
DEPLOYMENT = DeploymentSpec(
    name="blue",
    model="azureml:digits:1",
    code=PATH.asset("codes", "score", "1"),
    scoring_script="score.py",
    environment="azureml:env:1",
    compute="azureml:local",
    settings=RunSettings(
        mini_batch_size=5,
        max_concurrency_per_instance=2,
        instance_count=3,
        error_threshold=10,
        retry_settings=RETRY,
        output_file_name="rows.csv",
        logging_level="debug",
        environment_variables={"A": "1"},
    ),
    description="first",
    tags={"k": "v"},
)
IDS = DeploymentAssets(
    model_id=PATH.asset("models", "digits", "1"),
    code_id=PATH.asset("codes", "score", "1"),
    environment_id=PATH.asset("environments", "env", "1"),
    compute_id=PATH.compute("local"),
)
SHORT = RetrySettings(max_retries=1, timeout=5)
NEW = JobOverrides(
    JOB,
    "azureml://datastores/workspaceblobstore/paths/out/",
    "p.csv",
    {"mini_batch_size": 3, "error_threshold": 0, "instance_count": 2},
    SHORT,
    "trial",
    {"a": "b"},
)
OLD = JobOverrides(JOB, NEW.output_uri, "p.csv", {"instance_count": 2}, SHORT)


def sha(name: str) -> str:
    digest: str = pair(name, PATH).body["properties"]["properties"]["hash_sha256"]
    return digest


def invoke(source: str, overrides: JobOverrides, version: str) -> dict[str, Any]:
    return convert.job_body({"UriFolder": folder(source)}, overrides, api_version=version, datastores=PATH.datastores())


MODEL = ModelSpec(name="digits", path="m", description="trained", tags={"t": "1"})
DATA = DatasetSpec(name="images", path="d", description="digits")
COMPUTE = ComputeSpec(
    name="cluster", tier="low_priority", max_instances=4, idle_time_before_scale_down=100, description="nodes"
)
SENT: dict[str, Callable[[], dict[str, Any]]] = {
    "endpoint-put": lambda: convert.endpoint_body(
        EndpointSpec(name="heart", description="of hearts", tags={"team": "a"}), "local", properties={"owner": "ana"}
    ),
    "deployment-put": lambda: convert.deployment_body(DEPLOYMENT, IDS, "local"),
    "model-put": lambda: convert.model_body(MODEL, f"{LONG}{UPLOADED}model", "custom_model"),
    "code-put": lambda: convert.code_body("https://acct.blob.core.windows.net/box/code", sha("code-put")),
    "environment-put": lambda: convert.environment_body(
        EnvironmentSpec(name="env", image="example.invalid/base:1"), "dependencies:\n- pip\n"
    ),
    "data-put": lambda: convert.data_body(
        DATA, f"azureml://datastores/workspaceblobstore/paths/{UPLOADED}data", "uri_folder"
    ),
    "compute-put": lambda: convert.compute_body(COMPUTE, "local"),
    "invoke": lambda: invoke(f"azureml://datastores/workspaceblobstore/paths/{UPLOADED}data", NEW, routes.API_VERSION),
    "invoke-2021": lambda: invoke("https://acct.blob.core.windows.net/box/data", OLD, "2021-10-01"),
}


def test_every_pair_with_a_body_has_a_spec_here() -> None:
    assert sorted(SENT) == [name for name in NAMES if pair(name, PATH).body is not None]


@pytest.mark.parametrize("name", sorted(SENT))
def test_the_client_sends_the_body_of_the_pair(name: str) -> None:
    assert SENT[name]() == pair(name, PATH).body


# ------------------------------------------------------------------ answers


def filled(value: Any) -> Any:  # noqa: ANN401 (JSON of any shape)
    """An answer with something plausible in place of what varies."""
    if isinstance(value, dict):
        return {key: filled(one) for key, one in value.items() if key != "<more>"}
    if isinstance(value, list):
        return [filled(one) for one in value]
    places = {"<time>": "2026-01-02T03:04:05.1234567+00:00", "<url>": SCORING, "<text>": "text", "<list>": []}
    return None if value == "<any>" else places.get(value, value) if isinstance(value, str) else value


def desk_of(*names: str, **more: Any) -> Desk:
    """A service that answers as the pairs say."""
    played: dict[str, Any] = {**BASICS, **more}
    for name in names:
        one = pair(name, PATH)
        path = one.path.split("?")[0].replace("/scoring/heart", "")
        body = filled(one.answer)
        played[f"{one.method} {path}"] = reply(one.status, b"null" if body is None else body)
    return Desk(played)


def answer(name: str) -> Pair:
    return pair(name, PATH)


@pytest.mark.parametrize("name", ["endpoint-get", "endpoint-put"])
def test_an_endpoint_is_read(name: str) -> None:
    made = BatchEndpoints(desk_of().workspace)._made(filled(answer(name).answer))

    assert (made.name, made.id) == ("heart", PATH.endpoint("heart"))
    assert made.scoring_uri == (SCORING if name == "endpoint-get" else "")
    assert made.provisioning_state is ProvisioningState("Succeeded" if name == "endpoint-get" else "Creating")
    assert (made.default_deployment_name, made.tags, made.description) == (None, {"team": "a"}, "of hearts")


def test_an_unknown_endpoint_is_not_found_by_its_own_code() -> None:
    desk = desk_of("endpoint-get-unknown")

    with pytest.raises(NotFoundError, match="Could not read endpoint 'none'") as caught:
        BatchEndpoints(desk.workspace).get("none")
    assert caught.value.code == "NoSuchEndpoint"


def test_a_deletion_answered_with_null_and_its_operation_are_followed() -> None:
    links = {"Azure-AsyncOperation": f"{ARM}/op"}
    desk = Desk({"DELETE heart": reply(202, b"null", links), "GET /op": operation("Succeeded")})

    BatchEndpoints(desk.workspace)._made(endpoint_body()).delete()

    assert answer("endpoint-delete").answer is None and answer("operation-get").answer["status"] == "<text>"
    assert len(desk.sent) == 2


@pytest.mark.parametrize(("name", "state"), [("deployment-get", "Succeeded"), ("deployment-put", "Updating")])
def test_a_deployment_is_read_as_the_spec_that_made_it(name: str, state: str) -> None:
    made = BatchDeployments(desk_of().workspace, "heart")._made(filled(answer(name).answer))

    assert made.provisioning_state.value == state
    assert made.spec.settings == DEPLOYMENT.settings
    assert (made.spec.code, made.spec.model, made.spec.environment) == (IDS.code_id, IDS.model_id, IDS.environment_id)


def test_models_environments_and_data_are_read() -> None:
    desk = desk_of("model-get", "environment-get", "data-get")

    model = Models(desk.workspace).get("digits", version="1")
    environment = Environments(desk.workspace).get("env", version="1")
    data = Datasets(desk.workspace).get("images", version="1")

    assert (model.type, model.uri) == (
        "custom_model",
        f"{LONG}{UPLOADED}model".replace("resourcegroups", "resourceGroups"),
    )
    assert (environment.image, environment.conda_file) == ("example.invalid/base:1", {"dependencies": ["pip"]})
    assert (data.type, data.uri, data.version) == ("uri_folder", f"{LONG}{UPLOADED}data/", "1")


@pytest.mark.parametrize(("name", "count"), [("code-look-up-hit", 1), ("code-look-up-miss", 0)])
def test_code_is_looked_up_by_its_hash(name: str, count: int) -> None:
    desk, one = desk_of(name), answer(name)

    found = send_asset(desk.workspace, one.method, one.path.split("?")[0], action="look for the code")

    assert [version["id"] for version in found["value"]] == [PATH.asset("codes", "score", "1")] * count


def test_a_datastore_and_its_secret_are_read() -> None:
    desk = desk_of("datastore-get", "datastore-list-secrets")

    store = Datastores(desk.workspace).get("workspaceblobstore")

    assert (store.type, store.is_default, store.account_name) == ("AzureBlob", True, "text")
    assert answer("datastore-list-secrets").answer == {"secretsType": "AccountKey", "key": "<text>"}


def test_a_compute_is_read() -> None:
    made = Computes(desk_of("compute-put").workspace).create(COMPUTE, wait=False)

    assert (made.type, made.min_instances, made.max_instances) == ("amlcompute", 0, 4)
    assert made.provisioning_state is ProvisioningState.CREATING


@pytest.mark.parametrize("name", ["invoke", "invoke-2021"])
def test_a_posted_job_is_read(name: str) -> None:
    desk = desk_of(name)
    endpoint = BatchEndpoints(desk.workspace)._made(endpoint_body("blue"))

    job = endpoint.invoke(folder("https://a.net/b"), deployment="blue", job_name=JOB)

    assert (job.name, job.endpoint_name, job.deployment_name, job.studio_url) == (JOB, "heart", "blue", SCORING)
    assert job.created_at is None and job.status is JobStatus.UNKNOWN
    sent = desk.transport.requests[-1].headers
    assert {name: sent[name] for name in answer(name).headers} == answer(name).headers


def test_a_job_is_read_and_cancelled() -> None:
    desk = desk_of("job-get", "job-cancel")

    job = Jobs(desk.workspace).get(JOB)

    assert (job.name, job.endpoint_name, job.deployment_name, job.tags["a"]) == (JOB, "heart", "blue", "b")
    assert job.cancel() is job
    assert desk.sent[1] == f"POST WS/jobs/{JOB}/cancel"
    assert job.raw.keys() == job_body().keys() | {"type"}
