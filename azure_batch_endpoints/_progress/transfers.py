"""Bars of uploads and downloads, in bytes and files; plain lines where nothing can be drawn."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import TYPE_CHECKING, Any, TypeAlias

from azure_batch_endpoints._progress import screen
from azure_batch_endpoints._progress.lines import Lines

if TYPE_CHECKING:
    from azure_batch_endpoints._storage.steps import TransferStep

_Listener: TypeAlias = "Callable[[TransferStep], None]"

_SAID = {"hashing": "Reading", "uploading": "Uploading", "downloading": "Downloading"}
LONG = 1.0
"""Seconds of hashing that are worth a bar."""


def upload_bar(*, show: bool | None = None) -> AbstractContextManager[_Listener | None]:
    """Draw uploads, and the reading before them where it takes long.

    Args:
        show: True: always, as plain lines where nothing can be drawn; False: never; None: in a notebook or on a
            terminal.

    Returns:
        yields what the upload reports to, or None when nothing is to be drawn.
    """
    return _shown(show=show)


def download_bar(*, show: bool | None = None) -> AbstractContextManager[_Listener | None]:
    """Draw a download; otherwise as :func:`upload_bar`."""
    return _shown(show=show)


@contextmanager
def _shown(*, show: bool | None) -> Iterator[_Listener | None]:
    if not screen.wanted(show):
        yield None
        return
    drawing = _Bars() if screen.in_notebook() or screen.on_terminal() else _AsLines()
    try:
        yield drawing.told
    finally:
        drawing.close()


class _Patience:
    """Leaves out the hashing that is over before anyone wonders."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._began: dict[str, float] = {}
        self._clock = clock

    def shows(self, step: TransferStep) -> bool:
        """Whether a step is worth showing."""
        if step.doing != "hashing":
            return True
        now = self._clock()
        began = self._began.setdefault(step.name, now)
        if _is_over(step):
            del self._began[step.name]
        return now - began >= LONG


class _Bars:
    """A bar for each transfer."""

    def __init__(self) -> None:
        self._bars: dict[tuple[str, str], Any] = {}
        self._patience = _Patience()

    def told(self, step: TransferStep) -> None:
        """Draw a step: ten times a second at most."""
        if not self._patience.shows(step):
            return
        key = step.doing, step.name
        if key not in self._bars:
            self._bars[key] = screen.tqdm()(
                desc=f"{_SAID[step.doing]} {step.name}",
                total=step.bytes_total,
                unit="B",
                unit_scale=True,
                file=sys.stderr,
                dynamic_ncols=True,
            )
        bar = self._bars[key]
        bar.set_postfix_str(_files(step), refresh=False)
        bar.update(step.bytes_done - bar.n)
        if _is_over(step):
            bar.close()
            del self._bars[key]  # the next of that name gets a bar of its own

    def close(self) -> None:
        """Leave the bars as they are."""
        for bar in self._bars.values():
            bar.close()


class _AsLines:
    """Lines for each transfer."""

    def __init__(self) -> None:
        self._lines: dict[tuple[str, str], Lines] = {}
        self._patience = _Patience()

    def told(self, step: TransferStep) -> None:
        """Write a step when it is time to, and the last one."""
        if not self._patience.shows(step):
            return
        key = step.doing, step.name
        lines = self._lines.setdefault(key, Lines())
        done = f"{_size(step.bytes_done)} of {_size(step.bytes_total)}"
        lines.say(f"{_SAID[step.doing]} {step.name}: {done}, {_files(step)}")
        if _is_over(step):
            lines.end()
            del self._lines[key]

    def close(self) -> None:
        """Write how far what did not end has come."""
        for lines in self._lines.values():
            lines.end()


def _is_over(step: TransferStep) -> bool:
    return step.files_done == step.files_total and step.bytes_done >= step.bytes_total


def _files(step: TransferStep) -> str:
    return f"{step.files_done:,} of {step.files_total:,} files"


def _size(size: float) -> str:
    unit = next((one for one in (1, 1000, 1_000_000) if size < 1000 * one), 1_000_000_000)
    name = {1: "B", 1000: "kB", 1_000_000: "MB"}.get(unit, "GB")
    return f"{size:,.0f} B" if unit == 1 else f"{size / unit:,.1f} {name}"
