"""A few files really scored by one worker on this machine, before anything is sent, and what that says about many."""

from __future__ import annotations

import math
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

from azure_batch_endpoints import _rows, checks
from azure_batch_endpoints._spec_base import is_reference
from azure_batch_endpoints.errors import InvalidInputError, LocalPathError, ResultsError, ScoringScriptError
from azure_batch_endpoints.items import ItemOutcome

if TYPE_CHECKING:
    import pandas as pd

    from azure_batch_endpoints.specs import DeploymentSpec, RunSettings


@dataclass(frozen=True)
class Estimate:
    """What a job over many files would take, by what a dry run measured."""

    mini_batches: int
    """Mini-batches."""
    seconds: float
    """Wall time of the scoring step; start-up of nodes left out."""
    warnings: Sequence[str] = ()
    """What would go wrong, e.g. a mini-batch that needs longer than ``retry_settings.timeout``."""


@dataclass(frozen=True, repr=False)
class DryRun:
    """What a dry run found."""

    outcomes: Sequence[ItemOutcome]
    """What became of each file, in order."""
    seconds_per_file: float
    """Seconds in ``run`` a file; 0.0 when no file was scored."""
    peak_memory: int
    """Bytes the worker held at most, model included."""
    settings: RunSettings
    """Settings of the deployment."""
    text: bytes = field(default=b"", repr=False)
    """The rows as ``append_row`` would write them."""
    formats: Sequence[dict[str, Any]] = field(default=(), repr=False)
    """Kind, names and dtypes of the rows."""

    def __repr__(self) -> str:
        good = sum(one.status == "succeeded" for one in self.outcomes)
        return (
            f"DryRun({good} of {len(self.outcomes)} files succeeded, {self.seconds_per_file:.3g} s a file, "
            f"{self.peak_memory / 1e6:.0f} MB at most)"
        )

    def to_pandas(self) -> pd.DataFrame:
        """Return the rows the script returned.

        Raises:
            ResultsError: it returned none; see :attr:`outcomes`.
        """
        if not self.text:
            first = next((one for one in self.outcomes if one.status == "failed"), None)
            why = f": {first.error_type} {first.error_message} on '{first.path}'" if first else ""
            raise ResultsError(f"The dry run gave no rows{why}. See its outcomes.")
        return _rows.to_frame(self.text, self.formats, columns=None, sep=None)

    def estimate(self, *, files: int, settings: RunSettings | None = None) -> Estimate:
        """Say what a job would take.

        Args:
            files: input files.
            settings: settings to reckon with; None: the deployment's.
        """
        used = settings or self.settings
        batches = math.ceil(files / used.mini_batch_size)
        workers = used.instance_count * used.max_concurrency_per_instance
        each = self.seconds_per_file * used.mini_batch_size
        warnings = []
        if each > used.retry_settings.timeout:
            warnings.append(
                f"A mini-batch of {used.mini_batch_size} files would need {each:.1f} s, longer than "
                f"retry_settings.timeout ({used.retry_settings.timeout:g} s). Lower mini_batch_size or raise timeout."
            )
        if batches < workers:
            warnings.append(f"{batches} mini-batches for {workers} workers: some stay idle. Lower mini_batch_size.")
        return Estimate(batches, math.ceil(batches / workers) * each if batches else 0.0, tuple(warnings))


def dry_run(spec: DeploymentSpec, source: Path, *, limit: int) -> DryRun:
    """Score a few local files; see :meth:`DeploymentSpec.dry_run`."""
    checks.require_script(spec, otherwise="was not tried")
    files = _files(source, limit)
    if spec.code is None or is_reference(spec.code):
        raise InvalidInputError(
            f"Deployment '{spec.name}': a dry run needs the scoring script as a local folder (code=…)."
        )
    path = spec.model if isinstance(spec.model, str | Path) else spec.model.path
    if is_reference(path) or not Path(path).exists():
        what = "is not local" if is_reference(path) else "does not exist"
        raise InvalidInputError(
            f"Deployment '{spec.name}': the model '{path}' {what}; a dry run needs it as a local path."
        )
    from azure_batch_endpoints.local import trial

    with tempfile.TemporaryDirectory(prefix="abe-dry-run-") as folder:
        found = trial.score(
            trial.Trial(
                Path(spec.code), spec.scoring_script or "", Path(path), tuple(files), spec.settings, Path(folder)
            )
        )
    if found.script_error is not None:
        raise ScoringScriptError(
            found.script_error, path=Path(spec.code) / (spec.scoring_script or ""), line=found.line
        )
    return DryRun(found.outcomes, found.seconds_per_file, found.peak_memory, spec.settings, found.text, found.formats)


def _files(source: Path, limit: int) -> list[tuple[str, Path]]:
    if limit < 1:
        raise InvalidInputError(f"limit is {limit}; it must be 1 or more.")
    if source.is_file():
        return [(source.name, source)]
    if not source.is_dir():
        raise LocalPathError(
            f"Input '{source}' does not exist (looked in '{Path.cwd()}'). Nothing was scored.", path=source
        )
    found = islice((path for path in sorted(source.rglob("*")) if path.is_file()), limit)
    files = [(path.relative_to(source).as_posix(), path) for path in found]
    if not files:
        raise LocalPathError(f"Input '{source}' holds no file. Nothing was scored.", path=source)
    return files
