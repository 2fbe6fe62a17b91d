"""What the log files of a job tell where nobody keeps a ledger: how far it is, what failed, and why. Pure.

The layout is documented; what the lines look like is not. So texts are read leniently: what is not understood is left
out, and nothing is counted that a line does not say. Shapes known: the lines of this package's own service, those in
public issues of the engine beneath batch endpoints, and its documented table of processed mini-batches.
"""

from __future__ import annotations

import csv
import io
import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace

from azure_batch_endpoints.items import ItemOutcome, JobProgress

OVERVIEW = re.compile(r"logs/(?:job_progress_)?overview[^/]*\.txt")
ERRORS = re.compile(r"logs/user/error/[^/]+/(?P<worker>[^/]+)\.txt")
TABLE = re.compile(r"logs/sys/(?:job_)?report/processed_(?:mini-batches|tasks)\.csv")
_BATCH = r"(?:mini.?batch(?:es)?|tasks?)"
_TOTALS = (
    re.compile(rf"\bscheduled (?P<total>\d+) {_BATCH}", re.IGNORECASE),
    re.compile(rf"\bthere are (?P<total>\d+) {_BATCH}(?: with (?P<items>\d+) items?)?", re.IGNORECASE),
    re.compile(rf"\btotal(?: number of)? {_BATCH}\D{{1,5}}(?P<total>\d+)", re.IGNORECASE),
)
_DONE = (
    re.compile(
        rf"\b(?P<done>\d+)(?:(?: of |/)(?P<total>\d+))? {_BATCH} (?:\w+ (?:been )?)?(?:processed|done|completed)", re.I
    ),
    re.compile(rf"\bprocessed (?P<done>\d+)(?:(?: of |/)(?P<total>\d+))? {_BATCH}", re.IGNORECASE),
    re.compile(rf"\b{_BATCH}: (?P<done>\d+) of (?P<total>\d+|\?) done, (?P<failed>\d+) failed"),
)
_ITEMS = re.compile(r"\bfiles: (?P<done>\d+) of (?P<items>\d+|\?) done, (?P<failed>\d+) failed")
_FAILED = re.compile(rf"\b(?P<failed>\d+) {_BATCH} (?:\w+ )?failed", re.IGNORECASE)
_TRACEBACK = "Traceback (most recent call last):"
_ERROR = re.compile(r"^(?P<type>[A-Za-z_][\w.]*)(?:: (?P<message>.*))?$")
_FRAME = re.compile(r'^\s*File "(?P<file>[^"]+)", line (?P<line>\d+), in (?P<name>.+)$')
_NUMBERED = re.compile(rf"\b{_BATCH}(?: id)?[ :=]+'?(?P<number>\d+)", re.IGNORECASE)
_LIBRARY = ("/site-packages/", "/dist-packages/", "/lib/python", "<frozen", "<string>", "/azureml_sys/", "/driver/")
_MOST = 10_000
"""Errors that are read of one file."""
_MOST_MESSAGE, _MOST_TRACEBACK = 4_000, 16_000
"""Characters that are told of one, as the local service does: scripts put their data into messages."""


@dataclass(frozen=True)
class LoggedError:
    """One traceback.

    Attributes:
        worker: of which worker's log it is.
        type: exception class.
        message: its text.
        traceback: as it stands.
        place: last frame that is of no library, as ``score.py:31``.
        head: what stands before it.
        mini_batch: its number where the text tells, else -1.
    """

    worker: str
    type: str
    message: str
    traceback: str
    place: str | None = None
    head: str = ""
    mini_batch: int = -1

    def __str__(self) -> str:
        """Return e.g. ``ValueError: bad row in score.py:31``."""
        what = f"{self.type}: {_shortened(self.message, _MOST_MESSAGE)}" if self.message else self.type
        return f"{what} in {self.place}" if self.place else what

    @property
    def told(self) -> str:
        """The traceback, of a very long one its beginning and end."""
        return _shortened(self.traceback, _MOST_TRACEBACK)


