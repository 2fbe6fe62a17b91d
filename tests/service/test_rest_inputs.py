"""Inputs and outputs of hand-written invokes: every way to name them, and what is refused in which words."""

from __future__ import annotations

from typing import Any

import httpx
import pytest

from azure_batch_endpoints.local.job import JobRow
from azure_batch_endpoints.states import JobStatus
from tests.service.in_process import PLACE, WORKSPACE_ID, Service, said

LONG = "azureml://subscriptions/00000000-0000-0000-0000-000000000000/resourcegroups/local/workspaces/local"
OTHER = "azureml://subscriptions/00000000-0000-0000-0000-000000000000/resourcegroups/local/workspaces/theirs"
OWN = "https://ACCT.blob.core.windows.net"
DEFAULT = f"azureml-blobstore-{WORKSPACE_ID}"
ENDED = (JobStatus.PREPARING, JobStatus.RUNNING, JobStatus.FINALIZING, JobStatus.COMPLETED)


@pytest.fixture
def ready(service: Service) -> Service:
    service.with_deployment()
    data = {"dataType": "uri_folder", "dataUri": PLACE + "images"}
    assert service.put("/data/images/versions/1", {"properties": data}).is_success
    return service


def row(service: Service, answer: httpx.Response) -> JobRow:
    assert answer.status_code == 201, answer.text
    found = service.context.state.job(answer.json()["name"])
    assert found is not None
    return found


def folder(uri: str) -> dict[str, Any]:
    return {"x": {"jobInputType": "UriFolder", "uri": uri}}


@pytest.mark.parametrize(
    "uri",
    [
        "azureml:images:1",
        "azureml:images@latest",
        "azureml:images",
        "AzureML:images:1",
        "azureml:/images@latest",
        "azureml:images/versions/1",
        "azureml://data/images/versions/1/",
        "{ws}/data/images/versions/1",
        "{ws}/data/images/versions/1/",
        "{WS}/DATA/images/VERSIONS/1",
        "{ws}/data/images/labels/latest",
        "{ws}/datasets/images/versions/1",
        "azureml:{ws}/data/images/versions/1",
        "azureml://locations/local/workspaces/local/data/images/versions/1",
        f"azureml://locations/westus2/workspaces/{WORKSPACE_ID}/data/images/versions/labels/latest",
        f"{LONG}/data/images/versions/1",
        f"{LONG.upper()}/data/images/versions/1",
        f"{LONG}/datastores/workspaceblobstore/paths/images/",
        f"{LONG.upper()}/DATASTORES/WORKSPACEBLOBSTORE/PATHS/images/",
        "azureml:///{ws}/datastores/workspaceblobstore/paths/images/",
        "azureml:{ws}/datastores/workspaceblobstore/paths//images/",
    ],
)
def test_one_folder_may_be_named_in_many_ways(ready: Service, uri: str) -> None:
    uri = uri.replace("///{ws}", "//{ws}").format(ws=ready.workspace, WS=ready.workspace.upper())
    (one,) = row(ready, ready.invoke(inputData=folder(uri))).request.inputs
    assert (one.kind, one.uri, one.either) == ("folder", PLACE + "images/", False)


