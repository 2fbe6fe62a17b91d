"""What a worker's reply means for its mini-batch: the failure, if it is one, and the outcome.

Here: pure functions from reply to values. Not here: whether it is tried again.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from azure_batch_endpoints.local.engines.base import Failure, Outcome, OutcomeStatus, Part, RowFormat, StagedBatch

Reply = Mapping[str, Any]


def is_sound(message: object) -> bool:
    """Whether a worker can have meant this: a script may have changed what the worker's program is made of."""
    if not isinstance(message, dict):
        return False
    operation = message.get("op")
    if operation == "done":
        return _is_timed(message) and _has_rows(message)
    if operation == "failed":
        return _is_timed(message) and _is_described(message)
    if operation == "unusable":
        return _is_described(message) and "invalid" in message
    return operation == "ready" or (operation == "born" and isinstance(message.get("pid"), int))


def _is_timed(message: Reply) -> bool:
    seconds = message.get("seconds")
    return isinstance(seconds, (int, float)) and 0 <= seconds < math.inf and isinstance(message.get("number"), int)


def _is_described(message: Reply) -> bool:
    return isinstance(message.get("type"), str) and isinstance(message.get("message"), str) and "traceback" in message


def _has_rows(message: Reply) -> bool:
    rows, sources = message.get("rows"), message.get("sources")
    counted = isinstance(rows, int) and rows >= 0 and "kind" in message
    return counted and (
        sources is None or (isinstance(sources, list) and all(type(place) is int and place >= -1 for place in sources))
    )


def reported(reply: Reply) -> Failure:
    """Return the failure that a worker described."""
    return Failure(reply["type"], reply["message"], reply["traceback"], reply.get("file"), reply.get("line"))


def failure_of(reply: Reply, files: int, timeout: float) -> Failure | None:
    """Return why this reply is a failure, or None.

    Args:
        reply: the worker's words.
        files: in the mini-batch.
        timeout: seconds; a reply that took longer is a time-out, even if it came before the worker could be killed.
    """
    if reply["seconds"] > timeout:
        return Failure("Timeout", too_long(timeout), None, reply.get("file"), reply.get("line"))
    if reply["op"] == "failed":
        return reported(reply)
    if "missing" in reply:
        message = f"run() returned {reply['rows']} rows for {files} files; each file that was scored needs a row"
        return Failure("ShortReturn", message, None, reply.get("file"), reply.get("line"))
    return None


def too_long(timeout: float) -> str:
    """Return the message of a time-out."""
    return f"run() took longer than the time limit of {timeout:g} s (retry_settings.timeout)"


def too_much(used: int, most: int, *, in_init: bool) -> str:
    """Return the message of a worker above its memory limit."""
    cure = "Load less in init()" if in_init else "Lower mini_batch_size so that run() needs less at a time"
    return (
        f"the worker process and what it started held {used / (1 << 20):,.0f} MiB of memory, and may hold"
        f" {most / (1 << 20):,.0f} MiB. {cure}, or raise the limit: worker_memory of the local service"
    )


def status_of(failed: int, files: int) -> OutcomeStatus:
    """Return the status of a mini-batch of so many files."""
    if not failed:
        return "succeeded"
    return "failed" if failed == files else "partial"


def scored(batch: StagedBatch, reply: Reply, segment: str, worker: str, started: float | None = None) -> Outcome:
    """Return the outcome of a try that came back with rows; files without a row have failed.

    `attempts`, `failure` and `tries` are left to the engine.
    """
    failed = tuple([batch.items[position].index for position in reply.get("missing", ())])
    rows, span, sources = reply["rows"], reply.get("range"), reply.get("sources")
    columns = tuple([(name, dtype) for name, dtype in reply.get("columns", ())])
    if sources is not None and max(sources, default=-1) >= len(batch.items):
        sources = None
    return Outcome(
        number=batch.number,
        status=status_of(len(failed), len(batch.items)),
        items=len(batch.items),
        failed=failed,
        attempts=1,
        worker=worker,
        seconds=reply["seconds"],
        rows=rows,
        part=Part(segment, span[0], span[1], rows) if span else None,
        row_format=RowFormat(reply["kind"], columns) if rows else None,
        sources=None if sources is None else tuple(sources),
        memory=reply.get("memory"),
        started=started,
    )


def lost(
    batch: StagedBatch, seconds: float, worker: str, memory: int | None = None, started: float | None = None
) -> Outcome:
    """Return the outcome of a try of which nothing came back."""
    failed = tuple([item.index for item in batch.items])
    return Outcome(
        batch.number, "failed", len(failed), failed, 1, worker, seconds=seconds, memory=memory, started=started
    )
