"""Watching a job, and what jobs, lists and results show of themselves without sending anything."""

from __future__ import annotations

import sys
import types
from datetime import datetime, timezone
from typing import Any

import pytest

from azure_batch_endpoints._entity import Snapshot
from azure_batch_endpoints._http import paged
from azure_batch_endpoints._live import WatchStopped
from azure_batch_endpoints._wire.jobview import job_view
from azure_batch_endpoints.errors import JobFailedError, ResultsError, WaitTimeoutError
from azure_batch_endpoints.items import MiniBatchOutcome
from azure_batch_endpoints.job import Job
from azure_batch_endpoints.jobs import Jobs
from tests.unit.fake_service import ARM, BASICS, JOB, LOCAL, Desk, job_body, not_found
from tests.unit.fake_transport import Step, reply
from tests.unit.test_progress import Notebook
from tests.unit.test_render import is_calm

GET = f"GET jobs/{JOB}"
OVERVIEW = {
    "causes": ["ValueError <b> in score.py:3: 4 files"],
    "timeline": {"workers": 1, "bars": [["process000", 5.0, 6.5, 0, 0, 1, 10, 0, 0, 0, 0]]},
}


def job_at(routes: dict[str, Any], *, base: str = LOCAL) -> tuple[Job, Desk]:
    desk = Desk({**BASICS, **routes}, base=base)
    return Job(desk.workspace, Snapshot.take(job_view, job_body())), desk


def statuses(*words: str) -> list[Any]:
    return [reply(body=job_body(word)) for word in words]


@pytest.fixture
def notebook(monkeypatch: pytest.MonkeyPatch) -> Notebook:
    played: Any = types.ModuleType("IPython")
    shell, notebook = type("ZMQInteractiveShell", (), {})(), Notebook()
    played.get_ipython, played.display = lambda: shell, notebook
    monkeypatch.setitem(sys.modules, "IPython", played)
    return notebook


def test_outside_of_a_notebook_watching_is_waiting_with_plain_lines(capsys: pytest.CaptureFixture[str]) -> None:
    job, _ = job_at({GET: statuses("Running", "Completed", "Completed")})

    assert job.watch() is job

    out, err = capsys.readouterr()
    assert out == "" and err.splitlines()[-1] == f"job '{JOB}': Completed"


def test_a_view_is_drawn_in_one_place_and_ends_as_a_record(notebook: Notebook) -> None:
    job, _ = job_at({GET: statuses("Running", "Completed", "Completed"), "GET overview": reply(body=OVERVIEW)})

    assert job.watch() is job

    last = notebook.shown[-1]
    assert notebook.places == 1 and is_calm(last["text/html"])
    assert "Completed" in last["text/html"] and "ValueError &lt;b&gt; in score.py:3: 4 files" in last["text/html"]
    assert "mini-batch 0: succeeded, 10 files, 1.5 s, from 0 s" in last["text/html"]
    assert last["text/plain"] == f"job '{JOB}': Completed"


@pytest.mark.parametrize("answer", [not_found(), reply(500, {}), reply(body=["what"]), reply(body={"timeline": 3})])
def test_a_view_goes_on_without_what_it_cannot_have(notebook: Notebook, answer: Step) -> None:
    job, _ = job_at({GET: statuses("Running", "Completed", "Completed"), "GET overview": [answer] * 40})

    job.watch()

    assert "Completed" in notebook.shown[-1]["text/html"] and "<svg" not in notebook.shown[-1]["text/html"]


def test_in_the_cloud_a_view_asks_only_for_what_is_there(notebook: Notebook) -> None:
    job, desk = job_at({GET: statuses("Completed", "Completed")}, base=ARM)

    job.watch()

    assert not any("overview" in one for one in map(str, desk.sent))
    assert "Completed" in notebook.shown[-1]["text/html"]


