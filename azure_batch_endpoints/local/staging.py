"""A job's input files on this machine: brought a bounded window ahead of the workers, taken away behind them.

Copies where the store is on this disk, downloads elsewhere; the bucket knows, and waits for its store and for room on
the disk. Where a file lies: `berths`. Code and models: `asset_cache`.
"""

from __future__ import annotations

import shutil
import threading
import time
from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from azure_batch_endpoints.errors import BatchEndpointsError, LocalPathError
from azure_batch_endpoints.local.berths import Berths
from azure_batch_endpoints.local.buckets import Bucket
from azure_batch_endpoints.local.engines.base import Failure, Outcome, StagedBatch
from azure_batch_endpoints.local.patience import Patience
from azure_batch_endpoints.local.plan import InputItem, MiniBatch

MOST_BYTES = 4 << 30
"""Bytes that are staged at once, at most, and never more than a quarter of what is free; one mini-batch always is."""
TELL_SECONDS = 0.2
"""Between two tellings of mini-batches without files."""
_THREADS = "staging"
TOGETHER = 8
"""Files that one thread brings in a row, where several do."""


@dataclass(frozen=True)
class _Coming:
    """A mini-batch on its way."""

    batch: MiniBatch
    parts: tuple[Future[list[str]], ...]
    """The files, some in each; none where no threads are used."""


