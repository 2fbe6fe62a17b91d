"""Waiting for several jobs in turn under one deadline, and callbacks from one thread a client, through outages."""

from __future__ import annotations

import gc
import logging
import re
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping
from typing import Any

import pytest
import requests

from azure_batch_endpoints import (
    InvalidInputError,
    Job,
    JobCanceledError,
    JobFailedError,
    JobStatus,
    WaitTimeoutError,
    _accounts,
    _callbacks,
    wait_all,
    wait_any,
)
from azure_batch_endpoints._entity import Snapshot
from azure_batch_endpoints._wire.jobview import JobView, job_view
from azure_batch_endpoints.jobs import Jobs
from tests.unit.fake_clock import FakeClock
from tests.unit.fake_service import BASICS, LOCAL, Desk, broken, job_body, not_found
from tests.unit.fake_transport import Reply, Step, reply

HISTORY = "/history/v1.0/.*"


def told(status: str, name: str, **more: Any) -> Reply:
    return reply(200, job_body(status, name=name, **more))


class Course:
    """Jobs of one desk, each with the answers it gives, look after look; the last one stays."""

    def __init__(self, courses: Mapping[str, list[str | Step]], *, base: str = LOCAL) -> None:
        self.looks: list[str] = []
        routes: dict[str, Any] = {
            f"GET jobs/{name}": [told(one, name) if isinstance(one, str) else one for one in course]
            for name, course in courses.items()
        }
        self.desk = Desk({**BASICS, **routes}, base=base)
        self.jobs = {name: self._job(name) for name in courses}

    def _job(self, name: str) -> Job:
        return Job(self.desk.workspace, Snapshot.take(job_view, job_body("Running", name=name)))

    def looked(self) -> list[str]:
        return [line.rpartition("/")[2] for line in self.desk.sent]


def shared_clock(*courses: Course) -> FakeClock:
    """One clock for the sessions of several clients, as there is one in a process."""
    clock = courses[0].desk.clock
    for one in courses[1:]:
        one.desk.workspace.session.clock = clock
    return clock


def test_wait_any_returns_the_first_that_ended_whatever_its_end_and_looks_no_further() -> None:
    course = Course({"a": ["Running"], "b": ["Running", "Failed"], "c": ["Running"]})
    a, b, c = course.jobs.values()

    assert wait_any([a, b, c]) is b
    assert (a.status, b.status, c.status) == (JobStatus.RUNNING, JobStatus.FAILED, JobStatus.RUNNING)
    assert course.looked()[:3] == ["a", "b", "c"]


def test_wait_all_looks_in_turn_and_gives_the_jobs_back_in_the_order_given() -> None:
    course = Course({"a": ["Running", "Running", "Completed"], "b": ["Completed"]})
    ended: list[str] = []
    a, b = course.jobs["a"], course.jobs["b"]

    assert wait_all([a, b], on_done=lambda job: ended.append(job.name)) == [a, b]
    assert ended == ["b", "a"]
    assert course.looked() == ["a", "b", "a", "a"]


def test_a_job_named_twice_is_looked_at_once_and_both_objects_know_its_end() -> None:
    course = Course({"a": ["Running", "Completed"]})
    first, again, ended = course.jobs["a"], course._job("a"), list[Job]()

    assert wait_all([first, again, first], on_done=ended.append) == [first, again, first]
    assert again.status is JobStatus.COMPLETED and ended == [first]
    assert course.looked() == ["a", "a"]


def test_jobs_of_two_clients_are_waited_for_under_one_deadline() -> None:
    one, other = Course({"a": ["Running"]}), Course({"a": ["Running", "Completed"]}, base="http://127.0.0.1:5098")
    clock = shared_clock(one, other)

    with pytest.raises(WaitTimeoutError) as late:
        wait_all([one.jobs["a"], other.jobs["a"]], timeout=9)

    assert clock.now == pytest.approx(9)
    assert str(late.value) == (
        "1 of 2 jobs has not ended after 9 s: 'a' (Running). They go on; wait for them again, or return to one with "
        "client.jobs.get(name)."
    )
    assert late.value.resource is one.jobs["a"]
    assert wait_any([one.jobs["a"], other.jobs["a"]]) is other.jobs["a"]


