"""Callbacks for jobs that end: one background thread a client looks at all of its jobs that somebody wants to know of.

The thread is a daemon: it never keeps the interpreter alive. It ends when nothing is watched any more and when the
client is closed, and outlasts outages of any length.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING
from weakref import WeakKeyDictionary

from azure_batch_endpoints._arguments import require_callable
from azure_batch_endpoints._http import pauses
from azure_batch_endpoints.errors import AuthenticationError, BatchEndpointsError, NotFoundError

if TYPE_CHECKING:
    from azure_batch_endpoints._workspace import Workspace
    from azure_batch_endpoints.job import Job

_log = logging.getLogger("azure_batch_endpoints.callbacks")
_LONGEST_OUTAGE_PAUSE = 30.0
_LONGEST_OUTAGE_PAUSE_LOCALLY = 1.0
_LOGIN_PAUSE = 300.0
"""Seconds; a credential may start a program or open a window whenever it is asked for a token."""
_CLOSING_SECONDS = 5.0
"""How long closing waits for a look that is under way."""


def watch(job: Job, call: Callable[[Job], object]) -> None:
    """Call ``call`` with a job once it has ended: at once if it has, else from the client's thread.

    Raises:
        InvalidInputError: it cannot be called.
    """
    require_callable("add_done_callback()", call)
    if job.status.is_terminal:
        _call(call, job)
        return
    with _LOCK:
        watcher = _WATCHERS.setdefault(job._workspace, _Watcher(job._workspace))
    watcher.add(job, call)


def close(workspace: Workspace) -> None:
    """End a client's thread; says in a warning which jobs nobody will be told of."""
    with _LOCK:
        watcher = _WATCHERS.get(workspace)
    if watcher is not None:
        watcher.close()


class _Watched:
    """One job and whom to tell."""

    def __init__(self, job: Job, call: Callable[[Job], object]) -> None:
        self.job, self.calls = job, [call]
        session = job._workspace.session
        self._looks: Iterator[float] = pauses(session.first_pause, session.longest_pause)
        self._outage: Iterator[float] | None = None
        self.due = time.monotonic()

    def look(self) -> bool:
        """Look once; tells whether it is over with this job: it has ended, or is gone."""
        job = self.job
        if job.status.is_terminal:
            return True
        if job._workspace.session.closed:
            _log.warning("The client of job '%s' is closed; its callback is not called.", job.name)
            return True
        try:
            job._refresh(None)  # how far it is, nobody asks here
        except NotFoundError:
            _log.warning("Job '%s' is not there any more; its callback is not called.", job.name)
            return True
        except BatchEndpointsError as error:
            self.due = time.monotonic() + self._pause_after(error)
            return False
        self._outage = None
        asked = job._asked_pause
        self.due = time.monotonic() + (next(self._looks) if asked is None else asked)
        return job.status.is_terminal

    def _pause_after(self, error: BatchEndpointsError) -> float:
        session, is_login = self.job._workspace.session, isinstance(error, AuthenticationError)
        if self._outage is None:
            level = logging.WARNING if is_login else logging.INFO
            _log.log(level, "Job '%s' could not be looked at; it is tried again: %s", self.job.name, error)
            most = _LONGEST_OUTAGE_PAUSE_LOCALLY if session.is_local else _LONGEST_OUTAGE_PAUSE
            self._outage = pauses(session.first_pause, most)
        pause = next(self._outage)
        return max(pause, _LOGIN_PAUSE) if is_login and not session.is_local else pause


class _Watcher:
    """The thread of one client, which is there only while something is watched."""

    def __init__(self, workspace: Workspace) -> None:
        self._name = workspace.path.name
        self._changed = threading.Condition()
        self._watched: list[_Watched] = []
        self._thread: threading.Thread | None = None
        self._looking = False
        self._closed = False

    def add(self, job: Job, call: Callable[[Job], object]) -> None:
        """Watch a job from now on."""
        with self._changed:
            if self._closed:
                _log.warning("The client of job '%s' is closed; its callback is not called.", job.name)
                return
            known = next((one for one in self._watched if one.job is job), None)
            if known is not None:
                known.calls.append(call)
                return
            self._watched.append(_Watched(job, call))
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name=f"jobs of {self._name}", daemon=True)
                self._thread.start()
            self._changed.notify_all()

    def close(self) -> None:
        """Watch nothing any more; returns when no look is under way."""
        with self._changed:
            self._closed = True
            names = [one.job.name for one in self._watched if not one.job.status.is_terminal]
            self._watched.clear()
            self._changed.notify_all()
            if threading.current_thread() is not self._thread:
                self._changed.wait_for(lambda: not self._looking, timeout=_CLOSING_SECONDS)
        if names:
            named = ", ".join(f"'{name}'" for name in names)
            _log.warning(
                "The client was closed before these jobs ended: %s. Their callbacks are not called; they go on.", named
            )

    def _run(self) -> None:
        while (one := self._next()) is not None:
            over = True
            try:
                over = one.look()
            except Exception:  # noqa: BLE001 (whatever it is, the other jobs are watched on)
                _log.exception("Job '%s' cannot be watched; its callback is not called.", one.job.name)
            finally:
                with self._changed:
                    self._looking = False
                    self._changed.notify_all()
                    mine = one in self._watched
                    if over and mine:
                        self._watched.remove(one)
            if over and mine and one.job.status.is_terminal:
                for call in one.calls:
                    _call(call, one.job, BaseException)  # sys.exit() in it must not end the thread

    def _next(self) -> _Watched | None:
        """Return the job whose turn it is, when it is; None: there is none, and the thread ends."""
        with self._changed:
            while self._watched and not self._closed:
                one = min(self._watched, key=lambda one: one.due)
                pause = one.due - time.monotonic()
                if pause <= 0:
                    self._looking = True
                    return one
                self._changed.wait(pause)
            self._thread = None
            return None


def _call(call: Callable[[Job], object], job: Job, forgiven: type[BaseException] = Exception) -> None:
    try:
        call(job)
    except forgiven:
        _log.exception("The callback of job '%s' raised.", job.name)


_LOCK = threading.Lock()
_WATCHERS: WeakKeyDictionary[Workspace, _Watcher] = WeakKeyDictionary()
