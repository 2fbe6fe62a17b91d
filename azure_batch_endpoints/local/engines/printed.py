"""What workers print, kept within bounds: a script that prints for hours must not fill the disk.

Workers write to their files themselves, so a file is looked at now and then, and cut where it is too long: its
beginning stays, a last line says that there was more.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

MOST_BYTES = 256 << 20
"""Of one file."""
LOOK_SECONDS = 1.0
MORE = b"\n[... more was printed; only the beginning is kept ...]\n"


class PrintedBound:
    """Cuts files that have become too long."""

    def __init__(self) -> None:
        self._due = 0.0

    def look(self, now: float, files: Iterable[Path]) -> None:
        """Cut files that are too long; does nothing while no look is due.

        Args:
            now: as of `time.monotonic`.
            files: to which somebody may be adding (`O_APPEND`).
        """
        if now >= self._due:
            self._due = now + LOOK_SECONDS
            self.cut(files)

    def cut(self, files: Iterable[Path]) -> None:
        """Cut files that are too long."""
        for file in files:
            with suppress(OSError):  # it was deleted
                if file.stat().st_size > MOST_BYTES + len(MORE):
                    os.truncate(file, MOST_BYTES)
                    with file.open("ab") as stream:
                        stream.write(MORE)
