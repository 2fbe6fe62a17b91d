"""What a job leaves in storage: the joined rows in one step, what the script wrote, and its logs.

Repeating it does no harm: a job that was interrupted here recognises its own output by a mark in its metadata.
"""

from __future__ import annotations

import logging
import sqlite3
from collections.abc import Iterator
from pathlib import Path

from azure_batch_endpoints._wire.uris import datastore_uri
from azure_batch_endpoints.errors import BatchEndpointsError, ConflictError
from azure_batch_endpoints.local.buckets import Bucket
from azure_batch_endpoints.local.control import JobFailed
from azure_batch_endpoints.local.job import ARTIFACT_DATASTORE, EXECUTION_LOG, JobRow
from azure_batch_endpoints.local.stores import Store

_MARK = "azure_batch_endpoints_job"
_log = logging.getLogger(__name__)


class Output:
    """The output folder of one job."""

    def __init__(self, store: Store, job: JobRow) -> None:
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
        """
        try:
            self._bucket.upload(self._prefix + name, path, metadata=self._mark, overwrite=False)
        except ConflictError:
            self.refuse_existing(name)  # ours: put there just before an interruption

    def put_files(self, folder: Path, *, but: str | None) -> Iterator[str]:
        """Upload what the script wrote under `AZUREML_BI_OUTPUT_PATH`; yield the name of each file afterwards.

        Args:
            folder: that folder.
            but: name of the merged file: it wins over a file of the script's.
        """
        for path in sorted(folder.rglob("*")):
            name = path.relative_to(folder).as_posix()
            if path.is_file() and name != but:
                _refuse_broken(name)
                self._bucket.upload(self._prefix + name, path, metadata=self._mark, overwrite=True)
                yield name

    def _exists(self, name: str) -> JobFailed:
        return JobFailed(
            f"The output file '{self._uri}/{name}' exists already; nothing was scored. "
            "Choose another output_file_name or output folder, or delete the file."
        )


def keep_logs(store: Store, job: JobRow, folder: Path) -> None:
    """Put a job's logs where a run's artifacts are, for clients that download them from storage.

    They stay in the job's folder too, so a store that cannot take them harms nothing.
    """
    try:
        bucket, root = store.open(datastore_uri(ARTIFACT_DATASTORE, "ExperimentRun/"))
        for path in sorted(folder.rglob("*")):
            name = path.relative_to(folder).as_posix()
            run = job.name if name == EXECUTION_LOG else job.child
            if path.is_file():
                bucket.upload(f"{root}dcid.{run}/{name}", path, overwrite=True)
    except (BatchEndpointsError, OSError, sqlite3.Error) as error:
        _log.warning("the logs of job %s are not in storage: %s", job.name, error)


def _refuse_broken(name: str) -> None:
    """Fail the job when a file's name is no text, which storage cannot keep."""
    try:
        name.encode()
    except UnicodeEncodeError:
        shown = name.encode("utf-8", "backslashreplace").decode()
        raise JobFailed(
            f"The scoring script wrote an output file whose name is not UTF-8: '{shown}'. Give it another name; "
            "what was scored is kept."
        ) from None
