"""The input helpers and the string forms."""

from __future__ import annotations

from pathlib import Path

import pytest

from azure_batch_endpoints import dataset, file, folder, local_path
from azure_batch_endpoints.errors import InvalidInputError
from azure_batch_endpoints.inputs import Input, parse, parse_value

ARM_DATA = "/subscriptions/s/resourceGroups/g/providers/M/workspaces/w/data/d/versions/1"
ARM_STORE = "/subscriptions/s/resourceGroups/g/providers/M/workspaces/w/datastores/st/paths/x"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("folder:https://a.net/c/b", folder("https://a.net/c/b")),
        ("FOLDER:azureml://datastores/s/paths/y", folder("azureml://datastores/s/paths/y/")),
        ("file:https://a.net/b.csv", file("https://a.net/b.csv")),
        ("azureml:digits:1", dataset("digits", version=1)),
        ("azureml:digits@latest", dataset("digits")),
        ("azureml:digits", dataset("digits", label="latest")),
        ("folder:azureml:digits:1", dataset("digits", version="1")),
        ("https://a.net/c/b/", folder("https://a.net/c/b")),
        ("https://a.net/c/b", folder("https://a.net/c/b")),
        ("https://a.net/c/b.csv?sig=x.y", file("https://a.net/c/b.csv?sig=x.y")),
        ("wasbs://c@a.blob.core.windows.net/p/", folder("wasbs://c@a.blob.core.windows.net/p")),
        ("abfss://c@a.dfs.core.windows.net/p.png", file("abfss://c@a.dfs.core.windows.net/p.png")),
        ("azureml://datastores/s/paths/a/b.png", file("azureml://datastores/s/paths/a/b.png")),
        (
            "azureml://locations/l/workspaces/w/data/d/versions/1",
            Input("dataset", "azureml://locations/l/workspaces/w/data/d/versions/1"),
        ),
        ("AzureML:digits:1", dataset("digits", version=1)),
        ("azureml:/digits@latest", dataset("digits")),
        ("azureml:digits/versions/1", dataset("digits", version=1)),
        ("azureml://registries/r/data/d/versions/1", dataset("azureml://registries/r/data/d/versions/1")),
        ("azureml://data/d/versions/1/", Input("dataset", "azureml://data/d/versions/1/")),
        (f"azureml:/{ARM_DATA}", dataset(f"azureml:/{ARM_DATA}")),
        (f"azureml://{ARM_DATA}", dataset(ARM_DATA)),
        (
            "azureml://datastores/s/paths/workspaces/w/data/x/",
            folder("azureml://datastores/s/paths/workspaces/w/data/x"),
        ),
        ("azureml://jobs/j/outputs/score/paths/p.csv", file("azureml://jobs/j/outputs/score/paths/p.csv")),
        ("azureml://jobs/j/outputs/score", folder("azureml://jobs/j/outputs/score/")),
        ("https://a.net/c/b#1.csv", file("https://a.net/c/b#1.csv")),
        (ARM_DATA, dataset(ARM_DATA)),
        (f"azureml:{ARM_DATA}", dataset(ARM_DATA)),
        (ARM_STORE, folder(ARM_STORE)),
        (f"azureml:{ARM_STORE}", folder(ARM_STORE)),
        ("./data", local_path("./data")),
        ("data with spaces", local_path("data with spaces")),
        ("file:///tmp/x", local_path("/tmp/x")),
        ("file://localhost/tmp/a%20b", local_path("/tmp/a b")),
        (Path("/tmp/a b#%41?").as_uri(), local_path("/tmp/a b#%41?")),
        ("C:\\data:x", local_path("C:\\data:x")),
        (Path("data"), local_path("data")),
        (dataset("d"), dataset("d")),
    ],
)
def test_each_form_is_read_as_the_helper_that_it_stands_for(text: str | Path | Input, expected: Input) -> None:
    assert parse(text) == expected


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", 'empty string. Pass a path, a URI or "azureml:<name>:<version>".'),
        ("  ", "empty string"),
        (
            "sales:3",
            'can be read as a data set or as a path. Write dataset("sales", version="3") or local_path("sales:3").',
        ),
        ("sales@old", 'Write dataset("sales", label="old") or local_path("sales@old").'),
        ("azureml:sales:", "'azureml:sales:' names no data set. Write azureml:<name>:<version>"),
        ("azureml:a:1:2", "names no data set"),
        ("s3://bucket/x", "'s3://bucket/x' is not in a storage that Azure ML reads. Write https://…"),
        ("https://", "not in a storage"),
        ("folder:./x", 'For a path on this machine write local_path("./x").'),
        ("file:https://a.net/x/", "ends with '/', so it names a folder. Write folder(\"https://a.net/x/\")."),
    ],
)
def test_a_string_that_is_unclear_is_refused_with_what_to_write(text: str, said: str) -> None:
    with pytest.raises(InvalidInputError) as caught:
        parse(text)

    assert said in str(caught.value)


@pytest.mark.parametrize("value", [None, 3, b"x", ["a"]])
def test_a_value_of_another_type_is_refused_and_named(value: object) -> None:
    with pytest.raises(InvalidInputError, match=rf"of type {type(value).__name__}\. Pass a path"):
        parse(value)  # type: ignore[arg-type]  # what a user may do all the same


def test_a_named_input_may_be_a_number_or_a_truth_value() -> None:
    assert [parse_value(one).value for one in (True, 3, 0.5)] == ["True", "3", "0.5"]
    assert parse_value("./x") == local_path("./x")


def test_a_folder_keeps_the_signature_behind_its_slash() -> None:
    assert folder("https://a.net/c/p?sv=1&sig=ab/cd").value == "https://a.net/c/p/?sv=1&sig=ab/cd"
    assert file("https://a.net/c/p.csv?sig=ab/").value == "https://a.net/c/p.csv?sig=ab/"


def test_no_signature_shows_in_a_repr_or_an_error() -> None:
    shown = repr(file("https://a.net/c/p.csv?sig=SECRET"))
    with pytest.raises(InvalidInputError) as caught:
        file("https://a.net/c/p/?sig=SECRET")

    assert "SECRET" not in shown + str(caught.value)
    assert shown == "Input(file, 'https://a.net/c/p.csv?sig=***')"


def test_a_data_set_takes_a_version_or_a_label_but_not_both() -> None:
    assert dataset("d", version=0) == Input("dataset", "d", "0", None)
    with pytest.raises(InvalidInputError, match=r"'d' has both a version and a label\. Give one"):
        dataset("d", version=1, label="latest")


@pytest.mark.parametrize("name", ["", "a:1", "a@b", "a/b", "a b"])
def test_what_is_no_name_of_a_data_set_is_refused_with_the_right_call(name: str) -> None:
    with pytest.raises(InvalidInputError, match=r"is not the name of a data set.*Write dataset\("):
        dataset(name)


def test_an_input_prints_as_the_user_would_write_it() -> None:
    assert str(dataset("d", version=1)) == "azureml:d:1"
    assert str(dataset("d")) == "azureml:d@latest"
    assert str(local_path("x")) == "x"


def test_a_helper_looks_at_nothing_on_the_disk() -> None:
    assert local_path("/nowhere/at/all").value == "/nowhere/at/all"
