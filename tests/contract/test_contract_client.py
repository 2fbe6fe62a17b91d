"""Each call of the client sends the request of its pair, and reads each pair's answer into typed values."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, unquote, urlsplit

import pytest
import requests

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
    _runs,
    folder,
)
from azure_batch_endpoints._http import Session
from azure_batch_endpoints._storage import codes, versions
from azure_batch_endpoints._storage.hashing import LocalTree
from azure_batch_endpoints._wire import convert
from azure_batch_endpoints._wire.routes import API_VERSION
from azure_batch_endpoints._workspace import Workspace
from azure_batch_endpoints.assets import Datasets, Environments, Models
from azure_batch_endpoints.computes import Computes
from azure_batch_endpoints.datastores import Datastores
from azure_batch_endpoints.deployments import BatchDeployments
from azure_batch_endpoints.endpoints import BatchEndpoint, BatchEndpoints
from azure_batch_endpoints.jobs import Jobs
from azure_batch_endpoints.results import reading
from tests.contract.pair_files import NAMES, Pair, pair
from tests.unit.fake_clock import FakeClock
from tests.unit.fake_container import FakeContainer
from tests.unit.fake_service import (
    API,
    ARM,
    BASICS,
    PATH,
    Credential,
    Desk,
    endpoint_body,
    job_body,
    keeping,
    operation,
)
from tests.unit.fake_transport import FakeTransport, reply

STORE = "azureml://datastores/workspaceblobstore/paths/"
LONG = f"azureml://subscriptions/sub-1/resourcegroups/group-1/workspaces/space-1/{STORE.removeprefix('azureml://')}"
UPLOADED = "LocalUpload/0f1e2d3c/"
BOX = "https://acct.blob.core.windows.net/box"
SCORING = f"{ARM}/scoring/heart/jobs"
JOB = "batchjob-00000000-1111-2222-3333-444444444444"
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
        retry_settings=RetrySettings(max_retries=2, timeout=60),
        output_file_name="rows.csv",
        logging_level="debug",
        environment_variables={"A": "1"},
        isolate_failures=True,
    ),
    description="first",
    tags={"k": "v"},
)
IMAGES = "azureml://locations/local/workspaces/local/data/images/versions/1"
SHORT = RetrySettings(max_retries=1, timeout=5)
COMPUTE = ComputeSpec(
    name="cluster", tier="low_priority", max_instances=4, idle_time_before_scale_down=100, description="nodes"
)
ENVIRONMENT = EnvironmentSpec(name="env", version="1", image="example.invalid/base:1", conda_file={"a": 1})


class Service:
    """Answers every request that has a pair as the pair says; of several, as ``first`` says."""

    def __init__(self, *first: str, version: str = API_VERSION) -> None:
        self.pairs = {name: pair(name, PATH) for name in [*first, *NAMES]}
        self.transport = FakeTransport(self._answer)
        session = Session(
            ARM, Credential(), {"management": "m", "ml": "l"}, clock=FakeClock(), transport=self.transport
        )
        self.workspace = Workspace(session, PATH, api_version=version)
        self._looks = 0
        self._put: dict[str, Any] = {}

    @property
    def endpoint(self) -> BatchEndpoint:
        return BatchEndpoints(self.workspace)._made(endpoint_body("blue", scoringUri=SCORING))

    @property
    def deployments(self) -> BatchDeployments:
        return BatchDeployments(self.workspace, "heart")

    def _answer(self, sent: requests.PreparedRequest) -> requests.Response:
        if sent.method == "GET" and sent.url == SCORING:
            return reply(200, b"")(sent)  # it stands for every address in the pairs, those of log files too
        name = next(self._fitting(sent), None)
        assert name is not None, f"no pair for {sent.method} {sent.url}"
        one = self.pairs[name]
        links = {header: f"{ARM}/{header.lower()}" for header in one.answer_headers}
        body = b"" if one.answer == "<empty>" else b"null" if one.answer is None else filled(one.answer)
        if "operation-get" in name:
            body = {**filled(one.answer), "status": "Succeeded"}
        where = address(str(sent.url))[0]
        if sent.body and (sent.method == "PUT" or where.startswith("/scoring/")):
            self._put[where] = json.loads(text(sent))
        return keeping(reply(one.status, body, links)(sent), self._put.get(where))

    def _fitting(self, sent: requests.PreparedRequest) -> Iterator[str]:
        path, query = address(str(sent.url))
        self._looks += path == "/location"
        for name, one in self.pairs.items():
            wanted, asked = address(one.path)
            if name == "job-cancel-results" and self._looks > 1:
                continue  # it is said once; then the operation is over
            if (one.method, wanted) == (sent.method, path) and ("hash" in asked) == ("hash" in query):
                yield name


def address(url: str) -> tuple[str, dict[str, str]]:
    """Path and query of a URL or of a pair's path; what a header named is a path of its name."""
    parts = urlsplit(f"/{url.strip('<>')}" if url.startswith("<") else url)
    # Code is looked up and registered under a name that is made up each time.
    return re.sub(r"/codes/[^/]+/", "/codes/any/", unquote(parts.path)), dict(parse_qsl(parts.query))


