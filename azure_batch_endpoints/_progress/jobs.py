"""Progress of jobs, in input files: a small view in a notebook, a bar on a terminal, plain lines elsewhere."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any, Protocol

from azure_batch_endpoints import _render
from azure_batch_endpoints._progress import screen
from azure_batch_endpoints._progress.lines import Lines
from azure_batch_endpoints._progress.notebook import Place
from azure_batch_endpoints.items import JobProgress
from azure_batch_endpoints.states import JobStatus

_LONGEST_LABEL = 24
"""Characters of a job's name before a bar: a made-up name is longer than half a terminal."""
_BETWEEN = 0.1
"""Seconds between two drawings of several jobs: each sums up all of them, which a thousand would feel at each look."""
_MOST_SHOWN = 20
"""Jobs that have a line of their own in a notebook."""


@dataclass(frozen=True)
class Standing:
    """Where one job stands.

    Attributes:
        name: the job's.
        status: as the service says it.
        progress: or None where it is not known.
    """

    name: str
    status: str = "not asked yet"
    progress: JobProgress | None = None

    @property
    def has_ended(self) -> bool:
        """Whether the status is an end."""
        return JobStatus(self.status).is_terminal

    def __str__(self) -> str:
        """Return e.g. ``Running, 412 of 1,000 files, 18 failed, 35/s, 17 s to go``."""
        return ", ".join(filter(None, (self.status, str(self.progress) if self.progress else "")))

    def bar(self) -> _render.BarState:
        """Return what a notebook draws of it."""
        return bar_state(self.name, self.status, self.progress)


def bar_state(name: str, status: str, progress: JobProgress | None) -> _render.BarState:
    """Return what a notebook draws of a job."""
    known = progress or JobProgress()
    told = str(progress) if progress else ""
    return _render.BarState(name, status, known.items_done, known.items_failed, known.items_total, told)


class _Drawing(Protocol):
    """One way to show where jobs stand."""

    def draw(self, all_of_them: Sequence[Standing]) -> None:
        """Show it as it is now."""

    def close(self) -> None:
        """Show the last state, and leave it there."""


@contextmanager
def job_bar(name: str, *, show: bool | None) -> Iterator[Callable[[JobProgress | None, str], None]]:
    """Draw a job's progress in input files.

    Args:
        name: the job's.
        show: True: always, as plain lines where nothing can be drawn; False: never; None: in a notebook or on a
            terminal.

    Yields:
        the function that takes progress and status.
    """
    with jobs_bar([name], show=show) as draw:
        yield lambda progress, status: draw(name, progress, status)


@contextmanager
def jobs_bar(names: Sequence[str], *, show: bool | None) -> Iterator[Callable[[str, JobProgress | None, str], None]]:
    """Draw the progress of several jobs, in input files of all of them; ``show`` as of :func:`job_bar`.

    Yields:
        the function that takes a job's name, progress and status.
    """
    if not names or not screen.wanted(show):
        yield lambda _name, _progress, _status: None
        return
    standing = {name: Standing(name) for name in names}
    paces = {name: _Pace() for name in names}
    drawing = _drawing(len(standing))

    drawn_at, latest = float("-inf"), False

    def draw(name: str, progress: JobProgress | None, status: str) -> None:
        nonlocal drawn_at, latest
        known = paces[name].added(progress) if name in paces else progress
        standing[name] = Standing(name, status, known)
        latest = len(standing) == 1 or time.monotonic() - drawn_at >= _BETWEEN
        if latest:
            drawing.draw(list(standing.values()))
            drawn_at = time.monotonic()

    try:
        yield draw
    finally:
        if not latest and drawn_at > float("-inf"):
            drawing.draw(list(standing.values()))
        drawing.close()


def _drawing(count: int) -> _Drawing:
    if screen.in_notebook():
        return _InNotebook()
    return _OnTerminal() if screen.on_terminal() else _AsLines(count)


