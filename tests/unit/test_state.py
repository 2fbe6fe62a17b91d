"""What the service knows survives it, and a job's status moves by the table only."""

from __future__ import annotations

import itertools
import sqlite3
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import pytest

from azure_batch_endpoints.local.job import JobInputSource, JobRequest, JobRow
from azure_batch_endpoints.local.resources import Change, Key, OwnerGone
from azure_batch_endpoints.local.state import IllegalMove, JobFilter, State, UnknownJob
from azure_batch_endpoints.specs import RetrySettings, RunSettings
from azure_batch_endpoints.states import JobStatus

QUEUED, PREPARING, RUNNING, FINALIZING = (
    JobStatus.QUEUED,
    JobStatus.PREPARING,
    JobStatus.RUNNING,
    JobStatus.FINALIZING,
)
COMPLETED, FAILED, CANCELED = JobStatus.COMPLETED, JobStatus.FAILED, JobStatus.CANCELED
ASKED = JobStatus.CANCEL_REQUESTED
LEGAL = {
    (QUEUED, PREPARING),
    (PREPARING, RUNNING),
    (RUNNING, FINALIZING),
    (FINALIZING, COMPLETED),
    *((one, end) for one in (QUEUED, PREPARING, RUNNING, FINALIZING) for end in (ASKED, FAILED)),
    (ASKED, CANCELED),
    (ASKED, FAILED),
}
KEY = Key("endpoints", "heart")


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "state.sqlite"


@pytest.fixture
def state(path: Path) -> Iterator[State]:
    state = State(path)
    yield state
    state.close()


def job(name: str, **changes: object) -> JobRow:
    settings = RunSettings(
        mini_batch_size=3, retry_settings=RetrySettings(timeout=90.5), environment_variables={"A": "ü"}
    )
    request = JobRequest(
        endpoint="heart",
        deployment="blue",
        model_uri="azureml://datastores/workspaceblobstore/paths/m",
        model_type="custom_model",
        code_uri="http://127.0.0.1:1/acct/c/src",
        scoring_script="score.py",
        image=None,
        conda_file="{}",
        compute="local",
        inputs=(JobInputSource("any", "folder", "https://a/b/"), JobInputSource("one", "file", "https://a/c.csv")),
        output_uri="azureml://datastores/workspaceblobstore/paths/o/",
        settings=settings,
        retry_of=None,
    )
    row = JobRow(
        name=name,
        child=f"child-of-{name}",
        display_name="calm_tree_1",
        experiment="heart",
        status=QUEUED,
        request=request,
        created_at="2026-01-01T00:00:00+00:00",
        tags={"team": "ä"},
        body={"inputData": {"any": {"uri": "https://a/b/"}}},
    )
    return replace(row, **changes)  # type: ignore[arg-type]  # fields by name


def at(state: State, status: JobStatus) -> str:
    """Add a job and bring it to a status by legal moves."""
    name = f"job-{len(state.jobs(JobFilter(), None, 1000))}"
    state.add_job(job(name))
    ways = {COMPLETED: [PREPARING, RUNNING, FINALIZING, COMPLETED], CANCELED: [ASKED, CANCELED]}
    order = [PREPARING, RUNNING, FINALIZING]
    way = ways.get(status) or (order[: order.index(status) + 1] if status in order else [status])
    for step in [] if status is QUEUED else way:
        state.move_job(name, step)
    return name


def test_a_job_comes_back_as_it_went_in_even_from_another_process(path: Path) -> None:
    first = State(path)
    first.add_job(job("one"), ["id-1"])
    first.close()

    again = State(path)
    found = again.job("one")
    by_child = again.job_of_run("child-of-one")
    repeated = again.add_job(job("two"), ["id-1"])
    again.close()

    assert found == job("one") == by_child == repeated


@pytest.mark.parametrize(
    ("now", "to"),
    list(
        itertools.product(
            (QUEUED, PREPARING, RUNNING, FINALIZING, ASKED, COMPLETED, FAILED, CANCELED),
            (QUEUED, PREPARING, RUNNING, FINALIZING, ASKED, COMPLETED, FAILED, CANCELED, JobStatus.PAUSED),
        )
    ),
)
def test_a_status_moves_by_the_table_only(state: State, now: JobStatus, to: JobStatus) -> None:
    name = at(state, now)

    if (now, to) in LEGAL:
        assert state.move_job(name, to).status is to
    else:
        with pytest.raises(IllegalMove, match=rf"Job '{name}' is {now.value}; it cannot become {to.value}\."):
            state.move_job(name, to)
        found = state.job(name)
        assert found is not None and found.status is now


def test_times_are_set_once(state: State) -> None:
    name = at(state, PREPARING)
    prepared = state.job(name)
    running = state.move_job(name, RUNNING)
    ended = state.move_job(name, FAILED, error="KeyError: 'age'")

    assert prepared is not None and prepared.started_at is not None and prepared.ended_at is None
    assert running.started_at == prepared.started_at
    assert ended.ended_at is not None and ended.ended_at >= prepared.started_at
    assert ended.error == "KeyError: 'age'"


@pytest.mark.parametrize("status", [QUEUED, PREPARING, RUNNING, FINALIZING, ASKED])
def test_a_job_that_a_killed_service_left_is_queued_again(state: State, status: JobStatus) -> None:
    assert state.requeue(at(state, status)).status is QUEUED


