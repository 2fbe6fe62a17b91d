"""Registered assets, computes and datastores."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from azure_batch_endpoints._wire.routes import AssetKind
from azure_batch_endpoints.assets import Datasets, Environments, Models
from azure_batch_endpoints.computes import Computes
from azure_batch_endpoints.datastores import Datastores
from azure_batch_endpoints.errors import LocalPathError, NotFoundError, TransportError, WaitTimeoutError
from azure_batch_endpoints.specs import ComputeSpec, DatasetSpec, EnvironmentSpec, ModelSpec
from azure_batch_endpoints.states import ProvisioningState
from tests.unit.fake_service import ARM, BASICS, PATH, Desk, not_found, operation
from tests.unit.fake_transport import reply


def version_body(kind: AssetKind, name: str, version: str, **properties: Any) -> dict[str, Any]:
    return {"id": PATH.asset(kind, name, version), "name": version, "properties": {"tags": {"t": "1"}, **properties}}


def test_a_version_is_read_with_its_own_name_not_that_of_the_wire() -> None:
    body = version_body("models", "digits", "3", modelType="mlflow_model", modelUri="azureml://x")
    desk = Desk({"GET models/digits/versions/3": reply(body=body)})

    model = Models(desk.workspace).get("digits", version="3")

    assert (model.name, model.version, model.type, model.uri) == ("digits", "3", "mlflow_model", "azureml://x")
    assert (model.tags, model.description) == ({"t": "1"}, None)
    assert repr(model) == "Model('digits', 3, 0 s ago)"
    assert "digits" in model._repr_html_()


def test_no_version_is_the_newest() -> None:
    desk = Desk({"GET digits/versions": reply(body={"value": [version_body("models", "digits", "7")]})})

    model = Models(desk.workspace).get("digits")

    assert (model.version, model.type, model.uri) == ("7", "custom_model", "")
    assert "orderBy" in str(desk.transport.requests[0].url)


def test_an_asset_that_is_not_there_is_named() -> None:
    desk = Desk({"GET versions": reply(body={"value": []}), "GET versions/9": not_found()})

    with pytest.raises(NotFoundError, match="model 'digits'"):
        Models(desk.workspace).get("digits")
    with pytest.raises(NotFoundError, match="Could not read data set 'digits:9'"):
        Datasets(desk.workspace).get("digits", version="9")


def test_versions_are_listed_lazily_by_name_or_the_newest_of_every_name() -> None:
    desk = Desk(
        {
            "GET digits/versions": reply(body={"value": [version_body("data", "digits", one) for one in ("2", "1")]}),
            "GET data": reply(body={"value": [{"name": "digits"}]}),
        }
    )

    listed = Datasets(desk.workspace).list("digits")
    assert desk.sent == []
    assert [one.version for one in listed] == ["2", "1"]
    (newest,) = Datasets(desk.workspace).list()
    assert (newest.name, newest.version, newest.type, newest.uri) == ("digits", "2", "uri_folder", "")


def test_an_api_version_without_todays_data_assets_is_not_used_for_them() -> None:
    body = version_body("data", "digits", "1")
    desk = Desk(
        {"GET digits/versions": reply(body={"value": [body]}), "GET versions/1": reply(body=body)}, version="2022-05-01"
    )

    Datasets(desk.workspace).get("digits", version="1")
    list(Datasets(desk.workspace).list("digits"))

    assert len(desk.transport.requests) == 2
    assert all("api-version=2024-10-01" in str(one.url) for one in desk.transport.requests)


@pytest.mark.parametrize("word", ["file", "folder"])
def test_2021_keeps_data_sets_under_a_path_and_words_of_its_own(word: str) -> None:
    properties = {"paths": [{word: "azureml://datastores/s/paths/d"}], "isAnonymous": False}
    body = {"id": f"{PATH}/datasets/digits/versions/1", "name": "1", "properties": properties}
    desk = Desk({"GET datasets/digits/versions": reply(body={"value": [body]})}, version="2021-10-01")

    (found,) = Datasets(desk.workspace).list("digits")

    assert (found.name, found.version) == ("digits", "1")
    assert (found.type, found.uri) == (f"uri_{word}", "azureml://datastores/s/paths/d")
    assert all("api-version=2021-10-01" in str(one.url) for one in desk.transport.requests)


@pytest.mark.parametrize(("said", "kind"), [("MLFlow", "mlflow_model"), ("Custom", "custom_model"), ("New", "New")])
def test_2021_has_another_word_for_the_type_of_a_model(said: str, kind: str) -> None:
    body = {"id": PATH.asset("models", "m", "1"), "name": "1", "properties": {"modelFormat": said, "modelUri": "u"}}
    desk = Desk({"GET models/m/versions/1": reply(body=body)}, version="2021-10-01")

    assert Models(desk.workspace).get("m", version="1").type == kind


def test_an_answer_that_cannot_be_read_is_this_packages_error() -> None:
    desk = Desk({"GET digits/versions": reply(body={"value": [{"id": "x", "properties": "none"}]})})

    with pytest.raises(TransportError, match="The answer about 'x' cannot be read"):
        Models(desk.workspace).get("digits")


@pytest.mark.parametrize(
    ("text", "read"),
    [('{"dependencies": ["pip"]}', {"dependencies": ["pip"]}), ("a: [", None), ("[1]", None), (None, None)],
)
def test_a_conda_file_comes_back_as_a_mapping_or_not_at_all(text: str | None, read: object) -> None:
    body = version_body("environments", "e", "1", image="i", condaFile=text)
    desk = Desk({"GET e/versions/1": reply(body=body)})

    environment = Environments(desk.workspace).get("e", version="1")

    assert (environment.image, environment.conda_file) == ("i", read)


def test_what_lies_in_storage_already_is_registered_without_an_upload() -> None:
    uri = "azureml://datastores/s/paths/d/"
    desk = Desk(
        {
            "GET (models|data)/digits": not_found(),
            "PUT models/digits/versions/1": reply(201, version_body("models", "digits", "1", modelUri=uri)),
            "PUT data/digits/versions/1": reply(201, version_body("data", "digits", "1", dataUri=uri)),
            "PUT environments/e/versions/1": reply(201, version_body("environments", "e", "1", image="i")),
        }
    )

    model = Models(desk.workspace).create(ModelSpec(name="digits", path=uri))
    data = Datasets(desk.workspace).create(DatasetSpec(name="digits", path=uri, type="uri_folder"))
    environment = Environments(desk.workspace).create(EnvironmentSpec(name="e", version="1", image="i"))

    assert (model.version, data.version, environment.version) == ("1", "1", "1")
    assert [one["properties"].get("dataUri") or one["properties"].get("modelUri") for one in desk.bodies("PUT")][
        :2
    ] == [uri, uri]


def test_a_local_path_that_is_not_there_is_named_and_nothing_is_sent(tmp_path: Path) -> None:
    desk = Desk({})

    with pytest.raises(LocalPathError, match="no-model"):
        Models(desk.workspace).create(ModelSpec(name="m", path=tmp_path / "no-model"))
    with pytest.raises(LocalPathError, match="no-data"):
        Datasets(desk.workspace).create(DatasetSpec(name="d", path=tmp_path / "no-data"))
    with pytest.raises(LocalPathError, match="no-conda"):
        Environments(desk.workspace).create(EnvironmentSpec(name="e", conda_file=tmp_path / "no-conda"))
    assert desk.sent == []


# ------------------------------------------------------------------ computes


def compute_body(state: str = "Succeeded") -> dict[str, Any]:
    inner = {"vmSize": "STANDARD_DS3_V2", "scaleSettings": {"minNodeCount": 1, "maxNodeCount": 4}}
    properties = {"computeType": "AmlCompute", "provisioningState": state, "properties": inner}
    return {"id": PATH.compute("cluster"), "name": "cluster", "tags": None, "properties": properties}


OPERATION = {"Azure-AsyncOperation": f"{ARM}/computeOperations/1"}


def test_a_compute_is_made_waited_for_shown_and_deleted() -> None:
    desk = Desk(
        {
            **BASICS,
            "PUT computes/cluster": reply(201, compute_body("Creating"), OPERATION),
            "GET computeOperations/1": [operation("InProgress"), operation("Succeeded")],
            "GET computes/cluster": reply(body=compute_body()),
            "GET computes": reply(body={"value": [compute_body()]}),
            "DELETE computes/cluster": reply(202, None, OPERATION),
        }
    )
    computes = Computes(desk.workspace)

    made = computes.create(ComputeSpec(name="cluster", min_instances=1, max_instances=4))

    assert (made.type, made.min_instances, made.max_instances) == ("amlcompute", 1, 4)
    assert repr(made) == "Compute('cluster', Succeeded, 0 s ago)"
    assert [one.name for one in computes.list()] == ["cluster"]
    computes.delete("cluster")
    assert "underlyingResourceAction=Delete" in next(
        str(r.url) for r in desk.transport.requests if r.method == "DELETE"
    )


def test_a_compute_still_in_the_making_is_in_the_error() -> None:
    desk = Desk(
        {
            **BASICS,
            "PUT computes/cluster": reply(201, compute_body("Creating"), OPERATION),
            "GET computeOperations/1": operation("InProgress"),
        }
    )

    with pytest.raises(WaitTimeoutError, match="The compute 'cluster' is still Creating after 1 s"):
        Computes(desk.workspace).create(ComputeSpec(name="cluster"), timeout=1)
    later = Computes(desk.workspace).create(ComputeSpec(name="cluster"), wait=False)
    assert later.provisioning_state is ProvisioningState.CREATING


def test_an_attached_compute_without_nodes_and_an_unknown_one() -> None:
    desk = Desk(
        {"GET computes/other": reply(body={"name": "other", "properties": {}}), "GET computes/none": reply(404)}
    )

    other = Computes(desk.workspace).get("other")

    assert (other.type, other.min_instances, other.max_instances) == ("", 0, 0)
    with pytest.raises(NotFoundError, match="Could not read compute 'none'"):
        Computes(desk.workspace).get("none")


# ------------------------------------------------------------------ datastores


def store_body(name: str, *, default: bool) -> dict[str, Any]:
    properties = {"datastoreType": "AzureBlob", "accountName": "acct", "containerName": "box", "isDefault": default}
    return {"id": PATH.datastore(name), "name": name, "properties": {**properties, "credentials": {"key": "SECRET"}}}


def test_datastores_are_shown_without_their_secrets() -> None:
    desk = Desk(
        {
            "GET datastores/main": reply(body=store_body("main", default=True)),
            "GET datastores": reply(
                body={"value": [store_body("main", default=True), store_body("two", default=False)]}
            ),
        }
    )
    stores = Datastores(desk.workspace)

    main = stores.get_default()

    assert (main.name, main.type, main.is_default, main.account_name, main.container_name) == (
        "main",
        "AzureBlob",
        True,
        "acct",
        "box",
    )
    assert [one.is_default for one in stores.list()] == [True, False]
    assert "SECRET" not in repr(main) + main._repr_html_()
    assert main == stores.get("main")
