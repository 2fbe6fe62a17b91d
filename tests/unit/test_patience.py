"""Waiting for a store or for room: how long, what is said, and how it ends."""

from __future__ import annotations

import sqlite3
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from azure_batch_endpoints.errors import LocalPathError, NotFoundError, ServerError, TransportError
from azure_batch_endpoints.local import disk
from azure_batch_endpoints.local.control import Interrupted
from azure_batch_endpoints.local.patience import Patience

FULL = OSError(28, "No space left on device")


class Job:
    """A patience with what it says, and what can go wrong."""

    def __init__(self, seconds: float = 20.0, silence: float | None = None) -> None:
        self.cancel, self.said = threading.Event(), list[str]()
        self.patience = Patience(self.cancel, self.said.append, Path("/jobs/x"), seconds, silence)


def failing(*errors: Exception) -> Callable[[], str]:
    """Return a call that raises these, one after the other, and then gives something."""
    left = list(errors)

    def call() -> str:
        if left:
            raise left.pop(0)
        return "done"

    return call


def test_nothing_is_said_where_nothing_is_missing() -> None:
    job = Job()
    assert job.patience.room(lambda: 1) == 1
    assert job.patience.place("store:1", known=True).patiently(lambda: 2) == 2
    assert job.said == []


@pytest.mark.parametrize(
    "full",
    [FULL, OSError(122, "Disk quota exceeded"), sqlite3.OperationalError("database or disk is full")],
)
def test_a_full_disk_is_waited_for_and_said_once(full: Exception) -> None:
    job = Job()
    assert job.patience.room(failing(full, full, full)) == "done"
    began, ended = job.said
    assert began == "There is no space left on the disk of '/jobs/x': the job waits for room."
    assert ended.startswith("There is room on the disk again, after ") and ended.endswith("the job goes on.")


def test_an_error_that_was_made_of_a_full_disk_counts_as_one() -> None:
    error = LocalPathError("Could not download", path=Path("x"))
    error.__cause__ = FULL
    assert disk.is_full(error)
    assert not disk.is_full(LocalPathError("Could not download", path=Path("x")))


@pytest.mark.parametrize("other", [PermissionError(13, "no"), sqlite3.OperationalError("no such table"), KeyError("x")])
def test_other_failures_are_raised_at_once(other: Exception) -> None:
    job = Job()
    with pytest.raises(type(other)):
        job.patience.room(failing(other))
    with pytest.raises(NotFoundError):
        job.patience.place("store", known=True).patiently(failing(NotFoundError("no", status_code=404)))
    assert job.said == []


def test_what_is_missing_for_too_long_is_raised_as_it_came() -> None:
    job = Job(seconds=0.1)
    with pytest.raises(OSError, match="No space left"):
        job.patience.room(failing(*[FULL] * 1000))
    with pytest.raises(ServerError, match="busy"):
        job.patience.place("store", known=True).patiently(failing(*[ServerError("busy", status_code=503)] * 1000))


def test_once_a_store_was_waited_for_long_enough_the_next_call_gives_up_at_once() -> None:
    place = Job(seconds=0.2).patience.place("store", known=True)
    asked: list[int] = []

    def silent() -> None:
        asked.append(1)
        raise TransportError("no answer")

    for _ in range(2):
        with pytest.raises(TransportError):
            place.patiently(silent)
    before = len(asked)
    with pytest.raises(TransportError):
        place.patiently(silent)
    assert len(asked) - before <= 2


def test_a_foreign_store_that_never_answered_is_waited_for_shortly_and_one_that_did_for_long(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("azure_batch_endpoints.local.patience.FIRST_SECONDS", 0.1)
    place = Job(seconds=20.0).patience.place("elsewhere", known=False)
    gone = [TransportError("no answer")] * 4
    with pytest.raises(TransportError):
        place.patiently(failing(*gone * 100))
    assert place.patiently(lambda: "there") == "there"
    assert place.patiently(failing(*gone)) == "done"  # longer than the first patience


def test_a_call_that_was_given_up_without_a_sign_is_not_made_again() -> None:
    job, gate, asked = Job(silence=0.2), threading.Event(), list[str]()

    def silent() -> bool:
        asked.append("once")
        return gate.wait(200)

    with pytest.raises(TransportError, match="no sign of the store"):
        job.patience.place("elsewhere", known=True).patiently(lambda: job.patience.apart(silent))
    gate.set()
    assert asked == ["once"]


@pytest.mark.parametrize("end", ["cancel", "close"])
def test_waiting_ends_with_the_job(end: str) -> None:
    job = Job()
    threading.Timer(0.1, job.cancel.set if end == "cancel" else job.patience.close).start()
    with pytest.raises(Interrupted):
        job.patience.room(failing(*[FULL] * 10_000))
    with pytest.raises(Interrupted):
        job.patience.check()


def test_a_call_set_apart_does_not_hold_up_a_job_that_is_to_stop() -> None:
    job, gate = Job(), threading.Event()
    threading.Timer(0.1, job.cancel.set).start()
    with pytest.raises(Interrupted):
        job.patience.apart(lambda: gate.wait(200))
    gate.set()


def test_a_call_set_apart_gives_its_value_or_its_error() -> None:
    job = Job()
    assert job.patience.apart(lambda: "value") == "value"
    for error in (KeyError("x"), TimeoutError("the file server took too long")):
        with pytest.raises(type(error)):
            job.patience.apart(failing(error))


def test_a_transfer_without_a_sign_is_given_up_and_one_that_goes_on_is_not() -> None:
    job, gate = Job(seconds=0.1, silence=0.5), threading.Event()
    with pytest.raises(TransportError, match=r"no sign of the store for 0.5 s"):
        job.patience.apart(lambda: gate.wait(200))
    gate.set()

    def slow() -> str:
        for _ in range(10):
            job.patience.goes_on()
            time.sleep(0.1)  # a piece of the transfer
        return "whole"

    assert job.patience.apart(slow) == "whole"


def test_what_comes_and_goes_is_told_once() -> None:
    job = Job()
    place = job.patience.place("busy", known=True)
    for _ in range(5):
        assert place.patiently(failing(TransportError("no answer"))) == "done"
    assert len(job.said) == 2


def test_an_answer_to_what_was_asked_before_does_not_end_the_waiting() -> None:
    job, asked, gate = Job(), threading.Event(), threading.Event()
    place = job.patience.place("store", known=True)

    def late() -> str:
        asked.set()
        gate.wait(200)
        return "late"

    early = threading.Thread(target=place.patiently, args=(late,))
    early.start()
    assert asked.wait(60)
    threading.Timer(0.1, job.cancel.set).start()
    with pytest.raises(Interrupted):
        place.patiently(failing(*[TransportError("no answer")] * 10_000))
    gate.set()
    early.join()
    assert len(job.said) == 1


def test_any_answer_of_a_store_ends_its_outage() -> None:
    job, missing = Job(seconds=20.0), NotFoundError("no such blob", status_code=404)
    place = job.patience.place("store", known=True)
    with pytest.raises(NotFoundError):
        place.patiently(failing(TransportError("down"), missing))
    began, ended = job.said
    assert "does not answer" in began and ended.startswith("The store at 'store' answers again, after ")
    assert place._since is None, "the next outage has a clock of its own"


def test_a_failure_of_this_machine_is_no_answer_of_the_store() -> None:
    job = Job(seconds=20.0)
    with pytest.raises(LocalPathError):
        job.patience.place("store", known=True).patiently(
            failing(TransportError("down"), LocalPathError("Could not write", path=Path("x")))
        )
    assert len(job.said) == 1
