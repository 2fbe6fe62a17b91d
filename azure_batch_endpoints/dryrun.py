"""A few files really scored by one worker on this machine, before anything is sent, and what that says about many."""

from __future__ import annotations

import glob
import os
import re
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, Any

from azure_batch_endpoints import _estimate, _render, _rows, checks
from azure_batch_endpoints._estimate import Estimate
from azure_batch_endpoints._spec_base import is_reference
from azure_batch_endpoints._storage.hashing import scan
from azure_batch_endpoints._storage.ignoring import Ignored
from azure_batch_endpoints.checks.packages import is_here
from azure_batch_endpoints.errors import InvalidInputError, LocalPathError, ResultsError, ScoringScriptError
from azure_batch_endpoints.items import ItemOutcome

if TYPE_CHECKING:
    import pandas as pd

    from azure_batch_endpoints.local.trial import Trial, TrialResult
    from azure_batch_endpoints.specs import DeploymentSpec, RunSettings

__all__ = ["DryRun", "Estimate", "dry_run"]
_REMOTE = re.compile(r"[A-Za-z][\w+.-]+:")
"""How the place of something begins that is no path of this machine; one letter is a drive."""


@dataclass(frozen=True, repr=False)
class DryRun:
    """What a dry run found."""

    outcomes: Sequence[ItemOutcome]
    """What became of each file, in order, in mini-batches as a job makes them."""
    seconds_per_file: float
    """Seconds in ``run`` a file: the median of the files scored alone, or a mini-batch's share where that is less
    (a mini-batch can be cheaper than its files); 0.0 when no file was scored."""
    peak_memory: int
    """Bytes the worker held at most, model included; 0 when it could not tell."""
    settings: RunSettings
    """Settings of the deployment."""
    text: bytes = field(default=b"", repr=False)
    """The rows as ``append_row`` would write them."""
    formats: Sequence[dict[str, Any]] = field(default=(), repr=False)
    """Kind, names and dtypes of the rows."""
    init_seconds: float = 0.0
    """Seconds from the start of the worker's process to the end of ``init()``: imports, and loading the model."""
    alone: Sequence[ItemOutcome] = field(default=(), repr=False)
    """What became of each file in a mini-batch of its own, after the others: its own seconds, and which file is to
    blame for a mini-batch that failed. Empty when mini-batches have one file anyway; broken off after 20 s."""
    warnings: Sequence[str] = ()
    """What the run showed that a job would suffer from, such as fewer rows than files."""
    rows_per_file: float | None = None
    """Rows for each file that succeeded; None when none did."""
    printed: str = field(default="", repr=False)
    """What the script printed and logged."""
    usable_memory: int | None = field(default=None, repr=False)
    """Bytes this machine has for workers; None: not known."""
    _runs: Sequence[_rows.Run] = field(default=(), repr=False)

    def __repr__(self) -> str:
        good = sum(one.status == "succeeded" for one in self.outcomes)
        more = f", {len(self.warnings)} warnings" if len(self.warnings) > 1 else ", 1 warning" if self.warnings else ""
        return (
            f"DryRun({good} of {len(self.outcomes)} files succeeded, {self.seconds_per_file:.3g} s a file, "
            f"{self.peak_memory / 1e6:.0f} MB at most{more})"
        )

    def _repr_html_(self) -> str:
        good = sum(one.status == "succeeded" for one in self.outcomes)
        failed = [one for one in self.outcomes if one.status == "failed"]
        rows = [
            ("files", f"{good} of {len(self.outcomes)} succeeded"),
            ("a file", f"{self.seconds_per_file:.3g} s"),
            ("start of a worker", f"{self.init_seconds:.3g} s"),
            ("memory", f"{self.peak_memory / 1e6:.0f} MB at most" if self.peak_memory else None),
            ("failed", "\n".join(f"{one.path}: {one.error_type} {one.error_message or ''}" for one in failed[:10])),
            ("warnings", "\n".join(self.warnings)),
        ]
        return _render.card("DryRun", rows)

    @property
    def longest(self) -> tuple[str, float] | None:
        """Path and seconds of the file that took longest by itself; None when files were not scored alone."""
        timed = [(one.path, one.seconds) for one in self.alone if one.seconds is not None]
        return max(timed, key=lambda one: one[1], default=None)

    def to_pandas(self) -> pd.DataFrame:
        """Return the rows the script returned.

        Raises:
            ResultsError: it returned none; see :attr:`outcomes`.
        """
        if not self.text:
            first = next((one for one in self.outcomes if one.status == "failed"), None)
            why = f": {first.error_type} {first.error_message} on '{first.path}'" if first else ""
            kept = "" if first or self.settings.output_action == "append_row" else ": output_action is summary_only"
            raise ResultsError(f"The dry run gave no rows{why}{kept}. See its outcomes.")
        runs = self._runs if len(self.formats) > 1 else ()
        return _rows.to_frame(self.text, self.formats, columns=None, sep=None, parts=runs)

    def estimate(self, *, files: int, settings: RunSettings | None = None) -> Estimate:
        """Say what a job would take.

        Args:
            files: input files.
            settings: settings to reckon with; None: the deployment's.

        Raises:
            InvalidInputError: a negative number of files.
        """
        if files < 0:
            raise InvalidInputError(f"files is {files}; it must be 0 or more.")
        measured = _estimate.Measured(
            seconds_per_file=self.seconds_per_file,
            longest=self.longest,
            init_seconds=self.init_seconds,
            peak_memory=self.peak_memory,
            usable_memory=self.usable_memory,
            rows_per_file=self.rows_per_file,
        )
        return _estimate.estimate(measured, files, settings or self.settings)


