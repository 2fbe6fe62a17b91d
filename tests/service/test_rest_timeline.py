"""The routes behind a live view: what became of each mini-batch, causes of failure, when which worker was at work."""

from __future__ import annotations

from dataclasses import replace

import pytest

from azure_batch_endpoints import _render
from azure_batch_endpoints.local.engines.base import Failure, Outcome
from tests.service.in_process import Service
from tests.service.test_rest_rows import scored

WRONG = Failure("KeyError", "'<age>'", 'Traceback of "<run>"', "score.py", 31)
GOOD = Outcome(0, "succeeded", 2, (), 1, "process000", 0.5, started=1_700_000_000.25)
BAD = replace(
    GOOD, number=1, status="failed", failed=(2, 3), worker="process001", failure=WRONG, started=1_700_000_001.0
)


@pytest.fixture
def ready(service: Service) -> Service:
    return service.with_deployment()


def test_mini_batches_come_in_plan_order_and_in_pages(ready: Service) -> None:
    scored(ready, "mine", [BAD, GOOD])

    first = ready.get("/jobs/mine/minibatches?$top=1").json()
    second = ready.get(first["nextLink"]).json()

    assert first["value"] == [
        {
            "number": 0,
            "status": "succeeded",
            "items": 2,
            "attempts": 1,
            "worker": "process000",
            "seconds": 0.5,
            "errorType": None,
            "startedAt": "2023-11-14T22:13:20.250000+00:00",
        }
    ]
    assert [(one["number"], one["errorType"]) for one in second["value"]] == [(1, "KeyError")]
    assert "nextLink" not in second


def test_an_overview_tells_causes_and_bars(ready: Service) -> None:
    scored(ready, "mine", [BAD, GOOD], ended=False)

    overview = ready.get("/jobs/mine/overview").json()

    assert overview["causes"] == ["KeyError '<age>' in score.py:31: 2 files"]
    found = _render.Timeline.from_wire(overview["timeline"])
    assert [(bar.worker, bar.first, bar.failed) for bar in found.bars] == [("process000", 0, 0), ("process001", 1, 1)]


def test_a_job_that_has_not_begun_has_neither(ready: Service) -> None:
    ready.invoke(name="waits")

    assert ready.get("/jobs/waits/minibatches").json() == {"value": []}
    nothing = {"workers": 0, "every": 1, "bars": []}
    assert ready.get("/jobs/waits/overview").json() == {"causes": [], "timeline": nothing}
    assert ready.get("/jobs/none/minibatches").status_code == ready.get("/jobs/none/overview").status_code == 404


def test_the_page_of_a_job_has_the_timeline(ready: Service) -> None:
    scored(ready, "mine", [BAD, GOOD])
    page = ready.get("/jobs/mine").json()["properties"]["services"]["Studio"]["endpoint"]

    shown = ready.http.get(page).text

    assert "<svg" in shown and "mini-batch 1: failed, 2 files, 2 failed" in shown
