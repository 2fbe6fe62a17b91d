"""A client's hold on the local service: a connection kept open. The kernel closes it when the client dies.

Only this; who starts a service and who joins it is in `service`.
"""

from __future__ import annotations

import http.client
import json
import os
import selectors
import socket
import weakref
from typing import IO
from urllib.parse import urlsplit

from azure_batch_endpoints.local.record import ServiceRecord

_ANSWER_SECONDS = 5.0


class Lease:
    """A held lease; the service stays at least as long."""

    def __init__(
        self, record: ServiceRecord, connection: http.client.HTTPConnection, stream: http.client.HTTPResponse
    ) -> None:
        self._record = record
        self._connection = connection
        self._stream = stream
        self._id = stream.readline().decode().strip()
        self._in_order: bool | None = None
        forget = weakref.WeakMethod(self._forget)
        # A fork shares the connection; without this the service would outlive us by as long as our children run.
        os.register_at_fork(after_in_child=lambda: (method := forget()) and method())

    @classmethod
    def take(cls, record: ServiceRecord) -> Lease | None:
        """Return a lease of the service, or None when it is gone, going, or not the one that wrote the record."""
        connection = _connect(record)
        try:
            connection.request("GET", "/local/lease", headers=_authorization(record))
            stream = connection.getresponse()
            if stream.status == 200:
                return cls(record, connection, stream)
            stream.read()
        except (OSError, http.client.HTTPException):
            pass
        connection.close()
        return None

    @property
    def held(self) -> bool:
        """Whether the service still holds its end; it sends nothing more, so readable means closed."""
        return not self.lost(0)

    def lost(self, seconds: float) -> bool:
        """Whether the service has let go of its end, or does so within that time."""
        return self._stream.closed or is_readable(self._connection.sock, seconds)

    def ended_in_order(self) -> bool:
        """Whether the end of a lease that is lost was said, as a service does that is told to end; False: it died."""
        if self._in_order is None:  # read once: the next time there is nothing to read, as if the end had been said
            try:
                self._in_order = self._stream.read() == b""
            except (OSError, http.client.HTTPException, ValueError):
                self._in_order = False
        return self._in_order

    def release(self) -> bool:
        """Give the lease back; True when the service ends now because it was the last one. Never raises."""
        try:
            return not self.held or self._give_back()  # of a dead service the port may be another program's by now
        except (OSError, http.client.HTTPException, ValueError):
            return True  # it is going already
        finally:
            self._forget()

    def _give_back(self) -> bool:
        connection = _connect(self._record)
        try:
            connection.request("DELETE", f"/local/lease/{self._id}", headers=_authorization(self._record))
            return bool(json.loads(connection.getresponse().read())["last"])
        finally:
            connection.close()

    def _forget(self) -> None:
        self._stream.close()
        self._connection.close()


def is_readable(stream: socket.socket | IO[bytes], seconds: float) -> bool:
    """Wait for something to read, or the end, at most so long. Any descriptor will do, above 1023 too."""
    with selectors.DefaultSelector() as selector:
        selector.register(stream, selectors.EVENT_READ)
        return bool(selector.select(seconds))


def _connect(record: ServiceRecord) -> http.client.HTTPConnection:
    address = urlsplit(record.base_url)
    return http.client.HTTPConnection(str(address.hostname), address.port, timeout=_ANSWER_SECONDS)


def _authorization(record: ServiceRecord) -> dict[str, str]:
    return {"Authorization": f"Bearer {record.token}"}
