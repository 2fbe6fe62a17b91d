"""Store, state and scheduler of a service in this process, without HTTP: real workers score real blobs."""

from __future__ import annotations

import time
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from textwrap import dedent
from typing import Literal

from azure_batch_endpoints._wire.uris import datastore_uri
from azure_batch_endpoints.local.asset_cache import AssetCache
from azure_batch_endpoints.local.blobstore import index
from azure_batch_endpoints.local.buckets import EmbeddedBucket
from azure_batch_endpoints.local.environments import Environments
from azure_batch_endpoints.local.identity import identity
from azure_batch_endpoints.local.job import DEFAULT_DATASTORE, JobInputSource, JobRequest, JobRow, ServiceSettings
from azure_batch_endpoints.local.jobrun import ServiceParts
from azure_batch_endpoints.local.runner import run_job
from azure_batch_endpoints.local.scheduler import Scheduler
from azure_batch_endpoints.local.state import State
from azure_batch_endpoints.local.stores import Store, open_store
from azure_batch_endpoints.specs import RetrySettings, RunSettings
from azure_batch_endpoints.states import JobStatus

ECHO = """
    from pathlib import Path
    def init(): pass
    def run(mini_batch): return [Path(f).name + ": " + Path(f).read_text() for f in mini_batch]
"""


def uri(path: str) -> str:
    return datastore_uri(DEFAULT_DATASTORE, path)


def _scheduler(settings: ServiceSettings, store: Store, state: State) -> Scheduler:
    parts = ServiceParts(settings, store, AssetCache(settings.root / "cache"), Environments(settings))
    return Scheduler(state, lambda job, slots, control: run_job(job, slots, control, parts), settings.workers)


@dataclass
class Bench:
    """One service's inner parts."""

    root: Path
    settings: ServiceSettings
    store: Store
    state: State
    scheduler: Scheduler

    @classmethod
    def open(cls, root: Path, *, storage: str | None = None, environments: Literal["host", "build"] = "host") -> Bench:
        workers = 2
        settings = ServiceSettings(root, workers, storage, environments)
        root.mkdir(exist_ok=True)
        store = open_store(root, storage, *identity(root), "http://127.0.0.1:1")
        state = State(root / "state.sqlite")
        return cls(root, settings, store, state, _scheduler(settings, store, state))

    def anew(self) -> Scheduler:
        """Return a scheduler as the next service would have it."""
        return _scheduler(self.settings, self.store, self.state)

    def close(self) -> None:
        assert self.scheduler.close(60), "a job's thread hangs"
        self.state.close()
        self.store.close()

    def put(self, path: str, content: str | bytes) -> str:
        bucket, name = self.store.open(uri(path))
        local = self.root / "to-upload"
        local.write_bytes(content if isinstance(content, bytes) else content.encode())
        bucket.upload(name, local, overwrite=True)
        return uri(path)

    def remove(self, path: str) -> None:
        bucket, name = self.store.open(uri(path))
        assert isinstance(bucket, EmbeddedBucket)
        assert bucket._blobs.delete(bucket._name, name)

    def read(self, path: str) -> str:
        bucket, name = self.store.open(uri(path))
        found = bucket.find(name)
        assert found is not None, [blob.name for blob in bucket.list()]
        local = self.root / "fetched"
        local.unlink(missing_ok=True)
        bucket.fetch(name, local)
        return local.read_text()

    def names(self, prefix: str) -> list[str]:
        bucket, path = self.store.open(uri(prefix))
        return [blob.name.removeprefix(path) for blob in bucket.list(path)]

    def row(
        self,
        script: str = ECHO,
        *,
        data: str = "data/",
        kind: str = "folder",
        output: str | None = None,
        conda_file: str | None = None,
        retry_of: str | None = None,
        retry_pending: bool = False,
        retry: Mapping[str, float] | None = None,
        **settings: object,
    ) -> JobRow:
        name = f"job-{uuid.uuid4().hex[:8]}"
        self.put(f"code/{name}/score.py", dedent(script))
        self.put("models/m.pkl", "model")
        values = {"mini_batch_size": 2, "retry_settings": RetrySettings(**(retry or {})), **settings}
        request = JobRequest(
            endpoint="digits",
            deployment="blue",
            model_uri=uri("models/m.pkl"),
            model_type="custom_model",
            code_uri=uri(f"code/{name}/"),
            scoring_script="score.py",
            image=None,
            conda_file=conda_file,
            compute="local",
            inputs=(JobInputSource("data", kind, uri(data) if "://" not in data else data),),  # type: ignore[arg-type] # one of two words
            output_uri=uri(output if output is not None else f"out/{name}/"),
            settings=RunSettings(**values),
            retry_of=retry_of,
            retry_pending=retry_pending,
        )
        return JobRow(name, f"child-{name}", name, "digits", JobStatus.QUEUED, request, "2026-01-01T00:00:00Z")

    def submit(self, script: str = ECHO, **options: object) -> JobRow:
        row = self.state.add_job(self.row(script, **options))  # type: ignore[arg-type] # as row() takes them
        self.scheduler.submit(row.name)
        return row

    def job(self, name: str) -> JobRow:
        row = self.state.job(name)
        assert row is not None
        return row

    def wait(self, row: JobRow, seconds: float = 100.0) -> JobRow:
        return self.wait_for(row, lambda job: job.status.is_terminal, seconds)

    def wait_for(self, row: JobRow, wanted: object, seconds: float = 100.0) -> JobRow:
        deadline = time.monotonic() + seconds
        while not wanted(job := self.job(row.name)):  # type: ignore[operator] # a predicate
            assert time.monotonic() < deadline, job
            time.sleep(0.005)
        return job

    def score(self, script: str = ECHO, **options: object) -> JobRow:
        return self.wait(self.submit(script, **options))

    def output(self, row: JobRow, name: str = "predictions.csv") -> str:
        return self.read(f"out/{row.name}/{name}")

    def log(self, row: JobRow) -> str:
        return (self.settings.job_folder(row.name) / "run/user_logs/std_log_0.txt").read_text()


def put_empty(bench: Bench, count: int, folder: str = "data") -> None:
    """Put empty files, more than could be put one by one in the time of a test: straight into the store's index."""
    bucket, prefix = bench.store.open(uri(f"{folder}/"))
    assert isinstance(bucket, EmbeddedBucket)
    with bucket._blobs.reading() as connection:
        container = index.require_container(connection, bucket._name).id
        traits = ("BlockBlob", "text/plain", "", None, "", 0, "")
        rows = ((container, f"{prefix}{n:07}", -1, 0, 10**17 + n, 10**17, *traits) for n in range(count))
        connection.execute("BEGIN IMMEDIATE")
        connection.executemany(f"INSERT INTO blobs VALUES ({', '.join('?' * 13)})", rows)
        connection.execute("COMMIT")
