"""The contract of a scoring engine: its values, its errors and the protocol itself.

Here: frozen values that go into an engine and come out of it. Not here: processes, files, state.
"""

from __future__ import annotations

import sys
import threading
from collections.abc import Generator, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, Protocol

from azure_batch_endpoints.local.plan import InputItem

OutcomeStatus = Literal["succeeded", "partial", "failed"]


@dataclass(frozen=True, slots=True)
class Failure:
    """Why a mini-batch, or a worker's start, failed."""

    type: str
    """The user's exception class ("KeyError"), or Timeout, WorkerDied, MemoryLimit, ShortReturn, WrongReturnType,
    RowsNotWritten."""
    message: str
    traceback: str | None = None
    """As Python prints it, without the worker's own frames; for a time-out or a crash the stacks of that moment."""
    file: str | None = None
    """The user's file, relative to the code folder; None when no frame of the user's code is known."""
    line: int | None = None

    @property
    def place(self) -> str:
        """Where in the user's code, as "score.py:31"; "" when unknown."""
        if self.file is None:
            return ""
        return self.file if self.line is None else f"{self.file}:{self.line}"

    @property
    def summary(self) -> str:
        """One line: "KeyError: 'age' in score.py:31"."""
        first_line = self.message.strip().split("\n", 1)[0]
        what = f"{self.type}: {first_line}" if first_line else self.type
        return f"{what} in {self.place}" if self.place else what


@dataclass(frozen=True, slots=True)
class Part:
    """The rows of one mini-batch: a range of bytes in a worker's segment file.

    A worker appends the rows of all its mini-batches to one file, so a job of a million mini-batches makes a few files.
    A range counts only once the ledger holds it: what a killed worker left behind is never read.
    """

    file: str
    """Name of the segment within the parts folder."""
    offset: int
    """Bytes from the start of the segment."""
    length: int
    """Bytes."""
    rows: int
    """Rows as `run()` returned them: len(result)."""


@dataclass(frozen=True, slots=True)
class RowFormat:
    """What kind of rows a `run()` returned."""

    kind: Literal["list", "dataframe"]
    columns: tuple[tuple[str | int, str], ...] = ()
    """(name, dtype) of each column, left to right, as the worker's `columns_of` says."""


@dataclass(frozen=True, slots=True)
class Try:
    """One call of `run()`, or its loss, that failed."""

    number: int
    """From 1, within its mini-batch or piece."""
    worker: str | None
    seconds: float
    failure: Failure
    started: float | None = field(default=None, compare=False)
    """Unix time at which it began; None: not known."""


@dataclass(frozen=True, slots=True)
class Piece:
    """Some files of a mini-batch that was split (`isolate_failures`): what became of them, as of a mini-batch."""

    first: int
    """`InputItem.index` of its first file; a piece is made of files that follow each other in the mini-batch."""
    last: int
    """`InputItem.index` of its last file."""
    failed: tuple[int, ...]
    """`InputItem.index` of each file that failed, ascending."""
    attempts: int
    """Calls of `run()` with these files in all, those of the larger pieces they were in included."""
    worker: str | None
    seconds: float
    rows: int = 0
    part: Part | None = None
    row_format: RowFormat | None = None
    sources: tuple[int, ...] | None = None
    """As in `Outcome`, counted from the piece's first file."""
    failure: Failure | None = None
    started: float | None = field(default=None, compare=False)
    """As in `Outcome`."""