class Staging:
    """The staged inputs of one job.

    Args:
        folder: takes the files, named by their paths below the input folder; leftovers in it are removed.
        bucket: where they are.
        patience: of the job.
        unavailable: takes the outcomes of mini-batches whose files could not be had; called from the thread that takes
            the mini-batches.
        window: mini-batches that are brought at once, at most; staged ones that wait come on top of it.
        most_bytes: staged at once; None: `MOST_BYTES`.
    """

    def __init__(
        self,
        folder: Path,
        bucket: Bucket,
        patience: Patience,
        unavailable: Callable[[Sequence[Outcome]], None],
        *,
        window: int,
        most_bytes: int | None = None,
    ) -> None:
        shutil.rmtree(folder, ignore_errors=True)
        patience.room(lambda: folder.mkdir(parents=True, exist_ok=True))  # a script may have locked a folder in it
        self._most = MOST_BYTES if most_bytes is None else most_bytes
        self._folder, self._bucket, self._patience, self._unavailable = folder, bucket, patience, unavailable
        self._window = window if bucket.parallel else 1
        self._berths = Berths(folder)
        self._changed = threading.Condition()
        self._staged: dict[int, StagedBatch] = {}
        self._held: dict[int, int] = {}
        self._failed: list[Outcome] = []
        self._tell_at = 0.0

    @property
    def held(self) -> tuple[int, int]:
        """How many mini-batches are on this machine or on their way, and their bytes."""
        with self._changed:
            return len(self._held), sum(self._held.values())

    def batches(self, pending: Iterable[MiniBatch | None]) -> Generator[StagedBatch, None, None]:
        """Yield the mini-batches in their order as their files arrive.

        One whose files cannot be had is left out and told to `unavailable`.

        Args:
            pending: what is to be staged; None stands for "not yet": what is under way is handed over meanwhile.

        Raises:
            Interrupted: the job is to stop.
            OSError: this machine's disk cannot take the files.
        """
        pool = ThreadPoolExecutor(self._bucket.parallel, _THREADS) if self._bucket.parallel else None
        coming: deque[_Coming] = deque()
        try:
            for batch in pending:
                if batch is not None:
                    while coming and self._is_full(batch):
                        yield from self._arrived(coming.popleft())
                    self._wait_until_evicted(batch)
                    coming.append(self._begin(batch, pool))
                while coming and (batch is None or len(coming) >= self._window):
                    yield from self._arrived(coming.popleft())
                self._tell_failed()
            while coming:
                yield from self._arrived(coming.popleft())
            self._tell_failed(at_once=True)
        finally:
            if pool is not None:
                pool.shutdown(wait=False, cancel_futures=True)  # those under way look whether the job is to stop

    def evict(self, numbers: Iterable[int]) -> None:
        """Remove the files of finished mini-batches."""
        for number in numbers:
            with self._changed:
                staged = self._staged.pop(number, None)
            if staged is not None:
                self._remove(staged, staged.files)

    def close(self) -> None:
        """Remove everything."""
        shutil.rmtree(self._folder, ignore_errors=True)

    # ------------------------------------------------------------------ the window

    def _is_full(self, batch: MiniBatch) -> bool:
        number, held = self.held
        room = shutil.disk_usage(self._folder).free + held
        return number > 0 and held + _size(batch) > min(self._most, room // 4)

    def _wait_until_evicted(self, batch: MiniBatch) -> None:
        while self._is_full(batch):
            self._patience.check()
            with self._changed:
                self._changed.wait(0.1)

    def _remove(self, batch: MiniBatch | StagedBatch, files: Iterable[str]) -> None:
        self._berths.leave(batch.items, files)
        with self._changed:
            self._held.pop(batch.number, None)
            self._changed.notify_all()

    def _tell_failed(self, *, at_once: bool = False) -> None:
        now = time.monotonic()
        if self._failed and (at_once or now >= self._tell_at):
            failed, self._failed, self._tell_at = self._failed, [], now + TELL_SECONDS
            self._unavailable(failed)

    # ------------------------------------------------------------------ one mini-batch

    def _begin(self, batch: MiniBatch, pool: ThreadPoolExecutor | None) -> _Coming:
        with self._changed:
            self._held[batch.number] = _size(batch)
        if pool is None:
            return _Coming(batch, ())
        pieces = (batch.items[place : place + TOGETHER] for place in range(0, len(batch.items), TOGETHER))
        return _Coming(batch, tuple(pool.submit(self._bring_all, piece) for piece in pieces))

    def _arrived(self, coming: _Coming) -> Iterator[StagedBatch]:
        batch = coming.batch
        files: list[str] = []
        try:
            if coming.parts:
                files = [file for part in coming.parts for file in self._patience.result(part)]
            else:
                files = self._bring_all(batch.items)
        except LocalPathError:  # this machine's disk, which no other mini-batch will find better
            raise
        except BatchEndpointsError as error:
            self._give_up(coming, error)
            return
        staged = StagedBatch(batch.number, batch.items, tuple(files))
        with self._changed:
            self._staged[batch.number] = staged
        yield staged

    def _bring_all(self, items: Sequence[InputItem]) -> list[str]:
        files: list[str] = []
        try:
            for item in items:
                self._patience.check()
                files.append(self._berths.fill(item, self._fetch))
        except BaseException:
            self._berths.leave(items, files)
            raise
        return files

    def _fetch(self, item: InputItem, dest: str) -> None:
        self._bucket.fetch(item.source, Path(dest))

    def _give_up(self, coming: _Coming, error: BatchEndpointsError) -> None:
        batch = coming.batch
        for place, part in enumerate(coming.parts):
            with suppress(BatchEndpointsError):
                brought = self._patience.result(part)
                self._berths.leave(batch.items[place * TOGETHER :], brought)
        indices = tuple(item.index for item in batch.items)
        failure = Failure("InputUnavailable", str(error))
        self._failed.append(Outcome(batch.number, "failed", len(indices), indices, 0, None, 0.0, failure=failure))
        self._remove(batch, ())


def staging_ended(seconds: float) -> bool:
    """Return whether no transfer of a job that has ended goes on, after waiting so long for those that do.

    Python would wait at the end of the process for one that hangs, since it is no daemon.
    """
    until = time.monotonic() + seconds
    transfers = [thread for thread in threading.enumerate() if thread.name.startswith(f"{_THREADS}_")]
    for thread in transfers:
        thread.join(max(0.0, until - time.monotonic()))
    return not any(thread.is_alive() for thread in transfers)


def _size(batch: MiniBatch) -> int:
    return sum(item.size for item in batch.items)