def dry_run(spec: DeploymentSpec, source: Path, *, limit: int) -> DryRun:
    """Score a few local files; see :meth:`DeploymentSpec.dry_run`."""
    if limit < 1:
        raise InvalidInputError(f"limit is {limit}; it must be 1 or more.")
    checks.require_script(spec, otherwise="was not tried")
    inputs = tuple(_inputs(source, limit))
    if is_reference(spec.code or ""):
        raise InvalidInputError(
            f"Deployment '{spec.name}': a dry run needs the scoring script on this machine. Give its folder as code=."
        )
    path = spec.model if isinstance(spec.model, str | Path) else spec.model.path
    if is_reference(path):
        raise InvalidInputError(
            f"Deployment '{spec.name}': the model '{path}' is not local. Give it as a local path for a dry run."
        )
    if spec.code is None and not is_here("mlflow"):
        raise InvalidInputError(
            f"Deployment '{spec.name}' has an MLflow model and no script, and mlflow is not installed here. Install "
            "it: pip install 'azure-batch-endpoints[mlflow]'."
        )
    from azure_batch_endpoints.local import trial

    with tempfile.TemporaryDirectory(prefix="abe-dry-run-") as folder:
        found = trial.score(_trial(spec, Path(path), inputs, Path(folder)))
    if found.script_error is not None:
        script = Path(spec.code or path) / (spec.scoring_script or "MLmodel")
        raise ScoringScriptError(found.script_error, path=script, line=found.line)
    return _read(found, spec.settings)


def _trial(spec: DeploymentSpec, model: Path, inputs: tuple[tuple[str, Path], ...], folder: Path) -> Trial:
    """Take what would be uploaded, and nothing else."""
    from azure_batch_endpoints.local import trial

    code = None if spec.code is None else Path(spec.code)
    tree = scan(model, role="Model")
    below = f"{tree.name}/" if tree.is_folder else ""
    return trial.Trial(
        code=code,
        script=spec.scoring_script or "",
        code_files=() if code is None else tuple((one.name, one.path) for one in scan(code, role="Code").files),
        model=model,
        model_files=tuple((f"{below}{one.name}", one.path) for one in tree.files),
        inputs=inputs,
        settings=spec.settings,
        folder=folder,
    )


