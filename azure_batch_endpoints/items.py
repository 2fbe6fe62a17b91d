"""What became of each input file, and how far a job is. Values only; asking the service is ``job``'s matter."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, fields
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True)
class ItemOutcome:
    """What became of one input file."""

    path: str
    """Relative to the input folder."""
    status: Literal["succeeded", "failed", "pending"]
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

    @classmethod
    def from_wire(cls, body: Mapping[str, Any]) -> ItemOutcome:
        """Read an entry of the ledger route."""
        return cls(
            path=str(body.get("path", "")),
            status=body.get("status", "pending"),
            mini_batch=int(body.get("miniBatch", 0)),
            attempts=int(body.get("attempts", 0)),
            worker=body.get("worker"),
            seconds=body.get("seconds"),
            error_type=body.get("errorType"),
            error_message=body.get("errorMessage"),
            traceback=body.get("traceback"),
            error_place=body.get("errorPlace"),
        )


@dataclass(frozen=True)
class JobProgress:
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

    @classmethod
    def from_wire(cls, body: Mapping[str, Any]) -> JobProgress:
        """Read the progress property of a job of the local service."""
        known = {one.name for one in fields(cls)}
        return cls(**{name: value for name, value in body.items() if name in known})

    @property
    def counts(self) -> str:
        """The files alone, e.g. ``412 of 1,000 files, 18 failed``."""
        total = "?" if self.items_total is None else f"{self.items_total:,}"
        failed = f", {self.items_failed:,} failed" if self.items_failed else ""
        return f"{self.items_done:,} of {total} files{failed}"

    @property
    def pace(self) -> str:
        """Rate and time to go, e.g. ``35/s, 17 s to go``; empty while unknown and when all is done."""
        if self.items_done == self.items_total or not self.items_per_second:
            return ""
        left = f", {_duration(self.eta)} to go" if self.eta is not None else ""
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


def _duration(seconds: float) -> str:
    """Return e.g. ``17 s``, ``4 min 5 s``, ``2 h 10 min``, ``3 d 4 h``."""
    whole = max(0, round(seconds))
    for unit, length, smaller, part in (("d", 86400, "h", 3600), ("h", 3600, "min", 60), ("min", 60, "s", 1)):
        if whole >= length:
            rest = whole % length // part
            return f"{whole // length} {unit}" + (f" {rest} {smaller}" if rest else "")
    return f"{whole} s"


def frame(outcomes: Iterable[ItemOutcome]) -> pd.DataFrame:
    """Return outcomes as a table: a row an input file, a column an attribute of :class:`ItemOutcome`."""
    import pandas as pd

    return pd.DataFrame([asdict(one) for one in outcomes], columns=[one.name for one in fields(ItemOutcome)])
