"""What a worker and the engine have between them: messages over a socket, and the file that takes the rows.

Messages are JSON after 4 bytes of length. Functions are imported by name: scripts, and what they import, replace
functions of modules.
"""

from __future__ import annotations

import fcntl
import os
import socket
import struct
from json import JSONDecoder, JSONEncoder
from os import pwrite, read
from typing import Any

LENGTH = struct.Struct("!I")
FIRST_OWN = 3
"""The standard streams' descriptors are those before it."""
encode = JSONEncoder().encode
decode = JSONDecoder().scan_once  # type: ignore[attr-defined] # in C: needs no built-in that a script may replace


class RowsNotWritten(Exception):
    """The disk took no more."""

    def __init__(self, error: OSError) -> None:
        super().__init__(f"the rows that run() returned could not be written: {error.strerror}")
        self.number = error.errno


class Channel:
    """Messages to and from the engine over an inherited socket."""

    def __init__(self, descriptor: int, tickets: int) -> None:
        """Take over what the engine's end belongs to.

        Args:
            descriptor: the socket.
            tickets: a pipe that holds a byte for each mini-batch sent; the engine draws those of what it takes back.
        """
        keep_to_this_process(descriptor)
        keep_to_this_process(tickets)
        self._socket, self._tickets = socket.socket(fileno=descriptor), tickets
        self._drawn = b""
        self._waiting = bytearray()

    def receive(self) -> Any:
        """Wait for a message; None when the engine has gone. Mini-batches that were taken back are passed over."""
        while True:
            length = LENGTH.unpack(self._read(LENGTH.size) or bytes(LENGTH.size))[0]
            body = self._read(length) if length else b""
            message = decode(body.decode(), 0)[0] if body else None
            if message is None or "ticket" not in message or self._has_ticket(message["ticket"]):
                return message

    def send(self, message: dict[str, Any]) -> None:
        """Send a message."""
        body = encode(message).encode()
        self._socket.sendall(LENGTH.pack(len(body)) + body)

    def _has_ticket(self, ticket: int) -> bool:
        if not self._drawn:
            try:
                self._drawn = read(self._tickets, 1)
            except BlockingIOError:
                return False
        if self._drawn != bytes((ticket,)):  # of a later one: all before it were taken back
            return False
        self._drawn = b""
        return True

    def _read(self, length: int) -> bytes:
        while len(self._waiting) < length:
            chunk = self._socket.recv(1 << 16)
            if not chunk:
                return b""
            self._waiting += chunk
        data = bytes(self._waiting[:length])
        del self._waiting[:length]
        return data


class Segment:
    """The file that takes the rows of this worker, one range of bytes a mini-batch.

    The engine learns the range, and decides whether it counts.
    """

    def __init__(self, path: str) -> None:
        """Name the file; it is made with the first rows."""
        self._path, self._end = path, 0
        self._descriptor = None  # type: int | None

    def append(self, data: bytes) -> list[int]:
        """Write `data` and return its offset and length; a write that fails leaves the end where it was."""
        view, offset = memoryview(data), self._end
        try:
            if self._descriptor is None:
                self._descriptor = opened(self._path)
            while view:
                written = pwrite(self._descriptor, view, offset)
                view, offset = view[written:], offset + written
        except OSError as error:
            raise RowsNotWritten(error) from None
        start, self._end = self._end, offset
        return [start, len(data)]


def opened(path: str) -> int:
    """Make a file to write to; never in place of a standard stream that the script closed: prints would go there."""
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o644)
    if descriptor >= FIRST_OWN:
        return descriptor
    try:
        return fcntl.fcntl(descriptor, fcntl.F_DUPFD_CLOEXEC, FIRST_OWN)
    finally:
        os.close(descriptor)


def keep_to_this_process(descriptor: int) -> None:
    """Close a descriptor in programs that the script starts."""
    fcntl.fcntl(descriptor, fcntl.F_SETFD, fcntl.FD_CLOEXEC)
