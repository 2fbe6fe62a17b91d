"""A finding of the checks, and what its texts share."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from azure_batch_endpoints import _render


@dataclass(frozen=True)
class Finding(_render.Card):
    """One thing that is, or may be, wrong."""

    severity: Literal["error", "warning"]
    """``error``: it cannot work."""
    message: str
    """What, and what to do."""
    path: Path | None = None
    """File it is about."""
    line: int | None = None
    """Line in it, from 1."""
    blocks: bool = False
    """Whether ``create`` refuses the deployment: no job of it could even begin."""

    def __str__(self) -> str:
        """Return e.g. ``warning: score.py, line 7: run() …``."""
        where = "" if self.path is None else self.path.name + (f", line {self.line}" if self.line else "")
        return f"{self.severity}: {where}{where and ': '}{self.message}"


def listed(names: list[str], most: int = 5) -> str:
    """Return names in quotes as they go into a sentence, the first of many only."""
    shown = ", ".join(f"'{one}'" for one in names[:most])
    return f"{shown} and {len(names) - most} more" if len(names) > most else shown
