"""Jobs: status, waiting, cancel, items, retry, lists."""

from __future__ import annotations

import json
from datetime import datetime, timezone
from typing import Any

import pytest

from azure_batch_endpoints._entity import Snapshot
from azure_batch_endpoints._wire import routes as wire
from azure_batch_endpoints._wire.jobview import job_view
from azure_batch_endpoints.errors import (
    ConflictError,
    InvalidInputError,
    JobCanceledError,
    JobFailedError,
    NotFoundError,
    ResultsError,
    TransportError,
    WaitTimeoutError,
)
from azure_batch_endpoints.job import Job
from azure_batch_endpoints.jobs import Jobs
from azure_batch_endpoints.states import JobStatus
from tests.unit.fake_service import (
    ARM,
    BASICS,
    JOB,
    LOCAL,
    PATH,
    Desk,
    broken,
    endpoint_body,
    invoked_body,
    job_body,
    not_found,
)
from tests.unit.fake_transport import Step, reply

GET = f"GET jobs/{JOB}"


def job_at(routes: dict[str, Any], *, body: dict[str, Any] | None = None, base: str = ARM) -> tuple[Job, Desk]:
    desk = Desk({**BASICS, **routes}, base=base)
    return Job(desk.workspace, Snapshot.take(job_view, body or job_body())), desk


def quiet_at(routes: dict[str, Any], *, body: dict[str, Any] | None = None) -> tuple[Job, Desk]:
    """A job in the cloud of which nothing can be told beside its status: no log files, nothing in its output."""
    history = {"GET children": reply(body={"value": []}), f"GET runs/{JOB}/details": reply(body={"logFiles": {}})}
    job, desk = job_at({**history, f"GET heart/jobs/{JOB}": not_found(), **routes}, body=body)
    desk.blobs({})
    return job, desk


def statuses(*words: str) -> list[Any]:
    return [reply(body=job_body(word)) for word in words]


# ------------------------------------------------------------------ what it shows


def test_no_property_sends_a_request_and_repr_shows_name_status_and_age() -> None:
    kept = {wire.PROGRESS_PROPERTY: json.dumps({"items_done": 1, "items_total": 2})}
    job, desk = job_at({}, body=job_body(kept=kept))

    assert (job.status, job.error, job.deployment_name) == (JobStatus.RUNNING, None, "blue")
    assert str(job.progress) == "1 of 2 files"
    assert job.created_at == datetime(2026, 1, 2, 3, 4, 5, 123456, tzinfo=timezone.utc)
    assert (job.display_name, job.tags["azureml.batchrun"]) == ("brave_pear_1", "true")
    assert job.studio_url == f"https://ml.azure.com/runs/{JOB}"
    assert repr(job) == f"Job('{JOB}', Running, 0 s ago)"
    assert "not asked for yet" not in repr(job.results) and "1 of 2 files" in job._repr_html_()
    assert desk.sent == []


@pytest.mark.parametrize("body", [[1, 2], "text", 7])
def test_an_answer_that_is_no_object_is_told_and_not_shown_as_a_job(body: object) -> None:
    job, desk = quiet_at({GET: reply(body=body)})

    said = f"The answer about '{JOB}' cannot be read: it is a .*, not an object"
    with pytest.raises(TransportError, match=said):
        Jobs(desk.workspace).get(JOB)
    with pytest.raises(TransportError, match=said):
        job.refresh()
    assert job.status is JobStatus.RUNNING


def test_a_job_is_the_same_whether_posted_or_read() -> None:
    posted, desk = quiet_at({GET: reply(body=job_body())}, body=invoked_body())
    read = Jobs(desk.workspace).get(JOB)

    assert posted == read and hash(posted) == hash(read)
    assert posted.id == PATH.job(JOB)
    assert posted.refresh() is posted and posted == read


def test_a_studio_url_is_made_where_the_service_gives_none() -> None:
    job, _ = job_at({}, body=job_body(services=None))

    assert job.studio_url.startswith(f"https://ml.azure.com/runs/{JOB}?wsid=/subscriptions/sub-1/")


# ------------------------------------------------------------------ wait