@pytest.mark.parametrize("status", [COMPLETED, FAILED, CANCELED])
def test_a_job_that_has_ended_is_never_queued_again(state: State, status: JobStatus) -> None:
    with pytest.raises(IllegalMove):
        state.requeue(at(state, status))


def test_unfinished_jobs_come_oldest_first(state: State) -> None:
    names = [at(state, status) for status in (RUNNING, COMPLETED, QUEUED, ASKED, FAILED, FINALIZING, CANCELED)]

    assert [one.name for one in state.unfinished_jobs()] == [names[0], names[2], names[3], names[5]]


def test_what_is_noted_of_a_job_is_kept(state: State) -> None:
    name = at(state, RUNNING)
    state.note_progress(name, '{"done": 1}')
    state.note_rows(name, "[]")

    found = state.job(name)

    assert found is not None and (found.progress, found.rows) == ('{"done": 1}', "[]")


def test_a_job_that_is_not_there_is_named(state: State) -> None:
    for act in (
        lambda: state.move_job("none", RUNNING),
        lambda: state.requeue("none"),
        lambda: state.note_progress("none", "{}"),
    ):
        with pytest.raises(UnknownJob, match=r"There is no job 'none'\."):
            act()
    assert state.job("none") is None and state.job_of_run("none") is None


def test_one_name_and_one_repeatability_id_make_one_job_however_many_threads_ask(state: State) -> None:
    with ThreadPoolExecutor(8) as pool:
        by_name = list(pool.map(lambda n: state.add_job(job("one", child=f"c{n}")), range(16)))
        by_id = list(pool.map(lambda n: state.add_job(job(f"job-{n}"), ["id-1"]), range(16)))

    assert len({one.child for one in by_name}) == 1
    assert len({one.name for one in by_id}) == 1
    assert len(state.jobs(JobFilter(), None, 100)) == 2
    assert state.earlier_job(None, ["id-1"]) == by_id[0]
    assert state.earlier_job("none", ["id-2"]) is None


def test_a_move_races_with_a_cancel_and_one_of_them_wins(state: State) -> None:
    name = at(state, FINALIZING)

    def move(to: JobStatus) -> bool:
        try:
            state.move_job(name, to)
        except IllegalMove:
            return False
        return True

    with ThreadPoolExecutor(2) as pool:
        won = list(pool.map(move, (COMPLETED, ASKED)))

    assert won.count(True) == 1


def test_jobs_are_paged_by_their_order_of_creation(state: State) -> None:
    names = [at(state, QUEUED) for _ in range(5)]
    first = state.jobs(JobFilter(endpoint="HEART"), None, 2)
    second = state.jobs(JobFilter(endpoint="HEART"), first[-1][0], 10)

    assert [row.name for _, row in first + second] == names[::-1]


def test_a_resource_keeps_its_creation_and_its_number(state: State) -> None:
    first, new = state.resources.put(KEY, {"a": 1})
    second, again = state.resources.put(KEY, {"a": 2})

    assert (new, again) == (True, False)
    assert second.body == {"a": 2}
    assert (second.number, second.created) == (first.number, first.created)
    assert second.modified >= first.modified
    assert state.resources.get(KEY) == second


def test_a_resource_of_an_owner_that_is_gone_is_not_kept(state: State) -> None:
    key = Key("deployments", "blue", "heart")
    with pytest.raises(OwnerGone):
        state.resources.put(key, {}, Change(within=KEY, operation="op-1"))

    assert state.resources.get(key) is None
    assert state.resources.operation_started("op-1") is None


def test_a_deleted_resource_takes_its_contents_along(state: State) -> None:
    state.resources.put(KEY, {})
    state.resources.put(Key("deployments", "blue", "heart"), {}, Change(within=KEY))
    state.resources.put(Key("deployments", "blue", "other"), {})

    assert state.resources.delete(KEY, contents="deployments", operation="op-1")
    assert not state.resources.delete(KEY, operation="op-2")

    assert state.resources.names("deployments", "heart") == []
    assert state.resources.names("deployments", "other") == ["blue"]
    assert state.resources.operation_started("op-1") is not None
    assert state.resources.operation_started("op-2") is None


def test_resources_are_found_by_mark_order_and_parent(state: State) -> None:
    for version in ("2", "1", "3"):
        state.resources.put(Key("codes", version, "score"), {}, Change(mark=f"hash-{version}"))
    state.resources.put(Key("codes", "1", "another"), {}, Change(mark="hash-1"))

    assert [one.key.name for one in state.resources.newest("codes", "score", limit=2)] == ["3", "1"]
    assert [one.key.name for one in state.resources.page("codes", "score", 0, 2)] == ["2", "1"]
    assert [one.key.parent for one in state.resources.marked("codes", "hash-1")] == ["score", "another"]
    assert state.resources.parents("codes") == ["another", "score"]
    assert state.resources.marked("codes", "hash-9") == []


def test_what_was_answered_is_on_disk(path: Path, state: State) -> None:
    state.add_job(job("one"))
    state.resources.put(KEY, {})

    other = sqlite3.connect(path)
    counts = other.execute("SELECT (SELECT count(*) FROM jobs), (SELECT count(*) FROM resources)").fetchone()
    mode = other.execute("PRAGMA journal_mode").fetchone()
    other.close()

    assert counts == (1, 1) and mode == ("wal",)