@dataclass(frozen=True)
class Processed:
    """One line of the table of processed mini-batches."""

    mini_batch: str
    total: int
    failed: int
    picked: int
    worker: str
    seconds: float | None
    error: str
    message: str
    files: tuple[str, ...] = field(default=())


def progress(text: str) -> JobProgress | None:
    """Return what an overview says last, or None when it says nothing of mini-batches."""
    found: dict[str, int] = {}
    for line in text.splitlines():
        for pattern in (*_TOTALS, *_DONE, _FAILED):
            match = pattern.search(line)
            if match:
                found.update(_counts(match, {"items": "items_total"}))
        match = _ITEMS.search(line)
        if match:
            found.update(_counts(match, {"done": "items_done", "failed": "items_failed", "items": "items_total"}))
    return replace(JobProgress.from_wire(found), source="logs") if found else None


def _counts(match: re.Match[str], names: Mapping[str, str]) -> dict[str, int]:
    told = match.groupdict()
    return {names.get(name, name): int(text) for name, text in told.items() if text is not None and text.isdigit()}


def errors(text: str, worker: str) -> list[LoggedError]:
    """Return the tracebacks in a worker's error log, in their order."""
    blocks = text.split(_TRACEBACK)
    found: list[LoggedError] = []
    head = _head(blocks[0])
    for block in blocks[1 : _MOST + 1]:
        one = _error(block, worker, head)
        joined = "\n".join(block.splitlines()[-3:])
        if found and found[-1].head and _is_chained(head):
            one = replace(one, traceback=f"{found[-1].traceback}\n\n{head}\n\n{one.traceback}", head=found[-1].head)
            one = replace(one, mini_batch=found[-1].mini_batch)
            found.pop()
        found.append(one)
        head = _head(joined)
    return found


def _is_chained(head: str) -> bool:
    return head.endswith(("direct cause of the following exception:", "another exception occurred:"))


def _head(text: str) -> str:
    lines = [line for line in text.splitlines() if line.strip()]
    return lines[-1].strip() if lines else ""


def _error(block: str, worker: str, head: str) -> LoggedError:
    lines, kept, name, message = block.splitlines(), [_TRACEBACK], "Exception", ""
    place = None
    for line in lines[1:]:
        frame = _FRAME.match(line)
        if frame and not any(one in frame["file"] for one in _LIBRARY):
            place = f"{frame['file'].rpartition('/')[2]}:{frame['line']}"
        ends = _ERROR.match(line)
        kept.append(line)
        if ends and not line.startswith((" ", "\t")):
            name, message = ends["type"].rpartition(".")[2], ends["message"] or ""
            break
    number = _NUMBERED.search(head)
    return LoggedError(worker, name, message, "\n".join(kept), place, head, int(number["number"]) if number else -1)


def processed(text: str) -> Iterator[Processed]:
    """Yield the lines of the table of processed mini-batches that tell of one."""
    for row in csv.DictReader(io.StringIO(text)):
        told = {re.sub(r"[^a-z]", "", str(name).lower()): str(value or "") for name, value in row.items()}
        total, failed = _whole(told.get("total")), _whole(told.get("failed"))
        if total is None or failed is None:
            continue
        yield Processed(
            told.get("minibatchid") or told.get("taskid") or "",
            total,
            failed,
            _whole(told.get("pickedcount") or told.get("dequeuecount")) or 1,
            told.get("process", ""),
            _seconds(told.get("elapsedseconds")),
            told.get("errorcategory") or told.get("status") or "",
            told.get("errormessage") or told.get("error") or "",
            tuple(_texts(told.get("minibatchdetail") or "")),
        )


def counted(rows: Iterator[Processed]) -> JobProgress | None:
    """Return the counts of the table: the last line of each mini-batch counts."""
    last = {one.mini_batch: one for one in rows}
    if not last:
        return None
    return JobProgress(
        done=len(last),
        failed=sum(one.failed > 0 for one in last.values()),
        items_done=sum(one.total for one in last.values()),
        items_failed=sum(one.failed for one in last.values()),
        source="logs",
    )


