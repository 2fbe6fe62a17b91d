"""Rows one by one, also of a job that still runs: from the service as mini-batches finish, else from its file."""

from __future__ import annotations

import base64
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeAlias

from azure_batch_endpoints import _rows
from azure_batch_endpoints._arguments import require_seconds
from azure_batch_endpoints._entity import named
from azure_batch_endpoints._http import Deadline, DeadlinePassed, Patience, pauses
from azure_batch_endpoints._rows import cutting
from azure_batch_endpoints._rows.runs import Run
from azure_batch_endpoints._wire.jobview import JobView, job_view
from azure_batch_endpoints.errors import NotFoundError, ResultsError, WaitTimeoutError
from azure_batch_endpoints.results import finding, parquet, reading
from azure_batch_endpoints.states import JobStatus

if TYPE_CHECKING:
    from azure_batch_endpoints._workspace import Workspace
    from azure_batch_endpoints.results import JobResults

_Row: TypeAlias = "dict[Any, Any]"
_PIECE = 4 * 1024 * 1024
"""Bytes of a file read at once."""


@dataclass(frozen=True)
class Asked:
    """What of the rows is wanted.

    Attributes:
        columns: names, or None.
        sep: separator, or None.
        source_file: whether the input file of each.
    """

    columns: Sequence[str] | None
    sep: str | None
    source_file: bool

    def cutter(self, form: Mapping[str, Any] | None) -> cutting.Cutter:
        """Return what reads rows of a form."""
        names = [self.columns] if isinstance(self.columns, str) else self.columns
        return cutting.Cutter(form, self.sep, names)


def rows(workspace: Workspace, job: JobView, asked: Asked, timeout: float | None, owner: object) -> Iterator[_Row]:
    """Return the rows of a job; arguments are checked at once, requests are sent with the first row.

    Args:
        workspace: way to the service.
        job: the job as last seen.
        asked: what is wanted.
        timeout: seconds, or None.
        owner: the object that the user has of the job, for ``WaitTimeoutError``.
    """
    cutting.check_names(asked.columns)
    cutting.check_texts(None, asked.sep)
    require_seconds("timeout", timeout)
    return _in_time(workspace, job, asked, timeout, owner)


def _in_time(workspace: Workspace, job: JobView, asked: Asked, timeout: float | None, owner: object) -> Iterator[_Row]:
    deadline = Deadline(workspace.session.clock, timeout)
    back = f'Return to it with client.jobs.get("{job.name}").'
    patience = Patience(workspace.session, deadline, f"Job '{job.name}' goes on. {back}")
    try:
        if workspace.session.is_local:
            yield from _Follower(workspace, job, asked, deadline, patience).rows()
        else:
            yield from _after_end(workspace, job, asked, deadline, patience)
        if (refresh := getattr(owner, "refresh", None)) is not None:
            patience.ask(refresh)  # its status tells how it ended
    except DeadlinePassed as passed:
        raise WaitTimeoutError(
            f"Job '{job.name}' still runs after {timeout:g} s; the rows until here were given. {back}", owner or job
        ) from passed


