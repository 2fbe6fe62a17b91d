"""A service that listens, a faulty proxy before it, and a client that knows the proxy only."""

from __future__ import annotations

import contextlib
import itertools
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import httpx
from azure.core.credentials import AccessToken

from azure_batch_endpoints import folder
from azure_batch_endpoints._http import Session
from azure_batch_endpoints._workspace import Workspace
from azure_batch_endpoints.endpoints import BatchEndpoint, BatchEndpoints
from azure_batch_endpoints.job import Job
from azure_batch_endpoints.local.app import create_app
from azure_batch_endpoints.local.context import ServiceContext
from azure_batch_endpoints.local.job import ServiceSettings, StoreAddress
from azure_batch_endpoints.local.state import State
from tests.service.faulty_proxy import Fault, FaultyProxy, serving
from tests.service.in_process import PLACE, TOKEN, WORKSPACE_ID, RecordingQueue, Service
from tests.unit.fake_clock import FakeClock

SCOPES = {"management": "m/.default", "ml": "ml/.default"}
INPUT = folder(PLACE + "images/")


class Credential:
    def get_token(self, *_scopes: str, **_options: object) -> AccessToken:
        return AccessToken(TOKEN, 2**33)


@dataclass
class Scene:
    """A service, a proxy before it, and a client that knows the proxy only; its pauses take no time."""

    proxy: FaultyProxy
    service: Service
    endpoint: BatchEndpoint
    clock: FakeClock
    numbers: Iterator[int]

    def jobs(self, name: str | None = None) -> int:
        """How many jobs the service has in its books, of this name or at all."""
        with closing(sqlite3.connect(self.service.context.settings.root / "state.sqlite")) as state:
            found: tuple[int] = state.execute(
                "SELECT count(*) FROM jobs WHERE ? IS NULL OR name = ?", (name, name)
            ).fetchone()
        return found[0]

    def invoke(self, *faults: Fault, name: str | None = None) -> Job:
        self.proxy.faults[:] = faults
        return self.endpoint.invoke(INPUT, job_name=name)

    def name(self) -> str:
        return f"job-{next(self.numbers)}"


@contextlib.contextmanager
def faulty_scene(root: Path) -> Iterator[Scene]:
    """Put the three together; the service keeps its things in a folder."""
    proxy, state, clock = FaultyProxy(), State(root / "state.sqlite"), FakeClock()
    store = StoreAddress("acct", f"{proxy.url}/acct", "a2V5")
    queue = RecordingQueue(state)
    context = ServiceContext(ServiceSettings(root, workers=2), state, store, proxy.url, TOKEN, WORKSPACE_ID, queue)
    headers = {"Authorization": f"Bearer {TOKEN}"}
    with serving(create_app(context)) as port:
        proxy.upstream = port
        with (
            httpx.Client(base_url=f"http://127.0.0.1:{port}", headers=headers) as http,
            Session(proxy.url, Credential(), SCOPES, clock=clock, read_timeout=0.5) as session,
        ):
            service = Service(context, queue, http).with_deployment()
            endpoint = BatchEndpoints(Workspace(session, context.workspace)).get("heart")
            yield Scene(proxy, service, endpoint, clock, itertools.count())
            proxy.close()
    state.close()
