"""How far a transfer is: counted in files and bytes, told to one listener one step at a time."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from threading import Lock
from typing import Literal, TypeAlias

Doing: TypeAlias = Literal["hashing", "uploading", "downloading"]


@dataclass(frozen=True)
class TransferStep:
    """How far a transfer is.

    Attributes:
        name: name of the file or folder.
        files_done: files that are there.
        files_total: all of them.
        bytes_done: bytes that are there, those of files under way included.
        bytes_total: all of them.
        doing: what is done with them.
    """

    name: str
    files_done: int
    files_total: int
    bytes_done: int
    bytes_total: int
    doing: Doing = "uploading"


Progress: TypeAlias = "Callable[[TransferStep], None]"


class Meter:
    """Counts files and bytes; safe to share between threads, and the listener is never called by two at once."""

    def __init__(self, start: TransferStep, progress: Progress | None) -> None:
        self.step = start
        self._progress = progress
        self._under_way: dict[str, int] = {}
        self._settled = 0
        self._lock = Lock()

    def sending(self, name: str, moved: int) -> None:
        """Note the bytes of a file that are there so far."""
        with self._lock:
            self._under_way[name] = max(moved, self._under_way.get(name, 0))
            self._tell(self.step.files_done)

    def done(self, name: str, size: int) -> None:
        """Note that a file is there."""
        with self._lock:
            self._under_way.pop(name, None)
            self._settled += size
            self._tell(self.step.files_done + 1)

    def _tell(self, files: int) -> None:
        self.step = replace(self.step, files_done=files, bytes_done=self._settled + sum(self._under_way.values()))
        if self._progress is not None:
            self._progress(self.step)
