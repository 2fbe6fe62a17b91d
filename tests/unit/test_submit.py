"""One POST to a scoring URI, at most one job."""

from __future__ import annotations

import sys

import pytest
import requests

from azure_batch_endpoints import _posting, _submit, folder
from azure_batch_endpoints.errors import (
    AuthenticationError,
    ConflictError,
    InvalidInputError,
    ServerError,
    ServiceError,
    SpecError,
    TooManyRequestsError,
    TransportError,
)
from tests.unit.fake_service import JOB, SCORING, Desk, broken, invoked_body, job_body, not_found
from tests.unit.fake_transport import Step, reply


def submission(*, deployment: str | None = None, **more: object) -> _submit.Submission:
    overrides = _submit.overrides_from({"job_name": JOB, **more}, "invoke()")
    return _submit.Submission("heart", SCORING, deployment, {"UriFolder": folder("https://a.net/b")}, overrides)


LOOK = f"GET WS/jobs/{JOB}"
POST = f"POST {SCORING}"


def test_a_job_is_posted_once_with_its_name_as_repeatability_id_in_both_spellings() -> None:
    desk = Desk({"POST /jobs": reply(201, invoked_body())})

    _submit.submit(desk.workspace, submission(deployment="blue"))

    (sent,) = desk.transport.requests
    assert sent.headers["repeatability-request-id"] == sent.headers["repeatability_request-id"] == JOB
    assert sent.headers["azureml-model-deployment"] == "blue"
    assert sent.headers["Authorization"] == "Bearer token of https://ml.azure.com/.default"
    assert desk.body()["properties"]["name"] == JOB
    assert sent.url == SCORING


def test_the_deployment_of_one_invoke_does_not_leak_into_the_next() -> None:
    desk = Desk({"POST /jobs": reply(201, invoked_body())})

    _submit.submit(desk.workspace, submission(deployment="blue"))
    _submit.submit(desk.workspace, submission())

    first, second = desk.transport.requests
    assert "azureml-model-deployment" in first.headers
    assert "azureml-model-deployment" not in second.headers


@pytest.mark.parametrize(
    "lost",
    [
        broken(),
        reply(503),
        reply(504, {"error": {"code": "GatewayTimeout"}}),
        reply(500),
        reply(201),
        reply(200, [{}]),
        reply(201, {"properties": {}}),
    ],
)
def test_after_a_lost_answer_the_job_that_was_started_is_found_and_nothing_is_posted_again(lost: Step) -> None:
    desk = Desk({"POST /jobs": lost, f"GET jobs/{JOB}": reply(body=job_body())})

    body = _submit.submit(desk.workspace, submission())

    assert isinstance(body, dict) and body["name"] == JOB
    assert desk.sent == [POST, LOOK]


def test_a_cut_connection_without_a_job_says_that_none_was_started() -> None:
    desk = Desk({"POST /jobs": broken(), f"GET jobs/{JOB}": not_found()})

    with pytest.raises(TransportError) as caught:
        _submit.submit(desk.workspace, submission())

    assert "Could not invoke endpoint 'heart'" in str(caught.value)
    assert str(caught.value).endswith(
        f"No job '{JOB}' was started so far, after 4 tries. Call it again with job_name=\"{JOB}\": one name is one job."
    )
    assert caught.value.__cause__ is not None
    assert desk.sent == [POST, *[LOOK] * _posting.LOOKS] * _posting.MOST_TRIES
    assert (
        len({one.headers["repeatability-request-id"] for one in desk.transport.requests if one.method == "POST"}) == 1
    )
    assert 7 * 4 < desk.clock.now < _posting.SECONDS


def test_a_service_that_is_down_without_a_job_keeps_its_status_and_says_that_none_was_started() -> None:
    desk = Desk({"POST /jobs": reply(503, headers={"x-ms-request-id": "r-9"}), f"GET jobs/{JOB}": not_found()})

    with pytest.raises(ServerError) as caught:
        _submit.submit(desk.workspace, submission())

    assert (caught.value.status_code, caught.value.request_id) == (503, "r-9")
    assert f"No job '{JOB}' was started so far, after 4 tries." in str(caught.value)


@pytest.mark.parametrize("look", [broken(), reply(503), reply(403)])
def test_when_the_look_fails_too_it_is_said_that_nobody_knows_and_where_to_ask(look: Step) -> None:
    desk = Desk({"POST /jobs": broken(), f"GET jobs/{JOB}": look})

    with pytest.raises(TransportError) as caught:
        _submit.submit(desk.workspace, submission())

    assert f'is not known; ask later with client.jobs.get("{JOB}").' in str(caught.value)
    assert desk.sent.count(POST) == 1


@pytest.mark.parametrize(("status", "kind"), [(400, ServiceError), (401, AuthenticationError)])
def test_a_refusal_is_an_answer_and_nothing_is_looked_for(status: int, kind: type[ServiceError]) -> None:
    desk = Desk({"POST /jobs": reply(status, {"error": {"message": "Not so."}})})

    with pytest.raises(kind, match=r"Could not invoke endpoint 'heart': Not so\."):
        _submit.submit(desk.workspace, submission())
    assert desk.sent == [POST]


@pytest.mark.parametrize("status", [202, 204])
def test_an_accepted_answer_of_another_kind_is_no_refusal_and_the_job_is_looked_for(status: int) -> None:
    desk = Desk({"POST /jobs": reply(status), f"GET jobs/{JOB}": [not_found(), reply(body=job_body())]})

    body = _submit.submit(desk.workspace, submission())

    assert isinstance(body, dict) and body["name"] == JOB
    assert desk.sent == [POST, LOOK, LOOK]


