"""Which file of a job's output holds its rows; and where none does, why, and how to get at what there is."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Literal, NoReturn, TypeAlias

from azure_batch_endpoints.errors import InvalidInputError, ResultsError
from azure_batch_endpoints.states import JobStatus

if TYPE_CHECKING:
    from azure_batch_endpoints._wire.jobview import JobView

Which: TypeAlias = Literal["own", "partial", "merged"]
USUAL = "predictions.csv"
LEDGER = "_ledger.jsonl"
"""The account of its inputs that a job of the local service leaves beside its rows."""
IN_THE_CLOUD = {
    "source_file": "only the local service and deployments with instrument=True keep which file a row came from. "
    "Let the script return the file's name in each row.",
    "inputs": "only the local service and deployments with instrument=True keep which file a row came from. "
    "Let the script return the columns of the input that you want, or the file's name, in each row.",
    "partial": "only the local service puts the rows of a job that did not complete into a file. See what there is: "
    "job.results.files().",
    "merged": "only the local service retries what failed and merges the rows. Read both jobs' rows and put them "
    "together.",
}
_PARQUET = {".parquet", ".pqt"}


def which_of(*, partial: bool, merged: bool) -> Which:
    """Return which rows are meant.

    Raises:
        InvalidInputError: two kinds at once.
    """
    if partial and merged:
        raise InvalidInputError("partial=True and merged=True name two files. Ask for one of them.")
    return "partial" if partial else "merged" if merged else "own"


def require(job: JobView, which: Which, *, is_local: bool) -> None:
    """Check that a job can have such rows.

    Raises:
        ResultsError: it cannot; the text says why.
    """
    if which != "own" and not is_local:
        raise ResultsError(f"{which}=True: {IN_THE_CLOUD[which]}")
    if which == "merged" and job.retry_of is None:
        raise ResultsError(
            f"Job '{job.name}' retries no other job: its own rows are all there are. Leave out merged=True."
        )
    if which == "partial" and job.status is JobStatus.COMPLETED:
        raise ResultsError(
            f"Job '{job.name}' has completed: all its rows are in its merged file. Leave out partial=True."
        )


def text_file(job: JobView, which: Which, files: Sequence[str]) -> str | None:
    """Return the name of the file that holds the rows as text, or None."""
    name = job.output_file_name
    if which != "own":
        # a folder that several jobs share holds such a file for each, all but one with its job's name
        left = job.has_partial_rows if which == "partial" else job.status is JobStatus.COMPLETED
        name = name or USUAL
        found = (one for one in (f"{which}/{job.name}.{name}", f"{which}/{name}") if left and one in files)
        return next(found, None)
    if name in files:
        return name
    alone = [one for one in files if PurePosixPath(one).suffix in {".csv", ".txt"} and "/" not in one]
    return alone[0] if name is None and len(alone) == 1 else None


def parquet_files(job: JobView, which: Which, files: Sequence[str]) -> list[str]:
    """Return the Parquet files that the script of an ended job wrote (``summary_only``), by name.

    Of a job that ended early they are what ``partial`` asks for.
    """
    early = job.status is not JobStatus.COMPLETED
    if not job.status.is_terminal or which == "merged" or (early and which == "own"):
        return []
    # names that begin so are no data, by a custom of all tools that read folders
    found = [one for one in files if PurePosixPath(one).suffix.lower() in _PARQUET]
    return sorted(one for one in found if not any(part[:1] in "_." for part in PurePosixPath(one).parts))


def missing(job: JobView, which: Which, files: Sequence[str]) -> NoReturn:
    """Say why the rows that were asked for are not there, what there is, and how to get it.

    Raises:
        ResultsError: always.
    """
    status = job.status
    called = f"Job '{job.name}' ({status.value})"
    if not status.is_terminal:
        raise ResultsError(f"Job '{job.name}' is still {status.value}; its rows are not there yet. Wait: job.wait().")
    if which == "partial":
        raise ResultsError(f"{called} left no rows: nothing was scored before it ended. See job.error and job.logs().")
    if which == "merged":
        raise ResultsError(_not_merged(job, called))
    if job.has_partial_rows or (status is not JobStatus.COMPLETED and parquet_files(job, "partial", files)):
        scored = f" after {job.scored}" if job.scored else ""
        raise ResultsError(
            f"{called} did not complete, so it has no merged file '{job.output_file_name or USUAL}'. "
            f"It ended{scored}: read the rows that were scored with partial=True."
        )
    if status is not JobStatus.COMPLETED:
        raise ResultsError(
            f"{called} did not complete, and left no rows: nothing was scored before it ended. "
            "See job.error and job.logs()."
        )
    no_file = f"{called} has no merged file '{job.output_file_name or USUAL}'"
    written = [one for one in files if PurePosixPath(one).name != LEDGER]
    if not written:
        raise ResultsError(
            f"{no_file}, and the script wrote no other. With output_action append_row, return rows from run(); with "
            "summary_only, write files into the folder that the environment variable AZUREML_BI_OUTPUT_PATH names."
        )
    listed = ", ".join(f"'{one}'" for one in written[:10]) + (", …" if len(written) > 10 else "")
    raise ResultsError(
        f"{no_file}; its output holds {listed}. With output_action summary_only, download() the files the script wrote."
    )


def _not_merged(job: JobView, called: str) -> str:
    if job.status is not JobStatus.COMPLETED:
        return (
            f"{called} did not complete, so its rows were not merged with those of job '{job.retry_of}', which are "
            f'still its own: client.jobs.get("{job.retry_of}").'
        )
    return (
        f"{called} has no rows merged with those of job '{job.retry_of}', which may be gone. "
        "Leave out merged=True for its own rows."
    )


def empty(job: JobView, name: str) -> NoReturn:
    """Say that a file of rows holds none.

    Raises:
        ResultsError: always.
    """
    raise ResultsError(f"'{name}' of job '{job.name}' is empty: the script returned no rows. See job.logs().")
