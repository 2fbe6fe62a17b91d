"""One run of one job, as its steps hand it on: what the job is, where it works, what it writes to. Values only."""

from __future__ import annotations

import json
import sqlite3
from dataclasses import asdict, dataclass
from pathlib import Path

from azure_batch_endpoints.local import disk
from azure_batch_endpoints.local.asset_cache import AssetCache
from azure_batch_endpoints.local.control import JobControl
from azure_batch_endpoints.local.environments import Environments
from azure_batch_endpoints.local.job import JobRow, ServiceSettings
from azure_batch_endpoints.local.ledger import Ledger
from azure_batch_endpoints.local.logfiles import JobLogs
from azure_batch_endpoints.local.patience import Patience
from azure_batch_endpoints.local.patient_store import PatientStore
from azure_batch_endpoints.local.stores import Store
from azure_batch_endpoints.states import JobStatus


@dataclass(frozen=True)
class ServiceParts:
    """The parts of the service a job works with.

    Attributes:
        settings: how the service was started.
        store: its blob store.
        cache: code and models.
        environments: interpreters.
    """

    settings: ServiceSettings
    store: Store
    cache: AssetCache
    environments: Environments


@dataclass(frozen=True)
class JobRun:
    """One run of one job.

    Attributes:
        row: the job.
        workers: worker processes it may have.
        control: the scheduler's side.
        parts: the service.
        folder: the job's own folder.
        ledger: its account.
        logs: its log files.
        patience: how it waits for its store and for room on the disk.
        store: its way to the store, with that patience.
    """

    row: JobRow
    workers: int
    control: JobControl
    parts: ServiceParts
    folder: Path
    ledger: Ledger
    logs: JobLogs
    patience: Patience
    store: PatientStore

    def enter(self, status: JobStatus) -> None:
        """Move on to a status.

        Raises:
            Interrupted: the job is to stop.
        """
        self.patience.room(lambda: self.control.enter(status))

    def note(self) -> None:
        """Tell how far the job is, in its row and in its log; a full disk keeps it from that, not from going on."""
        progress = self.ledger.progress()
        try:
            self.control.note_progress(json.dumps(asdict(progress)))
            self.logs.progress(progress)
        except (OSError, sqlite3.Error) as error:
            if not disk.is_full(error):
                raise
