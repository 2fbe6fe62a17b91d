"""What endpoints, deployments, computes and jobs share: one frozen snapshot swapped whole, identity, repr, waiting.

Properties of an entity never send a request; ``refresh`` reads again, and ``repr`` shows how old the snapshot is.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import datetime, timezone
from types import MappingProxyType
from typing import Any, Generic, TypeVar
from urllib.parse import unquote

from typing_extensions import Self

from azure_batch_endpoints import _render
from azure_batch_endpoints._arguments import require_seconds
from azure_batch_endpoints._http import Answer, Deadline, DeadlinePassed, Operation, OperationEnded, Patience, pauses
from azure_batch_endpoints._wire import kept
from azure_batch_endpoints._workspace import Workspace, understood
from azure_batch_endpoints.errors import (
    BatchEndpointsError,
    NotFoundError,
    OperationFailedError,
    TransportError,
    WaitTimeoutError,
)
from azure_batch_endpoints.states import ProvisioningState

_T = TypeVar("_T")


@dataclass(frozen=True)
class Snapshot(Generic[_T]):
    """One answer of the service, read.

    Attributes:
        body: the typed body.
        raw: the JSON as it came.
        fetched_at: when, aware UTC.
    """

    body: _T
    raw: Mapping[str, Any]
    fetched_at: datetime

    @classmethod
    def take(cls, read: Callable[[object], _T], data: object) -> Self:
        """Read a decoded JSON answer; nothing, as some calls are answered, is an empty one.

        Raises:
            TransportError: it is no JSON object, or of another shape than this version knows.
        """
        raw = _object(data)
        return cls(understood(read, raw), MappingProxyType(raw), datetime.now(timezone.utc))

    def with_body(self, body: _T) -> Self:
        """Return this answer with a body that was completed from elsewhere."""
        return replace(self, body=body)


def named(body: object, url: str) -> dict[str, Any]:
    """Return an answer's body with the id and the name of what was asked for, where it leaves them out.

    Raises:
        TransportError: it is no JSON object.
    """
    given = _object(body, unquote(url.rpartition("/")[2]))
    own = {"id": url, "name": unquote(url.rpartition("/")[2])}
    return {**given, **{key: value for key, value in own.items() if not given.get(key)}}


def from_put(body: object, url: str) -> dict[str, Any]:
    """Return the same of a PUT, whose answer need not tell anything: the service is asked again."""
    return named(body if isinstance(body, dict) else None, url)


def _object(data: object, about: str = "the service") -> dict[str, Any]:
    if data is None or isinstance(data, dict):
        return data or {}
    kind = "a list" if isinstance(data, list) else "a text" if isinstance(data, str) else "a number or truth value"
    raise TransportError(
        f"The answer about '{about}' cannot be read: it is {kind}, not an object. The service may have done what was "
        "asked. Look at what there is; if this stays, check whether a proxy or gateway is in between."
    )


class Entity(Generic[_T]):
    """A live thing of the workspace."""

    _noun = "resource"

    def __init__(self, workspace: Workspace, snapshot: Snapshot[_T]) -> None:
        self._workspace = workspace
        self._snapshot = snapshot

    @property
    def id(self) -> str:
        """ARM id."""
        return str(self._snapshot.raw.get("id") or "")

    @property
    def name(self) -> str:
        """Name."""
        raw = self._snapshot.raw
        return str(raw.get("name") or unquote(str(raw.get("id") or "").rpartition("/")[2]))

    @property
    def raw(self) -> Mapping[str, Any]:
        """The service's answer as it came; read-only."""
        return self._snapshot.raw

    @property
    def fetched_at(self) -> datetime:
        """When the service was last asked, aware UTC."""
        return self._snapshot.fetched_at

    def _rows(self) -> list[tuple[str, object]]:
        """What ``repr``, the notebook and the command line show, top to bottom."""
        return [("name", self.name)]

    def __repr__(self) -> str:
        values = [_render.text(value) for _, value in self._rows()]
        return f"{type(self).__name__}({values[0]!r}, {', '.join([*values[1:2], _render.age(self.fetched_at)])})"

    def _repr_html_(self) -> str:
        return _render.card(type(self).__name__, [*self._rows(), ("as of", _render.age(self.fetched_at))])

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Entity) and type(self) is type(other) and self.id.lower() == other.id.lower()

    def __hash__(self) -> int:
        return hash((type(self), self.id.lower()))


