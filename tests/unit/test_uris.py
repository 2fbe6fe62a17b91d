"""Where a URI points, and how paths of routes are made."""

from __future__ import annotations

import contextlib
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from azure_batch_endpoints._wire.routes import WorkspacePath
from azure_batch_endpoints._wire.uris import (
    AssetName,
    NamedWorkspace,
    StoragePlace,
    asset_name,
    datastore_uri,
    is_in_registry,
    named_workspace,
    shown,
    storage_place,
    web_address,
)
from azure_batch_endpoints.errors import InvalidInputError
from azure_batch_endpoints.inputs import file, folder, parse

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
        ("azureml://datastores/d/", StoragePlace("d", None, "")),
        ("AzureML://DataStores/d/Paths/A/b", StoragePlace("d", None, "A/b")),
        ("azureml://datastores/d/paths/a b#c%41/?x", StoragePlace("d", None, "a b#c%41/?x")),
        ("azureml://datastores/d/paths//a\n", StoragePlace("d", None, "/a\n")),
        ("azureml:///subscriptions/s/resourceGroups/g/workspaces/w/datastores/d/paths/a", StoragePlace("d", None, "a")),
        (f"{WS.upper()}/datastores/d/paths/workspaces/w/data/x", StoragePlace("d", None, "workspaces/w/data/x")),
        ("https://a.dfs.core.windows.net/c/p", StoragePlace(None, "https://a.blob.core.windows.net/c", "p")),
        ("HTTPS://A.blob.core.windows.net/c/P", StoragePlace(None, "https://A.blob.core.windows.net/c", "P")),
        ("https://a.blob.core.windows.net/c/p#1 ü", StoragePlace(None, "https://a.blob.core.windows.net/c", "p#1 ü")),
        ("https://a.blob.core.windows.net/c/x\ty\n", StoragePlace(None, "https://a.blob.core.windows.net/c", "x\ty\n")),
        ("https://a.blob.core.windows.net/c/d%2541", StoragePlace(None, "https://a.blob.core.windows.net/c", "d%41")),
        ("http://[::1]:10/acc/c/x", StoragePlace(None, "http://[::1]:10/acc/c", "x")),
        ("wasb://c@a.blob.core.windows.net", StoragePlace(None, "https://a.blob.core.windows.net/c", "")),
        ("ABFSS://c@a.dfs.core.windows.net/p%20q?r", StoragePlace(None, "https://a.blob.core.windows.net/c", "p q?r")),
        ("nothing", None),
        ("", None),
        ("https:///x", None),
        ("https://[::z]/x", None),
        ("https://a..example/x", None),
        (f"wasbs://c@{'a' * 64}.example/x", None),
        ("https://[::1::2]/x", None),
        ("https://user:password@a.example/x", None),
        ("https://a.example:99999/x", None),
        ("file:///etc/passwd", None),
        ("ftp://a.example/x", None),
        ("adl://a.azuredatalakestore.net/x", None),
        ("wasbs://a.blob.core.windows.net/p", None),
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
        ("AzureML:m:1", AssetName("", "m", "1")),
        ("azureml:/m@latest", AssetName("", "m", None, "latest")),
        ("azureml:m/versions/1", AssetName("", "m", "1")),
        ("azureml://data/d/versions/1/", AssetName("data", "d", "1")),
        (f"azureml:/{WS}/data/d/versions/2/", AssetName("data", "d", "2")),
        ("azureml://locations/l/workspaces/w/data/d/versions/labels/latest", AssetName("data", "d", None, "latest")),
        (
            "AZUREML://SUBSCRIPTIONS/s/RESOURCEGROUPS/g/WORKSPACES/w/DATA/d/VERSIONS/1%2E0",
            AssetName("data", "d", "1.0"),
        ),
        ("m:1", None),
        ("azureml:m:", None),
        ("azureml:a/b:1", None),
        ("azureml://registries/r/data/d/versions/1", None),
        ("azureml://datastores/d", None),
        ("azureml://datastores/d/paths/x/data/n/versions/1", None),
        (f"{WS}/models/m", None),
    ],
)
def test_an_asset_is_read_out_of_every_form_of_id(text: str, name: AssetName | None) -> None:
    assert asset_name(text) == name


def test_a_short_uri_is_made() -> None:
    assert datastore_uri("d", "a/b/") == "azureml://datastores/d/paths/a/b/"


def test_path_parameters_are_quoted() -> None:
    path = WorkspacePath("s", "g", "w")

    assert path.endpoint("a b c?d#e") == f"{WS}/batchEndpoints/a%20b%20c%3Fd%23e"
    assert path.asset("models", "ä", "1:2") == f"{WS}/models/%C3%A4/versions/1%3A2"


