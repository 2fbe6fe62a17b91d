"""Results: files, download, rows."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import requests

from azure_batch_endpoints._wire import routes as wire
from azure_batch_endpoints._wire.jobview import job_view
from azure_batch_endpoints.errors import InvalidInputError, LocalPathError, ResultsError
from azure_batch_endpoints.results import JobResults, ResultFile
from tests.unit.fake_service import ARM, BASICS, JOB, LOCAL, Desk, FakeContainer, job_body, not_found
from tests.unit.fake_transport import Step, reply

HISTORY_ONLY: dict[str, Any] = {"outputs": None}


def results(
    blobs: dict[str, bytes], body: dict[str, Any] | None = None, routes: dict[str, Step] | None = None, base: str = ARM
) -> tuple[JobResults, FakeContainer]:
    desk = Desk({**BASICS, **(routes or {})}, base=base)
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


def test_jobs_downloaded_into_one_folder_keep_their_accounts_apart(tmp_path: Path) -> None:
    results({"out/_ledger.jsonl": b"1", "out/a.csv": b"x"})[0].download(tmp_path)

    written = results({"out/_ledger.jsonl": b"2", "out/b.csv": b"x"})[0].download(tmp_path)

    assert [one.name for one in written] == [f"_ledger.{JOB}.jsonl", "b.csv"]
    assert (tmp_path / "_ledger.jsonl").read_bytes() == b"1"


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
    with pytest.raises(ResultsError, match=r"is still Running; its output holds no file yet\. Wait: job\.wait"):
        results({}, job_body("Running"))[0].download(tmp_path)


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


# ------------------------------------------------------------------ rows of the local service

AB = {"kind": "dataframe", "columns": [["a", "int64"], ["b", "int64"]]}
BA = {"kind": "dataframe", "columns": [["b", "int64"], ["a", "int64"]]}
SCORED = {wire.PROGRESS_PROPERTY: json.dumps({"items_done": 412, "items_total": 1000, "items_failed": 18})}


def job_of(status: str, *formats: Any, **kept: str) -> dict[str, Any]:
    told = {wire.ROWS_PROPERTY: json.dumps(formats)} if formats else {}
    return job_body(status, kept={**told, **SCORED, **kept})


def test_columns_of_mini_batches_that_differ_are_put_together_by_what_the_service_tells() -> None:
    runs = [{"rows": 2, "bytes": 8, "format": AB}, {"rows": 1, "bytes": 4, "format": BA}]
    asked: list[str] = []

    def told(request: requests.PreparedRequest) -> requests.Response:
        asked.append(str(request.url))
        return reply(body={"value": runs})(request)

    blobs = {"out/predictions.csv": b"1 2\n3 4\n6 5\n"}
    found, _ = results(blobs, job_of("Completed", AB, BA), {"GET rows": told}, LOCAL)

    assert found.to_pandas().to_dict("list") == {"a": [1, 3, 5], "b": [2, 4, 6]}
    assert "of=own" in asked[0] and "sources=false" in asked[0]
    assert found.to_pandas(sep=" ").columns.to_numpy().tolist() == [0, 1]
    assert len(asked) == 1


def test_rows_of_one_form_are_read_without_asking() -> None:
    found, _ = results({"out/predictions.csv": b"1 2\n"}, job_of("Completed", AB), base=LOCAL)

    assert found.to_pandas().to_dict("list") == {"a": [1], "b": [2]}


def test_rows_that_differ_are_refused_when_the_service_tells_no_more_whose_they_are() -> None:
    gone = not_found("LedgerGone", "The ledger of job 'x' is gone.")
    found, _ = results({"out/predictions.csv": b"1 2\n"}, job_of("Completed", AB, BA), {"GET rows": gone}, LOCAL)

    with pytest.raises(ResultsError, match="The mini-batches returned different columns"):
        found.to_pandas()
    with pytest.raises(ResultsError, match="The ledger of job 'x' is gone"):
        found.to_pandas(source_file=True)


def test_source_files_stand_beside_the_rows() -> None:
    runs = [{"rows": 2, "bytes": 8, "format": AB, "files": ["x.png", "y.png"], "sources": []}]
    found, _ = results(
        {"out/predictions.csv": b"1 2\n3 4\n"},
        job_of("Completed", AB),
        {"GET rows": reply(body={"value": runs})},
        LOCAL,
    )

    assert found.to_pandas(columns=["m", "n"], source_file=True).to_dict("list") == {
        **{"m": [1, 3], "n": [2, 4]},
        "source file": ["x.png", "y.png"],
    }
    assert found.to_arrow(source_file=True).column_names == ["a", "b", "source file"]


def test_rows_of_a_job_that_did_not_complete_are_said_to_be_there_and_read_when_asked_for() -> None:
    blobs = {"out/_ledger.jsonl": b"{}", "out/partial/predictions.csv": b"1 2\n"}
    found, _ = results(blobs, job_of("Canceled", AB), base=LOCAL)

    with pytest.raises(ResultsError) as caught:
        found.to_pandas()
    assert str(caught.value) == (
        f"Job '{JOB}' (Canceled) did not complete, so it has no merged file 'predictions.csv'. It ended after 412 of "
        "1,000 files, 18 failed: read the rows that were scored with partial=True."
    )
    assert found.to_pandas(partial=True).to_dict("list") == {"a": [1], "b": [2]}


def test_a_folder_shared_by_jobs_holds_each_ones_partial_rows_under_its_name() -> None:
    blobs = {"out/partial/predictions.csv": b"7 7\n", f"out/partial/{JOB}.predictions.csv": b"1 2\n"}
    found, _ = results(blobs, job_of("Failed", AB), base=LOCAL)

    assert found.to_pandas(partial=True)["a"].tolist() == [1]


def test_rows_that_another_job_left_in_a_shared_folder_are_not_taken_for_this_jobs_own() -> None:
    blobs = {"out/partial/predictions.csv": b"7 7\n", "out/merged/predictions.csv": b"8 8\n"}
    found, _ = results(blobs, job_of("Failed", **{wire.RETRY_PROPERTY: "first"}), base=LOCAL)

    with pytest.raises(ResultsError, match=r"\(Failed\) left no rows"):
        found.to_pandas(partial=True)
    with pytest.raises(ResultsError, match=r"\(Failed\) did not complete, so its rows were not merged with those"):
        found.to_pandas(merged=True)


def test_partial_rows_that_are_not_there_say_why() -> None:
    with pytest.raises(ResultsError, match=r"has completed: all its rows are in its merged file\. Leave out partial"):
        results({}, job_of("Completed", AB), base=LOCAL)[0].to_pandas(partial=True)
    with pytest.raises(ResultsError, match=r"\(Failed\) left no rows: nothing was scored before it ended"):
        results({}, job_of("Failed"), base=LOCAL)[0].to_pandas(partial=True)
    with pytest.raises(ResultsError, match=r"is still Running; its rows are not there yet"):
        results({}, job_of("Running"), base=LOCAL)[0].to_pandas(partial=True)


def test_merged_rows_are_read_in_the_forms_of_all_jobs_of_the_chain() -> None:
    runs = [{"rows": 1, "bytes": 4, "format": BA}, {"rows": 1, "bytes": 4, "format": AB}]
    retry = {wire.RETRY_PROPERTY: "first"}
    blobs = {"out/predictions.csv": b"3 4\n", "out/merged/predictions.csv": b"2 1\n3 4\n"}
    found, _ = results(blobs, job_of("Completed", AB, **retry), {"GET rows": reply(body={"value": runs})}, LOCAL)

    assert found.to_pandas(merged=True).to_dict("list") == {"b": [2, 4], "a": [1, 3]}
    assert found.to_pandas().to_dict("list") == {"a": [3], "b": [4]}


def test_merged_rows_of_a_job_that_retries_no_other_are_its_own() -> None:
    with pytest.raises(ResultsError, match=r"retries no other job: .* Leave out merged=True"):
        results({}, job_of("Completed", AB), base=LOCAL)[0].to_pandas(merged=True)
    with pytest.raises(InvalidInputError, match="partial=True and merged=True name two files"):
        results({}, job_of("Completed", AB), base=LOCAL)[0].to_pandas(merged=True, partial=True)


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        ("source_file", "Let the script return the file's name"),
        ("partial", r"job\.results\.files\(\)"),
        ("merged", "Read both jobs' rows"),
    ],
)
def test_what_only_a_ledger_knows_is_refused_in_the_cloud_with_what_to_do(asked: str, said: str) -> None:
    found, blobs = results({"out/predictions.csv": b"1\n"})
    how: dict[str, Any] = {asked: True}

    with pytest.raises(ResultsError, match=rf"{asked}=True: only the local service .*{said}"):
        found.to_pandas(**how)
    assert blobs.asked == [] or asked == "source_file"  # of that an account might tell


def test_an_arrow_table_takes_columns_of_one_name_and_says_which_types_it_cannot_take() -> None:
    twice = {"kind": "dataframe", "columns": [["a", "int64"], ["a", "object"]]}
    complex_one = {"kind": "dataframe", "columns": [["z", "complex128"]]}
    large = {"kind": "dataframe", "columns": [["n", "object of:int"]]}

    table = results({"out/predictions.csv": b"1 x\n"}, job_of("Completed", twice), base=LOCAL)[0].to_arrow()
    assert (table.column_names, [column.to_pylist() for column in table.columns]) == (["a", "a"], [[1], ["x"]])
    with pytest.raises(ResultsError, match=r"do not fit into an Arrow table: .*Take to_pandas\(\)"):
        results({"out/predictions.csv": b"(1+2j)\n"}, job_of("Completed", complex_one), base=LOCAL)[0].to_arrow()
    with pytest.raises(ResultsError, match=r"do not fit into an Arrow table: .*Take to_pandas\(\)"):
        results({"out/predictions.csv": b"%d\n" % 2**70}, job_of("Completed", large), base=LOCAL)[0].to_arrow()
