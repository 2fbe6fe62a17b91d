"""Folders of jobs whose deletion did not come to its end, because the service was killed or the disk was full."""

from __future__ import annotations

import shutil
from pathlib import Path

from azure_batch_endpoints.local.job import ServiceSettings
from azure_batch_endpoints.local.state import State


def settle_all(settings: ServiceSettings, state: State) -> None:
    """Settle what an earlier service left; to be called before a job can be deleted.

    Args:
        settings: say where the folders are.
        state: knows the jobs.

    Raises:
        OSError: a folder cannot be given back.
    """
    for folder in (settings.root / "jobs").glob(".*"):
        settle(folder, settings, state)


def settle(folder: Path, settings: ServiceSettings, state: State) -> None:
    """Give a job that is still known the folder that was set aside back; remove that of one which is forgotten.

    Args:
        folder: where it was set aside; it may be missing.
        settings: say where the job's folder is.
        state: knows the jobs.

    Raises:
        OSError: it cannot be given back.
    """
    row = state.job_of_run(folder.name.removeprefix("."))
    if row is None or settings.deleted_folder(row.child) != folder:
        shutil.rmtree(folder, ignore_errors=True)
    elif folder.exists() and not settings.job_folder(row.name).exists():
        folder.rename(settings.job_folder(row.name))
