"""Mini-batches in work: tries that failed, tries that are left, and mini-batches taken apart to find the guilty files.

Here: what a try that ended means for its mini-batch. Not here: processes, time, which worker takes what.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from azure_batch_endpoints.local.engines.base import Failure, Limits, Outcome, Piece, StagedBatch, Try
from azure_batch_endpoints.local.engines.verdict import status_of

NOT_OF_THE_FILES = frozenset({"RowsNotWritten"})
"""Failures that no file of a mini-batch is guilty of: taking it apart would find nothing."""


@dataclass(slots=True)
class Split:
    """A mini-batch that was taken apart."""

    batch: StagedBatch
    unfinished: int = 1
    """Pieces that have no result yet."""
    pieces: list[Piece] = field(default_factory=list)


@dataclass(slots=True, eq=False)
class Task:
    """A mini-batch, or a piece of one, on its way through the engine."""

    batch: StagedBatch
    """Of a piece: its files only, under the number of the mini-batch."""
    most: int
    """Tries it has."""
    tries: int = 0
    """Tries that have ended."""
    before: int = 0
    """Calls of `run()` with these files in larger pieces."""
    lost: list[Try] = field(default_factory=list)
    """Failed tries of the mini-batch, shared by its pieces."""
    split: Split | None = None
    ticket: int = 0
    """What the worker needs to begin with it."""

    @property
    def is_retry(self) -> bool:
        """Whether its files have been in a try that failed."""
        return self.tries + self.before > 0

    @property
    def name(self) -> str:
        """What the try in work is called in the logs."""
        piece = ""
        if self.split is not None:
            first, last = self.batch.items[0].index, self.batch.items[-1].index
            piece = f", file {first} alone" if first == last else f", files {first} to {last}"
        return f"mini-batch {self.batch.number}{piece}, try {self.tries + 1} of {self.most}"


def begin(batch: StagedBatch, limits: Limits) -> Task:
    """Return a mini-batch with all its tries."""
    return Task(batch, limits.max_tries)


def end_try(
    task: Task, outcome: Outcome, failure: Failure | None, limits: Limits
) -> tuple[tuple[Task, ...], Outcome | None]:
    """Take note of a try that ended.

    Args:
        task: what was tried; it counts its tries itself.
        outcome: of this one try, as the first and only one; its rows count if it is the last one.
        failure: why it failed, or None.
        limits: of the run.

    Returns:
        What is still to be tried, and the mini-batch's outcome once nothing of it is.
    """
    task.tries += 1
    if failure is not None:
        task.lost.append(Try(task.tries, outcome.worker, outcome.seconds, failure, outcome.started))
        if task.tries < task.most:
            return (task,), None
        if limits.isolate and len(task.batch.items) > 1 and failure.type not in NOT_OF_THE_FILES:
            return halves(task, limits), None
    if not task.lost:
        return (), outcome
    done = replace(outcome, attempts=task.before + task.tries, failure=failure, tries=tuple(task.lost))
    if task.split is None:
        return (), done
    task.split.pieces.append(_piece(task.batch, done))
    task.split.unfinished -= 1
    return (), None if task.split.unfinished else _summed_up(task.split, done)


def halves(task: Task, limits: Limits) -> tuple[Task, Task]:
    """Take a mini-batch or a piece of one apart; a single file has all tries again, several have one."""
    split = task.split or Split(task.batch)
    split.unfinished += 1
    batch, middle = task.batch, len(task.batch.items) // 2
    first, second = (
        Task(
            StagedBatch(batch.number, batch.items[part], batch.files[part]),
            most=limits.max_tries if len(batch.items[part]) == 1 else 1,
            before=task.before + task.tries,
            lost=task.lost,
            split=split,
        )
        for part in (slice(middle), slice(middle, None))
    )
    return first, second


def _piece(batch: StagedBatch, done: Outcome) -> Piece:
    return Piece(
        first=batch.items[0].index,
        last=batch.items[-1].index,
        failed=done.failed,
        attempts=done.attempts,
        worker=done.worker,
        seconds=done.seconds,
        rows=done.rows,
        part=done.part,
        row_format=done.row_format,
        sources=done.sources,
        failure=done.failure,
        started=done.started,
    )


def _summed_up(split: Split, last: Outcome) -> Outcome:
    """Return the outcome of a mini-batch from its pieces; `last` is that of the piece that ended last."""
    pieces = tuple(sorted(split.pieces, key=lambda piece: piece.first))
    failed = tuple(index for piece in pieces for index in piece.failed)
    items = len(split.batch.items)
    return Outcome(
        number=split.batch.number,
        status=status_of(len(failed), items),
        items=items,
        failed=failed,
        attempts=max(piece.attempts for piece in pieces),
        worker=last.worker,
        seconds=sum(piece.seconds for piece in pieces),
        rows=sum(piece.rows for piece in pieces),
        tries=last.tries,
        pieces=pieces,
        memory=last.memory,
        started=last.started,
    )
