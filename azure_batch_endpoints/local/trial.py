"""A few local files scored by one worker, without service, store or job: what ``DeploymentSpec.dry_run`` runs."""

from __future__ import annotations

import shutil
import time
from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from azure_batch_endpoints.checks import lies_inside
from azure_batch_endpoints.items import ItemOutcome
from azure_batch_endpoints.local import explain, mlflow_driver
from azure_batch_endpoints.local.engines.base import EngineError, Failure, Limits, Outcome, StagedBatch, WorkerSetup
from azure_batch_endpoints.local.engines.memory import fair_share
from azure_batch_endpoints.local.engines.process import ProcessEngine
from azure_batch_endpoints.local.logfiles import JobLogs
from azure_batch_endpoints.local.plan import number_inputs, plan

if TYPE_CHECKING:
    from azure_batch_endpoints.specs import RunSettings

LINKED = 64 << 20
"""Bytes from which on a file is linked to instead of copied."""
ALONE_SECONDS = 20.0
"""Once the mini-batches took longer than this, no file is scored by itself any more."""
_MOST_PRINTED = 20_000
Files = Sequence[tuple[str, Path]]
"""Names with ``/``, relative to a folder, and where each file is."""


@dataclass(frozen=True)
class Trial:
    """What to try.

    Attributes:
        code: folder of the scoring script; None: the driver of MLflow models.
        script: the script, relative to it.
        code_files: what is uploaded of it.
        model: file or folder of the model.
        model_files: what is uploaded of it, each name beginning with the model's own.
        inputs: the files to score.
        settings: the deployment's.
        folder: an empty folder to work in.
    """

    code: Path | None
    script: str
    code_files: Files
    model: Path
    model_files: Files
    inputs: Files
    settings: RunSettings
    folder: Path


@dataclass(frozen=True)
class TrialResult:
    """What came of it.

    Attributes:
        outcomes: of each file in mini-batches as a job makes them, in order.
        alone: of each file in a mini-batch of its own after that, in order; as far as it was done.
        mini_batches: files and seconds of each mini-batch that succeeded, in order.
        init_seconds: from the start of the worker's process to the end of ``init()``.
        peak_memory: bytes the worker held at most; None when it did not tell.
        usable_memory: bytes this machine has for workers.
        rows: rows that came back for the files together, in the mini-batches that succeeded.
        text: the rows.
        runs: rows, bytes and kind of the text, mini-batch by mini-batch.
        printed: what the script wrote to stdout and stderr, the last of it.
        script_error: why the script cannot run at all, or None.
        line: line of that in the script, or None.
    """

    outcomes: tuple[ItemOutcome, ...] = ()
    alone: tuple[ItemOutcome, ...] = ()
    mini_batches: tuple[tuple[int, float], ...] = ()
    init_seconds: float = 0.0
    peak_memory: int | None = None
    usable_memory: int | None = None
    rows: int = 0
    text: bytes = b""
    runs: tuple[tuple[int, int, dict[str, Any] | None], ...] = ()
    printed: str = ""
    script_error: str | None = None
    line: int | None = None


def score(trial: Trial) -> TrialResult:
    """Score the files in mini-batches as a job would, each tried once, then each file by itself."""
    if trial.code is not None and not lies_inside(trial.code, trial.script):
        return TrialResult(script_error=explain.script_outside(trial.script))
    setup = _setup(trial)
    together = list(_batches(trial, trial.settings.mini_batch_size, 0))
    single = [] if all(len(one.items) == 1 for one in together) else list(_batches(trial, 1, len(together)))
    logs = JobLogs(trial.folder / "run")
    limits = Limits(
        workers=1, timeout=trial.settings.retry_settings.timeout, max_tries=1, memory=fair_share(1), group_seconds=0.0
    )
    began = time.monotonic()
    ready: float | None = None
    outcomes: dict[int, Outcome] = {}
    try:
        with closing(ProcessEngine(setup, limits, logs).run([*together, *single])) as groups:
            for outcome in (one for group in groups for one in group):
                if ready is None:
                    ready = time.monotonic() - began - outcome.seconds
                outcomes[outcome.number] = outcome
                spent = sum(one.seconds for one in outcomes.values())
                if len(outcomes) >= len(together) and spent > ALONE_SECONDS:
                    break
    except EngineError as error:
        told = error.failure.traceback or error.failure.message
        text = _as_yours(f"{error}\n{told}".rstrip(), trial)
        return TrialResult(script_error=text, line=error.failure.line)
    finally:
        logs.close()
    return _result(trial, (together, single), outcomes, max(0.0, ready or 0.0))


