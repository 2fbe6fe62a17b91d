"""What became of each input file, and how far a job is. Values only; asking the service is ``job``'s matter."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, fields
from datetime import datetime
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

from azure_batch_endpoints import _render

if TYPE_CHECKING:
    import pandas as pd

ItemStatus: TypeAlias = Literal["succeeded", "failed", "pending"]
ItemSource: TypeAlias = Literal["ledger", "instrument", "logs"]


@dataclass(frozen=True)
class ItemOutcome(_render.Card):
    """What became of one input file."""

    path: str
    """Relative to the input folder."""
    status: ItemStatus
    """``pending`` until its mini-batch is finished."""
    mini_batch: int
    """Number of the mini-batch it belongs to, from 0."""
    attempts: int
    """Times ``run`` was called with it."""
    worker: str | None
    """Worker of the last try, e.g. ``process001``."""
    seconds: float | None
    """Seconds its mini-batch took on the last try."""
    error_type: str | None
    """Exception class of the script, or ``Timeout``, ``WorkerDied``, ``MemoryLimit``, ``ShortReturn``,
    ``WrongReturnType``, ``RowsNotWritten``, ``InputUnavailable`` (it could not be fetched from storage)."""
    error_message: str | None
    """Text of that error."""
    traceback: str | None
    """The script's own traceback."""
    error_place: str | None = None
    """Where in the script it was raised, e.g. ``score.py:31``."""
    source: ItemSource = "ledger"
    """Who says so: the local service's ledger, the account of a deployment with ``instrument=True``, or log files. From
    log files only failures are known; ``path`` is empty where they do not name the file, ``mini_batch`` -1 where they
    do not number it, and ``attempts`` are the errors that were found."""

    @classmethod
    def from_wire(cls, body: Mapping[str, Any]) -> ItemOutcome:
        """Read an entry of the ledger route."""
        return cls(
            path=str(body.get("path", "")),
            status=body.get("status", "pending"),
            mini_batch=_count(body.get("miniBatch")),
            attempts=_count(body.get("attempts")),
            worker=body.get("worker"),
            seconds=body.get("seconds"),
            error_type=body.get("errorType"),
            error_message=body.get("errorMessage"),
            traceback=body.get("traceback"),
            error_place=body.get("errorPlace"),
        )


@dataclass(frozen=True)
class MiniBatchOutcome(_render.Card):
    """What became of one mini-batch."""

    number: int
    """Its number, from 0, in the order of the plan."""
    status: Literal["succeeded", "partial", "failed"]
    """``partial``: only a part of its files succeeded."""
    items: int
    """Input files in it."""
    attempts: int
    """Times ``run`` was called with it."""
    worker: str | None
    """Worker of the last try, e.g. ``process001``."""
    started_at: datetime | None
    """When the last try began."""
    seconds: float | None
    """Seconds of the last try."""
    error_type: str | None
    """Of the first of its files that failed, as in :class:`ItemOutcome`."""


@dataclass(frozen=True)
class JobProgress(_render.Card):
    """How far a job is."""

    done: int = 0
    """Mini-batches finished, failed ones included."""
    failed: int = 0
    """Mini-batches given up after ``retry_settings.max_retries`` tries, those with a part of their rows included."""
    total: int | None = None
    """Mini-batches planned; None until the inputs are listed."""
    items_done: int = 0
    """Input files of finished mini-batches."""
    items_failed: int = 0
    """Input files that failed for good."""
    items_total: int | None = None
    """Input files; None until they are listed."""
    items_per_second: float | None = None
    """Rate lately, or None."""
    eta: float | None = None
    """Seconds to go at that rate, or None."""
    source: ItemSource = "ledger"
    """Who says so, as in :class:`ItemOutcome`. From log files, counts that they do not tell are 0 or None."""

    @classmethod
    def from_wire(cls, body: Mapping[str, Any]) -> JobProgress:
        """Read the progress property of a job of the local service."""
        known = {one.name for one in fields(cls)}
        return cls(**{name: value for name, value in body.items() if name in known and _fits(name, value)})

    @property
    def counts(self) -> str:
        """The files alone, e.g. ``412 of 1,000 files, 18 failed``; mini-batches where logs count nothing else."""
        if self.source == "logs" and not self.items_done and not self.items_failed:
            of = "?" if self.total is None else f"{self.total:,}"
            return f"{self.done:,} of {of} mini-batches" + (f", {self.failed:,} failed" if self.failed else "")
        total = "?" if self.items_total is None else f"{self.items_total:,}"
        failed = f", {self.items_failed:,} failed" if self.items_failed else ""
        return f"{self.items_done:,} of {total} files{failed}"

    @property
    def pace(self) -> str:
        """Rate and time to go, e.g. ``35/s, 17 s to go``; empty while unknown and when all is done."""
        if self.items_done == self.items_total or not self.items_per_second:
            return ""
        left = f", {_render.duration(self.eta)} to go" if self.eta is not None else ""
        return f"{_rate(self.items_per_second)}{left}"

    def __str__(self) -> str:
        """Return e.g. ``412 of 1,000 files, 18 failed, 35/s, 17 s to go``."""
        return ", ".join(filter(None, (self.counts, self.pace)))


def _rate(per_second: float) -> str:
    """Return e.g. ``35/s``, ``0.5/s`` or, where that says nothing, ``3/min`` and ``2/h``."""
    for unit, seconds in (("s", 1), ("min", 60), ("h", 3600)):
        rate = per_second * seconds
        if rate >= 0.5 or unit == "h":
            break
    return f"{rate:,.0f}/{unit}" if rate >= 10 else f"{rate:.2g}/{unit}"


def frame(outcomes: Iterable[ItemOutcome]) -> pd.DataFrame:
    """Return outcomes as a table: a row an input file, a column an attribute of :class:`ItemOutcome`."""
    import pandas as pd

    return pd.DataFrame([asdict(one) for one in outcomes], columns=[one.name for one in fields(ItemOutcome)])


def _count(value: object) -> int:
    """Return a whole number of an answer; 0 for what is none."""
    return int(value) if isinstance(value, int | float) and abs(value) < 2**53 else 0


def _fits(name: str, value: object) -> bool:
    return isinstance(value, str) if name == "source" else isinstance(value, int | float | None)
