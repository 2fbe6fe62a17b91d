"""Tokens that end while a job is waited for: a service that looks at each one, over real connections."""

from __future__ import annotations

import json

import pytest
from azure.core.credentials import AccessToken
from starlette.types import Receive, Scope, Send

from azure_batch_endpoints._entity import Snapshot
from azure_batch_endpoints._http import Session
from azure_batch_endpoints._wire.jobview import job_view
from azure_batch_endpoints._workspace import Workspace
from azure_batch_endpoints.job import Job
from azure_batch_endpoints.states import JobStatus
from tests.service.faulty_proxy import serving
from tests.unit.fake_clock import FakeClock
from tests.unit.fake_service import PATH, job_body

LIFE, RUNS = 420.0, 400.0


class Login:
    """Gives tokens of seven minutes; azure-core asks for the next when less than five or so are left."""

    def __init__(self, clock: FakeClock) -> None:
        self.clock, self.given = clock, 0

    def get_token(self, *_scopes: str, **options: object) -> AccessToken:
        self.given += 1
        ends = self.clock.now + LIFE
        return AccessToken(f"{self.given} {ends} {options.get('claims') or ''}", int(ends))


def test_a_wait_goes_on_over_tokens_that_end_are_revoked_or_lack_claims(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = FakeClock()
    refused: list[str] = []
    monkeypatch.setattr("azure.core.pipeline.policies._authentication.time.time", lambda: clock.now)

    def refusal(number: int, ends: float, claims: str) -> str | None:
        if ends <= clock.now:
            return "expired"
        if number == 2 and clock.now > 200 and "revoked" not in refused:
            return "revoked"
        return "claims" if clock.now > 300 and not claims and "claims" not in refused else None

    async def app(scope: Scope, _receive: Receive, send: Send) -> None:
        token = dict(scope["headers"])[b"authorization"].decode().removeprefix("Bearer ")
        number, ends, claims = token.split(" ")
        why = refusal(int(number), float(ends), claims)
        challenge = b'Bearer error="insufficient_claims", claims="eyJhIjoxfQ=="'
        headers = [(b"www-authenticate", challenge)] if why == "claims" else []
        if why:
            refused.append(why)
        body = json.dumps(job_body("Running" if clock.now < RUNS else "Completed")).encode()
        length = (b"content-length", str(len(body)).encode())
        await send({"type": "http.response.start", "status": 401 if why else 200, "headers": [*headers, length]})
        await send({"type": "http.response.body", "body": body})

    login = Login(clock)
    with serving(app) as port, Session(f"http://127.0.0.1:{port}", login, {"management": "m"}, clock=clock) as session:
        job = Job(Workspace(session, PATH), Snapshot.take(job_view, job_body()))
        job.wait(poll_interval=5)

    assert job.status is JobStatus.COMPLETED
    assert refused == ["revoked", "claims"]
    assert login.given >= 4
