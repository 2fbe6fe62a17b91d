"""The most memory that this process has held."""

from __future__ import annotations

import sys
from resource import RUSAGE_SELF, getrusage  # names of our own: scripts replace functions of modules


def peak_memory() -> int:
    """Return the most bytes that were resident.

    On Linux that counts the program that this process was before it became a worker, too: the warden, which is small.
    """
    peak = getrusage(RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024
