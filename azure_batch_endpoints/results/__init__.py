"""What a job wrote: the files, and its rows as a table. Reading rows out of text is ``_rows``' matter."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, Any

from azure_batch_endpoints import _render, _runs
from azure_batch_endpoints.errors import ResultsError
from azure_batch_endpoints.results import downloading, finding

if TYPE_CHECKING:
    import pandas as pd
    import pyarrow as pa

    from azure_batch_endpoints._storage.blobs import BlobItem, Container
    from azure_batch_endpoints._wire.jobview import JobView
    from azure_batch_endpoints._workspace import Workspace
    from azure_batch_endpoints.results.reading import Output


@dataclass(frozen=True)
class ResultFile(_render.Card):
    """One file a job wrote."""

    name: str
    """Relative to the output folder."""
    uri: str
    """Where it is."""
    size: int
    """Bytes."""


class JobResults:
    """The output of one job."""

    def __init__(self, workspace: Workspace, job: JobView, owner: object = None) -> None:
        self._workspace = workspace
        self._job = job
        self._owner = owner
        self._uri = job.output_uri

    def _repr_html_(self) -> str:
        ways = "to_pandas(), to_arrow(), files(), download(folder)"
        told = [("job", self._job.name), ("status", self._job.status), ("folder", self._uri), ("read it", ways)]
        return _render.card("JobResults", told)

    def __repr__(self) -> str:
        return f"JobResults({self._job.name!r}, {self._job.status.value}, {self._uri or 'not asked for yet'})"

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
        base = self.uri.rstrip("/")
        return _render.Rows(ResultFile(name, f"{base}/{name}", one.size) for name, one in self._listed().items())

    def download(
        self, dest: str | PathLike[str], *, overwrite: bool = False, progress: bool | None = None
    ) -> list[Path]:
        """Copy the output folder to this machine; called again after an interruption, it goes on.

        Each file appears whole or not at all, checked by its size and, where the account keeps one, its MD5; it has the
        time of its blob. A file that is there as it is in the output is not fetched again.

        Args:
            dest: folder to put it in; made when it is not there.
            overwrite: False refuses to replace a file that is there and is another.
            progress: a bar in bytes and files: None draws one in a notebook or on a terminal; True also writes plain
                lines elsewhere; False shows nothing. On stderr.

        Returns:
            the files, by name.

        Raises:
            ResultsError: the output folder is empty, or holds a name that would lead outside of ``dest``, or that this
                file system cannot keep beside the others; nothing was downloaded.
            LocalPathError: another file is there already and nothing was downloaded, or a file cannot be written.
            ConflictError: a file in the output was changed meanwhile.
            TransportError: a file did not come as the account has it.
        """
        container, folder = self._place()
        return downloading.download(self._job, container, folder, dest, overwrite=overwrite, progress=progress)

    def to_pandas(
        self,
        *,
        columns: Sequence[str] | None = None,
        sep: str | None = None,
        partial: bool = False,
        merged: bool = False,
        source_file: bool = False,
        inputs: bool = False,
    ) -> pd.DataFrame:
        """Read the job's rows into a DataFrame.

        Large files are fetched in ranges into a temporary file and read from there, columns of known types by several
        threads. Without a merged file, Parquet files that the script wrote (``summary_only``) are read: one table of
        all, in the order of their names, columns put together by name. Other files of a script are not guessed at.

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
                folder; missing where that is not known (local service, ``instrument=True``). Of Parquet outputs: the
                output file.
            inputs: put what each row came of in front: the columns of its row of a CSV or Parquet input file, with
                " (input)" behind names that the result has too; of other files ``source file`` and ``source uri``
                (local service, ``instrument=True``).

        Returns:
            a row for each row the script returned: on the local service in the order of the inputs and exactly once; in
            the cloud in no particular order, and after a retry perhaps twice. DataFrames of mini-batches that differ
            are put together by the names of their columns.

        Raises:
            ResultsError: the rows are not there (the job has not completed, or it wrote no merged file:
                ``summary_only``), cannot be had so from this service, or the columns do not fit; with ``inputs``, a
                table has not as many rows as came of it, or it is not known which did.
            InvalidInputError: ``partial`` and ``merged`` at once, or no names of columns, or no separator.
        """
        from azure_batch_endpoints._rows.cutting import check_texts
        from azure_batch_endpoints.results import inputs_beside, parquet, reading

        check_texts(columns, sep)
        which = finding.which_of(partial=partial, merged=merged)
        output, found = self._found(which, sep=sep, inputs=inputs)
        if not isinstance(found, str):
            return parquet.frame_of(parquet.table_of(output, found, columns=columns, source_file=source_file))
        needs = "inputs" if inputs else "source_file" if source_file else None
        rows = reading.table_of(output, found, which, columns=columns, sep=sep, sources=needs)
        return inputs_beside.beside(output, rows, source_file=source_file, inputs=inputs)

    def to_arrow(
        self,
        *,
        columns: Sequence[str] | None = None,
        sep: str | None = None,
        partial: bool = False,
        merged: bool = False,
        source_file: bool = False,
        inputs: bool = False,
    ) -> pa.Table:
        """Read the job's rows into an Arrow table; see :meth:`to_pandas`.

        Raises:
            ResultsError: also when a column has no Arrow type, such as complex numbers.
        """
        import pyarrow as pa

        from azure_batch_endpoints.results import parquet

        which = finding.which_of(partial=partial, merged=merged)
        output, found = self._found(which, sep=sep, inputs=inputs)
        if not isinstance(found, str):
            return parquet.table_of(output, found, columns=columns, source_file=source_file)
        frame = self.to_pandas(
            columns=columns, sep=sep, partial=partial, merged=merged, source_file=source_file, inputs=inputs
        )
        try:
            if frame.columns.is_unique:
                return pa.Table.from_pandas(frame, preserve_index=False)
            arrays = [pa.array(frame.iloc[:, place], from_pandas=True) for place in range(len(frame.columns))]
            return pa.Table.from_arrays(arrays, [str(name) for name in frame.columns])
        except (pa.ArrowException, OverflowError) as error:  # the latter for whole numbers above 64 bits
            said = str(error).strip().rstrip(".")
            raise ResultsError(f"The rows do not fit into an Arrow table: {said}. Take to_pandas().") from error

    def iter_rows(
        self,
        *,
        columns: Sequence[str] | None = None,
        sep: str | None = None,
        source_file: bool = False,
        timeout: float | None = None,
    ) -> Iterator[dict[Any, Any]]:
        """Yield the rows one by one, also while the job still runs; little memory, however many there are.

        On the local service the rows of a mini-batch come as soon as it is finished, each row exactly once, also when a
        connection breaks or the service starts again meanwhile; when the job has ended, in the order of the inputs. In
        the cloud nothing can be read before the end: it waits, then reads the file piece by piece; with
        ``instrument=True`` as a whole, for its types.

        It ends with the job and, like :meth:`Job.stream`, does not raise when that failed: look at its status. It can
        be left at any time.

        Args:
            columns: names for the columns, left to right; None: as in :meth:`to_pandas`.
            sep: column separator; None: found out.
            source_file: add ``source file``, as in :meth:`to_pandas`.
            timeout: seconds; None: as long as it takes.

        Yields:
            a dict of column to value, as the mini-batch returned them, so types may differ between mini-batches where
            ``to_pandas()`` finds one for all. Elements of a list are read each by itself.

        Raises:
            ResultsError: the job completed without rows, they cannot be read so, or two columns have one name.
            WaitTimeoutError: the time was over; the job goes on.
        """
        from azure_batch_endpoints.results import following

        asked = following.Asked(columns, sep, source_file)
        return following.rows(self._workspace, self._job, asked, timeout, self._owner)

    def _found(self, which: finding.Which, *, sep: str | None, inputs: bool = False) -> tuple[Output, str | list[str]]:
        """Return the output and the name of the file with the rows as text, or the names of Parquet files.

        Raises:
            ResultsError: there are none; the text says why.
        """
        finding.require(self._job, which, is_local=self._workspace.session.is_local)
        output = self._output()
        names = list(output.files)
        text = finding.text_file(self._job, which, names)
        if text is not None:
            return output, text
        tables = finding.parquet_files(self._job, which, names)
        if not tables:
            finding.missing(self._job, which, names)
        if sep is not None or inputs:
            what = (
                "sep= is for rows written as text" if sep is not None else "inputs=True is for rows that run returned"
            )
            raise ResultsError(f"{what}; the output of job '{self._job.name}' are Parquet files. Leave it out.")
        return output, tables

    def _output(self) -> Output:
        from azure_batch_endpoints.results.reading import Output

        container, folder = self._place()
        return Output(self._workspace, self._job, self.uri, container, folder, self._listed())

    def _listed(self) -> dict[str, BlobItem]:
        """Return the files by their names below the folder, but for the driver's account of an instrumented job."""
        from azure_batch_endpoints import _cloud

        container, folder = self._place()
        found = ((one.name[len(folder) :], one) for one in container.list(folder))
        return {name: one for name, one in found if not name.startswith(_cloud.FOLDER)}

    def _place(self) -> tuple[Container, str]:
        container, path = self._workspace.container_of(self.uri)
        return container, f"{path.rstrip('/')}/" if path.strip("/") else ""
