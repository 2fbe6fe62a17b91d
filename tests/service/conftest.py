"""Fixtures of the service tests."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from azure_batch_endpoints.local.app import create_app
from azure_batch_endpoints.local.context import ServiceContext
from azure_batch_endpoints.local.job import ServiceSettings, StoreAddress
from azure_batch_endpoints.local.state import State
from tests.service import wire_shapes
from tests.service.in_process import BASE, TOKEN, WORKSPACE_ID, InProcess, RecordingQueue, Service


@pytest.fixture
def context(tmp_path: Path) -> Iterator[ServiceContext]:
    state = State(tmp_path / "state.sqlite")
    store = StoreAddress("acct", f"{BASE}/acct", "a2V5")
    settings = ServiceSettings(tmp_path, workers=2)
    yield ServiceContext(settings, state, store, BASE, TOKEN, WORKSPACE_ID, RecordingQueue(state))
    state.close()


@pytest.fixture
def service(context: ServiceContext) -> Iterator[Service]:
    queue = context.queue
    assert isinstance(queue, RecordingQueue)
    headers = {"Authorization": f"Bearer {TOKEN}"}
    hooks = {"response": [wire_shapes.check]}
    app = create_app(context)
    with httpx.Client(transport=InProcess(app), base_url=BASE, headers=headers, event_hooks=hooks) as http:
        yield Service(context, queue, http)
