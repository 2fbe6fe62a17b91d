"""The values that a job's ledger is asked and answers with. Frozen; the tables are `ledger_schema`'s matter."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import groupby

from azure_batch_endpoints.local.engines.base import Failure, Part, RowFormat, Try

UNKNOWN = "?"
"""How a ledger keeps it that nobody knows which row is of which file; nothing at all: row i is of file i."""


class LedgerConflict(Exception):
    """The ledger is another than the one wanted: of other inputs, of another plan or of another version."""


@dataclass(frozen=True, slots=True)
class ItemRow:
    """What became of one input file; the fields of the client's `ItemOutcome`, and two more."""

    index: int
    path: str
    status: str
    mini_batch: int
    attempts: int
    worker: str | None
    seconds: float | None
    """Of the `run()` call that the file was in, on its last try."""
    error_type: str | None
    error_message: str | None
    traceback: str | None
    error_place: str | None = None
    """In the user's code: "score.py:31"."""
    size: int = 0
    """Bytes."""
    rows: int | None = None
    """Rows that came of the `run()` call that the file was in; None while it is pending."""


@dataclass(frozen=True, slots=True)
class MiniBatchRow:
    """What became of one mini-batch; the fields of the client's `MiniBatchOutcome`."""

    number: int
    status: str
    items: int
    attempts: int
    worker: str | None
    started: float | None
    """Unix time of the last try; None when none began, and of a ledger of an earlier release."""
    seconds: float
    error_type: str | None
    """Of the first of its files that failed."""


@dataclass(frozen=True, slots=True)
class RowUnit:
    """Rows that one `run()` call returned, of a mini-batch or of a piece of one, and the files they came of."""

    first: int
    """Index of the first file."""
    last: int
    """Index of the last file."""
    failed: int
    """How many of the files failed."""
    part: Part
    row_format: RowFormat | None
    kept_sources: str | None
    """As `kept` makes it."""

    @property
    def sources(self) -> tuple[int, ...] | None:
        """For each row the place of its file, as in `Outcome.sources`."""
        return told(self.kept_sources)


@dataclass(frozen=True, slots=True)
class FailedTry:
    """A try that failed, of whichever mini-batch; the last one may have succeeded all the same."""

    id: int
    """Ascending in the order they were recorded."""
    mini_batch: int
    attempt: Try


@dataclass(frozen=True, slots=True)
class FirstError:
    """The failure that was recorded first."""

    failure: Failure
    mini_batch: int
    path: str
    """The first file that failed by it."""
    attempts: int


@dataclass(frozen=True, slots=True)
class Cause:
    """Failures of the same type at the same place."""

    failure: Failure
    """The first of them, without traceback."""
    items: int
    """Input files that failed by it."""

    def __str__(self) -> str:
        what = " ".join(filter(None, (self.failure.type, self.failure.message.strip().partition("\n")[0])))
        place = f" in {self.failure.place}" if self.failure.place else ""
        return f"{what}{place}: {self.items} {'file' if self.items == 1 else 'files'}"


@dataclass(frozen=True, slots=True)
class Reconciliation:
    """The counts at the end of a job, counted again row by row."""

    inputs: int
    succeeded: int
    failed: int
    pending: int
    rows: int
    """As returned by `run()`."""
    problems: tuple[str, ...]
    """What differs, a sentence each."""

    @property
    def ok(self) -> bool:
        """Whether inputs = succeeded + failed + pending, rows written = rows returned and the running counts agree."""
        return not self.problems


def kept(sources: tuple[int, ...] | None) -> str | None:
    """Return as short text which row is of which file: "0*3 2 1*2" for rows of files 0, 0, 0, 2, 1 and 1.

    Args:
        sources: as in `Outcome.sources`.
    """
    if sources is None:
        return UNKNOWN
    runs = ((place, sum(1 for _ in run)) for place, run in groupby(sources))
    return " ".join(f"{place}*{count}" if count > 1 else str(place) for place, count in runs) or None


def told(text: str | None) -> tuple[int, ...] | None:
    """Return what `kept` made a text of."""
    if text is None:
        return ()
    if text == UNKNOWN:
        return None
    runs = (run.partition("*") for run in text.split(" "))
    return tuple(int(place) for place, _, count in runs for _ in range(int(count or 1)))