def test_a_client_whose_service_does_not_answer_keeps_nobody_else_waiting() -> None:
    silent = Course({"a": [broken()]}, base="https://management.azure.com")
    other = Course({"b": ["Running", "Running", "Completed"]})
    shared_clock(silent, other)

    assert wait_any([silent.jobs["a"], other.jobs["b"]], timeout=600) is other.jobs["b"]


def test_no_job_is_nothing_to_wait_for_or_an_error_and_anything_else_is_refused() -> None:
    assert wait_all([]) == []
    with pytest.raises(InvalidInputError, match=r"wait_any\(\) got no job"):
        wait_any([])
    for wrong in (["batchjob-1"], 5):
        with pytest.raises(InvalidInputError, match=r"which is no job\. Pass jobs"):
            wait_all(wrong)  # type: ignore[arg-type]


def failed(name: str, reason: str) -> Reply:
    return told("Failed", name, kept={"azure_batch_endpoints.error": reason})


def test_wait_all_waits_for_all_of_them_before_it_tells_of_one_that_failed() -> None:
    course = Course({"a": [failed("a", "boom in score.py line 3")], "b": ["Running", "Completed"]})
    a, b = course.jobs["a"], course.jobs["b"]

    with pytest.raises(JobFailedError, match=r"Job 'a' failed: boom in score\.py line 3\. Logs") as caught:
        wait_all([a, b])
    assert b.status is JobStatus.COMPLETED
    assert caught.value.job is a and caught.value.jobs == (a,)
    assert wait_all([a, b], raise_on_failure=False) == [a, b]


def test_several_that_failed_are_named_with_their_first_causes() -> None:
    reason = "KeyError: 'age' in score.py line 7\nTraceback (most recent call last):\n  deep inside"
    course = Course({"a": [failed("a", reason)], "b": ["Completed"], "c": ["Canceled"]})
    a, b, c = course.jobs.values()

    with pytest.raises(JobFailedError) as caught:
        wait_all([a, b, c, a])
    assert str(caught.value) == (
        "2 of 3 jobs did not complete:\n- Job 'a' failed: KeyError: 'age' in score.py line 7.\n- Job 'c' was cancelled."
        "\nSee job.logs() of each; they are in error.jobs."
    )
    assert type(caught.value) is JobFailedError and caught.value.jobs == (a, c)
    with pytest.raises(JobCanceledError):
        wait_all([c, b])


def test_one_line_for_all_of_them_where_progress_is_asked_for(capsys: pytest.CaptureFixture[str]) -> None:
    course = Course({"a": ["Completed"], "b": ["Completed"]})

    wait_all(course.jobs.values(), progress=False)
    assert capsys.readouterr() == ("", "")
    wait_all(course.jobs.values(), progress=True)
    assert capsys.readouterr().err


@pytest.mark.parametrize("wrong", [-1, float("nan"), float("inf")])
def test_a_pause_that_cannot_be_is_refused_before_anything_is_sent(wrong: float) -> None:
    course = Course({"a": ["Completed"]})
    for wait in (course.jobs["a"].wait, lambda **said: wait_all([course.jobs["a"]], **said)):
        with pytest.raises(InvalidInputError, match=r"poll_interval is -?\w+\. Pass seconds"):
            wait(poll_interval=wrong)
    assert course.looked() == []


def test_a_service_that_names_a_year_is_looked_at_again_after_ten_minutes() -> None:
    later = reply(200, job_body("Running", name="a"), {"Retry-After": "1e12"})
    course = Course({"a": [later, "Completed"]})

    wait_all([course.jobs["a"]])

    assert course.desk.clock.pauses == [600]


def test_a_bar_for_several_jobs_of_the_cloud_tells_what_their_own_files_tell(monkeypatch: pytest.MonkeyPatch) -> None:
    course = Course({"a": ["Running", "Completed"]}, base="https://management.azure.com")
    seen: list[str] = []

    def told_of(_workspace: object, view: JobView) -> JobView:
        seen.append(view.status.value)
        return view

    monkeypatch.setattr(_accounts, "told", told_of)
    wait_all(course.jobs.values(), progress=False)
    assert seen == []
    course = Course({"a": ["Running", "Completed"]}, base="https://management.azure.com")
    wait_all(course.jobs.values(), progress=True)
    assert seen == ["Running", "Completed"]


# --------------------------------------------------------------------------- callbacks


