"""The service of a root folder seen from outside: is there one, and end it. Starting and joining are in `service`."""

from __future__ import annotations

import os
import signal
import time
from os import PathLike

from azure_batch_endpoints.errors import LocalServiceError
from azure_batch_endpoints.local.lease import Lease
from azure_batch_endpoints.local.record import ServiceRecord, read_record
from azure_batch_endpoints.local.service import _occupied, _prepared

STOP_SECONDS = 20.0
"""Longer than jobs and requests are given to end."""
_PAUSE = 0.05


def find(root: str | PathLike[str] | None) -> ServiceRecord | None:
    """Return the service that answers on a root folder, or None.

    Args:
        root: the folder; None: the user's own.

    Raises:
        LocalServiceError: the folder cannot be used.
    """
    record = read_record(_prepared(root))
    lease = Lease.take(record) if record else None
    if lease is None:
        return None
    lease.release()
    return record


def stop(root: str | PathLike[str] | None) -> ServiceRecord | None:
    """End the service of a root folder, whoever uses it; jobs that run go on when it is started again.

    Returns:
        the service that was, or None when there was none.

    Raises:
        LocalServiceError: it did not end in time.
    """
    record = find(root)
    if record is None:
        return None
    folder = _prepared(root)
    deadline = time.monotonic() + STOP_SECONDS
    os.kill(record.pid, signal.SIGTERM)
    while _occupied(folder):
        if time.monotonic() > deadline:
            raise LocalServiceError(
                f"The local service on '{folder}' (process {record.pid}) has not ended after {STOP_SECONDS:.0f} s. "
                f"Look at '{folder / 'service.log'}', or end it: kill -9 {record.pid}"
            )
        time.sleep(_PAUSE)
    return record
