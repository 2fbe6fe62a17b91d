"""Rows one by one over a played service: broken connections, parts of mini-batches, the cloud, ends without rows."""

from __future__ import annotations

import base64
import json
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.parquet
import pytest

from azure_batch_endpoints._wire import routes as wire
from azure_batch_endpoints._wire.jobview import job_view
from azure_batch_endpoints.errors import InvalidInputError, ResultsError
from azure_batch_endpoints.local.faults import ServiceFault
from azure_batch_endpoints.local.handlers.finished_rows import Cursor
from azure_batch_endpoints.results import JobResults, following, reading
from tests.unit.fake_service import ARM, BASICS, JOB, LOCAL, Desk, broken, job_body, not_found
from tests.unit.fake_transport import Step, reply

AB = {"kind": "dataframe", "columns": [["a", "int64"], ["b", "object gaps@1,3"]]}
TYPED = {wire.ROWS_PROPERTY: json.dumps([{"kind": "dataframe", "columns": [["a", "int64"], ["b", "str"]]}])}


def played(
    routes: dict[str, Any], blobs: dict[str, bytes] | None = None, body: dict[str, Any] | None = None, base: str = LOCAL
) -> tuple[JobResults, Desk]:
    desk = Desk({**BASICS, **routes}, base=base)
    desk.blobs(blobs or {})
    return JobResults(desk.workspace, job_view(body or job_body("Running"))), desk


def part(text: bytes, *, rows: int, size: int, offset: int = 0, form: object = AB, **more: Any) -> dict[str, Any]:
    last = offset + len(text) == size
    data = base64.b64encode(text).decode()
    return {"rows": rows, "bytes": size, "offset": offset, "last": last, "format": form, "data": data, **more}


def page(*parts: dict[str, Any], cursor: str, more: bool = False, status: str = "Running") -> Step:
    return reply(body={"value": list(parts), "cursor": cursor, "more": more, "status": status})


def asked(desk: Desk) -> list[str]:
    found = [str(one.url) for one in desk.transport.requests if "rows/finished" in str(one.url)]
    return [url.partition("after=")[2].partition("&")[0] for url in found]


def test_a_broken_connection_repeats_and_loses_no_row() -> None:
    form = {"kind": "list", "columns": [[0, "str"]]}
    answers = [
        page(part(b"x\ny\n", rows=2, size=4, form=form), cursor="0-0"),
        broken(),
        reply(503),
        page(part(b"z\n", rows=1, size=2, form=form), cursor="0-1", status="Completed"),
    ]
    found, desk = played({"GET rows/finished": answers})

    assert list(found.iter_rows()) == [{0: "x"}, {0: "y"}, {0: "z"}]
    assert asked(desk)[0] == "" and set(asked(desk)[1:]) == {"0-0"}


def test_a_mini_batch_in_parts_is_cut_at_whole_rows_with_its_gaps_and_files() -> None:
    text = b'1 ""\n2 ""\n3 "x\ny"\n4 ""\n'
    whole: dict[str, Any] = {"rows": 4, "size": len(text), "files": ["p", "q"], "sources": [0, 0, 1, 1]}
    answers = [
        page(part(text[:8], **whole), cursor=";0:8", more=True),
        page(part(text[8:15], offset=8, **whole), cursor=";0:15", more=True),
        page(part(text[15:], offset=15, **whole), cursor="0-0", status="Failed"),
    ]
    found, desk = played({"GET rows/finished": answers})

    rows = list(found.iter_rows(source_file=True))

    assert [row["a"] for row in rows] == [1, 2, 3, 4]
    assert [None if pd.isna(row["b"]) else row["b"] for row in rows] == ["", None, "x\ny", None]
    assert [row["source file"] for row in rows] == ["p", "p", "q", "q"]
    assert asked(desk) == ["", "%3B0:8", "%3B0:15"]


@pytest.mark.parametrize(("sources", "files"), [([0, 0, 1], ["p", "p", "q"]), ([1], ["q"] * 3), (None, [None] * 3)])
def test_lines_of_a_list_in_parts_have_their_files_where_a_text_holds_a_line_break(
    sources: list[int] | None, files: list[str | None]
) -> None:
    text = b"two\nlines\none\n"
    whole: dict[str, Any] = {"rows": 2, "size": len(text), "files": ["p", "q"], "sources": sources}
    form = {"kind": "list", "columns": [[0, "str"]]}
    answers = [
        page(part(text[:6], form=form, **whole), cursor=";0:6", more=True),
        page(part(text[6:], form=form, offset=6, **whole), cursor="0-0", status="Completed"),
    ]
    rows = list(played({"GET rows/finished": answers})[0].iter_rows(source_file=True))

    assert [row[0] for row in rows] == ["two", "lines", "one"]
    assert [row["source file"] for row in rows] == files