class Gate:
    """Answers ``Running`` until it is opened, then ``Completed``; can be broken off for a while."""

    def __init__(self, name: str = "a") -> None:
        self.open, self.looked, self.name = threading.Event(), threading.Event(), name
        self.steps: list[Step] = []

    def __call__(self, request: requests.PreparedRequest) -> requests.Response:
        self.looked.set()
        if self.steps:
            step = self.steps.pop(0)
            if isinstance(step, BaseException):
                raise step
            return step(request)
        return told("Completed" if self.open.is_set() else "Running", self.name)(request)


@pytest.fixture
def gate() -> Iterator[Gate]:
    yield Gate()


def gated(gate: Gate) -> tuple[Job, Desk]:
    desk = Desk({**BASICS, f"GET jobs/{gate.name}": gate}, base=LOCAL)
    return Job(desk.workspace, Snapshot.take(job_view, job_body("Running", name=gate.name))), desk


def test_a_callback_is_called_once_from_a_daemon_thread_that_ends_when_nothing_is_watched(gate: Gate) -> None:
    job, desk = gated(gate)
    told_of, happened = list[tuple[Job, threading.Thread]](), threading.Event()

    def tell(ended: Job) -> None:
        told_of.append((ended, threading.current_thread()))
        happened.set()

    job.add_done_callback(tell)
    job.add_done_callback(tell)
    assert gate.looked.wait(30) and told_of == []
    gate.open.set()
    assert happened.wait(30)
    thread = told_of[0][1]
    thread.join(30)

    assert not thread.is_alive() and thread.daemon and thread is not threading.current_thread()
    assert [one for one, _ in told_of] == [job, job] and job.status is JobStatus.COMPLETED
    _callbacks.close(desk.workspace)


def test_a_callback_for_a_job_that_has_ended_is_called_at_once_in_the_callers_thread() -> None:
    desk, called = Desk({}, base=LOCAL), list[str]()
    job = Job(desk.workspace, Snapshot.take(job_view, job_body("Completed", name="a")))

    job.add_done_callback(lambda _job: called.append(threading.current_thread().name))

    assert called == [threading.current_thread().name] and desk.sent == []


def test_a_callback_outlasts_broken_connections(gate: Gate) -> None:
    job, desk = gated(gate)
    gate.steps = [broken(), reply(503), broken(), reply(403)]
    happened = threading.Event()
    gate.open.set()

    job.add_done_callback(lambda _job: happened.set())

    assert happened.wait(30)
    _callbacks.close(desk.workspace)


def test_a_login_that_is_over_is_told_and_asks_the_credential_for_tokens_seldom(
    caplog: pytest.LogCaptureFixture,
) -> None:
    desk = Desk({**BASICS, "GET jobs/a": reply(401)}, base="https://management.azure.com")
    job = Job(desk.workspace, Snapshot.take(job_view, job_body("Running", name="a")))
    watched = _callbacks._Watched(job, print)
    before = watched.due

    assert not watched.look() and not watched.look()

    assert watched.due - before >= 300
    assert [one.levelname for one in caplog.records if "could not be looked at" in one.message] == ["WARNING"]


def test_a_look_for_a_callback_reads_no_logs_in_the_cloud(monkeypatch: pytest.MonkeyPatch) -> None:
    desk = Desk({**BASICS, "GET jobs/a": told("Running", "a")}, base="https://management.azure.com")
    monkeypatch.setattr(_accounts, "told", lambda *_: pytest.fail("asked how far it is"))

    assert not _callbacks._Watched(Job(desk.workspace, Snapshot.take(job_view, job_body(name="a"))), print).look()
    assert len(desk.sent) == 1


def test_what_a_callback_raises_is_logged_and_the_next_one_is_called(
    gate: Gate, caplog: pytest.LogCaptureFixture
) -> None:
    job, desk = gated(gate)
    happened = threading.Event()

    def bad(_job: Job) -> None:
        raise ValueError("in my own code")

    job.add_done_callback(bad)
    job.add_done_callback(lambda _job: happened.set())
    gate.open.set()

    assert happened.wait(30)
    assert "The callback of job 'a' raised." in caplog.text and "in my own code" in caplog.text
    _callbacks.close(desk.workspace)


