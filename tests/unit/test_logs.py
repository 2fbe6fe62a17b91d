"""A job's log lines: nothing repeated, nothing lost."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timezone
from typing import Any

import pytest
import requests

from azure_batch_endpoints._entity import Snapshot
from azure_batch_endpoints._wire.jobview import job_view
from azure_batch_endpoints.errors import PermissionDeniedError, TransportError, WaitTimeoutError
from azure_batch_endpoints.job import Job
from azure_batch_endpoints.logs import LogReader
from azure_batch_endpoints.states import JobStatus
from tests.unit.fake_service import API, BASICS, JOB, Desk, broken, job_body, not_found
from tests.unit.fake_transport import Step, reply

DRIVER = "user_logs/std_log.txt"
WORKER = "logs/user/stdout/node0/process001.stdout.txt"
CHILDREN = reply(body={"value": [{"runId": "child-1", "name": "batchscoring"}]})


def details(*paths: str) -> Step:
    return reply(body={"status": "Running", "logFiles": {path: f"{API}/logs/{path}?sig=x" for path in paths}})


def growing(*states: str | Step) -> list[Step]:
    """Answers of a log file that grows: each honours the range that is asked for."""

    def at(text: str) -> Callable[[requests.PreparedRequest], requests.Response]:
        def answer(request: requests.PreparedRequest) -> requests.Response:
            start = int(request.headers.get("Range", "bytes=0-")[6:-1])
            rest = text.encode()[start:]
            return reply(206 if start else 200, rest)(request) if rest else reply(416)(request)

        return answer

    return [at(state) if isinstance(state, str) else state for state in states]


def job_at(routes: dict[str, Any]) -> tuple[Job, Desk]:
    desk = Desk({**BASICS, f"GET runs/{JOB}/children": CHILDREN, **routes})
    return Job(desk.workspace, Snapshot.take(job_view, job_body())), desk


def test_stream_gives_each_line_once_while_the_files_grow_and_ends_with_the_job() -> None:
    job, desk = job_at(
        {
            f"GET jobs/{JOB}": [reply(body=job_body(one)) for one in ("Running", "Running", "Running", "Completed")],
            "GET runs/child-1/details": details(DRIVER, WORKER, "logs/azureml/other.txt"),
            f"GET {DRIVER}": growing("one\ntw", "one\ntwo\n", "one\ntwo\n", "one\ntwo\nthree\nlast without end"),
            f"GET {WORKER}": growing("", "", "hello\n", "hello\n"),
        }
    )

    entries = [(one.source, one.message) for one in job.stream()]

    assert [m for s, m in entries if s == "driver"] == ["one", "two", "three", "last without end"]
    assert [m for s, m in entries if s == "process001"] == ["hello"]
    assert job.status is JobStatus.COMPLETED
    assert desk.clock.pauses


def test_stream_loses_and_repeats_no_line_over_a_broken_connection() -> None:
    job, _ = job_at(
        {
            f"GET jobs/{JOB}": [
                reply(body=job_body()),
                reply(body=job_body()),
                broken(),
                reply(503),
                reply(body=job_body("Completed")),
            ],
            "GET runs/child-1/details": [details(DRIVER), broken(), details(DRIVER)],
            f"GET {DRIVER}": growing("one\n", broken(), broken(), broken(), broken(), reply(503), "one\ntwo\nthree\n"),
        }
    )

    assert [one.message for one in job.stream()] == ["one", "two", "three"]


def test_stream_gives_up_when_the_service_stays_away() -> None:
    job, _ = job_at({f"GET jobs/{JOB}": broken()})

    with pytest.raises(TransportError, match=f"Could not read job '{JOB}'"):
        list(job.stream())


def test_stream_stops_at_its_deadline_and_names_the_job() -> None:
    job, desk = job_at({f"GET jobs/{JOB}": reply(body=job_body()), "GET runs/child-1/details": details()})

    with pytest.raises(WaitTimeoutError, match=f"Job '{JOB}' is still Running after 20 s") as caught:
        list(job.stream(timeout=20))

    assert caught.value.resource is job
    assert desk.clock.now == pytest.approx(20, abs=0.5)


def test_a_stream_whose_job_has_ended_but_whose_last_lines_do_not_come_says_so() -> None:
    job, _ = job_at(
        {
            f"GET jobs/{JOB}": reply(body=job_body("Completed")),
            "GET runs/child-1/details": details(DRIVER),
            f"GET {DRIVER}": reply(503),
        }
    )

    with pytest.raises(WaitTimeoutError, match=r"is Completed, but its last log lines .* within 20 s.*job\.logs\(\)"):
        list(job.stream(timeout=20))


def test_a_job_whose_run_is_not_known_yet_has_no_lines_yet() -> None:
    desk = Desk({**BASICS, "GET children": not_found()})

    assert list(LogReader(desk.workspace, JOB).read()) == []


def test_a_log_file_that_is_announced_but_not_there_is_left_for_later() -> None:
    desk = Desk(
        {
            **BASICS,
            "GET children": CHILDREN,
            "GET details": details(DRIVER),
            f"GET {DRIVER}": [not_found(), *growing("x\n")],
        }
    )
    reader = LogReader(desk.workspace, JOB)

    assert [list(reader.read()), [one.message for one in reader.read()]] == [[], ["x"]]


def test_the_jobs_own_log_and_its_childs_are_two_files() -> None:
    desk = Desk(
        {
            **BASICS,
            "GET children": [reply(body={"value": []}), CHILDREN],
            "GET details": details(DRIVER),
            f"GET {DRIVER}": growing("of the job itself\n", "of the child\n"),
        }
    )
    reader = LogReader(desk.workspace, JOB)

    assert [one.message for _ in range(2) for one in reader.read()] == ["of the job itself", "of the child"]


def test_a_log_of_the_job_that_was_begun_is_read_on_when_its_child_appears_and_copies_of_the_childs_are_not() -> None:
    own, copied = "logs/azureml/executionlogs.txt", DRIVER
    job, _ = job_at(
        {
            f"GET jobs/{JOB}": [*[reply(body=job_body())] * 2, reply(body=job_body("Completed"))],
            f"GET runs/{JOB}/children": [reply(body={"value": []}), CHILDREN],
            f"GET runs/{JOB}/details": [details(own), details(own, copied)],
            "GET runs/child-1/details": details(DRIVER),
            f"GET {own}": growing("submit", "submitting\n", "submitting\nfinished"),
            f"GET {DRIVER}": growing("of the child\n"),
        }
    )

    assert [one.message for one in job.stream()] == ["submitting", "of the child", "finished"]


def test_a_job_that_failed_before_it_had_a_child_gives_its_own_lines_to_the_last() -> None:
    job, _ = job_at(
        {
            f"GET jobs/{JOB}": [reply(body=job_body()), reply(body=job_body("Failed"))],
            f"GET runs/{JOB}/children": reply(body={"value": []}),
            f"GET runs/{JOB}/details": details(DRIVER),
            f"GET {DRIVER}": growing("no image\n", "no image\ngiving up"),
        }
    )

    assert [one.message for one in job.stream()] == ["no image", "giving up"]
    assert job.status is JobStatus.FAILED


def test_an_address_whose_signature_has_run_out_is_asked_for_anew() -> None:
    job, desk = job_at(
        {
            f"GET jobs/{JOB}": [*[reply(body=job_body())] * 3, reply(body=job_body("Completed"))],
            "GET runs/child-1/details": details(DRIVER),
            f"GET {DRIVER}": [
                *growing("one\n"),
                reply(403, b"<Error/>"),
                reply(403, b"<Error/>"),
                *growing("one\ntwo\n"),
            ],
        }
    )

    assert [one.message for one in job.stream()] == ["one", "two"]
    assert sum("child-1/details" in one for one in desk.sent) == 4


def test_an_address_that_is_refused_each_time_is_an_error_in_the_end() -> None:
    job, desk = job_at(
        {
            f"GET jobs/{JOB}": reply(body=job_body()),
            "GET runs/child-1/details": details(DRIVER),
            f"GET {DRIVER}": reply(403, b"<Error/>"),
        }
    )

    with pytest.raises(PermissionDeniedError, match="read log"):
        list(job.stream())
    assert desk.clock.now < 60


def test_a_log_that_is_taken_away_still_gives_the_line_that_was_begun() -> None:
    job, _ = job_at(
        {
            f"GET jobs/{JOB}": [reply(body=job_body()), reply(body=job_body("Canceled"))],
            "GET runs/child-1/details": [details(DRIVER), not_found()],
            f"GET {DRIVER}": growing("one\nhalf"),
        }
    )

    assert [one.message for one in job.stream()] == ["one", "half"]


@pytest.mark.parametrize(
    ("line", "moment", "message"),
    [
        ("[2026-01-02 03:04:05Z] Submitting", datetime(2026, 1, 2, 3, 4, 5, tzinfo=timezone.utc), "Submitting"),
        ("2026-01-02T03:04:05.25Z | hi", datetime(2026, 1, 2, 3, 4, 5, 250000, tzinfo=timezone.utc), "hi"),
        ("2026-01-02 03:04:05,250: hi", datetime(2026, 1, 2, 3, 4, 5, 250000, tzinfo=timezone.utc), "hi"),
        ("2026-99-02 03:04:05 hi", None, "2026-99-02 03:04:05 hi"),
        ("plain\r", None, "plain"),
    ],
)
def test_a_time_in_a_line_is_its_time_else_the_time_of_reading(
    line: str, moment: datetime | None, message: str
) -> None:
    desk = Desk(
        {**BASICS, "GET children": CHILDREN, "GET details": details(DRIVER), f"GET {DRIVER}": growing(line + "\n")}
    )

    (entry,) = LogReader(desk.workspace, JOB).read()

    assert entry.message == message
    assert moment is None or entry.timestamp == moment
    assert entry.timestamp.tzinfo is not None


def test_logs_returns_what_is_there_and_the_tail_of_it() -> None:
    routes = {"GET details": details(DRIVER), f"GET {DRIVER}": growing("a\nb\nc")}

    assert [one.message for one in job_at(routes)[0].logs()] == ["a", "b", "c"]
    assert [one.message for one in job_at(routes)[0].logs(tail=2)] == ["b", "c"]
    assert job_at(routes)[0].logs(tail=0) == []


def test_what_a_worker_printed_and_what_it_logged_by_its_entry_script_are_both_its_lines() -> None:
    own = WORKER.replace("stdout", "entry_script_log", 1).replace("stdout", "log")
    routes = {
        "GET details": details(WORKER, own, "logs/user/entry_script_log/node0/mine.csv"),
        f"GET {WORKER}": growing("printed"),
        f"GET {own}": growing("2026-01-02 03:04:05,678 INFO 7 score.py:3 logged"),
    }

    entries = [(one.source, one.message) for one in job_at(routes)[0].logs()]

    assert sorted(entries) == [("process001", "INFO 7 score.py:3 logged"), ("process001", "printed")]


def test_a_log_url_is_read_without_a_token() -> None:
    job, desk = job_at({"GET details": details(DRIVER), f"GET {DRIVER}": growing("a\n")})

    job.logs()

    assert "Authorization" not in desk.transport.requests[-1].headers
    assert "Authorization" in desk.transport.requests[-2].headers