@pytest.mark.parametrize(
    ("uri", "status", "words"),
    [
        (f"{OTHER}/datastores/workspaceblobstore/paths/x", 400, "belongs to another workspace, 'theirs'"),
        (f"{OTHER}/data/images/versions/1", 400, "belongs to another workspace, 'theirs'"),
        (LONG.replace("0000/", "0001/") + "/data/images/versions/1", 400, "belongs to another workspace"),
        (LONG.replace("groups/local", "groups/our") + "/data/images/versions/1", 400, "belongs to another workspace"),
        ("azureml://locations/l/workspaces/86530095/data/images/versions/1", 400, "another workspace, '86530095'"),
        ("azureml://registries/shared/data/images/versions/1", 400, "is in a registry, which only Azure can look up"),
        ("https://other.blob.core.windows.net/", 400, "names no container. Add its name to the URL."),
        ("http://127.0.0.1:8765/", 400, "a web server cannot list a folder, so name single files of it."),
        ("https://other.blob.core.windows.net?sig=SECRET", 400, "names no container"),
        ("adl://lake.azuredatalakestore.net/x", 400, "is no data asset and no place in storage"),
        ("file:///etc/passwd", 400, "is no data asset and no place in storage"),
        ("ftp://host/x?sig=SECRET", 400, "is no data asset and no place in storage"),
        ("https://user:password@host/x?sig=SECRET", 400, "no place in storage"),
        ("azureml://datastores/workspaceblobstore/x", 400, "no place in storage"),
        ("azureml:images@gold", 404, "has no label 'gold'"),
        ("azureml://jobs/none/outputs/score/paths/", 404, "There is no job 'none'"),
    ],
)
def test_what_cannot_be_read_is_refused_at_once_and_without_its_signature(
    ready: Service, uri: str, status: int, words: str
) -> None:
    for body in ({"inputData": folder(uri)}, {"inputData": None, "dataset": {"Path": uri}}):
        answer = ready.invoke(**body)
        assert answer.status_code == status, answer.text
        assert words in said(answer) and "SECRET" not in answer.text
    assert ready.queue.submitted == []


def test_a_signature_is_echoed_in_answers_as_it_was_sent_and_shown_in_no_repr(ready: Service) -> None:
    uri = "https://other.blob.core.windows.net/c/p?sv=1&sig=SECRET"
    answer = ready.invoke(inputData=folder(uri))
    job = row(ready, answer)
    assert answer.json()["properties"]["inputData"]["x"]["uri"] == uri == job.request.inputs[0].uri
    assert "SECRET" not in repr(job)


def test_a_path_of_2021_leaves_open_what_it_is(ready: Service) -> None:
    for path, kind in ((PLACE + "a/b.csv", "file"), (PLACE + "a/b", "folder"), ("https://h.example/c/x.csv?a", "file")):
        (one,) = row(ready, ready.invoke(inputData=None, dataset={"path": path})).request.inputs
        assert (one.kind, one.either) == (kind, True)
    (one,) = row(ready, ready.invoke(inputData=None, dataset={"path": "azureml:images:1"})).request.inputs
    assert (one.kind, one.either) == ("folder", False)


def test_the_output_of_a_job_is_an_input_under_each_of_its_names(ready: Service) -> None:
    output = {"predictions": {"jobOutputType": "UriFile", "uri": PLACE + "out/p.csv"}}
    first = row(ready, ready.invoke(outputData=output))
    for status in ENDED:
        ready.context.state.move_job(first.name, status)
    for name in ("score", "default", "predictions", "Score"):
        for path in ("", "/", "/paths", "/paths/"):
            uri = f"azureml://jobs/{first.name}/outputs/{name}{path}"
            assert row(ready, ready.invoke(inputData=folder(uri))).request.inputs[0].uri == PLACE + "out/"
    asset = f"azureml://locations/local/workspaces/local/data/azureml_{first.child}_output_data_score/versions/1"
    for uri in (asset, f"azureml:azureml_{first.child}_output_data_score:1"):
        assert row(ready, ready.invoke(inputData=folder(uri))).request.inputs[0].uri == PLACE + "out/"
    wrong = ready.invoke(inputData=folder(f"azureml://jobs/{first.name}/outputs/model"))
    assert wrong.status_code == 404 and "has no output 'model'. Name 'score', the one it has." in said(wrong)


