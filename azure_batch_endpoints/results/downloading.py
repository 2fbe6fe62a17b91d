"""The output folder of a job brought to this machine: what is there stays, what is missing comes."""

from __future__ import annotations

from collections.abc import Iterable
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING

from azure_batch_endpoints import _progress
from azure_batch_endpoints.errors import LocalPathError, ResultsError
from azure_batch_endpoints.results.finding import LEDGER

if TYPE_CHECKING:
    from azure_batch_endpoints._storage.blobs import BlobItem, Container
    from azure_batch_endpoints._wire.jobview import JobView


def download(
    job: JobView,
    container: Container,
    folder: str,
    dest: str | PathLike[str],
    *,
    overwrite: bool,
    progress: bool | None,
) -> list[Path]:
    """Copy the files below ``folder`` into ``dest``; see ``JobResults.download``."""
    from azure_batch_endpoints._storage import download as transfer
    from azure_batch_endpoints._storage.landing import places

    target = Path(dest)
    if target.exists() and not target.is_dir():
        raise LocalPathError(f"'{dest}' is a file; nothing was downloaded. Name a folder.", path=target)
    listed = {one.name[len(folder) :]: one for one in container.list(folder)}
    if not listed and not job.status.is_terminal:
        raise ResultsError(
            f"Job '{job.name}' is still {job.status.value}; its output holds no file yet. Wait: job.wait()."
        )
    if not listed:
        raise ResultsError(
            f"The output of job '{job.name}' ({job.status.value}) is empty: '{container.url}/{folder}' holds no "
            "file. See job.error and job.logs()."
        )
    named = (
        (_name(job, target, name, item, overwrite=overwrite) if name == LEDGER else name, item)
        for name, item in listed.items()
    )
    wanted = places(target, named)
    _require_no_folders(wanted)
    with _progress.download_bar(show=progress) as draw:
        transfer.download(container, wanted, name=target.name or str(dest), replace=overwrite, progress=draw)
    return list(wanted)


def _name(job: JobView, target: Path, name: str, item: BlobItem, *, overwrite: bool) -> str:
    """Return the account's name on this machine: those of several jobs in one folder bear the jobs' names."""
    from azure_batch_endpoints._storage.download import is_there

    path = target / name
    other = not overwrite and path.exists() and not is_there(path, item)
    return f"_ledger.{job.name}.jsonl" if other else name


def _require_no_folders(wanted: Iterable[Path]) -> None:
    for path in wanted:
        if path.is_dir():
            raise LocalPathError(
                f"'{path}' is a folder, and the output has a file of that name; nothing was downloaded. "
                "Choose another folder.",
                path=path,
            )
