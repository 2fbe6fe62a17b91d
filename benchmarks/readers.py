"""The peers at the same work as a job: read many files and give a row for each, in the way their documents show.

From a local folder, or from the blob endpoint through adlfs (fsspec), a mini-batch of files in one concurrent call.

- Ray Data: `read_binary_files(include_paths=True)` and `map_batches` of a function, which Ray joins to one step.
- Dask: `Client.map` over lists of files. joblib: loky, results in the order they come. Plain loop: this process.
"""

from __future__ import annotations

import functools
import importlib
import importlib.util
import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass
from itertools import islice
from typing import Any

from benchmarks import peers, task


@dataclass(frozen=True)
class Source:
    """Where the files are.

    Attributes:
        folder: a local one, or container and prefix.
        connection: connection string of the blob endpoint; None: a local folder.
        workers: processes that read.
        batch: files in a mini-batch.
    """

    folder: str
    connection: str | None
    workers: int
    batch: int

    def files(self) -> Iterator[str]:
        """Yield the files' paths."""
        if self.connection is not None:
            yield from file_system(self.connection).find(self.folder)
            return
        for parent, _, names in os.walk(self.folder):
            for name in names:
                yield f"{parent}/{name}"

    def mini_batches(self) -> Iterator[list[str]]:
        """Yield the files' paths, grouped."""
        files = self.files()
        while group := list(islice(files, self.batch)):
            yield group


Rows = Iterator[list[str]]
Reader = Callable[[Source], AbstractContextManager[Callable[[], Rows]]]
"""Starts the workers; what it gives reads all files once."""


@functools.lru_cache(maxsize=1)
def file_system(connection: str) -> Any:  # noqa: ANN401 - of a library without types
    """Return the blob endpoint as a file system; one a process."""
    library: Any = importlib.import_module("adlfs")
    return library.AzureBlobFileSystem(connection_string=connection)


def read_all(files: Sequence[str], connection: str | None) -> list[str]:
    """Read a mini-batch: a row for each file."""
    if connection is None:
        return task_rows(files)
    contents = file_system(connection).cat(list(files))
    return [task.digest(file, contents[file]) for file in files]


def task_rows(files: Sequence[str]) -> list[str]:
    """Read local files."""
    return [task.read(file) for file in files]


@contextmanager
def plain_loop(source: Source) -> Iterator[Callable[[], Rows]]:
    """One after the other, here."""
    yield lambda: (read_all(group, source.connection) for group in source.mini_batches())


@contextmanager
def joblib(source: Source) -> Iterator[Callable[[], Rows]]:
    """Loky's workers."""
    library: Any = importlib.import_module("joblib")
    parallel = library.Parallel(n_jobs=source.workers, return_as="generator_unordered")
    read = library.delayed(read_all)
    list(parallel(read([], None) for _ in range(source.workers)))
    try:
        yield lambda: parallel(read(group, source.connection) for group in source.mini_batches())
    finally:
        peers.end_joblib()


@contextmanager
def dask(source: Source) -> Iterator[Callable[[], Rows]]:
    """Dask distributed."""
    distributed: Any = importlib.import_module("distributed")

    def rows(client: Any) -> Rows:  # noqa: ANN401 - of a library without types
        groups = list(source.mini_batches())
        futures = client.map(read_all, groups, connection=source.connection, pure=False, key="read")
        finished = distributed.as_completed(futures, with_results=True)
        del futures  # else all results stay in the workers
        for _, found in finished:
            yield found

    with peers.dask_client(source.workers) as client:
        yield lambda: rows(client)


@contextmanager
def ray_data(source: Source) -> Iterator[Callable[[], Rows]]:
    """Ray Data."""
    data: Any = importlib.import_module("ray.data")

    def score(batch: dict[str, Any]) -> dict[str, Any]:
        pairs = zip(batch["path"], batch["bytes"], strict=True)
        return {"row": [task.digest(str(path), content) for path, content in pairs]}

    def rows() -> Rows:
        files = file_system(source.connection) if source.connection else None
        read = data.read_binary_files(source.folder, include_paths=True, filesystem=files)
        scored = read.map_batches(score, batch_size=source.batch, batch_format="numpy")
        for batch in scored.iter_batches(batch_size=None, batch_format="numpy"):
            yield list(batch["row"])

    with peers.ray_cluster(source.workers):
        yield rows


def readers(*, remote: bool = False) -> dict[str, Reader]:
    """Return those that can run here.

    Args:
        remote: from a blob endpoint, for which adlfs is needed.
    """
    all_of_them: dict[str, tuple[str, Reader]] = {
        "Ray Data": ("ray", ray_data),
        "Dask": ("distributed", dask),
        "joblib": ("joblib", joblib),
        "plain loop": ("os", plain_loop),
    }
    if remote and importlib.util.find_spec("adlfs") is None:
        return {}
    return {name: reader for name, (module, reader) in all_of_them.items() if importlib.util.find_spec(module)}


def start_all(names: Sequence[str], source: Source, stack: ExitStack) -> dict[str, Callable[[], Rows]]:
    """Start the workers of each, so that none of that is in the time of the work."""
    found = readers(remote=source.connection is not None)
    return {name: stack.enter_context(found[name](source)) for name in names if name in found}