def test_wait_returns_the_job_itself_when_it_completed_and_looks_quickly_first() -> None:
    job, desk = job_at({GET: statuses("Queued", "Preparing", "Dreaming", "Completed")})

    assert job.wait() is job

    assert job.status is JobStatus.COMPLETED
    assert desk.clock.pauses[0] < 1 and len(desk.sent) == 4


def test_wait_raises_when_the_deadline_passes_and_names_the_job() -> None:
    kept = {wire.PROGRESS_PROPERTY: json.dumps({"items_done": 412, "items_total": 1000})}
    job, desk = job_at({GET: reply(body=job_body(kept=kept))})

    with pytest.raises(WaitTimeoutError) as caught:
        job.wait(timeout=90)

    assert str(caught.value) == (
        f"Job '{JOB}' is still Running after 90 s (412 of 1,000 files done). "
        f'It goes on; return to it with client.jobs.get("{JOB}").'
    )
    assert caught.value.resource is job
    assert desk.clock.now == pytest.approx(90)


def test_wait_on_a_job_that_has_ended_needs_no_time() -> None:
    job, _ = quiet_at({GET: reply(body=job_body("Completed"))})

    assert job.refresh().wait(timeout=0) is job


def test_wait_polls_no_slower_than_asked() -> None:
    job, desk = job_at({GET: reply(body=job_body())})

    with pytest.raises(WaitTimeoutError):
        job.wait(timeout=60, poll_interval=2)
    assert max(desk.clock.pauses) <= 2


def test_wait_raises_with_the_reason_of_the_run_history_when_the_job_failed() -> None:
    job, _ = job_at(
        {
            GET: reply(body=job_body("Failed")),
            "GET children": reply(body={"value": [{"runId": "child-1", "name": "batchscoring"}]}),
            "GET runs/child-1/details": reply(
                body={"status": "Failed", "error": {"error": {"message": "run() raised KeyError 'age'."}}}
            ),
        }
    )

    with pytest.raises(JobFailedError) as caught:
        job.wait()

    assert str(caught.value) == f"Job '{JOB}' failed: run() raised KeyError 'age'. Logs: job.logs()."
    assert caught.value.job is job and job.error == "run() raised KeyError 'age'."


def test_a_failed_job_that_is_looked_up_tells_the_reason_at_once() -> None:
    _, desk = job_at(
        {
            GET: reply(body=job_body("Failed")),
            "GET children": reply(body={"value": [{"runId": "child-1", "name": "batchscoring"}]}),
            "GET runs/child-1/details": reply(body={"status": "Failed", "error": {"error": {"message": "no 'age'"}}}),
        }
    )

    assert Jobs(desk.workspace).get(JOB).error == "no 'age'"


@pytest.mark.parametrize("history", [not_found(), broken(), reply(500)])
def test_a_failed_job_is_told_also_when_the_reason_cannot_be_read(history: Step) -> None:
    job, _ = job_at({GET: reply(body=job_body("Failed")), "GET children": history})

    with pytest.raises(JobFailedError, match=f"Job '{JOB}' failed: the service gave no reason"):
        job.wait()


def test_the_reason_of_the_local_service_is_taken_as_it_is() -> None:
    kept = {wire.ERROR_PROPERTY: "18 files failed, error_threshold is 10."}
    job, desk = job_at({GET: reply(body=job_body("Failed", kept=kept))})

    with pytest.raises(JobFailedError, match=r"failed: 18 files failed, error_threshold is 10\. Logs: job\.logs\(\)\."):
        job.wait()
    assert len(desk.sent) == 1


def test_wait_raises_for_a_cancelled_job_and_for_one_that_is_lost() -> None:
    with pytest.raises(JobCanceledError, match=rf"Job '{JOB}' was cancelled\. Start it again with invoke\(\)\."):
        job_at({GET: statuses("Canceled")})[0].wait()
    with pytest.raises(JobFailedError, match=f"Job '{JOB}' ended NotResponding: the service gave no reason"):
        job_at({GET: statuses("NotResponding")})[0].wait()


def test_wait_does_not_raise_for_a_failed_job_when_told_not_to() -> None:
    job, _ = job_at({GET: statuses("Canceled")})

    assert job.wait(raise_on_failure=False).status is JobStatus.CANCELED


def test_wait_takes_the_pause_that_the_service_asks_for() -> None:
    asked = reply(body=job_body(), headers={"Retry-After": "7"})
    job, desk = job_at({GET: [asked, *statuses("Completed")]})

    job.wait()

    assert desk.clock.pauses == [7.0]


