"""The routes that only the local service has: what became of each input, which rows came of which files, the page."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import httpx
import pytest

from azure_batch_endpoints.local.engines.base import Failure, Outcome, Part, RowFormat, Try
from azure_batch_endpoints.local.handlers import job_rows
from azure_batch_endpoints.local.ledger import Ledger
from azure_batch_endpoints.local.plan import InputItem
from azure_batch_endpoints.states import JobStatus
from tests.service.in_process import Service

LIST = RowFormat("list", ((0, "str"),))
FRAME = RowFormat("dataframe", (("a", "int64"),))
GAPS = RowFormat("dataframe", (("a", "object gaps@0"),))
WRONG = Failure("KeyError", "'<age>'", 'Traceback of "<run>"', "score.py", 31)
WAY = (JobStatus.PREPARING, JobStatus.RUNNING, JobStatus.FINALIZING, JobStatus.COMPLETED)


@pytest.fixture
def ready(service: Service) -> Service:
    return service.with_deployment()


def batch(
    number: int, rows: int, sources: tuple[int, ...] | None, kind: RowFormat = LIST, *, offset: int = 0
) -> Outcome:
    part = Part("a.rows", offset, 10 * rows, rows)
    return Outcome(number, "succeeded", 2, (), 1, "process000", 0.5, rows, part, kind, sources=sources)


def failed(number: int) -> Outcome:
    indices = (2 * number, 2 * number + 1)
    tries = (Try(1, "process000", 0.5, WRONG),)
    return Outcome(number, "failed", 2, indices, 1, "process000", 0.5, failure=WRONG, tries=tries)


def scored(service: Service, name: str, outcomes: Sequence[Outcome], *, ended: bool = True) -> None:
    """Make the ledger of a job with two files to a mini-batch."""
    service.invoke(name=name)
    folder = service.context.settings.job_folder(name)
    folder.mkdir(parents=True)
    with Ledger(folder / "ledger.sqlite", 2) as ledger:
        ledger.add_inputs(InputItem(index, f"{index}.png", "", 1) for index in range(2 * len(outcomes)))
        ledger.seal()
        ledger.record(outcomes)
    for status in WAY if ended else WAY[:2]:
        service.context.state.move_job(name, status)


def told(service: Service, name: str, query: str = "") -> list[dict[str, Any]]:
    """Return all entries, page by page."""
    answer = service.get(f"/jobs/{name}/rows?{query}")
    entries = []
    while True:
        assert answer.status_code == 200, answer.text
        entries += answer.json()["value"]
        if "nextLink" not in answer.json():
            return entries
        answer = service.get(answer.json()["nextLink"])


def test_rows_of_one_kind_are_one_entry(ready: Service) -> None:
    scored(ready, "mine", [batch(0, 2, ()), failed(1), batch(2, 3, (0, 0, 1)), batch(3, 2, None, FRAME)])

    listed, frames = LIST.columns[0], FRAME.columns[0]
    assert told(ready, "mine") == [
        {"rows": 5, "bytes": 50, "format": {"kind": "list", "columns": [list(listed)]}},
        {"rows": 2, "bytes": 20, "format": {"kind": "dataframe", "columns": [list(frames)]}},
    ]
    assert told(ready, "mine", "of=partial") == told(ready, "mine", "of=own") == told(ready, "mine")


def test_each_row_tells_its_file_when_asked(ready: Service) -> None:
    outcomes = [
        *(batch(0, 2, ()), batch(1, 3, (0, 0, 1)), batch(2, 2, (1, -1)), failed(3)),
        *(batch(4, 2, None), batch(5, 3, (1,)), batch(6, 3, (1,), FRAME), batch(7, 2, (), FRAME)),
        *(batch(8, 2, (), GAPS), batch(9, 2, (), GAPS)),
    ]
    scored(ready, "mine", outcomes)

    entries = told(ready, "mine", "sources=true")
    assert [(one["rows"], one["files"], one["sources"]) for one in entries] == [
        (7, [f"{index}.png" for index in range(6)], [0, 1, 2, 2, 3, 5, -1]),
        (2, ["8.png", "9.png"], None),
        (3, ["10.png", "11.png"], [1]),
        (5, [f"{index}.png" for index in range(12, 16)], [1, 1, 1, 2, 3]),
        (2, ["16.png", "17.png"], []),
        (2, ["18.png", "19.png"], []),
    ]


def test_rows_that_are_all_of_the_file_in_their_place_say_so_in_short(ready: Service) -> None:
    scored(ready, "mine", [batch(number, 2, ()) for number in range(50)])

    (entry,) = told(ready, "mine", "sources=true")
    assert (entry["rows"], entry["sources"], len(entry["files"])) == (100, [], 100)


@pytest.mark.parametrize("of", ["own", "merged"])
def test_pages_join_without_gap(ready: Service, monkeypatch: pytest.MonkeyPatch, of: str) -> None:
    outcomes = [batch(number, 2, (0, 1), (LIST, FRAME)[number % 2]) for number in range(30)]
    scored(ready, "first", outcomes)
    name = "first"
    if of == "merged":
        name = "second"
        chained(ready, "first", name, outcomes[:1])
    whole = told(ready, name, f"of={of}&sources=true")
    monkeypatch.setattr(job_rows, "_MOST", 7)
    monkeypatch.setattr(job_rows, "_MOST_ENTRIES", 3)

    for query in (f"of={of}&sources=true", f"of={of}"):
        paged = told(ready, name, query)
        assert [one["bytes"] for one in paged] == [one["bytes"] for one in whole]
        assert "nextLink" in ready.get(f"/jobs/{name}/rows?{query}").json()


def chained(service: Service, before: str, name: str, outcomes: Sequence[Outcome]) -> None:
    """Make a job that retries another, with inputs that stand behind those of the first one."""
    scored(service, name, outcomes)
    folder = service.context.settings.job_folder(name)
    with Ledger(folder / "ledger.sqlite") as ledger, ledger._file.transaction() as database:
        database.execute("UPDATE inputs SET origin = 1000 + idx")
    with service.context.state._file.transaction() as database:
        query = "UPDATE jobs SET request = json_set(request, '$.retry_of', ?) WHERE name = ?"
        database.execute(query, (before, name))


def test_merged_rows_are_those_of_the_chain(ready: Service) -> None:
    scored(ready, "first", [batch(0, 2, ()), failed(1)])
    chained(ready, "first", "second", [batch(0, 2, ())])

    (entry,) = told(ready, "second", "of=merged&sources=true")
    assert (entry["rows"], entry["bytes"], entry["files"]) == (4, 40, ["0.png", "1.png", "0.png", "1.png"])
    (ready.context.settings.job_folder("first") / "ledger.sqlite").unlink()
    gone = ready.get("/jobs/second/rows?of=merged")
    assert (gone.status_code, gone.json()["error"]["code"]) == (404, "LedgerGone")
    assert "The account of job 'first' is gone." in gone.text


def test_merged_rows_are_not_those_of_a_later_job_of_the_same_name(ready: Service) -> None:
    scored(ready, "first", [batch(0, 2, ()), failed(1)])
    chained(ready, "first", "second", [batch(0, 2, ())])
    with Ledger(ready.context.settings.job_folder("first") / "ledger.sqlite") as ledger:
        ledger.note_facts(child="of a later job")
    with ready.context.state._file.transaction() as database:
        query = "UPDATE jobs SET request = json_set(request, '$.retry_child', 'of the first') WHERE name = 'second'"
        database.execute(query)

    gone = ready.get("/jobs/second/rows?of=merged")
    assert (gone.status_code, gone.json()["error"]["code"]) == (404, "LedgerGone")
    assert "The account of job 'first' is gone: another job has that name now." in gone.text


def test_what_cannot_be_told_is_refused_with_a_reason(ready: Service) -> None:
    scored(ready, "mine", [batch(0, 2, ())])

    assert ready.get("/jobs/mine/rows?of=all").status_code == 400
    assert "retries no other job" in ready.get("/jobs/mine/rows?of=merged").text
    assert ready.get("/jobs/none/rows").status_code == 404


def test_a_job_that_never_began_has_no_items_and_no_rows(ready: Service) -> None:
    ready.invoke(name="waits")

    assert ready.get("/jobs/waits/items").json() == ready.get("/jobs/waits/rows").json() == {"value": []}


def test_a_ledger_that_is_gone_is_not_an_empty_one(ready: Service) -> None:
    scored(ready, "mine", [batch(0, 2, ())])
    (ready.context.settings.job_folder("mine") / "ledger.sqlite").unlink()

    for route in ("items", "rows"):
        answer = ready.get(f"/jobs/mine/{route}")
        assert (answer.status_code, answer.json()["error"]["code"]) == (404, "LedgerGone")
    assert page(ready, "mine").status_code == 200


def test_items_tell_where_in_the_script_they_failed(ready: Service) -> None:
    scored(ready, "mine", [batch(0, 2, ()), failed(1)])

    (first, second) = ready.get("/jobs/mine/items?status=failed").json()["value"]
    assert first == {
        **{"path": "2.png", "status": "failed", "miniBatch": 1, "attempts": 1, "worker": "process000", "seconds": 0.5},
        **{"errorType": "KeyError", "errorMessage": "'<age>'", "errorPlace": "score.py:31"},
        "traceback": 'Traceback of "<run>"',
    }
    assert second["path"] == "3.png"


def page(service: Service, name: str) -> httpx.Response:
    studio = service.get(f"/jobs/{name}").json()["properties"]["services"]["Studio"]["endpoint"]
    return service.get(studio)


def test_the_page_of_a_job_shows_counts_rate_causes_and_the_first_traceback(ready: Service) -> None:
    scored(ready, "mine", [batch(0, 2, ()), failed(1)], ended=False)
    progress = (
        '{"done": 2, "failed": 1, "total": 4, "items_done": 4, "items_failed": 2, "items_total": 8,'
        ' "items_per_second": 2.5, "eta": 1.6}'
    )
    ready.context.state.note_progress("mine", progress)

    text = " ".join(page(ready, "mine").text.split())
    assert "4 of 8 files, 2 failed; 2 of 4 mini-batches; 2.5 files a second, about 2 s to go" in text
    assert "<li>KeyError &#39;&lt;age&gt;&#39; in score.py:31: 2 files</li>" in text
    assert "KeyError: &#39;&lt;age&gt;&#39; in score.py:31, on 2.png of mini-batch 1" in text
    assert "<pre>Traceback of &#34;&lt;run&gt;&#34;</pre>" in text