class Provisioned(Entity[_T], ABC):
    """An entity the service makes, changes and removes in operations that take a while."""

    _operation: Operation | None = None
    _asked_pause: float | None = None
    _asked_for: Mapping[str, Any] | None = None
    _remedy = "Look at what there is with refresh(), and ask again; if it is dropped again, leave it out."

    @property
    def provisioning_state(self) -> ProvisioningState:
        """State when last asked."""
        inside = self._snapshot.raw.get("properties")
        return ProvisioningState(inside.get("provisioningState") if isinstance(inside, dict) else None)

    @abstractmethod
    def _url(self) -> str:
        """Return the path of its management route."""

    @abstractmethod
    def _read(self, data: object) -> Snapshot[_T]:
        """Read the kind's own body."""

    def _called(self) -> str:
        return f"{self._noun} '{self.name}'"

    def refresh(self) -> Self:
        """Ask the service again (1 request).

        Returns:
            this object, refreshed.

        Raises:
            NotFoundError: it is gone.
        """
        return self._refresh(None)

    def _refresh(self, deadline: Deadline | None) -> Self:
        answer = self._workspace.send("GET", self._url(), action=f"read {self._called()}", deadline=deadline)
        self._asked_pause = answer.retry_after
        self._snapshot = self._read(named(answer.body, self._url()))
        return self

    def wait(self, *, timeout: float | None = None) -> Self:
        """Wait until the service is done with it.

        Args:
            timeout: seconds; None: as long as it takes.

        Returns:
            this object, refreshed.

        Raises:
            OperationFailedError: it ended Failed or Canceled.
            NotKeptError: it is ready, but the service did not keep what was asked for.
            WaitTimeoutError: the time was over; the service goes on.
        """
        require_seconds("timeout", timeout)
        deadline = Deadline(self._workspace.session.clock, timeout)
        try:
            if self._operation is not None:
                body = self._operation.wait(timeout)
                self._operation = None
                self._snapshot = self._read(named(body, self._url())) if body else self._snapshot
            self._settle(deadline)
        except OperationEnded as ended:
            self._operation = None
            self._refresh_if_there()
            raise OperationFailedError(
                self._failure(ended.status, ended.message), self, request_id=ended.request_id
            ) from ended
        except DeadlinePassed as passed:
            raise WaitTimeoutError(self._still(timeout), self) from passed
        if self.provisioning_state in (ProvisioningState.FAILED, ProvisioningState.CANCELED):
            raise OperationFailedError(self._failure(self.provisioning_state.value, None), self)
        self._compare()
        return self

    def _settle(self, deadline: Deadline) -> None:
        session = self._workspace.session
        patience = Patience(session, deadline, "It goes on; wait() again or refresh().")
        for pause in pauses(session.first_pause, session.longest_pause):
            if self.provisioning_state.is_terminal or not self._says_state():
                return
            deadline.sleep(pause if self._asked_pause is None else self._asked_pause)
            patience.ask(lambda: self._refresh(deadline))

    def _says_state(self) -> bool:
        """Whether the answer names a state at all; one that names none is ready."""
        inside = self._snapshot.raw.get("properties")
        return isinstance(inside, dict) and bool(inside.get("provisioningState"))

    def _refresh_if_there(self) -> None:
        try:
            self.refresh()
        except NotFoundError:
            return

    def _failure(self, status: str, message: str | None) -> str:
        reason = message or "the service gave no reason"
        return f"The {self._called()} ended {status}: {reason.rstrip('.')}. Change what it names and create it again."

    def _still(self, timeout: float | None) -> str:
        state = self.provisioning_state.value
        return f"The {self._called()} is still {state} after {timeout:g} s. It goes on; wait() again or refresh()."

    def _begun(self, answer: Answer, action: str, asked: Mapping[str, Any]) -> Self:
        """Remember the operation behind an answer, and what was asked for; show what the answer says already."""
        self._operation = Operation.start(self._workspace.session, answer, action=action)
        self._asked_for = asked
        if isinstance(answer.body, dict):
            self._snapshot = self._read(named(answer.body, self._url()))
        return self

    def _finished(self, *, wait: bool, timeout: float | None) -> Self:
        """Wait for what was begun, or return at once; compare what was asked for with the service's last answer.

        An answer that comes before the end may show what was there before, so it contradicts nothing.
        """
        if wait:
            return self.wait(timeout=timeout)
        if self._operation is None or self._operation.done:
            self._compare()
        return self

    def _compare(self) -> None:
        """Say once what the service did not keep."""
        asked, self._asked_for = self._asked_for or {}, None
        found = kept.losses(asked, self._snapshot.raw)
        session = self._workspace.session
        if any(one.matters for one in found) and not session.is_local:
            session.clock.sleep(session.first_pause)
            with suppress(BatchEndpointsError):
                self.refresh()  # in the cloud, what was read may be older than what was written
            found = kept.losses(asked, self._snapshot.raw)
        kept.judge(found, self, called=f"the {self._called()}", remedy=self._remedy)

    def _remove(self, *, wait: bool, timeout: float | None, params: Mapping[str, str] | None = None) -> None:
        require_seconds("timeout", timeout)
        action = f"delete {self._called()}"
        answer = self._workspace.send("DELETE", self._url(), action=action, params=params)
        operation = Operation.start(self._workspace.session, answer, action=action)
        if not wait:
            return
        try:
            operation.wait(timeout)
        except OperationEnded as ended:
            raise OperationFailedError(
                self._failure(ended.status, ended.message), self, request_id=ended.request_id
            ) from ended
        except DeadlinePassed as passed:
            late = f"still being deleted after {timeout:g} s. It goes on; look again with refresh()."
            raise WaitTimeoutError(f"The {self._called()} is {late}", self) from passed


class Collection(_render.Card):
    """The workspace's things of one kind, or a part of them."""

    def __init__(self, workspace: Workspace) -> None:
        self._workspace = workspace

    def __repr__(self) -> str:
        """Name the verbs, for whoever looks at it in a notebook; sends nothing."""
        return f"<{type(self).__name__}: {', '.join(call for _, call in self._rows())}>"

    def _rows(self) -> list[tuple[str, str]]:
        verbs = {"create": "create(spec)", "get": "get(name)", "list": "list()", "get_default": "get_default()"}
        return [(verb.replace("_", " "), call) for verb, call in verbs.items() if hasattr(self, verb)]
