"""The view of a job that is drawn again and again while the job runs, and the small bar of ``wait``."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from azure_batch_endpoints._render.pages import cell, render

MOST_LINE = 300
"""Characters of a log line."""


@dataclass(frozen=True)
class BarState:
    """How far one job is.

    Attributes:
        name: the job's.
        status: its status.
        done: input files of finished mini-batches.
        failed: those of them that failed.
        total: input files; None while that is not known.
        told: counts, rate and time to go, as text.
    """

    name: str
    status: str
    done: int = 0
    failed: int = 0
    total: int | None = None
    told: str = ""

    @property
    def good_percent(self) -> float:
        """Width of the part that succeeded."""
        return round(100 * max(0, self.done - self.failed) / self.total, 2) if self.total else 0.0

    @property
    def failed_percent(self) -> float:
        """Width of the part that failed; not so small that nobody sees it."""
        return max(0.5, round(100 * self.failed / self.total, 2)) if self.total and self.failed else 0.0


@dataclass(frozen=True)
class View:
    """What the live view of a job shows beside its bar.

    Attributes:
        bar: how far it is.
        title: heading.
        elapsed: how long it has been running, as text; or empty.
        error: why it failed; or empty.
        causes: why input files failed, grouped, a line each.
        timeline: SVG of :func:`timeline_svg`, or empty.
        logs: source and text of the last log lines.
        note: said below.
    """

    bar: BarState
    title: str = ""
    elapsed: str = ""
    error: str = ""
    causes: Sequence[str] = ()
    timeline: str = ""
    logs: Sequence[tuple[str, str]] = ()
    note: str = ""


def live(view: View) -> str:
    """Return the live view as HTML."""
    return render(
        "live.html",
        view=view,
        error=cell(view.error),
        causes=[cell(one) for one in view.causes],
        logs=[(cell(source), cell(line)[:MOST_LINE]) for source, line in view.logs],
        tone=_tone(view.bar),
    )


def bars(states: Sequence[BarState], *, more: str = "") -> str:
    """Return small bars as HTML, a line a job.

    Args:
        states: a job each.
        more: said below.
    """
    return render("bars.html", states=[(one, _tone(one)) for one in states], more=more)


def _tone(bar: BarState) -> str:
    """Return which colour the status has."""
    words = {"Completed": "ok", "Failed": "bad", "Canceled": "off"}
    return words.get(bar.status, "on")
