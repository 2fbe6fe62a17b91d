"""What every operation of the blob endpoint works with: the store, the account, the threads."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from concurrent.futures import Executor
from dataclasses import dataclass
from typing import NamedTuple

from azure_batch_endpoints.local.blobstore.auth import Authenticator, Grant, Need
from azure_batch_endpoints.local.blobstore.http import Request, Response
from azure_batch_endpoints.local.blobstore.store import BlobStore


@dataclass(frozen=True)
class Service:
    """One account's blob endpoint."""

    store: BlobStore
    account: str
    authenticator: Authenticator
    threads: Executor


class Call(NamedTuple):
    """A request that was let in, and what it is allowed."""

    service: Service
    request: Request
    grant: Grant


Handler = Callable[[Call], Awaitable[Response]]


class Route(NamedTuple):
    """An operation, and what it asks of a signature."""

    handler: Handler
    need: Need