def test_a_view_of_a_job_that_failed_stays_and_the_error_is_raised(notebook: Notebook) -> None:
    failed = {GET: statuses("Failed", "Failed"), "GET overview": reply(body=OVERVIEW)}
    job, _ = job_at(failed)
    with pytest.raises(JobFailedError):
        job.watch()

    assert "Failed" in notebook.shown[-1]["text/html"]
    assert job_at(failed)[0].watch(raise_on_failure=False).status.value == "Failed"


def test_when_the_time_is_over_the_view_says_that_the_job_goes_on(notebook: Notebook) -> None:
    job, _ = job_at({GET: statuses(*["Running"] * 50), "GET overview": reply(body=OVERVIEW)})

    with pytest.raises(WaitTimeoutError):
        job.watch(timeout=0.1)

    assert "Not watched any more; the job goes on" in notebook.shown[-1]["text/html"]


def test_stopping_leaves_a_clean_view_and_one_line(notebook: Notebook) -> None:
    asked = 0

    def stopped(_request: object) -> Step:
        nonlocal asked
        asked += 1
        if asked == 2:
            raise KeyboardInterrupt
        return reply(body=job_body("Running"))

    job, _ = job_at({"GET overview": reply(body=OVERVIEW)})
    job._refresh = lambda _deadline: (stopped(None), job)[1]  # type: ignore[method-assign, assignment]

    with pytest.raises(WatchStopped) as caught:
        job.watch()

    assert isinstance(caught.value, KeyboardInterrupt)
    assert caught.value._render_traceback_() == [str(caught.value)]
    assert f"job '{JOB}' goes on" in str(caught.value)
    assert "Stopped watching; the job goes on." in notebook.shown[-1]["text/html"]


# ------------------------------------------------------------------ mini-batches


def test_mini_batches_come_page_by_page() -> None:
    entry = {"number": 3, "status": "partial", "items": 10, "attempts": 2, "worker": "process001"}
    more = {"startedAt": "2026-01-02T03:04:05.5+00:00", "seconds": 1.5, "errorType": "ShortReturn"}
    job, desk = job_at({"GET minibatches": reply(body={"value": [{**entry, **more}]})})

    found = job.mini_batches()

    assert desk.sent == []
    began = datetime(2026, 1, 2, 3, 4, 5, 500000, tzinfo=timezone.utc)
    assert list(found) == [MiniBatchOutcome(3, "partial", 10, 2, "process001", began, 1.5, "ShortReturn")]


def test_in_the_cloud_nobody_keeps_an_account_of_mini_batches() -> None:
    job, _ = job_at({"GET minibatches": not_found()}, base=ARM)

    with pytest.raises(ResultsError, match="only the local service does"):
        list(job.mini_batches())


# ------------------------------------------------------------------ lists, results


def test_a_list_shows_what_was_read_of_it_and_showing_it_sends_nothing() -> None:
    desk = Desk({**BASICS, "GET jobs": reply(body={"value": [job_body(), job_body()]})})
    found: Any = Jobs(desk.workspace).list()

    assert repr(found) == "<jobs: nothing read yet; read it with list(…) or in a for loop>"
    assert is_calm(found._repr_html_()) and desk.sent == []
    next(found)
    assert repr(found) == "<jobs: 1 read so far>" and len(list(found)) == 1
    assert "2 read, that is all" in found._repr_html_() and JOB in found._repr_html_()


def test_a_list_is_read_by_pages_as_before() -> None:
    desk = Desk({**BASICS, "GET jobs": reply(body={"value": [job_body()]})})
    listing = paged(desk.workspace.session, ARM + "/jobs", lambda body: body, action="list jobs")

    assert [len(list(page)) for page in listing.by_page()] == [1]


def test_jobs_collections_and_results_show_themselves_without_a_request() -> None:
    job, desk = job_at({})

    assert is_calm(job._repr_html_()) and is_calm(Jobs(desk.workspace)._repr_html_())
    assert is_calm(job.results._repr_html_()) and JOB in repr(job.results)
    assert is_calm(job.items()._repr_html_())  # type: ignore[attr-defined]
    assert desk.sent == []
