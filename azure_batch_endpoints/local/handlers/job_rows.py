"""The rows of a job's output: how many stand together, of which kind they are, and which files they came of."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import ExitStack
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from azure_batch_endpoints.local.context import ServiceContext
from azure_batch_endpoints.local.exchange import WORKSPACE, Call, Entry, Reply
from azure_batch_endpoints.local.faults import ServiceFault, bad_request
from azure_batch_endpoints.local.handlers.jobs import find, ledger_of
from azure_batch_endpoints.local.handlers.paging import listed
from azure_batch_endpoints.local.job import JobRow
from azure_batch_endpoints.local.ledger_values import LedgerConflict
from azure_batch_endpoints.local.merging import RowRun, Scored, chain_of, counts_rows, merged_runs, own_runs

if TYPE_CHECKING:
    from azure_batch_endpoints.local.engines.base import RowFormat

_FILES = ("own", "partial", "merged")
"""The output file, the one under `partial/`, which has the same rows in the same order, and the one under `merged/`."""
_MOST = 10_000
"""Rows, or files, after which an entry or an answer is long enough."""
_MOST_ENTRIES = 1000


@dataclass
class _Block:
    """Runs of one format put together."""

    row_format: RowFormat | None
    rows: int = 0
    size: int = 0
    paths: list[str] = field(default_factory=list)
    sources: list[int] | None = field(default_factory=list)

    def body(self, *, sources: bool) -> dict[str, Any]:
        found: dict[str, Any] = {"rows": self.rows, "bytes": self.size}
        found["format"] = None if self.row_format is None else asdict(self.row_format)
        if sources:
            plain = self.sources == list(range(self.rows)) and self.rows == len(self.paths)
            found |= {"files": self.paths, "sources": [] if plain else self.sources}
        return found


def rows(call: Call) -> Reply:
    """Answer with runs of a job's rows, in the order of the file that ``of`` names.

    With ``sources=true`` each has its ``files`` and for each row the place of its file in them: an empty list when row
    i is of file i, a single place when that holds for every row, -1 for a row of which it is not known, null when it is
    known of none.
    """
    row, of = find(call.context, call.names["job"]), call.query.get("of") or "own"
    if of not in _FILES:
        raise bad_request(f"A job has no rows '{of}'. Use one of: {', '.join(_FILES)}.")
    sources = call.query.get("sources", "").lower() == "true"
    after = -1 if call.cursor is None else call.cursor
    with ExitStack() as stack:
        try:
            blocks, cursor = _page(_runs(call.context, row, of, after, stack), sources=sources)
        except (LedgerConflict, FileNotFoundError) as error:
            text = f"It is not known any more which rows of job '{row.name}' came of which files: {error}"
            raise ServiceFault(404, "LedgerGone", f"{text} Read the output itself.") from error
    return listed(call, [block.body(sources=sources) for block in blocks], cursor)


def _runs(context: ServiceContext, row: JobRow, of: str, after: int, stack: ExitStack) -> Iterator[RowRun]:
    ledger = ledger_of(context, row.name)
    if ledger is None:
        return iter(())
    scored = Scored(stack.enter_context(ledger), _folder(context, row.name) / "parts")
    if of != "merged":
        return own_runs(scored, after)
    request = row.request
    if request.retry_of is None:
        text = f"Job '{row.name}' retries no other job, so it has no merged rows. Ask for its own rows."
        raise ServiceFault(404, "NotFound", text)
    before = chain_of(request.retry_of, lambda name: _folder(context, name), stack, request.retry_child)
    return merged_runs([*before, scored], after)


def _folder(context: ServiceContext, job: str) -> Path:
    return context.settings.job_folder(job)


def _page(runs: Iterable[RowRun], *, sources: bool) -> tuple[list[_Block], int | None]:
    """Return the blocks of one answer, and the key of its last run when there are more."""
    blocks: list[_Block] = []
    last = told = 0
    for run in runs:
        full = len(blocks) > _MOST_ENTRIES or (sources and told >= _MOST)
        if full and run.key != last:
            return blocks, last
        places = _places(run) if sources else []
        joins = bool(blocks) and _joins(blocks[-1], run, places, sources=sources)
        if not joins:
            blocks.append(_Block(run.row_format))
        _add(blocks[-1], run, places, sources=sources)
        last, told = run.key, told + max(run.part.rows, len(run.paths))
    return blocks, None


def _places(run: RowRun) -> list[int] | None:
    """Return for each row the place of its file; or a single one for all when rows may be several lines."""
    if run.sources == ():
        return list(range(run.part.rows))
    if run.sources is not None and len(run.sources) == 1 and run.row_format and run.row_format.kind == "dataframe":
        return list(run.sources) * run.part.rows
    return None if run.sources is None else list(run.sources)


def _joins(block: _Block, run: RowRun, places: list[int] | None, *, sources: bool) -> bool:
    if block.row_format != run.row_format or counts_rows(run.row_format):
        return False
    if not sources:
        return True
    told = block.sources is not None and len(block.sources) == block.rows and places is not None
    return told and len(places or ()) == run.part.rows and max(block.rows, len(block.paths)) < _MOST


def _add(block: _Block, run: RowRun, places: list[int] | None, *, sources: bool) -> None:
    block.rows += run.part.rows
    block.size += run.part.length
    if not sources:
        return
    first = len(block.paths)
    block.paths += run.paths
    if places is None:
        block.sources = None
    elif block.sources is not None:
        block.sources += [place if place < 0 else first + place for place in places]


ENTRIES = (Entry("GET", WORKSPACE + "/jobs/{job}/rows", rows),)