def test_wait_on_the_local_service_never_pauses_long() -> None:
    job, desk = job_at({GET: statuses(*["Running"] * 20, "Completed")}, base=LOCAL)

    job.wait(progress=False)

    assert desk.clock.pauses[0] < 0.1 and max(desk.clock.pauses) <= 0.5


def test_wait_draws_a_bar_only_when_wanted(capsys: pytest.CaptureFixture[str]) -> None:
    job_at({GET: statuses("Completed")})[0].wait()
    assert capsys.readouterr() == ("", "")

    quiet_at({GET: statuses("Completed")})[0].wait(progress=True)
    shown = capsys.readouterr()
    assert shown.out == "" and f"job '{JOB}': Completed" in shown.err


# ------------------------------------------------------------------ cancel


def test_cancel_follows_the_services_location_and_returns_the_job() -> None:
    location = {"Location": f"{ARM}/results/jc-1?api-version=1"}
    job, desk = job_at(
        {
            "POST cancel": reply(202, b"null", location),
            "GET results/jc-1": [reply(202, {}, location), reply(200)],
            GET: statuses("CancelRequested"),
        }
    )

    assert job.cancel() is job
    assert job.status is JobStatus.CANCEL_REQUESTED
    assert desk.sent[0] == f"POST WS/jobs/{JOB}/cancel"


def test_cancel_returns_after_a_while_also_when_the_service_takes_long() -> None:
    location = {"Location": f"{ARM}/results/jc-1"}
    job, desk = job_at(
        {
            "POST cancel": reply(202, b"null", location),
            "GET results/jc-1": reply(202, {}, location),
            GET: statuses("Running"),
        }
    )

    assert job.cancel().status is JobStatus.RUNNING
    assert desk.clock.now <= 61


def test_cancel_leaves_a_job_that_has_ended_as_it_is() -> None:
    job, _ = job_at({"POST cancel": reply(409, {"error": {"message": "It has ended."}}), GET: statuses("Completed")})

    assert job.cancel().status is JobStatus.COMPLETED


def test_cancel_tells_when_the_service_refuses_or_fails() -> None:
    job, _ = job_at({"POST cancel": reply(409, {"error": {"message": "Busy."}}), GET: statuses("Running")})
    with pytest.raises(ConflictError, match=f"Could not cancel job '{JOB}': Busy"):
        job.cancel()
    failed = reply(body={"status": "Failed", "error": {"message": "Broken."}})
    other, _ = job_at(
        {
            "POST cancel": reply(202, b"null", {"Azure-AsyncOperation": f"{ARM}/op"}),
            "GET /op": failed,
            GET: statuses("Running"),
        }
    )
    with pytest.raises(ConflictError, match=f"Could not cancel job '{JOB}': Broken. It goes on"):
        other.cancel()
    ended, _ = job_at(
        {
            "POST cancel": reply(202, b"null", {"Azure-AsyncOperation": f"{ARM}/op"}),
            "GET /op": failed,
            GET: statuses("Failed"),
            "GET children": not_found(),
        }
    )
    assert ended.cancel().status is JobStatus.FAILED


# ------------------------------------------------------------------ items, retry


def test_items_come_page_by_page_and_filtered_by_the_service() -> None:
    url = f"{LOCAL}{PATH.job_items(JOB)}?page=2"
    pages = [
        reply(body={"value": [{"path": "a", "status": "failed"}], "nextLink": url}),
        reply(body={"value": [{"path": "b", "status": "failed"}]}),
    ]
    job, desk = job_at({"GET items": pages}, base=LOCAL)

    items = job.items(status="failed")
    assert desk.sent == []
    assert next(items).path == "a" and len(desk.sent) == 1
    assert [one.path for one in items] == ["b"]
    assert "status=failed" in str(desk.transport.requests[0].url)


def test_failed_items_are_a_table() -> None:
    job, _ = job_at({"GET items": reply(body={"value": [{"path": "a", "status": "failed", "errorType": "KeyError"}]})})

    assert job.failed_items()[["path", "error_type"]].to_numpy().tolist() == [["a", "KeyError"]]


