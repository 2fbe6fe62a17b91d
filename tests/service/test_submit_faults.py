"""invoke through a network that cuts, delays and repeats: one job, and the truth about it. The service is counted."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import httpx
import pytest

from azure_batch_endpoints import folder
from azure_batch_endpoints.endpoints import BatchEndpoints
from azure_batch_endpoints.errors import ConflictError, ServerError, ServiceError, TooManyRequestsError, TransportError
from tests.service.faulty_proxy import (
    Fault,
    FaultyProxy,
    answered,
    cut_answer,
    cut_request,
    late,
    repeated,
    silent,
)
from tests.service.faulty_scene import Scene, faulty_scene
from tests.service.in_process import PLACE, TOKEN

# The HTTP library leaves a socket to the collector when "Content-Length:" is cut before its digits.
pytestmark = pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")


@pytest.fixture(scope="module")
def scene(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scene]:
    with faulty_scene(tmp_path_factory.mktemp("faults")) as made:
        yield made


def lengths(scene: Scene) -> tuple[int, int]:
    """Bytes of the request and of the answer of one invoke."""
    measured = []

    def measure(request: bytes, forward: Callable[[bytes], bytes], client: object) -> None:
        answer = forward(request)
        measured.append((len(request), len(answer)))
        client.sendall(answer)  # type: ignore[attr-defined]  # a socket

    scene.invoke(measure)
    return measured[0]


def test_one_job_wherever_the_request_is_cut_and_the_call_returns_it(scene: Scene) -> None:
    length, _ = lengths(scene)
    positions = [*range(0, length, 7), length - 1, length]

    for number, at in enumerate(positions):
        before = scene.jobs()
        job = scene.invoke(cut_request(at, reset=number % 3 == 0))
        assert (scene.jobs() - before, scene.jobs(job.name)) == (1, 1), at


def test_one_job_wherever_the_answer_is_cut_and_the_call_returns_it(scene: Scene) -> None:
    _, length = lengths(scene)

    for number, at in enumerate([*range(0, length, 7), length - 1]):
        before = scene.jobs()
        job = scene.invoke(cut_answer(at, reset=number % 3 == 0))
        assert (scene.jobs() - before, scene.jobs(job.name)) == (1, 1), at
        assert job.endpoint_name == "heart"


@pytest.mark.parametrize("which", [0, 1])
def test_a_request_that_is_delivered_twice_is_one_job(scene: Scene, which: int) -> None:
    before = scene.jobs()

    job = scene.invoke(repeated(which))

    assert (scene.jobs() - before, scene.jobs(job.name)) == (1, 1)


def test_a_request_that_arrives_after_its_repetition_is_no_second_job(scene: Scene) -> None:
    before = scene.jobs()

    job = scene.invoke(late(scene.proxy))
    scene.proxy.settle()

    assert (scene.jobs() - before, scene.jobs(job.name)) == (1, 1)


def test_a_service_that_keeps_silent_has_one_job_and_the_call_finds_it(scene: Scene) -> None:
    before = scene.jobs()

    job = scene.invoke(silent)

    assert (scene.jobs() - before, scene.jobs(job.name)) == (1, 1)


@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
@pytest.mark.parametrize("headers", ["", "Retry-After: 3\r\n", "retry-after-ms: 1500\r\n"])
@pytest.mark.parametrize("status", [429, 500, 502, 503, 504])
def test_one_job_when_something_in_between_answers(scene: Scene, status: int, headers: str, *, after: bool) -> None:
    before, began = scene.jobs(), len(scene.clock.pauses)

    job = scene.invoke(answered(status, headers, after=after))

    assert (scene.jobs() - before, scene.jobs(job.name)) == (1, 1)
    asked = {"": None, "Retry-After: 3\r\n": 3.0, "retry-after-ms: 1500\r\n": 1.5}[headers]
    if asked and (status == 429 or not after):  # a job that is there is not waited for
        assert asked in scene.clock.pauses[began:]


@pytest.mark.parametrize(
    ("fault", "kind", "is_there"),
    [
        (cut_request(30), TransportError, False),
        (answered(503, after=False), ServerError, False),
        (answered(500, after=False), ServerError, False),
        (answered(429, after=False), TooManyRequestsError, False),
        (answered(503, "Retry-After: 3600\r\n", after=False), ServerError, False),
    ],
)
def test_a_call_that_gives_up_says_the_truth_about_the_job(
    scene: Scene, fault: Fault, kind: type[Exception], *, is_there: bool
) -> None:
    name = scene.name()

    with pytest.raises(kind) as caught:
        scene.invoke(*[fault] * 20, name=name)
    scene.proxy.faults.clear()

    assert scene.jobs(name) == is_there
    if kind is not TooManyRequestsError:  # which says by itself that nothing was done
        assert f"No job '{name}' was started" in str(caught.value)
    assert scene.invoke(name=name).name == name
    assert scene.jobs(name) == 1


def test_a_call_that_hears_nothing_any_more_says_that_it_does_not_know(scene: Scene) -> None:
    name = scene.name()
    scene.proxy.meets = lambda line: True
    try:
        with pytest.raises(TransportError, match=f"Whether job '{name}' was started is not known") as caught:
            scene.invoke(cut_answer(0), *[cut_request(0)] * 500, name=name)
    finally:
        scene.proxy.faults.clear()
        scene.proxy.meets = FaultyProxy.meets

    assert f'client.jobs.get("{name}")' in str(caught.value)
    assert scene.jobs(name) == 1  # and asking as it says tells so
    assert scene.invoke(name=name).name == name


def test_a_name_that_another_call_used_is_refused_also_when_the_answer_is_lost(scene: Scene) -> None:
    name = scene.name()
    scene.invoke(name=name)
    scene.proxy.faults[:] = [cut_answer(0)]

    with pytest.raises(ConflictError, match=name):
        scene.endpoint.invoke(folder(PLACE + "others/"), job_name=name)

    assert scene.jobs(name) == 1


def test_the_same_call_with_a_name_gives_the_same_job_also_when_answers_are_lost(scene: Scene) -> None:
    name = scene.name()

    given = {scene.invoke(cut_answer(at), name=name).name for at in (0, 20, 300)}

    assert given == {name} and scene.jobs(name) == 1


def test_a_plain_client_that_repeats_its_ids_makes_one_job_whatever_is_cut(scene: Scene) -> None:
    """The official headers, in either spelling, and a body without a name: what others send."""
    _, length = lengths(scene)
    body = {"properties": {"inputData": {"any": {"jobInputType": "UriFolder", "uri": PLACE + "images/"}}}}
    for number, at in enumerate(range(0, length, 211)):
        spelling = ("repeatability-request-id", "repeatability_request-id")[number % 2]
        headers = {"Authorization": f"Bearer {TOKEN}", spelling: f"id-{at}"}
        before = scene.jobs()
        scene.proxy.faults[:] = [cut_request(at), cut_answer(at), repeated(1), cut_answer(at, reset=True)]
        with httpx.Client(base_url=scene.proxy.url, headers=headers) as http:
            for _ in range(5):
                try:
                    answer = http.post("/scoring/heart/jobs", json=body)
                except httpx.TransportError:
                    continue
        assert answer.status_code == 200 and scene.jobs() - before == 1


def test_management_calls_pass_the_same_faults(scene: Scene) -> None:
    """PUT and DELETE change nothing when they are repeated."""
    scene.proxy.meets = lambda line: line.split(" ")[0] in {"PUT", "DELETE"}
    endpoints = BatchEndpoints(scene.endpoint._workspace)
    try:
        for at in range(0, 600, 41):
            scene.proxy.faults[:] = [cut_answer(at), cut_request(at)]
            made = endpoints.create(f"endpoint-{at}")
            scene.proxy.faults[:] = [cut_answer(at), answered(503, "Retry-After: 1\r\n", after=True)]
            made.delete()
            with pytest.raises(ServiceError):
                endpoints.get(f"endpoint-{at}")
    finally:
        scene.proxy.faults.clear()
        scene.proxy.meets = FaultyProxy.meets