def _setup(trial: Trial) -> WorkerSetup:
    """Put copies of everything in place, so that whatever the script does to them is undone with the folder."""
    code, model, output = (trial.folder / name for name in ("code", "model", "output"))
    script = trial.script
    _place(trial.code_files, code)
    _place(trial.model_files, model)
    _place(trial.inputs, trial.folder / "inputs")
    if trial.code is None:
        driver = Path(mlflow_driver.__file__)
        shutil.copyfile(driver, code / driver.name)
        script = driver.name
    output.mkdir()
    return WorkerSetup(
        code_dir=code,
        script=script,
        model_dir=model,
        output_dir=output,
        parts_dir=trial.folder / "parts",
        output_action=trial.settings.output_action,
        logging_level=trial.settings.logging_level,
        environment=trial.settings.environment_variables,
    )


def _place(files: Files, folder: Path) -> None:
    folder.mkdir()
    for name, path in files:
        target = folder / name
        target.parent.mkdir(parents=True, exist_ok=True)
        if path.stat().st_size < LINKED:
            shutil.copy(path, target)
        else:
            target.symlink_to(path.absolute())


def _batches(trial: Trial, size: int, first: int) -> Iterator[StagedBatch]:
    """Make mini-batches of some files each, numbered from ``first``."""
    sources = ((name, name, path.stat().st_size) for name, path in trial.inputs)
    folder = (trial.folder / "inputs").absolute()
    for one in plan(number_inputs(sources), size):
        yield StagedBatch(first + one.number, one.items, tuple(str(folder / item.path) for item in one.items))


def _result(
    trial: Trial,
    batches: tuple[list[StagedBatch], list[StagedBatch]],
    outcomes: dict[int, Outcome],
    init_seconds: float,
) -> TrialResult:
    together, single = batches
    done = [outcomes[one.number] for one in together if one.number in outcomes]
    good = [one for one in done if not one.failed]
    parts = [(one, _rows(one, trial.folder / "parts")) for one in done if one.part is not None]
    return TrialResult(
        outcomes=tuple(_items(trial, together, outcomes)),
        alone=tuple(_items(trial, single, outcomes)),
        mini_batches=tuple((one.items, one.seconds) for one in good),
        init_seconds=init_seconds,
        peak_memory=max((one.memory for one in outcomes.values() if one.memory), default=None),
        usable_memory=fair_share(1),
        rows=sum(one.rows for one in good),
        text=b"".join(text for _, text in parts),
        runs=tuple((one.rows, len(text), _kind(one, driven=trial.code is None)) for one, text in parts),
        printed=_printed(trial),
    )


def _items(trial: Trial, batches: list[StagedBatch], outcomes: dict[int, Outcome]) -> Iterator[ItemOutcome]:
    for batch in batches:
        outcome = outcomes.get(batch.number)
        if outcome is None:
            return  # broken off
        for item in batch.items:
            failed = item.index in outcome.failed
            yield _item(
                trial, item.path, outcome, batch.number - batches[0].number, outcome.failure if failed else None
            )


def _item(trial: Trial, path: str, outcome: Outcome, number: int, failure: Failure | None) -> ItemOutcome:
    failed = failure is not None
    return ItemOutcome(
        path=path,
        status="failed" if failed else "succeeded",
        mini_batch=number,
        attempts=outcome.attempts,
        worker=outcome.worker,
        seconds=outcome.seconds,
        error_type=failure.type if failure else None,
        error_message=_as_yours(failure.message, trial) if failure else None,
        traceback=_as_yours(failure.traceback, trial) if failure and failure.traceback else None,
        error_place=(failure.place or None) if failure else None,
    )


def _rows(outcome: Outcome, folder: Path) -> bytes:
    if outcome.part is None:
        return b""
    with (folder / outcome.part.file).open("rb") as stream:
        stream.seek(outcome.part.offset)
        return stream.read(outcome.part.length)


def _kind(outcome: Outcome, *, driven: bool) -> dict[str, Any] | None:
    kind = outcome.row_format
    if driven:
        return {"kind": "csv", "columns": []}  # of the driver of MLflow models
    return None if kind is None else {"kind": kind.kind, "columns": [list(column) for column in kind.columns]}


def _printed(trial: Trial) -> str:
    folder = trial.folder / "run" / "logs" / "user"
    files = sorted((*folder.glob("stdout/*/*.txt"), *folder.glob("stderr/*/*.txt")))
    text = "".join(one.read_text(encoding="utf-8", errors="replace") for one in files)
    return _as_yours(text[-_MOST_PRINTED:], trial)


def _as_yours(text: str, trial: Trial) -> str:
    """Name the user's own folders in place of the copies, which are gone when it is read."""
    folder = trial.folder.resolve()
    if trial.code is not None:
        text = text.replace(f"{folder / 'code'}", str(trial.code.absolute()))
    text = text.replace(f"{folder / 'model'}/{trial.model.absolute().name}", str(trial.model.absolute()))
    for name, path in trial.inputs:
        text = text.replace(str(folder / "inputs" / name), str(path.absolute()))
    return text
