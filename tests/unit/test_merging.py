"""Rows of jobs and of their retries: each input's once, in the order of the first job, whatever happened on the way."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from azure_batch_endpoints.local import merging
from azure_batch_endpoints.local.engines.base import Failure, Outcome, Part, Piece, RowFormat
from azure_batch_endpoints.local.ledger import Ledger
from azure_batch_endpoints.local.ledger_values import LedgerConflict
from azure_batch_endpoints.local.merging import Scored, chain_of, merged_runs, own_runs
from azure_batch_endpoints.local.plan import InputItem, MiniBatch
from azure_batch_endpoints.local.writer import write_rows

LIST = RowFormat("list")
WRONG = Failure("KeyError", "'age'", None, "score.py", 31)


@dataclass(frozen=True)
class Script:
    """What a scoring script returns, by the path of a file; and whether the worker knows which row is of which file."""

    rows: Callable[[str], list[str]]
    known: bool = True

    def text(self, paths: Sequence[str]) -> bytes:
        return "".join(f"{row}\n" for path in paths for row in self.rows(path)).encode()

    def sources(self, paths: Sequence[str]) -> tuple[int, ...] | None:
        return tuple(place for place, path in enumerate(paths) for _ in self.rows(path)) if self.known else None


@dataclass(frozen=True)
class Job:
    """A job's folder, without the job."""

    folder: Path
    ledger: Ledger

    @property
    def scored(self) -> Scored:
        return Scored(self.ledger, self.folder / "parts")

    def kept(self, text: bytes) -> Part | None:
        """Append rows to the job's segment, as a worker does, with what a killed one left in front."""
        with (self.folder / "parts/a.rows").open("ab") as segment:
            segment.write(b"of a worker that was killed")
            offset = segment.tell()
            segment.write(text)
        return Part("a.rows", offset, len(text), text.count(b"\n")) if text else None

    def score(self, batch: MiniBatch, script: Script, failed: frozenset[str]) -> None:
        paths = [item.path for item in batch.items if item.path not in failed]
        wrong = tuple(item.index for item in batch.items if item.path in failed)
        sources = script.sources(paths)
        if sources is not None:  # counted in the whole mini-batch
            place = [place for place, item in enumerate(batch.items) if item.path not in failed]
            sources = tuple(place[source] for source in sources)
        text = script.text(paths)
        self.ledger.record(
            [
                Outcome(
                    *(batch.number, "partial" if paths else "failed", len(batch.items), wrong, 1, "w", 0.1),
                    rows=text.count(b"\n"),
                    part=self.kept(text),
                    row_format=LIST,
                    failure=WRONG if wrong else None,
                    sources=sources if text else None,
                )
            ]
        )

    def score_split(self, batch: MiniBatch, script: Script, failed: frozenset[str]) -> None:
        """Every file is a piece of its own."""
        pieces = []
        for item in batch.items:
            text = b"" if item.path in failed else script.text([item.path])
            wrong: tuple[int, ...] = (item.index,) if item.path in failed else ()
            sources = script.sources([item.path]) if text else None
            rows, failure = text.count(b"\n"), WRONG if wrong else None
            part = self.kept(text)
            pieces.append(Piece(item.index, item.index, wrong, 1, "w", 0.1, rows, part, LIST, sources, failure))
        wrong = tuple(index for piece in pieces for index in piece.failed)
        rows = sum(piece.rows for piece in pieces)
        outcome = Outcome(*(batch.number, "partial", len(batch.items), wrong, 1, "w", 0.1, rows), pieces=tuple(pieces))
        self.ledger.record([outcome])


class Jobs:
    """Jobs under a folder."""

    def __init__(self, folder: Path, stack: ExitStack) -> None:
        self.folder, self.stack = folder, stack
        self.all: list[Job] = []

    def add(self, size: int, inputs: Iterator[InputItem] | None = None, count: int = 0) -> Job:
        name = f"job{len(self.all)}"
        folder = self.folder / name
        (folder / "parts").mkdir(parents=True)
        job = Job(folder, self.stack.enter_context(Ledger(folder / "ledger.sqlite", size)))
        if inputs is None:
            inputs = (InputItem(index, f"{index:03}", f"in/{index:03}", 1) for index in range(count))
        job.ledger.add_inputs(replace(item, index=index) for index, item in enumerate(inputs))
        job.ledger.seal()
        job.ledger.note_facts(name=name, retry_of=f"job{len(self.all) - 1}" if self.all else None)
        self.all.append(job)
        return job

    def retry(self, size: int, *, include_pending: bool = True) -> Job:
        return self.add(size, self.all[-1].ledger.unfinished(include_pending=include_pending))

    def merged(self) -> bytes:
        return self.written(run.part for run in merged_runs([job.scored for job in self.all]))

    def written(self, parts: Iterator[Part]) -> bytes:
        return write_rows(parts, self.folder, self.folder / "out").path.read_bytes()