def test_another_status_of_items_is_refused_at_once() -> None:
    job, desk = job_at({})

    with pytest.raises(InvalidInputError, match="status is 'bad'; it can be 'succeeded', 'failed' or 'pending'"):
        job.items(status="bad")  # type: ignore[arg-type]  # what a user may try
    assert desk.sent == []


def test_a_service_without_a_ledger_points_to_the_logs() -> None:
    with pytest.raises(ResultsError, match=rf"input file of job '{JOB}' is not known: .* instrument=True"):
        list(quiet_at({"GET items": not_found()})[0].items())
    with pytest.raises(ResultsError, match=rf"Job '{JOB}' has no log files yet"):
        list(quiet_at({"GET items": not_found()})[0].items(status="failed"))
    with pytest.raises(NotFoundError):
        list(job_at({"GET items": not_found()}, base=LOCAL)[0].items())


def test_retry_failed_posts_a_job_that_names_the_old_one() -> None:
    local = f"{LOCAL}/scoring/heart/jobs"
    job, desk = job_at(
        {
            "GET batchEndpoints/heart": reply(body=endpoint_body(scoringUri=local)),
            "POST /jobs": reply(201, invoked_body("j2")),
        },
        body=job_body("Failed"),
        base=LOCAL,
    )

    again = job.retry_failed(mini_batch_size=1, experiment_name="again")

    assert again.name == "j2"
    sent = desk.body()["properties"]
    assert sent["properties"] == {wire.RETRY_PROPERTY: JOB, "experimentName": "again"}
    assert (sent["inputData"], sent["miniBatchSize"]) == ({}, 1)
    assert desk.transport.requests[-1].headers["azureml-model-deployment"] == "blue"


def test_retry_failed_refuses_what_it_does_not_know_before_anything_is_sent() -> None:
    job, desk = job_at({}, body=job_body("Failed"), base=LOCAL)

    with pytest.raises(
        InvalidInputError, match=r"retry_failed\(\) has no argument 'mini_batch_sise'\. Did you mean 'mini_batch_size'"
    ):
        job.retry_failed(mini_batch_sise=3)
    with pytest.raises(InvalidInputError, match=r"retry_failed\(\) has no argument 'deployment'"):
        job.retry_failed(deployment="blue")
    with pytest.raises(
        InvalidInputError, match=rf"Job '{JOB}' is still Running\. Wait for its end first: job\.wait\(\)"
    ):
        job_at({}, base=LOCAL)[0].retry_failed()
    assert desk.sent == []


def test_retry_failed_is_refused_where_no_ledger_is_kept() -> None:
    job, desk = quiet_at({}, body=job_body("Failed"))

    with pytest.raises(ResultsError, match=r"not known for sure: the service keeps no ledger, .* instrument=True"):
        job.retry_failed()
    assert not desk.bodies("POST")


def test_retry_failed_never_posts_to_an_address_that_is_not_there() -> None:
    job, desk = job_at(
        {"GET batchEndpoints/heart": reply(body=endpoint_body(scoringUri=None))}, body=job_body("Failed"), base=LOCAL
    )

    with pytest.raises(InvalidInputError, match=r"Endpoint 'heart' of job .* has no scoring URI"):
        job.retry_failed()
    assert len(desk.sent) == 1


# ------------------------------------------------------------------ the collection


def test_a_job_is_found_by_its_name_from_any_process() -> None:
    desk = Desk({GET: reply(body=job_body("Completed")), "GET jobs/none": not_found()})

    assert Jobs(desk.workspace).get(JOB).wait().endpoint_name == "heart"
    with pytest.raises(NotFoundError, match="Could not read job 'none'"):
        Jobs(desk.workspace).get("none")


def test_jobs_are_listed_lazily_and_filtered() -> None:
    listed = [
        job_body("Completed"),
        job_body("Failed", name="j2"),
        job_body("Completed", name="j3", tags={"team": "a"}),
    ]
    desk = Desk({"GET WS/jobs".replace("WS", "space-1"): reply(body={"value": listed})})
    jobs = Jobs(desk.workspace)

    found = jobs.list(status="completed")
    assert desk.sent == []
    assert [one.name for one in found] == [JOB, "j3"]
    assert [one.name for one in jobs.list(tag="team=a")] == ["j3"]
    assert [one.name for one in jobs.list(tag="azureml.batchrun")] == [JOB, "j2"]
    early, late = datetime(2026, 1, 1, tzinfo=timezone.utc), datetime(2026, 1, 3, tzinfo=timezone.utc)
    assert (len(list(jobs.list(created_after=early))), len(list(jobs.list(created_after=late)))) == (3, 0)


