"""One run of one job, as its steps hand it on: what the job is, where it works, what it writes to. Values only."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path

from azure_batch_endpoints.local.asset_cache import AssetCache
from azure_batch_endpoints.local.control import JobControl
from azure_batch_endpoints.local.environments import Environments
from azure_batch_endpoints.local.job import JobRow, ServiceSettings
from azure_batch_endpoints.local.ledger import Ledger
from azure_batch_endpoints.local.logfiles import JobLogs
from azure_batch_endpoints.local.stores import Store


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
    """

    row: JobRow
    workers: int
    control: JobControl
    parts: ServiceParts
    folder: Path
    ledger: Ledger
    logs: JobLogs

    def note(self) -> None:
        """Tell how far the job is, in its row and in its log."""
        progress = self.ledger.progress()
        self.control.note_progress(json.dumps(asdict(progress)))
        self.logs.progress(progress)
