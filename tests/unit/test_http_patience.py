"""Waits that outlast outages, busy services and tokens; their deadlines; and what is said when they give up."""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import requests
from azure.core.credentials import AccessToken
from azure.core.exceptions import ClientAuthenticationError

import azure_batch_endpoints
from azure_batch_endpoints._entity import Snapshot
from azure_batch_endpoints._http import Session
from azure_batch_endpoints._http.patience import LOGIN_SECONDS, OUTAGE_SECONDS
from azure_batch_endpoints._wire.jobview import job_view
from azure_batch_endpoints._workspace import Workspace
from azure_batch_endpoints.errors import (
    AuthenticationError,
    NotFoundError,
    PermissionDeniedError,
    ServerError,
    TransportError,
    WaitTimeoutError,
)
from azure_batch_endpoints.job import Job
from azure_batch_endpoints.states import JobStatus
from tests.unit.fake_clock import FakeClock
from tests.unit.fake_service import ARM, LOCAL, PATH, Desk, broken, job_body, not_found
from tests.unit.fake_transport import FakeTransport, Step, reply
from tests.unit.test_http_session import refused

HOUR = 3600.0
COME_BACK = 'It goes on; return to it with client.jobs.get("batchjob-11").'
LONG_WAY = [broken(), requests.exceptions.ReadTimeout(), reply(503), reply(502), reply(429), reply(200, b"<html>")]


def job_of(workspace: Workspace) -> Job:
    return Job(workspace, Snapshot.take(job_view, job_body()))


def scene(answer: Callable[[FakeClock], Step], *, base: str = ARM) -> tuple[Job, FakeClock]:
    """A job of a service whose answer depends on the time."""
    desk: list[Desk] = []

    def at(request: requests.PreparedRequest) -> requests.Response:
        step = answer(desk[0].clock)
        if isinstance(step, BaseException):
            raise step
        return step(request)

    desk.append(Desk({"GET jobs/batchjob-11": at}, base=base))
    return job_of(desk[0].workspace), desk[0].clock


def running_until(end: float) -> Callable[[FakeClock], Step]:
    return lambda clock: reply(body=job_body("Running" if clock.now < end else "Completed"))


@pytest.mark.parametrize("trouble", LONG_WAY, ids=["cut", "silent", "503", "502", "429", "a page of a proxy"])
def test_a_wait_without_a_limit_outlasts_ten_minutes_of_trouble(trouble: Step) -> None:
    fine = running_until(700)
    job, clock = scene(lambda clock: trouble if 60 < clock.now < 660 else fine(clock))

    job.wait()

    assert job.status is JobStatus.COMPLETED
    assert max(clock.pauses) <= 30  # it looks again soon after it is over


def test_the_pause_a_busy_service_asks_for_is_kept_in_a_wait() -> None:
    said = iter([reply(503, None, {"Retry-After": "200"}), reply(429, None, {"Retry-After": "200"})])
    job, clock = scene(lambda _: next(said, reply(body=job_body("Completed"))))

    job.wait()

    assert clock.pauses == [200, 200]


@pytest.mark.parametrize(("trouble", "kind"), [(broken(), TransportError), (reply(503), ServerError)])
def test_a_wait_without_a_limit_gives_up_after_half_an_hour_and_says_that_the_job_goes_on(
    trouble: Step, kind: type[Exception]
) -> None:
    job, clock = scene(lambda clock: reply(body=job_body()) if clock.now < 60 else trouble)

    with pytest.raises(kind) as caught:
        job.wait()

    assert str(caught.value).endswith(COME_BACK) and caught.value.__cause__ is not None
    assert OUTAGE_SECONDS - 60 < clock.now - 60 <= OUTAGE_SECONDS + 60


@pytest.mark.parametrize("timeout", [30.0, 2 * HOUR])
@pytest.mark.parametrize("trouble", [broken(), reply(503), reply(503, None, {"Retry-After": "90"}), reply(429)])
def test_with_a_limit_the_limit_alone_counts_and_is_kept_to_the_second(trouble: Step, timeout: float) -> None:
    job, clock = scene(lambda clock: reply(body=job_body()) if clock.now < 5 else trouble)

    with pytest.raises(WaitTimeoutError, match=re.escape(COME_BACK)):
        job.wait(timeout=timeout)

    assert clock.now == pytest.approx(timeout)