class _Follower:
    """Asks the local service for the rows of mini-batches that were not given yet."""

    def __init__(
        self, workspace: Workspace, job: JobView, asked: Asked, deadline: Deadline, patience: Patience
    ) -> None:
        self._workspace, self._job, self._asked = workspace, job, asked
        self._deadline, self._patience = deadline, patience
        self._cursor, self._came = "", False
        self._open: tuple[cutting.Cutter, Run] | None = None
        """A mini-batch of which a part was given."""

    def rows(self) -> Iterator[_Row]:
        """Yield the rows until the job has ended."""
        given = False
        for pause in _pauses_after(self._workspace, lambda: self._came):
            try:
                page = self._patience.ask(self._ask)
            except NotFoundError as error:
                if error.code != "LedgerGone" or given:
                    raise
                break  # the file is all there is
            for row in self._of_page(page):
                given = True
                yield row
            self._cursor, self._came = str(page.get("cursor", "")), bool(page.get("value"))
            if page.get("more"):
                continue
            if JobStatus(page.get("status")).is_terminal:
                break
            self._deadline.sleep(pause)
        if not given:
            yield from _after_end(self._workspace, self._job, self._asked, self._deadline, self._patience)

    def _ask(self) -> dict[str, Any]:
        answer = self._workspace.send(
            "GET",
            f"{self._workspace.path.job_rows(self._job.name)}/finished",
            params={"after": self._cursor, "sources": str(self._asked.source_file).lower()},
            action=f"read the rows of job '{self._job.name}'",
            deadline=self._deadline,
        )
        return answer.body if isinstance(answer.body, dict) else {}

    def _of_page(self, page: Mapping[str, Any]) -> Iterator[_Row]:
        whole: list[tuple[Run, bytes]] = []
        for entry in page.get("value") or []:
            run, data = Run.from_wire(entry), base64.b64decode(entry.get("data") or "")
            begins, ends = not entry.get("offset"), bool(entry.get("last"))
            if begins and ends:
                whole.append((run, data))
                continue
            yield from self._of_whole(whole)
            whole = []
            yield from self._of_piece(run, data, begins=begins, ends=ends)
        yield from self._of_whole(whole)

    def _of_whole(self, pieces: Sequence[tuple[Run, bytes]]) -> Iterator[_Row]:
        started = iter(pieces)
        for group, text in cutting.together(pieces):
            found = self._asked.cutter(group[0].format).feed(text, last=True)
            files = [name for run, (_, data) in zip(group, started) for name in cutting.sources(run, data)]  # noqa: B905
            yield from self._with_files(found, files)

    def _of_piece(self, run: Run, data: bytes, *, begins: bool, ends: bool) -> Iterator[_Row]:
        if begins or self._open is None:
            self._open = (self._asked.cutter(run.format), run)
        cutter, known = self._open
        before = cutter.done
        found = cutter.feed(data, last=ends)
        yield from self._with_files(found, cutting.of_rows(known, before, cutter.done))

    def _with_files(self, found: Sequence[_Row], files: Sequence[str | None]) -> Iterator[_Row]:
        if not self._asked.source_file:
            yield from found
            return
        if len(files) != len(found):
            files = [None] * len(found)
        yield from map(cutting.with_file, found, files)


def _after_end(
    workspace: Workspace, job: JobView, asked: Asked, deadline: Deadline, patience: Patience
) -> Iterator[_Row]:
    """Wait for the end of a job, then read its file."""
    from azure_batch_endpoints.results import JobResults

    name = job.name
    for pause in pauses(workspace.session.first_pause, workspace.session.longest_pause):
        if not job.status.is_terminal:
            job = patience.ask(lambda: _refreshed(workspace, name, deadline))
        if job.status.is_terminal:
            break
        deadline.sleep(pause)
    if job.status is JobStatus.COMPLETED:
        yield from _of_file(JobResults(workspace, job), job, asked)


def _refreshed(workspace: Workspace, name: str, deadline: Deadline) -> JobView:
    answer = workspace.send("GET", workspace.path.job(name), action=f"read job '{name}'", deadline=deadline)
    return job_view(named(answer.body, workspace.path.job(name)))


def _pauses_after(workspace: Workspace, came: Callable[[], bool]) -> Iterator[float]:
    """Yield the seconds to wait before each next look; short ones again after something came."""
    first, longest = workspace.session.first_pause, min(5.0, workspace.session.longest_pause)
    waits = pauses(first, longest)
    while True:
        yield next(waits)
        if came():
            waits = pauses(first, longest)


def _of_file(results: JobResults, job: JobView, asked: Asked) -> Iterator[_Row]:
    """Yield the rows of the file that a job has written, read in pieces.

    Raises:
        ResultsError: there is none, or nothing in it.
    """
    output, found = results._found("own", sep=asked.sep)
    if not isinstance(found, str):
        yield from parquet.rows_of(output, found, columns=asked.columns, source_file=asked.source_file)
        return
    if reading.is_instrumented(output):  # its rows are found by digests of the whole text
        frame = results.to_pandas(columns=asked.columns, sep=asked.sep, source_file=asked.source_file)
        cutting.check_unique(list(frame.columns))
        yield from frame.to_dict("records")
        return
    if asked.source_file:
        raise ResultsError(f"source_file=True: {finding.IN_THE_CLOUD['source_file']}")
    size = output.files[found].size
    if not size:
        finding.empty(job, found)
    cutter = asked.cutter(_rows.form_of_all(job.rows))
    for offset in range(0, size, _PIECE):
        data = output.container.read(output.folder + found, offset, min(_PIECE, size - offset))
        yield from cutter.feed(data, last=offset + _PIECE >= size)
