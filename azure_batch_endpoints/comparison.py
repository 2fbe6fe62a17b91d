"""Two deployments on the same input, before a switch: how far they agree, where they differ, how long each took."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from azure_batch_endpoints import _render, _several
from azure_batch_endpoints._arguments import require
from azure_batch_endpoints._wire.scalars import time_from_wire
from azure_batch_endpoints.errors import BatchEndpointsError, InvalidInputError, NotKeptError, ResultsError
from azure_batch_endpoints.job import Job
from azure_batch_endpoints.states import JobStatus

if TYPE_CHECKING:
    import pandas as pd

    from azure_batch_endpoints.endpoints import BatchEndpoint
    from azure_batch_endpoints.inputs import InputLike

_MOST_SHOWN = 10
"""Differing rows that a notebook shows."""


@dataclass(frozen=True, repr=False)
class Comparison:
    """Two jobs over the same input, held against each other; made by :meth:`BatchEndpoint.compare`.

    Switching is one call then: ``endpoint.set_default("green")``.
    """

    jobs: Mapping[str, Job]
    """The two jobs by their deployments' names, in the order asked for; they and their results stay."""
    agreement: float
    """Equal rows as a part of all rows, 0 to 1; a row that only one deployment returned is not equal. ``nan`` when
    nothing could be compared."""
    rows: int
    """Rows that both returned."""
    differing: pd.DataFrame
    """Those of them that differ: what they were matched by (``source file``, ``row`` counted from 0 in it), and both
    values of each column that differs anywhere, e.g. ``label (blue)`` and ``label (green)``."""
    only_in: Mapping[str, pd.DataFrame]
    """By deployment: the rows that it alone returned."""
    matched_by: str
    """How rows were matched: ``source file and place in it``, ``key …`` or ``place in the results``."""
    columns: Sequence[str]
    """Columns that were compared: those that both have."""
    seconds: Mapping[str, float | None]
    """By deployment: how long its job ran; None where the service does not tell."""
    files_per_second: Mapping[str, float | None]
    """By deployment: input files scored a second; None where the service does not tell."""
    failed: Mapping[str, int | None]
    """By deployment: input files that failed; None where the service does not tell."""
    notes: Sequence[str] = field(default=())
    """What else should be known: a job that did not complete, columns that were left out."""

    @classmethod
    def of(
        cls, first: Job, second: Job, /, *, key: str | Sequence[str] | None = None, tolerance: float = 0.0
    ) -> Comparison:
        """Hold two jobs that have ended against each other; nothing is scored.

        Args:
            first: one job.
            second: another one over the same input.
            key: as of :meth:`BatchEndpoint.compare`.
            tolerance: as of :meth:`BatchEndpoint.compare`.

        Raises:
            InvalidInputError: a job has not ended, is compared with itself, or is none.
            JobFailedError: both failed, and left no rows. ResultsError: neither has rows, or nothing tells which rows
                belong together.
        """
        from azure_batch_endpoints.job import Job

        for name, job in (("first", first), ("second", second)):
            require(name, job, Job, "a job: what invoke() returned, or client.jobs.get(name)")
        if first.id.lower() == second.id.lower():
            raise InvalidInputError(f"Job '{first.name}' would be compared with itself. Pass two jobs.")
        for job in (first, second):
            if not job.status.is_terminal:
                raise InvalidInputError(f"Job '{job.name}' is {job.status.value}. Wait for its end first: job.wait().")
        return _compared((first, second), {}, key, tolerance)

    def _rows(self) -> list[tuple[str, object]]:
        one, other = self.jobs
        total = self.rows + sum(len(rows) for rows in self.only_in.values())
        equal = self.rows - len(self.differing)
        share = (
            "not known" if math.isnan(self.agreement) else f"{_percent(self.agreement)} ({equal:,} of {total:,} rows)"
        )
        only = ", ".join(f"{len(rows):,} in {name}" for name, rows in self.only_in.items() if len(rows))
        return [
            ("deployments", f"{one} and {other}"),
            ("agreement", share),
            ("differing", f"{len(self.differing):,} rows"),
            ("only in one", only or None),
            ("matched by", self.matched_by or None),
            ("seconds", _both(self.seconds)),
            ("files/s", _both(self.files_per_second)),
            ("failed files", _both(self.failed)),
            ("jobs", ", ".join(f"{name}: {job.name}" for name, job in self.jobs.items())),
            ("notes", " ".join(self.notes) or None),
        ]

    def __repr__(self) -> str:
        told = [(name, _render.text(value)) for name, value in self._rows() if value is not None]
        width = max(len(name) for name, _ in told)
        lines = [f"  {name:<{width}}  {value}" for name, value in told]
        switch = [f"  {'switch':<{width}}  {hint}"] if (hint := self._hint()) else []
        return "\n".join(["Comparison", *lines, *switch])

    def _repr_html_(self) -> str:
        one, other = self.jobs
        first = self.differing.head(_MOST_SHOWN)
        told = (("seconds", self.seconds), ("files/s", self.files_per_second), ("failed files", self.failed))
        details: list[tuple[str, object, object]] = [
            (word, _number(values[one]), _number(values[other])) for word, values in told
        ]
        details += [("rows of its own", f"{len(self.only_in[one]):,}", f"{len(self.only_in[other]):,}")]
        details += [("job", self.jobs[one].name, self.jobs[other].name)]
        details += [("matched by", self.matched_by, "")] if self.matched_by else []
        details += [("note", note, "") for note in self.notes]
        return _render.comparison(
            names=(one, other),
            agreement=None if math.isnan(self.agreement) else self.agreement,
            rows=self.rows,
            columns=[str(name) for name in first.columns],
            differing=first.to_numpy(dtype=object).tolist(),
            differing_count=len(self.differing),
            details=details,
            hint=self._hint(),
        )

    def _hint(self) -> str:
        """How to switch to the second deployment; nothing when it did not complete."""
        second = list(self.jobs.values())[1]
        if second.status is not JobStatus.COMPLETED:
            return ""
        name = second.deployment_name
        return f'endpoint.set_default("{name}")' if name else "endpoint.set_default(name)"


