"""Every byte at which the exchange of an invoke can break, and random courses of faults: one job, and the truth."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, field

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from azure_batch_endpoints import _posting, _submit, folder
from azure_batch_endpoints._http import Session
from azure_batch_endpoints._workspace import Workspace
from azure_batch_endpoints.errors import BatchEndpointsError
from tests.unit.fake_clock import FakeClock
from tests.unit.fake_service import ARM, PATH, SCORING, Credential, invoked_body, job_body
from tests.unit.raw_wire import Fault, Gone, RawWire, answer, transport

NAME = "batchjob-0f6b1c1e-70d3-4a53-8c0e-3d3d5a4b9a11"
SCOPES = {"management": f"{ARM}/.default", "ml": "https://ml.azure.com/.default"}


@dataclass
class Service:
    """Starts a job for each POST that arrives whole.

    Attributes:
        refuses: a second job of a name, as a service does that knows its names; else it starts one more.
        started: names of the jobs.
    """

    refuses: bool = False
    started: list[str] = field(default_factory=list)

    def __call__(self, method: str, path: str, body: bytes) -> bytes:
        if method == "POST":
            name = json.loads(body)["properties"]["name"]
            if self.refuses and name in self.started:
                return answer(409, {"error": {"code": "Conflict", "message": "The name is taken."}})
            self.started.append(name)
            return answer(201, invoked_body(name))
        if path.endswith(f"/jobs/{NAME}") and NAME in self.started:
            return answer(200, job_body(name=NAME))
        return answer(404, {"error": {"code": "NotFound", "message": "No such job."}})


class Scene:
    """A client over a wire of bytes."""

    def __init__(self, *, refuses: bool = False) -> None:
        self.service = Service(refuses)
        self.wire = RawWire(self.service)
        self.clock = FakeClock()
        self.session = Session(ARM, Credential(), SCOPES, clock=self.clock, transport=transport(self.wire))
        self.workspace = Workspace(self.session, PATH)
        overrides = _submit.overrides_from({"job_name": NAME}, "invoke()")
        self.job = _submit.Submission("heart", SCORING, None, {"UriFolder": folder("https://a.net/b")}, overrides)

    def submit(self, fault: Fault | None = None) -> object:
        """Invoke; ``fault`` meets the first POST only."""
        self.service.started.clear()
        self.wire.sent.clear()

        def first(request: bytes, carry_out: Callable[[], bytes]) -> bytes:
            self.wire.fault = None
            assert fault is not None
            return fault(request, carry_out)

        self.wire.fault = first if fault else None
        return _submit.submit(self.workspace, self.job)


def test_one_job_at_every_byte_of_the_request_even_where_names_are_not_known(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_posting, "LOOKS", 1)
    scene = Scene()
    sizes: list[int] = []

    def measure(request: bytes, carry_out: Callable[[], bytes]) -> bytes:
        sizes.append(len(request))
        return carry_out()

    scene.submit(measure)
    for at in range(sizes[0] + 1):

        def cut(request: bytes, carry_out: Callable[[], bytes], at: int = at) -> bytes:
            if at == len(request):
                carry_out()
            raise Gone

        body = scene.submit(cut)
        assert isinstance(body, dict) and body["name"] == NAME
        assert scene.service.started == [NAME], at


def test_one_job_at_every_byte_of_the_answer_even_where_names_are_not_known() -> None:
    scene = Scene()

    for at in range(len(answer(201, invoked_body(NAME))) + 1):

        def cut(_: bytes, carry_out: Callable[[], bytes], at: int = at) -> bytes:
            return carry_out()[:at]

        body = scene.submit(cut)
        assert isinstance(body, dict) and body["name"] == NAME
        assert scene.service.started == [NAME], at


def test_a_look_that_is_cut_at_any_byte_is_no_answer() -> None:
    """Cut in its headers, it must not be taken for an empty one; cut anywhere, the job must not be taken for gone."""
    scene = Scene()

    for at in range(len(answer(200, job_body(name=NAME)))):
        ways = iter((lambda carry_out: (carry_out(), b"")[1], lambda carry_out, at=at: carry_out()[:at]))

        def each(_: bytes, carry_out: Callable[[], bytes], ways: object = ways) -> bytes:
            way = next(ways, None)  # type: ignore[call-overload]  # an iterator
            return way(carry_out) if way else carry_out()

        scene.service.started.clear()
        scene.wire.fault = each
        body = _submit.submit(scene.workspace, scene.job)
        assert isinstance(body, dict) and body["name"] == NAME
        assert scene.service.started == [NAME], at


STATUS = st.sampled_from([429, 500, 502, 503, 504, 408])
HEADERS = st.sampled_from(
    ["", "Retry-After: 2\r\n", "Retry-After: Fri, 02 Jan 2026 03:04:16 GMT\r\n", "retry-after-ms: 1\r\n"]
)
CUT = st.tuples(st.just("cut"), st.integers(0, 900), st.booleans())
SAID = st.tuples(st.just("said"), STATUS, HEADERS, st.booleans())
LATE = st.tuples(st.just("late"), st.integers(1, 6))
TWICE = st.tuples(st.just("twice"))
FINE = st.tuples(st.just("fine"))


class Course:
    """A course of faults, one for each request as it leaves; after them all is well."""

    def __init__(self, faults: list[tuple[object, ...]], service: Service) -> None:
        self.faults, self.waiting = list(faults), list[tuple[int, Callable[[], bytes]]]()
        self.service, self.number = service, 0

    def __call__(self, _: bytes, carry_out: Callable[[], bytes]) -> bytes:
        self.number += 1
        self.arrive(self.number)
        kind, *more = self.faults.pop(0) if self.faults else ("fine",)
        if kind == "cut":
            at, after = more
            assert isinstance(at, int)
            return carry_out()[:at] if after else b""
        if kind == "said":
            status, headers, after = more
            assert isinstance(status, int) and isinstance(headers, str)
            if after and status != 429:  # which says that nothing was done
                carry_out()
            return answer(status, {"error": {"message": "Busy."}}, headers)
        if kind == "late":
            assert isinstance(more[0], int)
            self.waiting.append((self.number + more[0], carry_out))
            return b""
        if kind == "twice":
            carry_out()
        return carry_out()

    def arrive(self, now: int) -> None:
        for due in [one for one in self.waiting if one[0] <= now]:
            self.waiting.remove(due)
            due[1]()


def judge(scene: Scene, course: Course) -> None:
    """Submit through a course and hold what comes out against what the service has."""
    scene.wire.fault = course
    try:
        body = _submit.submit(scene.workspace, scene.job)
    except BatchEndpointsError as error:
        text = str(error)
        if f"No job '{NAME}' was started" in text:
            assert scene.service.started == [], text
        else:
            assert "is not known" in text or not scene.service.started, text
    else:
        assert isinstance(body, dict) and body["name"] == NAME
        assert scene.service.started == [NAME]
    course.arrive(10**9)
    assert len(scene.service.started) <= 1
    posts = [one.headers["repeatability-request-id"] for one in scene.wire.sent if one.method == "POST"]
    assert set(posts) == {NAME}
    assert scene.clock.now < 1000


@given(st.lists(st.one_of(CUT, SAID, FINE), max_size=12))
@settings(max_examples=150, deadline=None)
def test_any_course_of_cuts_and_errors_ends_with_one_job_and_the_truth(faults: list[tuple[object, ...]]) -> None:
    scene = Scene()

    judge(scene, Course(faults, scene.service))


@given(st.lists(st.one_of(CUT, SAID, LATE, TWICE, FINE), max_size=12))
@settings(max_examples=150, deadline=None)
def test_requests_that_arrive_late_or_twice_start_no_second_job(faults: list[tuple[object, ...]]) -> None:
    scene = Scene(refuses=True)

    judge(scene, Course(faults, scene.service))


@pytest.mark.parametrize("status", [429, 503])
def test_the_pause_asked_for_by_a_date_is_held_against_the_clock_of_the_answer(status: int) -> None:
    scene = Scene()

    scene.submit(lambda *_: answer(status, None, "Retry-After: Fri, 02 Jan 2026 03:04:16 GMT\r\n"))

    assert scene.clock.pauses[0] == 10