def filled(value: Any) -> Any:  # noqa: ANN401 (JSON of any shape)
    """An answer with something plausible in place of what varies."""
    if isinstance(value, dict):
        links = {"discoveryUrl": f"{ARM}/discovery", "api": ARM, "blobUri": BOX, "sasUri": f"{BOX}?sv=1&sig=x"}
        if "containerName" in value:
            links |= {"endpoint": "core.windows.net", "protocol": "https"}
        return {key: links.get(key) or filled(one) for key, one in value.items() if key != "<more>"}
    if isinstance(value, list):
        return [filled(one) for one in value]
    places = {"<time>": "2026-01-02T03:04:05.1234567+00:00", "<url>": SCORING, "<text>": "text", "<list>": []}
    return None if value == "<any>" else places.get(value, value) if isinstance(value, str) else value


@pytest.fixture(autouse=True)
def local(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A folder ``code`` with the hash of the pairs, and containers in memory."""
    (tmp_path / "code").mkdir()
    (tmp_path / "code" / "score.py").write_text("")
    monkeypatch.chdir(tmp_path)
    looked_up = address(pair("code-look-up-hit", PATH).path)[1]["hash"]
    monkeypatch.setattr(LocalTree, "code_hash", lambda _tree, _progress=None: looked_up)
    monkeypatch.setattr(codes, "Container", lambda _url, _credential: FakeContainer(BOX))


def code(service: Service) -> str:
    return codes.register_code(service.workspace, codes.code_source("code"), None)


def put(kind: Any, name: str, body: Mapping[str, Any]) -> Callable[[Service], object]:  # noqa: ANN401 (a literal)
    return lambda service: versions.put_version(service.workspace, kind, name, "1", body, action="register it")


def invoked(service: Service, **more: Any) -> object:
    return service.endpoint.invoke(
        deployment="blue", job_name=JOB, output_file_name="p.csv", retry_settings=SHORT, **more
    )


def environment(service: Service) -> object:
    body = convert.environment_body(ENVIRONMENT, "dependencies:\n- pip\n")
    return versions.put_version(service.workspace, "environments", "env", "1", body, action="register it")


CALLS: dict[str, Callable[[Service], object]] = {
    "code-look-up-hit": code,
    "code-look-up-miss": code,
    "code-start-upload": code,
    "code-put": code,
    "compute-delete": lambda s: Computes(s.workspace).delete("cluster"),
    "compute-get": lambda s: Computes(s.workspace).get("cluster"),
    "compute-get-unknown": lambda s: Computes(s.workspace).get("none"),
    "compute-list": lambda s: list(Computes(s.workspace).list()),
    "compute-put": lambda s: Computes(s.workspace).create(COMPUTE, wait=False),
    "data-container-get": lambda s: versions.next_version(s.workspace, "data", "images"),
    "data-get": lambda s: Datasets(s.workspace).get("images", version="1"),
    "data-put": put(
        "data",
        "images",
        convert.data_body(
            DatasetSpec(name="images", path="d", description="digits"), f"{STORE}{UPLOADED}data", "uri_folder"
        ),
    ),
    "dataset-put-2021": lambda s: Datasets(s.workspace).create(
        DatasetSpec(name="mnist", version="1", path=f"{BOX}/mnist", type="uri_folder")
    ),
    "datastore-get": lambda s: Datastores(s.workspace).get("workspaceblobstore"),
    "datastore-get-unknown": lambda s: Datastores(s.workspace).get("none"),
    "datastore-list": lambda s: list(Datastores(s.workspace).list()),
    "datastore-list-default": lambda s: s.workspace.default_datastore,
    "datastore-list-secrets": lambda s: s.workspace.container("workspaceblobstore"),
    "deployment-delete": lambda s: s.deployments.get("blue").delete(),
    "deployment-get": lambda s: s.deployments.get("blue"),
    "deployment-get-unknown": lambda s: s.deployments.get("none"),
    "deployment-jobs": lambda s: list(s.deployments.get("blue").list_jobs()),
    "deployment-list": lambda s: list(s.deployments.list()),
    "deployment-put": lambda s: s.deployments.create(DEPLOYMENT),
    "discovery-get": lambda s: s.workspace.api_url,
    "endpoint-delete": lambda s: s.endpoint.delete(),
    "endpoint-get": lambda s: BatchEndpoints(s.workspace).get("heart"),
    "endpoint-get-unknown": lambda s: BatchEndpoints(s.workspace).get("none"),
    "endpoint-jobs": lambda s: list(s.endpoint.list_jobs()),
    "endpoint-list": lambda s: list(BatchEndpoints(s.workspace).list()),
    "endpoint-put": lambda s: BatchEndpoints(s.workspace).create(
        EndpointSpec(name="heart", description="of hearts", tags={"team": "a"}, properties={"owner": "ana"})
    ),
    "endpoint-put-default": lambda s: s.endpoint.set_default("blue"),
    "environment-get": lambda s: Environments(s.workspace).get("env", version="1"),
    "environment-latest": lambda s: Environments(s.workspace).get("env"),
    "environment-put": environment,
    "invoke": lambda s: invoked(
        s,
        inputs={"UriFolder": folder(f"{STORE}{UPLOADED}data")},
        output=f"folder:{STORE}out/",
        mini_batch_size=3,
        error_threshold=0,
        instance_count=2,
        isolate_failures=False,
        experiment_name="trial",
        tags={"a": "b"},
    ),
    "invoke-2021": lambda s: invoked(
        s, inputs={"x": folder(f"{BOX}/data")}, output=f"folder:{STORE}out/", instance_count=2
    ),
    "job-cancel": lambda s: Jobs(s.workspace).get(JOB).cancel(),
    "job-get": lambda s: Jobs(s.workspace).get(JOB),
    "job-get-unknown": lambda s: Jobs(s.workspace).get("none"),
    "job-items": lambda s: list(Jobs(s.workspace).get(JOB).items(status="failed")),
    "job-rows": lambda s: list(reading.runs_of(s.workspace, JOB, "own", sources=True)),
    "job-list": lambda s: list(Jobs(s.workspace).list()),
    "model-container-get": lambda s: versions.next_version(s.workspace, "models", "digits"),
    "model-container-get-unknown": lambda s: versions.next_version(s.workspace, "models", "none"),
    "model-get": lambda s: Models(s.workspace).get("digits", version="1"),
    "model-get-unknown": lambda s: Models(s.workspace).get("digits", version="9"),
    "model-latest": lambda s: Models(s.workspace).get("digits"),
    "model-list": lambda s: list(Models(s.workspace).list()),
    "model-put": put(
        "models",
        "digits",
        convert.model_body(
            ModelSpec(name="digits", path="m", description="trained", tags={"t": "1"}),
            f"{LONG}{UPLOADED}model",
            "custom_model",
        ),
    ),
    "operation-get": lambda s: s.endpoint.delete(),
    "resolved-uris": lambda s: _runs._reported(s.workspace, {"outputs": {"score": {"assetId": IMAGES}}}, "find it"),
    "run-children": lambda s: _runs.child_run(s.workspace, JOB),
    "run-data": lambda s: _runs.output_uri(s.workspace, JOB),
    "run-details": lambda s: _runs.details(s.workspace, JOB),
    "workspace-get": lambda s: s.workspace.location,
}

FIRST = {"code-start-upload": ["code-look-up-miss"], "code-put": ["code-look-up-miss"]}
"""Where two pairs answer one request: which of them is meant beside the one in question."""

VERSIONS = {"invoke-2021": "2021-10-01", "dataset-put-2021": "2021-10-01"}
SERVICES = {"BatchEndpointCreationApiVersion", "azureml.onlineendpointid", "AzureAsyncOperationUri"}
OTHERS_SEND = {
    "code-get": "the id of a version is enough",
    "code-list": "code is looked up by its hash",
    "compute-operation-get": "like operation-get",
    "datastore-delete": "datastores are read only here",
    "datastore-put": "datastores are read only here",
    "deployment-patch": "an update puts the whole deployment, as the official client does",
    "deployment-put-without-model": "a spec without a model is refused before",
    "endpoint-job-get": "a job is read at its own route",
    "endpoint-list-without-api-version": "the client always names one",
    "endpoint-patch": "an update puts the whole endpoint, as the official client does",
    "invoke-literal": "the client needs an input of files for a model deployment",
    "invoke-unknown-deployment": "see the answers below",
    "job-cancel-results": "part of job-cancel",
    "job-put": "a job is not changed here",
    "operation-results": "part of job-cancel",
    "run-patch": "a job is not changed here",
}
"""Pairs that no call of this client sends, and why; the local service's side of them is tested all the same."""


def test_every_pair_has_its_call_or_a_reason_why_it_has_none() -> None:
    assert sorted([*CALLS, *OTHERS_SEND]) == sorted(NAMES)


@pytest.mark.parametrize("name", sorted(CALLS))
def test_a_call_of_the_client_sends_the_request_of_the_pair(name: str) -> None:
    service, one = Service(name, *FIRST.get(name, []), version=VERSIONS.get(name, API_VERSION)), pair(name, PATH)

    try:
        CALLS[name](service)
    except NotFoundError:
        assert one.status == 404

    path, query = address(one.path)
    wanted = (one.method, path, body_of(one.body), {**query, "api-version": None})
    sent = [(s.method, address(str(s.url)), json.loads(text(s))) for s in service.transport.requests]
    found = [(method, where, body_of(body), {**asked, "api-version": None}) for method, (where, asked), body in sent]
    assert wanted in found
    request = service.transport.requests[found.index(wanted)]
    assert address(str(request.url))[1].get("api-version") == query.get("api-version")
    assert {header: request.headers[header] for header in one.headers} == one.headers


def text(sent: requests.PreparedRequest) -> str:
    return sent.body.decode() if isinstance(sent.body, bytes) else str(sent.body or "null")


def body_of(body: Any) -> Any:  # noqa: ANN401 (JSON of any shape)
    """A body without defaults said aloud, the hash of the code's own, and what the service itself put into it."""
    if not isinstance(body, dict):
        return "text" if body == "{child}" else body
    kept = {key: body_of(one) for key, one in body.items() if key not in SERVICES and one not in ({}, False)}
    return kept if "hash_sha256" not in kept else {**kept, "hash_sha256": "of the code"}


# ------------------------------------------------------------------ answers


def desk_of(*names: str, **more: Any) -> Desk:
    """A service that answers as the pairs say."""
    played: dict[str, Any] = {**BASICS, **more}
    for name in names:
        one = pair(name, PATH)
        path = one.path.split("?")[0].replace("/scoring/heart", "")
        body = filled(one.answer)
        played[f"{one.method} {path}"] = reply(one.status, _content(one) if body is None else body)
    return Desk(played)


def _content(one: Pair) -> bytes:
    return b"" if one.answer == "<empty>" else b"null"


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
    assert (made.spec.code, made.spec.model, made.spec.environment) == (
        PATH.asset("codes", "score", "1"),
        PATH.asset("models", "digits", "1"),
        PATH.asset("environments", "env", "1"),
    )


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


# ------------------------------------------------------------------ lists and the run history


def test_lists_are_read() -> None:
    names = ("endpoint-list", "deployment-list", "compute-list", "datastore-list", "model-list", "job-list")
    desk = desk_of(*names, "model-latest")
    workspace = desk.workspace

    assert [one.name for one in BatchEndpoints(workspace).list()] == ["heart"]
    assert [one.spec.settings for one in BatchDeployments(workspace, "heart").list()] == [DEPLOYMENT.settings]
    assert [one.name for one in Computes(workspace).list()] == ["local", "cluster"]
    assert [one.name for one in Datastores(workspace).list()] == ["workspaceblobstore", "workspaceartifactstore"]
    assert [one.name for one in Models(workspace).list()] == ["digits"]
    assert [one.name for one in Jobs(workspace).list()] == [JOB]


def test_the_jobs_of_an_endpoint_and_of_a_deployment_are_read() -> None:
    desk = desk_of("endpoint-jobs", "deployment-jobs")
    endpoint = BatchEndpoints(desk.workspace)._made(endpoint_body("blue"))
    deployment = BatchDeployments(desk.workspace, "heart")._made(filled(answer("deployment-get").answer))

    for jobs in (endpoint.list_jobs(), deployment.list_jobs()):
        (job,) = jobs
        assert (job.name, job.endpoint_name, job.deployment_name) == (JOB, "heart", "blue")


def test_the_step_of_a_job_and_where_it_wrote_are_read() -> None:
    desk = desk_of("run-children", "run-data", "run-details")

    assert _runs.child_run(desk.workspace, JOB) == "text"
    assert desk.sent[-1] == f"GET {API}/history/v1.0WS/runs/{JOB}/children"


@pytest.mark.parametrize("name", ["compute-get-unknown", "deployment-get-unknown", "job-get-unknown"])
def test_what_is_not_there_is_not_found_whatever_the_body_of_the_answer(name: str) -> None:
    desk = desk_of(name)
    asked: dict[str, Callable[[], object]] = {
        "compute-get-unknown": lambda: Computes(desk.workspace).get("none"),
        "deployment-get-unknown": lambda: BatchDeployments(desk.workspace, "heart").get("none"),
        "job-get-unknown": lambda: Jobs(desk.workspace).get("none"),
    }

    with pytest.raises(NotFoundError, match="none"):
        asked[name]()


def test_a_deleted_compute_is_followed_by_its_operation() -> None:
    links = {"Azure-AsyncOperation": f"{ARM}/op"}
    deleted = {"DELETE computes/cluster": reply(202, b"", links), "GET /op": operation("Succeeded")}
    desk = desk_of("compute-get", **deleted)

    Computes(desk.workspace).delete("cluster")

    assert answer("compute-delete").answer == "<empty>"
    assert [one.split()[0] for one in desk.sent] == ["GET", "DELETE", "GET"]
