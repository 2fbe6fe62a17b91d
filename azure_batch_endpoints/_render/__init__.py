"""Rows of plain values to text and HTML, the same rows for ``repr``, notebooks and the command line.

Knows nothing of the entities, and sends nothing: what is shown was there before.
"""

from __future__ import annotations

from azure_batch_endpoints._render.cells import age, duration, rows_of, text
from azure_batch_endpoints._render.live import BarState, View, bars, live
from azure_batch_endpoints._render.pages import card, comparison, job_page, table
from azure_batch_endpoints._render.shown import Card, Noted, Notes, Rows
from azure_batch_endpoints._render.timeline import Bar, Timeline, timeline_svg

__all__ = [
    "Bar",
    "BarState",
    "Card",
    "Noted",
    "Notes",
    "Rows",
    "Timeline",
    "View",
    "age",
    "bars",
    "card",
    "comparison",
    "duration",
    "job_page",
    "live",
    "rows_of",
    "table",
    "text",
    "timeline_svg",
]