def test_a_service_that_is_busy_says_for_how_long_and_that_no_job_was_started() -> None:
    busy = reply(429, {"error": {"code": "TooManyRequests", "message": "busy"}}, {"Retry-After": "1000"})
    desk = Desk({"POST /jobs": busy})

    with pytest.raises(TooManyRequestsError) as refused:
        _submit.submit(desk.workspace, submission())
    assert str(refused.value) == (
        "Could not invoke endpoint 'heart': busy. Wait 1,000 s and try again. "
        f"No job '{JOB}' was started. Call it again with job_name=\"{JOB}\": one name is one job."
    )
    assert refused.value.retry_after == 1000.0
    assert desk.sent == [POST]


@pytest.mark.parametrize("refused", [400, 409, 422])
def test_a_repetition_that_is_refused_because_the_first_try_arrived_finds_the_job(refused: int) -> None:
    """However a service words it that it knows the name; the job may show a little later."""
    taken = reply(refused, {"error": {"message": "There is such a job."}})
    looks = [*[not_found()] * (_posting.LOOKS + 2), reply(body=job_body())]
    desk = Desk({"POST /jobs": [broken(), taken], f"GET jobs/{JOB}": looks})

    body = _submit.submit(desk.workspace, submission())

    assert isinstance(body, dict) and body["name"] == JOB
    assert desk.sent.count(POST) == 2


@pytest.mark.parametrize("refused", [400, 403, 409, 429])
def test_a_repetition_that_is_refused_without_a_job_says_that_nobody_knows(refused: int) -> None:
    no = reply(refused, {"error": {"message": "Not so."}}, {"Retry-After": "999"})
    desk = Desk({"POST /jobs": [broken(), no], f"GET jobs/{JOB}": not_found()})

    with pytest.raises(ServiceError) as caught:
        _submit.submit(desk.workspace, submission())

    assert caught.value.status_code == refused
    assert str(caught.value).endswith(f'is not known; ask later with client.jobs.get("{JOB}").')
    assert desk.sent == [POST, *[LOOK] * _posting.LOOKS] * 2


def test_a_name_of_the_users_own_that_is_taken_in_the_cloud_is_refused_with_the_way_to_that_job() -> None:
    desk = Desk({"POST /jobs": reply(409, {"error": {"message": "It is taken."}})})
    overrides = _submit.overrides_from({"job_name": "nightly"}, "invoke()")
    job = _submit.Submission("heart", SCORING, None, {"UriFolder": folder("https://a.net/b")}, overrides)

    with pytest.raises(ConflictError, match=r'See whether it is yours: client\.jobs\.get\("nightly"\)\.'):
        _submit.submit(desk.workspace, job)
    assert desk.sent == [POST]


def test_a_service_that_names_an_hour_ends_the_call_and_does_not_say_that_it_is_certain() -> None:
    desk = Desk({"POST /jobs": reply(503, headers={"Retry-After": "3600"}), f"GET jobs/{JOB}": not_found()})

    with pytest.raises(ServerError, match=f"No job '{JOB}' was started so far. Call it again") as caught:
        _submit.submit(desk.workspace, submission())
    assert caught.value.retry_after == 3600 and desk.sent.count(POST) == 1


@pytest.mark.skipif(sys.version_info < (3, 11), reason="exceptions have no notes before")
def test_who_stops_an_invoke_learns_the_name_to_look_for() -> None:
    def stopped(_request: object) -> requests.Response:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt) as caught:
        _submit.submit(Desk({"POST /jobs": stopped}).workspace, submission())
    (note,) = caught.value.__notes__  # type: ignore[attr-defined,unused-ignore]
    assert f'client.jobs.get("{JOB}")' in note


def test_a_foreign_scoring_uri_gets_no_token() -> None:
    desk = Desk({})
    job = _submit.Submission("heart", "https://evil.example/jobs", None, {}, submission().overrides)

    with pytest.raises(TransportError, match=r"evil\.example"):
        _submit.submit(desk.workspace, job)
    assert desk.sent == []


@pytest.mark.parametrize(
    "output",
    [
        "folder:azureml://datastores/s/paths/o",
        "azureml://datastores/s/paths/o/",
        " FOLDER:azureml://datastores/s/paths/o/",
    ],
)
def test_an_output_folder_is_read_in_both_forms(output: str) -> None:
    assert submission(output=output).overrides.output_uri == "azureml://datastores/s/paths/o/"


@pytest.mark.parametrize(
    "output", ["./out", "https://a.net/c/?sig=SECRET", "azureml:d:1", "azureml://datastores/s", ""]
)
def test_an_output_that_is_no_folder_on_a_datastore_is_refused_with_the_form(output: str) -> None:
    with pytest.raises(InvalidInputError) as caught:
        submission(output=output)

    assert "is not a folder on a datastore. Write folder:azureml://datastores/<datastore>/paths/<path>/" in str(
        caught.value
    )
    assert "SECRET" not in str(caught.value)


def test_wrong_overrides_are_refused_before_anything_is_sent() -> None:
    with pytest.raises(SpecError, match="mini_batch_size is 0; it should be at least 1"):
        submission(mini_batch_size=0)
    with pytest.raises(SpecError, match="output_file_name is 'a/b'"):
        submission(output_file_name="a/b")
    with pytest.raises(
        InvalidInputError, match=r"invoke\(\) has no argument 'mini_batch'\. Did you mean 'mini_batch_size'\?"
    ):
        submission(mini_batch=3)


def test_a_job_gets_a_new_name_each_time_when_none_is_given() -> None:
    names = {_submit.overrides_from({}, "x").name for _ in range(3)}

    assert len(names) == 3 and all(str(name).startswith("batchjob-") for name in names)
