"""A local service that seems to be the cloud: no ledger, no words of its own, and not known to be on this machine.

The service, its workers and its storage are real; only the way to it forgets what Azure does not tell.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

from azure_batch_endpoints import BatchClient
from azure_batch_endpoints.errors import NotFoundError

_OWN = re.compile(r"/jobs/[^/]+/(?:items|rows|minibatches|overview|stream)$")
_FORGOTTEN = ("progress", "error", "rows", "retry_of", "retry_pending")


@contextmanager
def as_in_the_cloud(client: BatchClient) -> Iterator[list[str]]:
    """Let a client of the local service believe that it talks to Azure; yields the paths that it asks for."""
    session, asked = client._session, list[str]()
    send, was_local = session.send, session.is_local

    def pretend(method: str, url: str, **options: Any) -> Any:  # noqa: ANN401 (passed on)
        path = url.partition("?")[0]
        asked.append(f"{method} {path}")
        if _OWN.search(path):
            raise NotFoundError(f"There is no route '{path}'. Check it.", status_code=404)
        answer = send(method, url, **options)
        return replace(answer, body=forgetful(answer.body))

    session.send, session.is_local = pretend, False  # type: ignore[method-assign]
    try:
        yield asked
    finally:
        session.is_local = was_local
        del session.send


def forgetful(body: Any) -> Any:  # noqa: ANN401 (JSON)
    """Return a body without what only the local service says."""
    if isinstance(body, dict):
        return {
            name: forgetful(value)
            for name, value in body.items()
            if not name.startswith(tuple(f"azure_batch_endpoints.{one}" for one in _FORGOTTEN))
        }
    return [forgetful(one) for one in body] if isinstance(body, list) else body
