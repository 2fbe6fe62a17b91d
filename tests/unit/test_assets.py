"""References and local paths become ids, with as few requests as they need."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from threading import Event
from typing import Any

import pytest

from azure_batch_endpoints._storage import assets, codes, environments, models
from azure_batch_endpoints._storage.hashing import LocalTree, scan
from azure_batch_endpoints._workspace import Workspace
from azure_batch_endpoints.errors import InvalidInputError, LocalPathError, NotFoundError, ServiceError, SpecError
from azure_batch_endpoints.inputs import Input, dataset, local_path, parse
from azure_batch_endpoints.specs import DatasetSpec, DeploymentSpec, EnvironmentSpec, ModelSpec
from tests.unit.fake_container import FakeContainer
from tests.unit.fake_workspace import PATH, FakeService


def model_id(workspace: Workspace, model: str | Path | ModelSpec) -> str:
    return models.source_id(workspace, models.model_source(model), None)


def code_id(workspace: Workspace, path: str) -> str:
    return codes.register_code(workspace, codes.code_source(path), None)


def environment_id(workspace: Workspace, environment: str | Path | EnvironmentSpec | None) -> str | None:
    return environments.register_described(workspace, environments.described_environment(environment))


SIGNED = "https://acct.blob.core.windows.net/code-1?sv=1&sr=c&sig=SECRET"
PENDING = {
    "blobReferenceForConsumption": {
        "blobUri": "https://acct.blob.core.windows.net:443/code-1",
        "credential": {"credentialType": "SAS", "sasUri": SIGNED},
    },
    "pendingUploadType": "None",
}


class World:
    """A service, its default container, and the container that code goes to."""

    def __init__(self) -> None:
        self.service = FakeService()
        self.workspace = self.service.workspace()
        self.store = FakeContainer()
        self.code = FakeContainer("https://acct.blob.core.windows.net/code-1")

    @property
    def known(self) -> list[str]:
        """Requests to the service once the datastore is known."""
        return [line for line in self.service.lines if "datastores" not in line]


@pytest.fixture
def world(monkeypatch: pytest.MonkeyPatch) -> Iterator[World]:
    made = World()

    def container(workspace: Workspace, datastore: str | None = None) -> FakeContainer:
        return made.store

    monkeypatch.setattr(Workspace, "container", container)
    monkeypatch.setattr(codes, "Container", lambda url, credential: made.code)
    yield made


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    for name, text in {
        "code/score.py": "def init(): ...",
        "model/MLmodel": "flavors: {}",
        "model/model.pkl": "weights",
        "model.pkl": "weights",
        "data/1.png": "one",
        "conda.yml": "name: env\ndependencies:\n- python=3.11\n",
        "env.yml": "name: sklearn\nversion: 3\nimage: img:1\nconda_file: conda.yml\n",
    }.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text)
    return tmp_path


@pytest.mark.parametrize(
    ("given", "made"),
    [
        ("azureml:digits:3", PATH.asset("models", "digits", "3")),
        (PATH.asset("models", "digits", "3"), PATH.asset("models", "digits", "3")),
        (f"azureml:{PATH.asset('models', 'digits', '3')}", PATH.asset("models", "digits", "3")),
        ("azureml://registries/hub/models/digits/versions/3", "azureml://registries/hub/models/digits/versions/3"),
        ("azureml://locations/we/workspaces/id/models/digits/versions/3", PATH.asset("models", "digits", "3")),
    ],
)
def test_a_model_reference_becomes_an_id_without_a_request(world: World, given: str, made: str) -> None:
    assert model_id(world.workspace, given) == made
    assert world.service.lines == []


@pytest.mark.parametrize("given", ["azureml:digits@latest", "azureml:digits"])
def test_the_latest_model_is_asked_for(world: World, given: str) -> None:
    world.service.answers["GET models/digits/versions"] = {"value": [{"id": "/…/digits/versions/7", "name": "7"}]}

    assert model_id(world.workspace, given) == "/…/digits/versions/7"
    assert world.service.query() == {"api-version": "2024-10-01", "$orderBy": "createdtime desc", "$top": "1"}


def test_the_latest_of_a_name_without_versions_is_not_found(world: World) -> None:
    world.service.answers["GET models/digits/versions"] = {"value": []}

    with pytest.raises(NotFoundError, match="latest version of model 'digits': there is none"):
        model_id(world.workspace, "azureml:digits@latest")


def test_a_label_other_than_latest_and_another_kind_are_refused(world: World) -> None:
    with pytest.raises(InvalidInputError, match="has the label 'best'"):
        model_id(world.workspace, "azureml:digits@best")
    with pytest.raises(InvalidInputError, match="does not name a model"):
        model_id(world.workspace, PATH.asset("environments", "digits", "3"))


def test_a_local_model_is_uploaded_and_registered_without_a_name(world: World, folder: Path) -> None:
    made = model_id(world.workspace, "model")

    digest = scan("model").upload_hash()
    name = made.rsplit("/", 3)[1]
    assert made == PATH.asset("models", name, "1") and len(name) == 64
    assert world.known == [f"PUT models/{name}/versions/1"]
    inside = world.service.sent()["properties"]
    assert inside["modelType"] == "mlflow_model" and inside["isAnonymous"] is True
    assert inside["modelUri"] == (
        "azureml://subscriptions/sub/resourcegroups/rg/workspaces/ws/datastores/workspaceblobstore"
        f"/paths/LocalUpload/{digest}/model"
    )
    assert world.store.blobs[f"LocalUpload/{digest}/model/MLmodel"][1]["name"] == name


def test_the_same_content_under_two_names_is_two_models(world: World, folder: Path) -> None:
    (folder / "copy.pkl").write_text("weights")

    assert model_id(world.workspace, "model.pkl") != model_id(world.workspace, "copy.pkl")
    assert world.service.sent()["properties"]["modelType"] == "custom_model"


def test_a_model_in_storage_is_registered_where_it_is(world: World) -> None:
    uri = "azureml://datastores/other/paths/model/"

    made = model_id(world.workspace, ModelSpec(name="", path=uri, type="mlflow_model"))

    assert world.service.sent()["properties"]["modelUri"] == uri
    assert world.store.requests == [] and world.service.lines == [f"PUT models/{made.rsplit('/', 3)[1]}/versions/1"]


@pytest.mark.parametrize(("container", "version"), [({"properties": {"nextVersion": "4"}}, "4"), (None, "1")])
def test_a_named_model_takes_the_next_version(
    world: World, folder: Path, container: dict[str, object] | None, version: str
) -> None:
    world.service.answers["GET models/digits"] = container or (404, {"error": {"code": "UserError"}})
    world.service.answers["GET models/digits/versions"] = {"value": []}

    made = assets.register_model(world.workspace, ModelSpec(name="digits", path="model.pkl", tags={"a": "b"}))

    assert made.id == PATH.asset("models", "digits", version)
    looked = ["GET models/digits", *(["GET models/digits/versions"] if container else [])]
    assert world.known == [*looked, f"PUT models/digits/versions/{version}"]
    assert world.service.sent()["properties"]["isAnonymous"] is False


def newest(world: World, kind: str, version: str, properties: dict[str, object]) -> None:
    """Let the service have a version of ``digits``."""
    found = {"id": PATH.asset(kind, "digits", version), "name": version, "properties": properties}  # type: ignore[arg-type]
    world.service.answers |= {
        f"GET {kind}/digits": {"properties": {"nextVersion": str(int(version) + 1)}},
        f"GET {kind}/digits/versions": {"value": [found]},
    }


def test_a_named_model_of_the_newest_versions_content_keeps_that_version(world: World, folder: Path) -> None:
    plain = ModelSpec(name="digits", path="model", description="d", tags={"a": "b"})
    first = assets.register_model(world.workspace, ModelSpec(**{**dict(plain), "version": "3"}))
    sent = world.service.sent()["properties"]
    assert first.id == PATH.asset("models", "digits", "3")
    newest(world, "models", "3", {**sent, "tags": {"a": "b", "more": "c"}})
    world.service.transport.requests.clear()

    for same in (plain, ModelSpec(name="digits", path="model")):
        assert assets.register_model(world.workspace, same).id == first.id
        assert model_id(world.workspace, same) == first.id
    assert not [line for line in world.known if line.startswith("PUT")]

    others: list[dict[str, object]] = [
        {"path": "model.pkl"},
        {"tags": {"a": "other"}},
        {"description": "other"},
        {"type": "custom_model"},
    ]
    for other in others:
        made = assets.register_model(world.workspace, ModelSpec(**{**dict(plain), **other}))
        assert made.id == PATH.asset("models", "digits", "4"), other


def test_a_data_set_of_the_newest_versions_content_keeps_that_version(world: World, folder: Path) -> None:
    spec = DatasetSpec(name="digits", path="data")
    assets.register_dataset(world.workspace, spec)
    newest(world, "data", "1", world.service.sent()["properties"])
    world.service.transport.requests.clear()

    assert assets.register_dataset(world.workspace, spec).id == PATH.asset("data", "digits", "1")
    assert world.known == ["GET data/digits", "GET data/digits/versions"]
    (folder / "data" / "2.png").write_text("two")
    assert assets.register_dataset(world.workspace, spec).id == PATH.asset("data", "digits", "2")


def test_a_curated_environment_is_named_by_its_label_where_it_cannot_be_looked_up(world: World) -> None:
    known = PATH.asset("environments", "AzureML-known", "33")
    world.service.answers |= {
        "GET environments/AzureML-known/versions": {"value": [{"id": known}]},
        "GET environments/AzureML-new/versions": {"value": []},
    }

    assert environment_id(world.workspace, "azureml:AzureML-known@latest") == known
    label = f"{PATH}/environments/AzureML-new/labels/"
    assert environment_id(world.workspace, "azureml:AzureML-new@latest") == f"{label}latest"
    assert environment_id(world.workspace, "azureml:AzureML-new@stable") == f"{label}stable"


def test_a_model_with_a_version_asks_for_none(world: World, folder: Path) -> None:
    assets.register_model(world.workspace, ModelSpec(name="digits", path="model.pkl", version="9"))

    assert world.known == ["PUT models/digits/versions/9"]


def test_known_code_costs_one_request_and_no_upload(world: World, folder: Path) -> None:
    found = PATH.asset("codes", "other", "2")
    world.service.answers["GET codes"] = {"value": [{"id": found}]}

    assert code_id(world.workspace, "code") == found
    assert len(world.service.lines) == 1 and world.code.requests == []
    assert world.service.query() == {
        "api-version": "2024-10-01",
        "hash": scan("code").code_hash(),
        "hashVersion": "202208",
    }


def test_new_code_goes_to_a_container_of_its_own(world: World, folder: Path) -> None:
    world.service.answers |= {"GET codes": {"value": []}, "POST codes": PENDING}

    made = code_id(world.workspace, "code")

    assert [line.split("/")[0] for line in world.service.lines] == ["GET codes", "POST codes", "PUT codes"]
    assert world.code.requests == ["PUT code/score.py"]
    inside = world.service.sent()["properties"]
    assert inside["codeUri"] == "https://acct.blob.core.windows.net:443/code-1/code"
    assert inside["properties"]["hash_sha256"] == scan("code").code_hash()
    assert made == PATH.asset("codes", made.rsplit("/", 3)[1], "1")


def test_code_that_has_an_id_stays_and_a_script_in_its_place_is_refused(world: World, folder: Path) -> None:
    known = PATH.asset("codes", "c", "1")

    assert code_id(world.workspace, known) == known
    with pytest.raises(LocalPathError, match=r"Code 'code/score.py' is a file.*code='code', scoring_script='score.py'"):
        code_id(world.workspace, "code/score.py")
    assert world.service.lines == []


def test_a_service_that_names_no_place_for_code_is_an_error(world: World, folder: Path) -> None:
    world.service.answers |= {"GET codes": {"value": []}, "POST codes": {}}

    with pytest.raises(ServiceError, match="get a place for the code 'code'"):
        code_id(world.workspace, "code")


def test_an_api_version_before_code_was_looked_up_is_not_used_for_it(folder: Path, world: World) -> None:
    world.service.answers["GET codes"] = {"value": [{"id": "/x"}]}

    code_id(world.service.workspace(api_version="2022-10-01"), "code")

    assert world.service.query()["api-version"] == "2024-10-01"


def test_code_of_2021_goes_into_the_default_datastore_and_is_not_sent_again(folder: Path, world: World) -> None:
    workspace = world.service.workspace(api_version="2021-10-01")

    first, again = code_id(workspace, "code"), code_id(workspace, "code")

    assert first == again == world.service.transport.requests[0].path_url.split("?")[0]
    assert {line.split("/")[0] for line in world.known} == {"PUT codes"}
    assert world.service.query() == {"api-version": "2021-10-01"}
    (put,) = [line for line in world.store.requests if line.startswith("PUT")]
    blob = put.removeprefix("PUT ").removesuffix("/score.py")
    assert blob.startswith("LocalUpload/")
    assert world.service.sent() == {"properties": {"codeUri": f"{world.store.url}/{blob}", "isAnonymous": True}}
    assert world.code.requests == []


def test_models_and_data_sets_of_2021_are_registered_in_the_words_of_then(folder: Path, world: World) -> None:
    workspace = world.service.workspace(api_version="2021-10-01")

    models.register_model(workspace, ModelSpec(name="m", path="https://a.net/b/m", version="1", type="mlflow_model"))
    model = world.service.sent()["properties"]
    made = assets.register_dataset(workspace, DatasetSpec(name="d", path="https://a.net/b/d/", version="2"))

    assert (model["modelFormat"], model["modelUri"]) == ("MLFlow", "https://a.net/b/m")
    assert world.service.sent()["properties"]["paths"] == [{"folder": "https://a.net/b/d/"}]
    assert not {"isArchived", "modelType", "dataUri", "dataType"} & {*model, *world.service.sent()["properties"]}
    assert made.id == f"{PATH}/datasets/d/versions/2"
    assert assets.resolve_input(workspace, dataset("d", version=2)) == Input("dataset", str(made.id))


@pytest.mark.parametrize("given", ["azureml:batch-cluster", "batch-cluster", PATH.compute("batch-cluster")])
def test_a_compute_becomes_an_id_without_a_request(world: World, given: str) -> None:
    assert assets.compute_id(world.workspace, given) == PATH.compute("batch-cluster")
    assert world.service.lines == []


def test_an_environment_reference_becomes_an_id_and_none_stays_none(world: World) -> None:
    assert environment_id(world.workspace, None) is None
    assert environment_id(world.workspace, "azureml:sk:1") == PATH.asset("environments", "sk", "1")
    assert world.service.lines == []


def test_a_conda_file_is_registered_anonymously_by_its_content(world: World, folder: Path) -> None:
    first = environment_id(world.workspace, "conda.yml")
    second = environment_id(world.workspace, EnvironmentSpec(conda_file=folder / "conda.yml"))

    assert first == second
    assert str(first).startswith(PATH.asset_versions("environments", "CliV2AnonymousEnvironment"))
    inside = world.service.sent()["properties"]
    assert inside["condaFile"] == (folder / "conda.yml").read_text()
    assert inside["isAnonymous"] is True and inside["image"]


def test_an_environment_file_is_registered_under_its_name(world: World, folder: Path) -> None:
    made = environment_id(world.workspace, folder / "env.yml")

    assert made == PATH.asset("environments", "sklearn", "3")
    assert world.service.sent()["properties"]["image"] == "img:1"


def test_a_registered_environment_takes_the_next_version(world: World) -> None:
    spec = EnvironmentSpec(name="sk", image="img:1", conda_file={"dependencies": ["python=3.11"]})

    assert assets.register_environment(world.workspace, spec).id == PATH.asset("environments", "sk", "1")
    assert assets.register_environment(world.workspace, EnvironmentSpec(image="img:1")).id is not None
    assert [line.split("/versions")[0] for line in world.service.lines] == [
        "GET environments/sk",
        "PUT environments/sk",
        "PUT environments/CliV2AnonymousEnvironment",
    ]


def test_an_environment_that_is_nothing_or_not_there_is_refused(world: World, folder: Path) -> None:
    with pytest.raises(InvalidInputError, match="neither an image nor a conda file"):
        environment_id(world.workspace, EnvironmentSpec(name="empty"))
    with pytest.raises(LocalPathError, match=r"Environment 'cond.yml' does not exist.*Did you mean 'conda.yml'\?"):
        environment_id(world.workspace, "cond.yml")
    with pytest.raises(LocalPathError, match="Conda file 'data' is a folder"):
        environment_id(world.workspace, EnvironmentSpec(conda_file="data"))
    (folder / "conda.yml").write_text("a: [")
    with pytest.raises(SpecError, match=r"conda.yml, line 1: not valid YAML"):
        environment_id(world.workspace, "conda.yml")
    assert world.service.lines == []


def test_a_data_set_becomes_an_id_and_only_the_latest_is_asked_for(world: World) -> None:
    world.service.answers["GET data/digits/versions"] = {"value": [{"id": "/…/data/digits/versions/7"}]}
    third = PATH.asset("data", "digits", "3")

    assert assets.resolve_input(world.workspace, dataset("digits", version=3)) == Input("dataset", third)
    assert assets.resolve_input(world.workspace, parse(third)) == Input("dataset", third)
    assert world.service.lines == []
    assert assets.resolve_input(world.workspace, dataset("digits")).value == "/…/data/digits/versions/7"


def test_a_local_file_costs_a_look_a_put_and_its_registration(world: World, folder: Path) -> None:
    digest = scan("data/1.png").upload_hash()

    made = assets.resolve_input(world.workspace, local_path("data/1.png"))

    place = f"LocalUpload/{digest}/1.png"
    assert made == Input("file", f"azureml://datastores/workspaceblobstore/paths/{place}")
    assert world.store.requests == [f"HEAD {place}", f"PUT {place}"]
    assert [line.split("/")[0] for line in world.known] == ["PUT data"]
    assert world.service.sent()["properties"]["dataType"] == "uri_file"


def test_a_local_folder_ends_with_a_slash_and_is_sent_once(world: World, folder: Path) -> None:
    made = assets.resolve_input(world.workspace, local_path("data"))
    world.store.requests.clear()

    assert assets.resolve_input(world.workspace, local_path("data")) == made
    assert made.kind == "folder" and made.value.endswith("/data/")
    assert len(world.store.requests) == 1


def test_an_input_in_storage_stays(world: World) -> None:
    given = parse("folder:https://acct.blob.core.windows.net/data/x/")

    assert assets.resolve_input(world.workspace, given) is given


def test_a_local_data_set_is_uploaded_and_takes_the_next_version(world: World, folder: Path) -> None:
    made = assets.register_dataset(world.workspace, DatasetSpec(name="digits", path="data"))

    inside = world.service.sent()["properties"]
    assert made.id == PATH.asset("data", "digits", "1")
    assert inside["dataType"] == "uri_folder" and inside["dataUri"].endswith("/data/")
    assert world.known == ["GET data/digits", "PUT data/digits/versions/1"]


@pytest.mark.parametrize(
    ("path", "kind"), [("https://a.blob.core.windows.net/c/x.csv", "uri_file"), ("wasbs://c@a/x/", "uri_folder")]
)
def test_a_data_set_in_storage_is_registered_where_it_is(world: World, path: str, kind: str) -> None:
    assets.register_dataset(world.workspace, DatasetSpec(name="digits", path=path, version="2"))

    assert (
        world.service.sent()["properties"] | {"dataType": kind, "dataUri": path} == world.service.sent()["properties"]
    )
    assert world.store.requests == []


def test_a_data_set_of_another_type_than_its_path_is_refused(world: World, folder: Path) -> None:
    with pytest.raises(LocalPathError, match=r"'data' is a folder, but type is 'uri_file'. Write type='uri_folder'"):
        assets.register_dataset(world.workspace, DatasetSpec(name="digits", path="data", type="uri_file"))
    assert world.service.lines == []


def test_a_deployment_becomes_four_ids(world: World, folder: Path) -> None:
    world.service.answers |= {"GET codes": {"value": []}, "POST codes": PENDING}
    spec = DeploymentSpec(
        name="blue", model="model.pkl", code="code", scoring_script="score.py", environment="conda.yml", compute="cpu"
    )

    made = assets.resolve_deployment(world.workspace, spec)

    assert made.compute_id == PATH.compute("cpu")
    assert all(one and one.startswith(str(PATH)) for one in (made.model_id, made.code_id, made.environment_id))


@pytest.mark.parametrize("wrong", ["model", "code", "environment"])
def test_a_missing_path_of_a_deployment_is_found_before_anything_is_sent(
    world: World, folder: Path, wrong: str
) -> None:
    paths = {"model": "model.pkl", "code": "code", "environment": "conda.yml", wrong: "nowhere"}
    spec = DeploymentSpec(name="blue", scoring_script="score.py", compute="cpu", **paths)

    with pytest.raises(LocalPathError, match=r"'nowhere' does not exist.*Nothing was sent\."):
        assets.resolve_deployment(world.workspace, spec)

    assert world.service.lines == [] and world.store.requests == []


def test_a_deployment_of_references_asks_nothing(world: World) -> None:
    spec = DeploymentSpec(name="mlflow", model="azureml:digits:1", compute="azureml:cpu")

    made = assets.resolve_deployment(world.workspace, spec)

    assert (made.code_id, made.environment_id) == (None, None) and world.service.lines == []


def test_the_code_is_hashed_while_the_model_is_sent(
    world: World, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    hashed = Event()
    real_hash, real_upload = LocalTree.code_hash, world.store.upload

    def code_hash(tree: LocalTree, *given: Any) -> str:
        digest = real_hash(tree, *given)
        hashed.set()
        return digest

    def upload(*given: Any, **more: Any) -> None:
        assert hashed.wait(60), "the code waits for the model"
        real_upload(*given, **more)

    monkeypatch.setattr(LocalTree, "code_hash", code_hash)
    monkeypatch.setattr(world.store, "upload", upload)

    world.service.answers |= {"GET codes": {"value": []}, "POST codes": PENDING}
    spec = DeploymentSpec(name="one", model="model.pkl", code="code", scoring_script="score.py")
    assert assets.resolve_deployment(world.workspace, spec).code_id


def test_an_input_that_is_there_is_not_registered_again(world: World, folder: Path) -> None:
    first = assets.resolve_input(world.workspace, local_path("data"))
    known = len(world.known)
    world.store.requests.clear()

    assert assets.resolve_input(world.workspace, local_path("data")) == first
    assert [one.split()[0] for one in world.store.requests] == ["HEAD"] and len(world.known) == known