class _Pace:
    """Reckons the rate where the service does not tell it, from what was done while we looked."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._began: tuple[float, int] | None = None

    def added(self, progress: JobProgress | None) -> JobProgress | None:
        if progress is None or progress.items_per_second is not None or progress.items_done == progress.items_total:
            return progress
        now = self._clock()
        if self._began is None:
            self._began = now, progress.items_done
        passed, done = now - self._began[0], progress.items_done - self._began[1]
        if passed <= 0 or done <= 0:
            return progress
        rate = done / passed
        total = progress.items_total
        left = None if total is None else max(0, total - progress.items_done) / rate
        return replace(progress, items_per_second=rate, eta=left)


def _summed(all_of_them: Sequence[Standing]) -> JobProgress:
    """Return the progress of several jobs as that of one."""
    known = [one.progress for one in all_of_them if one.progress is not None]
    totals = [one.items_total for one in known if one.items_total is not None]
    rate = sum(one.items_per_second or 0.0 for one in known) or None
    done = sum(one.items_done for one in known)
    total = sum(totals) if len(totals) == len(all_of_them) else None
    left = (total - done) / rate if total is not None and rate else None
    failed = sum(one.items_failed for one in known)
    return JobProgress(items_done=done, items_failed=failed, items_total=total, items_per_second=rate, eta=left)


def _ended(all_of_them: Sequence[Standing]) -> str:
    """Return e.g. ``2 of 5 jobs ended``."""
    return f"{sum(one.has_ended for one in all_of_them)} of {len(all_of_them)} jobs ended"


class _OnTerminal:
    """A bar; the service knows the rate of scoring, the bar would take what was done before for speed."""

    def __init__(self) -> None:
        form = "{l_bar}{bar}| {n_fmt}/{total_fmt} files [{elapsed}{postfix}]"
        self._bar: Any = screen.tqdm()(file=sys.stderr, dynamic_ncols=True, bar_format=form)

    def draw(self, all_of_them: Sequence[Standing]) -> None:
        bar, (first, *others) = self._bar, all_of_them
        progress = _summed(all_of_them) if others else first.progress
        said = _ended(all_of_them) if others else f"{_label(first.name)}: {first.status}"
        bar.set_description_str(said, refresh=False)
        if progress is not None:
            if progress.items_total != bar.total:
                bar.total = progress.items_total
            failed = f"{progress.items_failed:,} failed" if progress.items_failed else ""
            bar.set_postfix_str(", ".join(filter(None, (progress.pace, failed))), refresh=False)
            bar.n = progress.items_done
        bar.refresh()

    def close(self) -> None:
        self._bar.close()


class _InNotebook:
    """A line and a small bar a job."""

    def __init__(self) -> None:
        self._place = Place()
        self._latest: Sequence[Standing] = ()

    def draw(self, all_of_them: Sequence[Standing]) -> None:
        self._latest = all_of_them
        if self._place.due():
            self._draw()

    def _draw(self) -> None:
        ordered = sorted(self._latest, key=lambda one: one.has_ended)  # those that go on first
        left_out = len(ordered) - _MOST_SHOWN
        more = f"{_ended(ordered)}: {_summed(ordered)}" if len(ordered) > 1 else ""
        shown = [one.bar() for one in (ordered if left_out <= 0 else ordered[:_MOST_SHOWN])]
        more += f"; {left_out} jobs are not shown" if left_out > 0 else ""
        html = _render.bars(shown, more=more)
        self._place.draw(html, more or f"job '{ordered[0].name}': {ordered[0]}")

    def close(self) -> None:
        if self._latest:
            self._draw()


class _AsLines:
    """Plain lines."""

    def __init__(self, count: int) -> None:
        self._lines = Lines()
        self._several = count > 1

    def draw(self, all_of_them: Sequence[Standing]) -> None:
        if self._several:
            self._lines.say(f"{_ended(all_of_them)}: {_summed(all_of_them)}")
        else:
            self._lines.say(f"job '{all_of_them[0].name}': {all_of_them[0]}")

    def close(self) -> None:
        self._lines.end()


def _label(name: str) -> str:
    return name if len(name) <= _LONGEST_LABEL else f"{name[: _LONGEST_LABEL - 1]}…"
