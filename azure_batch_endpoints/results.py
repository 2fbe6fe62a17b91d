"""What a job wrote: the files, and its rows as a table. Reading rows out of text is ``_rows``' matter."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from os import PathLike
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

from azure_batch_endpoints import _rows, _runs
from azure_batch_endpoints.errors import LocalPathError, ResultsError

if TYPE_CHECKING:
    import pandas as pd
    import pyarrow as pa

    from azure_batch_endpoints._storage.blobs import Container
    from azure_batch_endpoints._wire.jobview import JobView
    from azure_batch_endpoints._workspace import Workspace


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
        wanted = {self._inside(target, one.name): folder + one.name for one in self._some_files()}
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

    def to_pandas(self, *, columns: Sequence[str] | None = None, sep: str | None = None) -> pd.DataFrame:
        """Read the job's rows into a DataFrame.

        Args:
            columns: names for the columns, left to right; None: those of the DataFrames the script returned where the
                service kept them (the local one does), else numbers from 0, since the file has no header.
            sep: column separator of the file; None: found out. A custom script's DataFrames are written with a space,
                MLflow deployments without a script with a comma, lists one element a line.

        Returns:
            a row for each row the script returned: on the local service in the order of the inputs and exactly once; in
            the cloud in no particular order, and after a retry perhaps twice.

        Raises:
            ResultsError: the job has not completed, wrote no merged file (``summary_only``), or the columns do not fit.
        """
        return _rows.to_frame(self._text(), self._job.rows, columns=columns, sep=sep)

    def to_arrow(self, *, columns: Sequence[str] | None = None, sep: str | None = None) -> pa.Table:
        """Read the job's rows into an Arrow table; see :meth:`to_pandas`."""
        import pyarrow as pa

        return pa.Table.from_pandas(self.to_pandas(columns=columns, sep=sep), preserve_index=False)

    def __repr__(self) -> str:
        return f"JobResults({self._job.name!r}, {self._uri or 'not asked for yet'})"

    def _text(self) -> bytes:
        container, folder = self._place()
        name = self._merged_file()
        data = container.read(folder + name)
        if not data:
            raise ResultsError(
                f"'{name}' of job '{self._job.name}' is empty: the script returned no rows. See job.logs()."
            )
        return data

    def _merged_file(self) -> str:
        files = [one.name for one in self.files()]
        name = self._job.output_file_name
        if name in files:
            return str(name)
        alone = [one for one in files if PurePosixPath(one).suffix in {".csv", ".txt"}]
        if name is None and len(alone) == 1:
            return alone[0]
        status = self._job.status
        if not status.is_terminal:
            text = f"Job '{self._job.name}' is still {status.value}; its rows are not there yet. Wait: job.wait()."
            raise ResultsError(text)
        listed = ", ".join(f"'{one}'" for one in files[:10]) or "nothing"
        raise ResultsError(
            f"Job '{self._job.name}' ({status.value}) has no merged file '{name or 'predictions.csv'}'; its output "
            f"holds {listed}. With output_action summary_only, download() the files the script wrote."
        )

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

    def _inside(self, target: Path, name: str) -> Path:
        path = target / name
        if not path.resolve().is_relative_to(target.resolve()):
            raise ResultsError(f"The output names a file outside of '{target}': '{name}'. Nothing was downloaded.")
        return path
