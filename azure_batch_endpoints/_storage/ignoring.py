"""The ``.amlignore`` or ``.gitignore`` at the top of a folder, heeded as the official client does. Home of pathspec.

As there: the first wins and the other is not looked at, only the file at the top counts, every pattern is tried in
turn and the last that matches decides, and a pattern for a folder leaves out what is in it.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from azure_batch_endpoints.errors import LocalPathError

if TYPE_CHECKING:
    from pathspec.pattern import Pattern

_FILES = (".amlignore", ".gitignore")
_AS_THERE = {"!/": ""}
"""Patterns that mean something else to the official client than to git."""


@dataclass(frozen=True)
class Ignored:
    """What a folder's ignore file leaves out.

    Attributes:
        patterns: its lines in order; empty when there is no such file.
        file: its name.
    """

    patterns: tuple[Pattern, ...] = ()
    file: str = ""

    @classmethod
    def of(cls, folder: Path) -> Ignored:
        """Read the ignore file of a folder; none, or no folder, leaves out nothing.

        Raises:
            LocalPathError: a line of it is no pattern.
        """
        found = next((folder / name for name in _FILES if (folder / name).is_file()), None)
        if found is None:
            return cls()
        from pathspec.patterns.gitignore.spec import GitIgnoreSpecPattern

        lines = found.read_text(encoding="utf-8-sig", errors="replace").splitlines()
        patterns = []
        for number, line in enumerate(lines, 1):
            try:
                patterns.append(GitIgnoreSpecPattern(_AS_THERE.get(line.strip(), line.strip())))
            except ValueError as error:
                raise LocalPathError(
                    f"'{found.name}', line {number}, in '{folder}' is no pattern: '{line}'. "
                    "Correct it, or remove it. Nothing was sent.",
                    path=found,
                ) from error
        return cls(tuple(patterns), found.name)

    @property
    def takes_back(self) -> bool:
        """Whether a pattern begins with ``!``."""
        return any(pattern.include is False for pattern in self.patterns)

    def matches(self, name: str) -> bool:
        """Whether a file or folder, named relative to the folder with ``/``, is left out."""
        decided = False
        for pattern in self.patterns:
            if pattern.include is not None and pattern.match_file(name) is not None:
                decided = pattern.include
        return decided
