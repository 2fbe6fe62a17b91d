"""When which worker had which mini-batch in work, drawn as SVG: a lane a worker, a bar a try.

Colour and pattern say what became of it, a title says the rest. Nothing is drawn twice and little is said of each bar:
the 600 that one drawing may have stay below 200 KB.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace

from azure_batch_endpoints._render.pages import render

WIDTH, LABEL = 760.0, 88.0
_LADDER = (0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 20, 30, 60, 120, 300, 600, 1800, 3600, 7200, 21600, 86400)
"""Seconds between two marks of the axis."""
_MANY_LANES = 12
_LONGEST_LABEL = 14


@dataclass(frozen=True, slots=True)
class Bar:
    """One try, or several of one worker that follow each other. Times are Unix times, in seconds."""

    worker: str
    started: float
    ended: float
    first: int
    """Number of the mini-batch, the lowest of several."""
    last: int
    """The highest."""
    mini_batches: int
    """Mini-batches that were finished with it."""
    items: int
    """Input files of those."""
    items_failed: int
    """Input files of those that failed."""
    failed: int
    """Mini-batches that failed."""
    partial: int
    """Mini-batches of which some files failed."""
    lost: int
    """Tries that failed and were tried again."""


@dataclass(frozen=True, slots=True)
class Timeline:
    """Bars of a job, by worker, then by time."""

    bars: tuple[Bar, ...] = ()
    workers: int = 0
    """How many there were in all; there are bars of the first ones only."""
    every: int = 1
    """Of the mini-batches that went well every so manieth was read, and stands for all of them."""

    @classmethod
    def from_wire(cls, body: object) -> Timeline:
        """Read the service's answer; what is no bar is left out."""
        told = body if isinstance(body, dict) else {}
        bars = told.get("bars")
        workers, every = (told.get(name) for name in ("workers", "every"))
        found = tuple(_bars(bars if isinstance(bars, list) else ()))
        return cls(found, workers if isinstance(workers, int) else 0, every if isinstance(every, int) else 1)


def _bars(found: Iterable[object]) -> Iterator[Bar]:
    for one in found:
        if isinstance(one, list) and len(one) == 11 and all(isinstance(value, (int, float)) for value in one[1:]):
            yield Bar(str(one[0]), *one[1:])


@dataclass(frozen=True)
class _Drawn:
    """One bar as the template draws it; places in the drawing's own units."""

    x: str
    width: str
    y: str
    height: str
    kind: str
    title: str
    share: str = ""
    """Height of the part that failed, of a bar of many mini-batches."""
    share_y: str = ""


def timeline_svg(found: Timeline) -> str:
    """Return a timeline as SVG; an empty text when there is nothing to draw."""
    if not found.bars:
        return ""
    lanes = sorted({bar.worker for bar in found.bars})
    height = 14.0 if len(lanes) <= _MANY_LANES else 7.0
    begin, end = min(bar.started for bar in found.bars), max(bar.ended for bar in found.bars)
    scale = (WIDTH - LABEL - 12) / max(end - begin, 1e-3)
    places = {worker: number * (height + 4) for number, worker in enumerate(lanes)}
    bars = [_drawn(bar, begin, scale, places[bar.worker], height) for bar in found.bars]
    kinds = {bar.kind for bar in bars} | {"failed" for bar in bars if bar.share}
    return render(
        "timeline.html",
        bars=bars,
        lanes=[(_label(worker), place, place + height - (3 if height > 10 else 0)) for worker, place in places.items()],
        ticks=list(_ticks(end - begin, scale)),
        width=WIDTH,
        label=LABEL,
        lane_height=height,
        foot=len(lanes) * (height + 4),
        key=uuid.uuid4().hex[:8],
        kinds=[(kind, words) for kind, words in KINDS.items() if kind in kinds],
        more=max(0, found.workers - len(lanes)),
        grouped=any(bar.mini_batches + bar.lost > 1 for bar in found.bars),
        every=found.every,
    )


KINDS = {
    "succeeded": "succeeded",
    "partial": "some files failed",
    "failed": "failed",
    "lost": "tried again",
}
"""What a bar can say, and the words for it."""


def _drawn(bar: Bar, begin: float, scale: float, y: float, height: float) -> _Drawn:
    x = LABEL + (bar.started - begin) * scale
    width = max((bar.ended - bar.started) * scale - 0.6, 0.8)
    ends = bar.mini_batches + bar.lost
    bad = min(1.0, (bar.failed + bar.partial + bar.lost) / max(1, ends))
    whole = ends <= 1 or bad in (0.0, 1.0)
    kind = _kind(bar) if whole else "succeeded"
    drawn = _Drawn(_number(x), _number(width), _number(y), _number(height), kind, _title(bar, begin))
    part = max(0.25, bad) * height
    return drawn if whole else replace(drawn, share=_number(part), share_y=_number(y + height - part))


def _kind(bar: Bar) -> str:
    if bar.failed:
        return "failed"
    return "partial" if bar.partial else "lost" if bar.lost else "succeeded"


def _title(bar: Bar, begin: float) -> str:
    """E.g. ``mini-batch 3: succeeded, 10 files, 0.21 s, from 1.5 s``."""
    span = f"{_seconds(bar.ended - bar.started)}, from {_seconds(bar.started - begin)}"
    if bar.mini_batches + bar.lost <= 1:
        files = f", {bar.items:,} files" if bar.items else ""
        failed = f", {bar.items_failed:,} failed" if bar.items_failed else ""
        return f"mini-batch {bar.first}: {KINDS[_kind(bar)]}{files}{failed}, {span}"
    counts = {"failed": bar.failed, "with failed files": bar.partial, "tried again": bar.lost}
    told = "".join(f", {count:,} {words}" for words, count in counts.items() if count)
    return f"mini-batches {bar.first} to {bar.last}: {bar.mini_batches:,} done{told}, {bar.items:,} files, {span}"


def _ticks(seconds: float, scale: float) -> Iterator[tuple[str, str]]:
    step = next((one for one in _LADDER if seconds / one <= 8), _LADDER[-1] * max(1, round(seconds / 8 / _LADDER[-1])))
    for number in range(int(seconds / step) + 1):
        yield _number(LABEL + number * step * scale), _seconds(number * step)


def _seconds(value: float) -> str:
    if value >= 7200:
        return f"{value / 3600:.3g} h"
    if value >= 120:
        return f"{value / 60:.3g} min"
    return f"{value:.3g} s" if value < 10 else f"{value:.0f} s"


def _number(value: float) -> str:
    return f"{value:.1f}".removesuffix(".0")


def _label(worker: str) -> str:
    return worker if len(worker) <= _LONGEST_LABEL else f"{worker[: _LONGEST_LABEL - 1]}…"