def test_a_hung_connection_ends_with_the_limit() -> None:
    clock = FakeClock()

    def hang(request: requests.PreparedRequest) -> requests.Response:
        clock.sleep(min(60, wire.wire.options[-1]["timeout"][1]))
        raise requests.exceptions.ReadTimeout(request=request)

    wire = FakeTransport(hang)
    session = Session(ARM, None, {}, clock=clock, transport=wire)

    with pytest.raises(WaitTimeoutError):
        job_of(Workspace(session, PATH)).wait(timeout=100)

    assert clock.now == pytest.approx(100)


@pytest.mark.parametrize("verb", [lambda job: job.wait(), lambda job: list(job.stream())])
def test_a_local_service_that_is_gone_for_good_is_told_at_once(verb: Callable[[Job], object]) -> None:
    job, clock = scene(lambda _: refused(), base=LOCAL)

    with pytest.raises(TransportError, match=r"refused the connection.*It goes on"):
        verb(job)

    assert clock.now < 2


def test_the_cloud_out_of_reach_at_first_is_waited_for() -> None:
    job, _ = scene(lambda clock: refused() if clock.now < 300 else reply(body=job_body("Completed")))

    assert job.wait().status is JobStatus.COMPLETED


@pytest.mark.parametrize(("answer", "kind"), [(not_found(), NotFoundError), (reply(403), PermissionDeniedError)])
def test_an_answer_that_does_not_pass_ends_a_wait_at_once(answer: Step, kind: type[Exception]) -> None:
    job, clock = scene(lambda clock: reply(body=job_body()) if clock.now < 5 else answer)

    with pytest.raises(kind):
        job.wait()

    assert clock.now < 20


@pytest.mark.parametrize("jump", [-1e9, 1e9])
def test_a_system_clock_that_is_set_changes_no_wait(jump: float, monkeypatch: pytest.MonkeyPatch) -> None:
    job, clock = scene(lambda _: reply(body=job_body()))
    real, often = time.time, iter(range(1_000_000))
    monkeypatch.setattr("azure.core.pipeline.policies._retry.time.time", lambda: real() + next(often) % 2 * jump)
    monkeypatch.setattr("azure_batch_endpoints._http.clock.time.time", lambda: real() + next(often) % 2 * jump)

    with pytest.raises(WaitTimeoutError):
        job.wait(timeout=500)

    assert clock.now == pytest.approx(500)


def test_nothing_that_waits_reads_the_system_clock() -> None:
    root = Path(azure_batch_endpoints.__file__).parent
    waiting = [*(root / "_http").glob("*.py"), *(root / name for name in ("_waiting.py", "_posting.py", "_entity.py"))]
    read = {
        f"{file.name}: {line.strip()}"
        for file in waiting
        for line in file.read_text(encoding="utf-8").splitlines()
        if re.search(r"time\.time\(|datetime\.now\(", line)
    }

    # A date without a Date, the life of a token, the age of a snapshot.
    assert {one.partition(":")[0] for one in read} <= {"retries.py", "policies.py", "_entity.py"}, read


# ------------------------------------------------------------------ tokens


class Login:
    """Gives tokens that live ten minutes by the clock of the test, until it is over."""

    def __init__(self, clock: FakeClock, *, over: float = 1e12, back: float = 1e12) -> None:
        self.clock, self.over, self.back = clock, over, back
        self.given: list[float] = []

    def get_token(self, *_scopes: str, **_options: object) -> AccessToken:
        if self.over <= self.clock.now < self.back:
            raise ClientAuthenticationError("The refresh token has expired; run az login.\nTrace of it")
        self.given.append(self.clock.now)
        return AccessToken(f"{len(self.given)} until {self.clock.now + 600}", int(self.clock.now + 600))


