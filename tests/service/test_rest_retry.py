"""Invokes that score again what an earlier job left: which are taken, and why the others are refused."""

from __future__ import annotations

from typing import Any

import httpx
import pytest

from azure_batch_endpoints._wire.routes import RETRY_PENDING_PROPERTY, RETRY_PROPERTY
from azure_batch_endpoints.local.engines.base import Failure, Outcome
from azure_batch_endpoints.local.ledger import Ledger
from azure_batch_endpoints.local.plan import InputItem
from azure_batch_endpoints.states import JobStatus
from tests.service.in_process import Service, error, said

END = (JobStatus.CANCEL_REQUESTED, JobStatus.CANCELED)


@pytest.fixture
def earlier(service: Service) -> str:
    """A job that has begun and was cancelled."""
    service.with_deployment()
    name: str = service.invoke().json()["name"]
    for status in (JobStatus.PREPARING, *END):
        service.context.state.move_job(name, status)
    return name


def leave(
    service: Service, job: str, *, succeeded: int = 0, failed: int = 0, pending: int = 0, sealed: bool = True
) -> None:
    folder = service.context.settings.job_folder(job)
    folder.mkdir(parents=True)
    with Ledger(folder / "ledger.sqlite", 1) as ledger:
        ledger.add_inputs(InputItem(n, f"{n}", f"{n}", 1) for n in range(succeeded + failed + pending))
        good = [Outcome(n, "succeeded", 1, (), 1, "w", 0.1) for n in range(succeeded)]
        bad = [
            Outcome(n, "failed", 1, (n,), 1, "w", 0.1, failure=Failure("ValueError", "no"))
            for n in range(succeeded, succeeded + failed)
        ]
        ledger.record([*good, *bad])
        if sealed:
            ledger.seal()


def retry(service: Service, job: str, *, pending: bool = False) -> httpx.Response:
    wanted = {RETRY_PROPERTY: job, **({RETRY_PENDING_PROPERTY: "true"} if pending else {})}
    return service.invoke(properties=wanted)


@pytest.mark.parametrize("pending", [False, True])
def test_a_retry_keeps_whose_inputs_it_reads_and_that_is_no_property_of_the_users(
    service: Service, earlier: str, pending: bool
) -> None:
    leave(service, earlier, succeeded=1, failed=1, pending=1)
    answer = retry(service, earlier, pending=pending)
    assert answer.status_code == 201, answer.text
    row = service.context.state.job(answer.json()["name"])
    assert row is not None
    assert (row.request.retry_of, row.request.retry_pending) == (earlier, pending)
    before = service.context.state.job(earlier)
    assert before is not None and row.request.retry_child == before.child
    assert dict(row.properties) == {}


@pytest.mark.parametrize(
    ("left", "text"),
    [
        ({"succeeded": 2}, "Nothing failed in job '{job}': there is nothing to retry."),
        ({"succeeded": 1, "pending": 1}, "but 1 file was never scored. Retry them too: include_pending=True."),
        ({"succeeded": 1, "pending": 412}, "but 412 files were never scored. Retry them too: include_pending=True."),
        ({"succeeded": 1, "sealed": False}, "but some of its files were never scored."),
    ],
)
def test_a_job_without_failed_inputs_is_not_retried_and_the_answer_says_what_else_there_is(
    service: Service, earlier: str, left: dict[str, int], text: str
) -> None:
    leave(service, earlier, **left)  # type: ignore[arg-type] # numbers and a truth
    answer = retry(service, earlier)
    assert answer.status_code == 400
    assert text.format(job=earlier) in said(answer)
    assert retry(service, earlier, pending=True).status_code == (400 if left == {"succeeded": 2} else 201)


def test_a_job_that_never_began_can_be_retried_with_all_its_inputs(service: Service) -> None:
    service.with_deployment()
    name: str = service.invoke().json()["name"]
    for status in END:
        service.context.state.move_job(name, status)
    assert "but its files were never scored" in said(retry(service, name))
    assert retry(service, name, pending=True).status_code == 201


def test_a_job_whose_ledger_is_gone_and_one_that_goes_on_are_not_retried(service: Service, earlier: str) -> None:
    answer = retry(service, earlier)
    assert (answer.status_code, error(answer)["code"]) == (404, "LedgerGone")
    going: str = service.invoke().json()["name"]
    assert retry(service, going).status_code == 409


def test_a_retry_of_a_retry_keeps_what_the_first_job_overrode(service: Service) -> None:
    service.with_deployment()
    name: str = service.invoke(miniBatchSize=7, errorThreshold=3).json()["name"]
    overrides: list[dict[str, Any]] = [{}, {"errorThreshold": 9}, {}]
    for override in overrides:
        for status in (JobStatus.PREPARING, *END):
            service.context.state.move_job(name, status)
        leave(service, name, failed=1)
        answer = service.invoke(properties={RETRY_PROPERTY: name}, **override)
        assert answer.status_code == 201, answer.text
        name = answer.json()["name"]

    row = service.context.state.job(name)
    assert row is not None
    assert (row.request.settings.mini_batch_size, row.request.settings.error_threshold) == (7, 9)
