"""What a job leaves in storage: the joined rows in one step, what the script wrote, and its logs.

Repeating it does no harm: a job that was interrupted here recognises its own output by a mark in its metadata.
"""

from __future__ import annotations

import logging
import os
import sqlite3
from collections.abc import Iterator, Mapping
from pathlib import Path

from azure_batch_endpoints._wire.uris import datastore_uri
from azure_batch_endpoints.errors import BatchEndpointsError, ConflictError
from azure_batch_endpoints.local.buckets import Bucket, Buckets
from azure_batch_endpoints.local.control import JobFailed
from azure_batch_endpoints.local.job import ARTIFACT_DATASTORE, EXECUTION_LOG, JobRow

_MARK = "azure_batch_endpoints_job"
_log = logging.getLogger(__name__)


class Output:
    """The output folder of one job."""

    def __init__(self, store: Buckets, job: JobRow) -> None:
        """Find where it is; nothing is asked yet.

        Raises:
            InvalidInputError: the job's output URI leads nowhere the service can write.
        """
        bucket, path = store.open(job.request.output_uri)
        self._bucket: Bucket = bucket
        self._prefix = f"{path.rstrip('/')}/" if path.strip("/") else ""
        self._uri = job.request.output_uri.rstrip("/")
        self._mark = {_MARK: job.child}

    def refuse_existing(self, name: str) -> None:
        """Fail the job before anything is scored when its output file is there already.

        Raises:
            JobFailed: it is, and of another job.
        """
        found = self._bucket.find(self._prefix + name)
        if found is not None and found.metadata.get(_MARK) != self._mark[_MARK]:
            raise self._exists(name)

    def put_rows(self, name: str, path: Path) -> None:
        """Put the merged file in place, in one step.

        Raises:
            JobFailed: another job was quicker.
            ConflictError: something else is in the way.
        """
        try:
            self._bucket.upload(self._prefix + name, path, metadata=self._mark, overwrite=False)
        except ConflictError:
            self.refuse_existing(name)
            if self._bucket.find(self._prefix + name) is None:  # else ours: put there just before an interruption
                raise

    def put_beside(self, name: str, other: str, path: Path, *, metadata: Mapping[str, str] | None = None) -> str:
        """Put a file that each job leaves, in one step; an earlier one of this job is replaced, none of another job.

        Args:
            name: in the output folder.
            other: name in a folder where that one is somebody else's.
            path: the file.
            metadata: kept with it, beside the job's mark.

        Returns:
            the name it got.
        """
        found = self._bucket.find(self._prefix + name)
        if found is not None and found.metadata.get(_MARK) != self._mark[_MARK]:
            name, found = other, self._bucket.find(self._prefix + other)
        try:
            marked = {**(metadata or {}), **self._mark}
            self._bucket.upload(self._prefix + name, path, metadata=marked, overwrite=found is not None)
        except ConflictError:  # another job was quicker
            if name == other:
                raise
            return self.put_beside(other, other, path, metadata=metadata)
        return name

    def put_files(self, folder: Path, *, but: str | None = None, below: str = "") -> Iterator[str]:
        """Upload what the script wrote under `AZUREML_BI_OUTPUT_PATH`; yield the name of each file afterwards.

        Args:
            folder: that folder.
            but: name of the merged file: it wins over a file of the script's.
            below: only the files of this folder in it, `name/`.
        """
        for name, path in _files(folder / below, below):
            if name != but:
                _refuse_broken(name)
                self._bucket.upload(self._prefix + name, path, metadata=self._mark, overwrite=True)
                yield name

    def _exists(self, name: str) -> JobFailed:
        return JobFailed(
            f"The output file '{self._uri}/{name}' exists already; nothing was scored. "
            "Choose another output_file_name or output folder, or delete the file."
        )


def keep_logs(store: Buckets, job: JobRow, folder: Path) -> None:
    """Put a job's logs where a run's artifacts are, for clients that download them from storage.

    They stay in the job's folder too, so a store that cannot take them harms nothing.
    """
    try:
        bucket, root = store.open(datastore_uri(ARTIFACT_DATASTORE, "ExperimentRun/"))
        for name, path in _files(folder):
            run = job.name if name == EXECUTION_LOG else job.child
            bucket.upload(f"{root}dcid.{run}/{name}", path, overwrite=True)
    except (BatchEndpointsError, OSError, sqlite3.Error) as error:
        _log.warning("the logs of job %s are not in storage: %s", job.name, error)


def _files(folder: Path, below: str = "") -> Iterator[tuple[str, Path]]:
    """Yield the files under a folder, if it is there, by their names below it and in that order.

    Held are the bare names of one folder on each level: there may be a million files.
    """
    if not folder.is_dir():
        return
    for name in sorted(os.listdir(folder)):  # noqa: PTH208 - names only, no path for each
        path = folder / name
        if path.is_dir() and not path.is_symlink():
            yield from _files(path, f"{below}{name}/")
        elif path.is_file():
            yield f"{below}{name}", path


def _refuse_broken(name: str) -> None:
    """Fail the job when a file's name is no text, which storage cannot keep."""
    try:
        name.encode()
    except UnicodeEncodeError as error:
        shown = name.encode("utf-8", "backslashreplace").decode()
        raise JobFailed(
            f"The scoring script wrote an output file whose name is not UTF-8: '{shown}'. Give it another name; "
            "what was scored is kept."
        ) from error
