"""A job's log lines through a network that cuts and delays: each once, in order, to the last."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from azure_batch_endpoints.job import Job
from azure_batch_endpoints.states import JobStatus
from tests.service.faulty_proxy import Fault, FaultyProxy, answered, cut_answer, cut_request
from tests.service.faulty_scene import Scene, faulty_scene

# The HTTP library leaves a socket to the collector when "Content-Length:" is cut before its digits.
pytestmark = pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
DRIVER = "user_logs/std_log_0.txt"
ENDING = (JobStatus.PREPARING, JobStatus.RUNNING, JobStatus.FINALIZING, JobStatus.COMPLETED)
LINES = ["first", "zweite: grün", "третья", "四", "", "  sixth 🙂", "without an end"]
TEXT = "\n".join(LINES).encode()


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scene]:
    with faulty_scene(tmp_path_factory.mktemp("faults")) as scene:
        yield scene


@pytest.fixture
def scene(made: Scene) -> Iterator[Scene]:
    sleep = made.clock.sleep
    made.proxy.meets = lambda line: line.startswith("GET /logs/")
    yield made
    made.proxy.faults.clear()
    made.proxy.meets = FaultyProxy.meets
    made.clock.sleep = sleep  # type: ignore[method-assign]  # as it was


def started(scene: Scene) -> tuple[Job, Path]:
    """A job that the service has, and its driver's log file."""
    job = scene.invoke()
    file = scene.service.context.settings.job_folder(job.name) / "run" / DRIVER
    file.parent.mkdir(parents=True)
    return job, file


def ended(scene: Scene, job: Job) -> None:
    for status in ENDING:
        scene.service.context.state.move_job(job.name, status)


def while_waiting(scene: Scene, steps: list[Callable[[], object]]) -> None:
    """Take one step each time the client pauses."""
    pause = scene.clock.sleep

    def sleep(seconds: float) -> None:
        pause(seconds)
        if steps:
            steps.pop(0)()

    scene.clock.sleep = sleep  # type: ignore[method-assign]  # the world goes on meanwhile


def appended(file: Path, data: bytes) -> Callable[[], object]:
    def add() -> None:
        with file.open("ab") as log:
            log.write(data)

    return add


def messages(job: Job) -> list[str]:
    return [entry.message for entry in job.stream(timeout=3600)]


def test_each_line_once_wherever_the_answer_with_the_log_is_cut(scene: Scene) -> None:
    job, file = started(scene)
    file.write_bytes(TEXT)
    sizes: list[int] = []

    def measure(request: bytes, forward: Callable[[bytes], bytes], client: object) -> None:
        answer = forward(request)
        sizes.append(len(answer))
        client.sendall(answer)  # type: ignore[attr-defined]  # a socket

    scene.proxy.faults[:] = [measure]
    assert [one.message for one in job.logs()] == LINES

    for at in range(sizes[0]):
        scene.proxy.faults[:] = [cut_answer(at, reset=at % 5 == 0)]
        assert [one.message for one in job.logs()] == LINES, at


def test_a_stream_of_a_job_that_has_ended_gives_all_lines_once(scene: Scene) -> None:
    job, file = started(scene)
    file.write_bytes(TEXT)
    ended(scene, job)
    scene.proxy.faults[:] = [cut_answer(280), cut_request(5), answered(503, after=False), cut_answer(310, reset=True)]

    assert messages(job) == LINES


@pytest.mark.parametrize("seed", range(4))
def test_a_stream_of_a_log_that_grows_byte_by_byte_over_a_bad_network(scene: Scene, seed: int) -> None:
    dice = random.Random(seed)
    job, file = started(scene)
    steps: list[Callable[[], object]] = []
    left = TEXT
    while left:
        size = dice.randint(1, 9)
        steps.append(appended(file, left[:size]))
        left = left[size:]
    while_waiting(scene, [*steps, lambda: ended(scene, job)])

    def fault() -> Fault:
        kinds = (
            lambda: cut_answer(dice.randint(0, 400), reset=dice.random() < 0.5),
            lambda: cut_request(dice.randint(0, 200)),
            lambda: answered(dice.choice([429, 500, 502, 503]), dice.choice(["", "Retry-After: 2\r\n"]), after=False),
        )
        return dice.choice(kinds)()

    scene.proxy.meets = lambda line: line.startswith("GET ") and dice.random() < 0.4
    scene.proxy.faults[:] = [fault() for _ in range(40)]

    assert messages(job) == LINES
    assert job.status is JobStatus.COMPLETED


def test_a_file_that_appears_late_and_one_that_is_begun_anew(scene: Scene) -> None:
    job, file = started(scene)
    worker = file.parents[1] / "logs/user/stdout/node0/process000.stdout.txt"
    worker.parent.mkdir(parents=True)
    file.write_bytes(b"one, which is long\nhalf")
    steps: list[Callable[[], object]] = [
        lambda: file.write_bytes(b"new\n"),
        appended(worker, "späte".encode()),
        appended(worker, b" Zeile\n"),
        lambda: ended(scene, job),
    ]
    while_waiting(scene, steps)

    assert sorted(messages(job)) == sorted(["one, which is long", "half", "new", "späte Zeile"])


def test_an_outage_of_five_minutes_is_borne_and_the_stream_goes_on(scene: Scene) -> None:
    job, file = started(scene)
    file.write_bytes(b"before\n")
    began = scene.clock.now

    def outage(request: bytes, forward: Callable[[bytes], bytes], client: object) -> None:
        assert scene.clock.now < began + 10_000
        if scene.clock.now < began + 300:
            scene.proxy.faults.append(outage)
        else:
            file.write_bytes(b"before\nafter\n")
            scene.proxy.faults.clear()
            if job.status is not JobStatus.COMPLETED and not over:
                over.append(True)
                ended(scene, job)
        client.close()  # type: ignore[attr-defined]  # a socket

    over: list[bool] = []
    lines = job.stream()
    assert next(lines).message == "before"
    scene.proxy.meets = lambda line: line.startswith("GET ")
    scene.proxy.faults[:] = [outage]

    assert [one.message for one in lines] == ["after"]
    assert scene.clock.now - began >= 300
