"""A log file that is removed while it is being answered with."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from starlette.types import Message

from azure_batch_endpoints.local.exchange import FileReply
from azure_batch_endpoints.local.rendering import file_response


def answered(file: Path, method: str = "GET") -> tuple[int, bytes]:
    sent: list[Message] = []

    async def send(message: Message) -> None:
        sent.append(message)

    async def receive() -> Message:
        await asyncio.Event().wait()  # nothing more comes
        raise AssertionError

    response = file_response(FileReply(file), "/local/logs/job/log.txt")
    asyncio.run(response({"type": "http", "method": method, "headers": [], "extensions": {}}, receive, send))
    return sent[0]["status"], b"".join(message.get("body", b"") for message in sent[1:])


def test_a_log_file_is_answered_with(tmp_path: Path) -> None:
    (tmp_path / "log.txt").write_bytes(b"a line\n")
    assert answered(tmp_path / "log.txt") == (200, b"a line\n")


@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_a_log_file_that_was_removed_since_it_was_looked_for_is_not_found(tmp_path: Path, method: str) -> None:
    status, body = answered(tmp_path / "gone.txt", method)
    assert status == 404 and b"was removed" in body
