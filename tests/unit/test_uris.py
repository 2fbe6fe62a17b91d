"""Where a URI points, and how paths of routes are made."""

from __future__ import annotations

import pytest

from azure_batch_endpoints._wire.routes import WorkspacePath
from azure_batch_endpoints._wire.uris import AssetName, StoragePlace, asset_name, datastore_uri, storage_place
from azure_batch_endpoints.errors import InvalidInputError

WS = "/subscriptions/s/resourceGroups/g/providers/Microsoft.MachineLearningServices/workspaces/w"


@pytest.mark.parametrize(
    ("uri", "place"),
    [
        ("azureml://datastores/d/paths/a/b", StoragePlace("d", None, "a/b")),
        ("azureml://datastores/d/paths/", StoragePlace("d", None, "")),
        ("azureml://datastores/d", StoragePlace("d", None, "")),
        ("azureml://subscriptions/s/resourcegroups/g/workspaces/w/datastores/d/paths/a", StoragePlace("d", None, "a")),
        (f"{WS}/datastores/d/paths/x", StoragePlace("d", None, "x")),
        (f"azureml:{WS}/datastores/d/paths/x", StoragePlace("d", None, "x")),
        (
            "https://a.blob.core.windows.net/c/p%20q?sig=1",
            StoragePlace(None, "https://a.blob.core.windows.net/c", "p q", "sig=1"),
        ),
        ("https://a.blob.core.windows.net/c", StoragePlace(None, "https://a.blob.core.windows.net/c", "")),
        ("http://127.0.0.1:10/acc/c/x/y", StoragePlace(None, "http://127.0.0.1:10/acc/c", "x/y")),
        ("wasbs://c@a.blob.core.windows.net/p", StoragePlace(None, "https://a.blob.core.windows.net/c", "p")),
        ("abfss://c@a.dfs.core.windows.net/p/", StoragePlace(None, "https://a.blob.core.windows.net/c", "p/")),
        ("nothing", None),
        ("", None),
        ("https:///x", None),
    ],
)
def test_a_storage_uri_says_where_it_points(uri: str, place: StoragePlace | None) -> None:
    assert storage_place(uri) == place


def test_a_place_never_shows_its_signature() -> None:
    assert "SECRET" not in repr(storage_place("https://a.blob.core.windows.net/c/p?sig=SECRET"))


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("azureml:m:1", AssetName("", "m", "1")),
        ("azureml:m@latest", AssetName("", "m", None, "latest")),
        ("azureml:m", AssetName("", "m", None, "latest")),
        (f"{WS}/models/m/versions/1", AssetName("models", "m", "1")),
        (f"azureml:{WS}/datasets/d/versions/2", AssetName("data", "d", "2")),
        (f"{WS}/data/d/labels/latest", AssetName("data", "d", None, "latest")),
        ("azureml://locations/l/workspaces/w/data/a%20b/versions/2", AssetName("data", "a b", "2")),
        ("m:1", None),
        ("azureml://datastores/d", None),
        (f"{WS}/models/m", None),
    ],
)
def test_an_asset_is_read_out_of_every_form_of_id(text: str, name: AssetName | None) -> None:
    assert asset_name(text) == name


def test_a_short_uri_is_made() -> None:
    assert datastore_uri("d", "a/b/") == "azureml://datastores/d/paths/a/b/"


def test_path_parameters_are_quoted() -> None:
    path = WorkspacePath("s", "g", "w")

    assert path.endpoint("a/b c?d#e") == f"{WS}/batchEndpoints/a%2Fb%20c%3Fd%23e"
    assert path.asset("models", "ä", "1:2") == f"{WS}/models/%C3%A4/versions/1%3A2"


@pytest.mark.parametrize("name", ["", ".", "..", None])
def test_a_path_parameter_is_never_empty_none_or_a_step_up(name: str) -> None:
    path = WorkspacePath("s", "g", "w")

    for ask in (path.endpoint, path.job, path.compute, path.datastore, path.run, path.endpoint_jobs):
        with pytest.raises(
            InvalidInputError, match=r"is not a name\. Pass the name of what is meant\. Nothing was sent"
        ):
            ask(name)