def compare(
    endpoint: BatchEndpoint,
    given: InputLike,
    deployments: tuple[str, str],
    *,
    key: str | Sequence[str] | None,
    tolerance: float,
    timeout: float | None,
    progress: bool | None,
) -> Comparison:
    """Score an input with two deployments of an endpoint and hold the results against each other."""
    _check(tolerance)
    if deployments[0].lower() == deployments[1].lower():
        raise InvalidInputError(
            f"Deployment '{deployments[0]}' of endpoint '{endpoint.name}' would be compared with itself. "
            "Pass two deployments. Nothing was sent."
        )
    for name in deployments:
        endpoint.deployments.get(name)  # both are there before anything is uploaded or scored
    ready = endpoint._ready(given)
    started: list[Job] = []
    try:
        for name in deployments:
            started.append(endpoint.invoke(inputs=ready, deployment=name))
    except BaseException as stopped:
        changed = stopped.resource if isinstance(stopped, NotKeptError) else None
        _withdraw([*started, changed] if isinstance(changed, Job) else started)
        raise
    clock = endpoint._workspace.session.clock
    began, took = clock.monotonic(), dict[str, float]()

    def ended(job: Job) -> None:
        took[job.name] = clock.monotonic() - began

    _several.wait_all(started, timeout=timeout, raise_on_failure=False, progress=progress, on_done=ended)
    return _compared((started[0], started[1]), took, key, tolerance)


def _withdraw(jobs: Sequence[Job]) -> None:
    """Stop what was started when it could not all be started as asked for: nobody would look at it."""
    for job in jobs:
        try:
            job.cancel()
        except BatchEndpointsError:
            continue


def _check(tolerance: float) -> None:
    if not tolerance >= 0 or math.isinf(tolerance):
        raise InvalidInputError(f"tolerance is {tolerance!r}; it can be 0 or more. Pass e.g. tolerance=1e-6.")


