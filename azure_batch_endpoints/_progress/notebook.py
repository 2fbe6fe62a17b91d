"""A piece of a notebook's output that is drawn again in place.

It needs nothing of the notebook but IPython's display, which is there when this runs in a notebook.
"""

from __future__ import annotations

import sys
import time
from typing import Any

_BETWEEN = 0.2
"""Seconds between two drawings: more often nobody sees, and the notebook's server has to send it."""


class Place:
    """One place in a cell's output. What was drawn last stays there, also when the notebook is opened again."""

    def __init__(self) -> None:
        self._handle: Any = None
        self._drawn_at = 0.0
        self._shown = ""

    def due(self) -> bool:
        """Whether it is time to draw again."""
        return time.monotonic() - self._drawn_at >= _BETWEEN

    def draw(self, html: str, text: str) -> None:
        """Show HTML, or the text where HTML is not known; what is there already is not sent again."""
        if html == self._shown:
            return
        bundle = {"text/html": html, "text/plain": text}
        if self._handle is None:
            display: Any = sys.modules["IPython"].display
            self._handle = display.display(bundle, raw=True, display_id=True)
        else:
            self._handle.update(bundle, raw=True)
        self._drawn_at, self._shown = time.monotonic(), html