def failures(found: list[LoggedError], table: Iterator[Processed], names: list[str] | None) -> list[ItemOutcome]:
    """Return what failed, as far as the logs name it: by the table, else by the files that an error speaks of."""
    last = {one.mini_batch: one for one in table}
    outcomes = [item for one in last.values() if one.failed for item in _of_table(one, found, set(names or ()))]
    if last:
        return outcomes
    grouped: dict[tuple[object, ...], list[LoggedError]] = {}
    known = _Names(names)
    for error in found:
        named = known.mentioned(f"{error.head}\n{error.message}")  # a line of code in the traceback may name any
        key = (error.mini_batch,) if error.mini_batch >= 0 else (error.type, error.message, error.place)
        grouped.setdefault((*key, *named), []).append(error)
    return [_outcome(str(path), tries) for key, tries in grouped.items() for path in _paths(key) or [""]]


def _paths(key: tuple[object, ...]) -> list[object]:
    return list(key[1:] if isinstance(key[0], int) else key[3:])


def _outcome(path: str, tries: list[LoggedError]) -> ItemOutcome:
    error = tries[-1]
    return ItemOutcome(
        path=path,
        status="failed",
        mini_batch=error.mini_batch,
        attempts=len(tries),
        worker=error.worker,
        seconds=None,
        error_type=error.type,
        error_message=_shortened(error.message, _MOST_MESSAGE),
        traceback=error.told,
        error_place=error.place,
        source="logs",
    )


def _of_table(one: Processed, found: list[LoggedError], known: set[str]) -> list[ItemOutcome]:
    said = next((error for error in found if error.message and error.message in one.message), None)
    whole = one.failed == one.total == len(one.files)
    return [
        ItemOutcome(
            path=_below(path, known),
            status="failed",
            mini_batch=int(one.mini_batch) if one.mini_batch.isdigit() else -1,
            attempts=one.picked,
            worker=one.worker or None,
            seconds=one.seconds,
            error_type=said.type if said else one.error or None,
            error_message=_shortened(said.message if said else one.message, _MOST_MESSAGE) or None,
            traceback=said.told if said else None,
            error_place=said.place if said else None,
            source="logs",
        )
        for path in (one.files if whole else [""] * one.failed)
    ]


def _shortened(text: str, most: int) -> str:
    if len(text) <= most:
        return text
    cut = f"[... {len(text) - most:,} of {len(text):,} characters left out; job.logs() has all ...]"
    return f"{text[: most // 2]}\n{cut}\n{text[-most // 2 :]}"


def _below(path: str, known: set[str]) -> str:
    """Return a path as it is called below the input folder, or its last part."""
    parts = path.split("/")
    return next((name for name in ("/".join(parts[at:]) for at in range(len(parts))) if name in known), parts[-1])


class _Names:
    """The input files by their base names, to be found in a text."""

    def __init__(self, names: list[str] | None) -> None:
        self._by_base: dict[str, list[str]] = {}
        for name in names or []:
            self._by_base.setdefault(name.rpartition("/")[2], []).append(name)

    def mentioned(self, text: str) -> list[str]:
        """Return the input files that a text names, each once; a name that several have counts with its folder only."""
        found: dict[str, None] = {}
        for token in re.findall(r"[^\s'\"<>|,;()\[\]]+", text):
            word = token.rstrip(".:")
            same = self._by_base.get(word.rpartition("/")[2], [])
            fitting = same if len(same) == 1 else [name for name in same if word == name or word.endswith("/" + name)]
            if fitting:
                found[max(fitting, key=len)] = None
        return list(found)


def _texts(detail: str) -> Iterator[str]:
    """Yield the texts with a file's look in the JSON of a mini-batch."""
    try:
        waiting = [json.loads(detail)] if detail else []
    except ValueError:
        return
    while waiting:
        one = waiting.pop(0)
        if isinstance(one, str):
            yield one
        elif isinstance(one, dict | list):
            waiting[:0] = one.values() if isinstance(one, dict) else one


def _whole(text: str | None) -> int | None:
    return int(text) if text and text.strip().isdigit() else None


def _seconds(text: str | None) -> float | None:
    try:
        return float(text) if text else None
    except ValueError:
        return None