@pytest.mark.parametrize("name", ["", ".", "..", None, "a/b"])
def test_a_path_parameter_is_never_empty_none_several_or_a_step_up(name: str) -> None:
    path = WorkspacePath("s", "g", "w")

    for ask in (path.endpoint, path.job, path.compute, path.datastore, path.run, path.endpoint_jobs):
        with pytest.raises(
            InvalidInputError, match=r"is not a name\. Pass the name of what is meant\. Nothing was sent"
        ):
            ask(name)


@pytest.mark.parametrize(
    ("text", "workspace"),
    [
        (f"{WS}/data/d/versions/1", NamedWorkspace("s", "g", "w")),
        ("azureml://subscriptions/s/resourcegroups/g/workspaces/w/datastores/d/paths/x", NamedWorkspace("s", "g", "w")),
        ("azureml://locations/l/workspaces/86530095/data/d/versions/1", NamedWorkspace(None, None, "86530095")),
        ("azureml://datastores/d/paths/x", None),
        ("azureml:d:1", None),
        ("https://a.example/subscriptions/s/resourcegroups/g/workspaces/w/datastores/d", None),
    ],
)
def test_a_long_form_says_which_workspace_it_means(text: str, workspace: NamedWorkspace | None) -> None:
    assert named_workspace(text) == workspace


def test_what_is_in_a_registry_is_known_by_its_id() -> None:
    assert is_in_registry("azureml://registries/r/data/d/versions/1")
    assert is_in_registry("AzureML://Registries/r/models/d/labels/latest")
    assert not is_in_registry("azureml://datastores/d/paths/registries/x")
    assert not is_in_registry("https://a.example/registries/x")


def test_a_message_shows_no_query_of_a_web_address_and_all_of_a_path_on_a_datastore() -> None:
    assert shown("https://a.example/c/p?sig=SECRET") == "https://a.example/c/p"
    assert shown("azureml://datastores/d/paths/what?.csv") == "azureml://datastores/d/paths/what?.csv"


names = st.text(st.characters(exclude_categories=["Cs"]), min_size=1).filter(lambda name: not name.startswith("/"))
hosts = st.from_regex(r"[a-z][a-z0-9]{2,10}\.blob\.core\.windows\.net", fullmatch=True)


@given(names, st.sampled_from(["", "/subscriptions/s/resourcegroups/g/workspaces/w"]))
def test_any_path_on_a_datastore_comes_through_unchanged(name: str, workspace: str) -> None:
    uri = datastore_uri("d", name)
    if workspace:
        uri = uri.replace("azureml:/", f"azureml:/{workspace}", 1)
    assert storage_place(uri) == StoragePlace("d", None, name)
    assert asset_name(uri) is None and not is_in_registry(uri)
    assert storage_place(folder(uri).value) == StoragePlace("d", None, name.rstrip("/") + "/")
    if not name.endswith("/"):
        assert file(uri).value == uri
        assert parse(uri).kind in ("file", "folder")


@given(hosts, names)
def test_a_percent_encoded_name_in_a_url_is_the_name(host: str, name: str) -> None:
    path = quote(name, safe="/")
    for uri in (f"https://{host}/c/{path}", f"wasbs://c@{host}/{path}", f"abfss://c@{host}/{path}"):
        assert storage_place(uri) == StoragePlace(None, f"https://{host}/c", name)
        place = storage_place(folder(uri).value)
        assert place is not None and place.path == name.rstrip("/") + "/"
    address = web_address(f"https://{host}/c/{path}?sig=a%2Fb")
    assert address is not None and address.request_url == f"https://{host}/c/{path}?sig=a%2Fb"


@given(hosts, names.filter(lambda name: not any(mark in name for mark in "?%")))
def test_a_name_in_a_url_may_also_be_written_as_it_is(host: str, name: str) -> None:
    assert storage_place(f"https://{host}/c/{name}?sig=x") == StoragePlace(None, f"https://{host}/c", name, "sig=x")
    again = web_address(f"https://{host}/c/{name}")
    assert again is not None
    assert storage_place(again.request_url) == StoragePlace(None, f"https://{host}/c", name)


@given(
    st.sampled_from(["", "azureml:", "azureml://", "https://", "http://", "wasbs://c@", "/subscriptions/", "abfss://"]),
    st.text(),
)
def test_no_text_breaks_the_reading_of_uris(start: str, text: str) -> None:
    uri = start + text
    place, asset = storage_place(uri), asset_name(uri)
    for read in (named_workspace, is_in_registry, shown):
        read(uri)
    assert place is None or asset is None
    if place is not None and place.container_url is not None:
        scheme = uri.split(":", 1)[0].lower()
        assert scheme in {"http", "https", "wasb", "wasbs", "abfs", "abfss"}
        assert place.container_url.startswith(("http://", "https://"))
    with contextlib.suppress(InvalidInputError):
        parse(uri)