def _read(found: TrialResult, settings: RunSettings) -> DryRun:
    shares = [seconds / files for files, seconds in found.mini_batches]
    alone = [one.seconds for one in found.alone if one.status == "succeeded" and one.seconds is not None]
    pace = min((median(one) for one in (shares, alone) if one), default=0.0)
    good = sum(files for files, _ in found.mini_batches)
    formats: list[dict[str, Any]] = []
    for _, _, kind in found.runs:
        if kind is not None and kind not in formats:
            formats.append(kind)
    return DryRun(
        outcomes=found.outcomes,
        seconds_per_file=pace,
        peak_memory=found.peak_memory or 0,
        settings=settings,
        text=found.text,
        formats=tuple(formats),
        init_seconds=found.init_seconds,
        alone=found.alone,
        warnings=tuple(_warnings(found, settings, pace)),
        rows_per_file=found.rows / good if good else None,
        printed=found.printed,
        usable_memory=found.usable_memory,
        _runs=tuple(_rows.Run(*one) for one in found.runs),
    )


def _warnings(found: TrialResult, settings: RunSettings, pace: float) -> Iterator[str]:
    failed = [one for one in found.outcomes if one.status == "failed"]
    for kind in sorted({str(one.error_type) for one in failed}):
        first = next(one for one in failed if one.error_type == kind)
        count = sum(one.error_type == kind for one in failed)
        place = f" ({first.error_place})" if first.error_place else ""
        yield f"{count} of {len(found.outcomes)} files failed: {kind}: {first.error_message}{place}."
    guilty = [one.path for one in found.alone if one.status == "failed"]
    if failed and guilty and len(guilty) < len(found.alone):
        others = len({one.path for one in failed} & {one.path for one in found.alone} - set(guilty))
        lost = f"; {others} more failed only for sharing a mini-batch" if others else ""
        yield f"Scored alone {_few(guilty)} failed{lost}."
    elif failed and found.alone and not guilty:
        yield "Each file succeeds when it is scored alone: run() goes wrong with several files at once."
    first_share = found.mini_batches[0][1] / found.mini_batches[0][0] if found.mini_batches else 0.0
    if pace and first_share > 5 * pace and first_share > 0.5:
        told = f"The first mini-batch took {first_share:.3g} s a file, later ones {pace:.3g} s"
        yield f"{told}: load in init() what run() loads."
    limit = 3 * settings.retry_settings.timeout + 30
    if found.init_seconds > limit / 2:
        told = f"Starting a worker took {found.init_seconds:.0f} s of the {limit:g} s that it has"
        yield f"{told}. Raise retry_settings.timeout."


def _few(paths: list[str]) -> str:
    shown = ", ".join(f"'{one}'" for one in paths[:3])
    return shown if len(paths) <= 3 else f"{shown} and {len(paths) - 3} more"


def _inputs(source: Path, limit: int) -> Iterator[tuple[str, Path]]:
    """Return names and paths of the first files of a folder, of those a pattern finds, or of a file alone."""
    if source.is_file():
        return iter([(source.name, source)])
    if source.is_dir():
        found = islice(_below(source, source, Ignored.of(source)), limit)
        files = [(path.relative_to(source).as_posix(), path) for path in found]
    elif glob.has_magic(str(source)):
        base = Path(*_fixed(source.parts))
        paths = (one for one in sorted(base.glob(str(source.relative_to(base)))) if one.is_file())
        files = [(path.relative_to(base).as_posix(), path) for path in islice(paths, limit)]
    else:
        remote = " A dry run takes local files only." if _REMOTE.match(str(source)) else ""
        raise LocalPathError(
            f"Input '{source}' does not exist (looked in '{Path.cwd()}').{remote} Check the path. Nothing was scored.",
            path=source,
        )
    if not files:
        raise LocalPathError(
            f"Input '{source}' holds no file. Name a folder with files. Nothing was scored.", path=source
        )
    return iter(files)


def _fixed(parts: tuple[str, ...]) -> Iterator[str]:
    """Yield the folders of a pattern before its first wildcard."""
    for part in parts[:-1]:
        if glob.has_magic(part):
            return
        yield part


def _below(folder: Path, root: Path, ignored: Ignored) -> Iterator[Path]:
    """Yield the files of a folder in the order of their names, folders in it in their turn, as far as they are read."""
    for entry in sorted(os.scandir(folder), key=lambda one: one.name):
        path = Path(entry.path)
        if ignored.matches(path.relative_to(root).as_posix()):
            continue
        if entry.is_dir(follow_symlinks=False):
            yield from _below(path, root, ignored)
        elif entry.is_file():
            yield path