@dataclass(frozen=True, slots=True)
class StagedBatch:
    """A mini-batch whose files are on this machine."""

    number: int
    items: tuple[InputItem, ...]
    files: tuple[str, ...]
    """Absolute paths, parallel to `items`."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of one mini-batch."""

    number: int
    status: OutcomeStatus
    """Partial: fewer rows than files came back on the last try; the rows count, the missing files failed."""
    items: int
    """Input files of the mini-batch."""
    failed: tuple[int, ...]
    """`InputItem.index` of each file that failed, ascending."""
    attempts: int
    """Tries made, the last one included; 0 when it never reached a worker."""
    worker: str | None
    """Name of the worker of the last try, e.g. "process003"."""
    seconds: float
    """The last try's `run()` and the writing of its rows, by the worker's clock (a killed one: by the engine's)."""
    rows: int = 0
    part: Part | None = None
    """None for `summary_only` and when nothing came back."""
    row_format: RowFormat | None = None
    failure: Failure | None = None
    sources: tuple[int, ...] | None = None
    """For each row, the place in the mini-batch (from 0) of the file it came from; `()`: row i is of file i; None: not
    known. What the worker saw, see `worker.sources_of`."""
    tries: tuple[Try, ...] = ()
    """Every try that failed, the last one included, pieces' too, in the order they ended."""
    pieces: tuple[Piece, ...] = ()
    """By `first`, when the mini-batch was split; then `part`, `row_format`, `sources` and `failure` are the pieces',
    while `failed`, `rows`, `seconds` and `attempts` (the most of any piece) sum them up."""
    memory: int | None = None
    """Bytes the worker of the last try had held at most by then; None when it did not tell."""
    started: float | None = field(default=None, compare=False)
    """Unix time at which the last try began; None when it never reached a worker."""

    @property
    def succeeded(self) -> int:
        """Input files that succeeded."""
        return self.items - len(self.failed)


@dataclass(frozen=True, slots=True)
class WorkerSetup:
    """What a worker process runs and where."""

    code_dir: Path
    """First on the script's `sys.path`."""
    script: str
    """The scoring script, relative to `code_dir`."""
    output_dir: Path
    """AZUREML_BI_OUTPUT_PATH."""
    parts_dir: Path
    """Where workers write their rows; made when missing."""
    model_dir: Path | None = None
    """AZUREML_MODEL_DIR; None leaves it unset."""
    python: str = sys.executable
    """The interpreter; Python 3.7 or later."""
    cwd: Path | None = None
    """Working folder of the script; None: `code_dir`."""
    output_action: Literal["append_row", "summary_only"] = "append_row"
    logging_level: str = "info"
    arguments: tuple[str, ...] = ()
    """More of `sys.argv`, after `--logging_level <level>`."""
    environment: Mapping[str, str] = field(default_factory=dict)
    """Laid over this process's environment variables."""
    hidden: frozenset[str] = frozenset()
    """Environment variables of this process that the user's script must not see."""


@dataclass(frozen=True, slots=True)
class Limits:
    """How many workers, and how long and how often they may try. Times are seconds."""

    workers: int = 1
    timeout: float = 30.0
    """For one `run(mini_batch)` with the writing of its rows; the worker is killed when it is over."""
    max_tries: int = 3
    """Tries in all for one mini-batch, at least 1: what `max_retries` of a deployment is taken to mean."""
    memory: int | None = None
    """Bytes that one worker and what it started may hold; a worker above it is killed. None: any."""
    isolate: bool = False
    """Whether a mini-batch that failed on its last try is split until the files that fail are found."""
    init_timeout: float | None = None
    """From the start of the process to the end of `init()`; None: 3 * timeout + 30, as ParallelRunStep does."""
    ahead: int | None = None
    """Staged mini-batches that may wait for a worker; None: 4 * workers, at least 64."""
    group_seconds: float = 0.1
    """Longest time an outcome waits for others to be handed over with."""
    group_size: int = 512
    """Most outcomes handed over at once."""
    shutdown_seconds: float = 5.0
    """What a worker has at the end of the work for `shutdown()` and exit handlers."""


class EngineError(Exception):
    """The scoring script cannot be run at all; `failure` says why."""

    def __init__(self, message: str, failure: Failure) -> None:
        super().__init__(message)
        self.failure = failure


class ScriptInvalid(EngineError):
    """The scoring script has a syntax error, or no `init` or `run` to call."""


class InitFailed(EngineError):
    """No worker gets through loading the script and `init()`, or the interpreter does not start."""


class Engine(Protocol):
    """Runs mini-batches in workers of its own."""

    def run(
        self, batches: Iterable[StagedBatch], cancel: threading.Event | None = None
    ) -> Generator[tuple[Outcome, ...], None, None]:
        """Score `batches`, pulled lazily, and yield what became of them in groups, in the order they finish.

        Each mini-batch is in exactly one group, unless the run is cancelled or closed. When this ends no process is
        left.

        Raises:
            ScriptInvalid: the scoring script cannot be used.
            InitFailed: workers do not get through `init()`.
        """
        ...