class Checking:
    """A service that looks at the token of each request; it runs a job for some hours."""

    def __init__(self, clock: FakeClock, hours: float) -> None:
        self.clock, self.end = clock, hours * HOUR
        self.revoked: set[str] = set()
        self.refused: list[str] = []

    def __call__(self, request: requests.PreparedRequest) -> requests.Response:
        number, _, until = str(request.headers["Authorization"]).removeprefix("Bearer ").split(" ")
        if float(until) <= self.clock.now or number in self.revoked:
            self.refused.append(number)
            return reply(401, {"error": {"message": "The token has expired."}})(request)
        status = "Running" if self.clock.now < self.end else "Completed"
        return reply(body={**job_body(status), "value": [], "logFiles": {}, "status": status})(request)


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> FakeClock:
    """A clock that the lives of tokens are counted with, too."""
    clock = FakeClock()

    class Time:
        @staticmethod
        def time() -> float:
            return clock.now

    monkeypatch.setattr("azure.core.pipeline.policies._authentication.time", Time)
    monkeypatch.setattr("azure_batch_endpoints._http.policies.time", Time)
    return clock


def signed_in(clock: FakeClock, service: Checking, login: Login) -> Job:
    session = Session(ARM, login, {"management": "m", "ml": "ml"}, clock=clock, transport=FakeTransport(service))
    workspace = Workspace(session, PATH)
    workspace._known.update(api=ARM)
    return job_of(workspace)


VERBS: list[Any] = [lambda job: job.wait(), lambda job: list(job.stream())]


@pytest.mark.parametrize(("verb", "hours"), [(VERBS[0], 3), (VERBS[1], 1)], ids=["wait", "stream"])
def test_a_wait_of_hours_renews_its_token_before_it_ends(
    verb: Callable[[Job], object], hours: int, clock: FakeClock
) -> None:
    service, login = Checking(clock, hours), Login(clock)
    job = signed_in(clock, service, login)

    verb(job)

    assert job.status is JobStatus.COMPLETED
    assert service.refused == []
    assert 6 * hours <= len(login.given) <= 16 * hours  # of ten minutes each, renewed when half is over; not one a look


@pytest.mark.parametrize("verb", VERBS, ids=["wait", "stream"])
def test_a_token_that_is_refused_in_the_middle_of_a_wait_is_replaced_and_the_wait_goes_on(
    verb: Callable[[Job], object], clock: FakeClock
) -> None:
    service, login = Checking(clock, 0.7), Login(clock)
    service.revoked.update({"2", "5"})
    job = signed_in(clock, service, login)

    verb(job)

    assert job.status is JobStatus.COMPLETED
    assert service.refused == ["2", "5"]


def test_a_machine_that_slept_through_its_token_goes_on(clock: FakeClock) -> None:
    service, login = Checking(clock, 8.2), Login(clock)
    job = signed_in(clock, service, login)
    lines = job.stream()
    sleep, naps = clock.sleep, iter([0.0, 0.0, 8 * HOUR])

    def nap(seconds: float) -> None:
        sleep(seconds)
        clock.now += next(naps, 0.0)

    clock.sleep = nap  # type: ignore[method-assign]  # the lid is shut

    assert list(lines) == []
    assert job.status is JobStatus.COMPLETED


@pytest.mark.parametrize("verb", VERBS, ids=["wait", "stream"])
def test_a_login_that_ends_in_a_wait_says_that_the_job_goes_on_and_how_to_come_back(
    verb: Callable[[Job], object], clock: FakeClock
) -> None:
    job = signed_in(clock, Checking(clock, 5), Login(clock, over=HOUR / 2))

    with pytest.raises(AuthenticationError, match=r"az login") as caught:
        verb(job)

    assert str(caught.value).endswith(COME_BACK) and "Trace" not in str(caught.value)
    assert HOUR / 2 < clock.now < HOUR / 2 + 600 + 2 * LOGIN_SECONDS


def test_a_sign_in_that_stumbles_for_some_minutes_ends_no_wait(clock: FakeClock) -> None:
    """The token that is there still lives five minutes when a new one is asked for."""
    job = signed_in(clock, Checking(clock, 1), Login(clock, over=HOUR / 2, back=HOUR / 2 + 270))

    assert job.wait().status is JobStatus.COMPLETED


def test_without_a_login_a_wait_does_not_begin(clock: FakeClock) -> None:
    job = signed_in(clock, Checking(clock, 5), Login(clock, over=0))

    with pytest.raises(AuthenticationError, match="az login"):
        job.wait()

    assert clock.now == 0