@pytest.mark.parametrize(
    ("uri", "found"),
    [
        (f"{OWN}/{DEFAULT}/o/f.csv", PLACE + "o/"),
        (f"wasbs://{DEFAULT}@acct.blob.core.windows.net/o%20p/f.csv", PLACE + "o p/"),
        ("abfss://azureml@acct.dfs.core.windows.net/o/f.csv", "azureml://datastores/workspaceartifactstore/paths/o/"),
        (f"{OWN}/mine/o/f.csv", "azureml://datastores/Mine/paths/o/"),
        ("https://other.blob.core.windows.net/theirs/o/f.csv", "azureml://datastores/Theirs/paths/o/"),
        ("azureml://datastores/THEIRS/paths/o #?%41/f.csv", "azureml://datastores/Theirs/paths/o #?%41/"),
        (f"{LONG}/datastores/mine/paths/f.csv", "azureml://datastores/Mine/paths/"),
        ("", None),
    ],
)  # fmt: skip
def test_an_output_in_the_container_of_a_datastore_is_on_that_datastore(
    ready: Service, uri: str, found: str | None
) -> None:
    for name, account, container in (("Mine", "acct", "mine"), ("Theirs", "other", "theirs")):
        blob = {"datastoreType": "AzureBlob", "accountName": account, "containerName": container}
        assert ready.put(f"/datastores/{name}", {"properties": blob}).is_success
    share = {"datastoreType": "AzureFile", "accountName": "acct", "fileShareName": "share"}
    assert ready.put("/datastores/files", {"properties": share}).is_success
    job = row(ready, ready.invoke(outputData={"score": {"jobOutputType": "UriFile", "uri": uri}}))
    assert job.request.output_uri == (found or f"{PLACE}azureml/{job.child}/score/")
    assert job.request.settings.output_file_name == ("f.csv" if uri else "predictions.csv")


@pytest.mark.parametrize(
    ("output", "words"),
    [
        ({"outputData": {"s": {"uri": f"{OWN}/nobodys/o/f.csv"}}}, "is not on a datastore"),
        ({"outputData": {"s": {"uri": "https://a.example/c/f.csv?sig=SECRET"}}}, "is not on a datastore"),
        ({"outputData": {"s": {"uri": f"{OTHER}/datastores/d/paths/o"}}}, "belongs to another workspace"),
        ({"outputData": {"s": {"uri": PLACE + "a/../../b/f.csv"}}}, "'.' or '..' in its path"),
        ({"outputDataset": {"datastoreId": OTHER[9:] + "/datastores/d", "path": "p"}}, "belongs to another workspace"),
    ],
)
def test_an_output_elsewhere_is_refused(ready: Service, output: dict[str, Any], words: str) -> None:
    answer = ready.invoke(**output)
    assert answer.status_code == 400 and words in said(answer)
    assert "SECRET" not in answer.text


@pytest.mark.parametrize(
    ("sent", "word"), [("Literal", "Literal"), ("mltable", "MLTable"), ("CustomModel", "CustomModel")]
)
def test_an_input_of_another_type_is_refused_in_the_words_of_the_service(ready: Service, sent: str, word: str) -> None:
    answer = ready.invoke(inputData={"x": {"jobInputType": sent, "value": "append", "uri": "https://a/b?sig=SECRET"}})
    assert answer.status_code == 400 and "SECRET" not in answer.text
    supported = "The supported types are: UriFileJobInput, UriFolderJobInput."
    assert f"The specified job input type '{word}JobInput' is not supported. {supported}" in said(answer)
    assert '"PropertyName": "InputData.Values[0]"' in said(answer)


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/models/m/versions/1", {"modelUri": f"{OTHER}/datastores/d/paths/x"}),
        ("/codes/c/versions/1", {"codeUri": f"{OTHER}/datastores/d/paths/x"}),
        ("/data/d/versions/1", {"dataUri": f"{OTHER}/datastores/d/paths/x"}),
        ("/data/d/versions/1", {"dataUri": "azureml://registries/r/data/d/versions/1"}),
    ],
)
def test_an_asset_of_another_workspaces_storage_is_not_registered(
    ready: Service, path: str, body: dict[str, str]
) -> None:
    answer = ready.put(path, {"properties": body})
    assert answer.status_code == 400
    assert "another workspace, 'theirs'" in said(answer) or "is in a registry" in said(answer)