@pytest.fixture
def jobs(tmp_path: Path) -> Iterator[Jobs]:
    with ExitStack() as stack:
        yield Jobs(tmp_path, stack)


def score_all(job: Job, script: Script, failed: set[str] | frozenset[str] = frozenset()) -> None:
    for batch in list(job.ledger.pending()):
        job.score(batch, script, frozenset(failed))


NAMES = Script(lambda path: [path])
UNKNOWN = Script(lambda path: [path], known=False)


@pytest.mark.parametrize("script", [NAMES, UNKNOWN])
def test_whole_mini_batches_that_are_scored_again_stand_where_they_stood(jobs: Jobs, script: Script) -> None:
    first = jobs.add(2, count=8)
    score_all(first, script, {"002", "003", "006", "007"})
    score_all(jobs.retry(2), script)

    assert jobs.merged() == script.text([f"{index:03}" for index in range(8)])


def test_single_files_find_their_place_between_the_rows_of_their_neighbours(jobs: Jobs) -> None:
    score_all(jobs.add(5, count=10), NAMES, {"001", "003", "008"})
    score_all(jobs.retry(2), NAMES, {"003"})
    score_all(jobs.retry(10), NAMES)

    assert jobs.merged() == NAMES.text([f"{index:03}" for index in range(10)])


def test_rows_nobody_knows_the_file_of_stay_together_where_their_first_file_stands(jobs: Jobs) -> None:
    score_all(jobs.add(5, count=10), UNKNOWN, {"001", "003", "008"})
    score_all(jobs.retry(2), UNKNOWN)

    order = ["000", "002", "004", "001", "003", "005", "006", "007", "009", "008"]
    assert jobs.merged() == NAMES.text(order)


def test_rows_that_are_not_one_line_each_stay_together(jobs: Jobs) -> None:
    broken = Script(lambda path: [f"{path} begins\nends"])
    job = jobs.add(3, count=3)
    part = job.kept(b"000 begins\nends\n002 begins\nends\n")
    assert part is not None
    job.ledger.record(
        [Outcome(0, "partial", 3, (1,), 1, "w", 0.1, 2, replace(part, rows=2), LIST, WRONG, sources=(0, 2))]
    )
    score_all(jobs.retry(3), NAMES)

    assert jobs.merged() == broken.text(["000", "002"]) + b"001\n"


def test_rows_in_another_order_than_their_files_stay_together(jobs: Jobs) -> None:
    job = jobs.add(3, count=3)
    part = job.kept(b"002\n000\n")
    job.ledger.record([Outcome(0, "partial", 3, (1,), 1, "w", 0.1, 2, part, LIST, WRONG, sources=(2, 0))])
    score_all(jobs.retry(3), NAMES)

    assert jobs.merged() == b"002\n000\n001\n"


def test_rows_that_their_kind_tells_of_by_number_stay_together(jobs: Jobs) -> None:
    job = jobs.add(3, count=3)
    part = job.kept(b"000\n002\n")
    kind = RowFormat("dataframe", (("a", "object gaps@1"),))
    job.ledger.record([Outcome(0, "partial", 3, (1,), 1, "w", 0.1, 2, part, kind, WRONG, sources=(0, 2))])
    score_all(jobs.retry(3), NAMES)

    assert jobs.merged() == b"000\n002\n001\n"


