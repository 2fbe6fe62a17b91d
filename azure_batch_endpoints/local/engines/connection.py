"""The connection to a worker process: messages as JSON after 4 bytes of length, sent and received without waiting."""

from __future__ import annotations

import json
import socket
import time
from collections.abc import Iterator, Mapping
from struct import Struct
from typing import Any

from azure_batch_endpoints.local.engines.verdict import is_sound

LENGTH = Struct("!I")
MOST_MESSAGE = 64 << 20
"""Bytes of a message; more is no message but a script's own bytes."""
CHUNK = 1 << 16
_decode = json.JSONDecoder().raw_decode
_encode = json.JSONEncoder(separators=(",", ":")).encode


class Connection:
    """The engine's end of a worker's socket."""

    def __init__(self, own: socket.socket) -> None:
        self._socket, self._inbox, self._outbox = own, bytearray(), bytearray()
        self.garbled = False
        """Whether something else than a message has come; what came before it counts."""
        self.heard_at = 0.0
        """When bytes of a message came last that has not come in full; 0 when there is none."""

    def fileno(self) -> int:
        """Return the socket, for a selector."""
        return self._socket.fileno()

    @property
    def has_unsent(self) -> bool:
        """Whether `flush` has something to do."""
        return bool(self._outbox)

    def put(self, message: Mapping[str, object]) -> None:
        """Write a message; `flush` sends it, together with others."""
        body = _encode(message).encode()
        self._outbox += LENGTH.pack(len(body)) + body

    def flush(self) -> None:
        """Send what was written, as far as it goes without waiting: a busy worker does not read."""
        try:
            while self._outbox:
                del self._outbox[: self._socket.send(self._outbox, socket.MSG_DONTWAIT)]
        except BlockingIOError:
            return
        except OSError:  # it has died, which `receive` will see
            self._outbox.clear()

    def receive(self) -> list[dict[str, Any]] | None:
        """Return the messages that have come in full; None when the worker has closed the connection."""
        try:
            data = self._socket.recv(CHUNK, socket.MSG_DONTWAIT)
        except BlockingIOError:
            return []
        except OSError:
            data = b""
        self._inbox += data
        messages: list[dict[str, Any]] = []
        try:
            for message in self._messages():
                messages += [message]
        except ValueError:
            self.garbled = True
        self.heard_at = time.monotonic() if self._inbox else 0.0
        return messages if data or messages else None

    def has_more(self) -> bool:
        """Return whether there is something to `receive`."""
        try:
            return bool(self._socket.recv(1, socket.MSG_DONTWAIT | socket.MSG_PEEK))
        except OSError:
            return False

    def _messages(self) -> Iterator[dict[str, Any]]:
        start = 0
        while len(self._inbox) >= start + LENGTH.size:
            length = LENGTH.unpack_from(self._inbox, start)[0]
            end = start + LENGTH.size + length
            if length > MOST_MESSAGE:
                raise ValueError(length)
            if len(self._inbox) < end:
                break
            message = _decode(self._inbox[start + LENGTH.size : end].decode())[0]
            if not is_sound(message):
                raise ValueError(message)
            yield message
            start = end
        del self._inbox[:start]
