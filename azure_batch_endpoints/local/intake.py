"""A job's inputs on their way into its ledger, beside the scoring: what storage lists, or what an earlier job left.

Here: the thread that records them piece by piece, and the stream of mini-batches that follows it. Nothing is held in
memory but one piece, however many inputs there are.
"""

from __future__ import annotations

import threading
from collections.abc import Generator, Iterable, Iterator
from itertools import islice
from typing import TYPE_CHECKING

from azure_batch_endpoints.local.control import JobFailed
from azure_batch_endpoints.local.jobrun import JobRun
from azure_batch_endpoints.local.ledger import CHUNK, Ledger
from azure_batch_endpoints.local.ledger_values import LedgerConflict
from azure_batch_endpoints.local.listing import InputFiles
from azure_batch_endpoints.local.plan import InputItem, MiniBatch

if TYPE_CHECKING:
    from typing_extensions import Self

LOOK_SECONDS = 0.05
"""How long the stream waits for more before it has recorded what there is, and says that there is nothing yet."""
_END_SECONDS = 5.0


class Intake:
    """The intake of one run of a job, to be used in a `with` block: the listing ends with it.

    Inputs that an earlier run of the job has recorded are passed over; when all are recorded nothing is listed.
    """

    def __init__(self, job: JobRun, inputs: InputFiles) -> None:
        self._job, self._inputs = job, inputs
        self._news, self._stop, self._ended = threading.Event(), threading.Event(), threading.Event()
        self._error: BaseException | None = None
        self._lock = threading.Lock()
        self._piece: list[InputItem] = []
        self._thread = threading.Thread(target=self._run, name=f"listing {job.row.name}", daemon=True)

    def __enter__(self) -> Self:
        if self._job.ledger.sealed:
            self._ended.set()
        else:
            self._thread.start()
        return self

    def __exit__(self, *exc_info: object) -> None:
        self._stop.set()
        if self._thread.ident is not None:
            self._thread.join(_END_SECONDS)

    def wait(self) -> None:
        """Wait until there is something to score, or the listing has ended.

        Raises:
            JobFailed: there is nothing to score, or the place cannot be listed.
            Interrupted: the job is to stop.
        """
        for batch in self.pending():
            if batch is not None:
                return

    def pending(self) -> Generator[MiniBatch | None, None, None]:
        """Yield the mini-batches that are not finished, in plan order, as they are listed; None for "not yet".

        Raises:
            JobFailed, BatchEndpointsError, LedgerConflict: the listing ended so.
            Interrupted: the job is to stop.
        """
        after, ended = -1, False
        while not ended:
            ended = self._ended.is_set()  # looked at first: what was recorded until then is yielded below
            for batch in self._job.ledger.pending(after):
                after = batch.number
                yield batch
            if ended and self._error is not None:
                raise self._error
            if not ended and not self._news.wait(LOOK_SECONDS):
                self._job.patience.check()
                self._write()
                yield None
            self._news.clear()

    # ------------------------------------------------------------------ the listing's thread

    def _run(self) -> None:
        try:
            self._record(_entries(self._job, self._inputs))
        except BaseException as error:  # noqa: BLE001 - raised again where the mini-batches are taken
            self._error = error
        finally:
            self._ended.set()
            self._news.set()

    def _record(self, items: Iterable[InputItem]) -> None:
        job = self._job
        for item in items:
            if self._stop.is_set():
                return
            with self._lock:
                self._piece.append(item)
            if len(self._piece) >= CHUNK:
                self._write()
        self._write()
        job.patience.room(job.ledger.seal)
        listed = job.ledger.listed
        job.logs.controller(f"{listed} input {'file' if listed == 1 else 'files'}.")

    def _write(self) -> None:
        """Record what is listed; the stream does it, too, when it has nothing left and the listing is slow."""
        self._job.patience.check()
        with self._lock:
            piece, self._piece = self._piece, []
            if piece:
                self._job.patience.room(lambda: self._job.ledger.add_inputs(piece))
                self._news.set()


def _entries(job: JobRun, inputs: InputFiles) -> Iterator[InputItem]:
    """Yield all inputs of a job, numbered from 0."""
    request = job.row.request
    if request.retry_of is None:
        return (InputItem(index, *entry) for index, entry in enumerate(inputs))
    items = _again(job, inputs, request.retry_of, request.retry_child, pending=request.retry_pending)
    return (
        InputItem(index, item.path, item.source, item.size, item.origin) for index, item in enumerate(_some(job, items))
    )


def _again(job: JobRun, inputs: InputFiles, earlier: str, child: str | None, *, pending: bool) -> Iterator[InputItem]:
    """Yield the inputs of an earlier job that failed and, when asked for, those that were never scored.

    Of a job that was stopped before all its inputs were recorded, the rest is taken from where that job took them.

    Raises:
        LedgerConflict: its account is gone.
        JobFailed: the input has changed since it was stopped.
    """
    path = job.parts.settings.job_folder(earlier) / "ledger.sqlite"
    if not path.exists():
        if not pending:  # failures were recorded there when it was asked for them
            raise LedgerConflict(f"The account of job '{earlier}' is gone.")
        yield from _anew(inputs)  # it was stopped before it began
        return
    with Ledger(path) as ledger:
        ledger.require_child(earlier, child)
        yield from ledger.unfinished(include_pending=pending)
        if not pending or ledger.sealed:
            return
        listed, facts = ledger.listed, ledger.facts()
        last = ledger.inputs(listed - 1, listed - 1)
    before = facts.get("retry_of")
    also = facts.get("retry_pending") == "true"
    rest = _anew(inputs) if before is None else _again(job, inputs, before, facts.get("retry_child"), pending=also)
    if last and [item.path for item in islice(rest, listed - 1, listed)] != [last[0][0]]:  # else some would come twice
        raise JobFailed(
            f"The input has changed since job '{earlier}' was stopped while it listed its files: number {listed} was "
            f"'{last[0][0]}'. Retry only what failed (include_pending=False), or invoke the deployment anew."
        )
    yield from rest


def _anew(inputs: InputFiles) -> Iterator[InputItem]:
    return (InputItem(index, *entry, index) for index, entry in enumerate(inputs))


def _some(job: JobRun, items: Iterator[InputItem]) -> Iterator[InputItem]:
    first = next(items, None)
    if first is None:
        raise JobFailed(
            f"Job '{job.row.request.retry_of}' has no input left to score again. Invoke the deployment anew."
        )
    yield first
    yield from items