def test_a_job_that_is_gone_is_told_in_the_log_and_not_watched_any_more(
    gate: Gate, caplog: pytest.LogCaptureFixture
) -> None:
    job, desk = gated(gate)
    gate.steps = [not_found()]

    job.add_done_callback(lambda _job: None)
    thread = next(one for one in threading.enumerate() if one.name == f"jobs of {desk.workspace.path.name}")
    thread.join(30)

    assert not thread.is_alive() and "Job 'a' is not there any more; its callback is not called." in caplog.text


def test_closing_the_client_ends_the_thread_and_says_which_jobs_were_not_waited_for(
    gate: Gate, caplog: pytest.LogCaptureFixture
) -> None:
    job, desk = gated(gate)
    called: list[Job] = []
    job.add_done_callback(called.append)
    assert gate.looked.wait(30)
    thread = next(one for one in threading.enumerate() if one.name == f"jobs of {desk.workspace.path.name}")

    with caplog.at_level(logging.WARNING):
        _callbacks.close(desk.workspace)
    thread.join(30)
    gate.open.set()

    assert not thread.is_alive() and called == []
    assert "The client was closed before these jobs ended: 'a'." in caplog.text
    job.add_done_callback(called.append)
    assert called == [] and "The client of job 'a' is closed" in caplog.text


def test_a_callback_that_leaves_the_program_does_not_end_the_thread_of_the_others(gate: Gate) -> None:
    job, desk = gated(gate)
    happened = threading.Event()
    job.add_done_callback(lambda _job: sys.exit(3))
    job.add_done_callback(lambda _job: happened.set())
    gate.open.set()
    assert happened.wait(30)
    again = Job(desk.workspace, Snapshot.take(job_view, job_body("Running", name=gate.name)))
    happened.clear()
    again.add_done_callback(lambda _job: happened.set())
    assert happened.wait(30)
    _callbacks.close(desk.workspace)


def test_a_job_of_a_client_that_was_closed_before_is_not_watched_for_ever(
    gate: Gate, caplog: pytest.LogCaptureFixture
) -> None:
    job, desk = gated(gate)
    _callbacks.close(desk.workspace)
    desk.workspace.session.close()
    before = set(threading.enumerate())

    job.add_done_callback(lambda _job: None)
    for thread in set(threading.enumerate()) - before:
        thread.join(30)
        assert not thread.is_alive()

    assert "The client of job 'a' is closed; its callback is not called." in caplog.text


def test_a_pause_of_years_does_not_end_the_thread(gate: Gate) -> None:
    job, desk = gated(gate)
    gate.steps = [reply(200, job_body("Running", name="a"), {"Retry-After": "1e18"})]
    job.add_done_callback(lambda _job: None)
    assert gate.looked.wait(30)
    thread = next(one for one in threading.enumerate() if one.name == f"jobs of {desk.workspace.path.name}")
    _callbacks.close(desk.workspace)
    thread.join(30)
    assert not thread.is_alive() and _callbacks._WATCHERS[desk.workspace]._thread is None


def test_a_callback_may_close_the_client_itself(gate: Gate) -> None:
    job, desk = gated(gate)
    happened = threading.Event()

    def close(_job: Job) -> None:
        _callbacks.close(desk.workspace)
        happened.set()

    job.add_done_callback(close)
    gate.open.set()
    assert happened.wait(30)


def test_a_workspace_that_nobody_uses_any_more_is_not_kept_by_its_callbacks(gate: Gate) -> None:
    job, desk = gated(gate)
    happened = threading.Event()
    gate.open.set()
    job.add_done_callback(lambda _job: happened.set())
    assert happened.wait(30)
    thread = next((one for one in threading.enumerate() if re.match("jobs of", one.name)), None)
    if thread is not None:
        thread.join(30)
    known = len(_callbacks._WATCHERS)
    del job, desk
    gc.collect()
    assert len(_callbacks._WATCHERS) < known


def test_a_watched_job_does_not_keep_the_interpreter_alive() -> None:
    program = """
from tests.unit.test_several_jobs import Gate, gated
gate = Gate()
job, desk = gated(gate)
job.add_done_callback(print)
assert gate.looked.wait(30)
"""
    ended = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=120, check=True)
    assert (ended.stdout, ended.stderr) == ("", "")


def test_jobs_get_gives_a_job_that_can_be_watched() -> None:
    desk = Desk({**BASICS, "GET jobs/a": told("Completed", "a")}, base=LOCAL)
    called: list[Job] = []
    job = Jobs(desk.workspace).get("a")
    job.add_done_callback(called.append)
    assert called == [job]
