"""A few local files scored by one worker, without service, store or job: what ``DeploymentSpec.dry_run`` runs."""

from __future__ import annotations

import resource
import shutil
import sys
from contextlib import closing
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from azure_batch_endpoints.checks import lies_inside
from azure_batch_endpoints.items import ItemOutcome
from azure_batch_endpoints.local import explain, writer
from azure_batch_endpoints.local.engines.base import EngineError, Limits, StagedBatch, WorkerSetup
from azure_batch_endpoints.local.engines.process import ProcessEngine
from azure_batch_endpoints.local.ledger import Ledger
from azure_batch_endpoints.local.ledger_values import ItemRow
from azure_batch_endpoints.local.logfiles import JobLogs
from azure_batch_endpoints.local.plan import number_inputs

if TYPE_CHECKING:
    from azure_batch_endpoints.specs import RunSettings


@dataclass(frozen=True)
class Trial:
    """What to try.

    Attributes:
        code: folder of the scoring script.
        script: the script, relative to it.
        model: file or folder of the model.
        files: name and path of each input.
        settings: the deployment's.
        folder: an empty folder to work in.
    """

    code: Path
    script: str
    model: Path
    files: tuple[tuple[str, Path], ...]
    settings: RunSettings
    folder: Path


@dataclass(frozen=True)
class TrialResult:
    """What came of it.

    Attributes:
        outcomes: of each file, in order.
        seconds_per_file: seconds in ``run`` a file.
        peak_memory: bytes the largest worker held at most.
        text: the rows.
        formats: their kinds.
        script_error: why the script cannot run at all, or None.
        line: line of that in the script, or None.
    """

    outcomes: tuple[ItemOutcome, ...] = ()
    seconds_per_file: float = 0.0
    peak_memory: int = 0
    text: bytes = b""
    formats: tuple[dict[str, Any], ...] = ()
    script_error: str | None = None
    line: int | None = None


def score(trial: Trial) -> TrialResult:
    """Score the files one mini-batch after the other, each tried once."""
    if not lies_inside(trial.code, trial.script):
        return TrialResult(script_error=explain.script_outside(trial.script))
    items = list(number_inputs((name, str(path), path.stat().st_size) for name, path in trial.files))
    with Ledger(trial.folder / "ledger.sqlite", trial.settings.mini_batch_size) as ledger:
        ledger.add_inputs(items)
        ledger.seal()
        batches = (
            StagedBatch(one.number, one.items, tuple(str(Path(item.source).absolute()) for item in one.items))
            for one in ledger.pending()
        )
        seconds = 0.0
        logs = JobLogs(trial.folder / "run")
        limits = Limits(workers=1, timeout=trial.settings.retry_settings.timeout, max_tries=1)
        try:
            with closing(ProcessEngine(_setup(trial), limits, logs).run(list(batches))) as groups:
                for group in groups:
                    ledger.record(group)
                    seconds += sum(outcome.seconds for outcome in group)
        except EngineError as error:
            told = error.failure.traceback or error.failure.message
            return TrialResult(script_error=f"{error}\n{told}".rstrip(), line=error.failure.line)
        finally:
            logs.close()
        return _result(trial, ledger, seconds)


def _setup(trial: Trial) -> WorkerSetup:
    model_dir = trial.folder / "model"
    model_dir.mkdir()
    # The script sees the parent of what was registered, as in a job.
    target = model_dir / trial.model.name
    if trial.model.is_dir():
        shutil.copytree(trial.model, target)
    else:
        shutil.copy2(trial.model, target)
    output = trial.folder / "output"
    output.mkdir()
    return WorkerSetup(
        code_dir=trial.code.absolute(),
        script=trial.script,
        model_dir=model_dir,
        output_dir=output,
        parts_dir=trial.folder / "parts",
        cwd=trial.folder,
        output_action=trial.settings.output_action,
        logging_level=trial.settings.logging_level,
        environment=trial.settings.environment_variables,
    )


def _result(trial: Trial, ledger: Ledger, seconds: float) -> TrialResult:
    outcomes = tuple(_outcome(row) for row in ledger.items())
    formats = tuple(
        {"kind": one.kind, "columns": [list(column) for column in one.columns]} for one in ledger.row_formats()
    )
    text = b"".join(writer.read_rows(ledger.parts(), trial.folder / "parts"))
    return TrialResult(outcomes, seconds / len(outcomes), _peak_memory(), text, formats)


def _outcome(row: ItemRow) -> ItemOutcome:
    values = asdict(row)
    del values["index"]
    return ItemOutcome(**values)


def _peak_memory() -> int:
    """Most memory any ended child of this process held; Linux counts in KiB, macOS in bytes."""
    peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024