def _compared(
    jobs: tuple[Job, Job], took: Mapping[str, float], key: str | Sequence[str] | None, tolerance: float
) -> Comparison:
    from azure_batch_endpoints._rows import agreeing  # with it comes what importing a client must not cost

    _check(tolerance)
    names = _names(jobs)
    columns = [] if key is None else [key] if isinstance(key, str) else list(key)
    notes: list[str] = []
    frames = [_rows_of(job, name, notes, with_source=not columns) for job, name in zip(jobs, names, strict=True)]
    if frames[0] is None and frames[1] is None:
        _several.raise_if_any_failed(jobs)
        raise ResultsError(f"There is nothing to compare. {' '.join(notes)} Look at job.results.files() of both.")
    seconds = {name: _seconds(job, took.get(job.name)) for name, job in zip(names, jobs, strict=True)}
    told: dict[str, Any] = {
        "jobs": dict(zip(names, jobs, strict=True)),
        "seconds": seconds,
        "files_per_second": {name: _pace(job, seconds[name]) for name, job in zip(names, jobs, strict=True)},
        "failed": {
            name: job.progress.items_failed if job.progress else None for name, job in zip(names, jobs, strict=True)
        },
    }
    empty = agreeing.nothing()
    if frames[0] is None or frames[1] is None:
        alone = {name: empty if rows is None else rows for name, rows in zip(names, frames, strict=True)}
        return Comparison(
            **told, agreement=math.nan, rows=0, differing=empty, only_in=alone, matched_by="", columns=[], notes=notes
        )
    found = agreeing.agreement(frames[0], frames[1], names=names, key=columns, tolerance=tolerance)
    total = found.matched + sum(len(rows) for rows in found.only.values())
    return Comparison(
        **told,
        agreement=found.equal / total if total and found.columns else math.nan,
        rows=found.matched,
        differing=found.differing,
        only_in=found.only,
        matched_by=found.matched_by,
        columns=found.columns,
        notes=[*notes, *found.notes],
    )


def _names(jobs: tuple[Job, Job]) -> tuple[str, str]:
    one, other = (job.deployment_name or job.name for job in jobs)
    return (one, other) if one != other else (jobs[0].name, jobs[1].name)


def _rows_of(job: Job, name: str, notes: list[str], *, with_source: bool) -> pd.DataFrame | None:
    """Return a job's rows, those of a job that did not complete as far as there are any; None: there are none."""
    partial = job.status is not JobStatus.COMPLETED
    if partial:
        reason = (job.error or "the service gave no reason").strip().splitlines()[0].rstrip(".:")
        verb = "was cancelled" if job.status is JobStatus.CANCELED else f"failed: {reason}"
        rest = (
            "Only the rows it scored before are compared."
            if job._snapshot.body.has_partial_rows
            else "It left no rows."
        )
        notes.append(f"'{name}' did not complete: job '{job.name}' {verb}. {rest}")
        if not job._snapshot.body.has_partial_rows:
            return None
    if with_source:
        try:
            return job.results.to_pandas(partial=partial, source_file=True)
        except ResultsError:
            pass  # this service does not know it, or there are no rows at all
    try:
        return job.results.to_pandas(partial=partial)
    except ResultsError as error:
        notes.append(f"'{name}': {error}")
        return None


def _seconds(job: Job, observed: float | None) -> float | None:
    """Return how long a job ran as the service tells it, else as it was seen from here."""
    properties = job.raw.get("properties")
    kept = properties.get("properties") if isinstance(properties, Mapping) else None
    try:
        stages = json.loads(kept["stages"]) if isinstance(kept, Mapping) and kept.get("stages") else {}
        told = stages["Execution"]
        begin, end = (time_from_wire(str(told[word])) for word in ("StartTime", "EndTime"))
    except (ValueError, KeyError, TypeError):
        return observed
    return (end - begin).total_seconds() if begin is not None and end is not None else observed


def _pace(job: Job, seconds: float | None) -> float | None:
    done = job.progress.items_done if job.progress else None
    return done / seconds if done and seconds else None


def _percent(share: float) -> str:
    """Return a share in per cent, never rounded up to all."""
    shown = f"{share:.2%}"
    return "99.99%" if shown == "100.00%" and share < 1 else shown


def _both(values: Mapping[str, float | int | None]) -> str | None:
    told = [f"{name} {_number(value)}" for name, value in values.items() if value is not None]
    return ", ".join(told) or None


def _number(value: float | None) -> str:
    return "" if value is None else f"{value:,.4g}" if isinstance(value, float) else f"{value:,}"
