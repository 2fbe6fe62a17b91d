"""The account that the driver of ``instrument=True`` keeps in a job's output, read back: which tries there were.

The files are those that ``instrument/driver`` describes; each is written once, so what was read is not read again.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from azure_batch_endpoints._cloud import FOLDER
from azure_batch_endpoints.errors import NotFoundError

if TYPE_CHECKING:
    from azure_batch_endpoints._storage.blobs import Container

_NAME = re.compile(
    r"(?P<job>[^/]+)/(?P<worker>[^/]+)/(?:(?P<kind>[bl])(?P<number>\d+)\.json|e(?P<last>\d+)-(?P<first>\d+)\.jsonl|init\.json)"
)
_READERS = 8
"""Files that are read at once; small ones, so waiting is what takes the time."""


@dataclass(frozen=True)
class Try:
    """One call of ``run()``.

    Attributes:
        worker: folder of the worker process, which no other one has.
        agent: the worker's name in the service's logs.
        number: which call of that worker, from 1.
        files: paths as the script saw them.
        at: when it began, seconds since 1970 by the node's clock.
        end: what became of it, as the driver wrote it; None when it never ended.
        late: where it was shortly before its time limit, where that was noted.
    """

    worker: str
    agent: str
    number: int
    files: tuple[str, ...]
    at: float
    end: Mapping[str, Any] | None = None
    late: Mapping[str, Any] | None = None


@dataclass(frozen=True)
class Account:
    """What the workers of a job wrote down.

    Attributes:
        tries: calls of ``run()``, in the order in which they began.
        starts: how each worker started, likewise.
    """

    tries: Sequence[Try] = ()
    starts: Sequence[Mapping[str, Any]] = ()


@dataclass
class _Worker:
    """The files of one worker process."""

    begun: dict[int, str] = field(default_factory=dict)
    late: dict[int, str] = field(default_factory=dict)
    ends: list[tuple[int, int, str]] = field(default_factory=list)
    start: str | None = None

    def cover(self) -> list[str]:
        """Return the fewest files that hold the ends of all mini-batches: the widest of the latest, then before it."""
        found, reached = [], None
        for last, first, name in sorted(self.ends, key=lambda one: (-one[0], one[1])):
            if reached is None or last < reached:
                found.append(name)
                reached = first
        return found

    def ended(self) -> set[int]:
        """Return the numbers of the mini-batches that ended."""
        return {number for last, first, _ in self.ends for number in range(first, last + 1)}


class AccountReader:
    """Reads the account of one job; remembers the files it has read."""

    def __init__(self, container: Container, folder: str, job: str) -> None:
        """Prepare; nothing is sent.

        Args:
            container: that the job's output is in.
            folder: of the output, ending with a slash or empty.
            job: the job's name.
        """
        self._container = container
        self._prefix = f"{folder}{FOLDER}{re.sub(r'[^A-Za-z0-9._-]', '_', job)}/"
        self._known: dict[str, bytes] = {}

    def read(self) -> Account | None:
        """Return the account, or None when there is none.

        One request for each 5,000 of the driver's files (two for each mini-batch), and for each worker process one for
        each 256 mini-batches and a few more; none for a file that was read before.
        """
        workers = self._workers()
        if not workers:
            return None
        wanted = [name for one in workers.values() for name in _needed(one)]
        before = self._known  # replaced, never changed: several threads may read at once
        fetched = self._fetch([name for name in wanted if name not in before])
        known = {name: fetched[name] if name in fetched else before[name] for name in wanted}
        self._known = known
        tries = [one for name, worker in workers.items() for one in _tries(name, worker, known)]
        starts = [line for one in workers.values() if one.start for line in _lines(known[one.start])]
        return Account(sorted(tries, key=lambda one: one.at), sorted(starts, key=lambda one: _number(one.get("at"))))

    def _workers(self) -> dict[str, _Worker]:
        top, found = len(self._prefix.rstrip("/").rpartition("/")[0]) + 1, dict[str, _Worker]()
        for blob in self._container.list(self._prefix):
            match = _NAME.fullmatch(blob.name[top:])
            if match is None or not blob.size:  # an empty one is only being written
                continue
            worker = found.setdefault(match["worker"], _Worker())
            if match["last"]:
                worker.ends.append((int(match["last"]), int(match["first"]), blob.name))
            elif match["kind"]:
                (worker.begun if match["kind"] == "b" else worker.late)[int(match["number"])] = blob.name
            else:
                worker.start = blob.name
        return found

    def _fetch(self, names: Sequence[str]) -> dict[str, bytes]:
        if not names:
            return {}
        with ThreadPoolExecutor(_READERS, thread_name_prefix="account") as pool:
            return dict(zip(names, pool.map(self._get, names), strict=True))

    def _get(self, name: str) -> bytes:
        try:
            return self._container.read(name)
        except NotFoundError:
            return b""


def _tries(name: str, worker: _Worker, known: Mapping[str, bytes]) -> Iterator[Try]:
    start: Mapping[str, Any] = next(_lines(known[worker.start]), {}) if worker.start else {}
    agent = str(start.get("worker") or name)
    late = {number: line for number, file in worker.late.items() for line in _lines(known[file])}
    ended: dict[int, Mapping[str, Any]] = {}
    for file in worker.cover():
        for line in _lines(known[file]):
            ended.setdefault(int(line.get("number") or 0), line)
    for number, end in ended.items():
        yield _try(name, agent, number, end, end, late.get(number))
    for number, file in worker.begun.items():
        begin = next(_lines(known.get(file, b"")), None)
        if number not in ended and begin:
            yield _try(name, agent, number, begin, None, late.get(number))


def _lines(data: bytes) -> Iterator[dict[str, Any]]:
    for line in data.split(b"\n"):
        try:
            read = json.loads(line) if line else None
        except ValueError:  # cut off when the node went
            continue
        if isinstance(read, dict):
            yield read


def _needed(worker: _Worker) -> list[str]:
    ended = worker.ended()
    open_ones = [name for number, name in worker.begun.items() if number not in ended]
    return [*worker.cover(), *open_ones, *worker.late.values(), *([worker.start] if worker.start else [])]


def _try(
    worker: str,
    agent: str,
    number: int,
    line: Mapping[str, Any],
    end: Mapping[str, Any] | None,
    late: Mapping[str, Any] | None,
) -> Try:
    root, files = str(line.get("root") or ""), line.get("files") or []
    return Try(worker, agent, number, tuple(root + str(file) for file in files), _number(line.get("at")), end, late)


def _number(value: object) -> float:
    return float(value) if isinstance(value, int | float) else 0.0