def test_an_ended_job_without_rows_says_why_when_it_completed_and_nothing_when_it_failed() -> None:
    failed, _ = played({"GET rows/finished": page(cursor="", status="Failed")}, body=job_body("Failed"))
    done, _ = played({"GET rows/finished": page(cursor="", status="Completed")}, body=job_body("Completed"))
    blank, _ = played(
        {"GET rows/finished": page(cursor="", status="Completed")},
        {"out/predictions.csv": b""},
        job_body("Completed"),
    )

    assert list(failed.iter_rows()) == []
    with pytest.raises(ResultsError, match=r"no merged file 'predictions\.csv', and the script wrote no other"):
        list(done.iter_rows())
    with pytest.raises(ResultsError, match="is empty: the script returned no rows"):
        list(blank.iter_rows())


def test_rows_whose_account_is_gone_are_read_from_the_file() -> None:
    gone = not_found("LedgerGone", "The ledger is gone.")
    found, _ = played({"GET rows/finished": gone}, {"out/predictions.csv": b"1 x\n"}, job_body("Completed", kept=TYPED))

    assert list(found.iter_rows()) == [{"a": 1, "b": "x"}]


def test_names_for_columns_must_fit_and_differ() -> None:
    twice = {"kind": "dataframe", "columns": [["a", "int64"], ["a", "int64"]]}
    routes = {"GET rows/finished": page(part(b"1 2\n", rows=1, size=4, form=twice), cursor="0-0", status="Completed")}

    with pytest.raises(InvalidInputError, match="gives a name twice"):
        played(routes)[0].iter_rows(columns=["x", "x"])
    with pytest.raises(ResultsError, match=r"two columns 'a', which a dict cannot hold\. Name them: columns="):
        list(played(routes)[0].iter_rows())
    assert list(played(routes)[0].iter_rows(columns=["x", "y"])) == [{"x": 1, "y": 2}]


# ------------------------------------------------------------------ the cloud