def test_more_rows_than_may_be_held_are_not_cut(jobs: Jobs, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(merging, "MOST_CUT", 7)
    score_all(jobs.add(3, count=3), NAMES, {"001"})
    score_all(jobs.retry(3), NAMES)

    assert jobs.merged() == b"000\n002\n001\n"


def test_a_chain_is_found_by_what_the_ledgers_say(jobs: Jobs) -> None:
    score_all(jobs.add(2, count=4), NAMES, {"001"})
    score_all(jobs.retry(2), NAMES, {"001"})
    score_all(jobs.retry(2), NAMES)
    with ExitStack() as stack:
        chain = chain_of("job2", lambda name: jobs.folder / name, stack)

        assert [one.parts.parent.name for one in chain] == ["job0", "job1", "job2"]
        assert jobs.written(run.part for run in merged_runs(chain)) == NAMES.text(["000", "001", "002", "003"])


def test_a_chain_with_a_job_that_is_gone_says_which(jobs: Jobs) -> None:
    score_all(jobs.add(2, count=2), NAMES, {"001"})
    score_all(jobs.retry(2), NAMES)
    (jobs.folder / "job0/ledger.sqlite").unlink()

    with ExitStack() as stack, pytest.raises(LedgerConflict, match="The account of job 'job0' is gone"):
        chain_of("job1", lambda name: jobs.folder / name, stack)


def test_a_chain_that_comes_back_to_itself_since_a_name_was_used_again_is_refused(jobs: Jobs) -> None:
    score_all(jobs.add(2, count=2), NAMES, {"001"})
    score_all(jobs.retry(2), NAMES)
    with Ledger(jobs.folder / "job0/ledger.sqlite") as reused:
        reused.note_facts(retry_of="job1")

    with ExitStack() as stack, pytest.raises(LedgerConflict, match="job 'job1' is gone: another job has that name now"):
        chain_of("job1", lambda name: jobs.folder / name, stack)


def test_a_later_job_that_was_given_the_name_of_an_earlier_one_is_not_taken_for_it(jobs: Jobs) -> None:
    score_all(jobs.add(2, count=2), NAMES, {"001"})
    score_all(jobs.retry(2), NAMES)
    first, second = (job.ledger for job in jobs.all)
    second.note_facts(retry_child="a", child="b")
    for known in (None, "a"):  # an account of an earlier version does not say whose it is
        first.note_facts(child=known)
        with ExitStack() as stack:
            assert len(chain_of("job1", lambda name: jobs.folder / name, stack, "b")) == 2

    first.note_facts(child="another")
    with ExitStack() as stack, pytest.raises(LedgerConflict, match="account of job 'job0' is gone: another job has"):
        chain_of("job1", lambda name: jobs.folder / name, stack, "b")
    with ExitStack() as stack, pytest.raises(LedgerConflict, match="account of job 'job1' is gone: another job has"):
        chain_of("job1", lambda name: jobs.folder / name, stack, "c")


def test_the_rows_of_one_job_name_their_files(jobs: Jobs) -> None:
    job = jobs.add(2, count=4)
    score_all(job, Script(lambda path: [path] * 2), {"002"})

    runs = list(own_runs(job.scored))
    assert [(run.paths, run.sources, run.part.rows) for run in runs] == [
        (("000", "001"), (0, 0, 1, 1), 4),
        (("002", "003"), (1, 1), 2),
    ]
    assert [run.key for run in own_runs(job.scored, after=0)] == [2]


# ---------------------------------------------------------------------- against a plain model

Steps = list[tuple[int, frozenset[int], bool, bool]]


@settings(max_examples=30, deadline=None)
@given(
    count=st.integers(1, 17),
    steps=st.lists(
        st.tuples(st.integers(1, 6), st.frozensets(st.integers(0, 16)), st.booleans(), st.booleans()),
        min_size=1,
        max_size=4,
    ),
    rows=st.lists(st.integers(1, 3), min_size=17, max_size=17),
    known=st.booleans(),
)
def test_a_merged_result_holds_each_input_once_and_is_the_undisturbed_one_where_rows_are_known(
    count: int, steps: Steps, rows: list[int], known: bool
) -> None:
    """Each step is a job: files to a mini-batch, files that fail, whether it splits, whether it stops half-way."""
    script = Script(lambda path: [f"{path}.{row}" for row in range(rows[int(path)])], known)
    left = {f"{index:03}" for index in range(count)}
    with tempfile.TemporaryDirectory() as folder, ExitStack() as stack:
        jobs = Jobs(Path(folder), stack)
        for number, (size, wrong, splits, stops) in enumerate(steps):
            failed = frozenset(f"{index:03}" for index in wrong)
            job = jobs.retry(size) if number else jobs.add(size, count=count)
            batches = list(job.ledger.pending())
            for batch in batches[: len(batches) // 2 if stops else None]:
                (job.score_split if splits else job.score)(batch, script, failed)
                left -= {item.path for item in batch.items} - failed
            account = job.ledger.reconcile(parts=job.folder / "parts")
            assert account.problems == ()
        done = sorted({f"{index:03}" for index in range(count)} - left)
        merged = jobs.merged()

        assert sorted(merged.splitlines()) == sorted(script.text(done).splitlines())
        if known:
            assert merged == script.text(done)
        whole = list(merged_runs([job.scored for job in jobs.all]))
        for place in sorted({run.key for run in whole})[::3]:
            rest = list(merged_runs([job.scored for job in jobs.all], place))
            assert rest == [run for run in whole if run.key > place]
