"""Results: files, download, rows."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from azure_batch_endpoints._wire import routes as wire
from azure_batch_endpoints._wire.jobview import job_view
from azure_batch_endpoints.errors import LocalPathError, ResultsError
from azure_batch_endpoints.results import JobResults, ResultFile
from tests.unit.fake_service import BASICS, JOB, Desk, FakeContainer, job_body
from tests.unit.fake_transport import Step, reply

HISTORY_ONLY: dict[str, Any] = {"outputs": None}


def results(
    blobs: dict[str, bytes], body: dict[str, Any] | None = None, routes: dict[str, Step] | None = None
) -> tuple[JobResults, FakeContainer]:
    desk = Desk({**BASICS, **(routes or {})})
    return JobResults(desk.workspace, job_view(body or job_body("Completed"))), desk.blobs(blobs)


def test_files_are_named_relative_to_the_output_folder() -> None:
    found, _ = results({"out/predictions.csv": b"1\n", "out/sub/x.bin": b"abc", "other/x": b""})

    assert found.files() == [
        ResultFile("predictions.csv", "azureml://datastores/store/paths/out/predictions.csv", 2),
        ResultFile("sub/x.bin", "azureml://datastores/store/paths/out/sub/x.bin", 3),
    ]


def test_an_output_at_the_root_of_a_container_is_listed_too() -> None:
    outputs = {"score": {"uri": "azureml://datastores/store/paths/"}}
    found, _ = results({"predictions.csv": b"1\n"}, job_body("Completed", outputs=outputs))

    assert [one.name for one in found.files()] == ["predictions.csv"]


@pytest.mark.parametrize(
    ("definition", "uri"),
    [
        (
            {"dataReferences": {"score": {"dataStoreName": "own", "pathOnDataStore": "azureml/c/score"}}},
            "azureml://datastores/own/paths/azureml/c/score/",
        ),
        ({"dataReferences": {}}, "azureml://datastores/main/paths/azureml/child-1/score/"),
        (None, "azureml://datastores/main/paths/azureml/child-1/score/"),
    ],
)
def test_the_place_comes_from_the_run_history_where_the_job_does_not_tell(definition: object, uri: str) -> None:
    store = {"name": "main", "properties": {"isDefault": True}}
    found, _ = results(
        {},
        job_body("Completed", **HISTORY_ONLY),
        {
            "GET children": reply(body={"value": [{"runId": "child-1", "name": "batchscoring"}]}),
            "POST rundata": reply(body={"runDefinition": definition}),
            "GET datastores": reply(body={"value": [store]}),
        },
    )

    assert "not asked for yet" in repr(found)
    assert found.uri == uri == found.uri


REPORTED = "azureml://locations/we/workspaces/0b1c/data/azureml_child-1_output_data_score/versions/1"
LONG = "azureml://subscriptions/s/resourcegroups/g/workspaces/w/datastores/own/paths/out/"


@pytest.mark.parametrize(
    ("answer", "uri"),
    [
        (reply(body={"values": {REPORTED: {"uri": LONG, "type": "UriFolder"}}}), LONG),
        (reply(body={"values": {REPORTED: {"uri": f"{LONG}rows.csv", "type": "UriFile"}}}), LONG),
        (reply(body={"values": [REPORTED]}), "azureml://datastores/main/paths/azureml/child-1/score/"),
        (reply(body={"values": None}), "azureml://datastores/main/paths/azureml/child-1/score/"),
        (reply(404), "azureml://datastores/main/paths/azureml/child-1/score/"),
    ],
)
def test_an_output_that_the_run_reports_is_where_it_says(answer: Step, uri: str) -> None:
    run = {"outputs": {"score": {"assetId": REPORTED, "type": "UriFolder"}}}
    found, _ = results(
        {},
        job_body("Completed", **HISTORY_ONLY),
        {
            "GET children": reply(body={"value": [{"runId": "child-1", "name": "batchscoring"}]}),
            "POST rundata": reply(body={"runMetadata": run}),
            "POST batchGetResolvedUris": answer,
            "GET datastores": reply(body={"value": [{"name": "main", "properties": {"isDefault": True}}]}),
        },
    )

    assert found.uri == uri


def test_a_job_that_has_not_begun_has_no_place_yet() -> None:
    found, _ = results({}, job_body("Queued", **HISTORY_ONLY), {"GET children": reply(body={"value": []})})

    with pytest.raises(ResultsError, match=rf"Job '{JOB}' has not begun, .* Wait for it: job\.wait\(\)"):
        found.files()


# ------------------------------------------------------------------ download


def test_download_copies_every_file_below_the_folder(tmp_path: Path) -> None:
    found, _ = results({"out/predictions.csv": b"1\n", "out/sub/x.bin": b"abc"})

    written = found.download(tmp_path / "new")

    assert written == [tmp_path / "new/predictions.csv", tmp_path / "new/sub/x.bin"]
    assert (tmp_path / "new/sub/x.bin").read_bytes() == b"abc"


def test_download_refuses_to_replace_a_file_unless_told_to(tmp_path: Path) -> None:
    found, _ = results({"out/a.csv": b"new", "out/b.csv": b"new"})
    (tmp_path / "b.csv").write_bytes(b"old")

    with pytest.raises(
        LocalPathError, match=r"b\.csv' is there already; nothing was downloaded\. .* overwrite=True"
    ) as caught:
        found.download(tmp_path)
    assert (tmp_path / "b.csv").read_bytes() == b"old" and not (tmp_path / "a.csv").exists()
    assert caught.value.path == tmp_path / "b.csv"
    found.download(tmp_path, overwrite=True)
    assert (tmp_path / "b.csv").read_bytes() == b"new"


@pytest.mark.parametrize("name", ["../escape.txt", "sub/../../escape.txt", "/etc/escape.txt"])
def test_download_refuses_names_that_lead_out_of_the_folder(tmp_path: Path, name: str) -> None:
    found, _ = results({"out/good.csv": b"x", f"out/{name}": b"x"})

    with pytest.raises(ResultsError, match=r"The output names a file outside of .* Nothing was downloaded"):
        found.download(tmp_path / "d", overwrite=True)
    assert not list(tmp_path.rglob("*.*"))


def test_download_into_a_file_or_of_nothing_is_refused(tmp_path: Path) -> None:
    (tmp_path / "f").write_bytes(b"")
    with pytest.raises(LocalPathError, match=r"is a file; nothing was downloaded\. Name a folder"):
        results({"out/a": b""})[0].download(tmp_path / "f")
    with pytest.raises(
        ResultsError, match=r"The output of job .* \(Completed\) is empty: .* See job\.error and job\.logs"
    ):
        results({})[0].download(tmp_path)


# ------------------------------------------------------------------ rows


def test_rows_are_read_with_the_names_and_types_that_the_service_kept() -> None:
    rows = [{"kind": "dataframe", "columns": [["file", "object"], ["class", "int64"]]}]
    body = job_body("Completed", kept={wire.ROWS_PROPERTY: json.dumps(rows)})
    found, blobs = results({"out/predictions.csv": b'"a b" 1\n007 2\n'}, body)

    assert found.to_pandas().to_dict("list") == {"file": ["a b", "007"], "class": [1, 2]}
    assert list(found.to_pandas(columns=["x", "y"]).columns) == ["x", "y"]
    assert blobs.asked[:2] == ["list out/", "read out/predictions.csv"]


def test_rows_make_an_arrow_table_too() -> None:
    table = results({"out/predictions.csv": b"a 1\nb 2\n"})[0].to_arrow(columns=["file", "class"])

    assert table.to_pydict() == {"file": ["a", "b"], "class": [1, 2]}


def test_rows_without_names_make_an_arrow_table_with_numbered_columns() -> None:
    assert results({"out/predictions.csv": b"a 1\n"})[0].to_arrow().column_names == ["0", "1"]


def test_the_only_table_is_taken_where_the_service_does_not_tell_its_name() -> None:
    body = job_body("Completed", properties={})

    assert len(results({"out/rows.csv": b"1\n2\n", "out/x.bin": b""}, body)[0].to_pandas()) == 2
    with pytest.raises(ResultsError, match=r"no merged file 'predictions\.csv'"):
        results({"out/a.csv": b"1\n", "out/b.csv": b"2\n"}, body)[0].to_pandas()


def test_rows_of_a_job_that_goes_on_are_not_there_yet() -> None:
    with pytest.raises(
        ResultsError, match=rf"Job '{JOB}' is still Running; its rows are not there yet\. Wait: job\.wait"
    ):
        results({}, job_body("Running"))[0].to_pandas()


def test_rows_of_a_summary_only_job_are_not_guessed_from_the_scripts_own_files() -> None:
    with pytest.raises(ResultsError) as caught:
        results({"out/own.csv": b"a,b\n1,2\n"})[0].to_pandas()

    assert f"Job '{JOB}' (Completed) has no merged file 'predictions.csv'; its output holds 'own.csv'." in str(
        caught.value
    )
    assert "With output_action summary_only, download() the files the script wrote." in str(caught.value)


def test_an_empty_merged_file_says_that_there_were_no_rows() -> None:
    with pytest.raises(
        ResultsError, match=rf"'predictions\.csv' of job '{JOB}' is empty: the script returned no rows\. See job\.logs"
    ):
        results({"out/predictions.csv": b""})[0].to_pandas()