@pytest.mark.parametrize(
    ("text", "rows"),
    [
        (b"a 1\nb 2\n", [{0: "a", 1: 1}, {0: "b", 1: 2}]),
        (b"0,p,x.csv\n1,q,x.csv\n", [{0: 0, 1: "p", 2: "x.csv"}, {0: 1, 1: "q", 2: "x.csv"}]),
        (b"['a', 1]\n['b', 2]\n", [{0: "a", 1: 1}, {0: "b", 1: 2}]),
        (b"{'p': 0.5}\n", [{"p": 0.5}]),
        (b"1\n2.5\nword\n", [{0: 1}, {0: 2.5}, {0: "word"}]),
    ],
    ids=["spaces", "commas", "lists", "dicts", "elements"],
)
def test_the_cloud_is_waited_for_and_then_read_piece_by_piece(
    text: bytes, rows: list[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(following, "_PIECE", 5)
    looks = [reply(body=job_body("Running")), reply(503), reply(body=job_body("Completed"))]
    found, desk = played({f"GET jobs/{JOB}": looks}, {"out/predictions.csv": text}, base=ARM)

    assert list(found.iter_rows()) == rows
    assert desk.clock.monotonic() > 0


def test_the_cloud_knows_no_source_files_and_no_rows_of_jobs_that_failed() -> None:
    failed, _ = played({}, body=job_body("Failed"), base=ARM)
    done, _ = played({}, {"out/predictions.csv": b"1\n"}, job_body("Completed"), base=ARM)

    assert list(failed.iter_rows()) == []
    with pytest.raises(ResultsError, match="source_file=True: only the local service"):
        list(done.iter_rows(source_file=True))
    with pytest.raises(ResultsError, match="inputs=True: only the local service"):
        done.to_pandas(inputs=True)


# ------------------------------------------------------------------ large files, Parquet, what is empty


def test_a_large_file_is_read_from_the_disk_and_leaves_nothing_there(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(reading, "LARGE", 3)
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    found, _ = played({}, {"out/predictions.csv": b"1 x\n2 y\n"}, job_body("Completed", kept=TYPED))

    assert found.to_pandas().to_dict("list") == {"a": [1, 2], "b": ["x", "y"]}
    assert list(tmp_path.iterdir()) == []


def blob_of(**columns: list[Any]) -> bytes:
    sink = pa.BufferOutputStream()
    pyarrow.parquet.write_table(pa.table(columns), sink)
    return bytes(sink.getvalue().to_pybytes())


def test_parquet_files_that_differ_make_one_table_and_those_that_cannot_say_so() -> None:
    completed = job_body("Completed")
    blobs = {"out/b.pqt": blob_of(n=[0.5], s=["x"]), "out/a.parquet": blob_of(n=[1]), "out/_tmp.parquet": b"none"}
    found, _ = played({}, blobs, completed)
    assert found.to_arrow().to_pydict() == {"n": [1.0, 0.5], "s": [None, "x"]}

    with pytest.raises(ResultsError, match=r"\('a\.parquet' … 'b\.pqt'\) do not make one table"):
        played({}, {**blobs, "out/b.pqt": blob_of(n=["text"])}, completed)[0].to_pandas()
    with pytest.raises(ResultsError, match=r"'a\.parquet' of the output is no Parquet file"):
        played({}, {"out/a.parquet": b"text"}, completed)[0].to_pandas()
    with pytest.raises(ResultsError, match=r"hold no rows: 'a\.parquet'"):
        played({}, {"out/a.parquet": blob_of(n=[])}, completed)[0].to_pandas()
    with pytest.raises(ResultsError, match="The rows have 1 columns, but 2 names"):
        played({}, {"out/a.parquet": blob_of(n=[1])}, completed)[0].to_pandas(columns=["x", "y"])


@pytest.mark.parametrize(
    ("status", "blobs", "said"),
    [
        ("Running", {}, r"is still Running; .* job\.wait\(\)"),
        ("Completed", {}, r"the script wrote no other\. .*AZUREML_BI_OUTPUT_PATH"),
        ("Completed", {"out/other.csv": b"1"}, r"no merged file 'predictions\.csv'; its output holds 'other\.csv'"),
        ("Completed", {"out/predictions.csv": b""}, r"is empty: the script returned no rows\. See job\.logs"),
        ("Failed", {}, r"did not complete, and left no rows: nothing was scored .* job\.error and job\.logs"),
        ("Canceled", {}, r"\(Canceled\) did not complete, and left no rows"),
    ],
)
@pytest.mark.parametrize("base", [LOCAL, ARM])
@pytest.mark.parametrize("form", ["to_pandas", "to_arrow"])
def test_a_result_without_rows_says_why(form: str, base: str, status: str, blobs: dict[str, bytes], said: str) -> None:
    found, _ = played({}, blobs, job_body(status), base=base)

    with pytest.raises(ResultsError, match=said):
        getattr(found, form)()


# ------------------------------------------------------------------ the cursor


def test_a_cursor_keeps_ranges_and_a_place_within_a_mini_batch() -> None:
    cursor = Cursor.read("")
    for number in (3, 0, 1, 7, 2):
        cursor.add(number)

    assert str(cursor) == "0-3,7-7"
    assert next(cursor.gaps()) == (4, 6)
    assert str(Cursor.read("0-3,7-7;40:1024")) == "0-3,7-7;40:1024"
    with pytest.raises(ServiceFault, match="is no cursor"):
        Cursor.read("nonsense")


# ------------------------------------------------------------------ names, gaps, row numbers, whole numbers


def test_one_name_for_the_only_column_may_have_a_letter_twice() -> None:
    form = {"kind": "list", "columns": [[0, "str"]]}
    routes = {"GET rows/finished": page(part(b"x\n", rows=1, size=2, form=form), cursor="0-0", status="Completed")}

    assert list(played(routes)[0].iter_rows(columns="label")) == [{"label": "x"}]


def test_a_column_of_the_users_named_as_the_source_file_is_not_written_over() -> None:
    form = {"kind": "dataframe", "columns": [["source file", "int64"]]}
    entry = part(b"7\n", rows=1, size=2, form=form, files=["p"], sources=[0])
    routes = {"GET rows/finished": page(entry, cursor="0-0", status="Completed")}
    tables, _ = played({}, {"out/a.parquet": blob_of(**{"source file": [7]})}, job_body("Completed"))

    with pytest.raises(ResultsError, match=r"have a column 'source file' already\..* columns="):
        list(played(routes)[0].iter_rows(source_file=True))
    assert list(played(routes)[0].iter_rows(source_file=True, columns=["n"])) == [{"n": 7, "source file": "p"}]
    with pytest.raises(ResultsError, match=r"have a column 'source file' already\..* columns="):
        tables.to_arrow(source_file=True)
    assert tables.to_arrow(source_file=True, columns=["n"]).to_pylist() == [{"n": 7, "source file": "a.parquet"}]
    assert tables.to_pandas(columns=["n"]).to_dict("list") == {"n": [7]}


def test_gaps_of_a_mini_batch_are_not_taken_for_those_of_the_file() -> None:
    told = {wire.ROWS_PROPERTY: json.dumps([AB])}
    text = b'1 ""\n2 ""\n3 ""\n4 x\n'
    blobs = {"out/predictions.csv": text}
    found, _ = played(
        {
            "GET rows/finished": not_found("LedgerGone", "Gone."),
            f"GET jobs/{JOB}/rows": not_found("LedgerGone", "Gone."),
        },
        blobs,
        job_body("Completed", kept=told),
    )

    assert [row["b"] for row in found.iter_rows()] == found.to_pandas()["b"].tolist() == ["", "", "", "x"]


def parquet_of(frame: pd.DataFrame) -> bytes:
    return bytes(frame.to_parquet())


def test_row_numbers_that_pandas_wrote_are_no_column() -> None:
    filtered = pd.DataFrame({"x": [1, 2, 3, 4], "y": list("abcd")}).query("x != 2")
    found, _ = played({}, {"out/a.parquet": parquet_of(filtered)}, job_body("Completed"), base=ARM)

    rows = [{"x": 1, "y": "a"}, {"x": 3, "y": "c"}, {"x": 4, "y": "d"}]
    assert found.to_pandas().to_dict("records") == found.to_arrow().to_pylist() == list(found.iter_rows()) == rows
    assert found.to_pandas(columns=["p", "q"]).columns.tolist() == ["p", "q"]
    with_file = next(found.iter_rows(columns=["p", "q"], source_file=True))
    assert with_file == {"p": 1, "q": "a", "source file": "a.parquet"}


def test_parquet_files_whose_types_pandas_kept_in_another_way_are_still_read() -> None:
    blobs = {
        "out/a.parquet": parquet_of(pd.DataFrame({"n": pd.array([1, None], dtype="Int64")})),
        "out/b.parquet": parquet_of(pd.DataFrame({"n": pd.array([1.5], dtype="Float64")})),
    }
    found, _ = played({}, blobs, job_body("Completed"))

    assert found.to_pandas()["n"].fillna(-1).tolist() == [1.0, -1.0, 1.5]


def test_large_whole_numbers_beside_missing_ones_stay_as_they_are() -> None:
    large = 2**60 + 1
    blobs = {"out/a.parquet": blob_of(n=[large, -large]), "out/b.parquet": blob_of(m=[3])}
    frame = played({}, blobs, job_body("Completed"))[0].to_pandas()
    assert frame["n"].tolist()[:2] == [large, -large]
    assert str(frame["m"].dtype) == "float64"

    forms = [{"kind": "dataframe", "columns": [[name, "int64"]]} for name in "nm"]
    text = [f"{large}\n".encode(), b"3\n"]
    runs = [{"rows": 1, "bytes": len(data), "format": form} for data, form in zip(text, forms, strict=True)]
    told = job_body("Completed", kept={wire.ROWS_PROPERTY: json.dumps(forms)})
    found, _ = played(
        {f"GET jobs/{JOB}/rows": reply(body={"value": runs})}, {"out/predictions.csv": b"".join(text)}, told
    )
    frame = found.to_pandas()
    assert frame["n"][0] == large
    assert str(frame["m"].dtype) == "float64"


def test_a_large_text_with_numbers_first_and_a_word_later_has_texts_throughout() -> None:
    text = b"".join(b"%d a\n" % number for number in range(300_000)) + b"word b\n"
    found, _ = played({}, {"out/predictions.csv": text}, job_body("Completed"), base=ARM)

    assert set(map(type, found.to_pandas()[0])) == {str}


def test_the_own_account_of_a_job_is_no_file_of_its_script() -> None:
    found, _ = played({}, {"out/_ledger.jsonl": b"{}\n"}, job_body("Completed"))

    with pytest.raises(ResultsError, match=r"the script wrote no other.*AZUREML_BI_OUTPUT_PATH"):
        found.to_pandas()


def test_a_download_before_there_are_files_says_to_wait(tmp_path: Path) -> None:
    with pytest.raises(ResultsError, match=r"is still Running; its output holds no file yet\. Wait: job\.wait\(\)"):
        played({}, {})[0].download(tmp_path)
