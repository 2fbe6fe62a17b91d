"""Tries to outcomes: what became of each input file, and how far a job is. Pure; the words are those of the ledger."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Literal

from azure_batch_endpoints._cloud import FOLDER
from azure_batch_endpoints._cloud.account import Account, Try
from azure_batch_endpoints.items import ItemOutcome, JobProgress

DIED = (
    "the worker process ended while run() was scoring: it was killed, ran out of memory, or the script ended it; "
    "logs/sys/error tells which"
)
OVERHEAD = 30.0
"""Seconds that the engine beneath batch endpoints waits beyond the time limit (`task_overhead_timeout`; its log of 60 s
says "unable to finish within 90 seconds"): until then, what came back counts."""


@dataclass(frozen=True)
class Plan:
    """What is known of a job beside its account.

    Attributes:
        names: its input files below the input folder, in order; None when the input cannot be listed.
        size: files in a mini-batch, or None.
        most: tries of a mini-batch, or None.
        ended: whether the job has ended.
    """

    names: Sequence[str] | None = None
    size: int | None = None
    most: int | None = None
    ended: bool = True


class Outcomes:
    """The inputs of one job, accounted for."""

    def __init__(self, account: Account, plan: Plan) -> None:
        self._plan = plan
        self._roots = _roots(account.tries, plan.names)
        self._of: dict[str, list[tuple[Try, int]]] = {}
        for one in account.tries:
            for place, name in enumerate(self.names_of(one)):
                self._of.setdefault(name, []).append((one, place))

    def names_of(self, one: Try) -> list[str]:
        """Return the files of a try as they are called below the input folder."""
        root = self._roots[one.worker]
        return [file[len(root) :] if file.startswith(root) else file for file in one.files]

    def failed(self, one: Try) -> bool:
        """Whether nothing of a try counts."""
        return _failure(one) is not None

    @cached_property
    def order(self) -> Mapping[str, int]:
        """Place of each input file in the order of the inputs."""
        seen = self._of
        names = sorted(seen) if self._plan.names is None else self._plan.names
        kept = [name for name in names if name in seen or not name.startswith(FOLDER)]
        known = set(kept)
        return {
            name: place for place, name in enumerate([*kept, *(name for name in sorted(seen) if name not in known)])
        }

    @cached_property
    def items(self) -> list[ItemOutcome]:
        """What became of each input file, in the order of the inputs."""
        return [self._item(name, place) for name, place in self.order.items()]

    @cached_property
    def progress(self) -> JobProgress:
        """How far the job is."""
        by_batch: dict[int, list[ItemOutcome]] = {}
        for one in self.items:
            by_batch.setdefault(one.mini_batch, []).append(one)
        done = [batch for batch in by_batch.values() if all(one.status != "pending" for one in batch)]
        complete = self._plan.names is not None
        return JobProgress(
            done=len(done),
            failed=sum(any(one.status == "failed" for one in batch) for batch in done),
            total=len(by_batch) if complete else None,
            items_done=sum(one.status != "pending" for one in self.items),
            items_failed=sum(one.status == "failed" for one in self.items),
            items_total=len(self.items) if complete else None,
            source="instrument",
        )

    def _item(self, name: str, place: int) -> ItemOutcome:
        tries = self._of.get(name, [])
        if not tries:
            return _outcome(name, "pending", self._number(place, None), 0)
        whole = [one for one in tries if one[0].end and not _failure(one[0]) and "missing" not in one[0].end]
        last, position = (whole or tries)[-1]
        failure = None if whole else _failure(last) or _unscored(last, position)
        number, attempts = self._number(place, last), len(tries)
        undecided = last.end is None or (failure and attempts < (self._plan.most or 1))
        if not self._plan.ended and not whole and undecided:
            return _outcome(name, "pending", number, attempts)
        return _outcome(name, "failed" if failure else "succeeded", number, attempts, last, failure)

    def _number(self, place: int, one: Try | None) -> int:
        if self._plan.size:
            return place // self._plan.size
        return self._firsts.get(self.names_of(one)[0], -1) if one else -1

    @cached_property
    def _firsts(self) -> Mapping[str, int]:
        """Number of each mini-batch by its first file, for jobs that do not say how large theirs are."""
        firsts = {self.names_of(tries[-1][0])[0] for tries in self._of.values()}
        return {name: number for number, name in enumerate(sorted(firsts, key=lambda name: self.order[name]))}


def _failure(one: Try) -> Mapping[str, Any] | None:
    """Return why a try as a whole failed, or None."""
    late = one.late or {}
    limit = float(late.get("limit") or math.inf)
    if one.end is None or float(one.end.get("seconds") or 0) > limit + OVERHEAD:
        if not late:
            return {"type": "WorkerDied", "message": DIED}
        message = f"run() took longer than the time limit of {limit:g} s (retry_settings.timeout)"
        return {"type": "Timeout", "message": message, "traceback": late.get("stack"), **_place(late)}
    return one.end if "type" in one.end else None


def _unscored(one: Try, position: int) -> Mapping[str, Any] | None:
    """Return why a file of a try that came back has no row, or None when it has one."""
    end = one.end or {}
    if position not in (end.get("missing") or ()):
        return None
    said = f"run() returned {end.get('rows')} rows for {len(one.files)} files; each file that was scored needs a row"
    return {"type": "ShortReturn", "message": said, **_place(end)}


def _place(told: Mapping[str, Any]) -> dict[str, Any]:
    return {name: told[name] for name in ("file", "line") if told.get(name) is not None}


def _outcome(
    path: str,
    status: Literal["succeeded", "failed", "pending"],
    mini_batch: int,
    attempts: int,
    last: Try | None = None,
    failure: Mapping[str, Any] | None = None,
) -> ItemOutcome:
    why = failure or {}
    place = f"{why['file']}:{why['line']}" if why.get("file") and why.get("line") else why.get("file")
    return ItemOutcome(
        path=path,
        status=status,
        mini_batch=mini_batch,
        attempts=attempts,
        worker=last.agent if last else None,
        seconds=last.end.get("seconds") if last and last.end else None,
        error_type=why.get("type"),
        error_message=why.get("message"),
        traceback=why.get("traceback"),
        error_place=place,
        source="instrument",
    )


def _roots(tries: Sequence[Try], names: Sequence[str] | None) -> dict[str, str]:
    """Return for each worker the folder that its paths count from: nodes may mount an input at different places."""
    by_worker: dict[str, list[str]] = {}
    for one in tries:
        by_worker.setdefault(one.worker, []).extend(one.files)
    known = set(names or ())
    found = {worker: _root(files, known) for worker, files in by_worker.items()}
    missing = [file for worker, files in by_worker.items() if found[worker] is None for file in files]
    shared = _shared(missing)
    return {worker: shared if root is None else root for worker, root in found.items()}


def _root(files: Sequence[str], known: set[str]) -> str | None:
    """Return the folder below which every path is one of the known names, or None."""
    first = files[0] if files else ""
    for place in (match for match, letter in enumerate(first) if letter == "/"):
        root = first[: place + 1]
        if first[place + 1 :] in known and all(one.startswith(root) and one[len(root) :] in known for one in files):
            return root
    return None


def _shared(files: Iterable[str]) -> str:
    """Return the folder that all paths have in common."""
    folders = [file.rpartition("/")[0] + "/" for file in files]
    if not folders:
        return ""
    low, high = min(folders), max(folders)
    same = next(
        (place for place, (one, other) in enumerate(zip(low, high, strict=False)) if one != other),
        min(len(low), len(high)),
    )
    return low[:same].rpartition("/")[0] + "/"
