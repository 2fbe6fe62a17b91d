"""What a job wrote: the files, and its rows as a table. Reading rows out of text is ``_rows``' matter."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from os import PathLike
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any, Literal, NoReturn, TypeAlias

from azure_batch_endpoints import _rows, _runs
from azure_batch_endpoints._http import paged
from azure_batch_endpoints.errors import InvalidInputError, LocalPathError, NotFoundError, ResultsError
from azure_batch_endpoints.states import JobStatus

if TYPE_CHECKING:
    import pandas as pd
    import pyarrow as pa

    from azure_batch_endpoints._storage.blobs import Container
    from azure_batch_endpoints._wire.jobview import JobView
    from azure_batch_endpoints._workspace import Workspace

_Which: TypeAlias = Literal["own", "partial", "merged"]
_USUAL = "predictions.csv"
_LEDGER = "_ledger.jsonl"
"""The account of its inputs that a job of the local service leaves beside its rows."""
_IN_THE_CLOUD = {
    "source_file": "only the local service keeps which file a row came from. Let the script return the file's name in "
    "each row.",
    "partial": "only the local service puts the rows of a job that did not complete into a file. See what there is: "
    "job.results.files().",
    "merged": "only the local service retries what failed and merges the rows. Read both jobs' rows and put them "
    "together.",
}


@dataclass(frozen=True)
class ResultFile:
    """One file a job wrote."""

    name: str
    """Relative to the output folder."""
    uri: str
    """Where it is."""
    size: int
    """Bytes."""


class JobResults:
    """The output of one job."""

    def __init__(self, workspace: Workspace, job: JobView) -> None:
        self._workspace = workspace
        self._job = job
        self._uri = job.output_uri

    @property
    def uri(self) -> str:
        """Folder the job writes to; asks the run history once where the job itself does not tell (3 requests).

        Raises:
            ResultsError: the job has no scoring step yet.
        """
        if self._uri is None:
            self._uri = _runs.output_uri(self._workspace, self._job.name)
        if self._uri is None:
            raise ResultsError(
                f"Job '{self._job.name}' has not begun, so its output has no place yet. Wait for it: job.wait()."
            )
        return self._uri

    def files(self) -> list[ResultFile]:
        """Return the files in the output folder, by name (1 request for each 5,000)."""
        container, folder = self._place()
        base = self.uri.rstrip("/")
        return [
            ResultFile(one.name[len(folder) :], f"{base}/{one.name[len(folder) :]}", one.size)
            for one in container.list(folder)
        ]

    def download(self, dest: str | PathLike[str], *, overwrite: bool = False) -> list[Path]:
        """Copy the output folder to this machine.

        Args:
            dest: folder to put it in; made when it is not there.
            overwrite: False refuses to replace a file that is there.

        Returns:
            the files written, by name.

        Raises:
            ResultsError: the output folder is empty, or names a file outside of ``dest``.
            LocalPathError: a file is there already; nothing was downloaded.
        """
        container, folder = self._place()
        target = Path(dest)
        if target.is_file():
            raise LocalPathError(f"'{dest}' is a file; nothing was downloaded. Name a folder.", path=target)
        wanted = {
            self._inside(target, self._here(target, one.name, overwrite=overwrite)): folder + one.name
            for one in self._some_files()
        }
        there = next((path for path in wanted if path.exists()), None)
        if there is not None and not overwrite:
            raise LocalPathError(
                f"'{there}' is there already; nothing was downloaded. Choose another folder, or overwrite it: "
                "overwrite=True, on the command line --overwrite.",
                path=there,
            )
        for path, name in wanted.items():
            container.download(name, path)
        return list(wanted)

    def to_pandas(
        self,
        *,
        columns: Sequence[str] | None = None,
        sep: str | None = None,
        partial: bool = False,
        merged: bool = False,
        source_file: bool = False,
    ) -> pd.DataFrame:
        """Read the job's rows into a DataFrame.

        Args:
            columns: names for the columns, left to right; None: those of the DataFrames the script returned where the
                service kept them (the local one does), else numbers from 0, since the file has no header.
            sep: column separator of the file, which is then read as it stands; None: found out. A custom script's
                DataFrames are written with a space, MLflow deployments without a script with a comma, lists one element
                a line.
            partial: the rows that were scored before the job failed or was cancelled (local service).
            merged: the rows of a job that :meth:`Job.retry_failed` made together with those of the jobs before it, each
                input once, in the order of the first job's inputs (local service).
            source_file: add a column ``source file``: the input file that each row came from, relative to the input
                folder; missing where that is not known (local service).

        Returns:
            a row for each row the script returned: on the local service in the order of the inputs and exactly once; in
            the cloud in no particular order, and after a retry perhaps twice. DataFrames of mini-batches that differ
            are put together by the names of their columns.

        Raises:
            ResultsError: the rows are not there (the job has not completed, or it wrote no merged file:
                ``summary_only``), cannot be had so from this service, or the columns do not fit.
            InvalidInputError: ``partial`` and ``merged`` at once.
        """
        which = _which(partial=partial, merged=merged)
        self._require_ledger(which, source_file=source_file)
        container, folder = self._place()
        name = self._file(which)
        data = container.read(folder + name)
        if not data:
            raise ResultsError(
                f"'{name}' of job '{self._job.name}' is empty: the script returned no rows. See job.logs()."
            )
        formats, parts = self._forms(which, needed=source_file, read=sep is None)
        frame = _rows.to_frame(data, formats, columns=columns, sep=sep, parts=parts)
        return _rows.with_sources(frame, data, parts) if source_file else frame

    def to_arrow(
        self,
        *,
        columns: Sequence[str] | None = None,
        sep: str | None = None,
        partial: bool = False,
        merged: bool = False,
        source_file: bool = False,
    ) -> pa.Table:
        """Read the job's rows into an Arrow table; see :meth:`to_pandas`.

        Raises:
            ResultsError: also when a column has no Arrow type, such as complex numbers.
        """
        import pyarrow as pa

        frame = self.to_pandas(columns=columns, sep=sep, partial=partial, merged=merged, source_file=source_file)
        try:
            if frame.columns.is_unique:
                return pa.Table.from_pandas(frame, preserve_index=False)
            arrays = [pa.array(frame.iloc[:, place], from_pandas=True) for place in range(len(frame.columns))]
            return pa.Table.from_arrays(arrays, [str(name) for name in frame.columns])
        except (pa.ArrowException, OverflowError) as error:  # the latter for whole numbers above 64 bits
            said = str(error).strip().rstrip(".")
            raise ResultsError(f"The rows do not fit into an Arrow table: {said}. Take to_pandas().") from error

    def __repr__(self) -> str:
        return f"JobResults({self._job.name!r}, {self._uri or 'not asked for yet'})"

    def _forms(
        self, which: _Which, *, needed: bool, read: bool
    ) -> tuple[Sequence[Mapping[str, Any]], Sequence[_rows.Run]]:
        """Return the forms of the rows, and which rows are of which form and file as far as that must be known."""
        formats = self._job.rows
        is_csv = bool(formats) and formats[0].get("kind") == "csv"
        if not needed and (is_csv or not read or not self._workspace.session.is_local):
            return formats, []
        if not needed and which != "merged" and not _rows.differ(formats):
            return formats, []
        try:
            parts = list(self._runs(which, sources=needed))
        except NotFoundError as error:
            if needed or which == "merged":
                raise ResultsError(str(error)) from error
            return formats, []  # by the names of their columns alone
        return (formats if is_csv else _rows.distinct(parts)), parts

    def _runs(self, which: _Which, *, sources: bool) -> Iterator[_rows.Run]:
        runs: Iterator[_rows.Run] = paged(
            self._workspace.session,
            self._workspace.path.job_rows(self._job.name),
            _rows.Run.from_wire,
            params={**self._workspace.params, "of": which, "sources": str(sources).lower()},
            action=f"read where the rows of job '{self._job.name}' came from",
        )
        return runs

    def _require_ledger(self, which: _Which, *, source_file: bool) -> None:
        asked = which if which != "own" else "source_file" if source_file else None
        if asked and not self._workspace.session.is_local:
            raise ResultsError(f"{asked}=True: {_IN_THE_CLOUD[asked]}")
        job = self._job
        if which == "merged" and job.retry_of is None:
            raise ResultsError(
                f"Job '{job.name}' retries no other job: its own rows are all there are. Leave out merged=True."
            )
        if which == "partial" and job.status is JobStatus.COMPLETED:
            raise ResultsError(
                f"Job '{job.name}' has completed: all its rows are in its merged file. Leave out partial=True."
            )

    def _file(self, which: _Which) -> str:
        """Return the name of the file that holds the rows."""
        files = [one.name for one in self.files()]
        name = self._job.output_file_name
        if which != "own":
            # a folder that several jobs share holds such a file for each, all but one with its job's name
            left = self._job.has_partial_rows if which == "partial" else self._job.status is JobStatus.COMPLETED
            name = name or _USUAL
            found = (one for one in (f"{which}/{self._job.name}.{name}", f"{which}/{name}") if left and one in files)
            return next(found, None) or self._missing(which, files)
        if name in files:
            return str(name)
        alone = [one for one in files if PurePosixPath(one).suffix in {".csv", ".txt"} and "/" not in one]
        return alone[0] if name is None and len(alone) == 1 else self._missing(which, files)

    def _missing(self, which: _Which, files: Sequence[str]) -> NoReturn:
        """Say why the rows that were asked for are not there, what there is, and how to get it.

        Raises:
            ResultsError: always.
        """
        job, status = self._job, self._job.status
        called = f"Job '{job.name}' ({status.value})"
        if not status.is_terminal:
            text = f"Job '{job.name}' is still {status.value}; its rows are not there yet. Wait: job.wait()."
        elif which == "partial":
            text = f"{called} left no rows: nothing was scored before it ended. See job.error and job.logs()."
        elif job.has_partial_rows:
            scored = f" after {job.scored}" if job.scored else ""
            text = (
                f"{called} did not complete, so it has no merged file '{job.output_file_name or _USUAL}'. "
                f"It ended{scored}: read the rows that were scored with partial=True."
            )
        elif which == "merged" and status is not JobStatus.COMPLETED:
            text = (
                f"{called} did not complete, so its rows were not merged with those of job '{job.retry_of}', which are "
                f'still its own: client.jobs.get("{job.retry_of}").'
            )
        elif which == "merged":
            text = (
                f"{called} has no rows merged with those of job '{job.retry_of}', which may be gone. "
                "Leave out merged=True for its own rows."
            )
        else:
            listed = ", ".join(f"'{one}'" for one in files[:10]) or "nothing"
            text = (
                f"{called} has no merged file '{job.output_file_name or _USUAL}'; its output holds {listed}. "
                "With output_action summary_only, download() the files the script wrote."
            )
        raise ResultsError(text)

    def _some_files(self) -> list[ResultFile]:
        files = self.files()
        if not files:
            raise ResultsError(
                f"The output of job '{self._job.name}' ({self._job.status.value}) is empty: '{self.uri}' holds no "
                "file. See job.error and job.logs()."
            )
        return files

    def _place(self) -> tuple[Container, str]:
        container, path = self._workspace.container_of(self.uri)
        return container, f"{path.rstrip('/')}/" if path.strip("/") else ""

    def _here(self, target: Path, name: str, *, overwrite: bool) -> str:
        """Return a file's name on this machine: accounts of several jobs in one folder bear the jobs' names."""
        other = name == _LEDGER and not overwrite and (target / name).exists()
        return f"_ledger.{self._job.name}.jsonl" if other else name

    def _inside(self, target: Path, name: str) -> Path:
        path = target / name
        if not path.resolve().is_relative_to(target.resolve()):
            raise ResultsError(f"The output names a file outside of '{target}': '{name}'. Nothing was downloaded.")
        return path


def _which(*, partial: bool, merged: bool) -> _Which:
    if partial and merged:
        raise InvalidInputError("partial=True and merged=True name two files. Ask for one of them.")
    return "partial" if partial else "merged" if merged else "own"
