"""The assets that hold versions: made by themselves, archived, deleted; filters of lists; what a version fixes."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from tests.service.in_process import PLACE, Service, error, said

BODIES: dict[str, dict[str, Any]] = {
    "models": {"modelUri": PLACE + "m"},
    "environments": {"image": "mcr/x:1"},
    "data": {"dataUri": PLACE + "d", "dataType": "uri_folder"},
    "datasets": {"paths": [{"folder": PLACE + "d"}]},
    "codes": {"codeUri": PLACE + "c"},
}
KINDS = list(BODIES)


def put(service: Service, kind: str, version: str, **more: Any) -> Any:  # noqa: ANN401 (an answer's JSON)
    answer = service.put(f"/{kind}/thing/versions/{version}", {"properties": {**BODIES[kind], **more}})
    assert answer.is_success, answer.text
    return answer.json()


def listed(service: Service, path: str) -> list[str]:
    return [one["name"] for one in service.get(path).json()["value"]]


@pytest.mark.parametrize("kind", KINDS)
def test_an_asset_is_made_without_versions(service: Service, kind: str) -> None:
    body = {"properties": {"description": "held", "tags": {"a": "b"}}}
    made, again = service.put(f"/{kind}/thing", body), service.put(f"/{kind}/thing", body)
    found = service.get(f"/{kind}/thing").json()

    assert (made.status_code, again.status_code) == (201, 200)
    assert made.headers["location"].partition("?")[0].endswith(f"{service.workspace}/{kind}/thing")
    assert found == again.json()
    assert found["type"] == f"Microsoft.MachineLearningServices/workspaces/{kind}"
    properties = found["properties"]
    assert (properties["description"], properties["tags"], properties["isArchived"]) == ("held", {"a": "b"}, False)
    assert (properties["latestVersion"], properties["nextVersion"]) == (None, "1")
    assert listed(service, f"/{kind}") == ["thing"]
    assert service.get(f"/{kind}/thing/versions").json() == {"value": []}


@pytest.mark.parametrize("kind", KINDS)
def test_an_asset_is_deleted_with_its_versions_or_version_by_version(service: Service, kind: str) -> None:
    put(service, kind, "1"), put(service, kind, "2")

    first = service.delete(f"/{kind}/thing/versions/1")
    whole, again = service.delete(f"/{kind}/thing"), service.delete(f"/{kind}/thing")

    assert (first.status_code, first.content) == (200, b"")
    assert (whole.status_code, again.status_code) == (200, 204)
    assert service.get(f"/{kind}/thing").status_code == 404
    assert service.get(f"/{kind}/thing/versions/2").status_code == 404
    assert service.delete(f"/{kind}/thing/versions/2").status_code == 204


@pytest.mark.parametrize("kind", KINDS)
def test_lists_show_active_ones_unless_asked_otherwise(service: Service, kind: str) -> None:
    put(service, kind, "1"), put(service, kind, "2", isArchived=True), put(service, kind, "3")

    assert listed(service, f"/{kind}/thing/versions") == ["1", "3"]
    assert listed(service, f"/{kind}/thing/versions?listViewType=ArchivedOnly") == ["2"]
    assert listed(service, f"/{kind}/thing/versions?listViewType=all") == ["1", "2", "3"]
    assert listed(service, f"/{kind}/thing/versions?$orderBy=createdtime desc&$top=1") == ["3"]
    service.put(f"/{kind}/thing", {"properties": {"isArchived": True}})
    assert listed(service, f"/{kind}") == []
    assert listed(service, f"/{kind}/thing/versions") == []
    assert listed(service, f"/{kind}?listViewType=ArchivedOnly") == ["thing"]
    assert listed(service, f"/{kind}?listViewType=All") == ["thing"]
    assert service.get(f"/{kind}?listViewType=Some").status_code == 400


def test_the_latest_version_is_an_active_one_while_there_is_any(service: Service) -> None:
    put(service, "models", "1"), put(service, "models", "2", isArchived=True)
    assert service.get("/models/thing").json()["properties"]["latestVersion"] == "1"
    assert service.get("/models/thing").json()["properties"]["nextVersion"] == "3"

    put(service, "models", "1", isArchived=True)

    assert service.get("/models/thing").json()["properties"]["latestVersion"] == "2"


def test_versions_are_filtered_and_paged(service: Service) -> None:
    for number in range(1, 6):
        put(service, "models", str(number), tags={"half": str(number % 2)}, stage="Production" if number > 3 else None)

    first = service.get("/models/thing/versions?$top=2&tags=half=1").json()
    rest = service.get(first["nextLink"]).json()

    assert [one["name"] for one in first["value"] + rest["value"]] == ["1", "3", "5"]
    assert "nextLink" not in rest
    assert listed(service, "/models/thing/versions?version=4") == ["4"]
    assert listed(service, "/models/thing/versions?stage=production") == ["4", "5"]
    assert listed(service, "/models/thing/versions?tags=other") == []
    assert listed(service, "/models/thing/versions?tags=half=0,half&$orderBy=createdtime+desc") == ["4", "2"]


@pytest.mark.parametrize(
    ("kind", "change"),
    [
        ("environments", {"image": "mcr/x:2"}),
        ("environments", {"condaFile": "dependencies: [pip]"}),
        ("environments", {"osType": "Windows"}),
        ("environments", {"build": {"contextUri": PLACE}}),
        ("models", {"modelType": "mlflow_model"}),
        ("data", {"dataType": "uri_file"}),
        ("codes", {"codeUri": PLACE + "other"}),
    ],
)
def test_what_a_version_is_cannot_be_changed(service: Service, kind: str, change: dict[str, Any]) -> None:
    before = put(service, kind, "1")

    answer = service.put(f"/{kind}/thing/versions/1", {"properties": {**BODIES[kind], **change}})

    assert answer.status_code == 409
    assert error(answer)["code"] == "UserError"
    assert "version" in said(answer)
    assert service.get(f"/{kind}/thing/versions/1").json()["properties"] == before["properties"]


def test_a_version_sent_back_as_it_was_read_is_the_same(service: Service) -> None:
    conda = "name: e\ndependencies:\n- pip\n"
    made = put(service, "environments", "1", condaFile=conda)
    made["properties"]["description"] = "new words"

    answer = service.put("/environments/thing/versions/1", made)

    assert answer.status_code == 201
    assert answer.json()["properties"]["description"] == "new words"
    assert put(service, "environments", "1", condaFile=conda)["properties"]["description"] is None


def test_bodies_of_2021_name_a_datastore_and_a_path(service: Service) -> None:
    at = {"datastoreId": f"{service.workspace}/datastores/workspaceblobstore", "path": "LocalUpload/x"}

    code = service.put("/codes/old/versions/1", {"properties": at}).json()["properties"]
    model = service.put("/models/old/versions/1", {"properties": {**at, "Path": "m"}}).json()["properties"]
    docker = {"Docker": {"DockerSpecificationType": "Image", "DockerImageUri": "mcr/y:1"}, "condaFile": '{"name": "e"}'}
    environment = service.put("/environments/old/versions/1", {"properties": docker}).json()["properties"]

    assert code["codeUri"] == PLACE + "LocalUpload/x"
    assert model["modelUri"].endswith("/datastores/workspaceblobstore/paths/m")
    assert (environment["image"], environment["condaFile"]) == ("mcr/y:1", '{\n  "name": "e"\n}')


def test_an_output_that_a_job_does_not_have_is_not_found(service: Service) -> None:
    job = service.with_deployment().invoke().json()["name"]

    def register(uri: str) -> Any:  # noqa: ANN401 (an answer)
        return service.put("/models/of-job/versions/1", {"properties": {"modelUri": uri}})

    assert register(f"azureml://jobs/{job}/outputs/other/paths/").status_code == 404
    made = register(f"azureml://jobs/{job}/outputs/score/paths/sub").json()["properties"]
    assert made["jobName"] == job
    assert made["modelUri"].endswith("/score/sub")


def test_names_are_refused_in_words_that_fit_the_kind(service: Service) -> None:
    answer = service.put("/environments/a b/versions/1", {"properties": BODIES["environments"]})

    assert answer.status_code == 400
    assert "the name or version of an environment" in said(answer)


def test_of_many_definitions_put_at_once_one_wins_and_stays(service: Service) -> None:
    def register(number: int) -> int:
        body = {"properties": {"image": f"mcr/x:{number}"}}
        return service.put("/environments/raced/versions/1", body).status_code

    with ThreadPoolExecutor(8) as pool:
        statuses = list(pool.map(register, range(16)))

    assert sorted(statuses) == [201, *[409] * 15]
    winner = statuses.index(201)
    assert service.get("/environments/raced/versions/1").json()["properties"]["image"] == f"mcr/x:{winner}"
