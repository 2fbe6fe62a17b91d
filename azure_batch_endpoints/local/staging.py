"""A job's input files on this machine: brought a bounded window ahead of the workers, taken away behind them.

Copies where the store is on this disk, downloads elsewhere; the bucket knows. Code and models: `asset_cache`.
"""

from __future__ import annotations

import errno
import shutil
import threading
import unicodedata
from collections import deque
from collections.abc import Generator, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

from tenacity import (
    Retrying,
    retry_if_exception_type,
    sleep_using_event,
    stop_after_delay,
    stop_when_event_set,
    wait_exponential,
)

from azure_batch_endpoints.errors import (
    BatchEndpointsError,
    LocalPathError,
    ServerError,
    TooManyRequestsError,
    TransportError,
)
from azure_batch_endpoints.local.buckets import Bucket
from azure_batch_endpoints.local.engines.base import Failure, Outcome, StagedBatch
from azure_batch_endpoints.local.paths import inside, set_aside
from azure_batch_endpoints.local.plan import InputItem, MiniBatch

STORE_SECONDS = 60.0
"""How long a store that does not answer is waited for before a mini-batch is given up."""
_THREADS = 4


class Staging:
    """The staged inputs of one job.

    Args:
        folder: takes the files, named by their paths below the input folder; leftovers in it are removed.
        bucket: where they are.
        window: mini-batches that are brought at once, at most; staged ones that wait come on top of it.
        cancel: stops waiting for a store that does not answer.
    """

    def __init__(self, folder: Path, bucket: Bucket, *, window: int, cancel: threading.Event) -> None:
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        self._folder = folder
        self._bucket = bucket
        self._window = window
        self._lock = threading.Lock()
        self._staged: dict[int, StagedBatch] = {}
        self._taken: dict[str, int] = {}
        self._folds_case = (folder.parent / folder.name.swapcase()).exists()
        self._failed: list[Outcome] = []
        self._patiently = Retrying(
            retry=retry_if_exception_type((TransportError, ServerError, TooManyRequestsError)),
            stop=stop_after_delay(STORE_SECONDS) | stop_when_event_set(cancel),
            wait=wait_exponential(0.1, max=5),
            sleep=sleep_using_event(cancel),
            reraise=True,
        )

    def batches(self, pending: Iterable[MiniBatch]) -> Generator[StagedBatch, None, None]:
        """Yield the mini-batches in their order as their files arrive.

        One whose files cannot be had is left out and found in :meth:`take_failed`.

        Raises:
            OSError: this machine's disk cannot take the files.
        """
        pool = ThreadPoolExecutor(_THREADS, thread_name_prefix="staging")
        coming: deque[Future[StagedBatch | None]] = deque()
        try:
            for batch in pending:
                coming.append(pool.submit(self._stage, batch))
                if len(coming) >= self._window:
                    yield from _arrived(coming.popleft())
            while coming:
                yield from _arrived(coming.popleft())
        finally:
            pool.shutdown(wait=False, cancel_futures=True)  # a download that hangs must not keep a cancelled job

    def take_failed(self) -> tuple[Outcome, ...]:
        """Return the outcomes of mini-batches whose files could not be had, each once."""
        with self._lock:
            failed, self._failed = tuple(self._failed), []
        return failed

    def evict(self, numbers: Iterable[int]) -> None:
        """Remove the files of finished mini-batches."""
        for number in numbers:
            with self._lock:
                staged = self._staged.pop(number, None)
            if staged is None:
                continue
            for file in staged.files:
                Path(file).unlink(missing_ok=True)  # the script may have moved or removed it
            self._release(staged.items)

    def close(self) -> None:
        """Remove everything."""
        shutil.rmtree(self._folder, ignore_errors=True)

    def _stage(self, batch: MiniBatch) -> StagedBatch | None:
        files: list[str] = []
        try:
            for item in batch.items:
                files.append(str(self._patiently(self._bring, item)))
        except LocalPathError:  # this machine's disk, which no other mini-batch will find better
            raise
        except BatchEndpointsError as error:
            self._give_up(batch, error)
            return None
        staged = StagedBatch(batch.number, batch.items, tuple(files))
        with self._lock:
            self._staged[batch.number] = staged
        return staged

    def _bring(self, item: InputItem) -> Path:
        dest, aside = inside(self._folder, item.path), set_aside(self._folder, item.index, item.path)
        with self._lock:
            first = self._taken.setdefault(self._key(dest), item.index)
        if first != item.index:
            return self._fetched(item, aside)
        try:
            return self._fetched(item, dest)
        except (FileExistsError, NotADirectoryError, IsADirectoryError, LocalPathError):
            # Blobs 'a' and 'a/b' may both exist; a download over HTTP says so as LocalPathError.
            return self._fetched(item, aside)
        except OSError as error:
            if error.errno != errno.ENAMETOOLONG:
                raise
            return self._fetched(item, aside)

    def _release(self, items: Iterable[InputItem]) -> None:
        keys = [(self._key(inside(self._folder, item.path)), item.index) for item in items]
        with self._lock:
            for key, index in keys:
                if self._taken.get(key) == index:
                    del self._taken[key]

    def _key(self, path: Path) -> str:
        """What the file system tells files by: some take 'A' and 'a', or two spellings of 'ä', for one name."""
        return unicodedata.normalize("NFC", str(path)).casefold() if self._folds_case else str(path)

    def _fetched(self, item: InputItem, dest: Path) -> Path:
        dest.parent.mkdir(parents=True, exist_ok=True)
        self._bucket.fetch(item.source, dest)
        dest.chmod(0o444)  # as Azure mounts inputs; a second try finds what the first one found
        return dest

    def _give_up(self, batch: MiniBatch, error: BatchEndpointsError) -> None:
        indices = tuple(item.index for item in batch.items)
        failure = Failure("InputUnavailable", str(error))
        outcome = Outcome(batch.number, "failed", len(indices), indices, 0, None, 0.0, failure=failure)
        with self._lock:
            self._failed.append(outcome)
        self._release(batch.items)


def _arrived(future: Future[StagedBatch | None]) -> Iterator[StagedBatch]:
    batch = future.result()
    if batch is not None:
        yield batch