def test_jobs_of_a_deployment_come_from_its_own_list() -> None:
    desk = Desk({**BASICS, "GET heart/deployments/blue/jobs": reply(body={"value": [invoked_body()]})})

    assert [one.name for one in Jobs(desk.workspace).list(endpoint="heart", deployment="blue")] == [JOB]


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"deployment": "blue"}, 'jobs.list(deployment="blue") needs endpoint= too'),
        ({"status": "Dreaming"}, "status is 'Dreaming'; it can be NotStarted, Starting,"),
        ({"created_after": datetime(2026, 1, 1)}, "created_after is 2026-01-01T00:00:00, without a time zone. Add one"),
    ],
)
def test_a_wrong_filter_is_refused_at_once(given: dict[str, Any], said: str) -> None:
    desk = Desk({})

    with pytest.raises(InvalidInputError) as caught:
        Jobs(desk.workspace).list(**given)
    assert said in str(caught.value) and desk.sent == []


def test_retry_failed_scores_the_rest_too_when_asked_and_overrides_how_it_is_isolated() -> None:
    local = f"{LOCAL}/scoring/heart/jobs"
    routes = {
        "GET batchEndpoints/heart": reply(body=endpoint_body(scoringUri=local)),
        "POST /jobs": reply(201, invoked_body("j2")),
    }
    job, desk = job_at(routes, body=job_body("Canceled"), base=LOCAL)

    job.retry_failed(include_pending=True, isolate_failures=True)

    assert desk.body()["properties"]["properties"] == {
        **{wire.RETRY_PROPERTY: JOB, wire.RETRY_PENDING_PROPERTY: "true"},
        wire.ISOLATE_PROPERTY: "true",
    }


def test_a_job_names_the_one_it_retries() -> None:
    job, _ = job_at({}, body=job_body(kept={wire.RETRY_PROPERTY: "first"}))

    assert job.retry_of == "first" and "first" in job._repr_html_()
    assert job_at({})[0].retry_of is None


def test_a_ledger_that_is_gone_is_said_to_be() -> None:
    gone = not_found("LedgerGone", "The ledger of job 'x' is gone.")
    local = f"{LOCAL}/scoring/heart/jobs"
    routes = {
        "GET items": gone,
        "POST scoring/heart/jobs": gone,
        "GET batchEndpoints/heart": reply(body=endpoint_body(scoringUri=local)),
    }
    job, _ = job_at(routes, body=job_body("Failed"), base=LOCAL)

    with pytest.raises(ResultsError, match="The ledger of job 'x' is gone"):
        list(job.items())
    with pytest.raises(ResultsError, match="The ledger of job 'x' is gone"):
        job.retry_failed()


@pytest.mark.parametrize(("status", "kind"), [("Canceled", JobCanceledError), ("Failed", JobFailedError)])
def test_a_job_that_did_not_complete_tells_how_to_read_what_was_scored(status: str, kind: type[Exception]) -> None:
    kept = {
        wire.PROGRESS_PROPERTY: json.dumps({"items_done": 412, "items_total": 1000, "items_per_second": 9, "eta": 60}),
        wire.ROWS_PROPERTY: json.dumps([{"kind": "list", "columns": []}]),
        wire.ERROR_PROPERTY: "18 files failed, error_threshold is 10." if status == "Failed" else None,
    }
    job, _ = job_at({GET: reply(body=job_body(status, kept=kept))})

    with pytest.raises(kind) as caught:
        job.wait()

    rest = "Rows scored before: job.results.to_pandas(partial=True); the rest: "
    first = {
        "Canceled": f"Job '{JOB}' was cancelled after 412 of 1,000 files. ",
        "Failed": f"Job '{JOB}' failed: 18 files failed, error_threshold is 10. Logs: job.logs(). ",
    }
    assert str(caught.value) == f"{first[status]}{rest}job.retry_failed(include_pending=True)."
    assert str(dict(job._rows())["progress"]) == str(job.progress) == "412 of 1,000 files"
