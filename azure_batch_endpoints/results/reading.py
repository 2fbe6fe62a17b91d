"""The rows of an ended job as a table: the text that holds them fetched, what is known of their forms, both joined."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any, TypeAlias

from azure_batch_endpoints import _cloud, _rows
from azure_batch_endpoints._http import paged
from azure_batch_endpoints.errors import NotFoundError, ResultsError
from azure_batch_endpoints.results import finding

if TYPE_CHECKING:
    import pandas as pd

    from azure_batch_endpoints._storage.blobs import BlobItem, Container
    from azure_batch_endpoints._wire.jobview import JobView
    from azure_batch_endpoints._workspace import Workspace

LARGE = 32 * 1024 * 1024
"""Bytes of text above which it goes to a temporary file, several ranges at once, and is read from there in pieces."""
_Text: TypeAlias = "bytes | Path"
_Forms: TypeAlias = "tuple[_Text, Sequence[Mapping[str, Any]], Sequence[_rows.Run]]"


@dataclass(frozen=True)
class Output:
    """What a job left.

    Attributes:
        workspace: way to the service.
        job: the job.
        uri: its output folder.
        container: where that is.
        folder: its name there, ending with a slash or empty.
        files: each file as it was listed, by its name below the folder.
    """

    workspace: Workspace
    job: JobView
    uri: str
    container: Container
    folder: str
    files: Mapping[str, BlobItem]

    @property
    def is_local(self) -> bool:
        """Whether it is a job of the local service, which keeps a ledger."""
        return self.workspace.session.is_local


@dataclass(frozen=True)
class Table:
    """Rows, and which of them came of which input files as far as that was asked for."""

    frame: pd.DataFrame
    sources: pd.Series | None = None


def table_of(
    output: Output,
    name: str,
    which: finding.Which,
    *,
    columns: Sequence[str] | None,
    sep: str | None,
    sources: str | None = None,
) -> Table:
    """Return the rows of a text file of the output.

    Args:
        output: of the job.
        name: the file.
        which: the rows that it holds.
        columns: names to give, or None.
        sep: separator, or None.
        sources: argument that needs to know which row is of which input file; None: that is not needed.

    Raises:
        ResultsError: there are no rows, they cannot be read so, or their files are not known.
    """
    with fetched(output, name) as text:
        data, formats, parts = _forms(output, which, text, sources=sources, read=sep is None)
        frame = _rows.to_frame(data, formats, columns=columns, sep=sep, parts=parts)
        return Table(frame, _rows.sources_of(frame, data, parts) if sources else None)


@contextmanager
def fetched(output: Output, name: str) -> Iterator[_Text]:
    """Give the text of a file: its bytes, or where it lies on this machine while this lasts if it is large.

    Raises:
        ResultsError: it is empty.
    """
    size = output.files[name].size
    if size <= LARGE or is_instrumented(output):
        data = output.container.read(output.folder + name)
        if not data:
            finding.empty(output.job, name)
        yield data
        return
    with TemporaryDirectory(prefix="abe-rows-") as temporary:
        path = Path(temporary, "rows")
        bring(output, name, path)
        yield path


def bring(output: Output, name: str, path: Path) -> None:
    """Bring a file of the output to this machine, as it was when it was listed; a large one in ranges at once."""
    from azure_batch_endpoints._storage.download import download

    download(output.container, {path: output.files[name]}, name=name)


def is_instrumented(output: Output) -> bool:
    """Whether rows are found by digests of their texts, for which all of it is needed."""
    return not output.is_local and any(True for _ in output.container.list(output.folder + _cloud.FOLDER))


def _forms(output: Output, which: finding.Which, text: _Text, *, sources: str | None, read: bool) -> _Forms:
    """Return the text, the forms of its rows, and which of them are of which form and file where that must be known."""
    job = output.job
    if not output.is_local:
        found = None
        if isinstance(text, bytes):
            found = _cloud.rows_of(output.workspace, job, output.uri, text)
        if sources and not (found and found.runs):
            raise ResultsError(f"{sources}=True: {finding.IN_THE_CLOUD[sources]}")
        return (found.data, found.formats, found.runs) if found else (text, job.rows, [])
    is_csv = bool(job.rows) and job.rows[0].get("kind") == "csv"
    if not sources and (is_csv or not read or (which != "merged" and not _rows.differ(job.rows))):
        return text, job.rows, []
    try:
        parts = list(runs_of(output.workspace, job.name, which, sources=bool(sources)))
    except NotFoundError as error:
        if sources or which == "merged":
            raise ResultsError(str(error)) from error
        return text, job.rows, []  # by the names of their columns alone
    return text, job.rows if is_csv else _rows.distinct(parts), parts


def runs_of(workspace: Workspace, job: str, which: finding.Which, *, sources: bool) -> Iterator[_rows.Run]:
    """Return which rows of a file are of which form, and of which input files; asks page by page."""
    runs: Iterator[_rows.Run] = paged(
        workspace.session,
        workspace.path.job_rows(job),
        _rows.Run.from_wire,
        params={**workspace.params, "of": which, "sources": str(sources).lower()},
        action=f"read where the rows of job '{job}' came from",
    )
    return runs
