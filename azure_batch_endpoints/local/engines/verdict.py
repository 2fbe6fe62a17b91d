"""What a worker's reply means for its mini-batch: the failure, if it is one, and the outcome.

Here: pure functions from reply to values. Not here: whether it is tried again.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, Literal

from azure_batch_endpoints.local.engines.base import Failure, Outcome, Part, RowFormat, StagedBatch

Reply = Mapping[str, Any]


def is_sound(message: object) -> bool:
    """Whether a worker can have meant this: a script may have changed what the worker's program is made of."""
    if not isinstance(message, dict):
        return False
    seconds, rows = message.get("seconds"), message.get("rows")
    timed = isinstance(seconds, (int, float)) and 0 <= seconds < math.inf
    described = all(isinstance(message.get(name), str) for name in ("type", "message")) and "traceback" in message
    sound = {
        "ready": True,
        "unusable": described and "invalid" in message,
        "failed": timed and described,
        "done": timed and isinstance(rows, int) and rows >= 0 and "kind" in message,
    }
    return sound.get(str(message.get("op")), False)


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


def scored(batch: StagedBatch, reply: Reply, segment: str) -> Outcome:
    """Return the outcome of a mini-batch that came back with rows; files without a row have failed.

    `attempts`, `worker` and `failure` are left to the engine.
    """
    failed = tuple(batch.items[position].index for position in reply.get("missing", ()))
    status: Literal["succeeded", "partial", "failed"] = "partial" if failed else "succeeded"
    offset, length = reply.get("range", (0, 0))
    part = Part(segment, offset, length, reply["rows"]) if "range" in reply else None
    columns = tuple((name, dtype) for name, dtype in reply.get("columns", ()))
    return Outcome(
        number=batch.number,
        status="failed" if len(failed) == len(batch.items) else status,
        items=len(batch.items),
        failed=failed,
        attempts=0,
        worker=None,
        seconds=reply["seconds"],
        rows=reply["rows"],
        part=part,
        row_format=RowFormat(reply["kind"], columns) if reply["rows"] else None,
    )


def lost(batch: StagedBatch, seconds: float) -> Outcome:
    """Return the outcome of a mini-batch of which nothing came back."""
    indices = tuple(item.index for item in batch.items)
    return Outcome(batch.number, "failed", len(indices), indices, attempts=0, worker=None, seconds=seconds)
