"""The live view of a job in a notebook: drawn in place while the job runs, a record of it afterwards."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import datetime, timezone
from typing import TYPE_CHECKING, Any

from azure_batch_endpoints import _progress, _render
from azure_batch_endpoints._http import Deadline, DeadlinePassed
from azure_batch_endpoints.errors import BatchEndpointsError
from azure_batch_endpoints.logs import LogReader

if TYPE_CHECKING:
    from azure_batch_endpoints.job import Job

LOG_LINES = 8
"""Log lines shown, the last ones."""
_LOOK_SECONDS = 20.0
"""Longest time that one look at what is beside the progress may take; the view goes on without it."""
_PAUSE = 0.5
"""Seconds between two looks at least; ten times as long as a look takes, if that is more."""
_LOG_PAUSES = (1.0, 10.0)
"""The same for log lines, of a job on this machine and of one in the cloud."""


class WatchStopped(KeyboardInterrupt):
    """The user stopped watching; the notebook shows one line instead of a traceback, and runs no further cells."""

    def _render_traceback_(self) -> list[str]:
        return [str(self)]


@contextmanager
def view(job: Job) -> Iterator[Callable[[], None]]:
    """Draw a job until the block ends; yields what is to be called after each look at the job."""
    watched = _Watched(job)
    try:
        yield watched.seen
    except KeyboardInterrupt:
        text = f"Stopped watching; job '{job.name}' goes on. Watch it again: job.watch(). End it: job.cancel()."
        watched.close("Stopped watching; the job goes on.")
        raise WatchStopped(text) from None
    except BaseException:
        watched.close("" if job.status.is_terminal else "Not watched any more; the job goes on: job.watch().")
        raise
    watched.close()


class _Watched:
    """One job, and what is drawn of it."""

    def __init__(self, job: Job) -> None:
        self._job = job
        self._place = _progress.Place()
        self._was_ended = job.status.is_terminal
        self._beside = _Paced(self._ask_overview, _PAUSE)
        local = job._workspace.session.is_local
        self._log_pause = _Paced(self._ask_logs, _LOG_PAUSES[0 if local else 1])
        self._causes: list[str] = []
        self._timeline = ""
        self._reader = LogReader(job._workspace, job.name)
        self._lines: deque[tuple[str, str]] = deque(maxlen=LOG_LINES)
        self._status = ""

    def seen(self) -> None:
        """Take note of a look at the job, and draw it if it is time to."""
        status = self._job.status.value
        if self._job.status.is_terminal:
            return  # close() draws the end
        if status != self._status or self._place.due():
            self._status = status
            self._beside.when_due()
            self._log_pause.when_due()
            self._draw()

    def close(self, note: str = "") -> None:
        """Draw it as it is at the end; of a job that goes on, with what was asked last: nobody wants to wait now."""
        if self._job.status.is_terminal:
            with suppress(KeyboardInterrupt):  # who stops it does not want to wait for the last details
                self._beside.now()
                self._log_pause.now()
        self._draw(note)

    def _ask_overview(self) -> None:
        if not self._job._workspace.session.is_local:
            return
        answer = self._send(self._job._workspace.path.job_overview(self._job.name))
        causes = answer.get("causes")
        self._causes = [str(one) for one in causes] if isinstance(causes, list) else []
        self._timeline = _render.timeline_svg(_render.Timeline.from_wire(answer.get("timeline")))

    def _send(self, path: str) -> dict[str, Any]:
        workspace = self._job._workspace
        action = f"read what job '{self._job.name}' does"
        body = workspace.send("GET", path, action=action, deadline=self._deadline()).body
        return body if isinstance(body, dict) else {}

    def _ask_logs(self) -> None:
        for entry in self._reader.read(last=self._job.status.is_terminal, deadline=self._deadline()):
            if entry.message.strip():
                self._lines.append((entry.source, entry.message))

    def _deadline(self) -> Deadline:
        return Deadline(self._job._workspace.session.clock, _LOOK_SECONDS)

    def _draw(self, note: str = "") -> None:
        job = self._job
        bar = _progress.bar_state(job.name, job.status.value, job.progress)
        shown = _render.View(
            bar=bar,
            title=f"{job.endpoint_name} / {job.deployment_name or 'default deployment'}: {job.name}",
            elapsed=self._elapsed(),
            error=job.error or "",
            causes=self._causes,
            timeline=self._timeline,
            logs=list(self._lines),
            note=note,
        )
        self._place.draw(_render.live(shown), f"job '{job.name}': {bar.status}, {bar.told}".rstrip(", "))

    def _elapsed(self) -> str:
        began = self._job.created_at
        if began is None or self._was_ended:
            return ""
        return _render.duration((datetime.now(timezone.utc) - began).total_seconds())


class _Paced:
    """Something that is asked now and then, and done without when there is no answer."""

    def __init__(self, ask: Callable[[], None], pause: float) -> None:
        self._ask, self._pause = ask, pause
        self._next = float("-inf")

    def when_due(self) -> None:
        """Ask if it is time to."""
        if time.monotonic() >= self._next:
            self.now()

    def now(self) -> None:
        """Ask."""
        began = time.monotonic()
        with suppress(BatchEndpointsError, DeadlinePassed):
            self._ask()
        ended = time.monotonic()
        self._next = ended + max(self._pause, 10 * (ended - began))
